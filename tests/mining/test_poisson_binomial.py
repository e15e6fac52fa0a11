from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from mining import poisson_binomial
from mining.poisson_binomial import EXACT, upper_tail

chances = st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0])


def tail(trials, chances, at_least):
    return upper_tail(np.array(trials), np.array(chances, float), at_least)


@given(st.lists(st.tuples(st.integers(1, 3), chances), min_size=1, max_size=4), st.integers(0, 13))
def test_the_tail_is_that_of_counting_every_outcome(kinds, at_least):
    each = [chance for number, chance in kinds for _ in range(number)]
    expected = sum(
        prod(p if success else 1 - p for p, success in zip(each, outcome, strict=True))
        for outcome in product((0, 1), repeat=len(each))
        if sum(outcome) >= at_least
    )
    found = tail(*zip(*kinds, strict=True), at_least)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("trials", [EXACT + 1, 5_000, 1_000_000])
@pytest.mark.parametrize("chance", [0.002, 0.05, 0.3, 0.5, 0.98])
@pytest.mark.parametrize("deviations", [-3, -1, -0.01, 0, 0.02, 1, 2, 4, 10])
def test_the_tail_of_many_is_that_of_the_binomial_distribution(trials, chance, deviations):
    deviation = (trials * chance * (1 - chance)) ** 0.5
    at_least = min(max(round(trials * chance + deviations * deviation), 1), trials)
    exact = binom.sf(at_least - 1, trials, chance)
    assert tail([trials], [chance], at_least) == pytest.approx(exact, rel=0.04, abs=1e-290)


@given(
    st.lists(st.tuples(st.integers(50, 400), st.floats(0.01, 0.99)), min_size=2, max_size=5),
    st.floats(-3, 6),
)
def test_mixed_chances_have_the_summed_tail(kinds, deviations):
    trials, chances = (np.array(column) for column in zip(*kinds, strict=True))
    deviation = (trials @ (chances * (1 - chances))) ** 0.5
    at_least = int(min(max(trials @ chances + deviations * deviation, 1), trials.sum()))
    summed = poisson_binomial._summed(trials, chances, at_least)
    near = poisson_binomial._saddlepoint(trials, chances, at_least)
    assert near == pytest.approx(summed, rel=0.03, abs=1e-13)


def test_there_is_no_step_where_the_approximation_begins():
    """Of one trial more the chance is nearly the same."""
    exact, near = (tail([trials], [0.3], 340) for trials in (EXACT, EXACT + 1))
    assert exact == pytest.approx(binom.sf(339, EXACT, 0.3), rel=1e-9)
    assert near == pytest.approx(binom.sf(339, EXACT + 1, 0.3), rel=0.01)


@pytest.mark.parametrize(
    ("trials", "chances", "at_least", "expected"),
    [
        ([2_000], [1.0], 2_000, 1.0),
        ([2_000, 500], [1.0, 0.5], 2_000, 1.0),
        ([2_000, 500], [0.0, 0.5], 501, 0.0),
        ([2_000], [0.5], 2_001, 0.0),
        ([2_000], [0.5], 0, 1.0),
        ([], [], 0, 1.0),
        ([], [], 1, 0.0),
    ],
)
def test_what_is_sure_is_sure(trials, chances, at_least, expected):
    assert tail(np.array(trials, int), chances, at_least) == expected


def test_all_of_many_is_the_product():
    assert tail([1_500, 9], [0.99, 0], 1_500) == pytest.approx(0.99**1_500, rel=1e-9)
