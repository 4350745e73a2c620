"""nstk, the neural surrogate toolkit: a numeric C function in, a tiny verified neural network in one C header out.

The public names are loaded when they are first used: `import nstk` alone imports neither numpy nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstk.domain import Interval, parse_domain
    from nstk.errors import MisbehaviorError, NstkError, ToolError, UnsupportedError, UsageError
    from nstk.options import BuildOptions, read_config
    from nstk.pipeline import Built, build, finetune
    from nstk.program import Program, read_program
    from nstk.saved import bench, export, verify
    from nstk.surrogate import Surrogate, load_surrogate, save_surrogate

__version__ = "0.1.0"

__all__ = [
    "BuildOptions",
    "Built",
    "Interval",
    "MisbehaviorError",
    "NstkError",
    "Program",
    "Surrogate",
    "ToolError",
    "UnsupportedError",
    "UsageError",
    "__version__",
    "bench",
    "build",
    "export",
    "finetune",
    "load_surrogate",
    "parse_domain",
    "read_config",
    "read_program",
    "save_surrogate",
    "verify",
]

_NAMES = {
    "domain": ("Interval", "parse_domain"),
    "errors": ("MisbehaviorError", "NstkError", "ToolError", "UnsupportedError", "UsageError"),
    "options": ("BuildOptions", "read_config"),
    "pipeline": ("Built", "build", "finetune"),
    "saved": ("bench", "export", "verify"),
    "program": ("Program", "read_program"),
    "surrogate": ("Surrogate", "load_surrogate", "save_surrogate"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nstk' has no attribute '{name}'")
    return getattr(import_module(f"nstk.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
