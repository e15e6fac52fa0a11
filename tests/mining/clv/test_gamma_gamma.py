import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifetimes import GammaGammaFitter

from mining.clv import gamma_gamma
from mining.clv.gamma_gamma import expected_spending, log_likelihood, spending
from mining.clv.maximum_likelihood import Fit
from tests.mining.clv import cdnow
from tests.mining.clv.simulation import spending_customers


def fitted(days, means) -> Fit:
    return gamma_gamma.fitted(spending(days, means))


def test_cdnow_gives_the_figures_of_the_paper():
    days, means = cdnow.repeat_spending(cdnow.purchase_days())
    found = fitted(days, means)
    assert len(days) == 946
    assert found.parameters == pytest.approx([6.250, 3.744, 15.444], abs=5e-4)
    assert found.log_likelihood == pytest.approx(-4055.918, abs=5e-4)


def test_lifetimes_finds_the_same_and_nothing_likelier():
    days, means = cdnow.repeat_spending(cdnow.purchase_days())
    theirs = GammaGammaFitter()
    theirs.fit(pd.Series(days), pd.Series(means))
    parameters = theirs.params_.to_numpy()
    ours = fitted(days, means)
    assert ours.parameters == pytest.approx(parameters, rel=1e-4)
    assert ours.log_likelihood >= log_likelihood(parameters, spending(days, means))[0] - 1e-9
    assert expected_spending(parameters, days, means) == pytest.approx(
        theirs.conditional_expected_average_profit(pd.Series(days), pd.Series(means)).to_numpy()
    )


@given(
    parameters=st.tuples(st.floats(0.1, 50), st.floats(0.1, 50), st.floats(0.1, 1_000)),
    rows=st.lists(st.tuples(st.integers(1, 200), st.floats(0.01, 1e6)), min_size=1, max_size=6),
)
def test_the_gradient_is_the_slope_of_the_likelihood(parameters, rows):
    of, at = spending(*zip(*rows, strict=True)), np.array(parameters)
    value, gradient = log_likelihood(at, of)
    for place in range(3):
        step = np.ones(3)
        step[place] += 1e-5
        above, below = log_likelihood(at * step, of)[0], log_likelihood(at / step, of)[0]
        slope = (above - below) / (2 * np.log1p(1e-5))
        assert gradient[place] * at[place] == pytest.approx(
            slope, rel=1e-4, abs=1e-9 * abs(value) / 1e-5 + 1e-6
        )


@pytest.mark.parametrize("rate", [1e-4, 7.2, 1e6])
def test_another_currency_changes_gamma_alone(rate):
    days, means = cdnow.repeat_spending(cdnow.purchase_days())
    ours, other = fitted(days, means).parameters, fitted(days, means * rate).parameters
    assert other == pytest.approx(ours * [1, 1, rate], rel=1e-5)


def test_simulated_spending_is_recovered():
    true = np.array([4.0, 3.5, 60.0])
    hits = np.zeros(3, int)
    for seed in range(40):
        low, high = fitted(
            *spending_customers(np.random.default_rng(seed), true, 2_000)
        ).intervals()
        hits += (low <= true) & (true <= high)
    assert (hits >= 33).all(), hits


def test_who_is_not_known_spends_what_all_do_and_who_is_known_long_what_they_did():
    at = np.array([6.25, 3.744, 15.444])
    nobody, often = expected_spending(at, np.array([0, 10_000]), np.array([np.nan, 80.0]))
    assert nobody == pytest.approx(6.25 * 15.444 / 2.744)
    assert often == pytest.approx(80, rel=1e-2)


@pytest.mark.parametrize(
    ("days", "means", "words"),
    [([0], [5.0], "row 0"), ([1, 2], [5.0, 0.0], "row 1"), ([1], [np.nan], "above 0")],
)
def test_spending_that_cannot_be_is_refused(days, means, words):
    with pytest.raises(ValueError, match=words):
        spending(days, means)
