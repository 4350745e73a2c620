"""Surrogates: fitted networks with their scaling, the program they imitate, and how they were made."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from nstk.errors import UsageError
from nstk.program import Input, Program
from nstk.topology import Topology

Array = NDArray[np.float64]

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Network:
    """One sigmoid MLP of a surrogate.

    Attributes:
        topology: Its widths; the first is the number of program inputs.
        params: `(P,)` float32, laid out as `topology.Layer` says.
        outputs: Indices of the program outputs it computes, in the order of its output units.
    """

    topology: Topology
    params: NDArray[np.float32]
    outputs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Networks that together compute all outputs of a program.

    Attributes:
        program: What is imitated.
        networks: One shared network, or one per output.
        y_mean: `(O,)` mean of each output, in program units.
        y_std: `(O,)` standard deviation of each output; 0 for a constant output, which is then exactly its mean.
        provenance: How it was made (plain JSON values; no time, no path).
    """

    program: Program
    networks: tuple[Network, ...]
    y_mean: Array
    y_std: Array
    provenance: dict[str, Any]

    def predict(self, x: Array) -> Array:
        """Evaluate in float64 with the exact sigmoid.

        Args:
            x: `(N, I)` in program units; not clamped to the domain.

        Returns:
            `(N, O)` in program units.
        """
        z = normalize(self.program.inputs, x)
        y = np.empty((len(x), len(self.y_mean)))
        for network in self.networks:
            y[:, network.outputs] = mlp_forward(network.topology, network.params.astype(np.float64), z)
        return y * self.y_std + self.y_mean


def scaling(inputs: tuple[Input, ...]) -> tuple[Array, Array]:
    """Return centre and half-width of every input's interval, each `(I,)`."""
    lo = np.array([i.interval.lo for i in inputs])
    hi = np.array([i.interval.hi for i in inputs])
    return (lo + hi) / 2, (hi - lo) / 2


def normalize(inputs: tuple[Input, ...], x: Array) -> Array:
    """Map `(N, I)` from program units to [-1, 1] over the domain."""
    center, half = scaling(inputs)
    return (x - center) / half


def mlp_forward(topology: Topology, params: Array, x: Array) -> Array:
    """Evaluate one network in numpy: `(N, I)` normalized inputs to `(N, O)` standardized outputs."""
    layers = list(topology.layers())
    for layer in layers:
        x = x @ params[layer.weight].reshape(layer.outputs, layer.inputs).T + params[layer.bias]
        if layer is not layers[-1]:
            x = 0.5 + 0.5 * np.tanh(0.5 * x)
    return x


def rebase(network: Network, surrogate: Surrogate, program: Program, y_mean: Array, y_std: Array) -> Array:
    """Return a network's parameters `(P,)` under the normalizations of another program.

    Args:
        network: One of the surrogate's.
        surrogate: Gives the old normalizations.
        program: Its domain gives the new input normalization.
        y_mean: New mean of each of the network's outputs.
        y_std: New standard deviations, above 0.
    """
    params = network.params.astype(np.float64)
    first, *_, last = network.topology.layers()
    (old_center, old_half), (center, half) = scaling(surrogate.program.inputs), scaling(program.inputs)
    w = params[first.weight].reshape(first.outputs, first.inputs)
    params[first.bias] += w @ ((center - old_center) / old_half)
    params[first.weight] = (w * (half / old_half)).ravel()
    columns = list(network.outputs)
    old_mean, old_std = surrogate.y_mean[columns], surrogate.y_std[columns]
    w = params[last.weight].reshape(last.outputs, last.inputs)
    params[last.weight] = (w * (old_std / y_std)[:, None]).ravel()
    params[last.bias] = (params[last.bias] * old_std + old_mean - y_mean) / y_std
    return params


