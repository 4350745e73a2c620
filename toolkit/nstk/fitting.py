"""Fitting: climbs the ladder of topologies to the smallest surrogate that meets the tolerance.

Each rung is tried with one shared network and with one network per output; starts race, finalists are assessed on
points apart from the training pairs, and what misses the tolerance is refined: its worst points join the pairs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.candidates import FAR_BELOW, MARGIN, Assessor, Candidate, Data, Function
from nstk.compilation import propose
from nstk.errors import UsageError
from nstk.finetuning import Stage, race, race_stages, refit
from nstk.optimizers import RIDGE, ROUNDED_RIDGE
from nstk.program import Program
from nstk.surrogate import Network, Surrogate, mlp_forward, normalize, rebase
from nstk.tolerance import Tolerance
from nstk.topology import Topology
from nstk.verification import Comparison, covering_points

if TYPE_CHECKING:
    from nstk.hypernetwork.proposal import Compiled

Array = NDArray[np.float64]

_REFINEMENTS = {"quick": 2, "normal": 6, "high": 18}
_FURTHER_STEPS = {"quick": 30, "normal": 100, "high": 300}
#: Levenberg-Marquardt steps of one refinement; those of wide networks take some 0.2 seconds each.
_REFINE_STEPS: dict[tuple[int, ...], int] = {(4, 4): 40, (8, 8): 40, (16, 16): 20, (32, 32): 6}
#: Ridges for what is too steep for int16 arithmetic with `ROUNDED_RIDGE`.
_FLATTENING = (1e-8, 1e-6, 1e-4, 1e-2)
#: Refinement has lowered largest errors by up to 6 times; what is farther off needs a wider network.
_HOPELESS = 8.0


@dataclass(frozen=True)
class Goal:
    """What fitting aims at.

    Attributes:
        tolerance: Largest absolute error allowed.
        hidden: Rungs to try, cheapest first.
        norm: `rms`, or `max` to refine for the largest error in any case.
        effort: `quick`, `normal` or `high`.
        optimizer: `lm` or `adam`.
        seed: Of every draw.
        all_pairs: The last stage fits to all pairs there are, not to what its rung needs.
        sigmoid_error: Of the int16 arithmetic that shall keep the tolerance; None if floats shall.
    """

    tolerance: Tolerance
    hidden: Sequence[tuple[int, ...]]
    norm: str = "rms"
    effort: str = "normal"
    optimizer: str = "lm"
    seed: int = 0
    all_pairs: bool = False
    sigmoid_error: float | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """What fitting found.

    Attributes:
        surrogate: The cheapest that meets the tolerance; else, of all layouts' networks, refined unless they are
            hopelessly far off or pairs are all there is, those with the least excess. With int16 arithmetic it is
            finished, where that brings it closer.
        unrounded: The same as fitted in floating point.
        rungs: One record per rung and layout tried: topology, layout, parameters, max_abs and nrmse per output as
            floats, with int16 arithmetic the same under `int16` (unless it is too steep for it), ok.
        zero_shot_nrmse: The best start's error before fine-tuning, on validation pairs of the first rung tried.
        candidates: Starts that raced on each rung.
        train_nrmse: Per output, on the training pairs.
        iterations: Optimizer steps allowed to one start in the longest race, without refinement.
        samples: Training pairs the chosen networks were fitted to, without those that refinement added.
    """

    surrogate: Surrogate
    unrounded: Surrogate
    rungs: list[dict[str, Any]]
    zero_shot_nrmse: float
    candidates: int
    train_nrmse: list[float]
    iterations: int
    samples: int


def most_pairs(ladder: Sequence[tuple[int, ...]], effort: str, inputs: int) -> int:
    """Return how many training pairs the races on a ladder use at most."""
    return max(stage.pairs for hidden in ladder for stage in race_stages(hidden, effort, inputs))


def sample_data(program: Program, original: Function, samples: int, seed: int) -> Data:
    """Run the program on `samples` training points, 4,096 validation draws and the check points."""
    x = sampling.training_points(program.inputs, samples, seed)
    x_valid = sampling.draw(program.inputs, 4096, seed + 1)
    checks = covering_points(program.inputs, seed + 2)
    return Data(x, original(x), x_valid, original(x_valid), checks, original(checks), original)


def split_pairs(x: Array, y: Array, seed: int) -> tuple[Data, Comparison]:
    """Split given pairs: 64 % train, 16 % validate, 20 % are held out for verification (`got` is left empty)."""
    order = np.random.default_rng([seed, 11]).permutation(len(x))
    train, valid, held = np.split(order, [int(0.64 * len(x)), int(0.8 * len(x))])
    data = Data(x[train], y[train], x[valid], y[valid], x[valid], y[valid], None)
    return data, Comparison(x[held], y[held], np.full_like(y[held], np.nan))


def fit(
    program: Program, data: Data, goal: Goal, progress: Callable[[str], None], compiled: "Compiled | None" = None
) -> Fitted:
    """Fit a surrogate.

    Args:
        program: What is imitated.
        data: Its pairs.
        goal: What to aim at.
        progress: Told what is being tried.
        compiled: What a hypernetwork proposes, to race beside random starts.
    """
    return _Fitter(program, data, goal, progress, compiled).climb()


def fit_further(
    surrogate: Surrogate, program: Program, data: Data, goal: Goal, progress: Callable[[str], None]
) -> Fitted:
    """Fine-tune a saved surrogate on a program's pairs, keeping its networks' topologies.

    The program may be another than the surrogate was made for, with another domain: normalizations are carried over
    into the first and last layers before the first step.

    Raises:
        UsageError: The program has other numbers of inputs or outputs.
    """
    counts = len(surrogate.program.inputs), len(surrogate.program.outputs)
    if counts != (len(program.inputs), len(program.outputs)):
        text = f"the surrogate has {counts[0]} inputs and {counts[1]} outputs"
        raise UsageError(f"{text}, {program.name} {len(program.inputs)} and {len(program.outputs)}", "build it anew")
    return _Fitter(program, data, goal, progress).further(surrogate)


class _Fitter:
    """Holds what all rungs of one program share: normalized pairs, scalings, tolerances."""

    def __init__(
        self,
        program: Program,
        data: Data,
        goal: Goal,
        progress: Callable[[str], None],
        compiled: "Compiled | None" = None,
    ) -> None:
        self.program, self.data, self.goal, self.progress, self.compiled = program, data, goal, progress, compiled
        self.mean, std = data.y.mean(0), data.y.std(0)
        constant = np.ptp(data.y, axis=0) == 0
        self.mean = np.where(constant, data.y[0], self.mean)
        self.std = np.where(constant, 0.0, std)
        self.unit = np.where(constant, 1.0, std)  # divides; a constant output is fitted as zero
        self.x, self.x_valid = normalize(program.inputs, data.x), normalize(program.inputs, data.x_valid)
        self.y, self.y_valid = (data.y - self.mean) / self.unit, (data.y_valid - self.mean) / self.unit
        self.allowed = np.array([goal.tolerance.absolute(column) for column in data.checked.T])
        self.assessor = Assessor(program, data, (self.mean, self.std), self.allowed, goal.seed, goal.sigmoid_error)
        self.ridge = RIDGE if goal.sigmoid_error is None else ROUNDED_RIDGE
        self.rungs: list[dict[str, Any]] = []
        self.zero_shot = np.nan
        self.starts = self.iterations = 0
        self.pairs: dict[Topology, int] = {}

    def climb(self) -> Fitted:
        """Try each rung until one meets the tolerance, and after that only what would be cheaper still."""
        outputs = tuple(range(len(self.program.outputs)))
        layouts: list[tuple[Candidate, ...]] = []
        separate: dict[int, Candidate] = {}  # each output's best network of its own, over the rungs so far
        cheapest: tuple[Candidate, ...] | None = None
        for hidden in self.goal.hidden:
            shared = Topology((len(self.program.inputs), *hidden, len(outputs)))
            if cheapest is not None and _cost([shared]) >= _cost(c.network.topology for c in cheapest):
                break
            if len(outputs) > 1:
                layouts.append(tuple(self.best(hidden, [outputs])))
                self.record(layouts[-1])
                if _excess(layouts[-1]) <= MARGIN:
                    cheapest = layouts[-1]
            if cheapest is None:
                missing = [o for o in outputs if o not in separate or separate[o].excess > MARGIN]
                found = {c.network.outputs[0]: c for c in self.best(hidden, [(o,) for o in missing])}
                self.record([found.get(o) or separate[o] for o in outputs])
                separate |= {o: c for o, c in found.items() if o not in separate or c.excess < separate[o].excess}
                layouts.append(tuple(separate[o] for o in outputs))
                if _excess(layouts[-1]) <= MARGIN:
                    cheapest = layouts[-1]
        chosen = cheapest or min(layouts, key=_excess)
        self.rungs[layouts.index(chosen)]["chosen"] = True
        return self.fitted(chosen)

    def further(self, surrogate: Surrogate) -> Fitted:
        """Continue every network of a surrogate for the iterations of its rung's race."""
        layout = []
        for network in surrogate.networks:
            topology, columns = network.topology, list(network.outputs)
            self.progress(f"fine-tuning {topology}")
            start = rebase(network, surrogate, self.program, self.mean[columns], self.unit[columns])[None]
            stages = [Stage(1, len(self.x), _FURTHER_STEPS[self.goal.effort])]
            self.note(topology, start, stages, columns)
            y, y_valid = self.y[:, columns], self.y_valid[:, columns]
            params, _ = race(topology, start, self.x, y, self.x_valid, y_valid, stages, self.goal.optimizer, self.ridge)
            layout.append(self.choose(topology, params[0], network.outputs, len(self.x)))
        self.record(layout)
        self.rungs[-1]["chosen"] = True
        return self.fitted(layout)

    def best(self, hidden: tuple[int, ...], groups: Sequence[tuple[int, ...]]) -> list[Candidate]:
        """Return the best candidate for each group of outputs: all in one group, or one each.

        Where compiled starts do not lead to the tolerance, random ones get the race they would have had without: no
        surrogate shall be larger for having been compiled.
        """
        if self.compiled is None or hidden not in self.compiled.candidates:
            return self.compete(hidden, groups, None)
        found = self.compete(hidden, groups, self.compiled)
        missing = [group for group, candidate in zip(groups, found, strict=True) if candidate.excess > MARGIN]
        if missing:
            again = dict(zip(missing, self.compete(hidden, missing, None), strict=True))
            found = [
                min(c, again.get(group, c), key=lambda c: c.excess) for group, c in zip(groups, found, strict=True)
            ]
        return found

    def compete(
        self, hidden: tuple[int, ...], groups: Sequence[tuple[int, ...]], compiled: "Compiled | None"
    ) -> list[Candidate]:
        """Race starts for each group of outputs, and return what wins."""
        width = len(groups[0])
        topology = Topology((len(self.program.inputs), *hidden, width))
        columns = [o for group in groups for o in group]
        self.progress(f"fitting {topology}" + (f" x {len(groups)}" if len(groups) > 1 else ""))
        stages = race_stages(hidden, self.goal.effort, len(self.program.inputs), compiled is not None)
        if self.goal.all_pairs:
            stages = (*stages[:-1], replace(stages[-1], pairs=len(self.x)))
        starts = propose(topology, stages[0].survivors, self.goal.seed, compiled, self.mean, self.unit)
        self.note(topology, starts, stages, columns)
        y, y_valid = self.y[:, columns], self.y_valid[:, columns]
        params, _ = race(topology, starts, self.x, y, self.x_valid, y_valid, stages, self.goal.optimizer, self.ridge)
        return [self.choose(topology, params[g], group, stages[-1].pairs) for g, group in enumerate(groups)]

    def choose(self, topology: Topology, finalists: Array, outputs: tuple[int, ...], pairs: int) -> Candidate:
        """Return of finalists `(K, P)` the first that meets the tolerance; refine if asked or needed.

        With int16 arithmetic it is rounded also if it missed the tolerance as floats: rungs are compared by their
        errors in one arithmetic.
        """
        found = self.assessor.round(self.select(topology, finalists, outputs, pairs))
        return found if np.isfinite(found.excess) else self.flatten(found.network, pairs)

    def select(self, topology: Topology, finalists: Array, outputs: tuple[int, ...], pairs: int) -> Candidate:
        """Return what `choose` does, not rounded where it misses the tolerance as floats.

        Attempt 0 tries a finalist, attempt 1 confirms it on fresh points if need be, later attempts refine.
        """
        if self.goal.optimizer == "adam":  # the paper's protocol has no refinement
            return self.assess(topology, finalists[0], outputs, 0)
        rms, found = self.goal.norm == "rms", []
        for params in finalists:  # the closest on validation pairs first
            candidate = self.assess(topology, params, outputs, 0)
            if rms and FAR_BELOW < candidate.excess <= MARGIN:
                candidate = self.assessor.assess(candidate.fitted.network, 1)
            if rms and candidate.excess <= MARGIN:
                return candidate
            found.append(candidate)
        hopeful = [c for c in found if c.excess < _HOPELESS or not rms]
        refined = [self.refine(c, pairs, self.ridge) for c in sorted(hopeful, key=lambda c: c.excess)[:2]]
        good = [c for c in refined if c.excess <= MARGIN]
        if rms and good:  # a refined network trades nrmse for its worst case: no more than needed
            return min(good, key=lambda c: sum(c.nrmse))
        rounded = [c for c in refined if c.unrounded]  # would do as floats
        # Given pairs may be noisy: a network that is closest to the worst of them is no better for it.
        trusted = self.data.original is not None or not rms
        return min(rounded or (refined if trusted else []) or found[:1], key=lambda c: c.excess)

    def assess(self, topology: Topology, params: Array, outputs: tuple[int, ...], attempt: int) -> Candidate:
        """Measure a network given by its parameters `(P,)`."""
        return self.assessor.assess(Network(topology, params.astype(np.float32), outputs), attempt)

    def refine(self, candidate: Candidate, pairs: int, ridge: float) -> Candidate:
        """Refit with the worst points and with weights that grow where the error is large, after Lawson."""
        network = candidate.fitted.network
        columns = list(network.outputs)
        x, y = self.x[:pairs], self.y[:pairs, columns]
        weight = np.ones(len(x))
        best = candidate
        # What int16 arithmetic adds to the error, refinement must win back.
        longer = 1 if self.goal.sigmoid_error is None else 2
        for attempt in range(2, 2 + longer * _REFINEMENTS[self.goal.effort]):
            if self.data.original is not None:
                x = np.concatenate([x, normalize(self.program.inputs, candidate.worst.x)])
                y = np.concatenate([y, (candidate.worst.expected - self.mean[columns]) / self.unit[columns]])
                weight = np.concatenate([weight, np.full(len(candidate.worst.x), 1.0)])
            params = candidate.fitted.network.params.astype(np.float64)
            error = np.abs(mlp_forward(network.topology, params, x) - y) * (self.unit / self.allowed)[columns]
            if not error.any():
                break
            weight *= 0.1 + error.max(1) / error.max()
            weight /= weight.mean()
            params = refit(network.topology, params, x, y, weight, _REFINE_STEPS[network.topology.hidden], ridge)
            candidate = self.assess(network.topology, params, network.outputs, attempt)
            if candidate.excess < best.excess:
                best = candidate
            if best.excess <= MARGIN and self.goal.norm == "rms":
                break
        return best

    def flatten(self, steep: Network, pairs: int) -> Candidate:
        """Refit a network that is too steep for int16 arithmetic, with stronger ridges until it is not."""
        topology, columns = steep.topology, list(steep.outputs)
        x, y = self.x[:pairs], self.y[:pairs, columns]
        params = steep.params.astype(np.float64)
        for ridge in _FLATTENING:
            params = refit(topology, params, x, y, np.ones(len(x)), _REFINE_STEPS[topology.hidden], ridge)
            found = self.assessor.round(self.assess(topology, params, steep.outputs, 0))
            if np.isfinite(found.excess):
                break
        if not MARGIN < found.excess < _HOPELESS:
            return found
        return min(found, self.assessor.round(self.refine(found, pairs, ridge)), key=lambda c: c.excess)

    def note(self, topology: Topology, starts: Array, stages: Sequence[Stage], columns: Sequence[int]) -> None:
        """Remember what raced, and how good the best start was before fine-tuning."""
        self.starts = len(starts)
        self.pairs[topology] = min(len(self.x), stages[-1].pairs)
        steps = sum(s.iterations for s in stages) if self.goal.optimizer == "lm" else 5000
        self.iterations = max(self.iterations, steps)
        if np.isnan(self.zero_shot):
            errors = [mlp_forward(topology, p, self.x_valid) - self.y_valid[:, columns] for p in starts]
            self.zero_shot = float(min(np.sqrt(np.mean(e**2)) for e in errors))

    def record(self, layout: Sequence[Candidate]) -> None:
        """Add one rung to the report."""
        rung = {
            "topology": ", ".join(dict.fromkeys(str(c.network.topology) for c in layout)),
            "networks": len(layout),
            "parameters": sum(c.network.topology.parameters for c in layout),
            **_errors([c.fitted for c in layout]),
            "ok": _excess(layout) <= 1,
            "chosen": False,
        }
        if all(c.unrounded for c in layout):
            rung["int16"] = _errors(layout)
        self.rungs.append(rung)

    def fitted(self, layout: Sequence[Candidate]) -> Fitted:
        """Assemble the result."""
        surrogate, unrounded = (
            Surrogate(self.program, networks, self.mean, self.std, {})
            for networks in (tuple(c.network for c in layout), tuple(c.fitted.network for c in layout))
        )
        error = unrounded.predict(self.data.x) - self.data.y
        train = np.sqrt(np.mean(error**2, axis=0)) / self.unit
        samples = max(self.pairs[c.network.topology] for c in layout)
        return Fitted(
            surrogate, unrounded, self.rungs, self.zero_shot, self.starts, train.tolist(), self.iterations, samples
        )


def _errors(layout: Sequence[Candidate]) -> dict[str, list[float]]:
    """Return largest and normalized error of every output."""
    errors = {o: (m, n) for c in layout for o, m, n in zip(c.network.outputs, c.max_abs, c.nrmse, strict=True)}
    return {key: [errors[o][k] for o in sorted(errors)] for k, key in enumerate(("max_abs", "nrmse"))}


def _excess(layout: Sequence[Candidate]) -> float:
    return max(c.excess for c in layout)


def _cost(topologies: Iterable[Topology]) -> int:
    """Return about how many multiplications one evaluation takes; an activation counts ten."""
    return sum(t.parameters + 10 * sum(t.hidden) for t in topologies)
