"""What is forecast of customers, against what simulated ones do; and the choice between models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.clv.count_models import COUNT_MODELS, FittedModel, fitted, log_score
from mining.clv.forecasts import days_to_next, discounted_purchases, expected_purchases
from mining.clv.histories import Histories, histories
from mining.clv.maximum_likelihood import Fit
from tests.mining.clv import cdnow
from tests.mining.clv.simulation import lives

EACH_MODEL = pytest.mark.parametrize("model", COUNT_MODELS, ids=lambda model: model.name)

positive = st.floats(0.05, 300)
parameter_sets = st.tuples(positive, positive, positive, positive)
one_history = st.tuples(st.integers(0, 300), st.integers(1, 10_000), st.integers(0, 4_000))


def known(model, parameters) -> FittedModel:
    """A model whose parameters need not be found."""
    return FittedModel(model, Fit(np.array(parameters), np.zeros(4), 0.0, True), 1)


@EACH_MODEL
def test_four_of_five_simulated_customers_buy_as_often_as_the_interval_says(model):
    true = (0.8, 6.0, 0.8, 20.0 if model.name == "pareto_nbd" else 2.5)
    weeks = 30.0
    of, later = lives(np.random.default_rng(3), model.name, true, 40_000, 40.0, weeks)
    alive = model.probability_alive(np.array(true), of)
    expected = expected_purchases(known(model, true), of, alive, weeks)
    assert expected.mean.mean() == pytest.approx(later.mean(), rel=0.03)
    assert (later > expected.high).mean() <= 0.105
    assert (later < expected.low).mean() <= 0.105
    # it is no wider than counts make it: one less above, and more than a tenth lie beyond
    assert (later > expected.high - 1)[expected.high > 0].mean() > 0.1


@EACH_MODEL
@given(parameters=parameter_sets, rows=st.lists(one_history, min_size=1, max_size=5))
def test_forecasts_are_finite_and_ordered(model, parameters, rows):
    columns = [
        (x, between if x else 0, (between if x else 0) + since) for x, between, since in rows
    ]
    of = histories(*zip(*columns, strict=True), np.ones(len(rows)))
    one = known(model, parameters)
    alive = model.probability_alive(np.array(parameters), of)
    month, year = (expected_purchases(one, of, alive, weeks) for weeks in (30 / 7, 365 / 7))
    assert np.isfinite(year.mean).all()
    assert ((year.low >= 0) & (year.low <= year.high)).all()
    assert ((month.mean <= year.mean * (1 + 1e-9)) & (month.high <= year.high)).all()
    early, middle, late = (days_to_next(one, of, share, 1_096) for share in (0.1, 0.5, 0.9))
    assert ((early > 0) & (early <= middle) & (middle <= late)).all()
    for days, share in ((early, 0.1), (middle, 0.5), (late, 0.9)):
        found = np.isfinite(days)
        # those who have bought by then, and, where they never are so many, those by the horizon
        by_then = 1 - model.count_probability_if_alive(
            np.array(parameters), of, np.where(found, days, 1_096) / 7, np.zeros(len(days))
        )
        assert by_then[found] == pytest.approx(share, abs=1e-6)
        assert (by_then[~found] < share + 1e-6).all()


@EACH_MODEL
def test_discounting_by_nothing_changes_nothing(model):
    of = histories([0, 3, 40], [0, 200, 700], [30, 400, 720], [5, 3, 2])
    one = known(model, (0.5, 8.0, 0.7, 3.0))
    alive = model.probability_alive(one.fit.parameters, of)
    plain = discounted_purchases(one, of, alive, 36, 0.0)
    three_years = expected_purchases(one, of, alive, 3 * 365.25 / 7).mean
    assert plain == pytest.approx(three_years, rel=1e-9)
    less = discounted_purchases(one, of, alive, 36, 0.1)
    assert ((less < plain) & (less > plain / 1.1**3)).all()


def test_the_next_purchase_is_that_of_the_papers_median():
    of = histories([2], [100], [140], [1])
    one = known(COUNT_MODELS[0], (0.5, 8.0, 0.7, 3.0))
    weeks = (8.0 + 20) * (2 ** (1 / 2.5) - 1)
    assert days_to_next(one, of, 0.5, 1_000)[0] == pytest.approx(7 * weeks)


def test_the_score_is_highest_for_the_model_that_made_the_customers():
    true = (1.5, 4.0, 0.6, 6.0)
    weeks = 26.0
    of, later = lives(np.random.default_rng(5), "pareto_nbd", true, 20_000, 40.0, weeks)
    scores = {model.name: log_score(fitted(model, of), of, weeks, later) for model in COUNT_MODELS}
    assert max(scores, key=scores.get) == "pareto_nbd"
    assert all(score < 0 for score in scores.values())


def test_a_score_is_the_mean_log_of_the_chances_of_what_came():
    of = Histories(np.array([0.0, 1.0]), np.array([0.0, 5.0]), np.array([9.0, 9.0]), np.ones(2))
    for model in COUNT_MODELS:
        one = known(model, (0.5, 8.0, 0.7, 3.0))
        alive = model.probability_alive(one.fit.parameters, of)
        total = np.zeros(2)
        for count in range(400):
            counts = np.full(2, float(count))
            each = [
                np.exp(
                    log_score(one, Histories(*(column[[row]] for column in of)), 9.0, counts[:1])
                )
                for row in range(2)
            ]
            total += each
        assert total == pytest.approx(np.ones(2), abs=1e-9)
        assert (alive > 0).all()


def test_drop_out_is_identified_at_cdnow_and_not_of_dense_buyers():
    sample = cdnow.grouped(cdnow.customer_histories(cdnow.purchase_days()))
    draws = np.random.default_rng(1)
    age = np.full(2_000, 40.0)
    repeats = draws.poisson(draws.gamma(1.4, 1 / 1.4, 2_000) * age)  # who never leave
    recency = np.where(repeats > 0, age * draws.beta(np.maximum(repeats, 1), 1), 0)
    stay = Histories(repeats.astype(float), recency, age, np.ones(2_000))
    for model in COUNT_MODELS:
        assert fitted(model, sample).is_drop_out_identified
        assert not fitted(model, stay).is_drop_out_identified
