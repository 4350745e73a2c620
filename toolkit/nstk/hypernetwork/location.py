"""Where a program's outputs lie: mean and scale, as `Written.location` tells them."""

import torch
from torch import Tensor

_LEAST_REACH = 1e-18  # half of a range: smaller ones, and their inverses, are not known for sure


def is_known(reach: Tensor) -> Tensor:
    """Tell whether ranges `(B, 2)` have ends, apart `(B, 1)`."""
    half = reach[:, 1:] / 2 - reach[:, :1] / 2
    return (half > _LEAST_REACH) & (half < 1 / _LEAST_REACH)


def place_in(reach: Tensor | None, mean: Tensor, scale: Tensor) -> Tensor:
    """Return a location `(B, 2)`, see `Written`.

    Where it is known what range a formula can take, the network says where in it the outputs lie: twice a formula then
    has twice the mean and scale, whatever the network has learned.

    Args:
        reach: Least and greatest value `(B, 2)`.
        mean: Off the middle of the range, in scales `(B, 1)`.
        scale: Logarithm, relative to half the range `(B, 1)`.
    """
    if reach is not None:
        known = is_known(reach)
        low, high = reach[:, :1], reach[:, 1:]
        scale = scale + torch.where(known, high / 2 - low / 2, 1.0).log()
        mean = mean + torch.where(known, (low + high) / 2, 0.0) / scale.clamp(-60, 60).exp()
    return torch.cat([mean.asinh(), scale], 1)


def place(location: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the scale `(B,)` that a location `(B, 2)` stands for, see `Written`."""
    scale = location[:, 1].clamp(-60, 60).exp()
    return location[:, 0].clamp(-30, 30).sinh() * scale, scale


def locate(mean: Tensor, scale: Tensor) -> Tensor:
    """Return what `Written.location` should be `(B, 2)`."""
    return torch.stack([(mean / scale).asinh(), scale.log()], 1)
