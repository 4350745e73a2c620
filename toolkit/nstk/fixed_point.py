"""Fixed-point formats of a surrogate's inputs and outputs, and their conversion to and from floats in integers alone.

The arithmetic here models the C functions of `runtime_c/nstk_q_float.h` exactly. Nothing wraps: values beyond a format
saturate, infinities as well; NaN counts as an infinity of its sign.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_INT16 = 2**15 - 1
_INT32 = 2**31 - 1
#: Fraction bits that a fixed-point number can have so that every nonzero one is a normal, finite float32.
_FRACTION_BITS = (-97, 120)


@dataclass(frozen=True)
class InputFormat:
    """An int16 input q stands for (center + (q + 1/2) * 32768 / factor) / 2^bits in program units.

    A float x becomes fixed = floor(x * 2^bits), then d = fixed - center, cut off to -limit-1 ... limit, and
    q = floor(d * factor / 2^15).

    Attributes:
        bits: Fraction bits of `fixed`.
        center: Middle of the interval, as `fixed`, less half a unit of q.
        limit: Largest d that still is an int16.
        factor: From d to q, times 2^15.
    """

    bits: int
    center: int
    limit: int
    factor: int

    @property
    def middle(self) -> float:
        """What q = 0 stands for, in program units."""
        return math.ldexp(self.center + 2**14 / self.factor, -self.bits)

    @property
    def step(self) -> float:
        """What one unit of q stands for, in program units."""
        return math.ldexp(2**15 / self.factor, -self.bits)

    @property
    def row(self) -> tuple[int, int, int, int]:
        """The numbers `nstk_q_from_float` takes: first the exponent field of floats whose `fixed` is 1."""
        return 127 - self.bits, self.center, self.limit, self.factor

    def from_fixed(self, fixed: Integers) -> Integers:
        """Return int16 for fixed-point numbers below 2^30 in magnitude."""
        d = np.clip(fixed - self.center, -self.limit - 1, self.limit)
        return np.asarray((d * self.factor) >> 15)

    def from_float(self, x: NDArray[np.float64]) -> Integers:
        """Return int16 for float32 or float64 numbers; magnitudes of `fixed` below 1 count as 1."""
        scaled = np.nan_to_num(np.floor(np.ldexp(np.abs(x), self.bits)), nan=np.inf)
        magnitude = np.clip(scaled, 1, 2**30 - 1).astype(np.int64)
        return self.from_fixed(np.where(np.signbit(x), ~magnitude, magnitude))


def input_format(lo: float, hi: float) -> InputFormat:
    """Return the format whose int16 range covers the interval, and hardly more."""
    middle, half = (lo + hi) / 2, (hi - lo) / 2
    # 2^17 for the half-width is four times finer than int16; 2^28 for the ends leaves room for values beyond them.
    bits = min(math.floor(math.log2(2**17 / half)), math.floor(math.log2(2**28 / max(abs(lo), abs(hi)))))
    factor = math.floor(2**30 / math.ldexp(half, bits))
    center = round(math.ldexp(middle, bits) - 2**14 / factor)
    return InputFormat(bits, center, 2**30 // factor - 1, factor)


@dataclass(frozen=True)
class OutputFormat:
    """An int32 sum stands for (center + (sum >> reduce)) / 2^bits in program units, an int16 for sum >> shift.

    Attributes:
        bits: Fraction bits of the fixed-point number center + (sum >> reduce).
        center: Middle of the output's range.
        reduce: Bits that sums drop before the centre is added; 0 unless the centre is far from zero.
        shift: From sums to int16, rounded.
        clamp: Whether the shifted sum may lie beyond int16, so that the code must saturate it.
    """

    bits: int
    center: int
    reduce: int
    shift: int
    clamp: bool

    @property
    def middle(self) -> float:
        """What q = 0 stands for, in program units."""
        return math.ldexp(self.center, -self.bits)

    @property
    def step(self) -> float:
        """What one unit of q stands for, in program units."""
        return math.ldexp(1.0, self.shift - self.reduce - self.bits)

    def to_int16(self, sums: Integers) -> Integers:
        """Return int16 for int32 sums."""
        q = (sums + (1 << self.shift >> 1)) >> self.shift
        return np.clip(q, -_INT16 - 1, _INT16) if self.clamp else q

    def to_fixed(self, sums: Integers) -> Integers:
        """Return fixed-point numbers with `bits` fraction bits for int32 sums."""
        return np.asarray((sums >> self.reduce) + self.center)

    def to_float(self, sums: Integers) -> NDArray[np.float32]:
        """Return float32 for int32 sums, cut off to 24 bits towards zero."""
        fixed = self.to_fixed(sums)
        magnitude = np.abs(fixed)
        length = np.frexp(magnitude.astype(np.float64))[1]
        kept = magnitude >> np.maximum(length - 24, 0) << np.maximum(length - 24, 0)
        number: NDArray[np.float32] = np.ldexp(np.sign(fixed) * kept, -self.bits).astype(np.float32)
        return number


def output_format(lo: float, hi: float, sum_bits: int, bound: int) -> OutputFormat:
    """Return the format of an output.

    Args:
        lo: Lower end of what an int16 must hold, program units.
        hi: Upper end, not below `lo`.
        sum_bits: Fraction bits of the sums.
        bound: Largest |sum|, at most 2^31 - 2^24.
    """
    middle, half = (lo + hi) / 2, (hi - lo) / 2
    reduce = 0
    while (bound >> reduce) + abs(round(math.ldexp(middle, sum_bits - reduce))) + 2 > _INT32:
        reduce += 1
    shift = 1
    while math.ldexp(half, sum_bits - shift) > _INT16:
        shift += 1
    clamp = (bound + (1 << shift >> 1)) >> shift > _INT16
    bits = sum_bits - reduce
    return OutputFormat(bits, round(math.ldexp(middle, bits)), reduce, shift, clamp)


def fraction_bits_allowed(bits: int) -> bool:
    """Return whether numbers with so many fraction bits are normal, finite float32 numbers."""
    return _FRACTION_BITS[0] <= bits <= _FRACTION_BITS[1]
