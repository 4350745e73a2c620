"""What probes say about a program whatever the order and signs of its inputs: moments in a canonical frame.

f(x, y), f(y, x), f(-x, y) and -f(x, y) ask for the same network but for the order and signs of weights. A trunk that
reads raw probes must learn each of them. It learns several times faster from coefficients of the probes' Legendre
expansion, with inputs sorted by how much they matter and signs chosen by their effect; the parameters it writes are
put back into the program's own frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nstk.corpus.inputs import unit_points
from nstk.topology import Topology

#: Terms of the expansion: those of so many inputs, among so many of the most important ones, up to this total degree.
TERMS = ((1, 9, 12), (2, 9, 4), (2, 4, 8), (3, 9, 3), (3, 4, 6), (4, 4, 5))

#: Other frames there are: the output the other way round, the first input, and the first two inputs swapped.
VARIANTS = 7

_RIDGE = 0.003  # of a term's coefficient, times its degree squared: rough terms explain only what smooth ones cannot
_IMPORTANT_DEGREE = 4  # main effects up to it sort inputs
_SCALE = 16.0  # coefficients are at most about 1
_BASE = 32  # above every degree: exponents as digits are a term's key


@dataclass(frozen=True, eq=False)
class Frame:
    """How a batch of B programs is turned into its canonical frame, and back.

    Attributes:
        order: Number of the input at each place, inputs that are there first `(B, 9)`.
        sign: 1 or -1 for every input, in the program's order `(B, 9)`.
        flip: 1 or -1 for the output `(B, 1)`.
    """

    order: Tensor
    sign: Tensor
    flip: Tensor

    def of(self, rows: Tensor | slice) -> "Frame":
        """Return the frames of some programs."""
        return Frame(self.order[rows], self.sign[rows], self.flip[rows])

    def features(self) -> Tensor:
        """Return what tells the frame `(B, 18)`: beside raw probes it must be known."""
        return torch.cat([self.order.argsort(1) / self.order.shape[1], self.sign], 1)


def moment_count() -> int:
    """Return the number of moments."""
    return len(_list_terms(9, anywhere=False))


def find_frame(probes: Tensor, present: Tensor, variant: int = 0) -> tuple[Tensor, Frame]:
    """Expand probes and choose frames.

    Args:
        probes: Standardized outputs at the fixed inputs, 0 where they are not known, `(B, 256)`.
        present: 1 for inputs that are there `(B, 9)`; a program has the first ones.
        variant: 0, or up to `VARIANTS`: another frame than the canonical one, in which a trunk writes another network.

    Returns:
        Moments `(B, F)`, the coefficients' symmetric logarithms, 0 for terms of inputs that are not there; and frames.
    """
    with torch.autocast(probes.device.type, enabled=False):
        probes = probes.float()
        tables = _tables(present.shape[1], probes.device)
        found = probes.new_zeros(len(probes), len(tables.terms))  # (B, M)
        count = present.sum(1).long()
        for inputs in sorted(set(count.tolist())):
            rows = (count == inputs).nonzero()[:, 0]
            found[rows] = probes[rows] @ _solve(inputs, present.shape[1], probes.shape[1], probes.device)
        with torch.no_grad():
            flip = torch.where(found[:, tables.square].sum(1, keepdim=True) < 0, -1.0, 1.0)
            if variant & 1:
                flip = -flip
            sign = torch.where(found[:, tables.linear] * flip < 0, -1.0, 1.0)
            sign = torch.where(present > 0, sign, 1.0)
            matters = found[:, tables.main].square().sum(-1)  # (B, 9)
            order = torch.where(present > 0, matters, -1.0).argsort(dim=1, descending=True, stable=True)
            if variant & 2:
                sign = sign.scatter(1, order[:, :1], -sign.gather(1, order[:, :1]))
            if variant & 4:
                swapped = torch.cat([order[:, 1:2], order[:, :1], order[:, 2:]], 1)
                order = torch.where(count[:, None] > 1, swapped, order)
            key = (_BASE**order) @ tables.powers.T  # (B, F)
            of_term = torch.searchsorted(tables.keys, key)
            odd = (sign < 0).float().gather(1, order) @ (tables.powers % 2).float().T % 2
        moments = _SCALE * found.gather(1, of_term) * (1 - 2 * odd) * flip
        return moments.sign() * moments.abs().log1p(), Frame(order, sign, flip)


def restore(topology: Topology, parameters: Tensor, frame: Frame) -> Tensor:
    """Put parameters `(B, K, P)` that were written in canonical frames back into the programs' own."""
    first, *_, last = topology.layers()
    shape = (*parameters.shape[:-1], first.outputs, first.inputs)
    weight = parameters[..., first.weight].reshape(shape)  # (B, K, O, 9), by place
    place = frame.order.argsort(1)[:, None, None].expand_as(weight)
    weight = weight.gather(3, place) * frame.sign[:, None, None]
    inner = parameters[..., first.weight.stop : last.weight.start]
    return torch.cat([weight.flatten(-2), inner, parameters[..., last.weight.start :] * frame.flip[:, None]], -1)


