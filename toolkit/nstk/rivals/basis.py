"""Functions of one input whose products a rival is made of, and least-squares fits of tensors of their coefficients.

`linear` and `cubic` are uniform B-splines: their coefficients are a table's entries. For cubic interpolation B-splines
need the fewest entries of what is evaluated alike, four entries times four weights per input: Catmull-Rom's error falls
with the third power of the cell's width only, and that of local cubics through four points is several times larger.
Their weights are positive and add up to one, too, so that integer sums cannot overflow. `chebyshev` are polynomials.
"""

from collections.abc import Sequence

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: By kind of table: its entries less its cells, along each input.
EXTRA = {"linear": 1, "cubic": 3}
KINDS = (*EXTRA, "chebyshev")


def spline_weights(kind: str, t: Array) -> list[Array]:
    """Return the weights of the entries around points that lie t (N,), from 0 to 1, behind the beginning of a cell."""
    if kind == "linear":
        return [1 - t, t]
    first, last = (1 - t) ** 3 / 6, t**3 / 6
    second = (4 + 3 * t**2 * (t - 2)) / 6
    return [first, second, 1 - first - second - last, last]


def design_matrix(kind: str, size: int, u: Array) -> Array:
    """Return the values (N, size) of all functions of a basis at u (N,), which is 0 to 1 over the domain."""
    if kind == "chebyshev":
        return np.asarray(chebvander(2 * u - 1, size - 1))
    cells = size - EXTRA[kind]
    position = np.clip(u, 0, 1) * cells
    cell = np.minimum(position.astype(int), cells - 1)
    matrix = np.zeros((len(u), size))
    for k, weight in enumerate(spline_weights(kind, position - cell)):
        matrix[np.arange(len(u)), cell + k] = weight
    return matrix


def fit_matrix(kind: str, size: int, u: Array) -> Array:
    """Return the matrix (size, N) that makes coefficients of values at u (N,): a weighted least-squares fit.

    Polynomials are fitted with Chebyshev's weights, which brings them near the smallest largest error.
    """
    design = design_matrix(kind, size, u)
    weight = 1 / np.sqrt(1 - (2 * u - 1) ** 2 + 1 / len(u)) if kind == "chebyshev" else np.ones(len(u))
    weighted = design.T * weight
    normal = weighted @ design
    normal += 1e-12 * np.trace(normal) / size * np.eye(size)  # entries that no point reaches
    return np.asarray(np.linalg.solve(normal, weighted))


def apply(matrices: Sequence[Array], values: Array) -> Array:
    """Apply a matrix (M, N) along each of the first axes of a tensor (N, N', ..., O)."""
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis)
    return values
