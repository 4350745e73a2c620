"""What Levenberg-Marquardt asks about a batch of networks and its pairs: residuals, normal equations, curvature."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nstk.mlp import activate, bend, forward, jacobian, with_ones
from nstk.topology import Topology

#: Numbers of a Jacobian, or of layers' activations, held at once: they stay in the cache.
_CHUNK = 2**18
#: Rows of J'J computed at once. It is symmetric: what is above the blocks on its diagonal is left out.
_BLOCK = 96
#: Numbers of a Jacobian that is kept for a whole step; reading a larger one again takes longer than `mlp.bend`.
_KEPT = 2**20
#: Share of a direction that is gone to see how outputs bend: the difference errs by some percent, and keeps 10 digits.
_AHEAD = 0.01


@dataclass(frozen=True)
class Pairs:
    """Training data of a batch.

    Attributes:
        x: `(N, I)`, normalized.
        y: `(N, O)` for all networks, or `(B, N, O)` with one target per network.
        weight: `(N,)`, mean 1: how much each pair counts.
    """

    x: Tensor
    y: Tensor
    weight: Tensor

    def head(self, n: int) -> "Pairs":
        """Return the first `n` pairs."""
        return Pairs(self.x[:n], self.y[..., :n, :], self.weight[:n])

    def of(self, networks: Tensor) -> "Pairs":
        """Return the same pairs for a subset of the batch, given by index."""
        return self if self.y.ndim == 2 else Pairs(self.x, self.y[networks], self.weight)

    def loss(self, topology: Topology, params: Tensor) -> Tensor:
        """Return the weighted mean squared error of each network, `(B,)`."""
        r = forward(topology, params, self.x) - self.y  # (B, N, O)
        return r.square().mean(-1).mul_(self.weight).mean(-1)


class LeastSquares:
    """The residuals of a batch of networks; parameters are in `mlp.neuron_order`.

    Args:
        topology: Widths of all networks in the batch.
        pairs: What they are fitted to.
        ridge: Added to the loss, times the sum of squared parameters.
    """

    def __init__(self, topology: Topology, pairs: Pairs, ridge: float = 0.0) -> None:
        self.topology, self.ridge = topology, ridge
        self.inputs = with_ones(pairs.x)
        y = pairs.y if pairs.y.ndim == 3 else pairs.y[None]
        self.y = y.mT.contiguous()  # (1, O, N) for all networks, or (B, O, N)
        self.weight = None if bool((pairs.weight == 1).all()) else pairs.weight
        self.outputs, self.n = self.y.shape[-2:]

    def of(self, networks: Tensor) -> "LeastSquares":
        """Return the same for a subset of the batch, given by index."""
        if self.y.shape[0] == 1:
            return self
        part = copy.copy(self)
        part.y = self.y[networks]
        return part

    def evaluate(self, params: Tensor) -> Tensor:
        """Return the values that `mlp.activate` returns, with residuals in place of outputs.

        Args:
            params: `(B, P)`, or `(B F, P)`: F variants of each network.

        Returns:
            `(B, V, N)`, or `(B F, V, N)`.
        """
        values = activate(self.topology, params, self.inputs)
        residual = values[:, -self.outputs :].view(self.y.shape[0], -1, self.outputs, self.n)
        residual -= self.y[:, None]
        return values

    def losses(self, params: Tensor, values: Tensor) -> Tensor:
        """Return the weighted mean squared error and the ridge of each network `(B,)`, given what it evaluates to."""
        square = values[:, -self.outputs :].square()  # (B, O, N)
        if self.weight is not None:
            square *= self.weight
        return square.mean((1, 2)).add_(params.square().sum(1), alpha=self.ridge)

    def solve_last(self, params: Tensor, values: Tensor, damping: Tensor) -> None:
        """Put the output layers where they fit best, given what goes into them: both arguments are changed.

        Outputs are linear in these parameters, which need no step: variable projection (Golub and Pereyra, "The
        differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate", 1973), in
        the form that joins it to a step of all parameters (Ruhe and Wedin, 1980). Damped as that step was: while the
        hidden layers are far from what they will be, weights that suit nothing but them lead astray.

        Args:
            params: `(B, P)`.
            values: What `evaluate` returns for them.
            damping: `(B,)`.
        """
        if not self.topology.hidden:
            return  # linear: so is every step
        width = self.topology.widths[-2] + 1
        last = slice(-self.outputs * width, None)
        tail = values[:, -self.outputs - width :]  # what goes into the output layer, ones, residuals
        weighted = tail if self.weight is None else tail * self.weight
        products = (tail @ weighted.mT).mul_(1 / (self.n * self.outputs))
        normal, gradient = products[:, :width, :width], products[:, :width, width:]
        diagonal = normal.diagonal(dim1=1, dim2=2)
        diagonal.addcmul_(damping[:, None], damping_scale(diagonal)).add_(self.ridge)
        gradient += params[:, last].view(-1, self.outputs, width).mT * self.ridge
        move = torch.cholesky_solve(gradient, torch.linalg.cholesky_ex(normal)[0]).mT  # (B, O, width)
        params[:, last] -= move.flatten(1)
        tail[:, width:].baddbmm_(move, tail[:, :width], alpha=-1)

    def linearize(self, params: Tensor, values: Tensor) -> tuple[Tensor | None, Tensor]:
        """Return Jacobian and normal equations of networks `(B, P)`, given what `evaluate` returns for them.

        Returns:
            [J r]' times the roots of the weights, `(B, P + 1, O N)`; None where it would not stay in the cache. And
            J'J, J'r and the loss, `(B, P + 1, P + 1)`, on and below its diagonal: [J r]'[J r] over the number of
            residuals, with the ridge.
        """
        (batch, size), count = params.shape, self.n * self.outputs
        system = params.new_zeros(batch, size + 1, size + 1)
        kept = batch * (size + 1) * count <= _KEPT  # then it is one chunk
        for networks, parts in _chunks(batch, self.n, self.outputs * (size + 1), _KEPT if kept else _CHUNK):
            mine, total = params[networks], system[networks]
            for part in parts:
                seen = values[networks, :, part]
                jac = params.new_empty(mine.shape[0], size + 1, self.outputs, seen.shape[2])
                jacobian(self.topology, mine, self.inputs[:, part], seen, jac[:, :-1])
                jac[:, -1] = seen[:, -self.outputs :]
                if self.weight is not None:
                    jac *= self.weight[part].sqrt()
                jac = jac.flatten(2)
                for row in range(0, size + 1, _BLOCK):
                    below = slice(row, row + _BLOCK)
                    total[:, below, : below.stop].baddbmm_(jac[:, below], jac[:, : below.stop].mT)
        system *= 1 / count
        system[:, :-1, :-1].diagonal(dim1=1, dim2=2).add_(self.ridge)
        system[:, -1, :-1].add_(params, alpha=self.ridge)
        system[:, -1, -1].add_(params.square().sum(1), alpha=self.ridge)
        return (jac if kept else None), system

    def pull_back_bend(self, params: Tensor, values: Tensor, rows: Tensor | None, directions: Tensor) -> Tensor:
        """Return J'y'' / 2, y'' the outputs' second derivatives along directions.

        With the Jacobian at hand, y'' is a difference: of residuals a hundredth of the way ahead, and what the Jacobian
        says they are there. At 4-4 steps take up to a fifth less time with it, and errors are the same.

        Args:
            params: `(B, P)`.
            values: What `evaluate` returns for them.
            rows: What `linearize` returns for them.
            directions: `(B, F, P)`.

        Returns:
            `(B, F, P)`.
        """
        batch, count, _ = directions.shape
        if rows is not None:
            ahead = self.evaluate(torch.add(params[:, None], directions, alpha=_AHEAD).flatten(0, 1))
            residual = ahead[:, -self.outputs :]
            if self.weight is not None:
                residual = residual * self.weight.sqrt()
            curve = residual.reshape(batch, count, -1).baddbmm(directions, rows[:, :-1], alpha=-_AHEAD)
            curve -= rows[:, -1:]
            return (curve @ rows[:, :-1].mT).mul_(1 / (self.n * self.outputs * _AHEAD**2))
        total = torch.zeros_like(directions)
        for networks, parts in _chunks(batch, self.n, count * sum(self.topology.widths), _CHUNK):
            for part in parts:
                weight = None if self.weight is None else self.weight[part]
                seen = values[networks, :, part]
                pulled = bend(self.topology, params[networks], self.inputs[:, part], seen, directions[networks], weight)
                total[networks].add_(pulled)
        return total.mul_(1 / (self.n * self.outputs))


def damping_scale(diagonal: Tensor) -> Tensor:
    """Return what a damping is multiplied by, given a diagonal of J'J."""
    return diagonal.clamp_min(1e-8).sqrt_()


def _chunks(batch: int, rows: int, width: int, most: int) -> Iterator[tuple[slice, list[slice]]]:
    """Split networks, and pairs for each part of them, into chunks of at most so many numbers: `width` for each."""
    together = max(1, most // (rows * width))  # networks
    at_once = max(1, most // (min(together, batch) * width))
    parts = [slice(start, min(start + at_once, rows)) for start in range(0, rows, at_once)]
    for first in range(0, batch, together):
        yield slice(first, first + together), parts
