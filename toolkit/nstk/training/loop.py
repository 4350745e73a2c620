"""The training loop: stages, schedule, averaging, checkpoints, and what was measured on the way.

Several processes (`torchrun`, `accelerate launch`) each take a part of every batch and add up their gradients, so that
they learn what one process would.
"""

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from nstk.corpus.pack import read_pack
from nstk.errors import UsageError
from nstk.hypernetwork.checkpoint import load_encoder, load_weights, load_word_pieces, save_checkpoint
from nstk.hypernetwork.configuration import PRESETS, NetworkConfig
from nstk.hypernetwork.network import HyperNetwork
from nstk.hypernetwork.tokenization import ProgramTokenizer, build_tokenizer, train_word_pieces
from nstk.training.assessment import geometric_mean, zero_shot_errors
from nstk.training.data import TrainingData
from nstk.training.hardware import measure_peak, prefers_bfloat16
from nstk.training.journal import Journal
from nstk.training.objective import Draws, Stage, compute_loss, draw, plan_stages
from nstk.training.optimization import Optimizer
from nstk.training.options import TrainOptions
from nstk.training.state import FILE, load_state, read_record, save_state
from nstk.training.variation import Changes, draw_changes, vary

Progress = Callable[[float, str], None]

_WARM_UP, _LOWEST = 0.03, 0.02  # of a stage; of its learning rate
_AVERAGE = 0.999
_CLIP = 1.0
_LOG_STEPS, _VALIDATION_STEPS, _VALIDATION_ROWS = 20, 1000, 2048
_PAD_TO = 64
_ROWS_OF_TEXT = {"cpu": 128, "cuda": 512}  # at once: sorted by length they need little padding, and fit the caches
_SORTED = 16  # batches of text that are drawn together, and made of rows of like length


def train(
    pack: Path, out: Path, options: TrainOptions, progress: Progress = lambda share, text: None
) -> dict[str, Any]:
    """Train a hypernetwork; killed anywhere, the same call goes on.

    Args:
        pack: File that `nstk corpus pack` wrote.
        out: Gets `model/`, `training.safetensors`, `curves.jsonl` and, where it is installed, `tensorboard/`.
        options: How.
        progress: Told the share done and what is going on.

    Returns:
        Steps, seconds, last validation, throughput, the folder of the model, and the names of the weights that
        `options.start` did not have.

    Raises:
        UsageError: The pack cannot be read, or `out` holds a run with other options.
    """
    run = _Run(pack, out, options, progress)
    try:
        return run.complete()
    finally:
        run.close()


