"""Emission: a folded surrogate as one standalone C header.

Python prepares names and expressions (canonicalise), the templates in `codegen_templates/` are the emitted file with
holes (write). Every number lives in a named table or macro, so that verification can read it back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nstk import __version__
from nstk.activation import RationalTanh
from nstk.c_text import comment_text, float_literal, legal_name
from nstk.expressions import FLOAT, V4, VN, Form, core_lines
from nstk.folding import Folded, FoldedNetwork
from nstk.program import CType, Parameter, Program
from nstk.resources import render, resource_dir

#: Of every emitted file.
TERMS = "This emitted file may be used under any terms, without notice (exception in nstk's LICENSE)."


@dataclass(frozen=True)
class Names:
    """Names a header gives to its parts.

    Attributes:
        base: Prefix of every function and table, `<function>_surrogate`.
        prefix: Prefix of every macro.
        inputs: Parameter name of each scalar input.
        outputs: Parameter name of each scalar output.
        parameters: Legal name of each parameter of the original, in order.
        macros: Start of the macros of each scalar input, `<PREFIX>_<INPUT>`; `t` and `T` get different ones.
    """

    base: str
    prefix: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]
    macros: tuple[str, ...]


def header_names(program: Program, suffix: str = "surrogate") -> Names:
    """Choose all names of a program's header; no two inputs, outputs or parameters of one function collide.

    Args:
        program: The function that is replaced.
        suffix: Behind the function's name in the names of what replaces it.
    """
    base = f"{legal_name(program.name).rstrip('_')}_{suffix}"
    taken: set[str] = set()

    def name(text: str) -> str:
        taken.add(legal := legal_name(text, taken))
        return legal

    inputs = tuple(name(i.name) for i in program.inputs)
    outputs = tuple(name(o.name) for o in program.outputs)
    scalars = {i.name: n for i, n in zip(program.inputs, inputs, strict=True)}
    scalars |= {o.name: n for o, n in zip(program.outputs, outputs, strict=True)}
    parameters = tuple(scalars[p.name] if p.name in scalars else name(p.name) for p in program.parameters)
    macros: list[str] = []
    for n in inputs:
        macros.append(legal_name(n.upper(), macros))
    prefix = base.upper()
    return Names(base, prefix, inputs, outputs, parameters, tuple(f"{prefix}_{m}" for m in macros))


def header_constants(program: Program, folded: Folded) -> tuple[dict[str, np.float32], dict[str, np.ndarray]]:
    """Return every number of the header by name: macros, and tables in emitted order."""
    names = header_names(program)
    macros: dict[str, np.float32] = {}
    for i, name in enumerate(names.macros):
        macros[f"{name}_LO"] = folded.lo[i]
        macros[f"{name}_HI"] = folded.hi[i]
        if folded.shift[i]:
            macros[f"{name}_CENTER"] = folded.shift[i]
    tables = {f"{names.base}_w{k}": network.table() for k, network in enumerate(folded.networks)}
    for k, tanh in enumerate(_activations(folded)):
        coefficients = (*tanh.numerator[::-1], *tanh.denominator[::-1], tanh.limit)
        tables[f"{names.base}_tanh{k}"] = np.array(coefficients, np.float32)
    return macros, tables


def emit(program: Program, folded: Folded, *, style: str = "speed", errors: Mapping[str, str] | None = None) -> str:
    """Write the header of a surrogate. Equal arguments give equal bytes.

    Args:
        program: The function that is replaced.
        folded: Its arithmetic.
        style: `speed` (unrolled, vectors where the compiler has them) or `size` (tables and loops).
        errors: Measured error of each output by name, as text for the banner; None before verification.

    Returns:
        C99 and C++11 text.
    """
    names = header_names(program)
    macros, tables = header_constants(program, folded)
    inputs = range(len(program.inputs))
    outputs = range(len(program.outputs))
    forms = (V4, VN, FLOAT) if style == "speed" else ()
    context: dict[str, Any] = {
        "name": names.base,
        "prefix": names.prefix,
        "banner": _banner(program, folded, style, errors),
        "entries": entry_comments(names),
        "includes": ["stddef.h", *(["stdint.h"] if needs_stdint(program) else [])],
        "runtime": [runtime_text(name) for name in _runtime_names(program, style)],
        "macros": [(name, float_literal_text(value)) for name, value in macros.items()],
        "tables": [(name, list(map(float_literal, values))) for name, values in tables.items()],
        "activations": [_activation_text(tanh) for tanh in _activations(folded)],
        "forms": [_form(form, names, folded) for form in forms],
        "loops": _loop_layers(names, folded),
        "inputs": len(inputs),
        "outputs": len(outputs),
        "widest": max(len(layer.bias) for n in folded.networks for layer in n.layers[:-1]),
        "clamps": [macro_ends(names, i) for i in inputs] if folded.clamp else [],
        "shifts": [f"x[{i}] -= {names.macros[i]}_CENTER;" for i in inputs if folded.shift[i]],
        "float": float_entry(names, len(outputs), style),
        "drop_in": drop_in(program, names),
        "batch": batch_entry(names, style),
    }
    return render(f"surrogate_{style}.h.j2", h=context)


def entry_comments(names: Names) -> list[tuple[str, str]]:
    """Return the functions every header has, each with what it is."""
    return [
        (f"{names.base}()", "drop-in for the original, same types"),
        (f"{names.base}_f()", "the same in float"),
        (f"{names.base}_batch()", "n evaluations, an array per input and output"),
    ]


def macro_ends(names: Names, i: int) -> tuple[str, str]:
    """Return the macros that hold the ends of input `i`'s interval."""
    return f"{names.macros[i]}_LO", f"{names.macros[i]}_HI"


