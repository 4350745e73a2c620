"""C expressions of a folded network, in three forms that compute the same sums in the same order.

`v4`: one evaluation, the lanes are the units of a layer. `vn`: a block of a batch, the lanes are evaluations.
`float`: one evaluation without vectors. Hidden sums run in two chains (even and odd inputs) to halve the latency.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nstk.folding import FoldedLayer, FoldedNetwork

_WIDTH = 104
_VARIABLE = re.compile(r"\b[xhy]\d+(_\d+)?\b")  # x0, h1_2, y0: all variables but w, which blocks share


@dataclass(frozen=True)
class Form:
    """One rendering of the network.

    Attributes:
        type: C type of a hidden value.
        scalar: C type of an input or output.
        suffix: Of the activation functions' names.
        limit: C call that clamps `u` to +-limit, with one hole for the limit.
        blocks: Suffixes of the variables of evaluations that run side by side, statement by statement: two blocks of
            a batch hide each other's latencies (4 % of the time with AVX2, 12 % with SSE2).
    """

    type: str
    scalar: str
    suffix: str
    limit: str
    blocks: tuple[str, ...] = ("",)

    def input_lines(self, ends: Sequence[tuple[str, str]], centers: Mapping[int, str]) -> list[str]:
        """Return the statements that clamp and centre the inputs `x0`, `x1`, ... in place.

        Args:
            ends: Macros of every input's interval ends; empty without clamping.
            centers: Macro to subtract, by input.
        """
        lines: list[str] = []
        if self is V4:
            lines += _packed_clamps(ends)
        else:
            call = "nstk_clamp_vn" if self is VN else "nstk_clamp"
            lines += [f"x{i} = {call}(x{i}, {lo}, {hi});" for i, (lo, hi) in enumerate(ends)]
        return _side_by_side(self, lines + [f"x{i} -= {macro};" for i, macro in centers.items()])


V4 = Form("nstk_v4", "float", "_v4", "nstk_limit_v4(u, {0})")
VN = Form("nstk_vn", "nstk_vn", "_vn", "nstk_clamp_vn(u, -{0}, {0})", ("a", "b"))
FLOAT = Form("float", "float", "", "nstk_clamp(u, -{0}, {0})")


def core_lines(form: Form, network: FoldedNetwork, activations: Sequence[str]) -> list[str]:
    """Return the statements that compute `*y0`, `*y1`, ... from `x0`, `x1`, ... and the table `w`.

    Args:
        form: Rendering.
        network: What to compute.
        activations: Name of the C function of each hidden layer's activation.
    """
    values = [f"x{i}" for i in range(network.layers[0].weight.shape[1])]
    lines: list[str] = []
    start = 0
    for number, layer in enumerate(network.layers, 1):
        units, inputs = layer.weight.shape
        if layer.activation is None:
            lines += _output_lines(form, layer, network.outputs, start, number - 1)
        elif form is V4:
            lines += _vector_layer(values, units, start, number, activations[number - 1])
            values = [f"h{number}_{k // 4}[{k % 4}]" for k in range(units)]
        else:
            lines += _unit_layer(form, values, units, start, number, activations[number - 1])
            values = [f"h{number}_{k}" for k in range(units)]
        start += units * (inputs + 1)
    return [piece for line in _side_by_side(form, lines) for piece in _wrapped(line)]


def _side_by_side(form: Form, lines: Sequence[str]) -> list[str]:
    """Repeat every statement for each of the form's blocks, with their suffixes at the variables' names."""
    return [_VARIABLE.sub(rf"\g<0>{block}", line) for line in lines for block in form.blocks]


def _packed_clamps(ends: Sequence[tuple[str, str]]) -> list[str]:
    """Clamp four inputs at once; the last input fills what is left of a vector."""
    lines: list[str] = []
    for group in range(0, len(ends), 4):
        lanes = [min(group + k, len(ends) - 1) for k in range(4)]
        k = group // 4
        lines += [
            f"const nstk_v4 lo{k} = {{{', '.join(ends[i][0] for i in lanes)}}};",
            f"const nstk_v4 hi{k} = {{{', '.join(ends[i][1] for i in lanes)}}};",
            f"const nstk_v4 in{k} = {{{', '.join(f'x{i}' for i in lanes)}}};",
            f"const nstk_v4 box{k} = nstk_clamp_v4(in{k}, lo{k}, hi{k});",
        ]
    return [piece for line in lines for piece in _wrapped(line)] + [
        f"x{i} = box{i // 4}[{i % 4}];" for i in range(len(ends))
    ]


def _vector_layer(values: Sequence[str], units: int, start: int, number: int, tanh: str) -> list[str]:
    lines = []
    for g in range(units // 4):
        bias = f"nstk_load_v4(&w[{start + 4 * g}])"
        terms = [f"(nstk_load_v4(&w[{start + (i + 1) * units + 4 * g}]) * {v})" for i, v in enumerate(values)]
        lines.append(f"const nstk_v4 h{number}_{g} = {tanh}({_two_chains(bias, terms)});")
    return lines


def _unit_layer(form: Form, values: Sequence[str], units: int, start: int, number: int, tanh: str) -> list[str]:
    lines = []
    for k in range(units):
        terms = [f"(w[{start + (i + 1) * units + k}] * {v})" for i, v in enumerate(values)]
        lines.append(f"const {form.type} h{number}_{k} = {tanh}({_two_chains(f'w[{start + k}]', terms)});")
    return lines


def _two_chains(bias: str, terms: Sequence[str]) -> str:
    even, odd = " + ".join([bias, *terms[::2]]), " + ".join(terms[1::2])
    return f"({even}) + ({odd})" if odd else even


def _output_lines(form: Form, layer: FoldedLayer, outputs: Sequence[int], start: int, number: int) -> list[str]:
    """Return the output layer: four partial sums by unit index modulo 4, added in a tree."""
    rows, units = layer.weight.shape
    lines = []
    for row, output in enumerate(outputs):
        first = start + row * units
        bias = f"w[{start + rows * units + row}]"
        if form is V4:
            terms = [f"nstk_load_v4(&w[{first + 4 * g}]) * h{number}_{g}" for g in range(units // 4)]
            total = terms[0] if units == 4 else " + ".join(f"({term})" for term in terms)
            lines.append(f"const nstk_v4 s{row} = {total};")
            lanes = [f"s{row}[{k}]" for k in range(4)]
        else:
            terms = [f"(w[{first + k}] * h{number}_{k})" for k in range(units)]
            lanes = [f"({' + '.join(terms[lane::4])})" if units > 4 else terms[lane] for lane in range(4)]
        lines.append(f"*y{output} = (({lanes[0]} + {lanes[2]}) + ({lanes[1]} + {lanes[3]})) + {bias};")
    return lines


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
