"""RFM of past months, migration and what segments did next, computed again by pandas."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.models.test_marts import SCALE, Shop, scores

MONTHS = 12


@pytest.fixture(scope="module", params=["complete_journey", "online_retail"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    path: Path = request.getfixturevalue(f"{request.param}_work_file")
    with duckdb.connect(path, read_only=True) as connection:
        yield Shop(request.param, connection)


def days_after_months(shop: Shop) -> list[pd.Timestamp]:
    """First days of this month and those before it."""
    return list(pd.date_range(end=shop.as_of.replace(day=1), periods=MONTHS + 1, freq="MS"))


def monthly(shop: Shop) -> pd.DataFrame:
    rows = shop.connection.execute("from marts.rfm_monthly").df()
    rows["month_end"] = pd.to_datetime(rows.month_end)
    return rows


def test_each_month_is_scored_by_what_was_known_at_its_end(shop: Shop) -> None:
    shown = monthly(shop)
    seen = 0
    for day in days_after_months(shop):
        month = shown[shown.month_end == day - pd.Timedelta(days=1)].set_index("customer_id")
        orders = shop.orders[shop.orders.customer_id.notna() & (shop.orders.order_date < day)]
        bought = orders[orders.is_purchase].groupby("customer_id")
        recency = (day - bought.order_date.max()).dt.days
        frequency = bought.size()
        monetary = orders.groupby("customer_id").net.sum().reindex(recency.index)
        r = scores((-recency).to_dict())
        f, m = scores(frequency.to_dict()), scores(monetary.to_dict())
        assert len(month) == len(recency)
        seen += len(month)
        for customer in recency.index:
            row = month.loc[shop.key(customer)]
            assert (row.recency_days, row.frequency) == (recency[customer], frequency[customer])
            assert round(float(row.monetary) * SCALE) == monetary[customer]
            assert (row.r_score, row.f_score, row.m_score) == (
                r[customer],
                f[customer],
                m[customer],
            )
    assert seen == len(shown) > 10_000


def test_a_month_that_ends_with_the_last_day_is_that_of_today(
    complete_journey_work_file: Path,
) -> None:
    """The grocer's data end with a year."""
    differing = """
        select count(*)
        from marts.rfm
        full join (
            from marts.rfm_monthly
            where month_end = (select last_date from intermediate.int_as_of_date)
        ) as monthly using (customer_id)
        where (rfm.segment, rfm.rfm_total, rfm.monetary)
            is distinct from (monthly.segment, monthly.rfm_total, monthly.monetary)
    """
    with duckdb.connect(complete_journey_work_file, read_only=True) as connection:
        assert connection.table("marts.rfm").count("*").fetchone() == (2_469,)
        assert connection.execute(differing).fetchone() == (0,)


def test_customers_are_counted_where_they_were_and_where_they_went(shop: Shop) -> None:
    shown = monthly(shop)
    segments = {
        end: dict(zip(rows.customer_id, rows.segment, strict=True))
        for end, rows in shown.groupby("month_end")
    }
    ends = sorted(segments)
    counted: Counter = Counter()
    for before, after in pairwise(ends):
        for customer, segment in segments[after].items():
            counted[after, segments[before].get(customer, "No purchase yet"), segment] += 1
    told = shop.connection.execute(
        "select month_end, from_segment, to_segment, customers from marts.rfm_migration"
    ).fetchall()
    assert {(pd.Timestamp(end), one, other): number for end, one, other, number in told} == counted
    shares = shop.connection.execute(
        "select sum(share_of_from_segment) from marts.rfm_migration "
        "group by month_end, from_segment"
    ).fetchall()
    assert all(share == pytest.approx(1) for (share,) in shares)


def test_segments_are_valued_by_what_their_customers_did_next(shop: Shop) -> None:
    shown = monthly(shop)
    told = shop.connection.execute("from marts.rfm_segment_values").df()
    told["month_end"] = pd.to_datetime(told.month_end)
    told = told.set_index(["month_end", "segment"])
    orders = shop.orders[shop.orders.customer_id.notna()].copy()
    orders["customer"] = orders.customer_id.map(shop.key)
    seen = 0
    for end, rows in shown.groupby("month_end"):
        begin = end + pd.Timedelta(days=1)
        until = begin + pd.DateOffset(months=1)
        if until > shop.as_of:
            continue
        next_month = orders[(orders.order_date >= begin) & (orders.order_date < until)]
        for segment, members in rows.groupby("segment"):
            theirs = next_month[next_month.customer.isin(members.customer_id)]
            bought = theirs[theirs.is_purchase]
            row = told.loc[(end, segment)]
            assert row.customers == len(members)
            assert row.next_month_buyers == bought.customer.nunique()
            assert row.next_month_purchases == len(bought)
            assert round(float(row.next_month_net_revenue) * SCALE) == theirs.net.sum()
            seen += 1
    assert seen == len(told)
