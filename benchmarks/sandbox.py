"""Times the corpus sandbox: candidates per hour on one core, WebAssembly beside native code, and how far they agree.

    python benchmarks/sandbox.py [--corpus CORPUS]

Native code runs in a child process without the sandbox's protection: project-generated functions only, some of them
broken so that they do not compile, as many real candidates do. The extracted candidates of a corpus, in the folder that
`nstk corpus build` wrote, run in WebAssembly alone. Processor time counts, of this process and the compilers it starts.
Writes `results/sandbox.json`.
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import re
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from nstk.corpus.generation.generator import generate
from nstk.corpus.sandbox.execution import Unit, execute
from nstk.corpus.sandbox.isolation import isolate
from nstk.corpus.shards import read_shard

RESULT = Path(__file__).parent / "results" / "sandbox.json"
BATCH = 100
RUNS = 5
ROWS = (2400, *[512] * 8)  # of the segments
SEED = 1
NATIVE_FLAGS = ["-std=gnu17", "-O2", "-w", "-shared", "-fPIC", "-fmax-errors=0"]
PRELUDE = "".join(
    f"#include <{name}.h>\n" for name in ("math", "float", "limits", "stdint", "stddef", "stdbool", "stdlib", "string")
)

Outputs = list[np.ndarray | None]
Runner = Callable[[Sequence[Unit], Sequence[Sequence[np.ndarray]]], list[Outputs]]


def draw_segments() -> dict[int, list[np.ndarray]]:
    """Return float32 segments (rows, columns) by number of columns."""
    rng = np.random.default_rng(SEED)
    return {c: [rng.uniform(-1, 1, (rows, c)).astype(np.float32) for rows in ROWS] for c in range(1, 10)}


def generate_units(count: int, broken: float) -> list[Unit]:
    """Return generated functions; a share of them calls a function that does not exist."""
    rng = np.random.default_rng(SEED)
    units = []
    for candidate in generate(SEED, count):
        text = candidate.text
        if rng.random() < broken:
            text = re.sub(r"\breturn ([^;]*);", r"return missing(\1);", text)
        units.append(Unit(text, candidate.name, candidate.inputs))
    return units


def read_units(corpus: Path) -> list[Unit]:
    """Read the candidates that a corpus was made from."""
    rows = [row for path in sorted((corpus / "work" / "unique").iterdir()) for row in read_shard(path)]
    return [Unit(row["text"], row["name"], row["inputs"]) for row in rows]


def run_wasm(units: Sequence[Unit], segments: Sequence[Sequence[np.ndarray]]) -> list[Outputs]:
    """Run a batch in the sandbox."""
    return [list(outcome.outputs) for outcome in execute(units, segments, RUNS)]


def run_native(units: Sequence[Unit], segments: Sequence[Sequence[np.ndarray]]) -> list[Outputs]:
    """Run a batch as a shared library in a child process under limits."""
    pending = list(range(len(units)))
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "batch.so"
        while True:
            source = PRELUDE + "".join(native_source(units[n], n) for n in pending)
            command = ["gcc", *NATIVE_FLAGS, "-x", "c", "-", "-o", str(library), "-lm", "-Wl,-z,defs"]
            run = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
            if run.returncode == 0:
                break
            flagged = {
                int(n) for n in re.findall(r"^u(\d+):.*error:|nstk_(\d+)_", run.stderr, re.MULTILINE) for n in n if n
            }
            if not flagged.intersection(pending):
                raise RuntimeError(run.stderr[:2000])
            pending = [n for n in pending if n not in flagged]
        here, there = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(
            target=call_native, args=(library, pending, segments, there)
        )
        child.start()
        there.close()
        found = here.recv()
        child.join()
    return [found.get(number, [None] * len(ROWS)) for number in range(len(units))]


def native_source(unit: Unit, number: int) -> str:
    """Return a unit and its wrapper."""
    prefix = f"nstk_{number}_"
    arguments = ", ".join(f"x[{i}]" for i in range(unit.inputs))
    return f"""
