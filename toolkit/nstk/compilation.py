"""Surrogate compilation: a program in, initial parameters out.

Every method answers the same call, so that the pipeline races what they propose against each other on equal pairs.
"""

import numpy as np
from numpy.typing import NDArray

from nstk.errors import UsageError
from nstk.options import INITS
from nstk.program import Program
from nstk.topology import Topology


def propose(program: Program, topology: Topology, count: int, seed: int, method: str) -> NDArray[np.float64]:
    """Propose initial parameters for a surrogate of `program`.

    Args:
        program: What is to be imitated. The random method reads nothing of it.
        topology: Of the network that is asked for.
        count: Number of candidates.
        seed: Of the random draws.
        method: One of `options.INITS`.

    Returns:
        `(count, P)`, float64.

    Raises:
        UsageError: The method is unknown.
    """
    if method not in INITS:
        raise UsageError(f"unknown init '{method}'", f"choose one of {', '.join(INITS)}")
    return random_parameters(topology, count, seed)


def random_parameters(topology: Topology, count: int, seed: int) -> NDArray[np.float64]:
    """Draw parameters as torch's `nn.Linear` does by default: weights and biases U(-k, k), k = 1 / sqrt(inputs)."""
    generator = np.random.default_rng([seed, *topology.widths])
    params = np.empty((count, topology.parameters))
    for layer in topology.layers():
        bound = layer.inputs**-0.5
        for part in (layer.weight, layer.bias):
            params[:, part] = generator.uniform(-bound, bound, (count, part.stop - part.start))
    return params
