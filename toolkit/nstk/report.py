"""The report of one surrogate: its words and tables, on the terminal and as `report.json`.

A report is the plain mapping that `report.json` holds. Everything here tolerates a missing optional part (a surrogate
fitted to pairs has no timing, a fine-tuned one no rungs): what is absent is not mentioned.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal
from itertools import groupby
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA_VERSION = 1

#: Keys in the order a reader wants them; all others follow alphabetically.
_KEY_ORDER = """
    schema_version program init finetune networks rungs header rounding verify bench rivals verdict build
    name function source_file sha256 inputs outputs ctype lo hi log
    method candidates zero_shot_nrmse optimizer iterations seconds samples train_nrmse
    topology parameters number style sigmoid_error license use reason per_target ok constants arithmetic
    n max_abs rmse nrmse p99_abs range worst_input worst_expected worst_got tolerance
    certificate confidence coverage host targets original surrogate min median max unit kind shape bytes
"""
_KINDS = ("float", "int16")
_RIVALS = {"linear": "linear table", "cubic": "cubic table", "chebyshev": "Chebyshev polynomial"}
_KEY_RANK = {key: rank for rank, key in enumerate(_KEY_ORDER.split())}


@dataclass(frozen=True)
class TextTable:
    """A table of ready-made strings, the same for terminal and page.

    Attributes:
        title: Heading, may be empty.
        head: Column heads; empty for a table of facts (name, text).
        rows: Rows as long as `head`; the first cell names the row, the last of a judged row is `yes`, `ok`, `NO`,
            `missed` or `FAILED`.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as JSON, atomically, in a key order that does not depend on how it was put together.

    Numpy scalars and arrays become numbers and lists; numbers that JSON lacks (NaN, infinities) become null.

    Raises:
        OSError: The folder cannot be written; an old file stays as it was.
        TypeError: A value is no JSON value.
    """
    text = json.dumps(_canonical({**report, "schema_version": SCHEMA_VERSION}), indent=2, ensure_ascii=False)
    # Not tempfile: its files are private, and a report should have the permissions of its neighbours.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def summary(report: Mapping[str, Any], folder: Path | None = None) -> "RenderableType":
    """Return the report for the terminal, readable at 80 columns.

    Args:
        report: The report.
        folder: Where the files were written, for the closing line.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [Text(headline(report), style="bold"), _terminal(facts(report))]
    for table in (rungs(report), errors(report), rounding(report)):
        parts += [Text(), _terminal(table)] if table.rows else []
    parts += [Padding(Text(sentence), (0, 0, 0, 2)) for sentence in worst_points(report) + certificates(report)]
    for table in (rungs_of_verification(report), *costs(report), *rivals(report)):
        parts += [Text(), _terminal(table)] if table.rows else []
    if conditions := measuring_conditions(report):
        parts.append(Padding(Text(conditions, style="dim"), (0, 0, 0, 2)))
    if verdict := report.get("verdict"):
        word, reason = verdict_words(report)
        style = "bold green" if verdict["use"] else "bold yellow"
        parts += [Text(), Text.assemble((f"{word}. ", style), reason)]
        parts += [Text(f"  {target}: {sentence}") for target, sentence in per_target(report)]
    if folder is not None:
        parts += [Text(), Text(f"Files: {folder}/", overflow="fold")]
        parts.append(Text(f"  {header_name(report)}, report.html, report.json", overflow="fold"))
    return Group(*parts)


def part(key: str, record: Mapping[str, Any]) -> "RenderableType":
    """Return only the `verify` or the `bench` part of a report for the terminal."""
    from rich.console import Group
    from rich.text import Text

    report = {key: record, "rivals": record.get("rivals", ())}
    parts: list[RenderableType] = []
    for table in (errors(report), rungs_of_verification(report), *costs(report), *rivals(report)):
        parts += [_terminal(table), Text()] if table.rows else []
    sentences = certificates(report) if key == "verify" else [measuring_conditions(report)]
    return Group(*parts, *(Text(sentence) for sentence in sentences))