#line 1 "u{number}"
{isolate(unit.text, prefix)}
void run_{number}(int n, const float *x, float *y) {{
    for (int i = 0; i < n; i++, x += {unit.inputs}) y[i] = (float){prefix}{unit.name}({arguments});
}}
"""


def call_native(
    library: Path, numbers: Sequence[int], segments: Sequence[Sequence[np.ndarray]], answer: Connection
) -> None:
    """Run in the child: every unit several times in several orders, as the sandbox does."""
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    loaded = ctypes.CDLL(str(library))
    rng = np.random.default_rng(SEED)
    orders = [np.arange(sum(ROWS)), *(rng.permutation(sum(ROWS)) for _ in range(RUNS - 1))]
    found = {}
    for number in numbers:
        x = np.concatenate(segments[number])
        results = []
        for order in orders:
            rows, y, back = x[order], np.empty(len(x), np.float32), np.empty(len(x), np.float32)
            pointers = (ctypes.c_void_p(array.ctypes.data) for array in (rows, y))
            loaded[f"run_{number}"](len(x), *pointers)
            back[order] = y
            results.append(back)
        if all(np.array_equal(results[0].view(np.uint32), other.view(np.uint32)) for other in results[1:]):
            found[number] = np.split(results[0], np.cumsum(ROWS)[:-1])
    answer.send(found)


def measure(runner: Runner, units: Sequence[Unit]) -> tuple[dict[str, Any], list[Outputs]]:
    """Run all units in batches; return the times and the outputs."""
    segments = draw_segments()
    given = [segments[min(unit.inputs, 9)] for unit in units]
    runner(units[:1], given[:1])  # starts what is started once
    wall, before = time.perf_counter(), processor_seconds()
    outputs = []
    for first in range(0, len(units), BATCH):
        outputs += runner(units[first : first + BATCH], given[first : first + BATCH])
    seconds, wall = processor_seconds() - before, time.perf_counter() - wall
    row = {
        "candidates": len(units),
        "survivors": sum(y[0] is not None for y in outputs),
        "cpu_ms_per_candidate": round(1000 * seconds / len(units), 3),
        "wall_ms_per_candidate": round(1000 * wall / len(units), 3),
        "candidates_per_hour_and_core": round(3600 * len(units) / seconds),
    }
    return row, outputs


def processor_seconds() -> float:
    """Return the processor time of this process and the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def compare(native: Sequence[Outputs], wasm: Sequence[Outputs]) -> dict[str, Any]:
    """Count the functions whose float32 outputs agree."""
    counts: Counter[str] = Counter()
    worst = 0.0
    for ours, theirs in zip(native, wasm, strict=True):
        if ours[0] is None or theirs[0] is None:
            counts["survive one way only"] += (ours[0] is None) != (theirs[0] is None)
            continue
        a, b = (np.concatenate([y for y in outputs if y is not None]) for outputs in (ours, theirs))
        counts["functions"] += 1
        if np.array_equal(a, b, equal_nan=True):
            counts["identical"] += 1
            continue
        finite = np.isfinite(a) & np.isfinite(b)
        error = np.abs(a[finite] - b[finite]) / np.maximum(1, np.abs(a[finite]))
        share = float((error > 1e-6).mean())
        counts["within 1e-6, relative above 1"] += share == 0
        counts["beyond it at under 1 % of the inputs"] += 0 < share < 0.01
        counts["beyond it at more"] += share >= 0.01
        worst = max(worst, float(error.max(initial=0)))
    return {**counts, "largest difference": float(f"{worst:.3g}")}


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="run its extracted candidates too")
    parser.add_argument("--count", type=int, default=2000, help="generated functions")
    parser.add_argument("--broken", type=float, default=0.4, help="share of them that does not compile")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    units = generate_units(options.count, options.broken)
    native, native_outputs = measure(run_native, units)
    wasm, wasm_outputs = measure(run_wasm, units)
    result = describe(["numpy", "wasmtime", "ziglang"], "gcc")
    result["settings"] = {"batch": BATCH, "runs": RUNS, "rows": list(ROWS), "workers": 1, "broken": options.broken}
    result["settings"]["native"] = "gcc " + " ".join(NATIVE_FLAGS)
    result["generated"] = {"native": native, "wasm": wasm, "agreement": compare(native_outputs, wasm_outputs)}
    if options.corpus:
        result["real"] = {"wasm": measure(run_wasm, read_units(options.corpus))[0]}
    endless = [Unit("double f(double x) { for (;;) x += 1; return x; }", "f", 1)] * BATCH
    result["endless_loops"] = {"wasm": measure(run_wasm, endless)[0]}
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in result if key not in ("machine", "versions")}, indent=1))


if __name__ == "__main__":
    main()
