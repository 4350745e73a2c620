"""Folding: networks with their scalings as the plain float32 arithmetic that the emitted C carries out.

Input normalization, output standardization and the halves of sigmoid(z) = 1/2 + tanh(z/2)/2 disappear into weights.
Interval analysis over the domain bounds every pre-activation and so picks each layer's activation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nstk.activation import RationalTanh, rational_tanh
from nstk.surrogate import Network, Surrogate, scaling

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

#: Inputs whose centre is more than this many half-widths from zero are centred explicitly: folding the centre into
#: the bias would cancel digits in float32.
_CENTERED = 8.0


@dataclass(frozen=True, eq=False)
class FoldedLayer:
    """u = weight @ x + bias, then the activation.

    Attributes:
        weight: `(outputs, inputs)` float32.
        bias: `(outputs,)` float32.
        activation: Applied to u; None in the output layer. Its gain sits in the next layer's weights.
    """

    weight: Floats
    bias: Floats
    activation: RationalTanh | None

    def table(self) -> Floats:
        """Return the constants in emitted order: hidden layers bias first, then a column per input.

        The output layer has a row of weights per output, then the biases.
        """
        if self.activation is None:
            return np.concatenate([self.weight.ravel(), self.bias])
        return np.concatenate([self.bias[None], self.weight.T]).ravel()


@dataclass(frozen=True, eq=False)
class FoldedNetwork:
    """A network in program units at both ends.

    Attributes:
        layers: From input to output.
        outputs: Indices of the program outputs it computes.
    """

    layers: tuple[FoldedLayer, ...]
    outputs: tuple[int, ...]

    def table(self) -> Floats:
        """Return all constants in emitted order."""
        return np.concatenate([layer.table() for layer in self.layers])


@dataclass(frozen=True, eq=False)
class Folded:
    """All arithmetic of one header.

    Attributes:
        lo: `(I,)` float32 lower ends of the domain.
        hi: `(I,)` float32 upper ends.
        shift: `(I,)` float32, subtracted from the inputs; 0 for most.
        clamp: Whether inputs are clamped to the domain.
        networks: Cover all outputs.
    """

    lo: Floats
    hi: Floats
    shift: Floats
    clamp: bool
    networks: tuple[FoldedNetwork, ...]

    @property
    def sigmoid_error(self) -> float:
        """Largest error of any activation used, as a sigmoid."""
        return max(la.activation.error for n in self.networks for la in n.layers if la.activation is not None)

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        """Evaluate the folded arithmetic in float64, with a bound on what float32 rounding may add.

        The bound is a running error analysis: every sum and product of the C code in any order, contracted or not,
        stays within it.

        Args:
            x: `(N, I)` in program units, float32 values.

        Returns:
            Outputs `(N, O)` and bounds `(N, O)`, in program units.
        """
        if self.clamp:
            x = np.clip(x, self.lo.astype(np.float64), self.hi.astype(np.float64))
        x = x - self.shift.astype(np.float64)
        count = sum(len(n.outputs) for n in self.networks)
        y, bound = np.empty((len(x), count)), np.empty((len(x), count))
        for network in self.networks:
            y[:, network.outputs], bound[:, network.outputs] = _evaluate(network, x)
        return y, bound


_UNIT = 2.0**-24  # float32 unit roundoff


def _evaluate(network: FoldedNetwork, x: Array) -> tuple[Array, Array]:
    error = np.abs(x) * _UNIT
    for layer in network.layers:
        w, b = layer.weight.astype(np.float64), layer.bias.astype(np.float64)
        magnitude = np.abs(x) @ np.abs(w).T + np.abs(b)
        error = error @ np.abs(w).T + (w.shape[1] + 2) * _UNIT * magnitude
        x = x @ w.T + b
        if layer.activation is not None:
            error, x = _activate(layer.activation, error, x)
    return x, error


def _activate(tanh: RationalTanh, error: Array, u: Array) -> tuple[Array, Array]:
    """Carry the error through the activation: how far it moves the rational, and a few roundings of the result."""
    t: Array = tanh.evaluate(u)
    moved = np.maximum(np.abs(tanh.evaluate(u - error) - t), np.abs(tanh.evaluate(u + error) - t))
    # Monotone but for ripples, whose crest between both ends the square covers: curvature stays below 2 / gain.
    moved += error**2 / tanh.gain
    # Condition of P and Q is about 1: all their coefficients are positive, so Horner's rule is stable.
    operations = 2 * (len(tanh.numerator) + len(tanh.denominator)) + 4
    carried: Array = moved + operations * _UNIT * np.abs(t)
    return carried, t


def fold(surrogate: Surrogate, sigmoid_error: float, clamp: bool = True) -> Folded:
    """Fold a surrogate.

    Args:
        surrogate: What to emit.
        sigmoid_error: Largest error allowed for each activation, as a sigmoid (see `activation.ERROR_RANGE`).
        clamp: Clamp inputs to the domain. Without it the arithmetic is the same, but unbounded outside.
    """
    inputs = surrogate.program.inputs
    lo = np.array([i.interval.lo for i in inputs], np.float32)
    hi = np.array([i.interval.hi for i in inputs], np.float32)
    center, half = scaling(inputs)
    shift = np.where(np.abs(center) > _CENTERED * half, center.astype(np.float32), np.float32(0))
    box = (lo.astype(np.float64) - shift, hi.astype(np.float64) - shift)
    networks = tuple(_fold(n, surrogate, (center - shift) / half, half, box, sigmoid_error) for n in surrogate.networks)
    return Folded(lo, hi, shift, clamp, networks)


def _fold(
    network: Network, surrogate: Surrogate, offset: Array, half: Array, box: tuple[Array, Array], sigmoid_error: float
) -> FoldedNetwork:
    layers = list(network.topology.layers())
    params = network.params.astype(np.float64)
    std, mean = surrogate.y_std[list(network.outputs)], surrogate.y_mean[list(network.outputs)]
    folded: list[FoldedLayer] = []
    lo, hi = box
    gain = 1.0  # of the activation before
    for layer in layers:
        w = params[layer.weight].reshape(layer.outputs, layer.inputs)
        b = params[layer.bias]
        if not folded:  # x_normalized = x / half - offset
            w, b = w / half, b - w @ offset
        else:  # h = 1/2 + gain t / 2
            w, b = w * (gain / 2), b + w.sum(1) / 2
        last = layer is layers[-1]
        w, b = (w * std[:, None], b * std + mean) if last else (w / 2, b / 2)
        w32, b32 = w.astype(np.float32), b.astype(np.float32)
        if last:
            folded.append(FoldedLayer(w32, b32, None))
            break
        lo, hi = _interval(w32.astype(np.float64), b32.astype(np.float64), lo, hi)
        reach = max(float(np.abs([lo, hi]).max()) * (1 + 1e-5), 0.25)
        activation = rational_tanh(_rounded_up(reach), sigmoid_error)
        gain = activation.gain
        # Outputs of the activation, without its gain; the margin covers its error and rounding.
        lo, hi = (np.tanh(lo) - 4 * sigmoid_error) / gain, (np.tanh(hi) + 4 * sigmoid_error) / gain
        folded.append(FoldedLayer(w32, b32, activation))
    return FoldedNetwork(tuple(folded), network.outputs)


def _rounded_up(reach: float) -> float:
    """Round up to a multiple of 1/8, so that nearly equal layers share one activation."""
    return float(np.ceil(reach * 8) / 8)


def _interval(w: Array, b: Array, lo: Array, hi: Array) -> tuple[Array, Array]:
    """Return the exact range of `w @ x + b` over the box lo..hi, per unit."""
    center, radius = w @ ((lo + hi) / 2) + b, np.abs(w) @ ((hi - lo) / 2)
    return center - radius, center + radius
