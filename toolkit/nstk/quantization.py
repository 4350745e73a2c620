"""Quantization: a surrogate as int16 numbers and the 32-bit integer arithmetic that the emitted C carries out.

Every int16 stands for a point of its input's interval: -32768 is the lower end, 32768 would be the upper one. Weights
are int16, sums int32 and proven not to overflow for any int16 input, activations int16 from an interpolated table of
tanh. `Quantized.evaluate_q` and `Quantized.evaluate` are exact models of the emitted C.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.errors import UsageError
from nstk.fixed_point import InputFormat, OutputFormat, fraction_bits_allowed, input_format, output_format
from nstk.surrogate import Network, Surrogate, scaling
from nstk.tanh_table import GAIN, TanhTable, tanh_table

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_INT16, _INT32 = 2**15 - 1, 2**31 - 1
_MARGIN = 1 / 16  # of an output's range as sampled, beyond either end
_FINEST = 15  # shift from sums to positions that is tried first
_MOST_FRACTION_BITS = 120
_MIDDLE = 1 / 2 + 1 / (4 * GAIN)  # the sigmoid that an activation 0 stands for
_HINT = "use --number float, or a smaller topology"


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """sums = weight @ x + bias in int32; then, in a hidden layer, the table at |sums| >> shift.

    Attributes:
        weight: `(outputs, inputs)` int16.
        bias: `(outputs,)` int32.
        shift: `(outputs,)` int16, from sums to positions in the table (`tanh_table.UNIT` of them per entry); 0 in the
            output layer. Every unit has its own: beside a steep one, the others keep the bits of their weights.
        clamp: `(outputs,)`, whether sums may lie beyond the table, so that the code must clamp them.
    """

    weight: NDArray[np.int16]
    bias: NDArray[np.int32]
    shift: NDArray[np.int16]
    clamp: NDArray[np.bool_]

    def sums(self, q: Integers) -> Integers:
        """Return int32 sums `(N, outputs)` of int16 inputs `(N, inputs)`."""
        return np.asarray(q @ self.weight.T.astype(np.int64) + self.bias)


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """An integer network.

    Attributes:
        layers: From input to output.
        outputs: Indices of the program outputs it computes.
    """

    layers: tuple[QuantizedLayer, ...]
    outputs: tuple[int, ...]

    def sums(self, table: TanhTable, q: Integers) -> Integers:
        """Return the output layer's int32 sums `(N, O)` of int16 inputs `(N, I)`."""
        for layer in self.layers[:-1]:
            q = table.evaluate(layer.sums(q), layer.shift, layer.clamp)
        return self.layers[-1].sums(q)


@dataclass(frozen=True, eq=False)
class IntegerArithmetic(ABC):
    """What an int16 header computes between the formats of its inputs and outputs.

    Attributes:
        inputs: Format of every input.
        outputs: Format of every output.
    """

    inputs: tuple[InputFormat, ...]
    outputs: tuple[OutputFormat, ...]

    @abstractmethod
    def sums(self, q: Integers) -> Integers:
        """Return every output's int32 sums `(N, O)` from int16 inputs `(N, I)`."""

    def evaluate_q(self, q: Integers) -> Integers:
        """Return int16 outputs `(N, O)` from int16 inputs `(N, I)`, exactly as the emitted C does."""
        sums = self.sums(q)
        return np.stack([f.to_int16(sums[:, o]) for o, f in enumerate(self.outputs)], 1)

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        """Return float32 outputs for inputs, exactly as the emitted C's `_f` does for float32 ones.

        Args:
            x: `(N, I)` in program units; outside the domain they saturate, NaN counts as infinity of its sign.

        Returns:
            Outputs `(N, O)` in program units and, as `Folded.evaluate` does, bounds on how far the C may be off: 0.
        """
        sums = self.sums(quantize_inputs(self.inputs, x))
        y = np.stack([f.to_float(sums[:, o]).astype(np.float64) for o, f in enumerate(self.outputs)], 1)
        return y, np.zeros_like(y)


@dataclass(frozen=True, eq=False)
class Quantized(IntegerArithmetic):
    """All arithmetic of one int16 header.

    Attributes:
        table: The activation of all layers.
        networks: Cover all outputs.
    """

    table: TanhTable
    networks: tuple[QuantizedNetwork, ...]

    @property
    def sigmoid_error(self) -> float:
        """Largest error of the activation, as a sigmoid."""
        return self.table.error

    def sums(self, q: Integers) -> Integers:
        """Return every output's int32 sums `(N, O)` from int16 inputs `(N, I)`."""
        sums = np.empty((len(q), len(self.outputs)), np.int64)
        for network in self.networks:
            sums[:, network.outputs] = network.sums(self.table, q)
        return sums


