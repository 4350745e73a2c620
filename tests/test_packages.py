"""Packages: what every ecosystem's own tools say of the emitted folder, and a self-test that fails when it should."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Nstk, listing
from handmade import DOUBLE, INT, array, pointer, program, value
from networks import (
    C99,
    CLANG,
    CXX11,
    GCC,
    GXX,
    compile_c,
    inputs_program,
    random_surrogate,
    undefined_symbols,
    with_intervals,
)

import nstk
from nstk.c_text import float_literal
from nstk.emission import emit, header_names
from nstk.folding import fold
from nstk.integer_emission import emit_integer
from nstk.packaging import VECTORS, golden_vectors, selftest_name, write_package
from nstk.program import Program
from nstk.quantization import quantize
from nstk.targets.firmware import Callee
from nstk.targets.measuring import run_on_target
from nstk.targets.target import find_target
from nstk.targets.toolchains import find_toolchains

pytestmark = pytest.mark.usefixtures("cache")

KINDS = ("speed", "size", "int16", "no clamp")
ARDUINO = Path("/usr/share/arduino/hardware/arduino/avr")
TOOLS = Path(sys.executable).parent  # tools of PyPI lie beside the interpreter


def write(folder: Path, p: Program, kind: str = "speed", **options: object) -> Path:
    """Write the package of a random surrogate into a new folder."""
    surrogate = random_surrogate(p, seed=4, **options)
    if kind == "int16":
        quantized = quantize(surrogate, 3e-5)
        write_package(folder, p, quantized, emit_integer(p, quantized))
    else:
        folded = fold(surrogate, 1e-6, kind != "no clamp")
        write_package(folder, p, folded, emit(p, folded, style="size" if kind == "size" else "speed"))
    return folder


def several() -> Program:
    """Return a program with an array, a double and an integer in, and two outputs."""
    p = program("", array("w", 3), value("d", DOUBLE), value("k", INT), pointer("s"), pointer("c"), returns=None)
    return with_intervals(p, *3 * [(0, 1)], (-2, 5), (-7, 9))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package of `dew_point`, a float header of two inputs."""
    p = with_intervals(inputs_program(2, "dew_point"), (-20, 60), (1, 100))
    return write(tmp_path_factory.mktemp("packages") / "package", p)


def selftest_text(folder: Path) -> str:
    """Return C text that includes the self-test of a package and calls it in `int run(void)`."""
    [name] = [path.stem for path in (folder / "src").glob("*_selftest.h")]
    linkage = '#ifdef __cplusplus\nextern "C"\n#endif\n'
    return f'#include "{name}.h"\n{linkage}int run(void);\nint run(void) {{ return {name}(); }}\n'


def failures(folder: Path, scratch: Path, *flags: str) -> int:
    """Compile a package's self-test for this machine and return what it returns."""
    scratch.mkdir(exist_ok=True)
    text = selftest_text(folder) + "int main(void) { return run(); }\n"
    compiled = compile_c(scratch, text, GCC, [*C99, "-O2", *flags, f"-I{folder / 'src'}"])
    # A process of its own: what -ffast-math links in changes the arithmetic of all that is loaded beside it.
    linked = compiled.with_suffix("")
    subprocess.run([*GCC, *flags, str(compiled), "-o", str(linked)], check=True)
    return subprocess.run([str(linked)], check=False).returncode


def emulated(folder: Path, target: str, toolchain: str = "zig") -> tuple[int, int]:
    """Run a package's self-test on an emulated core; returns its result and the instructions it took."""
    core = find_target(target)
    [found] = [found for found in find_toolchains(core) if found.name == toolchain]
    source = selftest_text(folder).replace("run(void)", "f(float unused)")
    callee = Callee(program(source, value("unused"), returns=INT), "f", source, includes=(folder / "src",))
    image, done = run_on_target(core, found, callee, np.zeros((1, 1)))
    return int(image.layout.unpack(done.rows)[0, 0]), int(done.counts[0])


