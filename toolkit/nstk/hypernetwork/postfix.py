"""Formulas as sequences of tokens, operands before what is done with them, and every token's links to its operands.

A token stands for a subformula. Beside its word it carries a factor or a constant, the range it can take, and where its
operands stand, so that reading upward along the links computes the formula.
"""

from dataclasses import dataclass, field

from nstk.symbolic.intervals import power_range, times
from nstk.symbolic.terms import COMPARISONS, Term, TooComplexError

#: Words for what a formula does, where C has none.
WORDS = ("square", "inverse")
_WORDS = {
    **COMPARISONS, "not": "!", "and": "&&", "or": "||", "max": "fmax", "min": "fmin", "abs": "fabs",
}  # fmt: skip
_POWERS = {2.0: "square", 0.5: "sqrt", -1.0: "inverse"}


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
        places = [self.place(t, 1.0) for t in term.args]
        return self._add(_WORDS.get(term.op, term.op), mark, ends, *places)

    def _list_sum(self, term: Term, factor: float) -> int:
        constant, *factors = (factor * value for value in term.value)
        place, ends = -1, (0.0, 0.0)
        for part, own in zip(term.args, factors, strict=True):
            other, reach = self.place(part, own), _ends(part, own)
            ends = ends[0] + reach[0], ends[1] + reach[1]
            place = other if place < 0 else self._add("+", 0.0, ends, place, other)
        if constant:
            place = self._add("+", constant, (ends[0] + constant, ends[1] + constant), place)
        return place

    def _list_product(self, term: Term, factor: float) -> int:
        mark, place, ends = (0.0 if factor == 1.0 else factor), -1, (1.0, 1.0)
        last = len(term.args) - 1
        for index, (base, power) in enumerate(zip(term.args, term.value, strict=True)):
            other, reach = self.place(base, 1.0), power_range(base.low, base.high, power)
            if power != 1.0 and power not in _POWERS:
                other = self._add("pow", power, reach, other)
            elif power != 1.0 and last == 0:
                return self._add(_POWERS[power], mark, _ends(term, factor), other)
            elif power != 1.0:
                other = self._add(_POWERS[power], 0.0, reach, other)
            corners = [times(x, y) for x in ends for y in reach]
            ends = min(corners), max(corners)
            if place < 0:
                place = other
            elif index < last:
                place = self._add("*", 0.0, ends, place, other)
            else:
                return self._add("*", mark, _ends(term, factor), place, other)
        return place if factor == 1.0 else self._add("*", factor, _ends(term, factor), place)

    def _add(self, word: str, number: float, ends: tuple[float, float], left: int = -1, right: int = -1) -> int:
        found, key = self.found, (word, number, left, right)
        if key not in self._places:
            if len(found.words) >= self._most:
                raise TooComplexError("too many tokens")
            found.words.append(word)
            found.numbers.append((number, *ends))
            found.links.append((left, right))
            self._places[key] = len(found.words) - 1
        return self._places[key]


def _ends(term: Term, factor: float) -> tuple[float, float]:
    """Return the range of a multiple."""
    ends = factor * term.low, factor * term.high
    return min(ends), max(ends)
