"""The report on the terminal, as JSON and as a page, for the shapes of program that a build can meet."""

import functools
import io
import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from nstk.report import certificates, number, per_output, summary, write_json
from nstk.report_page import PlotData, render_page
from nstk.report_plots import Axis, draw_error_map

Function = Callable[[np.ndarray], np.ndarray]


def dew_point(x: np.ndarray) -> np.ndarray:
    a = np.log(x[..., 1] / 100) + 17.625 * x[..., 0] / (243.04 + x[..., 0])
    return (243.04 * a / (17.625 - a))[..., None]


def arm(x: np.ndarray) -> np.ndarray:
    theta2 = np.arccos(np.clip((x[..., 0] ** 2 + x[..., 1] ** 2 - 0.5) / 0.5, -1, 1))
    return np.stack([np.arctan2(x[..., 1], x[..., 0]) - theta2 / 2, theta2], axis=-1)


def steinhart(x: np.ndarray) -> np.ndarray:
    log_r = np.log(x)
    return 1 / (1.129148e-3 + 2.34125e-4 * log_r + 8.76741e-8 * log_r**3) - 273.15


def window(x: np.ndarray) -> np.ndarray:
    return np.minimum(1, np.sqrt((x**2).mean(axis=-1, keepdims=True)))


def sixteen(x: np.ndarray) -> np.ndarray:
    return np.stack([np.sin((k + 1) * x).sum(axis=-1) for k in range(4)], axis=-1)


def invent(
    name: str, function: Function, domain: dict[str, tuple[float, float]], outputs: list[str], *, log: bool = False
) -> tuple[dict[str, Any], PlotData]:
    """Make a report and its plots with a smooth invented error of about 0.2 % of the range."""
    rng = np.random.default_rng(7)
    lo, hi = np.array(list(domain.values())).T
    place = (lambda u: lo * (hi / lo) ** u) if log else (lambda u: lo + (hi - lo) * u)
    x = place(rng.random((20_000, len(lo))))
    span = np.ptp(function(x), axis=0)

    def surrogate(x: np.ndarray) -> np.ndarray:
        u = np.log(x / lo) / np.log(hi / lo) if log else (x - lo) / (hi - lo)
        return function(x) + span * 0.002 * (np.sin(9 * u).mean(-1) + np.cos(23 * u[..., 0]) ** 7)[..., None]

    slices = np.tile(place(np.full(len(lo), 0.5)), (len(lo), 101, 1))
    for i in range(len(lo)):
        slices[i, :, i] = place(np.linspace(0, 1, 101)[:, None] * np.ones(len(lo)))[:, i]
    grid = np.stack(np.meshgrid(*(np.linspace(0, 1, 90),) * 2, indexing="ij"), axis=-1)
    error_map = surrogate(place(grid)) - function(place(grid)) if len(lo) == 2 else None
    expected, got = function(x), surrogate(x)
    grids = np.stack([slices[i, :, i] for i in range(len(lo))])
    plots = PlotData(x, expected, got, grids, function(slices), surrogate(slices), error_map)

    errors = []
    for o, output in enumerate(outputs):
        error = np.abs(got - expected)[:, o]
        worst = int(error.argmax())
        errors.append({
            "name": output, "n": 120_512, "max_abs": float(error.max()), "rmse": float(np.sqrt((error**2).mean())),
            "nrmse": float(np.sqrt((error**2).mean()) / expected[:, o].std()), "range": float(span[o]),
            "p99_abs": float(np.quantile(error, 0.99)), "worst_input": x[worst].tolist(), "tolerance": 0.01 * span[o],
            "worst_expected": float(expected[worst, o]), "worst_got": float(got[worst, o]), "ok": True,
            "certificate": {"confidence": 0.999, "coverage": 0.9999, "max_abs": 0.0037 * float(span[o])},
        })  # fmt: skip
    topologies = [f"{len(lo)}-{h}-{h}-{len(outputs)}" for h in (4, 8, 16)]
    report = {
        "program": {
            "name": name, "function": name, "source_file": f"{name}.c", "sha256": "5b" * 32,
            "inputs": [{"name": n, "ctype": "float", "lo": a, "hi": b, "log": log} for n, (a, b) in domain.items()],
            "outputs": [{"name": n, "ctype": "float"} for n in outputs],
        },
        "init": {"method": "random", "candidates": 16, "zero_shot_nrmse": 1.213},
        "finetune": {"optimizer": "lm", "iterations": 240, "seconds": 1.84, "samples": 2048, "train_nrmse": 0.00101},
        "networks": [{"topology": topologies[1], "parameters": 105, "outputs": outputs}],
        "rungs": [
            {"topology": t, "max_abs": [s * e for s in span], "nrmse": e / 9}
            for t, e in zip(topologies[:2], (0.023, 0.0041), strict=True)
        ],
        "header": {"sha256": "c0" * 32, "number": "float", "style": "speed", "sigmoid_error": 9.1e-7,
                   "license": "Apache-2.0, with an exception for emitted code"},
        "verify": {
            "ok": True, "method": "original run here", "constants": {"ok": True},
            "arithmetic": {"ok": True, "max_abs": 4.1e-6}, "outputs": errors,
        },
        "bench": {
            "host": {
                "original_ns": 27.4, "surrogate_ns": 14.2, "original_batch_ns": 20.4, "surrogate_batch_ns": 0.934,
                "speedup": 1.93, "batch_speedup": 21.8, "flags": "-O2", "compiler": "gcc (Debian 12.2.0-14) 12.2.0",
                "cpu": "AMD EPYC 9R45", "fast_math": {"original_batch_ns": 2.4, "surrogate_batch_ns": 0.91},
            },
        },
        "verdict": {
            "use": True, "reason": "The tolerance is met and the surrogate is 1.93x faster than the original.",
            "per_target": {"host": "1.93x faster per call and 21.8x faster in batches, within the tolerance."},
        },
        "build": {"nstk_version": "0.1.0", "seed": 0, "effort": "normal", "norm": "rms", "samples": 2048},
    }  # fmt: skip
    return report, plots


