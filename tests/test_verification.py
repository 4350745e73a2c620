import re
from dataclasses import replace

import numpy as np
import pytest
from handmade import INT, pointer, program, value
from networks import inputs_program, random_surrogate, with_intervals

from nstk import sampling
from nstk.c_text import float_literal, parse_float_literal
from nstk.constants import check_constants, read_constants
from nstk.emission import emit, header_names
from nstk.errors import UsageError
from nstk.fitting import sample_data
from nstk.folding import fold
from nstk.options import STYLES
from nstk.program import Program
from nstk.sandbox import ProgramRunner
from nstk.surrogate import Surrogate
from nstk.tolerance import Tolerance
from nstk.verification import (
    CONFIDENCE,
    COVERAGE,
    FRESH_DRAWS,
    Comparison,
    check_arithmetic,
    check_exhaustively,
    compare,
    covering_points,
    judge,
    largest,
    search_worst,
    verify_header,
)

TIGHT = Tolerance(1e-4, False)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSTK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def surrogate() -> Surrogate:
    """Two inputs, one of them centred, two outputs."""
    p = program("", value("a"), value("b"), pointer("q"), name="f", returns=None)
    p = replace(p, outputs=(*p.outputs, replace(p.outputs[0], name="r")), parameters=(*p.parameters, pointer("r")))
    return random_surrogate(with_intervals(p, (-1, 1), (1000, 1001)), spread=3.0)


S = surrogate()
FOLDED = fold(S, 1e-6)
HEADERS = {style: emit(S.program, FOLDED, style=style) for style in STYLES}


# ---------------------------------------------------------------- rung 1


@pytest.mark.parametrize("style", STYLES)
def test_constants_are_read_back(style):
    found = check_constants(S.program, FOLDED, HEADERS[style])
    assert found["ok"]
    assert found["wrong"] == []
    (network,) = FOLDED.networks
    tanhs = {layer.activation for layer in network.layers[:-1]}
    coefficients = sum(len(t.numerator) + len(t.denominator) + 1 for t in tanhs)
    assert found["count"] == 5 + len(network.table()) + coefficients
    macros, tables = read_constants(HEADERS[style])
    assert macros["F_SURROGATE_B_CENTER"] == 1000.5
    assert len(tables) == 1 + len(tanhs)


@pytest.mark.parametrize("style", STYLES)
def test_any_wrong_literal_is_caught(style):
    """Each number of each table and macro in turn: one unit in the last place, a sign, another number."""
    text = HEADERS[style]
    start = text.index("#define F_SURROGATE_A_LO")
    end = text.index("static inline", text.index("static const float f_surrogate_tanh"))
    spans = [m.span() for m in re.finditer(r"-?\d+\.?\d*(e[+-]?\d+)?f\b", text[start:end])]
    assert len(spans) == check_constants(S.program, FOLDED, text)["count"]
    for i, j in spans:
        literal = text[start + i : start + j]
        x = parse_float_literal(literal)
        for other in (np.nextafter(x, np.float32(np.inf)), -x, x + np.float32(1)):
            wrong = text[: start + i] + float_literal(other) + text[start + j :]
            assert not check_constants(S.program, FOLDED, wrong)["ok"], literal


def test_lost_and_added_constants_are_caught():
    text = HEADERS["speed"]
    first = re.search(r"-?[\d.e-]+f, ", text[text.index("f_surrogate_w0[") :])[0]
    for wrong, name in (
        (text.replace(first, "", 1), "f_surrogate_w0"),
        (text.replace("#define F_SURROGATE_A_LO", "#define F_SURROGATE_A_LOW"), "F_SURROGATE_A_LO"),
        (text.replace("static const float f_surrogate_w0", "static float f_surrogate_w0"), "f_surrogate_w0"),
        (text + "#define F_SURROGATE_EXTRA 1.5f\n", "unknown constant F_SURROGATE_EXTRA"),
        (text.replace(first, "0x1p0f, ", 1), "'0x1p0f' is no float literal"),
        (text.replace(first, "abc, ", 1), "'abc' is no float literal"),
        (text.replace(first, "1e39f, ", 1), "f_surrogate_w0[0]"),
    ):
        assert wrong != text
        found = check_constants(S.program, FOLDED, wrong)
        assert not found["ok"]
        assert name in found["wrong"]


