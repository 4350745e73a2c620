"""Builds every example from random and from compiled starts, and compares errors and the time of fine-tuning.

At `--topology auto` with 1 %, as `nstk build` does by default, and at 4-4 with a tolerance out of reach, where all that
counts is the error. Each build runs three times, the two kinds in turn; the median of the times counts.

Run: python benchmarks/initialization.py [INIT]
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import describe

from nstk.options import BuildOptions
from nstk.pipeline import build

HERE = Path(__file__).parent
RUNS = 3
SETTINGS = {"auto": {"tolerance": "1%"}, "4-4": {"topology": "4-4", "tolerance": "0.001%"}}


def measure(source: Path, init: str) -> dict[str, Any]:
    """Build one example in both ways and settings."""
    found: dict[str, Any] = {"source": source.name}
    for setting, options in SETTINGS.items():
        seconds: dict[str, list[float]] = {"random": [], init: []}
        for _ in range(RUNS):
            for method in seconds:
                with tempfile.TemporaryDirectory() as out:
                    report = build(BuildOptions(source=source, init=method, out=Path(out), **options)).report
                seconds[method].append(report["finetune"]["seconds"])
                outputs = report["verify"]["outputs"]
                found[f"{setting}/{'random' if method == 'random' else 'compiled'}"] = {
                    "networks": report["networks"],
                    "nrmse": [output["nrmse"] for output in outputs],
                    "ok": report["verify"]["ok"],
                    "seconds": statistics.median(seconds[method]),
                }
    return found


def main() -> None:
    """Measure all examples and write the result file."""
    init = sys.argv[1] if len(sys.argv) > 1 else "compnet"
    build(
        BuildOptions(source=HERE.parent / "examples" / "sincos.c", init=init, out=Path(tempfile.mkdtemp()))
    )  # warm up
    rows = []
    for source in sorted((HERE.parent / "examples").glob("*.c")):
        rows.append(measure(source, init))
        for setting in SETTINGS:
            random, compiled = (rows[-1][f"{setting}/{kind}"] for kind in ("random", "compiled"))
            better = [f"{c / r:.2f}" for c, r in zip(compiled["nrmse"], random["nrmse"], strict=True)]
            faster = compiled["seconds"] / random["seconds"]
            print(source.name, setting, "time", f"{faster:.2f}", "error", *better, flush=True)
    result = describe(["numpy", "torch", "transformers"], "gcc") | {"rows": rows}
    (HERE / "results" / "initialization.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
