"""The verdict: what is worth using where, and what is cheapest."""

from typing import Any

from nstk.verdict import judge_use

MET = [{"name": "y", "max_abs": 0.005, "tolerance": 0.01, "ok": True}]
MISSED = [{"name": "y", "max_abs": 0.02, "tolerance": 0.01, "ok": False}]
HOST = {
    **{"original_ns": 3.0, "surrogate_ns": 9.0, "speedup": 1 / 3},
    **{"original_batch_ns": 1.0, "surrogate_batch_ns": 2.0, "batch_speedup": 0.5},
    "fast_math": {"batch_speedup": 0.5},
}


def side(cycles: float, flash: int) -> dict[str, Any]:
    return {"median": cycles, "cycles": cycles, "flash_bytes": flash}


def target(original: float, surrogate: float, integers: float | None = None) -> dict[str, Any]:
    found = {
        **{"ok": True, "unit": "instructions", "flash_bytes": 1200, "speedup": original / surrogate},
        **{"original": side(original, 4000), "surrogate": side(surrogate, 1200)},
    }
    if integers is not None:
        found["int16"] = side(integers, 900) | {"speedup": original / integers}
    return found


def rival(kind: str, number: str, ns: float, ok: bool = True, **targets: dict[str, Any]) -> dict[str, Any]:
    bench = {"host": {"ns": ns}, "targets": {name: costs | {"ok": True} for name, costs in targets.items()}}
    return {"kind": kind, "number": number, "verify": {"ok": ok}, "bench": bench}


def test_one_target_is_enough() -> None:
    found = judge_use(MET, True, HOST, {"cortex-m0plus": target(4000, 800), "cortex-m4f": target(90, 300)})
    assert found["use"]
    assert found["reason"] == (
        "Within tolerance. Use it on cortex-m0plus. It is not worth it on this CPU and cortex-m4f."
    )
    assert found["per_target"]["cortex-m0plus"].startswith("Use it. A call takes 800 instructions instead of 4,000")
    assert found["per_target"]["cortex-m4f"].startswith("Not the surrogate. A call takes 300 instructions")
    assert "cheapest" not in found


def test_no_target_says_use() -> None:
    found = judge_use(MET, True, HOST, {"cortex-m0plus": target(110, 100)})
    assert not found["use"]  # 1.1x is not more than 1.1x


def test_int16_in_and_out_may_be_what_is_worth_it() -> None:
    found = judge_use(MET, True, HOST, {"cortex-m0plus": target(500, 700, 300)})
    assert found["use"]
    assert found["per_target"]["cortex-m0plus"].startswith("Use it with int16 in and out. ")


def test_a_target_that_was_not_measured_says_nothing() -> None:
    found = judge_use(MET, True, HOST, {"cortex-m3": {"error": "no sinf", "hint": "install it"}})
    assert not found["use"]
    assert found["per_target"]["cortex-m3"] == "Not measured: no sinf (install it)."


def test_wrong_results_on_a_target_are_no_reason_to_use_it() -> None:
    assert not judge_use(MET, True, HOST, {"cortex-m3": target(4000, 100) | {"ok": False}})["use"]


def test_cheapest() -> None:
    tables = [
        rival("linear", "float", 2.0, **{"cortex-m0plus": side(700, 3000)}),
        rival("cubic", "float", 0.1, ok=False, **{"cortex-m0plus": side(1, 1)}),
        {"kind": "chebyshev", "number": "float", "error": "cannot"},
        rival("linear", "int16", 40.0, **{"cortex-m0plus": side(120, 1300) | {"int16": side(31, 1000)}}),
    ]
    targets = {"cortex-m0plus": target(4000, 800, 300)}
    found = judge_use(MET, True, HOST, targets, tables)
    assert found["cheapest"]["host"] == {"time": "linear table"}
    assert found["cheapest"]["cortex-m0plus"] == {
        **{"time": "int16 linear table", "flash": "surrogate"},
        "int16": {"time": "int16 linear table", "flash": "surrogate"},
    }
    assert found["reason"].endswith(" On cortex-m0plus the int16 linear table is faster still.")
    text = found["per_target"]["cortex-m0plus"]
    assert "Cheapest in time: the int16 linear table, in flash: the surrogate; with int16 in and out" in text
    missed = judge_use(MISSED, True, HOST, targets, tables)
    assert not missed["use"]
    assert missed["cheapest"]["cortex-m0plus"]["flash"] == "int16 linear table"  # a surrogate that misses is none


def test_rivals_alone_without_targets() -> None:
    found = judge_use(MET, True, HOST, {}, [rival("linear", "float", 2.0)])
    assert found["reason"].endswith("in a batch 2 ns instead of 1. The fastest call: the linear table.")
    assert found["per_target"] == {"host": found["reason"]}
