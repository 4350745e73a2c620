import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade import pointer, program, value
from networks import inputs_program, random_surrogate, with_intervals

from nstk import finetuning
from nstk.compilation import compile_program, random_parameters
from nstk.errors import UsageError
from nstk.finetuning import Stage, race, race_stages, refit
from nstk.fitting import Goal, fit, fit_further, most_pairs, sample_data, split_pairs
from nstk.optimizers import adam
from nstk.options import EFFORTS
from nstk.program import Program
from nstk.surrogate import Surrogate, mlp_forward
from nstk.tolerance import Tolerance
from nstk.topology import LADDER, Topology

STAGES = [Stage(6, 100, 10), Stage(3, 200, 20), Stage(2, 200, 30)]


def pairs(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
    return x, np.stack([np.sin(2 * x[:, 0] + x[:, 1]), x[:, 0] * x[:, 1]], 1)


def run_race(topology: Topology, count: int = 6, columns: tuple[int, ...] = (0, 1), **options):
    (x, y), (xv, yv) = pairs(200), pairs(150, 1)
    starts = random_parameters(topology, count, 3)
    columns = list(columns)
    return race(topology, starts, x, y[:, columns], xv, yv[:, columns], options.pop("stages", STAGES), **options)


def valid_loss(topology: Topology, params: np.ndarray, columns: list[int]) -> float:
    x, y = pairs(150, 1)
    return float(np.mean((mlp_forward(topology, params, x) - y[:, columns]) ** 2))


def test_shared_networks_race():
    topology = Topology((2, 4, 4, 2))
    params, losses = run_race(topology)
    assert params.shape == (1, 2, topology.parameters)
    assert losses.shape == (1, 2)
    assert losses[0, 0] <= losses[0, 1]
    for p, loss in zip(params[0], losses[0], strict=True):
        assert loss == pytest.approx(valid_loss(topology, p, [0, 1]), rel=1e-9)
    starts = random_parameters(topology, 6, 3)
    assert losses[0, 0] < 0.05 * min(valid_loss(topology, p, [0, 1]) for p in starts)


def test_separate_networks_race_in_one_batch():
    topology = Topology((2, 4, 4, 1))
    params, losses = run_race(topology)
    assert params.shape == (2, 2, topology.parameters)
    for column in (0, 1):
        for p, loss in zip(params[column], losses[column], strict=True):
            assert loss == pytest.approx(valid_loss(topology, p, [column]), rel=1e-9)
        assert losses[column, 0] <= losses[column, 1]
        alone, alone_losses = run_race(topology, columns=(column,))
        np.testing.assert_allclose(alone_losses[0], losses[column], rtol=0.05, atol=1e-7)
        assert alone.shape == (1, 2, topology.parameters)


def test_survivors():
    topology = Topology((2, 4, 4, 1))
    few, _ = run_race(topology, count=1, columns=(0,))
    assert few.shape == (1, 1, topology.parameters)  # fields are cut to what is left
    for stages, expected in (([Stage(4, 200, 10)], 4), ([Stage(5, 50, 10), Stage(1, 200, 10)], 1)):
        found, losses = run_race(topology, columns=(0,), stages=stages)
        assert found.shape[1] == losses.shape[1] == expected
    # The best of the first heat survive it: the winner is not worse than what the heat alone gives.
    first = run_race(topology, columns=(0,), stages=[STAGES[0]])[1]
    last = run_race(topology, columns=(0,), stages=STAGES[:2])[1]
    assert last[0, 0] <= first[0, 0]


@pytest.mark.parametrize("widths", [(2, 4, 4, 1), (2, 4, 4, 2)])
def test_equal_arguments_give_equal_bytes(widths):
    first, second = run_race(Topology(widths)), run_race(Topology(widths))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()


def test_adam_races_all_starts(monkeypatch):
    """The paper's protocol: one heat of 5,000 epochs; here the real optimizer stops at 300."""
    epochs = []

    def shorter(topology, params, train, valid, count):
        epochs.append(count)
        return adam(topology, params, train, valid, 300)

    monkeypatch.setattr(finetuning, "adam", shorter)
    params, losses = run_race(Topology((2, 4, 4, 1)), count=3, optimizer="adam")
    assert epochs == [5000]
    assert params.shape == (2, 3, 37)
    assert (np.diff(losses) >= 0).all()
    assert losses.max() < 0.2


def test_unknown_words_are_refused():
    with pytest.raises(UsageError, match="unknown optimizer 'sgd'"):
        run_race(Topology((2, 4, 4, 1)), optimizer="sgd")
    with pytest.raises(UsageError, match="unknown init 'magic'") as caught:
        compile_program(inputs_program(1), "magic", None, print)
    assert "random" in caught.value.hint


def test_stages_grow_with_effort():
    for hidden in LADDER:
        budgets = []
        for effort in EFFORTS:
            stages = race_stages(hidden, effort, 2)
            assert [s.survivors for s in stages] == sorted((s.survivors for s in stages), reverse=True)
            assert [s.pairs for s in stages] == sorted(s.pairs for s in stages)
            budgets.append(sum(s.survivors * s.iterations for s in stages))
        assert budgets == sorted(budgets)
        assert race_stages(hidden, "normal", 9)[-1].pairs >= race_stages(hidden, "normal", 2)[-1].pairs
        assert most_pairs([hidden], "normal", 9) == max(s.pairs for s in race_stages(hidden, "normal", 9))


@pytest.mark.parametrize("hidden", LADDER[:3])
def test_compiled_starts_race_for_less(hidden):
    def work(compiled: bool) -> int:
        return sum(s.survivors * s.pairs * s.iterations for s in race_stages(hidden, "normal", 2, compiled))

    assert work(True) < 0.4 * work(False)
    stages = race_stages(hidden, "normal", 9, True)
    assert max(s.pairs for s in stages) <= most_pairs([hidden], "normal", 9)


def test_refit_follows_the_weights():
    topology = Topology((2, 4, 4, 1))
    x, y = pairs(300)
    start = random_parameters(topology, 1, 5)[0]
    right = x[:, 0] > 0

    def errors(weight: np.ndarray) -> tuple[float, float]:
        params = refit(topology, start, x, y[:, :1], weight / weight.mean(), 30)
        error = (mlp_forward(topology, params, x) - y[:, :1])[:, 0] ** 2
        return float(error[right].mean()), float(error[~right].mean())

    heavy_right = errors(np.where(right, 1.0, 1e-4))
    heavy_left = errors(np.where(right, 1e-4, 1.0))
    assert heavy_right[0] < heavy_left[0]
    assert heavy_left[1] < heavy_right[1]


def test_random_parameters_are_torchs():
    topology = Topology((9, 4, 4, 1))
    params = random_parameters(topology, 2000, 0)
    assert params.shape == (2000, 65)
    for layer in topology.layers():
        bound = layer.inputs**-0.5
        part = params[:, layer.weight.start : layer.bias.stop]
        assert np.abs(part).max() <= bound
        assert np.abs(part).max() > 0.999 * bound
        assert part.std() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not np.array_equal(params[:5], random_parameters(topology, 5, 1))
    np.testing.assert_array_equal(random_parameters(topology, 2000, 0), params)


# ---------------------------------------------------------------- fitting


def arm() -> Program:
    p = program("", value("x"), value("y"), pointer("s"), pointer("t"), name="arm", returns=None)
    return with_intervals(p, (0, 2), (10, 11))


def arm_outputs(x: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(x[:, 0] + x[:, 1]), 100 + x[:, 0] * x[:, 1]], 1)


