"""What rivals cost, on this CPU and on targets."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.errors import NstkError
from nstk.program import Program
from nstk.rivals.arithmetic import IntegerTable
from nstk.rivals.building import Rival
from nstk.targets.measuring import measure_header
from nstk.targets.target import find_target

Array = NDArray[np.float64]


def measure_rivals(
    program: Program,
    rivals: Sequence[Rival],
    nanoseconds: Mapping[str, float],
    x: Array,
    targets: Sequence[str],
    progress: Callable[[str], None],
    *,
    optimize: str,
    includes: tuple[Path, ...] = (),
    cflags: tuple[str, ...] = (),
) -> list[dict[str, Any]]:
    """Return the rivals' records with their costs.

    Args:
        program: The original.
        rivals: Its rivals.
        nanoseconds: One call of each on this CPU, by its function's name.
        x: (N, I) inputs inside the domain, for the targets.
        targets: Names of the targets.
        progress: Told each target as it begins.
        optimize: `-O2` or `-Os`, as for the surrogate.
        includes: Folders searched for headers.
        cflags: The user's compiler flags.

    Returns:
        Records with `bench`: `host` with `ns`, and for each of `targets` what `measure_header` returns, or `error` and
        `hint`.
    """
    found: list[dict[str, Any]] = [
        {**rival.record, "bench": {"host": {"ns": nanoseconds[rival.callee]}, "targets": {}}} for rival in rivals
    ]
    for name in targets if rivals else ():
        progress(f"counting rivals on {name}")
        for rival, record in zip(rivals, found, strict=True):
            arithmetic = rival.arithmetic
            try:
                record["bench"]["targets"][name] = measure_header(
                    program,
                    rival.header,
                    x,
                    find_target(name),
                    callee=rival.callee,
                    optimize=optimize,
                    bound=2 * arithmetic.evaluate(x)[1],
                    quantized=arithmetic if isinstance(arithmetic, IntegerTable) else None,
                    includes=includes,
                    cflags=cflags,
                )
            except NstkError as error:
                record["bench"]["targets"][name] = {"error": error.message, "hint": error.hint}
    return found
