"""Tolerances: the largest absolute error a user accepts, in output units or in per cent of the output's range."""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nstk.errors import UsageError


@dataclass(frozen=True)
class Tolerance:
    """A bound on the largest absolute error of each output.

    Attributes:
        value: In output units, or in per cent.
        relative: Whether it is per cent of (max - min) of the original; of its magnitude if it is constant.
    """

    value: float
    relative: bool

    def __str__(self) -> str:
        return f"{self.value:.15g}{'%' if self.relative else ''}"

    def absolute(self, outputs: NDArray[np.float64]) -> float:
        """Return the bound in output units, given values `(N,)` of the original."""
        if not self.relative:
            return self.value
        span = float(np.ptp(outputs)) or float(np.abs(outputs).max()) or 1.0
        return self.value / 100 * span


def parse_tolerance(text: str) -> Tolerance:
    """Parse `0.01` (output units) or `1%`.

    Raises:
        UsageError: Not a positive finite number.
    """
    match = re.fullmatch(r"\s*([^%\s]+)\s*(%?)\s*", text)
    try:
        value = float(match[1]) if match else math.nan
    except ValueError:
        value = math.nan
    if match is None or not (math.isfinite(value) and value > 0):
        raise UsageError(f"bad tolerance '{text}'", "give a positive number in output units (0.01) or per cent (1%)")
    return Tolerance(value, bool(match[2]))
