"""Renders `mcu.json`: networks, examples, rivals and families on microcontrollers."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rendering import markdown, source

_KINDS = ("linear", "cubic", "chebyshev")


def mcu(result: dict[str, Any]) -> str:
    """Render `mcu.json`: the reference network by target, from the preferred toolchain, then the examples."""
    rows = []
    for (target, compiler), group in groupby(result["networks"], key=lambda row: (row["target"], row["compiler"])):
        if compiler != result["toolchains"][target][0]:
            continue
        names: dict[str, dict[str, Any]] = {}
        for row in group:
            names.setdefault(row["name"], {})[row["optimize"]] = row
        for number, (name, by) in enumerate(names.items()):
            fast, small = by["-O2"], by["-Os"]
            counts = [f"{row['max']:,}" for row in (fast, small)]
            sizes = [f"{row['flash']:,} / {row['ram']}" for row in (fast, small)]
            shown = f"**{name}**" if name.startswith("nstk") else name
            first = f"{target}, {fast['unit']}" if number == 0 else ""
            rows.append([first, shown, counts[0], sizes[0], counts[1], sizes[1], f"{small['max_error']:.1e}"])
    header = ["", "", "most, -O2", "flash / RAM", "most, -Os", "flash / RAM", "max error"]
    text = markdown(header, rows, 5) + "\n"
    used = dict.fromkeys(result["toolchains"][row["target"]][0] for row in result["networks"])
    text += (
        f"Most instructions (ATmega328P: cycles) of one call of {result['points']}. Compilers: {'; '.join(used)}.\n\n"
    )
    text += _without_fpu(result["examples"]) + "\n" + _with_fpu(result["examples"])
    text += "\nMedians of 64 inputs, instructions (ATmega328P: cycles); *faster* is in cycles, on Arm estimated from a"
    text += " static table. Down to the rung that meets 1 %.\n\n"
    few = [row for row in result["examples"] if row["rivals"] and row["ok"]]
    text += _against_rivals(few) + "\n" + _rivals_here(few) + "\n" + _against_rivals(result["families"])
    text += "\nInstructions of a call / bytes of flash; the least are bold. *None* meets the tolerance.\n"
    return text + source(result)


def _gain(value: float) -> str:
    return f"{value:,.0f}x" if value >= 100 else f"{value:.2g}x"


def _named(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return each row's function, where it is not that of the row before, topology and whether it meets 1 %."""
    names = [f"`{row['function']}`" for row in rows]
    shown = [name if name != before else "" for name, before in zip(names, ["", *names], strict=False)]
    nets = [", ".join(dict.fromkeys(row["topology"])) for row in rows]
    return [[n, t, "yes" if row["ok"] else "no"] for n, t, row in zip(shown, nets, rows, strict=True)]


def _without_fpu(examples: list[dict[str, Any]]) -> str:
    """Render the examples' int16 surrogates on cores without an FPU, against the float originals."""
    targets = ("cortex-m0plus", "atmega328p")
    rows = [row for row in examples if row["number"] == "int16"]
    cells = []
    for row, name in zip(rows, _named(rows), strict=True):
        for found in (row["targets"][target] for target in targets):
            name.append(f"{found['original']['median']:,.0f}")
            for side, gain in ((found["int16"], found["int16"]["speedup"]), (found["surrogate"], found["speedup"])):
                name += [f"{side['median']:,.0f}", _gain(gain)]
        cells.append(name)
    columns = [column for t in targets for column in (t, "int16 in, out", "faster", "float in, out", "faster")]
    return markdown(["int16 surrogate", "topology", "meets 1 %", *columns], cells, len(columns))


def _with_fpu(examples: list[dict[str, Any]]) -> str:
    """Render the examples' float surrogates on a core with an FPU, without one, and on this machine."""
    targets = ("cortex-m4f", "cortex-m0plus")
    rows = [row for row in examples if row["number"] == "float"]
    cells = []
    for row, name in zip(rows, _named(rows), strict=True):
        for found in (row["targets"][target] for target in targets):
            name += [f"{found[side]['median']:,.0f}" for side in ("original", "surrogate")]
            name.append(_gain(found["speedup"]))
        host = row["host"]
        name += [f"{host['original']:.3g}", f"{host['surrogate']:.3g}", f"{host['original'] / host['surrogate']:.2g}x"]
        cells.append(name)
    columns = [column for t in (*targets, "here, ns") for column in (t, "surrogate", "faster")]
    return markdown(["float surrogate", "topology", "meets 1 %", *columns], cells, len(columns))


def _against_rivals(rows: Sequence[dict[str, Any]]) -> str:
    """Render surrogates and their rivals side by side: int16 in and out on Cortex-M0+, float on Cortex-M4F."""
    lines: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault((row["function"], row["tolerance"]), {})[row["number"]] = row
    cells = []
    for (function, tolerance), by in lines.items():
        line = [f"`{function}`", str(next(iter(by.values()))["inputs"]), tolerance.replace("%", " %")]
        for number, target, kinds in (("int16", "cortex-m0plus", _KINDS[:2]), ("float", "cortex-m4f", _KINDS)):
            line += _compared(by[number], number, target, kinds) if number in by else [""] * (1 + len(kinds))
        cells.append(line)
    header = ["function", "inputs", "tolerance", "M0+, int16 in, out: surrogate", "linear table", "cubic table"]
    header += ["M4F, float: surrogate", "linear table", "cubic table", "Chebyshev"]
    return markdown(header, cells, 7)


def _compared(row: dict[str, Any], number: str, target: str, kinds: Sequence[str]) -> list[str]:
    """Return a cell with instructions and flash for the surrogate and each kind of rival, the least in bold."""
    found: list[tuple[float, int] | None] = []
    costs = row["targets"][target]
    sides = [costs if number == "int16" else costs["surrogate"]] if row["ok"] else [None]
    rivals = {r["kind"]: r for r in row["rivals"] if r["number"] == number and r.get("ok")}
    sides += [rivals[kind]["bench"]["targets"][target] if kind in rivals else None for kind in kinds]
    for side in sides:
        part = side.get("int16") if side and number == "int16" else side
        found.append((part["median"], part["flash_bytes"]) if part and "median" in part else None)
    least = [min(values) for values in zip(*filter(None, found), strict=True)]
    return [
        " / ".join(f"**{v:,.0f}**" if v == w else f"{v:,.0f}" for v, w in zip(pair, least, strict=True))
        if pair
        else "none"
        for pair in found
    ]


def _rivals_here(rows: Sequence[dict[str, Any]]) -> str:
    """Render nanoseconds of one call on this machine."""
    cells = []
    for row in rows:
        if row["number"] == "float":
            rivals = {r["kind"]: r for r in row["rivals"] if r["number"] == "float" and r.get("ok")}
            times = [row["host"]["original"], row["host"]["surrogate"]]
            times += [rivals[kind]["bench"]["host"]["ns"] if kind in rivals else math.inf for kind in _KINDS]
            shown = (f"{time:.3g}" if math.isfinite(time) else "none" for time in times)
            cells.append([f"`{row['function']}`", *shown])
    header = ["here, ns of a call", "original", "surrogate", "linear table", "cubic table", "Chebyshev"]
    return markdown(header, cells, 5)
