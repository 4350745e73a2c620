"""Runs compiled units in WebAssembly instances and compares what repeated runs give."""

import functools
from collections.abc import Sequence

import numpy as np
import wasmtime
from numpy.typing import NDArray

from nstk.corpus.sandbox.compiler import MEMORY_BYTES, STACK_BYTES

FloatArray = NDArray[np.float32]

#: Instructions one evaluation may take on average. Code is compiled without optimisation, where a loop's turn takes
#: 30 to 100 of them: a thousand turns are honest, a million are not.
FUEL_PER_ROW = 100_000

_FIRST_ROWS = 16  # endless loops and traps show here, in milliseconds
_OTHER_FUEL = 50_000  # starting an instance and calling it
_PAGE = 1 << 16
_SEED = 20_240_501


class RunError(Exception):
    """A run did not end well; the message is a short stable reason."""


@functools.cache
def engine() -> wasmtime.Engine:
    """Return this process's engine: metered, single-threaded, with a small native stack."""
    config = wasmtime.Config()
    config.consume_fuel = True
    config.max_wasm_stack = 256 * 1024
    config.parallel_compilation = False  # a worker is a core
    config.cranelift_opt_level = "none"
    return wasmtime.Engine(config)


def link(module: wasmtime.Module) -> wasmtime.InstancePre:
    """Return a module ready for instances; every import it has traps when called."""
    linker = wasmtime.Linker(engine())
    linker.define_unknown_imports_as_traps(module)
    return linker.instantiate_pre(module)


def evaluate(
    linked: wasmtime.InstancePre, unit: int, segments: Sequence[FloatArray], runs: int
) -> tuple[tuple[FloatArray | None, ...], str]:
    """Run a unit over its segments, each several times; return `Outcome`'s two fields.

    Args:
        linked: The unit's module.
        unit: Its number there.
        segments: Inputs, each (N, C) float32; the first is the essential one.
        runs: Number of determinism runs, at least 1.
    """
    nothing = (None,) * len(segments)
    try:
        y, same = _repeat(linked, unit, np.concatenate(segments), runs)
        ends = np.cumsum([len(segment) for segment in segments])[:-1]
        parts = zip(np.split(y, ends), np.split(same, ends), strict=True)
        outputs = tuple(part if equal.all() else None for part, equal in parts)
        return (outputs, "") if outputs[0] is not None else (nothing, "not deterministic")
    except RunError as error:
        if len(segments) == 1:
            return nothing, str(error)
    (first, *_), reason = evaluate(linked, unit, segments[:1], runs)
    if first is None:
        return nothing, reason
    return (first, *(evaluate(linked, unit, [segment], runs)[0][0] for segment in segments[1:])), ""


def _repeat(linked: wasmtime.InstancePre, unit: int, x: FloatArray, runs: int) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the first run's outputs (N,) and where all runs agree, bit for bit or NaN with NaN (N,).

    Raises:
        RunError: A run trapped or ran out of fuel.
    """
    first = _run(linked, unit, x, 0)
    same = np.ones(len(x), dtype=bool)
    for number in range(1, runs):
        order = _order(len(x), number)
        again = np.empty_like(first)
        again[order] = _run(linked, unit, x[order], number)
        same &= (first.view(np.uint32) == again.view(np.uint32)) | (np.isnan(first) & np.isnan(again))
    return first, same


def _run(linked: wasmtime.InstancePre, unit: int, x: FloatArray, number: int) -> FloatArray:
    """Evaluate x (N, C) in a fresh instance whose stack holds the run's own paint.

    Raises:
        RunError: It trapped or ran out of fuel.
    """
    store = wasmtime.Store(engine())
    store.set_limits(memory_size=MEMORY_BYTES, table_elements=10_000, instances=1, tables=1, memories=1)
    store.set_fuel(_OTHER_FUEL)
    try:
        exports = linked.instantiate(store).exports(store)
        memory, run = exports["memory"], exports["run"]
        assert isinstance(memory, wasmtime.Memory)
        assert isinstance(run, wasmtime.Func)
        address = memory.data_len(store)
        results = address + x.nbytes
        memory.grow(store, (x.nbytes + 4 * len(x)) // _PAGE + 1)
        memory.write(store, _paint(number), 0)
        memory.write(store, bytearray(x.tobytes()), address)
        if number == 0:
            rows = min(_FIRST_ROWS, len(x))
            store.set_fuel(_OTHER_FUEL + 2 * FUEL_PER_ROW * rows)
            run(store, unit, rows, address, results)
        store.set_fuel(_OTHER_FUEL + FUEL_PER_ROW * len(x))
        run(store, unit, len(x), address, results)
        return np.frombuffer(memory.read(store, results, results + 4 * len(x)), np.float32)
    except wasmtime.Trap as trap:
        raise RunError("out of fuel" if trap.trap_code == wasmtime.TrapCode.OUT_OF_FUEL else "trap") from None
    except wasmtime.WasmtimeError as error:  # the memory limit, or a call of an import
        raise RunError("trap" if "unknown import" in str(error) else "memory") from None
    finally:
        store.close()


@functools.cache
def _paint(number: int) -> bytearray:
    return bytearray(np.random.default_rng([_SEED, number]).bytes(STACK_BYTES))


@functools.lru_cache(maxsize=64)
def _order(rows: int, number: int) -> NDArray[np.intp]:
    return np.random.default_rng([_SEED, number]).permutation(rows)
