"""The host's C compiler: finding it, and building generated C text into cached libraries and executables."""

import atexit
import functools
import hashlib
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nstk.errors import ToolError

#: Seconds one compiler run may take.
COMPILE_SECONDS = 60.0

# Memory in KiB and file size in 512-byte blocks of one compiler run: `#include __FILE__` and giant arrays end here.
_LIMITS = 'ulimit -v 8388608 2>/dev/null; ulimit -f 1048576 2>/dev/null; exec "$@"'
_INSTALL = "install one (Debian: apt install gcc; macOS: xcode-select --install; anywhere: pip install ziglang)"
_OPTIONS = "folders of headers go to --include, macros and other compiler flags to --cflags"
_ERROR = re.compile(
    r"^(?P<place>\S.*?:\d+(?::\d+)?: )?(?:fatal )?error: (?P<text>.*)"  # gcc, clang
    r"|(?P<other>(?:undefined (?:reference|symbol)|internal compiler error).*)"  # linkers, and what broke a limit
)


@dataclass(frozen=True)
class Compiler:
    """A C compiler that takes gcc's options.

    Attributes:
        command: Words that start it, for example `("gcc",)`.
        version: First line of `--version`.
    """

    command: tuple[str, ...]
    version: str


def find_compiler() -> Compiler:
    """Return the compiler `$CC` names, else the first of cc, gcc, clang on the PATH, else the one of `ziglang`.

    Raises:
        ToolError: `$CC` names nothing that runs, or there is no compiler at all.
    """
    return _find(os.environ.get("CC", "").strip(), os.environ.get("PATH", ""))


@functools.lru_cache(maxsize=8)
def _find(cc: str, path: str) -> Compiler:
    if cc:
        try:
            command = tuple(shlex.split(cc))
        except ValueError:
            command = (cc,)
        if shutil.which(command[0], path=path) is None:
            raise ToolError(f"the compiler '{command[0]}' that $CC names does not exist", f"unset CC, or {_INSTALL}")
        return _probe(command)
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name, path=path) is not None:
            return _probe((name,))
    if importlib.util.find_spec("ziglang") is None:
        raise ToolError("no C compiler found: neither cc, gcc nor clang is on the PATH", _INSTALL)
    return _probe((sys.executable, "-m", "ziglang", "cc"))


def _probe(command: tuple[str, ...]) -> Compiler:
    status, text = run_compiler([*command, "--version"], Path.cwd())
    lines = text.splitlines()
    if status != 0 or not lines:
        raise ToolError(f"'{shlex.join(command)} --version' fails", f"set CC to a working C compiler, or {_INSTALL}")
    return Compiler(command, lines[0].strip())


def build(
    source_text: str,
    *,
    flags: Sequence[str],
    shared: bool,
    includes: Sequence[Path] = (),
    cflags: Sequence[str] = (),
    libs: Sequence[str] = ("-lm",),
    origin: str,
) -> Path:
    """Compile C text to a shared library or an executable, or find it in the cache.

    The cache is keyed by the text (preprocessed, where headers outside the text can matter), flags, and compiler.

    Args:
        source_text: One translation unit.
        flags: Our flags, for example `("-O2", "-w")`; come first on the command line.
        shared: Build a shared library instead of an executable.
        includes: Folders searched for headers.
        cflags: The user's flags; come after `flags` and so win.
        libs: Link options, after the source.
        origin: What the user calls this source, for example `dew_point.c:12`; starts the error message.

    Returns:
        Path of the library or executable; it must not be changed.

    Raises:
        ToolError: No compiler, or it fails, or takes longer than `COMPILE_SECONDS`.
    """
    compiler = find_compiler()
    options = _options(flags, includes, cflags)
    folder = cache_folder() / "native"
    folder.mkdir(exist_ok=True)
    visible = visible_text(source_text, flags=flags, includes=includes, cflags=cflags, origin=origin)
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as name:
        scratch = Path(name)
        (scratch / "program.c").write_text(source_text)
        link = ["-fPIC", "-shared"] if shared else []
        if shared and sys.platform.startswith("linux"):
            link.append("-Wl,-z,defs")  # an undefined function is an error now, not when the library is loaded
            link.append("-Wl,-Bsymbolic")  # a program's `step` or `crc32` is its own, not that of a loaded library
        machine = cpu_name() if any("native" in flag for flag in options) else platform.machine()
        key = json.dumps([visible, options, link, list(libs), compiler.command, compiler.version, machine])
        built = folder / f"{hashlib.sha256(key.encode()).hexdigest()}{'.so' if shared else '.exe'}"
        if built.exists():
            return built
        arguments = [*compiler.command, *options, *link, "program.c", "-o", "built", *libs]
        status, text = run_compiler(arguments, scratch)
        if status != 0:
            raise compile_error(text, origin)
        (scratch / "built").replace(built)  # atomic: another process may be building the same text
    return built


