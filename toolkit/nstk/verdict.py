"""The verdict: whether a surrogate is worth using, in one plain sentence per target."""

from collections.abc import Mapping, Sequence
from typing import Any

from nstk.report import number

#: A surrogate must be this much faster to be worth an approximation.
WORTHWHILE = 1.1


def judge_use(outputs: Sequence[Mapping[str, Any]], sound: bool, host: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `use`, `reason` and `per_target`.

    Args:
        outputs: Verification's record of each output.
        sound: Whether the header's constants and arithmetic are right.
        host: Timing on this CPU, or None if the original could not be run.
    """
    if not sound:
        return _verdict(
            False, "The header does not compute what it should: this is a bug in nstk, please report it.", {}
        )
    missed = [o for o in outputs if not o["ok"]]
    if missed:
        worst = max(missed, key=lambda o: float(o["max_abs"] / o["tolerance"]))
        error, allowed = number(worst["max_abs"], up=True), number(worst["tolerance"])
        text = f"the error of {worst['name']} reaches {error}, more than the tolerance of {allowed}."
        return _verdict(False, f"Keep the original: {text}", {"host": _host(host)[1]} if host else {})
    if host is None:
        return _verdict(
            False, "The tolerance is met, but the original was not run, so nobody knows if this is faster.", {}
        )
    faster, sentence = _host(host)
    reason = "Within tolerance" if faster else "Within tolerance, but no faster here"
    return _verdict(faster, f"{reason}: {sentence[0].lower()}{sentence[1:]}", {"host": sentence})


def _verdict(use: bool, reason: str, per_target: dict[str, str]) -> dict[str, Any]:
    return {"use": use, "reason": reason, "per_target": per_target}


def _host(host: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether the surrogate is faster on this CPU in some way of calling it, and a sentence."""
    call = float(host["speedup"])
    # A compiler that may use -ffast-math vectorizes many originals: the surrogate has to beat that, too.
    batch = min(float(host["batch_speedup"]), float(host["fast_math"]["batch_speedup"]))
    single = f"one call takes {number(host['surrogate_ns'])} ns instead of {number(host['original_ns'])}"
    if call > WORTHWHILE and batch > WORTHWHILE:
        return True, f"On this CPU {single} ({number(call)}x faster), batches are {number(batch)}x faster."
    if call > WORTHWHILE:
        return True, f"On this CPU {single} ({number(call)}x faster), but batches gain nothing ({number(batch)}x)."
    if batch > WORTHWHILE:
        return True, f"On this CPU use it for batches only ({number(batch)}x faster): {single}."
    return False, f"On this CPU the original is as fast or faster: {single}, batches {number(batch)}x."
