"""What the reference network and the examples cost on microcontrollers, measured under emulation.

    python benchmarks/mcu.py

Part one: our headers for the reference network against straightforward C, emlearn and nncc, all called alike, on every
target, and the int16 one with int16 in and out, too. Part two: every example against its float surrogate. Nothing is
timed: instructions are counted, so that equal compilers give equal results. Writes `results/mcu.json`; `tables.py`
renders it. Needs the GNU cross compilers with newlib, picolibc and avr-libc, and simavr; `--quick` builds the
surrogates of the examples at effort quick.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import neighbours
import numpy as np
import reference_net
from machine import describe
from numpy.typing import NDArray

from nstk import sampling
from nstk.emission import emit
from nstk.errors import NstkError
from nstk.folding import fold
from nstk.integer_emission import emit_integer, integer_program
from nstk.options import STYLES, BuildOptions
from nstk.pipeline import build
from nstk.program import Program, read_program
from nstk.quantization import quantize, quantize_inputs
from nstk.surrogate import load_surrogate
from nstk.targets.firmware import Callee
from nstk.targets.measuring import measure_target, run_on_target
from nstk.targets.target import TARGETS
from nstk.targets.toolchains import find_toolchains

HERE = Path(__file__).parent
RESULT = HERE / "results" / "mcu.json"
NETWORK_TARGETS = ("cortex-m4f", "cortex-m0plus", "rv32imc", "rv32imfc", "atmega328p")
EXAMPLE_TARGETS = ("cortex-m4f", "cortex-m0plus")
OPTIMIZE = ("-O2", "-Os")
POINTS = 48
#: nstk's defaults.
SIGMOID_ERRORS = {n: BuildOptions(Path("ref.c"), number=n).emission()["sigmoid_error"] for n in ("float", "int16")}


def network_program(folder: Path) -> Program:
    """Return the program all networks stand in for: nine numbers in an array, one result."""
    source = folder / "run_scalar.c"
    source.write_text("float run_scalar(const float x[9]) { return x[0]; }\n")
    return read_program(source)


@dataclass(frozen=True, eq=False)
class Candidate:
    """Code of the network: what is called, with what, and what a result stands for, `middle + step * result`.

    Attributes:
        callee: The function.
        x: (N, 9) its arguments.
        middle: Of the result.
        step: Of the result.
    """

    callee: Callee
    x: NDArray[np.float64]
    middle: float = 0.0
    step: float = 1.0


def candidates(folder: Path, x: NDArray[np.float64]) -> dict[str, Candidate]:
    """Return all code that evaluates the network at x (N, 9), by whose it is."""
    net, program = reference_net.load(), network_program(folder)
    (folder / "weights.h").write_text(neighbours.expf_weights(net))
    by_hand = (HERE / "c" / "expf_net.c").read_text()

    def scalar(text: str, *includes: Path) -> Candidate:
        return Candidate(Callee(program, "run_scalar", f"#define EXPORT\n{text}", includes=includes), x)

    found = {
        "straightforward C": scalar(f"#define SCALAR\n{by_hand}", folder),
        "emlearn": scalar(neighbours.emlearn_source(net), neighbours.emlearn_includes()),
        "nncc": scalar(neighbours.nncc_source(net)),
    }
    call = f"ref_surrogate_f({', '.join(f'x[{i}]' for i in range(9))})"
    call = f"EXPORT float run_scalar(const float *x) {{ return {call}; }}\n"
    surrogate = reference_net.reference_surrogate()
    for style in STYLES:
        for clamp in (True, False):
            header = emit(surrogate.program, fold(surrogate, SIGMOID_ERRORS["float"], clamp), style=style)
            found[f"nstk, {style}{'' if clamp else ', no clamp'}"] = scalar(header + call)
    quantized = quantize(surrogate, SIGMOID_ERRORS["int16"])
    [output] = quantized.outputs
    q = quantize_inputs(quantized.inputs, x).astype(np.float64)
    for style in STYLES:
        header = emit_integer(surrogate.program, quantized, style=style)
        found[f"nstk int16, {style}"] = scalar(header + call)
        integers = Callee(integer_program(surrogate.program), "ref_surrogate_q", header)
        found[f"nstk int16, {style}, int16 in and out"] = Candidate(integers, q, output.middle, output.step)
    return found


def measure_networks(folder: Path) -> list[dict[str, Any]]:
    """Count every candidate on every target with every toolchain and optimization."""
    x = reference_net.draw_inputs(POINTS).astype(np.float64)
    expected = reference_net.load().evaluate(x)
    rows = []
    for target in (TARGETS[name] for name in NETWORK_TARGETS):
        for toolchain in find_toolchains(target):
            for optimize in OPTIMIZE:
                for name, candidate in candidates(folder, x).items():
                    row: dict[str, Any] = {"target": target.name, "compiler": toolchain.label, "optimize": optimize}
                    row |= {"name": name, "unit": target.unit}
                    callee = replace(candidate.callee, optimize=optimize)
                    empty, _ = run_on_target(target, toolchain, callee.nothing(), candidate.x)
                    try:
                        image, run = run_on_target(target, toolchain, callee, candidate.x)
                    except NstkError as error:
                        rows.append(row | {"error": error.message})
                        continue
                    got = candidate.middle + candidate.step * image.layout.unpack(run.rows)
                    row |= {"min": int(run.counts.min()), "max": int(run.counts.max())}
                    row |= {"median": float(np.median(run.counts)), "cycles": float(np.median(run.cycles))}
                    row |= {"flash": image.flash_bytes - empty.flash_bytes, "ram": image.ram_bytes - empty.ram_bytes}
                    row |= {"stack": run.stack_bytes, "max_error": float(f"{np.abs(got - expected).max():.3g}")}
                    rows.append(row)
                    print(*row.values(), flush=True)
    return rows


def measure_example(source: Path, out: Path, effort: str) -> list[dict[str, Any]]:
    """Build an example at 4-4 and where it meets 1 %, and compare it with its surrogate on each target."""
    rows = []
    for topology in ("4-4", "auto"):
        options = BuildOptions(source, tolerance="1%", topology=topology, effort=effort, out=out / topology)
        built = build(options)
        surrogate = load_surrogate(built.folder)
        program = surrogate.program
        header = (built.folder / built.report["header"]["file"]).read_text()
        x = sampling.draw(program.inputs, POINTS, 11)
        bound = 2 * fold(surrogate, SIGMOID_ERRORS["float"], options.clamp).evaluate(x)[1]
        for name in (*EXAMPLE_TARGETS, "atmega328p"):
            target = TARGETS[name]
            found = measure_target(program, header, x, target, bound=bound)
            rows.append(
                {
                    "function": program.name,
                    "asked": topology,
                    "topology": [network["topology"] for network in built.report["networks"]],
                    "meets 1 %": built.ok,
                    "target": name,
                    **found,
                }
            )
            costs = [
                found[side][key] for key in ("median", "cycles", "flash_bytes") for side in ("original", "surrogate")
            ]
            print(program.name, topology, name, found["ok"], *costs, f"{found['speedup']:.2f}x", flush=True)
        if topology == "4-4" and built.ok:
            break  # auto would be the same
    return rows


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="surrogates of the examples at effort quick")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        networks = measure_networks(Path(name))
        rows = []
        for source in sorted((HERE.parent / "examples").glob("*.c")):
            rows += measure_example(source, Path(name), "quick" if options.quick else "normal")
    result = describe(["emlearn", "nncc", "numpy", "pyelftools", "torch", "unicorn", "ziglang"])
    result["points"] = POINTS
    result["toolchains"] = {name: [t.label for t in find_toolchains(target)] for name, target in TARGETS.items()}
    result["networks"], result["examples"] = networks, rows
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
