"""Puts a trained hypernetwork into the package, with baselines and a model card made of what was measured.

    python benchmarks/compnet_card.py CORPUS PACK [--run FOLDER] [--baselines FOLDER FOLDER]

CORPUS is what was packed as PACK. A run is a folder of `nstk train` that went on from the weights that ship, with
`--start`; its weights ship from now on, and its record joins those of the runs before in `results/compnet_runs.json`.
Baselines are the folders of runs with `--preset pretrained` and `--preset maml`; without, they stay. Held-out results
and the ablation by origin are read from `results/`, so run `compnet.py` and `compnet_ablation.py` first; the ablation
by input is measured here.
"""

import argparse
import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tables
import torch
from machine import describe

import nstk
from nstk.compilation import SHIPPED
from nstk.corpus.candidate import SPLITS
from nstk.corpus.pack import Pack, read_pack
from nstk.corpus.sources import listed_packages
from nstk.hypernetwork.checkpoint import load_checkpoint
from nstk.hypernetwork.initialization import BASELINES
from nstk.resources import render
from nstk.training.assessment import geometric_mean, zero_shot_errors
from nstk.training.data import TrainingData
from nstk.training.options import TrainOptions
from nstk.training.state import read_record

RESULTS = Path(__file__).parent / "results"
RUNS = RESULTS / "compnet_runs.json"
STAGES = ("trunk", "text", "joint")
CPU = torch.device("cpu")


def main() -> None:
    """Copy the weights and write the card."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--baselines", nargs=len(BASELINES), type=Path, metavar="FOLDER", default=())
    given = parser.parse_args()
    folder = SHIPPED / "compnet"
    for method, source in zip(BASELINES, given.baselines, strict=False):
        shutil.copytree(source / "model", SHIPPED / method, dirs_exist_ok=True)
    runs = json.loads(RUNS.read_text())
    if given.run is not None:
        shutil.copytree(given.run / "model", folder, dirs_exist_ok=True)
        record = read_run(given.run, given.pack)
        if record != runs[-1]:  # else the card is made again
            runs.append(record)
        RUNS.write_text(json.dumps(runs, indent=1) + "\n")
    model, _ = load_checkpoint(folder)
    evaluation = json.loads((RESULTS / "compnet.json").read_text())
    card = render(
        "model_card.md.j2",
        version=nstk.__version__,
        config=model.config,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        **describe(["torch", "transformers"]),
        runs=runs,
        stats=json.loads((given.corpus / "stats.json").read_text()),
        packages=sorted(listed_packages().values(), key=lambda package: (package.split, package.name)),
        evaluation=evaluation,
        tables=tables.compnet(evaluation),
        recombined=json.loads((RESULTS / "compnet_made.json").read_text())["formulas"],
        ablation=json.loads((RESULTS / "compnet_ablation.json").read_text()),
        inputs=leave_inputs_out(folder, given.pack),
    )
    (folder / "README.md").write_text(card)


def read_run(folder: Path, pack: Path) -> dict[str, Any]:
    """Return a run's command, data, length, validations at 4-4, and steps, median speed and share of the peak by stage.

    Measured numbers have as many digits as mean something.
    """
    record, contents = read_record(folder), read_pack(pack)
    options = record["options"]
    chosen = "".join(f" --stage {name}" for name in options.get("stages", ()))
    chosen = f"{' --start BEFORE' * bool(chosen)}{chosen}"
    if options["rate"] != TrainOptions.rate:
        chosen += f" --rate {options['rate']:g}"
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    lines = [line for line in lines if line["step"] <= record["step"]]
    stages, before = [], 0
    for name in STAGES:
        logged = [line for line in lines if line["group"] == name]
        if logged:
            stages.append({"name": name, "steps": logged[-1]["step"] - before})
            stages[-1]["speed"] = round(statistics.median(line["programs_per_second"] for line in logged))
            stages[-1]["share"] = round(statistics.median(line["share_of_peak"] for line in logged), 2)
            before = logged[-1]["step"]
    logged = [line for line in lines if line["group"] in STAGES]
    return {
        "command": f"nstk train {pack.name}{chosen} --minutes {options['minutes']:g}",
        "programs": len(contents.texts),
        "rows": len(contents.program),
        "steps": record["step"],
        "minutes": round(record["elapsed"] / 60, 1),
        "stages": stages,
        "curve": [
            {"step": line["step"]} | {key: float(f"{line[key]:.2g}") for key in line if "/9-4-4-1/" in key}
            for line in lines
            if line["group"] == "validation"
        ],
        "peak": float(f"{statistics.median(line['flops_per_second'] / line['share_of_peak'] for line in logged):.3g}"),
    }


def leave_inputs_out(folder: Path, pack: Path) -> dict[str, dict[str, float]]:
    """Return zero-shot errors on the validation packages' functions with parts of the input withheld."""
    model, tokenizer = load_checkpoint(folder)
    contents = read_pack(pack)
    whole = TrainingData(contents, model.config, None, CPU)
    unseen = ~whole.seen_behaviours(whole.validation)
    told = _held_out(contents)
    plain = replace(told, centre=np.zeros_like(told.centre), half_width=np.ones_like(told.half_width))
    found = {}
    for name, packed in (("domain", told), ("no domain (taken for [-1, 1])", plain)):
        data = TrainingData(packed, model.config, tokenizer, CPU)
        for given, shown, reads_text in (("text", "text", True), ("probes", "probes", False), ("both", "probes", True)):
            model.config.use_text = reads_text
            errors = zero_shot_errors(model, data, data.validation, shown)[str(model.topologies[0])]
            key = {"both": "text, probes"}.get(given, given) + f", {name}"
            found[key] = {"all": geometric_mean(errors), "unseen": geometric_mean(errors[unseen])}
    return found


def _held_out(pack: Pack) -> Pack:
    """Return a pack's validation rows, and few others: texts take a minute per 50,000 rows to read."""
    held_out = pack.split[pack.program] == SPLITS.index("validation")
    kept = held_out | (np.arange(len(pack.program)) < 100)
    rows = ("program", "centre", "half_width", "mean", "deviation", "outputs")
    return replace(pack, **{name: getattr(pack, name)[kept] for name in rows})


if __name__ == "__main__":
    main()
