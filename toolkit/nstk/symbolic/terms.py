"""Formulas in normal form, with the range each can take.

A sum is constant + coefficients x other terms, a product has whole or broken powers of other terms; both are flat, and
equal terms are one object. Ranges follow from the inputs' by interval arithmetic.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nstk.symbolic.intervals import bound, power_range, times

_LIMIT = 3000  # terms of a program; what needs more says little to a small network
_MAX_PARTS = 20_000  # of all sums and products on the way
#: Comparisons with 0, and C's words for them.
COMPARISONS = {"lt": "<", "le": "<=", "eq": "=="}
_BOOLEAN = frozenset((*COMPARISONS, "not", "and", "or"))


class TooComplexError(ValueError):
    """A program that has no short formula."""


@dataclass(eq=False, slots=True)
class Term:
    """A formula.

    Attributes:
        op: `num`, `arg`, `sum`, `prod`, a comparison with 0 (`lt`, `le`, `eq`), `not`, `and`, `or`, `?` (a choice),
            `min`, `max`, `abs`, `unknown`, or a function's name.
        args: Terms it is made of.
        value: Constant and coefficients of a sum, powers of a product, the value of a number, the index of an input.
        low: Least value.
        high: Greatest value.
        smooth: It hardly ever takes one certain value.
        number: Rank of creation.
    """

    op: str
    args: tuple["Term", ...]
    value: tuple[float, ...]
    low: float
    high: float
    smooth: bool
    number: int

    @property
    def is_number(self) -> bool:
        """Whether it is a constant."""
        return self.op == "num"


@dataclass(eq=False)
class Algebra:
    """Makes terms, simplified; equal ones are made once."""

    _made: dict[tuple[object, ...], Term] = field(default_factory=dict)
    _parts: int = 0

    def number(self, value: float) -> Term:
        """Return a constant."""
        if not abs(value) < math.inf:
            raise TooComplexError("no finite number")
        value = float(value) + 0.0  # no -0
        return self._make("num", (), (value,), value, value, False)

    def input(self, index: int, low: float, high: float) -> Term:
        """Return an input of the program, which may be anywhere between two numbers."""
        return self._make("arg", (), (float(index),), low, high, low < high)

    def unknown(self) -> Term:
        """Return what nothing is known of."""
        return self._make("unknown", (), (), -math.inf, math.inf, False)

    def function(self, name: str, args: Iterable[Term], low: float, high: float, smooth: bool | None = None) -> Term:
        """Return a function of terms, not simplified."""
        args = tuple(args)
        return self._make(name, args, (), low, high, all(a.smooth for a in args) if smooth is None else smooth)

    def sum(self, parts: Iterable[tuple[float, Term]], constant: float = 0.0) -> Term:
        """Return a sum of multiples."""
        found: dict[Term, float] = {}
        most: dict[Term, float] = {}
        for factor, term in parts:
            bases: Iterable[tuple[float, Term]] = ((1.0, term),)
            if term.is_number or term.op == "sum":
                constant += factor * term.value[0]
                bases = zip(term.value[1:], term.args, strict=True)
            for inner, base in bases:
                found[base] = found.get(base, 0.0) + factor * inner
                most[base] = max(most.get(base, 0.0), abs(factor * inner))
        self._count(len(found))
        # What nearly cancels is rounding.
        for term, factor in found.items():
            if abs(abs(factor) - 1) < 1e-14:
                found[term] = math.copysign(1.0, factor)
        kept = sorted((t for t, c in found.items() if abs(c) > 1e-14 * most[t]), key=lambda t: t.number)
        if not kept:
            return self.number(constant)
        if len(kept) == 1 and found[kept[0]] == 1.0 and constant == 0.0:
            return kept[0]
        low = high = constant
        for term in kept:
            ends = times(found[term], term.low), times(found[term], term.high)
            low, high = low + min(ends), high + max(ends)
        values = (constant, *(found[term] for term in kept))
        if not all(abs(v) < math.inf for v in values):
            raise TooComplexError("no finite number")
        return self._make("sum", tuple(kept), values, bound(low, -1), bound(high, 1), all(t.smooth for t in kept))

    def add(self, a: Term, b: Term) -> Term:
        """Return a + b."""
        return self.sum(((1.0, a), (1.0, b)))

    def subtract(self, a: Term, b: Term) -> Term:
        """Return a - b."""
        return self.sum(((1.0, a), (-1.0, b)))

    def scale(self, factor: float, a: Term) -> Term:
        """Return a multiple."""
        return a if factor == 1.0 else self.sum(((factor, a),))

    def monic(self, a: Term) -> tuple[float, Term]:
        """Return a as a factor and a term: sums lose the factor of their first part."""
        if a.op != "sum":
            return 1.0, a
        return a.value[1], self.scale(1.0 / a.value[1], a)

    def multiply(self, a: Term, b: Term) -> Term:
        """Return a b."""
        if a.is_number or b.is_number:
            return self.scale(a.value[0], b) if a.is_number else self.scale(b.value[0], a)
        return self._product(((a, 1.0), (b, 1.0)))

    def divide(self, a: Term, b: Term) -> Term:
        """Return a / b."""
        if b.is_number:
            if b.value[0] == 0:
                raise TooComplexError("a division by zero")
            return self.scale(1.0 / b.value[0], a)
        return self.multiply(a, self.power(b, -1.0))

    def power(self, a: Term, exponent: float) -> Term:
        """Return a to a constant power."""
        if a.is_number:
            return self.number(_raise_number(a.value[0], exponent))
        return self.number(1.0) if exponent == 0 else self._product(((a, exponent),))

    def _product(self, parts: Iterable[tuple[Term, float]]) -> Term:
        factor, powers = 1.0, dict[Term, float]()
        left = list(parts)
        while left:
            term, power = left.pop(0)
            whole = float(power).is_integer()
            lead, base = self.monic(term)
            if lead != 1.0 and (lead > 0 or whole):
                factor *= _raise_number(lead, power)
            else:
                base = term
            if base.op == "prod" and (whole or all(t.low >= 0 for t in base.args)):
                left[:0] = [(t, p * power) for t, p in zip(base.args, base.value, strict=True)]
            elif base.op == "prod" and len(base.args) == 1 and base.value[0] % 2 == 0:
                left[:0] = [(self.absolute(base.args[0]), base.value[0] * power)]
            elif base.op == "abs" and power % 2 == 0:
                powers[base.args[0]] = powers.get(base.args[0], 0.0) + power
            else:
                powers[base] = powers.get(base, 0.0) + power
        self._count(len(powers))
        kept = sorted((t for t, p in powers.items() if p != 0), key=lambda t: t.number)
        if not kept:
            return self.number(factor)
        low = high = 1.0
        for term in kept:
            lower, upper = power_range(term.low, term.high, powers[term])
            ends = [times(x, y) for x in (low, high) for y in (lower, upper)]
            low, high = min(ends), max(ends)
        if len(kept) == 1 and powers[kept[0]] == 1.0:
            product = kept[0]
        else:
            smooth = all(t.smooth for t in kept)
            values = tuple(powers[t] for t in kept)
            product = self._make("prod", tuple(kept), values, bound(low, -1), bound(high, 1), smooth)
        return self.scale(factor, product)

    def absolute(self, a: Term) -> Term:
        """Return |a|."""
        if a.low >= 0:
            return a
        if a.high <= 0:
            return self.scale(-1.0, a)
        factor, base = self.monic(a)
        if base.op == "abs":
            return self.scale(abs(factor), base)
        return self.scale(abs(factor), self.function("abs", (base,), 0.0, max(-base.low, base.high), False))

    def least(self, a: Term, b: Term) -> Term:
        """Return min(a, b)."""
        return self.scale(-1.0, self.greatest(self.scale(-1.0, a), self.scale(-1.0, b))) if a is not b else a

    def greatest(self, a: Term, b: Term) -> Term:
        """Return max(a, b)."""
        apart = self.subtract(a, b)
        if apart.low >= 0:
            return a
        if apart.high <= 0:
            return b
        if self.add(a, b) is self.number(0.0):
            return self.absolute(a)
        first, second = sorted((a, b), key=lambda t: t.number)
        low, high = max(a.low, b.low), max(a.high, b.high)
        # A maximum of what are all negative multiples reads better as a minimum.
        if all((t.op == "sum" and t.value[0] <= 0 and max(t.value[1:]) < 0) or t.is_number for t in (a, b)):
            turned = sorted((self.scale(-1.0, a), self.scale(-1.0, b)), key=lambda t: t.number)
            return self.scale(-1.0, self.function("min", turned, -high, -low, False))
        return self.function("max", (first, second), low, high, False)

    def compare(self, op: str, a: Term, b: Term) -> Term:
        """Return whether a `op` b: `<`, `<=`, `>`, `>=`, `==` or `!=`."""
        if op in (">", ">="):
            return self.compare({">": "<", ">=": "<="}[op], b, a)
        if op == "!=":
            return self.negate(self.compare("==", a, b))
        apart = self.subtract(a, b)
        if op == "==":
            holds, fails = apart.low == apart.high == 0, apart.low > 0 or apart.high < 0 or apart.smooth
        elif op == "<":
            holds, fails = apart.high < 0 or (apart.high == 0 and apart.smooth), apart.low >= 0
        else:
            holds, fails = apart.high <= 0, apart.low > 0 or (apart.low == 0 and apart.smooth)
        if holds or fails:
            return self.number(float(holds))
        factor, base = self.monic(apart)
        if op == "==":
            return self.function("eq", (base,), 0.0, 1.0, False)
        strict = (op == "<") or base.smooth
        if factor > 0:
            return self.function("lt" if strict else "le", (base,), 0.0, 1.0, False)
        strict = (op == "<=") or base.smooth
        return self.negate(self.function("lt" if strict else "le", (base,), 0.0, 1.0, False))

    def negate(self, a: Term) -> Term:
        """Return whether a is false."""
        a = self.truth(a)
        if a.is_number:
            return self.number(1.0 - a.value[0])
        return a.args[0] if a.op == "not" else self.function("not", (a,), 0.0, 1.0, False)

    def truth(self, a: Term) -> Term:
        """Return whether a is true, as 0 or 1."""
        if a.op in _BOOLEAN:
            return a
        return self.number(float(a.value[0] != 0)) if a.is_number else self.compare("!=", a, self.number(0.0))

    def both(self, a: Term, b: Term) -> Term:
        """Return whether a and b are true."""
        a, b = self.truth(a), self.truth(b)
        if a.is_number or b.is_number:
            known, other = (a, b) if a.is_number else (b, a)
            return other if known.value[0] else known
        return a if a is b else self.function("and", sorted((a, b), key=lambda t: t.number), 0.0, 1.0, False)

    def either(self, a: Term, b: Term) -> Term:
        """Return whether a or b is true."""
        a, b = self.truth(a), self.truth(b)
        if a.is_number or b.is_number:
            known, other = (a, b) if a.is_number else (b, a)
            return known if known.value[0] else other
        return a if a is b else self.function("or", sorted((a, b), key=lambda t: t.number), 0.0, 1.0, False)

    def choose(self, condition: Term, a: Term, b: Term) -> Term:
        """Return a where the condition is true, else b."""
        condition = self.truth(condition)
        if condition.is_number:
            return a if condition.value[0] else b
        if condition.op == "not":
            return self.choose(condition.args[0], b, a)
        if a is b:
            return a
        if condition.op in ("lt", "le"):
            base = condition.args[0]
            apart = self.subtract(a, b)
            factor, rest = self.monic(apart)
            if rest is base:
                return self.least(a, b) if factor > 0 else self.greatest(a, b)
        if a.is_number and b.is_number:
            return self.sum(((a.value[0] - b.value[0], condition),), b.value[0])
        low, high = min(a.low, b.low), max(a.high, b.high)
        return self.function("?", (condition, a, b), low, high, False)

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > _MAX_PARTS:
            raise TooComplexError("too many parts")

    def _make(
        self, op: str, args: tuple[Term, ...], value: tuple[float, ...], low: float, high: float, smooth: bool
    ) -> Term:
        key = (op, args, value)
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _LIMIT:
                raise TooComplexError("too many terms")
            found = self._made[key] = Term(op, args, value, low, high, smooth, len(self._made))
        return found


def walk(roots: Iterable[Term]) -> Iterator[Term]:
    """Yield terms and all they are made of, each once."""
    left, seen = list(roots), set[Term]()
    while left:
        term = left.pop()
        if term not in seen:
            seen.add(term)
            yield term
            left += term.args


def _raise_number(value: float, power: float) -> float:
    try:
        raised: float | complex = value**power
    except (OverflowError, ZeroDivisionError):
        raise TooComplexError("no finite number") from None
    if isinstance(raised, complex):
        raise TooComplexError("no real number")
    return raised
