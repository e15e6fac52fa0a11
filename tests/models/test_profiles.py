"""The marts of profile questions, computed again by pandas and plain Python from the raw tables."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from scipy.stats import binomtest, fisher_exact, norm

from tests.models.test_marts import SCALE, Shop, scores

ATTRIBUTES = ("age_band", "sex", "income_band", "household", "region", "segment")
LEAST = 10
YEAR = 365.25
Z = norm.ppf(0.975)


@pytest.fixture(scope="module", params=["complete_journey", "online_retail"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    path: Path = request.getfixturevalue(f"{request.param}_work_file")
    with duckdb.connect(path, read_only=True) as connection:
        yield Shop(request.param, connection)


@pytest.fixture(scope="module")
def grocer(complete_journey_work_file: Path) -> Iterator[Shop]:
    with duckdb.connect(complete_journey_work_file, read_only=True) as connection:
        yield Shop("complete_journey", connection)


def known_of(shop: Shop) -> pd.DataFrame:
    """What the source says of its customers; it delivers age bands, so no age is computed here."""
    return (
        shop.connection.execute(
            "select customer_id, age_band, sex, income_band, household, region from raw.customers"
        )
        .df()
        .set_index("customer_id")
    )


def folded(values: pd.Series) -> pd.Series:
    """The values, the rarest of them as one group of at least ten customers."""
    rare: set[str] = set()
    count = 0
    for value, number in sorted(Counter(values).items(), key=lambda one: (one[1], one[0])):
        if number < LEAST or 0 < count < LEAST:
            rare.add(value)
            count += number
    return values.where(~values.isin(rare), "small groups")


def interval(mean: float, error: float) -> tuple[float, float]:
    return mean - Z * error, mean + Z * error


def test_profiles_of_groups(shop: Shop) -> None:
    purchases = shop.purchases.groupby("customer_id").agg(
        count=("order_id", "size"), first=("order_date", "min")
    )
    first_day = shop.purchases.merge(purchases["first"], left_on="customer_id", right_index=True)
    first_day = first_day[first_day["order_date"] == first_day["first"]]
    purchases["on_first_day"] = first_day.groupby("customer_id").size()
    customers = purchases.join(known_of(shop))
    segments = {
        row["customer_id"].removeprefix(f"{shop.source}:"): row["segment"]
        for row in shop.rows("select customer_id, segment from marts.rfm")
    }
    customers["segment"] = customers.index.map(segments)
    customers[list(ATTRIBUTES)] = customers[list(ATTRIBUTES)].fillna("unknown")
    customers["years"] = (shop.as_of - customers["first"]).dt.days.sub(1) / YEAR
    customers["net"] = customers.index.map(shop.net_by_customer) / SCALE
    margins = shop.merchandise.groupby("customer_id").margin.sum()
    customers["margin"] = customers.index.map(margins) / SCALE
    has_margin = shop.rate is not None

    expected = {("all customers", *[None] * 6): customers}
    for place, attribute in enumerate(ATTRIBUTES):
        if (customers[attribute] == "unknown").all():
            continue
        for value, group in customers.groupby(folded(customers[attribute])):
            key: list[Any] = [attribute, *[None] * 6]
            key[1 + place] = value
            expected[tuple(key)] = group

    found = shop.rows("from marts.customer_profiles")
    assert {(row["profile"], *(row[name] for name in ATTRIBUTES)) for row in found} == set(expected)
    for row in found:
        group = expected[row["profile"], *(row[name] for name in ATTRIBUTES)]
        n, later, years = len(group), group["count"] - group["on_first_day"], group["years"]
        assert row["customers"] == n
        assert row["share_of_customers"] == pytest.approx(n / len(customers), rel=1e-12)
        assert row["purchases"] == group["count"].sum()
        assert row["customer_years"] == pytest.approx(years.sum(), rel=1e-9)
        rate = later.sum() / years.sum()
        assert row["purchases_per_year"] == pytest.approx(rate, rel=1e-9)
        residuals = later - rate * years
        error = sqrt(n / (n - 1) * (residuals**2).sum()) / years.sum()
        low, high = interval(rate, error)
        assert row["purchases_per_year_low"] == pytest.approx(max(0, low), rel=1e-6)
        assert row["purchases_per_year_high"] == pytest.approx(high, rel=1e-6)

        again = int((group["count"] > 1).sum())
        wilson = binomtest(again, n).proportion_ci(method="wilson")
        assert row["repeat_customers"] == again
        assert row["repeat_share"] == pytest.approx(again / n, rel=1e-12)
        assert row["repeat_share_low"] == pytest.approx(wilson.low, rel=1e-9)
        assert row["repeat_share_high"] == pytest.approx(wilson.high, rel=1e-9)

        assert float(row["net_revenue"]) == pytest.approx(group.net.sum(), abs=1e-6)
        for name, values in (("net_revenue", group.net), ("margin", group.margin)):
            if name == "margin" and not has_margin:
                assert row["margin_per_customer"] is row["margin_per_customer_low"] is None
                assert row["margin_basis"] == "none"
                continue
            low, high = interval(values.mean(), values.std() / sqrt(n))
            near = {"rel": 1e-9, "abs": 1e-4}
            assert float(row[f"{name}_per_customer"]) == pytest.approx(values.mean(), **near)
            assert float(row[f"{name}_per_customer_low"]) == pytest.approx(low, **near)
            assert float(row[f"{name}_per_customer_high"]) == pytest.approx(high, **near)


def favourites(bought: dict[tuple[str, str], set[str]], purchases: Counter[str]) -> dict[str, str]:
    """Of each customer the category of most purchases beyond its share of all purchases."""
    in_all: Counter[str] = Counter()
    for (_, category), orders in bought.items():
        in_all[category] += len(orders)
    best: dict[str, tuple[int, str]] = {}
    for (customer, category), orders in bought.items():
        beyond = len(orders) * purchases.total() - purchases[customer] * in_all[category]
        if len(orders) > 1 and beyond > 0:
            best[customer] = min(best.get(customer, (0, "")), (-beyond, category))
    return {customer: category for customer, (_, category) in best.items()}


def segments_as_of(shop: Shop, day: pd.Timestamp) -> dict[str, str]:
    """RFM by what came before a day."""
    earlier = shop.orders[(shop.orders.order_date < day) & shop.orders.customer_id.notna()]
    purchases = earlier[earlier.is_purchase].groupby("customer_id")
    days_ago = (day - purchases.order_date.max()).dt.days
    money = earlier.groupby("customer_id").net.sum()
    recency = scores({one: -days for one, days in days_ago.items()})
    frequency = scores(purchases.size().to_dict())
    monetary = scores({one: money[one] for one in days_ago.index})
    grid = {
        (row["r_score"], row["fm_score"]): row["segment"]
        for row in shop.rows("from reference.rfm_segments")
    }
    return {
        one: grid[recency[one], (frequency[one] + monetary[one] + 1) // 2] for one in days_ago.index
    }


def test_profile_rules_count_customers(grocer: Shop) -> None:
    rules = grocer.rows("from marts.profile_rules order by rank")
    assert 20 <= len(rules) <= 200
    purchases = grocer.orders[grocer.orders.is_purchase]
    days = sorted(purchases.order_date.unique())
    cut = days[-(len(days) // 5)]
    is_later = dict(zip(purchases.order_id, purchases.order_date >= cut, strict=True))
    customer_of = dict(zip(purchases.order_id, purchases.customer_id, strict=True))
    products = {
        row["product_id"]: (row["product_type"], row["category"])
        for row in grocer.rows("select product_id, product_type, category from raw.products")
    }
    excluded = {
        tuple(row.values())
        for row in grocer.rows("select item_level, item from reference.excluded_items")
    }

    bought: tuple[dict[str, set[str]], ...] = (defaultdict(set), defaultdict(set))
    liked: dict[tuple[str, str], set[str]] = defaultdict(set)
    lines = grocer.merchandise[(grocer.merchandise.quantity > 0) & ~grocer.merchandise.is_return]
    for order, product in zip(lines.order_id, lines.product_id, strict=True):
        if order not in is_later:
            continue
        product_type, category = products.get(product, (None, None))
        if {("product_type", product_type), ("category", category)} & excluded:
            continue
        if category and not is_later[order]:
            liked[customer_of[order], category].add(order)
        item = product_type or grocer.key(product)
        bought[is_later[order]][item].add(customer_of[order])
    everybody = tuple(
        {customer_of[order] for order, later in is_later.items() if later == period}
        for period in (False, True)
    )
    known: dict[str, dict[str, str]] = {
        name: column.dropna().to_dict() for name, column in known_of(grocer).items()
    }
    known["segment"] = segments_as_of(grocer, cut)
    known["favourite_category"] = favourites(
        liked, Counter(customer_of[order] for order, later in is_later.items() if not later)
    )

    def counts(left: dict[str, str], item: str, later: bool) -> list[int]:
        of_whom = {one for one in everybody[later] if all(one in known[name] for name in left)}
        having = {one for one in of_whom if all(known[n][one] == v for n, v in left.items())}
        buyers = bought[later][item] & of_whom
        return [len(of_whom), len(having), len(buyers), len(having & buyers)]

    names = ("customer", "antecedent", "consequent", "joint")
    for rule in rules:
        left = dict(zip(rule["attributes"], rule["attribute_values"], strict=True))
        n, a, b, ab = counts(left, rule["consequent"], False)
        assert [rule[f"{name}_count"] for name in names] == [n, a, b, ab], rule["rule"]
        assert ab >= 25  # a hundredth of the customers
        assert ab / a >= 0.1
        assert rule["lift"] == pytest.approx(ab * n / (a * b), rel=1e-12)
        assert rule["lift"] >= 1.5
        n, a, b, ab = counts(left, rule["consequent"], True)
        assert [rule[f"holdout_{name}_count"] for name in names] == [n, a, b, ab]
        table = [[ab, a - ab], [b - ab, n - a - b + ab]]
        independent = fisher_exact(table, alternative="greater").pvalue
        assert independent * (1 - 1e-6) <= rule["p_value"] <= rule["q_value"] <= 0.05
        assert rule["holdout_lift"] > 1
        assert rule["rule"] == f"{' + '.join(left.values())} → {rule['consequent_name']}"
        # nothing is told that the category itself says
        category = left.get("favourite_category")
        assert (rule["consequent"], category) not in products.values()


def test_attributes_of_the_real_shops_that_nobody_knows_make_no_rules(shop: Shop) -> None:
    asked = {name for row in shop.rows("from marts.profile_rules") for name in row["attributes"]}
    if shop.source == "online_retail":
        assert asked <= {"segment"}
    else:
        assert {"age_band", "household", "segment", "favourite_category"} <= asked
        assert "sex" not in asked
