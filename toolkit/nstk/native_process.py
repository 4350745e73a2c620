"""Runs native code in a child process that may crash, hang, exit or print without harm to us."""

import contextlib
import importlib.util
import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nstk.errors import MisbehaviorError, ToolError
from nstk.sandbox_child import HEADER_BYTES

#: What to do about a call that misbehaves.
GUARD_HINT = "guard the function against this input, or narrow its domain with --domain"

#: Largest float32.
FLOAT_MAX = float(np.finfo(np.float32).max)

Array = NDArray[np.float64]

_BLOCK_ROWS = 65536  # rows per command: the shared memory stays below 10 MB for 16 inputs
_START_SECONDS = 60.0


def format_number(value: float) -> str:
    """Return the shortest text that names `value`, as a float32 where it is one: `3.5`, `-7`, `0.1`."""
    if np.isfinite(value) and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    single = np.float32(value) if abs(value) <= FLOAT_MAX else np.float32(0)
    return str(single if single == value else np.float64(value))


def format_call(function: str, names: Sequence[str], row: Array) -> str:
    """Return one call as text: `f(t=3.5, rh=1)`."""
    inputs = (f"{name}={format_number(float(value))}" for name, value in zip(names, row, strict=True))
    return f"{function}({', '.join(inputs)})"


