"""Formulas as sequences of tokens, operands before what is done with them, and every token's links to its operands.

A token stands for a subformula. Beside its word it carries a factor or a constant, the range it can take, and where its
operands stand, so that reading upward along the links computes the formula. However a program orders what it adds up
or multiplies, the tokens are the same: operands that vary least come first, and neighbours are joined until one is
left.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cmp_to_key

from nstk.symbolic.intervals import power_range, times
from nstk.symbolic.terms import COMPARISONS, Term, TooComplexError

#: Words for what a formula does, where C has none.
WORDS = ("square", "inverse")
_WORDS = {
    **COMPARISONS, "not": "!", "and": "&&", "or": "||", "max": "fmax", "min": "fmin", "abs": "fabs",
}  # fmt: skip
_POWERS = {2.0: "square", 0.5: "sqrt", -1.0: "inverse"}
_UNORDERED = frozenset(("sum", "prod", "max", "min", "and", "or"))

Ends = tuple[float, float]
Spelling = tuple[str, tuple[float, ...], list[tuple[float, Term]]]


@dataclass(eq=False)
class Listing:
    """A formula's T tokens.

    Attributes:
        words: Of the tokens.
        numbers: For every token its factor (0: none), constant or power, and the least and greatest value it can take.
        links: For every token the places of its operands, -1 for none.
    """

    words: list[str] = field(default_factory=list)
    numbers: list[tuple[float, float, float]] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)


def list_formula(root: Term, most: int) -> Listing:
    """List a formula; the last token stands for the whole.

    Raises:
        TooComplexError: It has more than so many tokens.
    """
    lister = _Lister(most)
    lister.count(root)
    lister.place(root, 1.0)
    return lister.found


class _Lister:
    def __init__(self, most: int) -> None:
        self.found, self._most = Listing(), most
        self._uses: dict[Term, int] = {}
        self._places: dict[tuple[object, ...], int] = {}
        self._spelled: dict[Term, Spelling] = {}
        self._compared: dict[tuple[Term, Term], int] = {}
        self._rank = cmp_to_key(self._compare)

    def count(self, root: Term) -> None:
        """Count how often terms are used."""
        left = [root]
        while left:
            term = left.pop()
            self._uses[term] = self._uses.get(term, 0) + 1
            if self._uses[term] == 1:
                left += term.args

    def place(self, term: Term, factor: float) -> int:
        """List a multiple of a term unless it is listed; returns its place."""
        key = term, factor
        if key not in self._places:
            if term.args and factor != 1.0 and self._uses[term] > 1:
                self._places[key] = self._add("*", factor, _ends(term, factor), self.place(term, 1.0))
            else:
                self._places[key] = self._list(term, factor)
        return self._places[key]

    def _list(self, term: Term, factor: float) -> int:
        mark, ends = (0.0 if factor == 1.0 else factor), _ends(term, factor)
        if term.op == "num":
            return self._add("num", factor * term.value[0], ends)
        if term.op == "arg":
            return self._add(f"arg{int(term.value[0])}", mark, ends)
        if term.op == "sum":
            return self._list_sum(term, factor)
        if term.op == "prod":
            return self._list_product(term, factor)
        if term.op == "?":
            first, second = (self.place(t, factor) for t in term.args[1:])
            both = self._add(":", 0.0, ends, first, second)
            return self._add("?", 0.0, ends, self.place(term.args[0], 1.0), both)
        args = sorted(term.args, key=self._rank) if term.op in _UNORDERED else term.args
        places = [self.place(t, 1.0) for t in args]
        return self._add(_WORDS.get(term.op, term.op), mark, ends, *places)

    def _list_sum(self, term: Term, factor: float) -> int:
        constant, *factors = (factor * value for value in term.value)
        parts = [(part, own, _ends(part, own)) for part, own in zip(term.args, factors, strict=True)]
        parts.sort(key=lambda part: (_width(part[2]), self._rank(part[0])))
        place, ends = self._join("+", [(self.place(part, own), ends) for part, own, ends in parts], _add_ranges)
        if constant:
            place = self._add("+", constant, (ends[0] + constant, ends[1] + constant), place)
        return place

    def _list_product(self, term: Term, factor: float) -> int:
        mark = 0.0 if factor == 1.0 else factor
        if len(term.args) == 1 and term.value[0] in _POWERS:
            return self._add(_POWERS[term.value[0]], mark, _ends(term, factor), self.place(term.args[0], 1.0))
        parts = [(b, power, power_range(b.low, b.high, power)) for b, power in zip(term.args, term.value, strict=True)]
        parts.sort(key=lambda part: (_relative_width(part[2]), self._rank(part[0])))
        operands = [(self._list_power(*part), part[2]) for part in parts]
        if len(operands) > 1:
            return self._join("*", operands, _multiply_ranges, mark)[0]
        return operands[0][0] if factor == 1.0 else self._add("*", factor, _ends(term, factor), operands[0][0])

    def _list_power(self, base: Term, power: float, ends: Ends) -> int:
        place = self.place(base, 1.0)
        if power == 1.0:
            return place
        return self._add(_POWERS[power], 0.0, ends, place) if power in _POWERS else self._add("pow", power, ends, place)

    def _join(
        self, word: str, operands: list[tuple[int, Ends]], reach: Callable[[Ends, Ends], Ends], mark: float = 0.0
    ) -> tuple[int, Ends]:
        """Join neighbours until one is left, the whole, which has a factor; returns its place and range."""
        while len(operands) > 1:
            number = mark if len(operands) == 2 else 0.0
            joined = []
            for (left, a), (right, b) in zip(operands[::2], operands[1::2], strict=False):
                ends = _scale(reach(a, b), number or 1.0)
                joined.append((self._add(word, number, ends, left, right), ends))
            operands = joined + operands[2 * len(joined) :]
        return operands[0]

    def _compare(self, a: Term, b: Term) -> int:
        """Return -1, 0 or 1: an order of terms that does not depend on when they were made."""
        if a is b:
            return 0
        if (a, b) not in self._compared:
            self._compared[a, b] = self._compare_parts(self._spell(a), self._spell(b))
        return self._compared[a, b]

    def _compare_parts(self, a: Spelling, b: Spelling) -> int:
        if a[:2] != b[:2]:
            return -1 if a[:2] < b[:2] else 1
        for (one, left), (other, right) in zip(a[2], b[2], strict=False):
            found = (one > other) - (one < other) or self._compare(left, right)
            if found:
                return found
        return (len(a[2]) > len(b[2])) - (len(a[2]) < len(b[2]))

    def _spell(self, term: Term) -> Spelling:
        """Return a term's word, its own numbers and its operands with theirs, in order if theirs does not matter."""
        if term not in self._spelled:
            own, operands = term.value, [(0.0, t) for t in term.args]
            if term.op in ("sum", "prod"):
                first = len(own) - len(operands)
                own, operands = own[:first], list(zip(own[first:], term.args, strict=True))
            if term.op in _UNORDERED:
                operands.sort(key=lambda operand: (operand[0], self._rank(operand[1])))
            self._spelled[term] = term.op, own, operands
        return self._spelled[term]

    def _add(self, word: str, number: float, ends: Ends, left: int = -1, right: int = -1) -> int:
        found, key = self.found, (word, number, left, right)
        if key not in self._places:
            if len(found.words) >= self._most:
                raise TooComplexError("too many tokens")
            found.words.append(word)
            found.numbers.append((number, *ends))
            found.links.append((left, right))
            self._places[key] = len(found.words) - 1
        return self._places[key]


def _ends(term: Term, factor: float) -> Ends:
    """Return the range of a multiple."""
    return _scale((term.low, term.high), factor)


def _scale(ends: Ends, factor: float) -> Ends:
    scaled = factor * ends[0], factor * ends[1]
    return min(scaled), max(scaled)


def _add_ranges(a: Ends, b: Ends) -> Ends:
    return a[0] + b[0], a[1] + b[1]


def _multiply_ranges(a: Ends, b: Ends) -> Ends:
    corners = [times(x, y) for x in a for y in b]
    return min(corners), max(corners)


def _width(ends: Ends) -> float:
    width = ends[1] - ends[0]
    return math.inf if math.isnan(width) else width


def _relative_width(ends: Ends) -> float:
    """Return how much a factor varies, whatever its unit: 0 to 2."""
    most = max(abs(ends[0]), abs(ends[1]))
    return _width(ends) / most if 0 < most < math.inf else 2.0
