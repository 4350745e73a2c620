import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cffi import FFI

from nstk import toolchain
from nstk.errors import ToolError
from nstk.resources import render
from nstk.toolchain import build, cpu_name, find_compiler

TWICE = "float twice(float a) { return 2 * a; }\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NSTK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def counting_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make $CC a script that writes a line to the returned file whenever it runs."""
    log = tmp_path / "runs"
    script = tmp_path / "counting-cc"
    script.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec cc "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    return log


def build_library(text: str = TWICE, **options: object) -> Path:
    return build(text, flags=("-O2", "-w"), shared=True, origin="twice.c:1", **options)


def call_twice(library: Path) -> float:
    ffi = FFI()
    ffi.cdef("float twice(float a);")
    return ffi.dlopen(str(library)).twice(1.25)


def test_finds_a_compiler(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    compiler = find_compiler()
    assert compiler.command in (("cc",), ("gcc",), ("clang",))
    assert any(digit in compiler.version for digit in "0123456789")
    assert "\n" not in compiler.version


def test_cc_may_hold_several_words(monkeypatch):
    monkeypatch.setenv("CC", "env cc")
    assert find_compiler().command == ("env", "cc")
    assert call_twice(build_library()) == 2.5


@pytest.mark.parametrize("cc", ["/nonexistent", "no-such-compiler -m64", "'"])
def test_cc_that_names_nothing(monkeypatch, cc):
    monkeypatch.setenv("CC", cc)
    with pytest.raises(ToolError, match="does not exist") as caught:
        find_compiler()
    assert "install" in caught.value.hint


def test_cc_that_fails(monkeypatch):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(ToolError, match="false --version' fails"):
        find_compiler()


def test_no_compiler_at_all(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent-a")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="no C compiler found") as caught:
        find_compiler()
    assert "pip install ziglang" in caught.value.hint


def test_falls_back_to_ziglang(monkeypatch, cache):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent-b")
    assert find_compiler().command == (sys.executable, "-m", "ziglang", "cc")
    assert call_twice(build_library(cflags=("-DUNUSED",))) == 2.5
    assert (cache / "zig").is_dir()
    with pytest.raises(ToolError, match=r"^twice.c:1: the C compiler says: .*'b', in: .*return b"):
        build_library("float twice(float a) { return b; }\n")
    with pytest.raises(ToolError, match="undefined symbol: other"):
        build_library("float other(float a);\nfloat twice(float a) { return other(a); }\n")


def test_executable():
    executable = build("int main(void) { return 7; }\n", flags=(), shared=False, cflags=("-O1",), origin="main.c:1")
    assert subprocess.run([executable], check=False).returncode == 7


def test_second_build_runs_no_compiler(counting_compiler):
    first = build_library()
    runs = counting_compiler.read_text()
    assert build_library() == first
    assert counting_compiler.read_text() == runs
    assert build_library(TWICE + "/* other */") != first
    assert build_library(libs=()) != first


def test_cflags_and_headers_are_part_of_the_key(tmp_path):
    folder = tmp_path / "with space"
    folder.mkdir()
    text = '#include "factor.h"\nfloat twice(float a) { return FACTOR * a; }\n'
    (folder / "factor.h").write_text("#define FACTOR 2\n")
    first = build_library(text, includes=[folder])
    assert call_twice(first) == 2.5
    assert build_library(text, includes=[folder]) == first
    (folder / "factor.h").write_text("#define FACTOR 4\n")
    assert call_twice(build_library(text, includes=[folder])) == 5.0
    defined = "float twice(float a) { return FACTOR * a; }\n"
    assert call_twice(build_library(defined, cflags=("-DFACTOR=3",))) == 3.75


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("float twice(float a) { return b; }\n", r"'b' undeclared.*, in: float twice"),
        ('#include "gone.h"\n', r"gone.h: No such file or directory"),
        ("float other(float a);\nfloat twice(float a) { return other(a); }\n", r"undefined reference to `other'"),
        ("#include __FILE__\n#include __FILE__\n", r"nested"),
        ("char bomb[1LL << 34] = {1};\n", r"C compiler"),
    ],
)
def test_errors_are_one_line_with_the_compilers_words(monkeypatch, text, words):
    monkeypatch.setenv("CC", "gcc")
    started = time.monotonic()
    with pytest.raises(ToolError, match=words) as caught:
        build_library(text)
    assert time.monotonic() - started < 20
    assert caught.value.message.startswith("twice.c:1: ")
    assert "\n" not in caught.value.message
    assert "program.c" not in caught.value.message
    assert "--include" in caught.value.hint


def test_error_inside_a_header_names_the_header(tmp_path):
    (tmp_path / "bad.h").write_text("int x = y;\n")
    with pytest.raises(ToolError, match=r"bad.h:1"):
        build_library('#include "bad.h"\n', includes=[tmp_path])


def test_compiler_that_does_not_finish(tmp_path, monkeypatch):
    script = tmp_path / "slow-cc"
    script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo slow 1.0 && exit\nsleep 30 & echo $! > pid; wait\n')
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    monkeypatch.setattr(toolchain, "COMPILE_SECONDS", 0.5)
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"does not finish in 0.5 s"):
        build_library()
    assert time.monotonic() - started < 5
    assert not list((tmp_path / "cache" / "native").iterdir())  # no litter


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NSTK_CACHE", str(tmp_path / "file" / "below"))
    assert call_twice(build_library()) == 2.5


def test_cache_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.delenv("NSTK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert build_library().is_relative_to(tmp_path / "xdg" / "nstk")


def test_cpu_name():
    assert cpu_name()
    assert "\n" not in cpu_name()


def test_render_refuses_a_missing_hole():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render("run_wrapper.c.j2", source="")
