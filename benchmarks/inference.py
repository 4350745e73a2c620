"""Times the reference network: our emitted header against straightforward C, emlearn, nncc and ONNX Runtime.

    python benchmarks/inference.py

Every candidate is a shared library of its own in this one process; short windows go round all of them, and the
median and the smallest window count. Writes `results/inference.json`; `tables.py` renders it.
"""

import argparse
import ctypes
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import neighbours
import numpy as np
import reference_net
from machine import describe, has_cpu_flag

HERE = Path(__file__).parent
RESULT = HERE / "results" / "inference.json"
BATCH = 4096
STRIDE = BATCH + 16  # columns 16 KiB apart would fall into one set of the first-level cache
ONE_BY_ONE = 1024  # scalar evaluations in one window
SMALL_RUNS = 20  # ONNX Runtime calls of batch 1 in one window
OURS, OURS_UNCLAMPED = "nstk", "nstk, no clamp"

SCALAR_O2, SCALAR_O3 = "scalar, gcc -O2", "scalar, gcc -O3 -march=native"
AVX512, AVX2, SSE2 = "batch of 4096, AVX-512", "batch of 4096, AVX2", "batch of 4096, SSE2"
PYTHON = "batch of 1, from Python"
#: Compiler flags of each batch group, and what the processor must have. ONNX Runtime always takes the widest.
BATCH_FLAGS = {
    AVX512: ("-O3 -march=native", "avx512f"),
    AVX2: ("-O3 -mavx2 -mfma", "avx2"),
    SSE2: ("-O3 -msse2", "sse2"),
}
SIGMOID_ERROR = 1e-6  # nstk's default

_OURS_WRAPPER = """
#include <stddef.h>
#include "reference_surrogate.h"

EXPORT float run_scalar(const float *x) {
    return ref_surrogate_f(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8]);
}

EXPORT void run_batch(size_t n, const float *c, size_t s, float *y) {
    ref_surrogate_batch(n, c, c + s, c + 2 * s, c + 3 * s, c + 4 * s, c + 5 * s, c + 6 * s, c + 7 * s, c + 8 * s, y);
}
"""


@dataclass
class Candidate:
    """One row of the result.

    Attributes:
        group: What it competes in.
        name: Whose code.
        flags: How it was compiled; empty for ONNX Runtime.
        window: Runs one timing window and returns nanoseconds per evaluation.
        max_error: Largest error against float64.
        times: Nanoseconds per evaluation of each window.
    """

    group: str
    name: str
    flags: str
    window: Callable[[], float]
    max_error: float
    times: list[float] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """Return what goes into the result file."""
        return {
            "group": self.group,
            "name": self.name,
            "flags": self.flags,
            "median_ns": round(float(np.median(self.times)), 3),
            "min_ns": round(min(self.times), 3),
            "max_error": float(f"{self.max_error:.3g}"),
        }


class Bench:
    """Inputs, expected outputs and compiled candidates."""

    def __init__(self, compiler: str, folder: Path) -> None:
        self.compiler, self.folder = compiler, folder
        self.net = reference_net.load()
        self.x = reference_net.draw_inputs(BATCH)
        self.expected = self.net.evaluate(self.x)[:, 0]
        self.columns = np.zeros((9, STRIDE), np.float32)
        self.columns[:, :BATCH] = self.x.T
        self.y = np.empty(BATCH, np.float32)
        self.candidates: list[Candidate] = []
        self._windows = ctypes.CDLL(str(self._build("windows", (HERE / "c" / "windows.c").read_text(), "-O2")))
        self._windows.scalar_window.restype = self._windows.batch_window.restype = ctypes.c_double

    def _build(self, name: str, source: str, flags: str) -> Path:
        library = self.folder / f"{name}.so"
        command = [self.compiler, *flags.split(), "-shared", "-fPIC", "-fvisibility=hidden", "-w"]
        command += ['-DEXPORT=__attribute__((visibility("default")))' if name != "windows" else "-fvisibility=default"]
        command += [f"-I{HERE / 'c'}", f"-I{self.folder}", f"-I{neighbours.emlearn_includes()}"]
        subprocess.run([*command, "-x", "c", "-", "-o", library, "-lm"], input=source, text=True, check=True)
        return library

    def add(self, group: str, name: str, source: str, flags: str) -> None:
        """Compile C text that exports `run_scalar` or `run_batch`, check its outputs and enter it in a group."""
        library = ctypes.CDLL(str(self._build(f"candidate_{len(self.candidates)}", source, flags)))
        x, columns, y = (a.ctypes.data_as(ctypes.c_void_p) for a in (self.x, self.columns, self.y))
        if group.startswith("scalar"):
            library.run_scalar.restype = ctypes.c_float
            got = np.array([library.run_scalar(ctypes.c_void_p(row.ctypes.data)) for row in self.x])
            count = ctypes.c_size_t(ONE_BY_ONE)

            def window() -> float:
                return float(self._windows.scalar_window(library.run_scalar, x, count))
        else:
            sizes = ctypes.c_size_t(BATCH), ctypes.c_size_t(STRIDE)
            self.y[:] = np.nan
            library.run_batch(sizes[0], columns, sizes[1], y)
            got = self.y.copy()

            def window() -> float:
                return float(self._windows.batch_window(library.run_batch, sizes[0], columns, sizes[1], y))

        error = float(np.abs(got - self.expected).max())
        self.candidates.append(Candidate(group, name, flags, window, error))

    def add_onnxruntime(self, group: str, batch: int, runs: int) -> None:
        """Enter ONNX Runtime at a batch size; its time includes one Python call per run."""
        session = neighbours.OnnxRuntime(self.net, self.x[:batch])
        session.run()
        error = float(np.abs(session.y[:, 0] - self.expected[:batch]).max())

        def window() -> float:
            start = time.perf_counter_ns()
            for _ in range(runs):
                session.run()
            return (time.perf_counter_ns() - start) / (runs * batch)

        self.candidates.append(Candidate(group, "onnxruntime", "", window, error))

    def run(self, rounds: int) -> None:
        """Go round all candidates, one window each."""
        for _ in range(rounds):
            for candidate in self.candidates:
                candidate.times.append(candidate.window())


