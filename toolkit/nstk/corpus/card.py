"""The dataset card, and the counts it is made from."""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nstk.corpus.candidate import ORIGINS, SPLITS
from nstk.corpus.inputs import PAIRS, POINTS, PROBES, shared_inputs, unit_points
from nstk.corpus.recipe import Recipe
from nstk.corpus.shards import Row, read_shard, write_json
from nstk.corpus.steps import Documents, Step
from nstk.errors import UsageError
from nstk.resources import render

#: In the order they run; the card comes last and counts nothing.
STAGES = ("extract", "deduplicate", "execute", "mutate", "generate", "select", "publish")
_COLUMNS = [
    "origin",
    "split",
    "package",
    "licence",
    "family",
    "inputs",
    "tokens",
    "behaviour",
    "behaviour_seen",
    "kind",
    "in_range",
]


class WriteCard(Step):
    """Writes the card and the inputs."""

    name = "card"
    type = "writer"

    def __init__(self, recipe: Recipe, out: Path) -> None:
        super().__init__()
        self.recipe, self.out = recipe, out

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator:  # type: ignore[type-arg]
        """Write README.md, stats.json and inputs.safetensors; a single task."""
        from safetensors.numpy import save_file

        for folder in (self.out / "data", self.out / "work"):
            for left in folder.rglob(".*.parquet.*"):  # by a task that was killed
                left.unlink(missing_ok=True)
        save_file({"shared": shared_inputs(), "points": unit_points()}, self.out / "inputs.safetensors")
        stats = count_rows(self.out) | {"steps": count_steps(self.out)}
        card = render("corpus_card.md.j2", recipe=self.recipe, stats=stats, pairs=PAIRS, points=POINTS, probes=PROBES)
        (self.out / "README.md").write_text(card)
        write_json(self.out / "stats.json", stats)  # the last: it marks the corpus as finished
        yield from ()


def count_rows(out: Path) -> dict[str, Any]:
    """Count the rows of a corpus: by origin and split, by package, family, number of inputs."""
    rows = [row for path in _shards(out, "*") for row in read_shard(path, _COLUMNS)]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (ORIGINS.index(row["origin"]), SPLITS.index(row["split"]))):
        groups.setdefault((row["origin"], row["split"]), []).append(row)
    packages: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["origin"] == "real":
            shown = {"licence": row["licence"], "split": row["split"], "functions": 0}
            packages.setdefault(row["package"], shown)["functions"] += 1
    real = [row for row in rows if row["origin"] == "real"]
    paper = [row for row in real if row["in_range"]]
    written = [row for row in rows if row["origin"] == "mutant" or row["family"] not in ("", "grammar")]
    return {
        "programs": len(rows),
        "behaviours": len({row["behaviour"] for row in rows}),
        "real_behaviours": len({row["behaviour"] for row in real}),
        "real_in_range": len(paper),
        "real_in_range_nonlinear_behaviours": len({row["behaviour"] for row in paper if row["kind"] == "nonlinear"}),
        "mutants_and_idioms": len(written),
        "groups": [_group(*key, found) for key, found in groups.items()],
        "inputs": {origin: _tally(row["inputs"] for row in rows if row["origin"] == origin) for origin in ORIGINS},
        "families": _tally(row["family"] for row in rows if row["origin"] == "generated"),
        "mutations": _tally(row["family"] for row in rows if row["origin"] == "mutant"),
        "packages": dict(sorted(packages.items())),
    }


def read_stats(out: Path) -> dict[str, Any]:
    """Return the counts of a finished corpus, those of its steps under `steps`.

    Raises:
        UsageError: There is no corpus in the folder.
    """
    data_files(out)
    stats: dict[str, Any] = json.loads((out / "stats.json").read_text())
    return stats


def count_steps(out: Path) -> list[dict[str, Any]]:
    """Return what every block of every stage counted, in the order of the stages."""
    found = []
    for stage in STAGES:
        merged: dict[str, Counter[str]] = {}
        for file in sorted((out / "logs" / stage / "stats").glob("*.json")):
            for block in json.loads(file.read_text()):
                counts = merged.setdefault(block["name"], Counter())
                for key, metric in block["stats"].items():  # datatrove writes a plain number where that says it all
                    counts[key] += int(metric["total"] if isinstance(metric, dict) else metric)
        found += [{"stage": stage, "block": name, "counts": dict(sorted(c.items()))} for name, c in merged.items() if c]
    return found


def data_files(out: Path, split: str = "*") -> list[Path]:
    """Return the shards of a finished corpus, of one split or of all.

    Raises:
        UsageError: There is no finished corpus, or no such split.
    """
    if split not in ("*", *SPLITS):
        raise UsageError(f"no split '{split}'", f"splits: {', '.join(SPLITS)}")
    files = _shards(out, split)
    if not files or not (out / "stats.json").exists():
        raise UsageError(f"'{out}' holds no finished corpus", "nstk corpus build makes one")
    return files


def _shards(out: Path, split: str) -> list[Path]:
    return sorted((out / "data").glob(f"{split}-*.parquet"))


def _group(origin: str, split: str, rows: list[Row]) -> dict[str, Any]:
    return {
        "origin": origin,
        "split": split,
        "programs": len(rows),
        "in_range": sum(row["in_range"] for row in rows),
        "behaviours": len({row["behaviour"] for row in rows}),
        "nonlinear": sum(row["kind"] == "nonlinear" for row in rows),
        "behaviour_seen": sum(row["behaviour_seen"] for row in rows),
        "median_tokens": int(statistics.median(row["tokens"] for row in rows)),
    }


def _tally(values: Iterable[Any]) -> dict[str, int]:
    return {str(key): count for key, count in sorted(Counter(values).items())}