def _banner(program: Program, folded: Folded, style: str, errors: Mapping[str, str] | None) -> list[str]:
    lines = [f"Neural surrogate of {program.name}() in {program.file}, emitted by nstk {__version__}.", ""]
    for network in folded.networks:
        made = ", ".join(program.outputs[o].name for o in network.outputs)
        lines.append(f"network    {_widths(network)} -> {made} (sigmoid, linear output; {style} style)")
    outside = "inputs outside are clamped" if folded.clamp else "not clamped: meaningless outside"
    return closed_banner([*lines, *domain_lines(program, outside)], errors)


def domain_lines(program: Program, outside: str) -> list[str]:
    """Return the banner's lines on the domain, each with what happens outside."""
    return [
        f"domain     {i.name} in [{i.interval.lo:.9g}, {i.interval.hi:.9g}]"
        f"{', log-uniform' if i.interval.log else ''} ({outside})"
        for i in program.inputs
    ]


def closed_banner(lines: Sequence[str], errors: Mapping[str, str] | None) -> list[str]:
    """Return a banner's lines as safe comments, with each output's measured error and the licence at the end."""
    measured = [f"error      {name}: {text}" for name, text in (errors or {}).items()]
    return [comment_text(line) for line in (*lines, *measured, "", TERMS)]


def _widths(network: FoldedNetwork) -> str:
    return "-".join(map(str, [network.layers[0].weight.shape[1], *(len(layer.bias) for layer in network.layers)]))


def float_literal_text(value: np.float32) -> str:
    """Return a float literal, in parentheses if it is negative."""
    text = float_literal(float(value))
    return f"({text})" if text.startswith("-") else text


def _activations(folded: Folded) -> list[RationalTanh]:
    """Return the distinct activations, in order of first use."""
    used = [la.activation for n in folded.networks for la in n.layers if la.activation is not None]
    return list(dict.fromkeys(used))


def _activation_text(tanh: RationalTanh) -> dict[str, Any]:
    def horner(first: int, count: int) -> str:
        text = f"s + c[{first}]"
        for i in range(first + 1, first + count):
            text = f"(({text}) * s) + c[{i}]"
        return text

    p, q = len(tanh.numerator), len(tanh.denominator)
    return {"clamp": tanh.clamp, "numerator": horner(0, p), "denominator": horner(p, q), "limit": f"c[{p + q}]"}


