"""Batched sigmoid MLPs in torch: forward pass, Jacobian, and how outputs bend along a direction.

A batch holds `B` surrogates of one topology as flat parameter vectors `(B, P)` (layout: `topology.Layer`); all are
evaluated on the same inputs `(N, I)`, normalized to [-1, 1], and aim at the same standardized outputs `(N, O)`.
Everything is float64: one step on 65 parameters is a 65 x 65 solve, and float32 loses the last digits of the fit.
"""

import torch
from torch import Tensor

from nstk.topology import Topology


def forward(topology: Topology, params: Tensor, x: Tensor) -> Tensor:
    """Evaluate every network of the batch on every input.

    Args:
        topology: Widths of all networks in the batch.
        params: `(B, P)`.
        x: `(N, I)`, normalized.

    Returns:
        `(B, N, O)`, standardized outputs.
    """
    return _activations(topology, params, x)[-1]


def _activations(topology: Topology, params: Tensor, x: Tensor) -> list[Tensor]:
    """Return the input, every hidden layer's activations and the output, each `(B, N, width)`."""
    values = [x.expand(len(params), -1, -1)]
    layers = list(topology.layers())
    for layer in layers:
        w = params[:, layer.weight].view(-1, layer.outputs, layer.inputs)
        z = torch.baddbmm(params[:, None, layer.bias], values[-1], w.mT)  # (B, N, outputs)
        values.append(z if layer is layers[-1] else z.sigmoid())
    return values


def jacobian(topology: Topology, params: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate the batch and differentiate every output by every parameter.

    Args:
        topology: Widths of all networks in the batch.
        params: `(B, P)`.
        x: `(N, I)`, normalized.

    Returns:
        Outputs `(B, N, O)` and their Jacobian `(B, N, O, P)`.
    """
    values = _activations(topology, params, x)
    layers = list(topology.layers())
    batch, n, outputs = values[-1].shape
    jac = params.new_zeros(batch, n, outputs, topology.parameters)
    # d output / d pre-activation of the layer at hand, (B, N, O, width); the output layer's is the identity
    delta = torch.eye(outputs, dtype=x.dtype, device=x.device).expand(batch, n, -1, -1)
    for index in range(len(layers) - 1, -1, -1):
        layer, h = layers[index], values[index]
        block = jac[..., layer.weight].view(batch, n, outputs, layer.outputs, layer.inputs)
        torch.mul(delta[..., None], h[:, :, None, None, :], out=block)  # (B, N, O, outputs, inputs)
        jac[..., layer.bias] = delta
        if index > 0:
            w = params[:, layer.weight].view(batch, 1, layer.outputs, layer.inputs)
            delta = (delta @ w) * (h * (1 - h))[:, :, None, :]
    return values[-1], jac


def bend(topology: Topology, params: Tensor, x: Tensor, weight: Tensor, directions: Tensor) -> Tensor:
    """Differentiate the outputs twice along directions in parameter space, and pull the result back: J'Wy''.

    Args:
        topology: Widths of all networks in the batch.
        params: `(B, P)`.
        x: `(N, I)`, normalized.
        weight: `(N,)` of the inputs, the diagonal of W.
        directions: `(B, F, P)`, F of each network.

    Returns:
        `(B, F, P)`, summed over inputs and outputs.
    """
    layers = list(topology.layers())
    if len(layers) == 1:
        return torch.zeros_like(directions)  # linear
    batch, count, _ = directions.shape
    values = [value[:, None] for value in _activations(topology, params, x)]  # (B, 1, N, width)
    weights = [params[:, layer.weight].view(batch, 1, layer.outputs, layer.inputs) for layer in layers]
    slopes = []  # of the activations, where they are
    moves: tuple[Tensor, Tensor] | None = None  # derivatives of the layer's input; the first layer's stands still
    for layer, w, h, active in zip(layers, weights, values, values[1:], strict=False):
        v = directions[..., layer.weight].view(batch, count, layer.outputs, layer.inputs).mT
        bent = x.new_zeros(1) if moves is None else 2 * moves[0] @ v + moves[1] @ w.mT
        if layer is layers[-1]:
            break
        moved = h @ v
        if moves is not None:
            moved += moves[0] @ w.mT
        moved += directions[..., None, layer.bias]
        slopes.append(active * (1 - active))
        first = slopes[-1] * moved
        moves = first, slopes[-1] * bent + (1 - 2 * active) * first * moved
    delta = bent * weight[:, None]
    result = torch.empty_like(directions)
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        result[..., layer.weight] = (delta.mT @ values[index]).flatten(2)
        result[..., layer.bias] = delta.sum(2)
        if index > 0:
            delta = (delta @ weights[index]) * slopes[index - 1]
    return result
