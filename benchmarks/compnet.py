"""Judges a hypernetwork on real functions of packages it never saw, and on ParrotBench, against random starts.

    python benchmarks/compnet.py CORPUS                        the one that ships
    python benchmarks/compnet.py CORPUS --checkpoint FOLDER    another

Every start is fitted with 1,024 outputs of the function: pairs at inputs drawn U(-1, 1), or the 256 probes that
`compnet` is given and 768 of the same pairs. Test errors are mean squared errors at 1,024 other draws over the variance
there. Random stands for the mean of 3 starts, a baseline for the mean of its networks, `compnet` for the candidate that
is best on the probes, `compnet-text` for the first.

- zero-shot: before any fitting; `compnet` also with fewer probes. `compnet-text` says by itself where the outputs lie;
  in another row, and where it is fitted, mean and scale are those of the pairs, as they are for random starts.
- adam: the paper's protocol, 5,000 epochs at a rate of 0.01; 80 % of the outputs train, the others choose the iterate.
  Epochs are counted to the random starts' mean error; 3 where it is met at the start, 5,000 where it never is.
- lm: 60 Levenberg-Marquardt steps, counted likewise, one by one. The compiled candidate that is best on the training
  pairs takes all of them, unless its validation error is above 1 % of the variance after 20: then two others take 20
  each. Random starts are given 60 each, for with this rule, and seven other kinds of restarts within the 60 steps, they
  end higher. And 240 steps: of random starts a race of three, 30 steps each and 150 of the one that validates best; of
  what is compiled a race of twelve, 8 steps each and 144. All this was chosen on validation and training functions.
  Plain steps go along the tangent and move all parameters alike: without the two accelerations that nstk adds.
- programs: ParrotBench.

Every column is saved at once in `results/compnet.json`, so that a stopped run continues where it was; columns of other
weights, functions or Levenberg-Marquardt budgets are dropped. `tables.py` renders the file.
"""

import argparse
import functools
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from compnet_fits import (
    COMPILED_RACE,
    EPOCHS,
    LM_PROTOCOL,
    RANDOM_RACE,
    STEPS,
    TURNS,
    Task,
    count_until,
    fit_in_turns,
    fit_with_adam,
    fit_with_lm,
    make_task,
    race,
)
from compnet_functions import Function, Sample, find_trained, group_by_inputs, read_functions
from compnet_methods import Methods
from compnet_programs import EXAMPLES, PROGRAMS, measure_programs
from compnet_statistics import PLAIN, summarize
from machine import describe
from numpy.typing import NDArray

from nstk import optimizers
from nstk.compilation import SHIPPED
from nstk.corpus.inputs import PROBES
from nstk.least_squares import LeastSquares

RESULT = Path(__file__).parent / "results" / "compnet.json"
MADE = RESULT.with_name("compnet_made.json")
FEWER_PROBES = (128, 64, 32)
RANDOM = 3  # starts, and races

