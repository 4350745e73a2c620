"""Formulas put together from others."""

import numpy as np
import pytest
from test_symbolic import RANGES, evaluate, expression, formulas

from nstk.hypernetwork.tokenization import ProgramTokenizer, build_tokenizer
from nstk.symbolic.substitution import substitute
from nstk.symbolic.terms import Algebra, Term, TooComplexError, walk
from nstk.training.recombination import Parent, recombine
from nstk.training.subformulas import compute

TEXTS = (
    "x * y + 2 * x - 3",
    "sqrt(x * x + y * y)",
    "x > y ? exp(x) : y * y",
    "fmax(x, 2 * y) - fmin(x, 0.5) + fabs(y - 1)",
    "sin(x) / (2 + cos(y)) + pow(x * x + 1, y)",
    "floor(3 * x) + fmod(y, 0.7) + (int)(4 * y)",
    "x == 1 || !(y > 0) && x <= 2 ? atan2(x, y) : cbrt(x)",
    "j0(x) + erf(y)",
)
POINTS = np.random.default_rng(1).uniform([-2, -1], [3, 2], (40, 2))


def inputs(ranges=RANGES) -> tuple[Algebra, list[Term]]:
    algebra = Algebra()
    return algebra, [algebra.input(index, *ends) for index, ends in enumerate(ranges)]


@pytest.mark.parametrize("text", TEXTS[:-1])
def test_other_terms_in_place_of_inputs(text):
    algebra, (x, y) = inputs()
    formula = expression(text, ((-9, 9), (-9, 9)))
    turned = substitute(algebra, formula, [algebra.subtract(x, y), algebra.scale(2.0, x)])
    for a, b in POINTS:
        expected = evaluate(formula, (a - b, 2 * a))
        np.testing.assert_allclose(evaluate(turned, (a, b)), expected, rtol=1e-9, atol=1e-12)
        assert np.isnan(expected) or turned.low - 1e-9 <= expected <= turned.high + 1e-9


@pytest.mark.parametrize("text", TEXTS)
def test_a_formula_of_its_own_inputs_stays_what_it_is(text):
    tokenizer, formula = ProgramTokenizer(build_tokenizer()), expression(text)
    algebra, given = inputs()
    again = substitute(algebra, formula, given)
    for name in ("ids", "numbers", "links"):
        one, other = (getattr(tokenizer.encode_formula(term), name) for term in (formula, again))
        np.testing.assert_array_equal(one, other)


def test_numbers_are_changed():
    algebra, given = inputs()
    changed = substitute(algebra, expression("3 * x + y * y - 2"), given, lambda value: 2 * value)
    assert evaluate(changed, (1.5, -0.5)) == 2 * (3 * 1.5 + 0.25 - 2)


def test_what_cannot_be_computed_is_refused():
    algebra, (x, _) = inputs()
    with pytest.raises(TooComplexError):
        substitute(algebra, expression("log(x) * y", ((1, 2), (1, 2))), [algebra.number(0.0), x])


def test_recombined_formulas():
    """They have up to nine inputs, without gaps, in their parents' or the unit ranges, and values in their range."""
    tokenizer, rng = ProgramTokenizer(build_tokenizer()), np.random.default_rng(0)
    words = tokenizer.words()
    parents = [Parent(expression(text), list(RANGES)) for text in TEXTS[:-1]]
    five = formulas(
        "double f(double a, double b, double c, double d, double e) { return a*b + c*d - e; }", [(0, 1)] * 5
    )
    parents.append(Parent(five[0], [(0.0, 1.0)] * 5))
    counts, seen, refused = set(), set(), 0
    for _ in range(400):
        try:
            formula, ranges = recombine(*(parents[i] for i in rng.integers(len(parents), size=2)), rng)
        except TooComplexError:
            refused += 1
            continue
        used = {int(term.value[0]) for term in walk([formula]) if term.op == "arg"}
        assert used == set(range(len(ranges)))
        assert set(ranges) <= {(-1.0, 1.0), (0.0, 1.0), *RANGES}
        counts.add(len(ranges))
        found = tokenizer.encode_formula(formula)
        seen.add((tuple(found.ids), tuple(found.numbers[:, 0])))
        low, high = np.array(ranges).T
        x = low + (high - low) * rng.random((8, len(ranges)))
        got = compute(found, words, x)[-1]
        expected = [evaluate(formula, point) for point in x]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)  # numbers of tokens are single
    assert counts >= {1, 2, 3, 4, 5}
    assert max(counts) <= 9
    assert len(seen) > 250
    assert refused < 40


def test_equal_draws_give_equal_formulas():
    parents = [Parent(expression(text), list(RANGES)) for text in TEXTS[:2]]
    tokenizer = ProgramTokenizer(build_tokenizer())
    one, other = (
        [recombine(*parents, rng) for _ in range(20)] for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    for (a, ranges), (b, same) in zip(one, other, strict=True):
        assert ranges == same
        np.testing.assert_array_equal(tokenizer.encode_formula(a).numbers, tokenizer.encode_formula(b).numbers)
