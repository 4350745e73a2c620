"""Runs programs, and surrogates standing in for them, safely, and checks what comes out."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nstk.errors import MisbehaviorError
from nstk.native_process import FLOAT_MAX, GUARD_HINT, Sandbox, format_call
from nstk.program import Program
from nstk.toolchain import build
from nstk.wrapper import run_wrapper

__all__ = ["ProgramRunner", "Sandbox", "format_call", "run_wrapper"]

Array = NDArray[np.float64]

_FLAGS = ("-std=gnu17", "-O2", "-w")


class ProgramRunner:
    """A program, or a surrogate standing in for it, ready to run in a sandbox; a context manager.

    Args:
        program: Whose signature is called.
        header: Text of a surrogate header to run instead of the program's source.
        callee: Name of the function called, see `run_wrapper`.
        form: `drop-in`, `float` or `batch`, see `run_wrapper`.
        includes: Folders searched for headers.
        cflags: The user's compiler flags.
        call_seconds: Longest time one call may take.
        memory_mib: MiB of memory the code may use.

    Raises:
        ToolError: The program does not compile.
    """

    def __init__(
        self,
        program: Program,
        *,
        header: str | None = None,
        callee: str | None = None,
        form: str = "drop-in",
        includes: Sequence[Path] = (),
        cflags: Sequence[str] = (),
        call_seconds: float = 5.0,
        memory_mib: int = 2048,
    ) -> None:
        text = run_wrapper(program, callee, header=header, form=form)
        origin = f"{program.file}:{program.line}" if header is None else f"surrogate of {program.name}"
        self._library = build(text, flags=_FLAGS, shared=True, includes=includes, cflags=cflags, origin=origin)
        self._program = program
        self._names = [column.name for column in program.inputs]
        self._limits = (call_seconds, memory_mib)
        self._sandbox = self._new_sandbox()

    def _new_sandbox(self) -> Sandbox:
        inputs, outputs = len(self._program.inputs), len(self._program.outputs)
        seconds, memory = self._limits
        return Sandbox(self._library, inputs, outputs, call_seconds=seconds, memory_mib=memory, describe=self._describe)

    def _describe(self, row: Array) -> str:
        return format_call(self._program.name, self._names, row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child process; a later run starts another."""
        self._sandbox.close()

    def run(self, x: Array) -> Array:
        """Return what the program computes, unchecked: x (N, I) float64 -> y (N, O) float64.

        Raises:
            MisbehaviorError: It crashed, exited or did not return; names the input.
        """
        return self._sandbox.run(x)

    def outputs(self, x: Array) -> Array:
        """Return what the program computes: x (N, I) float64 -> y (N, O) float64, finite and within float32's range.

        Raises:
            MisbehaviorError: As `run`, or an output is NaN, infinite or beyond float32; names input and output.
        """
        y = self.run(x)
        bad = ~(np.abs(y) <= FLOAT_MAX)  # true for NaN
        if bad.any():
            row, column = np.argwhere(bad)[0]
            name, value = self._program.outputs[column].name, y[row, column]
            kind = "" if not np.isfinite(value) else ", beyond the range of float"
            raise MisbehaviorError(f"{self._describe(x[row])} gives {name} = {value:g}{kind}", GUARD_HINT)
        return y

    def check_determinism(self, x: Array) -> None:
        """Run x (N, I) forward, in reverse order, and in a fresh process, and compare bit for bit.

        Raises:
            MisbehaviorError: As `run`, or one input gave two different outputs; names it.
        """
        forward = self.run(x)
        self._compare(x, forward, self.run(x[::-1])[::-1])
        if self._reads_clock():
            time.sleep(1.1)  # time() ticks once a second
        with self._new_sandbox() as fresh:
            self._compare(x, forward, fresh.run(x))

    def _compare(self, x: Array, first: Array, second: Array) -> None:
        differs = np.ascontiguousarray(first).view(np.uint64) != np.ascontiguousarray(second).view(np.uint64)
        if differs.any():
            row, column = np.argwhere(differs)[0]
            name = self._program.outputs[column].name
            values = f"first {first[row, column]:.9g}, then {second[row, column]:.9g}"
            raise MisbehaviorError(
                f"{self._describe(x[row])} is not deterministic: {name} is {values}",
                "a program computes from its inputs alone: no static state, rand(), time() or uninitialised variables",
            )

    def _reads_clock(self) -> bool:
        symbols = self._library.read_bytes()
        return any(b"\0" + name + b"\0" in symbols for name in (b"time", b"gettimeofday", b"clock_gettime"))
