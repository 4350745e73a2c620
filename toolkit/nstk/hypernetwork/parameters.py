"""What becomes of parameters that a hypernetwork wrote: pruned, fitted to known outputs, judged by them."""

import torch
from torch import Tensor

from nstk.mlp import forward
from nstk.topology import Topology

_RIDGE = 1e-6  # of the least squares; activations vary by some 0.1


def prune_absent(topology: Topology, parameters: Tensor, present: Tensor) -> Tensor:
    """Return parameters `(B, K, P)` with the first layer's weights 0 for inputs that are not there `(B, 9)`."""
    first = next(topology.layers())
    kept = present.to(parameters.dtype).repeat(1, first.outputs)  # row-major (outputs, inputs)
    rest = kept.new_ones(len(kept), topology.parameters - kept.shape[1])
    return parameters * torch.cat([kept, rest], 1)[:, None]


def fit_output(topology: Topology, parameters: Tensor, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Fit the output layer of every candidate to outputs by least squares.

    What the head wrote is where the fit starts, and stays where outputs do not say otherwise.

    Args:
        topology: With one output.
        parameters: `(B, K, P)`.
        x: `(N, I)` normalized inputs; in float64, all is computed so, which tells activations apart that hardly differ.
        y: `(B, N)` standardized outputs.
        weight: How much each counts, at least 0, `(B, N)`.

    Returns:
        `(B, K, P)`, of the inputs' type.
    """
    with torch.autocast(x.device.type, enabled=False):
        parameters, y, weight = (tensor.to(x.dtype) for tensor in (parameters, y, weight))
        *hidden, last = topology.layers()
        flat = parameters.flatten(0, 1)  # (BK, P)
        h = x.expand(len(flat), -1, -1)  # (BK, N, I)
        for layer in hidden:
            w = flat[:, layer.weight].view(-1, layer.outputs, layer.inputs)
            h = torch.baddbmm(flat[:, None, layer.bias], h, w.mT).sigmoid()
        h = h.view(*parameters.shape[:2], *h.shape[1:])  # (B, K, N, H)
        own = parameters[..., last.weight, None]  # (B, K, H, 1)
        # Where no output is known, shares are 0 and the head's own layer stays. Sums of products stand for products of
        # matrices one column wide, which are slow in batches.
        share = (weight / weight.sum(1, keepdim=True).clamp(min=1e-6))[:, None, :, None]  # (B, 1, N, 1)
        rest = y[:, None, :, None] - (h * own.mT).sum(-1, keepdim=True) - parameters[..., None, last.bias]
        shared = share * h  # (B, K, N, H)
        centre, mean = shared.sum(2)[..., None], (share * rest).sum(2, keepdim=True)  # (B, K, H, 1), (B, K, 1, 1)
        normal = (shared.mT @ h - centre @ centre.mT).double()
        normal = normal + _RIDGE * torch.eye(normal.shape[-1], dtype=torch.float64, device=x.device)
        gradient = (shared * rest).sum(2)[..., None] - centre * mean  # (B, K, H, 1)
        change = torch.linalg.solve(normal, gradient.double()).to(x.dtype)
        bias = parameters[..., last.bias] + (mean - centre.mT @ change)[..., 0]
        return torch.cat([parameters[..., : last.weight.start], (own + change)[..., 0], bias], -1)


def candidate_errors(
    topology: Topology, parameters: Tensor, x: Tensor, y: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Return the mean squared error of every candidate.

    Args:
        topology: Of the candidates.
        parameters: `(B, K, P)`.
        x: `(N, 9)` normalized inputs; all is computed in their type.
        y: `(B, N)` standardized outputs.
        weight: How much each counts, at least 0, `(B, N)`; None: all the same.

    Returns:
        `(B, K)`.
    """
    flat = parameters.flatten(0, 1).to(x.dtype)
    got = forward(topology, flat, x)[..., 0].view(*parameters.shape[:2], len(x))  # (B, K, N)
    square = (got - y[:, None]).square()
    if weight is None:
        return square.mean(-1)
    return (square * weight[:, None]).sum(-1) / weight.sum(-1, keepdim=True)
