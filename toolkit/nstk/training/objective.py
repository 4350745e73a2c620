"""What a hypernetwork learns, stage by stage.

First the trunk learns to write parameters from probes, then the text encoder learns what the probes would be, which is
a dense target where the surrogate's error alone teaches attention nothing, and at last both learn together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nstk.hypernetwork.configuration import NetworkConfig
from nstk.hypernetwork.location import locate
from nstk.hypernetwork.network import HyperNetwork, Written
from nstk.hypernetwork.parameters import candidate_errors
from nstk.training.data import Batch

_FLOOR = 1e-6  # errors far below it are fine-tuning's business
_TEXT_FLOOR = 1e-3
_FITTED, _SHOWN, _HIDDEN = 96, 32, 64  # probes output layers are fitted to; points compared at: probes, and others
_MEAN_WEIGHT = 0.1  # of all candidates beside the best one, so that none dies out
_TEXT_ONLY, _SOME_PROBES = 0.35, 0.5  # cumulative shares of joint training
_FEW = 1 / 4
_PART_WEIGHT = 0.25  # of each subformula beside its whole


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        name: `trunk`, `text`, `joint` or `paper`.
        share: Of the whole run.
        rate: Peak learning rate relative to the run's.
        batch: Rows per step relative to the run's: reading text is learned in many steps, and takes most of the time.
        keeps: Parts of the network that stay as they are.
    """

    name: str
    share: float
    rate: float
    batch: float = 1.0
    keeps: tuple[str, ...] = ()

    @property
    def reads_text(self) -> bool:
        """Whether batches need tokens."""
        return self.name != "trunk"


def plan_stages(config: NetworkConfig) -> tuple[Stage, ...]:
    """Return the stages a configuration is trained in."""
    if not config.trunk_blocks:
        return (Stage("paper", 1.0, 1.0),)
    if not config.use_text:
        return (Stage("trunk", 1.0, 1.0),)
    if not config.use_probes:
        return (Stage("text", 0.7, 2.0, _FEW), Stage("joint", 0.3, 0.5, _FEW))
    # Rows that show no probes would cost the trunk some of what it knows.
    joint = Stage("joint", 0.1, 0.5, _FEW, keeps=("probe_entry", "blocks", "norm", "heads"))
    return (Stage("trunk", 0.35, 1.0), Stage("text", 0.55, 3.0, _FEW), joint)


@dataclass(frozen=True)
class Draws:
    """What chance decides about a batch of B rows.

    Attributes:
        given: 1 for probes that are shown `(B, 256)`.
        alone: Rows whose text alone is shown `(B,)`.
        head: Number of the one head each row teaches `(B,)`: surrogates cost more than the network that writes them.
        fit_at: Numbers of the probes that output layers are fitted to, the same for all rows: all would take longer.
        at: Numbers of the points compared at, some of those and some that no probe shows, the same for all rows.
    """

    given: Tensor
    alone: Tensor
    head: Tensor
    fit_at: Tensor
    at: Tensor

    def of(self, part: slice) -> "Draws":
        """Return the draws of some rows."""
        return Draws(self.given[part], self.alone[part], self.head[part], self.fit_at, self.at)


def draw(size: int, points: int, probes: int, heads: int, stage: Stage, generator: torch.Generator) -> Draws:
    """Draw for a batch of `size` rows with outputs at `points` points, the first `probes` of them probes."""
    device = generator.device
    kind, kept, turn = (torch.rand(size, 1, generator=generator, device=device) for _ in range(3))
    # Half of the rows teach the first head, the smallest surrogates: those need it most.
    head = (1 + (2 * turn[:, 0] - 1) * (heads - 1)).floor().clamp(0, heads - 1).long()
    some = torch.rand(size, probes, generator=generator, device=device) < kept
    shown = torch.randperm(probes, generator=generator, device=device)[:_FITTED]
    hidden = probes + torch.randperm(max(points - probes, 0), generator=generator, device=device)[:_HIDDEN]
    if stage.name == "joint":
        alone, partly = kind < _TEXT_ONLY, kind < _SOME_PROBES
    else:
        alone, partly = kind < 0, kind < _SOME_PROBES - _TEXT_ONLY
    given = (some | ~partly) & ~alone
    return Draws(given.float(), alone[:, 0], head, shown, torch.cat([shown[:_SHOWN], hidden]))