def visible_text(
    source_text: str,
    *,
    flags: Sequence[str] = (),
    includes: Sequence[Path] = (),
    cflags: Sequence[str] = (),
    origin: str,
) -> str:
    """Return what decides the meaning of C text: itself, preprocessed where headers may change without it changing.

    Args:
        source_text: One translation unit.
        flags: As for `build`.
        includes: As for `build`.
        cflags: As for `build`.
        origin: As for `build`.

    Raises:
        ToolError: As `build`.
    """
    if not (includes or cflags):
        return source_text
    command = [*find_compiler().command, *_options(flags, includes, cflags), "-E", "-P", "program.c", "-o", "program.i"]
    with tempfile.TemporaryDirectory(prefix="nstk-") as name:
        scratch = Path(name)
        (scratch / "program.c").write_text(source_text)
        status, text = run_compiler(command, scratch)
        if status != 0:
            raise compile_error(text, origin)
        return (scratch / "program.i").read_text(errors="replace")


def _options(flags: Sequence[str], includes: Sequence[Path], cflags: Sequence[str]) -> list[str]:
    return [*flags, "-Wfatal-errors", *(f"-I{folder.resolve()}" for folder in includes), *cflags]


def compile_error(log: str, origin: str) -> ToolError:
    """Return the compiler's first error, without our own file name, with the line of C it quotes."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        match = _ERROR.search(line)
        if match is None:
            continue
        text = match["other"] or match["text"]
        if match["place"] and not match["place"].startswith("program.c:"):
            text += f" ({match['place'].rstrip(': ')})"
        quoted = re.match(r" *\d+ \| *(.+)", "".join(lines[number + 1 : number + 2]))
        return ToolError(f"{origin}: the C compiler says: {text}{f', in: {quoted[1]}' if quoted else ''}", _OPTIONS)
    return ToolError(f"{origin}: the C compiler fails: {lines[-1] if lines else 'it says nothing'}", _OPTIONS)


def run_compiler(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run a compiler in `folder` under limits; return its exit status and what it said.

    Raises:
        ToolError: It took longer than `COMPILE_SECONDS`.
    """
    environment = os.environ | {"LC_ALL": "C"}
    zig_cache = str(cache_folder() / "zig")
    environment.setdefault("ZIG_GLOBAL_CACHE_DIR", zig_cache)
    environment.setdefault("ZIG_LOCAL_CACHE_DIR", zig_cache)
    with tempfile.TemporaryFile() as log:  # not a pipe: a file's size is limited
        process = subprocess.Popen(
            ["/bin/sh", "-c", _LIMITS, "sh", *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.wait(COMPILE_SECONDS)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # the driver's children too
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise ToolError(f"the C compiler does not finish in {COMPILE_SECONDS:g} s", _OPTIONS) from None
        log.seek(0)
        return process.returncode, log.read(1 << 20).decode(errors="replace")


def cache_folder() -> Path:
    """Return the cache folder: `$NSTK_CACHE`, `$XDG_CACHE_HOME/nstk`, `~/.cache/nstk`, or a temporary folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~").expanduser() / ".cache")
    folder = Path(os.environ.get("NSTK_CACHE") or Path(home) / "nstk").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return _temporary_cache()


@functools.cache
def _temporary_cache() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nstk-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def cpu_name() -> str:
    """Return the processor's name as the system gives it, for example `AMD EPYC 9654`."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if match:
            return match[1].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        found = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        if found.stdout.strip():
            return found.stdout.strip()
    return platform.processor() or platform.machine()
