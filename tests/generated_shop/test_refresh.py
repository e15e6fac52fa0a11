"""The refresh on a generated shop: right to the cent, nothing lost, all broken records rejected."""

import shutil

import duckdb
import pytest

from flows.work_file import work_file


@pytest.fixture(scope="module")
def refreshed(shop, refresh, tmp_path_factory):
    """The history, then all nights in one: late, repeated, corrected, split, cancelled orders."""
    folder = tmp_path_factory.mktemp("refreshed") / "shop"
    shutil.copytree(shop, folder)
    refresh(folder / "landing", folder / "warehouse")
    for night in sorted((folder / "nights").iterdir()):
        shutil.copytree(night, folder / "landing", dirs_exist_ok=True)
    refresh(folder / "landing", folder / "warehouse")
    return folder


@pytest.fixture(scope="module")
def warehouse(refreshed):
    with duckdb.connect(work_file(refreshed / "warehouse"), read_only=True) as connection:
        connection.execute(f"set file_search_path = '{refreshed / 'truth'}'")
        yield connection


def test_every_order_is_right_to_the_cent(warehouse):
    differing = warehouse.execute(
        """
        with built as (
            select
                order_id,
                bool_and(is_cancelled) as is_cancelled,
                count(*) as lines,
                sum(quantity * unit_price - discount_amount)
                    filter (where line_kind = 'merchandise') as merchandise_revenue,
            from core.fct_order_lines
            group by order_id
        ),

        expected as (
            select *, source || ':' || order_id as key from 'orders.parquet'
        )

        select expected.key, built.*, expected.*
        from built
        full join expected on built.order_id = expected.key
        where
            built.order_id is null
            or expected.key is null
            or built.lines <> expected.lines
            or built.is_cancelled <> expected.is_cancelled
            or abs(built.merchandise_revenue - expected.merchandise_revenue) > 0.00001
        limit 5
        """
    ).fetchall()
    assert differing == []


def test_revenue_by_source_in_its_own_currency_and_in_yuan(warehouse):
    found = warehouse.execute(
        """
        select source, sum(net_revenue / exchange_rate)::decimal(18, 2)
        from core.fct_order_lines where not is_cancelled group by source order by source
        """
    ).fetchall()
    true = warehouse.execute(
        "select source, sum(net_revenue) from 'orders.parquet' "
        "where not is_cancelled group by source order by source"
    ).fetchall()
    assert [(source, float(sums)) for source, sums in found] == [
        (source, pytest.approx(float(sums), abs=0.02)) for source, sums in true
    ]
    rates = warehouse.execute(
        "select min(exchange_rate), max(exchange_rate) from core.fct_order_lines "
        "where source = 'marketplace'"
    ).fetchone()
    assert 6.5 < rates[0] < rates[1] < 7.7


def test_costs_are_head_offices_where_the_till_knows_none(warehouse):
    found, true = (
        warehouse.execute(query).fetchone()[0]
        for query in (
            "select sum(cost_amount) from core.fct_order_lines "
            "where source like 'branch%' and line_kind = 'merchandise' and not is_cancelled",
            "select sum(merchandise_cost) from 'orders.parquet' "
            "where source like 'branch%' and not is_cancelled",
        )
    )
    assert float(found) == pytest.approx(float(true), abs=0.01)


def test_nothing_is_lost(warehouse):
    assert (
        warehouse.execute(
            "select source_file from raw.loads "
            "where records_read <> rows_loaded + rows_rejected + rows_skipped"
        ).fetchall()
        == []
    )


def test_everything_broken_is_in_rejected_rows_and_nothing_else_is(warehouse):
    rejected = warehouse.execute(
        "select distinct source_file, source_line from raw.rejected_rows"
    ).fetchall()
    true = warehouse.execute(
        "select regexp_replace(file, '^(landing|nights/[^/]+)/', ''), line from 'malformed.parquet'"
    ).fetchall()
    assert sorted(rejected) == sorted(true)
    assert true


def test_returns_in_a_branch_find_the_web_shops_order(warehouse):
    found, true = (
        warehouse.execute(query).fetchone()[0]
        for query in (
            "select count(distinct order_id) from core.fct_order_lines "
            "where source like 'branch%' and returned_order_id like 'web_shop:%'",
            "select count(*) from 'orders.parquet' "
            "where source like 'branch%' and returned_order_id like 'W%'",
        )
    )
    assert found == true > 0


def test_one_product_for_all_channels(warehouse):
    assert warehouse.execute(
        "select distinct source from core.dim_products where product_id <> 'unknown'"
    ).fetchall() == [("head_office",)]


def test_complaints_point_at_orders_that_exist(warehouse):
    complaints, known = warehouse.execute(
        """
        select count(*), count(orders.order_id)
        from staging.stg_interactions as interactions
        left join (select distinct order_id from core.fct_order_lines) as orders
            on interactions.order_id = orders.order_id
        where interactions.kind = 'complaint'
        """
    ).fetchone()
    assert complaints == known > 10
