"""Probes: a program's outputs at the hypernetwork's fixed inputs, run, or imputed from pairs found elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nstk.corpus.inputs import PROBES, unit_points
from nstk.program import Program
from nstk.sampling import snap
from nstk.surrogate import normalize, scaling

Array = NDArray[np.float64]

_PAIRS = 512  # used at most: the process costs their cube
_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the kernel, where the domain is 2 wide
_NOISE = 1e-5
_SURE = 0.05  # largest variance, relative to the outputs', of an imputed probe that is used


@dataclass(frozen=True, eq=False)
class Probes:
    """Probes of one program.

    Attributes:
        x: `(256, I)` normalized inputs.
        y: `(256, O)` outputs, in program units.
        given: Which of them are known `(256,)`.
    """

    x: Array
    y: Array
    given: NDArray[np.bool_]


def run_probes(program: Program, original: Callable[[Array], Array]) -> Probes:
    """Run a program at the fixed inputs, mapped into its domain and to values its inputs can take."""
    center, half = scaling(program.inputs)
    x = snap(program.inputs, center + half * _points(program))
    return Probes((x - center) / half, original(x), np.ones(PROBES, bool))


def impute_probes(program: Program, x: Array, y: Array) -> Probes:
    """Interpolate pairs by a Gaussian process, where a program cannot be run.

    The kernel is Matern's with smoothness 5/2, equally long in every direction; its length is that of the greatest
    marginal likelihood. Probes that it is not sure of are not given.

    Args:
        program: Gives the domain.
        x: `(N, I)` inputs in program units.
        y: `(N, O)` outputs.
    """
    points, known = _points(program), normalize(program.inputs, x[:_PAIRS])
    mean, std = y[:_PAIRS].mean(0), y[:_PAIRS].std(0)
    target = (y[:_PAIRS] - mean) / np.where(std > 0, std, 1.0)
    best, chosen = -np.inf, (np.zeros((PROBES, y.shape[1])), np.ones(PROBES))
    for scale in _SCALES:
        root = np.linalg.cholesky(_kernel(known, known, scale) + _NOISE * np.eye(len(known)))
        white = np.linalg.solve(root, target)  # (N, O)
        likelihood = -0.5 * np.square(white).sum(0).mean() - np.log(np.diag(root)).sum()
        if likelihood > best:
            cross = np.linalg.solve(root, _kernel(known, points, scale))  # (N, 256)
            best, chosen = likelihood, (cross.T @ white, 1 - np.square(cross).sum(0))
    values, variance = chosen
    return Probes(points, values * std + mean, variance < _SURE)


def _points(program: Program) -> Array:
    return unit_points()[:PROBES, : len(program.inputs)].astype(np.float64)


def _kernel(a: Array, b: Array, scale: float) -> Array:
    """Return Matern's kernel with smoothness 5/2: `(N, I)` and `(M, I)` to `(N, M)`."""
    square = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    r = np.sqrt(5 * np.maximum(square, 0)) / scale
    value: Array = (1 + r + r * r / 3) * np.exp(-r)
    return value
