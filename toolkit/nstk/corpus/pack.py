"""The pack: what training needs of a corpus, small enough to carry to another machine, readable with numpy alone.

A row is one program on one domain: its standardized outputs in half precision at the first points of the corpus
(`inputs.unit_points`, the probes first), with the mean and deviation taken out. The test split is never packed.
"""

import io
import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.corpus.candidate import ORIGINS
from nstk.corpus.inputs import PROBES, VARYING, unit_points
from nstk.errors import UsageError

Row = dict[str, Any]

LIMIT_MIB = 60
KEPT_POINTS = 384  # the probes, and half as many points that no probe shows
_PACKED = ("train", "validation")

_VERSION = 1
_TRIED = 2048  # rows compressed to estimate how many fit


@dataclass(frozen=True)
class Pack:
    """Programs and their rows.

    Attributes:
        texts: Text of each of P programs.
        names: Names of their functions.
        origin: Index into ORIGINS (P,) uint8.
        split: Index into SPLITS (P,) uint8.
        inputs: Number of parameters, at most 255 (P,) uint8.
        program: Program of each of R rows (R,) int32.
        centre: Of the domain (R, 9) float32, 0 for inputs that are not there.
        half_width: Of the domain (R, 9) float32, 1 for inputs that are not there.
        mean: Of the outputs (R,) float32.
        deviation: Standard deviation of the outputs (R,) float32.
        outputs: Standardized outputs (R, N) float16.
        points: Where in [-1, 1) they were taken (N, 9) float32.
    """

    texts: list[str]
    names: list[str]
    origin: NDArray[np.uint8]
    split: NDArray[np.uint8]
    inputs: NDArray[np.uint8]
    program: NDArray[np.int32]
    centre: NDArray[np.float32]
    half_width: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    outputs: NDArray[np.float16]
    points: NDArray[np.float32]


def write_pack(
    corpus: Path, target: Path, *, limit_mib: float = LIMIT_MIB, points: int = KEPT_POINTS
) -> dict[str, Any]:
    """Pack a corpus.

    All rows of real functions come first, then mutants and generated functions with one domain each, then their further
    domains, as far as the limit allows.

    Args:
        corpus: Folder of a finished corpus.
        target: File to write, whole or not at all.
        limit_mib: Largest size of the file in MiB.
        points: Outputs kept per row, 256 to 512.

    Returns:
        Numbers of programs and rows, packed and in the corpus, and the size in bytes.

    Raises:
        UsageError: No corpus there, or the limit holds not even the texts.
    """
    if not PROBES <= points <= len(unit_points()):
        raise UsageError(f"{points} points are not between {PROBES} and {len(unit_points())}", "drop --points")
    found = _collect(corpus, points)
    if not len(found.program):
        raise UsageError("the corpus has no domains to pack", "build it with --preset exestack")
    order = np.lexsort([np.arange(len(found.program)), _tiers(found)])
    count, size = len(order), len(_compress(_chosen(found, order[:_TRIED])))
    if len(order) > _TRIED:
        count = min(count, int(limit_mib * 2**20 / (size / _TRIED)))
    while count and (data := _compress(_chosen(found, order[:count]))) and len(data) > limit_mib * 2**20:
        count = int(count * limit_mib * 2**20 / len(data) * 0.999)
    if not count:
        raise UsageError(f"{limit_mib:g} MiB hold not one program", "raise --limit")
    scratch = target.with_name(f".{target.name}.part")
    scratch.write_bytes(data)
    scratch.replace(target)
    packed = _chosen(found, order[:count])
    return {
        "programs": len(packed.names),
        "rows": count,
        "programs_in_corpus": len(found.names),
        "rows_in_corpus": len(order),
        "bytes": len(data),
    }