def change(file: Path, pattern: str, number: int, amount: float) -> None:
    """Change one number of a table whose first line matches."""
    text = file.read_text()
    start = re.search(pattern + r"[^=]*=\s*\{", text)
    assert start is not None
    places = list(re.finditer(r"-?\d[\w.+-]*", text[start.end() : text.index("};", start.end())]))
    place = places[number % len(places)]
    old = place[0]
    new = float_literal(float(old[:-1]) + amount) if old.endswith("f") else str(int(old) + round(amount))
    assert new != old
    first = start.end() + place.start()
    file.write_text(text[:first] + new + text[first + len(old) :])


def test_folder(package: Path) -> None:
    assert {name for name, data in listing(package).items() if data} == {
        *("README.md", "LICENSE", "CMakeLists.txt", "library.properties", "library.json", "idf_component.yml"),
        *("zephyr/module.yml", "zephyr/CMakeLists.txt", "zephyr/Kconfig"),
        *("src/dew_point_surrogate.h", "src/dew_point_selftest.h", "examples/main.c"),
        "examples/dew_point_surrogate/dew_point_surrogate.ino",
    }
    for path in package.rglob("*"):
        assert path.is_dir() or (path.read_text().isascii() and path.read_text().endswith("\n")), path
        assert path.is_dir() or "{{" not in path.read_text()


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name / "package", several(), "int16") for name in ("one", "two"))
    assert listing(first) == listing(second)
    assert not any(str(tmp_path).encode() in data for data in listing(first).values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [inputs_program(16, "many"), several()], ids=["many", "several"])
def test_selftest_passes(kind: str, p: Program, tmp_path: Path) -> None:
    folder = write(tmp_path / "package", p, kind, shared=p.name == "many")
    assert failures(folder, tmp_path / "scratch") == 0
    for flags in (["-O3", "-march=native", "-ffp-contract=fast"], ["-O0"], ["-DNSTK_NO_VECTORS", "-ffast-math"]):
        assert failures(folder, tmp_path / "scratch", *flags) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_selftest_is_strict_and_freestanding(kind: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "package", several(), kind, hidden=(8, 8))
    include = f"-I{folder / 'src'}"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for command, flags in ((GCC, C99), (CLANG, C99), (GXX, CXX11)):
        text = selftest_text(folder)
        out = compile_c(scratch, text, command, [*flags, "-O2", "-ffreestanding", include])
        assert set(undefined_symbols(out)) <= {"_GLOBAL_OFFSET_TABLE_"}
    for target in ("cortex-m0plus", "cortex-m4f", "rv32imc", "atmega328p"):
        core = find_target(target)
        if shutil.which(core.gcc):
            flags = [*core.gcc_flags, *C99, "-Os", "-ffreestanding", include]
            compile_c(scratch, selftest_text(folder), (core.gcc,), flags)
    text = selftest_text(folder).replace("run", "again")
    out = compile_c(scratch, text, GCC, [*C99, "-O2", include])  # a second unit has its own
    symbols = subprocess.run(["nm", str(out)], capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in symbols.splitlines() if " T " in line] == ["again"]
    assert not re.search(r" [dDbB] ", symbols)  # no mutable state


@pytest.mark.parametrize("kind", ["speed", "size", "int16"])
def test_wrong_weight_fails(kind: str, tmp_path: Path) -> None:
    table = r"static const \w+ f_surrogate_w0"
    for number in (0, 7, -6):
        folder = write(tmp_path / f"package{number}", inputs_program(3), kind)
        change(folder / "src" / "f_surrogate.h", table, number, 200 if kind == "int16" else 1e-3)
        assert failures(folder, tmp_path / "scratch") > 0


@pytest.mark.parametrize("kind", ["speed", "int16"])
def test_wrong_vector_fails(kind: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "package", several(), kind)
    change(folder / "src" / "f_selftest.h", r"static const \w+ out", 5, 1 if kind == "int16" else 1e-4)
    assert failures(folder, tmp_path / "scratch") == 1


def test_results_are_nan_is_a_failure(tmp_path: Path) -> None:
    folder = write(tmp_path / "package", inputs_program(2))
    change(folder / "src" / "f_surrogate.h", r"static const float f_surrogate_w0", 0, 1e38)
    assert failures(folder, tmp_path / "scratch") == VECTORS


