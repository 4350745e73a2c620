"""The arithmetic of rivals: float tables and polynomials with bounds on their rounding, int16 tables bit for bit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import cheb2poly
from numpy.typing import NDArray

from nstk.errors import UsageError
from nstk.fixed_point import InputFormat, fraction_bits_allowed, input_format, output_format
from nstk.program import Input
from nstk.quantization import IntegerArithmetic
from nstk.rivals.basis import EXTRA, apply, spline_weights

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_UNIT = 2.0**-24  # float32 unit roundoff
#: Weights of int16 tables are integers that add up to 2^14; positions within a cell have as many steps.
WEIGHT_BITS = 14
_ONE = 1 << WEIGHT_BITS
_SIXTH = 10923  # 2^16 / 6
_BLOCK = 4096  # points evaluated at once


class _Tensor:
    """What is a tensor of numbers for each output."""

    kind: str
    tables: tuple[NDArray[Any], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Entries or coefficients along each input."""
        return self.tables[0].shape


class _Table(_Tensor):
    @property
    def cells(self) -> tuple[int, ...]:
        """Cells along each input."""
        return tuple(n - EXTRA[self.kind] for n in self.shape)


@dataclass(frozen=True, eq=False)
class FloatTable(_Table):
    """An interpolated table of float entries.

    Attributes:
        kind: `linear` or `cubic`.
        lo: `(I,)` float32 lower ends of the domain.
        scale: `(I,)` float32 cells per unit of each input.
        tables: Of each output, `(n, n', ...)` float32; entries of cubic ones are divided by 6.
    """

    kind: str
    lo: Floats
    scale: Floats
    tables: tuple[Floats, ...]

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        """Return outputs `(N, O)` for x `(N, I)` in float64, and bounds `(N, O)` on what float32 rounding may add."""
        cells = np.array(self.cells)
        position = np.clip((x - self.lo.astype(np.float64)) * self.scale.astype(np.float64), 0, cells)
        cell = np.minimum(position.astype(int), cells - 1)
        gain = 6 if self.kind == "cubic" else 1
        weights = [[gain * w for w in spline_weights(self.kind, (position - cell)[:, i])] for i in range(x.shape[1])]
        y = np.stack([_interpolated(table.astype(np.float64), cell, weights) for table in self.tables], 1)
        bound = []
        for table in self.tables:
            entries = gain ** len(cells) * table.astype(np.float64)
            steps = [np.abs(np.diff(entries, axis=axis)).max() for axis in range(entries.ndim)]
            bound.append(_UNIT * (3 * np.dot(cells, steps) + 40 * len(cells) * np.abs(entries).max()))
        return y, np.broadcast_to(bound, y.shape)


