"""What a program's variables hold while it runs on terms."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from nstk.symbolic.library import truncate
from nstk.symbolic.terms import Algebra, Term, TooComplexError

#: A term and whether it is an integer.
Value: TypeAlias = tuple[Term, bool]
#: What is known of a variable.
Cell: TypeAlias = "Value | Array | Record | Pointer | Box"
Variables: TypeAlias = dict[str, Cell]


class Array(list["Cell"]):
    """An array's elements, or as an array of one what a variable holds whose address is known.

    Attributes:
        origin: The same in all copies, which are made to follow both ways of a branch.
    """

    def __init__(self, elements: "Iterable[Cell]", origin: object = None) -> None:
        super().__init__(elements)
        self.origin = origin or object()


class Record(dict[str, "Cell"]):
    """A structure's members; also stands for its address."""


@dataclass(frozen=True, eq=False)
class Pointer:
    """A place in an array, maybe outside."""

    cells: Array
    offset: int


@dataclass(frozen=True, eq=False)
class Box:
    """A number whose address is known."""

    cells: Array


def convert(algebra: Algebra, value: Value, integer: bool) -> Value:
    """Return a value as a variable of another type holds it."""
    term, was = value
    return (truncate(algebra, term) if integer and not was else term), integer


def copy_cell(cell: Cell, known: dict[int, Cell]) -> Cell:
    """Return a cell that can be changed alone; what several know stays one thing, by what `known` gathers."""
    if isinstance(cell, tuple):
        return cell
    if id(cell) not in known:
        if isinstance(cell, Array):
            known[id(cell)] = Array((copy_cell(inner, known) for inner in cell), cell.origin)
        elif isinstance(cell, Record):
            known[id(cell)] = Record((name, copy_cell(inner, known)) for name, inner in cell.items())
        else:
            cells = copy_cell(cell.cells, known)
            assert isinstance(cells, Array)
            known[id(cell)] = Box(cells) if isinstance(cell, Box) else Pointer(cells, cell.offset)
    return known[id(cell)]


def overwrite(old: Cell, new: Cell) -> Cell:
    """Return what a variable holds that held `old` and gets a copy of `new`; arrays and structures stay where they are.

    Raises:
        TooComplexError: They are of different kinds.
    """
    if isinstance(new, Box):
        new = new.cells[0]
    if isinstance(old, Box):
        old.cells[0] = overwrite(old.cells[0], new)
        return old
    if isinstance(old, Record) and isinstance(new, Record) and old.keys() == new.keys():
        for name in old:
            old[name] = overwrite(old[name], new[name])
        return old
    if isinstance(old, Array) and isinstance(new, Array) and len(old) == len(new):
        old[:] = [overwrite(a, b) for a, b in zip(old, new, strict=True)]
        return old
    if isinstance(old, Array | Record) or isinstance(new, Array | Record):
        raise TooComplexError("an array")
    return new


def count_cells(cell: Cell) -> int:
    """Return how many values a cell holds."""
    if isinstance(cell, Record):
        return sum(map(count_cells, cell.values()))
    return sum(map(count_cells, cell)) if isinstance(cell, Array) else 1


def list_values(cell: Cell) -> list[Value]:
    """Return all values that can be reached from a cell."""
    if isinstance(cell, tuple):
        return [cell]
    inner = cell.values() if isinstance(cell, Record) else cell if isinstance(cell, Array) else cell.cells
    return [value for part in inner for value in list_values(part)]


def merge(algebra: Algebra, condition: Term, a: Cell, b: Cell, done: set[int]) -> Cell:
    """Return what holds a where the condition is true and else b.

    What others may know is changed itself, once, as `done` tells.
    """
    if a is b or id(b) in done:
        return b
    if isinstance(a, Box) and isinstance(b, tuple):  # only one way asked for its address
        a = a.cells[0]
    if isinstance(a, tuple) and isinstance(b, tuple):
        return algebra.choose(condition, a[0], b[0]), a[1] and b[1]
    done.add(id(b))
    if isinstance(a, Array) and isinstance(b, Array) and len(a) == len(b):
        b[:] = [merge(algebra, condition, x, y, done) for x, y in zip(a, b, strict=True)]
    elif isinstance(a, Record) and isinstance(b, Record) and a.keys() == b.keys():
        for name in b:
            b[name] = merge(algebra, condition, a[name], b[name], done)
    elif isinstance(a, tuple) and isinstance(b, Box):
        b.cells[0] = merge(algebra, condition, a, b.cells[0], done)
    elif (isinstance(a, Box) and isinstance(b, Box)) or (
        isinstance(a, Pointer) and isinstance(b, Pointer) and a.offset == b.offset
    ):
        if a.cells.origin is not b.cells.origin:
            raise TooComplexError("a pointer that is not known")
        merge(algebra, condition, a.cells, b.cells, done)
    else:
        raise TooComplexError("a pointer that is not known")
    return b