def headline(report: Mapping[str, Any]) -> str:
    """Return what was replaced by what: `dew_point (dew_point.c) -> dew_point_surrogate.h`."""
    program = report["program"]
    source = f" ({program['source_file']})" if program.get("source_file") else ""
    return f"{function_name(report)}{source} -> {header_name(report)}"


def function_name(report: Mapping[str, Any]) -> str:
    """Return the C function's name."""
    program = report["program"]
    return str(program.get("function") or program["name"])


def header_name(report: Mapping[str, Any]) -> str:
    """Return the emitted header's file name."""
    return str(report.get("header", {}).get("file") or f"{function_name(report)}_surrogate.h")


def facts(report: Mapping[str, Any]) -> TextTable:
    """Return what was replaced, by which networks, and how they came about."""
    program, header = report["program"], report.get("header", {})
    rows = [
        ("inputs", _domain(program["inputs"])),
        ("outputs", ", ".join(output["name"] for output in program["outputs"])),
    ]
    for network in report.get("networks", ()):
        shared = f" for {', '.join(network['outputs'])}" if len(program["outputs"]) > 1 else ""
        rows.append(("network", f"{network['topology']}, {network['parameters']} parameters{shared}"))
    if header:
        style = f", {header['style']} style" if header.get("style") else ""
        rows.append(("arithmetic", f"{header.get('number', 'float')}{style}"))
    if init := report.get("init"):
        rows.append(("start", _start(init)))
    if finetune := report.get("finetune"):
        rows.append(("fine-tuning", _finetuning(finetune)))
    return TextTable("", (), tuple(rows))


def rungs(report: Mapping[str, Any]) -> TextTable:
    """Return the topologies tried with their errors; the chosen one is marked.

    Where int16 was asked for, its errors follow; what is too steep for it has none.
    """
    chosen = {network["topology"] for network in report.get("networks", ())}
    tried = report.get("rungs", ())
    kinds = ("", ", int16") if any("int16" in rung for rung in tried) else ("",)
    rows = []
    for rung in tried:
        cells = [rung["topology"]]
        for errors in (rung, rung.get("int16", {}))[: len(kinds)]:
            cells.append(", ".join(number(v, up=True) for v in per_output(errors.get("max_abs"))))
            cells.append(", ".join(number(v) for v in per_output(errors.get("nrmse"))))
        rows.append((*cells, "yes" if rung.get("chosen", rung["topology"] in chosen) else ""))
    head = [f"{what}{kind}" for kind in kinds for what in ("largest error", "nrmse")]
    return TextTable("Topologies tried", ("topology", *head, "chosen"), tuple(rows))


def errors(report: Mapping[str, Any]) -> TextTable:
    """Return the measured error of each output."""
    verify = report.get("verify", {})
    rows = []
    for output in verify.get("outputs", ()):
        span = _span(output.get("range"))
        share = f"{number(100 * output['max_abs'] / span, up=True)} %" if span else "-"
        cells = number(output["max_abs"], up=True), share, number(output.get("nrmse")), number(output.get("p99_abs"))
        met = {True: "yes", False: "NO", None: "-"}[output.get("ok")]
        rows.append((output["name"], *cells, number(output.get("tolerance")), met))
    reference = "held-out pairs" if held_out(report) else "the original function"
    head = ("output", "largest", "of range", "nrmse", "99 % below", "tolerance", "met")
    return TextTable(f"Error against {reference}", head, tuple(rows))


def rounding(report: Mapping[str, Any]) -> TextTable:
    """Return each output's error in floating point and in int16 side by side, on the same draws."""
    rows = []
    for output in report.get("rounding", ()):
        cells = [number(output[key][kind], up=key == "max_abs") for key in ("max_abs", "nrmse") for kind in _KINDS]
        rows.append((output["name"], *cells))
    head = ("output", "largest, float", "int16", "nrmse, float", "int16")
    return TextTable("Rounding to int16", head, tuple(rows))