@dataclass(frozen=True, eq=False)
class Polynomial(_Tensor):
    """A polynomial in every input, by Horner's rule in powers of the inputs mapped to [-1, 1].

    Attributes:
        kind: `chebyshev`.
        lo: `(I,)` float32 lower ends of the domain.
        hi: `(I,)` float32 upper ends.
        middle: `(I,)` float32, their middles.
        scale: `(I,)` float32, what differences from the middle are multiplied with.
        tables: Of each output, `(n, n', ...)` float32 coefficients, of the highest powers first.
    """

    kind: str
    lo: Floats
    hi: Floats
    middle: Floats
    scale: Floats
    tables: tuple[Floats, ...]

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        """Return outputs `(N, O)` for x `(N, I)` in float64, and bounds `(N, O)` on what float32 rounding may add."""
        x = np.clip(x, self.lo.astype(np.float64), self.hi.astype(np.float64))
        u = (x - self.middle.astype(np.float64)) * self.scale.astype(np.float64)
        parts = np.array_split(u, 1 + len(u) // _BLOCK)
        y = np.stack([np.concatenate([_horner(table, part) for part in parts]) for table in self.tables], 1)
        bound = []
        for table in self.tables:
            powers = sum(n - 1 - index for n, index in zip(table.shape, np.indices(table.shape), strict=True))
            bound.append(_UNIT * (np.abs(table.astype(np.float64)) * (2 * sum(table.shape) + 4 * powers)).sum())
        return y, np.broadcast_to(bound, y.shape)


@dataclass(frozen=True, eq=False)
class IntegerTable(_Table, IntegerArithmetic):
    """An interpolated table of int16 entries.

    Attributes:
        kind: `linear` or `cubic`.
        tables: Of each output, `(n, n', ...)` int16.
    """

    kind: str
    tables: tuple[NDArray[np.int16], ...]

    def sums(self, q: Integers) -> Integers:
        """Return every output's int32 sums `(N, O)` from int16 inputs `(N, I)`: 2^14 for every unit of an entry."""
        position = (q.astype(np.int64) + 2**15) * np.array(self.cells)
        cell, t = position >> 16, (position & 0xFFFF) >> 16 - WEIGHT_BITS
        weights = [integer_weights(self.kind, t[:, i]) for i in range(q.shape[1])]
        return np.stack([_interpolated_integers(table.astype(np.int64), cell, weights) for table in self.tables], 1)


def integer_weights(kind: str, t: Integers) -> list[Integers]:
    """Return the weights of the entries around points `t` 2^-14 cells behind the beginning of theirs."""
    if kind == "linear":
        return [_ONE - t, t]
    rest = _ONE - t
    square = t * t >> WEIGHT_BITS
    cube = square * t >> WEIGHT_BITS
    first = ((rest * rest >> WEIGHT_BITS) * rest >> WEIGHT_BITS) * _SIXTH >> 16
    second, last = _SIXTH - square + (cube >> 1), cube * _SIXTH >> 16
    return [first, second, _ONE - first - second - last, last]


def _horner(table: Floats, u: Array) -> Array:
    """Return the values (N,) of one output's polynomial at u (N, I)."""
    values = np.broadcast_to(table.astype(np.float64), (len(u), *table.shape))
    for axis in reversed(range(table.ndim)):
        value = values[..., 0]
        for k in range(1, table.shape[axis]):
            value = value * u[:, axis].reshape(-1, *(1,) * axis) + values[..., k]
        values = value
    return values


def float_table(kind: str, inputs: Sequence[Input], fit: Array) -> FloatTable:
    """Return the table of a fit (n, n', ..., O) over the inputs' domain."""
    lo, hi = float_ends(inputs)
    cells = np.array(fit.shape[:-1]) - EXTRA[kind]
    scale = (cells / (hi.astype(np.float64) - lo)).astype(np.float32)
    entries = fit / 6 ** len(inputs) if kind == "cubic" else fit
    return FloatTable(kind, lo, scale, tuple(np.moveaxis(entries, -1, 0).astype(np.float32)))


def polynomial(inputs: Sequence[Input], fit: Array) -> Polynomial:
    """Return the polynomial of Chebyshev coefficients (n, n', ..., O) over the inputs' domain."""
    lo, hi = float_ends(inputs)
    middle = ((lo.astype(np.float64) + hi) / 2).astype(np.float32)
    scale = (2 / (hi.astype(np.float64) - lo)).astype(np.float32)
    bases = [np.zeros((n, n)) for n in fit.shape[:-1]]
    for base in bases:
        for k in range(len(base)):
            base[: k + 1, k] = cheb2poly(np.eye(len(base))[k][: k + 1])
    powers = np.flip(np.moveaxis(apply(bases, fit), -1, 0), tuple(range(1, fit.ndim)))
    return Polynomial("chebyshev", lo, hi, middle, scale, tuple(np.ascontiguousarray(powers, np.float32)))


def integer_table(kind: str, inputs: Sequence[Input], fit: Array) -> IntegerTable:
    """Return the int16 table of a fit (n, n', ..., O) over what the inputs' int16 formats cover.

    Raises:
        UsageError: An output does not fit float arithmetic.
    """
    tables, outputs = [], []
    for entries in np.moveaxis(fit, -1, 0):
        low, high = float(entries.min()), float(entries.max())
        # A constant's entries differ by rounding at most: nothing finer than float32 is told apart.
        half = max((high - low) / 2, max(abs(low), abs(high)) * 2.0**-24) or 2.0**-15
        bits = math.floor(math.log2(32766 / half))
        made = output_format(low, high, bits + WEIGHT_BITS, 32767 << WEIGHT_BITS)
        if not fraction_bits_allowed(made.bits):
            raise UsageError("an output does not fit int16 arithmetic", "use --number float")
        outputs.append(made)
        tables.append(np.rint(np.ldexp(entries - made.middle, bits)).clip(-32767, 32767).astype(np.int16))
    return IntegerTable(table_inputs(inputs), tuple(outputs), kind, tuple(tables))


def table_inputs(inputs: Sequence[Input]) -> tuple[InputFormat, ...]:
    """Return the int16 format of every input."""
    return tuple(input_format(i.interval.lo, i.interval.hi) for i in inputs)


def float_ends(inputs: Sequence[Input]) -> tuple[Floats, Floats]:
    """Return the float32 ends (I,), (I,) of the domain."""
    return (
        np.array([i.interval.lo for i in inputs], np.float32),
        np.array([i.interval.hi for i in inputs], np.float32),
    )


def float_units(inputs: Sequence[Input], axes: Sequence[Array]) -> list[Array]:
    """Return where values of each input lie in a float rival's domain, 0 to 1."""
    lo, hi = (ends.astype(np.float64) for ends in float_ends(inputs))
    return [(values - lo[i]) / (hi[i] - lo[i]) for i, values in enumerate(axes)]


def integer_units(inputs: Sequence[Input], axes: Sequence[Array]) -> list[Array]:
    """Return where values of each input lie in an int16 table's range, 0 to 1."""
    formats = table_inputs(inputs)
    return [((values - f.middle) / f.step + 2**15) / 2**16 for f, values in zip(formats, axes, strict=True)]


def _interpolated(table: Array, cell: NDArray[np.int64], weights: Sequence[Sequence[Array]]) -> Array:
    """Return the weighted sums (N,) of the entries from `cell` (N, I) on."""
    values = table[_neighbours(cell, len(weights[0]))]
    for weight in reversed(weights):
        values = np.einsum("n...k,kn->n...", values, np.stack(weight))
    return values


def _interpolated_integers(table: Integers, cell: Integers, weights: Sequence[Sequence[Integers]]) -> Integers:
    """Return the same in integers: sums along an input are rounded to entries before they are summed further."""
    values = table[_neighbours(cell, len(weights[0]))]
    for number, weight in enumerate(reversed(weights)):
        if number:
            values = (values + (_ONE >> 1)) >> WEIGHT_BITS
        values = np.einsum("n...k,kn->n...", values, np.stack(weight))
    return values


def _neighbours(cell: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], ...]:
    """Return indices of `count` entries along each input from `cell` (N, I) on, which broadcast to (N, count, ...)."""
    dimensions = cell.shape[1]
    indices = []
    for i in range(dimensions):
        shape = [len(cell), *([1] * dimensions)]
        steps = np.arange(count).reshape([count if k == i else 1 for k in range(dimensions)])
        indices.append(cell[:, i].reshape(shape) + steps)
    return tuple(indices)
