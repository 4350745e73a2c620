"""The verdict: whether a surrogate is worth using, in one plain sentence per target."""

from collections.abc import Mapping, Sequence
from typing import Any

from nstk.report import number

#: A surrogate must be this much faster to be worth an approximation.
WORTHWHILE = 1.1


def judge_use(outputs: Sequence[Mapping[str, Any]], sound: bool, host: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `use`, `reason`, `per_target` and, where the host was timed, `batches_only`.

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
    verdict = _verdict(faster, f"Within tolerance. {sentence}", {"host": f"Within tolerance. {sentence}"})
    return verdict | {"batches_only": faster and float(host["speedup"]) <= WORTHWHILE}


def _verdict(use: bool, reason: str, per_target: dict[str, str]) -> dict[str, Any]:
    return {"use": use, "reason": reason, "per_target": per_target}


def _host(host: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether the surrogate is faster on this CPU in some way of calling it, and a sentence."""
    call, batch, fast = float(host["speedup"]), float(host["batch_speedup"]), float(host["fast_math"]["batch_speedup"])
    calls = f"one call takes {number(host['surrogate_ns'])} ns instead of {number(host['original_ns'])}"
    batches = f"{number(host['surrogate_batch_ns'])} ns instead of {number(host['original_batch_ns'])}"
    if max(call, batch) <= WORTHWHILE:
        return False, f"On this CPU the original is as fast or faster: {calls}, in a batch {batches}."
    # Compilers that may vectorize many an original under -ffast-math beat a surrogate that wins without.
    but = f"; under -ffast-math the original wins, {number(1 / fast)}x" if batch > WORTHWHILE and fast < 1 else ""
    if call <= WORTHWHILE:
        return True, f"On this CPU use it for batches ({number(batch)}x faster: {batches}{but}); {calls}."
    gain = f"{number(batch)}x faster" if batch > WORTHWHILE else f"no faster ({batches})"
    return True, f"On this CPU {calls} ({number(call)}x faster), a batch is {gain}{but}."
