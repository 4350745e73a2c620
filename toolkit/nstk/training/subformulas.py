"""What parts of a formula compute, as more to learn from: every part of a program is a program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.hypernetwork.tokenization import Encoded

Array = NDArray[np.float64]
Value = Array | tuple[Array, Array] | None

_PARTS = 2  # of a formula
_SHORTEST = 4  # tokens of a formula that has parts worth telling
_STILL, _SPIKE, _FAR = 1e-6, 30.0, 1e4  # deviations; and of the mean, in deviations

#: What tokens with one operand compute; `!` and what is compared are 0 or 1.
_ONE: dict[str, Callable[[Array], Any]] = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "exp": np.exp, "log": np.log, "cbrt": np.cbrt, "floor": np.floor, "trunc": np.trunc, "fabs": np.fabs,
    "square": np.square, "sqrt": np.sqrt, "inverse": lambda a: 1 / a,
    "!": lambda a: 1 - a, "<": lambda a: a < 0, "<=": lambda a: a <= 0, "==": lambda a: a == 0,
}  # fmt: skip
#: And those with two.
_TWO: dict[str, Callable[[Array, Array], Any]] = {
    "+": np.add, "*": np.multiply, "fmod": np.fmod, "atan2": np.arctan2, "fmax": np.maximum, "fmin": np.minimum,
    "&&": np.multiply, "||": np.maximum, "pow": np.power,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Parts:
    """Some parts of one formula.

    Attributes:
        places: Of their last tokens `(K,)`.
        y: Standardized values at the fixed points `(K, N)`.
        mean: `(K,)`.
        scale: Standard deviations `(K,)`.
    """

    places: NDArray[np.int64]
    y: NDArray[np.float16]
    mean: Array
    scale: Array


def draw_parts(values: Sequence[Value], probes: int, seed: int) -> Parts:
    """Choose some parts of a formula.

    Args:
        values: Of its tokens, see `compute`; the last is the whole.
        probes: How many of the points are told.
        seed: Of the choice.
    """
    chosen: list[int] = []
    told: list[tuple[Array, float, float]] = []
    places = np.arange(1, len(values) - 1 if len(values) >= _SHORTEST else 1)
    for place in np.random.default_rng(seed).permutation(places).tolist():
        one = standardize(values[place], probes)
        if one is not None:
            chosen.append(place)
            told.append(one)
        if len(chosen) == _PARTS:
            break
    y = np.array([one[0][:probes] for one in told], np.float16).reshape(len(told), probes)
    mean, scale = (np.array([one[i] for one in told], float) for i in (1, 2))
    return Parts(np.array(chosen, np.int64), y, mean, scale)


def standardize(value: Value, probes: int | None = None) -> tuple[Array, float, float] | None:
    """Return standardized values `(N,)`, mean and standard deviation; None if they can teach nothing.

    Args:
        value: What a token stands for.
        probes: How many of the points standardize; None: all.
    """
    if not isinstance(value, np.ndarray) or not np.isfinite(value).all():
        return None
    with np.errstate(all="ignore"):
        mean, scale = float(value[:probes].mean()), float(value[:probes].std())
    usable = _STILL < scale < 1 / _STILL and abs(mean) < _FAR * scale and np.ptp(value) < _SPIKE * scale
    return ((value - mean) / scale, mean, scale) if usable else None


def compute(formula: Encoded, words: Sequence[str], x: Array) -> list[Value]:
    """Return what every token stands for `(N,)`; None where that is not known here, a pair for the two of a choice."""
    with np.errstate(all="ignore"):  # what overflows is left out
        return _compute(formula, words, x)


def _compute(formula: Encoded, words: Sequence[str], x: Array) -> list[Value]:
    found: list[Value] = [None]
    tokens = zip(formula.ids.tolist(), formula.numbers[:, 0].tolist(), formula.links.tolist(), strict=True)
    next(tokens)  # [CLS]
    for index, number, (left, right) in tokens:
        word, a, b = words[index], found[left], found[right]
        if word == "?" and isinstance(a, np.ndarray) and isinstance(b, tuple):
            found.append(np.asarray(np.where(a != 0, *b)))
        elif word == ":" and isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            found.append((a, b))
        elif word == "num":
            found.append(np.full(len(x), number))
        elif word.startswith("arg"):
            found.append((number or 1.0) * x[:, int(word[3:])])
        elif right:
            found.append(_apply_two(word, number, a, b))
        else:
            found.append(_apply_one(word, number, a))
    return found


def _apply_one(word: str, number: float, a: object) -> Array | None:
    if not isinstance(a, np.ndarray):
        return None
    if word == "+":
        return np.asarray(a + number)
    if word == "pow":
        return np.asarray(np.power(a, number))
    if word == "*":
        return np.asarray(a * number)
    return np.asarray((number or 1.0) * _ONE[word](a)) if word in _ONE else None


def _apply_two(word: str, number: float, a: object, b: object) -> Array | None:
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return None
    return np.asarray((number or 1.0) * _TWO[word](a, b)) if word in _TWO else None
