"""Emission of a quantized surrogate as one standalone C header, which uses no floating-point arithmetic."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk import __version__, sampling
from nstk.c_text import legal_name
from nstk.domain import Interval
from nstk.emission import (
    Names,
    batch_entry,
    closed_banner,
    declaration,
    domain_lines,
    entry_comments,
    float_literal_text,
    header_names,
    runtime_text,
)
from nstk.integer_expressions import input_expression, loop_lines, output_expression, unrolled_lines
from nstk.program import CType, Input, Output, Parameter, Program
from nstk.quantization import IntegerArithmetic, Quantized, QuantizedNetwork
from nstk.resources import render

#: Numbers by macro's name: float32 ones tell users a format, integers are what the code computes with.
Macros = dict[str, np.float32 | int]
Tables = dict[str, NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32]]


def integer_constants(program: Program, quantized: Quantized) -> tuple[Macros, Tables]:
    """Return every number of an int16 header by name: macros, and tables in emitted order."""
    names = header_names(program)
    macros, inputs = format_constants(program, names, quantized)
    macros[_limit_macro(names)] = quantized.table.limit
    tables: Tables = {f"{names.base}_tanh": np.array(quantized.table.values, np.int16), **inputs}
    for k, network in enumerate(quantized.networks):
        tables[f"{names.base}_s{k}"] = np.concatenate([layer.shift for layer in network.layers[:-1]])
        tables[f"{names.base}_w{k}"] = np.concatenate([layer.weight.ravel() for layer in network.layers])
        tables[f"{names.base}_b{k}"] = np.concatenate([layer.bias for layer in network.layers])
    return macros, tables


def format_constants(program: Program, names: Names, arithmetic: IntegerArithmetic) -> tuple[Macros, Tables]:
    """Return the numbers of the formats of inputs and outputs by name: macros, and the table of input formats."""
    macros: Macros = {}
    for i, (name, made) in enumerate(zip(names.macros, arithmetic.inputs, strict=True)):
        macros[f"{name}_MIDDLE"], macros[f"{name}_STEP"] = np.float32(made.middle), np.float32(made.step)
        lo, hi = _integer_ends(program, i)
        macros |= {f"{name}_LO": lo} if lo is not None else {}
        macros |= {f"{name}_HI": hi} if hi is not None else {}
    for name, out in zip(output_macros(names), arithmetic.outputs, strict=True):
        macros[f"{name}_MIDDLE"], macros[f"{name}_STEP"] = np.float32(out.middle), np.float32(out.step)
        macros |= {f"{name}_CENTER": out.center, f"{name}_BITS": out.bits}
        macros |= {f"{name}_REDUCE": out.reduce, f"{name}_SHIFT": out.shift}
    return macros, {f"{names.base}_in": np.array(_rows(arithmetic), np.int32).ravel()}


def emit_integer(
    program: Program, quantized: Quantized, *, style: str = "speed", errors: Mapping[str, str] | None = None
) -> str:
    """Write the int16 header of a surrogate. Equal arguments give equal bytes.

    Args:
        program: The function that is replaced.
        quantized: Its arithmetic.
        style: `speed` (unrolled) or `size` (loops).
        errors: Measured error of each output by name, as text for the banner; None before verification.

    Returns:
        C99 and C++11 text.
    """
    names = header_names(program)
    macros, tables = integer_constants(program, quantized)
    lines_of = unrolled_lines if style == "speed" else loop_lines
    in_flash = {f"{names.base}_tanh", f"{names.base}_in"} if style == "speed" else set(tables)
    context: dict[str, Any] = {
        **integer_context(program, names, quantized, ["nstk_q_dense"] if style == "size" else []),
        "banner": _banner(program, quantized, style, errors),
        "macros": macro_lines(macros),
        "tables": table_lines(tables, in_flash),
        "networks": [
            {
                "topology": _widths(network),
                "s": f"{names.base}_s{k}",
                "w": f"{names.base}_w{k}",
                "b": f"{names.base}_b{k}",
                "lines": lines_of(network, f"{names.base}_tanh", _limit_macro(names)),
            }
            for k, network in enumerate(quantized.networks)
        ],
    }
    return render("surrogate_int16.h.j2", h=context)


def integer_entry_comment(names: Names) -> tuple[str, str]:
    """Return the function that int16 headers have besides, with what it is."""
    return f"{names.base}_q()", "the same in int16: MIDDLE + STEP q is the value"


def integer_context(
    program: Program, names: Names, arithmetic: IntegerArithmetic, runtime: Sequence[str]
) -> dict[str, Any]:
    """Return what the templates of int16 headers need around the core, whose `runtime` files are named."""
    return {
        "name": names.base,
        "prefix": names.prefix,
        "entries": [*entry_comments(names), integer_entry_comment(names)],
        "includes": ["float.h"] * _uses(program, "double") + ["stddef.h", "stdint.h"],
        "runtime": [runtime_text(name) for name in _runtime_names(program, runtime)],
        "integer": _integer_entry(names, arithmetic),
        "float": _float_entry(names, arithmetic),
        "drop_in": _drop_in(program, names, arithmetic),
        "batch": batch_entry(names, "size"),
    }


def macro_lines(macros: Macros) -> list[tuple[str, str]]:
    """Return names and literals of macros."""
    return [(name, _literal(value)) for name, value in macros.items()]


def table_lines(tables: Tables, in_flash: Collection[str]) -> list[tuple[str, str, list[int], bool]]:
    """Return name, type and values of tables, and whether they stay in an AVR's flash."""
    return [(name, f"{values.dtype}_t", values.tolist(), name in in_flash) for name, values in tables.items()]


