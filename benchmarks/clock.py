"""A stopwatch for fits that stops when the test error is good enough."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


class ReachedError(Exception):
    """The target error is reached."""


class CensoredError(Exception):
    """The time limit is used up."""


@dataclass(frozen=True)
class Problem:
    """One program's pairs: inputs normalized to [-1, 1], one output standardized by the training pairs.

    Attributes:
        x: (N, I) training inputs, float64.
        y: (N,) training outputs.
        x_test: (M, I) fresh inputs.
        y_test: (M,) their outputs.
        target: nrmse on the fresh points to be reached.
    """

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    target: float


class Clock:
    """Counts the CPU seconds of this process, except those spent in `check`.

    CPU time equals wall time for one thread on an idle core, and other work on the machine does not disturb it.
    """

    def __init__(self, problem: Problem, limit: float) -> None:
        self.problem = problem
        self.limit = limit
        self.best = float("inf")
        self._skipped = 0.0
        self._started = time.process_time()

    def seconds(self) -> float:
        """CPU seconds since the start, without the checks."""
        return time.process_time() - self._started - self._skipped

    def check(self, weights: Sequence[Array], biases: Sequence[Array], scale: float = 1.0) -> None:
        """Compute the test error of a sigmoid MLP.

        Args:
            weights: Per layer (inputs, outputs).
            biases: Per layer (outputs,).
            scale: The network was fitted to the outputs times this.

        Raises:
            ReachedError: The target is met.
            CensoredError: The limit is passed.
        """
        now = time.process_time()
        a = self.problem.x_test
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            with np.errstate(over="ignore"):
                a = 1.0 / (1.0 + np.exp(-(a @ weight + bias)))
        y = (a @ weights[-1] + biases[-1])[:, 0] / scale
        error = float(np.sqrt(np.mean((y - self.problem.y_test) ** 2)) / self.problem.y_test.std())
        self.best = min(self.best, error)
        self._skipped += time.process_time() - now
        if error <= self.problem.target:
            raise ReachedError
        if self.seconds() > self.limit:
            raise CensoredError
