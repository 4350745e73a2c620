"""Renders the result files as Markdown and puts the tables into the README.

python benchmarks/tables.py          rewrite the blocks between <!-- table: NAME --> and <!-- end --> in README.md
python benchmarks/tables.py --check  only tell, by exit code 1, whether the README is stale
"""

import argparse
import itertools
import json
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mcu_tables import mcu
from rendering import markdown, source

HERE = Path(__file__).parent
RESULTS = HERE / "results"
README = HERE.parent / "README.md"
_BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def inference(result: dict[str, Any]) -> str:
    """Render `inference.json`: nanoseconds per evaluation of every candidate, group by group."""
    rows = []
    group = None
    for row in result["rows"]:
        first = row["group"] if row["group"] != group else ""
        group = row["group"]
        name = f"**{row['name']}**" if row["name"].startswith("nstk") else row["name"]
        flags = f"`{row['flags']}`" if row["flags"] else ""
        times = [f"{row[key]:.3g}" if row[key] < 1000 else f"{row[key]:.0f}" for key in ("median_ns", "min_ns")]
        rows.append([first, name, flags, *times, f"{row['max_error']:.1e}"])
    table = markdown(["", "", "gcc flags", "ns, median", "ns, least", "max error"], rows, 3)
    notes = []
    for group, ratio in result["ratios"].items():
        runtime = ratio.get("times_faster_than_onnxruntime")
        versus = f", {runtime:.1f}x against ONNX Runtime" if runtime else ""
        neighbour = " ".join(f"`{w}`" if w.startswith("-") else w for w in ratio["best_neighbour"].split())
        notes.append(f"- {group}: {ratio['times_faster']:.1f}x against the best neighbour ({neighbour}){versus}")
    notes += [f"- {group}: not measurable, this processor has no such instructions" for group in result["not_measured"]]
    return table + "\n" + "\n".join(notes) + "\n" + source(result)


def finetuning(result: dict[str, Any]) -> str:
    """Render `finetuning.json`: median CPU seconds to the target error; `>` where the median run was stopped."""
    limit = result["settings"]["limit_s"]
    methods = sorted(dict.fromkeys(run["method"] for run in result["runs"]), key=lambda method: method != "nstk")

    def cell(row: dict[str, Any], method: str) -> str:
        if method not in row:
            return ""
        entry = row[method]
        seconds = f"{entry['seconds']:.2g}" if entry["seconds"] < 10 else f"{entry['seconds']:.0f}"
        missed = entry["of"] - entry["reached"]
        bound = "> " if entry["seconds"] >= limit else ""
        text = bound + seconds
        factor = "" if method == "nstk" else f" ({bound}{_times(entry['seconds'] / row['nstk']['seconds'])}x)"
        return text + factor + (f", {missed} of {entry['of']} stopped" if 0 < missed < entry["of"] else "")

    rows = [[row["program"], f"{row['target_nrmse']:g}", *(cell(row, m) for m in methods)] for row in result["rows"]]
    return markdown(["program", "nrmse to reach", *methods], rows, len(methods) + 1) + source(result)


def examples(result: dict[str, Any]) -> str:
    """Render `examples.json`: errors in percent of each output's range, and host times in nanoseconds."""
    rows = []
    for row in result["rows"]:
        auto, host = row["auto"], row["host"]
        nets = list(dict.fromkeys(network["topology"] for network in auto["networks"]))
        count = f"{len(auto['networks'])} x " if len(auto["networks"]) > len(nets) else ""
        worst = max(output["max_percent"] for output in auto["outputs"])
        certified = max(output["certificate_percent"] for output in auto["outputs"])
        met = "" if all(output["ok"] for output in auto["outputs"]) else " (missed)"
        times = [host[key] for key in ("original_ns", "surrogate_ns", "original_batch_ns", "surrogate_batch_ns")]
        rows.append(
            [
                f"`{row['function']}`",
                f"{count}{', '.join(nets)}{met}",
                f"{worst:.2g} %",
                f"{certified:.2g} %",
                ", ".join(f"{output['nrmse']:.2g}" for output in row["small"]["outputs"]),
                *(f"{time:.3g}" for time in times),
                "yes" if row["verdict"]["use"] else "no",
            ]
        )
    header = ["function", "smallest that meets 1 %", "largest error", "certificate", "nrmse at 4-4"]
    header += ["original ns", "surrogate ns", "original, batch", "surrogate, batch", "use it here"]
    return markdown(header, rows, 8) + source(result)


