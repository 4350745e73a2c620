"""What can be done on this machine, and the command that installs what is missing."""

import importlib.metadata
import importlib.util
import sys
from dataclasses import asdict, dataclass
from typing import Any

from nstk.errors import NstkError


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
    for package in ("torch", "numpy", "cffi", "jinja2", "matplotlib", "rich", "safetensors", "transformers"):
        findings.append(_package(package, f"{sys.executable} -m pip install {package}"))
    findings.append(
        _package("ziglang", f"{sys.executable} -m pip install ziglang", "stands in where there is no compiler")
    )
    findings.append(_package("pyarrow", f"{sys.executable} -m pip install 'nstk[corpus]'", "reads Parquet pairs"))
    return findings


def _compiler() -> Finding:
    import numpy as np

    from nstk.sandbox import Sandbox
    from nstk.toolchain import build, find_compiler

    text = """#include <math.h>
void nstk_run(__SIZE_TYPE__ n, const double *x, double *y, volatile __SIZE_TYPE__ *progress);
void nstk_run(__SIZE_TYPE__ n, const double *x, double *y, volatile __SIZE_TYPE__ *progress)
{ for (*progress = 0; *progress < n; ++*progress) y[*progress] = sqrt(x[*progress]); }
"""
    name = "C compiler and sandbox"
    try:
        compiler = find_compiler()
        library = build(text, flags=["-O2"], shared=True, origin="the doctor's test")
        with Sandbox(library, 1, 1) as sandbox:
            works = bool(sandbox.run(np.array([[9.0]]))[0, 0] == 3.0)
    except NstkError as error:
        return Finding(name, False, error.message, error.hint)
    command = " ".join(compiler.command)
    return Finding(name, works, f"{command} ({compiler.version})" if works else f"{command} computes nonsense")


def _package(name: str, remedy: str, purpose: str = "") -> Finding:
    needed = not purpose
    if importlib.util.find_spec(name) is None:
        return Finding(name, False, purpose or "not installed", remedy, needed)
    return Finding(name, True, importlib.metadata.version(name), needed=needed)
