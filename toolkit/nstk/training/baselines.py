"""The paper's baselines: one initialization for all programs, pretrained on all of them, or learned by MAML.

MAML: C. Finn, P. Abbeel, S. Levine, "Model-agnostic meta-learning for fast adaptation of deep networks", ICML 2017,
with the gradient through the inner step. Each program's points are drawn twice: one set adapts, the other evaluates.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from nstk.corpus.pack import read_pack
from nstk.errors import UsageError
from nstk.hypernetwork.configuration import NetworkConfig
from nstk.hypernetwork.initialization import BASELINES, save_initialization
from nstk.hypernetwork.network import covering_topologies
from nstk.hypernetwork.parameters import candidate_errors, prune_absent
from nstk.topology import Topology
from nstk.training.data import TrainingData

_RATE = 0.01  # the paper's, of Adam and of MAML's inner step
_POINTS = 128


def train_baseline(
    pack: Path,
    out: Path,
    method: str,
    steps: int,
    *,
    batch: int = 256,
    starts: int = 3,
    seed: int = 0,
    progress: Callable[[float, str], None] = lambda share, text: None,
) -> dict[str, float]:
    """Learn a baseline's initial parameters for every covering topology.

    Args:
        pack: File that `nstk corpus pack` wrote.
        out: Gets `model/initialization.safetensors`.
        method: `pretrained` or `maml`.
        steps: Optimizer steps.
        batch: Programs per step.
        starts: Networks trained side by side from different random starts.
        seed: Of starts and draws.
        progress: Told the share done and the loss.

    Returns:
        The last loss for each topology: mean squared error of standardized outputs, for `maml` after the inner step.

    Raises:
        UsageError: The method is unknown, or the pack cannot be read.
    """
    if method not in BASELINES:
        raise UsageError(f"unknown baseline '{method}'", f"choose one of {', '.join(BASELINES)}")
    config = NetworkConfig()
    data = TrainingData(read_pack(pack), config, None, torch.device("cpu"))
    topologies = covering_topologies(config)
    generator = torch.Generator().manual_seed(seed)
    shared = [_random_starts(topology, starts, generator).requires_grad_() for topology in topologies]
    optimizer = torch.optim.Adam(shared, lr=_RATE)
    losses: dict[str, float] = {}
    for step in range(steps):
        rows = data.batch(data.draw(batch, generator), text=False)
        first, second = torch.randperm(len(data.points), generator=generator)[: 2 * _POINTS].chunk(2)
        optimizer.zero_grad()
        for topology, start in zip(topologies, shared, strict=True):
            params = prune_absent(topology, start.expand(batch, -1, -1), rows.present)  # (B, S, P)
            if method == "maml":
                errors = candidate_errors(topology, params, data.points[first], rows.y[:, first])
                [gradient] = torch.autograd.grad(errors.sum(), params, create_graph=True)
                params = params - _RATE * gradient
            loss = candidate_errors(topology, params, data.points[second], rows.y[:, second]).mean(0)  # (S,)
            loss.sum().backward()  # type: ignore[no-untyped-call]
            losses[str(topology)] = float(loss.mean().detach())
        optimizer.step()
        progress((step + 1) / steps, f"{method}: step {step + 1}, loss {losses[str(topologies[0])]:.3f}")
    save_initialization(
        {topology: start.detach().numpy() for topology, start in zip(topologies, shared, strict=True)}, out / "model"
    )
    return losses


def _random_starts(topology: Topology, count: int, generator: torch.Generator) -> Tensor:
    """Draw `(count, P)` as torch's `nn.Linear` does by default."""
    start = torch.empty(count, topology.parameters)
    for layer in topology.layers():
        for part in (layer.weight, layer.bias):
            start[:, part].uniform_(-(layer.inputs**-0.5), layer.inputs**-0.5, generator=generator)
    return start