def quantize(surrogate: Surrogate, sigmoid_error: float) -> Quantized:
    """Quantize a surrogate; equal surrogates give equal integers.

    Args:
        surrogate: What to emit.
        sigmoid_error: Largest error allowed for the activation, as a sigmoid (see `tanh_table.ERROR_RANGE`).

    Raises:
        UsageError: The error is out of range, a layer's sums do not fit 32 bits, or an output does not fit float32.
    """
    table = tanh_table(sigmoid_error)
    inputs = input_formats(surrogate)
    low, high = _output_ranges(surrogate)
    networks: list[QuantizedNetwork] = []
    formats: dict[int, OutputFormat] = {}
    highest = 0
    for network in surrogate.networks:
        layers = hidden_layers(surrogate, network, table)
        reach = _full_range(len(inputs))
        for layer in layers:
            lo, hi = _range(layer.weight, layer.bias, *reach)
            highest = max(highest, min(int(_last_positions(layer.shift, lo, hi).max()), table.limit))
            reach = _activated(table, layer, lo, hi)
        last, made = _output_layer(surrogate, network, reach, low, high)
        networks.append(QuantizedNetwork((*layers, last), network.outputs))
        formats |= dict(zip(network.outputs, made, strict=True))
    outputs = tuple(formats[o] for o in sorted(formats))
    return Quantized(inputs, outputs, table.cut(highest), tuple(networks))


def input_formats(surrogate: Surrogate) -> tuple[InputFormat, ...]:
    """Return the format of every input."""
    return tuple(input_format(i.interval.lo, i.interval.hi) for i in surrogate.program.inputs)


def quantize_inputs(formats: Sequence[InputFormat], x: Array) -> Integers:
    """Return int16 inputs `(N, I)` for inputs in program units, each in its format."""
    return np.stack([made.from_float(x[:, i]) for i, made in enumerate(formats)], 1)


def hidden_layers(surrogate: Surrogate, network: Network, table: TanhTable) -> list[QuantizedLayer]:
    """Quantize the hidden layers of one network, each unit to the finest grid whose sums and weights fit.

    A layer depends on the parameters of those before it, but not on those behind it.

    Raises:
        UsageError: Sums of a unit do not fit 32 bits even on the coarsest grid.
    """
    found: list[QuantizedLayer] = []
    reach = _full_range(network.topology.widths[0])
    for weight, bias in _float_layers(surrogate, network)[:-1]:
        shift = np.full(len(bias), _FINEST, np.int16)
        while True:
            # u = (weight / 2) x + bias / 2, because sigmoid(z) = 1/2 + tanh(z/2)/2
            scale = table.scale(shift) / 2
            w, b = np.rint(weight * scale[:, None]), np.rint(bias * scale)
            if (fits := _fits(w, b, reach, _INT32)).all():
                break
            if not shift[~fits].all():
                raise UsageError(f"a layer of {network.topology} is too steep for int16 arithmetic", _HINT)
            shift[~fits] -= 1
        lo, hi = _range(w, b, *reach)
        clamp = _last_positions(shift, lo, hi) > table.limit
        found.append(QuantizedLayer(w.astype(np.int16), b.astype(np.int32), shift, clamp))
        reach = _activated(table, found[-1], lo, hi)
    return found


def layer_values(surrogate: Surrogate, layer: QuantizedLayer, table: TanhTable, *, first: bool) -> tuple[Array, Array]:
    """Return the parameters that a hidden layer's integers stand for: weights `(outputs, inputs)` and biases."""
    scale = table.scale(layer.shift) / 2
    w, b = layer.weight / scale[:, None], layer.bias / scale
    if not first:
        w = w * (2 * GAIN)
        return w, b - w.sum(1) * _MIDDLE
    offset, step = _input_scaling(surrogate)
    w = w / step
    return w, b - w @ offset


def _input_scaling(surrogate: Surrogate) -> tuple[Array, Array]:
    """Return what int16 inputs stand for after normalization, offset + step q, each `(I,)`."""
    middle, half = scaling(surrogate.program.inputs)
    formats = input_formats(surrogate)
    return (np.array([f.middle for f in formats]) - middle) / half, np.array([f.step for f in formats]) / half


