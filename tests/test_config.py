"""`nstk.toml`: what it may say, and that only what changed is built again."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Nstk, listing

from nstk.domain import Interval
from nstk.errors import UsageError
from nstk.options import BuildOptions, read_config

Write = Callable[[str, str], Path]

F = "float f(float x) { return x * x; }\n"


def test_every_key(write: Write, tmp_path: Path) -> None:
    write("headers/h.h", "")
    path = write(
        "nstk.toml",
        """
        [defaults]
        tolerance = "1%"
        out = "generated"
        seed = 3

        [[surrogate]]
        source = "a.c:f"
        domain = { x = [-20, 60], y = "1:100 log" }
        targets = ["host"]
        tolerance = 0.5
        norm = "max"
        topology = "8-8"
        number = "float"
        style = "size"
        init = "random"
        optimizer = "adam"
        samples = 512
        effort = "high"
        clamp = false
        sigmoid-error = 1e-4
        exhaustive = true
        cflags = "-DA='1 2' -O1"
        include = ["headers"]

        [[surrogate]]
        source = "b.c"
        function = "g"
        outputs = "p, q"
        domain = "x=0:1"
        target = "host"
        pairs = "b.csv"
        """,
    )
    first, second = read_config(path)
    assert first == BuildOptions(
        tmp_path / "a.c",
        "f",
        {"x": Interval(-20, 60), "y": Interval(1, 100, log=True)},
        tolerance="0.5",
        norm="max",
        topology="8-8",
        number="float",
        style="size",
        targets=("host",),
        init="random",
        optimizer="adam",
        samples=512,
        effort="high",
        seed=3,
        clamp=False,
        sigmoid_error=1e-4,
        exhaustive=True,
        out=tmp_path / "generated",
        cflags=("-DA=1 2", "-O1"),
        include=(tmp_path / "headers",),
    )
    assert second == BuildOptions(
        tmp_path / "b.c",
        "g",
        {"x": Interval(0, 1)},
        ("p", "q"),
        "1%",
        targets=("host",),
        seed=3,
        pairs=tmp_path / "b.csv",
        out=tmp_path / "generated",
    )


BAD: dict[str, tuple[str, str]] = {
    "no TOML": ("source = ", "nstk.toml: "),
    "empty": ("", "lists no surrogate"),
    "only defaults": ('[defaults]\nstyle = "size"', "lists no surrogate"),
    "unknown table": ("[surrogates]", "unknown table 'surrogates'"),
    "defaults is no table": ('defaults = "none"\n[[surrogate]]\nsource = "f.c"', r"\[defaults\] is a table"),
    "surrogate is one table": ('[surrogate]\nsource = "f.c"', r"\[\[surrogate\]\] a list"),
    "no source": ('[[surrogate]]\nstyle = "size"', "surrogate 1: no source"),
    "unknown key": ('[[surrogate]]\nsource = "f.c"\nstile = "size"', "surrogate 1: unknown key 'stile'"),
    "unknown key in defaults": ('[defaults]\nx = 1\n[[surrogate]]\nsource = "f.c"', "unknown key 'x'"),
    "number for a source": ("[[surrogate]]\nsource = 3", "source = 3 has the wrong type"),
    "text for a seed": ('[[surrogate]]\nsource = "f.c"\nseed = "1"', "seed = '1' has the wrong type"),
    "boolean for a seed": ('[[surrogate]]\nsource = "f.c"\nseed = true', "seed = True has the wrong type"),
    "number for a switch": ('[[surrogate]]\nsource = "f.c"\nclamp = 1', "clamp = 1 has the wrong type"),
    "number for flags": ('[[surrogate]]\nsource = "f.c"\ncflags = 1', "cflags = 1 is no list"),
    "numbers for outputs": ('[[surrogate]]\nsource = "f.c"\noutputs = [1]', "outputs = .* is no list"),
    "open quote": ("[[surrogate]]\nsource = 'f.c'\ncflags = \"'\"", "compiler flags"),
    "style": ('[[surrogate]]\nsource = "f.c"\nstyle = "x"', "surrogate 1: unknown style 'x'"),
    "second is bad": ('[[surrogate]]\nsource = "f.c"\n[[surrogate]]\nsource = "f.c"\nseed = -1', "surrogate 2: seed"),
    "empty interval": ('[[surrogate]]\nsource = "f.c"\ndomain = { x = [1, 0] }', "empty"),
    "half an interval": ('[[surrogate]]\nsource = "f.c"\ndomain = { x = [1] }', "domain of 'x'"),
    "number for a domain": ('[[surrogate]]\nsource = "f.c"\ndomain = 3', "domain = 3"),
    "unknown input": ('[[surrogate]]\nsource = "f.c"\ndomain = { y = [0, 1] }', "'y', which is no parameter"),
    "no such file": ('[[surrogate]]\nsource = "f.c"\n[[surrogate]]\nsource = "g.c"', "cannot read '.*g.c'"),
    "no such function": ('[[surrogate]]\nsource = "f.c:g"', "no function 'g'"),
    "one folder for two": ('[[surrogate]]\nsource = "f.c"\n[[surrogate]]\nsource = "f.c:f"', "two surrogates to"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_config(name: str, nstk: Nstk, write: Write, tmp_path: Path) -> None:
    text, pattern = BAD[name]
    write("nstk.toml", text)
    write("f.c", F)
    before = listing(tmp_path)
    ran = nstk("build")
    ran.check_error(2, pattern)
    assert re.search("running|fitting", ran.err) is None  # all are read before the first is built
    assert listing(tmp_path) == before


def test_no_config(nstk: Nstk, tmp_path: Path) -> None:
    nstk("build").check_error(2, "no source given and no nstk.toml here")
    (tmp_path / "nstk.toml").mkdir()
    nstk("build").check_error(2, "nstk.toml")


def test_options_of_one_function_need_a_source(nstk: Nstk, write: Write) -> None:
    write("nstk.toml", '[[surrogate]]\nsource = "f.c"')
    write("f.c", F)
    for option, value in (("function", "f"), ("domain", "x=0:1"), ("outputs", "x"), ("pairs", "p.csv")):
        nstk("build", f"--{option}", value).check_error(2, f"--{option} needs a SOURCE")
    nstk("build", "--style", "x").check_error(2, "unknown style 'x'")


def test_out_defaults_to_a_folder_beside_the_file(write: Write, tmp_path: Path) -> None:
    [options] = read_config(write("sub/nstk.toml", '[[surrogate]]\nsource = "f.c"'))
    assert options.out == tmp_path / "sub" / "nstk-out"


def test_split_source_prefers_a_file_with_a_colon(write: Write, nstk: Nstk) -> None:
    write("f:x", F)
    nstk("build", "f:x", "--style", "x").check_error(2, "style")
    nstk("build", "f:x", "--function", "g").check_error(2, "no function 'g' in f:x")
    with pytest.raises(UsageError):
        BuildOptions(Path("f.c"), effort="none")


CONFIG = """
[defaults]
effort = "quick"
topology = "4-4"
out = "generated"

