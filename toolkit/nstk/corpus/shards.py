"""Parquet shards: candidates between the stages, programs with their pairs at the end.

Rows are dictionaries. A shard is written to a temporary sibling and renamed, so it is whole or not there. Equal rows
give equal bytes.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nstk.corpus.candidate import Candidate
from nstk.errors import UsageError

Row = dict[str, Any]

_FLOATS = pa.list_(pa.float32())
_CANDIDATE = [
    ("id", pa.string()),
    ("origin", pa.string()),
    ("split", pa.string()),
    ("package", pa.string()),
    ("file", pa.string()),
    ("licence", pa.string()),
    ("parent", pa.string()),
    ("family", pa.string()),
    ("name", pa.string()),
    ("inputs", pa.int16()),
    ("tokens", pa.int16()),
    ("text", pa.string()),
]
_PROGRAM = [
    ("behaviour", pa.string()),
    ("kind", pa.string()),
    ("in_range", pa.bool_()),
    ("outputs", _FLOATS),
    ("domains", pa.list_(pa.struct([("centre", _FLOATS), ("half_width", _FLOATS), ("outputs", _FLOATS)]))),
]
#: Rows on their way: a candidate, and where its outputs are known also those.
CANDIDATES = pa.schema(_CANDIDATE)
PROGRAMS = pa.schema(_CANDIDATE + _PROGRAM)
#: Which rows of a shard stay: by folder and row number, for a mutant may have the text of a held-out function.
SELECTED = pa.schema([("origin", pa.string()), ("place", pa.int32()), ("behaviour_seen", pa.bool_())])
#: Rows of the finished corpus.
CORPUS = pa.schema([*_CANDIDATE, ("behaviour_seen", pa.bool_()), *_PROGRAM])

_NOISE = ["outputs.list.element", "domains.list.element.outputs.list.element"]  # floats no dictionary makes smaller
_ROWS = 256  # of one row group: some 8 MB, what a reader holds at a time


def write_shard(path: Path, rows: Iterable[Row], schema: pa.Schema) -> int:
    """Write rows to `path`, whole or not at all; returns their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    noise = [column for column in _NOISE if column.split(".")[0] in schema.names]
    others = [name for name in schema.names if schema.field(name).type in (pa.string(), pa.int16(), pa.bool_())]
    count = 0
    try:
        writer = pq.ParquetWriter(
            scratch,
            schema,
            compression="zstd",
            compression_level=6,
            use_dictionary=others,
            column_encoding=dict.fromkeys(noise, "BYTE_STREAM_SPLIT") or None,
        )
        with writer:
            group: list[Row] = []
            for row in rows:
                group.append(row)
                count += 1
                if len(group) == _ROWS:
                    writer.write_table(pa.Table.from_pylist(group, schema))
                    group = []
            if group:
                writer.write_table(pa.Table.from_pylist(group, schema))
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return count


def read_shard(path: Path, columns: list[str] | None = None) -> Iterator[Row]:
    """Yield the rows of a shard; float lists come as numpy arrays float32.

    Raises:
        UsageError: No Parquet file.
    """
    try:
        file = pq.ParquetFile(path)
        for batch in file.iter_batches(_ROWS, columns=columns):
            yield from _rows(batch)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"'{path}' is no shard of a corpus: {error}", "build the corpus again") from None


def candidate_row(candidate: Candidate, split: str) -> Row:
    """Return a candidate's columns."""
    return {**asdict(candidate), "id": candidate.id, "tokens": candidate.tokens, "split": split}


def row_candidate(row: Row) -> Candidate:
    """Return the candidate of a row."""
    return Candidate(**{field.name: row[field.name] for field in fields(Candidate)})


def write_json(path: Path, value: object) -> None:
    """Write a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps(value, indent=2) + "\n")
    scratch.replace(path)


def _rows(batch: pa.RecordBatch) -> Iterator[Row]:
    """Yield a batch's rows without turning every float into a Python object."""
    plain = [name for name in batch.schema.names if name not in ("outputs", "domains")]
    rows: list[Row] = batch.select(plain).to_pylist()
    for index, row in enumerate(rows):
        if "outputs" in batch.schema.names:
            outputs = batch.column("outputs")[index]
            row["outputs"] = outputs.values.to_numpy() if outputs.is_valid else None
        if "domains" in batch.schema.names:
            found = batch.column("domains")[index].values
            row["domains"] = [{key: found[i][key].values.to_numpy() for key in _KEYS} for i in range(len(found))]
        yield row


_KEYS = ("centre", "half_width", "outputs")