class _Run:
    def __init__(self, pack: Path, out: Path, options: TrainOptions, progress: Progress) -> None:
        self.out, self.options, self.progress = out, options, progress
        self.journal: Journal | None = None
        self.rank, self.world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        if options.batch % (self.world * (options.accumulate or 1)):
            raise UsageError(
                f"a batch of {options.batch} cannot be split over {self.world} processes", "change --batch"
            )
        cuda = options.device != "cpu" and torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
        self.joined = self.world > 1 and not dist.is_initialized()
        if cuda:
            torch.cuda.set_device(self.device)
        if self.joined:
            dist.init_process_group("nccl" if cuda else "gloo")
        contents = read_pack(pack)
        self.digest = hashlib.sha256(pack.read_bytes()).hexdigest()
        torch.manual_seed(options.seed)
        self.model, self.tokenizer, self.drawn = _new_model(contents.texts, options)
        if self.drawn:
            progress(0.0, f"{options.start} has no weights that fit {', '.join(self.drawn)}: drawn anew")
        self.model.to(self.device).train()
        self.stages = _choose_stages(plan_stages(self.model.config), options.stages)
        self.data = TrainingData(
            contents,
            self.model.config,
            self.tokenizer if self.model.config.use_text else None,
            self.device,
            options.origins,
            lambda share: progress(0.0, f"reading texts, {share:.0%}"),
            reads_text=any(stage.reads_text for stage in self.stages),
        )
        self.bfloat16 = options.precision == "bfloat16"
        if options.precision == "auto":
            self.bfloat16 = prefers_bfloat16(self.device)
        self.network: Any = torch.compile(self.model) if options.compiled else self.model
        # Once: walking the modules takes 2 % of a step.
        self.parameters: dict[str, Tensor] = dict(self.model.named_parameters())
        self.optimizer = Optimizer(self.parameters, self.model.config.composes)
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.step, self.elapsed, self.rate = 0, 0.0, 0.0
        self.losses: list[Tensor] = []  # of steps not yet logged
        out.mkdir(parents=True, exist_ok=True)
        if (out / FILE).exists():
            self._resume()
        if self.rank == 0:
            self.journal = Journal(out, self.step)
        self.flops: dict[str, float] = {}
        self.peak = measure_peak(self.device, self.bfloat16)

    def complete(self) -> dict[str, Any]:
        began = last_saved = last_logged = time.perf_counter()
        before = self.elapsed
        first, counted, validation = self.step, 0, {}
        while (share := self._share()) < 1:
            stage, place = self._stage(share)
            self.losses.append(self._advance(stage, place))
            self.step += 1
            counted += 1
            now = time.perf_counter()
            self.elapsed = self._agreed(before + now - began)
            over = self._share() >= 1
            if self.step % _LOG_STEPS == 0 or over:
                rate = counted / (now - last_logged)
                values = {
                    "loss": float(torch.stack(self.losses).mean()),
                    "programs_per_second": rate * self._size(stage),
                }
                values |= {"learning_rate": self.rate}
                values |= {"flops_per_second": rate * self.flops[stage.name]}
                values |= {"share_of_peak": values["flops_per_second"] / self.peak}
                self._log(stage.name, values)
                self.progress(self._share(), self._describe(stage, values, self._share()))
                last_logged, counted, self.losses = now, 0, []
            if (
                self.step % round(_VALIDATION_STEPS / stage.batch) == 0
                or over
                or self._stage(self._share())[0] != stage
            ):
                validation = self._validate()
                self._log("validation", validation)
                last_logged, counted = time.perf_counter(), 0
            if over or time.perf_counter() - last_saved > self.options.checkpoint_seconds:
                self._save()
                last_saved = last_logged = time.perf_counter()
                counted = 0
        if self.rank == 0:
            self._export()
        return {
            "folder": str(self.out / "model"),
            "steps": self.step,
            "steps_now": self.step - first,
            "seconds": self.elapsed,
            "pack": self.digest,
            "matmul_peak": self.peak,
            "validation": validation or self._validate(),
            "drawn": self.drawn,
        }

    def close(self) -> None:
        if self.journal is not None:
            self.journal.close()
        if self.joined:
            dist.destroy_process_group()

    def _share(self) -> float:
        if self.options.steps is not None:
            return self.step / self.options.steps
        assert self.options.minutes is not None
        return self.elapsed / (60 * self.options.minutes)

    def _stage(self, share: float) -> tuple[Stage, float]:
        """Return the stage at a share of the run, and the share of that stage."""
        start = 0.0
        for stage in self.stages:
            if share < start + stage.share or stage is self.stages[-1]:
                return stage, min(1.0, (share - start) / stage.share)
            start += stage.share
        raise AssertionError("shares add up to 1")

    def _advance(self, stage: Stage, place: float) -> Tensor:
        """Make one step; returns the loss over the whole batch."""
        options, size = self.options, self._size(stage)
        for name, parameter in self.parameters.items():
            parameter.requires_grad_(not name.startswith(stage.keeps))
        seed = options.seed * 2**32 + self.step
        generator = torch.Generator(self.device).manual_seed(seed)
        rows = self._texts(size, self.step) if stage.reads_text else self.data.draw(size, generator)
        # Programs made of others have no text.
        made = (self.data.draw(size, generator), draw_changes(size, generator)) if stage.name == "trunk" else None
        heads = len(self.model.topologies)
        draws = draw(size, len(self.data.points), self.data.probes, heads, stage, generator)
        self.rate = options.rate * stage.rate * _schedule(place)
        self.optimizer.set_rate(self.rate)
        self.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        share = self._rows_at_once(stage)
        if stage.name not in self.flops:
            self._count(stage, rows, draws, made)
        torch.manual_seed(seed)  # of dropout
        for start in range(0, size, share):
            part = slice(start + self.rank, start + share, self.world)
            loss = self._loss(self.network, stage, part, rows, draws, made).sum() / size
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        parameters = list(self.parameters.values())
        self._share_gradients(parameters)
        self._add_up([*(p.grad for p in parameters if p.grad is not None), total])
        torch.nn.utils.clip_grad_norm_(parameters, _CLIP, foreach=True)
        self.optimizer.step()
        weight = 1 - min(_AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), parameters, weight)
        return total

    def _loss(
        self, network: Any, stage: Stage, part: slice, rows: Tensor, draws: Draws, made: tuple[Tensor, Changes] | None
    ) -> Tensor:
        """Return the losses of some of a batch's rows."""
        batch = self.data.batch(rows[part], stage.reads_text, _PAD_TO if self.options.compiled else 1)
        if made is not None:
            others, changes = made
            batch = vary(batch, self.data.batch(others[part], text=False), changes.of(part), self.data.probes)
        return compute_loss(network, batch, self.data.points, stage, draws.of(part), self.bfloat16)

    def _count(self, stage: Stage, rows: Tensor, draws: Draws, made: tuple[Tensor, Changes] | None) -> None:
        """Count the floating-point operations of a step, over all processes; of texts, which differ, the mean."""
        share, steps = self._rows_at_once(stage), range(self.step, self.step + _SORTED)
        batches = [self._texts(len(rows), step) for step in steps] if stage.reads_text else [rows]
        with FlopCounterMode(display=False) as counter:
            for batch in batches:
                for start in range(0, len(batch), share):
                    part = slice(start, start + share)
                    self._loss(self.model, stage, part, batch, draws, made).sum().backward()  # type: ignore[no-untyped-call]
        self.flops[stage.name] = float(counter.get_total_flops()) / len(batches)
        self.optimizer.zero_grad()

    def _size(self, stage: Stage) -> int:
        """Return the rows of a step, over all processes and parts."""
        parts = self.world * (self.options.accumulate or 1)
        return math.ceil(self.options.batch * stage.batch / parts) * parts

    def _texts(self, size: int, step: int) -> Tensor:
        """Draw the rows of a step for reading: they differ little in length, and need little padding."""
        turn, place = divmod(step, _SORTED)
        generator = torch.Generator(self.device).manual_seed((self.options.seed + 1) * 2**32 - 1 - turn)
        rows = self.data.by_length(self.data.draw(size * _SORTED, generator, text=True))
        order = torch.randperm(_SORTED, generator=generator, device=self.device)
        return rows.view(_SORTED, size)[order[place]]

    def _rows_at_once(self, stage: Stage) -> int:
        """Return the rows of a batch, over all processes, that are computed at once."""
        size = self._size(stage)
        if self.options.accumulate is not None:
            return size // self.options.accumulate
        few = _ROWS_OF_TEXT[self.device.type] * self.world
        return few if stage.reads_text and size % few == 0 else size

    def _share_gradients(self, parameters: list[Tensor]) -> None:
        """Give a gradient to what another process has one for: not every process has text without formula to read."""
        if self.world == 1:
            return
        used = torch.tensor([p.grad is not None for p in parameters], device=self.device).float()
        dist.all_reduce(used)
        for parameter, count in zip(parameters, used.tolist(), strict=True):
            if count and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def _add_up(self, tensors: list[Tensor]) -> None:
        """Replace tensors by their sums over all processes."""
        if self.world == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def _agreed(self, value: float) -> float:
        """Return the first process's value: all must change stage at the same step."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)

    def _validate(self) -> dict[str, float]:
        """Return geometric means of the averaged model's zero-shot nmse on held-out real functions."""
        rows = self.data.validation[:_VALIDATION_ROWS]
        if not len(rows):
            return {}
        if not hasattr(self, "novel"):
            self.novel = ~self.data.seen_behaviours(rows)
        with _averaged(self.model, self.average):
            found: dict[str, float] = {}
            for given, known in (("probes", self.model.config.use_probes), ("text", self.data.reads_text)):
                if known:
                    for name, errors in zero_shot_errors(self.model, self.data, rows, given).items():
                        found[f"{given}/{name}/all"] = geometric_mean(errors)
                        found[f"{given}/{name}/unseen"] = geometric_mean(errors[self.novel])
        return found

    def _describe(self, stage: Stage, values: dict[str, float], share: float) -> str:
        left = self.elapsed * (1 - share) / max(share, 1e-9)
        speed = f"{values['programs_per_second']:,.0f} programs/s, {100 * values['share_of_peak']:.0f} % of peak"
        return f"{stage.name}: step {self.step}, loss {values['loss']:.3f}, {speed}, {left / 60:.0f} min left"

    def _log(self, group: str, values: dict[str, float]) -> None:
        if self.journal is not None:
            self.journal.write(self.step, group, values)

    def _save(self) -> None:
        if self.rank == 0:
            record = {
                "step": self.step,
                "elapsed": self.elapsed,
                "losses": [float(loss) for loss in self.losses],
                "options": self.options.lasting(),
                "pack": self.digest,
            }
            save_state(self.out, self.model, self.average, self.optimizer, record)

    def _resume(self) -> None:
        record = read_record(self.out)
        wanted = {"options": self.options.lasting(), "pack": self.digest}
        if any(record.get(key) != value for key, value in wanted.items()):
            raise UsageError(f"'{self.out}' holds a run with other options or data", "name another folder with --out")
        load_state(self.out, self.model, self.average, self.optimizer)
        self.step, self.elapsed = int(record["step"]), float(record["elapsed"])
        self.losses = [torch.tensor(loss, device=self.device) for loss in record["losses"]]

    def _export(self) -> None:
        with _averaged(self.model, self.average):
            save_checkpoint(self.model, self.tokenizer, self.out / "model", torch.float16)


