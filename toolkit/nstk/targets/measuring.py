"""Original and surrogate on a target: what they compute there, and what they cost."""

import importlib.util
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.errors import ToolError
from nstk.integer_emission import integer_program
from nstk.quantization import IntegerArithmetic, quantize_inputs
from nstk.report import number
from nstk.sandbox import ProgramRunner
from nstk.targets.avr_simulation import build_avr_image, run_avr_image
from nstk.targets.emulation import Run, run_image
from nstk.targets.firmware import Callee, Image, build_image
from nstk.targets.target import Target
from nstk.targets.timing_tables import TABLES
from nstk.targets.toolchains import FLAGS, Toolchain, find_toolchain, find_toolchains, install_hint

Array = NDArray[np.float64]

#: What makes the host's compiler compute as a target without vectors does.
_HOST_FLAGS = ("-DNSTK_NO_VECTORS", "-ffp-contract=off")


def measure_target(
    surrogate: Callee,
    x: Array,
    target: Target,
    *,
    bound: Array | None = None,
    quantized: IntegerArithmetic | None = None,
    toolchain: str = "",
) -> dict[str, Any]:
    """Build original and surrogate for a target with equal flags, run both, and compare them with the host's.

    The surrogate is judged as by `verify_target`. The original's mathematical functions are another library's there, so
    its difference is told, not judged.

    Args:
        surrogate: Drop-in function of a header.
        x: (N, I) inputs inside the domain.
        target: Where.
        bound: See `verify_target`.
        quantized: Arithmetic of an int16 header: also measures `<name>_q`, int16 in and out.
        toolchain: `gcc` or `zig`; default the first that is here.

    Returns:
        What `verify_target` does, and: `original` and `surrogate`: `min`, `median`, `max` of what `unit` names per
        call, `cycles` (median), `flash_bytes`, `ram_bytes`, `stack_bytes`, largest difference `max_abs` from the host;
        `estimated_cycles` and sizes of the surrogate; `speedup` in cycles; `flags`, and the `table` of cycles. With
        `quantized` also `int16`: costs, `speedup` and whether results are the model's, which `ok` asks for, too.

    Raises:
        ToolError: No toolchain or emulator, or a side does not compile or fit.
        MisbehaviorError: A side crashes there.
    """
    found = find_toolchain(target, toolchain)
    original = replace(surrogate, name=surrogate.program.name, source=surrogate.program.source)
    empty = build_on_target(target, found, original.nothing(), x)
    image, run = run_on_target(target, found, original, x)
    before = _costs(image, empty, run)
    before["max_abs"] = _largest(image.layout.unpack(run.rows), _on_host(original, x, None))
    after = measure_surrogate(surrogate, x, target, bound=bound, quantized=quantized, toolchain=toolchain)
    costs = {
        **{key: after[key] for key in ("ok", "identical", "max_abs", "n", "compiler", "unit")},
        "original": before,
        "surrogate": {key: after[key] for key in before},
        "estimated_cycles": after["cycles"],
        "speedup": before["cycles"] / after["cycles"],
        **{key: after[key] for key in ("flash_bytes", "ram_bytes", "stack_bytes")},
        "flags": " ".join([surrogate.optimize, *FLAGS[1:3], *surrogate.cflags]),
        "table": TABLES[target.table].source if target.table else "counted by simavr",
    }
    if quantized is not None:
        costs["int16"] = after["int16"] | {"speedup": before["cycles"] / after["int16"]["cycles"]}
    return costs


def measure_surrogate(
    surrogate: Callee,
    x: Array,
    target: Target,
    *,
    bound: Array | None = None,
    quantized: IntegerArithmetic | None = None,
    toolchain: str = "",
) -> dict[str, Any]:
    """Measure a surrogate, or a rival, without the original: arguments and errors as of `measure_target`.

    Returns:
        What `verify_target` does, and `unit`, `min`, `median`, `max`, `cycles`, `flash_bytes`, `ram_bytes`,
        `stack_bytes`. With `quantized` also `int16`: costs of the int16 function and whether its results are the
        model's, which `ok` asks for, too.
    """
    found = find_toolchain(target, toolchain)
    empty = build_on_target(target, found, surrogate.nothing(), x)
    image, run = run_on_target(target, found, surrogate, x)
    verified = _judge(target, found, surrogate, image, run, x, bound)
    costs = {**verified, "unit": target.unit, **_costs(image, empty, run)}
    if quantized is not None:
        costs["int16"] = _measure_integers(target, found, replace(surrogate, name=f"{surrogate.name}_q"), quantized, x)
        costs["ok"] = costs["ok"] and costs["int16"]["identical"]
    return costs


def verify_target(
    surrogate: Callee, x: Array, target: Target, *, bound: Array | None = None, toolchain: str = ""
) -> dict[str, Any]:
    """Run a surrogate on a target and compare it with the same header on the host.

    It must give the host's bits where the target's arithmetic is exact, else stay within twice `bound`: here and there
    results are rounded in other ways.

    Args:
        surrogate: Drop-in function of a header.
        x: (N, I) inputs.
        target: Where.
        bound: (N, O) of rung 2, what rounding may add to an output. Without it results must be the host's.
        toolchain: `gcc` or `zig`; default the first that is here.

    Returns:
        `ok`; whether the results are `identical` to the host's, the largest difference `max_abs`, number `n` of inputs,
        and the `compiler`.

    Raises:
        ToolError: No toolchain or emulator, or the header does not compile or fit.
        MisbehaviorError: It crashes there.
    """
    found = find_toolchain(target, toolchain)
    return _judge(target, found, surrogate, *run_on_target(target, found, surrogate, x), x, bound)


