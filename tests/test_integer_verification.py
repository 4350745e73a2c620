"""int16 headers on the verification rungs, and from the command line."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Nstk
from networks import inputs_program, random_surrogate

from nstk.errors import UsageError
from nstk.integer_emission import emit_integer
from nstk.integer_verification import check_integer_arithmetic, check_integer_constants
from nstk.options import STYLES, BuildOptions
from nstk.quantization import quantize

P = inputs_program(3, "net")
QUANTIZED = quantize(random_surrogate(P, seed=3, spread=3.0), 3e-5)


@pytest.mark.parametrize("style", STYLES)
def test_headers_pass(cache, style):
    header = emit_integer(P, QUANTIZED, style=style, errors={"result": "at most 1"})
    constants = check_integer_constants(P, QUANTIZED, header)
    assert constants["ok"]
    assert constants["count"] > len(QUANTIZED.table.values) + 40
    arithmetic = check_integer_arithmetic(P, QUANTIZED, header, 0)
    assert arithmetic["ok"]
    assert arithmetic["forms"] == ["int16", "float", "batch"]


def literals(header: str) -> list[re.Match[str]]:
    """Return where numbers stand in the header's own macros and tables."""
    start = header.index("#define NET_SURROGATE_A0")
    end = header.index("static inline void net_surrogate_core")
    values = re.compile(r"-?\b\d[\w.+-]*(?=[,)\n])")
    return [m for m in values.finditer(header, start, end) if header[m.start() - 1] in " ("]


def test_every_changed_literal_is_found(cache):
    header = emit_integer(P, QUANTIZED, style="size")
    found = literals(header)
    assert len(found) == check_integer_constants(P, QUANTIZED, header)["count"]
    for match in found[::7]:
        text = match[0]
        other = text.replace("e-", "e-1") if "e-" in text else str(int(text) + 1) if "." not in text else "1" + text
        changed = header[: match.start()] + other + header[match.end() :]
        record = check_integer_constants(P, QUANTIZED, changed)
        assert not record["ok"], text
        assert record["wrong"]


def test_wrong_tanh_entry_is_found(cache):
    """By its name on the first rung; and by what it computes on the second, which reads no constants."""
    header = emit_integer(P, QUANTIZED)
    value = QUANTIZED.table.values[9]
    table = header.index("net_surrogate_tanh[")
    at = header.index(f" {value},", table)
    wrong = header[:at] + f" {value + 1}," + header[at + len(f" {value},") :]
    assert check_integer_constants(P, QUANTIZED, wrong)["wrong"] == ["net_surrogate_tanh[9]"]
    assert not check_integer_arithmetic(P, QUANTIZED, wrong, 0)["ok"]


def test_missing_and_unknown_constants_are_found(cache):
    header = emit_integer(P, QUANTIZED)
    limit = next(line for line in header.splitlines() if "_LIMIT " in line and line.startswith("#define"))
    for changed in (header.replace(limit, ""), header.replace(limit, limit + "\n#define NET_SURROGATE_MORE 3")):
        assert not check_integer_constants(P, QUANTIZED, changed)["ok"]
    assert not check_integer_constants(P, QUANTIZED, header.replace("static const int16_t", "static const int32_t"))[
        "ok"
    ]
    assert not check_integer_constants(P, QUANTIZED, header.replace("= {\n    0,", "= {\n    70000,"))["ok"]


@pytest.mark.parametrize(
    ("old", "new", "form"),
    [
        ("return (int)(low + (unsigned)", "return (int)(low + 1U + (unsigned)", "int16"),
        ("u1_0 = nstk_q_add(u1_0, w[0], x0)", "u1_0 = nstk_q_add(u1_0, w[1], x0)", "int16"),
        ("nstk_q_positive(29 - kept) + 2", "nstk_q_positive(28 - kept) + 2", "float"),
    ],
)
def test_wrong_code_is_found(cache, old, new, form):
    header = emit_integer(P, QUANTIZED)
    assert old in header
    record = check_integer_arithmetic(P, QUANTIZED, header.replace(old, new), 0)
    assert not record["ok"]
    assert record["max_abs"] > 0
    assert len(record["worst_input"]) == 3


def test_wrong_model_is_found(cache):
    """The header of other weights, as if the model had rounded them otherwise."""
    network = QUANTIZED.networks[0]
    layer = network.layers[1]
    weight = layer.weight.copy()
    weight[0, 0] += np.int16(1)
    layers = (network.layers[0], replace(layer, weight=weight), *network.layers[2:])
    other = replace(QUANTIZED, networks=(replace(network, layers=layers),))
    header = emit_integer(P, QUANTIZED)
    assert check_integer_constants(P, other, header)["wrong"] == ["net_surrogate_w0[12]"]
    assert not check_integer_arithmetic(P, other, header, 0)["ok"]


# ---------------------------------------------------------------- options and command line


def test_options():
    options = BuildOptions(Path("f.c"), number="int16")
    assert options.emission() == {"number": "int16", "style": "speed", "clamp": True, "sigmoid_error": 3e-5}
    assert BuildOptions(Path("f.c")).emission()["sigmoid_error"] == 1e-6
    with pytest.raises(UsageError, match="out of range"):
        BuildOptions(Path("f.c"), number="int16", sigmoid_error=1e-6)
    with pytest.raises(UsageError, match="always saturates"):
        BuildOptions(Path("f.c"), number="int16", clamp=False)


def test_build_verify_and_export(nstk: Nstk, write, tmp_path):
    source = write("curve.c", "/* nstk: x=0:2, k=0:5 */\nfloat curve(float x, int k) { return x * (k - x) + 0.5f; }\n")
    ran = nstk("build", source, "--number", "int16", "--topology", "4-4", "--effort", "quick", "--out", "a")
    assert ran.code == 0, ran.err
    assert "Rounding to int16" in ran.out
    report = json.loads((tmp_path / "a/curve/report.json").read_text())
    assert report["header"]["number"] == "int16"
    assert report["verify"]["arithmetic"]["max_abs"] == 0.0
    (rounding,) = report["rounding"]
    assert 0 < rounding["nrmse"]["int16"] < max(1.5 * rounding["nrmse"]["float"], 1e-3)
    assert rounding["nrmse"]["int16"] == pytest.approx(report["verify"]["outputs"][0]["nrmse"], rel=1e-6)
    header = (tmp_path / "a/curve/curve_surrogate.h").read_text()
    assert "curve_surrogate_q(int16_t x, int16_t k)" in header
    assert nstk("verify", "a/curve", source).code == 0
    assert nstk("export", "a/curve", "--number", "int16", "--style", "size", "--out", "c").code == 0
    assert "nstk_q_dense" in (tmp_path / "c/curve/curve_surrogate.h").read_text()
    assert nstk("verify", "c/curve", source).code == 0
    assert json.loads((tmp_path / "c/curve/surrogate.json").read_text())["provenance"]["emission"]["number"] == "int16"