CASES = {
    "dew_point": invent("dew_point", dew_point, {"t": (-20, 60), "rh": (1, 100)}, ["result"]),
    "steinhart": invent("steinhart_hart", steinhart, {"R": (1000, 50000)}, ["result"], log=True),
    "sobel": invent("sobel", window, {f"w_{i}": (0, 1) for i in range(9)}, ["result"]),
    "arm": invent("inverse_kinematics", arm, {"x": (0.1, 0.65), "y": (0.1, 0.65)}, ["theta1", "theta2"]),
    "sixteen": invent("sixteen", sixteen, {f"in_{i}": (-1, 1) for i in range(16)}, list("abcd")),
}


@functools.cache
def page_of(case: str) -> str:
    return render_page(*CASES[case])


def text_of(report: dict[str, Any], folder: Path | None = None) -> str:
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    console.print(summary(report, folder))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Walk(HTMLParser):
    """Checks that every tag is closed in order, and collects ids and what refers to them."""

    VOID = ("meta", "br", "hr", "link", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value for key, value in attrs if key == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("case", CASES)
def test_page_is_whole_small_and_repeatable(case: str) -> None:
    page = page_of(case)
    if case != "sixteen":  # it costs most and repeats like the others
        assert page == render_page(*CASES[case])
    assert len(page.encode()) < 600_000
    walk = Walk()
    walk.feed(page)
    assert walk.open == []
    assert len(walk.ids) == len(set(walk.ids))
    assert set(re.findall(r"(?:url\(|href=\")#([^)\"]*)", page)) <= set(walk.ids)
    assert not re.search(r"https?:|//www|@import|<script|<link|src=", page)
    assert "svg" in walk.tags
    assert page.count("aria-label=") == page.count("<svg")
    assert "#01020" not in page  # every stand-in colour became a variable
    assert "with confidence 99.9 %" in page.lower()


def test_page_leaves_matplotlib_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 31.0}):
        render_page(*CASES["steinhart"])
        assert matplotlib.rcParams["font.size"] == 31.0
    assert dict(matplotlib.rcParams) == before


def test_many_panels_are_cut_to_the_worst() -> None:
    page = page_of("sixteen")
    assert "Of 64 pairs of output and input, the 32 with the largest error are drawn." in page


def test_page_escapes_what_it_is_given() -> None:
    report, plots = CASES["steinhart"]
    hostile = json.loads(json.dumps(report))
    hostile["verdict"]["reason"] = "<script>alert(1)</script>"
    hostile["program"]["inputs"][0]["name"] = '"><b>$x_1$'
    page = render_page(hostile, plots)
    assert "<script>" not in page
    assert "<b>$" not in page
    walk = Walk()
    walk.feed(page)
    assert walk.open == []


@pytest.mark.parametrize("case", CASES)
def test_terminal_fits_and_tells_the_key_numbers(case: str) -> None:
    report, _ = CASES[case]
    text = text_of(report, Path("nstk-out") / case)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for output in report["verify"]["outputs"]:
        for value in (number(output["max_abs"], up=True), number(output["nrmse"]), number(output["tolerance"])):
            assert value in text
    flat = " ".join(text.split())
    assert "With confidence 99.9 %" in flat
    assert "at most 0.01 % of inputs drawn from the domain differ by more than" in flat
    assert "27.4 ns" in flat
    assert "21.8x" in flat
    assert f"Files: nstk-out/{case}/" in flat
    assert report["verdict"]["reason"] in flat
    assert report["networks"][0]["topology"] in flat
    assert "batch, fast-math" in flat


def test_held_out_pairs_claim_no_certificate() -> None:
    report, plots = CASES["dew_point"]
    pairs = {k: v for k, v in report.items() if k not in ("bench", "rungs", "build")}
    outputs = [{k: v for k, v in o.items() if k != "certificate"} for o in report["verify"]["outputs"]]
    pairs["verify"] = {**report["verify"], "method": "held-out pairs", "outputs": outputs}
    page = render_page(pairs, PlotData(plots.x, plots.expected, plots.got, plots.grids, None, plots.surrogate))
    for text in (page, text_of(pairs)):
        assert "onfidence" not in text
        assert "held-out pairs" in text
        assert "Cost" not in text
    assert "nothing is certified" in page