@pytest.mark.parametrize("target", ["cortex-m0plus", "rv32imc", "cortex-m4f"])
@pytest.mark.parametrize("kind", ["speed", "int16"])
def test_selftest_on_targets(target: str, kind: str, tmp_path: Path) -> None:
    p = inputs_program(3)
    folder = write(tmp_path / "package", p, kind)
    for toolchain in find_toolchains(find_target(target)):
        result, count = emulated(folder, target, toolchain.name)
        assert result == 0
        assert count > 100 * VECTORS  # evaluated there, not by the compiler
    amount = 200 if kind == "int16" else 1e-3
    change(folder / "src" / "f_surrogate.h", r"static const \w+ f_surrogate_w0", 3, amount)
    assert emulated(folder, target)[0] > 0


@pytest.mark.skipif(not (shutil.which("avr-gcc") and shutil.which("simavr")), reason="no avr-gcc or simavr")
@pytest.mark.parametrize("kind", ["speed", "int16"])
def test_selftest_on_avr(kind: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "package", inputs_program(3), kind)
    assert emulated(folder, "atmega328p", "gcc")[0] == 0


def test_golden_vectors_cover_the_domain() -> None:
    p = several()
    folded = fold(random_surrogate(p), 1e-6)
    vectors = golden_vectors(p, folded)
    lo, hi = ([getattr(i.interval, end) for i in p.inputs] for end in ("lo", "hi"))
    assert vectors.inputs.shape == (VECTORS, 5)
    assert vectors.inputs[:2].tolist() == [lo, hi]
    inside = ((vectors.inputs >= lo) & (vectors.inputs <= hi)).all(1)
    assert inside[:-2].all()
    assert not inside[-2:].any()  # what clamping is for
    assert golden_vectors(p, replace(folded, clamp=False)).inputs[-1].tolist() != vectors.inputs[-1].tolist()
    assert vectors.allowed is not None
    assert (vectors.allowed < 1e-5 * np.abs(vectors.outputs).max()).all()


@pytest.mark.parametrize("name", ["_hidden", "template", "linux", "class_", "a" * 40, "arduino"])
def test_names_are_legal(name: str, tmp_path: Path) -> None:
    p = inputs_program(1, name)
    folder = write(tmp_path / "package", p)
    names = header_names(p)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,50}", names.base)
    assert (folder / "src" / f"{selftest_name(names)}.h").is_file()
    assert failures(folder, tmp_path / "scratch") == 0
    properties(folder)


def properties(folder: Path) -> dict[str, str]:
    """Read library.properties and check it key by key against Arduino's library specification, revision 2.2."""
    found = dict(line.split("=", 1) for line in (folder / "library.properties").read_text().splitlines())
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert found.keys() == required | {"includes"}
    assert all(found.values())
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9 _.-]{0,62}", found["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert found["category"] == "Data Processing"  # one of nine
    assert re.match(r"[a-z]+:", found["url"])
    assert (folder / "src" / found["includes"]).is_file()
    for sketch in (folder / "examples").glob("*/*.ino"):
        assert sketch.stem == sketch.parent.name
    return found


