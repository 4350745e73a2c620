"""Layers a hypernetwork is made of, how they are drawn, and the features its numbers are read by."""

import torch
from torch import Tensor, nn
from torch.nn import init

from nstk.topology import Topology

VALUE_FEATURES = 15


class Head(nn.Linear):
    """Writes K parameter vectors of one topology: `(B, width)` to `(B, K, P)`."""

    def __init__(self, width: int, candidates: int, topology: Topology) -> None:
        self.candidates, self.topology = candidates, topology
        super().__init__(width, candidates * topology.parameters)

    def forward(self, read: Tensor) -> Tensor:
        """Write for every program."""
        return super().forward(read).view(-1, self.candidates, self.topology.parameters)


class Silent(nn.Linear):
    """Adds nothing until it has learned to: what a trunk taught without text knows stays whole."""


class Block(nn.Module):
    """One residual block of the trunk."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = two_layers(width, width, width)

    def forward(self, state: Tensor) -> Tensor:
        """Read and add."""
        return state + self.layers(self.norm(state))  # type: ignore[no-any-return]


@torch.no_grad()
def initialize(module: nn.Module) -> None:
    """Draw a module's own parameters."""
    if isinstance(module, Silent):
        init.zeros_(module.weight)
        init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        init.kaiming_normal_(module.weight, nonlinearity="linear")
        if module.bias is not None:
            init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        init.ones_(module.weight)
        init.zeros_(module.bias)
    if isinstance(module, Head):
        init.normal_(module.weight, std=0.02)
        # What the network writes before it has learned anything is a random initialization.
        for layer in module.topology.layers():
            for part in (layer.weight, layer.bias):
                init.uniform_(
                    module.bias.view(module.candidates, -1)[:, part], -(layer.inputs**-0.5), layer.inputs**-0.5
                )


def two_layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Return two linear layers with a GELU between them."""
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, outputs))


def symlog(x: Tensor) -> Tensor:
    """Return sign(x) log(1 + |x|)."""
    return x.sign() * x.abs().log1p()


def value_features(values: Tensor) -> Tensor:
    """Return `(..., 15)` features of numbers: sign, size on several scales, and waves that tell close values apart."""
    size = values.abs().clamp(1e-12, 1e12).log()[..., None]  # (..., 1)
    waves = size * values.new_tensor([0.5, 1.0, 2.0, 4.0, 8.0])
    plain = [values.sign(), symlog(values), values.clamp(-1, 1), values.clamp(-10, 10) / 10]
    return torch.cat([torch.stack(plain, -1), size / 10, waves.sin(), waves.cos()], -1)
