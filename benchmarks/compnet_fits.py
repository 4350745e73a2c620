"""Fits many functions at once from given starts, with Adam by the paper's protocol or with Levenberg-Marquardt.

Adam runs in float32 with gradients written out, in parts that fit a core's cache, to take minutes, not hours; the
parameters it keeps are assessed in float64. Levenberg-Marquardt is the package's, in float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from compnet_functions import PAIRS, Array, Sample
from torch import Tensor

from nstk.least_squares import Pairs
from nstk.mlp import forward, with_ones
from nstk.optimizers import FIRST_DAMPING, RIDGE, levenberg_marquardt
from nstk.topology import Topology

HIDDEN = (4, 4)
FLOOR = 1e-12  # of normalized errors
_EPOCHS, _RATE = 5000, 0.01  # the paper's
_CHECKS = (*range(0, _EPOCHS, 3), _EPOCHS)  # epochs after which the validation error is looked at, as in the paper
#: What a look counts as when epochs are counted: at the start at the first, and 5,000 at the last.
EPOCHS = (3, *_CHECKS[1:])
TRAIN = 819  # of 1,024 pairs, 80 %; the others choose which iterate is kept
_TOGETHER = 32  # networks whose activations fit a core's cache
_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # Adam's
_STEPS = 60
TURNS = 3  # starts that share the steps, if the first one does badly in its turn:
_MISSED = 0.01  # of the variance is left on the pairs that validate
STEPS = (1, *range(1, _STEPS + 1))  # what a look counts as when Levenberg-Marquardt steps are counted: at the start, 1


@dataclass(frozen=True)
class Race:
    """How a race spends its steps.

    Attributes:
        starts: That take part.
        heat: Steps of each.
        final: More steps of what validates best.
    """

    starts: int
    heat: int
    final: int


#: Of seven ways each to spend 240 steps these brought the lowest errors on the validation split.
RANDOM_RACE, COMPILED_RACE = Race(3, 30, 150), Race(12, 8, 144)
#: What the columns of Levenberg-Marquardt depend on; optimizers themselves go by name.
LM_PROTOCOL = (
    "geodesic acceleration by differences, output layers solved with the damping of the step",
    (FIRST_DAMPING, RIDGE),
    (_STEPS, TURNS, _MISSED),
    (RANDOM_RACE, COMPILED_RACE),
)


@dataclass(frozen=True, eq=False)
class Task:
    """B functions of equally many inputs, to be fitted on the same inputs and tested on others.

    Attributes:
        topology: Of all networks, one output.
        x: `(1024, I)`, normalized, in random order: the first 819 train, the others validate.
        y: `(B, 1024)`, standardized.
        test_x: `(T, I)`.
        test_y: `(B, T)`, standardized in the same way.
        mean: `(B,)` of the training outputs.
        scale: `(B,)` their standard deviation; 1 where they do not vary.
    """

    topology: Topology
    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor
    mean: Array
    scale: Array

    def nmse(self, params: Tensor) -> Tensor:
        """Return the normalized test errors `(B, S)` of parameters `(B, S, P)`."""
        return self.mse(params, self.test_x, self.test_y) / self.test_y.var(1, correction=0)[:, None]

    def mse(self, params: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return the errors `(B, S)` of parameters `(B, S, P)` at inputs `(N, I)` with outputs `(B, N)`."""
        got = forward(self.topology, params.flatten(0, 1), x)[..., 0].view(*params.shape[:2], -1)
        return (got - y[:, None]).square().mean(-1)


def make_task(samples: Sequence[Sample], probes: bool) -> Task:
    """Make the task of samples that share their inputs; every output is a function of its own.

    Args:
        samples: Of equally many inputs.
        probes: The 1,024 training pairs are the 256 probes and 768 of the pairs, not all of the pairs.
    """
    first = samples[0]
    shown = np.flatnonzero(first.probes.given) if probes else np.empty(0, np.int64)
    kept = PAIRS - len(shown)
    order = np.random.default_rng(0).permutation(PAIRS)
    x = np.concatenate([first.probes.x[shown], first.x[:kept]])[order]
    y = np.concatenate([np.concatenate([s.probes.y[shown], s.y[:kept]])[order].T for s in samples])  # (B, 1024)
    test_y = np.concatenate([s.test_y.T for s in samples])
    mean, deviation = y.mean(1), y.std(1)
    scale = np.where(deviation > 0, deviation, 1.0)
    return Task(
        Topology((x.shape[1], *HIDDEN, 1)),
        torch.tensor(x),
        torch.tensor((y - mean[:, None]) / scale[:, None]),
        torch.tensor(first.test_x),
        torch.tensor((test_y - mean[:, None]) / scale[:, None]),
        mean,
        scale,
    )