def check_target(target: Target) -> str:
    """Return the toolchains and the emulator a target is measured with here, in words.

    Raises:
        ToolError: Some of that is missing: all of it is named, with the commands that install it.
    """
    found = ", ".join(toolchain.label for toolchain in find_toolchains(target))
    avr = target.family == "avr"
    tools = [] if found else [f"{target.gcc} with its C library"]
    tools += ["simavr"] if avr and shutil.which("simavr") is None else []
    modules = {"elftools": "pyelftools"} | ({} if avr else {"unicorn": "unicorn"})
    packages = [name for module, name in modules.items() if importlib.util.find_spec(module) is None]
    if tools or packages:
        remedies = [install_hint(target)] * bool(tools) + ["pip install 'nstk[mcu]'"] * bool(packages)
        raise ToolError(f"not installed: {', '.join(tools + packages)}", "; and ".join(remedies))
    return f"{found}; {'simavr' if avr else 'unicorn'}"


def _measure_integers(
    target: Target, toolchain: Toolchain, surrogate: Callee, quantized: IntegerArithmetic, x: Array
) -> dict[str, Any]:
    """Run `<function>_surrogate_q` where x (N, I) is in int16; return its costs, and whether it is the model's bits."""
    callee = replace(surrogate, program=integer_program(surrogate.program))
    q = quantize_inputs(quantized.inputs, x)
    empty = build_on_target(target, toolchain, callee.nothing(), q.astype(np.float64))
    image, run = run_on_target(target, toolchain, callee, q.astype(np.float64))
    same = image.layout.unpack(run.rows) == quantized.evaluate_q(q)
    return _costs(image, empty, run) | {"identical": bool(same.all())}


def _judge(
    target: Target, toolchain: Toolchain, surrogate: Callee, image: Image, run: Run, x: Array, bound: Array | None
) -> dict[str, Any]:
    """Compare what a surrogate computed on a target with what it computes here."""
    got, expected = image.layout.unpack(run.rows), _on_host(surrogate, x, surrogate.source)
    same = (np.isnan(got) & np.isnan(expected)) | (got.view(np.uint64) == expected.view(np.uint64))
    allowed = same if target.exact or bound is None else same | (np.abs(got - expected) <= 2 * bound)
    return {
        "ok": bool(allowed.all()),
        "identical": bool(same.all()),
        "max_abs": _largest(got, expected),
        "n": len(got),
        "compiler": toolchain.label,
    }


def build_on_target(target: Target, toolchain: Toolchain, callee: Callee, x: Array) -> Image:
    """Build a function for a target, to be called there with x (N, I)."""
    if target.family == "avr":
        return build_avr_image(target, toolchain, callee, x)
    return build_image(target, toolchain, callee)


def run_on_target(target: Target, toolchain: Toolchain, callee: Callee, x: Array) -> tuple[Image, Run]:
    """Build a function for a target and call it there with x (N, I)."""
    image = build_on_target(target, toolchain, callee, x)
    if target.family == "avr":
        return image, run_avr_image(image, len(x), target)
    return image, run_image(image, image.layout.pack(x, target), target)


def explain_costs(costs: Mapping[str, Any]) -> str:
    """Return a sentence about what `measure_target` found, or about the error that stands in its place."""
    if "error" in costs:
        return f"Not measured: {costs['error']} ({costs['hint']})."
    sides = f"{number(costs['surrogate']['median'])} {costs['unit']} instead of {number(costs['original']['median'])}"
    cycles = "cycles" if costs["unit"] == "cycles" else "estimated cycles"
    sizes = f"{costs['flash_bytes']:,} bytes of flash instead of {costs['original']['flash_bytes']:,}"
    integers = ""
    if "int16" in costs:
        found = costs["int16"]
        integers = f" With int16 in and out it takes {number(found['median'])} ({_compared(found['speedup'])})."
    wrong = "" if costs["ok"] else " It does not compute there what it does here: please report this."
    return f"A call takes {sides} ({_compared(costs['speedup'])} in {cycles}), {sizes}.{integers}{wrong}"


def _compared(gain: float) -> str:
    return f"{number(gain)}x faster" if gain >= 1 else f"{number(1 / gain)}x slower"


def _on_host(callee: Callee, x: Array, header: str | None) -> Array:
    """Return what a side computes here, unchecked (N, O), with the target's rounding."""
    flags = (*callee.cflags, *_HOST_FLAGS)
    runner = ProgramRunner(callee.program, header=header, callee=callee.name, includes=callee.includes, cflags=flags)
    with runner:
        return runner.run(x)


def _costs(image: Image, empty: Image, run: Run) -> dict[str, Any]:
    return {
        "min": int(run.counts.min()),
        "median": float(np.median(run.counts)),
        "max": int(run.counts.max()),
        "cycles": float(np.median(run.cycles)),
        "flash_bytes": image.flash_bytes - empty.flash_bytes,
        "ram_bytes": image.ram_bytes - empty.ram_bytes,
        "stack_bytes": run.stack_bytes,
    }


def _largest(got: Array, expected: Array) -> float:
    """Return the largest difference; infinity where only one is NaN."""
    difference = np.where(np.isnan(got) & np.isnan(expected), 0.0, np.abs(got - expected))
    return float(np.where(np.isnan(difference), np.inf, difference).max())