class Sandbox:
    """A child process that holds one native library and runs it over whole arrays; a context manager.

    The library exports `void nstk_run(size_t n, const double *x, double *y, volatile size_t *progress)`, with x (n, I)
    and y (n, O) row-major, and keeps `*progress` at the index of the row it is at. The child has a session of its own,
    limits on memory and written files, and no standard streams. It starts with the first `run`, and anew after a
    failure.

    Args:
        library: Path of the shared library.
        inputs: I, number of columns of x.
        outputs: O, number of columns of y.
        call_seconds: Longest time one row may take.
        memory_mib: MiB of memory the code may use.
        describe: Turns a row of x into the text of the call, for messages.
    """

    def __init__(
        self,
        library: Path,
        inputs: int,
        outputs: int,
        *,
        call_seconds: float = 5.0,
        memory_mib: int = 2048,
        describe: Callable[[Array], str] | None = None,
    ) -> None:
        self._library = library
        self._columns = (inputs, outputs)
        self._call_seconds = call_seconds
        self._memory_mib = memory_mib
        self._describe = describe or (lambda row: format_call("the function", [f"x{i}" for i in range(inputs)], row))
        self._resources = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._release()

    def _release(self) -> None:
        """Let go of the shared memory."""
        self._progress = np.zeros(1, np.uint64)
        self._x = self._y = np.empty((0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child process; a later `run` starts another."""
        self._process = None
        self._resources.close()
        self._release()

    def run(self, x: Array) -> Array:
        """Run the library over x.

        Args:
            x: (N, I) float64.

        Returns:
            (N, O) float64.

        Raises:
            MisbehaviorError: The code crashed, exited or did not return in time; names the input.
            ToolError: The library cannot be loaded.
        """
        y = np.empty((len(x), self._columns[1]))
        try:
            for start in range(0, len(x), _BLOCK_ROWS):
                rows = slice(start, start + _BLOCK_ROWS)
                y[rows] = self._run_block(np.asarray(x[rows], np.float64))
        except BaseException:
            self.close()  # a child in an unknown state is of no use
            raise
        return y

    def _run_block(self, x: Array) -> Array:
        if self._process is None:
            self._start()
        self._progress[0] = 0
        self._x[: len(x)] = x
        with contextlib.suppress(BrokenPipeError):  # dead already: the reply tells
            os.write(self._commands, struct.pack("<Q", len(x)))
        reply = self._wait(self._call_seconds)
        if reply == b"D":
            return self._y[: len(x)]
        row = int(self._progress[0])
        call = self._describe(x[min(row, len(x) - 1)])
        after = "" if row < len(x) else " after it returned"
        if reply is None:
            seconds = f"{self._call_seconds:g} s"
            raise MisbehaviorError(f"{call} does not return within {seconds}: an endless loop?{after}", GUARD_HINT)
        raise MisbehaviorError(f"{call} {self._ending()}{after}", GUARD_HINT)

    def _start(self) -> None:
        """Start the child, share memory with it, and have it load the library."""
        inputs, outputs = self._columns
        own = self._resources
        memory = own.enter_context(tempfile.TemporaryFile(prefix="nstk-"))  # noqa: SIM115 - no name: never left behind
        size = HEADER_BYTES + 8 * _BLOCK_ROWS * (inputs + outputs)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(memory.fileno(), 0, size)  # a full disk is an error here, not a SIGBUS later
        else:
            os.ftruncate(memory.fileno(), size)
        shared = mmap.mmap(memory.fileno(), size)
        self._progress = np.frombuffer(shared, np.uint64, 1)
        values = np.frombuffer(shared, np.float64, offset=HEADER_BYTES)
        self._x = values[: _BLOCK_ROWS * inputs].reshape(_BLOCK_ROWS, inputs)
        self._y = values[_BLOCK_ROWS * inputs :].reshape(_BLOCK_ROWS, outputs)

        child_reads, self._commands = os.pipe()
        own.callback(os.close, self._commands)
        self._replies, child_writes = os.pipe()
        own.callback(os.close, self._replies)
        given = (child_reads, child_writes, memory.fileno())
        numbers = map(str, (inputs, outputs, _BLOCK_ROWS, self._memory_mib))
        script = Path(__file__).with_name("sandbox_child.py")
        command = [
            sys.executable,
            "-I",
            "-S",
            str(script),
            _cffi_folders(),
            *map(str, given),
            str(self._library),
            *numbers,
        ]
        try:
            null = subprocess.DEVNULL
            # An arena of the watching thread's own would take, now and then, 64 MiB of the memory we grant.
            environment = os.environ | {"MALLOC_ARENA_MAX": "1"}
            process = subprocess.Popen(
                command,
                pass_fds=given,
                stdin=null,
                stdout=null,
                stderr=null,
                env=environment,
                start_new_session=True,
            )
        finally:
            os.close(child_reads)
            os.close(child_writes)
        self._process = process
        own.callback(_end, process)

        if self._wait(_START_SECONDS) != b"L":
            raise ToolError("the sandbox process does not start", "run nstk doctor")
        reply = self._wait(self._call_seconds)
        if reply is None:
            raise MisbehaviorError("the program's static initialisation does not end", "remove its constructors")
        if reply == b"E":
            text = os.read(self._replies, 4096).decode(errors="replace")
            raise ToolError(f"cannot load the compiled program: {text}")
        if reply != b"R":
            raise MisbehaviorError(f"the program {self._ending()} while it was loaded", "remove its constructors")

    def _wait(self, seconds: float) -> bytes | None:
        """Return the child's next reply, `b""` if it died, None if its progress stood still for `seconds`."""
        poll = select.poll()
        poll.register(self._replies, select.POLLIN)
        seen, since = -1, time.monotonic()
        while not poll.poll(1000 * min(0.05, seconds / 4)):
            progress = int(self._progress[0])
            if progress != seen:
                seen, since = progress, time.monotonic()
            elif time.monotonic() - since > seconds:
                return None
        return os.read(self._replies, 1)

    def _ending(self) -> str:
        """Say how the child, which closed its replies, ended."""
        assert self._process is not None
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "damaged the process it ran in"
        if code >= 0:
            return f"called exit({code})"
        try:
            return f"crashed with {signal.Signals(-code).name}"
        except ValueError:
            return f"crashed with signal {-code}"


def _cffi_folders() -> str:
    """Return where cffi and pycparser lie: the child runs without `site` to start in 0.1 s."""
    specs = [importlib.util.find_spec(name) for name in ("cffi", "pycparser")]
    return os.pathsep.join(str(Path(spec.origin).parents[1]) for spec in specs if spec and spec.origin)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and whatever it started, and reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