def read_pack(path: Path) -> Pack:
    """Read a pack.

    Raises:
        UsageError: The file is none, damaged, or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if int(file["version"]) != _VERSION:
                raise UsageError(
                    f"'{path}' is a pack of version {int(file['version'])}", "nstk corpus pack makes a new one"
                )
            arrays = {key: file[key] for key in file.files}
        strings = {key: arrays.pop(key).tobytes().decode().split("\0") for key in ("texts", "names")}
        high, low = arrays.pop("outputs_high"), arrays.pop("outputs_low")
        outputs = (high.astype(np.uint16) << 8 | low).view(np.float16)
        del arrays["version"]
        return Pack(**strings, **arrays, outputs=outputs)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(f"'{path}' is no pack: {error}", "nstk corpus pack makes one") from None


def _collect(corpus: Path, points: int) -> Pack:
    """Read the training and validation rows of a corpus."""
    from nstk.corpus.card import data_files  # pyarrow, which reading a pack does not need
    from nstk.corpus.shards import read_shard

    programs: list[Row] = []
    rows: list[tuple[int, Row]] = []
    columns = ["text", "name", "origin", "split", "inputs", "domains"]
    for split in _PACKED:
        for path in data_files(corpus, split):
            for row in read_shard(path, columns):
                rows += [(len(programs), domain) for domain in row.pop("domains")]
                programs.append(row)
    y = np.array([domain["outputs"][:points] for _, domain in rows], np.float32).reshape(-1, points)
    mean, deviation = y.mean(axis=1, dtype=np.float64), y.std(axis=1, dtype=np.float64)
    varied = deviation > 0  # a step may lie among the points left out
    standard = (y - mean[:, None]) / np.where(varied, deviation, 1.0)[:, None]
    centre, half_width = np.zeros((len(rows), VARYING), np.float32), np.ones((len(rows), VARYING), np.float32)
    for index, (_, domain) in enumerate(rows):
        centre[index, : len(domain["centre"])] = domain["centre"]
        half_width[index, : len(domain["centre"])] = domain["half_width"]
    found = Pack(
        texts=[row["text"] for row in programs],
        names=[row["name"] for row in programs],
        origin=np.array([ORIGINS.index(row["origin"]) for row in programs], np.uint8),
        split=np.array([_PACKED.index(row["split"]) for row in programs], np.uint8),
        inputs=np.array([row["inputs"] for row in programs], np.uint8),
        program=np.array([program for program, _ in rows], np.int32),
        centre=centre,
        half_width=half_width,
        mean=mean.astype(np.float32),
        deviation=deviation.astype(np.float32),
        outputs=standard.astype(np.float16),
        points=unit_points()[:points],
    )
    return _chosen(found, np.flatnonzero(varied))


def _tiers(pack: Pack) -> NDArray[np.int64]:
    """Return the order in which rows get in: real ones, first rows of mutants, of generated ones, second rows, ..."""
    first = np.concatenate([[0], np.flatnonzero(np.diff(pack.program)) + 1])
    place = np.arange(len(pack.program)) - np.repeat(first, np.diff([*first, len(pack.program)]))  # among its program's
    origin = pack.origin[pack.program].astype(np.int64)
    return np.where(origin == 0, 0, 2 * place + origin)


def _chosen(pack: Pack, rows: NDArray[np.int64]) -> Pack:
    """Return some rows, in the pack's order, and the programs they need."""
    rows = np.sort(rows)
    used, program = np.unique(pack.program[rows], return_inverse=True)
    changed: dict[str, Any] = {"program": program.astype(np.int32)}
    for key in ("origin", "split", "inputs"):
        changed[key] = getattr(pack, key)[used]
    for key in ("centre", "half_width", "mean", "deviation", "outputs"):
        changed[key] = getattr(pack, key)[rows]
    return replace(pack, texts=[pack.texts[i] for i in used], names=[pack.names[i] for i in used], **changed)


def _compress(pack: Pack) -> bytes:
    """Return the file's bytes; the two bytes of every half are kept apart, the high ones compress."""
    arrays: dict[str, Any] = {field.name: getattr(pack, field.name) for field in fields(Pack)}
    for key in ("texts", "names"):
        arrays[key] = np.frombuffer("\0".join(arrays[key]).encode(), np.uint8)
    halves = arrays.pop("outputs").view(np.uint16)
    arrays |= {"outputs_high": (halves >> 8).astype(np.uint8), "outputs_low": halves.astype(np.uint8)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, version=np.array(_VERSION), **arrays)
    return buffer.getvalue()
