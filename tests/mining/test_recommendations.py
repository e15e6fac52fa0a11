"""Lists of customers: each part beside a plain recomputation, and the whole on real orders."""

import math
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from benchmarks.mining.purchase_lines import complete_journey_lines, online_retail_lines
from mining.recommendations.co_purchases import MINIMUM_SHARED, NEIGHBOURS, neighbours
from mining.recommendations.customer_lists import (
    RECOMMENDATIONS_SCHEMA,
    ground,
    learn_new,
    learn_restock,
    lists_of_task,
    recommend,
)
from mining.recommendations.interest import interest
from mining.recommendations.new_products import candidates, strongest_links
from mining.recommendations.past_lists import popular_lists, sample, truth
from mining.recommendations.purchase_history import HORIZON_DAYS, demand, history, purchases
from mining.recommendations.ranking_quality import list_quality, paired_interval
from mining.recommendations.ranking_weights import fitted_weights

CUSTOMERS, PRODUCTS, CUT = 6, 7, 100
LINES = st.lists(
    st.tuples(
        st.integers(0, CUSTOMERS - 1), st.integers(0, PRODUCTS - 1), st.integers(CUT - 70, CUT + 40)
    ),
    max_size=80,
)
NO_EVENTS = pa.table({name: pa.array([], pa.int32()) for name in ("customer", "product", "day")})


def table(rows):
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table(
        {
            name: pa.array(column, pa.int32())
            for name, column in zip(("customer", "product", "day"), columns, strict=True)
        }
    )


def history_of(rows, cut=CUT):
    return history(purchases(table(rows), CUSTOMERS, PRODUCTS), cut)


def days_of(rows):
    """The days of each pair, each once, ascending."""
    days = defaultdict(set)
    for customer, product, day in rows:
        days[customer, product].add(day)
    return {pair: sorted(found) for pair, found in sorted(days.items())}


@given(LINES)
def test_a_history_is_what_lies_before_the_cut(rows):
    of = history_of(rows)
    owners = np.repeat(np.arange(CUSTOMERS), np.diff(of.starts))
    found = {
        (int(owner), int(product)): place
        for place, (owner, product) in enumerate(zip(owners, of.products, strict=True))
    }
    before = {
        pair: [day for day in days if day < CUT]
        for pair, days in days_of(rows).items()
        if days[0] < CUT
    }
    assert list(found) == list(before)
    for pair, days in before.items():
        place = found[pair]
        assert of.day_counts[place] == len(days)
        assert (of.first_days[place], of.last_days[place]) == (days[0], days[-1])
        assert of.recent[place] == pytest.approx(sum(0.5 ** ((CUT - day) / 14) for day in days))
        assert of.lasting[place] == pytest.approx(sum(0.5 ** ((CUT - day) / 56) for day in days))
        again = any(CUT <= day < CUT + HORIZON_DAYS for day in days_of(rows)[pair])
        assert of.is_bought_again[place] == again
    new = [
        pair
        for pair, days in days_of(rows).items()
        if days[0] >= CUT and days[0] < CUT + HORIZON_DAYS
    ]
    buyers = np.repeat(np.arange(CUSTOMERS), np.diff(of.new_starts))
    assert list(zip(buyers.tolist(), of.new_products.tolist(), strict=True)) == new
    for customer in range(CUSTOMERS):
        visits = {day for one, _, day in rows if one == customer and day < CUT}
        assert of.visit_days[customer] == len(visits)
        assert of.last_visits[customer] == max(visits, default=CUT)
    needs = demand(of)
    for product in range(PRODUCTS):
        own = [days for (_, one), days in before.items() if one == product]
        assert needs.buyers[product] == len(own)
        assert needs.repeat_buyers[product] == sum(len(days) > 1 for days in own)
        assert needs.month_buyers[product] == sum(days[-1] >= CUT - 28 for days in own)
        assert needs.week_buyers[product] == sum(days[-1] >= CUT - 7 for days in own)
        assert needs.month_first_buyers[product] == sum(days[0] >= CUT - 28 for days in own)


@given(LINES, st.lists(st.booleans(), min_size=PRODUCTS, max_size=PRODUCTS))
def test_neighbours_are_those_of_the_weighted_cosine(rows, eligible):
    of = history_of(rows)
    is_eligible = np.array(eligible)
    near = neighbours(of, is_eligible)
    bought = np.zeros((CUSTOMERS, PRODUCTS))
    bought[np.repeat(np.arange(CUSTOMERS), np.diff(of.starts)), of.products] = 1
    bought[:, ~is_eligible] = 0
    weighted = bought / np.sqrt(np.maximum(bought.sum(axis=1, keepdims=True), 1))
    products = weighted.T @ weighted
    shared = bought.T @ bought
    for product in range(PRODUCTS):
        expected = {
            other: products[product, other]
            / math.sqrt(products[product, product] * products[other, other])
            for other in range(PRODUCTS)
            if other != product and shared[product, other] >= MINIMUM_SHARED
        }
        found = near.products[product][near.products[product] >= 0].tolist()
        cosines = near.cosines[product][: len(found)]
        assert sorted(found) == sorted(expected)
        assert cosines == pytest.approx([expected[one] for one in found], rel=1e-5)
        assert all(cosines[:-1] >= cosines[1:])
    assert near.products.shape == (PRODUCTS, NEIGHBOURS)


