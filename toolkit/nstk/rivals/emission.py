"""Emission of a rival as one standalone C header, a drop-in for the original as the surrogate's is."""

from collections.abc import Mapping
from math import prod
from typing import Any

from numpy.typing import NDArray

from nstk import __version__
from nstk.c_text import float_literal
from nstk.emission import (
    Names,
    batch_entry,
    closed_banner,
    domain_lines,
    drop_in,
    entry_comments,
    float_entry,
    header_names,
    needs_stdint,
    rounding,
    runtime_text,
)
from nstk.integer_emission import Macros, Tables, format_constants, integer_context, macro_lines, table_lines
from nstk.program import Program
from nstk.resources import render
from nstk.rivals.arithmetic import FloatTable, IntegerTable, Polynomial

Arithmetic = FloatTable | Polynomial | IntegerTable

_NAMES = {"linear": "lookup table, linear interpolation", "cubic": "lookup table, cubic B-splines"}


def rival_names(program: Program, arithmetic: Arithmetic) -> Names:
    """Return the names in a rival's header: functions are called `<function>_<kind>`, with `_int16` behind it."""
    suffix = "_int16" if isinstance(arithmetic, IntegerTable) else ""
    return header_names(program, arithmetic.kind + suffix)


def rival_constants(program: Program, arithmetic: Arithmetic) -> tuple[Macros, Tables]:
    """Return every number of a rival's header by name: macros, and tables in emitted order."""
    names = rival_names(program, arithmetic)
    macros: Macros = {}
    tables: Tables = {}
    if isinstance(arithmetic, IntegerTable):
        macros, tables = format_constants(program, names, arithmetic)
    for i, name in enumerate(names.macros):
        if not isinstance(arithmetic, IntegerTable):
            macros |= {f"{name}_LO": arithmetic.lo[i], f"{name}_SCALE": arithmetic.scale[i]}
        if isinstance(arithmetic, Polynomial):
            macros |= {f"{name}_HI": arithmetic.hi[i], f"{name}_CENTER": arithmetic.middle[i]}
        else:
            macros[f"{name}_CELLS"] = arithmetic.cells[i]
        macros |= {f"{name}_STRIDE": _stride(arithmetic, i)} if i < len(names.macros) - 1 else {}
    numbers: tuple[NDArray[Any], ...] = arithmetic.tables
    for o, table in enumerate(numbers):
        tables[f"{names.base}_{o}"] = table.ravel()
    return macros, tables


def emit_rival(program: Program, arithmetic: Arithmetic, errors: Mapping[str, str] | None = None) -> str:
    """Write a rival's header. Equal arguments give equal bytes.

    Args:
        program: The function that is replaced.
        arithmetic: What the header computes.
        errors: Measured error of each output by name, as text for the banner; None before verification.

    Returns:
        C99 and C++11 text.
    """
    names = rival_names(program, arithmetic)
    macros, tables = rival_constants(program, arithmetic)
    size = " x ".join(map(str, arithmetic.shape))
    count = len(arithmetic.tables)
    each = f", for each of {count} outputs" if count > 1 else ""
    what = _NAMES.get(arithmetic.kind, "Chebyshev polynomial, as powers")
    outside = {
        IntegerTable: "outside it saturates, NaN as infinity",
        FloatTable: "inputs outside are clamped, NaN as the upper end",
        Polynomial: "inputs outside are clamped",
    }[type(arithmetic)]
    lines = [
        f"A rival of the neural surrogate of {program.name}() in {program.file}, emitted by nstk {__version__}.",
        "",
    ]
    unit = "coefficients" if isinstance(arithmetic, Polynomial) else "entries"
    number = "int16" if isinstance(arithmetic, IntegerTable) else "float"
    lines.append(f"made of    {what}, {size} {number} {unit}{each}")
    strides = [f"{name}_STRIDE" for name in names.macros[:-1]]
    factors = [*(f" * (size_t){stride}" for stride in strides), ""]
    context: dict[str, Any] = {
        "banner": closed_banner([*lines, *domain_lines(program, outside)], errors),
        "macros": macro_lines(macros),
        "kind": arithmetic.kind,
        "outputs": [f"{names.base}_{o}" for o in range(count)],
        "strides": "".join(f", {stride}" for stride in strides),
    }
    if isinstance(arithmetic, IntegerTable):
        context |= integer_context(program, names, arithmetic, _runtime_of(arithmetic, "nstk_q_"))
        context["tables"] = table_lines(tables, set(tables))
        context["cells"] = [(f"{n}_CELLS", s) for n, s in zip(names.macros, factors, strict=True)]
        return render("rivals/int16_table.h.j2", h=context)
    context |= _float_context(program, names)
    context["tables"] = [(name, list(map(float_literal, values))) for name, values in tables.items()]
    if isinstance(arithmetic, FloatTable):
        context["runtime"] = [runtime_text(n) for n in (*_runtime_of(arithmetic, "nstk_"), *rounding(program))]
        context["cells"] = [
            (f"{n}_LO", f"{n}_SCALE", f"{n}_CELLS", s) for n, s in zip(names.macros, factors, strict=True)
        ]
        return render("rivals/float_table.h.j2", h=context)
    context["runtime"] = [runtime_text(n) for n in ("nstk_clamp", *rounding(program))]
    context["axes"] = [_axis(names, arithmetic, i) for i in range(len(names.inputs))]
    return render("rivals/polynomial.h.j2", h=context)


def _float_context(program: Program, names: Names) -> dict[str, Any]:
    return {
        "name": names.base,
        "prefix": names.prefix,
        "entries": entry_comments(names),
        "includes": ["stddef.h", *(["stdint.h"] if needs_stdint(program) else [])],
        "float": float_entry(names, len(names.outputs), "size"),
        "drop_in": drop_in(program, names),
        "batch": batch_entry(names, "size"),
    }


def _runtime_of(table: FloatTable | IntegerTable, prefix: str) -> list[str]:
    return [f"{prefix}table", *([f"{prefix}spline"] if table.kind == "cubic" else [])]


def _stride(arithmetic: Arithmetic, i: int) -> int:
    """Return by how many entries neighbours along input `i` are apart."""
    return prod(arithmetic.shape[i + 1 :])


def _axis(names: Names, polynomial: Polynomial, i: int) -> dict[str, Any]:
    """Return how a polynomial is summed along input `i`."""
    count = polynomial.shape[i]
    horner = "c[0]"
    for k in range(1, count):
        horner = f"(({horner}) * u[{i}]) + c[{k}]" if k > 1 else f"(c[0] * u[{i}]) + c[1]"
    macro = names.macros[i]
    return {
        "input": i,
        "last": i == len(names.inputs) - 1,
        "count": count,
        "stride": f"{macro}_STRIDE",
        "horner": horner,
        **{key: f"{macro}_{key.upper()}" for key in ("lo", "hi", "scale")},
        "middle": f"{macro}_CENTER",
    }