def take_best(params: Tensor, errors: Tensor) -> Tensor:
    """Return of parameters `(B, S, P)` those of least error `(B, S)`, as `(B, 1, P)`."""
    return params[torch.arange(len(params)), errors.argmin(1)][:, None]


def fit_with_adam(task: Task, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Fit with the paper's protocol: 5,000 epochs over all training pairs.

    Args:
        task: What is fitted.
        starts: `(B, S, P)`.

    Returns:
        Test errors `(B, S)` of the iterates of least validation error, and how they fell: test errors `(B, S, C)` of
        what was kept at the start and after epochs 3, 6, ..., 4998, 5000.
    """
    networks, each = starts.flatten(0, 1).float(), starts.shape[1]
    y, test_y = (values.float().repeat_interleave(each, 0)[:, None] for values in (task.y, task.test_y))  # (BS, 1, N)
    train_x, checked_x = (with_ones(x).float() for x in (task.x[:TRAIN], torch.cat([task.x[TRAIN:], task.test_x])))
    kept, curves = [], []
    for part in torch.arange(len(networks)).split(_TOGETHER):
        checked_y = torch.cat([y[part, :, TRAIN:], test_y[part]], 2)
        best, curve = _descend(task.topology, networks[part], train_x, y[part, :, :TRAIN], checked_x, checked_y)
        kept.append(best)
        curves.append(curve)
    best = torch.cat(kept).double().view_as(starts)
    return task.nmse(best), torch.cat(curves).view(*starts.shape[:2], -1)


def count_until(errors: Tensor, target: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the first of C counts at which errors `(B, S, C)` are down to targets `(B,)`, else the last."""
    met = errors <= target[:, None, None].clamp(min=FLOOR)
    first = torch.where(met.any(-1), met.int().argmax(-1), len(counts) - 1)
    return torch.tensor(counts, dtype=torch.float64)[first]


def fit_with_lm(task: Task, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Take 60 Levenberg-Marquardt steps from every start; like `fit_with_adam`, C is the number of `STEPS`."""
    _, errors = _follow(task, starts, _STEPS)
    return errors[..., -1], errors


def fit_in_turns(task: Task, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Take 60 Levenberg-Marquardt steps in all: the first start's, unless it leaves more than 1 % after its turn of 20.

    Args:
        task: What is fitted.
        starts: `(B, 3, P)`.

    Returns:
        What `fit_with_lm` does, of one start `(B, 1, P)`.
    """
    turn = _STEPS // TURNS
    valid, test = (found[:, 0] for found in _follow(task, starts[:, :1], _STEPS))  # (B, C)
    others = _follow(task, starts[:, 1:], turn)
    valid_turns, test_turns = (
        torch.cat([first[:, : turn + 1], other[..., 1:].flatten(1)], 1)
        for first, other in zip((valid, test), others, strict=True)
    )
    kept = test_turns.gather(1, valid_turns.cummin(1).indices)
    errors = torch.where(valid[:, turn, None] > _MISSED, kept, test)[:, None]
    return errors[..., -1], errors


def _follow(task: Task, starts: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return validation and test errors `(B, S, steps + 1)` of what is kept at each start `(B, S, P)` and later."""
    kept = [starts.flatten(0, 1)]
    _take_steps(task, starts, steps, kept.append)
    seen = [params.view_as(starts) for params in kept]
    valid = [task.mse(params, task.x[TRAIN:], task.y[:, TRAIN:]) for params in seen]
    return torch.stack(valid, -1), torch.stack([task.nmse(params) for params in seen], -1)


def race(task: Task, starts: Tensor, how: Race) -> Tensor:
    """Take steps from the first starts `(B, S, P)`, and more of what validates best; returns errors `(B, 1)`."""
    best = take_best(*_take_steps(task, starts[:, : how.starts], how.heat))
    return task.nmse(_take_steps(task, best, how.final)[0])


def _take_steps(
    task: Task, starts: Tensor, steps: int, watch: Callable[[Tensor], None] | None = None
) -> tuple[Tensor, Tensor]:
    """Take steps from starts `(B, S, P)`; returns the like and validation losses `(B, S)`.

    Which iterate is kept is decided after every step; `watch` is told it `(BS, P)`.
    """
    y = task.y.repeat_interleave(starts.shape[1], 0)[..., None]  # (BS, 1024, 1)
    ones = torch.ones(len(task.x), dtype=torch.float64)
    train = Pairs(task.x[:TRAIN], y[:, :TRAIN], ones[:TRAIN])
    valid = Pairs(task.x[TRAIN:], y[:, TRAIN:], ones[TRAIN:])
    fitted, loss = levenberg_marquardt(task.topology, starts.flatten(0, 1), train, valid, steps, look=1, watch=watch)
    return fitted.view_as(starts), loss.view(starts.shape[:2])


def _descend(
    topology: Topology, start: Tensor, train_x: Tensor, train_y: Tensor, checked_x: Tensor, checked_y: Tensor
) -> tuple[Tensor, Tensor]:
    """Run Adam on `(n, P)` starts; returns what validates best `(n, P)` and its test errors `(n, C)`.

    Args:
        topology: Of the networks.
        start: `(n, P)` float32.
        train_x: `(I + 1, N)`, ones last.
        train_y: `(n, 1, N)`.
        checked_x: `(I + 1, V + T)`: points that validate, then points that test.
        checked_y: `(n, 1, V + T)`.
    """
    validate = PAIRS - TRAIN
    variance = checked_y[:, 0, validate:].var(1, correction=0)
    weights = _split(topology, start)
    checks = frozenset(_CHECKS)
    first, second = ([torch.zeros_like(w) for w in weights] for _ in _BETAS)  # moments
    hidden, checked_hidden = (
        [torch.ones(len(start), width + 1, x.shape[1]) for width in topology.hidden] for x in (train_x, checked_x)
    )  # the last row is for the biases
    lowest, curve = torch.full((len(start),), torch.inf), []
    kept, kept_error = start.clone(), torch.full((len(start),), torch.inf)
    for epoch in range(_EPOCHS + 1):
        if epoch in checks:
            error = (_evaluate(weights, checked_x, checked_hidden) - checked_y).square_()[:, 0]
            valid, test = error[:, :validate].mean(1), error[:, validate:].mean(1) / variance
            better = valid < lowest
            lowest = torch.where(better, valid, lowest)
            kept_error = torch.where(better, test, kept_error)
            kept = torch.where(better[:, None], _join(weights), kept)
            curve.append(kept_error)
        slope = (_evaluate(weights, train_x, hidden) - train_y).mul_(2 / train_x.shape[1])
        for layer in range(len(weights) - 1, -1, -1):
            inputs = hidden[layer - 1] if layer else train_x
            gradient = slope @ inputs.mT  # (n, outputs, inputs + 1)
            if layer:
                active = inputs[:, :-1]
                slope = weights[layer][..., :-1].mT @ slope
                slope.mul_(active).addcmul_(slope, active, value=-1)
            m, v = first[layer], second[layer]
            m.lerp_(gradient, 1 - _BETAS[0])
            v.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
            rate, correction = _RATE / (1 - _BETAS[0] ** (epoch + 1)), (1 - _BETAS[1] ** (epoch + 1)) ** 0.5
            weights[layer].addcdiv_(m, (v.sqrt() / correction).add_(_EPSILON), value=-rate)
    return kept, torch.stack(curve, 1)


def _evaluate(weights: list[Tensor], x: Tensor, hidden: list[Tensor]) -> Tensor:
    """Return outputs `(n, 1, N)` on x `(I + 1, N)`; the hidden activations `(n, width + 1, N)` are overwritten."""
    h = x
    for weight, active in zip(weights, hidden, strict=False):
        torch.sigmoid(weight @ h, out=active[:, :-1])
        h = active
    return weights[-1] @ h


def _split(topology: Topology, params: Tensor) -> list[Tensor]:
    """Return each layer's weights with the biases as last column `(n, outputs, inputs + 1)`."""
    return [
        torch.cat([params[:, layer.weight].view(-1, layer.outputs, layer.inputs), params[:, layer.bias, None]], 2)
        for layer in topology.layers()
    ]


def _join(weights: list[Tensor]) -> Tensor:
    """Return the flat parameters `(n, P)` that `_split` split."""
    return torch.cat([part for w in weights for part in (w[..., :-1].flatten(1), w[..., -1])], 1)
