"""Rational minimax approximations of tanh, the only activation the emitted C needs.

sigmoid(z) = 1/2 + tanh(z/2)/2, and both halves fold into weights, so hidden layers compute tanh(u) with u = z/2 as
`u * P(u^2) / Q(u^2)`. P and Q are monic: the ratio of their leading coefficients (`gain`) folds into the next layer.
Interval analysis says how large |u| can get, and the cheapest degrees that keep the requested error there are taken.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.errors import UsageError

#: float32 or float64; results have the dtype of the argument.
Floats = NDArray[Any]

#: Degrees of (P, Q) in u^2, cheapest first.
_DEGREES = ((1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 4), (4, 4))
#: Sigmoid errors the emitter accepts: below 5e-7 float32 cannot follow, above 1e-3 nobody should.
ERROR_RANGE = (5e-7, 1e-3)


@dataclass(frozen=True)
class RationalTanh:
    """tanh(u) ~ gain * u * P(u^2) / Q(u^2) for |u| <= limit, with monic P and Q.

    Attributes:
        numerator: Coefficients of P in float32, from the constant up, without the leading 1.
        denominator: Coefficients of Q likewise.
        gain: Factor that the next layer's weights absorb.
        limit: Largest |u| it is meant for.
        clamp: Whether |u| may pass `limit`, so that the code must clamp it there: beyond, tanh is 1 within the error.
        error: Largest sigmoid error |tanh error| / 2 over [-limit, limit] in float32 arithmetic, measured; where
            `clamp` is set, the saturation error is included.
    """

    numerator: tuple[float, ...]
    denominator: tuple[float, ...]
    gain: float
    limit: float
    clamp: bool
    error: float

    def evaluate(self, u: Floats) -> Floats:
        """Return `P(u^2) u / Q(u^2)`, without the gain, in the arithmetic of `u`'s dtype."""
        kind = u.dtype.type
        if self.clamp:
            u = np.clip(u, kind(-self.limit), kind(self.limit))
        s: Floats = u * u
        result: Floats = u * _horner((*self.numerator, 1.0), s) / _horner((*self.denominator, 1.0), s)
        return result


@functools.cache
def rational_tanh(reach: float, error: float) -> RationalTanh:
    """Return the cheapest rational tanh for |u| <= reach.

    Args:
        reach: Largest |u| that interval analysis allows, above 0.
        error: Largest sigmoid error allowed, in `ERROR_RANGE`.

    Raises:
        UsageError: The error is out of range.
    """
    if not ERROR_RANGE[0] <= error <= ERROR_RANGE[1]:
        raise UsageError(f"sigmoid error {error:g} is out of range", f"choose {ERROR_RANGE[0]:g} to {ERROR_RANGE[1]:g}")
    saturated = float(np.arctanh(1 - error))  # the sigmoid is within error / 2 of its end from here on
    clamp = reach > saturated
    limit = min(reach, saturated)
    for degrees in _DEGREES:
        candidate = _fit(degrees, limit, clamp)
        if candidate.error <= error:
            return candidate
    raise UsageError(f"no rational tanh keeps a sigmoid error of {error:g}", f"allow at least {ERROR_RANGE[0] * 2:g}")


def _horner(coefficients: tuple[float, ...], s: Floats) -> Floats:
    kind = s.dtype.type
    result = np.full_like(s, coefficients[-1])
    for c in coefficients[-2::-1]:
        result = result * s + kind(c)
    return result


@functools.cache
def _fit(degrees: tuple[int, int], limit: float, clamp: bool) -> RationalTanh:
    """Fit P and Q by Loeb's linearization with Lawson's reweighting, which tends to the minimax solution."""
    m, n = degrees
    u = limit * np.cos(np.linspace(0, np.pi / 2, 240, endpoint=False))[::-1]
    s = (u / limit) ** 2  # scaled to [0, 1] for a well-conditioned basis
    target = np.tanh(u)
    columns = np.concatenate(
        [u[:, None] * s[:, None] ** np.arange(m + 1), -target[:, None] * s[:, None] ** np.arange(1, n + 1)], 1
    )
    weight: Floats = np.full_like(u, 1 / len(u))
    q: Floats = np.ones_like(u)
    best: Floats = np.zeros(m + n + 1)
    best_error = np.inf
    for _ in range(80):
        scale = np.sqrt(weight) / q
        solution = np.linalg.lstsq(columns * scale[:, None], target * scale, rcond=None)[0]
        q = 1 + (s[:, None] ** np.arange(1, n + 1)) @ solution[m + 1 :]
        if q.min() <= 0:
            break
        deviation = np.abs(columns @ solution - target) / q
        if deviation.max() < best_error:
            best, best_error = solution, float(deviation.max())
        weight = weight * (deviation / deviation.max() + 1e-3)
        weight /= weight.sum()
    powers = limit ** (-2.0 * np.arange(max(m, n) + 1))
    p, q = best[: m + 1] * powers[: m + 1], np.concatenate([[1.0], best[m + 1 :]]) * powers[: n + 1]
    monic_p, monic_q = (p[:-1] / p[-1]).astype(np.float32), (q[:-1] / q[-1]).astype(np.float32)
    gain = float(p[-1] / q[-1])
    result = RationalTanh(tuple(monic_p.tolist()), tuple(monic_q.tolist()), gain, float(np.float32(limit)), clamp, 0.0)
    dense = np.linspace(0, limit, 20001, dtype=np.float32)
    exact = gain * result.evaluate(dense.astype(np.float64))
    approximation = np.abs(exact - np.tanh(dense.astype(np.float64)))
    if clamp:
        approximation = np.append(approximation, abs(exact[-1] - 1))
    # Rounding is noise that no grid covers: take its worst, and a quarter more, as if it met the approximation's worst.
    rounding = np.abs(gain * result.evaluate(dense).astype(np.float64) - exact)
    error = float(approximation.max() + 1.25 * rounding.max()) / 2
    return RationalTanh(result.numerator, result.denominator, gain, result.limit, clamp, error)
