"""Times how long it takes to fit a 4-4 network to a given test error: ours, scikit-learn and PyTorch.

    python benchmarks/finetuning.py

Everyone gets the same 1,500 uniform pairs and one thread, restarts with new seeds until the nrmse on 20,000 fresh
points is reached, and is stopped after 60 CPU seconds. Every run is saved at once in `results/finetuning.json`, so that
a stopped benchmark continues where it was; delete runs to repeat them. `tables.py` renders the file.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peers
from clock import CensoredError, Clock, Problem, ReachedError
from machine import describe
from threadpoolctl import threadpool_limits

HERE = Path(__file__).parent
RESULT = HERE / "results" / "finetuning.json"
PAIRS, FRESH = 1500, 20_000


@dataclass(frozen=True)
class Task:
    """One output of an example program, and the nrmse to reach."""

    name: str
    file: str
    output: str
    target: float


TASKS = (
    Task("sine", "sincos.c", "sine", 0.0002),
    Task("dew point", "dew_point.c", "result", 0.0015),
    Task("Steinhart-Hart", "steinhart_hart.c", "result", 0.005),
    Task("inverse kinematics, theta1", "invk2j.c", "theta1", 0.0035),
    Task("inverse kinematics, theta2", "invk2j.c", "theta2", 0.001),
    Task("haversine", "haversine.c", "result", 0.02),
    Task("Colebrook", "colebrook.c", "result", 0.0035),
    Task("Kepler", "kepler.c", "result", 0.0015),
    Task("euclidean distance", "euclidean.c", "result", 0.06),
    Task("sobel", "sobel.c", "result", 0.06),
)


def sample(task: Task, seed: int) -> Problem:
    """Run the example on uniform draws of its domain and normalize as nstk does."""
    from nstk.program import read_program
    from nstk.sampling import draw
    from nstk.sandbox import ProgramRunner
    from nstk.surrogate import normalize

    program = read_program(HERE.parent / "examples" / task.file)
    column = [output.name for output in program.outputs].index(task.output)
    x, x_test = draw(program.inputs, PAIRS, seed), draw(program.inputs, FRESH, seed + 1000)
    with ProgramRunner(program) as runner:
        y, y_test = runner.outputs(x)[:, column], runner.outputs(x_test)[:, column]
    mean, deviation = y.mean(), y.std()
    return Problem(
        normalize(program.inputs, x),
        (y - mean) / deviation,
        normalize(program.inputs, x_test),
        (y_test - mean) / deviation,
        task.target,
    )


#: Heats of one race: networks, pairs, Levenberg-Marquardt steps. Tuned on these programs as the peers' settings were.
RACE = ((8, 256, 20), (2, PAIRS, 60), (1, PAIRS, 120))
STEPS = 20  # between two looks at the test error


def reach_with_nstk(problem: Problem, clock: Clock, seed: int) -> None:
    """Race small fields of random starts, one field after the other."""
    from nstk.compilation import random_parameters
    from nstk.finetuning import Stage, race
    from nstk.topology import Topology

    topology = Topology((problem.x.shape[1], *peers.HIDDEN, 1))
    layers = list(topology.layers())
    y = problem.y[:, None]
    while True:
        field = random_parameters(topology, RACE[0][0], seed)
        for networks, pairs, steps in RACE:
            for _ in range(steps // STEPS):
                field = race(topology, field, problem.x, y, problem.x, y, [Stage(networks, pairs, STEPS)])[0][0]
                weights = [field[0][layer.weight].reshape(layer.outputs, layer.inputs).T for layer in layers]
                clock.check(weights, [field[0][layer.bias] for layer in layers])
        seed += 1


METHODS = {"nstk": reach_with_nstk, **peers.METHODS}


@dataclass(frozen=True)
class Run:
    """One fit: CPU seconds until the target was reached, or None if it was not within the limit."""

    program: str
    target: float
    method: str
    seed: int
    seconds: float | None
    best_nrmse: float


def measure(task: Task, method: str, seed: int, limit: float) -> Run:
    """Time one method on one task."""
    problem = sample(task, seed)
    _warm_up(method, problem)
    clock = Clock(problem, limit)
    try:
        METHODS[method](problem, clock, 1000 * seed)
    except ReachedError:
        seconds = round(clock.seconds(), 4)
    except CensoredError:
        seconds = None
    return Run(task.name, task.target, method, seed, seconds, float(f"{clock.best:.4g}"))


def _warm_up(method: str, problem: Problem) -> None:
    """Let imports and first calls happen outside the clock."""
    easy = Problem(problem.x[:64], problem.y[:64], problem.x_test[:64], problem.y_test[:64], float("inf"))
    try:
        METHODS[method](easy, Clock(easy, 1.0), 0)
    except (ReachedError, CensoredError):
        return


def summarize(runs: list[dict[str, Any]], limit: float) -> list[dict[str, Any]]:
    """Return one row per program: each method's median seconds (censored runs count as the limit) and our factor."""
    rows = []
    for task in TASKS:
        row: dict[str, Any] = {"program": task.name, "target_nrmse": task.target}
        for method in METHODS:
            times = [r["seconds"] for r in runs if r["program"] == task.name and r["method"] == method]
            if times:
                median = float(np.median([limit if t is None else t for t in times]))
                row[method] = {
                    "seconds": round(median, 3),
                    "reached": sum(t is not None for t in times),
                    "of": len(times),
                }
        if "nstk" in row:
            own = row["nstk"]["seconds"]
            row["times_faster"] = {m: round(row[m]["seconds"] / own, 1) for m in METHODS if m in row and m != "nstk"}
        rows.append(row)
    return rows


def main() -> None:
    """Run what is missing in the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--programs", nargs="+", default=[task.name for task in TASKS])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--limit", type=float, default=60.0, help="CPU seconds after which a run is stopped")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    threadpool_limits(1)
    runs: list[dict[str, Any]] = json.loads(options.out.read_text())["runs"] if options.out.exists() else []
    done = {(run["program"], run["method"], run["seed"]) for run in runs}
    for seed in range(options.seeds):
        for task in TASKS:
            for method in options.methods:
                if task.name not in options.programs or (task.name, method, seed) in done:
                    continue
                run = asdict(measure(task, method, seed, options.limit))
                print(run, flush=True)
                runs.append(run)
                result = describe(["numpy", "scikit-learn", "scipy", "torch"])
                result["settings"] = {"pairs": PAIRS, "fresh": FRESH, "limit_s": options.limit, "threads": 1}
                result["rows"] = summarize(runs, options.limit)
                result["runs"] = runs
                scratch = options.out.with_suffix(".tmp")
                scratch.write_text(json.dumps(result, indent=1) + "\n")
                scratch.rename(options.out)


if __name__ == "__main__":
    main()
