"""C statements of a quantized network, unrolled or as loops, and the conversions at its ends."""

from nstk.fixed_point import InputFormat, OutputFormat
from nstk.program import CType
from nstk.quantization import QuantizedNetwork

_GROUP = 4  # units whose sums grow side by side: with an input and a weight they fill eight registers


def unrolled_lines(network: QuantizedNetwork, table: str, limit: str) -> list[str]:
    """Return the statements that compute `y[o]` from `x[i]`, constants `w`, `b` and `s`, group by group of units.

    The only output of a network grows while the activations before it come, so that none of them is kept.

    Args:
        network: What to compute.
        table: Name of the tanh table.
        limit: Macro with the table's last position.
    """
    hidden = network.layers[:-1]
    outputs = [f"y[{o}]" for o in network.outputs]
    values = [f"x{i}" for i in range(hidden[0].weight.shape[1])]
    lines = [f"int {value} = x[{i}];" for i, value in enumerate(values)]
    w = b = 0
    for number, layer in enumerate(hidden, 1):
        units, inputs = layer.weight.shape
        sums, found = ([f"{letter}{number}_{k}" for k in range(units)] for letter in "uh")
        growing = layer is hidden[-1] and len(outputs) == 1
        if growing:
            lines.append(f"int32_t sum = b[{b + units}];")
        for first in range(0, units, _GROUP):
            group = range(first, min(first + _GROUP, units))
            lines += [f"int32_t {sums[k]} = b[{b + k}];" for k in group]
            order = [f"NSTK_Q_ORDER({', '.join(sums[k] for k in group)});"] if len(group) == _GROUP else []
            lines += order
            for i, value in enumerate(values):
                lines += [f"NSTK_Q_LOW({value});"] if number == 1 else []
                lines += [f"{sums[k]} = nstk_q_add({sums[k]}, w[{w + k * inputs + i}], {value});" for k in group]
                lines += order
            for k in group:
                limited, tail = ("_limited", f", {limit}") if layer.clamp[k] else ("", "")
                lines.append(f"int {found[k]} = nstk_q_tanh{limited}({table}, {sums[k]}, s[{b + k}]{tail});")
                if growing:
                    lines.append(f"sum = nstk_q_add(sum, w[{w + units * inputs + k}], {found[k]});")
        values, w, b = found, w + units * inputs, b + units
    if len(outputs) == 1:
        return [*lines, f"{outputs[0]} = sum;"]
    lines += [f"{output} = b[{b + o}];" for o, output in enumerate(outputs)]
    for i, value in enumerate(values):
        places = range(w + i, w + len(outputs) * len(values), len(values))
        lines += [f"{o} = nstk_q_add({o}, w[{place}], {value});" for o, place in zip(outputs, places, strict=True)]
    return lines


def loop_lines(network: QuantizedNetwork, table: str, limit: str) -> list[str]:
    """Return the statements that compute the same by calls of the runtime's loops."""
    *hidden, last = network.layers
    lines = [f"int h{number}[{len(layer.bias)}];" for number, layer in enumerate(hidden, 1)]
    w = b = 0
    x = "x"
    for number, layer in enumerate(hidden, 1):
        units, inputs = layer.weight.shape
        places = f"&w[{w}], &b[{b}], &s[{b}]"
        lines.append(f"nstk_q_hidden({table}, {places}, {limit}, {x}, {inputs}, h{number}, {units});")
        x, w, b = f"h{number}", w + units * inputs, b + units
    inputs = last.weight.shape[1]
    for k, o in enumerate(network.outputs):
        bias = f"NSTK_Q_READ32(&b[{b + k}])"
        lines.append(f"y[{o}] = nstk_q_dot(&w[{w + k * inputs}], {bias}, {x}, {inputs});")
    return lines


def input_expression(name: str, ctype: CType, made: InputFormat, row: str, ends: tuple[str, str]) -> str:
    """Return the C expression that makes one input an int16.

    Args:
        name: The input, as the original declares it.
        ctype: Its type.
        made: Its format.
        row: Address of its format's row.
        ends: Macros of the domain's ends, for an integer; empty where the type ends there.
    """
    if ctype.kind != "int":
        return f"nstk_q_from_{ctype.kind}({name}, {row})"
    lo, hi = ends
    value = f"(({name} > {hi}) ? {hi} : {name})" if hi else name
    value = f"(({name} < {lo}) ? {lo} : {value})" if lo else value
    fixed = f"(int32_t){value} * {1 << made.bits}" if made.bits >= 0 else f"(int32_t)({value} >> {-made.bits})"
    return f"nstk_q_from_fixed({fixed}, {row})"


def output_expression(fixed: str, ctype: CType, made: OutputFormat, bits: str) -> str:
    """Return the C expression that makes a fixed-point number an output of the original's type.

    Args:
        fixed: Expression of the number.
        ctype: The original's type.
        made: The output's format.
        bits: Macro with the format's fraction bits.
    """
    if ctype.kind != "int":
        return f"nstk_q_to_{ctype.kind}({fixed}, {bits})"
    lo, hi = max(int(ctype.lo), -(2**31 - 1)), min(int(ctype.hi), 2**31 - 1)
    if made.bits > 30:
        return f"({ctype.name})nstk_q_clamp(nstk_q_round(({fixed}) >> {made.bits - 30}, 30), {lo}, {hi})"
    if made.bits > 0:
        return f"({ctype.name})nstk_q_clamp(nstk_q_round({fixed}, {bits}), {lo}, {hi})"
    unit = 2**-made.bits
    lo, hi = max(-(int(-ctype.lo) // unit), -(2**31 - 1)), min(int(ctype.hi) // unit, 2**31 - 1)
    return f"({ctype.name})(({ctype.name})nstk_q_clamp({fixed}, {lo}, {hi}) * {unit})"
