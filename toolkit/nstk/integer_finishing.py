"""Quantization-aware finishing: parameters adjusted to the rounding that int16 arithmetic does to them.

Layers are rounded one after the other, from the input on. Each time, the layers behind are fitted anew to what the
integers before them really compute, and so make up for their rounding and for the error of the activation's table.
What they are fitted to is the surrogate itself: least squares on the program's own outputs would give away the largest
errors that refinement has brought down.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nstk.finetuning import refit
from nstk.optimizers import ROUNDED_RIDGE
from nstk.quantization import hidden_layers, input_formats, layer_values, quantize_inputs
from nstk.surrogate import Network, Surrogate, mlp_forward, normalize
from nstk.tanh_table import tanh_of, tanh_table
from nstk.topology import Topology

Array = NDArray[np.float64]

#: Levenberg-Marquardt steps after each rounded layer. Which number of them happens to round best nobody knows before.
_STEPS = (5, 10, 20)
#: Networks with more parameters are finished once, with the fewest steps: theirs take long.
_MANY_PARAMETERS = 300
_PAIRS = 2048


def finish(surrogate: Surrogate, sigmoid_error: float, x: Array) -> list[Surrogate]:
    """Return surrogates whose int16 arithmetic should be closer to the given one's floats; measuring tells which is.

    Their parameters are the values that the int16 numbers stand for, so that quantizing them loses nothing more.

    Args:
        surrogate: Fitted in floating point.
        sigmoid_error: As for `quantize`.
        x: `(N, I)` inputs that it was fitted to, program units; the first ones are used.

    Raises:
        UsageError: As `quantize`.
    """
    most = max(network.topology.parameters for network in surrogate.networks)
    x = x[: max(_PAIRS, 4 * most)]
    lengths = _STEPS if most <= _MANY_PARAMETERS else _STEPS[:1]
    return [
        replace(surrogate, networks=tuple(_finish(surrogate, n, sigmoid_error, x, steps) for n in surrogate.networks))
        for steps in lengths
    ]


def _finish(surrogate: Surrogate, network: Network, sigmoid_error: float, x: Array, steps: int) -> Network:
    table = tanh_table(sigmoid_error)
    target = mlp_forward(network.topology, network.params.astype(np.float64), normalize(surrogate.program.inputs, x))
    q = quantize_inputs(input_formats(surrogate), x)
    topology = network.topology
    for number, layer in enumerate(list(topology.layers())[:-1]):
        rounded = hidden_layers(surrogate, network, table)[number]
        q = table.evaluate(rounded.sums(q), rounded.shift, rounded.clamp)
        params = network.params.astype(np.float64)
        weight, bias = layer_values(surrogate, rounded, table, first=number == 0)
        params[layer.weight], params[layer.bias] = weight.ravel(), bias
        tail = slice(layer.bias.stop, None)
        h = (tanh_of(q) + 1) / 2
        behind = Topology(topology.widths[number + 1 :])
        params[tail] = refit(behind, params[tail], h, target, np.ones(len(x)), steps, ROUNDED_RIDGE)
        network = replace(network, params=params.astype(np.float32))
    return network
