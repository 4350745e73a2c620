"""Idioms: short pieces of numeric C that people write again and again, with room for variation.

An idiom is C text with marks, ending in its only unconditional `return`:

    $x          an input or a named constant; what stands for it is always one name or one literal
    %d          a local variable; called by one of its usual names
    @0.5        a literal near 0.5; `@~0.5` one between -0.5 and 0.5
    (| a | b |) one of the alternatives; they nest
    real        float or double; calls and literals are written in the double style and follow the type later

Named constants become parameters where a program is to have more of them, otherwise literals or named constants.
"""

import math
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

_MARK = re.compile(r"(\(\| | \|\)| \| | \|\n\s*|\$\w+|%[a-z]\w*|@~?[\d.]+)")
#: What the locals of idioms are called; the first letter of the mark is the usual name.
_LOCALS = {
    "a": ("a", "a", "k0", "alpha", "aa"),
    "b": ("b", "b", "k1", "beta", "bb"),
    "c": ("c", "c", "coef", "cc"),
    "d": ("d", "dist", "delta", "diff", "d"),
    "dx": ("dx", "dx", "deltaX", "xd", "diff_x"),
    "dy": ("dy", "dy", "deltaY", "yd", "diff_y"),
    "dz": ("dz", "dz", "deltaZ", "zd", "diff_z"),
    "e": ("e", "err", "ex", "e"),
    "f": ("f", "fx", "val", "f"),
    "g": ("g", "gain", "gx", "g"),
    "h": ("h", "h", "hh", "step"),
    "i": ("i", "i", "i", "k", "j", "n"),
    "k": ("k", "factor", "kk", "k"),
    "n": ("n", "num", "numer", "top"),
    "p": ("p", "poly", "prod", "p"),
    "q": ("q", "q", "denom", "den"),
    "r": ("r", "result", "res", "ret", "rv", "out"),
    "s": ("s", "sum", "acc", "total", "s"),
    "t": ("t", "tmp", "temp", "tt", "t"),
    "u": ("u", "u", "arg", "uu"),
    "v": ("v", "v", "value", "val"),
    "w": ("w", "w", "weight", "wt"),
    "x": ("x", "xx", "xn", "guess"),
    "y": ("y", "yy", "yn", "y"),
    "z": ("z", "z", "zz", "zn"),
}

Part = str | tuple["Parts", ...]
Parts = tuple[Part, ...]


@dataclass(frozen=True)
class Body:
    """One way to write an idiom.

    Attributes:
        statements: What comes before the value, as parts.
        value: The returned expression, as parts.
        early: Whether the statements return as well.
        names: Inputs and constants that it uses whatever the alternatives.
    """

    statements: Parts
    value: Parts
    early: bool
    names: frozenset[str]


@dataclass(frozen=True)
class Idiom:
    """A piece of numeric C.

    Attributes:
        family: What kind of code it is.
        names: Function names people give it.
        inputs: Names of the inputs; the body speaks of the first tuple, the others are alternatives.
        constants: Named constants and their usual values.
        bodies: Ways to write it.
    """

    family: str
    names: tuple[str, ...]
    inputs: tuple[tuple[str, ...], ...]
    constants: dict[str, float]
    bodies: tuple[Body, ...]

    def promotable(self, body: Body) -> list[str]:
        """Return the constants that may be parameters if it is written this way; guards (`eps`) stay constants."""
        return [name for name in self.constants if name in body.names and name != "eps"]


def idiom(family: str, names: str, inputs: str, *bodies: str, **constants: float) -> Idiom:
    """Read an idiom.

    Args:
        family: What kind of code it is.
        names: Function names, separated by blanks.
        inputs: Input names, separated by blanks; alternatives by bars.
        bodies: Texts in the language of this module; a body without `return` is one expression.
        constants: Named constants and their usual values.
    """
    return Idiom(
        family,
        tuple(names.split()),
        tuple(tuple(names.split()) for names in inputs.split("|")),
        constants,
        tuple(_read_body(textwrap.dedent(body).strip()) for body in bodies),
    )


def render(parts: Parts, rng: Random, name: Callable[[str], str]) -> str:
    """Return the C text of an idiom's parts.

    Args:
        parts: From a body.
        rng: Draws alternatives and literals.
        name: Gives the text for an input, constant (`$x`) or local (`%d`).
    """
    out: list[str] = []
    for part in parts:
        if not isinstance(part, str):
            out.append(render(part[int(rng.random() * len(part))], rng, name))
        elif part[:1] == "@":
            out.append(near(rng, part[1:]))
        elif part[:1] in ("$", "%"):
            out.append(name(part))
        else:
            out.append(part)
    return "".join(out)


def local_name(mark: str, rng: Random) -> str:
    """Return a usual name for the local variable that an idiom calls `mark` (without the percent sign)."""
    usual = _LOCALS.get(mark)
    return usual[int(rng.random() * len(usual))] if usual else mark


def near(rng: Random, mark: str) -> str:
    """Return a literal near a value: a factor between 0.5 and 2 away, or for `~0.5` between -0.5 and 0.5."""
    if mark[0] == "~":
        return decimal(rng, float(mark[1:]) * rng.uniform(-1.0, 1.0))
    text = decimal(rng, float(mark) * math.exp(rng.uniform(-0.7, 0.7)))
    return "1.2" if text == "1.0" else text  # nobody multiplies by one


def decimal(rng: Random, value: float) -> str:
    """Return a decimal literal close to `value` with as many digits as people write: mostly one to three."""
    digits = (1, 2, 2, 2, 3, 3, 4, 6)[int(rng.random() * 8)]
    text = f"{value:.{digits}g}"
    if "e" in text:
        text = (
            f"{float(text):.{digits + 3}f}"
            if 1e-4 < abs(value) < 1e6
            else text.replace("e-0", "e-").replace("e+0", "e")
        )
    if "e" not in text and "." not in text:
        text += ".0"
    return text if float(text) else "0.5"


def _read_body(text: str) -> Body:
    head, _, value = text.rpartition("return ")
    statements, value_parts = read(head.strip()), read(value.rstrip(";"))
    return Body(statements, value_parts, "return " in head, frozenset(_certain(statements) | _certain(value_parts)))


def _certain(parts: Parts) -> set[str]:
    names: set[str] = set()
    for part in parts:
        if not isinstance(part, str):
            names |= set.intersection(*(_certain(choice) for choice in part))
        elif part[:1] == "$":
            names.add(part[1:])
    return names


def read(text: str) -> Parts:
    """Split text in the language of this module into plain pieces, marks and alternatives."""
    stack: list[list[list[Part]]] = [[[]]]
    for piece in _MARK.split(text):
        if piece == "(| ":
            stack.append([[]])
        elif piece == " |)":
            choices = stack.pop()
            stack[-1][-1].append(tuple(tuple(choice) for choice in choices))
        elif piece.startswith(" |") and len(stack) > 1:
            stack[-1].append([])
        elif piece:
            stack[-1][-1].append(piece)
    return tuple(stack[0][0])
