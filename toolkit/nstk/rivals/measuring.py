"""What rivals cost, on this CPU and on targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.errors import NstkError
from nstk.rivals.arithmetic import IntegerTable
from nstk.rivals.building import Rival
from nstk.targets.firmware import Callee
from nstk.targets.measuring import measure_surrogate
from nstk.targets.target import find_target

Array = NDArray[np.float64]


def measure_rivals(
    surrogate: Callee,
    rivals: Sequence[Rival],
    nanoseconds: Mapping[str, float],
    x: Array,
    targets: Sequence[str],
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Return the rivals' records with their costs.

    Args:
        surrogate: What they are rivals of, built as they are to be.
        rivals: Of its program.
        nanoseconds: One call of each on this CPU, by its function's name.
        x: (N, I) inputs inside the domain, for the targets.
        targets: Names of the targets.
        progress: Told each target as it begins.

    Returns:
        Records with `bench`: `host` with `ns`, and for each of `targets` what `measure_surrogate` returns, or `error`
        and `hint`.
    """
    found: list[dict[str, Any]] = [
        {**rival.record, "bench": {"host": {"ns": nanoseconds[rival.callee]}, "targets": {}}} for rival in rivals
    ]
    bounds = [rival.arithmetic.evaluate(x)[1] for rival in rivals] if targets else []
    for name in targets if rivals else ():
        progress(f"counting rivals on {name}")
        for rival, bound, record in zip(rivals, bounds, found, strict=True):
            quantized = rival.arithmetic if isinstance(rival.arithmetic, IntegerTable) else None
            callee = replace(surrogate, name=rival.callee, source=rival.header)
            try:
                costs = measure_surrogate(callee, x, find_target(name), bound=bound, quantized=quantized)
            except NstkError as error:
                costs = {"error": error.message, "hint": error.hint}
            record["bench"]["targets"][name] = costs
    return found
