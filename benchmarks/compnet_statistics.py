"""Sums up what was measured function by function: geometric means, shares and medians with bootstrap intervals."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from compnet_fits import EPOCHS, FLOOR
from numpy.typing import NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]  # of values (..., n, k): k columns of n functions

PLAIN = "plain "  # before a part: Levenberg-Marquardt without accelerations
_RESAMPLES, _INTERVAL = 4000, (2.5, 97.5)


def summarize(columns: Mapping[str, Array], groups: Mapping[str, NDArray[np.bool_]]) -> list[dict[str, Any]]:
    """Return one row per comparison with whatever has been measured.

    Args:
        columns: `(F,)` each, by name: test errors `PART/METHOD`, counts `PART/METHOD/epochs` and `PART/METHOD/steps`.
        groups: Functions to sum up over `(F,)`.

    Returns:
        Rows: `part`, `method`, `measure` and, for every group, `value` with its 95 % interval from `low` to `high`: how
        many times the method is below random starts, or a share of the functions. Errors also have their geometric mean
        in every group, as `nmse`.
    """
    errors = {name: np.maximum(values, FLOOR) for name, values in columns.items() if name.count("/") == 1}
    rows = []

    def add(part: str, method: str, measure: str, statistic: Statistic, *values: Array, error: bool = False) -> None:
        row: dict[str, Any] = {"part": part, "method": method, "measure": measure}
        for group, chosen in groups.items():
            row[group] = _bootstrap(np.stack(values, 1)[chosen], statistic)
            if error:
                row[group]["nmse"] = _round(np.exp(np.log(values[1][chosen]).mean()))
        rows.append(row)

    for name, error in errors.items():
        part, method = name.split("/")
        base = f"{part}/random"
        if method == "random" or base not in errors:
            continue
        add(part, method, "error", _geometric_ratio, errors[base], error, error=True)
        if method == "compnet":
            add(part, method, "share no worse", _share_no_worse, errors[base], error)
        if part == "adam" and method.startswith("compnet"):
            own, spent = columns[f"{base}/epochs"], columns[f"{name}/epochs"]
            add(part, method, "epochs against random's own", _geometric_ratio, own, spent)
            add(part, method, f"epochs against all {EPOCHS[-1]:,}", _geometric_ratio, 0 * own + EPOCHS[-1], spent)
        if part.endswith("lm"):
            steps = columns[f"{base}/steps"], columns[f"{name}/steps"]
            add(part, method, "steps, medians", _ratio_of_medians, *steps)
    for part in ("lm", "race", f"{PLAIN}lm"):
        if {f"{part}/compnet", "adam/random"} <= errors.keys():
            pair = errors["adam/random"], errors[f"{part}/compnet"]
            add(f"{part} against adam", "compnet", "error", _geometric_ratio, *pair, error=True)
            add(f"{part} against adam", "compnet", "share no worse", _share_no_worse, *pair)
    return rows


def _bootstrap(values: Array, statistic: Statistic) -> dict[str, float]:
    """Return a statistic of values `(n, k)` and its interval over resampled functions."""
    drawn = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(statistic(values[drawn]), _INTERVAL)
    return {"value": _round(statistic(values)), "low": _round(low), "high": _round(high)}


def _geometric_ratio(values: Array) -> Array:
    """Return by what factor the second of two columns is below the first, as a geometric mean."""
    return np.asarray(np.exp((np.log(values[..., 0]) - np.log(values[..., 1])).mean(-1)))


def _share_no_worse(values: Array) -> Array:
    """Return how often the second of two columns is not above the first."""
    return np.asarray((values[..., 1] <= values[..., 0]).mean(-1))


def _ratio_of_medians(values: Array) -> Array:
    """Return by what factor the second column's median is below the first's."""
    return np.asarray(np.median(values[..., 0], -1) / np.median(values[..., 1], -1))


def _round(value: float | Array) -> float:
    return float(f"{float(value):.4g}")
