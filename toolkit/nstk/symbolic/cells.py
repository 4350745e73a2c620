"""What a program's variables hold while it runs on terms."""

from typing import TypeAlias

from nstk.symbolic.library import truncate
from nstk.symbolic.terms import Algebra, Term, TooComplexError

#: A term and whether it is an integer.
Value: TypeAlias = tuple[Term, bool]
#: What is known of a variable; a list for an array.
Cell: TypeAlias = "Value | list[Cell]"
Variables: TypeAlias = dict[str, Cell]


def convert(algebra: Algebra, value: Value, integer: bool) -> Value:
    """Return a value as a variable of another type holds it."""
    term, was = value
    return (truncate(algebra, term) if integer and not was else term), integer


def copy_cell(cell: Cell) -> Cell:
    """Return a cell that can be changed alone."""
    return [copy_cell(inner) for inner in cell] if isinstance(cell, list) else cell


def count_cells(cell: Cell) -> int:
    """Return how many values a cell holds."""
    return sum(map(count_cells, cell)) if isinstance(cell, list) else 1


def merge(algebra: Algebra, condition: Term, a: Cell, b: Cell) -> Cell:
    """Return what holds a where the condition is true and else b; an array b is changed itself, others may know it."""
    if a is b:
        return b
    if isinstance(a, list) or isinstance(b, list):
        if not (isinstance(a, list) and isinstance(b, list) and len(a) == len(b)):
            raise TooComplexError("arrays")
        b[:] = [merge(algebra, condition, x, y) for x, y in zip(a, b, strict=True)]
        return b
    return algebra.choose(condition, a[0], b[0]), a[1] and b[1]
