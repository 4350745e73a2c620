"""Toolchains for targets: the GNU ones with their C library where installed, and zig, which pip installs."""

import functools
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nstk.errors import ToolError
from nstk.resources import resource_dir
from nstk.targets.target import Target
from nstk.toolchain import cache_folder, compile_error, run_compiler

#: Flags every image is built with. Contraction is off so that results can be compared bit for bit; errno is not kept
#: so that `sqrtf` is the instruction where the core has one.
FLAGS = ("-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-ffunction-sections", "-fdata-sections", "-w")

_HOST_HEADERS = {"arm": "arm-linux-musl", "riscv": "riscv32-linux-musl"}
_LIBRARIES = {
    "newlib-nano": ("--specs=nano.specs", "--specs=nosys.specs"),
    "picolibc": ("--specs=picolibc.specs",),
    "newlib": ("--specs=nosys.specs",),
    "avr-libc": (),
}
_PACKAGES = {
    "arm": "apt install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "riscv": "apt install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "avr": "apt install gcc-avr avr-libc simavr",
}
_LIBM_FLAGS = ("-ffreestanding", "-D_XOPEN_SOURCE=700", "-O2")
_PROBE = "#include <math.h>\nfloat nstk_call(float x);\nfloat nstk_call(float x) { return acosf(expf(x)); }\n"


@dataclass(frozen=True)
class Toolchain:
    """A compiler and C library that can build for one target.

    Attributes:
        name: `gcc` or `zig`.
        command: Words that start the compiler, with the flags that name the target and the library.
        version: First line of `--version`.
        library: Name of the C library.
        libraries: What comes last on the command line.
        remedy: What to do where the library lacks a function.
    """

    name: str
    command: tuple[str, ...]
    version: str
    library: str
    libraries: tuple[str, ...] = ("-lm",)
    remedy: str = "a part without an operating system has no more"

    @property
    def label(self) -> str:
        """Compiler and library in a few words."""
        return f"{self.version}, {self.library}"


def install_hint(target: Target) -> str:
    """Return what to do about a missing toolchain for `target`."""
    packages = f"Debian: {_PACKAGES[target.family]}"
    return f"pip install 'nstk[mcu]', or {packages}" if target.zig_flags else packages


def find_toolchain(target: Target, name: str = "") -> Toolchain:
    """Return the toolchain for a target: the GNU one if it works here, since firmware is built with it, else zig.

    Args:
        target: What to build for.
        name: `gcc` or `zig` to take that one only.

    Raises:
        ToolError: There is none.
    """
    for found in find_toolchains(target):
        if name in ("", found.name):
            return found
    raise ToolError(f"no {name or 'C'} compiler for {target.name} found", install_hint(target))


def find_toolchains(target: Target) -> tuple[Toolchain, ...]:
    """Return every toolchain that builds for a target here, the preferred one first."""
    return _find(target, os.environ.get("PATH", ""), str(cache_folder()))


@functools.lru_cache(maxsize=64)
def _find(target: Target, path: str, cache: str) -> tuple[Toolchain, ...]:
    found = []
    if shutil.which(target.gcc, path=path) is not None:
        version = _version((target.gcc,))
        libraries = ["avr-libc"] if target.family == "avr" else ["newlib-nano", "picolibc", "newlib"]
        for library in libraries:
            command = (target.gcc, *target.gcc_flags, *_LIBRARIES[library])
            candidate = Toolchain("gcc", command, version, library)
            if _works(candidate):
                found.append(candidate)
                break
    if target.zig_flags and importlib.util.find_spec("ziglang") is not None:
        zig = (sys.executable, "-m", "ziglang")
        version = _version((*zig, "cc"))
        # Hosted: or a call of sqrtf stays a call where the core has the instruction.
        command = (*zig, "cc", *target.zig_flags, "-fhosted", "-fno-unwind-tables", *_zig_headers(target))
        remedy = f"{_PACKAGES[target.family]} (Debian) brings a whole C library"
        found.append(Toolchain("zig", command, version, "zig's libm", (), remedy))
    return tuple(found)


def _version(command: Sequence[str]) -> str:
    status, text = run_compiler([*command, "--version"], Path.cwd())
    lines = text.splitlines()
    if status != 0 or not lines:
        raise ToolError(f"'{' '.join(command)} --version' fails", "install it anew")
    return lines[0].strip()


def _works(toolchain: Toolchain) -> bool:
    """Return whether a toolchain links a math function; a compiler without C library does not."""
    try:
        link(toolchain, _PROBE, flags=("-O2",), link_flags=("-nostartfiles", "-Wl,-e,nstk_call"), origin="probe")
    except ToolError:
        return False
    return True


def _zig_folder() -> Path:
    import ziglang

    return Path(ziglang.__file__).parent / "lib"