def integer_program(program: Program) -> Program:
    """Return the program with the signature of `<function>_surrogate_q`; an input's interval is all of int16."""
    names = header_names(program)
    short = CType("short", "int", -(2.0**15), 2.0**15 - 1)
    results = () if len(names.outputs) == 1 else names.outputs
    return replace(
        program,
        parameters=(
            *(Parameter(name, short, "value", 1, f"short {name}") for name in names.inputs),
            *(Parameter(name, short, "pointer", 1, f"short *{name}") for name in results),
        ),
        returns=None if results else short,
        inputs=tuple(Input(name, short, Interval(short.lo, short.hi)) for name in names.inputs),
        outputs=tuple(Output(name, short) for name in names.outputs),
    )


def output_macros(names: Names) -> tuple[str, ...]:
    """Return the start of the macros of each scalar output, apart from those of the inputs."""
    taken = [name[len(names.prefix) + 1 :] for name in names.macros]
    for output in names.outputs:
        taken.append(legal_name(output.upper(), taken))
    return tuple(f"{names.prefix}_{name}" for name in taken[len(names.macros) :])


def _integer_ends(program: Program, i: int) -> tuple[int | None, int | None]:
    """Return the ends that the code must clamp an integer input to: those inside its type's range."""
    ctype = program.inputs[i].ctype
    if ctype.kind != "int":
        return None, None
    corners = sampling.corners(program.inputs)[:, i]
    lo, hi = corners.min(), corners.max()
    return int(lo) if lo > ctype.lo else None, int(hi) if hi < ctype.hi else None


def _rows(arithmetic: IntegerArithmetic) -> list[tuple[int, int, int, int]]:
    """Return the distinct input formats, in order of first use."""
    return list(dict.fromkeys(made.row for made in arithmetic.inputs))


def _row(names: Names, arithmetic: IntegerArithmetic, i: int) -> str:
    return f"&{names.base}_in[{4 * _rows(arithmetic).index(arithmetic.inputs[i].row)}]"


def _limit_macro(names: Names) -> str:
    return f"{names.prefix}_LIMIT"


def _literal(value: np.float32 | int) -> str:
    if isinstance(value, int):
        return f"({value})" if value < 0 else str(value)
    return float_literal_text(value)


def _widths(network: QuantizedNetwork) -> str:
    return "-".join(map(str, [network.layers[0].weight.shape[1], *(len(layer.bias) for layer in network.layers)]))


def _banner(program: Program, quantized: Quantized, style: str, errors: Mapping[str, str] | None) -> list[str]:
    lines = [f"Neural surrogate of {program.name}() in {program.file}, emitted by nstk {__version__}.", ""]
    for network in quantized.networks:
        made = ", ".join(program.outputs[o].name for o in network.outputs)
        lines.append(
            f"network    {_widths(network)} -> {made} (int16, 32-bit sums that cannot overflow; {style} style)"
        )
    return closed_banner([*lines, *domain_lines(program, "outside it saturates, NaN as infinity")], errors)


def _integer_entry(names: Names, arithmetic: IntegerArithmetic) -> dict[str, Any]:
    """Return prototype and body of `<name>_q`: all int16, one result returned, several through pointers."""
    single = len(names.outputs) == 1
    parameters = [f"int16_t {n}" for n in names.inputs] + ([] if single else [f"int16_t *{n}" for n in names.outputs])
    results = []
    for o, (macro, made) in enumerate(zip(output_macros(names), arithmetic.outputs, strict=True)):
        text = f"({{y}}[{o}] + (((int32_t)1 << {macro}_SHIFT) >> 1)) >> {macro}_SHIFT"
        results.append(f"nstk_q_saturate({text})" if made.clamp else f"(int16_t)({text})")
    body = _body(names, list(names.inputs), {*names.inputs, *names.outputs}, results, [] if single else names.outputs)
    return {"returns": "int16_t" if single else "void", "parameters": ", ".join(parameters), "body": body}


