"""The sandbox for untrusted C functions: compiled to WebAssembly in batches, run with fuel and memory limits.

Nothing of a unit is trusted. Its text meets a denylist, then `isolation`, which keeps it apart from its neighbours,
then a compiler under limits; its code runs in an instance of its own in which every import traps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nstk.corpus.sandbox.compiler import MAX_COLUMNS, Unit, compile_units
from nstk.corpus.sandbox.denylist import refuse
from nstk.corpus.sandbox.runner import FloatArray, engine, evaluate, link

__all__ = ["Outcome", "Unit", "execute", "execute_admitted"]


@dataclass(frozen=True)
class Outcome:
    """What a unit gave.

    Attributes:
        outputs: One float32 (N,) per segment; None where it trapped, ran out of fuel or was not deterministic.
        reason: Empty if the first segment ran; else `denied: ...`, `refused: ...`, `does not compile`,
            `compiler out of limits`, `too large`, `memory`, `trap`, `out of fuel` or `not deterministic`.
    """

    outputs: tuple[FloatArray | None, ...]
    reason: str


def execute(units: Sequence[Unit], segments: Sequence[Sequence[FloatArray]], runs: int = 5) -> list[Outcome]:
    """Compile and run a batch of untrusted functions.

    Args:
        units: 50 to 100 are best.
        segments: Of each unit its inputs, each float32 (N, min(inputs, 9)); parameters beyond the ninth get 1.0. The
            first is the essential one: where it fails in any run the unit fails.
        runs: Number of determinism runs, each in a fresh instance and all but the first in a row order of its own.

    Returns:
        One outcome per unit, in order.

    Raises:
        ToolError: The compiler is missing or does not work.
        ValueError: A segment has the wrong shape or type.
    """
    for unit, given in zip(units, segments, strict=True):
        if any(x.dtype != np.float32 or x.shape[1:] != (min(unit.inputs, MAX_COLUMNS),) for x in given):
            raise ValueError(
                f"{unit.name} of {unit.inputs} inputs needs float32 segments of {MAX_COLUMNS} columns or less"
            )
    denials = [refuse(unit.text) for unit in units]
    admitted = [number for number, denial in enumerate(denials) if denial is None]
    ran = execute_admitted([units[n] for n in admitted], [segments[n] for n in admitted], runs)
    outcomes = dict(zip(admitted, ran, strict=True))
    return [
        outcomes.get(number) or Outcome((None,) * len(segments[number]), f"denied: {denial}")
        for number, denial in enumerate(denials)
    ]


def execute_admitted(units: Sequence[Unit], segments: Sequence[Sequence[FloatArray]], runs: int = 5) -> list[Outcome]:
    """Do as `execute`, without the denylist: what must hold even so."""
    compiled = compile_units(units, engine())
    outcomes = {number: Outcome((None,) * len(segments[number]), reason) for number, reason in compiled.reasons.items()}
    for module, numbers in compiled.modules:
        linked = link(module)
        for number in numbers:
            outcomes[number] = Outcome(*evaluate(linked, number, segments[number], runs))
    return [outcomes[number] for number in range(len(units))]
