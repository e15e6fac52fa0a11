"""The refresh from end to end, run as a user runs it, on real orders."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.publish.versions import current_version, published_file, versions
from tests.conftest import Refresh

# Run metadata: it differs from run to run by its nature.
METADATA = {"about", "runs"}


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def complete_journey(complete_journey_warehouse: Path) -> Path:
    return published_file(complete_journey_warehouse)


@pytest.fixture(scope="module")
def online_retail(online_retail_warehouse: Path) -> Path:
    return published_file(online_retail_warehouse)


def test_complete_journey_loses_no_line_and_no_cent(complete_journey: Path) -> None:
    assert rows(
        complete_journey,
        """
        select
            count(*), count(distinct order_id), count(distinct customer_id),
            count(distinct product_id), sum(net_revenue)
        from core.fct_order_lines
        """,
    ) == [(1_469_307, 155_848, 2_469, 68_509, Decimal("4596039.5800"))]
    assert rows(complete_journey, "select count(*) from core.fct_orders where is_purchase") == [
        (155_370,)
    ]
    assert rows(complete_journey, "select sum(net_revenue) from marts.sales_daily") == [
        (Decimal("4596039.5800"),)
    ]


def test_complete_journey_scores(complete_journey: Path) -> None:
    for measure, expected in {
        "r": [500, 513, 417, 613, 426],
        "f": [479, 520, 492, 482, 496],
        "m": [494, 494, 493, 494, 494],
    }.items():
        counts = rows(
            complete_journey,
            f"select count(*) from marts.rfm group by {measure}_score order by {measure}_score",
        )
        assert [count for (count,) in counts] == expected, measure


def test_complete_journey_unknown_products_keep_their_lines(complete_journey: Path) -> None:
    assert rows(
        complete_journey,
        """
        select count(distinct product_id), count(*)
        from core.fct_order_lines
        join core.dim_products using (product_id)
        where is_inferred
        """,
    ) == [(17, 4_836)]


def test_complete_journey_customers_and_campaigns(complete_journey: Path) -> None:
    assert rows(
        complete_journey,
        """
        select count(*) filter (not is_first_purchase_observed),
               count(*) filter (is_first_purchase_observed)
        from marts.customers
        where not is_prospect
        """,
    ) == [(2_280, 189)]
    assert rows(
        complete_journey,
        "select count(*), count(distinct customer_id) from core.fct_campaign_contacts",
    ) == [(6_589, 1_559)]
    assert rows(complete_journey, "select count(*) from core.fct_coupon_redemptions") == [(2_102,)]


def test_complete_journey_rules_are_tens_and_sensible(complete_journey: Path) -> None:
    found = rows(complete_journey, "select antecedents, consequents from marts.cross_sell_rules")
    assert 10 <= len(found) <= 50
    assert all(len(right) == 1 for _, right in found)


def test_online_retail_figures(online_retail: Path) -> None:
    assert rows(online_retail, "select count(*), sum(net_revenue) from core.fct_order_lines") == [
        (541_909, Decimal("9747747.9340"))
    ]
    assert rows(
        online_retail,
        """
        select count(*), sum(net_revenue) from core.fct_order_lines where line_kind = 'merchandise'
        """,
    ) == [(538_914, Decimal("9792310.4340"))]
    assert rows(
        online_retail,
        """
        select count(*), count(*) filter (customer_id <> 'anonymous') from core.fct_orders
        where is_purchase
        """,
    ) == [(19_773, 18_402)]
    assert rows(online_retail, "select count(*), sum(monetary) from marts.rfm") == [
        (4_334, Decimal("8290586.3040"))
    ]


def test_every_published_table_is_described(complete_journey: Path) -> None:
    assert (
        rows(
            complete_journey,
            """
            select schema_name || '.' || table_name
            from duckdb_tables()
            where schema_name in ('core', 'marts') and coalesce(comment, '') = ''
            """,
        )
        == []
    )


def published_tables(path: Path) -> list[str]:
    return [
        name
        for (name,) in rows(
            path,
            """
            select schema_name || '.' || table_name
            from duckdb_tables()
            where schema_name in ('core', 'marts', 'mining')
            order by all
            """,
        )
        if name.split(".")[1] not in METADATA
    ]


def differences(one: Path, two: Path, table: str) -> int:
    """Rows of a table that stand in only one of two files, floats rounded to nine digits."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only)")
        connection.execute(f"attach '{two}' as two (read_only)")
        columns = connection.execute(
            f"select column_name, column_type from (describe one.{table})"
        ).fetchall()
        shown = ", ".join(
            f'round("{name}", 9)' if kind == "DOUBLE" else f'"{name}"'
            for name, kind in columns
            if name != "load_id"
        )
        found = connection.execute(
            f"""
            select count(*) from (
                (select {shown} from one.{table} except all select {shown} from two.{table})
                union all
                (select {shown} from two.{table} except all select {shown} from one.{table})
            )
            """
        ).fetchone()
    assert found
    return int(found[0])


