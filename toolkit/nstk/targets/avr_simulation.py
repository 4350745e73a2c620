"""Runs images of AVR targets in simavr, and reads the cycles the simulated part counts with its own timer."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nstk.errors import MisbehaviorError, ToolError
from nstk.resources import render
from nstk.targets.emulation import Run
from nstk.targets.firmware import Callee, Image, call_text, link_callee, read_layout, read_sizes
from nstk.targets.target import Target
from nstk.targets.toolchains import Toolchain, install_hint

Array = NDArray[np.float64]

_DELAY = 300_000  # cycles of the call that tells what a timer interrupt costs
_RETURN = 4  # cycles of `ret`, by the AVR Instruction Set Manual
_LIMIT_SECONDS = 120.0
_LINK = ("-Wl,--gc-sections", "-Wl,-u,nstk_fields")


def build_avr_image(target: Target, toolchain: Toolchain, callee: Callee, x: Array) -> Image:
    """Build a function for an AVR, with the arguments x (N, I) of all calls in flash.

    Raises:
        ToolError: The function does not compile or fit.
    """
    empty = callee.nothing()
    probe = link_callee(target, toolchain, empty, call_text(empty) + "int main(void) {}\n", _LINK)
    layout = read_layout(probe, callee.program)
    rows = layout.pack(x, target)
    text = render(
        "targets/avr_main.c.j2",
        call=call_text(callee, fields=False),
        rows=[row.tolist() for row in rows],
        row_bytes=layout.row_bytes,
        delay=_DELAY,
    )
    path = link_callee(target, toolchain, callee, text, _LINK)
    flash, ram = read_sizes(path)
    return Image(path, layout, flash - rows.nbytes, ram)  # the arguments are the harness's


def run_avr_image(image: Image, count: int, target: Target) -> Run:
    """Run what `build_avr_image` built for so many calls.

    Cycles are those of a call less those of an empty function's, but with the `ret`; the timer's interrupts are taken
    out. Deepest stack and outputs come from calls that nothing interrupts, too.

    Raises:
        ToolError: simavr is not installed.
        MisbehaviorError: The function crashes or does not end there.
    """
    lines = _simulate(image.path, target)
    stack, nothing, delay, *calls = (np.frombuffer(bytes.fromhex(line), np.uint8) for line in lines)
    none, _ = _timing(nothing)
    slow, interrupts = _timing(delay)
    each, rest = divmod(slow - none - _DELAY, interrupts)
    if rest or len(calls) != 2 * count:
        raise MisbehaviorError(f"simulated {target.name}: its timer cannot be read", "leave out this target")
    counts = np.array([total - none + _RETURN - each * n for total, n in map(_timing, calls[::2])], np.int64)
    deepest = int(stack.view("<u2")[0])
    return Run(np.stack(calls[1::2]), counts, counts.astype(np.float64), deepest)


def _timing(line: NDArray[np.uint8]) -> tuple[int, int]:
    """Return cycles and interrupts from a printed line."""
    return int(line[:4].view("<u4")[0]), int(line[4:].view("<u2")[0])


def _simulate(path: Path, target: Target) -> list[str]:
    """Return the lines of hexadecimal digits that an image prints until it sleeps."""
    if shutil.which("simavr") is None:
        raise ToolError("simavr is not installed", install_hint(target))
    command = ["simavr", "-m", target.model, "-f", "16000000", str(path)]
    hint = "does the program use an array beyond its end, recurse, or need more memory than the part has?"
    quiet, errors = subprocess.DEVNULL, subprocess.PIPE  # what the part prints comes with the messages
    try:
        done = subprocess.run(
            command, stdout=quiet, stderr=errors, text=True, errors="replace", timeout=_LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise MisbehaviorError(f"simulated {target.name}: it does not end", hint) from None
    lines = [match[1] for match in re.finditer(r"^(?:\x1b\[\d+m)*((?:[0-9a-f]{2})+)\.*(?:\x1b|$)", done.stderr, re.M)]
    if done.returncode != 0 or len(lines) < 3:
        raise MisbehaviorError(f"simulated {target.name}: it crashed", hint)
    return lines
