"""Bad input ends with the documented exit code, one line of error, a hint, and nothing written."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Nstk, listing
from safetensors.numpy import load, save

from nstk.errors import UsageError
from nstk.output import check_writable, replacing

Write = Callable[[str, str], Path]

GOOD = "float f(float x) { return x * x; }\n"
SIXTEEN = ", ".join(f"float x{i}" for i in range(17))

# name: (text of f.c, options, exit code, pattern of the error)
CASES: dict[str, tuple[str, list[str], int, str]] = {
    # the file
    "no such function": (GOOD, ["--function", "g"], 2, "no function 'g' in f.c"),
    "no such function behind a colon": (GOOD, [":g"], 2, "no function 'g' in f.c"),
    "two functions named": (GOOD, [":f", "--function", "g"], 2, "different functions"),
    "empty": ("", [], 2, "f.c is empty"),
    "syntax error": ("float f(float x) { return x +; }\n", [], 2, r"f\.c:1"),
    "only main": ("int main(void) { return 0; }\n", [], 2, r"no function in f\.c but main"),
    "main": ("int main(int a) { return a; }\n", [":main"], 4, "main"),
    "several candidates": (GOOD + "float g(float x) { return x; }\n", [], 2, r"several .*f \(line 1\), g \(line 2\)"),
    # the signature
    "struct parameter": ("struct s { float a; };\nfloat f(struct s x) { return x.a; }\n", [], 4, r"f\.c:2"),
    "undeclared pointer": ("float f(float *x) { return *x; }\n", [], 4, r"f\.c:1.*x"),
    "variadic": ("float f(float x, ...) { return x; }\n", [], 4, r"f\.c:1"),
    "complex": ("float _Complex f(float x) { return x; }\n", [], 4, r"f\.c:1"),
    "no inputs": ("float f(void) { return 1; }\n", [], 4, r"f\.c:1"),
    "no outputs": ("void f(float x) { (void)x; }\n", [], 4, r"f\.c:1"),
    "too many inputs": (f"float f({SIXTEEN}) {{ return x0; }}\n", [], 4, "17"),
    "output that is no pointer": (GOOD, ["--outputs", "x"], 2, "x"),
    "unknown output": (GOOD, ["--outputs", "y"], 2, "y"),
    # options
    "empty interval": (GOOD, ["--domain", "x=2:1"], 2, "x=2:1 is empty"),
    "point interval": (GOOD, ["--domain", "x=1:1"], 2, "empty"),
    "word for a number": (GOOD, ["--domain", "x=one:2"], 2, "'one'"),
    "infinite interval": (GOOD, ["--domain", "x=0:1e999"], 2, "not finite|not a number"),
    "unknown input": (GOOD, ["--domain", "y=0:1"], 2, "'y', which is no parameter"),
    "no domain": (GOOD, ["--domain", ""], 2, "domain"),
    "log of zero": (GOOD, ["--domain", "x=0:1 log"], 2, "positive"),
    "topology": (GOOD, ["--topology", "5-5"], 2, "unknown topology '5-5'"),
    "tolerance": (GOOD, ["--tolerance", "zero"], 2, "bad tolerance 'zero'"),
    "negative tolerance": (GOOD, ["--tolerance", "-1"], 2, "bad tolerance '-1'"),
    "target": (GOOD, ["--target", "z80"], 2, "unknown target 'z80'"),
    "number": (GOOD, ["--number", "int3"], 2, "unknown number 'int3'"),
    "style": (GOOD, ["--style", "pretty"], 2, "unknown style 'pretty'"),
    "effort": (GOOD, ["--effort", "lazy"], 2, "unknown effort 'lazy'"),
    "norm": (GOOD, ["--norm", "l7"], 2, "unknown norm 'l7'"),
    "init": (GOOD, ["--init", "magic"], 2, "unknown init 'magic'"),
    "optimizer": (GOOD, ["--optimizer", "sgd"], 2, "unknown optimizer 'sgd'"),
    "samples": (GOOD, ["--samples", "3"], 2, "3 samples are out of range"),
    "samples in words": (GOOD, ["--samples", "many"], 2, "--samples"),
    "seed": (GOOD, ["--seed", "-1"], 2, "seed -1 is out of range"),
    "sigmoid error": (GOOD, ["--sigmoid-error", "0.5"], 2, "sigmoid error 0.5 is out of range"),
    "sigmoid error that is no number": (GOOD, ["--sigmoid-error", "nan"], 2, "sigmoid error nan"),
    "open quote": (GOOD, ["--cflags", "'-O2"], 2, "compiler flags"),
    "no such include folder": (GOOD, ["--include", "nowhere"], 2, "no such folder 'nowhere'"),
    "unknown option": (GOOD, ["--fast"], 2, "No such option: --fast"),
    "option without value": (GOOD, ["--seed"], 2, "--seed"),
    "exhaustive pairs": (GOOD, ["--pairs", "p.csv", "--exhaustive"], 2, "pairs"),
    "samples of pairs": (GOOD, ["--pairs", "p.csv", "--samples", "100"], 2, "pairs"),
    "exhaustive in two inputs": ("float f(float x, float y) { return x*y; }\n", ["--exhaustive"], 2, "one float input"),
    # the compiler
    "unknown header": ('#include "nowhere.h"\n' + GOOD, [], 3, r"f\.c:2.*nowhere\.h"),
    "undefined function": ("float g(float);\nfloat f(float x) { return g(x); }\n", [], 3, "g"),
    "unknown flag": (GOOD, ["--cflags", "-fno-such-flag"], 3, "no-such-flag"),
    # what it does
    "NaN": ("#include <math.h>\nfloat f(float x) { return sqrtf(x); }\n", [], 5, r"f\(x=-1\) gives result = -?nan"),
    "overflow": ("float f(float x) { return 1e38f * (x + 9); }\n", [], 5, r"f\(x=-1\) gives result = inf"),
    "double overflow": ("double f(double x) { return 1e200 * (x + 9); }\n", [], 5, "beyond the range of float"),
    "crash": (
        "float f(float x) { return x > 0.5f ? *(volatile float *)8 : x; }\n",
        [],
        5,
        r"f\(x=1\) crashed.*SIGSEGV",
    ),
    "abort": ("#include <stdlib.h>\nfloat f(float x) { abort(); return x; }\n", [], 5, "SIGABRT"),
    "exit": ("#include <stdlib.h>\nfloat f(float x) { exit(0); return x; }\n", [], 5, r"f\(x=-1\) called exit\(0\)"),
    "endless loop": ("float f(float x) { while (x > -9) {} return x; }\n", [], 5, r"f\(x=-1\) does not return"),
    "random": ("#include <stdlib.h>\nfloat f(float x) { return x * rand(); }\n", [], 5, "not deterministic"),
    "static state": ("static float s;\nfloat f(float x) { s += 1; return x + s; }\n", [], 5, "not deterministic"),
}


@pytest.mark.parametrize("name", CASES)
def test_build_refuses(name: str, nstk: Nstk, write: Write, tmp_path: Path) -> None:
    text, options, code, pattern = CASES[name]
    write("f.c", text)
    before = listing(tmp_path)
    source = "f.c"
    if options and options[0].startswith(":"):
        source, options = source + options[0], options[1:]
    ran = nstk("build", source, "--topology", "4-4", "--effort", "quick", "--out", "out", *options)
    error = ran.check_error(code, pattern)
    assert not ran.out
    assert len(error) < 400
    assert listing(tmp_path) == before


def test_no_such_file(nstk: Nstk, tmp_path: Path) -> None:
    nstk("build", "nowhere.c").check_error(2, "cannot read 'nowhere.c'")
    nstk("build", "nowhere.c:f").check_error(2, "cannot read 'nowhere.c'")
    nstk("build", tmp_path).check_error(2, "is a folder")
    assert not listing(tmp_path)


def test_binary_file(nstk: Nstk, tmp_path: Path) -> None:
    (tmp_path / "f.c").write_bytes(Path(sys.executable).read_bytes()[:100_000])
    nstk("build", "f.c").check_error(2, r"f\.c")
    assert list(listing(tmp_path)) == ["f.c"]


def test_missing_compiler(nstk: Nstk, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("f.c", GOOD)
    monkeypatch.setenv("CC", "/nonexistent")
    nstk("build", "f.c").check_error(3, r"'/nonexistent' that \$CC names does not exist")
    assert list(listing(tmp_path)) == ["f.c"]


def test_json_error_is_one_object(nstk: Nstk, write: Write) -> None:
    write("f.c", GOOD)
    for arguments, code in (
        (["build", "f.c", "--style", "x"], 2),
        (["build", "f.c", "--seed", "x"], 2),
        (["build", "f.c:g"], 2),
        (["verify", "nowhere"], 2),
    ):
        ran = nstk(*arguments, "--json")
        error = ran.check_error(code, "")
        assert ran.json == {
            "error": error.removeprefix("error: "),
            "hint": ran.err.splitlines()[-1].removeprefix("hint: "),
            "exit_code": code,
        }


def test_debug_shows_the_traceback(cache: None, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "nstk.cli", "build", "nowhere.c", "--debug"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "Traceback" in ran.stderr


# Where results go


def test_out_is_no_place_to_write(nstk: Nstk, write: Write, tmp_path: Path) -> None:
    write("f.c", GOOD)
    write("g.c", GOOD.replace("f(", "file("))
    write("out/file", "mine")
    before = listing(tmp_path)
    nstk("build", "f.c", "--out", "/proc/nstk").check_error(2, "cannot write to '/proc/nstk'")
    nstk("build", "f.c", "--out", "f.c").check_error(2, "cannot write to 'f.c'")
    nstk("build", "f.c", "--out", "f.c/deeper/still").check_error(2, "cannot write to 'f.c/deeper/still'")
    nstk("build", "f.c", "--out", "x" * 300).check_error(2, "cannot write to .*: File name too long")
    nstk("build", "g.c", "--out", "out").check_error(2, "'out/file' is in the way")
    assert listing(tmp_path) == before


def test_other_peoples_files_are_not_replaced(nstk: Nstk, write: Write, saved: Path, tmp_path: Path) -> None:
    write("curve/notes.txt", "mine")
    before = listing(tmp_path)
    write("f.c", GOOD.replace("f(", "curve("))
    nstk("build", "f.c", "--out", ".").check_error(2, "'curve' holds files that are no surrogate's")
    nstk("export", saved, "--out", ".").check_error(2, "'curve' holds files that are no surrogate's")
    assert before.items() <= listing(tmp_path).items()
    (tmp_path / "curve" / "notes.txt").unlink()
    check_writable(Path("curve"))  # an empty folder may be


def test_folder_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a" / "b" / "result"

    def fill(text: str, error: BaseException | None = None) -> None:
        with replacing(folder) as scratch:
            (scratch / "file").write_text(text)
            if error:
                raise error

    for error in (KeyboardInterrupt(), UsageError("x"), SystemExit()):
        with pytest.raises(type(error)):
            fill("never", error)
        assert not listing(tmp_path)
    fill("first")
    first = {"a": b"", "a/b": b"", "a/b/result": b"", "a/b/result/file": b"first"}
    assert listing(tmp_path) == first
    with pytest.raises(KeyboardInterrupt):
        fill("never", KeyboardInterrupt())
    assert listing(tmp_path) == first

    def interrupted(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)  # the old folder has been moved away by then
        with pytest.raises(KeyboardInterrupt):
            fill("never")
    assert listing(tmp_path) == first
    fill("second")
    assert listing(tmp_path) == first | {"a/b/result/file": b"second"}


@pytest.mark.parametrize(("number", "step"), [(signal.SIGINT, "fitting"), (signal.SIGTERM, "verifying")])
def test_interrupt_leaves_the_old_result(
    number: signal.Signals, step: str, saved: Path, write: Write, tmp_path: Path
) -> None:
    shutil.copytree(saved, tmp_path / "out" / "curve")
    write("curve.c", "#include <math.h>\nfloat curve(float x) { return sinf(9 * x) + x; }\n")
    before = listing(tmp_path)
    command = [sys.executable, "-m", "nstk.cli", "build", "curve.c", "--topology", "4-4", "--out", "out"]
    effort = ["--effort", "high" if step == "fitting" else "quick"]
    with subprocess.Popen(
        [*command, *effort],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells ignore it in background jobs
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(step):
                break
        process.send_signal(number)
        last = process.stderr.read()
        assert process.stdout.read() == ""
    assert process.returncode == 130
    assert last.startswith("error: interrupted\nhint: ")
    assert listing(tmp_path) == before


def test_reader_that_goes_away(write: Write, cache: None, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "nstk.cli", "doctor"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


# Saved surrogates


def test_no_surrogate(nstk: Nstk, write: Write, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("empty/readme", "")
    for verb in ("verify", "bench", "export", "finetune"):
        nstk(verb, "nowhere").check_error(2, "nowhere: cannot load a surrogate")
        nstk(verb, "empty").check_error(2, "empty: cannot load a surrogate")
        nstk(verb).check_error(2, "Missing argument 'SURROGATE'")
    monkeypatch.chdir(saved)  # a slip of the pen does not mean the folder we stand in
    nstk("verify", "nowhere").check_error(2, "nowhere: cannot load a surrogate")
    assert list(listing(tmp_path)) == ["empty", "empty/readme"]


def _change(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "surrogate.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def _program(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "surrogate.json"
        record = json.loads(file.read_text())
        record["program"] |= changes
        file.write_text(json.dumps(record))

    return change


def _tensors(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "surrogate.safetensors"
        file.write_bytes(save({**load(file.read_bytes()), **{k: np.array(v) for k, v in changes.items()}}))

    return change


FLOAT = {"name": "float", "kind": "float", "lo": 0.0, "hi": 0.0}


def _truncate(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:100])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated tensors": _truncate("surrogate.safetensors"),
    "truncated JSON": _truncate("surrogate.json"),
    "no tensors": lambda folder: (folder / "surrogate.safetensors").unlink(),
    "empty tensors": lambda folder: (folder / "surrogate.safetensors").write_bytes(b""),
    "foreign JSON": lambda folder: (folder / "surrogate.json").write_text('{"name": "left-pad"}'),
    "JSON list": lambda folder: (folder / "surrogate.json").write_text("[1, 2]"),
    "binary JSON": lambda folder: (folder / "surrogate.json").write_bytes(b"\xff\xfe"),
    "other format": _change(format=99),
    "no networks": _change(networks=[]),
    "other topology": _change(networks=[{"widths": [1, 9, 1], "outputs": [0]}]),
    "zero width": _change(networks=[{"widths": [1, 0, 1], "outputs": [0]}]),
    "words for widths": _change(networks=[{"widths": "4-4", "outputs": [0]}]),
    "other outputs": _change(networks=[{"widths": [1, 4, 4, 1], "outputs": [1]}]),
    "no provenance": _change(provenance={}),
    "foreign provenance": _change(provenance=[]),
    "foreign emission": _change(provenance={"emission": {"style": "speed", "clamp": True, "sigmoid_error": "small"}}),
    "foreign tolerance": _change(
        provenance={"emission": {"style": "speed", "clamp": True, "sigmoid_error": 1e-6}, "tolerance": 3}
    ),
    "no program": _change(program={}),
    "number for a name": _program(name=7),
    "path for a name": _program(name="../../curve"),
    "infinite domain": _program(inputs=[{"name": "x", "ctype": FLOAT, "interval": {"lo": 0, "hi": 10**400}}]),
    "number for a type": _program(returns={**FLOAT, "name": 3}),
    "short parameters": _tensors(network0=np.zeros(3, np.float32)),
    "matrix of parameters": _tensors(network0=np.zeros((3, 11), np.float32)),
    "integer parameters": _tensors(network0=np.zeros(33, np.int32)),
    "NaN parameters": _tensors(network0=np.full(33, np.nan, np.float32)),
    "NaN scaling": _tensors(y_std=np.full(1, np.nan)),
    "two means": _tensors(y_mean=np.zeros(2)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_surrogate(name: str, nstk: Nstk, saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "s")
    DAMAGES[name](tmp_path / "s")
    before = listing(tmp_path)
    nstk("verify", "s").check_error(2, "^error: s: ")
    if name != "foreign tolerance":
        nstk("bench", "s").check_error(2, "^error: s: ")
    assert listing(tmp_path) == before


def test_header_is_missing_or_no_text(nstk: Nstk, saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "s")
    header = tmp_path / "s" / "curve_surrogate.h"
    header.write_bytes(b"\xff" * 10)
    nstk("verify", "s").check_error(2, "cannot read '.*curve_surrogate.h'")
    header.unlink()
    nstk("bench", "s").check_error(2, "cannot read '.*curve_surrogate.h'")


def test_original_is_another(nstk: Nstk, write: Write, saved: Path) -> None:
    write("f.c", "float f(float x, float y) { return x + y; }\n")
    nstk("verify", saved, "f.c:f").check_error(2, "another signature")
    nstk("bench", saved, "f.c:f").check_error(2, "another signature")
    nstk("finetune", saved, "f.c", "--out", "out").check_error(2, "1 inputs? and 1 outputs?, f 2 and 1")
    nstk("finetune", saved, "--domain", "x=0:1").check_error(2, "--domain needs a SOURCE")
    assert not Path("out").exists()


# Pairs

ROWS = "\n".join(f"{i / 40},{i * i}" for i in range(40))

PAIRS: dict[str, tuple[str, str, int, str]] = {
    "missing": ("p.csv", "", 2, "no such file 'p.csv'"),
    "unknown format": ("p.xls", "x", 2, "cannot read pairs"),
    "missing column": ("p.csv", f"x,y\n{ROWS}", 2, "lacks the column result"),
    "words": ("p.csv", f"x,result\n{ROWS}\n0,much", 2, r"p\.csv:42: 'much'"),
    "short row": ("p.csv", f"x,result\n{ROWS}\n0", 2, "not a number"),
    "NaN": ("p.csv", f"x,result\n{ROWS}\n0,nan", 2, "pair 41"),
    "too few": ("p.csv", "x,result\n0,1", 2, "1 pairs are too few"),
    "outside the domain": ("p.csv", f"x,result\n{ROWS}\n7,1", 2, "x = 7 is outside the domain"),
    "no archive": ("p.npz", "x", 2, "not an NPZ file"),
    "no text": ("p.csv", "\0\0", 2, "p.csv"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_bad_pairs(name: str, nstk: Nstk, write: Write, saved: Path, tmp_path: Path) -> None:
    file, text, code, pattern = PAIRS[name]
    write("f.c", GOOD)
    if text:
        write(file, text)
    before = listing(tmp_path)
    nstk("build", "f.c", "--pairs", file, "--out", "out").check_error(code, pattern)
    nstk("verify", saved, "--pairs", file).check_error(code, pattern)
    assert listing(tmp_path) == before


def test_parquet_needs_pyarrow(nstk: Nstk, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("f.c", GOOD)
    write("p.parquet", "")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    nstk("build", "f.c", "--pairs", "p.parquet").check_error(3, "pyarrow")
