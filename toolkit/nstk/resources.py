"""Finds `codegen_templates/` and `runtime_c/`, in a wheel as in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource_dir(name: str) -> Path:
    """Return the folder `name` (`codegen_templates` or `runtime_c`): inside the package, or at the checkout's top."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent.parent / name