def save_surrogate(surrogate: Surrogate, folder: Path) -> None:
    """Write `surrogate.safetensors` and `surrogate.json` into an existing folder; equal surrogates give equal bytes."""
    tensors: dict[str, NDArray[Any]] = {f"network{i}": n.params for i, n in enumerate(surrogate.networks)}
    tensors |= {"y_mean": surrogate.y_mean, "y_std": surrogate.y_std}
    (folder / "surrogate.safetensors").write_bytes(save_tensors(tensors))
    record = {
        "format": FORMAT,
        "program": surrogate.program.to_json(),
        "networks": [{"widths": n.topology.widths, "outputs": n.outputs} for n in surrogate.networks],
        "provenance": surrogate.provenance,
    }
    (folder / "surrogate.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def surrogate_folder(path: Path) -> Path:
    """Return the folder of a surrogate named by that folder or by a file in it."""
    return path.parent if path.is_file() else path


def load_surrogate(path: Path) -> Surrogate:
    """Load a surrogate from its folder, or from either of its two files.

    Raises:
        UsageError: A file is missing, damaged or of another format.
    """
    folder = surrogate_folder(path)
    hint = "name a folder that this version's nstk build wrote: it holds surrogate.json and surrogate.safetensors"
    try:
        record = json.loads((folder / "surrogate.json").read_text())
        tensors = load_tensors((folder / "surrogate.safetensors").read_bytes())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError, SafetensorError) as error:
        raise UsageError(f"{path}: cannot load a surrogate ({str(error).splitlines()[0]})", hint) from error
    try:
        if record["format"] != FORMAT:
            raise UsageError(f"surrogate format {record['format']} is not {FORMAT}")
        networks = tuple(
            Network(Topology(tuple(entry["widths"])), tensors[f"network{i}"], tuple(entry["outputs"]))
            for i, entry in enumerate(record["networks"])
        )
        surrogate = Surrogate(
            Program.from_json(record["program"]), networks, tensors["y_mean"], tensors["y_std"], record["provenance"]
        )
        _check(surrogate)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint) from error
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(f"{path}: damaged surrogate ({type(error).__name__}: {error})", hint) from error
    return surrogate


def with_provenance(surrogate: Surrogate, **entries: Any) -> Surrogate:
    """Return the surrogate with entries added to its provenance."""
    return replace(surrogate, provenance={**surrogate.provenance, **entries})


def _check(surrogate: Surrogate) -> None:
    program = surrogate.program
    names = [program.name]
    for items in (program.parameters, program.inputs, program.outputs):
        names += [item.name for item in items] + [item.ctype.name for item in items]
    texts = [program.file, program.source, *(p.declaration for p in program.parameters)]
    texts += [program.returns.name] if program.returns else []
    if not all(isinstance(text, str) for text in (*names, *texts)) or not (all(names) and program.name.isidentifier()):
        raise ValueError("names that are none")
    if not isinstance(surrogate.provenance, dict):
        raise ValueError("no provenance")
    if any(type(v) is not int for n in surrogate.networks for v in (*n.topology.widths, *n.outputs)):
        raise ValueError("widths and outputs are whole numbers")
    count = len(surrogate.program.outputs)
    covered = sorted(o for n in surrogate.networks for o in n.outputs)
    if covered != list(range(count)) or surrogate.y_mean.shape != (count,) or surrogate.y_std.shape != (count,):
        raise ValueError("networks and outputs do not match the program")
    if not (
        np.isfinite(surrogate.y_mean).all() and np.isfinite(surrogate.y_std).all() and (surrogate.y_std >= 0).all()
    ):
        raise ValueError("scalings are not finite")
    for n in surrogate.networks:
        widths = n.topology.widths
        if widths[0] != len(surrogate.program.inputs) or widths[-1] != len(n.outputs) or min(widths) < 1:
            raise ValueError("topology does not match the program")
        if (
            n.params.dtype != np.float32
            or n.params.shape != (n.topology.parameters,)
            or not np.isfinite(n.params).all()
        ):
            raise ValueError("parameters do not match the topology")
