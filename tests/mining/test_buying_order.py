from collections import Counter, defaultdict
from math import comb, log2, sqrt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mining import buying_order
from mining.buying_order import (
    BUYING_ORDER_SCHEMA,
    LEAST_Z,
    UP_SELL_SCHEMA,
    Histories,
    Steps,
    begin_of_search,
    mine_buying_order,
)

DAYS, CUT = 100, 80
BEGIN = begin_of_search(CUT, DAYS)
EARLIER = (BEGIN, CUT)
LATER = (CUT, DAYS)


def histories_of(bought, items, cut=CUT, months=1):
    """Histories of (customer, day, item) with customers numbered from 0."""
    rows = sorted(set(bought))
    visits = sorted({(customer, day) for customer, day, _ in rows})
    by_item = defaultdict(list)
    for customer, day, item in rows:
        by_item[customer, item].append(day)
    firsts = [
        (*key, min(days), max(days), sum(day < BEGIN for day in days))
        for key, days in sorted(by_item.items())
    ]
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
                for place, name in enumerate(
                    ("customer", "item", "first_day", "last_day", "early_days")
                )
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
    owners = sum(
        days.get(first, DAYS) < begin <= days.get(following, DAYS) for days in firsts.values()
    )
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
    total = sum(strata.values(), Counter(owners=owners))
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
            assert row["owners"] == total["owners"]
            assert row["share_of_owners"] == total["followed"] / total["owners"]
            assert row["expected_share"] == pytest.approx(mean / total["had"])
            assert row["z_score"] == pytest.approx(z_score)
            assert row["z_score"] >= LEAST_Z
            later, mean, _ = counted(bought, first, following, *LATER)
            assert row["holdout_customers"] == later["had"]
            assert row["holdout_followed_customers"] == later["followed"]
            assert row["holdout_owners"] == later["owners"]
            if later["had"]:
                assert row["holdout_expected_share"] == pytest.approx(mean / later["had"])
                alone = fisher(later["n"], later["had"], later["took"], later["followed"])
                assert alone * (1 - 1e-9) <= row["p_value"] <= row["q_value"] <= 1
            longest = (DAYS - min(day for _, day, _ in bought)) // 2
            assert row["longest_wait_days"] == longest
            waits = [
                lag
                for begin, lag in lags(bought, first, following)
                if 0 < lag <= longest and begin <= DAYS - longest
            ]
            assert row["median_days"] == (np.median(waits) if waits else None)
            early = lags([one for one in bought if one[1] < BEGIN], first, following)
            assert row["both_customers"] == sum(lag != 0 for _, lag in early)
            assert row["in_order_customers"] == sum(lag > 0 for _, lag in early)
    return found


def lags(bought, first, following):
    """Day of each customer's first purchase of the one, and days from it to that of the other."""
    days = [
        {who: day for who, day, item in sorted(bought, reverse=True) if item == side}
        for side in (first, following)
    ]
    return [(days[0][who], days[1][who] - days[0][who]) for who in days[0].keys() & days[1].keys()]


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


def test_related_pairs_without_order_are_not_called_in_order():
    """Pairs of items liked by the same people, and bought on any of their days.

    Related so weakly that luck decides which hold: those where the next item came after the first.
    Judged on the same purchases, three of these ten would be called in order.
    """
    pairs = 60
    items = [f"item {number}" for number in range(2 * pairs + 1)]
    held = in_order = 0
    for seed in range(6):
        random = np.random.default_rng(seed)
        bought = []
        for customer in range(1_500):
            liking = np.repeat(0.03 * (1 + 0.7 * random.choice([-1, 1], pairs)), 2)
            for day in random.integers(0, DAYS, 1 + random.poisson(8)):
                chosen = np.flatnonzero(random.random(2 * pairs) < liking)
                bought += [(customer, int(day), int(item)) for item in (2 * pairs, *chosen)]
        rows = mine(histories_of(bought, items, months=4), minimum_customers=3)
        held += sum(row["is_held"] for row in rows)
        in_order += sum(row["is_in_order"] or False for row in rows)
    assert held >= 8
    assert in_order == 0