def goal(**options) -> Goal:
    return Goal(**{"tolerance": Tolerance(2, True), "hidden": ((4, 4),), "effort": "quick", **options})


def same(a: Surrogate, b: Surrogate) -> bool:
    return all(m.params.tobytes() == n.params.tobytes() for m, n in zip(a.networks, b.networks, strict=True))


def test_fit_meets_the_tolerance_and_repeats():
    p = arm()
    data = sample_data(p, arm_outputs, 600, 1)
    fitted = fit(p, data, goal(), lambda text: None)
    assert fitted.rungs[-1]["ok"]
    x, expected = data.checks, data.checked
    error = np.abs(fitted.surrogate.predict(x) - expected).max(0)
    assert (error <= 0.02 * np.ptp(expected, axis=0)).all()
    assert fitted.zero_shot_nrmse > 0.1
    assert max(fitted.train_nrmse) < 0.02
    assert same(fitted.surrogate, fit(p, data, goal(), lambda text: None).surrogate)


def test_fit_repeats_in_another_process():
    script = (
        "import hashlib, test_finetuning as t\n"
        "params, losses = t.run_race(t.Topology((2, 4, 4, 2)))\n"
        "print(hashlib.sha256(params.tobytes() + losses.tobytes()).hexdigest())\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    params, losses = run_race(Topology((2, 4, 4, 2)))
    assert done.stdout.strip() == hashlib.sha256(params.tobytes() + losses.tobytes()).hexdigest()


def test_constant_outputs_are_exactly_their_value():
    p = arm()

    def outputs(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, 0] ** 2, np.full(len(x), 0.1)], 1)

    fitted = fit(p, sample_data(p, outputs, 400, 1), goal(), lambda text: None)
    x = np.random.default_rng(0).uniform((0, 10), (2, 11), (50, 2))
    assert (fitted.surrogate.predict(x)[:, 1] == 0.1).all()
    assert fitted.surrogate.y_std[1] == 0


def test_fit_further_improves_and_checks_the_signature():
    p = arm()
    data = sample_data(p, arm_outputs, 600, 1)
    start = replace(random_surrogate(p), y_mean=np.array([0.0, 90.0]), y_std=np.array([1.0, 5.0]))
    further = fit_further(start, p, data, goal(), lambda text: None)
    assert [n.topology for n in further.surrogate.networks] == [n.topology for n in start.networks]
    before = np.abs(start.predict(data.checks) - data.checked).max(0)
    after = np.abs(further.surrogate.predict(data.checks) - data.checked).max(0)
    assert (after < 0.1 * before).all()
    with pytest.raises(UsageError, match="2 inputs and 2 outputs"):
        fit_further(start, inputs_program(2), data, goal(), lambda text: None)


def test_pairs_are_split_without_overlap():
    x = np.arange(1000.0)[:, None]
    data, held = split_pairs(x, 2 * x, 4)
    assert (len(data.x), len(data.x_valid), len(held.x)) == (640, 160, 200)
    assert sorted(np.concatenate([data.x, data.x_valid, held.x]).ravel()) == x.ravel().tolist()
    for inputs, outputs in ((data.x, data.y), (data.x_valid, data.y_valid), (held.x, held.expected)):
        np.testing.assert_array_equal(outputs, 2 * inputs)
    assert np.isnan(held.got).all()
    assert data.original is None
    again, _ = split_pairs(x, 2 * x, 4)
    np.testing.assert_array_equal(again.x, data.x)
