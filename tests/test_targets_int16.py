"""int16 surrogates on targets: every bit is the model's, time does not depend on the inputs, `auto` chooses them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Nstk
from networks import inputs_program, random_surrogate

from nstk import sampling
from nstk.errors import UsageError
from nstk.integer_emission import emit_integer
from nstk.options import BuildOptions
from nstk.program import Program
from nstk.quantization import Quantized, quantize
from nstk.targets.firmware import Callee
from nstk.targets.measuring import explain_costs, measure_target, run_on_target
from nstk.targets.target import find_target
from nstk.targets.toolchains import find_toolchain, find_toolchains

pytestmark = pytest.mark.usefixtures("cache")


def network(style: str) -> tuple[Program, Quantized, str]:
    p = inputs_program(9)
    quantized = quantize(random_surrogate(p, seed=3), 3e-5)
    return p, quantized, emit_integer(p, quantized, style=style)


def points(p: Program, n: int = 24) -> np.ndarray:
    return np.concatenate([sampling.corners(p.inputs)[:4], sampling.draw(p.inputs, n - 4, 5)])


@pytest.mark.parametrize("style", ["speed", "size"])
@pytest.mark.parametrize("name", ["cortex-m0plus", "rv32imc"])
def test_results_are_the_model(name: str, style: str) -> None:
    p, quantized, header = network(style)
    target, x = find_target(name), points(p)
    callee = Callee(p, "f_surrogate", header, "-Os" if style == "size" else "-O2")
    found = measure_target(callee, x, target, quantized=quantized, toolchain="zig")
    assert found["ok"]
    assert found["identical"]
    assert found["int16"]["identical"]
    assert found["int16"]["max"] < found["surrogate"]["max"] < 1500
    for costs in (found["surrogate"], found["int16"]):
        assert costs["min"] == costs["max"]
        assert costs["ram_bytes"] == 0
    outside = np.concatenate([3 * x, np.full((1, 9), np.nan), np.full((1, 9), -np.inf)])
    image, run = run_on_target(target, find_toolchain(target, "zig"), callee, outside)
    np.testing.assert_array_equal(image.layout.unpack(run.rows), quantized.evaluate(outside)[0])
    assert (run.counts == found["surrogate"]["max"]).all()


@pytest.mark.parametrize(
    ("toolchain", "optimize", "most", "most_with_floats"), [("zig", "-Os", 350, 700), ("gcc", "-O2", 375, 750)]
)
def test_costs_on_cortex_m0plus(toolchain: str, optimize: str, most: int, most_with_floats: int) -> None:
    target = find_target("cortex-m0plus")
    if toolchain not in (found.name for found in find_toolchains(target)):
        pytest.skip(f"no {target.gcc}")
    p, quantized, header = network("speed")
    callee = Callee(p, "f_surrogate", header, optimize)
    found = measure_target(callee, points(p, 5), target, quantized=quantized, toolchain=toolchain)
    assert found["int16"]["max"] <= most
    assert found["surrogate"]["max"] <= most_with_floats
    assert f"With int16 in and out it takes {found['int16']['median']:.0f}" in explain_costs(found)


@pytest.mark.parametrize(("table", "entry"), [("w0", 0), ("tanh", 9)])
def test_wrong_entry_is_caught(table: str, entry: int) -> None:
    """The last bit of one weight, or of one entry of the tanh table, wrong on the target only, shows."""
    p, quantized, header = network("speed")
    found = re.search(rf"int16_t f_surrogate_{table}\[\d+\][^{{]*{{(?:\s*-?\d+,){{{entry}}}\s*(-?\d+),", header)
    assert found is not None
    wrong = f"\n#ifdef __arm__\n{int(found[1]) + 1}\n#else\n{found[1]}\n#endif\n"
    changed = header[: found.start(1)] + wrong + header[found.end(1) :]
    callee, target = Callee(p, "f_surrogate", changed), find_target("cortex-m0plus")
    costs = measure_target(callee, points(p, 96), target, quantized=quantized, toolchain="zig")
    assert not costs["ok"]
    assert not costs["identical"]
    assert not costs["int16"]["identical"]


@pytest.mark.parametrize(
    ("targets", "number"),
    [
        ((), "float"),
        (("cortex-m0plus",), "int16"),
        (("cortex-m3", "rv32imc", "atmega328p"), "int16"),
        (("cortex-m0plus", "cortex-m4f"), "float"),
        (("host", "cortex-m0plus"), "float"),
    ],
)
def test_auto_goes_by_the_targets(targets: tuple[str, ...], number: str) -> None:
    options = BuildOptions(Path("f.c"), targets=targets)
    assert options.number_format == options.emission()["number"] == number
    assert BuildOptions(Path("f.c"), targets=targets, number="float").number_format == "float"


def test_auto_explains_what_int16_refuses() -> None:
    with pytest.raises(UsageError, match="saturates") as error:
        BuildOptions(Path("f.c"), targets=("cortex-m0plus",), clamp=False)
    assert "--number float" in error.value.hint


def test_build_without_fpu(nstk: Nstk, tmp_path: Path) -> None:
    source = tmp_path / "f.c"
    source.write_text("#include <math.h>\n/* nstk: x=0:2 */\nfloat f(float x) { return expf(-x) * sinf(2.0f * x); }\n")
    ran = nstk("build", source, "--topology", "4-4", "--effort", "quick", "--target", "cortex-m0plus", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["header"]["number"] == "int16"
    costs = ran.json["bench"]["targets"]["cortex-m0plus"]
    assert costs["speedup"] > 1
    assert costs["int16"]["speedup"] > costs["speedup"]
    page = (tmp_path / "nstk-out" / "f" / "report.html").read_text()
    assert "cortex-m0plus (int16 in and out)" in page
    verified = nstk("verify", "nstk-out/f", "--target", "rv32imc", "--json")
    assert verified.code == 0, verified.err
    assert verified.json["verify"]["targets"]["rv32imc"]["identical"]
    again = nstk("bench", "nstk-out/f", "--target", "cortex-m0plus", "--json")
    assert json.dumps(again.json["bench"]["targets"]["cortex-m0plus"]) == json.dumps(costs)
