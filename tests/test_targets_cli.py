"""Targets on the command line: build, verify, bench, targets and doctor."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Nstk

from nstk.targets.target import TARGETS


def test_build_counts_on_targets(nstk: Nstk, tmp_path: Path) -> None:
    source = tmp_path / "f.c"
    source.write_text("/* nstk: x=0:2 */\nfloat f(float x) { return x * (2.0f - x); }\n")
    found = ("--target", "cortex-m4f", "--target", "host", "--target", "cortex-m4f", "--target", "cortex-m0plus")
    ran = nstk("build", source, "--topology", "4-4", "--effort", "quick", *found, "--json")
    assert ran.code == 0, ran.err
    targets = ran.json["bench"]["targets"]
    assert sorted(targets) == ["cortex-m0plus", "cortex-m4f"]
    for costs in targets.values():
        assert costs["identical"]
        assert costs["unit"] == "instructions"
        assert costs["original"]["min"] <= costs["original"]["median"] <= costs["original"]["max"]
        assert costs["ram_bytes"] == 0
        assert costs["flash_bytes"] == costs["surrogate"]["flash_bytes"] > 500
        assert costs["speedup"] < 1  # two operations
    assert "slower in estimated cycles" in ran.json["verdict"]["per_target"]["cortex-m4f"]
    report = json.loads((tmp_path / "nstk-out" / "f" / "report.json").read_text())
    assert report["bench"]["targets"] == targets
    assert "cortex-m4f instructions" in (tmp_path / "nstk-out" / "f" / "report.html").read_text()


def test_verify_and_bench(nstk: Nstk, saved: Path) -> None:
    ran = nstk("verify", saved, "--target", "cortex-m4f")
    assert ran.code == 0, ran.err
    assert "every bit equal" in " ".join(ran.out.split())
    verified = nstk("verify", saved, "--target", "rv32imfc", "--json").json["verify"]["targets"]
    assert list(verified) == ["rv32imfc"]
    assert verified["rv32imfc"]["identical"]
    costs = nstk("bench", saved, "--target", "cortex-m4f", "--json").json["bench"]
    assert costs["host"]["original_ns"] > 0
    again = nstk("bench", saved, "--target", "cortex-m4f", "--json").json["bench"]
    assert again["targets"] == costs["targets"]


def test_wrong_header_fails(nstk: Nstk, saved: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(saved, copy)
    header = copy / "curve_surrogate.h"
    header.write_text(header.read_text().replace("return y;", "#ifdef __arm__\nreturn y + 1e-6f;\n#endif\nreturn y;"))
    ran = nstk("verify", copy, "--target", "cortex-m4f")
    assert ran.code == 1
    assert "FAILED" in ran.out


def test_what_cannot_be_built_there_is_told(nstk: Nstk, tmp_path: Path) -> None:
    source = tmp_path / "g.c"
    source.write_text('#include <stdio.h>\nfloat g(float x) { char t[9]; return x + (float)sprintf(t, "%d", 7); }\n')
    ran = nstk("build", source, "--topology", "4-4", "--effort", "quick", "--target", "rv32imfc", "--json")
    [costs] = ran.json["bench"]["targets"].values()
    if "error" in costs:  # zig has no sprintf; where a C library is installed, it may link
        assert "undefined" in costs["error"]
        assert "lacks it" in costs["hint"]
        assert ran.json["verdict"]["per_target"]["rv32imfc"].startswith("Not measured: ")


def test_targets_are_listed(nstk: Nstk, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = nstk("targets", "--json")
    assert ran.code == 0
    found = {row["name"]: row for row in ran.json["targets"]}
    assert list(found) == list(TARGETS)
    assert found["cortex-m4f"]["ok"]
    assert found["cortex-m4f"]["detail"].startswith("Arm Cortex-M4, single-precision FPU; ")
    text = nstk("targets").out
    assert all(name in text for name in TARGETS)
    monkeypatch.setenv("PATH", "/nowhere")
    missing = {row["name"]: row for row in nstk("targets", "--json").json["targets"]}
    assert missing["cortex-m4f"]["ok"]
    assert not missing["atmega328p"]["ok"]
    assert "apt install gcc-avr" in missing["atmega328p"]["remedy"]
    names = [row["name"] for row in nstk("doctor", "--json").json["findings"]]
    assert set(TARGETS) <= set(names)


def test_errors(nstk: Nstk, saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nstk("verify", saved, "--target", "z80").check_error(2, "unknown target 'z80'")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("x,result\n" + "\n".join(f"{x / 100},0" for x in range(200)))
    text = "targets compare with the original"
    nstk("verify", saved, "--pairs", pairs, "--target", "cortex-m4f").check_error(2, text)
    monkeypatch.setenv("PATH", "/usr/nowhere")
    nstk("bench", saved, "--target", "atmega328p").check_error(3, "not installed: avr-gcc")
