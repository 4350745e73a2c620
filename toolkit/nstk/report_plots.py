"""The plots of `report.html`: small inline SVG panels whose colours are the page's CSS variables.

Each panel stands alone, so that the page can lay them out as its width allows. No pyplot, no global figure state;
matplotlib is imported inside functions because importing it takes half a second.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colours that stand for the CSS variables of the same name, so that the page's dark scheme reaches the plots.
_INK = {name: f"#01020{digit}" for digit, name in enumerate(("ink", "faint", "original", "surrogate", "bound"))}
_INCHES = (3.5, 2.5)
_MOST_PIXELS = 96


@dataclass(frozen=True)
class PlotData:
    """The arrays behind the plots, float64, in the program's own units.

    Attributes:
        x: Sample inputs `(N, I)`, never seen by fitting.
        expected: The original's outputs there, `(N, O)`.
        got: The surrogate's outputs there, `(N, O)`.
        grids: Values of each input along its slice, ascending, `(I, G)`.
        original: The original along each input, the other inputs at mid-domain, `(I, G, O)`; None if it cannot be run.
        surrogate: The surrogate along each input, `(I, G, O)`.
        error_map: For two inputs, surrogate minus original on a grid over the domain (ends included, log-spaced for
            log inputs), first axis along the first input, `(H, H, O)`.
    """

    x: np.ndarray
    expected: np.ndarray
    got: np.ndarray
    grids: np.ndarray
    original: np.ndarray | None
    surrogate: np.ndarray
    error_map: np.ndarray | None = None


@dataclass(frozen=True)
class Axis:
    """An input as a plot's axis: its name, its interval and whether it is logarithmic."""

    name: str
    lo: float
    hi: float
    log: bool = False


def draw_slice(
    axis: Axis, output: str, grid: np.ndarray, original: np.ndarray, surrogate: np.ndarray, tolerance: float | None
) -> str:
    """Draw original and surrogate along one input, and below their difference.

    Args:
        axis: The input.
        output: Name of the output.
        grid: Input values `(G,)`.
        original: The original's values `(G,)`.
        surrogate: The surrogate's values `(G,)`.
        tolerance: In output units, or None.

    Returns:
        An inline SVG.
    """
    error = surrogate - original
    label = f"{output} along {axis.name}, original and surrogate; they differ by at most {np.abs(error).max():.3g}"
    with _figure(f"slice-{output}-{axis.name}", label) as panel:
        top = panel.figure.add_axes((0.19, 0.44, 0.77, 0.47))
        bottom = panel.figure.add_axes((0.19, 0.17, 0.77, 0.2), sharex=top)
        few = "o" if len(grid) <= 24 else None
        top.plot(grid, original, color=_INK["original"], lw=3.2, solid_capstyle="round", marker=few, ms=4)
        top.plot(grid, surrogate, color=_INK["surrogate"], lw=1.2, dashes=(4, 2), marker=few, ms=2)
        top.set_title(f"{output} along {axis.name}")
        bottom.axhline(0, color=_INK["faint"], lw=0.7)
        bottom.plot(grid, error, color=_INK["surrogate"], lw=1)
        _mark_bounds(bottom.axhline, tolerance, float(np.abs(error).max()))
        bottom.set_ylabel("error")
        bottom.set_xlabel(axis.name)
        top.tick_params(labelbottom=False)
        if axis.log:
            top.set_xscale("log")
            _plain_log_ticks(bottom.xaxis)
        _limit_ticks(top.yaxis, 5)
        _limit_ticks(bottom.yaxis, 3)
    return panel.svg


