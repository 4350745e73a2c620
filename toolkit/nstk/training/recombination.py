"""New programs to read from old ones: formulas with each other's inputs, constants and parts exchanged.

A few thousand real functions are soon known by heart; what they are made of, put together anew, is not. Nothing is run:
what a formula computes is computed from it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nstk.corpus.pack import Pack
from nstk.hypernetwork.tokenization import ProgramTokenizer
from nstk.symbolic.formulas import formulate
from nstk.symbolic.parsing import read_program
from nstk.symbolic.substitution import substitute
from nstk.symbolic.terms import Algebra, Term, TooComplexError, walk
from nstk.training.reading import Behaviours, Rows, gather, join, ranges_of, scale_to, work
from nstk.training.subformulas import compute, draw_parts, standardize

Ranges = list[tuple[float, float]]
Made = tuple[Rows, Behaviours]

_INPUTS = 9
_ALONE, _JOINED = 0.2, 0.35  # shares of formulas renamed and changed, and of two joined; the rest is put into another
_CHANGED = 0.3  # share of formulas whose numbers are changed
_UNIT = 0.5  # share on [-1, 1]
_NICE = (1.0, -1.0, 2.0, 0.5, -0.5, 3.0)
_SPREAD = 0.7  # of a changed number's logarithm
#: How many formulas are made from each program of an origin: there are few real ones.
_CHILDREN = {"real": 200, "mutant": 40}
_LONGEST = 64  # tokens
_TOGETHER = 200  # parents that are recombined with each other
_FEW = 2000  # parents: more are recombined by several processes


@dataclass(frozen=True)
class Parent:
    """A formula.

    Attributes:
        formula: Of inputs 0 to I - 1.
        ranges: Where its I inputs are.
    """

    formula: Term
    ranges: Ranges


def recombine(first: Parent, second: Parent, rng: np.random.Generator) -> tuple[Term, Ranges]:
    """Make a formula of two.

    Returns:
        The formula and the ranges of its inputs, at most nine.

    Raises:
        TooComplexError: It is constant, or has no finite value.
    """
    known = [*first.ranges, *second.ranges]
    least, most = max(len(first.ranges), len(second.ranges)), min(_INPUTS, len(known))
    kind, unit = rng.random(), rng.random() < _UNIT
    count = len(first.ranges) if kind < _ALONE else int(rng.integers(least, most + 1))
    ranges = [(-1.0, 1.0) if unit else known[rng.integers(len(known))] for _ in range(count)]
    algebra = Algebra()
    inputs = [algebra.input(index, *ends) for index, ends in enumerate(ranges)]
    if kind < _ALONE:
        made = _rename(algebra, first, inputs, rng)
    elif kind < _ALONE + _JOINED:
        made = _join(algebra, _rename(algebra, first, inputs, rng), _rename(algebra, second, inputs, rng), rng)
    else:
        inner = _rename(algebra, second, inputs, rng) if rng.random() < 0.5 else _join(algebra, *_two(inputs, rng), rng)
        made = _rename(algebra, first, inputs, rng, inner)
    used = sorted({int(term.value[0]) for term in walk([made]) if term.op == "arg"})
    if not used:
        raise TooComplexError("a constant")
    if len(used) == count:
        return made, ranges
    # Inputs that it does not have are left out.
    dense = Algebra()
    kept = {old: dense.input(new, *ranges[old]) for new, old in enumerate(used)}
    return substitute(dense, made, [kept.get(i, dense.number(0.0)) for i in range(count)]), [ranges[i] for i in used]


def _rename(
    algebra: Algebra, parent: Parent, inputs: list[Term], rng: np.random.Generator, inner: Term | None = None
) -> Term:
    """Return a formula of other inputs, one of them another term, maybe with other numbers."""
    given = [inputs[i] for i in rng.permutation(len(inputs))[: len(parent.ranges)]]
    if inner is not None:
        given[rng.integers(len(given))] = inner
    return substitute(algebra, parent.formula, given, _changing(rng))


def _join(algebra: Algebra, a: Term, b: Term, rng: np.random.Generator) -> Term:
    """Return a sum, product, quotient, extreme or choice of two terms."""
    b = algebra.scale(_NICE[rng.integers(len(_NICE))], b)
    way = rng.random()
    if way < 0.4:
        return algebra.add(a, b)
    if way < 0.75:
        return algebra.multiply(a, b)
    if way < 0.83:
        return algebra.divide(a, b)
    if way < 0.91:
        return algebra.greatest(a, b) if rng.random() < 0.5 else algebra.least(a, b)
    return algebra.choose(algebra.compare("<", a, b), a, algebra.scale(0.5, b))


def _two(inputs: list[Term], rng: np.random.Generator) -> tuple[Term, Term]:
    return inputs[rng.integers(len(inputs))], inputs[rng.integers(len(inputs))]


def _changing(rng: np.random.Generator) -> Callable[[float], float]:
    """Return what becomes of a formula's numbers."""
    if rng.random() >= _CHANGED:
        return float

    def change(value: float) -> float:
        if abs(value) in (0.0, 1.0) and rng.random() < 0.8:
            return value
        return value * math.exp(_SPREAD * rng.normal())

    return change


