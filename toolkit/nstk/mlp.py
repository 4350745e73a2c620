"""Batched sigmoid MLPs in torch: forward pass, Jacobian, and how outputs bend along a direction.

A batch holds `B` surrogates of one topology as flat parameter vectors `(B, P)` (layout: `topology.Layer`); all are
evaluated on the same inputs `(N, I)`, normalized to [-1, 1], and aim at the same standardized outputs `(N, O)`.
Everything is float64: one step on 65 parameters is a 65 x 65 solve, and float32 loses the last digits of the fit.

Inside, the N values of a neuron lie side by side: networks are so narrow that the other way round a loop over neurons
would end before it is worth vectorizing (half the time for 4-4).
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
    return _activations(topology, params, x)[-1].mT


def _activations(topology: Topology, params: Tensor, x: Tensor) -> list[Tensor]:
    """Return the input, every hidden layer's activations and the output, each `(B, width, N)`."""
    values = [x.T.expand(len(params), -1, -1)]
    layers = list(topology.layers())
    for layer in layers:
        w = params[:, layer.weight].view(-1, layer.outputs, layer.inputs)
        z = torch.baddbmm(params[:, layer.bias, None], w, values[-1])
        values.append(z if layer is layers[-1] else z.sigmoid_())
    return values


def jacobian(topology: Topology, params: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate the batch and differentiate every output by every parameter.

    Args:
        topology: Widths of all networks in the batch.
        params: `(B, P)`.
        x: `(N, I)`, normalized.

    Returns:
        Outputs `(B, O, N)` and their Jacobian `(B, P, O, N)`.
    """
    values = _activations(topology, params, x)
    layers = list(topology.layers())
    batch, outputs, n = values[-1].shape
    jac = params.new_empty(batch, topology.parameters, outputs, n)
    # d output / d pre-activation of the layer at hand, (B, width, O, N); the output layer's is the identity
    delta = torch.eye(outputs, dtype=x.dtype, device=x.device)[:, :, None].expand(batch, -1, -1, n)
    for index in range(len(layers) - 1, -1, -1):
        layer, h = layers[index], values[index]
        block = jac[:, layer.weight].view(batch, layer.outputs, layer.inputs, outputs, n)
        torch.mul(delta[:, :, None], h[:, None, :, None], out=block)
        jac[:, layer.bias] = delta
        if index > 0:
            w = params[:, layer.weight].view(batch, layer.outputs, layer.inputs)
            back = (w.mT @ delta.flatten(2)).view(batch, layer.inputs, outputs, n)
            delta = back * (h * (1 - h))[:, :, None]
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
    values = _activations(topology, params, x)
    weights = [params[:, None, layer.weight].view(batch, 1, layer.outputs, layer.inputs) for layer in layers]
    turns = [directions[..., layer.weight].view(batch, count, layer.outputs, layer.inputs) for layer in layers]
    slopes = []  # of the activations, where they are
    moves: tuple[Tensor, Tensor] | None = None  # derivatives of the layer's input; the first layer's stands still
    for layer, w, v, h, active in zip(layers[:-1], weights, turns, values, values[1:], strict=False):
        moved = (v.flatten(1, 2) @ h).view(batch, count, layer.outputs, -1)
        moved += directions[..., layer.bias, None]
        if moves is not None:
            moved += w @ moves[0]
        steep = 1 - 2 * active[:, None]
        slopes.append((active * (1 - active))[:, None])
        first = slopes[-1] * moved
        second = steep * first * moved
        if moves is not None:
            second += slopes[-1] * _bend_layer(w, v, moves)
        moves = first, second
    assert moves is not None
    delta = _bend_layer(weights[-1], turns[-1], moves) * weight
    result = torch.empty_like(directions)
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        result[..., layer.weight] = (delta.flatten(1, 2) @ values[index].mT).view(batch, count, -1)
        result[..., layer.bias] = delta.sum(-1)
        if index > 0:
            delta = (weights[index].mT @ delta) * slopes[index - 1]
    return result


def _bend_layer(w: Tensor, v: Tensor, moves: tuple[Tensor, Tensor]) -> Tensor:
    """Return the second derivatives of a layer's pre-activations, whose weights w move along v."""
    return (2 * v) @ moves[0] + w @ moves[1]