@settings(max_examples=30)
@given(LINES, st.lists(st.booleans(), min_size=PRODUCTS, max_size=PRODUCTS))
def test_candidates_are_new_and_sold_and_linked_to_what_speaks_for_them(rows, sold):
    of = history_of(rows)
    needs = demand(of)
    everybody = np.arange(CUSTOMERS, dtype=np.int32)
    near = neighbours(of, np.ones(PRODUCTS, np.bool_))
    looked_at = interest(NO_EVENTS, CUSTOMERS, PRODUCTS, CUT)
    found = candidates(of, needs, near, looked_at, np.array(sold), everybody)
    links = strongest_links(of, near, everybody, found.products)
    for customer in everybody:
        begin, end = of.starts[customer], of.starts[customer + 1]
        own = dict(zip(of.products[begin:end], of.lasting[begin:end], strict=True))
        listed = found.products[customer][found.products[customer] >= 0].tolist()
        near_own = set(near.products[list(own)].ravel().tolist())
        assert sorted(listed) == [
            product
            for product in range(PRODUCTS)
            if sold[product]
            and product not in own
            and (needs.month_buyers[product] or product in near_own)
        ]
        for place, product in enumerate(listed):
            cosine = {
                int(one): float(near.cosines[one][near.products[one] == product].sum())
                for one in own
            }
            parts = {one: own[one] * cosine[one] for one in own}
            assert found.recent_likeness[customer, place] == pytest.approx(
                sum(parts.values()) / (sum(own.values()) + 0.1), abs=1e-9
            )
            assert found.likeness[customer, place] == pytest.approx(
                sum(cosine.values()) / max(len(own), 1), abs=1e-9
            )
            link = links[customer, place]
            most = max(parts.values(), default=0)
            assert (link == -1) == (most == 0)
            if link >= 0:
                assert parts[link] == pytest.approx(most)


def test_weights_are_those_of_greatest_penalised_likelihood():
    draws = np.random.default_rng(1)
    features = np.column_stack([draws.normal(size=(400, 2)), np.ones(400)])
    outcomes = draws.random(400) < 1 / (1 + np.exp(1 - 2 * features[:, 0]))
    weights = fitted_weights(features, outcomes)
    standard = (features[:, :2] - features[:, :2].mean(axis=0)) / features[:, :2].std(axis=0)

    def loss(given):
        logits = given[0] + standard @ given[1:]
        return (np.logaddexp(0, logits) - outcomes * logits).sum() + 5 * (given[1:] ** 2).sum()

    best = minimize(loss, np.zeros(3)).x
    assert weights.slopes[:2] * features[:, :2].std(axis=0) == pytest.approx(best[1:], abs=1e-3)
    assert weights.slopes[2] == 0  # what is always the same says nothing
    assert fitted_weights(features, np.zeros(400, np.bool_)) is None


def test_quality_of_lists_by_hand():
    lists = np.full((3, 10), -1, np.int32)
    lists[0, :3] = [4, 5, 6]
    lists[1, :1] = [4]
    lists[2, :2] = [1, 2]
    quality = list_quality(lists, np.array([0, 2, 3, 3]), np.array([4, 6, 9]))
    perfect = 1 + 1 / math.log2(3)
    assert quality.ndcg == pytest.approx([(1 + 1 / math.log2(4)) / perfect, 0])
    assert quality.recall.tolist() == [1, 0]
    assert quality.precision.tolist() == [0.2, 0]
    assert quality.coverage == 3  # the third customer bought nothing and is not judged


def test_the_interval_of_a_difference_lies_around_its_mean():
    ours = np.random.default_rng(2).normal(1, 1, 2000)
    low, high = paired_interval(ours, np.zeros(2000))
    assert low < ours.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / math.sqrt(2000), rel=0.1)


def test_a_sample_is_some_of_the_customers_with_all_they_bought():
    rows = [
        (customer, product, day) for customer in range(6) for product in (1, 2) for day in (99, 101)
    ]
    of = history_of(rows)
    whole = truth(of, demand(of), "restock")
    some = sample(whole, 3)
    assert some.customers.tolist() == [0, 2, 4]
    assert some.products.tolist() == [1, 2] * 3
    assert sample(whole, 6).products.tolist() == whole.products.tolist()


def made(rows, events=NO_EVENTS, sold=None, customers=40, products=12, cut=200):
    return recommend(
        table(rows),
        events,
        np.ones(products, np.bool_) if sold is None else sold,
        customer_count=customers,
        cut=cut,
    )


