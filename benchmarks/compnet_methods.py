"""Where fits start from: random parameters, the paper's baselines, or what the hypernetwork writes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from compnet_fits import HIDDEN, TRAIN, Task, take_best
from compnet_functions import Sample
from torch import Tensor

from nstk.compilation import hypernetwork_digest, random_parameters
from nstk.corpus.inputs import PROBES
from nstk.hypernetwork.checkpoint import load_checkpoint
from nstk.hypernetwork.initialization import BASELINES, load_initialization
from nstk.hypernetwork.probing import Probes
from nstk.hypernetwork.proposal import Compiled, adopt, compile_with


class Methods:
    """What can propose starts here.

    Args:
        checkpoint: Folder of a hypernetwork.
        baselines: Folder with the folders `pretrained` and `maml`; those that are not there are left out.

    Attributes:
        names: `random`, the baselines, `compnet-text` (where the network reads text) and `compnet`.
    """

    def __init__(self, checkpoint: Path, baselines: Path) -> None:
        self._model, self._tokenizer = load_checkpoint(checkpoint)
        folders = {name: baselines / name for name in BASELINES if (baselines / name).is_dir()}
        self._initializations = {name: load_initialization(folder) for name, folder in folders.items()}
        self._digests = {name: hypernetwork_digest(str(folder)) for name, folder in folders.items()}
        reads = ("compnet-text", "compnet") if self._model.config.use_text else ("compnet",)
        self._digests |= dict.fromkeys(reads, hypernetwork_digest(str(checkpoint)))
        self.names = ("random", *folders, *reads)

    def digest(self, name: str) -> str:
        """Return a hash of the weights behind a method; empty for `random`."""
        return self._digests.get(name, "")

    def starts(
        self,
        name: str,
        task: Task,
        samples: Sequence[Sample],
        draws: int = 3,
        shown: int = PROBES,
        located: bool = False,
        raced: bool = False,
    ) -> Tensor:
        """Return what a method starts the B functions of a task from.

        Args:
            name: One of `names`.
            task: Of the samples.
            samples: What is compiled.
            draws: Number of random starts.
            shown: `compnet` is given the first so many probes.
            located: `compnet-text` says mean and scale of the outputs, too; else they come from the pairs.
            raced: Of `compnet`'s candidates the one that is best on the training pairs starts, as before a fit; else
                the one that is best on the probes. `compnet-text`'s is always the one the text is surest of.

        Returns:
            `(B, S, P)`: random draws, all networks of a baseline, or the hypernetwork's one.
        """
        if name == "random":
            count = len(task.y) * draws
            return torch.tensor(random_parameters(task.topology, count, 0)).view(len(task.y), draws, -1)
        if name in self._initializations:
            return _place(task, [adopt(self._initializations[name], sample.program) for sample in samples])
        proposals = self._compile(samples, 0 if name == "compnet-text" else shown)
        if name == "compnet-text" and not located:
            proposals = [replace(proposal, mean=None, scale=None) for proposal in proposals]
        candidates = _place(task, proposals)
        if name == "compnet-text":
            return candidates[:, :1]
        if raced:
            return _choose(task, candidates, task.x[:TRAIN], task.y[:, :TRAIN])
        known = torch.tensor(np.concatenate([proposal.y.T for proposal in proposals]))  # (B, N)
        target = (known - torch.tensor(task.mean)[:, None]) / torch.tensor(task.scale)[:, None]
        return _choose(task, candidates, torch.tensor(proposals[0].x), target)

    def candidates(self, task: Task, samples: Sequence[Sample]) -> Tensor:
        """Return all that the hypernetwork writes `(B, K, P)`, given text and probes."""
        return _place(task, self._compile(samples, PROBES))

    def turns(self, task: Task, samples: Sequence[Sample], count: int) -> Tensor:
        """Return candidates `(B, count, P)`: the best on the training pairs, others evenly from the better half."""
        candidates = self.candidates(task, samples)
        order = task.mse(candidates, task.x[:TRAIN], task.y[:, :TRAIN]).argsort(1)  # (B, K)
        ranks = np.linspace(0, order.shape[1] / 2 - 1, count).round().astype(int)
        return candidates.gather(1, order[:, ranks, None].expand(-1, -1, candidates.shape[2]))

    def _compile(self, samples: Sequence[Sample], shown: int) -> list[Compiled]:
        given = np.arange(PROBES) < shown
        found = []
        for sample in samples:
            probes = Probes(sample.probes.x, sample.probes.y, given) if shown else None
            found.append(compile_with(self._model, self._tokenizer, sample.program, probes))
        return found


def _place(task: Task, proposals: Sequence[Compiled]) -> Tensor:
    """Return the candidates `(B, K, P)` of every output of every program, in the task's standardization."""
    starts, done = [], 0
    for proposal in proposals:
        outputs = len(proposal.candidates[HIDDEN])
        own = slice(done, done := done + outputs)
        placed = proposal.starts(task.topology, task.mean[own], task.scale[own])  # (K * O, P), candidate by candidate
        starts.append(placed.reshape(-1, outputs, placed.shape[-1]).swapaxes(0, 1))
    return torch.tensor(np.concatenate(starts))


def _choose(task: Task, candidates: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the candidate `(B, 1, P)` of each function that is best at inputs `(N, I)` with outputs `(B, N)`."""
    return take_best(candidates, task.mse(candidates, x, y))
