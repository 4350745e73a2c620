"""The integer arithmetic itself: formats, table, proof against overflow, finishing."""

from dataclasses import replace

import numpy as np
import pytest
from networks import inputs_program, random_surrogate, with_intervals

from nstk import sampling
from nstk.errors import UsageError
from nstk.fixed_point import input_format, output_format
from nstk.integer_finishing import finish
from nstk.quantization import Quantized, input_formats, layer_values, quantize, quantize_inputs
from nstk.surrogate import Surrogate
from nstk.tanh_table import ERROR_RANGE, UNIT, tanh_of, tanh_table

ERROR = 3e-5

# ---------------------------------------------------------------- the table of tanh


@pytest.mark.parametrize("error", [ERROR_RANGE[0], ERROR, 1e-4, ERROR_RANGE[1]])
def test_table_keeps_its_error(error):
    table = tanh_table(error)
    u = np.random.default_rng(1).uniform(-12, 12, 200_000)
    shift = 4
    scale = table.scale(np.array([shift], np.int16))
    sums = np.rint(u * scale).astype(np.int64)
    got = tanh_of(table.evaluate(sums, shift, True))
    worst = np.abs(got - np.tanh(sums / scale)).max() / 2
    assert 0.3 * error < worst <= error
    assert table.error <= error


def test_table_does_not_fall_and_is_odd():
    table = tanh_table(ERROR)
    sums = np.arange(0, table.limit, 37)
    values = table.evaluate(sums, 0, False)
    assert (np.diff(values) >= 0).all()
    assert (table.evaluate(~sums, 0, False) == ~values).all()
    assert (tanh_of(~values) == -tanh_of(values)).all()
    assert values.min() >= 0
    assert values.max() <= 2**15 - 1


