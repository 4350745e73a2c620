"""From a program's text to its outputs' formulas."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from nstk.symbolic.execution import Execution, Parsed, parse
from nstk.symbolic.macros import expand_macros
from nstk.symbolic.terms import Algebra, Term, TooComplexError
from nstk.symbolic.words import DROPPED, NAMED_VALUES, TYPES, parse_number


@dataclass(frozen=True)
class Argument:
    """What a parameter is.

    Attributes:
        first: Index of the first input it gives; None if outputs are written through it.
        size: Elements of an array; 0 if it is a number.
    """

    first: int | None
    size: int = 0


@lru_cache(maxsize=8)
def read_program(text: str) -> Parsed:
    """Parse the text of a program.

    Raises:
        ValueError: It is more than plain C functions on numbers.
    """
    return parse(list(_plain(expand_macros(text))))


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
        TooComplexError: There is no short formula.
    """
    if name not in program.functions:
        raise TooComplexError("no such function")
    algebra = Algebra()
    zero = algebra.number(0.0)
    inputs = [algebra.input(index, low, high) for index, (low, high) in enumerate(ranges)]
    declared = program.functions[name].decl.type.args
    names = [p.name for p in (declared.params if declared else []) if getattr(p, "name", None)]
    known = arguments or {name: Argument(index) for index, name in enumerate(names)}
    given = []
    written = []
    for parameter in names:
        what = known[parameter]
        if what.first is None:
            cells = [(zero, False)] * max(what.size, 1)
            written.append(cells)
            given.append(cells)
        elif what.size:
            given.append([(term, False) for term in inputs[what.first : what.first + what.size]])
        else:
            # Inputs beyond those that are known stand still.
            given.append((inputs[what.first] if what.first < len(inputs) else zero, False))
    returned = Execution(program, algebra, parse_number).call(name, given)
    found = [] if returned is None else [returned[0]]
    return found + [cell[0] for cells in written for cell in cells]


def _plain(tokens: Sequence[str]) -> Iterator[str]:
    """Yield tokens a C parser takes without headers: few types, values for names."""
    tokens = [token for token in tokens if token not in DROPPED]
    for is_type, group in groupby(tokens, lambda token: token in TYPES):
        if is_type:
            kinds = {TYPES[token] for token in group}
            yield "void" if "void" in kinds else "double" if "float" in kinds else "int"
            continue
        for token in group:
            yield repr(float(NAMED_VALUES[token])) if token in NAMED_VALUES else token
