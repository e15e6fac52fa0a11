"""Offers and bundles, computed again by pandas and plain Python from the grocer's raw tables alone.

The marts come from the real refresh (tests/conftest.py).
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

DISCOUNT_SHARE = 0.10
TAKE_RATE = 0.02
OFFER_DAYS = 28
MARGIN_RATE = 0.25
MONEY = 0.00005001  # rounded to four decimals


@dataclass(frozen=True)
class Grocer:
    """A year of a grocer: every line is merchandise, every margin a quarter of its revenue."""

    connection: duckdb.DuckDBPyConnection

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query, money as floats."""
        found = self.connection.execute(query).df().to_dict("records")
        return [{name: _plain(value) for name, value in row.items()} for row in found]

    @cached_property
    def lines(self) -> pd.DataFrame:
        """Every line, with the product type as item."""
        return self.connection.execute(
            """
            select
                order_id,
                customer_id,
                ordered_at_local::date as order_date,
                coalesce(product_type, 'complete_journey:' || product_id) as item,
                order_lines.net_revenue::double as net,
                order_lines.quantity
            from raw.order_lines
            left join raw.products using (product_id)
            """
        ).df()

    @cached_property
    def purchases(self) -> pd.DataFrame:
        """Day and customer of each order of more than nothing."""
        orders = self.lines.groupby("order_id").agg(
            customer_id=("customer_id", "first"), day=("order_date", "min"), net=("net", "sum")
        )
        return orders[orders.net > 0]

    @cached_property
    def days(self) -> list[pd.Timestamp]:
        return sorted(self.purchases.day.unique())

    @cached_property
    def sold(self) -> Any:
        """Lines sold in purchases, by item; of rules alone, which takes seconds."""
        sides = self.rows("select antecedents || consequents as items from marts.cross_sell_rules")
        wanted = {item for row in sides for item in row["items"]}
        is_sold = (self.lines.quantity > 0) & (self.lines.net >= 0)
        lines = self.lines[is_sold & self.lines.item.isin(wanted)]
        return lines[lines.order_id.isin(self.purchases.index)].groupby("item")

    @cached_property
    def orders_of(self) -> dict[str, set[str]]:
        """The purchases with each item."""
        return {item: set(orders) for item, orders in self.sold.order_id}

    @cached_property
    def customer_of(self) -> dict[str, str]:
        return self.purchases.customer_id.to_dict()

    @cached_property
    def revenue(self) -> dict[str, float]:
        """Mean net revenue of an item in a basket with it."""
        return (self.sold.net.sum() / self.sold.order_id.nunique()).to_dict()

    def orders_within(self, days: list[pd.Timestamp]) -> set[str]:
        return set(self.purchases.index[self.purchases.day.isin(days)])

    def people(self, items: list[str], orders: set[str]) -> set[str]:
        """Who bought all of these items in one of these orders."""
        held = set.intersection(orders, *(self.orders_of[item] for item in items))
        return {self.customer_of[order] for order in held}


def _plain(value: Any) -> Any:
    return list(value) if hasattr(value, "tolist") else value


@pytest.fixture(scope="module")
def grocer(complete_journey_work_file: Path) -> Iterator[Grocer]:
    with duckdb.connect(complete_journey_work_file, read_only=True) as connection:
        yield Grocer(connection)


