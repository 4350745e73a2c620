"""What can be done on this machine, and the command that installs what is missing."""

import importlib.metadata
import importlib.util
import sys
from dataclasses import asdict, dataclass
from typing import Any

from nstk.errors import NstkError

_PACKAGES = (
    *("torch", "numpy", "cffi", "jinja2", "matplotlib", "rich", "safetensors", "transformers"),
    *("tree_sitter", "tree_sitter_c", "typer"),
)


@dataclass(frozen=True)
class Finding:
    """One thing looked for.

    Attributes:
        name: What it is.
        ok: Whether it works.
        detail: Its version, or what is wrong.
        remedy: Command that installs it; empty if it works.
        needed: Whether a plain `nstk build` needs it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    needed: bool = True

    def line(self) -> str:
        """Return the finding for the terminal."""
        mark = "ok     " if self.ok else "missing" if self.needed else "absent "
        return f"{mark}  {self.name}: {self.detail}" + (f"\n         {self.remedy}" if self.remedy else "")

    def record(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return asdict(self)


def examine() -> list[Finding]:
    """Look for the compiler (and compile and run something with it), the packages and the extras."""
    findings = [_compiler()]
    for package in _PACKAGES:
        findings.append(_package(package, f"{sys.executable} -m pip install {package}"))
    findings.append(
        _package("ziglang", f"{sys.executable} -m pip install ziglang", "stands in where there is no compiler")
    )
    extra = f"{sys.executable} -m pip install 'nstk[corpus]'"
    findings.append(_package("pyarrow", extra, "reads Parquet pairs"))
    for package in ("datasets", "datatrove", "pypi_simple", "wasmtime"):
        findings.append(_package(package, extra, "for nstk corpus"))
    return [*findings, *examine_targets()]


def examine_targets() -> list[Finding]:
    """Look for what each target needs: a toolchain and an emulator."""
    from nstk.targets.measuring import check_target
    from nstk.targets.target import TARGETS

    findings = []
    for target in TARGETS.values():
        try:
            found = Finding(target.name, True, f"{target.summary}; {check_target(target)}", needed=False)
        except NstkError as error:
            found = Finding(target.name, False, f"{target.summary}; {error.message}", error.hint, needed=False)
        findings.append(found)
    return findings


def _compiler() -> Finding:
    text = """#include <math.h>
void nstk_run(__SIZE_TYPE__ n, const double *x, double *y, volatile __SIZE_TYPE__ *progress);
void nstk_run(__SIZE_TYPE__ n, const double *x, double *y, volatile __SIZE_TYPE__ *progress)
{ for (*progress = 0; *progress < n; ++*progress) y[*progress] = sqrt(x[*progress]); }
"""
    name = "C compiler and sandbox"
    try:
        import numpy as np

        from nstk.native_process import Sandbox
        from nstk.toolchain import build, find_compiler

        compiler = find_compiler()
        library = build(text, flags=["-O2"], shared=True, origin="the doctor's test")
        with Sandbox(library, 1, 1) as sandbox:
            works = bool(sandbox.run(np.array([[9.0]]))[0, 0] == 3.0)
    except NstkError as error:
        return Finding(name, False, error.message, error.hint)
    except ImportError as error:
        return Finding(name, False, f"not tried: {error}", "install the packages below")
    command = " ".join(compiler.command)
    return Finding(name, works, f"{command} ({compiler.version})" if works else f"{command} computes nonsense")


def _package(name: str, remedy: str, purpose: str = "") -> Finding:
    needed = not purpose
    if importlib.util.find_spec(name) is None:
        return Finding(name, False, purpose or "not installed", remedy, needed)
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # put there by hand
        version = "unknown version"
    return Finding(name, True, version, needed=needed)