def compute_loss(
    model: HyperNetwork, batch: Batch, points: Tensor, stage: Stage, draws: Draws, autocast: bool
) -> Tensor:
    """Return the loss of each row `(B,)`.

    Args:
        model: The network, possibly compiled.
        batch: Rows.
        points: `(N, 9)`, the probes' first.
        stage: What is being learned.
        draws: For these rows.
        autocast: Run the network, not the surrogates, in bfloat16.
    """
    config = model.config
    y = batch.y
    probes = y[:, : config.probes]
    rows = tuple((draws.head == index).nonzero()[:, 0] for index in range(len(model.topologies)))
    teaches_outlook = stage.name in ("text", "joint")
    shows_probes = stage.name in ("trunk", "joint") and config.use_probes
    with torch.autocast(y.device.type, torch.bfloat16, enabled=autocast):
        out: Written = model(
            *(batch.text if stage.reads_text and batch.text is not None else [None] * 6),
            batch.centre,
            batch.half_width,
            batch.present,
            probes if shows_probes else None,
            draws.given if shows_probes else None,
            points[: config.probes],
            draws.fit_at,
            rows,
            writes=stage.name != "text",
            parts=batch.parts.places if batch.parts is not None and teaches_outlook else None,
        )
    loss = y.new_zeros(len(y))
    if teaches_outlook:
        assert out.probes is not None
        loss = loss + _outlook_loss(out.probes, out.location, probes, batch.mean, batch.scale)
        if out.parts is not None and batch.parts is not None:
            parts = batch.parts
            part_loss = _outlook_loss(*out.parts, parts.y, parts.mean, parts.scale)
            loss = loss.index_add(0, parts.places[:, 0], _PART_WEIGHT * part_loss)
    if stage.name == "text":
        return loss
    assert out.parameters is not None
    x, target = points[draws.at], y[:, draws.at]
    if stage.name == "paper":
        target = target * batch.scale[:, None] + batch.mean[:, None]
        return candidate_errors(model.topologies[0], out.parameters[0], x, target)[:, 0]
    for topology, parameters, mine in zip(model.topologies, out.parameters, rows, strict=True):
        errors = (candidate_errors(topology, parameters, x, target[mine]) + _FLOOR).log()  # (B_h, K)
        best = errors.min(1).values
        if out.probes is not None:
            # With probes the best candidate can be told, without them the one that is best on what the text predicts.
            shown = draws.at[:_SHOWN]
            likely = candidate_errors(topology, parameters, points[shown], out.probes[mine][:, shown]).argmin(1)
            best = torch.where(draws.alone[mine], errors.gather(1, likely[:, None])[:, 0], best)
        loss = loss.index_add(0, mine, best + _MEAN_WEIGHT * errors.mean(1))
    return loss


def _outlook_loss(predicted: Tensor, location: Tensor | None, probes: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Return how far the text's idea of probes `(B, 256)` is off: their shape, their place, and both together."""
    loss = ((predicted - probes).square().mean(1) + _TEXT_FLOOR).log()
    if location is None:
        return loss
    true = locate(mean, scale)
    apart = functional.smooth_l1_loss(location, true, reduction="none").sum(1)
    size = (location[:, 1] - true[:, 1]).clamp(-8, 8).exp()  # relative to the true one
    off = location[:, 0].clamp(-20, 20).sinh() * size - true[:, 0].sinh()
    whole = (predicted * size[:, None] + off[:, None] - probes).square().mean(1)
    return 0.5 * loss + apart + (whole + _TEXT_FLOOR).log()
