"""Batched sigmoid MLPs in torch: forward pass, Jacobian, and how outputs bend along a direction.

A batch holds `B` surrogates of one topology as flat parameter vectors `(B, P)` (layout: `topology.Layer`); all are
evaluated on the same inputs `(N, I)`, normalized to [-1, 1], and aim at the same standardized outputs `(N, O)`.
Everything is float64: one step on 65 parameters is a 65 x 65 solve, and float32 loses the last digits of the fit.

What least squares need is written for speed, for networks so small that a step is hundreds of calls of a microsecond
each. There the parameters of a neuron lie side by side, its bias last (`neuron_order`), and inputs and activations end
in a row of ones, so that one product computes a layer, biases included. The N values of a neuron lie side by side, too:
networks are so narrow that the other way round a loop over neurons would end before it is worth vectorizing.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

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


def activate(topology: Topology, neurons: Tensor, inputs: Tensor) -> Tensor:
    """Evaluate a batch layer by layer.

    Args:
        topology: Widths of all networks in the batch.
        neurons: `(B, P)`, parameters in `neuron_order`.
        inputs: `(I + 1, N)`, see `with_ones`.

    Returns:
        `(B, V, N)`: the activations of every hidden layer, ones after each, and last the outputs.
    """
    layers = _layers(topology)
    values = neurons.new_empty(neurons.shape[0], layers[-1].own.stop, inputs.shape[1])
    h = inputs
    for layer in layers:
        z = neurons[:, layer.span].view(-1, layer.rows, layer.width) @ h
        if layer is layers[-1]:
            values[:, layer.own] = z
        else:
            torch.sigmoid(z, out=values[:, layer.own])
            values[:, layer.own.stop] = 1
            h = values[:, layer.own_and_ones]
    return values


def jacobian(topology: Topology, neurons: Tensor, inputs: Tensor, values: Tensor, out: Tensor) -> None:
    """Differentiate every output by every parameter.

    Args:
        topology: Widths of all networks in the batch.
        neurons: `(B, P)`, parameters in `neuron_order`.
        inputs: `(I + 1, N)`.
        values: `(B, V, N)`, what `activate` returns for them; outputs are not read.
        out: `(B, P, O, N)`, written: the derivatives, parameters in `neuron_order`.
    """
    layers = _layers(topology)
    batch, _, outputs, n = out.shape
    slopes = _slopes(layers, values)
    # d output / d pre-activation of the layer at hand, (B, rows, O, N); the output layer's is the identity
    delta = torch.eye(outputs, dtype=neurons.dtype, device=neurons.device)[:, :, None].expand(batch, -1, -1, -1)
    for index in range(len(layers) - 1, -1, -1):
        layer, before = layers[index], layers[index - 1]
        h = values[:, None, before.own_and_ones] if index > 0 else inputs
        block = out[:, layer.span].view(batch, layer.rows, layer.width, outputs, n)
        torch.mul(delta[:, :, None], h.unsqueeze(-2), out=block)
        if index > 0:
            w = neurons[:, layer.span].view(batch, layer.rows, layer.width)[..., :-1]
            slope = slopes[:, before.own, None]  # (B, rows before, 1, N)
            if layer is layers[-1]:
                delta = w.mT[..., None] * slope  # what the other branch computes from the identity
            else:
                delta = (w.mT @ delta.flatten(2)).view(batch, before.rows, outputs, n).mul_(slope)


def bend(
    topology: Topology,
    neurons: Tensor,
    inputs: Tensor,
    values: Tensor,
    directions: Tensor,
    weight: Tensor | None = None,
) -> Tensor:
    """Differentiate the outputs twice along directions in parameter space, and pull half of it back: J'Wy''/2.

    Args:
        topology: Widths of all networks in the batch.
        neurons: `(B, P)`, parameters in `neuron_order`.
        inputs: `(I + 1, N)`.
        values: `(B, V, N)`, what `activate` returns for them; outputs are not read.
        directions: `(B, F, P)`, F of each network, in the same order.
        weight: `(N,)` of the inputs, the diagonal of W; None: all 1.

    Returns:
        `(B, F, P)`, summed over inputs and outputs.
    """
    layers = _layers(topology)
    if len(layers) == 1:
        return torch.zeros_like(directions)  # linear
    batch, count, size = directions.shape
    n = inputs.shape[1]
    lanes = directions.reshape(batch * count, size)
    # Products of three dimensions are called faster than of four.
    copies = neurons[:, None].expand(-1, count, -1).reshape(batch * count, size)
    slopes = _slopes(layers, values)
    middle = torch.rsub(values, 0.5)
    weights: list[Tensor] = []  # of each layer, without biases
    first = second = half = inputs  # derivatives of a layer's input, and half the second one of its result
    for index, layer in enumerate(layers):
        turn = lanes[:, layer.span].view(-1, layer.rows, layer.width)
        w = copies[:, layer.span].view(-1, layer.rows, layer.width)[..., :-1]
        weights.append(w)
        if index > 0:
            half = torch.baddbmm(torch.bmm(w, second), turn[..., :-1], first)
        if layer is layers[-1]:
            break
        h = values[:, layers[index - 1].own_and_ones] if index > 0 else inputs
        moved = (turn.reshape(batch, count * layer.rows, layer.width) @ h).view(-1, layer.rows, n)
        if index > 0:
            moved.baddbmm_(w, first)
        moved = moved.view(batch, count, layer.rows, n)
        steep = moved * slopes[:, None, layer.own]
        curved = moved.mul_(steep).mul_(middle[:, None, layer.own])
        if index > 0:
            curved.addcmul_(slopes[:, None, layer.own], half.view_as(curved))
        first, second = steep.view(-1, layer.rows, n), curved.view(-1, layer.rows, n)
    delta = half if weight is None else half * weight
    result = torch.empty_like(directions)
    for index in range(len(layers) - 1, -1, -1):
        layer, before = layers[index], layers[index - 1]
        h = values[:, before.own_and_ones] if index > 0 else inputs
        pulled = delta.view(batch, count * layer.rows, n) @ h.mT
        result[..., layer.span] = pulled.view(batch, count, -1)
        if index > 0:
            delta = torch.bmm(weights[index].mT, delta)
            delta.view(batch, count, before.rows, n).mul_(slopes[:, None, before.own])
    return result


class _Layer(NamedTuple):
    """Where a layer's numbers lie."""

    span: slice  # of its parameters, in `neuron_order`
    rows: int  # neurons
    width: int  # parameters of each
    own: slice  # of its neurons' values

    @property
    def own_and_ones(self) -> slice:
        """Return where its neurons' values lie, and the ones after them."""
        return slice(self.own.start, self.own.stop + 1)


def _slopes(layers: Sequence[_Layer], values: Tensor) -> Tensor:
    """Return the derivatives of hidden activations, in their places."""
    active = values[:, : layers[-1].own.start]
    return torch.addcmul(active, active, active, value=-1)


@lru_cache(maxsize=64)
def _layers(topology: Topology) -> tuple[_Layer, ...]:
    found, start = [], 0
    for layer in topology.layers():
        own = slice(start, start + layer.outputs)
        found.append(_Layer(slice(layer.weight.start, layer.bias.stop), layer.outputs, layer.inputs + 1, own))
        start = own.stop + 1
    return tuple(found)
