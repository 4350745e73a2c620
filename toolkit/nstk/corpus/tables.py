"""What `nstk corpus stats` and `nstk corpus show` print."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from nstk.corpus.candidate import ORIGINS
from nstk.corpus.card import data_files
from nstk.corpus.inputs import map_points, shared_inputs
from nstk.corpus.shards import Row, read_shard
from nstk.errors import UsageError

_SHOWN = 5  # outputs shown per domain


def stats_tables(stats: dict[str, Any]) -> RenderableType:
    """Lay out the counts of `read_stats`."""
    groups = Table("origin", "split", title=f"{stats['programs']:,} programs, {stats['behaviours']:,} behaviours")
    columns = ("programs", "in_range", "behaviours", "nonlinear", "behaviour_seen", "median_tokens")
    for column in columns:
        groups.add_column(column.replace("_", " "), justify="right")
    for row in stats["groups"]:
        groups.add_row(row["origin"], row["split"], *(f"{row[column]:,}" for column in columns))
    steps = Table("stage", "block", "count", title="Steps")
    steps.add_column("", justify="right")
    for step in stats["steps"]:
        for place, (key, count) in enumerate(step["counts"].items()):
            first = place == 0
            steps.add_row(step["stage"] if first else "", step["block"] if first else "", key, f"{count:,}")
    return Group(groups, steps)


def find_program(folder: Path, start: str | None, origin: str | None, split: str | None, seed: int) -> Row:
    """Return the row whose id starts with `start`, or one drawn from the rows of an origin and split.

    Raises:
        UsageError: No corpus, no such row, or several.
    """
    if origin not in (None, *ORIGINS):
        raise UsageError(f"no origin '{origin}'", f"origins: {', '.join(ORIGINS)}")
    found = [
        (path, row["id"])
        for path in data_files(folder, split or "*")
        for row in read_shard(path, ["id", "origin"])
        if row["id"].startswith(start or "") and origin in (None, row["origin"])
    ]
    if not found:
        raise UsageError("no such program in the corpus", "nstk corpus show without an ID shows any")
    if start and len(found) > 1:
        raise UsageError(f"{len(found)} programs have ids that start with '{start}'", "give more of the id")
    path, chosen = found[np.random.default_rng(seed).integers(len(found))]
    return next(row for row in read_shard(path) if row["id"] == chosen)


def program_record(row: Row) -> dict[str, Any]:
    """Return a row as JSON can hold it."""
    lists = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}
    return lists | {"domains": [{key: value.tolist() for key, value in domain.items()} for domain in row["domains"]]}


def program_view(row: Row, varying: int) -> RenderableType:
    """Lay out one program of a corpus whose first `varying` parameters vary."""
    ones = [1.0] * (row["inputs"] - varying)
    table = Table(show_header=False)
    for key, value in row.items():
        if key not in ("text", "outputs", "domains") and value not in ("", None):
            shown = "".join(c if c.isprintable() else "?" for c in str(value))  # names are from anywhere
            table.add_row(key.replace("_", " "), Text(shown))
    pairs = Table("domain", "inputs", "output", title="First pairs of each domain")
    if row["outputs"] is not None:
        width = len(row["outputs"]) // len(shared_inputs())
        _add_pairs(pairs, "U(-1, 1)", shared_inputs(), row["outputs"][::width], row["inputs"] - len(ones), ones)
    for domain in row["domains"]:
        centre, half = domain["centre"], domain["half_width"]
        label = ", ".join(f"{c - h:.4g}:{c + h:.4g}" for c, h in zip(centre, half, strict=True))
        _add_pairs(pairs, label, map_points(centre, half), domain["outputs"], len(centre), ones)
    return Group(table, Syntax(row["text"], "c", background_color="default"), pairs)


def _add_pairs(table: Table, label: str, inputs: Any, outputs: Any, count: int, ones: list[float]) -> None:
    for place in range(_SHOWN):
        values = ", ".join(f"{value:.4g}" for value in [*inputs[place, :count], *ones])
        table.add_row(Text(label if place == 0 else ""), values, f"{outputs[place]:.6g}")
    table.add_section()