@dataclass(frozen=True, eq=False)
class _Tables:
    """Constants of the expansion, M terms of the program's inputs, F of them in a canonical frame.

    Attributes:
        terms: Degrees by input `(M, 9)`.
        keys: Of the terms, ascending `(M,)`.
        powers: Degrees by place of the canonical terms `(F, 9)`.
        linear: Number of every input's linear term `(9,)`.
        square: Of its term of degree 2 `(9,)`.
        main: Of all its terms that sort `(9, 4)`.
    """

    terms: NDArray[np.int64]
    keys: Tensor
    powers: Tensor
    linear: Tensor
    square: Tensor
    main: Tensor


@lru_cache(maxsize=4)
def _tables(inputs: int, device: torch.device) -> _Tables:
    places = _BASE ** np.arange(inputs, dtype=np.int64)
    terms = _list_terms(inputs, anywhere=True)
    terms = terms[(terms @ places).argsort()]
    number = {int(key): index for index, key in enumerate(terms @ places)}
    main = np.array([[number[int(d * p)] for d in range(1, _IMPORTANT_DEGREE + 1)] for p in places])
    arrays = (terms @ places, _list_terms(inputs, anywhere=False), main[:, 0], main[:, 1], main)
    with torch.inference_mode(False):  # what is kept must also serve training
        return _Tables(terms, *(torch.tensor(array, device=device) for array in arrays))


@lru_cache(maxsize=64)
def _solve(count: int, inputs: int, probes: int, device: torch.device) -> Tensor:
    """Return what takes the probes of programs with `count` inputs to coefficients `(256, M)`, by ridge regression."""
    x = unit_points()[:probes].astype(np.float64)  # (N, 9)
    terms = _tables(inputs, device).terms
    there = (terms[:, count:] == 0).all(1)
    degrees = np.arange(terms.max() + 1)
    legendre = np.polynomial.legendre.legvander(x, int(degrees[-1])) * np.sqrt(2 * degrees + 1)  # (N, 9, D)
    a = np.ones((len(x), there.sum()))
    for index in range(count):
        a *= legendre[:, index, terms[there, index]]
    a = np.column_stack([np.ones(len(x)), a]) / len(x) ** 0.5  # (N, 1 + M)
    shrunk = a / np.append(1e-6, _RIDGE * terms[there].sum(1) ** 2)  # the mean is hardly held back
    fit = np.linalg.solve(shrunk @ a.T + np.eye(len(x)), shrunk)  # in as many unknowns as there are probes
    operator = np.zeros((len(x), len(terms)), np.float32)
    operator[:, there] = fit[:, 1:] / len(x) ** 0.5
    with torch.inference_mode(False):
        return torch.tensor(operator, device=device)


def _list_terms(inputs: int, anywhere: bool) -> NDArray[np.int64]:
    """Return the degrees `(M, inputs)` of all terms, of any inputs or of those at the first places."""
    found = set()
    for size, among, degree in TERMS:
        for chosen in combinations(range(inputs if anywhere else among), size):
            for powers in _compose(size, degree):
                term = np.zeros(inputs, np.int64)
                term[list(chosen)] = powers
                found.add(tuple(term.tolist()))
    return np.array(sorted(found))


def _compose(parts: int, most: int) -> Iterator[tuple[int, ...]]:
    """Yield tuples of numbers of at least 1 that add up to at most `most`."""
    if parts == 0:
        yield ()
        return
    for first in range(1, most - parts + 2):
        for rest in _compose(parts - 1, most - first):
            yield (first, *rest)
