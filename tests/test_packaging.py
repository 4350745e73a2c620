"""The wheel holds the whole package: modules, templates and runtime; and it works from there."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

import nstk

FOLDERS = {"toolkit/nstk": "nstk"} | {name: f"nstk/{name}" for name in ("codegen_templates", "runtime_c", "examples")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [found] = out.glob("*.whl")
    return found


def test_wheel_is_the_tree(wheel: Path) -> None:
    expected = {}
    for folder, place in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            hidden = any(
                part.startswith(".") or part in ("__pycache__", "build") for part in path.relative_to(ROOT).parts
            )
            if path.is_file() and not hidden:
                expected[f"{place}/{path.relative_to(ROOT / folder).as_posix()}"] = path.read_bytes()
    assert {"nstk/cli.py", "nstk/codegen_templates/parts.h.j2", "nstk/runtime_c/nstk_clamp.h"} <= expected.keys()
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
        licenses = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert found.keys() == expected.keys()
    assert found == expected
    assert len(licenses) == 1


def test_wheel_runs(wheel: Path, saved: Path, cache: None, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import nstk; print(nstk.__file__)\n"
        f"from pathlib import Path; print(nstk.export(Path({str(saved)!r}), "
        "nstk.BuildOptions(Path('x'), style='size', out=Path('out'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == [str(tmp_path / "site" / "nstk" / "__init__.py"), "out/curve"]
    assert (tmp_path / "out" / "curve" / "curve_surrogate.h").is_file()


def test_metadata_agrees_with_the_package(wheel: Path) -> None:
    assert wheel.name == f"nstk-{nstk.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        [points] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "nstk = nstk.cli:main" in points


def test_constraints_cover_the_dependencies(wheel: Path) -> None:
    pinned = {
        line.partition("==")[0].strip().lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    with zipfile.ZipFile(wheel) as archive:
        [text] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    names = {
        line.removeprefix("Requires-Dist: ").partition(">")[0].partition("=")[0].partition(";")[0].strip().lower()
        for line in text.splitlines()
        if line.startswith("Requires-Dist: ")
    }
    assert names - {"pyarrow"} <= pinned
