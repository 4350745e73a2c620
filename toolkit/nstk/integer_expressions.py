"""C statements of a quantized network, unrolled or as loops, and the conversions at its ends."""

from nstk.fixed_point import InputFormat, OutputFormat
from nstk.program import CType
from nstk.quantization import QuantizedNetwork

_GROUP = 4  # units whose sums grow side by side: with an input and a weight they fill eight registers


def unrolled_lines(network: QuantizedNetwork, table: str, limit: str) -> list[str]:
    """Return the statements that compute `y[o]` from `x[i]`, constants `w`, `b` and `s`, unit by unit.

    Args:
        network: What to compute.
        table: Name of the tanh table.
        limit: Macro with the table's last position.
    """
    lines: list[str] = []
    values = [f"x[{i}]" for i in range(network.layers[0].weight.shape[1])]
    w = b = 0
    for number, layer in enumerate(network.layers, 1):
        units, inputs = layer.weight.shape
        hidden = number < len(network.layers)
        sums = [f"u{number}_{k}" if hidden else f"y[{network.outputs[k]}]" for k in range(units)]
        for first in range(0, units, _GROUP):
            group = range(first, min(first + _GROUP, units))
            lines += [f"{'int32_t ' if hidden else ''}{sums[k]} = b[{b + k}];" for k in group]
            for i, value in enumerate(values):
                lines += [f"{sums[k]} = nstk_q_add({sums[k]}, w[{w + k * inputs + i}], {value});" for k in group]
                if hidden and len(group) == _GROUP:
                    lines.append(f"NSTK_Q_ORDER({', '.join(sums[k] for k in group)});")
        if hidden:
            tail = f", {limit}" if layer.clamp else ""
            name = "nstk_q_tanh_limited" if layer.clamp else "nstk_q_tanh"
            lines += [f"const int h{number}_{k} = {name}({table}, {sums[k]}, s[{b + k}]{tail});" for k in range(units)]
            values = [f"h{number}_{k}" for k in range(units)]
        w, b = w + units * inputs, b + units
    return lines


def loop_lines(network: QuantizedNetwork, table: str, limit: str) -> list[str]:
    """Return the statements that compute the same by calls of the runtime's loops."""
    widest = max(len(layer.bias) for layer in network.layers)
    lines = [f"int32_t u[{widest}];", f"int h[{widest}];"]
    w = b = 0
    for number, layer in enumerate(network.layers):
        units, inputs = layer.weight.shape
        lines.append(f"nstk_q_dense(&w[{w}], &b[{b}], {'h' if number else 'x'}, {inputs}, u, {units});")
        if number < len(network.layers) - 1:
            lines.append(f"nstk_q_activate({table}, u, &s[{b}], {limit}, h, {units});")
        w, b = w + units * inputs, b + units
    return lines + [f"y[{o}] = u[{k}];" for k, o in enumerate(network.outputs)]


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
