"""How good a hypernetwork is before any fine-tuning, on functions of packages it was never trained on."""

import torch
from torch import Tensor

from nstk.hypernetwork.location import place
from nstk.hypernetwork.network import HyperNetwork
from nstk.hypernetwork.parameters import candidate_errors
from nstk.mlp import forward
from nstk.training.data import Batch, TrainingData

_BATCH = 256
_FLOOR = 1e-12


@torch.no_grad()
def zero_shot_errors(model: HyperNetwork, data: TrainingData, rows: Tensor, given: str) -> dict[str, Tensor]:
    """Return the nmse of compiled surrogates at points that no probe shows.

    Args:
        model: The network.
        data: Where the rows are.
        rows: `(n,)`.
        given: `probes` (and text), or `text` alone.

    Returns:
        For every covering topology, by name, `(n,)`. Of the candidates, the best on the probes counts, given or as the
        text predicts them; without either the first.
    """
    found: dict[str, list[Tensor]] = {str(topology): [] for topology in model.topologies}
    for part in torch.split(rows, _BATCH):
        batch = data.batch(part, text=model.config.use_text and data.reads_text)
        probes = batch.y[:, : data.probes]
        out = model(
            *(batch.text or [None] * 6), batch.centre, batch.half_width, batch.present,
            probes if given == "probes" else None, None, data.points[: data.probes],
        )  # fmt: skip
        known = probes if given == "probes" else out.probes
        hidden = data.points[data.probes :] if len(data.points) > data.probes else data.points
        target = batch.y[:, -len(hidden) :]
        for topology, written in zip(model.topologies, out.parameters, strict=True):
            choice = torch.zeros(len(part), dtype=torch.long, device=rows.device)
            if known is not None:
                choice = candidate_errors(topology, written, data.points[: data.probes], known).argmin(1)
            chosen = written[torch.arange(len(part), device=rows.device), choice]
            got = forward(topology, chosen, hidden)[..., 0]  # (B, N)
            if given == "text":
                got = _standardize(got, out.location, batch)
            error = (got - target).square().mean(1) / target.var(1, correction=0).clamp(min=_FLOOR)
            found[str(topology)].append(error)
    return {name: torch.cat(parts) for name, parts in found.items()}


def geometric_mean(errors: Tensor) -> float:
    """Return the geometric mean of errors `(n,)`, each at least 1e-12; NaN if there are none."""
    return float(errors.double().nan_to_num(1e6, 1e6).clamp(_FLOOR, 1e6).log().mean().exp())


def _standardize(got: Tensor, location: Tensor | None, batch: Batch) -> Tensor:
    """Return outputs `(B, N)` in units of the true standardization, from those of the one the text predicts."""
    mean, scale = 0.0 * batch.mean, torch.ones_like(batch.scale)
    if location is not None:
        mean, scale = place(location.float())
    return (got * scale[:, None] + (mean - batch.mean)[:, None]) / batch.scale[:, None]
