"""`report.html`: the report as one page that needs nothing else, with plots."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from nstk import report as words
from nstk.report import TextTable
from nstk.report_plots import (
    Axis,
    PlotData,
    draw_costs,
    draw_error_along,
    draw_error_map,
    draw_histogram,
    draw_rungs,
    draw_slice,
)
from nstk.resources import render

__all__ = ["PlotData", "render_page"]

#: More panels than this neither fit the page's size nor anybody's patience; the worst ones are kept.
_MOST_PANELS = 32
_MOST_OUTPUTS = 8
_RIVALS = (
    "What an engineer would otherwise write: interpolated lookup tables and a Chebyshev polynomial, each as small as "
    "the tolerance allows. Their headers lie in rivals/."
)


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        title: Its heading.
        paragraphs: Sentences before the tables.
        tables: Tables of text.
        figures: Inline SVGs.
        caption: What the figures show.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[TextTable, ...] = ()
    figures: tuple[str, ...] = ()
    caption: str = ""


def render_page(report: Mapping[str, Any], plots: PlotData) -> str:
    """Return `report.html`: self-contained, without scripts, equal bytes for equal arguments.

    Args:
        report: The report as in `report.json`.
        plots: The arrays behind the plots.
    """
    judged = "verdict" in report
    sections = (
        Section("What this is", tables=(words.facts(report),)),
        _verification(report),
        _errors(report, plots),
        _comparison(report, plots),
        _costs(report),
        Section("Rivals", (_RIVALS,), tuple(words.rivals(report))),
        _rungs(report),
        Section("Provenance", tables=(_provenance(report),)),
    )
    return render(
        "report.html.j2",
        name=words.function_name(report),
        headline=words.headline(report),
        use=judged and report["verdict"]["use"],
        verdict=words.verdict_words(report) if judged else None,
        per_target=words.per_target(report) if judged else (),
        sections=[s for s in sections if s.figures or any(t.rows for t in s.tables)],
        numeric_columns=words.numeric_columns,
    )


def _verification(report: Mapping[str, Any]) -> Section:
    claims = words.certificates(report)
    if words.held_out(report):
        claims = ["The original was not run here: the errors are those on held-out pairs, and nothing is certified."]
    return Section("Verification", tuple(claims), (words.rungs_of_verification(report), words.rounding(report)))


def _errors(report: Mapping[str, Any], plots: PlotData) -> Section:
    error, tolerances = plots.got - plots.expected, _tolerances(report)
    shown = list(enumerate(_output_names(report)))[:_MOST_OUTPUTS]
    figures = [draw_histogram(name, error[:, o], tolerances.get(name)) for o, name in shown]
    axes = _axes(report)
    caption = f"Errors at {len(error):,} points; counts on a log scale. Dotted lines: the tolerance, where it is near."
    if plots.error_map is not None and len(axes) == 2:
        pair = axes[0], axes[1]
        figures += [draw_error_map(n, pair, plots.error_map[:, :, o], tolerances.get(n)) for o, n in shown]
        caption += " Map: the ring marks the largest error on the grid, a white contour the tolerance if it is crossed."
    if len(shown) < len(plots.expected[0]):
        caption += f" The first {_MOST_OUTPUTS} of {len(plots.expected[0])} outputs are drawn."
    return Section("Error", tuple(words.worst_points(report)), (words.errors(report),), tuple(figures), caption)


def _comparison(report: Mapping[str, Any], plots: PlotData) -> Section:
    names, axes, tolerances = _output_names(report), _axes(report), _tolerances(report)
    error = plots.got - plots.expected
    along = plots.surrogate - plots.original if plots.original is not None else np.zeros_like(plots.surrogate)
    # Worst first, each output on its own scale; what is kept is then drawn in the order of outputs and inputs.
    scale = np.ptp(plots.expected, axis=0) + 1e-300
    badness = {
        (o, i): float(np.abs(along[i, :, o]).max() / scale[o]) for o in range(len(names)) for i in range(len(axes))
    }
    kept = sorted(sorted(badness, key=lambda pair: -badness[pair])[:_MOST_PANELS])
    figures = []
    for o, i in kept:
        tolerance = tolerances.get(names[o])
        if plots.original is None:
            figures.append(draw_error_along(axes[i], names[o], plots.x[:, i], error[:, o], tolerance))
            continue
        curves = plots.original[i, :, o], plots.surrogate[i, :, o]
        figures.append(draw_slice(axes[i], names[o], plots.grids[i], *curves, tolerance))
    if plots.original is None:
        title = "Error along each input"
        caption = "Absolute error on held-out pairs. Solid: the largest in each bin. Dashed: the median."
    else:
        title = "Original and surrogate along each input"
        others = ", the other inputs at mid-domain" if len(axes) > 1 else ""
        caption = f"Wide solid line: the original. Thin dashed line: the surrogate. Below: their difference{others}."
    if len(kept) < len(badness):
        caption += f" Of {len(badness)} pairs of output and input, the {_MOST_PANELS} with the largest error are drawn."
    return Section(title, figures=tuple(figures), caption=caption)


def _costs(report: Mapping[str, Any]) -> Section:
    figures = []
    if host := words.host_costs(report):
        figures.append(draw_costs("host", "ns", [(name, o, s) for name, o, s, _ in host]))
    units: dict[str, list[tuple[str, float, float]]] = {}
    for name, unit, original, found in words.target_costs(report):
        if original and (surrogate := found.get("median")):
            units.setdefault(unit or "cost", []).append((name, original, surrogate))
    figures += [draw_costs(unit, unit, rows) for unit, rows in units.items()]
    conditions = words.measuring_conditions(report)
    tables = tuple(table for table in words.costs(report) if table.rows)
    caption = "Cost of one evaluation, shorter is better. Filled: the original. Hatched: the surrogate."
    return Section("Cost", (conditions,) if conditions else (), tables, tuple(figures), caption)


def _rungs(report: Mapping[str, Any]) -> Section:
    table, tried = words.rungs(report), report.get("rungs", ())
    tolerances = list(_tolerances(report).values())
    points = []
    for rung in tried:
        found = rung.get("int16", rung)
        largest, nrmse = words.per_output(found.get("max_abs")), words.per_output(found.get("nrmse"))
        if len(largest) == len(tolerances) == len(_output_names(report)) and min(tolerances) > 0:
            error, what = max(e / t for e, t in zip(largest, tolerances, strict=True)), "largest error / tolerance"
        else:
            error, what = max(nrmse, default=0.0), "nrmse"
        parameters = rung.get("parameters") or _parameters(rung["topology"])
        if error > 0 and parameters > 0:
            points.append((rung["topology"], parameters, error, what))
    # One point is no curve, and different measures do not share an axis.
    drawn = len(points) > 1 and len({what for *_, what in points}) == 1
    names, counts, values, _ = zip(*points, strict=True) if drawn else ((), (), (), ())
    figures = (draw_rungs(names, counts, values, points[0][3]),) if drawn else ()
    caption = "Both axes logarithmic. Below the dotted line the tolerance is met." if drawn else ""
    return Section(
        "Topologies tried", tables=(TextTable("", table.head, table.rows),), figures=figures, caption=caption
    )


def _provenance(report: Mapping[str, Any]) -> TextTable:
    build, header, program = (report.get(part, {}) for part in ("build", "header", "program"))
    init = report.get("init", {})
    named = (
        ("nstk", build.get("nstk_version")),
        ("seed", build.get("seed")),
        ("effort", build.get("effort")),
        ("norm", build.get("norm")),
        ("samples", build.get("samples")),
        ("initialization", init.get("method")),
        (
            "error before fine-tuning (nrmse)",
            words.number(init["zero_shot_nrmse"]) if "zero_shot_nrmse" in init else None,
        ),
        ("sigmoid error", words.number(header["sigmoid_error"]) if "sigmoid_error" in header else None),
        ("licence of the header", header.get("license")),
        ("verified against", report.get("verify", {}).get("method")),
        ("SHA-256 of the program", program.get("sha256")),
        ("SHA-256 of the header", header.get("sha256")),
    )
    return TextTable("", (), tuple((name, str(value)) for name, value in named if value is not None))


def _axes(report: Mapping[str, Any]) -> list[Axis]:
    return [Axis(i["name"], i["lo"], i["hi"], i.get("log", False)) for i in report["program"]["inputs"]]


def _output_names(report: Mapping[str, Any]) -> list[str]:
    return [output["name"] for output in report["program"]["outputs"]]


def _tolerances(report: Mapping[str, Any]) -> dict[str, float]:
    outputs = report.get("verify", {}).get("outputs", ())
    return {output["name"]: output["tolerance"] for output in outputs if output.get("tolerance") is not None}


def _parameters(topology: str) -> int:
    widths = [int(width) for width in topology.split("-")] if topology.replace("-", "").isdigit() else []
    return sum(o * (i + 1) for i, o in pairwise(widths))
