"""Reads formulas upward: what a token stands for follows from its own word and numbers and from its operands.

One small network is applied level by level, operands first, so that a formula of any depth is read by what was learned
about single operations.
"""

import torch
from torch import Tensor, nn


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
        tokens = embedded.reshape(-1, width)[order]
        states = tokens.new_zeros(1, width)
        done = 0
        for count in levels.flatten().bincount().tolist():
            own = tokens[done : done + count]
            both = states[operands[done : done + count]].flatten(1)
            states = torch.cat([states, own + self.layers(self.norm(torch.cat([own, both], 1)))])
            done += count
        return states[rank + 1].view(batch, length, width)
