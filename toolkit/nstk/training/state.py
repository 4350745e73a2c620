"""Checkpoints of a run under way: weights, their average, the optimizer's moments, and how far it has come.

One safetensors file, written beside the old one and renamed, so that a killed run leaves a whole one.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from nstk.errors import UsageError
from nstk.training.optimization import Optimizer

FILE = "training.safetensors"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")  # AdamW's, and Muon's


def save_state(
    folder: Path, model: nn.Module, average: dict[str, Tensor], optimizer: Optimizer, record: dict[str, Any]
) -> None:
    """Write a checkpoint.

    Args:
        folder: Of the run.
        model: Under training.
        average: Averaged parameters by name.
        optimizer: Of all of the model's parameters.
        record: Plain values that `load_state` gives back.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter.detach()
        tensors[f"average.{name}"] = average[name]
        for moment, value in optimizer.state_of(parameter).items():
            tensors[f"{moment}.{name}"] = value
    scratch = folder / f".{FILE}.part"
    kept = {name: tensor.clone().contiguous().cpu() for name, tensor in tensors.items()}
    save_file(kept, scratch, {"record": json.dumps(record, sort_keys=True)})
    scratch.replace(folder / FILE)


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of a checkpoint.

    Raises:
        UsageError: The file is damaged.
    """
    with _opened(folder) as file:
        return _record(folder, file)


def load_state(folder: Path, model: nn.Module, average: dict[str, Tensor], optimizer: Optimizer) -> dict[str, Any]:
    """Put a checkpoint into model, average and optimizer, and return its record.

    Raises:
        UsageError: The file is damaged or of another model.
    """
    try:
        with _opened(folder) as file:
            names = set(file.keys())
            for name, parameter in model.named_parameters():
                with torch.no_grad():
                    parameter.copy_(file.get_tensor(f"model.{name}"))
                    average[name].copy_(file.get_tensor(f"average.{name}"))
                found = [moment for moment in _MOMENTS if f"{moment}.{name}" in names]
                state = {moment: file.get_tensor(f"{moment}.{name}").to(parameter.device) for moment in found}
                optimizer.state_of(parameter).update(state)
            return _record(folder, file)
    except (SafetensorError, RuntimeError) as error:
        raise _damaged(folder, error) from None


def _opened(folder: Path) -> Any:
    try:
        return safe_open(folder / FILE, "pt")
    except (SafetensorError, OSError) as error:
        raise _damaged(folder, error) from None


def _record(folder: Path, file: Any) -> dict[str, Any]:
    try:
        found = json.loads(file.metadata()["record"])
        assert isinstance(found, dict)
    except (TypeError, KeyError, ValueError, AssertionError) as error:
        raise _damaged(folder, error) from None
    return found


def _damaged(folder: Path, error: Exception) -> UsageError:
    return UsageError(f"cannot go on from '{folder / FILE}': {error}", "remove it to start anew")
