import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mining.intervals import wilson_interval


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 5_000)), min_size=1))
def test_the_interval_is_that_of_scipy(pairs):
    successes = np.array([min(pair) for pair in pairs])
    trials = np.array([pair[1] for pair in pairs])
    low, high = wilson_interval(successes, trials)
    for number in range(len(pairs)):
        expected = binomtest(int(successes[number]), int(trials[number])).proportion_ci(
            method="wilson"
        )
        assert low[number] == pytest.approx(expected.low, abs=1e-12)
        assert high[number] == pytest.approx(expected.high, abs=1e-12)


def test_of_no_trials_nothing_is_known():
    low, high = wilson_interval(np.array([0]), np.array([0]))
    assert (low[0], high[0]) == (0, 1)
