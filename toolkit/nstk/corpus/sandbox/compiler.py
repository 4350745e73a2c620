"""Compiles many untrusted C units into few WebAssembly modules, so that a bad unit costs only itself."""

import contextlib
import functools
import importlib.util
import os
import re
import select
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import wasmtime

from nstk.corpus.sandbox.isolation import IsolationError, isolate
from nstk.errors import ToolError
from nstk.toolchain import cache_folder

#: Bytes of the stack in linear memory, which lies below everything else, so that an overflow leaves the memory.
STACK_BYTES = 1 << 18
#: Parameters that take columns of the input; further ones get 1.0.
MAX_COLUMNS = 9
#: Bytes of linear memory an instance may have in all.
MEMORY_BYTES = 1 << 27

_STATIC_BYTES = 1 << 24  # what a module may ask for from the start
_MODULE_BYTES = 1 << 21  # 100 honest units take 0.1 MB; Cranelift compiles 2 MB a second

# -O0 keeps every local in linear memory, where paint shows uninitialised reads; and it is faster in all than -O1, whose
# code runs in 0.8 of the time but takes 2.2 times as long to compile. UBSan would refuse honest code (hashes that rely
# on wrapping signed integers) and make it all take 1.5 times as long. A reactor's constructors run in `_initialize`,
# which no one calls; without it the linker would add calls of them to `run`.
_FLAGS = (
    "-target wasm32-wasi -mexec-model=reactor -std=gnu17 -O0 -g0 -s -fno-sanitize=undefined -fno-spell-checking "
    "-fmacro-backtrace-limit=1 -ferror-limit=0 -Wno-everything -Werror=uninitialized "
    f"-Werror=implicit-function-declaration -Wl,-z,stack-size={STACK_BYTES}"
).split()
_PRELUDE = "#define _GNU_SOURCE\n" + "".join(
    f"#include <{name}.h>\n" for name in ("math", "float", "limits", "stdint", "stddef", "stdbool", "stdlib", "string")
)
# One export instead of many: a new instance lists all of them.
_DISPATCHER = """#line 1 "dispatcher"
__attribute__((export_name("run"))) void nstk_run(int unit, int n, const float *x, float *y) {
    switch (unit) {
%s    }
}
"""
# Address space in KiB, file size in 512-byte blocks, seconds. Not the number of processes: that limit counts all of the
# user's, and the compiler's input starts none.
_LIMITS = 'ulimit -v 1048576; ulimit -f 65536; ulimit -c 0; ulimit -t "$0"; exec "$@"'
_WALL_PER_CPU_SECOND = 6  # other workers share the cores
_FIRST_SECONDS = 600  # the first compilation ever builds the C library
_INSTALL = "reinstall it: pip install --force-reinstall ziglang"
# `u7` is unit 7's text, `w7` its wrapper; a name that the linker misses has the unit's prefix. Only at the beginning of
# a line: what follows may quote the text.
_BLAMED = re.compile(
    r"^[uw](\d+):\d+:\d+: (?:fatal )?error: |^wasm-ld: error: \S+: undefined symbol: nstk_(\d+)_", re.MULTILINE
)


@dataclass(frozen=True)
class Unit:
    """A function to run.

    Attributes:
        text: C text as `Candidate.text`; nothing about it is trusted.
        name: The function to call.
        inputs: Number of its parameters, at least 1.
    """

    text: str
    name: str
    inputs: int


@dataclass
class Compiled:
    """What became of a batch.

    Attributes:
        modules: Each with the numbers of its units. It exports `memory` and `run(unit, n, x, y)`, which evaluates a
            unit on n rows: x (n, min(inputs, 9)) float32 and y (n,) float32 are addresses.
        reasons: Why a unit is in none of them, by number.
    """

    modules: list[tuple[wasmtime.Module, list[int]]] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)


def compile_units(units: Sequence[Unit], engine: wasmtime.Engine) -> Compiled:
    """Compile a batch; each unit that compiles alone ends up in a module.

    Args:
        units: 50 to 100 are best: fewer waste the compiler's start, more lose more when a batch has to be halved.
        engine: For which the modules are made.

    Raises:
        ToolError: The compiler is missing or does not work even on trusted text.
    """
    _prepare()
    compiled = Compiled()
    sources: dict[int, str] = {}
    for number, unit in enumerate(units):
        try:
            sources[number] = _source(unit, number)
        except IsolationError as error:
            compiled.reasons[number] = f"refused: {error}"
    pending = list(sources)
    reverse = len(pending) == 1
    while pending:
        flagged = _settle(pending, sources, engine, compiled)
        if reverse and len(flagged) == len(pending):
            compiled.reasons |= dict.fromkeys(flagged, "does not compile")
            break
        # An error may only be the echo of an earlier unit's; in reverse order the cause comes last.
        pending, reverse = flagged[::-1], True
    return compiled


