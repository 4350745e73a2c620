"""Quantization-aware finishing: parameters adjusted to the rounding that int16 arithmetic does to them.

Layers are rounded one after the other, from the input on. Each time, the layers behind are fitted anew to what the
integers before them really compute, and so make up for their rounding and for the error of the activation's table.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nstk.finetuning import refit
from nstk.quantization import hidden_layers, input_formats, layer_values, quantize, quantize_inputs
from nstk.surrogate import Network, Surrogate
from nstk.tanh_table import GAIN, tanh_table
from nstk.topology import Topology

Array = NDArray[np.float64]

#: Levenberg-Marquardt steps after each rounded layer.
_STEPS = 20


def finish(surrogate: Surrogate, sigmoid_error: float, x: Array, y: Array) -> Surrogate:
    """Return a surrogate whose int16 arithmetic is closer to the pairs; the given one if there is none.

    Its parameters are the values that the int16 numbers stand for, so that quantizing them loses nothing more.

    Args:
        surrogate: Fitted in floating point.
        sigmoid_error: As for `quantize`.
        x: `(N, I)` inputs that it was fitted to, program units.
        y: `(N, O)` outputs.

    Raises:
        UsageError: As `quantize`.
    """
    for number, network in enumerate(surrogate.networks):
        finished = _finish(surrogate, network, sigmoid_error, x, y[:, network.outputs])
        networks = (*surrogate.networks[:number], finished, *surrogate.networks[number + 1 :])
        candidate = replace(surrogate, networks=networks)
        before, after = (_errors(s, sigmoid_error, x, y)[list(network.outputs)] for s in (surrogate, candidate))
        if after.mean() < before.mean():
            surrogate = candidate
    return surrogate


def _finish(surrogate: Surrogate, network: Network, sigmoid_error: float, x: Array, y: Array) -> Network:
    columns = list(network.outputs)
    std = np.where(surrogate.y_std[columns] > 0, surrogate.y_std[columns], 1.0)
    target = (y - surrogate.y_mean[columns]) / std
    table = tanh_table(sigmoid_error)
    q = quantize_inputs(input_formats(surrogate), x)
    topology = network.topology
    for number, layer in enumerate(list(topology.layers())[:-1]):
        rounded = hidden_layers(surrogate, network, table)[number]
        q = table.evaluate(rounded.sums(q), rounded.shift, rounded.clamp)
        params = network.params.astype(np.float64)
        weight, bias = layer_values(surrogate, rounded, table, first=number == 0)
        params[layer.weight], params[layer.bias] = weight.ravel(), bias
        tail = slice(layer.bias.stop, None)
        h = (q / GAIN + 1) / 2
        behind = Topology(topology.widths[number + 1 :])
        params[tail] = refit(behind, params[tail], h, target, np.ones(len(x)), _STEPS)
        network = replace(network, params=params.astype(np.float32))
    return network


def _errors(surrogate: Surrogate, sigmoid_error: float, x: Array, y: Array) -> Array:
    """Return the mean squared error of every output `(O,)` in int16 arithmetic, over its variance."""
    std = np.where(surrogate.y_std > 0, surrogate.y_std, 1.0)
    error = (quantize(surrogate, sigmoid_error).evaluate(x)[0] - y) / std
    return np.asarray(np.mean(error**2, axis=0))