def _float_entry(names: Names, arithmetic: IntegerArithmetic) -> dict[str, Any]:
    """Return prototype and body of `<name>_f`: all floats, one result returned, several through pointers."""
    single = len(names.outputs) == 1
    parameters = [f"float {n}" for n in names.inputs] + ([] if single else [f"float *{n}" for n in names.outputs])
    arguments = [f"nstk_q_from_float({n}, {_row(names, arithmetic, i)})" for i, n in enumerate(names.inputs)]
    results = [f"nstk_q_to_float({_fixed(m, o)}, {m}_BITS)" for o, m in enumerate(output_macros(names))]
    body = _body(names, arguments, {*names.inputs, *names.outputs}, results, [] if single else names.outputs)
    return {"returns": "float" if single else "void", "parameters": ", ".join(parameters), "body": body}


def _drop_in(program: Program, names: Names, arithmetic: IntegerArithmetic) -> dict[str, Any]:
    """Return prototype and body of the drop-in, which keeps the original's exact types."""
    arguments: list[str] = []
    targets: list[tuple[str, CType]] = [("", program.returns)] if program.returns else []
    parameters = []
    for p, name in zip(program.parameters, names.parameters, strict=True):
        parameters.append(declaration(p, name))
        elements = [name] if p.role == "value" else [f"{name}[{i}]" for i in range(p.size)]
        if p.role not in ("value", "array"):
            targets += [(name if p.role == "pointer" else f"{name}[{i}]", p.ctype) for i in range(p.size)]
            continue
        for element in elements:
            i = len(arguments)
            lo, hi = _integer_ends(program, i)
            ends = ("" if lo is None else f"{names.macros[i]}_LO", "" if hi is None else f"{names.macros[i]}_HI")
            row = _row(names, arithmetic, i)
            arguments.append(input_expression(element, p.ctype, arithmetic.inputs[i], row, ends))
    results = [
        output_expression(_fixed(macro, o), ctype, arithmetic.outputs[o], f"{macro}_BITS")
        for o, (macro, (_, ctype)) in enumerate(zip(output_macros(names), targets, strict=True))
    ]
    pointers = [f"*{t}" if "[" not in t else t for t, _ in targets if t]
    body = _body(names, arguments, set(names.parameters), results, pointers, assigned=True)
    return {
        "returns": program.returns.name if program.returns else "void",
        "parameters": ", ".join(parameters),
        "body": body,
    }


def _fixed(macro: str, o: int) -> str:
    return f"({{y}}[{o}] >> {macro}_REDUCE) + {macro}_CENTER"


def _body(
    names: Names,
    arguments: Sequence[str],
    taken: set[str],
    results: Sequence[str],
    targets: Sequence[str],
    assigned: bool = False,
) -> list[str]:
    """Return statements that run the core: what has no target is returned and comes first.

    Args:
        names: Of the header.
        arguments: int16 expressions of the inputs.
        taken: Names of parameters.
        results: Expressions of the outputs, with `{y}` for the array of sums.
        targets: Where the last results go: names of pointers, or lvalues if `assigned`.
        assigned: Whether targets are lvalues.
    """
    y, x = legal_name("y", taken), legal_name("x", taken)
    lines = [f"int {x}[{len(arguments)}];", f"int32_t {y}[{len(results)}];"]
    lines += [f"{x}[{i}] = {argument};" for i, argument in enumerate(arguments)]
    lines.append(f"{names.base}_core({x}, {y});")
    values = [result.format(y=y) for result in results]
    first = len(values) - len(targets)
    lines += [f"{t if assigned else '*' + t} = {v};" for t, v in zip(targets, values[first:], strict=True)]
    return lines + [f"return {value};" for value in values[:first]]


def _uses(program: Program, kind: str) -> bool:
    types = [p.ctype for p in program.parameters] + ([program.returns] if program.returns else [])
    return any(t.kind == kind for t in types)


def _runtime_names(program: Program, core: Sequence[str]) -> list[str]:
    return [
        "nstk_q_tanh",
        "nstk_q_float",
        *core,
        *(["nstk_q_double"] if _uses(program, "double") else []),
        *(["nstk_q_int"] if _uses(program, "int") else []),
    ]
