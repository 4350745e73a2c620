"""The steps of the corpus as datatrove pipeline blocks.

Documents carry a candidate's row in their metadata; what a step drops it counts by reason in its statistics, which
datatrove keeps by task.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from nstk.corpus.behaviour import behaviour_id, behaviour_kind, fingerprint_inputs, is_constant
from nstk.corpus.candidate import Candidate
from nstk.corpus.exclusion import protects_outputs, protects_text
from nstk.corpus.extraction.functions import extract
from nstk.corpus.generation.generator import generate
from nstk.corpus.generation.mutation import mutate
from nstk.corpus.inputs import VARYING, FloatArray, draw_domains, map_points, shared_inputs, unit_points
from nstk.corpus.recipe import Preset
from nstk.corpus.sandbox.execution import Unit, execute
from nstk.corpus.shards import CANDIDATES, PROGRAMS, Row, candidate_row, read_shard, row_candidate, write_shard
from nstk.corpus.sources import Source, is_permissive, read_source

_BATCH = 64  # functions compiled at once
_RUNS = 5  # the paper's determinism runs
_LARGEST = 10.0  # the paper's range of outputs on U(-1, 1)
_BEYOND = 2  # domains that a function outside that range must have to stay

Documents = Iterable[Document]


class Step(PipelineStep):  # type: ignore[misc]
    """A block that counts."""

    def count(self, counts: Counter[str]) -> None:
        """Add to the statistics of this task."""
        for key, value in counts.items():
            self.stat_update(key, value=value)

    def documents(self, candidates: Iterable[Candidate]) -> Iterator[Document]:
        """Turn training candidates into documents, and count them."""
        for candidate in candidates:
            self.stat_update("candidates")
            yield _document(candidate_row(candidate, "train"))


class ReadSources(Step):
    """Reads the files of the sources: one source a task, or a share of one where a source can be shared out."""

    name = "sources"
    type = "reader"

    def __init__(self, sources: Sequence[Source], downloads: Path, permissive: bool) -> None:
        super().__init__()
        self.sources, self.downloads, self.permissive = sources, downloads, permissive

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield one document per source file of this task's sources."""
        for source in self.sources[rank::world_size]:
            if self.permissive and source.licence and not is_permissive(source.licence):
                self.stat_update("dropped: sources without permissive licence")
                continue
            for file, split in read_source(source, self.downloads):
                self.stat_update("files")
                self.stat_update("characters", value=len(file.text))
                if self.permissive and not is_permissive(file.licence):
                    self.stat_update("dropped: files without permissive licence")
                else:
                    yield Document(file.text, f"{file.package}/{file.path}", metadata={"file": file, "split": split})