def test_larger_errors_need_fewer_entries():
    sizes = [len(tanh_table(error).values) for error in (2e-5, 5e-5, 2e-4, 1e-3)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4


def test_cut_table_is_the_same_below():
    whole = tanh_table(ERROR)
    position = 40 * UNIT + 123
    part = whole.cut(position)
    assert len(part.values) == 42
    positions = np.arange(0, position, 101)
    assert (part.evaluate(positions, 0, False) == whole.evaluate(positions, 0, False)).all()


@pytest.mark.parametrize("error", [0.0, 1e-5, 2e-3, np.nan])
def test_table_refuses_errors(error):
    with pytest.raises(UsageError, match="sigmoid error"):
        tanh_table(error)


# ---------------------------------------------------------------- formats of inputs and outputs

DOMAINS = [(-1, 1), (0, 1), (-20, 60), (1000, 1001), (-1e-30, 1e-30), (1e29, 1e30), (0.1, 0.65), (1e6, 1.01e6)]


@pytest.mark.parametrize(("lo", "hi"), DOMAINS)
def test_inputs_are_rounded_and_saturate(lo, hi):
    made = input_format(lo, hi)
    x = np.linspace(lo, hi, 50_001)
    q = made.from_float(x)
    assert -(2**15) <= q.min() < -(2**15) + 8  # the interval fills the int16 range
    assert 2**15 - 8 < q.max() < 2**15
    assert (np.diff(q) >= 0).all()
    assert np.abs(made.middle + made.step * q - x).max() <= made.step
    assert made.step == pytest.approx((hi - lo) / 2**16, rel=3e-4)
    beyond = np.array([hi + (hi - lo), 3e38, np.inf, np.nan, lo - (hi - lo), -3e38, -np.inf, -np.nan])
    assert (made.from_float(beyond) == np.repeat([2**15 - 1, -(2**15)], 4)).all()


def test_symmetric_domain_is_plain_q15():
    made = input_format(-1, 1)
    assert (made.middle, made.step) == (0.0, 2.0**-15)


@pytest.mark.parametrize(("lo", "hi"), [(-1.0, 1.0), (9e5, 9.1e5), (-3e-20, 1e-20), (2e30, 5e30), (-7.0, -6.9)])
def test_outputs_are_near_their_sums(lo, hi):
    bits = int(np.floor(np.log2(2**29 / (hi - lo))))
    made = output_format(lo, hi, bits, 2**30)
    sums = np.random.default_rng(2).integers(-(2**29), 2**29, 2000)
    exact = made.middle + np.ldexp(sums.astype(float), -bits)
    largest = max(abs(lo), abs(hi))
    assert np.abs(made.to_float(sums) - exact).max() <= 2.0**-22 * largest
    q = made.to_int16(sums)
    assert np.abs(q).max() <= 2**15
    inside = np.abs(made.to_fixed(sums)) < 2**31
    assert inside.all()
    unclipped = (q > -(2**15)) & (q < 2**15 - 1)
    assert unclipped.sum() > 500
    assert np.abs(made.middle + made.step * q - exact)[unclipped].max() <= 0.501 * made.step


def test_output_beyond_its_format_saturates():
    made = output_format(-1.0, 1.0, 20, 2**30)
    assert made.clamp
    assert made.to_int16(np.array([2**30, -(2**30)])).tolist() == [2**15 - 1, -(2**15)]


# ---------------------------------------------------------------- networks


def surrogates() -> list[Surrogate]:
    programs = [
        inputs_program(1),
        inputs_program(9),
        with_intervals(inputs_program(2), (1000, 1001), (-3e-5, 7e-4)),
        with_intervals(inputs_program(3), (0, 1), (5, 8), (-1e6, 1e6)),
    ]
    return [random_surrogate(p, seed=seed, spread=3.0) for seed, p in enumerate(programs)]


@pytest.mark.parametrize("s", surrogates())
def test_quantized_is_near_the_surrogate(s):
    x = sampling.draw(s.program.inputs, 20_000, 3)
    exact = s.predict(x)
    quantized = quantize(s, ERROR)
    error = np.abs(quantized.evaluate(x)[0] - exact) / s.y_std
    assert error.max() < 1e-3
    q = quantize_inputs(input_formats(s), x)
    out = quantized.outputs[0]
    assert np.abs(out.middle + out.step * quantized.evaluate_q(q) - exact).max() < 1e-3 * s.y_std


def largest_partial_sums(quantized: Quantized) -> list[int]:
    """Return, per unit, the largest magnitude that any partial sum, in any order, can reach for int16 inputs.

    Counted in Python's unbounded integers, from what the layer before can give at most.
    """
    found = []
    for network in quantized.networks:
        ends = [(-(2**15), 2**15 - 1)] * network.layers[0].weight.shape[1]
        for layer in network.layers:
            sums = []
            for row, bias in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True):
                terms = [sorted((w * lo, w * hi)) for w, (lo, hi) in zip(row, ends, strict=True)]
                found.append(sum(max(abs(lo), abs(hi)) for lo, hi in terms) + abs(bias))
                sums.append((sum(lo for lo, _ in terms) + bias, sum(hi for _, hi in terms) + bias))
            activated = quantized.table.evaluate(np.array(sums), layer.shift[:, None], True)
            ends = [(lo, hi) for lo, hi in activated.tolist()]
    return found


@pytest.mark.parametrize("spread", [0.1, 1.5, 10.0, 60.0])
def test_sums_cannot_overflow(spread):
    for seed in range(4):
        s = random_surrogate(inputs_program(4), seed=seed, spread=spread)
        quantized = quantize(s, ERROR)
        assert max(largest_partial_sums(quantized)) < 2**31
        q = sampling.corners(s.program.inputs) * 32767.5 - 0.5  # every corner of the int16 box
        q = np.concatenate([q, np.random.default_rng(0).integers(-(2**15), 2**15, (5000, 4))]).astype(np.int64)
        values = q
        for layer in quantized.networks[0].layers:
            terms = values[:, None, :] * layer.weight.astype(np.int64)
            magnitude = np.abs(terms).sum(2) + np.abs(layer.bias.astype(np.int64))
            assert magnitude.max() < 2**31
            sums = layer.sums(values)
            if layer is quantized.networks[0].layers[-1]:
                break
            assert ((np.abs(sums) >> layer.shift).max(0) <= quantized.table.limit)[~layer.clamp].all()
            values = quantized.table.evaluate(sums, layer.shift, layer.clamp)