def worst_points(report: Mapping[str, Any]) -> list[str]:
    """Return where the largest errors are, one sentence per output, the one closest to its tolerance first.

    Of many inputs times many outputs only the first few: they say where to look, `report.json` has them all.
    """
    names = [i["name"] for i in report["program"]["inputs"]]
    several = len(report["program"]["outputs"]) > 1
    sentences = []
    for output in sorted(report.get("verify", {}).get("outputs", ()), key=_closeness, reverse=True):
        if (point := output.get("worst_input")) is None:
            continue
        pairs = point.items() if isinstance(point, Mapping) else zip(names, point, strict=True)
        where = ", ".join(f"{name} = {value:.6g}" for name, value in pairs)
        values = f"original {output['worst_expected']:.6g}, surrogate {output['worst_got']:.6g}"
        sentences.append(f"{output['name'] + ': l' if several else 'L'}argest error at {where}: {values}.")
    return sentences[: max(1, 12 // len(names))]


def certificates(report: Mapping[str, Any]) -> list[str]:
    """Return what the certificates claim, and no more: bounds are rounded up, each holds for its output alone."""
    several = len(report.get("verify", {}).get("outputs", ())) > 1
    claims: dict[tuple[str, str], list[str]] = {}
    for output in report.get("verify", {}).get("outputs", ()):
        if certificate := output.get("certificate"):
            # The subtraction's noise (1 - 0.9999) must not be rounded up with the rest.
            rest = number(round(100 * (1 - certificate["coverage"]), 10), up=True)
            bound = number(certificate["max_abs"], up=True) + (f" ({output['name']})" if several else "")
            claims.setdefault((f"{100 * certificate['confidence']:.6g}", rest), []).append(bound)
    alone = ", for each output alone" if several else ""
    return [
        f"With confidence {confidence} %{alone}, at most {rest} % of inputs drawn from the domain differ by more than "
        f"{', '.join(bounds)}."
        for (confidence, rest), bounds in claims.items()
    ]


def rungs_of_verification(report: Mapping[str, Any]) -> TextTable:
    """Return the three rungs of verification, each with its outcome."""
    verify = report.get("verify", {})
    rows = []
    if constants := verify.get("constants"):
        rows.append(("constants", "every literal in the header equals the stored one", _passed(constants["ok"])))
    if arithmetic := verify.get("arithmetic"):
        largest = number(arithmetic.get("max_abs"), up=True)
        rows.append(("arithmetic", f"C against numpy: at most {largest} apart", _passed(arithmetic["ok"])))
    if outputs := verify.get("outputs"):
        count = sum(1 for output in outputs if output.get("ok") is False)
        missed = f", {count} of {len(outputs)} outputs outside the tolerance" if count else ""
        reference = "held-out pairs" if held_out(report) else "the original C function"
        points = f" on {outputs[0]['n']:,} points" if outputs[0].get("n") else ""
        rows.append(("approximation", f"C against {reference}{points}{missed}", "missed" if count else "ok"))
    for name, target in verify.get("targets", {}).items():
        same = "every bit equal" if target["identical"] else f"at most {number(target['max_abs'], up=True)} apart"
        rows.append((name, f"emulated C against C here: {same} at {target['n']} points", _passed(target["ok"])))
    return TextTable("Verification", ("rung", "what was compared", "outcome"), tuple(rows))


def costs(report: Mapping[str, Any]) -> list[TextTable]:
    """Return the cost tables: this machine in nanoseconds per evaluation, then the microcontrollers."""
    rows: list[tuple[str, ...]] = [
        (name, f"{number(original)} ns", f"{number(surrogate)} ns", f"{number(speedup)}x")
        for name, original, surrogate, speedup in host_costs(report)
    ]
    tables = [TextTable("Cost on this CPU", ("per evaluation", "original", "surrogate", "speedup"), tuple(rows))]
    rows = []
    for name, unit, original, found in target_costs(report):
        sizes = (number(found.get(key)) for key in ("flash_bytes", "ram_bytes", "stack_bytes"))
        times = (number(original), number(found.get("median")), f"{number(found.get('speedup'))}x")
        rows.append((f"{name} {unit}".strip(), *times, *sizes))
    head = ("per evaluation", "original", "surrogate", "speedup", "flash B", "RAM B", "stack B")
    return [*tables, TextTable("Cost on microcontrollers", head, tuple(rows))]


def rival_name(rival: Mapping[str, Any]) -> str:
    """Return what a rival is called, from its record."""
    return ("int16 " if rival["number"] == "int16" else "") + _RIVALS[rival["kind"]]


def rivals(report: Mapping[str, Any]) -> list[TextTable]:
    """Return the tables of rivals: how large and close they are and what a call costs here, then on targets."""
    rows: list[tuple[str, ...]] = []
    there: list[tuple[str, ...]] = []
    for rival in report.get("rivals", ()):
        name = rival_name(rival)
        if "error" in rival:
            rows.append((name, rival["error"], "-", "-", "-", "NO"))
            continue
        outputs = rival["verify"]["outputs"]
        share = max(output["max_abs"] / output["tolerance"] for output in outputs)
        size = " x ".join(map(str, rival["shape"])) + (f", {len(outputs)} outputs" if len(outputs) > 1 else "")
        cost = f"{number(rival['bench']['host']['ns'])} ns"
        met = "yes" if rival["verify"]["ok"] else "NO"
        rows.append((name, size, number(rival["bytes"]), cost, f"{number(100 * share, up=True)} %", met))
        for target, costs in rival["bench"]["targets"].items():
            if "error" not in costs:
                integers = number(costs.get("int16", {}).get("median"))
                there.append((target, name, number(costs["median"]), integers, number(costs["flash_bytes"])))
    there.sort(key=lambda row: row[0])
    head = ("rival", "size", "bytes", "one call here", "error, of tolerance", "met")
    counted = ("per evaluation", "rival", "cost", "int16 I/O", "flash B")
    return [
        TextTable("Rivals: what could be written instead", head, tuple(rows)),
        TextTable("Rivals on microcontrollers", counted, tuple(there)),
    ]


def host_costs(report: Mapping[str, Any]) -> list[tuple[str, float, float, float]]:
    """Return (way of calling, original ns, surrogate ns, speedup) for each way that was timed on this machine."""
    host = report.get("bench", {}).get("host") or {}
    ways: tuple[tuple[str, Mapping[str, Any], str, str], ...] = (
        ("one call", host, "", "speedup"),
        ("batch", host, "_batch", "batch_speedup"),
        ("batch, fast-math", host.get("fast_math") or {}, "_batch", "batch_speedup"),
    )
    found = []
    for name, times, suffix, speedup in ways:
        original, surrogate = times.get(f"original{suffix}_ns"), times.get(f"surrogate{suffix}_ns")
        if original and surrogate:
            found.append((name, float(original), float(surrogate), float(times.get(speedup) or original / surrogate)))
    return found


def target_costs(report: Mapping[str, Any]) -> list[tuple[str, str, float | None, Mapping[str, Any]]]:
    """Return (name, unit, original's median, surrogate's costs) per target; int16 in and out is an entry of its own."""
    found: list[tuple[str, str, float | None, Mapping[str, Any]]] = []
    for name, target in report.get("bench", {}).get("targets", {}).items():
        original = target.get("original", {}).get("median")
        sides = {name: {**target, **target.get("surrogate", {})}}
        if "int16" in target:
            sides[f"{name} (int16 in and out)"] = target["int16"]
        found += [(side, target.get("unit", ""), original, costs) for side, costs in sides.items()]
    return found


def measuring_conditions(report: Mapping[str, Any]) -> str:
    """Return compiler, flags and CPU of the host timing in one line, empty if nothing was timed."""
    host = report.get("bench", {}).get("host") or {}
    flags = host.get("flags", "")
    text = flags if isinstance(flags, str) else " ".join(flags)
    return "; ".join(part for part in (f"{host.get('compiler', '')} {text}".strip(), host.get("cpu", "")) if part)


def verdict_words(report: Mapping[str, Any]) -> tuple[str, str]:
    """Return the verdict in two to four words, and its sentence."""
    verdict = report["verdict"]
    word = "Worth using in batches" if verdict.get("batches_only") else "Worth using"
    return (word if verdict["use"] else "Not worth using"), str(verdict.get("reason", ""))


def per_target(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the verdict's sentence per target, without those that only repeat the reason."""
    verdict = report["verdict"]
    return [(t, s) for t, s in verdict.get("per_target", {}).items() if s != verdict.get("reason")]


def held_out(report: Mapping[str, Any]) -> bool:
    """Return whether the surrogate was compared with held-out pairs because the original cannot be run."""
    return bool(report.get("verify", {}).get("method") == "held-out pairs")


def per_output(value: object) -> list[float]:
    """Return an error that is one number, or one per output as list or mapping, as a list; absent ones give none."""
    if isinstance(value, Mapping):
        return [float(v) for v in value.values()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [float(v) for v in value]
    return [float(value)] if isinstance(value, Real) else []


def number(value: object, *, up: bool = False) -> str:
    """Return a number at three significant digits, `-` for None or what is not finite.

    Args:
        value: The number.
        up: Round away from zero, for bounds: a bound that is rounded down is no longer one.
    """
    if not isinstance(value, Real) or not math.isfinite(value):
        return "-"
    exact = Decimal(repr(float(value)))
    if exact == 0:
        return "0"
    step = Decimal(1).scaleb(exact.adjusted() - 2 if exact.adjusted() < 3 or exact.adjusted() > 6 else 0)
    rounded = exact.quantize(step, rounding=ROUND_UP if up else ROUND_HALF_EVEN)
    if -4 <= rounded.adjusted() <= 6:
        text = f"{rounded:,f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa = f"{rounded.scaleb(-rounded.adjusted()):f}".rstrip("0").rstrip(".")
    return f"{mantissa}e{rounded.adjusted()}"


def numeric_columns(table: TextTable) -> set[int]:
    """Return the columns that hold only numbers, to be aligned right; never the first."""
    columns = range(1, len(table.head))
    return {c for c in columns if all(row[c][:1].isdigit() or row[c][:1] == "-" for row in table.rows)}


def _domain(inputs: Sequence[Mapping[str, Any]]) -> str:
    """Return the domain as `--domain` takes it, but neighbours of equal interval as `w_0 to w_8=0:1`."""
    clauses = []
    for ends, run in groupby(inputs, key=lambda i: f"{i['lo']:g}:{i['hi']:g}{' log' if i.get('log') else ''}"):
        names = [i["name"] for i in run]
        if len(names) > 2:
            names = [f"{names[0]} to {names[-1]}"]
        clauses += [f"{name}={ends}" for name in names]
    return ", ".join(clauses)


def _start(init: Mapping[str, Any]) -> str:
    candidates = f", {init['candidates']} candidates" if init.get("candidates") else ""
    zero_shot = f", nrmse {number(init['zero_shot_nrmse'])} untuned" if init.get("zero_shot_nrmse") is not None else ""
    return f"{init['method']}{candidates}{zero_shot}"


def _finetuning(finetune: Mapping[str, Any]) -> str:
    parts = [str(finetune["optimizer"])]
    for key, unit in (("iterations", " iterations"), ("samples", " samples"), ("seconds", " s")):
        if finetune.get(key) is not None:
            parts.append(number(finetune[key]) + unit)
    return ", ".join(parts)


def _closeness(output: Mapping[str, Any]) -> float:
    return float(output["max_abs"] / (output.get("tolerance") or math.inf))


def _span(value: object) -> float:
    ends = per_output(value)
    return abs(ends[-1] - ends[0]) if len(ends) == 2 else ends[0] if ends else 0.0


def _passed(ok: bool) -> str:
    return "ok" if ok else "FAILED"


def _terminal(table: TextTable) -> "RenderableType":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        title=Text(table.title, style="bold") if table.title else None,
        title_justify="left",
        box=SIMPLE_HEAD if table.head else None,
        show_header=bool(table.head),
        show_edge=False,
        padding=(0, 1),
    )
    styles = {"ok": "green", "yes": "green", "NO": "bold red", "missed": "bold red", "FAILED": "bold red"}
    numeric = numeric_columns(table)
    for index, head in enumerate(table.head or ("", "")):
        drawn.add_column(Text(head), justify="right" if index in numeric else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    return drawn


def _canonical(value: object) -> object:
    if isinstance(value, Mapping):
        keys = sorted((str(key) for key in value), key=lambda key: (_KEY_RANK.get(key, len(_KEY_RANK)), key))
        return {key: _canonical(value[key]) for key in keys}
    if hasattr(value, "tolist"):  # numpy scalars and arrays, without importing numpy
        return _canonical(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
