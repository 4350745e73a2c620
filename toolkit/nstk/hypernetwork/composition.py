"""Reads formulas upward: what a token stands for follows from its own word and numbers and from its operands.

One small network is applied level by level, operands first, so that a formula of any depth is read by what was learned
about single operations.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Composition(nn.Module):
    """Gives every token a state that stands for its subformula."""

    def __init__(self, width: int, wide: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(3 * width)
        self.layers = nn.Sequential(nn.Linear(3 * width, wide), nn.GELU(), nn.Linear(wide, width))

    def forward(self, embedded: Tensor, links: Tensor, levels: Tensor) -> Tensor:
        """Compute states.

        Args:
            embedded: Tokens `(B, T, width)`.
            links: Places of each token's operands `(B, T, 2)`, 0 for none.
            levels: Of the tokens `(B, T)`: above those of what they link to.

        Returns:
            `(B, T, width)`.
        """
        batch, length, width = embedded.shape
        order = levels.flatten().argsort(stable=True)
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device)
        start = torch.arange(batch, device=order.device)[:, None, None] * length
        # Where each operand stands among all states, lowest levels first; before them zeros for what is not there.
        operands = torch.where(links > 0, rank[links + start] + 1, 0).view(-1, 2)[order]
        counts = levels.flatten().bincount().tolist()
        tokens = embedded.reshape(-1, width)[order]
        first, _, last = self.layers
        states: Tensor = _Compose.apply(  # type: ignore[no-untyped-call]
            tokens, operands, counts, self.norm.weight, self.norm.bias, first.weight, first.bias, last.weight, last.bias
        )
        return states[rank].view(batch, length, width)


class _Compose(torch.autograd.Function):
    """Computes all levels in one buffer.

    Differentiated by torch, every level would copy all states below it, forward and backward, and add its own small
    product to the weights' gradients: reading takes half the time this way.
    """

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, operands: Tensor, counts: list[int], *weights: Tensor) -> Tensor:
        """Return states `(N, width)` of tokens `(N, width)`, whose operands `(N, 2)` count from 1."""
        device = tokens.device.type
        lower = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tokens.dtype
        scale, shift, *layers = weights
        w1, b1, w2, b2 = (w.to(lower) for w in layers)
        count, width = tokens.shape
        states = tokens.new_zeros(count + 1, width)
        x = tokens.new_empty(count, 3 * width)
        x[:, :width] = tokens
        kept: list[tuple[Tensor, ...]] = []
        with torch.autocast(device, enabled=False):
            for at in _slices(counts):
                row = x[at]
                row[:, width:] = states[operands[at]].flatten(1)
                normed, mean, deviation = torch.native_layer_norm(row, [3 * width], scale, shift, 1e-5)
                normed = normed.to(lower)
                hidden = torch.addmm(b1, normed, w1.T)
                active = nn.functional.gelu(hidden)
                states[1 + at.start : 1 + at.stop] = tokens[at] + torch.addmm(b2, active, w2.T)
                kept.append((normed, mean, deviation, hidden, active))
        ctx.counts, ctx.lower = counts, lower
        ctx.save_for_backward(
            operands, x, scale, shift, w1, w2, *(torch.cat(parts) for parts in zip(*kept, strict=True))
        )
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what `forward` was given."""
        operands, x, scale, shift, w1, w2, normed, mean, deviation, hidden, active = ctx.saved_tensors
        width = given.shape[1]
        states = torch.cat([given.new_zeros(1, width), given])  # gradients of all states, whole once all above are
        tokens = torch.empty_like(given)
        inner, outer = torch.empty_like(normed), torch.empty_like(hidden)
        shape = [3 * width]
        with torch.autocast(given.device.type, enabled=False):
            for at in reversed(list(_slices(ctx.counts))):
                own = states[1 + at.start : 1 + at.stop]
                outer[at] = torch.ops.aten.gelu_backward(own.to(ctx.lower) @ w2, hidden[at])
                inner[at] = outer[at] @ w1
                row, _, _ = torch.ops.aten.native_layer_norm_backward(
                    inner[at].to(x.dtype), x[at], shape, mean[at], deviation[at], scale, shift, [True, False, False]
                )
                tokens[at] = own + row[:, :width]
                states.index_add_(0, operands[at].flatten(), row[:, width:].reshape(-1, width))
            _, dscale, dshift = torch.ops.aten.native_layer_norm_backward(
                inner.to(x.dtype), x, shape, mean, deviation, scale, shift, [False, True, True]
            )
            last = states[1:].to(ctx.lower)
            of_layers = outer.T @ normed, outer.sum(0), last.T @ active, last.sum(0)
        return tokens, None, None, dscale, dshift, *(g.to(scale.dtype) for g in of_layers)


def _slices(counts: list[int]) -> Iterator[slice]:
    done = 0
    for count in counts:
        yield slice(done, done + count)
        done += count
