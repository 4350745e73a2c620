"""Rivals of a program: fitted to the tolerance, emitted, and verified as a surrogate is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.constants import read_constants
from nstk.errors import UsageError
from nstk.integer_verification import check_integer_arithmetic, compare_constants, read_integer_constants
from nstk.program import Input, Program
from nstk.report import number
from nstk.rivals.arithmetic import (
    IntegerTable,
    float_table,
    float_units,
    integer_table,
    integer_units,
    polynomial,
)
from nstk.rivals.basis import EXTRA, KINDS
from nstk.rivals.emission import Arithmetic, emit_rival, rival_constants, rival_names
from nstk.rivals.sizing import (
    HIGHEST_DEGREE,
    MOST_BYTES,
    MOST_ENTRIES,
    Samples,
    candidate_fits,
    grid_axes,
    grid_points,
)
from nstk.sandbox import ProgramRunner
from nstk.verification import Comparison, Function, search_worst

Array = NDArray[np.float64]

_ROOM = 0.99  # share of the tolerance used before the compiled header is searched for worse points


@dataclass(frozen=True, eq=False)
class Rival:
    """A rival that keeps the tolerance.

    Attributes:
        arithmetic: What it computes.
        callee: Name of its drop-in function; the header's file is named after it.
        header: Text of its header.
        record: Its part of the report: `kind`, `number`, `shape`, `bytes` of constants, `header`, `verify`.
    """

    arithmetic: Arithmetic
    callee: str
    header: str
    record: dict[str, Any]


def build_rivals(
    program: Program, original: Function, known: Comparison, allowed: Array, seed: int, *, integers: bool
) -> tuple[list[Rival], list[dict[str, Any]]]:
    """Build the rivals of a program of up to three inputs.

    Every one is as small as keeps the tolerance on the known points and on those that a search from the worst of them
    finds. The original runs some 70,000 times more than for the surrogate's verification, with three inputs 280,000.

    Args:
        program: The original.
        original: Runs it.
        known: Points the surrogate was verified on; what it gave there is not used.
        allowed: Largest error of each output (O,).
        seed: Of the search.
        integers: Also build int16 tables.

    Returns:
        The rivals, and for each kind that cannot keep the tolerance within the limits of `sizing` its `kind`, `number`
        and an `error` that says so.
    """
    inputs = program.inputs
    axes = grid_axes(inputs)
    values = original(grid_points(axes)).reshape(*map(len, axes), -1)
    samples = Samples(axes, values, allowed)
    found, missed = [], []
    for kind, form in [(k, "float") for k in KINDS] + [(k, "int16") for k in EXTRA if integers]:
        arithmetic = _fit(kind, form, program, samples, original, known, seed)
        if arithmetic is None:
            bound = f"degree {HIGHEST_DEGREE}" if kind == "chebyshev" else f"{MOST_ENTRIES[len(inputs)]} entries"
            text = f"cannot keep the tolerance in {MOST_BYTES // 1024} KiB and {bound} along an input"
            missed.append({"kind": kind, "number": form, "error": text})
        else:
            found.append(_verified(program, arithmetic, original, known, allowed, seed))
    return found, missed


def _fit(
    kind: str, form: str, program: Program, samples: Samples, original: Function, known: Comparison, seed: int
) -> Arithmetic | None:
    """Return the smallest rival of a kind that keeps the tolerance; None if there is none."""
    inputs = program.inputs
    units = (integer_units if form == "int16" else float_units)(inputs, samples.axes)
    for fit in candidate_fits(kind, samples, units, 2 if form == "int16" else 4):
        try:
            arithmetic = _arithmetic(kind, form, inputs, fit)
        except UsageError:
            return None
        outputs = _outputs_of(program, arithmetic)
        tried = Comparison(known.x, known.expected, outputs(known.x))
        if not (tried.error <= _ROOM * samples.allowed).all():
            continue
        worst = search_worst(original, outputs, inputs, tried, seed)
        if (worst.error <= _ROOM * samples.allowed).all():
            return arithmetic
    return None


def _outputs_of(program: Program, arithmetic: Arithmetic) -> Function:
    """Return what the drop-in computes: integer results are rounded half away from zero."""
    rounded = np.array([output.ctype.kind == "int" for output in program.outputs])

    def run(x: Array) -> Array:
        y = arithmetic.evaluate(x)[0]
        return np.where(rounded, np.copysign(np.floor(np.abs(y) + 0.5), y), y)

    return run


def _arithmetic(kind: str, form: str, inputs: Sequence[Input], fit: Array) -> Arithmetic:
    if form == "int16":
        return integer_table(kind, inputs, fit)
    return polynomial(inputs, fit) if kind == "chebyshev" else float_table(kind, inputs, fit)


def _verified(
    program: Program, arithmetic: Arithmetic, original: Function, known: Comparison, allowed: Array, seed: int
) -> Rival:
    """Emit a rival and climb the three rungs."""
    base = rival_names(program, arithmetic).base
    header = emit_rival(program, arithmetic)
    with ProgramRunner(program, header=header, callee=base) as runner:
        checked = Comparison(known.x, known.expected, runner.run(known.x))
        checked = checked.joined(search_worst(original, runner.run, program.inputs, checked, seed))
    largest = checked.error.max(0)
    outputs = [
        {"name": output.name, "n": len(checked.x), "max_abs": error, "tolerance": most, "ok": error <= most}
        for output, error, most in zip(program.outputs, largest.tolist(), allowed.tolist(), strict=True)
    ]
    constants = check_rival_constants(program, arithmetic, header)
    computed = check_rival_arithmetic(program, arithmetic, header, seed)
    verify = {
        "ok": bool(constants["ok"] and computed["ok"] and all(o["ok"] for o in outputs)),
        "constants": constants,
        "arithmetic": computed,
        "outputs": outputs,
    }
    record = {
        "kind": arithmetic.kind,
        "number": "int16" if isinstance(arithmetic, IntegerTable) else "float",
        "shape": list(arithmetic.shape),
        "bytes": sum(table.nbytes for table in arithmetic.tables),
        "header": f"rivals/{base}.h",
        "verify": verify,
    }
    texts = {o["name"]: f"at most {number(o['max_abs'], up=True)} at {o['n']} points" for o in outputs}
    return Rival(arithmetic, base, emit_rival(program, arithmetic, texts), record)


def check_rival_constants(program: Program, arithmetic: Arithmetic, header: str) -> dict[str, Any]:
    """Rung 1: every number read back from a rival's header; returns `ok`, `count`, and names of `wrong` ones."""
    try:
        macros, tables = read_integer_constants(header)
        tables |= read_constants(header)[1]
    except ValueError as error:
        return {"ok": False, "count": 0, "wrong": [str(error)]}
    return compare_constants(*rival_constants(program, arithmetic), macros, tables)


def check_rival_arithmetic(program: Program, arithmetic: Arithmetic, header: str, seed: int) -> dict[str, Any]:
    """Rung 2: emitted C against the model in numpy: int16 tables bit for bit, float rivals within a bound on rounding.

    Returns:
        `ok`, `max_abs` difference, `bound` on it, `worst_input`.
    """
    base = rival_names(program, arithmetic).base
    if isinstance(arithmetic, IntegerTable):
        return check_integer_arithmetic(program, arithmetic, header, seed, base)
    x = np.concatenate(sampling.arithmetic_points(program.inputs, seed)).astype(np.float32).astype(np.float64)
    expected, bound = arithmetic.evaluate(x)
    with ProgramRunner(program, header=header, form="float", callee=f"{base}_f") as runner:
        difference = np.abs(runner.run(x) - expected)
    share = difference / np.maximum(bound, 1e-300)  # a constant zero has no bound
    row, column = np.unravel_index(np.argmax(share), share.shape)
    return {
        "ok": bool((difference <= bound).all()),
        "max_abs": float(difference.max()),
        "bound": float(bound[row, column]),
        "worst_input": x[row].tolist(),
    }
