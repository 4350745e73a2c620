"""What building the corpus takes: stage by stage for a finished one, and at 1 and 2 workers for a part of it.

    python benchmarks/corpus.py CORPUS           stages and counts of a finished full build
    python benchmarks/corpus.py CORPUS --scale   also builds a part of it anew at 1 and 2 workers (some minutes)

Times of a finished build are those of datatrove's completion marks; a build that was interrupted shows its pauses too.
Downloads are measured apart. Writes `results/corpus.json`; `tables.py` renders it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe

from nstk.corpus.card import STAGES, data_files, read_stats

HERE = Path(__file__).parent
RESULT = HERE / "results" / "corpus.json"
#: A part of the corpus that takes a minute or two: packages of middling size and some of the generated functions.
PART = ("gsl", "newlib", "netpbm-free", "libgd2")
PART_GENERATED = 4_000
#: Taken as the size of the C part of The Stack, deduplicated, in GB of text; not looked up where it lives.
THE_STACK_C_GB = 57


def stage_seconds(corpus: Path) -> dict[str, float]:
    """Return the wall-clock seconds of each stage, from the completion marks."""
    before = (corpus / "recipe.json").stat().st_mtime
    seconds = {}
    for stage in STAGES:
        ended = max(mark.stat().st_mtime for mark in (corpus / "logs" / stage / "completions").iterdir())
        seconds[stage], before = round(ended - before, 1), ended
    return seconds


def counted(stats: dict[str, Any], stage: str, key: str) -> int:
    """Return a count of one stage; 0 if it never occurred."""
    return sum(step["counts"].get(key, 0) for step in stats["steps"] if step["stage"] == stage)


def summarize(corpus: Path) -> dict[str, Any]:
    """Return times, sizes and counts of a finished corpus."""
    stats, seconds = read_stats(corpus), stage_seconds(corpus)
    tried = {stage: counted(stats, stage, "executed") for stage in ("execute", "mutate", "generate")}
    return {
        "seconds": seconds,
        "total_seconds": round(sum(seconds.values()), 1),
        "files": counted(stats, "extract", "files"),
        "characters": counted(stats, "extract", "characters"),
        "executed": tried,
        "programs": stats["programs"],
        "behaviours": stats["behaviours"],
        "real_behaviours": stats["real_behaviours"],
        "real_in_range": stats["real_in_range"],
        "real_in_range_nonlinear_behaviours": stats["real_in_range_nonlinear_behaviours"],
        "mutants_and_idioms": stats["mutants_and_idioms"],
        "groups": stats["groups"],
        "mib": round(sum(path.stat().st_size for path in data_files(corpus)) / 2**20, 1),
    }


def build_part(workers: int, archives: list[str]) -> dict[str, Any]:
    """Build the part at a number of workers; returns its summary."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part"
        packages = [word for name in PART for word in ("--package", name)]
        options = ["--generated", str(PART_GENERATED), "--shards", "16", "--workers", str(workers), *archives]
        started = time.monotonic()
        command = [sys.executable, "-m", "nstk.cli", "corpus", "build", str(out), *packages, *options]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return {"workers": workers, "wall_seconds": round(time.monotonic() - started, 1), **summarize(out)}


def reckon(part: dict[str, Any]) -> dict[str, float]:
    """Reckon the core hours The Stack's C would take from what this part took on one worker."""
    gigabytes = part["characters"] / 1e9
    extract = part["seconds"]["extract"] / gigabytes / 3600
    execute = (part["seconds"]["execute"] + part["seconds"]["mutate"]) / gigabytes / 3600
    return {
        "gb": THE_STACK_C_GB,
        "extract_core_hours": round(extract * THE_STACK_C_GB),
        "execute_and_mutate_core_hours": round(execute * THE_STACK_C_GB),
        "candidates": round(part["executed"]["execute"] / gigabytes * THE_STACK_C_GB),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--scale", action="store_true", help="build a part at 1 and 2 workers")
    parser.add_argument("--archives", type=Path, help="where the downloads are kept")
    given = parser.parse_args()
    result = describe(["nstk", "datatrove", "wasmtime", "ziglang", "pyarrow"]) | {"full": summarize(given.corpus)}
    if given.scale:
        archives = ["--archives", str(given.archives)] if given.archives else []
        build_part(2, archives)  # downloads and compiles what later builds find ready
        parts = [build_part(workers, archives) for workers in (1, 2)]
        result |= {"part": {"packages": PART, "generated": PART_GENERATED}, "parts": parts}
        result["the_stack_c"] = reckon(parts[0])
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result["full"][key] for key in ("total_seconds", "programs", "behaviours")}))


if __name__ == "__main__":
    main()
