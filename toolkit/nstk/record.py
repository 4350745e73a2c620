"""What a finished build says of itself: the report, the points its page draws, the errors in the header's banner."""

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nstk import __version__, sampling
from nstk.emission import header_names
from nstk.folding import Folded
from nstk.options import BuildOptions
from nstk.program import Program
from nstk.quantization import Quantized
from nstk.report import number
from nstk.surrogate import Surrogate
from nstk.verdict import judge_use
from nstk.verification import Function, Verified

if TYPE_CHECKING:
    from nstk.fitting import Fitted
    from nstk.report_plots import PlotData


def header_file(program: Program) -> str:
    """Return the name of the emitted file."""
    return f"{header_names(program).base}.h"


def error_text(output: dict[str, Any]) -> str:
    """Return one output's measured error for the banner."""
    largest, below = number(output["max_abs"], up=True), number(output["p99_abs"], up=True)
    points = "points" if "certificate" in output else "held-out pairs"
    text = f"at most {largest} at {output['n']} {points}"
    text += f", 99 % below {below}" if output["n"] >= 1000 else ""
    if certificate := output.get("certificate"):
        bound = number(certificate["max_abs"], up=True)
        text += f"; 99.9 % sure: at most 0.01 % of the domain above {bound}"
    return text


def assemble_report(
    program: Program,
    options: BuildOptions,
    fitted: "Fitted",
    surrogate: Surrogate,
    arithmetic: Folded | Quantized,
    header: str,
    verified: Verified,
    host: dict[str, Any] | None,
    targets: dict[str, Any],
    rivals: list[dict[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    """Put together the report of a build.

    Args:
        program: The original.
        options: What was asked for.
        fitted: What fitting found.
        surrogate: The result.
        arithmetic: Its arithmetic.
        header: Text of the final header.
        verified: What verification found.
        host: Timing on this CPU; None if the original was not run.
        targets: Costs on targets.
        rivals: Records of the rivals.
        seconds: Fitting took.

    Returns:
        A report as the `report.json` schema has it; `build` holds what else decides the result.
    """
    names = program.output_names
    record = verified.record
    sound = record["constants"]["ok"] and record["arithmetic"]["ok"]
    return {
        "program": {
            "name": program.name,
            "function": program.name,
            "source_file": program.file,
            "sha256": program.sha256,
            "inputs": [
                {"name": i.name, "ctype": i.ctype.name, "lo": i.interval.lo, "hi": i.interval.hi, "log": i.interval.log}
                for i in program.inputs
            ],
            "outputs": [{"name": o.name, "ctype": o.ctype.name} for o in program.outputs],
        },
        "init": {
            "method": surrogate.provenance["init"],
            "candidates": fitted.candidates,
            "zero_shot_nrmse": fitted.zero_shot_nrmse,
        },
        "finetune": {
            "optimizer": options.optimizer,
            "iterations": fitted.iterations,
            "seconds": round(seconds, 3),
            "samples": fitted.samples,
            "train_nrmse": fitted.train_nrmse,
        },
        "networks": [
            {
                "topology": str(n.topology),
                "parameters": n.topology.parameters,
                "outputs": [names[o] for o in n.outputs],
            }
            for n in surrogate.networks
        ],
        "rungs": fitted.rungs,
        "header": {
            "file": header_file(program),
            "sha256": hashlib.sha256(header.encode()).hexdigest(),
            "number": "int16" if isinstance(arithmetic, Quantized) else "float",
            "style": options.style,
            "sigmoid_error": arithmetic.sigmoid_error,
            "license": "Apache-2.0 with nstk's exception for emitted code: no obligations",
        },
        "verify": record,
        "bench": {"host": host, "targets": targets} if host else {"targets": targets},
        **({"rivals": rivals} if rivals else {}),
        "verdict": judge_use(record["outputs"], sound, host, targets, rivals),
        "build": {
            "nstk_version": __version__,
            "seed": options.seed,
            "effort": options.effort,
            "norm": options.norm,
            "samples": fitted.samples,
        },
    }


def add_rounding(report: dict[str, Any], unrounded: Surrogate, verified: Verified) -> None:
    """Add to a report how far the surrogate was off before it was rounded to int16, and after, on the fresh points.

    Args:
        report: Gets `rounding`: for each output its `name` and, each for `float` and `int16`, `max_abs` and `nrmse`.
        unrounded: The surrogate as fitted, in floating point with the exact sigmoid.
        verified: What verification of the int16 header found.
    """
    fresh = verified.fresh
    std = fresh.expected.std(0)
    unit = np.where(std > 0, std, 1.0)
    errors = {"float": unrounded.predict(fresh.x) - fresh.expected, "int16": fresh.got - fresh.expected}
    report["rounding"] = [
        {
            "name": name,
            "max_abs": {kind: float(np.abs(error[:, o]).max()) for kind, error in errors.items()},
            "nrmse": {kind: float(np.sqrt(np.mean(error[:, o] ** 2)) / unit[o]) for kind, error in errors.items()},
        }
        for o, name in enumerate(unrounded.program.output_names)
    ]


def plot_data(
    program: Program,
    surrogate: Surrogate,
    arithmetic: Folded | Quantized,
    original: Function | None,
    verified: Verified,
) -> "PlotData":
    """Evaluate original and surrogate where the report's page draws them."""
    from nstk.report_plots import PlotData

    inputs = program.inputs
    lo, hi = sampling.corners(inputs).min(0), sampling.corners(inputs).max(0)
    steps = np.linspace(0, 1, 129)[:, None]
    log = np.array([i.interval.log for i in inputs])
    low, high = np.where(log, lo, 1.0), np.where(log, hi, 1.0)
    axes = np.where(log, low * (high / low) ** steps, lo + (hi - lo) * steps)  # (G, I)
    middle = sampling.snap(inputs, axes[64:65])
    slices = np.repeat(np.repeat(middle[None], len(steps), 1), len(inputs), 0)  # (I, G, I)
    for i in range(len(inputs)):
        slices[i, :, i] = axes[:, i]
    x = sampling.snap(inputs, slices.reshape(-1, len(inputs)))
    shape = (len(inputs), len(steps), len(program.outputs))
    error_map = None
    if original is not None and len(inputs) == 2:
        grid = np.stack(np.meshgrid(axes[::2, 0], axes[::2, 1], indexing="ij"), -1).reshape(-1, 2)
        grid = sampling.snap(inputs, grid)
        error_map = (arithmetic.evaluate(grid)[0] - original(grid)).reshape(65, 65, -1)
    fresh = verified.fresh
    return PlotData(
        fresh.x[:20000],
        fresh.expected[:20000],
        fresh.got[:20000],
        np.stack([x.reshape(*shape[:2], -1)[i, :, i] for i in range(len(inputs))]),
        original(x).reshape(shape) if original is not None else None,
        arithmetic.evaluate(x)[0].reshape(shape),
        error_map,
    )
