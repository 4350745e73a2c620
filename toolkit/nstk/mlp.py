"""Batched sigmoid MLPs in torch: forward pass, Jacobian, and how outputs bend along a direction.

A batch holds `B` surrogates of one topology as flat parameter vectors `(B, P)` (layout: `topology.Layer`); all are
evaluated on the same inputs `(N, I)`, normalized to [-1, 1], and aim at the same standardized outputs `(N, O)`.
Everything is float64: one step on 65 parameters is a 65 x 65 solve, and float32 loses the last digits of the fit.

What least squares need is written for speed, for networks so small that a step is hundreds of calls of a microsecond
each. There the parameters of a neuron lie side by side, its bias last (`neuron_order`), and inputs and activations end
in a row of ones, so that one product computes a layer, biases included. The N values of a neuron lie side by side, too:
networks are so narrow that the other way round a loop over neurons would end before it is worth vectorizing.
"""

from functools import lru_cache

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
    h = x.T.expand(len(params), -1, -1)  # (B, I, N)
    layers = list(topology.layers())
    for layer in layers:
        w = params[:, layer.weight].view(-1, layer.outputs, layer.inputs)
        z = torch.baddbmm(params[:, layer.bias, None], w, h)
        h = z if layer is layers[-1] else z.sigmoid_()
    return h.mT


def neuron_order(topology: Topology) -> Tensor:
    """Return where the parameters of each neuron, its bias last, stand in a flat vector `(P,)`."""
    parts = []
    for layer in topology.layers():
        weight = torch.arange(layer.weight.start, layer.weight.stop).view(layer.outputs, layer.inputs)
        bias = torch.arange(layer.bias.start, layer.bias.stop)
        parts.append(torch.cat([weight, bias[:, None]], 1).flatten())
    return torch.cat(parts)


def with_ones(x: Tensor) -> Tensor:
    """Return inputs `(N, I)` as `(I + 1, N)`, ones last."""
    return torch.cat([x, x.new_ones(len(x), 1)], 1).T.contiguous()


def activate(topology: Topology, neurons: Tensor, inputs: Tensor) -> list[Tensor]:
    """Evaluate a batch layer by layer.

    Args:
        topology: Widths of all networks in the batch.
        neurons: `(B, P)`, parameters in `neuron_order`.
        inputs: `(I + 1, N)`, see `with_ones`.

    Returns:
        The inputs, every hidden layer's activations `(B, width + 1, N)`, ones last, and the outputs `(B, O, N)`.
    """
    values = [inputs]
    *hidden, last = _layers(topology)
    for span, rows, width in hidden:
        h = neurons.new_empty(len(neurons), rows + 1, inputs.shape[1])
        torch.sigmoid(neurons[:, span].view(-1, rows, width) @ values[-1], out=h[:, :-1])
        h[:, -1] = 1
        values.append(h)
    span, rows, width = last
    values.append(neurons[:, span].view(-1, rows, width) @ values[-1])
    return values


def jacobian(topology: Topology, neurons: Tensor, values: list[Tensor]) -> Tensor:
    """Differentiate every output by every parameter.

    Args:
        topology: Widths of all networks in the batch.
        neurons: `(B, P)`, parameters in `neuron_order`.
        values: What `activate` returns for them.

    Returns:
        `(B, P, O, N)`, parameters in `neuron_order`.
    """
    layers = _layers(topology)
    batch, outputs, n = values[-1].shape
    jac = neurons.new_empty(batch, neurons.shape[1], outputs, n)
    # d output / d pre-activation of the layer at hand, (B, width, O, N); the output layer's is the identity
    delta = torch.eye(outputs, dtype=neurons.dtype, device=neurons.device)[:, :, None].expand(batch, -1, -1, -1)
    for index in range(len(layers) - 1, -1, -1):
        span, rows, width = layers[index]
        h = values[index]
        block = jac[:, span].view(batch, rows, width, outputs, n)
        torch.mul(delta[:, :, None], h[..., None, :, None, :], out=block)
        if index > 0:
            w = neurons[:, span].view(batch, rows, width)[..., :-1]
            active = h[:, :-1, None]  # (B, width - 1, 1, N)
            slope = torch.addcmul(active, active, active, value=-1)
            if index == len(layers) - 1:
                delta = w.mT[..., None] * slope  # what the other branch computes from the identity
            else:
                delta = (w.mT @ delta.flatten(2)).view(batch, width - 1, outputs, n) * slope
    return jac


def bend(
    topology: Topology, neurons: Tensor, values: list[Tensor], directions: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Differentiate the outputs twice along directions in parameter space, and pull the result back: J'Wy''.

    Args:
        topology: Widths of all networks in the batch.
        neurons: `(B, P)`, parameters in `neuron_order`.
        values: What `activate` returns for them.
        directions: `(B, F, P)`, F of each network, in the same order.
        weight: `(N,)` of the inputs, the diagonal of W; None: all 1.

    Returns:
        `(B, F, P)`, summed over inputs and outputs.
    """
    layers = _layers(topology)
    if len(layers) == 1:
        return torch.zeros_like(directions)  # linear
    batch, count, size = directions.shape
    n = values[0].shape[1]
    lanes = directions.reshape(batch * count, size)
    copies = neurons.repeat_interleave(count, 0)  # products of three dimensions are called faster than of four
    weights, slopes = [], []  # of each layer without biases; of its neurons' activations
    first = second = bent = values[0]  # derivatives of a layer's input; what goes into the first layer stands still
    for index, (span, rows, width) in enumerate(layers):
        turn = lanes[:, span].view(-1, rows, width)
        w = copies[:, span].view(-1, rows, width)[..., :-1]
        weights.append(w)
        if index > 0:
            bent = torch.baddbmm(torch.bmm(w, second), turn[..., :-1], first, alpha=2)
        if index == len(layers) - 1:
            break
        moved = (turn.reshape(batch, count * rows, width) @ values[index]).view(-1, rows, n)
        if index > 0:
            moved = torch.baddbmm(moved, w, first)
        moved = moved.view(batch, count, rows, n)
        active = values[index + 1][:, None, :-1]
        slope = torch.addcmul(active, active, active, value=-1)
        slopes.append(slope)
        steep = slope * moved
        curved = (1 - 2 * active).mul(moved).mul_(steep)
        if index > 0:
            curved.addcmul_(slope, bent.view(batch, count, rows, n))
        first, second = steep.view(-1, rows, n), curved.view(-1, rows, n)
    delta = bent if weight is None else bent * weight
    result = torch.empty_like(directions)
    for index in range(len(layers) - 1, -1, -1):
        span, rows, width = layers[index]
        pulled = delta.view(batch, count * rows, n) @ values[index].mT
        result[..., span] = pulled.view(batch, count, rows * width)
        if index > 0:
            back = torch.bmm(weights[index].mT, delta).view(batch, count, width - 1, n)
            delta = back.mul_(slopes[index - 1]).view(-1, width - 1, n)
    return result


@lru_cache(maxsize=64)
def _layers(topology: Topology) -> tuple[tuple[slice, int, int], ...]:
    """Return where each layer's parameters lie, its neurons, and the parameters of each of these."""
    return tuple(
        (slice(layer.weight.start, layer.bias.stop), layer.outputs, layer.inputs + 1) for layer in topology.layers()
    )
