"""Training data, resident on the device: tokens, domains and outputs of a pack, and batches of them.

Batches depend on seed and step alone, so that a resumed run sees what an uninterrupted one would, and so does each of
several processes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nstk.corpus.candidate import ORIGINS, SPLITS
from nstk.corpus.pack import Pack
from nstk.errors import UsageError
from nstk.hypernetwork.configuration import NetworkConfig
from nstk.hypernetwork.tokenization import ProgramTokenizer, Text
from nstk.training.reading import Behaviours, join, no_texts, read_rows
from nstk.training.recombination import read_recombined

RECOMBINED = "recombined"
#: How often rows of each origin are drawn: behaviours of real code count more than there are of them.
SHARES = {"real": 0.2, "mutant": 0.15, "generated": 0.3, RECOMBINED: 0.35}
#: The same of texts to read: the few real ones are soon known by heart.
READ_SHARES = {"real": 0.1, "mutant": 0.1, "generated": 0.2, RECOMBINED: 0.6}

_PACK_SHARE = 0.5  # of the time that reading takes
_DEFAULT_DOMAIN = 0.5  # share of rows on [-1, 1] among texts to read, unless there are more: there they differ most
_SHORT = 48  # tokens: longer texts are read less often, by the square, for they take long
_CONSTANT = 1e-4  # of a row's deviation: probes that vary by less do not show what the program does
_SPIKE = 30.0  # standard deviations: farther off, half precision and squares lose their meaning


@dataclass(frozen=True, eq=False)
class Parts:
    """P subformulas of a batch's rows.

    Attributes:
        places: Place of the row in the batch and of the subformula's token in its text `(P, 2)`.
        y: Standardized outputs at the probes `(P, N)`.
        mean: `(P,)`.
        scale: `(P,)`.
    """

    places: Tensor
    y: Tensor
    mean: Tensor
    scale: Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """B rows; see `HyperNetwork.forward`.

    Attributes:
        text: What is read of the text; None if it was not asked for.
        centre: `(B, 9)`.
        half_width: `(B, 9)`.
        present: `(B, 9)`.
        y: `(B, N)` outputs at all points, standardized by the probes' mean and deviation.
        mean: `(B,)` of the probes.
        scale: `(B,)` standard deviation of the probes.
        row: `(B,)` number of the row in the data.
        parts: Subformulas; None without text.
    """

    text: Text | None
    centre: Tensor
    half_width: Tensor
    present: Tensor
    y: Tensor
    mean: Tensor
    scale: Tensor
    row: Tensor
    parts: Parts | None


class TrainingData:
    """A pack on the device.

    Args:
        pack: Programs and their rows.
        config: Of the model: how many probes it reads, whether it knows other domains than [-1, 1].
        tokenizer: The model's; None without text: then nothing is recombined.
        device: Where tensors are kept.
        origins: Of the training rows: `ORIGINS` or some of them.
        progress: Told the share of the texts that is read, and of the formulas that are recombined.
        reads_text: Whether texts are wanted, not just what they compute.

    Attributes:
        reads_text: Whether there are texts.
        points: `(N, 9)`; the first are the probes'.
        train: Rows drawn for training, by origin, `(n,)` each; those that were made by `recombination` come after the
            pack's.
        validation: Rows of held-out packages' real functions `(n,)`.
    """

    def __init__(
        self,
        pack: Pack,
        config: NetworkConfig,
        tokenizer: ProgramTokenizer | None,
        device: torch.device,
        origins: Sequence[str] = ORIGINS,
        progress: Callable[[float], None] = lambda share: None,
        reads_text: bool = True,
    ) -> None:
        probes = config.probes
        told, usable = _standardize(pack, probes)
        if not config.use_domain:
            usable &= (pack.centre == 0).all(1) & (pack.half_width == 1).all(1)
        usable &= told.inputs <= config.inputs
        split, origin = pack.split[pack.program], pack.origin[pack.program]
        training = usable & (split == SPLITS.index("train")) & np.isin(origin, [ORIGINS.index(o) for o in origins])
        if not training.any():
            raise UsageError("the pack has no row to train on", "nstk corpus pack makes one")
        self.device, self.probes = device, probes
        self.reads_text = tokenizer is not None and reads_text
        rows: dict[str, NDArray[np.int64]] = {
            name: np.flatnonzero(training & (origin == code))
            for code, name in enumerate(ORIGINS)
            if (training & (origin == code)).any()
        }
        held_out = usable & (split == SPLITS.index("validation")) & (origin == ORIGINS.index("real"))
        self.validation = self._put(np.flatnonzero(held_out))
        self.points = self._put(pack.points)
        read = no_texts(len(pack.program))
        if tokenizer is not None:
            share = _PACK_SHARE if reads_text else 0.0
            if reads_text:
                read = read_rows(pack, tokenizer, probes, lambda done: progress(share * done))
            made = None
            if tokenizer.normalized:
                made = read_recombined(pack, rows, tokenizer, probes, lambda done: progress(share + (1 - share) * done))
            if made is not None:
                more, computed = made
                rows[RECOMBINED] = len(told.mean) + np.arange(len(computed.mean))
                read = join([read, more if reads_text else no_texts(len(computed.mean))])
                told = join([told, computed])
        self.train = {name: self._put(numbers) for name, numbers in rows.items()}
        self._y, self._mean, self._scale = self._put(told.y), self._put(told.mean), self._put(told.scale)
        self._centre, self._half_width = self._put(told.centre), self._put(told.half_width)
        self._inputs = self._put(told.inputs)
        lengths = read.lengths
        self._length, self._root = self._put(lengths), self._put(read.roots)
        self._start = self._put(np.cumsum(lengths) - lengths)
        self._ids, self._numbers = self._put(read.ids), self._put(read.numbers)
        self._links, self._levels = self._put(read.links), self._put(read.levels)
        counts = read.part_counts
        self._part_count, self._part_start = self._put(counts), self._put(np.cumsum(counts) - counts)
        self._part_place, self._part_y = self._put(read.part_places), self._put(read.part_y)
        self._part_mean, self._part_scale = self._put(read.part_mean), self._put(read.part_scale)
        default = self._put((told.centre == 0).all(1) & (told.half_width == 1).all(1))
        self._reading = {name: self._weigh(numbers, default[numbers]) for name, numbers in self.train.items()}

    def draw(self, size: int, generator: torch.Generator, text: bool = False) -> Tensor:
        """Draw training rows `(size,)`, origins by their shares, rows with replacement.

        Args:
            size: How many.
            generator: Of the draws.
            text: Whether texts are to be read: short ones and the default domain come more often.
        """
        weights = READ_SHARES if text else SHARES
        names = [name for name in weights if name in self.train]
        shares = torch.tensor([weights[name] for name in names], device=self.device)
        counts = torch.multinomial(shares, size, True, generator=generator).bincount(minlength=len(names))
        rows = []
        for name, count in zip(names, counts.tolist(), strict=True):
            pool = self.train[name]
            if text:
                place = torch.rand(count, generator=generator, device=self.device, dtype=torch.float64)
                rows.append(pool[torch.searchsorted(self._reading[name], place).clamp(max=len(pool) - 1)])
            else:
                rows.append(pool[torch.randint(len(pool), (count,), generator=generator, device=self.device)])
        return torch.cat(rows)[torch.randperm(size, generator=generator, device=self.device)]

    def by_length(self, rows: Tensor) -> Tensor:
        """Sort rows by the length of their text, so that batches of neighbours need little padding."""
        return rows[self._length[rows].argsort(stable=True)]

    def batch(self, rows: Tensor, text: bool, pad_to: int = 1) -> Batch:
        """Gather rows.

        Args:
            rows: `(B,)`.
            text: Whether to bring the tokens.
            pad_to: Lengths are rounded up to a multiple of this, for compiled models.
        """
        return Batch(
            self._text(rows, pad_to) if text else None,
            self._centre[rows], self._half_width[rows], self._present(rows),
            self._y[rows].float(), self._mean[rows], self._scale[rows], rows,
            self._parts(rows) if text else None,
        )  # fmt: skip

    def _present(self, rows: Tensor) -> Tensor:
        return (torch.arange(self._centre.shape[1], device=self.device) < self._inputs[rows][:, None]).float()

    def _text(self, rows: Tensor, pad_to: int) -> Text:
        length = self._length[rows]
        longest = -(-int(length.max()) // pad_to) * pad_to
        place = torch.arange(longest, device=self.device)
        there = place < length[:, None]  # (B, T)
        index = (self._start[rows][:, None] + place).clamp(max=len(self._ids) - 1)
        ids, numbers, links, levels = (
            torch.where(there.view(*there.shape, *[1] * (t.dim() - 1)), t[index], 0)
            for t in (self._ids, self._numbers, self._links, self._levels)
        )
        return Text(ids.long(), there.long(), numbers, links.long(), levels.long(), self._root[rows])

    def _parts(self, rows: Tensor) -> Parts:
        count = self._part_count[rows]
        of = torch.arange(len(rows), device=self.device).repeat_interleave(count)
        behind = count.cumsum(0) - count  # parts of the rows before
        index = self._part_start[rows][of] + torch.arange(len(of), device=self.device) - behind[of]
        places = torch.stack([of, self._part_place[index].long()], 1)
        return Parts(places, self._part_y[index].float(), self._part_mean[index], self._part_scale[index])

    def seen_behaviours(self, rows: Tensor, tolerance: float = 1e-4) -> Tensor:
        """Tell which rows have a training row whose standardized outputs differ by less than `tolerance` nmse."""
        mine = self._y[rows].float()
        closest = torch.full((len(rows),), torch.inf, device=self.device)
        size = mine.square().sum(1)
        for pool in self.train.values():
            for part in torch.split(pool, 16384):
                other = self._y[part].float()
                distance = size[:, None] + other.square().sum(1) - 2 * mine @ other.T
                closest = torch.minimum(closest, distance.min(1).values)
        return closest / mine.shape[1] < tolerance

    def _weigh(self, rows: Tensor, default: Tensor) -> Tensor:
        """Return the cumulative shares `(n,)` of rows whose texts are read; some are on the default domain `(n,)`."""
        weight = (_SHORT / self._length[rows].double()).clamp(max=1).square()
        own = weight[default].sum() / weight.sum()
        if 0 < own < _DEFAULT_DOMAIN:
            weight = torch.where(default, weight * _DEFAULT_DOMAIN / own, weight * (1 - _DEFAULT_DOMAIN) / (1 - own))
        return weight.cumsum(0) / weight.sum()

    def _put(self, array: NDArray[np.generic]) -> Tensor:
        return torch.tensor(array).to(self.device)


def _standardize(pack: Pack, probes: int) -> tuple[Behaviours, NDArray[np.bool_]]:
    """Return what a pack's rows compute, standardized by their probes, and which of them `(R,)` can teach."""
    y = pack.outputs.astype(np.float32)  # (R, N)
    mean, scale = y[:, :probes].mean(1, dtype=np.float64), y[:, :probes].std(1, dtype=np.float64)
    usable = scale > _CONSTANT
    standard = (y - mean[:, None]) / np.where(usable, scale, 1.0)[:, None]
    usable &= np.abs(standard).max(1) < _SPIKE
    deviation = pack.deviation.astype(np.float64)
    told = Behaviours(
        pack.inputs[pack.program].astype(np.int64),
        pack.centre,
        pack.half_width,
        np.clip(standard, -_SPIKE, _SPIKE).astype(np.float16),
        (mean * deviation + pack.mean).astype(np.float32),
        np.maximum(scale * deviation, 1e-30).astype(np.float32),
    )
    return told, usable