def test_a_category_is_not_bought_before_its_own_products():
    """Whoever takes tea takes drinks: of those who take tea, only owners of drinks are compared."""
    random = np.random.default_rng(6)
    items = ["category:drinks", "product_type:tea", "product_type:coffee", *"abcdef"]
    bought = []
    for customer in range(2_000):
        likely = np.repeat([(0.02, 0.12)[customer % 2], 0.2], (2, 6))
        for day in random.integers(0, DAYS, 1 + random.poisson(4)):
            chosen = np.flatnonzero(random.random(8) < likely) + 1
            bought += [(customer, int(day), int(item)) for item in chosen]
            if chosen.min(initial=9) <= 2:
                bought.append((customer, int(day), 0))
    histories = histories_of(bought, items)

    def published(never_together=None):
        rows = mine(histories, minimum_lift="1.5", never_together=never_together)
        return {(row["first_item"], row["next_item"]) for row in rows if row["is_published"]}

    hierarchy = {(items[0], items[1]), (items[0], items[2])}
    assert published() == hierarchy
    apart = pa.table({"item": items[1:3], "other": [items[0]] * 2})
    assert published(never_together=apart) == set()


def test_owners_who_bought_nothing_more_are_counted():
    """Half of those who had item 30 never came back: they are owners, but nobody that followed."""
    bought = shop(np.random.default_rng(5), follows=0.6)
    many = 1 + max(who for who, _, _ in bought)
    gone = [(many + number, 1, 30) for number in range(500)]
    items = [f"item {number}" for number in range(40)]
    (first, *_), (again, *_) = (
        mine(histories_of(rows, items, months=4)) for rows in (bought, bought + gone)
    )
    assert again["customers"] == first["customers"]
    assert again["owners"] == first["owners"] + 500
    assert again["holdout_owners"] == first["holdout_owners"] + 500
    assert again["share_of_owners"] == again["followed_customers"] / again["owners"]
    assert again["share_of_owners"] < again["followed_share"]


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


def moved(bought):
    """Up-selling from item 30 to 31, with who bought either again, counted one by one."""
    steps = Steps(np.zeros(40, np.int32), np.where(np.arange(40) == 31, 11.0, 10.0), 1.1)
    histories = histories_of(bought, [f"item {number}" for number in range(40)], months=4)
    found = mine_buying_order(
        histories,
        minimum_customers=1,
        minimum_share="0.01",
        minimum_lift="0",
        maximum_pairs=50,
        steps=steps,
    )
    assert found.schema == UP_SELL_SCHEMA
    (row,) = (one for one in found.to_pylist() if one["first_item"] == "item 30")
    days = defaultdict(list)
    for who, day, item in bought:
        days[who, item].append(day)
    stays_and_goes_on = Counter()
    for who in {who for who, _, _ in bought}:
        cheap, dear = days[who, 30], days[who, 31]
        if cheap and dear and min(cheap) < min(dear):
            stays_and_goes_on[max(dear) > min(dear), max(cheap) > min(dear)] += 1
    nobody = stays_and_goes_on.pop((False, False), 0)
    assert nobody > 0
    assert row["again_customers"] == stays_and_goes_on.total()
    assert row["switched_customers"] == stays_and_goes_on[True, False]
    if row["again_customers"]:
        assert row["switched_share"] == row["switched_customers"] / row["again_customers"]
    return row