# customers of an even number buy products 0 to 4, the others 5 to 9; each lacks one of them
TASTES = [
    (customer, customer % 2 * 5 + place, day)
    for customer in range(40)
    for place in range(5)
    if customer // 2 % 5 != place
    for day in (100 + customer, 150, 160 + place)
]


def test_who_buys_alike_is_recommended_what_is_lacking():
    lists = made(TASTES).table.to_pylist()
    first = {row["customer"]: row for row in lists if row["task"] == "new" and row["rank"] == 1}
    for customer in range(40):
        assert first[customer]["product"] == customer % 2 * 5 + customer // 2 % 5
        assert first[customer]["reason_kind"] == "bought_together"
        assert first[customer]["because_product"] // 5 == customer % 2
    for row in lists:
        is_own = row["product"] // 5 == row["customer"] % 2 and (
            row["customer"] // 2 % 5 != row["product"] % 5
        )
        assert is_own == (row["task"] == "restock")
    assert not [row for row in lists if row["product"] > 9]  # nobody buys them


def test_gone_products_are_recommended_to_nobody():
    sold = np.arange(12) != 3
    assert 3 not in made(TASTES, sold=sold).table["product"].to_pylist()


def test_what_was_looked_at_is_a_reason():
    events = table([(0, 11, 195), (0, 11, 196), (1, 11, 20)])
    rows = made(TASTES, events).table.to_pylist()
    looked_at = [row for row in rows if row["reason_kind"] == "looked_at"]
    # the other one is long ago
    assert [(row["customer"], row["product"]) for row in looked_at] == [(0, 11)]


def test_the_future_is_not_seen():
    later = [(customer, 10, 200 + customer % 3) for customer in range(40)]
    assert made(TASTES + later).table == made(TASTES).table


def test_a_young_shop_has_lists_without_probabilities():
    rows = [(customer, product, 190) for customer in range(40) for product in (0, 1)]
    found = made(rows)
    assert found.table["purchase_probability"].null_count == len(found.table) > 0
    assert found.report["ndcg_new"] is None


def test_nobody_and_nothing():
    found = made([], customers=0, products=0)
    assert found.table.schema == RECOMMENDATIONS_SCHEMA
    assert len(found.table) == 0
    assert set(found.report.values()) == {None, 0}
    assert len(made([], customers=3, products=2).table) == 0


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([(6, 0, 1)], "customer of lines must lie from 0 to 5, got 6 to 6"),
        ([(0, -1, 1)], "product of lines must lie from 0 to 6, got -1 to -1"),
        ([(0, 0, -1)], "day of lines must lie from 0"),
    ],
)
def test_numbers_outside_their_limits_are_refused(rows, word):
    with pytest.raises(ValueError, match=word):
        purchases(table(rows), CUSTOMERS, PRODUCTS)


def test_columns_that_are_missing_or_null_are_refused():
    with pytest.raises(ValueError, match="must have a column day"):
        purchases(table([]).drop(["day"]), 1, 1)
    with pytest.raises(ValueError, match="day of lines must not be null"):
        purchases(
            pa.table({"customer": [0], "product": [0], "day": pa.array([None], pa.int32())}), 1, 1
        )


def last_four_weeks(found):
    """Ours and popularity by task, weights learned on the four weeks before."""
    bought = purchases(found.lines, found.customer_count, found.product_count)
    everything = np.ones(found.product_count, np.bool_)
    nothing = interest(NO_EVENTS, found.customer_count, found.product_count, 0)
    past = ground(bought, found.cut - 2 * HORIZON_DAYS, nothing, everything)
    now = ground(bought, found.cut - HORIZON_DAYS, nothing, everything)
    weights = {"new": learn_new(past), "restock": learn_restock(past)}
    measured = {}
    for task, learned in weights.items():
        later = truth(now.history, now.demand, task)
        measured[task] = [
            list_quality(lists, later.starts, later.products).ndcg
            for lists in (
                lists_of_task(now, task, learned, later.customers).products,
                popular_lists(now.history, now.demand.month_buyers, later.customers, task),
            )
        ]
    return measured


def test_real_gifts_are_recommended_better_than_what_is_popular(real_data):
    measured = last_four_weeks(online_retail_lines(real_data / "online_retail"))
    for ours, popular in measured.values():
        assert len(ours) > 1000
        assert paired_interval(ours, popular)[0] > 0.01


def test_real_groceries_are_restocked_better_than_by_what_is_popular():
    # every fourth household, for seconds; all of them and both tasks: benchmarks/README.md
    found = complete_journey_lines()
    some = found.lines.filter(pc.equal(pc.bit_wise_and(found.lines["customer"], 3), 0))
    ours, popular = last_four_weeks(found._replace(lines=some))["restock"]
    assert len(ours) > 400
    assert paired_interval(ours, popular)[0] > 0.1
