"""The verdict: whether a surrogate is worth using, and what is cheapest, in a few plain sentences per target."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nstk.report import number, rival_name
from nstk.targets.measuring import explain_costs

#: A surrogate must be this much faster to be worth an approximation.
WORTHWHILE = 1.1

Costs = Mapping[str, Any]


def judge_use(
    outputs: Sequence[Costs],
    sound: bool,
    host: Costs | None,
    targets: Mapping[str, Costs] | None = None,
    rivals: Sequence[Costs] = (),
) -> dict[str, Any]:
    """Return `use`, `reason`, `per_target`, where the host was timed `batches_only`, and with rivals `cheapest`.

    Args:
        outputs: Verification's record of each output.
        sound: Whether the header's constants and arithmetic are right.
        host: Timing on this CPU, or None if the original could not be run.
        targets: What `measure_target` found on each target that was asked for, or the error in its place.
        rivals: The report's records of the rivals.

    Returns:
        The verdict. `cheapest` has for `host` and each target the names of what is cheapest in `time` and, on targets,
        in `flash`, with inputs and outputs of the original's types; on targets `int16` has the same for int16 ones.
    """
    if not sound:
        return _verdict(
            False, "The header does not compute what it should: this is a bug in nstk, please report it.", {}
        )
    targets = targets or {}
    missed = [o for o in outputs if not o["ok"]]
    cheapest = _cheapest(host, targets, rivals, not missed)
    said = {place: _named_cheapest(found) for place, found in cheapest.items()}
    facts = {name: explain_costs(costs) + said.get(name, "") for name, costs in targets.items()}
    if missed:
        worst = max(missed, key=lambda o: float(o["max_abs"] / o["tolerance"]))
        error, allowed = number(worst["max_abs"], up=True), number(worst["tolerance"])
        text = f"Keep the original: the error of {worst['name']} reaches {error}, more than the tolerance of {allowed}."
        here = {"host": _host(host)[1] + said.get("host", "")} if host else {}
        return _verdict(False, text, here | facts) | _some(cheapest)
    if host is None:
        return _verdict(
            False, "The tolerance is met, but the original was not run, so nobody knows if this is faster.", {}
        )
    faster, sentence = _host(host)
    batches_only = faster and float(host["speedup"]) <= WORTHWHILE
    advice = {name: _advice(costs) for name, costs in targets.items()}
    per_target = {"host": f"Within tolerance. {sentence}{said.get('host', '')}"}
    per_target |= {name: f"{advice[name]}{text}" for name, text in facts.items()}
    used = [name for name, text in advice.items() if text.startswith("Use")]
    reason = per_target["host"]
    if targets:
        yes = [*(["this CPU"] if faster else []), *used]
        no = [*([] if faster else ["this CPU"]), *(name for name, text in advice.items() if text.startswith("Not"))]
        reason = "Within tolerance." + (f" Use it on {_listed(yes)}." if yes else "")
        reason += f" It is not worth it on {_listed(no)}." if no else ""
        reason += "".join(
            f" On {name} the {cheapest[name]['time']} is faster still."
            for name in used
            if name in cheapest and cheapest[name]["time"] != "surrogate"
        )
    verdict = _verdict(faster or bool(used), reason, per_target)
    return verdict | {"batches_only": batches_only and not used} | _some(cheapest)


def _verdict(use: bool, reason: str, per_target: dict[str, str]) -> dict[str, Any]:
    return {"use": use, "reason": reason, "per_target": per_target}


def _some(cheapest: dict[str, Any]) -> dict[str, Any]:
    return {"cheapest": cheapest} if cheapest else {}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _host(host: Costs) -> tuple[bool, str]:
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


def _advice(costs: Costs) -> str:
    """Return the words before a target's costs; none where nothing was measured."""
    if "error" in costs:
        return ""
    if not costs["ok"]:
        return "Not the surrogate. "
    if costs["speedup"] > WORTHWHILE:
        return "Use it. "
    if costs.get("int16", {}).get("speedup", 0) > WORTHWHILE:
        return "Use it with int16 in and out. "
    return "Not the surrogate. "


def _cheapest(
    host: Costs | None, targets: Mapping[str, Costs], rivals: Sequence[Costs], met: bool
) -> dict[str, dict[str, Any]]:
    """Return what is cheapest where, among the original and what keeps the tolerance; empty without rivals."""
    able = {rival_name(r): r["bench"] for r in rivals if "error" not in r and r["verify"]["ok"]}
    found: dict[str, dict[str, Any]] = {}
    if not able:
        return found
    if host:
        times = {"original": host["original_ns"]} | ({"surrogate": host["surrogate_ns"]} if met else {})
        times |= {name: bench["host"]["ns"] for name, bench in able.items()}
        found["host"] = {"time": _least(times)}
    for target, costs in targets.items():
        if "error" in costs:
            continue
        there = {name: b["targets"][target] for name, b in able.items() if b["targets"][target].get("ok")}
        surrogate = {"surrogate": {**costs["surrogate"], "int16": costs.get("int16")}} if met and costs["ok"] else {}
        found[target] = _both({"original": costs["original"], **surrogate, **there}.items())
        integers = {name: side["int16"] for name, side in {**surrogate, **there}.items() if side.get("int16")}
        found[target] |= {"int16": _both(integers.items())} if integers else {}
    return found


def _both(sides: Iterable[tuple[str, Costs]]) -> dict[str, Any]:
    costs = dict(sides)
    return {
        "time": _least({name: side["cycles"] for name, side in costs.items()}),
        "flash": _least({name: side["flash_bytes"] for name, side in costs.items()}),
    }


def _least(costs: Mapping[str, float]) -> str:
    return min(costs, key=lambda name: costs[name])


def _named_cheapest(found: Costs) -> str:
    """Return a sentence that names what is cheapest."""
    if "flash" not in found:
        return f" The fastest call: the {found['time']}."
    text = f" Cheapest in time: the {found['time']}, in flash: the {found['flash']}"
    if "int16" in found:
        text += f"; with int16 in and out the {found['int16']['time']} and the {found['int16']['flash']}"
    return f"{text}."
