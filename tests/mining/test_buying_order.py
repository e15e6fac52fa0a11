from collections import Counter, defaultdict
from math import comb, log2, sqrt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mining.buying_order import (
    BUYING_ORDER_SCHEMA,
    LEAST_Z,
    MAXIMUM_ITEMS,
    Histories,
    Steps,
    mine_buying_order,
)

DAYS, CUT = 100, 80
EARLIER = (2 * CUT - DAYS, CUT)
LATER = (CUT, DAYS)


def histories_of(bought, items, cut=CUT, months=1):
    """Histories of (customer, day, item) with customers numbered from 0."""
    rows = sorted(set(bought))
    visits = sorted({(customer, day) for customer, day, _ in rows})
    by_item = defaultdict(list)
    for customer, day, item in rows:
        by_item[customer, item].append(day)
    firsts = [(*key, min(days), len(days)) for key, days in sorted(by_item.items())]
    month_of = [day * months // DAYS for _, day in visits]
    shares = np.zeros((len(items), months))
    for _, day, item in rows:
        shares[item, day * months // DAYS] += 1
    return Histories(
        table(
            {"customer": [who for who, _ in visits], "day": [day for _, day in visits]}
            | {"month": month_of}
        ),
        table(
            {
                name: [row[place] for row in firsts]
                for place, name in enumerate(("customer", "item", "first_day", "days"))
            }
        ),
        list(items),
        shares / np.maximum(np.bincount(month_of, minlength=months), 1),
        cut,
        DAYS,
    )


def table(columns):
    return pa.table({name: pa.array(values, pa.int32()) for name, values in columns.items()})


def mine(histories, **changes):
    thresholds = {
        "minimum_customers": 1,
        "minimum_share": "0.01",
        "minimum_lift": "0",
        "maximum_pairs": 50,
    }
    return mine_buying_order(histories, **(thresholds | changes)).to_pylist()


@st.composite
def purchases(draw):
    """A few dozen customers of six items, some of which come after another."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    follows = draw(st.booleans())
    bought = []
    for customer in range(draw(st.integers(5, 60))):
        for day in random.integers(0, DAYS, random.integers(1, 8)):
            for item in np.flatnonzero(random.random(6) < 0.25):
                bought.append((customer, int(day), int(item)))
                if follows and item == 0 and random.random() < 0.7:
                    bought.append((customer, int(min(day + 15, DAYS - 1)), 1))
    numbers = {who: place for place, who in enumerate(sorted({who for who, _, _ in bought}))}
    return [(numbers[customer], day, item) for customer, day, item in bought]


def counted(bought, first, following, begin, end):
    """Who had, who followed, how many were expected and their variance, one by one."""
    firsts = defaultdict(dict)
    for customer, day, item in sorted(bought, key=lambda one: one[1]):
        firsts[customer].setdefault(item, day)
    strata = defaultdict(Counter)
    for days in firsts.values():
        taken = sum(begin <= day < end for day in days.values())
        had = sum(day < begin for day in days.values())
        if not taken or days.get(following, DAYS) < begin:
            continue
        has_first = days.get(first, DAYS) < begin
        if begin <= days.get(first, DAYS) < end:
            continue
        stratum = strata[round(4 * log2(taken)), round(4 * log2(had - has_first + 1))]
        takes = begin <= days.get(following, DAYS) < end
        stratum.update(n=1, had=has_first, took=takes, followed=has_first and takes)
    total = sum(strata.values(), Counter())
    mean = variance = 0.0
    for one in strata.values():
        n, had, took = one["n"], one["had"], one["took"]
        mean += had * took / n
        if n > 1:
            variance += had * took * (n - had) * (n - took) / (n * n * (n - 1))
    return total, mean, variance


def fisher(n, left, right, joint):
    ways = sum(
        comb(right, k) * comb(n - right, left - k) for k in range(joint, min(left, right) + 1)
    )
    return ways / comb(n, left)


def assert_counted(bought):
    """Hold every pair to a count one by one; returns the pairs found."""
    items = [f"item {number}" for number in range(6)]
    found = {
        (row["first_item"], row["next_item"]): row for row in mine(histories_of(bought, items))
    }
    for first in range(6):
        for following in range(6):
            row = found.get((items[first], items[following]))
            if first == following:
                assert row is None
                continue
            total, mean, variance = counted(bought, first, following, *EARLIER)
            z_score = (total["followed"] - mean) / sqrt(variance) if variance else 0
            if row is None:
                # the sieve asks for more than independence gives, too
                is_more = (
                    total["n"] and total["followed"] > total["had"] * total["took"] / total["n"]
                )
                assert z_score < LEAST_Z + 1e-9 or not is_more
                continue
            assert (row["customers"], row["followed_customers"]) == (
                total["had"],
                total["followed"],
            )
            assert row["expected_share"] == pytest.approx(mean / total["had"])
            assert row["z_score"] == pytest.approx(z_score)
            assert row["z_score"] >= LEAST_Z
            later, mean, _ = counted(bought, first, following, *LATER)
            assert row["holdout_customers"] == later["had"]
            assert row["holdout_followed_customers"] == later["followed"]
            if later["had"]:
                assert row["holdout_expected_share"] == pytest.approx(mean / later["had"])
                alone = fisher(later["n"], later["had"], later["took"], later["followed"])
                assert alone * (1 - 1e-9) <= row["p_value"] <= row["q_value"] <= 1
            lags = [
                min(d for who, d, i in bought if (who, i) == (customer, following))
                - min(d for who, d, i in bought if (who, i) == (customer, first))
                for customer in {who for who, _, i in bought if i == first}
                & {who for who, _, i in bought if i == following}
            ]
            in_order = [lag for lag in lags if lag > 0]
            assert row["both_customers"] == sum(lag != 0 for lag in lags)
            assert row["in_order_customers"] == len(in_order)
            assert row["median_days"] == np.median(in_order)
    return found


@settings(max_examples=60)
@given(purchases())
def test_pairs_are_those_of_counting_one_by_one(bought):
    assert_counted(bought)


@pytest.mark.parametrize("seed", range(3))
def test_pairs_of_many_customers_are_those_of_counting_one_by_one(seed):
    """Small shops seldom have a pair that is unusual enough: these have, with many groups."""
    random = np.random.default_rng(seed)
    bought = []
    for customer in range(400):
        for day in random.integers(0, DAYS, random.integers(2, 9)):
            chosen = [0, *np.flatnonzero(random.random(6) < 0.15)]
            bought += [(customer, int(day), int(item)) for item in chosen[random.integers(2) :]]
            if 2 in chosen:
                bought.append((customer, int(min(day + 15, DAYS - 1)), 1))
    numbers = {who: place for place, who in enumerate(sorted({who for who, _, _ in bought}))}
    found = assert_counted([(numbers[who], day, item) for who, day, item in bought])
    assert ("item 2", "item 1") in found


def shop(random, *, customers=4_000, items=40, follows=0.0):
    """Customers of very different zeal, items of very different popularity, all independent.

    Zealous ones buy more of everything and more at a time; `follows` of the first buyers of item 30
    take item 31 with their next purchase.
    """
    bought = []
    popularity = 0.4 / np.arange(1, items + 1)
    for customer in range(customers):
        zeal = random.gamma(1.0)
        days = np.sort(random.integers(0, DAYS, 1 + random.poisson(5 * zeal)))
        waits = False
        for day in days:
            chosen = set(np.flatnonzero(random.random(items) < popularity * (0.5 + zeal)))
            if waits and random.random() < follows:
                chosen.add(31)
            waits = 30 in chosen and not waits
            bought += [(customer, int(day), int(item)) for item in chosen or {0}]
    return bought


def test_independent_purchases_have_no_order():
    items = [f"item {number}" for number in range(40)]
    held = in_order = tested = 0
    for seed in range(4):
        bought = shop(np.random.default_rng(seed))
        rows = mine(histories_of(bought, items, months=4), minimum_customers=10)
        tested += len(rows)
        held += sum(row["is_held"] for row in rows)
        in_order += sum(row["is_in_order"] or False for row in rows)
    assert tested > 10
    assert (held, in_order) == (0, 0)


def test_a_planted_order_is_found_and_told_from_other_pairs():
    items = [f"item {number}" for number in range(40)]
    bought = shop(np.random.default_rng(5), follows=0.6)
    rows = mine(histories_of(bought, items, months=4), minimum_customers=5)
    first, *others = [row for row in rows if row["is_published"]]
    assert len(others) <= 1  # one in twenty may be chance
    assert (first["first_item"], first["next_item"]) == ("item 30", "item 31")
    assert first["rank"] == 1
    assert first["is_in_order"]
    assert first["order_ratio"] > 1.2
    assert first["followed_share_low"] < first["followed_share"] < first["followed_share_high"]


def test_up_selling_leads_to_dearer_products_of_the_line():
    bought = shop(np.random.default_rng(5), follows=0.6)
    histories = histories_of(bought, [f"item {number}" for number in range(40)], months=4)
    lines, prices = np.zeros(40, np.int32), np.full(40, 10.0)

    def pairs(minimum_rise=1.1):
        steps = Steps(lines, prices, minimum_rise)
        return [(row["first_item"], row["next_item"]) for row in mine(histories, steps=steps)]

    assert pairs() == []
    prices[31] = 11
    assert ("item 30", "item 31") in pairs()
    assert {following for _, following in pairs()} == {"item 31"}
    assert pairs(minimum_rise=1.11) == []
    lines[31] = 1
    assert pairs() == []
    lines[30:32] = -1
    assert pairs() == []
    lines[30:32], prices[31] = 0, np.nan
    assert pairs() == []


@pytest.mark.parametrize("cut", [None, CUT])
def test_of_no_purchases_there_are_no_pairs(cut):
    found = mine_buying_order(
        histories_of([], [], cut),
        minimum_customers=1,
        minimum_share="0.1",
        minimum_lift="1",
        maximum_pairs=5,
    )
    assert found.schema == BUYING_ORDER_SCHEMA
    assert found.num_rows == 0


def test_without_a_later_time_there_are_no_pairs():
    bought = [(who, day, day // 50) for who in range(30) for day in (1, 60, 90)]
    assert mine(histories_of(bought, ["a", "b"], None)) == []


def test_one_customer_and_one_item_are_no_pair():
    assert mine(histories_of([(0, 1, 0)], ["a"])) == []
    assert mine(histories_of([(0, 1, 0), (0, 70, 1), (0, 90, 1)], ["a", "b"])) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minimum_customers": 0}, "minimum_customers must be 1 or more, got 0"),
        ({"minimum_share": "0"}, "minimum_share must be above 0 and at most 1, got '0'"),
        ({"minimum_lift": "much"}, "minimum_lift must be a decimal number, got 'much'"),
    ],
)
def test_limits(changes, message):
    with pytest.raises(ValueError, match=message):
        mine(histories_of([(0, 1, 0)], ["a"]), **changes)


def test_too_many_items_are_refused():
    items = [str(number) for number in range(MAXIMUM_ITEMS + 1)]
    with pytest.raises(ValueError, match="items must be at most 4,000, got 4,001"):
        mine(histories_of([(0, 1, 0)], items))
