"""Surrogate compilation with a hypernetwork: a program in, candidate parameters out.

A program with fewer inputs than the covering topology uses its first ones; the weights of the others are left out. A
program with several outputs is compiled once for each, as if it had no other.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nstk.corpus.inputs import unit_points
from nstk.hypernetwork.canonical import VARIANTS
from nstk.hypernetwork.location import place
from nstk.hypernetwork.network import HyperNetwork
from nstk.hypernetwork.parameters import candidate_errors
from nstk.hypernetwork.probing import Probes
from nstk.hypernetwork.tokenization import ProgramTokenizer, Text, pad
from nstk.least_squares import Pairs
from nstk.optimizers import levenberg_marquardt
from nstk.program import Program
from nstk.surrogate import mlp_forward, scaling
from nstk.symbolic.formulas import Argument
from nstk.topology import Topology

Array = NDArray[np.float64]

_RIDGE = 1e-6  # of the output layer fitted to the probes
_STEPS = 10  # of Levenberg-Marquardt, where text alone is known: some 10 ms for each output
_MOST_FITTED = 200  # parameters: more take longer


@dataclass(frozen=True, eq=False)
class Compiled:
    """What a hypernetwork proposes for one program of I inputs and O outputs.

    Attributes:
        candidates: For hidden widths, parameters `(O, K, P)` of networks I-...-1, one per output, the best on the given
            probes first. Without any the first is the best on those that the text predicts, fitted to them. They
            compute (output - mean) / scale from inputs normalized to [-1, 1].
        mean: `(O,)` of the probes, or as the text predicts it; None for what the surrogate will add.
        scale: `(O,)` standard deviation of the probes, or as the text predicts it; 1 for a constant output; None for
            what the surrogate will multiply by.
        x: `(N, I)` normalized inputs of the probes that were given.
        y: `(N, O)` those probes in program units.
    """

    candidates: dict[tuple[int, ...], Array]
    mean: Array | None
    scale: Array | None
    x: Array
    y: Array

    def starts(self, topology: Topology, mean: Array, scale: Array) -> Array:
        """Return starts for a surrogate standardized in its own way.

        Args:
            topology: With one output, for all outputs' networks; or with all outputs, for a shared network.
            mean: `(O,)` that the surrogate adds to its outputs.
            scale: `(O,)` that it multiplies them by, above 0.

        Returns:
            `(S, P)`, every output's first candidate first; none for hidden widths that no head covers. Mean and scale
            that the text predicts may be far off: each candidate is there with them and, after that, without.
        """
        if topology.hidden not in self.candidates:
            return np.empty((0, topology.parameters))
        found = plain = self.candidates[topology.hidden]  # (O, K, P)
        if self.mean is not None and self.scale is not None:
            *_, last = Topology((topology.widths[0], *topology.hidden, 1)).layers()
            found = plain.copy()
            found[..., last.weight.start :] *= (self.scale / scale)[:, None, None]  # weights and bias
            found[..., last.bias] += ((self.mean - mean) / scale)[:, None, None]
            if not len(self.x):
                found = np.stack([found, plain], 2).reshape(len(plain), -1, plain.shape[-1])
        flat: Array = found.swapaxes(0, 1).reshape(-1, found.shape[-1])  # candidate by candidate
        if topology.widths[-1] == 1:
            return flat
        return np.stack([self._shared(topology, params, mean, scale) for params in flat])

    def _shared(self, topology: Topology, params: Array, mean: Array, scale: Array) -> Array:
        """Return parameters `(P,)` of a network for all outputs, with the hidden layers of a network for one.

        The output layer is cloned, as in the paper; where there are probes, fitted to them.
        """
        *_, single = Topology((topology.widths[0], *topology.hidden, 1)).layers()
        *_, last = topology.layers()
        shared = np.empty(topology.parameters)
        shared[: last.weight.start] = params[: single.weight.start]
        shared[last.weight] = np.tile(params[single.weight], last.outputs)
        shared[last.bias] = params[single.bias]
        if len(self.x):
            inner = Topology((*topology.widths[:-2], topology.widths[-2]))
            z = mlp_forward(inner, shared[: last.weight.start], self.x)
            h = np.column_stack([0.5 + 0.5 * np.tanh(0.5 * z), np.ones(len(z))])  # (N, width + 1)
            target = (self.y - mean) / scale  # (N, O)
            normal = h.T @ h + _RIDGE * len(h) * np.eye(h.shape[1])
            fitted = np.linalg.solve(normal, h.T @ target)  # (width + 1, O)
            shared[last.weight], shared[last.bias] = fitted[:-1].T.ravel(), fitted[-1]
        return shared


def adopt(starts: dict[Topology, NDArray[np.float32]], program: Program) -> Compiled:
    """Propose the same parameters as for every other program, see `initialization`."""
    inputs, outputs = len(program.inputs), len(program.outputs)
    candidates = {
        topology.hidden: np.tile(_without_absent(topology, array.astype(np.float64), inputs), (outputs, 1, 1))
        for topology, array in starts.items()
    }
    return Compiled(candidates, None, None, np.empty((0, inputs)), np.empty((0, outputs)))


@torch.inference_mode()
def compile_with(model: HyperNetwork, tokenizer: ProgramTokenizer, program: Program, probes: Probes | None) -> Compiled:
    """Compile a program.

    Args:
        model: A hypernetwork for at least as many inputs as the program has.
        tokenizer: Its tokenizer.
        program: Signature and domain are read; text, if a probe is missing.
        probes: Of the program; None to compile from text alone.
    """
    config, count = model.config, len(program.inputs)
    outputs = len(program.outputs)
    x, y = np.empty((0, count)), np.empty((0, outputs))
    mean, scale, shown, given = np.zeros(outputs), np.ones(outputs), None, None
    if probes is not None and config.use_probes and probes.given.any():
        x, y = probes.x[probes.given], probes.y[probes.given]
        mean, std = y.mean(0), y.std(0)
        scale = np.where(std > 0, std, 1.0)
        shown = torch.tensor(((probes.y - mean) / scale).T, dtype=torch.float32)  # (O, 256)
        given = torch.tensor(probes.given, dtype=torch.float32).expand(outputs, -1)
    text: Text | None = None
    if given is None or not given.all():  # text tells what probes do not
        ranges = [(i.interval.lo, i.interval.hi) for i in program.inputs]
        text = pad(tokenizer.encode(program.source, program.name, ranges, _arguments(program), outputs))
    center, half = np.zeros(config.inputs), np.ones(config.inputs)
    center[:count], half[:count] = scaling(program.inputs)
    present = (np.arange(config.inputs) < count).astype(np.float64)
    domain = (torch.tensor(array, dtype=torch.float32).expand(outputs, -1) for array in (center, half, present))
    points = torch.tensor(unit_points()[: config.probes], dtype=torch.float64)
    with _one_thread():
        out = model(*(text or [None] * 6), *domain, shown, given, points, variants=VARIANTS)
    if shown is None and out.location is not None:
        mean, scale = (tensor.numpy() for tensor in place(out.location.double()))
    known = out.probes if shown is None else shown
    candidates = {}
    for topology, written in zip(model.topologies, out.parameters, strict=True):
        ranked = written
        if known is not None:
            errors = candidate_errors(topology, written, points, known, given)  # (O, K)
            order = errors.argsort(dim=1, stable=True)[..., None]
            ranked = written.gather(1, order.expand_as(written))
        found = _without_absent(topology, ranked.double().numpy(), count)
        if shown is None and known is not None and topology.parameters <= _MOST_FITTED:
            found[:, 0] = _fit(Topology((count, *topology.hidden, 1)), found[:, 0], points[:, :count], known)
        candidates[topology.hidden] = found
    return Compiled(candidates, mean, scale, x, y)


def _fit(topology: Topology, params: Array, points: Tensor, outputs: Tensor) -> Array:
    """Fit networks `(O, P)` to the outputs `(O, N)` that the text predicts: they are all that is known."""
    pairs = Pairs(points, outputs.double()[..., None], torch.ones(len(points), dtype=torch.float64))
    with _one_thread():
        fitted, _ = levenberg_marquardt(topology, torch.tensor(params), pairs, pairs, _STEPS)
    result: Array = fitted.numpy()
    return result


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread for a while: how many share a product decides its last bits, and headers with them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _arguments(program: Program) -> dict[str, Argument]:
    """Return which inputs each parameter gives, and where outputs are written."""
    found, index = {}, 0
    for parameter in program.parameters:
        size = 0 if parameter.role == "value" else parameter.size
        if parameter.role in ("value", "array"):
            found[parameter.name] = Argument(index, size)
            index += parameter.size
        else:
            found[parameter.name] = Argument(None, size)
    return found


def _without_absent(topology: Topology, params: Array, inputs: int) -> Array:
    """Return parameters `(..., P)` of a covering topology without the weights of all but the first `inputs`."""
    first = next(topology.layers())
    weight = params[..., first.weight].reshape(*params.shape[:-1], first.outputs, first.inputs)[..., :inputs]
    rest = params[..., first.weight.stop :]
    return np.concatenate([weight.reshape(*params.shape[:-1], -1), rest], axis=-1)
