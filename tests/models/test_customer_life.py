"""Stages of life, time between orders, new and old, origins, tiers: computed again by plain Python.

Two real shops, from their raw tables alone; the grocer states a margin rate, the gift shop none.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.models.test_marts import SCALE, Shop

DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module", params=["complete_journey", "online_retail"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    path: Path = request.getfixturevalue(f"{request.param}_work_file")
    with duckdb.connect(path, read_only=True) as connection:
        yield Shop(request.param, connection)


def stage_on(shop: Shop, customer: str, day: pd.Timestamp) -> str:
    """The stage by its definition, of the purchases known on the evening of a day."""
    days = [one for one in shop.purchase_days[customer] if one <= day]
    recency = (day - days[-1]).days + 1
    if recency > 2 * shop.active_days:
        return "lapsed"
    if recency > shop.active_days:
        return "slipping"
    if (day - days[0]).days < shop.active_days:
        return "new" if customer in shop.observed else "new or repeat"
    for earlier, later in reversed(list(pairwise(days))):
        gap = (later - earlier).days
        if gap > shop.active_days:
            return "won back" if gap > 2 * shop.active_days else "repeat"
    return "repeat"


def test_every_customer_is_in_one_stage_each_day(shop: Shop) -> None:
    """Two hundred customers, day by day."""
    lives = defaultdict(list)
    for row in shop.rows("from marts.customer_life_stages order by customer_id, from_date"):
        lives[row["customer_id"]].append(row)
    assert set(lives) == {shop.key(one) for one in shop.purchase_days}
    last_day = shop.as_of - DAY
    seen = Counter()
    for customer in sorted(shop.purchase_days)[:: max(1, len(lives) // 200)]:
        told = []
        for row in lives[shop.key(customer)]:
            end = shop.as_of if row["is_current"] else pd.Timestamp(row["to_date"])
            days = pd.date_range(row["from_date"], end - DAY)
            assert (row["days"], row["to_date"] is None) == (len(days), row["is_current"])
            told += [(day, row["stage"]) for day in days]
        expected = [
            (day, stage_on(shop, customer, day))
            for day in pd.date_range(shop.purchase_days[customer][0], last_day)
        ]
        assert told == expected
        seen.update(stage for _, stage in expected)
    assert set(seen) == {"new", "new or repeat", "repeat", "slipping", "lapsed", "won back"}


def test_stages_of_today_agree_with_the_status(shop: Shop) -> None:
    status = {"slipping": "slipping", "lapsed": "lapsed"}
    current = dict(
        shop.connection.execute(
            "select customer_id, stage from marts.customer_life_stages where is_current"
        ).fetchall()
    )
    for row in shop.rows("select * from marts.customers where not is_prospect"):
        stage = current[row["customer_id"]]
        assert row["life_stage"] == stage
        assert row["status"] == status.get(stage, "active")
        if stage in ("new", "new or repeat"):
            assert row["is_new"] is (True if stage == "new" else None)


def disc(values: list[int], share: int) -> int:
    """The discrete quantile of a share in hundredths."""
    return values[max(0, -(-len(values) * share // 100) - 1)]


def test_time_between_orders(shop: Shop) -> None:
    days_seen = defaultdict(list)
    for customer, days in shop.purchase_days.items():
        for place, day in enumerate(days, 1):
            gap = (days[place] - day).days if place < len(days) else None
            seen = ((shop.as_of - DAY - day).days, gap)
            days_seen["any"].append(seen)
            if customer in shop.observed:
                days_seen[str(place) if place < 10 else "10 and later"].append(seen)
    told = {row["purchase_day"]: row for row in shop.rows("from marts.time_between_orders")}
    assert set(told) == set(days_seen)
    for number, row in told.items():
        values = sorted(gap for _, gap in days_seen[number] if gap is not None)
        assert row["customers_counted"] == ("all" if number == "any" else "observed")
        assert row["purchase_days"] == len(days_seen[number])
        assert row["followed"] == len(values)
        for window in (30, 90, 365):
            base = [gap for seen, gap in days_seen[number] if seen >= window]
            within = sum(gap is not None and gap <= window for gap in base)
            share = row[f"followed_within_{window}_days"]
            assert share == (pytest.approx(within / len(base)) if base else None)
        shares = {"first_tenth": 10, "first_quartile": 25, "median": 50, "third_quartile": 75}
        for name, share in (shares | {"ninth_tenth": 90}).items():
            assert row[f"{name}_days"] == disc(values, share)


def test_new_beside_old_customers(shop: Shop) -> None:
    expected: dict[tuple[pd.Timestamp, str], Counter] = defaultdict(Counter)
    purchases = Counter()
    margins = shop.merchandise.groupby("order_id").margin.sum()
    orders = shop.orders[shop.orders.customer_id.isin(shop.purchase_days)]
    for order in orders.itertuples():
        first = shop.purchase_days[order.customer_id][0]
        if (order.order_date - first).days >= shop.active_days:
            kind = "old"
        else:
            is_known = order.customer_id in shop.observed and order.order_date >= first
            kind = "new" if is_known else "unknown"
        cell = (order.order_date.to_period("M").start_time, kind)
        expected[cell]["net"] += order.net
        expected[cell]["margin"] += int(margins.get(order.order_id, 0))
        expected[cell]["purchases"] += order.is_purchase
        purchases[(*cell, order.customer_id)] += order.is_purchase
    of_month = Counter()
    for (month, _, customer), count in purchases.items():
        of_month[month, customer] += count
    for (month, kind, customer), count in purchases.items():
        expected[month, kind]["customers"] += count > 0
        expected[month, kind]["repeat"] += count > 0 and of_month[month, customer] > 1
    won = Counter(
        shop.purchase_days[customer][0].to_period("M").start_time for customer in shop.observed
    )
    begin = shop.orders[shop.orders.is_purchase].order_date.min()
    observed_from = begin + pd.Timedelta(days=90)
    assert won
    told = {
        (pd.Timestamp(row["month"]), row["customer_kind"]): row
        for row in shop.rows("from marts.new_and_old_customers")
    }
    assert set(told) == set(expected)
    for (month, kind), row in told.items():
        counts = expected[month, kind]
        assert (row["customers"], row["repeat_customers"], row["purchases"]) == (
            *(counts["customers"], counts["repeat"], counts["purchases"]),
        )
        assert row["net_revenue"] * SCALE == counts["net"]
        margin = None if shop.rate is None else counts["margin"]
        assert (row["margin"] if margin is None else row["margin"] * SCALE) == margin
        assert row["profit"] == row["margin"]  # neither shop states a cost to serve
        is_told = kind == "new" and month >= observed_from
        assert row["customers_won"] == (won[month] if is_told else None)
        assert row["cost_of_winning"] is None  # neither tells any cost
        assert row["is_month_over"] == (month + pd.DateOffset(months=1) <= shop.as_of)


def origins(shop: Shop) -> dict[tuple[str, str], set[str]]:
    """Observed customers by what their first purchase was of, once its month is over."""
    begin = shop.as_of.replace(day=1)
    first = {customer: shop.purchase_days[customer][0] for customer in shop.observed}
    first = {customer: day for customer, day in first.items() if day < begin}
    orders = shop.purchases[shop.purchases.customer_id.isin(first)]
    orders = orders[orders.order_date == orders.customer_id.map(first)]
    found = defaultdict(set)
    for order in orders.itertuples():
        if isinstance(order.channel, str):
            found["channel", order.channel].add(order.customer_id)
    categories = dict(
        shop.connection.execute("select product_id, category from raw.products").fetchall()
    )
    lines = shop.mined_lines[shop.mined_lines.order_id.isin(orders.order_id)]
    for line in lines.itertuples():
        found["product", shop.key(line.product_id)].add(line.customer_id)
        if categories.get(line.product_id):
            found["category", categories[line.product_id]].add(line.customer_id)
    shown = {}
    for kind in ("channel", "category", "product"):
        of_kind = {key: who for key, who in found.items() if key[0] == kind and len(who) >= 10}
        best = sorted(of_kind, key=lambda key: (-len(of_kind[key]), key[1]))[:200]
        shown |= {key: of_kind[key] for key in best}
    return shown


def test_retention_by_what_customers_began_with(shop: Shop) -> None:
    beginnings = origins(shop)
    this_month = shop.as_of.to_period("M")
    first = {customer: shop.purchase_days[customer][0].to_period("M") for customer in shop.observed}
    net, margin = Counter(), Counter()
    # neither shop says which order a return belongs to: it counts on its own day
    for row in shop.merchandise[shop.merchandise.customer_id.isin(shop.observed)].itertuples():
        month = row.order_date.to_period("M")
        key = (row.customer_id, max(0, (month - first[row.customer_id]).n))
        if month < this_month:
            net[key] += row.net
            margin[key] += row.margin
    told = {
        (row["origin_kind"], row["origin"], row["months_since"]): row
        for row in shop.rows("from marts.retention_by_origin")
    }
    seen = 0
    for (kind, origin), customers in beginnings.items():
        so_far = 0.0
        for k in range((this_month - min(first[one] for one in customers)).n):
            counted = [one for one in customers if first[one] + k < this_month]
            if len(counted) < 10:
                break
            active = [one for one in counted if first[one] + k in shop.months_by_customer[one]]
            row = told[kind, origin, k]
            assert (row["customers"], row["active_customers"]) == (len(counted), len(active))
            assert row["net_revenue"] * SCALE == sum(net[one, k] for one in counted)
            if shop.rate is not None:
                brought = int(sum(margin[one, k] for one in counted))
                assert row["margin"] * SCALE == brought
                so_far += brought / len(counted) / SCALE
                assert float(row["margin_per_customer_so_far"]) == pytest.approx(so_far, abs=0.01)
            seen += 1
    assert seen == len(told) > 300


def tiers(amounts: list[int]) -> list[str]:
    """Tiers of amounts, the greatest first."""
    whole = sum(max(0, amount) for amount in amounts)
    found, so_far = [], 0
    for amount in amounts:
        share = Fraction(so_far, whole)
        is_above = "A" if share < Fraction(80, 100) else "B" if share < Fraction(95, 100) else "C"
        found.append(is_above if amount > 0 else "D")
        so_far += max(0, amount)
    return found


@pytest.mark.parametrize("what", ["revenue", "profit"])
def test_tiers_by_what_customers_bring(shop: Shop, what: str) -> None:
    told = {row["customer_id"]: row for row in shop.rows("from marts.customer_tiers")}
    assert set(told) == {shop.key(one) for one in shop.purchase_days}
    if what == "profit" and shop.rate is None:
        assert {row["profit_tier"] for row in told.values()} == {None}
        return
    lines = shop.merchandise[shop.merchandise.customer_id.isin(shop.purchase_days)]
    sums = lines.groupby("customer_id")["net" if what == "revenue" else "margin"].sum()
    for customer, days in shop.purchase_days.items():
        years = max(1.0, (shop.as_of - DAY - days[0]).days / 365.25)
        mean = float(told[shop.key(customer)][f"mean_yearly_{what}"])
        assert mean == pytest.approx(sums[customer] / SCALE / years, abs=0.0001)
    rows = sorted(told.values(), key=lambda row: row[f"{what}_rank"])
    amounts = [int(row[f"mean_yearly_{what}"] * SCALE) for row in rows]
    assert amounts == sorted(amounts, reverse=True)
    assert [row[f"{what}_tier"] for row in rows] == tiers(amounts)
    whole = sum(max(0, amount) for amount in amounts)
    shares = [row[f"{what}_share"] for row in rows]
    assert shares == pytest.approx([max(0, amount) / whole for amount in amounts])


KOTLER = {
    ("few", "high"): "partnership",
    ("few", "medium"): "proactive",
    ("few", "low"): "accountable",
    ("medium", "high"): "proactive",
    ("medium", "medium"): "accountable",
    ("medium", "low"): "reactive",
    ("many", "high"): "accountable",
    ("many", "medium"): "reactive",
    ("many", "low"): "basic",
}


def test_relationship_goes_by_profit_and_by_how_many_bring_as_much(shop: Shop) -> None:
    rows = shop.rows("from marts.customer_tiers")
    profits = [row["mean_yearly_profit"] for row in rows if row["mean_yearly_profit"] is not None]
    gains = [Fraction(one) for one in profits if one > 0]
    mean = sum(gains) / max(1, len(gains))

    def level(profit: Decimal) -> str:
        if profit <= 0 or 2 * Fraction(profit) < mean:
            return "low"
        return "high" if Fraction(profit) >= 2 * mean else "medium"

    alike = Counter(map(level, profits))
    seen = Counter()
    for row in rows:
        profit = row["mean_yearly_profit"]
        if profit is None:
            assert row["suggested_relationship_level"] is None
            continue
        count, share = alike[level(profit)], Fraction(alike[level(profit)], len(rows))
        size = "few" if count <= 20 or share < Fraction(5, 100) else "many"
        size = "medium" if size == "many" and share <= Fraction(15, 100) else size
        assert (row["profit_level"], row["profit_level_size"]) == (level(profit), size)
        assert row["suggested_relationship_level"] == KOTLER[size, level(profit)]
        seen[level(profit)] += 1
    assert set(seen) == (set() if shop.rate is None else {"low", "medium", "high"})


def test_few_customers_carry_the_profit(shop: Shop) -> None:
    rows = shop.rows("from marts.profit_concentration order by best_percent")
    if shop.rate is None:
        assert rows == []
        return
    profits = shop.merchandise[shop.merchandise.customer_id.isin(shop.purchase_days)]
    ordered = sorted(profits.groupby("customer_id").margin.sum(), reverse=True)
    assert [row["best_percent"] for row in rows] == list(range(1, 101))
    for row in rows:
        count = ceil(row["best_percent"] * len(ordered) / 100)
        assert row["customers"] == count
        assert row["profit"] * SCALE == sum(ordered[:count])
        assert row["profit_share"] == pytest.approx(sum(ordered[:count]) / sum(ordered))
        assert row["least_profit"] * SCALE == ordered[count - 1]
        assert (row["margin_basis"], row["customers_left_out"]) == ("rate", 0)
    assert rows[-1]["profit_share"] == rows[-1]["revenue_share"] == 1
