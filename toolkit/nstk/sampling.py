"""Input points inside a program's domain: draws, Sobol points, corners, edges and what networks are fitted to.

Every function returns (N, I) float64 whose values the C function can receive exactly: float32 numbers for `float`
inputs, any number for `double` ones (that the surrogate rounds them is part of its error), whole numbers for integer
ones, all inside the closed intervals.
Equal arguments give equal points; functions given one seed are independent of each other.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nstk.errors import UsageError
from nstk.program import MAX_INPUTS, Input

Array = NDArray[np.float64]

_ALL_CORNERS_UP_TO = 10
_BITS = 32

# Degree s, coefficients a and first direction numbers m of dimensions 2 to 16, from S. Joe and F. Y. Kuo,
# "Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30 (2008), new-joe-kuo-6.
_JOE_KUO: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
    (6, 1, (1, 3, 3, 9, 7, 49)),
    (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)),
)


def draw(inputs: Sequence[Input], n: int, seed: int) -> Array:
    """Return n independent draws (n, I): uniform, log-uniform where the interval says so, uniform on whole numbers."""
    return _map(inputs, _generator(seed, 0).random((n, len(inputs))))


def sobol(inputs: Sequence[Input], n: int, seed: int) -> Array:
    """Return the first n points (n, I) of a Sobol sequence, scrambled by a random digital shift, mapped like draws.

    Raises:
        UsageError: More than 16 inputs.
    """
    if len(inputs) > MAX_INPUTS:
        raise UsageError(f"{len(inputs)} inputs are more than the {MAX_INPUTS} nstk takes")
    return _map(inputs, sobol_unit(len(inputs), n, seed))


def corners(inputs: Sequence[Input]) -> Array:
    """Return all 2^I corners (2^I, I) of the domain up to 10 inputs, else 1,024 of them: fixed, spread at random."""
    count = len(inputs)
    codes = np.arange(2 ** min(count, _ALL_CORNERS_UP_TO))
    if count > _ALL_CORNERS_UP_TO:
        others = 1 + _generator(0, 1).choice(2**count - 2, len(codes) - 2, replace=False)
        codes = np.concatenate([[0], np.sort(others), [2**count - 1]])  # both ends of the diagonal are among them
    at_top = (codes[:, None] >> np.arange(count)) & 1  # (N, I)
    lo, hi = _ends(inputs)
    return np.where(at_top == 1, hi, lo)


def edges(inputs: Sequence[Input], n: int, seed: int) -> Array:
    """Return n points (n, I), drawn like `draw` but with one or more coordinates moved to an end of their interval."""
    count = len(inputs)
    generator = _generator(seed, 2)
    x = _map(inputs, generator.random((n, count)))
    moved = generator.random((n, count)) < 0.25
    moved[np.arange(n), generator.integers(count, size=n)] = True
    lo, hi = _ends(inputs)
    return np.where(moved, np.where(generator.random((n, count)) < 0.5, lo, hi), x)


def training_points(inputs: Sequence[Input], n: int, seed: int) -> Array:
    """Return n points (n, I) to fit networks to: a Sobol sequence's, but one in 64 for each of the inputs on an edge.

    Errors are largest on edges, where Sobol points never come. So few of them leave the nrmse as it is, and make
    largest errors 0.6 times as large (4-4, 53 formulas of physics and engineering, one in 32). With one input more of
    them outweigh what lies between its ends; with four and more, one in 32 leaves largest errors 1.25 times as large,
    and the nrmse 1.2 times (8-8, 34 functions of the training split). From eight inputs on it is one in eight.
    """
    x = sobol(inputs, n, seed)
    every = 64 // min(len(inputs), 8)
    x[every - 1 :: every] = edges(inputs, n // every, seed)
    return x


def arithmetic_points(inputs: Sequence[Input], seed: int) -> tuple[Array, Array]:
    """Return where emitted C is compared with its model: points `(N, I)` of the domain, and 512 around its outside."""
    x = np.concatenate([corners(inputs), edges(inputs, 512, seed), sobol(inputs, 4099, seed)])
    middle = x.mean(0)
    return x, middle + 3 * (x[-512:] - middle)


def snap(inputs: Sequence[Input], x: Array) -> Array:
    """Return x (N, I) clipped to the domain and rounded to what each input's type can hold; NaN stays NaN.

    Raises:
        UsageError: An interval holds no number that the input's type can take.
    """
    lo, hi = _ends(inputs)
    kinds = np.array([column.ctype.kind for column in inputs])
    x = np.clip(x, lo, hi)
    single = np.where(kinds == "float", x.astype(np.float32).astype(np.float64), x)
    return np.clip(np.where(kinds == "int", np.rint(x), single), lo, hi)


def sobol_unit(dimensions: int, n: int, seed: int) -> Array:
    """Return n points (n, dimensions) of the digitally shifted Sobol sequence in [0, 1); dimensions <= 16."""
    index = np.arange(n, dtype=np.uint32)
    points = np.empty((n, dimensions), np.uint32)
    points[:] = _generator(seed, 3).integers(2**_BITS, size=dimensions, dtype=np.uint32)  # the shift
    for dimension in range(dimensions):
        for bit, direction in enumerate(_directions(dimension)[: max(n - 1, 0).bit_length()]):
            points[:, dimension] ^= ((index >> np.uint32(bit)) & np.uint32(1)) * np.uint32(direction)
    return points / 2.0**_BITS


def _directions(dimension: int) -> list[int]:
    """Return the 32 direction numbers of one dimension (from 0), scaled by 2^32."""
    if dimension == 0:
        return [1 << (_BITS - 1 - bit) for bit in range(_BITS)]
    degree, coefficients, start = _JOE_KUO[dimension - 1]
    numbers = [m << (_BITS - 1 - bit) for bit, m in enumerate(start)]
    for bit in range(degree, _BITS):
        number = numbers[bit - degree] ^ (numbers[bit - degree] >> degree)
        for k in range(1, degree):
            if (coefficients >> (degree - 1 - k)) & 1:
                number ^= numbers[bit - k]
        numbers.append(number)
    return numbers


def _map(inputs: Sequence[Input], unit: Array) -> Array:
    """Map points of the unit cube (N, I) to the domain."""
    lo, hi = _ends(inputs)
    x = np.empty_like(unit)
    for i, column in enumerate(inputs):
        # Whole numbers each get an interval of their own, or the two ends would come half as often.
        margin = 0.5 if column.ctype.kind == "int" else 0.0
        low, high = lo[i] - margin, hi[i] + margin
        if column.interval.log:
            x[:, i] = np.exp(math.log(low) + unit[:, i] * (math.log(high) - math.log(low)))
        else:
            x[:, i] = low + unit[:, i] * (high - low)
    return snap(inputs, x)


def _ends(inputs: Sequence[Input]) -> tuple[Array, Array]:
    """Return the smallest and largest values (I,), (I,) each input can take inside its interval.

    Raises:
        UsageError: There is none.
    """
    lo, hi = np.empty(len(inputs)), np.empty(len(inputs))
    for i, column in enumerate(inputs):
        interval = column.interval
        if column.ctype.kind == "int":
            lo[i] = max(math.ceil(interval.lo), column.ctype.lo)
            hi[i] = min(math.floor(interval.hi), column.ctype.hi)
        elif column.ctype.kind == "double":
            lo[i], hi[i] = interval.lo, interval.hi
        else:
            low, high = np.float32(interval.lo), np.float32(interval.hi)
            # float(): numpy would compare a float32 with a Python float in float32
            lo[i] = low if float(low) >= interval.lo else np.nextafter(low, np.float32(np.inf))
            hi[i] = high if float(high) <= interval.hi else np.nextafter(high, np.float32(-np.inf))
        if lo[i] > hi[i]:
            text = f"{interval.lo:g}:{interval.hi:g}"
            raise UsageError(f"domain {text} of '{column.name}' holds no value of type {column.ctype.name}", "widen it")
    return lo, hi


def _generator(seed: int, stream: int) -> np.random.Generator:
    """Return a generator of its own for each function given the same seed."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))
