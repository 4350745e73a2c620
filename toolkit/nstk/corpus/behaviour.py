"""What a program does, apart from how it is written: behaviours, their kinds, and fingerprints without argument order.

Two programs have one behaviour if their outputs on the shared inputs agree to about 1e-4. Compared are eight random
projections of the output vector: each moves by the root mean square of a difference. So rounding noise of 1e-7 does not
split a behaviour, as rounding 2,048 single outputs would, and a change on 1 % of the inputs still shows.
"""

import functools
import hashlib
import itertools

import numpy as np
from numpy.typing import NDArray

from nstk.corpus.inputs import PAIRS, VARYING, FloatArray, frozen, shared_inputs

Fingerprint = NDArray[np.float64]

_GRID = 1e-4
_SCALE_GRID = 1e-3  # of the logarithm of sizes beyond 10
_PROJECTIONS = 8
_BOXES = ((-1.0, 1.0), (0.05, 60.0))  # most fingerprints show on the first, domains of positive numbers on the second
_CURVE, _PAIRED, _DIAGONAL = 8, 6, 16  # points along one argument, along two together, along all together
_CLOSE = 0.01  # of the outputs' range: a constant written with fewer digits makes no other program


def behaviour_id(outputs: FloatArray) -> str:
    """Return the behaviour of outputs (2048,) on the shared inputs, as 16 hex digits.

    Outputs beyond 10 in size are compared relative to the largest; where they are not finite counts as well.
    """
    finite = np.isfinite(outputs)
    y = np.where(finite, outputs, 0.0).astype(np.float64)
    scale = max(1.0, float(np.abs(y).max()) / 10.0)
    compared = np.append(_projections() @ (y / scale) / _GRID, np.log(scale) / _SCALE_GRID)  # (9,)
    rounded = np.rint(compared).astype(np.int64)
    return hashlib.sha256(rounded.tobytes() + np.packbits(finite).tobytes()).hexdigest()[:16]


def behaviour_kind(outputs: FloatArray, inputs: int) -> str:
    """Return `constant`, `affine` or `nonlinear` for outputs (2048,) on the first `inputs` shared inputs.

    Outputs that are not finite are left out.
    """
    finite = np.isfinite(outputs)
    y = outputs[finite].astype(np.float64)
    if len(y) < 2 or is_constant(y):
        return "constant"
    x = np.column_stack([shared_inputs()[finite, : min(inputs, VARYING)], np.ones(len(y))])
    fitted = slice(0, 16 * x.shape[1])  # an affine function shows on few, and must hold on all
    residual = y - x @ np.linalg.lstsq(x[fitted], y[fitted])[0]
    return "affine" if np.abs(residual).max() < _GRID * max(1.0, np.abs(y).max()) else "nonlinear"


def is_constant(outputs: NDArray[np.floating]) -> bool:
    """Tell whether finite outputs (N,) vary by less than float32 rounding can explain."""
    return bool(np.ptp(outputs) <= 1e-6 * max(1e-30, np.abs(outputs).max()))


@functools.cache
def _projections() -> NDArray[np.float64]:
    """Return the projections (8, 2048): random signs, of length 1."""
    signs = np.random.Generator(np.random.PCG64(_PROJECTIONS)).integers(0, 2, (_PROJECTIONS, PAIRS)) * 2.0 - 1.0
    return np.asarray(signs / np.sqrt(PAIRS))


@functools.cache
def fingerprint_inputs() -> FloatArray:
    """Return inputs (608, 9), read-only, whose outputs tell a function up to the order of arguments and unused ones.

    The first half of the rows is of the first box.

    In each of two boxes: along the diagonal, along every argument alone and along every two together, the others
    resting at one common value.
    """
    rows = []
    for lo, hi in _BOXES:
        rest = lo + 0.55 * (hi - lo)
        rows.append(np.repeat(np.linspace(lo, hi, _DIAGONAL)[:, None], VARYING, axis=1))
        for group, count in ((1, _CURVE), (2, _PAIRED)):
            for moved in itertools.combinations(range(VARYING), group):
                block = np.full((count, VARYING), rest)
                block[:, moved] = np.linspace(lo, hi, count)[:, None]
                rows.append(block)
    return frozen(np.concatenate(rows))


def fingerprint(outputs: NDArray[np.floating]) -> Fingerprint:
    """Return the fingerprint (2, 304), a row per box, of outputs (608,) on `fingerprint_inputs`.

    Curves are sorted across arguments, which makes them blind to the arguments' order. NaN stands for whatever is not
    finite or beyond 1e30.
    """
    y = np.where(np.abs(outputs) < 1e30, outputs, np.nan).astype(np.float64).reshape(len(_BOXES), -1)
    diagonal, alone, together = np.split(y, np.cumsum([_DIAGONAL, _CURVE * VARYING]), axis=1)
    curves = [np.sort(part.reshape(len(y), -1, n), axis=1) for part, n in ((alone, _CURVE), (together, _PAIRED))]
    return np.concatenate([diagonal, *(curve.reshape(len(y), -1) for curve in curves)], axis=1)


def same_fingerprint(first: Fingerprint, second: Fingerprint) -> bool:
    """Tell whether two fingerprints agree up to shift and scale of the outputs.

    They must in every box where both are finite on a quarter of the points and one varies, and in one at least.
    """
    agreed = False
    for a, b in zip(first, second, strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        if 4 * both.sum() < len(a) or (is_constant(a[both]) and is_constant(b[both])):
            continue
        if is_constant(a[both]) or is_constant(b[both]):
            return False
        a, b = ((y[both] - y[both].mean()) / np.ptp(y[both]) for y in (a, b))
        if np.abs(a - b).max() > _CLOSE:
            return False
        agreed = True
    return agreed
