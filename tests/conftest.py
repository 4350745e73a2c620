"""Fixtures that run the command line, in this process where it can be: importing torch takes seconds."""

import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nstk.cli import main
from nstk.options import BuildOptions
from nstk.pipeline import build
from nstk.toolchain import cache_folder

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ran:
    """What one run of the command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What stands on stdout: one strict JSON object and nothing else."""
        found = json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert isinstance(found, dict)
        return found

    def check_error(self, code: int, pattern: str) -> str:
        """Check for a documented exit code, one error line that matches, one hint, and no traceback."""
        assert self.code == code, self.err
        assert "Traceback" not in self.err
        lines = self.err.splitlines()
        errors, hints = ([line for line in lines if line.startswith(word)] for word in ("error: ", "hint: "))
        assert len(errors) == len(hints) == 1, self.err
        assert lines[-2:] == [errors[0], hints[0]]
        assert re.search(pattern, errors[0]), errors[0]
        assert len(hints[0]) > len("hint: x")
        return errors[0]


Nstk = Callable[..., Ran]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled code apart from the user's cache; all workers share it, and zig's own libraries with the user."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    zig = cache_folder() / "zig"
    zig.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (folder / "zig").symlink_to(zig)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSTK_CACHE", str(folder))
        yield


@pytest.fixture
def nstk(
    cache: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Nstk]:
    """Run `nstk ARGUMENTS` in this process, in `tmp_path`."""
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["nstk", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        assert isinstance(end.value.code, int)
        return Ran(end.value.code, out, err)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nstk.timing._WINDOWS", 5)  # costs are measured, but not well
    yield run
    for number, handler in signals.items():
        signal.signal(number, handler)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file below `tmp_path`."""

    def run(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return run


@pytest.fixture(scope="session")
def saved(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished build of `float curve(float x)` on [0, 2]: copy it before changing it."""
    folder = tmp_path_factory.mktemp("saved")
    source = folder / "curve.c"
    source.write_text("/* nstk: x=0:2 */\nfloat curve(float x) { return x * (2.0f - x) + 0.5f; }\n")
    return build(BuildOptions(source, topology="4-4", effort="quick", out=folder / "out")).folder


def listing(folder: Path) -> dict[str, bytes]:
    """Return every path below a folder with its content: `b""` for folders."""
    return {str(p.relative_to(folder)): b"" if p.is_dir() else p.read_bytes() for p in sorted(folder.rglob("*"))}
