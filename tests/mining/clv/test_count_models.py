"""BG/NBD, MBG/NBD and Pareto/NBD: against the papers, lifetimes, closed forms and simulations."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter
from scipy.special import hyp2f1

from mining.clv.bg_nbd import BG_NBD
from mining.clv.count_models import fitted
from mining.clv.histories import Histories, histories
from mining.clv.maximum_likelihood import fit
from mining.clv.mbg_nbd import MBG_NBD
from mining.clv.pareto_nbd import PARETO_NBD
from mining.clv.ragged import Ragged
from tests.mining.clv import cdnow
from tests.mining.clv.simulation import beta_geometric_customers, lives, pareto_customers

MODELS = [BG_NBD, MBG_NBD, PARETO_NBD]
EACH_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)

positive = st.floats(0.05, 300)
parameter_sets = st.tuples(positive, positive, positive, positive)
one_history = st.tuples(st.integers(0, 300), st.integers(1, 10_000), st.integers(0, 4_000))


@pytest.fixture(scope="module")
def sample() -> Histories:
    return cdnow.grouped(cdnow.customer_histories(cdnow.purchase_days()))


def drawn(rows: list[tuple[int, int, int]]) -> Histories:
    columns = [
        (x, between if x else 0, (between if x else 0) + since) for x, between, since in rows
    ]
    return histories(*zip(*columns, strict=True), np.ones(len(rows)))


@pytest.mark.parametrize(
    ("model", "parameters", "log_likelihood"),
    [
        (BG_NBD, (0.243, 4.414, 0.793, 2.426), -9582.429),
        (MBG_NBD, (0.525, 6.183, 0.891, 1.614), -9582.136),
        (PARETO_NBD, (0.553, 10.578, 0.606, 11.669), -9594.976),
    ],
    ids=["bg_nbd", "mbg_nbd", "pareto_nbd"],
)
def test_cdnow_gives_the_figures_of_the_papers(sample, model, parameters, log_likelihood):
    assert sample.customer_count == 2_357
    found = fitted(model, sample).fit
    assert found.has_converged
    assert found.parameters.round(3) == pytest.approx(parameters)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=5e-4)


@pytest.mark.parametrize(
    ("model", "peer"),
    [
        (BG_NBD, BetaGeoFitter),
        (MBG_NBD, ModifiedBetaGeoFitter),
        (PARETO_NBD, ParetoNBDFitter),
    ],
    ids=["bg_nbd", "mbg_nbd", "pareto_nbd"],
)
def test_lifetimes_finds_the_same_and_nothing_likelier(sample, model, peer):
    customers = cdnow.customer_histories(cdnow.purchase_days())
    theirs = peer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(customers["repeats"], customers["recency"] / 7, customers["age"] / 7)
    parameters = theirs.params_.to_numpy()
    ours = fitted(model, sample).fit
    # on Pareto/NBD it stops on the way to the top
    tolerance = 1e-3 if model is PARETO_NBD else 1e-4
    assert ours.parameters == pytest.approx(parameters, rel=tolerance)
    assert ours.log_likelihood >= model.log_likelihood(parameters, sample)[0] - 1e-9
    if model is not PARETO_NBD:
        their_chances = theirs.conditional_probability_alive(
            sample.repeats, sample.recency, sample.age
        )
        assert model.probability_alive(parameters, sample) == pytest.approx(
            np.asarray(their_chances), abs=1e-9
        )
    their_purchases = theirs.conditional_expected_number_of_purchases_up_to_time(
        39, sample.repeats, sample.recency, sample.age
    )
    our_purchases = model.probability_alive(parameters, sample) * model.expected_purchases_if_alive(
        parameters, sample, 39
    )
    assert our_purchases == pytest.approx(np.asarray(their_purchases), rel=1e-6)


@EACH_MODEL
@given(parameters=parameter_sets, rows=st.lists(one_history, min_size=1, max_size=5))
def test_the_gradient_is_the_slope_of_the_likelihood(model, parameters, rows):
    of = drawn(rows)
    at = np.array(parameters)
    value, gradient = model.log_likelihood(at, of)
    for place in range(4):
        step = np.ones(4)
        step[place] += 1e-5
        above, below = (
            model.log_likelihood(at * step, of)[0],
            model.log_likelihood(at / step, of)[0],
        )
        slope = (above - below) / (2 * np.log1p(1e-5))
        assert gradient[place] * at[place] == pytest.approx(
            slope, rel=1e-4, abs=1e-9 * abs(value) / 1e-5 + 1e-6
        )


@EACH_MODEL
@given(
    parameters=st.tuples(*[st.floats(0.05, 20)] * 4),
    row=st.tuples(st.integers(0, 40), st.integers(1, 2_000), st.integers(0, 1_000)),
    weeks=st.floats(0.5, 52),
)
def test_chances_of_all_counts_add_up_and_their_mean_is_the_expectation(
    model, parameters, row, weeks
):
    of, at = drawn([row]), np.array(parameters)
    expected = model.expected_purchases_if_alive(at, of, weeks)[0]
    counts = np.arange(int(20 * expected) + 4_000, dtype=float)
    every = Histories(*(np.repeat(column, len(counts)) for column in of))
    chances = model.count_probability_if_alive(at, every, np.full(len(counts), weeks), counts)
    assert (chances >= 0).all()
    # a rate may be so uncertain that counts have no end
    if chances[-1] < 1e-12:
        assert chances.sum() == pytest.approx(1, abs=1e-6)
        assert (chances * counts).sum() == pytest.approx(expected, rel=1e-5)


@given(
    r=st.floats(0.1, 5),
    alpha=st.floats(1, 50),
    a=st.floats(0.1, 4).filter(lambda a: abs(a - 1) > 0.05),
    b=st.floats(0.5, 8),
    row=st.tuples(st.integers(1, 20), st.integers(1, 700), st.integers(0, 700)),
    weeks=st.floats(1, 52),
)
def test_expected_purchases_are_those_of_the_papers_closed_form(r, alpha, a, b, row, weeks):
    of = drawn([row])
    x, age = of.repeats[0], of.age[0]
    closed = (a + b + x - 1) / (a - 1)
    z = weeks / (alpha + age + weeks)
    closed *= 1 - (1 - z) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z)
    ours = BG_NBD.expected_purchases_if_alive(np.array([r, alpha, a, b]), of, weeks)
    assert ours[0] == pytest.approx(closed, rel=1e-6)


@EACH_MODEL
@given(parameters=parameter_sets, rows=st.lists(one_history, min_size=1, max_size=5))
def test_scores_are_finite_whatever_the_parameters(model, parameters, rows):
    of, at = drawn(rows), np.array(parameters)
    alive = model.probability_alive(at, of)
    assert ((alive >= 0) & (alive <= 1)).all()
    shorter, longer = (model.expected_purchases_if_alive(at, of, weeks) for weeks in (4.0, 156.0))
    assert np.isfinite(longer).all()
    # where all drop out within weeks the two differ by less than the last digit
    assert ((shorter > 0) & (shorter <= longer * (1 + 1e-12))).all()
    # nobody who may leave buys more than somebody who stays
    assert (longer <= (at[0] + of.repeats) / (at[1] + of.age) * 156 * (1 + 1e-9)).all()


@EACH_MODEL
@given(parameters=parameter_sets, rows=st.lists(one_history, min_size=1, max_size=5))
def test_cumulative_chances_add_up_those_of_each_count(model, parameters, rows):
    of, at = drawn(rows), np.array(parameters)
    chances = model.cumulative_chances_if_alive(at, of, 8.0, 0.9)
    begin = 0
    for row, end in enumerate(chances.ends):
        ours = chances.values[begin:end]
        assert ours[-1] >= 0.9 > (ours[-2] if len(ours) > 1 else 0)
        counts = np.arange(min(len(ours), 40), dtype=float)
        one = Histories(*(np.repeat(column[row], len(counts)) for column in of))
        each = model.count_probability_if_alive(at, one, np.full(len(counts), 8.0), counts)
        assert ours[: len(counts)] == pytest.approx(np.minimum(each.cumsum(), 1), abs=1e-6)
        begin = end


def test_a_level_is_found_in_its_own_row():
    rows = Ragged(np.array([0.5, 0.9, 0.2, 0.4, 0.95]), np.array([2, 5]))
    places = rows.places(np.array([0, 0, 1, 1, 1]), np.array([0.5, 0.6, 0.0, 0.4, 0.9]))
    assert places.tolist() == [0, 1, 0, 1, 2]


@EACH_MODEL
@pytest.mark.parametrize("second", [1.0, 0.3], ids=["a or s of 1", "a + b < 1"])
def test_nothing_breaks_where_closed_forms_do(model, second):
    of = drawn([(0, 1, 30), (3, 200, 20), (300, 10_000, 900)])
    for third in (second - 1e-9, second, second + 1e-9):
        at = np.array([0.5, 5.0, third, 0.4])
        near = model.expected_purchases_if_alive(at, of, 52)
        assert near == pytest.approx(
            model.expected_purchases_if_alive(np.array([0.5, 5.0, second, 0.4]), of, 52), rel=1e-6
        )


@EACH_MODEL
@pytest.mark.parametrize(
    "rows",
    [
        [(0, 0, 0)],
        [(0, 0, 100)],
        [(0, 0, 50)] * 20,
        [(9, 63, 0)],
        [(1_500, 10_950, 3), (0, 0, 10_950), (2, 4_000, 100)],
    ],
    ids=["one purchase today", "one purchase", "nobody came back", "one customer", "thirty years"],
)
def test_few_or_odd_customers_give_finite_figures(model, rows):
    of = drawn(rows)
    found = fitted(model, of).fit
    assert (np.isfinite(found.parameters) & (found.parameters > 0)).all()
    assert np.isfinite(found.log_likelihood)
    assert not np.isnan(found.standard_errors).any()
    scores = [
        model.probability_alive(found.parameters, of),
        model.expected_purchases_if_alive(found.parameters, of, 52),
    ]
    assert np.isfinite(scores).all()


TRUE_PARAMETERS = {
    "bg_nbd": (0.8, 6.0, 0.8, 2.5),
    "mbg_nbd": (0.8, 6.0, 0.8, 2.5),
    "pareto_nbd": (0.8, 6.0, 0.8, 20.0),
}


def parameters_within_their_intervals(model, simulations: int) -> np.ndarray:
    """Count for each parameter in how many simulations its interval holds the true one."""
    true = TRUE_PARAMETERS[model.name]
    hits = np.zeros(4, int)
    for seed in range(simulations):
        draws = np.random.default_rng(seed)
        if model is PARETO_NBD:
            of = pareto_customers(draws, true, 3_000)
        else:
            of = beta_geometric_customers(draws, true, 3_000, may_leave_at_first=model is MBG_NBD)
        low, high = fitted(model, of).fit.intervals()
        hits += (low <= true) & (true <= high)
    return hits


@EACH_MODEL
def test_a_few_simulations_are_recovered(model):
    assert (parameters_within_their_intervals(model, 8) >= 6).all()


@pytest.mark.slow
@EACH_MODEL
def test_intervals_hold_the_true_parameters_as_often_as_they_say(model):
    hits = parameters_within_their_intervals(model, 100)
    assert (hits >= 88).all(), hits


@EACH_MODEL
def test_what_was_expected_is_what_simulated_customers_buy(model):
    """Split simulated lives in two: the first half is scored, the second counted."""
    true = TRUE_PARAMETERS[model.name]
    weeks = 30.0
    of, later = lives(np.random.default_rng(7), model.name, true, 60_000, 40.0, weeks)
    repeats, recency = of.repeats, of.recency
    at = np.array(true)
    expected = model.probability_alive(at, of) * model.expected_purchases_if_alive(at, of, weeks)
    # by how often and how lately they bought: each cell's mean within five standard errors
    cell = np.minimum(repeats, 6) * 4 + np.minimum(recency // 10, 3)
    for one in np.unique(cell):
        rows = cell == one
        if rows.sum() >= 300:
            error = later[rows].std() / np.sqrt(rows.sum())
            assert abs(later[rows].mean() - expected[rows].mean()) < 5 * error + 1e-3


@EACH_MODEL
def test_many_histories_have_the_same_top_whether_some_are_climbed_first_or_all(model):
    draws = np.random.default_rng(11)
    true = TRUE_PARAMETERS[model.name]
    of, _ = lives(draws, model.name, true, 50_000, 40.0, 1.0)
    assert of.thinned(20_000) is not of
    assert len(of.thinned(20_000).customers) == 25_000
    found = fitted(model, of).fit
    whole = fit(lambda at: model.log_likelihood(at, of), model.starts(of), of.customer_count)
    assert found.parameters == pytest.approx(whole.parameters, rel=1e-6)
    assert found.standard_errors == pytest.approx(whole.standard_errors, rel=1e-3)
    assert found.has_converged
