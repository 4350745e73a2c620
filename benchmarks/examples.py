"""Builds every example, at `--topology auto` with the default 1 % and at 4-4, and records errors and costs.

At 4-4 the tolerance is 0.1 %, out of reach for most: so that programs with several outputs get one network each.

Run: python benchmarks/examples.py
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from machine import describe

from nstk.options import BuildOptions
from nstk.pipeline import build

HERE = Path(__file__).parent


def measure(source: Path, out: Path) -> dict[str, Any]:
    """Build one example twice; returns what the table shows, and the numbers behind it."""
    chosen = build(BuildOptions(source=source, tolerance="1%", out=out / "auto")).report
    small = build(BuildOptions(source=source, topology="4-4", tolerance="0.1%", out=out / "small")).report
    host = chosen["bench"]["host"]
    return {
        "source": source.name,
        "function": chosen["program"]["function"],
        "inputs": chosen["program"]["inputs"],
        "auto": {
            "networks": chosen["networks"],
            "rungs": chosen["rungs"],
            "outputs": [_error(o) for o in chosen["verify"]["outputs"]],
            "ok": chosen["verify"]["ok"],
            "seconds": chosen["finetune"]["seconds"],
        },
        "small": {
            "outputs": [_error(o) for o in small["verify"]["outputs"]],
            "constants_ok": small["verify"]["constants"]["ok"],
            "arithmetic_ok": small["verify"]["arithmetic"]["ok"],
            "seconds": small["finetune"]["seconds"],
        },
        "host": host,
        "verdict": chosen["verdict"],
    }


def _error(output: dict[str, Any]) -> dict[str, Any]:
    span = output["range"][1] - output["range"][0]
    return {
        "name": output["name"],
        "nrmse": output["nrmse"],
        "max_percent": 100 * output["max_abs"] / span,
        "certificate_percent": 100 * output["certificate"]["max_abs"] / span,
        "ok": output["ok"],
    }


def main() -> None:
    """Measure all examples and write the result."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted((HERE.parent / "examples").glob("*.c")):
            rows.append(measure(source, Path(folder)))
            small = [f"{o['nrmse']:.5f}" for o in rows[-1]["small"]["outputs"]]
            print(source.name, rows[-1]["auto"]["networks"][0]["topology"], "4-4 nrmse", *small, flush=True)
    result = describe(["numpy", "torch"], "gcc") | {"rows": rows}
    (HERE / "results" / "examples.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
