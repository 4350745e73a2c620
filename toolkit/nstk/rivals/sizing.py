"""How large a rival must be: the smallest number of coefficients along every input that keeps the tolerance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.program import Input
from nstk.rivals.basis import EXTRA, apply, design_matrix, fit_matrix

Array = NDArray[np.float64]

#: Programs with more inputs have no rivals.
MOST_INPUTS = 3
#: Bytes of constants beyond which a rival is given up.
MOST_BYTES = 65536
#: Points of the original along each input that a rival is fitted to, by number of inputs.
_POINTS = {1: 2049, 2: 257, 3: 65}
#: Entries of a table along each input beyond which it is given up, by number of inputs.
MOST_ENTRIES = {inputs: points // 2 for inputs, points in _POINTS.items()}
HIGHEST_DEGREE = 24
_GROWTH = 1.05  # from one size that is tried to the next
#: Share of the tolerance below which an axis need not be finer, by number of inputs.
_NEGLIGIBLE = {1: 0.5, 2: 0.05, 3: 0.05}


@dataclass(frozen=True, eq=False)
class Samples:
    """The original on a grid.

    Attributes:
        axes: Values of each input, ascending: (M,), (M',), ...
        values: Its outputs (M, M', ..., O).
        allowed: Largest error of each output (O,).
    """

    axes: tuple[Array, ...]
    values: Array
    allowed: Array

    def error(self, fitted: Array) -> float:
        """Return the largest error of values (M, M', ..., O), as a share of what is allowed."""
        return float((np.abs(fitted - self.values) / self.allowed).max())


def grid_axes(inputs: Sequence[Input]) -> tuple[Array, ...]:
    """Return the values of each input that a rival is fitted at: all the type can take, or an even choice of them."""
    steps = np.linspace(0, 1, _POINTS[len(inputs)])[:, None]
    ends = sampling.corners(inputs)
    points = sampling.snap(inputs, ends.min(0) * (1 - steps) + ends.max(0) * steps)
    return tuple(np.unique(points[:, i]) for i in range(len(inputs)))


def grid_points(axes: Sequence[Array]) -> Array:
    """Return the points (N, I) of a grid, the last input fastest."""
    return np.stack([values.ravel() for values in np.meshgrid(*axes, indexing="ij")], 1)


def candidate_fits(kind: str, samples: Samples, units: Sequence[Array], entry_bytes: int) -> Iterator[Array]:
    """Yield fits to samples, each larger than the one before, the smallest first that may keep the tolerance.

    Which sizes are tried goes by the errors that each input's basis leaves alone: the smallest tensor whose errors add
    up to a share of the tolerance, a share that shrinks.

    Args:
        kind: Of the basis.
        samples: What to fit.
        units: Position of each axis' values in the domain, 0 to 1.
        entry_bytes: Bytes of a coefficient.

    Yields:
        Coefficients (n, n', ..., O) whose largest error on the grid is within the tolerance.
    """
    curves = [_axis_errors(kind, samples, axis, unit) for axis, unit in enumerate(units)]
    sizes = np.stack(np.meshgrid(*(curve[0] for curve in curves), indexing="ij"), -1).reshape(-1, len(units))
    errors = np.stack(np.meshgrid(*(curve[1] for curve in curves), indexing="ij"), -1).sum(-1).ravel()
    numbers = sizes.prod(1) * samples.values.shape[-1]
    fits = numbers * entry_bytes <= MOST_BYTES
    sizes, errors, numbers = sizes[fits], errors[fits], numbers[fits]
    tried: tuple[int, ...] = ()
    for share in np.geomspace(len(units), 0.05, 100):
        within = np.flatnonzero(errors <= share)
        if not len(within):
            return
        size = tuple(sizes[within[np.lexsort((errors[within], numbers[within]))[0]]].tolist())
        if size == tried:
            continue
        tried = size
        fit = apply([fit_matrix(kind, n, u) for n, u in zip(size, units, strict=True)], samples.values)
        if samples.error(apply([design_matrix(kind, n, u) for n, u in zip(size, units, strict=True)], fit)) <= 1:
            yield fit


def _axis_errors(kind: str, samples: Samples, axis: int, unit: Array) -> tuple[Array, Array]:
    """Return sizes along one axis, and the error each leaves while nothing is lost along the others.

    They begin where the error comes near the tolerance, and end where it is negligible or nothing larger is allowed.
    """
    values = np.moveaxis(samples.values, axis, 0)
    dimensions = values.ndim - 1

    def error(size: int) -> float:
        fit = np.tensordot(fit_matrix(kind, size, unit), values, 1)
        fitted = np.tensordot(design_matrix(kind, size, unit), fit, 1)
        return float((np.abs(fitted - values) / samples.allowed).max())

    few = len(unit) < _POINTS[dimensions]  # these are all the values that the input can take
    least = 1 + EXTRA.get(kind, 0)
    most = len(unit) if few else MOST_ENTRIES[dimensions]
    most = max(least, min(most, HIGHEST_DEGREE + 1) if kind == "chebyshev" else most)
    size = least
    while (larger := min(round(1.5 * size) + 1, most)) > size and error(larger) > dimensions:
        size = larger
    sizes, errors = [size], [error(size)]
    while errors[-1] >= _NEGLIGIBLE[dimensions] and (size := max(size + 1, round(size * _GROWTH))) <= most:
        sizes.append(size)
        errors.append(error(size))
    return np.array(sizes), np.array(errors)
