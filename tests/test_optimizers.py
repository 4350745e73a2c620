from itertools import pairwise

import pytest
import torch
from test_mlp import batch

from nstk import least_squares, optimizers
from nstk.least_squares import LeastSquares, Pairs
from nstk.mlp import forward, neuron_order
from nstk.optimizers import adam, levenberg_marquardt


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def wave(n: int = 300, seed: int = 0) -> Pairs:
    x = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    y = torch.stack([torch.sin(3 * x[:, 0]) + x[:, 1], x[:, 0] * x[:, 1]], 1)
    return Pairs(x, y, torch.ones(n, dtype=torch.float64))


def test_sums_over_pairs_do_not_depend_on_chunks(monkeypatch):
    topology, params, _ = batch((2, 4, 4, 2))
    pairs = wave()
    pairs = Pairs(pairs.x, pairs.y, torch.linspace(0.5, 1.5, 300, dtype=torch.float64))
    directions = torch.stack([params, params.flip(1)], 1)
    order = neuron_order(topology)
    flat = order.argsort()
    problem = LeastSquares(topology, pairs)

    def sums():
        values = problem.evaluate(params[:, order])
        rows, system = problem.linearize(params[:, order], values)
        bend = problem.pull_back_bend(params[:, order], values, rows, directions[..., order])
        return system[:, :-1, :-1], system[:, -1, flat], system[:, -1, -1], bend[..., flat]

    *whole, ahead = sums()
    monkeypatch.setattr(least_squares, "_KEPT", 0)
    *alike, bend = sums()
    assert all(torch.equal(a, b) for a, b in zip(whole, alike, strict=True))
    assert 0 < (ahead - bend).norm() < 0.02 * bend.norm()  # a difference, and the derivative
    width = 2 * (topology.parameters + 1)
    for chunk in (2 * width * 300, 7 * width):  # two networks at once, seven rows
        monkeypatch.setattr(least_squares, "_CHUNK", chunk)
        for a, b in zip((*whole, bend), sums(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)
    normal, gradient, loss = whole
    torch.testing.assert_close(loss, pairs.loss(topology, params))
    p = params.clone().requires_grad_()
    pairs.loss(topology, p).sum().backward()
    torch.testing.assert_close(2 * gradient, p.grad)
    assert (torch.linalg.eigvalsh(normal) > -1e-12).all()


@pytest.mark.parametrize("widths", [(2, 4, 4, 1), (2, 8, 3), (2, 4, 4, 2), (2, 2)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("own_targets", [False, True])
def test_output_layers_are_put_where_they_fit_best(widths, weighted, own_targets):
    topology, params, _ = batch(widths)
    x, outputs = wave().x, widths[-1]
    y = torch.sin(x.sum(1, keepdim=True) * torch.arange(1, outputs + 1))
    y = torch.stack([y, 2 * y, y.square()]) if own_targets else y
    weight = torch.linspace(0.5, 1.5, 300, dtype=torch.float64) if weighted else torch.ones(300, dtype=torch.float64)
    problem = LeastSquares(topology, Pairs(x, y, weight), ridge=1e-9)
    before = params.repeat_interleave(2, 0)  # two variants of each network
    before[1::2] *= 0.5
    moved = before.clone()
    values = problem.evaluate(moved)
    loss = problem.losses(before, values)
    problem.solve_last(moved, values, torch.zeros(6, dtype=torch.float64))
    last = slice(-outputs * (widths[-2] + 1), None)
    assert torch.equal(moved[:, : last.start], before[:, : last.start])
    torch.testing.assert_close(values, problem.evaluate(moved), rtol=0, atol=1e-9)
    assert (problem.losses(moved, values) <= loss).all()
    if topology.hidden:
        assert (problem.losses(moved, values) < 0.5 * loss).all()
        firsts = slice(None, None, 2)
        gradient = problem.linearize(moved[firsts], values[firsts])[1][:, -1, :-1]
        torch.testing.assert_close(gradient[:, last], torch.zeros_like(gradient[:, last]), rtol=0, atol=1e-10)


def test_output_layers_put_right_lead_farther(monkeypatch):
    topology, params, _ = batch((2, 4, 4, 2), size=12)
    train = wave()
    _, joint = levenberg_marquardt(topology, params, train, train, 20)
    monkeypatch.setattr(LeastSquares, "solve_last", lambda *_: None)
    _, plain = levenberg_marquardt(topology, params, train, train, 20)
    assert joint.log().mean() < plain.log().mean() - 0.5


def test_the_ridge_counts_alike_wherever_a_loss_comes_from():
    topology, params, _ = batch((2, 4, 4, 2))
    params = params.requires_grad_()
    problem = LeastSquares(topology, wave(), ridge=1e-3)
    order = neuron_order(topology)
    expected = wave().loss(topology, params) + 1e-3 * params.square().sum(1)
    expected.sum().backward()
    with torch.no_grad():
        values = problem.evaluate(params[:, order])
        _, system = problem.linearize(params[:, order], values)
        _, plain = LeastSquares(topology, wave()).linearize(params[:, order], values)
        torch.testing.assert_close(problem.losses(params[:, order], values), expected)
        torch.testing.assert_close(system[:, -1, -1], expected)
        torch.testing.assert_close(2 * system[:, -1, order.argsort()], params.grad)
        more = (system - plain)[:, :-1, :-1].diagonal(dim1=1, dim2=2)
        torch.testing.assert_close(more, torch.full_like(more, 1e-3))


def test_loss_weighs_pairs():
    topology, params, _ = batch((2, 4, 4, 2))
    pairs = wave(4)
    squares = (forward(topology, params, pairs.x) - pairs.y).square().mean(-1)  # (B, N)
    weight = torch.tensor([4.0, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(Pairs(pairs.x, pairs.y, weight).loss(topology, params), squares[:, 0])
    torch.testing.assert_close(pairs.loss(topology, params), squares.mean(1))


def test_levenberg_marquardt_learns():
    topology, params, _ = batch((2, 8, 8, 2), size=4)
    train, valid = wave(), wave(200, seed=1)
    before, kept = valid.loss(topology, params), params.clone()
    fitted, loss = levenberg_marquardt(topology, params, train, valid, 60)
    assert torch.equal(params, kept)  # not modified
    assert (loss < before / 100).all()
    assert loss.min() < 1e-5
    torch.testing.assert_close(valid.loss(topology, fitted), loss, rtol=1e-9, atol=0)


def test_the_parabola_leads_farther_than_the_tangent(monkeypatch):
    topology, params, _ = batch((2, 4, 4, 2), size=12)
    train = wave()
    _, bent = levenberg_marquardt(topology, params, train, train, 40)
    monkeypatch.setattr(optimizers, "_MOST_BENT", 0.0)
    _, straight = levenberg_marquardt(topology, params, train, train, 40)
    assert bent.log().mean() < straight.log().mean() - 1


def test_what_is_watched_is_what_fewer_iterations_return():
    topology, params, _ = batch((2, 4, 4, 2), size=3)
    train, valid = wave(), wave(200, seed=1)
    seen = []
    levenberg_marquardt(topology, params, train, valid, 7, look=1, watch=seen.append)
    assert len(seen) == 7
    for steps in (1, 4, 7):
        fitted, _ = levenberg_marquardt(topology, params, train, valid, steps, look=1)
        assert torch.equal(fitted, seen[steps - 1])


def test_more_iterations_never_hurt():
    topology, params, _ = batch((2, 4, 4, 2), size=2)
    train, valid = wave(), wave(200, seed=1)
    losses = [levenberg_marquardt(topology, params, train, valid, n)[1] for n in (1, 10, 20, 40, 80)]
    for fewer, more in pairwise(losses):
        assert (more <= fewer).all()


def test_a_start_near_a_minimum_needs_few_steps(monkeypatch):
    topology, params, _ = batch((2, 4, 4, 2), size=4)
    train = wave()
    fitted, loss = levenberg_marquardt(topology, params, train, train, 200)
    shaken = fitted + 0.01 * torch.randn(fitted.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    before = train.loss(topology, shaken)
    assert (before > 1000 * loss).all()
    _, again = levenberg_marquardt(topology, shaken, train, train, 3)
    assert (again < before / 10).all()
    monkeypatch.setattr(optimizers, "FIRST_DAMPING", 0.1 / before.sqrt().min())  # no start less than 0.1
    _, wary = levenberg_marquardt(topology, shaken, train, train, 3)
    assert (again < wary).all()


def test_early_stopping_returns_the_best_iterate():
    """Few noisy pairs: training goes on improving long after validation got worse."""
    topology, params, _ = batch((2, 8, 8, 2), size=3)
    train, valid = wave(24), wave(400, seed=1)
    noise = torch.randn(24, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    train = Pairs(train.x, train.y + 0.3 * noise, train.weight)
    fitted, loss = levenberg_marquardt(topology, params, train, valid, 200, look=1)
    torch.testing.assert_close(valid.loss(topology, fitted), loss, rtol=1e-9, atol=0)
    overfitted, _ = levenberg_marquardt(topology, params, train, train, 200)
    assert (train.loss(topology, overfitted) < train.loss(topology, fitted)).all()
    assert (loss < valid.loss(topology, overfitted)).all()
    assert (loss <= valid.loss(topology, params)).all()
    # A start nothing improves on comes back as it is.
    exact = Pairs(valid.x, forward(topology, params[:1], valid.x)[0], valid.weight)
    same, zero = levenberg_marquardt(topology, params[:1], train, exact, 20)
    assert torch.equal(same, params[:1])
    assert zero.item() < 1e-28


@pytest.mark.parametrize("fit", [lambda *a: levenberg_marquardt(*a, 30), lambda *a: adam(*a, epochs=60)])
def test_a_batch_is_its_networks_one_by_one(fit):
    topology, params, _ = batch((2, 4, 4, 1), size=4)
    pairs, other = wave(), wave(200, seed=1)
    columns = [0, 1, 1, 0]  # each network has its own target
    train = Pairs(pairs.x, torch.stack([pairs.y[:, c : c + 1] for c in columns]), pairs.weight)
    valid = Pairs(other.x, torch.stack([other.y[:, c : c + 1] for c in columns]), other.weight)
    together, losses = fit(topology, params, train, valid)
    for b, c in enumerate(columns):
        single = Pairs(pairs.x, pairs.y[:, c : c + 1], pairs.weight)
        alone, loss = fit(topology, params[b : b + 1], single, Pairs(other.x, other.y[:, c : c + 1], other.weight))
        torch.testing.assert_close(loss[0], losses[b], rtol=1e-4, atol=1e-12)
        torch.testing.assert_close(
            forward(topology, alone, other.x)[0], forward(topology, together[b : b + 1], other.x)[0], rtol=0, atol=1e-3
        )
    assert torch.equal(train.of(torch.tensor([2])).y[0], train.y[2])
    assert train.head(10).y.shape == (4, 10, 1)


def test_a_ridge_keeps_parameters_small():
    topology, params, _ = batch((2, 4, 4, 2), size=4)
    train = wave()
    free, loss = levenberg_marquardt(topology, params, train, train, 60)
    held, price = levenberg_marquardt(topology, params, train, train, 60, ridge=1e-5)
    assert (held.norm(dim=1) < 0.8 * free.norm(dim=1)).all()
    assert (loss < price).all()


def test_weights_pull_the_fit():
    """Two halves that contradict each other: the heavier one wins."""
    topology, params, _ = batch((1, 4, 4, 1), size=1)
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None].repeat(2, 1)
    y = torch.cat([torch.zeros(50, 1), torch.ones(50, 1)]).double()
    for heavy, expected in ((0, 0.1), (1, 0.9)):
        weight = torch.full((100,), 0.2, dtype=torch.float64)
        weight[50 * heavy : 50 * heavy + 50] = 1.8
        pairs = Pairs(x, y, weight)
        fitted, _ = levenberg_marquardt(topology, params, pairs, pairs, 60)
        torch.testing.assert_close(forward(topology, fitted, x).mean().item(), expected, rtol=0, atol=1e-3)


def test_survives_hopeless_starts():
    """Saturated, flat and huge networks: nothing is lost, nothing becomes NaN."""
    topology, params, _ = batch((2, 4, 4, 2), size=4)
    params[1] *= 1e3
    params[2] = 0
    params[3] *= 1e8
    train, valid = wave(), wave(100, seed=1)
    fitted, loss = levenberg_marquardt(topology, params, train, valid, 20)
    assert fitted.isfinite().all()
    assert (loss <= valid.loss(topology, params)).all()
    assert loss[0] < 0.05


def test_adam_follows_the_papers_protocol():
    """Full batches, rate 0.01, validated every 3 epochs and at the end; the best checked iterate is kept."""
    topology, params, _ = batch((2, 4, 4, 2), size=2)
    train, valid = wave(100), wave(100, seed=1)
    fitted, loss = adam(topology, params, train, valid, epochs=8)
    best, lowest = params.clone(), valid.loss(topology, params)
    for b in range(2):
        p = params[b : b + 1].clone().requires_grad_()
        optimizer = torch.optim.Adam([p], lr=0.01)
        for epoch in range(1, 9):
            optimizer.zero_grad()
            train.loss(topology, p).sum().backward()
            optimizer.step()
            current = valid.loss(topology, p.detach())[0]
            if epoch in (3, 6, 8) and current < lowest[b]:
                best[b], lowest[b] = p.detach()[0], current
    torch.testing.assert_close(fitted, best, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss, lowest, rtol=1e-9, atol=0)
    assert not fitted.requires_grad
    _, later = adam(topology, params, train, valid, epochs=300)
    assert (later < 0.3 * loss).all()
