"""The steps that see the whole corpus at once: deduplication, the choice of rows, the final shards."""

from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

from nstk.corpus.candidate import SPLITS
from nstk.corpus.shards import CANDIDATES, CORPUS, SELECTED, Row, read_shard, write_shard
from nstk.corpus.steps import Documents, Step, shard_path

# Folders of the programs, in the order in which a behaviour belongs to whoever has it first.
_FOLDERS = ("real", "mutants", "generated")


class Deduplicate(Step):
    """Keeps one copy of equal texts across packages and deals the rest out to shards.

    Whatever stands in a training package stays there: a held-out function is then one whose text training has not.
    """

    name = "texts"
    type = "dedup"

    def __init__(self, source: Path, target: Path, tasks: int, shards: int) -> None:
        super().__init__()
        self.source, self.target, self.tasks, self.shards = source, target, tasks, shards

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator:  # type: ignore[type-arg]
        """Read all extracted shards, write the deduplicated ones; a single task."""
        places = [
            (SPLITS.index(row["split"]), task, place, row["id"])
            for task in range(self.tasks)
            for place, row in enumerate(read_shard(shard_path(self.source, task), ["id", "split"]))
        ]
        unique: dict[str, tuple[int, int]] = {}
        for _, task, place, key in sorted(places):
            unique.setdefault(key, (task, place))
        kept = set(unique.values())
        self.stat_update("dropped: text of another package", value=len(places) - len(kept))
        self.stat_update("kept", value=len(kept))
        rows = (
            row
            for task in range(self.tasks)
            for place, row in enumerate(read_shard(shard_path(self.source, task)))
            if (task, place) in kept
        )
        ends = [len(kept) * shard // self.shards for shard in range(self.shards + 1)]
        for shard, (start, end) in enumerate(pairwise(ends)):
            write_shard(shard_path(self.target, shard), islice(rows, end - start), CANDIDATES)
        yield from ()


class Select(Step):
    """Chooses the rows: all real functions, then mutants and generated ones of behaviours not met before."""

    name = "behaviours"
    type = "dedup"

    def __init__(self, folder: Path, shards: int) -> None:
        super().__init__()
        self.folder, self.shards = folder, shards

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator:  # type: ignore[type-arg]
        """Read the behaviours of all programs and write, shard by shard, which rows stay; a single task."""
        known: set[str] = set()
        chosen: list[list[Row]] = [[] for _ in range(self.shards)]
        for origin in _FOLDERS:
            for shard in range(self.shards):
                rows = read_shard(shard_path(self.folder / origin, shard), ["split", "behaviour"])
                for place, row in enumerate(rows):
                    if origin != "real" and row["behaviour"] in known:
                        self.stat_update(f"dropped: behaviour met before, {origin}")
                        continue
                    known.add(row["behaviour"])
                    chosen[shard].append({**row, "origin": origin, "place": place})
                    self.stat_update(f"kept: {origin}")
        trained = {row["behaviour"] for rows in chosen for row in rows if row["split"] == "train"}
        for shard, kept in enumerate(chosen):
            marked = ({**row, "behaviour_seen": row["behaviour"] in trained} for row in kept)
            write_shard(shard_path(self.folder / "selected", shard), marked, SELECTED)
        yield from ()


class Publish(Step):
    """Writes the final shards, one file per split."""

    name = "corpus"
    type = "writer"

    def __init__(self, folder: Path, target: Path) -> None:
        super().__init__()
        self.folder, self.target = folder, target

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator:  # type: ignore[type-arg]
        """Write what was selected of this task's shard, in the order real, mutants, generated."""
        selected = read_shard(shard_path(self.folder / "selected", rank))
        seen = {(row["origin"], row["place"]): row["behaviour_seen"] for row in selected}
        for split in SPLITS:
            folders = _FOLDERS if split == "train" else _FOLDERS[:1]  # only real functions are held out
            rows = (
                {**row, "behaviour_seen": seen[origin, place]}
                for origin in folders
                for place, row in enumerate(read_shard(shard_path(self.folder / origin, rank)))
                if row["split"] == split and (origin, place) in seen
            )
            count = write_shard(self.target / f"{split}-{rank:05d}-of-{world_size:05d}.parquet", rows, CORPUS)
            self.stat_update(f"rows: {split}", value=count)
        yield from ()