def _float_layers(surrogate: Surrogate, network: Network) -> list[tuple[Array, Array]]:
    """Return weights and biases of every layer for int16 inputs: z = weight @ q + bias, in float64.

    Inputs are what `input_formats` says, hidden activations GAIN * tanh(z/2) - 1/2; the last layer makes program units.
    """
    params = network.params.astype(np.float64)
    offset, step = _input_scaling(surrogate)
    columns = list(network.outputs)
    layers = []
    for number, layer in enumerate(network.topology.layers()):
        w, b = params[layer.weight].reshape(layer.outputs, layer.inputs), params[layer.bias]
        if number == 0:
            w, b = w * step, b + w @ offset
        else:  # h = 1/2 + tanh/2
            w, b = w / (2 * GAIN), b + w.sum(1) * _MIDDLE
        if number == len(network.topology.hidden):
            std = surrogate.y_std[columns]
            w, b = w * std[:, None], b * std + surrogate.y_mean[columns]
        layers.append((w, b))
    return layers


def _output_layer(
    surrogate: Surrogate, network: Network, reach: tuple[Integers, Integers], low: Array, high: Array
) -> tuple[QuantizedLayer, list[OutputFormat]]:
    """Quantize the output layer, every output in its own format, given each output's range as sampled."""
    weight, bias = _float_layers(surrogate, network)[-1]
    weights, biases, formats = [], [], []
    for w, b, o in zip(weight, bias, network.outputs, strict=True):
        middle = (low[o] + high[o]) / 2
        for bits in range(_MOST_FRACTION_BITS, -_MOST_FRACTION_BITS, -1):
            row, offset = np.rint(np.ldexp(w, bits))[None], np.rint(np.ldexp([b - middle], bits))
            # Less what rounding to int16 adds; and not many times finer than float32 is at the middle.
            if _fits(row, offset, reach, _INT32 - 2**24).all() and abs(np.ldexp(middle, bits)) < 2**41:
                break
        lo, hi = _range(row, offset, *reach)
        made = output_format(low[o], high[o], bits, int(np.abs([lo, hi]).max()) + 2**16)
        if not fraction_bits_allowed(made.bits):
            raise UsageError(f"output '{surrogate.program.outputs[o].name}' does not fit float arithmetic", _HINT)
        weights.append(row[0].astype(np.int16))
        biases.append(np.int32(round(float(np.ldexp(b - made.middle, bits)))))
        formats.append(made)
    shift, clamp = np.zeros(len(formats), np.int16), np.zeros(len(formats), np.bool_)
    return QuantizedLayer(np.stack(weights), np.array(biases, np.int32), shift, clamp), formats


def _output_ranges(surrogate: Surrogate) -> tuple[Array, Array]:
    """Return the ends of every output's range `(O,)` as sampled, with a margin."""
    inputs = surrogate.program.inputs
    y = surrogate.predict(
        np.concatenate([sampling.corners(inputs), sampling.edges(inputs, 2048, 0), sampling.sobol(inputs, 8192, 0)])
    )
    low, high = y.min(0), y.max(0)
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)


def _full_range(count: int) -> tuple[Integers, Integers]:
    return np.full(count, -_INT16 - 1), np.full(count, _INT16)


def _fits(weight: Array, bias: Array, reach: tuple[Integers, Integers], bound: int) -> NDArray[np.bool_]:
    """Return which units have int16 weights and sums that, in whatever order they are added up, stay within +-bound."""
    magnitude = np.abs(weight) @ np.abs(reach).max(0) + np.abs(bias)
    return np.asarray((np.abs(weight).max(1) <= _INT16) & (magnitude <= bound))


def _range(weight: NDArray[Any], bias: NDArray[Any], lo: Integers, hi: Integers) -> tuple[Integers, Integers]:
    """Return the exact range of the sums of every unit, given that of every input."""
    w, b = weight.astype(np.int64), bias.astype(np.int64)
    return np.minimum(w * lo, w * hi).sum(1) + b, np.maximum(w * lo, w * hi).sum(1) + b


def _last_positions(shift: NDArray[np.int16], lo: Integers, hi: Integers) -> Integers:
    """Return the highest position that sums between lo and hi make, for every unit."""
    return np.asarray(np.maximum(np.abs(lo), np.abs(hi)) >> shift)


def _activated(table: TanhTable, layer: QuantizedLayer, lo: Integers, hi: Integers) -> tuple[Integers, Integers]:
    """Return the exact range of every activation: the table does not fall."""
    return table.evaluate(lo, layer.shift, layer.clamp), table.evaluate(hi, layer.shift, layer.clamp)
