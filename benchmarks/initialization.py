"""Builds every example as `nstk build` does by default, from random starts and from compiled ones.

Compares the networks chosen, their errors and the time of fine-tuning, the two kinds in turn. Which random starts
are drawn decides much: every example gets nine seeds, or as many as begin within 30 seconds, but at least three.

Run: python benchmarks/initialization.py [INIT]
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe

from nstk.options import BuildOptions
from nstk.pipeline import build

HERE = Path(__file__).parent
SEEDS, FEWEST = 9, 3
LONG = 30.0  # seconds after which an example gets no more seeds than the fewest


def measure(source: Path, init: str, seed: int) -> dict[str, Any]:
    """Build one example in both ways."""
    found: dict[str, Any] = {"source": source.name, "seed": seed}
    for kind, method in (("random", "random"), ("compiled", init)):
        with tempfile.TemporaryDirectory() as out:
            report = build(BuildOptions(source=source, init=method, seed=seed, out=Path(out))).report
        found[kind] = {
            "topology": [network["topology"] for network in report["networks"]],
            "nrmse": [output["nrmse"] for output in report["verify"]["outputs"]],
            "ok": report["verify"]["ok"],
            "seconds": report["finetune"]["seconds"],
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
        began = time.perf_counter()
        for seed in range(SEEDS):
            if seed >= FEWEST and time.perf_counter() - began > LONG:
                break
            rows.append(measure(source, init, seed))
            print(json.dumps(rows[-1]), flush=True)
    result = describe(["numpy", "torch", "transformers"], "gcc") | {"rows": rows}
    (HERE / "results" / "initialization.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