class Extract(Step):
    """Finds the numeric functions of each package and makes them self-contained."""

    name = "extract"
    type = "extractor"

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Turn the documents of source files, package by package, into documents of candidates."""
        for _, group in groupby(data, key=lambda document: document.metadata["file"].package):
            documents = list(group)
            counts: Counter[str] = Counter()
            for candidate in extract([document.metadata["file"] for document in documents], counts):
                if protects_text(candidate.text, candidate.name):
                    counts["dropped: text of a protected program"] += 1
                else:
                    yield _document(candidate_row(candidate, documents[0].metadata["split"]))
            self.count(counts)


class Execute(Step):
    """Runs candidates in the sandbox and keeps those of the paper's kind, with their outputs."""

    name = "execute"
    type = "filter"

    def __init__(self, preset: Preset, seed: int) -> None:
        super().__init__()
        self.preset, self.seed = preset, seed

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Turn documents of candidates into documents of programs."""
        documents = iter(data)
        while batch := list(islice(documents, _BATCH)):
            rows = [document.metadata for document in batch]
            domains = [self._domains(row) for row in rows]
            inputs = [self._inputs(row, *drawn) for row, drawn in zip(rows, domains, strict=True)]
            units = [Unit(row["text"], row["name"], row["inputs"]) for row in rows]
            for row, drawn, outcome in zip(rows, domains, execute(units, inputs, _RUNS), strict=True):
                dropped = outcome.reason or self._keep(row, drawn, outcome.outputs)
                self.stat_update("executed")
                if dropped:
                    self.stat_update(f"dropped: {dropped}")
                else:
                    yield _document(row)

    def _domains(self, row: Row) -> tuple[FloatArray, FloatArray]:
        count = self.preset.domains if row["origin"] == "real" else self.preset.other_domains
        return draw_domains(self.seed, int(row["id"], 16), self._varying(row), count)

    def _inputs(self, row: Row, centre: FloatArray, half_width: FloatArray) -> list[FloatArray]:
        """Return the input matrices of one program: shared, of the fingerprint, points, points in every domain."""
        # For the fingerprint all vary, always; a box each, for a function may not end outside of [-1, 1].
        boxes = np.split(np.ascontiguousarray(fingerprint_inputs()[:, : min(row["inputs"], VARYING)]), 2)
        x = [self._columns(row, x) for x in (shared_inputs(), unit_points(), *map(map_points, centre, half_width))]
        return [x[0], *boxes, *x[1:]]

    def _columns(self, row: Row, x: FloatArray) -> FloatArray:
        """Return the columns (N, min(inputs, 9)) that the sandbox takes, 1.0 in those that do not vary."""
        columns = np.ones((len(x), min(row["inputs"], VARYING)), np.float32)
        varying = self._varying(row)
        columns[:, :varying] = x[:, :varying]
        return columns

    def _varying(self, row: Row) -> int:
        return min(int(row["inputs"]), self.preset.varying)

    def _keep(self, row: Row, domains: tuple[FloatArray, FloatArray], outputs: Sequence[FloatArray | None]) -> str:
        """Add a program's columns to its row; returns why it is dropped, or an empty text."""
        shared, near, far, points, *others = outputs
        missing = np.full(len(fingerprint_inputs()) // 2, np.nan, np.float32)
        if protects_outputs(np.concatenate([missing if y is None else y for y in (near, far)])):
            return "behaves as a protected program"
        assert shared is not None  # or there were a reason
        reason = _out_of_range(shared)
        found = [
            {"centre": centre, "half_width": half_width, "outputs": y}
            for centre, half_width, y in zip(*domains, others, strict=True)
            if y is not None and _usable(y)
        ]
        if reason and not (self.preset.beyond and len(found) >= _BEYOND):
            return reason
        if self.preset.domains and not reason and points is not None and _usable(points):
            one = np.ones(self._varying(row), np.float32)
            found.insert(0, {"centre": 0 * one, "half_width": one, "outputs": points})
        kind = behaviour_kind(shared, self._varying(row))
        if kind == "constant" and row["origin"] != "real":
            return "constant"
        row["behaviour"], row["kind"] = behaviour_id(shared), kind
        row["in_range"] = not reason
        row["outputs"] = None if reason else self._padded(shared)
        row["domains"] = found
        return ""

    def _padded(self, y: FloatArray) -> FloatArray:
        """Return outputs (N,) row by row with the columns of zeros that the preset asks for: (N * outputs,)."""
        padded = np.zeros((len(y), self.preset.outputs), np.float32)
        padded[:, 0] = y
        return padded.ravel()


class Mutate(Step):
    """Makes mutants of the training split's real functions."""

    name = "mutate"
    type = "generator"

    def __init__(self, count: int, seed: int) -> None:
        super().__init__()
        self.number, self.seed = count, seed

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Turn documents of programs into documents of their children."""
        for document in data:
            parent = document.metadata
            if parent["split"] == "train":
                key = int(parent["id"], 16) ^ self.seed
                yield from self.documents(mutate(row_candidate(parent), self.number, key))


class Generate(Step):
    """Writes functions by grammar and idiom."""

    name = "generate"
    type = "generator"

    def __init__(self, count: int, seed: int) -> None:
        super().__init__()
        self.number, self.seed = count, seed

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield this task's share of the documents."""
        share = len(range(rank, self.number, world_size))
        seed = int(np.random.SeedSequence([self.seed, rank]).generate_state(1)[0])
        yield from self.documents(generate(seed, share))


class ReadShards(Step):
    """Reads the shard of this task's number."""

    name = "shards"
    type = "reader"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents of one shard."""
        for row in read_shard(shard_path(self.folder, rank)):
            yield _document(row)


class WriteShards(Step):
    """Writes the shard of this task's number, as candidates or as programs."""

    name = "shards"
    type = "writer"

    def __init__(self, folder: Path, programs: bool) -> None:
        super().__init__()
        self.folder, self.programs = folder, programs

    def run(self, data: Documents, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Write all documents; yields none."""
        schema = PROGRAMS if self.programs else CANDIDATES
        count = write_shard(shard_path(self.folder, rank), (document.metadata for document in data), schema)
        self.stat_update("kept", value=count)
        yield from ()


def shard_path(folder: Path, rank: int) -> Path:
    """Return the path of a stage's shard."""
    return folder / f"{rank:05d}.parquet"


def _document(row: Row) -> Document:
    return Document(row["text"], row["id"], metadata=row)


def _out_of_range(y: FloatArray) -> str:
    """Return why outputs (N,) on U(-1, 1) are outside the paper's range, or an empty text."""
    if np.isnan(y).any():
        return "NaN on U(-1, 1)"
    return "|y| >= 10 on U(-1, 1)" if (np.abs(y) >= _LARGEST).any() else ""


def _usable(y: FloatArray) -> bool:
    """Tell whether outputs on a domain are finite, within float16's reach after standardizing, and not constant."""
    return bool((np.abs(y) < 1e30).all()) and not is_constant(y)
