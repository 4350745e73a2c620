"""Surrogates with random parameters, and compilers to try their headers with."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from handmade import program, value

from nstk.domain import Interval
from nstk.emission import header_names
from nstk.program import Program
from nstk.surrogate import Network, Surrogate
from nstk.topology import Topology

ZIG = (sys.executable, "-m", "ziglang")
GCC, GXX, CLANG, CLANGXX = ("gcc",), ("g++",), (*ZIG, "cc"), (*ZIG, "c++")

_STRICT = "-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wdouble-promotion -Wshadow -Wundef -Wcast-qual"
_WARNINGS = [*_STRICT.split(), "-Werror"]
C99 = ["-std=c99", *_WARNINGS, "-Wstrict-prototypes", "-Wmissing-prototypes"]
CXX11 = ["-std=c++11", *_WARNINGS]


def with_intervals(p: Program, *ends: tuple[float, float]) -> Program:
    """Return the program with these intervals for its inputs, in order."""
    pairs = zip(p.inputs, ends, strict=True)
    return replace(p, inputs=tuple(replace(i, interval=Interval(*e)) for i, e in pairs))


def inputs_program(count: int, name: str = "f", interval: tuple[float, float] = (-1, 1)) -> Program:
    """Return a program of `count` float inputs a0, a1, ... whose source is their sum."""
    names = [f"a{i}" for i in range(count)]
    text = f"float {name}({', '.join('float ' + n for n in names)}) {{ return {' + '.join(names)}; }}"
    return program(text, *map(value, names), name=name, interval=Interval(*interval))


def random_surrogate(
    p: Program, hidden: tuple[int, ...] = (4, 4), *, seed: int = 0, spread: float = 1.5, shared: bool = True
) -> Surrogate:
    """Return a surrogate with parameters U(-spread, spread) / sqrt(inputs) and scalings of about 1."""
    generator = np.random.default_rng(seed)
    groups = [tuple(range(len(p.outputs)))] if shared else [(o,) for o in range(len(p.outputs))]
    networks = []
    for group in groups:
        topology = Topology((len(p.inputs), *hidden, len(group)))
        params = np.empty(topology.parameters)
        for layer in topology.layers():
            bound = spread * layer.inputs**-0.5
            params[layer.weight.start : layer.bias.stop] = generator.uniform(
                -bound, bound, layer.bias.stop - layer.weight.start
            )
        networks.append(Network(topology, params.astype(np.float32), group))
    count = len(p.outputs)
    mean, std = generator.normal(size=count), generator.uniform(0.5, 2, count)
    return Surrogate(p, tuple(networks), mean, std, {})


def compile_c(
    folder: Path, text: str, command: Sequence[str], flags: Sequence[str], *, files: Mapping[str, str] | None = None
) -> Path:
    """Compile one translation unit in `folder` and return what came out; the compiler's messages fail the test."""
    for name, content in (files or {}).items():
        (folder / name).write_text(content)
    out = folder / f"out{len(list(folder.iterdir()))}.o"
    source = folder / ("unit.cpp" if command in (GXX, CLANGXX) else "unit.c")
    source.write_text(text)
    shared = "-shared" in flags
    arguments = [*command, *flags, *([] if shared else ["-c"]), str(source), "-o", str(out)]
    cache = str(Path(os.environ.get("NSTK_CACHE", "/tmp/nstk-test")) / "zig")
    environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, "LC_ALL": "C"}
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stderr[:6000]}"
    assert not done.stderr, done.stderr[:6000]
    return out


def undefined_symbols(object_file: Path) -> list[str]:
    """Return the symbols an object file needs from elsewhere."""
    assert shutil.which("nm")
    listed = subprocess.run(["nm", "-u", str(object_file)], capture_output=True, text=True, check=True).stdout
    return [line.split()[-1] for line in listed.splitlines() if line.strip()]


def runner_text(p: Program, name: str) -> str:
    """Return C functions `<name>_one` and `<name>_many`: (n, arrays in, arrays out) through `_f` and `_batch`."""
    base = header_names(p).base
    inputs, outputs = range(len(p.inputs)), range(len(p.outputs))
    one = [f"x[{i}][i]" for i in inputs]
    target = ""
    if len(p.outputs) == 1:
        target = "y[0][i] = "
    else:
        one += [f"&y[{o}][i]" for o in outputs]
    many = [f"x[{i}]" for i in inputs] + [f"y[{o}]" for o in outputs]
    head = "(size_t n, const float *const *x, float *const *y)"
    return f"""
void {name}_one{head};
void {name}_one{head} {{ size_t i; for (i = 0; i < n; i++) {{ {target}{base}_f({", ".join(one)}); }} }}
void {name}_many{head};
void {name}_many{head} {{ {base}_batch(n, {", ".join(many)}); }}
"""


class Runners:
    """A shared library of `runner_text`s, called without a sandbox: emitted code is ours."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))

    def run(self, name: str, x: np.ndarray, outputs: int, offset: int = 0) -> np.ndarray:
        """Return float32 `(N, O)` for x `(N, I)`; every array starts `offset` floats after an aligned address."""
        n = len(x)
        columns = [_at_offset(n, offset)[1] for _ in range(np.shape(x)[1])]
        for column, values in zip(columns, np.asarray(x, np.float32).T, strict=True):
            column[:] = values
        pairs = [_at_offset(n, offset) for _ in range(outputs)]
        results = [values for _, values in pairs]
        function = getattr(self._library, name)
        function.restype = None
        function(ctypes.c_size_t(n), _pointers(columns), _pointers(results))
        found = np.stack(results, 1)
        for memory, values in pairs:  # nothing was written beyond
            values[:] = _UNTOUCHED
            assert (memory == _UNTOUCHED).all()
        return found


_UNTOUCHED = np.float32(12345)


def _at_offset(n: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    memory = np.full(n + offset + 48, _UNTOUCHED)
    start = (-memory.ctypes.data % 64) // 4 + offset
    return memory, memory[start : start + n]


def _pointers(arrays: Sequence[np.ndarray]) -> ctypes.Array:
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
