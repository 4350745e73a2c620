"""What parts of a formula compute, as more to learn from: every part of a program is a program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_PARTS = 2  # of a formula
_LONGEST = 160  # tokens of a formula whose parts are told
_STILL, _SPIKE, _FAR = 1e-6, 30.0, 1e4  # deviations; and of the mean, in deviations

_ONE: dict[str, Callable[[Array], Array]] = {
    **{name: getattr(np, name) for name in "sin cos tan sinh cosh tanh exp log cbrt floor trunc fabs square sqrt".split()},  # noqa: SIM905
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "inverse": lambda x: 1 / x, "!": lambda x: 1 - x, "<": lambda x: (x < 0) * 1.0,
    "<=": lambda x: (x <= 0) * 1.0, "==": lambda x: (x == 0) * 1.0,
}  # fmt: skip
_TWO: dict[str, Callable[[Array, Array], Array]] = {
    "fmod": np.fmod, "atan2": np.arctan2, "fmax": np.maximum, "fmin": np.minimum, "&&": np.multiply, "||": np.maximum,
    "pow": np.power,
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


def draw_parts(
    words: Sequence[str], numbers: Sequence[float], links: Sequence[Sequence[int]], x: Array, seed: int
) -> Parts:
    """Compute some parts of a formula.

    Args:
        words: Of its T tokens, `[CLS]` first.
        numbers: Factors, constants and powers `(T,)`.
        links: Of the tokens `(T, 2)`.
        x: Inputs `(N, I)` in the program's units.
        seed: Of the choice.
    """
    places, rows = [], []
    if 4 <= len(words) <= _LONGEST:
        with np.errstate(all="ignore"):
            values = _compute(words, numbers, links, x)
        for place in np.random.default_rng(seed).permutation(np.arange(1, len(words) - 1)).tolist():
            value = values[place]
            if isinstance(value, np.ndarray) and np.isfinite(value).all():
                mean, scale = float(value.mean()), float(value.std())
                if _STILL < scale < 1 / _STILL and abs(mean) < _FAR * scale and np.ptp(value) < _SPIKE * scale:
                    places.append(place)
                    rows.append((mean, scale, (value - mean) / scale))
            if len(places) == _PARTS:
                break
    y = np.array([row[2] for row in rows], np.float16).reshape(len(rows), len(x))
    mean, scale = (np.array([row[index] for row in rows]) for index in range(2))
    return Parts(np.array(places, np.int64), y, mean, scale)


def _compute(
    words: Sequence[str], numbers: Sequence[float], links: Sequence[Sequence[int]], x: Array
) -> list[Array | tuple[Array, Array] | None]:
    """Return what every token stands for `(N,)`; None where that is not known here, a pair for the two of a choice."""
    found: list[Array | tuple[Array, Array] | None] = [None]
    for word, number, (left, right) in zip(words[1:], numbers[1:], links[1:], strict=True):
        found.append(_apply(word, number, found[left], found[right], bool(right), x))
    return found


def _apply(
    word: str, number: float, a: object, b: object, binary: bool, x: Array
) -> Array | tuple[Array, Array] | None:
    factor = number or 1.0
    if word == "num":
        return np.full(len(x), number)
    if word.startswith("arg"):
        return factor * x[:, int(word[3:])]  # type: ignore[no-any-return]
    if word == "?" and isinstance(a, np.ndarray) and isinstance(b, tuple):
        return np.where(a != 0, *b)
    if not isinstance(a, np.ndarray) or (binary and not isinstance(b, np.ndarray)):
        return None
    if not binary:
        simple = {"+": a + number, "*": number * a, "pow": np.power(a, number)}
        return simple[word] if word in simple else factor * _ONE[word](a) if word in _ONE else None
    assert isinstance(b, np.ndarray)
    if word == ":":
        return a, b
    simple = {"+": a + b, "*": factor * a * b}
    return simple[word] if word in simple else factor * _TWO[word](a, b) if word in _TWO else None