[[surrogate]]
source = "f.c"

[[surrogate]]
source = "f.c"
function = "g"
domain = { x = [0, 2] }
"""


def test_builds_what_changed(nstk: Nstk, write: Write, tmp_path: Path) -> None:
    def built() -> list[str]:
        ran = nstk("build")
        assert ran.code == 0, ran.err
        fresh = re.findall(r"^running (\w+)$", ran.err, re.MULTILINE)
        for name in {"f", "g"} - set(fresh):
            assert f"{name}: unchanged" in ran.out
        return fresh

    source = f"/* nstk: x=-1:1 */\n{F}float g(float x) {{ return 1 / (1 + x); }}\n"
    write("nstk.toml", CONFIG.replace('"f.c"\n\n', '"f.c"\nfunction = "f"\n\n'))
    write("f.c", source)
    assert built() == ["f", "g"]
    first = listing(tmp_path)
    assert {"generated/f/f_surrogate.h", "generated/g/report.html"} <= first.keys()
    assert built() == []
    assert listing(tmp_path) == first

    write("f.c", source.replace("1 / (1", "2 / (1") + "\n/* a comment */\n")
    assert built() == ["g"]
    header = tmp_path / "generated" / "f" / "f_surrogate.h"
    header.write_text(header.read_text() + "/* mine */\n")
    (tmp_path / "generated" / "g" / "package" / "src" / "g_selftest.h").unlink()
    assert built() == ["f", "g"]
    assert header.read_bytes() == first["generated/f/f_surrogate.h"]
    (tmp_path / "generated" / "f" / "surrogate.safetensors").unlink()
    write("nstk.toml", (tmp_path / "nstk.toml").read_text().replace("[0, 2]", "[0, 3]"))
    assert built() == ["f", "g"]
    assert built() == []

    listed = nstk("build", "--json").json
    assert [entry["program"]["name"] for entry in listed["builds"]] == ["f", "g"]
    assert [Path(entry["folder"]).name for entry in listed["builds"]] == ["f", "g"]


def test_command_line_wins_over_the_file(nstk: Nstk, write: Write, tmp_path: Path) -> None:
    write("nstk.toml", CONFIG.split('[[surrogate]]\nsource = "f.c"\nfunction')[0])
    write("f.c", F)
    ran = nstk("build", "--out", "elsewhere", "--style", "size", "--no-clamp", "--json")
    assert ran.code == 0, ran.err
    [report] = ran.json["builds"]
    assert report["header"]["style"] == "size"
    assert report["build"]["effort"] == "quick"
    assert report["folder"] == "elsewhere/f"
    assert not (tmp_path / "generated").exists()


def test_header_behind_include_is_an_input(nstk: Nstk, write: Write) -> None:
    write("nstk.toml", CONFIG.split('[[surrogate]]\nsource = "f.c"\nfunction')[0] + 'include = "headers"\n')
    write("headers/factor.h", "#define FACTOR 2\n")
    write("f.c", '#include "factor.h"\nfloat f(float x) { return FACTOR * x * x; }\n')
    assert "running f" in nstk("build").err
    assert "running f" not in nstk("build").err
    write("headers/factor.h", "#define FACTOR 3\n")
    ran = nstk("build")
    assert "running f" in ran.err
    assert ran.code == 0