def _form(form: Form, names: Names, folded: Folded) -> dict[str, Any]:
    activations = _activations(folded)
    inputs, outputs = range(len(names.inputs)), range(len(names.outputs))
    vector = form.scalar if form is V4 else form.type
    return {
        "type": form.type,
        "suffix": form.suffix,
        "limit": form.limit,
        "core": f"{names.base}_core" + ("_vn" if form is VN else ""),
        "parameters": ", ".join(
            [f"{vector} x{i}{b}" for b in form.blocks for i in inputs]
            + [f"{vector} *y{o}{b}" for b in form.blocks for o in outputs]
        ),
        "input_lines": form.input_lines(
            [macro_ends(names, i) for i in inputs] if folded.clamp else [],
            {i: f"{names.macros[i]}_CENTER" for i in inputs if folded.shift[i]},
        ),
        "networks": [
            {
                "topology": _widths(network),
                "table": f"{names.base}_w{k}",
                "lines": core_lines(
                    form,
                    network,
                    [
                        f"{names.base}_act{activations.index(layer.activation)}{form.suffix}"
                        for layer in network.layers
                        if layer.activation is not None
                    ],
                ),
            }
            for k, network in enumerate(folded.networks)
        ],
    }


def _loop_layers(names: Names, folded: Folded) -> list[dict[str, Any]]:
    """Return what the size style needs of each network: its layers' widths and activations, and its outputs."""
    activations = _activations(folded)
    return [
        {
            "topology": _widths(network),
            "table": f"{names.base}_w{k}",
            "inputs": network.layers[0].weight.shape[1],
            "hidden": [
                {
                    "inputs": layer.weight.shape[1],
                    "units": len(layer.bias),
                    "tanh": f"{names.base}_tanh{activations.index(layer.activation)}",
                    "p": len(layer.activation.numerator),
                    "q": len(layer.activation.denominator),
                }
                for layer in network.layers[:-1]
                if layer.activation is not None
            ],
            "last": network.layers[-1].weight.shape[1],
            "outputs": network.outputs,
        }
        for k, network in enumerate(folded.networks)
    ]


def float_entry(names: Names, outputs: int, style: str) -> dict[str, Any]:
    """Return prototype and body of `<name>_f`: all floats, one result returned, several through pointers."""
    single = outputs == 1
    parameters = [f"float {n}" for n in names.inputs] + ([] if single else [f"float *{n}" for n in names.outputs])
    taken = {*names.inputs, *names.outputs}
    y, x = legal_name("y", taken), legal_name("x", taken)
    if style == "size":
        targets = [f"{y}[{o}]" for o in range(outputs)]
        body = [f"const float {x}[{len(names.inputs)}] = {{{', '.join(names.inputs)}}};", f"float {y}[{outputs}];"]
        body.append(f"{names.base}_core({x}, {y});")
        body += [f"return {y}[0];"] if single else [f"*{n} = {t};" for n, t in zip(names.outputs, targets, strict=True)]
    elif single:
        body = [f"float {y};", f"{names.base}_core({', '.join(names.inputs)}, &{y});", f"return {y};"]
    else:
        body = [f"{names.base}_core({', '.join([*names.inputs, *names.outputs])});"]
    return {"returns": "float" if single else "void", "parameters": ", ".join(parameters), "body": body}


def drop_in(program: Program, names: Names) -> dict[str, Any]:
    """Return prototype and body of the drop-in, which keeps the original's exact types."""
    arguments, targets = [], [("", program.returns)] if program.returns else []
    parameters = []
    for p, name in zip(program.parameters, names.parameters, strict=True):
        parameters.append(declaration(p, name))
        elements = [name] if p.role == "value" else [f"{name}[{i}]" for i in range(p.size)]
        if p.role in ("value", "array"):
            arguments += [e if p.ctype.kind == "float" else f"(float){e}" for e in elements]
        else:
            targets += [(f"*{name}" if p.role == "pointer" else e, p.ctype) for e in elements]
    taken = set(names.parameters)
    results = []
    for _ in targets:
        results.append(legal_name("y", taken))
        taken.add(results[-1])
    call = f"{names.base}_f({', '.join(arguments)}"
    if len(targets) == 1:
        body = [f"const float {results[0]} = {call});"]
    else:
        body = [*(f"float {r};" for r in results), f"{call}, {', '.join('&' + r for r in results)});"]
    pairs = list(zip(results, targets, strict=True))
    body += [f"{target} = {_converted(r, ctype)};" for r, (target, ctype) in pairs if target]
    body += [f"return {_converted(r, ctype)};" for r, (target, ctype) in pairs if not target]
    returns = program.returns.name if program.returns else "void"
    return {"returns": returns, "parameters": ", ".join(parameters), "body": body}


