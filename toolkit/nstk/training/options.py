"""Options of a training run."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nstk.corpus.candidate import ORIGINS
from nstk.errors import UsageError
from nstk.hypernetwork.configuration import PRESETS


@dataclass(frozen=True)
class TrainOptions:
    """How to train.

    Attributes:
        preset: One of `configuration.PRESETS`.
        steps: Length of the run in optimizer steps; or
        minutes: its length in minutes, resumed parts added up.
        batch: Rows per step, over all processes.
        accumulate: Parts a batch is computed in, sorted by length of text; None: what is fast on the device.
        rate: Peak learning rate.
        seed: Of initialization and draws.
        device: `auto`, `cpu` or `cuda`.
        precision: `bfloat16` or `float32` for the network's products; `auto`: what the device is faster in.
        compiled: Use `torch.compile`.
        encoder: Folder of a pretrained text encoder.
        start: Folder of a hypernetwork whose weights to go on from, as far as shapes agree.
        stages: Names of the only stages to train in; none: all the preset has.
        checkpoint_seconds: Time between checkpoints.
        origins: Of the programs to train on, see `corpus.candidate.ORIGINS`.
        changes: Fields of the model's configuration, over the preset's.
    """

    preset: str = "compnet"
    steps: int | None = None
    minutes: float | None = None
    batch: int = 512
    accumulate: int | None = None
    rate: float = 1e-3
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    compiled: bool = False
    encoder: Path | None = None
    start: Path | None = None
    stages: tuple[str, ...] = ()
    checkpoint_seconds: float = 120.0
    origins: tuple[str, ...] = ORIGINS
    changes: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise UsageError(f"unknown preset '{self.preset}'", f"choose one of {', '.join(PRESETS)}")
        if (self.steps is None) == (self.minutes is None):
            raise UsageError("how long to train is not clear", "give --steps or --minutes")
        if not (self.steps or self.minutes or 0) > 0:
            raise UsageError("a run has at least one step", "give --steps or --minutes")
        if not self.origins or not set(self.origins) <= set(ORIGINS):
            raise UsageError(f"unknown origin in '{', '.join(self.origins)}'", f"choose of {', '.join(ORIGINS)}")
        if self.device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"unknown device '{self.device}'", "choose auto, cpu or cuda")
        if self.precision not in ("auto", "bfloat16", "float32"):
            raise UsageError(f"unknown precision '{self.precision}'", "choose auto, bfloat16 or float32")
        parts = 1 if self.accumulate is None else self.accumulate
        if self.batch < 1 or parts < 1 or self.batch % parts:
            raise UsageError(f"a batch of {self.batch} has no {parts} equal parts", "change --batch")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("no CUDA device here", "use --device cpu")

    def lasting(self) -> dict[str, Any]:
        """Return what must stay the same when a run is resumed."""
        left_out = ("device", "precision", "compiled", "checkpoint_seconds", "encoder", "start")
        values = {key: value for key, value in asdict(self).items() if key not in left_out}
        return json.loads(json.dumps(values))  # type: ignore[no-any-return]
