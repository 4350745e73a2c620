"""CompNet: reads a program's text, domain and probes, writes parameters of the covering topologies.

The text encoder predicts what the probes would be. Where probes are given they take the place of that prediction, so
one residual MLP writes the parameters in every case: from text alone, from probes alone, from a few probes and text.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nstk.hypernetwork.canonical import Frame, find_frame, moment_count, restore
from nstk.hypernetwork.composition import Composition
from nstk.hypernetwork.configuration import NetworkConfig
from nstk.hypernetwork.encoder import Encoder
from nstk.hypernetwork.layers import VALUE_FEATURES, Block, Head, Silent, initialize, symlog, two_layers, value_features
from nstk.hypernetwork.location import is_known, place_in
from nstk.hypernetwork.parameters import fit_output, prune_absent
from nstk.topology import Topology

_NUMBERS = 3  # of a token
_DOMAIN_FEATURES = 4


class Written(NamedTuple):
    """What CompNet says about a batch of B programs.

    Attributes:
        parameters: For every covering topology `(B, K, P)`: the candidates of every frame, the canonical one's first.
            Weights of inputs that are not there are 0.
        probes: Standardized probes `(B, 256)` as the text predicts them; None without text.
        location: `(B, 2)`: asinh(mean / scale) and log(scale) of the outputs as the text predicts them; None without
            text, or if parameters stand for the outputs as they are.
        parts: Standardized probes `(P, 256)` and locations `(P, 2)` of the subformulas that were asked for.
    """

    parameters: tuple[Tensor, ...] | None = None
    probes: Tensor | None = None
    location: Tensor | None = None
    parts: tuple[Tensor, Tensor] | None = None


class HyperNetwork(nn.Module):
    """The hypernetwork; its configuration says which parts it has."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.topologies = covering_topologies(config)
        hidden, width = config.hidden_size, config.trunk_width
        if config.use_text:
            self.encoder = Encoder(config)
            if config.use_values:
                self.value_embedding = two_layers(_NUMBERS * VALUE_FEATURES, hidden, hidden)
            if config.composes:
                self.composition = Composition(hidden, config.composition_size)
                self.read_norm = nn.LayerNorm(hidden)
        if config.trunk_blocks:
            if config.use_text:
                domain = config.inputs if config.use_domain else 0
                self.outlook = two_layers(hidden + domain * _DOMAIN_FEATURES, width, config.probes + 2 + domain)
                self.text_entry = Silent(hidden, width)
                if config.composes:
                    self.part_outlook = two_layers(hidden, hidden, config.probes + 2)
            self.probe_entry = nn.Linear(2 * config.probes + 3 * config.inputs + moment_count(), width)
            self.blocks = nn.ModuleList(Block(width) for _ in range(config.trunk_blocks))
            self.norm = nn.LayerNorm(width)
        read = width if config.trunk_blocks else hidden
        self.heads = nn.ModuleList(
            Head(read, count, topology) for count, topology in zip(config.candidates, self.topologies, strict=True)
        )
        for module in self.modules():
            initialize(module)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        numbers: Tensor | None = None,
        links: Tensor | None = None,
        levels: Tensor | None = None,
        root: Tensor | None = None,
        centre: Tensor | None = None,
        half_width: Tensor | None = None,
        present: Tensor | None = None,
        probes: Tensor | None = None,
        probe_mask: Tensor | None = None,
        points: Tensor | None = None,
        fit_at: Tensor | None = None,
        rows: tuple[Tensor, ...] | None = None,
        variants: int = 0,
        writes: bool = True,
        parts: Tensor | None = None,
    ) -> Written:
        """Compile a batch of programs.

        Args:
            input_ids: Tokens `(B, T)`; None to compile from probes alone.
            attention_mask: 1 for tokens that are there `(B, T)`.
            numbers: Factors, constants or powers of the tokens and their ranges, see `Encoded`, `(B, T, 3)`.
            links: Places of their operands `(B, T, 2)`; None for text as it stands.
            levels: Above those of the operands `(B, T)`.
            root: Place of the token that stands for the whole `(B,)`, 0 for text that has no formula.
            centre: Of every input's interval `(B, 9)`.
            half_width: Of every input's interval `(B, 9)`.
            present: 1 for inputs that are there `(B, 9)`.
            probes: Standardized outputs at the fixed inputs `(B, 256)`; None to compile from text alone.
            probe_mask: 1 for probes that are given `(B, 256)`; None: all.
            points: The fixed, normalized inputs of the probes `(256, 9)`, to which output layers are fitted.
            fit_at: Numbers of the probes to fit to `(n,)`; None: all.
            rows: For every head, numbers of the programs it writes for `(B_h,)`; None: all.
            variants: Other frames to write in too, at most `canonical.VARIANTS`: as many times more candidates.
            writes: False to read only and leave out the parameters.
            parts: Program and place of subformulas whose outlook is asked for `(P, 2)`.
        """
        config = self.config
        encoded = predicted = location = told = None
        if input_ids is not None and config.use_text:
            if attention_mask is None:
                attention_mask = torch.ones_like(input_ids)
            domain = self._domain_features(centre, half_width, present)
            encoded, states = self._read(input_ids, attention_mask, numbers, links, levels, root)
            if config.trunk_blocks:
                reach = None if numbers is None or root is None else _at(numbers, root)[:, 1:]
                predicted, location = self._look(encoded, domain, centre, half_width, reach)
            if parts is not None and states is not None and numbers is not None:
                program, token = parts.unbind(1)
                told = self._look_at_parts(states[program, token], numbers[program, token, 1:])
        if not writes:
            return Written(probes=predicted, location=location, parts=told)
        if not config.trunk_blocks:
            assert encoded is not None, "no text is given"
            written = self._write(encoded, None, present, rows)
        else:
            assumed, given = self._assume(predicted, probes, probe_mask)
            target = None
            if points is not None and config.fits_output:
                at = slice(None) if fit_at is None else fit_at
                # Where none is given, the network is fitted to what the text predicts.
                known = torch.where(given.any(1, keepdim=True), given, 1.0)
                target = points[at], assumed[:, at], known[:, at]
            each = []
            for variant in range(1 + variants):
                state, frame = self._fuse(encoded, assumed, given, present, variant)
                each.append(self._write(state, frame, present, rows, target))
            written = tuple(torch.cat(parts, 1) for parts in zip(*each, strict=True))
        return Written(written, predicted, location, told)

    def _domain_features(
        self, centre: Tensor | None, half_width: Tensor | None, present: Tensor | None
    ) -> Tensor | None:
        """Return `(B, 9, 4)`: whether the input is there, its centre and half-width, and how far off zero is."""
        if not self.config.use_domain or centre is None or half_width is None or present is None:
            return None
        ratio = symlog(centre / half_width)
        features = torch.stack([torch.ones_like(present), symlog(centre), half_width.log(), ratio], -1)
        return features * present[..., None]

    def _read(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        numbers: Tensor | None,
        links: Tensor | None,
        levels: Tensor | None,
        root: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return what stands for every program `(B, hidden)`, and for every subformula `(B, T, hidden)`."""
        embedded = self.encoder.words(input_ids)  # (B, T, hidden)
        if self.config.use_values and numbers is not None:
            embedded = embedded + self.value_embedding(value_features(numbers).flatten(2))
        if not self.config.composes or links is None or levels is None or root is None:
            return self.encoder(embedded, attention_mask), None
        states = self.composition(embedded, links, levels)
        encoded = _at(states, root)
        plain = (root == 0).nonzero()[:, 0]
        if len(plain):
            attended = self.encoder(states[plain], attention_mask[plain])
            encoded = encoded.index_copy(0, plain, attended.to(encoded.dtype))
        return self.read_norm(encoded), states

    def _look(
        self,
        read: Tensor,
        domain: Tensor | None,
        centre: Tensor | None,
        half_width: Tensor | None,
        reach: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the probes `(B, 256)` and the location `(B, 2)` of what was read `(B, hidden)`."""
        config = self.config
        given = read if domain is None else torch.cat([read, domain.flatten(1)], 1)
        with torch.autocast(read.device.type, enabled=False):  # a location needs more digits than bfloat16 has
            predicted, mean, scale, slopes = self.outlook(given.float()).split_with_sizes(
                [config.probes, 1, 1, 0 if domain is None else config.inputs], 1
            )
            if not config.predicts_scale:
                return predicted, None
            mean = mean.clamp(-20, 20).sinh()
            if slopes.shape[1] and centre is not None and half_width is not None:
                # What a function does far from zero is mostly a straight line, whose mean lies where the domain does:
                # with slopes, in scales per half-width, the network need not compute that. Absent inputs have centre 0.
                line = (slopes * centre / half_width).sum(1, keepdim=True)
                mean = mean + (line if reach is None else torch.where(is_known(reach), 0.0, line))
            return predicted, place_in(reach, mean, scale)

    def _look_at_parts(self, states: Tensor, reach: Tensor) -> tuple[Tensor, Tensor]:
        """Return the like for subformulas' states `(P, hidden)`."""
        with torch.autocast(states.device.type, enabled=False):
            told = self.part_outlook(self.read_norm(states.float()))
            predicted, mean, scale = told.split_with_sizes([self.config.probes, 1, 1], 1)
            return predicted, place_in(reach, mean.clamp(-20, 20).sinh(), scale)

    def _assume(
        self, predicted: Tensor | None, probes: Tensor | None, probe_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the probes `(B, 256)`, 0 where they are not given, and 1 where they are.

        Where none is given they are what the text predicts; beside given ones that would do more harm than good.
        """
        if probes is None or not self.config.use_probes:
            assert predicted is not None, "neither text nor probes are given"
            return predicted.float(), torch.zeros_like(predicted, dtype=torch.float32)
        given = torch.ones_like(probes) if probe_mask is None else probe_mask
        known = torch.where(given > 0, probes, 0.0)
        if predicted is None:
            return known, given
        return torch.where(given.any(1, keepdim=True), known, predicted.to(probes.dtype)), given

    def _fuse(
        self, encoded: Tensor | None, assumed: Tensor, given: Tensor, present: Tensor | None, variant: int
    ) -> tuple[Tensor, Frame]:
        """Return what the heads read `(B, width)`, and the frames they write in."""
        there = assumed.new_ones(len(assumed), self.config.inputs) if present is None else present
        moments, frame = find_frame(assumed, there, variant)
        # Probes are standardized, but a spike can be many deviations high.
        raw = symlog(assumed) * frame.flip
        state = self.probe_entry(torch.cat([raw, given, there, frame.features(), moments], 1))
        if encoded is not None:
            # Text tells what probes do not: beside all of them it would only bring its own errors.
            state = state + self.text_entry(encoded) * (1 - given.mean(1, keepdim=True))
        for block in self.blocks:
            state = block(state)
        return self.norm(state), frame

    def _write(
        self,
        state: Tensor,
        frame: Frame | None,
        present: Tensor | None,
        rows: tuple[Tensor, ...] | None,
        target: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, ...]:
        """Return every head's parameters, fitted to points, outputs and their weights if there is a target."""
        written = []
        for index, (head, topology) in enumerate(zip(self.heads, self.topologies, strict=True)):
            mine = slice(None) if rows is None else rows[index]
            parameters = head(state[mine])
            if frame is not None:
                parameters = restore(topology, parameters, frame.of(mine))
            if present is not None:
                parameters = prune_absent(topology, parameters, present[mine])
            if target is not None:
                x, y, weight = target
                parameters = fit_output(topology, parameters, x, y[mine], weight[mine])
            written.append(parameters)
        return tuple(written)


def covering_topologies(config: NetworkConfig) -> tuple[Topology, ...]:
    """Return the topologies a model writes for."""
    return tuple(Topology((config.inputs, *hidden, 1)) for hidden in config.topologies)


def _at(tokens: Tensor, place: Tensor) -> Tensor:
    """Return what tokens `(B, T, ...)` have at one place each `(B,)`."""
    return tokens[torch.arange(len(place), device=place.device), place]