def _settle(pending: list[int], sources: dict[int, str], engine: wasmtime.Engine, compiled: Compiled) -> list[int]:
    """Compile what compiles of `pending` into `compiled`; return the units that errors name."""
    flagged: list[int] = []
    while pending:
        found, blamed = _attempt(pending, sources, engine)
        if isinstance(found, wasmtime.Module):
            compiled.modules.append((found, pending))
            break
        if blamed:
            flagged += blamed
            pending = [number for number in pending if number not in blamed]
        elif len(pending) == 1:
            compiled.reasons[pending[0]] = found
            break
        else:  # no one knows who did it
            half = len(pending) // 2
            return flagged + [
                number
                for part in (pending[:half], pending[half:])
                for number in _settle(part, sources, engine, compiled)
            ]
    return flagged


def _attempt(
    numbers: list[int], sources: dict[int, str], engine: wasmtime.Engine
) -> tuple[wasmtime.Module | str, list[int]]:
    """Return the module, or a reason and the units that the compiler's errors name, in the order of `numbers`."""
    cases = "".join(f"    case {number}: nstk_run_{number}(n, x, y); break;\n" for number in numbers)
    text = _PRELUDE + "".join(sources[number] for number in numbers) + _DISPATCHER % cases
    binary, log = compile_text(text, cpu_seconds=2 + len(numbers) // 40)
    if binary is None:
        named = {int(match[1] or match[2]) for match in _BLAMED.finditer(log)}
        return "compiler out of limits", [number for number in numbers if number in named]
    if len(binary) > _MODULE_BYTES:
        return "too large", []
    try:
        module = wasmtime.Module(engine, binary)
    except wasmtime.WasmtimeError:
        return "does not compile", []
    for export in module.exports:
        if isinstance(export.type, wasmtime.MemoryType) and export.type.limits.min << 16 > _STATIC_BYTES:
            return "memory", []
    return module, []


def _source(unit: Unit, number: int) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", unit.name):
        raise IsolationError("name")
    prefix = f"nstk_{number}_"
    text = isolate(f"{unit.text}\n", prefix)
    columns = min(unit.inputs, MAX_COLUMNS)
    arguments = [f"x[{i}]" for i in range(columns)] + ["1.0f"] * (unit.inputs - columns)
    # After an error clang skips to a semicolon, or past what it takes for the broken declaration's end.
    return f"""#line 1 "u{number}"
{text}
#line 1 "w{number}"
;
static void nstk_run_{number}(int n, const float *x, float *y) {{
    for (int i = 0; i < n; i++, x += {columns}) y[i] = (float){prefix}{unit.name}({", ".join(arguments)});
}}
;
"""


def compile_text(text: str, cpu_seconds: int) -> tuple[bytes | None, str]:
    """Run the C compiler under limits on processor time, memory and file size, in a folder that goes away after.

    Args:
        text: One translation unit.
        cpu_seconds: Processor time the compiler may take.

    Returns:
        The module's bytes, None if there is none, and the beginning of what the compiler said.
    """
    with tempfile.TemporaryDirectory(prefix="nstk-") as name:
        folder = Path(name)
        (folder / "batch.c").write_text(text)
        environment = {
            "ZIG_GLOBAL_CACHE_DIR": str(_zig_cache()),
            "ZIG_LOCAL_CACHE_DIR": str(folder),
            "TMPDIR": str(folder),
            "LC_ALL": "C",
        }
        ended, held = os.pipe()  # the compiler holds it while it lives: waiting with a time limit would poll
        with (folder / "log").open("w+b") as log, os.fdopen(ended), os.fdopen(held, "wb") as lifeline:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _LIMITS, str(cpu_seconds), str(_zig()), "cc", *_FLAGS, "batch.c", "-o", "batch.wasm"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[held],
                start_new_session=True,
            )
            lifeline.close()
            try:
                select.select([ended], [], [], cpu_seconds * _WALL_PER_CPU_SECOND)
            finally:
                _kill_group(process)
            log.seek(0)
            said = log.read(1 << 22).decode(errors="replace")
        built = folder / "batch.wasm"
        return (built.read_bytes() if process.returncode == 0 and built.exists() else None), said


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # macOS: not of a group that has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@functools.cache
def _prepare() -> None:
    """Check that the compiler works, and let its first run ever build the C library into the cache."""
    binary, said = compile_text(_PRELUDE + "int nstk_nothing;\n", _FIRST_SECONDS)
    if binary is None:
        lines = said.strip().splitlines()
        raise ToolError(f"zig cannot compile WebAssembly: {lines[-1] if lines else 'it says nothing'}", _INSTALL)


@functools.cache
def _zig() -> Path:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        raise ToolError("the compiler zig is not installed", "pip install ziglang")
    return Path(spec.submodule_search_locations[0]) / "zig"


@functools.cache
def _zig_cache() -> Path:
    folder = cache_folder() / "zig"
    folder.mkdir(exist_ok=True)
    return folder