def test_weights_use_their_bits():
    """A grid twice as fine would overflow: in each unit weights or sums are within a factor of two of their end."""
    for s in surrogates():
        network = quantize(s, ERROR).networks[0]
        reach = 2**15
        for layer in network.layers[:-1]:
            sums = (np.abs(layer.weight.astype(np.int64)) * reach).sum(1) + np.abs(layer.bias.astype(np.int64))
            assert ((np.abs(layer.weight).max(1) > 2**14 - 2) | (sums > 2**29) | (layer.shift == 15)).all()
            reach = 2**15


def test_steep_unit_leaves_the_others_their_bits():
    s = random_surrogate(inputs_program(2), seed=1)
    [network] = s.networks
    params = network.params.copy()
    second = list(network.topology.layers())[1]
    params[second.weight.start : second.weight.start + second.inputs] *= 100  # its first unit
    steep = replace(s, networks=(replace(network, params=params),))
    plain, layer = (quantize(t, ERROR).networks[0].layers[1] for t in (s, steep))
    assert layer.shift[0] < plain.shift[0]
    assert (layer.shift[1:] == plain.shift[1:]).all()
    assert (layer.weight[1:] == plain.weight[1:]).all()


def test_too_steep_a_network_is_refused():
    with pytest.raises(UsageError, match="too steep"):
        quantize(random_surrogate(inputs_program(2), spread=1e5), ERROR)


def test_output_beyond_float_is_refused():
    s = random_surrogate(inputs_program(2))
    with pytest.raises(UsageError, match="does not fit float"):
        quantize(replace(s, y_std=s.y_std * 1e39), ERROR)


def test_equal_surrogates_give_equal_integers():
    for first, second in zip(surrogates(), surrogates(), strict=True):
        a, b = quantize(first, ERROR), quantize(second, ERROR)
        assert (a.inputs, a.outputs, a.table) == (b.inputs, b.outputs, b.table)
        for n, m in zip(a.networks, b.networks, strict=True):
            for la, lb in zip(n.layers, m.layers, strict=True):
                assert la.weight.tobytes() == lb.weight.tobytes()
                assert la.bias.tobytes() == lb.bias.tobytes()


# ---------------------------------------------------------------- finishing


@pytest.mark.parametrize("shared", [True, False])
def test_finishing_lowers_the_error(shared):
    """The pairs are the surrogate's own, so that its float error is 0 and all that is left is rounding."""
    from handmade import pointer, program, value

    p = program("", value("a"), value("b"), pointer("p"), pointer("q"), returns=None)
    s = random_surrogate(p, seed=5, spread=15.0, shared=shared)
    finished = finish(s, 2e-4, sampling.sobol(p.inputs, 2048, 0))
    fresh = sampling.draw(p.inputs, 20_000, 9)
    plain, *errors = (
        np.sqrt(np.mean((quantize(t, 2e-4).evaluate(fresh)[0] - s.predict(fresh)) ** 2, 0)) for t in (s, *finished)
    )
    assert any((error < 0.95 * plain).all() for error in errors)  # measuring tells which is best
    assert {t.program for t in finished} == {s.program}


def test_finished_parameters_are_what_the_integers_stand_for():
    """Quantizing them again gives the weights of the hidden layers again."""
    s = random_surrogate(inputs_program(3), seed=2, spread=4.0)
    x = sampling.sobol(s.program.inputs, 2048, 0)
    finished = finish(s, 2e-4, x)[-1]
    layers = quantize(finished, 2e-4).networks[0].layers[:-1]
    params = finished.networks[0].params
    for number, (layer, place) in enumerate(zip(layers, finished.networks[0].topology.layers(), strict=False)):
        weight, bias = layer_values(finished, layer, tanh_table(2e-4), first=number == 0)
        assert np.allclose(weight.ravel(), params[place.weight], rtol=1e-6, atol=0)
        assert np.allclose(bias, params[place.bias], rtol=0, atol=1e-5)
