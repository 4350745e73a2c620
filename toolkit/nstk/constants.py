"""Rung 1 of verification: the numbers of a header, read back and compared with the stored ones bit for bit."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.c_text import parse_float_literal
from nstk.emission import header_constants
from nstk.folding import Folded
from nstk.program import Program

_TABLE = re.compile(r"^static const float (\w+)\[\d+\][^={]*= \{([^}]*)\}", re.MULTILINE)
_MACRO = re.compile(r"#define (\w+) \(?(-?[\d.e+-]+f)\)?$", re.MULTILINE)


def read_constants(header: str) -> tuple[dict[str, np.float32], dict[str, NDArray[np.float32]]]:
    """Read every number of a header back: macros, and tables by name."""
    tables = {
        name: np.array([parse_float_literal(item.strip()) for item in body.split(",")], np.float32)
        for name, body in _TABLE.findall(header)
    }
    macros = {name: parse_float_literal(text) for name, text in _MACRO.findall(header)}
    return macros, tables


def check_constants(program: Program, folded: Folded, header: str) -> dict[str, Any]:
    """Rung 1: every literal of the header equals the stored number bit for bit.

    Returns:
        `ok`, `count` of numbers compared, and `wrong`: up to five names of what differs.
    """
    expected_macros, expected_tables = header_constants(program, folded)
    try:
        macros, tables = read_constants(header)
    except ValueError as error:
        return {"ok": False, "count": 0, "wrong": [str(error)]}
    wrong = [name for name, value in expected_macros.items() if not _same(macros.get(name), value)]
    for name, values in expected_tables.items():
        table = tables.get(name)
        if table is None or table.shape != values.shape:
            wrong.append(name)
        else:
            wrong += [f"{name}[{i}]" for i in np.flatnonzero(table.view(np.uint32) != values.view(np.uint32))]
    # What no table or macro holds would escape the comparison.
    wrong += [
        f"unknown constant {name}"
        for name in (macros.keys() | tables.keys()) - expected_macros.keys() - expected_tables.keys()
    ]
    count = len(expected_macros) + sum(len(values) for values in expected_tables.values())
    return {"ok": not wrong, "count": count, "wrong": wrong[:5]}


def _same(a: np.float32 | None, b: np.float32) -> bool:
    return a is not None and np.float32(a).tobytes() == np.float32(b).tobytes()
