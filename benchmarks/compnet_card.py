"""Puts a trained hypernetwork into the package, with baselines and a model card made of what was measured.

    python benchmarks/compnet_card.py RUN PACK CORPUS --baselines FOLDER FOLDER

Args: the folder of an `nstk train` run, the pack it learned from, the corpus that was packed, and the folders of runs
with `--preset pretrained` and `--preset maml`. Held-out results and the ablation by origin are read from `results/`, so
run `compnet.py` and `compnet_ablation.py` first; the ablation by input is measured here.
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
from nstk.corpus.pack import read_pack
from nstk.corpus.sources import listed_packages
from nstk.hypernetwork.checkpoint import load_checkpoint
from nstk.hypernetwork.initialization import BASELINES
from nstk.resources import render
from nstk.training.assessment import geometric_mean, zero_shot_errors
from nstk.training.data import TrainingData
from nstk.training.state import read_record

RESULTS = Path(__file__).parent / "results"
STAGES = ("trunk", "text", "joint")


def main() -> None:
    """Copy the weights and write the card."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("run", "pack", "corpus"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--baselines", nargs=len(BASELINES), type=Path, required=True, metavar="FOLDER")
    given = parser.parse_args()
    folder = SHIPPED / "compnet"
    for method, source in zip(BASELINES, given.baselines, strict=True):
        shutil.copytree(source / "model", SHIPPED / method, dirs_exist_ok=True)
    shutil.copytree(given.run / "model", folder, dirs_exist_ok=True)
    record = read_record(given.run)
    model, _ = load_checkpoint(folder)
    evaluation = json.loads((RESULTS / "compnet.json").read_text())
    minutes = record["options"]["minutes"]
    card = render(
        "model_card.md.j2",
        version=nstk.__version__,
        config=model.config,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        **(describe(["torch", "transformers"]) | {"command": f"nstk train {given.pack.name} --minutes {minutes:g}"}),
        record=record,
        options=record["options"],
        **read_curves(given.run / "curves.jsonl"),
        stats=json.loads((given.corpus / "stats.json").read_text()),
        packages=sorted(listed_packages().values(), key=lambda package: (package.split, package.name)),
        evaluation=evaluation,
        tables=tables.compnet(evaluation),
        ablation=json.loads((RESULTS / "compnet_ablation.json").read_text()),
        inputs=leave_inputs_out(folder, given.pack),
    )
    (folder / "README.md").write_text(card)


def read_curves(path: Path) -> dict[str, Any]:
    """Return a run's validations, and its steps, median speed and share of the peak in every stage."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    stages, before = [], 0
    for name in STAGES:
        logged = [line for line in lines if line["group"] == name]
        stages.append({"name": name, "steps": logged[-1]["step"] - before})
        stages[-1]["speed"] = statistics.median(line["programs_per_second"] for line in logged)
        stages[-1]["share"] = statistics.median(line["share_of_peak"] for line in logged)
        before = logged[-1]["step"]
    peak = statistics.median(
        line["flops_per_second"] / line["share_of_peak"] for line in lines if line["group"] in STAGES
    )
    curve = [line for line in lines if line["group"] == "validation"]
    return {"stages": stages, "curve": curve, "peak": peak}


def leave_inputs_out(folder: Path, pack: Path) -> dict[str, dict[str, float]]:
    """Return zero-shot errors on the validation packages' functions with parts of the input withheld."""
    model, tokenizer = load_checkpoint(folder)
    contents = read_pack(pack)
    plain = replace(contents, centre=np.zeros_like(contents.centre), half_width=np.ones_like(contents.half_width))
    found = {}
    for told, packed in (("domain", contents), ("no domain (taken for [-1, 1])", plain)):
        data = TrainingData(packed, model.config, tokenizer, torch.device("cpu"))
        unseen = ~data.seen_behaviours(data.validation)
        for given, shown, reads_text in (("text", "text", True), ("probes", "probes", False), ("both", "probes", True)):
            model.config.use_text = reads_text
            errors = zero_shot_errors(model, data, data.validation, shown)[str(model.topologies[0])]
            name = {"both": "text, probes"}.get(given, given) + f", {told}"
            found[name] = {"all": geometric_mean(errors), "unseen": geometric_mean(errors[unseen])}
    return found


if __name__ == "__main__":
    main()