def test_who_goes_on_with_the_cheaper_one_has_not_moved():
    random = np.random.default_rng(5)
    bought = shop(random, follows=0.6)
    first_taken = {}
    for who, day, item in sorted(bought, key=lambda one: one[1]):
        if item == 31:
            first_taken.setdefault(who, day)
    once = [
        (who, day, item)
        for who, day, item in bought
        if item not in (30, 31) or day <= first_taken.get(who, DAYS)
    ]
    row = moved(once)
    assert (row["again_customers"], row["switched_share"]) == (0, None)  # as of a kettle
    assert row["is_published"]

    later = [
        (who, int(random.integers(day + 1, DAYS)))
        for who, day in first_taken.items()
        if day < DAYS - 1
    ]
    row = moved(once + [(who, day, 31) for who, day in later])
    assert row["switched_share"] > 0.9
    assert row["is_published"]

    row = moved(once + [(who, day, item) for who, day in later for item in (30, 31)])
    assert row["switched_share"] < 0.1
    assert row["is_held"]
    assert not row["is_published"]


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


def test_of_too_many_items_the_first_ones_count(monkeypatch):
    """Items 30 and 31 are the last: of all, and of a line of 32."""
    bought = shop(np.random.default_rng(5), items=32, follows=0.6)
    histories = histories_of(bought, [f"item {number}" for number in range(32)], months=4)
    lines, prices = np.zeros(32, np.int32), np.where(np.arange(32) == 31, 11.0, 10.0)

    def is_found(**changes):
        rows = mine(histories, **changes)
        return ("item 30", "item 31") in {(row["first_item"], row["next_item"]) for row in rows}

    steps = {"steps": Steps(lines, prices, 1.1)}
    assert is_found()
    assert is_found(**steps)
    monkeypatch.setattr(buying_order, "MAXIMUM_ITEMS", 31)
    assert not is_found()
    assert not is_found(**steps)
    lines[:10] = 1
    assert is_found(**steps)


def test_long_waits_count_as_much_as_short_ones():
    """Half wait 10 days and half 50, whenever they begin: many of the latter see no end."""
    random = np.random.default_rng(3)
    bought = []
    for customer in range(4_000):
        begin = int(random.integers(0, DAYS))
        end = begin + (10, 50)[customer % 2]
        bought += [(customer, begin, 0)] + [(customer, end, 1)] * (end < DAYS)
        bought += [(customer, int(day), 2) for day in random.integers(0, DAYS, 2)]
    seen = [lag for begin, lag in lags(bought, 0, 1)]
    assert np.quantile(seen, 0.6) == 10
    (row,) = (
        row
        for row in mine(histories_of(bought, ["a", "b", "c"]))
        if (row["first_item"], row["next_item"]) == ("a", "b")
    )
    assert (row["longest_wait_days"], row["first_quartile_days"]) == (50, 10)
    assert row["third_quartile_days"] == 50


def test_an_order_that_most_do_not_keep_is_no_order():
    """Item 0 falls on one of ten days, item 1 on all: few have 0 first, and fewer by chance."""
    random = np.random.default_rng(8)
    bought = []
    for customer in range(3_000):
        days = np.sort(random.choice(60, 10, False))
        keeps = random.random() < 0.3
        bought += [(customer, int(day), 1) for day in days[keeps:]]
        bought.append((customer, int(days[0] if keeps else days[random.integers(1, 10)]), 0))
        # in both later times who has the one takes the other for the first time
    for customer in range(3_000, 5_000):
        begin, end = random.choice([(10, 65), (40, 85)])
        bought += [(customer, int(begin), 0), (customer, int(end), 1), (customer, 5, 2)]
    for customer in range(5_000, 7_000):
        bought += [(customer, 5, 2), (customer, int(random.choice([65, 85])), 3)]
    (row,) = (
        row
        for row in mine(histories_of(bought, list("abcd")))
        if (row["first_item"], row["next_item"]) == ("a", "b")
    )
    assert row["is_held"]
    assert row["order_ratio"] > 1.2
    assert row["order_p_value"] < 1e-6
    assert row["in_order_customers"] < row["both_customers"] / 2
    assert row["is_in_order"] is False
