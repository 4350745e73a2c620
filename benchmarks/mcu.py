"""What the reference network and the examples cost on microcontrollers, measured under emulation.

    python benchmarks/mcu.py

Part one: our headers for the reference network against straightforward C, emlearn and nncc, all called alike, on every
target, and the int16 one with int16 in and out, too. Part two: every example against its surrogates, float and int16,
at 4-4 and where they meet 1 %, and against its rivals. Part three: families of functions of one, two and three inputs,
to see from how many on a surrogate is cheaper than a table. Instructions are counted, so that equal compilers give
equal results; this machine is timed beside. Writes `results/mcu.json`; `tables.py` renders it. Needs the GNU cross
compilers with newlib, picolibc and avr-libc, and simavr. `--part` measures a part anew.
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

from nstk.emission import emit
from nstk.errors import NstkError
from nstk.folding import fold
from nstk.integer_emission import emit_integer, integer_program
from nstk.options import STYLES, BuildOptions
from nstk.pipeline import build
from nstk.program import Program, read_program
from nstk.quantization import quantize, quantize_inputs
from nstk.targets.firmware import Callee
from nstk.targets.measuring import build_on_target, run_on_target
from nstk.targets.target import TARGETS
from nstk.targets.toolchains import find_toolchains

HERE = Path(__file__).parent
RESULT = HERE / "results" / "mcu.json"
NETWORK_TARGETS = ("cortex-m4f", "cortex-m0plus", "rv32imc", "rv32imfc", "atmega328p")
EXAMPLE_TARGETS = ("cortex-m4f", "cortex-m0plus", "atmega328p")
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
                    empty = build_on_target(target, toolchain, callee.nothing(), candidate.x)
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


def measure_program(source: Path, function: str | None, out: Path, **asked: Any) -> dict[str, Any]:
    """Build a surrogate and its rivals with everything measured; returns what the tables show."""
    built = build(BuildOptions(source, function, out=out, **asked))
    report = built.report
    host = report["bench"]["host"]
    outputs = report["verify"]["outputs"]
    return {
        "function": report["program"]["function"],
        "inputs": len(report["program"]["inputs"]),
        "asked": asked["topology"],
        "number": asked["number"],
        "tolerance": asked["tolerance"],
        "topology": [network["topology"] for network in report["networks"]],
        "ok": built.ok,
        "error": max(output["max_abs"] / output["tolerance"] for output in outputs),
        "nrmse": [output["nrmse"] for output in outputs],
        "host": {side: host[f"{side}_ns"] for side in ("original", "surrogate")},
        "targets": report["bench"]["targets"],
        "rivals": [_rival(rival) for rival in report.get("rivals", ())],
        "cheapest": report["verdict"].get("cheapest", {}),
    }


def _rival(record: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a rival's record that the tables show."""
    if "error" in record:
        return record
    kept = {key: record[key] for key in ("kind", "number", "shape", "bytes", "bench")}
    outputs = record["verify"]["outputs"]
    return kept | {"ok": record["verify"]["ok"], "error": max(o["max_abs"] / o["tolerance"] for o in outputs)}


def measure_examples(out: Path) -> list[dict[str, Any]]:
    """Measure all examples."""
    return [row for source in sorted((HERE.parent / "examples").glob("*.c")) for row in measure_example(source, out)]


def measure_example(source: Path, out: Path) -> list[dict[str, Any]]:
    """Measure an example's float and int16 surrogates, from 4-4 up to the rung that meets 1 %, at most 16-16.

    What `auto` takes is the smallest rung that meets it in the number format asked for.
    """
    rows = []
    for number in ("float", "int16"):
        for topology in ("4-4", "auto", "16-16"):
            how = {"topology": topology, "number": number, "tolerance": "1%", "targets": EXAMPLE_TARGETS}
            row = measure_program(source, None, out / number / topology, **how)
            _show(row)
            if rows and (rows[-1]["number"], rows[-1]["topology"]) == (number, row["topology"]):
                rows.pop()  # the same rung, which met the tolerance with other pairs
            rows.append(row)
            if row["ok"] or any("16-16" in net for net in row["topology"]):
                break
    return rows


def measure_families(out: Path) -> list[dict[str, Any]]:
    """Measure the functions of every family, float on a core with an FPU and int16 on one without.

    What `auto` takes is the smallest rung that meets the tolerance; where none does, 8-8 and 16-16 are shown.
    """
    rows = []
    for number, target, tolerance in (
        ("int16", "cortex-m0plus", "1%"),
        ("int16", "cortex-m0plus", "0.1%"),
        ("float", "cortex-m4f", "1%"),
    ):
        for function in (f"{family}{inputs}" for family in ("wave", "bell", "length") for inputs in (1, 2, 3)):
            for topology in ("auto", "8-8", "16-16"):
                how = {"topology": topology, "number": number, "tolerance": tolerance, "targets": (target,)}
                folder = out / number / tolerance / topology
                row = measure_program(HERE / "c" / "families.c", function, folder, **how)
                _show(row)
                if row["ok"]:
                    break
            rows.append(row)
    return rows


def _show(row: dict[str, Any]) -> None:
    print(row["function"], row["number"], row["tolerance"], row["topology"], row["ok"], row["cheapest"], flush=True)


PARTS = {"networks": measure_networks, "examples": measure_examples, "families": measure_families}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; the others stay as they are there")
    options = parser.parse_args()
    result = json.loads(options.out.read_text()) if options.part and options.out.exists() else {}
    result |= describe(["emlearn", "nncc", "numpy", "pyelftools", "torch", "unicorn", "ziglang"], "gcc")
    result["points"] = POINTS
    result["toolchains"] = {name: [t.label for t in find_toolchains(target)] for name, target in TARGETS.items()}
    with tempfile.TemporaryDirectory() as name:
        for part in options.part or PARTS:
            result[part] = PARTS[part](Path(name))
            options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
