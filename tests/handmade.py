"""Programs built by hand, without the C reader."""

from nstk.domain import Interval
from nstk.program import CType, Input, Output, Parameter, Program

FLOAT = CType("float", "float")
DOUBLE = CType("double", "double")
INT = CType("int", "int", -(2.0**31), 2.0**31 - 1)


def program(
    source: str,
    *parameters: Parameter,
    name: str = "f",
    returns: CType | None = FLOAT,
    interval: Interval | None = None,
) -> Program:
    """Return the program `name` in `source`; without parameters it is `float f(float a)`."""
    parameters = parameters or (value("a"),)
    interval = interval or Interval(-1, 1)
    inputs: list[Input] = []
    outputs = [] if returns is None else [Output("result", returns)]
    for p in parameters:
        names = [p.name] if p.role in ("value", "pointer") else [f"{p.name}_{k}" for k in range(p.size)]
        if p.role in ("value", "array"):
            inputs += [Input(element, p.ctype, interval) for element in names]
        else:
            outputs += [Output(element, p.ctype) for element in names]
    return Program(name, f"{name}.c", 1, source, parameters, returns, tuple(inputs), tuple(outputs))


def value(name: str, ctype: CType = FLOAT) -> Parameter:
    return Parameter(name, ctype, "value", 1, f"{ctype.name} {name}")


def array(name: str, size: int, ctype: CType = FLOAT, *, const: bool = True) -> Parameter:
    return Parameter(name, ctype, "array", size, f"{'const ' if const else ''}{ctype.name} {name}[{size}]")


def pointer(name: str, ctype: CType = FLOAT) -> Parameter:
    return Parameter(name, ctype, "pointer", 1, f"{ctype.name} *{name}")


def output_array(name: str, size: int, ctype: CType = FLOAT) -> Parameter:
    return Parameter(name, ctype, "output_array", size, f"{ctype.name} {name}[{size}]")
