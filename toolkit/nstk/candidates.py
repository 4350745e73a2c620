"""Candidates: networks with their errors, measured on points apart from the training pairs.

Where int16 arithmetic is asked for, what meets the tolerance as floats is rounded and measured anew: its int16 errors
decide, by the same rule. What misses it as floats is rounded only to compare the best of every rung.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nstk.errors import UsageError
from nstk.integer_finishing import finish
from nstk.program import Program
from nstk.quantization import quantize
from nstk.surrogate import Network, Surrogate, mlp_forward, normalize
from nstk.verification import Comparison, covering_points, largest, search_worst

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

#: Share of the tolerance a rung may use: final verification looks at other points.
MARGIN = 0.95
#: Share of the tolerance up to which a larger error is taken for a smaller nrmse, and needs no confirmation: on five
#: fresh sets of check points the errors of 193 networks grew to 1.6 times at most, those of 159 at 4-4 to 1.07 times.
FAR_BELOW = 0.5
_HARD_POINTS = 128  # of the check points, the worst ones, that refinement gets beside those that were searched for
_CONFIRMING = 100  # added to an attempt's number, gives it check points that no other has


@dataclass(frozen=True, eq=False)
class Data:
    """Pairs a surrogate is fitted to and chosen by, in program units.

    Attributes:
        x: `(N, I)` training inputs.
        y: `(N, O)` training outputs.
        x_valid: `(V, I)` validation inputs, drawn apart.
        y_valid: `(V, O)`.
        checks: Points that judge a rung, `(C, I)`; the validation pairs where the program cannot be run.
        original: Runs the program at other inputs; None when there are only pairs.
        checked: The original's outputs at `checks`, `(C, O)`.
    """

    x: Array
    y: Array
    x_valid: Array
    y_valid: Array
    checks: Array
    checked: Array
    original: Function | None


@dataclass(frozen=True, eq=False)
class Candidate:
    """One network for some outputs, with its errors on the check points.

    Attributes:
        network: The network; with int16 arithmetic finished, if that brings it closer.
        max_abs: Largest error of each of its outputs, program units, found points included.
        nrmse: Normalized error of each of its outputs on the validation draws.
        excess: Largest ratio of an error to its tolerance; at most 1 meets it.
        worst: The worst points found, with the original's and the network's values of its outputs.
        unrounded: With int16 arithmetic, the network as fitted, with its errors in floating point.
    """

    network: Network
    max_abs: tuple[float, ...]
    nrmse: tuple[float, ...]
    excess: float
    worst: Comparison
    unrounded: "Candidate | None" = None

    @property
    def fitted(self) -> "Candidate":
        """The candidate in floating point."""
        return self.unrounded or self


class Assessor:
    """Measures networks that are fitted to one program's pairs."""

    def __init__(
        self,
        program: Program,
        data: Data,
        scaling: tuple[Array, Array],
        allowed: Array,
        seed: int,
        sigmoid_error: float | None = None,
    ) -> None:
        """Set up what all candidates share.

        Args:
            program: The original.
            data: Its pairs.
            scaling: Mean and standard deviation of the outputs, `(O,)` each.
            allowed: `(O,)` largest error of each output.
            seed: Of check points.
            sigmoid_error: As for `quantize`, of the int16 arithmetic that decides; None for floats.
        """
        self.program, self.data, self.allowed, self.seed = program, data, allowed, seed
        self.mean, self.std = scaling
        self.unit = np.where(self.std > 0, self.std, 1.0)
        self.sigmoid_error = sigmoid_error
        self.checks: dict[int, tuple[Array, Array]] = {}

    def assess(self, network: Network, attempt: int = 0) -> Candidate:
        """Measure a network; with int16 arithmetic, round it as well if it meets the tolerance as floats.

        Args:
            network: As fitted.
            attempt: Each has check points of its own; without a program to run they are always the validation pairs.
        """
        found = self.measure(network, lambda x: self.evaluate(network, x), attempt)
        return found if found.excess > MARGIN else self.round(found, attempt)

    def round(self, found: Candidate, attempt: int = 0) -> Candidate:
        """Return a candidate with int16 arithmetic: of those that finishing gives and the plain one, the closest.

        None is taken whose largest error is larger than the plain one's, unless it is far below the tolerance. What is
        too steep for int16 arithmetic gets an infinite excess; where floats decide, nothing is done.
        """
        if self.sigmoid_error is None or found.unrounded:
            return found
        try:
            finished = finish(self.alone(found.network), self.sigmoid_error, self.data.x)
            networks = [found.network, *(replace(s.networks[0], outputs=found.network.outputs) for s in finished)]
            evaluators = [self.rounded(network) for network in networks]
            tried = [self.measure(n, evaluate, attempt) for n, evaluate in zip(networks, evaluators, strict=True)]
        except UsageError:
            return replace(found, excess=np.inf)
        kept = [i for i, c in enumerate(tried) if c.excess <= max(tried[0].excess, FAR_BELOW)]
        chosen = min(kept, key=lambda i: sum(tried[i].nrmse))
        best = replace(tried[chosen], unrounded=found)
        if self.data.original is None:  # there are no other points
            return best
        # Rounding scatters: the largest of its errors shows on more points than a smooth one's.
        again = self.measure(best.network, evaluators[chosen], attempt + _CONFIRMING)
        max_abs = np.maximum(best.max_abs, again.max_abs)
        excess, worst = max(best.excess, again.excess), best.worst.joined(again.worst)
        return replace(best, max_abs=tuple(max_abs.tolist()), excess=excess, worst=worst)

    def measure(self, network: Network, evaluate: Function, attempt: int) -> Candidate:
        """Measure a network on check points, fresh ones for every attempt, and search for worse ones."""
        columns = list(network.outputs)
        x, y = self.check_points(attempt)
        known = Comparison(x, y[:, columns], evaluate(x))
        drawn = evaluate(self.data.x_valid) - self.data.y_valid[:, columns]
        nrmse = np.sqrt(np.mean(drawn**2, axis=0)) / self.unit[columns]
        original = self.data.original
        if original is not None:
            seed = self.seed + attempt
            found = search_worst(lambda x: original(x)[:, columns], evaluate, self.program.inputs, known, seed)
            hardest = largest((known.error / self.allowed[columns]).max(1), _HARD_POINTS)
            worst = found.joined(Comparison(known.x[hardest], known.expected[hardest], known.got[hardest]))
        else:
            worst = known
        max_abs = np.maximum(known.error.max(0), worst.error.max(0))
        excess = float((max_abs / self.allowed[columns]).max())
        return Candidate(network, tuple(max_abs.tolist()), tuple(nrmse.tolist()), excess, worst)

    def check_points(self, attempt: int) -> tuple[Array, Array]:
        """Return the inputs `(C, I)` and the original's outputs `(C, O)` that an attempt is measured on."""
        if attempt == 0 or self.data.original is None:
            return self.data.checks, self.data.checked
        if attempt not in self.checks:
            x = covering_points(self.program.inputs, self.seed + 2 + attempt)
            self.checks[attempt] = x, self.data.original(x)
        return self.checks[attempt]

    def evaluate(self, network: Network, x: Array) -> Array:
        """Evaluate one network in program units: `(N, I)` to `(N, outputs)`."""
        columns = list(network.outputs)
        y = mlp_forward(network.topology, network.params.astype(np.float64), normalize(self.program.inputs, x))
        scaled: Array = y * self.std[columns] + self.mean[columns]
        return scaled

    def rounded(self, network: Network) -> Function:
        """Return what evaluates one network in int16 arithmetic, as `evaluate` does."""
        assert self.sigmoid_error is not None
        quantized = quantize(self.alone(network), self.sigmoid_error)
        return lambda x: quantized.evaluate(x)[0]

    def alone(self, network: Network) -> Surrogate:
        """Return one network as a surrogate of nothing but its outputs."""
        columns = list(network.outputs)
        program = replace(self.program, outputs=tuple(self.program.outputs[o] for o in columns))
        only = replace(network, outputs=tuple(range(len(columns))))
        return Surrogate(program, (only,), self.mean[columns], self.std[columns], {})