Columns = dict[str, torch.Tensor]  # (B,) each, of the functions at hand
Starts = Callable[[Task, list[Sample]], torch.Tensor]
Fit = Callable[[Task, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class Evaluation:
    """What has been measured so far, function by function.

    Args:
        functions: F functions to judge by.
        trained: Which of them equal a training row but for shift and scale, or a part or a recombination of some.
        methods: What is judged.
        out: File that holds what an earlier run measured, and gets the rest.
    """

    def __init__(self, functions: Sequence[Function], trained: Sequence[bool], methods: Methods, out: Path) -> None:
        self.functions, self.methods, self._trained, self._out = functions, methods, trained, out
        judged = _digest(*(function.id.encode() + function.sample.y.tobytes() for function in functions))
        self._weights = {name: methods.digest(name) for name in methods.names}
        self._of = {name: _digest(judged.encode(), digest.encode()) for name, digest in self._weights.items()}
        texts = [(EXAMPLES / file).read_bytes() for file in PROGRAMS.values()]
        self._of["lm"] = _digest(repr(LM_PROTOCOL).encode())
        digests = [*self._weights.values(), self._of["lm"]]
        self._of["programs"] = _digest(*texts, *(digest.encode() for digest in digests))
        found = json.loads(out.read_text()) if out.exists() else {"of": {}}
        same = {name for name, of in self._of.items() if found["of"].get(name) == of}
        self._programs = found["programs"] if "programs" in same else []
        self._columns: dict[str, list[float]] = {
            name: values for name, values in found.get("columns", {}).items() if _needs(name) <= same
        }

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a column `(F,)`."""
        return np.array(self._columns[name])

    def measure(self, name: str, work: Callable[[list[Sample], NDArray[np.int64]], Columns]) -> None:
        """Measure the column `name`, and others that come with it, unless it is there.

        Args:
            name: `PART/METHOD`.
            work: Gets the samples of all functions with equally many inputs, and their numbers.
        """
        if name in self._columns:
            return
        began = time.perf_counter()
        found: dict[str, NDArray[np.float64]] = {}
        for numbers in group_by_inputs(self.functions):
            for column, values in work([self.functions[i].sample for i in numbers], numbers).items():
                found.setdefault(column, np.empty(len(self.functions)))[numbers] = values.numpy()
        self._columns |= {column: [float(f"{value:.4g}") for value in values] for column, values in found.items()}
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        self.save()

    def measure_programs(self) -> None:
        """Measure ParrotBench unless it is there."""
        if not self._programs:
            self._programs = measure_programs(self.methods)
            self.save()

    def save(self) -> None:
        """Write what is known."""
        seen, trained = np.array([function.seen for function in self.functions]), np.array(self._trained)
        groups = {"all": seen | True, "never seen": ~seen, "in no form": ~seen & ~trained}
        columns = {name: self.column(name) for name in sorted(self._columns)}
        result = describe(["nstk", "numpy", "torch", "transformers"])
        result |= {"groups": {name: int(chosen.sum()) for name, chosen in groups.items()}, "weights": self._weights}
        result |= {"summary": summarize(columns, groups), "programs": self._programs, "of": self._of}
        result["functions"] = {
            "id": [function.id for function in self.functions],
            "package": [function.package for function in self.functions],
            "inputs": [len(function.sample.program.inputs) for function in self.functions],
            "behaviour_seen": seen.astype(int).tolist(),
            "seen_in_some_form": trained.astype(int).tolist(),
        }
        result["columns"] = {name: self._columns[name] for name in columns}
        scratch = self._out.with_suffix(".tmp")
        scratch.write_text(_format(result) + "\n")
        scratch.rename(self._out)


def measure_zero_shot(evaluation: Evaluation) -> None:
    """Measure errors before any fitting."""

    def work(name: str, method: str, shown: int, located: bool, samples: list[Sample], _: NDArray[np.int64]) -> Columns:
        task = make_task(samples, probes=method == "compnet")
        return {name: task.nmse(evaluation.methods.starts(method, task, samples, RANDOM, shown, located)).mean(1)}

    for method in evaluation.methods.names:
        name = f"zero-shot/{method}"
        evaluation.measure(name, functools.partial(work, name, method, PROBES, True))
        if method == "compnet-text":
            name += ", mean and scale of the pairs"
            evaluation.measure(name, functools.partial(work, name, method, PROBES, False))
    for shown in FEWER_PROBES:
        name = f"zero-shot/compnet, {shown} probes"
        evaluation.measure(name, functools.partial(work, name, "compnet", shown, True))


def measure_adam(evaluation: Evaluation) -> None:
    """Measure errors after the paper's protocol, and epochs to the random starts' mean error."""
    for method in evaluation.methods.names:
        starts = functools.partial(evaluation.methods.starts, method, draws=RANDOM, raced=True)
        _measure_fit(evaluation, "adam", method, starts, fit_with_adam, "epochs", EPOCHS)


def measure_lm(evaluation: Evaluation) -> None:
    """Measure errors after 60 Levenberg-Marquardt steps and steps to the random starts' mean error; and after 240.

    Then the same with plain steps, which is what papers call Levenberg-Marquardt.
    """
    _measure_lm(evaluation, "")
    straight = mock.patch.object(optimizers, "_MOST_BENT", 0.0)
    joint = mock.patch.object(LeastSquares, "solve_last", _do_nothing)
    with straight, joint:
        _measure_lm(evaluation, PLAIN)


def _do_nothing(*_: object) -> None:
    """Stand in for what is left out; a mock would remember all arguments, and keep their gigabytes."""


def _measure_lm(evaluation: Evaluation, kind: str) -> None:
    def work_random(samples: list[Sample], _: NDArray[np.int64]) -> Columns:
        task = make_task(samples, probes=False)
        fields = evaluation.methods.starts("random", task, samples, RANDOM * RANDOM_RACE.starts)
        raced = [race(task, field, RANDOM_RACE) for field in fields.split(RANDOM_RACE.starts, 1)]
        return {f"{kind}race/random": torch.cat(raced, 1).mean(1)}

    def work_compiled(samples: list[Sample], _: NDArray[np.int64]) -> Columns:
        task = make_task(samples, probes=True)
        candidates = evaluation.methods.candidates(task, samples)
        return {f"{kind}race/compnet": race(task, candidates, COMPILED_RACE)[:, 0]}

    draws = functools.partial(evaluation.methods.starts, "random", draws=RANDOM)
    _measure_fit(evaluation, f"{kind}lm", "random", draws, fit_with_lm, "steps", STEPS)
    candidates = functools.partial(evaluation.methods.turns, count=TURNS)
    _measure_fit(evaluation, f"{kind}lm", "compnet", candidates, fit_in_turns, "steps", STEPS)
    evaluation.measure(f"{kind}race/random", work_random)
    evaluation.measure(f"{kind}race/compnet", work_compiled)


def _measure_fit(
    evaluation: Evaluation, part: str, method: str, starts: Starts, fit: Fit, unit: str, counts: Sequence[int]
) -> None:
    """Measure errors after a fit, and how much of it, in `counts`, reaches random's mean error; random comes first."""

    def work(samples: list[Sample], numbers: NDArray[np.int64]) -> Columns:
        task = make_task(samples, probes=method == "compnet")
        errors, curves = fit(task, starts(task, samples))
        mean = errors.mean(1)
        target = mean if method == "random" else torch.tensor(evaluation.column(f"{part}/random")[numbers])
        return {f"{part}/{method}": mean, f"{part}/{method}/{unit}": count_until(curves, target, counts).mean(1)}

    evaluation.measure(f"{part}/{method}", work)


PARTS: dict[str, Callable[[Evaluation], None]] = {
    "zero-shot": measure_zero_shot,
    "adam": measure_adam,
    "lm": measure_lm,
    "programs": Evaluation.measure_programs,
}


def _needs(column: str) -> set[str]:
    """Return what must not have changed for a column to stay: `compnet` for `zero-shot/compnet, 32 probes`."""
    part, method, *_ = column.split("/")
    by_lm = part.removeprefix(PLAIN) in ("lm", "race") or method.startswith("compnet-text")  # its candidate is fitted
    return {method.split(",")[0]} | ({"lm"} if by_lm else set())


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _format(value: Any, depth: int = 2) -> str:
    """Return JSON with a line per column and per row."""
    if depth and isinstance(value, dict):
        inner = ",\n".join(f"{' ' * (3 - depth)}{json.dumps(k)}: {_format(v, depth - 1)}" for k, v in value.items())
        return f"{{\n{inner}\n{' ' * (2 - depth)}}}"
    if depth and isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in value) + "\n ]"
    return json.dumps(value)


def main() -> None:
    """Measure what is missing in the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED / "compnet")
    parser.add_argument("--baselines", type=Path, default=SHIPPED, help="folder with folders `pretrained` and `maml`")
    parser.add_argument("--part", choices=list(PARTS), action="append", help="only this one (repeatable)")
    parser.add_argument("--functions", type=int, help="only so many, drawn at random; needs --out of its own")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    torch.set_num_threads(1)  # small matrices gain nothing from threads
    torch.set_grad_enabled(False)
    functions = read_functions(given.corpus)
    if given.functions is not None and given.functions < len(functions):
        chosen = np.random.default_rng(0).choice(len(functions), given.functions, replace=False)
        functions = [functions[i] for i in sorted(chosen)]
    made = json.loads(MADE.read_text())["functions"]
    trained = [
        equal or any(function.id in ids for ids in made.values())
        for function, equal in zip(functions, find_trained(given.corpus, functions), strict=True)
    ]
    evaluation = Evaluation(functions, trained, Methods(given.checkpoint, given.baselines), given.out)
    for part in given.part or PARTS:
        PARTS[part](evaluation)
    evaluation.save()


if __name__ == "__main__":
    main()
