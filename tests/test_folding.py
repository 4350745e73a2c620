from dataclasses import replace

import numpy as np
import pytest
from handmade import pointer, program, value
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import GCC, Runners, compile_c, inputs_program, random_surrogate, runner_text, with_intervals

from nstk.activation import rational_tanh
from nstk.domain import Interval
from nstk.emission import emit
from nstk.errors import UsageError
from nstk.folding import Folded, _activate, fold
from nstk.sampling import corners, draw, edges
from nstk.surrogate import Surrogate


def inside(surrogate: Surrogate, n: int = 2000) -> np.ndarray:
    inputs = surrogate.program.inputs
    return np.concatenate([corners(inputs), edges(inputs, n // 2, 3), draw(inputs, n, 3)])


def exact_u(folded: Folded, x: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Return every hidden layer's pre-activations, with the limit they were promised to keep."""
    found = []
    for network in folded.networks:
        h = x - folded.shift.astype(np.float64)
        for layer in network.layers[:-1]:
            u = h @ layer.weight.T.astype(np.float64) + layer.bias
            found.append((u, np.inf if layer.activation.clamp else layer.activation.limit))
            h = layer.activation.evaluate(u)
    return found


def propagated(surrogate: Surrogate, sigmoid_error: float) -> np.ndarray:
    """Bound `(O,)` on what an error of every sigmoid does to the outputs; sigmoid's slope is at most 1/4."""
    bound = np.empty(len(surrogate.y_mean))
    for network in surrogate.networks:
        error = np.zeros(len(surrogate.program.inputs))
        layers = list(network.topology.layers())
        for layer in layers:
            w = np.abs(network.params[layer.weight].reshape(layer.outputs, layer.inputs).astype(np.float64))
            error = w @ error if layer is layers[-1] else w @ error / 4 + sigmoid_error
        bound[list(network.outputs)] = error
    return bound * surrogate.y_std


surrogates = st.builds(
    lambda inputs, seed, spread, hidden, interval: random_surrogate(
        inputs_program(inputs, interval=interval), (hidden, hidden), seed=seed, spread=spread
    ),
    st.sampled_from([1, 2, 3, 9]),
    st.integers(0, 10**6),
    st.floats(0.1, 60),
    st.sampled_from([4, 8]),
    st.sampled_from([(-1, 1), (0, 1e-6), (1e-3, 0.1), (-50, -49), (1000, 1300), (-1e6, 1e6), (1e7, 1e7 + 64)]),
)


@given(surrogates, st.sampled_from([5e-7, 1e-6, 1e-5, 1e-4, 1e-3]))
@settings(deadline=None, max_examples=40)
def test_folded_equals_the_surrogate(surrogate, sigmoid_error):
    folded = fold(surrogate, sigmoid_error)
    x = inside(surrogate, 400)
    y, rounding = folded.evaluate(x)
    allowed = propagated(surrogate, folded.sigmoid_error)
    # Weights were rounded to float32 once: like the arithmetic's own roundings.
    assert (np.abs(y - surrogate.predict(x)) <= allowed + 3 * rounding).all()
    assert folded.sigmoid_error <= sigmoid_error
    assert (rounding > 0).all()


@given(surrogates, st.sampled_from([1e-6, 1e-4, 1e-3]))
@settings(deadline=None, max_examples=40)
def test_intervals_bound_what_activations_see(surrogate, sigmoid_error):
    folded = fold(surrogate, sigmoid_error)
    for u, limit in exact_u(folded, inside(surrogate, 400)):
        assert np.abs(u).max() <= limit


def test_intervals_are_not_wasteful():
    surrogate = random_surrogate(inputs_program(2))
    first, limit = exact_u(fold(surrogate, 1e-6), inside(surrogate))[0]
    assert np.abs(first).max() > limit - 0.13  # the corners reach it, up to the rounding to eighths


@pytest.mark.parametrize("error", [5e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3])
def test_errors_through_the_activation_are_bounded(error):
    """`_activate` bounds how far a wrong `u` moves the rational, ripples included."""
    generator = np.random.default_rng(1)
    for reach in (0.5, 2.0, 3.0, 4.0, 4.25, 6.0, 9.0):
        tanh = rational_tanh(reach, error)
        for size in (1e-7, 1e-5, 1e-3, 1e-1):
            u = np.linspace(-tanh.limit, tanh.limit, 4001)
            off = np.full_like(u, size)
            bound, t = _activate(tanh, off, u)
            moved = [np.abs(tanh.evaluate(np.clip(u + s * off, -tanh.limit, tanh.limit)) - t) for s in (-1.0, 1.0)]
            moved.append(
                np.abs(tanh.evaluate(np.clip(u + generator.uniform(-1, 1, u.shape) * off, -tanh.limit, tanh.limit)) - t)
            )
            assert (np.max(moved, 0) <= bound).all(), (reach, size)


def test_clamps_outside():
    surrogate = random_surrogate(inputs_program(3, interval=(2, 3)))
    folded, free = fold(surrogate, 1e-6), fold(surrogate, 1e-6, clamp=False)
    x = np.random.default_rng(0).uniform(-1, 6, (500, 3)).astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(folded.evaluate(x)[0], folded.evaluate(np.clip(x, 2, 3))[0])
    within = np.clip(x, 2, 3)
    np.testing.assert_array_equal(folded.evaluate(within)[0], free.evaluate(within)[0])
    assert not np.array_equal(folded.evaluate(x)[0], free.evaluate(x)[0])


def test_far_domains_are_centred():
    surrogate = random_surrogate(with_intervals(inputs_program(3), (1000, 1001), (-3, 5), (-2e6, -1e6)))
    folded = fold(surrogate, 1e-6)
    np.testing.assert_array_equal(folded.shift, np.float32([1000.5, 0, 0]))
    x = inside(surrogate)
    y, bound = folded.evaluate(x)
    np.testing.assert_allclose(y, surrogate.predict(x), atol=2e-5)
    assert bound.max() < 2e-5  # nothing cancels
    narrow = with_intervals(inputs_program(1), (100000, 100001))
    narrow_folded = fold(random_surrogate(narrow), 1e-6)
    assert narrow_folded.shift == np.float32(100000.5)
    assert narrow_folded.evaluate(np.array([[100000.25]]))[1] < 1e-4


def test_constant_outputs_are_exact():
    p = program("", value("a"), pointer("c"), name="f")
    surrogate = random_surrogate(p)
    surrogate = replace(surrogate, y_mean=np.array([0.25, -7.5]), y_std=np.array([1.0, 0.0]))
    y, bound = fold(surrogate, 1e-6).evaluate(inside(surrogate))
    assert (y[:, 1] == -7.5).all()
    assert bound[:, 1].max() < 1e-5


def test_table_order():
    surrogate = random_surrogate(inputs_program(2), (4, 8))
    (network,) = fold(surrogate, 1e-6).networks
    first, second, last = network.layers
    assert [layer.weight.shape for layer in network.layers] == [(4, 2), (8, 4), (1, 8)]
    np.testing.assert_array_equal(first.table(), [*first.bias, *first.weight[:, 0], *first.weight[:, 1]])
    np.testing.assert_array_equal(second.table()[:8], second.bias)
    np.testing.assert_array_equal(last.table(), [*last.weight[0], *last.bias])
    assert network.table().dtype == np.float32
    assert len(network.table()) == 12 + 40 + 9


def test_bad_sigmoid_error():
    with pytest.raises(UsageError):
        fold(random_surrogate(inputs_program(1)), 1e-9)


def test_c_stays_inside_the_bound(tmp_path):
    """Random networks, small and huge weights, near and far domains, contracted or not, against float64."""
    generator = np.random.default_rng(8)
    cases, text = [], "#include <stddef.h>\n"
    for seed in range(30):
        count = int(generator.choice([1, 2, 5]))
        lo = float(generator.choice([-1, 0, 3, 200, 1e5]))
        p = inputs_program(count, f"net{seed}", (lo, lo + float(generator.choice([1, 2.5, 40]))))
        surrogate = random_surrogate(p, seed=seed, spread=float(generator.choice([0.5, 2, 10, 100, 1000])))
        surrogate = replace(surrogate, y_std=surrogate.y_std * float(generator.choice([1, 1e-6, 1e6])))
        folded = fold(surrogate, float(generator.choice([1e-6, 1e-4, 1e-3])), bool(seed % 5))
        style = ("speed", "size")[seed % 2]
        text += emit(p, folded, style=style) + runner_text(p, p.name)
        cases.append((surrogate, folded))
    largest = 0.0
    for flags in (["-O2", "-ffp-contract=off"], ["-O1", "-mavx2", "-mfma", "-ffp-contract=fast"]):
        library = Runners(compile_c(tmp_path, text, GCC, [*flags, "-fPIC", "-shared"]))
        for surrogate, folded in cases:
            x = inside(surrogate, 3000)
            expected, bound = folded.evaluate(x)
            for form in ("one", "many"):
                got = library.run(f"{surrogate.program.name}_{form}", x, 1).astype(np.float64)
                share = np.abs(got - expected) / bound
                assert share.max() <= 1, (surrogate.program.name, share.max())
                largest = max(largest, share.max())
    assert largest > 0.05  # the bound is not idle


def test_equal_layers_share_an_activation():
    p = program("", value("a"), pointer("p"), pointer("q"), name="f", returns=None, interval=Interval(-1, 1))
    surrogate = random_surrogate(p, shared=False)
    twin = replace(
        surrogate, networks=tuple(replace(n, params=surrogate.networks[0].params) for n in surrogate.networks)
    )
    first, second = (n.layers[0].activation for n in fold(twin, 1e-6).networks)
    assert first is second
