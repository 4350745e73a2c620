"""The command line on programs that must work, through every verb."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Nstk, listing

from nstk import __version__
from nstk.doctor import examine

Write = Callable[[str, str], Path]
QUICK = ("--effort", "quick", "--topology", "4-4")

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]

#: What DESIGN promises of report.json, and what it holds in each place.
REPORT = {
    "program": {"name", "function", "sha256", "inputs", "outputs"},
    "init": {"method", "candidates", "zero_shot_nrmse"},
    "finetune": {"optimizer", "iterations", "seconds", "samples", "train_nrmse"},
    "header": {"sha256", "number", "style", "sigmoid_error", "license"},
    "verify": {"ok", "constants", "arithmetic", "outputs"},
    "bench": {"host", "targets"},
    "verdict": {"use", "reason", "per_target"},
}
OUTPUT = {
    *("name", "n", "max_abs", "rmse", "nrmse", "p99_abs", "range", "worst_input", "worst_expected", "worst_got"),
    *("tolerance", "ok", "certificate"),
}
HOST = {
    *("original_ns", "surrogate_ns", "surrogate_batch_ns", "original_batch_ns", "speedup", "batch_speedup"),
    *("flags", "compiler", "cpu"),
}
FILES = {"package", "report.html", "report.json", "surrogate.json", "surrogate.safetensors"}


def check_report(report: dict[str, Any]) -> None:
    for part, keys in REPORT.items():
        assert keys <= report[part].keys(), part
    assert report["networks"][0].keys() >= {"topology", "parameters", "outputs"}
    assert report["rungs"][0].keys() >= {"topology", "max_abs", "nrmse"}
    assert report["verify"]["constants"]["ok"]
    assert report["verify"]["arithmetic"]["ok"]
    for output in report["verify"]["outputs"]:
        assert output.keys() >= OUTPUT
        assert output["certificate"].keys() == {"confidence", "coverage", "max_abs"}
        assert output["max_abs"] >= output["certificate"]["max_abs"] >= output["p99_abs"]
    assert report["bench"]["host"].keys() >= HOST


def build_json(nstk: Nstk, *arguments: object, code: int = 0) -> dict[str, Any]:
    """Build and check what every build must leave; return the report."""
    ran = nstk("build", *arguments, *QUICK, "--json")
    assert ran.code == code, ran.err
    report = ran.json
    check_report(report)
    folder = Path(report.pop("folder"))
    assert json.loads((folder / "report.json").read_text()) == {"schema_version": 1, **report}
    assert {path.name for path in folder.iterdir()} == FILES | {report["header"]["file"]}
    return report


def compile_call(tmp_path: Path, header: Path, code: str, *compiler: str) -> str:
    """Compile and run `main` with the header included; return what it prints."""
    source = tmp_path / ("main.cpp" if compiler[0] == "g++" else "main.c")
    source.write_text(f'#include <stdio.h>\n#include "{header}"\nint main(void)\n{{\n{code}\nreturn 0;\n}}\n')
    subprocess.run([*compiler, *WARNINGS, source, "-o", tmp_path / "main", "-lm"], check=True)
    return subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout


# Programs


def test_functions_that_print(nstk: Nstk, write: Write) -> None:
    write(
        "f.c",
        """
        #include <stdio.h>
        float f(float x)
        {
            for (int i = 0; i < 4; i++) {
                printf("x is %f, and this is a line that nobody wants to see\\n", (double)x);
                fputs("nor this one", stderr);
            }
            return x * x;
        }
        """,
    )
    ran = nstk("build", "f.c", *QUICK, "--json")
    check_report(ran.json)
    assert "nobody" not in ran.out + ran.err
    assert re.fullmatch(r"([a-z0-9. -]+\n){4,12}", ran.err), ran.err


def test_keywords_of_cpp_as_names(nstk: Nstk, write: Write, tmp_path: Path) -> None:
    write(
        "class.c", "float class(float new, float delete, float *this) { *this = new - delete; return new + delete; }\n"
    )
    report = build_json(nstk, "class.c", "--outputs", "this", "--domain", "new=0:1, delete=0:1")
    assert [o["name"] for o in report["verify"]["outputs"]] == ["result", "this"]
    header = tmp_path / "nstk-out" / "class" / "class_surrogate.h"
    code = 'float d;\nfloat s = class_surrogate(0.5f, 0.25f, &d);\nprintf("%.2f %.2f\\n", (double)s, (double)d);'
    for compiler in (("gcc", "-std=c99"), ("g++", "-std=c++11")):
        total, difference = map(float, compile_call(tmp_path, header, code, *compiler).split())
        assert (total, difference) == (pytest.approx(0.75, abs=0.05), pytest.approx(0.25, abs=0.05))


def test_constant_function(nstk: Nstk, write: Write, tmp_path: Path) -> None:
    write("two.c", "float two(float x) { (void)x; return 2.5f; }\n")
    report = build_json(nstk, "two.c")
    assert report["verify"]["ok"]
    header = tmp_path / "nstk-out" / "two" / "two_surrogate.h"
    assert compile_call(tmp_path, header, 'printf("%g", (double)two_surrogate(7));', "gcc", "-std=c99") == "2.5"


def test_many_inputs(nstk: Nstk, write: Write) -> None:
    names = [f"x{i}" for i in range(16)]
    parameters = ", ".join(f"float {name}" for name in names)
    write("mean.c", f"float mean({parameters}) {{ return ({' + '.join(names)}) / 16; }}\n")
    report = build_json(nstk, "mean.c", "--tolerance", "0.2")
    assert [i["name"] for i in report["program"]["inputs"]] == names


def test_arrays_integers_and_doubles(nstk: Nstk, write: Write, tmp_path: Path) -> None:
    write(
        "mixed.c",
        """
        /* nstk: w=0:1, n=0:9, x=0:2; outputs: both */
        int mixed(const float w[7], unsigned char n, double x, short both[2])
        {
            both[0] = (short)(100 * w[0]);
            both[1] = (short)n;
            return (int)(50 * (w[1] + w[6] + x)) + n;
        }
        """,
    )
    report = build_json(nstk, "mixed.c", "--tolerance", "10%")
    assert [i["name"] for i in report["program"]["inputs"]] == [*(f"w_{k}" for k in range(7)), "n", "x"]
    assert [o["name"] for o in report["program"]["outputs"]] == ["result", "both_0", "both_1"]
    code = (
        "const float w[7] = {0.5f, 0.25f, 0, 0, 0, 0, 0.75f};\nshort both[2];\n"
        "int sum = mixed_surrogate(w, 5, 1.0, both);\n"
        'printf("%d %d %d", sum, both[0], both[1]);'
    )
    header = tmp_path / "nstk-out" / "mixed" / "mixed_surrogate.h"
    for compiler in (("gcc", "-std=c99"), ("g++", "-std=c++11")):
        got = list(map(float, compile_call(tmp_path, header, code, *compiler).split()))
        for value, expected, output in zip(got, [105, 50, 5], report["verify"]["outputs"], strict=True):
            assert value == pytest.approx(expected, abs=output["tolerance"])


def test_double_function_and_flags(nstk: Nstk, write: Write) -> None:
    write("headers/gain.h", "#define OFFSET 3.0\n")
    write("f.c", '#include <math.h>\n#include "gain.h"\ndouble f(double x) { return GAIN * cos(x) + OFFSET; }\n')
    report = build_json(nstk, "f.c:f", "--include", "headers", "--cflags", "-DGAIN=2.0")
    assert report["verify"]["outputs"][0]["range"] == pytest.approx([2 * np.cos(1) + 3, 5], rel=1e-6)


def test_missed_tolerance_is_written_and_exits_1(nstk: Nstk, write: Write) -> None:
    write("f.c", "#include <math.h>\nfloat f(float x) { return sinf(20 * x); }\n")
    report = build_json(nstk, "f.c", "--tolerance", "1e-9", "--style", "size", "--no-clamp", "--norm", "max", code=1)
    assert not report["verify"]["ok"]
    assert not report["verdict"]["use"]
    assert "tolerance" in report["verdict"]["reason"]
    again = nstk("build", "f.c", *QUICK, "--tolerance", "1e-9", "--style", "size", "--no-clamp", "--norm", "max")
    assert (again.code, again.err) == (1, "")  # nothing to do, and still not good enough
    assert "unchanged" in again.out


def test_exhaustive(nstk: Nstk, write: Write) -> None:
    write("f.c", "float f(float x) { return x * x; }\n")
    report = build_json(nstk, "f.c", "--domain", "x=1:1.0009765625", "--exhaustive")
    assert report["verify"]["exhaustive"]["ok"]
    assert report["verify"]["exhaustive"]["outputs"][0]["n"] == 2**13 + 1
    folder = Path("nstk-out/f")
    ran = nstk("verify", folder, "--exhaustive", "--json")
    assert ran.json["verify"]["exhaustive"]["outputs"] == report["verify"]["exhaustive"]["outputs"]
    write("two.c", "float f(float x, float y) { return x * y; }\n")
    nstk("build", "two.c", "--exhaustive", "--out", "two").check_error(2, "one float input")


# Pairs


def test_pairs(nstk: Nstk, write: Write, tmp_path: Path) -> None:
    # The function cannot be run here: its outputs come from a file.
    write("probe.c", "float measured(float);\nfloat probe(float t) { return measured(t); }\n")
    t = np.linspace(-1, 1, 400, dtype=np.float32)
    y = t**3 - t
    write("pairs.csv", "result, note, t\n" + "".join(f"{b},0,{a}\n" for a, b in zip(t, y, strict=True)))
    np.savez(tmp_path / "pairs.npz", t=t, result=y)
    headers = []
    for name in ("pairs.csv", "pairs.npz"):
        ran = nstk("build", "probe.c", *QUICK, "--pairs", name, "--json", "--out", name.replace(".", "-"))
        assert ran.code == 0, ran.err
        report = ran.json
        assert report["verify"]["method"] == "held-out pairs"
        assert "certificate" not in report["verify"]["outputs"][0]
        assert report["bench"] == {"targets": {}}
        assert not report["verdict"]["use"]
        headers.append((Path(report["folder"]) / "probe_surrogate.h").read_bytes())
    assert headers[0] == headers[1]
    folder = tmp_path / "pairs-csv" / "probe"
    ran = nstk("verify", folder, "--pairs", "pairs.npz", "--json")
    assert ran.code == 0
    assert ran.json["verify"]["outputs"][0]["n"] == 400
    nstk("verify", folder).check_error(3, "measured")

    np.savez(tmp_path / "warmer.npz", t=t, result=y + np.float32(0.5))
    ran = nstk("finetune", folder, "--pairs", "warmer.npz", "--effort", "quick", "--json", "--out", "warmer")
    assert ran.code == 0, ran.err
    assert nstk("verify", "warmer/probe", "--pairs", "warmer.npz").code == 0
    assert nstk("verify", "warmer/probe", "--pairs", "pairs.npz").code == 1


# The other verbs


def test_finetune_on_a_changed_source(nstk: Nstk, write: Write, saved: Path) -> None:
    write("curve.c", "/* nstk: x=0:3 */\nfloat curve(float x) { return x * (2.1f - x) + 0.4f; }\n")
    ran = nstk("finetune", saved, "curve.c", "--effort", "quick", "--out", "tuned", "--json")
    assert ran.code == 0, ran.err
    check_report(ran.json)
    assert ran.json["program"]["inputs"][0]["hi"] == 3
    assert ran.json["networks"][0]["topology"] == "1-4-4-1"
    assert nstk("verify", "tuned/curve", "curve.c").code == 0
    assert nstk("verify", saved, "curve.c").code == 1  # the old one is another function


def test_outputs_need_not_be_named_again(nstk: Nstk, write: Write) -> None:
    write("f.c", "void f(float x, float *y) { *y = x * x; }\nvoid g(float x, float *y) { *y = x; }\n")
    build_json(nstk, "f.c:f", "--outputs", "y")
    assert nstk("verify", "nstk-out/f", "f.c").code == 0
    ran = nstk("finetune", "nstk-out/f", "f.c:g", "--effort", "quick")
    assert ran.code == 0, ran.err
    assert nstk("verify", "nstk-out/f", "f.c:g").code == 1


def test_export_verify_and_bench(nstk: Nstk, saved: Path, tmp_path: Path) -> None:
    before = listing(saved)
    ran = nstk("export", saved, "--style", "size", "--no-clamp", "--sigmoid-error", "1e-4", "--out", "small")
    assert ran.code == 0
    assert "small/curve" in ran.out
    assert listing(saved) == before
    names = {path.name for path in (tmp_path / "small" / "curve").iterdir()}
    assert names == {"package", "curve_surrogate.h", "surrogate.json", "surrogate.safetensors"}
    small = (tmp_path / "small/curve/curve_surrogate.h").read_text()
    assert small != (saved / "curve_surrogate.h").read_text()

    ran = nstk("verify", "small/curve", "--json")
    assert (ran.code, ran.json.keys()) == (0, {"verify"})
    assert ran.json["verify"]["arithmetic"]["ok"]
    assert ran.json["verify"]["outputs"][0].keys() >= OUTPUT
    assert nstk("verify", "small/curve/surrogate.json").code == 0  # either file stands for its folder
    ran = nstk("bench", "small/curve", "--json")
    assert (ran.code, ran.json.keys()) == (0, {"bench"})
    assert ran.json["bench"]["host"].keys() >= HOST
    assert nstk("export", saved, "--out", "again", "--json").json == {"folder": "again/curve"}
    assert nstk("export", "again/curve", "--out", "again").code == 2  # would replace what it reads
    for name in ("curve_surrogate.h", "surrogate.json"):
        assert (tmp_path / "again/curve" / name).exists()


def test_wrong_weight_is_caught(nstk: Nstk, saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "s")
    header = tmp_path / "s" / "curve_surrogate.h"
    text = header.read_text()
    literal = re.findall(r"-?\d+\.\d{5,}f", text)[0]
    header.write_text(text.replace(literal, f"{float(literal[:-1]) * 1.01:.7f}f"))
    ran = nstk("verify", "s", "--json")
    assert ran.code == 1
    assert not ran.json["verify"]["ok"]
    assert not ran.json["verify"]["constants"]["ok"]
    ran = nstk("verify", "s")
    assert ran.code == 1
    assert "constants" in ran.out


def test_tables_for_people(nstk: Nstk, write: Write, saved: Path) -> None:
    write("f.c", "float f(float x) { return x * x; }\n")
    ran = nstk("build", "f.c", *QUICK)
    assert ran.code == 0
    assert {"running f", "fitting 1-4-4-1", "verifying", "timing"} <= set(ran.err.splitlines())
    for text in ("f_surrogate.h", "1-4-4-1", "With confidence 99.9 %", "report.html"):
        assert text in ran.out
    assert "original" in nstk("bench", saved).out


def test_doctor(nstk: Nstk, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = nstk("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"^ok +torch: 2\.", ran.out, re.MULTILINE)
    found = nstk("doctor", "--json").json
    assert found["ok"]
    assert found["findings"][0].keys() == {"name", "ok", "detail", "remedy", "needed"}

    monkeypatch.setenv("CC", "/nonexistent")
    ran = nstk("doctor")
    assert ran.code == 3
    assert re.search("^missing +C compiler.*/nonexistent.*\n +unset CC", ran.out, re.MULTILINE)
    monkeypatch.delenv("CC")
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    findings = {finding.name: finding for finding in examine()}
    assert not findings["numpy"].ok
    assert findings["torch"].remedy.endswith("-m pip install torch")
    assert not findings["C compiler and sandbox"].ok


def test_missing_package_names_the_doctor(nstk: Nstk, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("f.c", "float f(float x) { return x * x; }\n")
    monkeypatch.setitem(sys.modules, "tree_sitter_c", None)
    for name in [name for name in sys.modules if name.startswith("nstk.") and name != "nstk.cli"]:
        monkeypatch.delitem(sys.modules, name)
    ran = nstk("build", "f.c")
    assert ran.check_error(3, "tree_sitter_c")
    assert "nstk doctor" in ran.err


# The command itself


def test_version_and_help(nstk: Nstk) -> None:
    assert nstk("--version").out == f"nstk {__version__}\n"
    nothing, asked = nstk(), nstk("--help")
    assert (nothing.code, asked.code) == (2, 0)
    for ran in (nothing, asked):
        assert "build" in ran.out
        assert "5 program misbehaved" in " ".join(ran.out.split())
    for verb in ("build", "finetune", "export", "verify", "bench", "doctor"):
        assert nstk(verb, "--help").code == 0


def test_unknown_verb(nstk: Nstk) -> None:
    ran = nstk("bild", "f.c")
    ran.check_error(2, "No such command 'bild'")
    assert ran.err.endswith("hint: nstk --help\n")
    ran = nstk("build", "--samplez", "3")
    ran.check_error(2, "No such option: --samplez")
    assert ran.err.endswith("hint: nstk build --help\n")


def imported_by(code: str, folder: Path) -> set[str]:
    """Return the modules a fresh process has imported after running some Python."""
    text = f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert not end.code, end\n"
    text += "print('\\n', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=folder)
    return set(done.stdout.splitlines()[-1].split())


def test_help_is_light(tmp_path: Path) -> None:
    heavy = {"torch", "numpy", "transformers", "matplotlib", "jinja2", "tree_sitter", "cffi"}
    for arguments in (["nstk", "--help"], ["nstk", "build", "--help"], ["nstk", "--version"]):
        names = imported_by(f"sys.argv = {arguments}; import nstk.cli; nstk.cli.main()", tmp_path)
        assert "nstk.cli" in names
        assert not heavy & names, arguments


@pytest.mark.parametrize("verb", ["verify", "bench", "export"])
def test_saved_surrogates_need_no_torch(verb: str, saved: Path, cache: None, tmp_path: Path) -> None:
    names = imported_by(f"sys.argv = ['nstk', '{verb}', '{saved}']; import nstk.cli; nstk.cli.main()", tmp_path)
    assert "nstk.saved" in names
    assert not {"torch", "transformers", "matplotlib"} & names


def test_equal_arguments_give_equal_bytes(nstk: Nstk, write: Write, tmp_path: Path) -> None:
    text = "/* nstk: x=0:1, y=0:1; outputs: d */\nvoid f(float x, float y, float *d) { *d = x - y * x; }\n"
    write("f.c", text)
    write("elsewhere/f.c", text)
    arguments = ("build", "f.c", *QUICK, "--seed", "7", "--out")
    for out in ("a", "b"):
        assert nstk(*arguments, out).code == 0
    environment = os.environ | {"PYTHONHASHSEED": "5", "NSTK_CACHE": str(tmp_path / "cache"), "LC_ALL": "C"}
    command = [sys.executable, "-m", "nstk.cli", *arguments, "../c"]
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=tmp_path / "elsewhere")
    for name in ("f_surrogate.h", "surrogate.json", "surrogate.safetensors"):
        first, *others = ((tmp_path / out / "f" / name).read_bytes() for out in ("a", "b", "c"))
        assert others == [first, first], name
