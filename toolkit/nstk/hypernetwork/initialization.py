"""Initial parameters that are the same for every program: the paper's baselines, saved and read."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from nstk.errors import UsageError
from nstk.topology import Topology

FILE = "initialization.safetensors"
BASELINES = ("pretrained", "maml")


def save_initialization(starts: dict[Topology, NDArray[np.float32]], folder: Path) -> None:
    """Write starts `(S, P)` for each covering topology into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(save({str(topology): np.ascontiguousarray(a) for topology, a in starts.items()}))


def load_initialization(folder: Path) -> dict[Topology, NDArray[np.float32]]:
    """Read what `save_initialization` wrote.

    Raises:
        UsageError: The file is missing or damaged.
    """
    try:
        found = load((folder / FILE).read_bytes())
        starts = {Topology(tuple(int(width) for width in name.split("-"))): array for name, array in found.items()}
        for topology, array in starts.items():
            if array.dtype != np.float32 or array.shape[1:] != (topology.parameters,) or not np.isfinite(array).all():
                raise ValueError(f"{topology} has other parameters")
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(f"{folder}: cannot load an initialization ({error})", "nstk train writes one") from None
    return starts
