"""Trains the probe trunk alone, briefly, without each origin of programs, and compares what it learns.

    python benchmarks/compnet_ablation.py PACK

The runs are alike but for their data, far shorter than the shipped one's, and judged on the validation packages' real
functions. `compnet_card.py` puts the result into the model card.
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

from machine import describe

from nstk.corpus.candidate import ORIGINS
from nstk.training.loop import train
from nstk.training.options import TrainOptions

RESULT = Path(__file__).parent / "results" / "compnet_ablation.json"
STEPS = 1500


def main() -> None:
    """Run what is not in the result file yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pack", type=Path, help="what nstk corpus pack wrote")
    pack = parser.parse_args().pack
    digest = hashlib.sha256(pack.read_bytes()).hexdigest()
    found = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if found.get("pack") != digest:
        found = describe(["torch", "transformers"]) | {"pack": digest, "steps": STEPS, "runs": {}}
    for left_out in (None, *ORIGINS):
        name = f"without {left_out}" if left_out else "all"
        if name in found["runs"]:
            continue
        kept = tuple(origin for origin in ORIGINS if origin != left_out)
        options = TrainOptions(steps=STEPS, origins=kept, device="cpu", changes=(("use_text", False),))
        with tempfile.TemporaryDirectory() as folder:
            found["runs"][name] = train(pack, Path(folder), options)["validation"]
        print(name, found["runs"][name], flush=True)
        RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
