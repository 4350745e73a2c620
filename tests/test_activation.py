import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nstk.activation import ERROR_RANGE, rational_tanh
from nstk.errors import UsageError

ERRORS = (5e-7, 8e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3)
REACHES = (0.25, 0.5, 1.0, 2.0, 2.75, 3.5, 4.25, 5.0, 6.75, 7.25, 9.0, 40.0, 1e6)
NOISE = 2.0**-26  # an unlucky rounding more than the module's own grid meets


def sigmoid_error(tanh, u: np.ndarray) -> float:
    """Largest |tanh error| / 2 over float32 points, evaluated in float32."""
    got = tanh.gain * tanh.evaluate(u).astype(np.float64)
    return float(np.abs(got - np.tanh(u.astype(np.float64))).max()) / 2


@pytest.mark.parametrize("error", ERRORS)
def test_error_is_kept_on_dense_grids(error):
    for reach in REACHES:
        tanh = rational_tanh(reach, error)
        grid = np.linspace(0, reach if reach < 10 else 12, 100_003, dtype=np.float32)
        assert sigmoid_error(tanh, grid) <= min(tanh.error + NOISE, error)
        assert tanh.limit <= reach * (1 + 1e-6)
        assert tanh.clamp == (reach > tanh.limit * (1 + 1e-6))


@given(st.floats(0.25, 12), st.floats(np.log(5e-7), np.log(1e-3)), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_error_is_kept_anywhere(reach, log_error, seed):
    error = float(np.clip(np.exp(log_error), *ERROR_RANGE))
    tanh = rational_tanh(reach, error)
    points = np.random.default_rng(seed).uniform(0, reach, 50_000).astype(np.float32)
    assert sigmoid_error(tanh, points) <= min(tanh.error + NOISE, error)


def test_is_odd_and_saturates():
    for reach in REACHES:
        tanh = rational_tanh(reach, 1e-6)
        u = np.linspace(0, reach, 1001, dtype=np.float32)
        assert (tanh.evaluate(-u) == -tanh.evaluate(u)).all()
        if tanh.clamp:
            far = np.float32([tanh.limit, tanh.limit * 2, 1e30, np.inf])
            ends = tanh.gain * tanh.evaluate(far).astype(np.float64)
            assert (ends == ends[0]).all()
            assert abs(ends[0] - 1) / 2 <= tanh.error
    assert np.isnan(rational_tanh(1e6, 1e-6).evaluate(np.float32([np.nan]))).all()


def test_coefficients_are_positive():
    # Then Horner's rule has condition 1, which the rounding bound of `Folded.evaluate` builds on, and Q has no root.
    for error in ERRORS:
        for reach in REACHES:
            tanh = rational_tanh(reach, error)
            assert min(*tanh.numerator, *tanh.denominator, tanh.gain) > 0
            assert (np.float32(tanh.numerator) == tanh.numerator).all()
            assert (np.float32(tanh.denominator) == tanh.denominator).all()
            assert np.float32(tanh.limit) == tanh.limit


def test_cheapest_degrees():
    def cost(reach: float, error: float) -> int:
        tanh = rational_tanh(reach, error)
        return len(tanh.numerator) + len(tanh.denominator)

    for error in ERRORS:
        costs = [cost(reach, error) for reach in REACHES]
        assert costs == sorted(costs)  # a wider reach never gets cheaper
    for reach in REACHES:
        costs = [cost(reach, error) for error in ERRORS]
        assert costs == sorted(costs, reverse=True)
    # The degrees RESEARCH measured.
    assert cost(2.75, 1e-6) == 4
    assert cost(4.25, 1e-6) == 5
    assert cost(7.25, 1e-6) == 6
    assert cost(2.75, 1e-4) == 3
    assert cost(4.25, 1e-4) == 4


@pytest.mark.parametrize("error", [0.0, -1.0, 4.9e-7, 1.1e-3, float("inf"), float("nan")])
def test_errors_out_of_range_are_refused(error):
    with pytest.raises(UsageError, match="out of range") as caught:
        rational_tanh(3.0, error)
    assert caught.value.hint
