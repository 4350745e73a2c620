"""Verification of an emitted header on three rungs: its constants, its arithmetic, its closeness to the original."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstk import sampling
from nstk.constants import check_constants
from nstk.emission import header_names
from nstk.errors import UsageError
from nstk.folding import Folded
from nstk.integer_verification import check_integer_arithmetic, check_integer_constants
from nstk.program import Input, Program
from nstk.quantization import Quantized
from nstk.sandbox import ProgramRunner
from nstk.tolerance import Tolerance

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

CONFIDENCE = 0.999
COVERAGE = 0.9999
#: Fresh draws behind nrmse, percentiles and certificate. The largest error of n draws bounds all but a share
#: 1 - COVERAGE of the domain with confidence 1 - COVERAGE^n: 69,075 draws would do.
FRESH_DRAWS = 100_000
_APART = 1_000_003  # what seeds of points seen by fitting do not reach


@dataclass(frozen=True, eq=False)
class Comparison:
    """Original and surrogate on one set of points.

    Attributes:
        x: `(N, I)` in program units.
        expected: The original's outputs `(N, O)`.
        got: The surrogate's outputs `(N, O)`.
    """

    x: Array
    expected: Array
    got: Array

    @property
    def error(self) -> Array:
        """Absolute errors `(N, O)`."""
        return np.asarray(np.abs(self.got - self.expected))

    def joined(self, other: "Comparison") -> "Comparison":
        """Return both sets of points as one."""
        return Comparison(
            np.concatenate([self.x, other.x]),
            np.concatenate([self.expected, other.expected]),
            np.concatenate([self.got, other.got]),
        )


def compare(original: Function, surrogate: Function, x: Array) -> Comparison:
    """Run both functions on `x (N, I)`."""
    return Comparison(x, original(x), surrogate(x))


def covering_points(inputs: Sequence[Input], seed: int) -> Array:
    """Return corners, edges, a low-discrepancy set and draws: about 25,000 points `(N, I)`."""
    return np.concatenate(
        [
            sampling.corners(inputs),
            sampling.edges(inputs, 4096, seed),
            sampling.sobol(inputs, 2**14, seed),
            sampling.draw(inputs, 4096, seed),
        ]
    )


def largest(values: Array, count: int) -> NDArray[np.intp]:
    """Return where the `count` largest of `(N,)` stand, largest first; of equal ones at the end, any."""
    found = np.argpartition(-values, count - 1)[:count] if count < len(values) else np.arange(len(values))
    return found[np.lexsort((found, -values[found]))]


def search_worst(
    original: Function, surrogate: Function, inputs: Sequence[Input], known: Comparison, seed: int, rounds: int = 12
) -> Comparison:
    """Try to make the largest errors larger: a shrinking random search from the worst known points of each output.

    Args:
        original: Runs the program.
        surrogate: Runs its stand-in.
        inputs: The domain.
        known: Points to start from.
        seed: Of the search.
        rounds: Each halves the radius, from a tenth of every interval.

    Returns:
        The worst points found, at most 24 per output.
    """
    generator = np.random.default_rng([seed, 7])
    width = np.array([i.interval.hi - i.interval.lo for i in inputs])
    found = []
    for output in range(known.expected.shape[1]):
        worst = largest(known.error[:, output], 24)
        best = Comparison(known.x[worst], known.expected[worst], known.got[worst])
        for step in range(rounds):
            moves = generator.normal(size=(12, *best.x.shape)) * (width * 0.1 * 0.5**step)
            moves *= generator.random(moves.shape) < max(0.5, 1 / len(inputs))  # some along few axes only
            x = sampling.snap(inputs, (best.x + moves).reshape(-1, len(inputs)))
            trial = compare(original, surrogate, x)
            size = len(best.x)
            errors = np.concatenate([best.error[None, :, output], trial.error[:, output].reshape(12, size)])
            choice = errors.argmax(0)  # 0 keeps the point
            rows = np.where(choice == 0, np.arange(size), choice * size + np.arange(size))
            both = best.joined(trial)
            best = Comparison(both.x[rows], both.expected[rows], both.got[rows])
        found.append(best)
    result = found[0]
    for other in found[1:]:
        result = result.joined(other)
    return result


def check_arithmetic(program: Program, folded: Folded, header: str, seed: int) -> dict[str, Any]:
    """Rung 2: emitted C against the float64 forward pass with the same activation.

    One call is checked with vectors and without, the batch function with whole blocks and a rest. Each point has its
    own bound on what float32 rounding may add (`Folded.evaluate`). Where inputs are clamped, points outside the domain
    are compared as well, and NaN inputs must give NaN.

    Returns:
        `ok`, `max_abs` difference, `bound` there, `worst_input` (largest difference relative to its bound).
    """
    inputs = program.inputs
    inside, outside = sampling.arithmetic_points(inputs, seed)
    x = np.concatenate([inside, outside]) if folded.clamp else inside
    x = x.astype(np.float32).astype(np.float64)
    expected, bound = folded.evaluate(x)
    base = header_names(program).base
    nan = np.where(np.eye(len(inputs), dtype=bool), np.nan, x[-1])  # (I, I): each input NaN once,
    nan = nan.repeat(32, axis=0)  # in whole blocks of the batch function
    worst: dict[str, Any] = {"ok": True, "max_abs": 0.0, "bound": 0.0, "worst_input": None, "forms": []}
    highest = -1.0
    forms: list[tuple[str, str, str, tuple[str, ...]]] = [
        ("float", "float", "_f", ()),
        ("batch", "batch", "_batch", ()),
    ]
    if "NSTK_NO_VECTORS" in header:  # what processors without vectors compile, and the widest vectors of this one
        forms.append(("scalar", "float", "_f", ("-DNSTK_NO_VECTORS",)))
        forms.append(("native batch", "batch", "_batch", ("-march=native",)))
    for label, form, suffix, cflags in forms:
        with ProgramRunner(program, header=header, form=form, callee=base + suffix, cflags=cflags) as runner:
            got, silent = runner.run(x), runner.run(nan)
        difference = np.abs(got - expected)
        difference = np.where(np.isnan(difference), np.inf, difference)
        share = np.where(difference > 0, difference / np.maximum(bound, 1e-300), 0.0)  # a constant has no bound
        row, column = np.unravel_index(np.argmax(share), share.shape)
        worst["forms"].append(label)
        worst["ok"] = bool(worst["ok"] and share[row, column] <= 1 and np.isnan(silent).all())
        worst["max_abs"] = max(worst["max_abs"], float(difference.max()))
        if share[row, column] > highest:
            highest = float(share[row, column])
            worst |= {"bound": float(bound[row, column]), "worst_input": x[row].tolist()}
    return worst


def judge(
    program: Program, checked: Comparison, fresh: Comparison, tolerance: Tolerance, certified: bool = True
) -> list[dict[str, Any]]:
    """Rung 3's verdict on every output.

    Args:
        program: The original.
        checked: Every point compared; the fresh draws are among them.
        fresh: Independent draws never seen by fitting, refinement or the choice of topology.
        tolerance: What is allowed.
        certified: Whether `fresh` are draws from the domain (held-out pairs are not).

    Returns:
        One record per output, as `report.json` has them.
    """
    records = []
    for o, output in enumerate(program.outputs):
        error = checked.error[:, o]
        row = int(error.argmax())
        draws = fresh.error[:, o]
        rmse, std = float(np.sqrt(np.mean(draws**2))), float(fresh.expected[:, o].std())
        values = checked.expected[:, o]
        allowed = tolerance.absolute(values)
        record: dict[str, Any] = {
            "name": output.name,
            "n": len(error),
            "max_abs": float(error[row]),
            "rmse": rmse,
            "nrmse": rmse / std if std > 0 else (0.0 if rmse == 0 else rmse / max(float(np.abs(values).max()), 1e-300)),
            "p99_abs": float(np.percentile(draws, 99)),
            "range": [float(values.min()), float(values.max())],
            "worst_input": checked.x[row].tolist(),
            "worst_expected": float(values[row]),
            "worst_got": float(checked.got[row, o]),
            "tolerance": allowed,
            "ok": bool(error[row] <= allowed),
        }
        if certified:
            record["certificate"] = {"confidence": CONFIDENCE, "coverage": COVERAGE, "max_abs": float(draws.max())}
        records.append(record)
    return records


@dataclass(frozen=True, eq=False)
class Verified:
    """What verification found.

    Attributes:
        record: The `verify` part of the report.
        checked: Every point compared.
        fresh: The fresh draws among them, for plots.
    """

    record: dict[str, Any]
    checked: Comparison = field(repr=False)
    fresh: Comparison = field(repr=False)


def verify_header(
    program: Program,
    arithmetic: Folded | Quantized,
    header: str,
    original: Function | None,
    tolerance: Tolerance,
    seed: int,
    held_out: Comparison | None = None,
) -> Verified:
    """Climb the three rungs.

    Args:
        program: The original.
        arithmetic: What the header should hold.
        header: Text of the header.
        original: Runs the program; None with `held_out`.
        tolerance: What is allowed.
        seed: The draws are independent of those with the same seed elsewhere.
        held_out: Pairs to compare with when the program cannot be run: x and expected; then nothing is certified.
    """
    base = header_names(program).base
    with ProgramRunner(program, header=header, callee=base) as runner:
        if original is not None:
            fresh = compare(original, runner.run, _fresh_draws(program, seed))
            known = compare(original, runner.run, covering_points(program.inputs, seed + _APART)).joined(fresh)
            checked = known.joined(search_worst(original, runner.run, program.inputs, known, seed))
        elif held_out is not None:
            checked = fresh = Comparison(held_out.x, held_out.expected, runner.run(held_out.x))
        else:
            raise ValueError("neither an original nor pairs to compare with")
    if isinstance(arithmetic, Quantized):
        constants = check_integer_constants(program, arithmetic, header)
        computed = check_integer_arithmetic(program, arithmetic, header, seed)
    else:
        constants = check_constants(program, arithmetic, header)
        computed = check_arithmetic(program, arithmetic, header, seed)
    outputs = judge(program, checked, fresh, tolerance, held_out is None)
    record = {
        "ok": bool(constants["ok"] and computed["ok"] and all(o["ok"] for o in outputs)),
        "method": "original run here" if held_out is None else "held-out pairs",
        "constants": constants,
        "arithmetic": computed,
        "outputs": outputs,
    }
    return Verified(record, checked, fresh)


def known_points(program: Program, original: Function, seed: int) -> Comparison:
    """Return the points that `verify_header` compares on before it searches, with no surrogate's outputs."""
    x = np.concatenate([covering_points(program.inputs, seed + _APART), _fresh_draws(program, seed)])
    expected = original(x)
    return Comparison(x, expected, np.full_like(expected, np.nan))