# ---------------------------------------------------------------- rung 2


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("clamp", [True, False])
def test_right_arithmetic_passes(style, clamp):
    folded = fold(S, 1e-6, clamp)
    found = check_arithmetic(S.program, folded, emit(S.program, folded, style=style), 1)
    assert found["ok"]
    assert 0 < found["max_abs"] < 1e-4
    assert 0 < found["bound"] < 1e-3
    assert len(found["worst_input"]) == 2
    assert found["forms"] == (["float", "batch", "scalar", "native batch"] if style == "speed" else ["float", "batch"])


def after(text: str, mark: str, old: str, new: str) -> str:
    """Replace the first `old` after `mark`."""
    at = text.index(old, text.index(mark))
    return text[:at] + new + text[at + len(old) :]


WRONG = {
    "sign of one call": ("speed", "void f_surrogate_core(float", ") + (", ") - ("),
    "sign of batch": ("speed", "void f_surrogate_core_vn(", ") + (", ") - ("),
    "sign of scalar": ("speed", "#else\nstatic inline float f_surrogate_act0", ") + (", ") - ("),
    "index of one call": ("speed", "void f_surrogate_core(float", "&w[8]", "&w[4]"),
    "index of batch": ("speed", "void f_surrogate_core_vn(", "w[5] ", "w[6] "),
    "index of scalar": ("speed", "#else\nstatic inline float f_surrogate_act0", "w[5] ", "w[6] "),
    "operands of the activation": ("speed", "f_surrogate_act0_v4(", "v * (", "s * ("),
    "order of outputs": ("speed", "void f_surrogate_f(", "q, r);", "r, q);"),
    "order of inputs": (
        "speed",
        "void f_surrogate_batch(",
        "nstk_load_vn(&a[i]), nstk_load_vn(&b",
        "nstk_load_vn(&b[i]), nstk_load_vn(&a",
    ),
    "order of inputs in the tail": ("speed", "void f_surrogate_batch(", "(a[i], b[i]", "(b[i], a[i]"),
    "centre": ("speed", "void f_surrogate_core(float", "-= F_SURROGATE_B_CENTER", "+= F_SURROGATE_B_CENTER"),
    "clamp": (
        "speed",
        "void f_surrogate_core_vn(",
        "F_SURROGATE_A_LO, F_SURROGATE_A_HI",
        "F_SURROGATE_A_LO, F_SURROGATE_B_HI",
    ),
    "no clamp": (
        "speed",
        "void f_surrogate_core_vn(",
        "x0a = nstk_clamp_vn(x0a, F_SURROGATE_A_LO, F_SURROGATE_A_HI);",
        "",
    ),
    "sums of loops": ("size", "nstk_dense(", "u[k] += *next * x[i]", "u[k] -= *next * x[i]"),
    "bias of loops": ("size", "nstk_output(", "sum = bias[k]", "sum = bias[0]"),
    "outputs of loops": ("size", "void f_surrogate_core(", "out[0] = y[0]", "out[0] = y[1]"),
    "clamp of loops": ("size", "void f_surrogate_core(", "nstk_clamp(in[i], lo[i], hi[i])", "in[i]"),
    "NaN": (
        "speed",
        "nstk_clamp_v4(",
        "minps(hi, __builtin_ia32_maxps(lo, x))",
        "minps(__builtin_ia32_maxps(x, lo), hi)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arithmetic_is_caught(case):
    style, mark, old, new = WRONG[case]
    wrong = after(HEADERS[style], mark, old, new)
    assert check_constants(S.program, FOLDED, wrong)["ok"]
    assert not check_arithmetic(S.program, FOLDED, wrong, 1)["ok"]


# ---------------------------------------------------------------- rung 3 and the whole


def test_right_header_climbs_all_rungs():
    verified = verify_header(S.program, FOLDED, HEADERS["speed"], S.predict, TIGHT, seed=5)
    record = verified.record
    assert record["ok"]
    assert record["constants"]["ok"]
    assert record["arithmetic"]["ok"]
    assert [o["name"] for o in record["outputs"]] == ["q", "r"]
    for o in record["outputs"]:
        assert o["ok"]
        assert o["n"] > FRESH_DRAWS + 24_000
        assert 0 < o["certificate"]["max_abs"] <= o["max_abs"] < 1e-4
        assert o["p99_abs"] <= o["certificate"]["max_abs"]
    assert verified.fresh.x.shape == (FRESH_DRAWS, 2)


def test_wrong_parameter_is_caught_on_rung_3_only():
    (network,) = S.networks
    params = network.params.copy()
    params[7] += np.float32(0.01)
    wrong = replace(S, networks=(replace(network, params=params),))
    folded = fold(wrong, 1e-6)
    record = verify_header(S.program, folded, emit(S.program, folded), S.predict, TIGHT, seed=5).record
    assert record["constants"]["ok"]
    assert record["arithmetic"]["ok"]
    assert not all(o["ok"] for o in record["outputs"])
    assert not record["ok"]


def test_wrong_drop_in_is_caught_on_rung_3_only():
    wrong = after(HEADERS["size"], "void f_surrogate(float", "f_surrogate_f(a, b", "f_surrogate_f(b, a")
    record = verify_header(S.program, FOLDED, wrong, S.predict, TIGHT, seed=5).record
    assert record["constants"]["ok"]
    assert record["arithmetic"]["ok"]
    assert not record["ok"]


def test_header_that_returns_nan_fails():
    wrong = after(HEADERS["size"], "nstk_tanh(", "u[k] = (v * above) / below", "u[k] = (v * above) / (v - v)")
    record = verify_header(S.program, FOLDED, wrong, S.predict, TIGHT, seed=5).record
    assert not record["arithmetic"]["ok"]
    assert not record["ok"]
    assert not any(o["ok"] for o in record["outputs"])


def test_given_pairs_are_compared_and_not_certified():
    x = sampling.draw(S.program.inputs, 500, 3)
    held = Comparison(x, S.predict(x) + np.array([0.0, 0.5]), np.full((500, 2), np.nan))
    record = verify_header(S.program, FOLDED, HEADERS["speed"], None, TIGHT, 1, held).record
    assert record["method"] == "held-out pairs"
    first, second = record["outputs"]
    assert first["ok"]
    assert not second["ok"]
    assert second["max_abs"] == pytest.approx(0.5, abs=1e-4)
    assert "certificate" not in first
    with pytest.raises(ValueError, match="neither"):
        verify_header(S.program, FOLDED, HEADERS["speed"], None, TIGHT, 1)


def test_certificate_holds_its_confidence():
    # The largest of n draws misses a share p of the domain with probability (1 - p)^n.
    assert COVERAGE**FRESH_DRAWS <= 1 - CONFIDENCE
    assert FRESH_DRAWS >= 100_000


def test_fresh_draws_are_fresh():
    p = inputs_program(2)
    for seed in (0, 1, 12345):
        data = sample_data(p, lambda x: x[:, :1], 2048, seed)
        fresh = sampling.draw(p.inputs, FRESH_DRAWS, seed + 1_000_003)
        seen = {row.tobytes() for part in (data.x, data.x_valid, data.checks) for row in part}
        assert not seen & {row.tobytes() for row in fresh}


def test_judgement():
    p = inputs_program(1)
    x = np.array([[0.0], [0.5], [1.0], [-1.0]])
    checked = Comparison(x, np.array([[1.0], [2.0], [3.0], [5.0]]), np.array([[1.0], [2.5], [2.0], [5.25]]))
    fresh = Comparison(x[:2], checked.expected[:2], checked.got[:2])
    (record,) = judge(p, checked, fresh, Tolerance(25, True))
    assert record["max_abs"] == 1.0
    assert record["ok"]  # 25 % of 4
    assert record["tolerance"] == 1.0
    assert record["range"] == [1.0, 5.0]
    assert record["worst_input"] == [1.0]
    assert (record["worst_expected"], record["worst_got"]) == (3.0, 2.0)
    assert record["rmse"] == pytest.approx(np.sqrt(0.125))
    assert record["nrmse"] == pytest.approx(np.sqrt(0.125) / 0.5)
    assert record["certificate"]["max_abs"] == 0.5
    assert not judge(p, checked, fresh, Tolerance(0.99, False))[0]["ok"]
    constant = Comparison(x, np.full((4, 1), 4.0), np.full((4, 1), 4.0))
    assert judge(p, constant, constant, TIGHT)[0]["nrmse"] == 0
    off = Comparison(x, np.full((4, 1), 4.0), np.full((4, 1), 5.0))
    assert judge(p, off, off, TIGHT)[0]["nrmse"] == 0.25


def test_cover_has_corners_and_edges():
    p = with_intervals(inputs_program(3), (0, 1), (5, 6), (-2, 2))
    x = covering_points(p.inputs, 3)
    assert len(x) > 24_000
    rows = {tuple(row) for row in x}
    assert {(a, b, c) for a in (0, 1) for b in (5, 6) for c in (-2, 2)} <= rows
    for column in range(3):
        inner = np.delete(x, column, axis=1)
        assert len(np.unique(inner[x[:, column] == x[:, column].max()], axis=0)) > 500


def test_the_largest_come_first():
    values = np.array([0.5, 3.0, 1.0, 3.0, 2.0, 0.0])
    assert largest(values, 4).tolist() == [1, 3, 4, 2]
    assert largest(values, 9).tolist() == [1, 3, 4, 2, 0, 5]  # all there are
    many = np.random.default_rng(0).normal(size=5000)
    assert largest(many, 24).tolist() == np.argsort(-many)[:24].tolist()


def test_search_finds_a_spike_between_points():
    p = inputs_program(4)
    peak = np.array([0.31, -0.77, 0.52, 0.11])

    def spiky(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + ((x - peak) ** 2).sum(1, keepdims=True) / 0.02**2)

    def flat(x: np.ndarray) -> np.ndarray:
        return np.zeros((len(x), 1))

    known = compare(spiky, flat, covering_points(p.inputs, 0))
    assert known.error.max() < 0.3
    found = search_worst(spiky, flat, p.inputs, known, seed=0)
    assert found.error.max() > 0.95
    assert len(found.x) <= 24
    assert np.abs(found.x).max() <= 1
    np.testing.assert_array_equal(found.expected, spiky(found.x))
    again = search_worst(spiky, flat, p.inputs, known, seed=0)
    np.testing.assert_array_equal(found.x, again.x)


def test_search_keeps_to_the_grid_and_never_loses():
    p = program("", value("k", INT), value("a"), pointer("q"), name="f")
    p = with_intervals(p, (0, 7), (2, 3))
    known = compare(lambda x: x * [1, 2], lambda x: np.sin(x), sampling.draw(p.inputs, 50, 1))
    found = search_worst(lambda x: x * [1, 2], lambda x: np.sin(x), p.inputs, known, seed=1)
    assert (found.x[:, 0] == np.rint(found.x[:, 0])).all()
    assert found.x.min(0).tolist() >= [0, 2]
    assert found.x.max(0).tolist() <= [7, 3]
    assert (found.error.max(0) >= known.error.max(0)).all()


@pytest.mark.parametrize("ends", [(1, 1.001), (-1.001, -1), (0.1, 0.1001), (-3e4, -2.999e4)])
def test_exhaustive_check_equals_brute_force(ends):
    p = with_intervals(inputs_program(1), ends)
    s = random_surrogate(p, spread=4.0)
    header = emit(p, fold(s, 1e-6))
    lo, hi = sampling.corners(p.inputs).astype(np.float32).ravel()
    x = [lo]
    while x[-1] < hi:
        x.append(np.nextafter(x[-1], np.float32(np.inf)))
    x = np.array(x, np.float64)[:, None]

    def original(x: np.ndarray) -> np.ndarray:
        return s.predict(x) + 0.1 * np.sin(1e4 * x)

    with ProgramRunner(p, header=header, callee=header_names(p).base) as runner:
        error = np.abs(runner.run(x) - original(x))
    shares = []
    (found,) = check_exhaustively(p, header, original, Tolerance(0.05, False), shares.append)
    assert found["n"] == len(x)
    assert found["max_abs"] == error.max()
    assert found["worst_input"] == x[error.argmax()].tolist()
    assert not found["ok"]
    assert all(0 <= share <= 1 for share in shares)
    assert check_exhaustively(p, header, original, Tolerance(0.2, False), shares.append)[0]["ok"]


def test_exhaustive_check_needs_one_float():
    def refused(p: Program) -> None:
        with pytest.raises(UsageError, match="exactly one float input"):
            check_exhaustively(p, "", lambda x: x, TIGHT, lambda share: None)

    refused(inputs_program(2))
    refused(program("", value("k", INT)))