SHOP = [
    # order, customer, product, ordered at, quantity, price
    ("1", "Ann", "tea", "2026-01-05 10:00", "2", "3.50"),
    ("1", "Ann", "cup", "2026-01-05 10:00", "1", "9.00"),
    ("1", "Ann", "cup", "2026-01-05 10:00", "1", "9.00"),  # a true duplicate stays
    ("2", "Bob", "tea", "2026-02-10 18:30", "1", "3.50"),
    ("3", "", "cup", "2026-02-11 12:00", "1", "9.00"),
    ("4", "Ann", "cup", "2026-03-01 09:00", "-1", "9.00"),
    ("5", "李娜", "tea", "2026-03-02 09:00", "1", "3.50"),
]
MAPPING = """
source: shop
title: A tea shop
time_zone: Asia/Shanghai
currency: CNY
delivers: orders
entities:
  order_lines:
    files: orders*.csv
    columns:
      order_id: order
      customer_id: customer
      product_id: product
      ordered_at: ordered at
      quantity: quantity
      unit_price: price
"""
Row = tuple[str, ...]


def write_orders(path: Path, lines: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order", "customer", "product", "ordered at", "quantity", "price"])
        writer.writerows(lines)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A landing folder with one small source, and its mapping in sources/ beside it."""
    write_orders(tmp_path / "landing/shop/orders1.csv", SHOP)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/shop.yml").write_text(MAPPING)
    return tmp_path


def test_two_refreshes_give_equal_marts(shop: Path, refresh: Refresh) -> None:
    refresh(shop / "landing", shop / "one")
    refresh(shop / "landing", shop / "two")
    refresh(shop / "landing", shop / "two")  # again: nothing new, nothing doubled
    one, two = published_file(shop / "one"), published_file(shop / "two")
    tables = published_tables(one)
    assert len(tables) > 15
    assert {table: differences(one, two, table) for table in tables} == dict.fromkeys(tables, 0)
    assert rows(two, "select count(*) from core.fct_order_lines") == [(len(SHOP),)]


def test_a_newer_delivery_of_an_order_replaces_the_older(shop: Path, refresh: Refresh) -> None:
    refresh(shop / "landing", shop / "warehouse")
    first = current_version(shop / "warehouse")
    write_orders(
        shop / "landing/shop/orders2.csv", [("2", "Bob", "tea", "2026-02-10 18:30", "3", "3.50")]
    )
    refresh(shop / "landing", shop / "warehouse")
    published = published_file(shop / "warehouse")
    assert current_version(shop / "warehouse") != first
    assert len(versions(shop / "warehouse")) == 2
    assert rows(
        published, "select quantity, net_revenue from core.fct_order_lines where order_id='shop:2'"
    ) == [(Decimal("3.0000"), Decimal("10.5000"))]
    assert rows(published, "select count(*) from core.fct_order_lines") == [(len(SHOP),)]


def test_a_past_as_of_date_counts_nothing_from_it_on(shop: Path, refresh: Refresh) -> None:
    refresh(shop / "landing", shop / "warehouse", "--as-of", "2026-02-10")
    published = published_file(shop / "warehouse")
    assert rows(published, "select customer_id, frequency, recency_days from marts.rfm") == [
        ("shop:Ann", 1, 36)
    ]
    assert rows(published, "select distinct as_of_date from marts.about") == [
        rows(published, "select date '2026-02-10'")[0]
    ]


def test_too_many_rejected_rows_stop_the_refresh_and_the_last_version_stays(
    shop: Path, refresh: Refresh
) -> None:
    refresh(shop / "landing", shop / "warehouse")
    before = current_version(shop / "warehouse")
    write_orders(
        shop / "landing/shop/orders2.csv",
        [("6", "Cai", "tea", "2026-03-03 10:00", "one", "3.50")] * 3,
    )
    failed = refresh(shop / "landing", shop / "warehouse", succeeds=False)
    assert failed.returncode == 1
    message = " ".join((failed.stdout + failed.stderr).split())
    assert "quantity" in message
    assert "orders2.csv" in message
    assert "Traceback" not in message
    assert current_version(shop / "warehouse") == before
    (shop / "landing/shop/orders2.csv").unlink()
    refresh(shop / "landing", shop / "warehouse")
    assert rows(
        published_file(shop / "warehouse"), "select status from marts.runs order by run_id"
    ) == [("published",), ("failed",), ("published",)]


def test_two_currencies_need_a_word(shop: Path, refresh: Refresh) -> None:
    (shop / "sources/export.yml").write_text(
        MAPPING.replace("source: shop", "source: export").replace("CNY", "EUR")
    )
    write_orders(shop / "landing/export/orders1.csv", SHOP)
    failed = refresh(shop / "landing", shop / "warehouse", succeeds=False)
    assert failed.returncode == 1
    assert "reporting_currency" in failed.stdout + failed.stderr
    assert current_version(shop / "warehouse") is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--source", "shopp"], ["unknown source 'shopp'", "shop", "complete_journey"]),
        (["--source", "northwind"], ["northwind", "order_details.parquet"]),
    ],
)
def test_a_source_that_is_not_there(
    shop: Path, refresh: Refresh, options: list[str], words: list[str]
) -> None:
    failed = refresh(shop / "landing", shop / "warehouse", *options, succeeds=False)
    assert failed.returncode == 1
    message = " ".join((failed.stdout + failed.stderr).split())
    for word in words:
        assert word in message


@pytest.fixture
def reader(shop: Path, refresh: Refresh) -> Iterator[subprocess.Popen[str]]:
    """A process that opens the published file again and again until told to stop."""
    refresh(shop / "landing", shop / "warehouse")
    code = """
import sys, duckdb
reads = 0
print("reading", flush=True)
while True:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        lines, daily = connection.execute(
            "select (select sum(net_revenue) from core.fct_order_lines),"
            " (select sum(net_revenue) from marts.sales_daily)"
        ).fetchone()
        version = connection.execute("select max(version) from marts.about").fetchone()[0]
    assert lines == daily, (lines, daily)
    reads += 1
    if version > sys.argv[2]:
        break
print(reads)
"""
    published = published_file(shop / "warehouse")
    with subprocess.Popen(
        [sys.executable, "-c", code, published, str(current_version(shop / "warehouse"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_a_refresh_under_an_open_reader(
    shop: Path, refresh: Refresh, reader: subprocess.Popen[str]
) -> None:
    shutil.copy(shop / "landing/shop/orders1.csv", shop / "kept.csv")
    write_orders(
        shop / "landing/shop/orders2.csv", [("7", "Bob", "cup", "2026-04-01 10:00", "1", "9.00")]
    )
    refresh(shop / "landing", shop / "warehouse")
    out, error = reader.communicate(timeout=30)
    assert error == ""
    assert int(out) > 10
