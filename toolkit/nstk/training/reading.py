"""A pack's texts read, row by row: tokens on the row's domain, and what parts of its formula compute."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nstk.corpus.pack import Pack
from nstk.hypernetwork.tokenization import Encoded, ProgramTokenizer
from nstk.training.subformulas import Parts, compute, draw_parts

_FEW = 20_000  # rows: more are read by several processes
_TOGETHER = 1000  # rows a process reads at once
_LONGEST = 160  # tokens of a formula whose parts are told

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Rows:
    """R rows with S tokens and K parts in all.

    Attributes:
        lengths: Tokens of every row `(R,)`.
        roots: Place of the token that stands for the whole, see `Encoded` `(R,)`.
        ids: `(S,)`.
        numbers: `(S, 3)`.
        links: `(S, 2)`.
        levels: `(S,)`.
        part_counts: Parts of every row `(R,)`.
        part_places: Of their tokens `(K,)`.
        part_y: Their standardized values at the probes `(K, 256)`.
        part_mean: `(K,)`.
        part_scale: `(K,)`.
    """

    lengths: NDArray[np.int64]
    roots: NDArray[np.int64]
    ids: NDArray[np.int16]
    numbers: NDArray[np.float32]
    links: NDArray[np.int16]
    levels: NDArray[np.int16]
    part_counts: NDArray[np.int64]
    part_places: NDArray[np.int16]
    part_y: NDArray[np.float16]
    part_mean: NDArray[np.float32]
    part_scale: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Behaviours:
    """What R rows compute, and where.

    Attributes:
        inputs: How many each has `(R,)`.
        centre: Of the inputs' intervals `(R, 9)`.
        half_width: `(R, 9)`, 1 for inputs that are not there.
        y: Outputs at all points, standardized by the probes' mean and deviation `(R, N)`.
        mean: Of the probes `(R,)`.
        scale: Their standard deviation `(R,)`.
    """

    inputs: NDArray[np.int64]
    centre: NDArray[np.float32]
    half_width: NDArray[np.float32]
    y: NDArray[np.float16]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]


Arrays = TypeVar("Arrays", Rows, Behaviours)


@dataclass(frozen=True)
class _Row:
    text: str
    name: str
    ranges: list[tuple[float, float]]
    seed: int


def read_rows(
    pack: Pack, tokenizer: ProgramTokenizer, probes: int, progress: Callable[[float], None] = lambda share: None
) -> Rows:
    """Read all rows of a pack, several at a time where there are many; `progress` is told the share that is done."""
    points = pack.points[:probes].astype(np.float64)
    chunks = [
        range(start, min(start + _TOGETHER, len(pack.program))) for start in range(0, len(pack.program), _TOGETHER)
    ]
    jobs = ((tokenizer, points, [_row(pack, index) for index in chunk]) for chunk in chunks)
    return join(work(_read, jobs, len(chunks), len(pack.program) >= _FEW, progress))


def work(
    function: Callable[[Job], Result], jobs: Iterable[Job], count: int, many: bool, progress: Callable[[float], None]
) -> Iterator[Result]:
    """Do `count` jobs, on all cores if they are `many`; `progress` is told the share that is done."""
    with _workers(many) as apply:
        for done, result in enumerate(apply(function, jobs), 1):
            yield result
            progress(done / count)


@contextlib.contextmanager
def _workers(many: bool) -> Iterator[Callable[..., Iterator[Any]]]:
    """Give a `map` that uses all cores if there is much to do."""
    if not many:
        yield map
        return
    # Started anew: a copy of this process could hang in a lock that one of its threads holds.
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        yield pool.map


def no_texts(rows: int) -> Rows:
    """Return what stands for texts that are not read: rows without tokens."""
    none, few, real = np.zeros(rows, np.int64), np.zeros(0, np.int16), np.zeros(0, np.float32)
    return Rows(
        lengths=none,
        roots=none,
        ids=few,
        numbers=real.reshape(0, 3),
        links=few.reshape(0, 2),
        levels=few,
        part_counts=none,
        part_places=few,
        part_y=np.zeros((0, 1), np.float16),
        part_mean=real,
        part_scale=real,
    )


def ranges_of(pack: Pack, row: int) -> list[tuple[float, float]]:
    """Return least and greatest value of every input of a pack's row."""
    inputs = pack.inputs[pack.program[row]]
    centre, half = (a[row, :inputs].astype(np.float64) for a in (pack.centre, pack.half_width))
    return list(zip((centre - half).tolist(), (centre + half).tolist(), strict=True))


def _row(pack: Pack, index: int) -> _Row:
    program = pack.program[index]
    return _Row(pack.texts[program], pack.names[program], ranges_of(pack, index), index)


def _read(job: tuple[ProgramTokenizer, NDArray[np.float64], Sequence[_Row]]) -> Rows:
    tokenizer, points, rows = job
    words = tokenizer.words()
    encoded = [tokenizer.encode(row.text, row.name, row.ranges)[0] for row in rows]
    parts = []
    for found, row in zip(encoded, rows, strict=True):
        told = found.root and len(found.ids) <= _LONGEST
        values = compute(found, words, scale_to(row.ranges, points)) if told else []
        parts.append(draw_parts(values, len(points), row.seed))
    return gather(encoded, parts)


def gather(encoded: Sequence[Encoded], parts: Sequence[Parts]) -> Rows:
    """Return rows of what was read, one of each."""
    return Rows(
        lengths=np.array([len(e.ids) for e in encoded]),
        roots=np.array([e.root for e in encoded]),
        ids=np.concatenate([e.ids for e in encoded]).astype(np.int16),
        numbers=np.concatenate([e.numbers for e in encoded]),
        links=np.concatenate([e.links for e in encoded]).astype(np.int16),
        levels=np.concatenate([e.levels for e in encoded]).astype(np.int16),
        part_counts=np.array([len(p.places) for p in parts]),
        part_places=np.concatenate([p.places for p in parts]).astype(np.int16),
        part_y=np.concatenate([p.y for p in parts]),
        part_mean=np.concatenate([p.mean for p in parts]).astype(np.float32),
        part_scale=np.concatenate([p.scale for p in parts]).astype(np.float32),
    )


def scale_to(ranges: Sequence[tuple[float, float]], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return normalized points `(N, 9)` as inputs in some ranges `(N, I)`."""
    low, high = (np.array([ends[side] for ends in ranges]) for side in range(2))
    scaled: NDArray[np.float64] = (low + high) / 2 + (high - low) / 2 * points[:, : len(ranges)]
    return scaled


def join(found: Iterable[Arrays]) -> Arrays:
    """Put rows together."""
    every = list(found)
    return type(every[0])(
        *(np.concatenate([getattr(rows, field.name) for rows in every]) for field in fields(every[0]))
    )
