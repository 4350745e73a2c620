"""The activation of int16 surrogates: tanh by linear interpolation in a table of its positive half."""

import functools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nstk.errors import UsageError

Integers = NDArray[np.int64]

#: Positions per table entry: the entry is the upper half of a 32-bit position, the fraction its lower half.
UNIT = 2**16
#: An activation q stands for (q + 1/2) / GAIN: ~q for its negative, and both ends of int16 for -1 and 1.
GAIN = 2**15 - 0.5
#: Sigmoid errors that a table accepts: below 2e-5 int16 cannot follow, above 1e-3 nobody should.
ERROR_RANGE = (2e-5, 1e-3)
_ROUNDING = 1 / 2**16  # an entry is rounded and the interpolated value cut off: half a unit each, as a sigmoid
_CURVATURE = 4 / 27**0.5  # largest |tanh''|
_MEAN_GAP = 1 / 12  # of a chord below an arc, on average, as a share of step^2 |tanh''|


@dataclass(frozen=True)
class TanhTable:
    """GAIN * tanh(u) for 0 <= u <= (entries - 1) * step; where it is cut off to an integer, 1/2 is lost on average.

    Attributes:
        step: Of u from entry to entry.
        values: int16, not falling.
        error: Largest sigmoid error |tanh error| / 2, saturation included, measured.
    """

    step: float
    values: tuple[int, ...]
    error: float

    @property
    def limit(self) -> int:
        """The last position that has an entry on either side."""
        return (len(self.values) - 1) * UNIT - 1

    def scale(self, shift: NDArray[np.int16]) -> NDArray[np.float64]:
        """Return how many sums make u = 1 if positions are sums shifted right by `shift`."""
        return np.asarray(UNIT / self.step * np.exp2(shift.astype(np.float64)))

    def evaluate(self, sums: Integers, shift: NDArray[np.int16] | int, clamp: NDArray[np.bool_] | bool) -> Integers:
        """Return int16 activations of int32 sums, exactly as `nstk_q_tanh` does.

        Args:
            sums: Any shape.
            shift: From sums to positions: one for all, or one for each along the last axis.
            clamp: Cut off positions beyond the table, which must not occur otherwise; for all or along the last axis.
        """
        sign = sums >> 63
        position = (sums ^ sign) >> shift
        position = np.where(clamp, np.minimum(position, self.limit), position)
        values = np.array(self.values, np.int64)
        entry, fraction = position // UNIT, position % UNIT
        low, high = values[entry], values[entry + 1]
        return np.asarray((low + ((high - low) * fraction // UNIT)) ^ sign)

    def cut(self, position: int) -> "TanhTable":
        """Return the table without the entries that positions up to `position` do not need."""
        return replace(self, values=self.values[: position // UNIT + 2])


def tanh_of(activations: Integers) -> NDArray[np.float64]:
    """Return what int16 activations stand for."""
    return np.asarray((activations + 0.5) / GAIN)


@functools.cache
def tanh_table(error: float) -> TanhTable:
    """Return the smallest table that keeps a sigmoid error, up to where tanh is 1 within it.

    Args:
        error: Largest sigmoid error allowed, in `ERROR_RANGE`.

    Raises:
        UsageError: The error is out of range.
    """
    if not ERROR_RANGE[0] <= error <= ERROR_RANGE[1]:
        raise UsageError(f"sigmoid error {error:g} is out of range", f"choose {ERROR_RANGE[0]:g} to {ERROR_RANGE[1]:g}")
    # No larger step can do: the largest error is least where entries stand above the curve by step^2 |tanh''| / 16.
    step = float(np.sqrt(2 * (error - _ROUNDING) * 16 / _CURVATURE))
    while (table := _make(step, error)).error > error:
        step *= 0.99
    return table


def _make(step: float, error: float) -> TanhTable:
    limit = float(np.arctanh(1 - error))  # the sigmoid is within error / 2 of its end from here on
    u = step * np.arange(int(np.ceil(limit / step)) + 1)
    t = np.tanh(u)
    # Entries stand so high that the mean error is 0: this is what the errors of many activations add up to.
    values = np.rint(GAIN * (t + 2 * _MEAN_GAP * step**2 * t * (1 - t * t))).astype(np.int64)
    values = np.minimum(np.maximum.accumulate(values), 2**15 - 1)
    table = TanhTable(step, tuple(values.tolist()), 0.0)
    positions = np.append(np.linspace(0, table.limit, 200_003).astype(np.int64), table.limit)
    got = tanh_of(table.evaluate(positions, 0, False))
    deviation = np.abs(got - np.tanh(positions * (step / UNIT)))
    return replace(table, error=float(max(deviation.max(), 1 - got[-1]) / 2))