def _fresh_draws(program: Program, seed: int) -> Array:
    return sampling.draw(program.inputs, FRESH_DRAWS, seed + _APART)


def check_exhaustible(program: Program) -> None:
    """Check that a program's inputs can all be tried.

    Raises:
        UsageError: The program has not exactly one input, of type float.
    """
    if len(program.inputs) != 1 or program.inputs[0].ctype.kind != "float":
        raise UsageError("--exhaustive needs a program with exactly one float input", "leave it out: the draws remain")


def check_exhaustively(
    program: Program, header: str, original: Function, tolerance: Tolerance, progress: Callable[[float], None]
) -> list[dict[str, Any]]:
    """Compare original and surrogate on every float of a one-input program's domain, about 15 million a second.

    Args:
        program: The original.
        header: Text of the surrogate's header.
        original: Runs the program.
        tolerance: What is allowed.
        progress: Told the share that is done.

    Returns:
        One record per output: `name`, `n` inputs, `max_abs`, `worst_input`, `worst_expected`, `worst_got`,
        `tolerance`, `ok`.

    Raises:
        UsageError: The program has not exactly one input, of type float.
    """
    check_exhaustible(program)
    ends = sampling.corners(program.inputs).astype(np.float32).view(np.int32).ravel().astype(np.int64)
    first, last = (int(b) if b >= 0 else -(int(b) + 2**31) for b in ends)  # indices among all floats, 0 for zero
    block = 2**20
    count = len(program.outputs)
    worst = np.full(count, -1.0)
    where, expected, got = np.zeros((3, count))
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    with ProgramRunner(program, header=header, callee=header_names(program).base) as runner:
        for start in range(first, last + 1, block):
            index = np.arange(start, min(start + block, last + 1))
            bits = np.where(index >= 0, index, 2**31 - index).astype(np.uint32)
            part = compare(original, runner.run, bits.view(np.float32).astype(np.float64)[:, None])
            error = np.where(np.isnan(part.error), np.inf, part.error)
            rows = error.argmax(0)
            larger = error.max(0) > worst
            where = np.where(larger, part.x[rows, 0], where)
            expected = np.where(larger, part.expected[rows, range(count)], expected)
            got = np.where(larger, part.got[rows, range(count)], got)
            worst = np.maximum(worst, error.max(0))
            low, high = np.minimum(low, part.expected.min(0)), np.maximum(high, part.expected.max(0))
            progress((start - first) / (last + 1 - first))
    allowed = [tolerance.absolute(np.array([low[o], high[o]])) for o in range(count)]
    return [
        {
            "name": output.name,
            "n": last + 1 - first,
            "max_abs": float(worst[o]),
            "worst_input": [float(where[o])],
            "worst_expected": float(expected[o]),
            "worst_got": float(got[o]),
            "tolerance": allowed[o],
            "ok": bool(worst[o] <= allowed[o]),
        }
        for o, output in enumerate(program.outputs)
    ]
