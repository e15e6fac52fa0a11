"""Every figure of the marts, computed again by pandas and plain Python from the raw tables alone.

The marts come from the real refresh (tests/conftest.py). Money is held in whole ten-thousandths, so
that it compares exactly.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

SCALE = 10_000
ACTIVE_DAYS_MINIMUM = 30
OBSERVED_AFTER_DAYS = 90
SHRINKAGE_CUSTOMERS = 100
MAXIMUM_YEARS = 10
DISCOUNT_RATE = 0.10


@dataclass(frozen=True)
class Shop:
    """One real source: its raw tables as frames, and the connection to its marts."""

    source: str
    connection: duckdb.DuckDBPyConnection

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Rows of a query; money as Decimal, which a frame would make a float."""
        found = self.connection.execute(query, values)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    @cached_property
    def lines(self) -> pd.DataFrame:
        """Every line of the source: money and quantity in ten-thousandths, dates local."""
        lines = self.connection.execute(
            f"""
            select
                order_id, customer_id, product_id, store_id, channel, source_line,
                ordered_at_local::date as order_date,
                (quantity * {SCALE})::bigint as quantity,
                (unit_price * {SCALE})::bigint as unit_price,
                coalesce((discount_amount * {SCALE})::bigint, 0) as discount,
                (net_revenue * {SCALE})::bigint as delivered_revenue,
            from raw.order_lines
            """
        ).df()
        # a product of whole pieces and a price needs no rounding
        assert (lines.quantity % SCALE == 0).all()
        computed = lines.quantity // SCALE * lines.unit_price.fillna(0).astype("int64")
        lines["net"] = lines.delivered_revenue.fillna(computed - lines.discount).astype("int64")
        lines["order_date"] = lines.groupby("order_id").order_date.transform("min")
        lines["is_merchandise"] = (
            lines.product_id.str.match(r"\d{5}") if self.source == "online_retail" else True
        )
        return lines

    @cached_property
    def merchandise(self) -> pd.DataFrame:
        lines = self.lines[self.lines.is_merchandise].copy()
        lines["is_return"] = lines.net < 0
        lines["margin"] = self.margin(lines.net)
        return lines

    def margin(self, net: pd.Series) -> pd.Series:
        """Margin of each line by the rate of the mapping, rounded half away from zero."""
        if self.rate is None:
            return pd.Series(0, index=net.index)
        millionths = round(self.rate * 1_000_000)
        return np.sign(net) * ((net.abs() * millionths + 500_000) // 1_000_000)

    @cached_property
    def rate(self) -> float | None:
        found = self.connection.execute(
            "select margin_rate::double from raw.margin_rates where category is null"
        ).fetchone()
        return found[0] if found else None

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row an order: date, customer, merchandise revenue, whether it is a purchase."""
        orders = self.lines.groupby("order_id").agg(
            customer_id=("customer_id", "first"),
            order_date=("order_date", "first"),
            store_id=("store_id", "first"),
            channel=("channel", "first"),
            line_count=("net", "size"),
        )
        revenue = self.merchandise.groupby("order_id").net.sum()
        orders["net"] = revenue.reindex(orders.index, fill_value=0)
        orders["is_purchase"] = orders.net > 0
        return orders.reset_index()

    @cached_property
    def purchases(self) -> pd.DataFrame:
        return self.orders[self.orders.is_purchase & self.orders.customer_id.notna()]

    @cached_property
    def as_of(self) -> pd.Timestamp:
        return self.orders[self.orders.is_purchase].order_date.max() + pd.Timedelta(days=1)

    @cached_property
    def purchase_days(self) -> dict[str, list[pd.Timestamp]]:
        return {
            customer: sorted(set(days))
            for customer, days in self.purchases.groupby("customer_id").order_date
        }

    @cached_property
    def gaps(self) -> list[int]:
        return sorted(
            (later - earlier).days
            for days in self.purchase_days.values()
            for earlier, later in pairwise(days)
        )

    @cached_property
    def active_days(self) -> int:
        return max(ACTIVE_DAYS_MINIMUM, self.gaps[-(-len(self.gaps) * 8 // 10) - 1])

    @cached_property
    def observed(self) -> set[str]:
        median_gap = self.gaps[(len(self.gaps) + 1) // 2 - 1]
        begin = self.orders[self.orders.is_purchase].order_date.min()
        start = begin + pd.Timedelta(days=max(OBSERVED_AFTER_DAYS, median_gap))
        return {customer for customer, days in self.purchase_days.items() if days[0] >= start}

    @cached_property
    def net_by_customer(self) -> dict[str, int]:
        return self.merchandise.groupby("customer_id").net.sum().to_dict()

    @cached_property
    def months_by_customer(self) -> dict[str, set[pd.Period]]:
        return {
            customer: {day.to_period("M") for day in days}
            for customer, days in self.purchase_days.items()
        }

    @cached_property
    def types(self) -> dict[str, str | None]:
        return dict(
            self.connection.execute("select product_id, product_type from raw.products").fetchall()
        )

    @cached_property
    def mined_lines(self) -> pd.DataFrame:
        """Merchandise that was sold, of products that are not left out of mining."""
        left_out = self.connection.execute(
            """
            select products.product_id
            from raw.products
            inner join reference.excluded_items
                on excluded_items.item = case excluded_items.item_level
                    when 'product_type' then products.product_type
                    when 'category' then products.category
                end
            """
        ).fetchall()
        lines = self.merchandise[(self.merchandise.quantity > 0) & ~self.merchandise.is_return]
        return lines[~lines.product_id.isin([product for (product,) in left_out])]

    def key(self, source_id: str) -> str:
        return f"{self.source}:{source_id}"


@pytest.fixture(scope="module", params=["complete_journey", "online_retail"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    path: Path = request.getfixturevalue(f"{request.param}_work_file")
    with duckdb.connect(path, read_only=True) as connection:
        yield Shop(request.param, connection)


@pytest.fixture(scope="module")
def grocer(complete_journey_work_file: Path) -> Iterator[Shop]:
    """The source for which figures are published (data README)."""
    with duckdb.connect(complete_journey_work_file, read_only=True) as connection:
        yield Shop("complete_journey", connection)


def scores(values: dict[str, int]) -> dict[str, int]:
    """Scores of definitions.md; a greater value is better."""
    ordered = sorted(values.values())
    worse = np.searchsorted(ordered, ordered, side="left")
    not_better = np.searchsorted(ordered, ordered, side="right")
    by_value = {
        value: 1 + (5 * (2 * int(low) + int(high - low))) // (2 * len(ordered))
        for value, low, high in zip(ordered, worse, not_better, strict=True)
    }
    return {customer: by_value[value] for customer, value in values.items()}


def test_rfm_of_every_customer(shop: Shop) -> None:
    recency = {c: (shop.as_of - days[-1]).days for c, days in shop.purchase_days.items()}
    frequency = Counter(shop.purchases.customer_id)
    monetary = {c: shop.net_by_customer[c] for c in recency}
    r, f, m = scores({c: -d for c, d in recency.items()}), scores(frequency), scores(monetary)
    expected = {
        shop.key(c): (recency[c], frequency[c], monetary[c], r[c], f[c], m[c], r[c] + f[c] + m[c])
        for c in recency
    }

    measures = ("recency_days", "frequency", "monetary")
    totals = ("r_score", "f_score", "m_score", "rfm_total")
    actual = {}
    for row in shop.rows("from marts.rfm"):
        row["monetary"] *= SCALE
        actual[row["customer_id"]] = tuple(row[name] for name in (*measures, *totals))
    assert actual == expected


def test_rfm_segments_are_those_of_the_grid(shop: Shop) -> None:
    wrong = shop.connection.execute(
        """
        select count(*) from marts.rfm anti join reference.rfm_segments on
            rfm.segment = rfm_segments.segment and rfm.r_score = rfm_segments.r_score
            and ceil((rfm.f_score + rfm.m_score) / 2) = rfm_segments.fm_score
        """
    ).fetchone()
    assert wrong == (0,)


@pytest.mark.parametrize(
    ("score", "published"),
    [
        ("r_score", [500, 513, 417, 613, 426]),
        ("f_score", [479, 520, 492, 482, 496]),
        ("m_score", [494, 494, 493, 494, 494]),
    ],
)
def test_published_score_counts(grocer: Shop, score: str, published: list[int]) -> None:
    counts = Counter(row[score] for row in grocer.rows("from marts.rfm"))
    assert [counts[value] for value in range(1, 6)] == published


def test_published_totals(shop: Shop) -> None:
    customers, purchases, monetary = shop.connection.execute(
        "select count(*), sum(frequency), sum(monetary)::varchar from marts.rfm"
    ).fetchone()
    assert (customers, purchases, monetary) == {
        "complete_journey": (2469, 155_370, "4596039.5800"),
        "online_retail": (4334, 18_402, "8290586.3000"),
    }[shop.source]


def monthly_retention(shop: Shop, customers: set[str]) -> tuple[int, float] | None:
    """Customers in the base and the pooled rate over consecutive complete months."""
    begin = min(days[0] for days in shop.purchase_days.values())
    months = [
        month
        for month in pd.period_range(begin, shop.as_of, freq="M")
        if month.start_time >= begin and month.end_time < shop.as_of
    ]
    buyers = {
        month: {c for c in customers if month in shop.months_by_customer[c]} for month in months
    }
    base = [buyers[earlier] for earlier, _ in pairwise(months)]
    retained = [buyers[earlier] & buyers[later] for earlier, later in pairwise(months)]
    everybody = set().union(*base)
    if not everybody:
        return None
    return len(everybody), sum(map(len, retained)) / sum(map(len, base))


def test_clv_of_every_customer(shop: Shop) -> None:
    cohorts = defaultdict(set)
    for customer in shop.observed:
        cohorts[shop.purchase_days[customer][0].to_period("M")].add(customer)
    whole = monthly_retention(shop, set(shop.purchase_days))
    assert whole is not None
    overall = whole[1] ** 12
    rates = {cohort: monthly_retention(shop, members) for cohort, members in cohorts.items()}
    margins = shop.merchandise.groupby("customer_id").margin.sum().to_dict()
    last_day = shop.as_of - pd.Timedelta(days=1)

    clv = {row["customer_id"]: row for row in shop.rows("from marts.clv")}
    assert set(clv) == {shop.key(c) for c in shop.purchase_days}
    for customer, days in shop.purchase_days.items():
        row = clv[shop.key(customer)]
        cohort = days[0].to_period("M") if customer in shop.observed else None
        found = rates.get(cohort) if cohort is not None else None
        p = overall
        if found is not None:
            n, monthly = found
            p = (n * monthly**12 + SHRINKAGE_CUSTOMERS * overall) / (n + SHRINKAGE_CUSTOMERS)
            assert row["cohort_customers"] == n
        years = min(MAXIMUM_YEARS, 1 / (1 - p))
        tenure = (last_day - days[0]).days / 365.25
        assert row["retention_basis"] == "monthly, to the 12th power"
        assert row["is_first_purchase_observed"] == (customer in shop.observed)
        assert row["net_revenue"] * SCALE == shop.net_by_customer[customer]
        assert row["cost_to_serve"] == 0
        assert row["retention_rate"] == pytest.approx(p, rel=1e-9)
        assert row["years_of_loyalty"] == pytest.approx(years, rel=1e-9)
        assert row["tenure_years"] == pytest.approx(tenure, rel=1e-9, abs=1e-12)
        if shop.rate is None:
            assert row["margin_basis"] == "none"
            assert row["realised_clv"] is None
            assert row["textbook_clv"] is None
            continue
        assert row["margin_basis"] == "rate"
        assert row["realised_clv"] * SCALE == margins[customer]
        yearly = margins[customer] / SCALE / max(1, tenure)
        value, paid = 0.0, 0.0
        while paid < years:
            part = min(1.0, years - paid)
            paid += part
            value += part * yearly / (1 + DISCOUNT_RATE) ** paid
        assert float(row["textbook_clv"]) == pytest.approx(value, abs=0.0001)


def test_cohorts_of_observed_customers(shop: Shop) -> None:
    first_month = {c: shop.purchase_days[c][0].to_period("M") for c in shop.observed}
    members = defaultdict(set)
    for customer, month in first_month.items():
        members[month].add(customer)
    money: Counter[tuple[pd.Period, int]] = Counter()
    known = shop.merchandise[shop.merchandise.customer_id.isin(shop.observed)]
    by_day = known.groupby(["customer_id", "order_date"]).net.sum()
    for (customer, day), net in by_day.items():
        cohort = first_month[customer]
        money[cohort, max(0, (day.to_period("M") - cohort).n)] += net
    expected = {}
    newest = (shop.as_of - pd.Timedelta(days=1)).to_period("M")
    for cohort, customers in members.items():
        for k in range((newest - cohort).n + 1):
            month = cohort + k
            if (month + 1).start_time > shop.as_of:
                expected[cohort.start_time, k] = (len(customers), None, None, None)
                continue
            active = sum(month in shop.months_by_customer[c] for c in customers)
            net = money[cohort, k]
            expected[cohort.start_time, k] = (len(customers), active, active / len(customers), net)

    cells = shop.connection.execute(
        f"""
        select cohort_month, months_since, customers, active_customers, retention,
            (net_revenue * {SCALE})::bigint
        from marts.cohort_retention
        """
    ).fetchall()
    assert {(pd.Timestamp(cohort), k): tuple(rest) for cohort, k, *rest in cells} == expected


def test_published_numbers_of_observed_customers(grocer: Shop) -> None:
    (row,) = grocer.rows(
        """
        select
            count(*) filter (is_first_purchase_observed) as observed,
            count(*) filter (not is_first_purchase_observed) as unobserved
        from marts.customers
        """
    )
    assert row == {"observed": 189, "unobserved": 2280}


def test_customers_one_by_one(shop: Shop) -> None:
    raw_ids = shop.connection.execute(
        """
        select customer_id from raw.customers union select customer_id from raw.order_lines
        union select customer_id from raw.campaign_contacts
        """
    ).fetchall()
    reached = defaultdict(set)
    for customer, campaign in shop.connection.execute(
        "select customer_id, campaign_id from raw.campaign_contacts where contacted_at < ?",
        [shop.as_of],
    ).fetchall():
        reached[customer].add(campaign)
    redeemed = Counter(
        customer
        for (customer,) in shop.connection.execute(
            "select customer_id from raw.coupon_redemptions where redeemed_at < ?", [shop.as_of]
        ).fetchall()
    )
    stores: defaultdict[str, Counter[str]] = defaultdict(Counter)
    last_visit: dict[tuple[str, str], pd.Timestamp] = {}
    with_store = shop.purchases.dropna(subset=["store_id"])
    for row in with_store.itertuples():
        stores[row.customer_id][row.store_id] += 1
        visit = row.customer_id, row.store_id
        last_visit[visit] = max(row.order_date, last_visit.get(visit, row.order_date))
    returns = shop.merchandise[shop.merchandise.is_return]
    returned = returns.groupby("customer_id").net.sum().to_dict()
    purchases = Counter(shop.purchases.customer_id)
    a = shop.active_days

    customers = {row["customer_id"]: row for row in shop.rows("from marts.customers")}
    assert set(customers) == {shop.key(c) for (c,) in raw_ids if c is not None}
    for customer_id, row in customers.items():
        customer = customer_id.removeprefix(f"{shop.source}:")
        days = shop.purchase_days.get(customer)
        assert row["is_prospect"] == (days is None)
        assert row["campaigns_reached"] == len(reached[customer])
        assert row["coupons_redeemed"] == redeemed[customer]
        if days is None:
            assert row["purchases"] == 0
            assert row["status"] is None
            continue
        age = (shop.as_of - days[-1]).days
        gaps = sorted((later - earlier).days for earlier, later in pairwise(days))
        status = "active" if age <= a else "slipping" if age <= 2 * a else "lapsed"
        assert row["status"] == status
        assert row["recency_days"] == age
        assert row["is_new"] is ((shop.as_of - days[0]).days <= a)
        assert row["is_first_purchase_observed"] is (customer in shop.observed)
        assert row["first_purchase_date"] == days[0].date()
        assert row["last_purchase_date"] == days[-1].date()
        assert row["purchases"] == purchases[customer]
        assert row["purchase_days"] == len(days)
        assert row["median_gap_days"] == (gaps[(len(gaps) + 1) // 2 - 1] if gaps else None)
        assert row["net_revenue"] * SCALE == shop.net_by_customer[customer]
        assert row["returned_revenue"] * SCALE == returned.get(customer, 0)
        assert float(row["average_order_value"]) == pytest.approx(
            shop.net_by_customer[customer] / SCALE / purchases[customer], abs=0.00005001
        )
        if stores[customer]:
            best = min(
                stores[customer],
                key=lambda store, c=customer: (
                    *(-stores[c][store], -last_visit[c, store].value),
                    shop.key(store),
                ),
            )
            assert row["preferred_store_id"] == shop.key(best)


def test_customers_agree_with_rfm_and_clv(shop: Shop) -> None:
    wrong = shop.connection.execute(
        """
        select count(*)
        from marts.customers
        full join marts.rfm using (customer_id)
        full join marts.clv using (customer_id)
        where not customers.is_prospect and (
            customers.rfm_total is distinct from rfm.rfm_total
            or customers.segment is distinct from rfm.segment
            or customers.textbook_clv is distinct from clv.textbook_clv
            or customers.realised_clv is distinct from clv.realised_clv
            or customers.cohort_month is distinct from clv.cohort_month
        )
        """
    ).fetchone()
    assert wrong == (0,)


def test_sales_of_every_day_store_and_channel(shop: Shop) -> None:
    group = ["order_date", "store_id", "channel"]
    orders = shop.orders.copy()
    orders["store_id"] = orders.store_id.map(shop.key, na_action="ignore").fillna("unknown")
    orders["channel"] = orders.channel.fillna("unknown")
    lines = shop.merchandise.merge(
        orders[["order_id", *group]], on="order_id", suffixes=("_of_line", "")
    )
    lines["returned"] = lines.net.where(lines.is_return, 0)
    expected = orders.groupby(group).agg(orders=("net", "size"), purchases=("is_purchase", "sum"))
    expected["customers"] = (
        orders[orders.is_purchase].groupby(group).customer_id.nunique().reindex(expected.index)
    )
    lines["units"] = lines.quantity.where(lines.is_return | (lines.quantity > 0), 0)
    sums = lines.groupby(group)[["units", "discount", "returned", "net", "margin"]].sum()
    expected = expected.join(sums).fillna(0).astype("int64")
    expected["gross"] = expected.net + expected.discount - expected.returned

    sales = shop.connection.execute(
        f"""
        select order_date::timestamp, store_id, channel, orders, purchases, customers,
            (units * {SCALE})::bigint, (discount_amount * {SCALE})::bigint,
            (returned_revenue * {SCALE})::bigint, (net_revenue * {SCALE})::bigint,
            coalesce((margin * {SCALE})::bigint, 0), (gross_revenue * {SCALE})::bigint
        from marts.sales_daily
        """
    ).fetchall()
    actual = {tuple(row[:3]): tuple(row[3:]) for row in sales}
    assert actual == {
        (day.to_pydatetime(), store, channel): tuple(row)
        for (day, store, channel), row in zip(
            expected.index, expected.to_numpy().tolist(), strict=True
        )
    }


def test_products_one_by_one(shop: Shop) -> None:
    lines = shop.merchandise
    returned, others = lines[lines.is_return], lines[~lines.is_return]
    sold, written_off = others[others.quantity > 0], others[others.quantity < 0]
    expected = pd.DataFrame(index=lines.product_id.dropna().unique())
    by_product = sold.groupby("product_id")
    expected["orders"] = by_product.order_id.nunique()
    expected["units_sold"] = by_product.quantity.sum()
    expected["units_returned"] = -returned.groupby("product_id").quantity.sum()
    expected["units_written_off"] = -written_off.groupby("product_id").quantity.sum()
    expected["net"] = lines.groupby("product_id").net.sum()
    expected["returned"] = returned.groupby("product_id").net.sum()
    known = sold.dropna(subset=["customer_id"])
    days = known.groupby(["product_id", "customer_id"]).order_date.nunique()
    expected["buyers"] = days.groupby("product_id").size()
    expected["repeat_buyers"] = (days > 1).groupby("product_id").sum()
    expected = expected.fillna(0).astype("int64")
    expected["rank"] = expected.net.rank(method="min", ascending=False).astype("int64")
    first, last = by_product.order_date.min(), by_product.order_date.max()

    products = shop.connection.execute(
        f"""
        select product_id, orders, (units_sold * {SCALE})::bigint,
            (units_returned * {SCALE})::bigint, (units_written_off * {SCALE})::bigint,
            (net_revenue * {SCALE})::bigint, (returned_revenue * {SCALE})::bigint, buyers,
            repeat_buyers, revenue_rank,
            first_sold_date::timestamp, last_sold_date::timestamp, revenue_share, repeat_buyer_share
        from marts.products
        where revenue_rank is not null and product_id <> 'unknown'
        """
    ).fetchall()
    assert {row[0]: tuple(row[1:10]) for row in products} == {
        shop.key(product): tuple(row)
        for product, row in zip(expected.index, expected.to_numpy().tolist(), strict=True)
    }
    total = expected.net.sum()
    for row in products:
        product = row[0].removeprefix(f"{shop.source}:")
        assert (row[10], row[11]) == (first.get(product), last.get(product))
        assert row[12] == pytest.approx(expected.net[product] / total, rel=1e-9)
        if expected.buyers[product]:
            share = expected.repeat_buyers[product] / expected.buyers[product]
            assert row[13] == pytest.approx(share)
    for row in shop.rows("from marts.products where revenue_rank is null"):
        assert (row["orders"], row["buyers"], row["net_revenue"]) == (0, 0, 0)


def test_cross_sell_rules_count_baskets_and_later_votes(shop: Shop) -> None:
    rules = shop.rows("from marts.cross_sell_rules order by rank")
    assert 20 <= len(rules) <= 200
    purchases = shop.orders[shop.orders.is_purchase]
    is_later = purchases.order_date >= first_holdout_day(shop)
    voters: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for order_id, customer_id in purchases[is_later][["order_id", "customer_id"]].to_numpy():
        voter = order_id if pd.isna(customer_id) else f"customer {customer_id}"
        digest = hashlib.md5(shop.key(order_id).encode(), usedforsecurity=False).hexdigest()
        voters[voter].append((digest, order_id))
    periods = [
        set(purchases[~is_later].order_id),
        {min(orders)[1] for orders in voters.values()},
    ]

    lines = shop.mined_lines
    orders_of: defaultdict[str, set[str]] = defaultdict(set)
    for order_id, product_id in zip(lines.order_id, lines.product_id, strict=True):
        orders_of[shop.types.get(product_id) or shop.key(product_id)].add(order_id)

    def counts(rule: dict[str, Any], period: set[str]) -> list[int]:
        left = set.intersection(period, *(orders_of[item] for item in rule["antecedents"]))
        right = set.intersection(period, *(orders_of[item] for item in rule["consequents"]))
        return [len(period), len(left), len(right), len(left & right)]

    for rule in rules:
        n, a, b, ab = counts(rule, periods[0])
        assert [
            rule[f"{name}_count"] for name in ("basket", "antecedent", "consequent", "joint")
        ] == [n, a, b, ab]
        assert rule["support"] == pytest.approx(ab / n, rel=1e-12)
        assert rule["confidence"] == pytest.approx(ab / a, rel=1e-12)
        assert rule["lift"] == pytest.approx(ab * n / (a * b), rel=1e-12)
        assert rule["leverage"] == pytest.approx(ab / n - a * b / n**2, rel=1e-9)
        n, a, b, ab = counts(rule, periods[1])
        assert [
            rule[f"holdout_{name}_count"]
            for name in ("basket", "antecedent", "consequent", "joint")
        ] == [n, a, b, ab]
        assert rule["holdout_lift"] == pytest.approx(ab * n / (a * b), rel=1e-12)
        table = [[ab, a - ab], [b - ab, n - a - b + ab]]
        independent = fisher_exact(table, alternative="greater").pvalue
        assert independent * (1 - 1e-6) <= rule["p_value"] <= rule["q_value"] <= 0.05
        assert rule["holdout_expected_confidence"] < rule["holdout_confidence"]
        assert ab >= 5
        idle = [0.0]
        for item in rule["antecedents"] if len(rule["antecedents"]) > 1 else ():
            rest = [one for one in rule["antecedents"] if one != item]
            among = set.intersection(periods[1], *(orders_of[one] for one in rest))
            n, a, b, ab = counts(rule, among)
            table = [[ab, a - ab], [b - ab, n - a - b + ab]]
            idle.append(fisher_exact(table, alternative="greater").pvalue)
        assert max(idle) <= 0.05
        assert (rule["idle_p_value"] or 0) == pytest.approx(max(idle), rel=1e-6)
        names = rule["antecedent_names"], rule["consequent_names"]
        assert rule["rule"] == " → ".join(" + ".join(side) for side in names)


def first_holdout_day(shop: Shop) -> pd.Timestamp:
    days = sorted(shop.orders[shop.orders.is_purchase].order_date.unique())
    return days[-(len(days) // 5)]


def purchases_by_item(shop: Shop, *, as_products: bool) -> pd.DataFrame:
    """Persons' first and last day with each item that is mined, as numbers."""
    lines = shop.mined_lines
    if as_products:
        item = [shop.key(product) for product in lines.product_id]
        key = item
    else:
        item = [shop.types.get(product) or shop.key(product) for product in lines.product_id]
        key = [
            f"product_type:{name}" if shop.types.get(product) else f"product:{name}"
            for product, name in zip(lines.product_id, item, strict=True)
        ]
    items = lines.assign(item=item, key=key)[["order_id", "item", "key"]]
    if not as_products:
        items = items.drop_duplicates()
    items = items.merge(shop.purchases[["order_id", "customer_id", "order_date"]], on="order_id")
    is_early = items.order_date < first_holdout_day(shop)
    times = items[is_early].groupby("key")["item"].agg(["size", "first"]).reset_index()
    times = times[times["size"] >= 10].sort_values(["size", "key"], ascending=[False, True])
    items = items[items["key"].isin(times["key"].head(100_000 if as_products else 4_000))]
    items["day"] = (items.order_date - pd.Timestamp(1970, 1, 1)).dt.days
    days = items.groupby(["customer_id", "item"]).day
    return days.agg(day="min", last_day="max").reset_index()


def followers(first: pd.DataFrame, one: str, other: str, begin: int, end: int) -> list[float]:
    """Owners of the one; those who took anything, who of them the other, how many expected."""
    is_taken, was_had = first.day.between(begin, end - 1), first.day < begin
    people = pd.DataFrame(
        {
            "taken": is_taken.groupby(first.customer_id).sum(),
            "had": was_had.groupby(first.customer_id).sum(),
        }
    )
    for name, item in (("one", one), ("other", other)):
        days = first[first.item == item].set_index("customer_id").day
        people[name] = days.reindex(people.index).fillna(end)
    owners = ((people.one < begin) & (people.other >= begin)).sum()
    people = people[(people.taken > 0) & (people.other >= begin)]
    people = people[(people.one < begin) | (people.one >= end)]
    has_one, takes = people.one < begin, people.other < end
    alike = [
        np.round(4 * np.log2(people.taken)),
        np.round(4 * np.log2(people.had - has_one + 1)),
    ]
    strata = pd.DataFrame({"has": has_one, "takes": takes, "n": 1}).groupby(alike).sum()
    expected = (strata["has"] * strata.takes / strata.n).sum()
    return [int(owners), int(has_one.sum()), int((has_one & takes).sum()), float(expected)]


@pytest.mark.parametrize("mart", ["buying_order", "up_sell"])
def test_what_is_bought_after_what(shop: Shop, mart: str) -> None:
    """Every ninth published pair; of up-selling, where a grocer has one, every ninth candidate."""
    shown = shop.rows(f"from marts.{mart} order by rank")
    if (shop.source, mart) == ("online_retail", "up_sell"):
        assert shown == []  # it states no product lines
        return
    assert (1 if mart == "up_sell" else 10) <= len(shown) <= 200
    pairs = shown if mart == "buying_order" else shop.rows("from mining.up_sell order by rank")
    first = purchases_by_item(shop, as_products=mart == "up_sell")
    cut = (first_holdout_day(shop) - pd.Timestamp(1970, 1, 1)).days
    end = (shop.as_of - pd.Timestamp(1970, 1, 1)).days
    for pair in pairs[::9]:
        one, other = pair["first_item"], pair["next_item"]
        for prefix, begin, until in (("", 2 * cut - end, cut), ("holdout_", cut, end)):
            owners, customers, followed, expected = followers(first, one, other, begin, until)
            assert pair[f"{prefix}owners"] == owners
            assert pair[f"{prefix}customers"] == customers
            assert pair[f"{prefix}followed_customers"] == followed
            assert pair[f"{prefix}followed_share"] == pytest.approx(followed / customers)
            assert pair[f"{prefix}share_of_owners"] == pytest.approx(followed / owners)
            assert pair[f"{prefix}expected_share"] == pytest.approx(expected / customers)
            assert pair[f"{prefix}lift"] == pytest.approx(followed / expected)
        sides_bought = [first[first.item == item].set_index("customer_id") for item in (one, other)]
        both = sides_bought[0].merge(sides_bought[1], on="customer_id", suffixes=("_one", ""))
        waits = both.day - both.day_one
        longest = (end - first.day.min()) // 2
        assert pair["longest_wait_days"] == longest
        counted = waits[waits.between(1, longest) & (both.day_one <= end - longest)]
        assert pair["median_days"] == (counted.median() if len(counted) else None)
        waits = waits[both[["day", "day_one"]].max(axis=1) < 2 * cut - end]
        assert pair["both_customers"] == (waits != 0).sum()
        assert pair["in_order_customers"] == (waits > 0).sum()
        assert pair["window_days"] == end - cut
        if mart == "up_sell":
            both = both[both.day > both.day_one]
            goes_on, stays = both.last_day_one > both.day, both.last_day > both.day
            assert pair["again_customers"] == (goes_on | stays).sum()
            assert pair["switched_customers"] == (stays & ~goes_on).sum()
            if pair["is_published"] and pair["again_customers"]:
                assert pair["switched_share_low"] > 0.5
    if mart == "up_sell":
        last_sold = shop.mined_lines.merge(shop.purchases[["order_id", "order_date"]])
        last_sold = last_sold.groupby("product_id").order_date.max()
        for row in shown:
            assert row["dearer_price"] >= row["price"] * Decimal("1.0999")
            for product in (row["product_id"], row["dearer_product_id"]):
                sold = last_sold[product.removeprefix(f"{shop.source}:")]
                assert sold >= shop.as_of - pd.Timedelta(days=28)


def test_the_model_report_counts_the_rules(shop: Shop) -> None:
    report = {
        row["metric"]: row["value"]
        for row in shop.rows("from marts.model_report where model = 'cross_sell_rules'")
    }
    passed = report.pop("passed")
    (counted,) = shop.rows(
        """
        select
            count(p_value) as tested,
            count(*) filter (
                q_value <= 0.05 and holdout_lift > 1
                and coalesce(idle_p_value, 0) <= 0.05 and holdout_joint_count >= 5
            ) as held,
            count(*) filter (is_published) as published,
            held / count(p_value) as share_held,
        from mining.rules
        """
    )
    assert report == counted
    assert passed >= counted["tested"] > counted["held"] >= counted["published"] >= 20


def test_recommendations_say_what_was_bought_and_what_an_offer_earns(shop: Shop) -> None:
    excluded = {
        key
        for (key,) in shop.connection.execute(
            """
            select products.product_id
            from raw.products
            inner join reference.excluded_items
                on excluded_items.item = case excluded_items.item_level
                    when 'product_type' then products.product_type
                    when 'category' then products.category
                end
            """
        ).fetchall()
    }
    sold = shop.merchandise[(shop.merchandise.quantity > 0) & ~shop.merchandise.is_return]
    bought = sold[sold.order_id.isin(shop.purchases.order_id) & ~sold.product_id.isin(excluded)]
    days = bought.groupby(["customer_id", "product_id"]).order_date.agg(["nunique", "min", "max"])
    known = dict(zip(days.index, days.itertuples(index=False, name=None), strict=True))

    recent = sold.merge(
        sold.groupby("product_id").order_date.max().rename("last_date"), on="product_id"
    )
    recent = recent[recent.order_date > recent.last_date - pd.Timedelta(days=90)]
    of_product = recent.groupby("product_id")[["quantity", "net", "margin"]].sum()
    values = {
        product: (round(net / quantity, 4), round(margin / quantity, 4))
        for product, quantity, net, margin in of_product.itertuples()
    }

    rows = shop.rows("from marts.recommendations order by customer_id, task, rank")
    lists: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    prefix = f"{shop.source}:"
    for row in rows:
        customer, product = (
            row[name].removeprefix(prefix) for name in ("customer_id", "product_id")
        )
        lists[customer, row["task"]].append(row["rank"])
        assert ((customer, product) in known) == (row["task"] == "restock")
        assert product not in excluded
        if row["task"] == "restock":
            count, first, last = known[customer, product]
            since = (shop.as_of - last).days
            ago = f"{since} day{'s' * (since != 1)} ago"
            if count == 1:
                assert row["reason"] == f"bought once, {ago}"
            else:
                start, end = f"bought on {count} days, every ", f" on average, last {ago}"
                assert row["reason"].startswith(start)
                assert row["reason"].endswith(end)
                between = int(row["reason"].removeprefix(start).split()[0])
                assert abs(between - (last - first).days / (count - 1)) <= 0.5
        if row["because_product_id"]:
            assert (customer, row["because_product_id"].removeprefix(prefix)) in known
        price, margin = values[product]
        if shop.rate is None:
            assert (row["expected_margin"], row["margin_basis"]) == (None, "none")
        else:
            discount = 0.1 * price
            expected = 0.02 * (margin - discount) - discount * row["purchase_probability"]
            assert float(row["expected_margin"]) == pytest.approx(expected, abs=2e-4)
            assert (row["margin_basis"], row["take_rate_basis"]) == ("rate", "assumed")
    products_of = Counter(customer for customer, _ in known)
    for customer, count in products_of.items():
        assert lists[customer, "restock"] == list(range(1, min(count, 10) + 1))
        assert lists[customer, "new"] == list(range(1, 11))
    assert len(lists) == 2 * len(products_of)


def test_the_model_report_judges_lists_on_the_last_four_weeks(shop: Shop) -> None:
    """NDCG of popularity by sets and loops; ours is above it, beyond what rounding explains."""
    report = {
        row["metric"]: row["value"]
        for row in shop.rows("from marts.model_report where model = 'recommendations'")
    }
    lists = shop.rows("select distinct customer_id, product_id, task from marts.recommendations")
    recommendable = shop.connection.execute(
        "select distinct customer_id, product_id, order_date "
        "from intermediate.int_product_purchases"
    ).fetchall()
    assert len(lists) > 0
    cut = shop.as_of.date() - timedelta(days=28)
    before: defaultdict[str, set[str]] = defaultdict(set)
    after: defaultdict[str, set[str]] = defaultdict(set)
    month: defaultdict[str, set[str]] = defaultdict(set)
    for customer, product, day in recommendable:
        (before if day < cut else after)[customer].add(product)
        if cut - timedelta(days=28) <= day < cut:
            month[product].add(customer)
    candidates = set().union(*before.values())
    order = sorted(candidates, key=lambda product: (-len(month[product]), product))
    gains = [1 / math.log2(place + 2) for place in range(10)]
    for task in ("new", "restock"):
        measured = []
        for customer, own in before.items():
            later = (after[customer] - own if task == "new" else after[customer] & own) & candidates
            if later:
                can_be = order if task == "new" else [one for one in order if one in own]
                shown = list(
                    islice((one for one in can_be if (one in own) == (task == "restock")), 10)
                )
                gained = sum(gain for gain, one in zip(gains, shown, strict=False) if one in later)
                measured.append(gained / sum(gains[: len(later)]))
        assert report[f"customers_{task}"] == len(measured)
        assert report[f"ndcg_{task}_popularity"] == pytest.approx(sum(measured) / len(measured))
        assert report[f"ndcg_{task}"] > report[f"ndcg_{task}_popularity"]


def test_about_counts_what_raw_holds(shop: Shop) -> None:
    about = shop.rows("from marts.about")
    assert [row["source"] for row in about] == [shop.source]
    (row,) = about
    assert row["as_of_date"] == shop.as_of.date()
    assert row["order_lines"] == len(shop.lines)
    assert row["orders"] == len(shop.orders)
    assert row["purchases"] == shop.orders.is_purchase.sum()
    assert row["customers"] == len(shop.purchase_days)
    assert row["active_days"] == shop.active_days
    newest, rejected = shop.connection.execute(
        """
        select max(timezone('UTC', ordered_at)), (select count(*) from raw.rejected_rows)
        from raw.order_lines
        """
    ).fetchone()
    assert row["newest_order_at"] == newest
    assert row["rejected_rows"] == rejected


def test_rejected_rows_are_all_counted(shop: Shop) -> None:
    counted, rejected = shop.connection.execute(
        """
        select
            (select coalesce(sum(rows), 0) from marts.rejected_rows_by_reason),
            (select count(*) from raw.rejected_rows)
        """
    ).fetchone()
    assert counted == rejected


def test_the_marts_hold_no_personal_data(shop: Shop) -> None:
    personal = {"name", "given_name", "family_name", "birth_date", "email", "phone", "address"}
    columns = shop.connection.execute(
        """
        select table_name, column_name from duckdb_columns()
        where schema_name = 'marts' and table_name <> 'products'
        """
    ).fetchall()
    assert columns
    assert not [column for column in columns if column[1] in personal]