def test_manifests_agree(package: Path) -> None:
    yaml = pytest.importorskip("yaml")
    arduino = properties(package)
    platformio = json.loads((package / "library.json").read_text())
    espressif = yaml.safe_load((package / "idf_component.yml").read_text())
    zephyr = yaml.safe_load((package / "zephyr/module.yml").read_text())
    assert arduino["name"] == platformio["name"] == zephyr["name"] == "dew_point_surrogate"
    assert arduino["version"] == platformio["version"] == espressif["version"] == nstk.__version__
    assert f"project(dew_point_surrogate VERSION {nstk.__version__} " in (package / "CMakeLists.txt").read_text()
    # the keys of each manifest's published schema that are used here
    assert platformio.keys() == {*("name", "version", "description", "keywords"), *platformio.keys() - espressif.keys()}
    assert platformio.keys() <= {
        *("name", "version", "description", "keywords", "headers", "frameworks", "platforms", "examples")
    }
    for file in platformio["headers"]:
        assert (package / "src" / file).is_file()
    for example in platformio["examples"]:
        assert all((package / example["base"] / file).is_file() for file in example["files"])
    assert espressif.keys() == {"version", "description"}
    assert zephyr["build"].keys() == {"cmake", "kconfig"}
    assert (package / zephyr["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (package / zephyr["build"]["kconfig"]).is_file()


def tool(name: str, *arguments: object, folder: Path) -> str:
    """Run a tool of an ecosystem that lies beside the interpreter or on the PATH; skips where there is none."""
    found = shutil.which(name, path=str(TOOLS)) or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    command = [found, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_platformio_packs_and_installs(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "core"))
    monkeypatch.setenv("PLATFORMIO_SETTING_ENABLE_TELEMETRY", "no")
    tool("pio", "pkg", "pack", "-o", tmp_path / "package.tar.gz", package, folder=tmp_path)
    tool("pio", "pkg", "install", "-g", "-l", f"file://{tmp_path / 'package.tar.gz'}", folder=tmp_path)
    assert (tmp_path / "core/lib/dew_point_surrogate/src/dew_point_surrogate.h").is_file()


def test_component_manager_accepts(package: Path) -> None:
    assert tool("compote", "manifest", "lint", package, folder=package) == ""


def test_kconfig_defines_the_option(package: Path, tmp_path: Path) -> None:
    kconfiglib = pytest.importorskip("kconfiglib")
    (tmp_path / "Kconfig").write_text(f'source "{package / "zephyr/Kconfig"}"\n')
    found = kconfiglib.Kconfig(str(tmp_path / "Kconfig"))
    assert [(s.name, s.str_value) for s in found.unique_defined_syms] == [("DEW_POINT_SURROGATE", "n")]
    assert found.warnings == []


@pytest.mark.skipif(not (ARDUINO.is_dir() and shutil.which("avr-g++")), reason="no Arduino core")
def test_sketch_compiles_with_arduinos_core(package: Path, tmp_path: Path) -> None:
    [sketch] = package.glob("examples/*/*.ino")
    folders = [package / "src", ARDUINO / "cores/arduino", ARDUINO / "variants/standard"]
    flags = ["-mmcu=atmega328p", "-DF_CPU=16000000L", "-DARDUINO=10819", "-std=gnu++11", "-Os", "-Wall", "-Wextra"]
    text = f"#include <Arduino.h>\n{sketch.read_text()}"  # what the IDE makes of it
    compile_c(tmp_path, text, ("avr-g++", "-x", "c++"), [*flags, "-Werror", *(f"-I{f}" for f in folders)])


def test_example_runs(package: Path, tmp_path: Path) -> None:
    command = [*GCC, *C99, f"-I{package / 'src'}", str(package / "examples/main.c"), "-o", str(tmp_path / "main")]
    subprocess.run(command, check=True)
    done = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"dew_point_selftest: 0 of {VECTORS} vectors failed\nresult = ")


def test_readme_tells_what_was_measured(saved: Path) -> None:
    text = (saved / "package/README.md").read_text()
    report = json.loads((saved / "report.json").read_text())
    assert report["verdict"]["reason"] in text
    assert "With confidence 99.9 %" in text
    assert re.search(r"^\| result \| [\d.e-]+ \| [\d.]+ % \|", text, re.MULTILINE)
    assert re.search(r"^\| one call \| [\d.,]+ ns \|", text, re.MULTILINE)
    assert (saved / "package/src/curve_surrogate.h").read_bytes() == (saved / "curve_surrogate.h").read_bytes()


def test_export_measures_nothing(nstk: Nstk, saved: Path, tmp_path: Path) -> None:
    assert nstk("export", saved, "--number", "int16", "--out", "out").code == 0
    folder = tmp_path / "out/curve/package"
    assert "Not measured" in (folder / "README.md").read_text()
    assert "curve_surrogate_q" in (folder / "src/curve_selftest.h").read_text()
    assert failures(folder, tmp_path / "scratch") == 0
