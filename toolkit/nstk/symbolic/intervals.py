"""Arithmetic with ranges."""

import math


def times(a: float, b: float) -> float:
    """Return a b, 0 where one is 0 and the other infinite."""
    return 0.0 if a == 0 or b == 0 else a * b


def bound(value: float, side: int) -> float:
    """Return an end of a range, infinite on its side (-1: low, 1: high) where arithmetic with infinities gave NaN."""
    return side * math.inf if math.isnan(value) else value


def power_range(low: float, high: float, power: float) -> tuple[float, float]:
    """Return the range of x to some power, x between two numbers."""
    if power < 0:
        lower, upper = power_range(low, high, -power)
        if lower < 0 < upper:
            return -math.inf, math.inf
        return (1 / upper if upper else -math.inf), (1 / lower if lower else math.inf)
    if not power.is_integer():
        low, high = max(low, 0.0), max(high, 0.0)
    ends = [_raise(low, power), _raise(high, power)]
    if power % 2 == 0 and low < 0 < high:
        ends.append(0.0)
    return min(ends), max(ends)


def _raise(value: float, power: float) -> float:
    try:
        return float(value**power)
    except OverflowError:
        return math.inf if value > 0 or power % 2 == 0 else -math.inf
