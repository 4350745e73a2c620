"""What the hypernetwork is judged on: functions of packages it never saw, with outputs as the corpus has them.

Nothing is run. Outputs at the paper's 2,048 shared inputs U(-1, 1) give training pairs and test points, outputs at the
corpus' fixed points on [-1, 1] give the probes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk.corpus.card import data_files
from nstk.corpus.inputs import PROBES, VARYING, shared_inputs, unit_points
from nstk.corpus.shards import read_shard
from nstk.domain import Interval
from nstk.errors import UsageError
from nstk.hypernetwork.probing import Probes
from nstk.program import CType, Input, Output, Parameter, Program

Array = NDArray[np.float64]

PAIRS = 1024  # of the shared inputs, the first: what everyone may see; the others test
SAME = 1e-4  # nmse below which standardized outputs are one behaviour, as in `TrainingData.seen_behaviours`
_SINGLE = CType("float", "float")


@dataclass(frozen=True, eq=False)
class Sample:
    """What is known of one program of I inputs and O outputs.

    Attributes:
        program: Text, signature and domain.
        probes: Its probes.
        x: Inputs of the training pairs `(1024, I)`, normalized to [-1, 1].
        y: Outputs there `(1024, O)`, in the program's own units.
        test_x: Inputs that only test `(T, I)`, normalized.
        test_y: Outputs there `(T, O)`.
    """

    program: Program
    probes: Probes
    x: Array
    y: Array
    test_x: Array
    test_y: Array


@dataclass(frozen=True, eq=False)
class Function:
    """One function of the test split.

    Attributes:
        id: In the corpus.
        package: Where it is from.
        seen: Its behaviour on the shared inputs occurs in training (the corpus' `behaviour_seen`).
        sample: Its text and outputs.
    """

    id: str
    package: str
    seen: bool
    sample: Sample


def read_functions(corpus: Path, split: str = "test") -> list[Function]:
    """Read the real functions of a split that are in the paper's range and no constants, sorted by package and id.

    Raises:
        UsageError: The corpus has none.
    """
    found = []
    for path in data_files(corpus, split):
        for row in read_shard(path):
            wanted = row["origin"] == "real" and row["in_range"] and row["kind"] != "constant"
            if wanted and np.ptp(row["outputs"][PAIRS:]) > 0:
                found.append(Function(row["id"], row["package"], row["behaviour_seen"], _sample(row)))
    if not found:
        raise UsageError(f"'{corpus}' has no real function in its {split} split", "build it with --preset exestack")
    return sorted(found, key=lambda function: (function.package, function.id))


def find_trained(corpus: Path, functions: Sequence[Function]) -> list[bool]:
    """Tell which functions a training row equals once both are standardized by their probes, on whatever domain.

    This is what a network that reads standardized probes may have learned by heart: all rising lines are one behaviour.
    """
    closest = np.full(len(functions), np.inf)
    for path in data_files(corpus, "train"):
        outputs = [domain["outputs"][:PROBES] for row in read_shard(path, ["domains"]) for domain in row["domains"]]
        closest = np.minimum(closest, measure_distances(functions, np.stack(outputs)))
    return [bool(distance < SAME) for distance in closest]


def measure_distances(functions: Sequence[Function], outputs: NDArray[np.floating]) -> Array:
    """Return how far each function `(F,)` is from the closest of some outputs `(R, 256)`, all standardized, as nmse."""
    mine = _standardize(np.stack([function.sample.probes.y[:, 0] for function in functions]))  # (F, 256)
    # All have length sqrt(256), so that distances follow from products.
    distances: Array = 2 - 2 * (mine @ _standardize(outputs).T).max(1) / PROBES
    return distances


def group_by_inputs(functions: Sequence[Function]) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers of the functions with one input, with two, ...: they share inputs and topology."""
    inputs = np.array([len(function.sample.program.inputs) for function in functions])
    for count in np.unique(inputs):
        yield np.flatnonzero(inputs == count)


def _sample(row: dict[str, Any]) -> Sample:
    count = min(row["inputs"], VARYING)
    x, points = shared_inputs()[:, :count].astype(np.float64), unit_points()[:PROBES, :count].astype(np.float64)
    y = row["outputs"].astype(np.float64)[:, None]
    unit = next(d for d in row["domains"] if not d["centre"].any() and (d["half_width"] == 1).all())
    probes = Probes(points, unit["outputs"][:PROBES].astype(np.float64)[:, None], np.ones(PROBES, bool))
    return Sample(_program(row, count), probes, x[:PAIRS], y[:PAIRS], x[PAIRS:], y[PAIRS:])


def _program(row: dict[str, Any], varying: int) -> Program:
    """Return a row's program; parameters beyond the ninth are none of its inputs."""
    listed = re.findall(rf"\b{row['name']}\s*\(([^()]*)\)\s*\{{", row["text"])[-1]  # the text ends with the function
    names = [re.findall(r"\w+", declared)[-1] for declared in listed.split(",")]
    assert len(names) == row["inputs"]
    parameters = tuple(Parameter(name, _SINGLE, "value", 1, f"float {name}") for name in names)
    inputs = tuple(Input(name, _SINGLE, Interval(-1.0, 1.0)) for name in names[:varying])
    return Program(row["name"], row["file"], 1, row["text"], parameters, _SINGLE, inputs, (Output("result", _SINGLE),))


def _standardize(outputs: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows of outputs with mean 0 and deviation 1, in float32; those that do not vary are 0."""
    centred = outputs - outputs.mean(1, keepdims=True, dtype=np.float64)
    deviation = centred.std(1, keepdims=True)
    standard: NDArray[np.float32] = (centred / np.where(deviation > 0, deviation, np.inf)).astype(np.float32)
    return standard
