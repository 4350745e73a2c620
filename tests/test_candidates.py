"""What decides about networks in int16 arithmetic, and the ladder that is climbed until it keeps the tolerance."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import inputs_program, random_surrogate

from nstk import fitting
from nstk.candidates import Assessor, Candidate
from nstk.fitting import Data, Goal, _Fitter, fit, sample_data
from nstk.quantization import quantize
from nstk.surrogate import Network, Surrogate
from nstk.tolerance import Tolerance
from nstk.topology import Topology
from nstk.verification import Comparison

COARSE, FINE = 1e-3, 3e-5


def assessor(s: Surrogate, allowed: float, sigmoid_error: float | None) -> tuple[Assessor, Data]:
    """Return what assesses networks against a surrogate's own outputs, so that its float error is 0."""
    data = sample_data(s.program, s.predict, 512, 1)
    return Assessor(s.program, data, (s.y_mean, s.y_std), np.array([allowed]), 0, sigmoid_error), data


def test_rounded_candidates_are_measured_in_int16():
    s = random_surrogate(inputs_program(2), seed=3, spread=4.0)
    [network] = s.networks
    made, data = assessor(s, 1.0, COARSE)
    found = made.assess(network)
    assert found.unrounded is not None
    assert found.fitted.network is network
    assert max(found.fitted.max_abs) < 1e-9
    rounded = quantize(replace(s, networks=(found.network,)), COARSE)
    error = np.abs(rounded.evaluate(data.checks)[0] - data.checked).max()
    assert 0 < error <= found.max_abs[0] < 2 * error
    assert found.excess == found.max_abs[0]


def test_finishing_makes_no_error_larger():
    changed = 0
    for seed in range(4):
        s = random_surrogate(inputs_program(2), seed=seed, spread=10.0)
        [network] = s.networks
        made, _ = assessor(s, 1.0, COARSE)
        plain = made.measure(network, made.rounded(network), 0)
        made.allowed = np.array([1.5 * plain.max_abs[0]])
        found = made.assess(network)
        at_same_points = made.measure(found.network, made.rounded(found.network), 0)
        assert at_same_points.max_abs <= plain.max_abs
        assert at_same_points.nrmse <= plain.nrmse
        changed += found.network is not network
    assert changed


def test_what_misses_the_tolerance_as_floats_is_not_rounded():
    s = random_surrogate(inputs_program(2), seed=3)
    made, _ = assessor(s, 1e-3, FINE)
    [network] = s.networks
    found = made.assess(replace(network, params=network.params * np.float32(1.5)))
    assert found.excess > 1
    assert found.unrounded is None


@pytest.mark.parametrize(
    ("excess", "taken"),
    [
        ({(0, 0): 1.5, (1, 0): 0.6, (1, 1): 1.5, (2, 0): 0.6, (2, 1): 0.7}, (2, 0.7)),  # not confirmed: gives way
        ({(0, 0): 1.5, (1, 0): 0.4}, (1, 0.4)),  # far below the tolerance: needs no confirmation
    ],
)
def test_finalists_are_tried_in_turn(monkeypatch, excess, taken):
    p = inputs_program(1)
    data = sample_data(p, np.sin, 100, 1)
    fitter = _Fitter(p, data, Goal(Tolerance(1.0, True), ((4, 4),)), lambda text: None)
    asked = []

    def assess(network: Network, attempt: int = 0) -> Candidate:
        asked.append((int(network.params[0]), attempt))
        nothing = Comparison(data.x[:1], data.y[:1], data.y[:1])
        return Candidate(network, (0.0,), (0.0,), excess[asked[-1]], nothing)

    monkeypatch.setattr(fitter.assessor, "assess", assess)
    topology = Topology((1, 4, 4, 1))
    finalists = np.arange(4.0)[:, None].repeat(topology.parameters, 1)
    chosen = fitter.select(topology, finalists, (0,), 100)
    assert (int(chosen.network.params[0]), chosen.excess) == taken
    assert asked == list(excess)


