"""Rungs 1 and 2 of verification for int16 headers: every number is compared exactly, and every result."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.c_text import parse_float_literal
from nstk.emission import header_names
from nstk.integer_emission import Macros, Tables, integer_constants
from nstk.program import Program
from nstk.quantization import IntegerArithmetic, Quantized
from nstk.sandbox import ProgramRunner

_TABLE = re.compile(r"^static const (int16|int32)_t (\w+)\[\d+\][^={]*= \{([^}]*)\}", re.MULTILINE)
_MACRO = re.compile(r"#define (\w+) \(?(-?\d[\w.+-]*)\)?$", re.MULTILINE)
_ENDS = (-(2**15), -1, 0, 1, 2**15 - 1)


def read_integer_constants(header: str) -> tuple[Macros, Tables]:
    """Read every number of an int16 header back: macros, and tables by name.

    Raises:
        ValueError: A literal is none, or does not fit its type.
    """
    tables: Tables = {}
    for kind, name, body in _TABLE.findall(header):
        values = [int(item) for item in body.split(",")]
        info = np.iinfo(kind)
        if min(values) < info.min or max(values) > info.max:
            raise ValueError(f"{name} does not fit {kind}_t")
        tables[name] = np.array(values, kind)
    macros: Macros = {
        name: parse_float_literal(text) if text.endswith("f") else int(text) for name, text in _MACRO.findall(header)
    }
    return macros, tables


def check_integer_constants(program: Program, quantized: Quantized, header: str) -> dict[str, Any]:
    """Rung 1: every literal of the header equals the stored number.

    Returns:
        `ok`, `count` of numbers compared, and `wrong`: up to five names of what differs.
    """
    try:
        macros, tables = read_integer_constants(header)
    except ValueError as error:
        return {"ok": False, "count": 0, "wrong": [str(error)]}
    return compare_constants(*integer_constants(program, quantized), macros, tables)


def compare_constants(
    expected_macros: Macros, expected_tables: Tables, macros: Macros, tables: Tables
) -> dict[str, Any]:
    """Compare the numbers read from a header with the stored ones; returns what `check_integer_constants` does."""
    wrong = [name for name, value in expected_macros.items() if name not in macros or macros[name] != value]
    for name, values in expected_tables.items():
        table = tables.get(name)
        if table is None or table.shape != values.shape or table.dtype != values.dtype:
            wrong.append(name)
        else:
            wrong += [f"{name}[{i}]" for i in np.flatnonzero(table != values)]
    # What no table or macro holds would escape the comparison.
    unknown = sorted((macros.keys() | tables.keys()) - expected_macros.keys() - expected_tables.keys())
    wrong += [f"unknown constant {name}" for name in unknown]
    count = len(expected_macros) + sum(len(values) for values in expected_tables.values())
    return {"ok": not wrong, "count": count, "wrong": wrong[:5]}


def check_integer_arithmetic(
    program: Program, quantized: IntegerArithmetic, header: str, seed: int, base: str | None = None
) -> dict[str, Any]:
    """Rung 2: emitted C against the model in numpy, which must agree in every bit.

    int16 calls are compared on draws from all of int16 and its ends, float calls inside the domain and outside it, on
    infinities and NaN.

    Args:
        program: The original.
        quantized: What the header should compute.
        header: Its text.
        seed: Of the points.
        base: Start of its functions' names, where that is not `<function>_surrogate`.

    Returns:
        `ok`, `max_abs` difference in output units, `bound` (0), `worst_input`, `forms` compared.
    """
    inputs = program.inputs
    inside, outside = sampling.arithmetic_points(inputs, seed)
    special = np.where(np.eye(len(inputs), dtype=bool), np.nan, inside.mean(0))
    special = np.concatenate([special, *(np.where(np.isnan(special), end, special) for end in (np.inf, -np.inf, 0.0))])
    x = np.concatenate([inside, outside, special]).astype(np.float32).astype(np.float64)
    generator = np.random.default_rng([seed, 13])
    q = np.concatenate(
        [
            generator.integers(-(2**15), 2**15, (4096, len(inputs))),
            generator.choice(_ENDS, (1024, len(inputs))),
        ]
    )
    step = np.array([made.step for made in quantized.outputs])
    expected = quantized.evaluate(x)[0]
    expected_q = quantized.evaluate_q(q).astype(np.float64)
    base = base or header_names(program).base
    forms: list[tuple[str, str, NDArray[Any], NDArray[np.float64], NDArray[np.float64] | float]] = [
        ("int16", "_q", q.astype(np.float64), expected_q, step),
        ("float", "_f", x, expected, 1.0),
        ("batch", "_batch", x, expected, 1.0),
    ]
    record: dict[str, Any] = {"ok": True, "max_abs": 0.0, "bound": 0.0, "worst_input": None, "forms": []}
    for form, suffix, points, wanted, unit in forms:
        with ProgramRunner(program, header=header, form=form, callee=base + suffix) as runner:
            got = runner.run(points)
        difference = np.abs(got - wanted) * unit
        difference = np.where(np.isnan(difference), np.inf, difference)
        row = int(difference.max(1).argmax())
        record["forms"].append(form)
        if difference[row].max() > record["max_abs"]:
            record |= {"ok": False, "max_abs": float(difference[row].max()), "worst_input": points[row].tolist()}
    return record
