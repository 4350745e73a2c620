"""What a header costs beside its original and its rivals: on this CPU, and on the targets asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.errors import NstkError
from nstk.folding import Folded
from nstk.options import BuildOptions
from nstk.program import Program
from nstk.quantization import Quantized
from nstk.rivals.building import Rival, build_rivals
from nstk.rivals.measuring import measure_rivals
from nstk.rivals.sizing import MOST_INPUTS
from nstk.surrogate import Surrogate
from nstk.targets.firmware import Callee
from nstk.targets.measuring import check_target, measure_target
from nstk.targets.target import find_target
from nstk.timing import time_host
from nstk.verification import Comparison, Function

Array = NDArray[np.float64]
Progress = Callable[[str], None]


def check_targets(options: BuildOptions) -> None:
    """Check before anything else that the targets asked for can be measured on."""
    for name in options.microcontrollers:
        check_target(find_target(name))


def target_callee(program: Program, header: str, callee: str, options: BuildOptions, style: str) -> Callee:
    """Return a surrogate as it is to be built for a target."""
    return Callee(program, callee, header, "-Os" if style == "size" else "-O2", options.include, options.cflags)


def time_on_host(
    program: Program, header: str, callee: str, options: BuildOptions, rivals: Sequence[Rival]
) -> dict[str, Any]:
    """Time original, surrogate and rivals on this CPU, see `timing.time_host`; rivals' times are under `rivals_ns`."""
    x = sampling.draw(program.inputs, 4096, options.seed + 4)
    others = {rival.callee: rival.header for rival in rivals}
    how: dict[str, Any] = {"cflags": options.cflags, "includes": options.include}
    return time_host(program, header, x, callee=callee, rivals=others, **how)


def measure_on_targets(
    surrogate: Callee, options: BuildOptions, arithmetic: Folded | Quantized, progress: Progress
) -> dict[str, Any]:
    """Measure on every target but the host; a target an original cannot be built for gets `error` and `hint`."""
    x = sampling.draw(surrogate.program.inputs, 64, options.seed + 5)
    bound, quantized = arithmetic.evaluate(x)[1], arithmetic if isinstance(arithmetic, Quantized) else None
    found: dict[str, Any] = {}
    for name in options.microcontrollers:
        progress(f"counting on {name}")
        try:
            found[name] = measure_target(surrogate, x, find_target(name), bound=bound, quantized=quantized)
        except NstkError as error:
            found[name] = {"error": error.message, "hint": error.hint}
    return found


def find_rivals(
    program: Program,
    original: Function,
    known: Comparison,
    allowed: Array,
    surrogate: Surrogate,
    options: BuildOptions,
    progress: Progress,
) -> tuple[list[Rival], list[dict[str, Any]]]:
    """Build rivals; int16 tables where they may be of use: on microcontrollers, or instead of an int16 surrogate."""
    if len(program.inputs) > MOST_INPUTS:
        return [], []
    progress("building rivals")
    integers = bool(options.microcontrollers) or surrogate.provenance["emission"]["number"] == "int16"
    return build_rivals(program, original, known, allowed, options.seed, integers=integers)


def cost_rivals(
    surrogate: Callee, rivals: Sequence[Rival], host: dict[str, Any], options: BuildOptions, progress: Progress
) -> list[dict[str, Any]]:
    """Return the records of rivals with their costs; `host` is what `time_on_host` returned, and loses their times."""
    x = sampling.draw(surrogate.program.inputs, 64, options.seed + 5)
    return measure_rivals(surrogate, rivals, host.pop("rivals_ns", {}), x, options.microcontrollers, progress)
