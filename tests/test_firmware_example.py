"""The firmware under `examples/firmware/`, built by zig and by its Makefile, and run under emulation."""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from nstk.options import BuildOptions
from nstk.pipeline import build
from nstk.program import read_program
from nstk.sandbox import ProgramRunner
from nstk.targets.target import find_target
from nstk.targets.toolchains import find_toolchain

FOLDER = ROOT / "examples" / "firmware"
SOURCE = ROOT / "examples" / "dew_point.c"
TOLERANCE = 0.5
BLOCKS = re.findall(r"^```console\n\$ (make [^\n]*)\n(.*?)^```$", (FOLDER / "README.md").read_text(), re.M | re.S)
ROW = re.compile(r"^ *(-?[\d.]+)" + r" +(-?[\d.]+)" * 6 + "$", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Table:
    """What the firmware printed: its text without numbers, and rows of t, rh, both results, difference, both costs."""

    words: list[str]
    rows: np.ndarray
    largest: float


def read_table(text: str) -> Table:
    text = text[text.index("dew_point() and ") :]
    rows = np.array(ROW.findall(text), np.float64)
    _, _, largest = text.rpartition("largest difference ")
    return Table(re.findall(r"[A-Za-z_()]+", text), rows, float(largest))


def check(table: Table) -> None:
    """What every run must show, whatever built it."""
    _, _, original, surrogate, difference, costs, _ = table.rows.T
    assert len(table.rows) == 8
    np.testing.assert_allclose(difference, surrogate - original, atol=1e-9)
    assert table.largest == np.abs(difference).max() < TOLERANCE
    assert costs.min() > 20
    assert np.ptp(table.rows[:, 6]) <= 1  # the surrogate's cost does not depend on the inputs; rounding does


@pytest.fixture(scope="module")
def out(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds each core's header where the Makefile would put it."""
    out = tmp_path_factory.mktemp("firmware")
    for core, number in (("cortex-m0plus", "int16"), ("cortex-m4f", "float")):
        options = BuildOptions(SOURCE, tolerance=str(TOLERANCE), number=number, effort="quick", out=out / core)
        assert build(options).ok
    shutil.copytree(out / "cortex-m0plus", out / "cortex-m3")
    return out


def make(*arguments: str) -> str:
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", str(FOLDER), f"PYTHON={sys.executable}", "EFFORT=quick", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr
    return done.stdout


def need(*tools: str) -> None:
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"no {', '.join(missing)}")


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m4f"])
def test_zig_and_unicorn(core: str, out: Path, tmp_path: Path) -> None:
    """What pip installs is enough: no make, no other compiler, no QEMU."""
    firmware, header = tmp_path / "firmware.elf", out / core / "dew_point" / "dew_point_surrogate.h"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", f'-DCORE="{core}"', "-DEMULATED", f"-I{header.parent}"]
    link = ["-ffp-contract=off", "-Wl,--gc-sections", "-Wl,-e,reset_handler", "-Wl,-T,mps2.ld", "-o", str(firmware)]
    sources = ["main.c", "startup.c", "board.c"]
    command = [*find_toolchain(find_target(core), "zig").command, *flags, *link, *sources]
    subprocess.run(command, check=True, cwd=FOLDER)
    run = [sys.executable, str(FOLDER / "emulate.py"), core, str(firmware)]
    table = read_table(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    check(table)
    program, x = read_program(SOURCE), table.rows[:, :2]
    with ProgramRunner(program) as runner:
        np.testing.assert_allclose(table.rows[:, 2], runner.run(x)[:, 0], atol=0.0011)
    here = ("-DNSTK_NO_VECTORS", "-ffp-contract=off")
    with ProgramRunner(program, header=header.read_text(), callee="dew_point_surrogate", cflags=here) as runner:
        np.testing.assert_allclose(table.rows[:, 3], runner.run(x)[:, 0], atol=0.0006)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m4f"])
def test_gcc_and_qemu(core: str, out: Path) -> None:
    need("make", "arm-none-eabi-gcc", "qemu-system-arm")
    arguments = (f"CORE={core}", f"OUT={out}", "NSTK=false")  # the header is there
    qemu, unicorn = (read_table(make(goal, *arguments)) for goal in ("run", "emulate"))
    check(qemu)
    assert qemu.words == unicorn.words
    np.testing.assert_array_equal(qemu.rows[:, :5], unicorn.rows[:, :5])
    np.testing.assert_allclose(qemu.rows[:, 5:], unicorn.rows[:, 5:], atol=1, rtol=0.001)


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_readme(command: str, shown: str, out: Path, tmp_path: Path) -> None:
    """Its commands print its tables; networks and costs differ a little at effort quick."""
    need("make")
    if "TOOLCHAIN=zig" in command:
        nstk = f"{sys.executable} -c 'from nstk.cli import main; main()'"
        how = (f"OUT={tmp_path}", f"NSTK={nstk}")  # from `nstk build` on
    else:
        need("arm-none-eabi-gcc", "qemu-system-arm")
        how = (f"OUT={out}", "NSTK=false")
    table = read_table(make(*shlex.split(command)[1:], *how))
    expected = read_table(shown)
    check(table)
    check(expected)
    assert table.words == expected.words
    np.testing.assert_array_equal(table.rows[:, :2], expected.rows[:, :2])
    np.testing.assert_allclose(table.rows[:, 2], expected.rows[:, 2], atol=0.0011)
    # Which units need their clamp is the network's: leaving out four makes a sixth of the instructions.
    np.testing.assert_allclose(table.rows[:, 5:], expected.rows[:, 5:], rtol=0.2)


def test_there_are_commands() -> None:
    assert len(BLOCKS) == 2


def test_failure_is_told(out: Path, tmp_path: Path) -> None:
    """A fault ends the firmware with a message and another status."""
    start = tmp_path / "main.c"
    start.write_text('#include "board.h"\nint main(void) { board_start(); __asm__ volatile(".short 0xde00"); }\n')
    firmware = tmp_path / "fault.elf"
    flags = [
        "-std=c99",
        "-O2",
        "-DEMULATED",
        f"-I{FOLDER}",
        "-Wl,-e,reset_handler",
        "-Wl,-T,mps2.ld",
        "-o",
        str(firmware),
    ]
    command = find_toolchain(find_target("cortex-m3"), "zig").command
    subprocess.run([*command, *flags, str(start), "startup.c", "board.c"], check=True, cwd=FOLDER)
    run = [sys.executable, str(FOLDER / "emulate.py"), "cortex-m3", str(firmware)]
    assert subprocess.run(run, capture_output=True, text=True, check=False).returncode == 1
    if shutil.which("qemu-system-arm"):
        machine = ["-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "stdio", "-semihosting"]
        done = subprocess.run(
            ["qemu-system-arm", *machine, "-kernel", str(firmware)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, done.stdout) == (1, "fault\n")
