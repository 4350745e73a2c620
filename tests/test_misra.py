"""What cppcheck's MISRA addon reports on emitted headers is what `runtime_c/MISRA.md` lists, rule by rule."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from handmade import DOUBLE, INT, array, pointer, program, value
from networks import inputs_program, random_surrogate, with_intervals

from nstk.emission import emit
from nstk.folding import fold
from nstk.integer_emission import emit_integer
from nstk.options import STYLES
from nstk.program import Program
from nstk.quantization import quantize
from nstk.resources import resource_dir
from nstk.rivals.building import Rival, build_rivals
from nstk.sampling import draw
from nstk.verification import Comparison

LISTED = set(re.findall(r"^\| (\d+\.\d+) \|", (resource_dir("runtime_c") / "MISRA.md").read_text(), re.MULTILINE))
#: Macros of a compiler; with one given, cppcheck tries no others.
CONFIGURATIONS = {
    "plain": ["-DPLAIN"],
    "cortex-m4f": ["-D__GNUC__=12", "-D__arm__=1", "-D__ARM_FP=4", "-D__thumb__=1", "-D__thumb2__=1"],
    "cortex-m0plus": ["-D__GNUC__=12", "-D__arm__=1", "-D__thumb__=1"],
    "avr": ["-D__GNUC__=5", "-D__AVR__=1", "-DPROGMEM="],
    "sse2": ["-D__GNUC__=12", "-D__SSE2__=1"],
}
#: What the list explains by a compiler's extensions must not show without them.
EXTENSIONS = {"5.6", "17.3"}
INTEGERS = {"2.2", "10.1", "10.8", "19.2", "20.9"}


def cppcheck() -> str:
    """Return the command: the Python package's, which is pinned, else any."""
    beside = Path(sys.executable).parent / "cppcheck"
    found = str(beside) if beside.exists() else shutil.which("cppcheck")
    if found is None:
        pytest.skip("no cppcheck")
    return found


def programs() -> list[Program]:
    """Return functions whose headers carry every file of the runtime between them."""
    parameters = (value("d", DOUBLE), value("k", INT), array("w", 2), pointer("n", INT), pointer("e", DOUBLE))
    mixed = program("", *parameters, name="mixed")
    return [inputs_program(2, "plain"), with_intervals(mixed, (-1, 1), (-500, 1000), (0, 1), (0, 1))]


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a unit per header: `float_speed_plain.c` includes `float_speed_plain.h` and nothing else."""
    folder = tmp_path_factory.mktemp("misra")
    for p in programs():
        s = random_surrogate(p, seed=1, shared=False)
        for style in STYLES:
            headers = {"float": emit(p, fold(s, 1e-6), style=style)}
            headers["int16"] = emit_integer(p, quantize(s, 3e-5), style=style)
            for number, text in headers.items():
                name = f"{number}_{style}_{p.name}"
                (folder / f"{name}.h").write_text(text)
                (folder / f"{name}.c").write_text(f'#include "{name}.h"\n')
    for rival in some_rivals():
        name = f"{rival.record['number']}_{rival.record['kind']}_{rival.arithmetic.shape[0]}"
        (folder / f"{name}.h").write_text(rival.header)
        (folder / f"{name}.c").write_text(f'#include "{name}.h"\n')
    return folder


def some_rivals() -> list[Rival]:
    """Return rivals of every kind, with two inputs and double and int outputs."""
    p = program("", value("a", DOUBLE), value("b"), pointer("c", INT), pointer("d", DOUBLE), returns=None)

    def original(x: np.ndarray) -> np.ndarray:
        return np.stack([300 * np.sin(2 * x[:, 0]) * x[:, 1], np.cos(x[:, 0] - x[:, 1])], 1)

    x = draw(p.inputs, 2000, 1)
    known = Comparison(x, original(x), np.full((len(x), 2), np.nan))
    return build_rivals(p, original, known, np.array([6.0, 0.02]), 0, integers=True)[0]


def violations(folder: Path, configuration: str) -> set[tuple[str, str]]:
    """Return the rules that cppcheck reports, each with the name of the header."""
    command = [cppcheck(), "-q", "--addon=misra", "--enable=style", "--std=c99", "--platform=unix32"]
    command += ["--template={id} {file}", *CONFIGURATIONS[configuration]]
    done = subprocess.run(
        [*command, *sorted(f.name for f in folder.glob("*.c"))], capture_output=True, text=True, cwd=folder, check=True
    )
    assert "misra-c2012" in done.stderr, done.stderr
    return set(re.findall(r"^misra-c2012-([\d.]+) (\w+)\.[ch]$", done.stderr, re.MULTILINE))


@pytest.fixture(scope="module")
def found(units: Path) -> dict[str, set[tuple[str, str]]]:
    return {name: violations(units, name) for name in CONFIGURATIONS}


def test_list_is_what_is_found(found: dict[str, set[tuple[str, str]]]) -> None:
    rules = {rule for pairs in found.values() for rule, _ in pairs}
    assert rules - LISTED == set()
    version = subprocess.run([cppcheck(), "--version"], capture_output=True, text=True, check=True).stdout
    if "2.22" in version:  # each version knows more rules than the last
        assert LISTED - rules == set()


def test_reasons_hold(found: dict[str, set[tuple[str, str]]]) -> None:
    """Rules broken for integers' sake are kept in float headers, and those broken by extensions in plain C."""
    assert {rule for rule, _ in found["plain"]} & EXTENSIONS == set()
    for pairs in found.values():
        assert {rule for rule, header in pairs if header.startswith("float")} & INTEGERS == set()
        assert {header for rule, header in pairs if rule == "17.8"} <= {"float_speed_plain", "float_speed_mixed"}


def test_violations_are_seen(units: Path, tmp_path: Path) -> None:
    """A header with two outcomes of one function, of which one leaves early, breaks a rule that is not listed."""
    text = (units / "float_size_plain.h").read_text()
    early = text.replace("    return y[0];", "    if (x[0] > 3.0f) { return 0.0f; }\n    return y[0];")
    assert early != text
    (tmp_path / "early.c").write_text(early)
    assert {rule for rule, _ in violations(tmp_path, "plain")} - LISTED == {"15.5"}
