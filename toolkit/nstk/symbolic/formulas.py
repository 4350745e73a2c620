"""From a program's text to its outputs' formulas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nstk.symbolic.cells import Array, Cell
from nstk.symbolic.execution import Execution
from nstk.symbolic.parsing import Parsed, find_parameters
from nstk.symbolic.terms import Algebra, Term, TooComplexError, walk


@dataclass(frozen=True)
class Argument:
    """What a parameter is.

    Attributes:
        first: Index of the first input it gives; None if outputs are written through it.
        size: Elements of an array; 0 if it is a number.
    """

    first: int | None
    size: int = 0


def formulate(
    program: Parsed, name: str, ranges: Sequence[tuple[float, float]], arguments: Mapping[str, Argument] | None = None
) -> list[Term]:
    """Return the outputs of a function as terms of its inputs: what it returns, then what it writes.

    Args:
        program: Parsed.
        name: Of the function.
        ranges: Least and greatest value of every input.
        arguments: What its parameters are; None if each gives one input.

    Raises:
        ValueError: There is no short formula; mostly a TooComplexError.
        RecursionError: Expressions or formulas are nested very deeply.
    """
    if name not in program.functions:
        raise TooComplexError("no such function")
    algebra = Algebra()
    zero = algebra.number(0.0)
    inputs = [algebra.input(index, low, high) for index, (low, high) in enumerate(ranges)]
    names = [parameter.name for parameter in find_parameters(program.functions[name])]
    known = arguments or {name: Argument(index) for index, name in enumerate(names)}
    given: list[Cell] = []
    written: list[Array] = []
    for parameter in names:
        if parameter not in known:
            raise TooComplexError("a parameter that is not known")
        what = known[parameter]
        if what.first is None:
            cells = Array([(zero, False)] * max(what.size, 1))
            written.append(cells)
            given.append(cells)
        elif what.size:
            given.append(Array((term, False) for term in inputs[what.first : what.first + what.size]))
        else:
            # Inputs beyond those that are known stand still.
            given.append((inputs[what.first] if what.first < len(inputs) else zero, False))
    returned = Execution(program, algebra).call(name, given)
    found = [] if returned is None else [returned[0]]
    found += [cell[0] for cells in written for cell in cells if isinstance(cell, tuple)]
    if any(term.op == "unknown" for term in walk(found)):
        raise TooComplexError("a variable that functions share")
    return found
