"""Fine-tuning: initial parameters and input-output pairs in, fitted networks out.

Starts race: every stage fits what is left of the field for a while and keeps the best on validation pairs. Budgets are
iterations, never seconds, so equal arguments give equal networks on one machine.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from nstk.errors import UsageError
from nstk.least_squares import Pairs
from nstk.optimizers import RIDGE, adam, levenberg_marquardt
from nstk.options import OPTIMIZERS
from nstk.topology import Topology

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """One heat of the race.

    Attributes:
        survivors: Networks that start it (the best of the stage before).
        pairs: Training pairs used, the first ones of the set.
        iterations: Optimizer steps at most.
    """

    survivors: int
    pairs: int
    iterations: int


#: The race of each rung at effort `normal`: about 0.3, 2, 7 and 11 seconds on one core for one output.
_RACES: dict[tuple[int, ...], tuple[Stage, ...]] = {
    (4, 4): (Stage(32, 192, 10), Stage(8, 384, 30), Stage(3, 2048, 120)),
    (8, 8): (Stage(16, 1024, 20), Stage(4, 3072, 60), Stage(2, 3072, 140)),
    (16, 16): (Stage(8, 2048, 20), Stage(3, 4096, 40), Stage(1, 4096, 80)),
    (32, 32): (Stage(2, 2048, 10), Stage(1, 4096, 25)),
}


#: The race with compiled starts, a quarter to a third of the work: fewer starts, steps and pairs. At 4-4 chosen on
#: formulas of physics and engineering that are no examples, the last heat's length so that builds take a third of the
#: time of random starts; else on the validation packages.
_COMPILED_RACES: dict[tuple[int, ...], tuple[Stage, ...]] = {
    (4, 4): (Stage(8, 192, 20), Stage(4, 384, 45), Stage(1, 1024, 45)),
    (8, 8): (Stage(12, 512, 15), Stage(3, 1536, 40), Stage(1, 3072, 120)),
    (16, 16): (Stage(6, 1024, 12), Stage(2, 2048, 20), Stage(1, 4096, 60)),
}

#: Validation pairs for each training pair of a heat, as far as there are: early heats need no more to be judged.
_VALIDATING = 4


def race_stages(hidden: tuple[int, ...], effort: str, inputs: int, compiled: bool = False) -> tuple[Stage, ...]:
    """Return the race for a rung of the ladder.

    `quick` takes a third of the iterations and of the field, `high` three times as many. With more than four inputs
    the last stages use twice the pairs: at 1,500 a 9-4-4-1 network starts to learn them by heart.
    """
    field = {"quick": 1 / 3, "normal": 1.0, "high": 3.0}[effort]
    pairs = 2 if inputs > 4 and hidden != (32, 32) else 1
    return tuple(
        Stage(
            max(1, round(stage.survivors * field)),
            stage.pairs * pairs,
            max(5, round(stage.iterations * field)),
        )
        for stage in (_COMPILED_RACES if compiled else _RACES)[hidden]
    )


def race(
    topology: Topology,
    starts: Array,
    x: Array,
    y: Array,
    x_valid: Array,
    y_valid: Array,
    stages: Sequence[Stage],
    optimizer: str = "lm",
    ridge: float = RIDGE,
) -> tuple[Array, Array]:
    """Fit networks from several starts and return the finalists, best first.

    A topology with one output and several targets means one network per target: they are fitted in one batch, each
    with its own field of starts.

    Args:
        topology: Of every network.
        starts: `(S, P)` initial parameters, for every target the same.
        x: `(N, I)` normalized training inputs.
        y: `(N, O)` standardized training outputs.
        x_valid: `(V, I)` validation inputs, drawn apart.
        y_valid: `(V, O)`.
        stages: Heats, in order; fields larger than what is left are cut to it.
        optimizer: `lm`, or `adam` for the paper's protocol: one heat of 5,000 epochs over all starts.
        ridge: Of `lm`, see `optimizers`.

    Returns:
        Parameters `(G, K, P)` and validation losses `(G, K)`, sorted, where `G` counts the networks (targets, or 1 for
        a shared network) and `K` the finalists.
    """
    # Small solves gain nothing from threads, and on a busy machine waiting for each other costs them tenfold.
    torch.set_num_threads(1 if topology.parameters < 400 else max(1, os.cpu_count() or 1))
    if optimizer not in OPTIMIZERS:
        raise UsageError(f"unknown optimizer '{optimizer}'", f"choose one of {', '.join(OPTIMIZERS)}")
    separate = topology.widths[-1] == 1 and y.shape[1] > 1
    groups = y.shape[1] if separate else 1
    params = torch.tensor(starts).repeat(groups, 1)  # (G*S, P), group by group
    field = len(starts)
    train, valid = _pairs(x, y, separate), _pairs(x_valid, y_valid, separate)
    loss = torch.zeros(len(params), dtype=torch.float64)
    fit = partial(levenberg_marquardt, ridge=ridge) if optimizer == "lm" else adam
    heats = stages if optimizer == "lm" else [Stage(field, len(x), 5000)]
    for heat in heats:
        keep = min(heat.survivors, field)
        order = loss.view(groups, field).argsort(dim=1, stable=True)[:, :keep]  # (G, keep)
        params = (
            params.view(groups, field, -1).gather(1, order[..., None].expand(-1, -1, params.shape[-1])).flatten(0, 1)
        )
        field = keep
        owner = torch.arange(groups).repeat_interleave(field)
        fitted, judges = train.head(heat.pairs), valid.head(_VALIDATING * heat.pairs)
        params, loss = fit(topology, params, fitted.of(owner), judges.of(owner), heat.iterations)
    loss, order = loss.view(groups, field).sort(dim=1, stable=True)
    ranked = params.view(groups, field, -1).gather(1, order[..., None].expand(-1, -1, params.shape[-1]))
    return ranked.numpy(), loss.numpy()


def refit(
    topology: Topology, params: Array, x: Array, y: Array, weight: Array, iterations: int, ridge: float = RIDGE
) -> Array:
    """Continue one network on weighted pairs, without early stopping.

    Args:
        topology: Of the network.
        params: `(P,)`.
        x: `(N, I)` normalized inputs, the hard ones among them.
        y: `(N, O)` standardized outputs of this network.
        weight: `(N,)` mean 1.
        iterations: Levenberg-Marquardt steps at most.
        ridge: See `optimizers`.

    Returns:
        Parameters `(P,)`.
    """
    pairs = Pairs(torch.tensor(x), torch.tensor(y), torch.tensor(weight))
    fitted, _ = levenberg_marquardt(topology, torch.tensor(params)[None], pairs, pairs, iterations, ridge=ridge)
    return fitted[0].numpy()


def _pairs(x: Array, y: Array, separate: bool) -> Pairs:
    target = torch.tensor(y.T[:, :, None] if separate else y)  # (G, N, 1) or (N, O)
    return Pairs(torch.tensor(x), target, torch.ones(len(x), dtype=torch.float64))