def test_missing_tolerance_and_failed_rungs_are_told() -> None:
    report = json.loads(json.dumps(CASES["arm"][0]))
    report["verify"]["constants"]["ok"] = False
    report["verify"]["outputs"][0].update(ok=False)
    report["verdict"].update(use=False, reason="The tolerance is not met.")
    text = text_of(report)
    assert re.search(r"constants .* FAILED", text)
    assert re.search(r"approximation .* missed", text)
    assert "1 of 2 outputs outside" in " ".join(text.split())
    assert re.search(r"theta1 .* NO", text)
    assert "Not worth using. The tolerance is not met." in text


def test_crossed_tolerance_is_drawn_on_a_log_map() -> None:
    grid = np.linspace(0, 1, 200)
    axes = Axis("Re", 4e3, 1e8, log=True), Axis("rough", 1e-6, 0.05, log=True)
    loose, tight = (draw_error_map("f", axes, np.outer(grid, grid), bound) for bound in (2.0, 0.5))
    assert len(tight) > len(loose)
    assert "1e+07" in tight
    assert len(tight) < 60_000


def test_smallest_report_is_shown() -> None:
    report = {
        "program": {"name": "f", "inputs": [{"name": "x", "lo": -1.0, "hi": 1.0}], "outputs": [{"name": "result"}]}
    }
    assert "f -> f_surrogate.h" in text_of(report)
    zeros = np.zeros((64, 1))
    slices = np.zeros((1, 9, 1))
    plots = PlotData(zeros, zeros, zeros, np.linspace(-1, 1, 9)[None], slices, slices)
    assert "<svg" in render_page(report, plots)


def test_targets_are_drawn_and_tabled() -> None:
    report, plots = CASES["dew_point"]
    cost = {"original": {"median": 8798}, "surrogate": {"median": 434}, "unit": "instructions", "speedup": 20.3}
    sizes = {"flash_bytes": 1180, "ram_bytes": 0, "stack_bytes": 64}
    full = {**report, "bench": {**report["bench"], "targets": {"cortex-m0plus": {**cost, **sizes}}}}
    text = text_of(full)
    assert re.search(r"cortex-m0plus", text)
    assert "8,798" in text
    assert "1,180" in text
    page = render_page(full, plots)
    assert "instructions per evaluation" in page


def test_json_is_canonical_and_atomic(tmp_path: Path) -> None:
    report, _ = CASES["dew_point"]
    shuffled = dict(reversed([(k, dict(reversed(v.items())) if isinstance(v, dict) else v) for k, v in report.items()]))
    write_json(tmp_path / "a.json", report)
    write_json(tmp_path / "b.json", shuffled)
    text = (tmp_path / "a.json").read_text()
    assert text == (tmp_path / "b.json").read_text()
    read = json.loads(text)
    assert list(read)[:3] == ["schema_version", "program", "init"]
    assert read["schema_version"] == 1
    assert read["verify"]["outputs"][0]["max_abs"] == report["verify"]["outputs"][0]["max_abs"]

    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"program": object()})
    assert (tmp_path / "a.json").read_text() == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_json_takes_numpy_and_has_no_nan(tmp_path: Path) -> None:
    write_json(
        tmp_path / "r.json", {"n": np.int64(3), "max_abs": np.float32(0.5), "range": np.arange(2.0), "x": math.inf}
    )
    read = json.loads((tmp_path / "r.json").read_text(), parse_constant=lambda _: pytest.fail("not JSON"))
    assert read == {"schema_version": 1, "n": 3, "max_abs": 0.5, "range": [0.0, 1.0], "x": None}


@pytest.mark.parametrize(
    ("value", "nearest", "up"),
    [
        (0.05, "0.05", "0.05"),
        (0.031207, "0.0312", "0.0313"),
        (-0.99951, "-1", "-1"),
        (12345.4, "12,345", "12,346"),
        (2.384e-7, "2.38e-7", "2.39e-7"),
        (60, "60", "60"),
        (0, "0", "0"),
        (1.5e9, "1.5e9", "1.5e9"),
        (np.float32(0.25), "0.25", "0.25"),
        (None, "-", "-"),
        (math.nan, "-", "-"),
    ],
)
def test_numbers(value: object, nearest: str, up: str) -> None:
    assert number(value) == nearest
    assert number(value, up=True) == up


def test_per_output() -> None:
    assert per_output(None) == []
    assert per_output(0.5) == [0.5]
    assert per_output({"a": 1, "b": 2}) == [1.0, 2.0]


def test_certificate_is_rounded_up() -> None:
    report = json.loads(json.dumps(CASES["arm"][0]))
    report["verify"]["outputs"][1]["certificate"]["max_abs"] = 0.0298001
    bound = number(report["verify"]["outputs"][0]["certificate"]["max_abs"], up=True)
    assert certificates(report) == [
        "With confidence 99.9 %, for each output alone, at most 0.01 % of inputs drawn from the domain differ by more "
        f"than {bound} (theta1), 0.0299 (theta2)."
    ]
