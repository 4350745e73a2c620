"""New programs from old ones: what -f, f + g or sin(f) compute is known wherever f and g are, without running anything.

No text says what these programs do, so they teach only what reads probes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nstk.training.data import Batch

_MIXED, _WRAPPED = 0.25, 0.35  # shares of rows
_SPIKE = 30.0  # standard deviations; wrapped outputs that reach farther are not used


@dataclass(frozen=True)
class Changes:
    """What happens to each of B rows.

    Attributes:
        sign: 1 or -1 `(B, 1)`.
        angle: How much of another program is added, 0 for none `(B, 1)`.
        outer: Number of the function applied at the end, -1 for none `(B, 1)`.
        slope: Of its argument `(B, 1)`.
        offset: Of its argument `(B, 1)`.
    """

    sign: Tensor
    angle: Tensor
    outer: Tensor
    slope: Tensor
    offset: Tensor

    def of(self, part: slice) -> "Changes":
        """Return the changes of some rows."""
        return Changes(self.sign[part], self.angle[part], self.outer[part], self.slope[part], self.offset[part])


def draw_changes(size: int, generator: torch.Generator) -> Changes:
    """Draw changes for a batch of `size` rows."""

    def uniform() -> Tensor:
        return torch.rand(size, 1, generator=generator, device=generator.device)

    sign = torch.where(uniform() < 0.5, 1.0, -1.0)
    angle = torch.where(uniform() < _MIXED, uniform() * torch.pi / 2, 0.0)
    outer = torch.where(uniform() < _WRAPPED, (uniform() * len(_OUTER)).floor(), -1.0)
    return Changes(sign, angle, outer, torch.exp(2 * uniform() - 1.2), 3 * uniform() - 1.5)


def vary(batch: Batch, other: Batch, changes: Changes, probes: int) -> Batch:
    """Return a batch of changed programs; of what stands in it, `y` and `present` hold for them.

    Args:
        batch: B rows.
        other: B rows to add some of.
        changes: For these rows.
        probes: Number of the first points, which standardize.
    """
    y = changes.sign * (changes.angle.cos() * batch.y + changes.angle.sin() * other.y)
    present = torch.where(changes.angle > 0, torch.maximum(batch.present, other.present), batch.present)
    inner = changes.slope * y + changes.offset
    for number, function in enumerate(_OUTER):
        chosen = changes.outer == number
        y = torch.where(chosen, function(inner), y)
    shown = y[:, :probes]
    deviation = shown.std(1, correction=0, keepdim=True)
    y = (y - shown.mean(1, keepdim=True)) / deviation.clamp(min=1e-6)
    usable = (deviation > 1e-2) & (y.abs().amax(1, keepdim=True) < _SPIKE)
    present = torch.where(usable, present, batch.present)
    return replace(batch, y=torch.where(usable, y, batch.y), present=present)


_OUTER: tuple[Callable[[Tensor], Tensor], ...] = (
    torch.sin,
    torch.cos,
    torch.tanh,
    torch.square,
    torch.abs,
    torch.relu,
    torch.sigmoid,
    lambda x: x.clamp(max=4).exp(),
    lambda x: x.clamp(-1, 1),
    lambda x: x.abs().sqrt(),
    lambda x: x * x * x,
    lambda x: 1 / (1 + x * x),
    lambda x: x.abs().log1p(),
)
