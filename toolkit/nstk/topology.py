"""Shapes of multi-layer perceptrons and the layout of their flat parameter vectors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nstk.errors import UsageError

#: Hidden widths `--topology` takes, cheapest first: the ladder that `auto` climbs.
LADDER: tuple[tuple[int, ...], ...] = ((4, 4), (8, 8), (16, 16), (32, 32))


@dataclass(frozen=True)
class Layer:
    """Where one dense layer's weights and biases lie in the flat parameter vector.

    The weight matrix is `(outputs, inputs)` in row-major order, followed by the bias `(outputs,)`:
    `nn.Linear`'s layout.
    """

    inputs: int
    outputs: int
    weight: slice
    bias: slice


@dataclass(frozen=True)
class Topology:
    """Layer widths of a sigmoid MLP with a linear output layer, for example `9-4-4-1`."""

    widths: tuple[int, ...]

    def __str__(self) -> str:
        return "-".join(map(str, self.widths))

    @property
    def hidden(self) -> tuple[int, ...]:
        """Hidden widths only, for example `(4, 4)`."""
        return self.widths[1:-1]

    @property
    def parameters(self) -> int:
        """Length of the flat parameter vector."""
        return sum(o * (i + 1) for i, o in zip(self.widths, self.widths[1:], strict=False))

    def layers(self) -> Iterator[Layer]:
        """Yield the layers from input to output."""
        start = 0
        for inputs, outputs in zip(self.widths, self.widths[1:], strict=False):
            bias = start + inputs * outputs
            yield Layer(inputs, outputs, slice(start, bias), slice(bias, bias + outputs))
            start = bias + outputs


def hidden_name(hidden: tuple[int, ...]) -> str:
    """Return the name of hidden widths as `--topology` takes it: `(4, 4)` -> `"4-4"`."""
    return "-".join(map(str, hidden))


def parse_hidden(text: str) -> tuple[tuple[int, ...], ...]:
    """Return the rungs that `--topology` names: the whole ladder for `auto`, else one of them.

    Raises:
        UsageError: `text` is neither `auto` nor a rung of the ladder.
    """
    if text == "auto":
        return LADDER
    names = {hidden_name(hidden): hidden for hidden in LADDER}
    if not re.fullmatch(r"\d+(-\d+)*", text) or text not in names:
        raise UsageError(f"unknown topology '{text}'", f"choose auto or hidden widths: {', '.join(names)}")
    return (names[text],)