@pytest.mark.parametrize("pairs_alone", [False, True])
def test_what_misses_the_tolerance_is_refined_unless_pairs_may_be_noisy(monkeypatch, pairs_alone):
    p = inputs_program(1)
    data = sample_data(p, lambda x: np.sin(5 * x) + np.abs(x) ** 1.5, 400, 1)
    if pairs_alone:
        data = replace(data, checks=data.x_valid, checked=data.y_valid, original=None)
    goal = Goal(Tolerance(0.05, True), ((4, 4),), effort="quick")

    def rung(refinements: int) -> dict[str, Any]:
        monkeypatch.setitem(fitting._REFINEMENTS, "quick", refinements)
        return fit(p, data, goal, lambda text: None).rungs[0]

    plain, refined = rung(0), rung(2)
    assert not plain["ok"]
    assert not refined["ok"]
    assert (refined["max_abs"] == plain["max_abs"]) == pairs_alone
    assert max(refined["max_abs"]) <= max(plain["max_abs"])


def test_too_steep_a_network_is_not_taken():
    s = random_surrogate(inputs_program(2), spread=1e5)
    made, _ = assessor(s, 1.0, FINE)
    assert made.assess(s.networks[0]).excess == np.inf


def test_what_is_too_steep_is_made_flatter():
    s = random_surrogate(inputs_program(2), spread=1e5)
    data = sample_data(s.program, lambda x: np.sin(3 * x[:, :1]) * x[:, 1:], 400, 1)
    goal = Goal(Tolerance(1.0, True), ((4, 4),), effort="quick", sigmoid_error=FINE)
    fitter = _Fitter(s.program, data, goal, lambda text: None)
    [network] = s.networks
    finalists = network.params.astype(np.float64)[None]
    assert fitter.assessor.round(fitter.select(network.topology, finalists, (0,), 400)).excess == np.inf
    found = fitter.choose(network.topology, finalists, (0,), 400)
    assert found.unrounded is not None
    assert np.isfinite(found.excess)


def climb(tolerance: float, sigmoid_error: float | None, frequency: float = 3.0):
    p = inputs_program(1)
    data = sample_data(p, lambda x: np.sin(frequency * x), 400, 1)
    goal = Goal(Tolerance(tolerance, True), ((4, 4), (8, 8)), effort="quick", sigmoid_error=sigmoid_error)
    return data, fit(p, data, goal, lambda text: None)


def test_fit_keeps_the_tolerance_in_int16():
    data, fitted = climb(1.0, FINE)
    [rung] = fitted.rungs
    assert rung["ok"]
    assert rung["int16"]["max_abs"] != rung["max_abs"]
    error = np.abs(quantize(fitted.surrogate, FINE).evaluate(data.checks)[0] - data.checked).max()
    assert error <= 0.01 * np.ptp(data.checked)
    assert "int16" not in climb(1.0, None)[1].rungs[0]


def test_fit_climbs_where_int16_misses_the_tolerance():
    """As floats the smallest rung meets it, with so coarse a table of tanh it does not."""
    _, floats = climb(0.2, None)
    data, fitted = climb(0.2, COARSE)
    allowed = 0.002 * np.ptp(data.checked)
    assert len(floats.rungs) == 1
    assert not fitted.rungs[0]["ok"]
    assert len(fitted.rungs) == 2
    for rung in fitted.rungs:
        assert max(rung["max_abs"]) <= allowed
        assert rung["ok"] == (max(rung["int16"]["max_abs"]) <= allowed)


def test_rungs_that_miss_the_tolerance_are_compared_in_int16():
    """The larger network is closer as floats, but rounding may cost it more."""
    turned = 0
    for frequency in (3.75, 5.5, 6.5):
        _, fitted = climb(0.02, COARSE, frequency)
        small, large = fitted.rungs
        assert small["max_abs"] > large["max_abs"]
        smaller = small["int16"]["max_abs"] < large["int16"]["max_abs"]
        assert [rung["chosen"] for rung in fitted.rungs] == [smaller, not smaller]
        turned += smaller
    assert 0 < turned < 3