def _zig_headers(target: Target) -> list[str]:
    """Return options that let freestanding code see the C library's headers that come with zig."""
    include = _zig_folder() / "libc" / "include"
    folders = (include / _HOST_HEADERS[target.family], include / "generic-musl")
    return ["-nostdlibinc", *(word for folder in folders for word in ("-isystem", str(folder)))]


def link(
    toolchain: Toolchain,
    source_text: str,
    *,
    flags: Sequence[str],
    link_flags: Sequence[str],
    files: Mapping[str, str] | None = None,
    includes: Sequence[Path] = (),
    cflags: Sequence[str] = (),
    visible: str = "",
    origin: str,
) -> Path:
    """Compile and link one translation unit, or find the result in the cache.

    Args:
        toolchain: With what.
        source_text: The C text.
        flags: Our compiler flags, after `FLAGS`.
        link_flags: Linker flags.
        files: Other files the linker needs, by name; they lie in the folder it runs in.
        includes: Folders searched for headers.
        cflags: The user's flags; come after `flags` and so win.
        visible: What else decides the result, the program's preprocessed text for example.
        origin: What the user calls this source; starts the error message.

    Returns:
        Path of the ELF file; it must not be changed.

    Raises:
        ToolError: The compiler or the linker fails.
    """
    files = dict(files or {})
    options = [*FLAGS, *flags, *(f"-I{folder.resolve()}" for folder in includes), *cflags, *link_flags]
    libm = _libm_source() if toolchain.name == "zig" else ""
    key = json.dumps([source_text, visible, options, files, libm, toolchain.command, toolchain.version])
    folder = cache_folder() / "targets"
    folder.mkdir(exist_ok=True)
    built = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.elf"
    if built.exists():
        return built
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as name:
        scratch = Path(name)
        for file, text in {**files, "program.c": source_text}.items():
            (scratch / file).write_text(text)
        command = [*toolchain.command, *options, "program.c", "-o", "built", *toolchain.libraries]
        status, log = run_compiler(command, scratch)
        if status != 0 and libm and "undefined symbol" in log:
            status, log = run_compiler([*command, str(_zig_libm(toolchain))], scratch)
        if status != 0:
            raise _explain(toolchain, log, origin)
        (scratch / "built").replace(built)  # atomic: another process may be building the same text
    return built


def _explain(toolchain: Toolchain, log: str, origin: str) -> ToolError:
    if "region" in log and "overflow" in log:
        return ToolError(f"{origin}: does not fit the target's memory", "choose a larger target or --style size")
    error = compile_error(log, origin)
    if "undefined" in error.message:
        return ToolError(error.message, f"{toolchain.library} lacks it: {toolchain.remedy}")
    return error


def _libm_source() -> str:
    return (resource_dir("codegen_templates") / "targets" / "libm.zig").read_text()


def _zig_libm(toolchain: Toolchain) -> Path:
    """Return an archive of the math functions that freestanding zig lacks, built once per target.

    Those zig ships as C (from musl) are compiled from there, the others come from its standard library. Left out are
    those of long double and fma, which compiler-rt has.
    """
    zig, flags = toolchain.command[:3], toolchain.command[4:]
    source = _libm_source()
    key = hashlib.sha256(json.dumps([source, toolchain.command, toolchain.version]).encode()).hexdigest()
    folder = cache_folder() / "targets"
    folder.mkdir(exist_ok=True)
    archive = folder / f"libm-{key}.a"
    if archive.exists():
        return archive
    musl = _zig_folder() / "libc" / "musl"
    math = musl / "src" / "math"
    wanted = [f for f in sorted(math.glob("*.c")) if not f.stem.endswith("l") and not f.stem.startswith("fma")]
    private = [f"-I{musl / part}" for part in ("src/internal", "src/include", "arch/generic")]
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as name:
        scratch = Path(name)
        (scratch / "libm.zig").write_text(source)
        commands = [
            [*zig, "build-obj", *flags[:3], "-O", "ReleaseFast", "-fno-compiler-rt", "-ffunction-sections", "libm.zig"],
            [
                *zig,
                "cc",
                *flags,
                *FLAGS,
                *_LIBM_FLAGS,
                *private,
                "-c",
                *map(str, wanted),
            ],
        ]
        for command in commands:
            status, log = run_compiler(command, scratch)
            if status != 0:
                raise ToolError(f"zig cannot build its libm: {log.strip().splitlines()[0]}", "pip install ziglang")
        objects = sorted(f.name for f in scratch.glob("*.o"))
        status, log = run_compiler([*zig, "ar", "rcsD", "libm.a", *objects], scratch)
        if status != 0:
            raise ToolError(f"zig cannot archive its libm: {log.strip()}", "pip install ziglang")
        (scratch / "libm.a").replace(archive)
    return archive
