"""What the reference network and the examples cost on microcontrollers, measured under emulation.

    python benchmarks/mcu.py

Part one: our header for the reference network against straightforward C, emlearn and nncc, all called alike, on every
target. Part two: every example against its surrogate. Nothing is timed: instructions are counted, so that equal
compilers give equal results. Writes `results/mcu.json`; `tables.py` renders it. Needs the GNU cross compilers with
newlib, picolibc and avr-libc, and simavr; `--quick` builds the surrogates of the examples at effort quick.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import neighbours
import numpy as np
import reference_net
from machine import describe

from nstk import sampling
from nstk.emission import emit
from nstk.errors import NstkError
from nstk.folding import fold
from nstk.options import BuildOptions
from nstk.pipeline import build
from nstk.program import Program, read_program
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
SIGMOID_ERROR = 1e-6  # nstk's default


def network_program(folder: Path) -> Program:
    """Return the program all networks stand in for: nine numbers in an array, one result."""
    source = folder / "run_scalar.c"
    source.write_text("float run_scalar(const float x[9]) { return x[0]; }\n")
    return read_program(source)


def candidates(folder: Path) -> dict[str, tuple[str, tuple[Path, ...]]]:
    """Return C text that defines `run_scalar` and header folders, by whose it is."""
    net = reference_net.load()
    (folder / "weights.h").write_text(neighbours.expf_weights(net))
    by_hand = (HERE / "c" / "expf_net.c").read_text()
    surrogate = reference_net.reference_surrogate()
    ours = {}
    for style in ("speed", "size"):
        for clamp in (True, False):
            header = emit(surrogate.program, fold(surrogate, SIGMOID_ERROR, clamp), style=style)
            name = f"nstk, {style}{'' if clamp else ', no clamp'}"
            call = ", ".join(f"x[{i}]" for i in range(9))
            text = f"{header}\nEXPORT float run_scalar(const float *x) {{ return ref_surrogate_f({call}); }}\n"
            ours[name] = (text, ())
    emlearn = (neighbours.emlearn_source(net), (neighbours.emlearn_includes(),))
    return {
        "straightforward C": (f"#define SCALAR\n{by_hand}", (folder,)),
        "emlearn": emlearn,
        "nncc": (neighbours.nncc_source(net), ()),
        **ours,
    }


def measure_networks(folder: Path) -> list[dict[str, Any]]:
    """Count every candidate on every target with every toolchain and optimization."""
    program = network_program(folder)
    net = reference_net.load()
    x = reference_net.draw_inputs(POINTS).astype(np.float64)
    expected = net.evaluate(x)
    rows = []
    for target in (TARGETS[name] for name in NETWORK_TARGETS):
        for toolchain in find_toolchains(target):
            for optimize in OPTIMIZE:
                empty, _ = run_on_target(target, toolchain, Callee(program, "", "", optimize), x[:1])
                for name, (text, includes) in candidates(folder).items():
                    row: dict[str, Any] = {"target": target.name, "compiler": toolchain.label, "optimize": optimize}
                    row |= {"name": name, "unit": target.unit}
                    callee = Callee(program, "run_scalar", "#define EXPORT\n" + text, optimize, includes)
                    try:
                        image, run = run_on_target(target, toolchain, callee, x)
                    except NstkError as error:
                        rows.append(row | {"error": error.message})
                        continue
                    got = image.layout.unpack(run.rows)
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
        bound = 2 * fold(surrogate, options.sigmoid_error, options.clamp).evaluate(x)[1]
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
