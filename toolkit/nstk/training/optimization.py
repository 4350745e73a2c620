"""The optimizer: Muon for the matrices that read text, AdamW for everything else.

Orthogonalized steps teach the reading network two to three times faster (Jordan et al., "Muon", 2024; steps scaled to
AdamW's as in Liu et al., "Muon is scalable for LLM training", 2025), so that one learning rate serves both.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_DECAY = 0.01
_READING = ("composition.layers", "encoder.layers", "outlook.0")  # beginnings of names


class Optimizer:
    """Muon and AdamW over one model's parameters.

    Args:
        parameters: By name.
        reads_formulas: Use Muon; the paper's configuration is trained with AdamW alone.
    """

    def __init__(self, parameters: Mapping[str, Tensor], reads_formulas: bool) -> None:
        matrices = {n for n, p in parameters.items() if reads_formulas and p.ndim == 2 and n.startswith(_READING)}
        others = [p for n, p in parameters.items() if n not in matrices]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=_DECAY, fused=True)
        ]
        if matrices:
            chosen = [p for n, p in parameters.items() if n in matrices]
            self._parts.append(
                torch.optim.Muon(chosen, momentum=0.95, weight_decay=_DECAY, adjust_lr_fn="match_rms_adamw")
            )
        self._of = {id(p): part for part in self._parts for group in part.param_groups for p in group["params"]}

    def state_of(self, parameter: Tensor) -> dict[str, Any]:
        """Return the moments of a parameter, empty before its first step; what is put in is used."""
        state: dict[str, Any] = self._of[id(parameter)].state[parameter]
        return state

    def set_rate(self, rate: float) -> None:
        """Set the learning rate."""
        for part in self._parts:
            part.param_groups[0]["lr"] = rate

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for part in self._parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Take a step along the gradients."""
        for part in self._parts:
            part.step()