def test_every_offer_one_by_one(grocer: Grocer) -> None:
    length = len(grocer.days) // 5
    now = grocer.orders_within(grocer.days[-length:])
    before = grocer.orders_within(grocer.days[-2 * length : -length])
    end = grocer.days[-length] + pd.Timedelta(days=OFFER_DAYS)
    while_it_holds = grocer.orders_within([day for day in grocer.days[-length:] if day < end])
    offers = grocer.rows("from marts.cross_sell_offers order by rank")
    rules = grocer.rows("from marts.cross_sell_rules")
    assert len(offers) == len(rules) >= 20
    assert {(row["rule_rank"], row["rule"]) for row in offers} == {
        (row["rank"], row["rule"]) for row in rules
    }
    pooled = sum(offer["earlier_targets_who_bought"] for offer in offers) / sum(
        offer["earlier_targets"] for offer in offers
    )
    for offer in offers:
        left, right = offer["antecedents"], offer["consequents"]
        targets = grocer.people(left, now) - grocer.people(right, now)
        earlier = grocer.people(left, before) - grocer.people(right, before)
        bought = earlier & grocer.people(right, while_it_holds)
        assert (
            offer["targets"],
            offer["earlier_targets"],
            offer["earlier_targets_who_bought"],
            offer["offer_days"],
        ) == (len(targets), len(earlier), len(bought), OFFER_DAYS)
        share = (len(bought) + 20 * pooled) / (len(earlier) + 20)
        revenue = sum(grocer.revenue[item] for item in right)
        margin, discount = MARGIN_RATE * revenue, DISCOUNT_SHARE * revenue
        assert offer["would_have_bought_share"] == pytest.approx(share, rel=1e-12)
        assert offer["revenue_per_take"] == pytest.approx(revenue, abs=2 * MONEY)
        # each line's margin is rounded
        assert offer["margin_per_take"] == pytest.approx(margin, abs=5 * MONEY)
        assert offer["margin_basis"] == "rate"
        assert offer["discount_per_take"] == pytest.approx(discount, abs=2 * MONEY)
        assert (offer["take_rate"], offer["take_rate_basis"]) == (TAKE_RATE, "assumed")
        worth = TAKE_RATE * (margin - discount) - discount * share
        assert offer["expected_margin_per_target"] == pytest.approx(worth, abs=2 * MONEY)
        assert offer["expected_margin"] == pytest.approx(
            worth * len(targets), abs=MONEY * (1 + len(targets))
        )
        # at the break-even rate the offer earns nothing
        even = offer["break_even_take_rate"] * (margin - discount) - discount * share
        assert even == pytest.approx(0, abs=2 * MONEY)
    worths = [offer["expected_margin"] for offer in offers]
    assert worths == sorted(worths, reverse=True)


def test_every_bundle_one_by_one(grocer: Grocer) -> None:
    bundles = grocer.rows("from marts.bundles order by rank")
    assert {tuple(row["items"]) for row in bundles} == {
        tuple(sorted([*row["antecedents"], *row["consequents"]]))
        for row in grocer.rows("from marts.cross_sell_rules")
    }
    for bundle in bundles:
        items = bundle["items"]
        orders = [grocer.orders_of[item] for item in items]
        whole = set.intersection(*orders)
        missing: defaultdict[str, int] = defaultdict(int)
        for present in combinations(range(len(items)), len(items) - 1):
            (item,) = set(items) - {items[place] for place in present}
            missing[item] = len(set.intersection(*(orders[place] for place in present)) - whole)
        lacking = sum(missing.values())
        assert (bundle["baskets_with_all"], bundle["baskets_lacking_one"]) == (len(whole), lacking)
        price = sum(grocer.revenue[item] for item in items)
        discount = DISCOUNT_SHARE * price
        margins = sum(count * MARGIN_RATE * grocer.revenue[item] for item, count in missing.items())
        cost = discount * len(whole)
        earned = TAKE_RATE * (margins - lacking * discount)
        near = MONEY * (1 + len(items)) * (1 + len(whole) + TAKE_RATE * lacking)
        assert bundle["price"] == pytest.approx(price, abs=len(items) * MONEY)
        assert bundle["margin"] == pytest.approx(MARGIN_RATE * price, abs=5 * MONEY)
        assert bundle["margin_basis"] == "rate"
        assert bundle["package_price"] == pytest.approx(price - discount, abs=4 * MONEY)
        assert bundle["cost"] == pytest.approx(cost, abs=near)
        assert bundle["earned"] == pytest.approx(earned, abs=near)
        assert bundle["expected_margin"] == pytest.approx(earned - cost, abs=near)
        if earned > near:
            sales = cost * lacking / (margins - lacking * discount)
            assert bundle["extra_sales_to_break_even"] == pytest.approx(ceil(sales), rel=0.05)
        # at the lowest price that pays the package earns what it costs
        given = price - bundle["lowest_price_that_pays"]
        rest = TAKE_RATE * (margins - lacking * given) - given * len(whole)
        assert rest == pytest.approx(0, abs=near)


def test_without_costs_nothing_is_worth_anything(online_retail_work_file: Path) -> None:
    with duckdb.connect(online_retail_work_file, read_only=True) as connection:
        offers = connection.execute(
            """
            select count(*), bool_and(margin_basis = 'none' and revenue_per_take > 0),
                count(coalesce(margin_per_take, expected_margin, break_even_take_rate))
            from marts.cross_sell_offers
            """
        ).fetchone()
        bundles = connection.execute(
            """
            select count(*) > 50, bool_and(margin_basis = 'none' and price > 0),
                count(coalesce(margin, expected_margin, lowest_price_that_pays))
            from marts.bundles
            """
        ).fetchone()
    assert offers == (200, True, 0)
    assert bundles == (True, True, 0)