def corpus(result: dict[str, Any]) -> str:
    """Render `corpus.json`: what the full build holds, its stages, and one worker against two."""
    full = result["full"]
    columns = ("programs", "in_range", "behaviours", "nonlinear", "behaviour_seen")
    rows = [[group["origin"], group["split"], *(f"{group[key]:,}" for key in columns)] for group in full["groups"]]
    header = ["origin", "split", "programs", "in the paper's range", "behaviours", "nonlinear", "behaviour in training"]
    text = markdown(header, rows, 5)
    text += f"\n{full['programs']:,} programs, {full['behaviours']:,} distinct behaviours; "
    text += f"{full['real_behaviours']:,} of real functions. "
    text += f"{full['real_in_range']:,} real functions are in the paper's range, "
    text += f"with {full['real_in_range_nonlinear_behaviours']:,} distinct nonlinear behaviours.\n\n"
    runs = [("full build, 2 workers", full)]
    runs += [(f"part, {part['workers']} worker{'s' * (part['workers'] > 1)}", part) for part in result.get("parts", [])]
    stages = list(full["seconds"])
    text += markdown(
        ["seconds", *stages, "total"],
        [[name, *(f"{run['seconds'][s]:.0f}" for s in stages), f"{run['total_seconds']:.0f}"] for name, run in runs],
        len(stages) + 1,
    )
    if "parts" in result:
        one, two = (part["total_seconds"] for part in result["parts"])
        stack = result["the_stack_c"]
        text += f"\nThe second worker makes the part {one / two:.2f}x faster. At one worker's rate the C of The Stack "
        text += f"(taken as {stack['gb']} GB of text) would take {stack['extract_core_hours']:,} core hours to extract "
        text += f"some {stack['candidates']:,} candidates, and {stack['execute_and_mutate_core_hours']:,} to run and "
        text += "mutate them.\n"
    return text + source(result)


def sandbox(result: dict[str, Any]) -> str:
    """Render `sandbox.json`: candidates an hour on one core, natively and as WebAssembly."""
    runs = [
        ("generated, 40 % broken on purpose", "gcc -O2, in a child process", result["generated"]["native"]),
        ("the same", "WebAssembly sandbox", result["generated"]["wasm"]),
    ]
    if "real" in result:
        runs.append(("extracted from real packages", "WebAssembly sandbox", result["real"]["wasm"]))
    keys = ("candidates", "survivors", "cpu_ms_per_candidate", "candidates_per_hour_and_core")
    rows = [[name, how, *(f"{run[key]:,}" for key in keys)] for name, how, run in runs]
    header = ["candidates", "run by", "number", "that run", "ms of processor time each", "an hour and core"]
    agreed = result["generated"]["agreement"]
    text = f"\nOf {agreed['functions']:,} functions that ran both ways, {agreed['identical']:,} gave equal bits.\n"
    return markdown(header, rows, 4) + text + source(result)


def compnet(result: dict[str, Any]) -> str:
    """Render `compnet.json`: how many times below random starts every method is, and ParrotBench's errors."""
    parts = {
        "zero-shot": "before any fitting",
        "adam": "after 5,000 Adam epochs",
        "lm": "after 60 Levenberg-Marquardt steps",
        "race": "after 240 steps, against three random starts' race",
        "lm against adam": "60 steps against random starts' 5,000 epochs",
        "race against adam": "240 steps against random starts' 5,000 epochs",
        "plain lm": "after 60 plain steps, without accelerations",
        "plain race": "after 240 plain steps, against three random starts' race",
        "plain lm against adam": "60 plain steps against random starts' 5,000 epochs",
    }
    methods = ("pretrained", "maml", "compnet-text", "compnet")

    def order(row: dict[str, Any]) -> tuple[int, int, int]:
        name, _, given = row["method"].partition(", ")
        probes = given.partition(" ")[0]
        return list(parts).index(row["part"]), methods.index(name), int(probes) if probes.isdigit() else 1000

    def cell(row: dict[str, Any], group: str) -> str:
        share = row["measure"].startswith("share")
        value, low, high = (_share(row[group][k]) if share else _times(row[group][k]) for k in ("value", "low", "high"))
        return f"{value}{' %' if share else 'x'} ({low} to {high})"

    rows = []
    part = None
    for row in sorted(result["summary"], key=order):
        first = parts[row["part"]] if row["part"] != part else ""
        part = row["part"]
        error = f"{row['all']['nmse']:.2g}" if "nmse" in row["all"] else ""
        rows.append([first, row["method"], row["measure"], error, *(cell(row, group) for group in result["groups"])])
    groups = [f"{name} ({count})" for name, count in result["groups"].items()]
    text = markdown(["", "start", "compared", "nmse", *groups], rows, len(groups) + 1)
    return text + (_parrotbench(result["programs"]) if result["programs"] else "") + source(result)


