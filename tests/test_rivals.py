"""Rivals: as small as the tolerance allows, right to the bit or within a bound, and measured beside the surrogate."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Nstk
from handmade import DOUBLE, INT, array, output_array, pointer, program, value
from networks import C99, CLANG, CLANGXX, CXX11, GCC, GXX, compile_c, with_intervals

from nstk import sampling
from nstk.domain import Interval
from nstk.program import Program
from nstk.rivals.arithmetic import IntegerTable, integer_weights
from nstk.rivals.basis import design_matrix, fit_matrix
from nstk.rivals.building import Rival, build_rivals, check_rival_arithmetic, check_rival_constants
from nstk.rivals.emission import emit_rival
from nstk.sandbox import ProgramRunner
from nstk.targets.firmware import Callee
from nstk.targets.measuring import measure_surrogate
from nstk.targets.target import find_target
from nstk.verification import Comparison, Function, covering_points

pytestmark = pytest.mark.usefixtures("cache")

#: Programs by name, each with a numpy function that computes the same; sources are not compiled here.
BUMP = program("float bump(float a);", name="bump")
ARM = program("", *map(value, "ab"), pointer("c"), pointer("d", DOUBLE), name="arm", returns=None)
WAVE = program("", value("a", DOUBLE), array("w", 2), name="wave", returns=DOUBLE)
COUNT = program("", value("k", INT), output_array("y", 2, INT), name="count", returns=None, interval=Interval(0, 9))


def bump(x: np.ndarray) -> np.ndarray:
    return np.exp(-3 * x**2)


def arm(x: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(2 * x[:, 0]) * x[:, 1], 300 + np.cos(x[:, 0] - x[:, 1])], 1)


def wave(x: np.ndarray) -> np.ndarray:
    return np.sin(3 * x[:, :1] + x[:, 1:2] + 0.5 * x[:, 2:])


def count(x: np.ndarray) -> np.ndarray:
    return np.concatenate([1000 * x**2, -40 * x], 1)


def build(p: Program, function: Function, share: float = 0.01) -> tuple[list[Rival], list[dict[str, object]]]:
    x = np.concatenate([covering_points(p.inputs, 1), sampling.draw(p.inputs, 10_000, 1)])
    y = function(x)
    known = Comparison(x, y, np.full_like(y, np.nan))
    return build_rivals(p, function, known, share * np.maximum(np.ptp(y, axis=0), 1e-3), 0, integers=True)


@pytest.fixture(scope="module")
def rivals(cache: None) -> dict[str, list[Rival]]:
    found = {}
    for p, function in ((BUMP, bump), (ARM, arm), (WAVE, wave), (COUNT, count)):
        found[p.name], missed = build(p, function)
        assert not missed
    return found


def test_every_kind_is_verified(rivals: dict[str, list[Rival]]) -> None:
    for name, built in rivals.items():
        kinds = [(r.record["kind"], r.record["number"]) for r in built]
        assert kinds == [
            *(("linear", "float"), ("cubic", "float"), ("chebyshev", "float")),
            *(("linear", "int16"), ("cubic", "int16")),
        ]
        for rival in built:
            verify = rival.record["verify"]
            assert verify["ok"], (name, rival.record)
            assert all(0 < o["max_abs"] <= o["tolerance"] for o in verify["outputs"]) or name == "count"
            assert verify["arithmetic"]["bound"] < verify["outputs"][0]["tolerance"] / 10
            assert rival.header == emit_rival(
                {"bump": BUMP, "arm": ARM, "wave": WAVE, "count": COUNT}[name],
                rival.arithmetic,
                dict(re.findall(r"^ \* error      (\w+): (.*)$", rival.header, re.MULTILINE)),
            )


@pytest.mark.parametrize(("compiler", "flags"), [(GCC, C99), (GXX, CXX11), (CLANG, C99), (CLANGXX, CXX11)])
def test_strict_compilers_are_silent(rivals: dict[str, list[Rival]], compiler, flags, tmp_path: Path) -> None:
    """All headers in one file."""
    text = "extern int a;\nint a;\n"
    for rival in (r for built in rivals.values() for r in built):
        (tmp_path / f"{rival.callee}.h").write_text(rival.header)
        text = f'#include "{rival.callee}.h"\n{text}'
    compile_c(tmp_path, text, compiler, [*flags, "-O2", "-ffreestanding"])


def test_sizes_are_the_least() -> None:
    """A line through cells of width h errs by h^2 f''/8; a fit may do better. Fewer cells miss the tolerance."""
    found, _ = build(BUMP, lambda x: x**2, 0.01)  # range 1: 1/2 h^2 2/8 = 0.01 at 10 cells
    sizes = {r.record["kind"]: r.record["shape"] for r in found if r.record["number"] == "float"}
    assert 6 <= sizes["linear"][0] <= 11
    assert sizes["chebyshev"] == [3]
    assert sizes["cubic"] == [4]  # one cell: the parabola itself
    u = np.linspace(0, 1, 2049)
    fewer = sizes["linear"][0] * 3 // 4
    y = (2 * u - 1) ** 2
    assert np.abs(design_matrix("linear", fewer, u) @ fit_matrix("linear", fewer, u) @ y - y).max() > 0.01


def test_inputs_are_sized_apart() -> None:
    p = with_intervals(ARM, (-1, 1), (-1, 1))
    found, _ = build(replace(p, outputs=ARM.outputs), lambda x: np.stack([np.sin(4 * x[:, 0]) + x[:, 1]] * 2, 1))
    for rival in found:
        assert rival.record["shape"][0] > 2 * rival.record["shape"][1] or rival.record["kind"] == "cubic"


def test_what_no_table_reaches() -> None:
    found, missed = build(BUMP, lambda x: (x > 0.1234567).astype(float))
    assert not found
    limits = ("1024 entries", "1024 entries", "degree 24", "1024 entries", "1024 entries")
    errors = [f"cannot keep the tolerance in 64 KiB and {limit} along an input" for limit in limits]
    assert [m["error"] for m in missed] == errors


def test_whole_numbers_are_exact(rivals: dict[str, list[Rival]]) -> None:
    linear = rivals["count"][0]
    assert linear.record["verify"]["outputs"][0]["max_abs"] <= 0.01 * 81_000
    assert linear.record["shape"][0] <= 10


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
def test_wrong_constants_are_caught(rivals: dict[str, list[Rival]], number: int) -> None:
    rival = rivals["bump"][number]
    assert check_rival_constants(BUMP, rival.arithmetic, rival.header)["ok"]
    table = re.search(rf"{rival.callee}_0\[\d+\][^=]*= {{\s*[^,]+, ([^,]+),", rival.header)
    assert table
    entry = table[1]
    other = str(int(entry) + 1) if rival.record["number"] == "int16" else f"{float(entry[:-1]) + 0.01:.6f}f"
    wrong = rival.header[: table.start(1)] + other + rival.header[table.end(1) :]
    assert check_rival_constants(BUMP, rival.arithmetic, wrong)["wrong"] == [f"{rival.callee}_0[1]"]
    assert not check_rival_arithmetic(BUMP, rival.arithmetic, wrong, 0)["ok"]


def test_integer_weights_add_up_and_are_not_negative() -> None:
    t = np.arange(2**14)
    for kind in ("linear", "cubic"):
        weights = np.stack(integer_weights(kind, t))
        assert (weights >= 0).all()
        assert (weights.sum(0) == 2**14).all()


def test_outside_the_domain(rivals: dict[str, list[Rival]]) -> None:
    for rival in rivals["bump"]:
        with ProgramRunner(BUMP, header=rival.header, callee=rival.callee) as runner:
            low, high, *others, nan = runner.run(np.array([-1, 1, -9, -np.inf, 9, np.inf, np.nan])[:, None])
        np.testing.assert_array_equal(others, [low, low, high, high])
        np.testing.assert_array_equal(nan, [np.nan] if rival.record["kind"] == "chebyshev" else high)


def test_constants() -> None:
    for value_of in (0.0, -7.5):
        built, missed = build(BUMP, lambda x, y=value_of: np.full_like(x, y))
        assert len(built) == 5
        assert not missed
        assert all(r.record["verify"]["ok"] for r in built)


@pytest.mark.parametrize("value_of", [1.0, -7.5])
def test_a_constant_beside_another_output(value_of: float) -> None:
    """Fitted entries of a constant differ by rounding; that is no range to scale to int16."""
    built, missed = build(ARM, lambda x: np.stack([np.sin(2 * x[:, 0]) * x[:, 1], np.full(len(x), value_of)], 1))
    assert not missed
    for rival in built:
        assert rival.record["verify"]["ok"]
        if isinstance(rival.arithmetic, IntegerTable):
            assert all(output.reduce < 32 for output in rival.arithmetic.outputs)


def test_on_a_core_without_fpu(rivals: dict[str, list[Rival]]) -> None:
    p = BUMP
    x = sampling.draw(p.inputs, 24, 3)
    for rival in rivals["bump"]:
        made = rival.arithmetic
        quantized = made if isinstance(made, IntegerTable) else None
        callee, target = Callee(p, rival.callee, rival.header), find_target("cortex-m0plus")
        costs = measure_surrogate(callee, x, target, quantized=quantized, toolchain="zig")
        assert costs["ok"]
        assert costs["identical"]
        if quantized is not None:
            assert costs["int16"]["max"] < 120
            assert costs["flash_bytes"] < 1000  # nothing of libgcc


def test_bench_measures_them(nstk: Nstk, saved: Path) -> None:
    ran = nstk("bench", saved, "--target", "cortex-m0plus", "--json")
    assert ran.code == 0, ran.err
    found = ran.json["bench"]["rivals"]
    assert len(found) == 5
    for rival in found:
        assert rival["bench"]["host"]["ns"] > 0
        assert rival["bench"]["targets"]["cortex-m0plus"]["ok"]
    assert "int16 linear table" in nstk("bench", saved, "--target", "cortex-m0plus").out


def test_build_writes_them(nstk: Nstk, tmp_path: Path) -> None:
    source = tmp_path / "f.c"
    source.write_text("/* nstk: x=0:2 */\nfloat f(float x) { return x * (2.0f - x); }\n")
    ran = nstk("build", source, "--topology", "4-4", "--init", "random", "--json")
    assert ran.code == 0, ran.err
    report = ran.json
    folder = Path(report["folder"])
    assert [r["header"] for r in report["rivals"]] == [f"rivals/f_{k}.h" for k in ("linear", "cubic", "chebyshev")]
    assert {p.name for p in (folder / "rivals").iterdir()} == {"f_linear.h", "f_cubic.h", "f_chebyshev.h"}
    assert report["verdict"]["cheapest"]["host"]["time"] in (
        *("original", "surrogate", "linear table", "cubic table", "Chebyshev polynomial"),
    )
    assert "The fastest call" in report["verdict"]["reason"]
    assert "Chebyshev polynomial" in (folder / "report.html").read_text()
    assert json.loads((folder / "report.json").read_text())["rivals"] == report["rivals"]
