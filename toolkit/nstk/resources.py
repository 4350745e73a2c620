"""Finds `codegen_templates/`, `runtime_c/` and `examples/`, in a wheel as in a checkout, and fills templates."""

from pathlib import Path

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
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 50 ms that --help need not pay

    environment = Environment(
        loader=FileSystemLoader(resource_dir("codegen_templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=template.endswith(".html.j2"),
    )
    return environment.get_template(template).render(**holes)