def draw_error_along(axis: Axis, output: str, x: np.ndarray, error: np.ndarray, tolerance: float | None) -> str:
    """Draw median and largest absolute error of the sample along one input, in up to 32 bins.

    Args:
        axis: The input.
        output: Name of the output.
        x: Values of the input `(N,)`.
        error: Surrogate minus expected `(N,)`.
        tolerance: In output units, or None.

    Returns:
        An inline SVG.
    """
    position = np.log(x) if axis.log else x
    edges = np.linspace(position.min(), position.max(), 2 + min(31, len(x) // 16))
    bins = np.clip(np.searchsorted(edges, position, side="right") - 1, 0, len(edges) - 2)
    groups = [np.abs(error[bins == b]) for b in range(len(edges) - 1)]
    largest = np.array([g.max() if g.size else np.nan for g in groups])
    median = np.array([np.median(g) if g.size else np.nan for g in groups])
    label = f"error of {output} along {axis.name}; at most {np.abs(error).max():.3g}"
    with _figure(f"along-{output}-{axis.name}", label) as panel:
        axes = panel.figure.add_axes((0.19, 0.17, 0.77, 0.74))
        shown = np.exp(edges) if axis.log else edges
        axes.stairs(largest, shown, color=_INK["surrogate"], lw=1.4, baseline=None)
        axes.stairs(median, shown, color=_INK["original"], lw=1.4, baseline=None, ls=(0, (4, 2)))
        _mark_bounds(axes.axhline, tolerance, float(np.abs(error).max()), both=False)
        axes.set_title(f"error of {output} along {axis.name}")
        axes.set_xlabel(axis.name)
        axes.set_ylim(bottom=0)
        if axis.log:
            axes.set_xscale("log")
            _plain_log_ticks(axes.xaxis)
        _limit_ticks(axes.yaxis, 5)
    return panel.svg


def draw_histogram(output: str, error: np.ndarray, tolerance: float | None) -> str:
    """Draw how often each error occurs, counts on a log scale.

    Args:
        output: Name of the output.
        error: Surrogate minus expected `(N,)`, output units.
        tolerance: In output units, or None.

    Returns:
        An inline SVG.
    """
    largest = float(np.abs(error).max())
    reach = 1.05 * (largest or tolerance or 1.0)
    counts, edges = np.histogram(error, bins=61, range=(-reach, reach))
    label = f"histogram of the error of {output} over {len(error):,} points; largest {largest:.3g}"
    with _figure(f"histogram-{output}", label) as panel:
        axes = panel.figure.add_axes((0.19, 0.17, 0.77, 0.74))
        axes.stairs(counts, edges, fill=True, color=_INK["original"], baseline=0.5)
        axes.set_yscale("log")
        axes.set_ylim(0.5, 2.0 * max(1, counts.max()))
        _plain_log_ticks(axes.yaxis)
        _mark_bounds(axes.axvline, tolerance, largest)
        _limit_ticks(axes.xaxis, 5)
        axes.set_title(f"error of {output}")
        axes.set_ylabel("points")
        axes.set_xlabel("surrogate minus original")
    return panel.svg


def draw_error_map(output: str, axes_: tuple[Axis, Axis], error: np.ndarray, tolerance: float | None) -> str:
    """Draw the absolute error over two inputs.

    Args:
        output: Name of the output.
        axes_: The two inputs; the first runs to the right.
        error: Surrogate minus original `(H, H)`, as in `PlotData.error_map`.
        tolerance: In output units, or None; its contour is drawn where the error crosses it.

    Returns:
        An inline SVG.
    """
    stride = -(-len(error) // _MOST_PIXELS)
    # The largest of each block, so that thinning hides no peak.
    shown = np.maximum.reduceat(
        np.maximum.reduceat(np.abs(error), range(0, len(error), stride), 0), range(0, len(error), stride), 1
    )
    ends = [np.log10((a.lo, a.hi)) if a.log else np.array((a.lo, a.hi)) for a in axes_]
    centres = [np.linspace(e[0], e[1], len(shown)) for e in ends]
    u, v = (float(c[1] - c[0]) / 2 for c in centres)  # cells reach half a step beyond their centres
    extent = (float(ends[0][0]) - u, float(ends[0][1]) + u, float(ends[1][0]) - v, float(ends[1][1]) + v)
    worst = np.unravel_index(int(shown.argmax()), shown.shape)
    label = f"absolute error of {output} over {axes_[0].name} and {axes_[1].name}; largest {shown.max():.3g}"
    with _figure(f"map-{output}", label, (3.5, 2.9)) as panel:
        axes = panel.figure.add_axes((0.19, 0.16, 0.6, 0.76))
        image = axes.imshow(
            shown.T, origin="lower", extent=extent, aspect="auto", cmap="cividis", vmin=0, interpolation="nearest"
        )
        axes.plot(
            centres[0][worst[0]], centres[1][worst[1]], "o", ms=9, mfc="none", mec="#000000", mew=2.4, clip_on=False
        )
        axes.plot(
            centres[0][worst[0]], centres[1][worst[1]], "o", ms=9, mfc="none", mec="#ffffff", mew=1.2, clip_on=False
        )
        if tolerance is not None and 0 < tolerance < shown.max():
            axes.contour(*centres, shown.T, levels=[tolerance], colors="#ffffff", linewidths=1)
        bar = panel.figure.colorbar(image, cax=panel.figure.add_axes((0.81, 0.16, 0.035, 0.76)))
        bar.outline.set_visible(False)
        _limit_ticks(bar.ax.yaxis, 5)
        axes.set_title(f"|error| of {output}")
        for side, axis in zip((axes.xaxis, axes.yaxis), axes_, strict=True):
            side.set_label_text(axis.name)
            _limit_ticks(side, 5)
            if axis.log:
                side.set_major_formatter(lambda value, _: _plain(10**value))
        axes.grid(visible=False)
    return panel.svg


def draw_costs(name: str, unit: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """Draw original and surrogate cost as bars, on a log scale if they lie more than 20x apart.

    Args:
        name: What was timed; names the drawing.
        unit: Unit of the costs.
        rows: Label, original, surrogate.

    Returns:
        An inline SVG.
    """
    values = [value for _, *pair in rows for value in pair]
    told = "; ".join(f"{label}: original {o:.3g}, surrogate {s:.3g} {unit}" for label, o, s in rows)
    height = 0.75 + 0.45 * len(rows)
    with _figure(f"cost-{name}", f"cost per evaluation. {told}", (3.5, height)) as panel:
        axes = panel.figure.add_axes((0.3, 0.45 / height, 0.66, 1 - 0.55 / height))
        log = max(values) > 20 * min(values)
        start = 10 ** np.floor(np.log10(0.7 * min(values))) if log else 0.0
        for column, (who, hatch) in enumerate((("original", None), ("surrogate", "////"))):
            for row, (_, *pair) in enumerate(rows):
                value, y = pair[column], row + 0.2 * (2 * column - 1)
                axes.barh(
                    y, value - start, 0.36, start, color="none" if hatch else _INK[who], ec=_INK[who], hatch=hatch, lw=1
                )
                axes.annotate(_plain(value), (value, y), (4, 0), textcoords="offset points", va="center")
        if log:
            axes.set_xscale("log")
            _plain_log_ticks(axes.xaxis)
        axes.set_xlim(start, max(values) * (3 if log else 1.2))
        axes.set_yticks(range(len(rows)), [label for label, *_ in rows])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{unit} per evaluation{', log scale' if log else ''}")
    return panel.svg


def draw_rungs(names: Sequence[str], parameters: Sequence[int], errors: Sequence[float], what: str) -> str:
    """Draw each topology's error against its number of parameters.

    Args:
        names: Topologies.
        parameters: Their parameter counts.
        errors: Their errors, positive.
        what: What the error is; a line is drawn at 1 if it is a multiple of the tolerance.

    Returns:
        An inline SVG.
    """
    told = "; ".join(f"{name}: {error:.3g}" for name, error in zip(names, errors, strict=True))
    with _figure("rungs", f"{what} per topology. {told}") as panel:
        axes = panel.figure.add_axes((0.19, 0.17, 0.77, 0.74))
        axes.plot(parameters, errors, "o-", color=_INK["surrogate"], lw=1.2, ms=4)
        for name, x, y in zip(names, parameters, errors, strict=True):
            axes.annotate(name, (x, y), (3, 5), textcoords="offset points")
        if "tolerance" in what:
            axes.axhline(1, color=_INK["bound"], lw=1.1, ls=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.margins(0.3, 0.18)
        _plain_log_ticks(axes.xaxis)
        _plain_log_ticks(axes.yaxis)
        axes.set_title(what)
        axes.set_xlabel("parameters")
    return panel.svg


class _Panel:
    """A figure while it is drawn, its SVG text afterwards."""

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def _figure(name: str, label: str, inches: tuple[float, float] = _INCHES) -> Iterator[_Panel]:
    import matplotlib
    from matplotlib.figure import Figure

    ink, faint = _INK["ink"], _INK["faint"]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a matplotlibrc of the user must not change the page
        matplotlib.rcParams.update({
            "svg.hashsalt": name, "svg.fonttype": "none", "text.parse_math": False, "axes.unicode_minus": False,
            "font.size": 8, "font.sans-serif": ["DejaVu Sans"], "axes.titlesize": 8.5, "axes.titlelocation": "left",
            "axes.titlepad": 5, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
            "axes.axisbelow": True, "axes.facecolor": "none", "figure.facecolor": "none", "grid.color": faint,
            "grid.linewidth": 0.4, "axes.edgecolor": faint, "axes.labelcolor": ink, "text.color": ink,
            "axes.titlecolor": ink, "xtick.color": faint, "ytick.color": faint, "xtick.labelcolor": ink,
            "ytick.labelcolor": ink, "hatch.linewidth": 0.8,
            "xtick.bottom": False, "ytick.left": False, "axes.formatter.limits": (-3, 5),
        })  # fmt: skip
        panel = _Panel(Figure(figsize=inches))
        yield panel
        buffer = io.StringIO()
        panel.figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    panel.svg = _inline(buffer.getvalue(), name, label)


def _inline(svg: str, name: str, label: str) -> str:
    """Turn a standalone SVG document into an element of the page: own ids, page's font, page's colours."""
    body = svg[svg.index("<svg") :]
    head, body = body.split(">", 1)
    view = re.search(r'viewBox="([^"]*)"', head)
    assert view is not None  # matplotlib always writes one
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    prefix = re.sub(r"\W", "-", name)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'id="([^"]*)"', rf'id="{prefix}-\1"', body)
    body = re.sub(r'(url\(|href=")#', rf"\1#{prefix}-", body)
    body = re.sub(r"font(?:-size)?: ([\d.]+)px[^\"]*?; (?=text-anchor|fill)", r"font-size: \1px; ", body)
    # Hundredths of a point are finer than any screen; matplotlib writes millionths.
    body = re.sub(r'\b(d|x|y|transform)="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), body)
    for variable, colour in _INK.items():
        body = body.replace(colour, f"var(--{variable})")
    body = re.sub(r"\n\s*L", "L", re.sub(r"\n\s*", "\n", body))
    return f'<svg viewBox="{view[1]}" role="img" aria-label="{escape(label)}">{body.strip()}'


def _mark_bounds(line: Callable[..., Any], tolerance: float | None, largest: float, *, both: bool = True) -> None:
    # A tolerance far outside the errors would flatten them; the caption gives its value anyway.
    if tolerance is not None and 0 < tolerance <= 4 * largest:
        for bound in (tolerance, -tolerance) if both else (tolerance,):
            line(bound, color=_INK["bound"], lw=1.1, ls=":")


def _limit_ticks(axis: Any, count: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(count, min_n_ticks=2))


def _plain(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _plain_log_ticks(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    lo, hi = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if hi < 25 * lo else (1.0, 3.0) if hi < 400 * lo else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=6))
    axis.set_major_formatter(lambda value, _: _plain(value))
    axis.set_minor_formatter(NullFormatter())