def enter_all(bench: Bench, headers: dict[str, str]) -> None:
    """Enter neighbours and ours (name -> header text) in every group this machine can run."""
    (bench.folder / "weights.h").write_text(neighbours.expf_weights(bench.net))
    by_hand = (HERE / "c" / "expf_net.c").read_text()
    ours = {name: _OURS_WRAPPER.replace('#include "reference_surrogate.h"', text) for name, text in headers.items()}
    scalar = {
        "straightforward C": f"#define SCALAR\n{by_hand}",
        "emlearn": neighbours.emlearn_source(bench.net),
        "nncc": neighbours.nncc_source(bench.net),
    }
    for group, flags in ((SCALAR_O2, "-O2"), (SCALAR_O3, "-O3 -march=native")):
        for name, source in (scalar | ours).items():
            bench.add(group, name, source, flags)
    bench.add_onnxruntime(PYTHON, 1, SMALL_RUNS)

    for group, (flags, needed) in BATCH_FLAGS.items():
        if has_cpu_flag(needed):
            bench.add_onnxruntime(group, BATCH, 1)
            bench.add(group, "straightforward C", by_hand, flags)
            bench.add(group, "straightforward C", by_hand, f"{flags} -ffast-math")  # vector expf of glibc's libmvec
            for name, source in ours.items():
                bench.add(group, name, source, flags)


def compare(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Compare ours as built by default, by median, with the best neighbour of each group and with ONNX Runtime."""
    ratios = {}
    for group in dict.fromkeys(row["group"] for row in rows):
        members = [row for row in rows if row["group"] == group]
        ours = [row["median_ns"] for row in members if row["name"] == OURS]
        others = [(row["median_ns"], row["name"], row["flags"]) for row in members if not row["name"].startswith(OURS)]
        if not ours:
            continue
        best, name, flags = min(others)
        ratios[group] = {"best_neighbour": f"{name} {flags}".strip(), "times_faster": round(best / ours[0], 2)}
        for nanoseconds, name, _ in others:
            if name == "onnxruntime":
                ratios[group]["times_faster_than_onnxruntime"] = round(nanoseconds / ours[0], 2)
    return ratios


def emit_headers() -> dict[str, str]:
    """Return our header for the reference network over [-1, 1]^9, as built by default and without clamp."""
    from nstk.emission import emit
    from nstk.folding import fold

    surrogate = reference_net.reference_surrogate()
    folded = {OURS: fold(surrogate, SIGMOID_ERROR), OURS_UNCLAMPED: fold(surrogate, SIGMOID_ERROR, clamp=False)}
    return {name: emit(surrogate.program, arithmetic) for name, arithmetic in folded.items()}


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2000, help="timing windows per candidate")
    parser.add_argument("--header", type=Path, help="time this header instead of the one nstk emits")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    compiler = os.environ.get("CC", "gcc")
    headers = {OURS: options.header.read_text()} if options.header else emit_headers()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(compiler, Path(folder))
        enter_all(bench, headers)
        bench.run(options.rounds)
    rows = [candidate.row() for candidate in bench.candidates]
    result = describe(["emlearn", "nncc", "numpy", "onnx", "onnxruntime", "scikit-learn", "torch"], compiler)
    result["settings"] = {"rounds": options.rounds, "batch": BATCH, "scalar_window": ONE_BY_ONE, "threads": 1}
    result["not_measured"] = [g for g, (_, needed) in BATCH_FLAGS.items() if not has_cpu_flag(needed)]
    result["rows"] = rows
    result["ratios"] = compare(rows)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    for row in rows:
        print("{group:32}{name:20}{flags:30}{median_ns:10.2f}{min_ns:10.2f}{max_error:10.1e}".format(**row))
    for group, ratio in result["ratios"].items():
        print(group, ratio)


if __name__ == "__main__":
    main()
