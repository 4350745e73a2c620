"""Finds the functions that `compnet.py` judges by and whose behaviour training makes, though no program of it has it.

    python benchmarks/compnet_made.py CORPUS PACK

Texts are taught on parts of the training programs' formulas, and on formulas recombined from them
(`nstk.training.recombination`). Which functions of the test packages equal one of those, standardized by their probes,
on whatever domain, is saved in `results/compnet_made.json`; `compnet.py` leaves them out of its last column.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from compnet_functions import SAME, measure_distances, read_functions
from machine import describe

from nstk.compilation import SHIPPED
from nstk.corpus.pack import read_pack
from nstk.hypernetwork.checkpoint import load_checkpoint
from nstk.training.data import RECOMBINED, TrainingData

RESULT = Path(__file__).parent / "results" / "compnet_made.json"
_TOGETHER = 4096  # rows


def main() -> None:
    """Compare all functions with all parts and recombined formulas."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("pack", type=Path)
    given = parser.parse_args()
    functions = read_functions(given.corpus)
    model, tokenizer = load_checkpoint(SHIPPED / "compnet")
    data = TrainingData(
        read_pack(given.pack),
        model.config,
        tokenizer,
        torch.device("cpu"),
        progress=lambda share: print(f"{share:.0%}"),
    )
    closest = {"parts": np.full(len(functions), np.inf), RECOMBINED: np.full(len(functions), np.inf)}
    for name, pool in data.train.items():
        for rows in pool.split(_TOGETHER):
            batch = data.batch(rows, text=True)
            assert batch.parts is not None
            made = {"parts": batch.parts.y} | ({RECOMBINED: batch.y[:, : data.probes]} if name == RECOMBINED else {})
            for kind, y in made.items():
                if len(y):
                    closest[kind] = np.minimum(closest[kind], measure_distances(functions, y.numpy()))
    found = {kind: [functions[i].id for i in np.flatnonzero(distances < SAME)] for kind, distances in closest.items()}
    result = describe(["nstk", "numpy", "torch"])
    result |= {"formulas": len(data.train[RECOMBINED]), "functions": found}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print({kind: len(ids) for kind, ids in found.items()})


if __name__ == "__main__":
    main()