@dataclass(frozen=True)
class _Source:
    text: str
    name: str
    ranges: Ranges
    children: int


def read_recombined(
    pack: Pack,
    rows: dict[str, NDArray[np.int64]],
    tokenizer: ProgramTokenizer,
    probes: int,
    progress: Callable[[float], None] = lambda share: None,
) -> Made | None:
    """Recombine the formulas of a pack's programs; None if there are none.

    Args:
        pack: Gives texts, domains and points.
        rows: Numbers of the rows that may be used, by origin.
        tokenizer: The model's.
        probes: How many of the points standardize.
        progress: Told the share that is done.
    """
    rng = np.random.default_rng(0)
    sources = []
    for origin, children in _CHILDREN.items():
        mine = rng.permutation(rows.get(origin, np.zeros(0, np.int64)))
        for row in mine[np.unique(pack.program[mine], return_index=True)[1]].tolist():  # any one domain of a program
            program = pack.program[row]
            sources.append(_Source(pack.texts[program], pack.names[program], ranges_of(pack, row), children))
    order = rng.permutation(len(sources))
    chunks = [order[start : start + _TOGETHER] for start in range(0, len(order), _TOGETHER)]
    points = pack.points.astype(np.float64)
    jobs = ((tokenizer, points, probes, [sources[i] for i in chunk], seed) for seed, chunk in enumerate(chunks))
    parts = work(_recombine, jobs, len(chunks), len(sources) >= _FEW, progress)
    found = [part for part in parts if part is not None]
    if not found:
        return None
    return join(rows for rows, _ in found), join(told for _, told in found)


def _recombine(job: tuple[ProgramTokenizer, NDArray[np.float64], int, Sequence[_Source], int]) -> Made | None:
    tokenizer, points, probes, sources, seed = job
    rng, words = np.random.default_rng(seed), tokenizer.words()
    parents, children = [], []
    for source in sources:
        try:
            found = formulate(read_program(source.text), source.name, source.ranges)
        except (ValueError, RecursionError):
            continue
        if len(found) == 1:
            parents.append(Parent(found[0], source.ranges))
            children.append(source.children)
    encoded, parts, domains, outputs = [], [], [], []
    for first in np.repeat(np.arange(len(parents)), children).tolist():
        try:
            formula, ranges = recombine(parents[first], parents[rng.integers(len(parents))], rng)
            text = tokenizer.encode_formula(formula, _LONGEST)
        except (ValueError, RecursionError):
            continue
        x = scale_to(ranges, points)
        values = compute(text, words, x)
        one = standardize(values[-1], probes)
        if one is None:
            continue
        encoded.append(text)
        parts.append(draw_parts(values, probes, len(encoded)))
        domains.append(ranges)
        outputs.append(one)
    if not encoded:
        return None
    centre, half_width = np.zeros((len(domains), _INPUTS), np.float32), np.ones((len(domains), _INPUTS), np.float32)
    for place, ranges in enumerate(domains):
        low, high = np.array(ranges).T
        centre[place, : len(ranges)], half_width[place, : len(ranges)] = (low + high) / 2, (high - low) / 2
    y, mean, scale = zip(*outputs, strict=True)
    inputs = np.array([len(ranges) for ranges in domains])
    told = Behaviours(
        inputs, centre, half_width, np.array(y, np.float16), np.array(mean, np.float32), np.array(scale, np.float32)
    )
    return gather(encoded, parts), told