@contextlib.contextmanager
def _averaged(model: HyperNetwork, average: dict[str, Tensor]) -> Iterator[None]:
    """Put averaged parameters into a model for a while."""

    def swap() -> None:
        for name, parameter in model.named_parameters():
            parameter.data, average[name] = average[name], parameter.data

    swap()
    model.eval()
    try:
        yield
    finally:
        swap()
        model.train()


def _new_model(texts: list[str], options: TrainOptions) -> tuple[HyperNetwork, ProgramTokenizer, list[str]]:
    """Return a model, its tokenizer, and which weights the hypernetwork to go on from did not have."""
    values = {**PRESETS[options.preset], **dict(options.changes)}
    normalized = values.get("normalized_text", True)
    if normalized:
        tokenizer = build_tokenizer()
    else:
        tokenizer = train_word_pieces(texts) if options.encoder is None else load_word_pieces(options.encoder)
    config = NetworkConfig(**{**values, "vocab_size": tokenizer.get_vocab_size()})
    model = HyperNetwork(config)
    if options.encoder is not None:
        load_encoder(model, options.encoder)
    drawn = [] if options.start is None else load_weights(model, options.start)
    return model, ProgramTokenizer(tokenizer, normalized), drawn


def _choose_stages(stages: tuple[Stage, ...], names: tuple[str, ...]) -> tuple[Stage, ...]:
    """Return the stages of some names, or all, their shares scaled to 1."""
    chosen = [stage for stage in stages if stage.name in names or not names]
    if len(chosen) < len(names):
        known = ", ".join(stage.name for stage in stages)
        raise UsageError(f"unknown stage in '{', '.join(names)}'", f"this preset has {known}")
    whole = sum(stage.share for stage in chosen)
    return tuple(replace(stage, share=stage.share / whole) for stage in chosen)


def _schedule(place: float) -> float:
    """Return the learning rate at a share of a stage, relative to its peak."""
    if place < _WARM_UP:
        return max(place, 1e-4) / _WARM_UP
    return _LOWEST + (1 - _LOWEST) * 0.5 * (1 + math.cos(math.pi * (place - _WARM_UP) / (1 - _WARM_UP)))