def _parrotbench(programs: list[dict[str, Any]]) -> str:
    """Render ParrotBench: test errors, and in the last row how many times below random starts they are."""
    columns = [(part, method) for part in ("zero-shot", "adam", "lm") for method in programs[0][part]]
    rows = [[row["program"], row["output"], *(f"{row[p][m]:.2g}" for p, m in columns)] for row in programs]
    means = []
    for part, method in columns:
        ratios = [row[part]["random"] / row[part][method] for row in programs]
        means.append("" if method == "random" else f"{_times(statistics.geometric_mean(ratios))}x")
    header = ["program", "output", *(f"{part}: {method}" for part, method in columns)]
    return "\n" + markdown(header, [*rows, ["geometric mean", "times below random", *means]], len(columns))


def initialization(result: dict[str, Any]) -> str:
    """Render `initialization.json`: errors and time of `nstk build` from random and from compiled starts.

    Errors, seconds and their ratios are medians over the seeds; the last row has medians over the programs.
    """
    rows, ratios = [], []
    for source_name, group in itertools.groupby(result["rows"], key=lambda row: row["source"]):
        each = list(group)
        networks, errors, times = (
            [render([row[kind] for row in each]) for kind in ("random", "compiled")]
            for render in (_networks, _errors, _seconds)
        )
        ratios.append([_ratio(each, _typical_error), _ratio(each, lambda build: build["seconds"])])
        error, time = (f"{ratio:.2f}x" for ratio in ratios[-1])
        rows.append([f"`{source_name}`", *networks, *errors, error, *times, time])
    error, time = (f"{statistics.median(column):.2f}x" for column in zip(*ratios, strict=True))
    rows.append(["median", "", "", "", "", error, "", "", time])
    measures = [cell for what in ("nrmse", "seconds") for cell in (f"{what}, random", "compnet", "ratio")]
    return markdown(["program", "random", "compnet", *measures], rows, 6) + source(result)


def _networks(builds: Sequence[dict[str, Any]]) -> str:
    return " or ".join(dict.fromkeys(", ".join(build["topology"]) for build in builds))


def _errors(builds: Sequence[dict[str, Any]]) -> str:
    by_output = zip(*(build["nrmse"] for build in builds), strict=True)
    return ", ".join(f"{statistics.median(errors):.2g}" for errors in by_output)


def _seconds(builds: Sequence[dict[str, Any]]) -> str:
    return f"{statistics.median(build['seconds'] for build in builds):.2g}"


def _typical_error(build: dict[str, Any]) -> float:
    return statistics.geometric_mean(build["nrmse"])


def _ratio(rows: Sequence[dict[str, Any]], measure: Callable[[dict[str, Any]], float]) -> float:
    """Return the median over rows of compiled to random."""
    return statistics.median(measure(row["compiled"]) / measure(row["random"]) for row in rows)


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _share(value: float) -> str:
    return f"{100 * value:.0f}"


RENDERERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "compnet": compnet,
    "corpus": corpus,
    "examples": examples,
    "inference": inference,
    "initialization": initialization,
    "finetuning": finetuning,
    "mcu": mcu,
    "sandbox": sandbox,
}


def fill(text: str) -> str:
    """Return the README's text with every block whose result file exists replaced by its table.

    Raises:
        KeyError: A block names a table that nothing renders.
    """

    def replace(match: re.Match[str]) -> str:
        start, name, end = match.groups()
        path = RESULTS / f"{name}.json"
        render = RENDERERS[name]
        return f"{start}\n{render(json.loads(path.read_text()))}\n{end}" if path.exists() else match.group()

    return _BLOCK.sub(replace, text)


def main() -> int:
    """Rewrite or check the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    old = README.read_text()
    new = fill(old)
    if options.check:
        return int(new != old)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