def declaration(parameter: Parameter, name: str) -> str:
    """Return the parameter's exact C text under its legal name."""
    head, _, tail = parameter.declaration.rpartition(parameter.name)
    return f"{head}{name}{tail}"


def _converted(name: str, ctype: CType) -> str:
    if ctype.kind == "float":
        return name
    if ctype.kind == "double":
        return f"(double){name}"
    lo, hi = _float_range(ctype)
    return f"({ctype.name})nstk_round({name}, {float_literal_text(lo)}, {float_literal_text(hi)})"


def _float_range(ctype: CType) -> tuple[np.float32, np.float32]:
    """Return the widest float32 interval inside an integer type's range."""
    lo, hi = np.float32(ctype.lo), np.float32(ctype.hi)
    return (
        lo if float(lo) >= ctype.lo else np.nextafter(lo, np.float32(0)),
        hi if float(hi) <= ctype.hi else np.nextafter(hi, np.float32(0)),
    )


def batch_entry(names: Names, style: str) -> dict[str, Any]:
    """Return the texts of `<name>_batch`: structure of arrays in, structure of arrays out."""
    taken = {*names.inputs, *names.outputs}
    count, i = legal_name("n", taken), legal_name("i", taken)
    blocks: list[str] = []
    for _ in range(len(VN.blocks) * len(names.outputs)):
        blocks.append(legal_name("v", {*taken, *blocks}))
    starts = [i, f"{i} + NSTK_LANES"]
    stores = [f"&{n}[{start}]" for start in starts for n in names.outputs]
    pointers = [f"const float *{n}" for n in names.inputs] + [f"float *{n}" for n in names.outputs]
    single = len(names.outputs) == 1
    elements = [f"{n}[{i}]" for n in names.inputs] + ([] if single else [f"&{n}[{i}]" for n in names.outputs])
    call = f"{names.base}_f({', '.join(elements)});"
    return {
        "parameters": ", ".join([f"size_t {count}", *pointers]),
        "count": count,
        "i": i,
        "blocks": blocks if style == "speed" else [],
        "core": ", ".join(
            [f"nstk_load_vn(&{n}[{start}])" for start in starts for n in names.inputs] + [f"&{b}" for b in blocks]
        ),
        "stores": [f"nstk_store_vn({place}, {b});" for place, b in zip(stores, blocks, strict=True)],
        "element": f"{names.outputs[0]}[{i}] = {call}" if single else call,
    }


def needs_stdint(program: Program) -> bool:
    """Return whether the original's types come from <stdint.h>."""
    types = [p.ctype.name for p in program.parameters] + ([program.returns.name] if program.returns else [])
    return any(name.endswith("_t") and name != "size_t" for name in types)


def _runtime_names(program: Program, style: str) -> Sequence[str]:
    return [*(["nstk_lanes", "nstk_clamp"] if style == "speed" else ["nstk_clamp", "nstk_dense"]), *rounding(program)]


def rounding(program: Program) -> list[str]:
    """Return the file of `runtime_c/` that rounds results, if a program has integer ones."""
    types = [p.ctype for p in program.parameters if p.role in ("pointer", "output_array")]
    types += [program.returns] if program.returns else []
    return ["nstk_round"] if any(t.kind == "int" for t in types) else []


def runtime_text(name: str) -> tuple[str, str]:
    """Return the guard macro and text of a file of `runtime_c/`.

    Headers of several nstk versions may meet in one file, where the first one's text serves all: a runtime function
    never changes its meaning, a better one gets another name.
    """
    text = (resource_dir("runtime_c") / f"{name}.h").read_text().rstrip()
    return f"{name.upper()}_H", text
