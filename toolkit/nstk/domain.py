"""Domains: the box of inputs a surrogate must answer for, and how inputs are drawn from it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nstk.errors import UsageError

_SYNTAX = 'write --domain "t=-20:60, rh=1:100" (append " log" to an interval to draw it log-uniformly)'
_TABLE = 'write [lo, hi] or "lo:hi log"'
_CLAUSE = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^:,\s]+)\s*:\s*([^:,\s]+)(?:\s+(\w+))?\s*", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NARROWEST = 2.0**-20  # of the larger end: an interval with fewer than some ten float32 values is no domain


@dataclass(frozen=True)
class Interval:
    """A closed interval in the program's own units.

    Attributes:
        lo: Lower end, finite.
        hi: Upper end, finite, above `lo`.
        log: Draw log-uniformly instead of uniformly; needs `lo > 0`.
    """

    lo: float
    hi: float
    log: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "lo", float(self.lo))  # so that 0:1 from integers hashes as 0.0:1.0 does
        object.__setattr__(self, "hi", float(self.hi))
        text = f"{self.lo:g}:{self.hi:g}"
        if not (math.isfinite(self.lo) and math.isfinite(self.hi)):
            raise UsageError(f"domain {text} is not finite", _SYNTAX)
        if self.lo >= self.hi:
            raise UsageError(f"domain {text} is empty: the lower end must be below the upper end", _SYNTAX)
        largest = max(abs(self.lo), abs(self.hi))
        if largest > 1e30 or self.hi - self.lo < max(1e-30, _NARROWEST * largest):
            raise UsageError(f"domain {text} does not fit float32 arithmetic", "rescale the input")
        if self.log and self.lo <= 0:
            raise UsageError(f"domain {text} log needs a positive lower end", _SYNTAX)


def parse_domain(text: str) -> dict[str, Interval]:
    """Parse `"t=-20:60, rh=1:100 log"` into one interval per parameter name.

    Raises:
        UsageError: A clause is malformed, empty, not a number, or names a parameter twice.
    """
    domain: dict[str, Interval] = {}
    for part in text.split(","):
        clause = " ".join(part.split())
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise UsageError(f"cannot read domain clause '{clause}'", _SYNTAX)
        name, lo, hi, scale = match.groups()
        if name in domain:
            raise UsageError(f"domain names '{name}' twice", _SYNTAX)
        if scale not in (None, "log"):
            raise UsageError(f"unknown scale '{scale}' in domain clause '{clause}'", _SYNTAX)
        for number in (lo, hi):
            if not _NUMBER.fullmatch(number):
                raise UsageError(f"'{number}' in domain clause '{clause}' is not a number", _SYNTAX)
        domain[name] = _named(name, float(lo), float(hi), scale == "log")
    return domain


def domain_from_mapping(table: Mapping[str, object]) -> dict[str, Interval]:
    """Read the domain table of `nstk.toml`: `{t = [-20, 60], R = "1000:50000 log"}`.

    Raises:
        UsageError: A value is neither a pair of numbers nor an interval's text.
    """
    domain: dict[str, Interval] = {}
    for name, value in table.items():
        if isinstance(value, str):
            found = parse_domain(f"{name}={value}")
            if found.keys() != {name}:
                raise UsageError(f"cannot read domain of '{name}': {value!r}", _TABLE)
            domain |= found
        elif isinstance(value, Sequence) and len(value) == 2 and all(type(v) in (int, float) for v in value):
            # An integer beyond float64 is as infinite as one beyond the domain's bounds.
            lo, hi = (float(v) if abs(v) < 1e300 else math.inf if v > 0 else -math.inf for v in value)
            domain[name] = _named(name, lo, hi, False)
        else:
            raise UsageError(f"cannot read domain of '{name}': {value!r}", _TABLE)
    return domain


def _named(name: str, lo: float, hi: float, log: bool) -> Interval:
    try:
        return Interval(lo, hi, log)
    except UsageError as error:
        raise UsageError(error.message.replace("domain ", f"domain {name}=", 1), error.hint) from None
