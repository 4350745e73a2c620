"""Finds `codegen_templates/`, `runtime_c/` and `examples/`, in a wheel as in a checkout, and fills templates."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = Path(__file__).parent


def resource_dir(name: str) -> Path:
    """Return a folder, inside the package or at the checkout's top.

    Args:
        name: `codegen_templates`, `runtime_c` or `examples`.
    """
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent.parent / name


def render(template: str, **holes: object) -> str:
    """Return the text of `codegen_templates/<template>` with its holes filled; every hole must be given.

    What goes into `*.html.j2` is escaped.
    """
    text: str = _environment(template.endswith(".html.j2")).get_template(template).render(**holes)
    return text


@functools.cache
def _environment(escaped: bool) -> "Environment":
    """Return what compiles templates, each once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 50 ms that --help need not pay

    return Environment(
        loader=FileSystemLoader(resource_dir("codegen_templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=escaped,
    )
