"""Markdown of result files."""

from collections.abc import Iterable, Sequence
from typing import Any


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    """Return a Markdown table whose last `numbers` columns are aligned right."""
    rule = ["---"] * (len(header) - numbers) + ["--:"] * numbers
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)) + "\n"


def source(result: dict[str, Any]) -> str:
    """Return the line under a table: what it was measured on, with what, when and how."""
    machine, versions = result["machine"], result["versions"]
    listed = ", ".join(text if text.startswith(name) else f"{name} {text}" for name, text in versions.items())
    return f"\n{machine['cpu']}, {machine['cores']} cores; {listed}; {result['date']}; `{result['command']}`.\n"
