"""The star schema: two small shops written by hand, nothing at all, and the real data's figures."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from flows.dbt import DbtError, DbtProject
from flows.load.contract import ENTITIES
from flows.load.raw_tables import create_raw_tables
from flows.work_file import make_private, open_database, work_file, work_folder

Build = Callable[..., duckdb.DuckDBPyConnection]
CORE = ("seeds", "models/staging", "models/intermediate", "models/core")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build the core, or other paths, from raw rows given as SQL; connects to it, read-only."""

    def run(raw: str, *paths: str, **variables: Any) -> duckdb.DuckDBPyConnection:
        warehouse = tmp_path_factory.mktemp("warehouse")
        make_private(work_folder(warehouse))
        with open_database(work_file(warehouse)) as connection:
            create_raw_tables(connection)
            connection.execute(raw)
        DbtProject(work_file(warehouse), work_folder(warehouse), variables, "all").build(
            *(paths or CORE)
        )
        return duckdb.connect(work_file(warehouse), read_only=True)

    return run


# Two sources: a shop that delivers whole orders in dollars, a till that delivers lines in euros.
# Load 1 and 2 of the shop overlap in order 1; load 3 is a stale file that came late.
TWO_SHOPS = """
insert into state.runs (run_id, started_at, status)
values ('run', timestamptz '2024-02-01', 'running');
insert into raw.sources values
    ('shop', 'Shop', 'America/New_York', 'USD', 'orders', false, false),
    ('till', 'Till', 'Europe/Paris', 'EUR', 'lines', false, false);
insert into raw.margin_rates values ('shop', null, 0.25);
insert into raw.exchange_rates (source, currency, on_date, rate, updated_at, load_id, source_line)
values ('till', 'EUR', date '2024-01-02', 1.5, '2024-01-02', 4, 1);
insert into raw.loads by name
select
    unnest([1, 2, 3, 5, 6]) as load_id, 'run' as run_id, if(load_id > 3, 'till', 'shop') as source,
    'order_lines' as entity,
    'file' as source_file, 'content ' || load_id as content_sha256, 'hash' as mapping_sha256,
    timestamptz '2024-02-01' as loaded_at, 0 as file_bytes, 0 as records_read, 0 as rows_loaded,
    0 as rows_rejected, 0 as rows_derived, 0 as rows_skipped;
insert into raw.order_lines by name
select
    source, order_id, line_number, status as order_status, customer_id, product_id, quantity,
    unit_price, returned as returned_order_id, load_id, source_line,
    timezone('UTC', ordered::timestamp) as ordered_at, ordered::timestamp as ordered_at_local,
    timezone('UTC', updated::timestamp) as updated_at
from (values
    ('shop', '1', 1, null, '7', 'tea', 1, 10.0, null, 1, 1, '2024-01-05', '2024-01-05'),
    ('shop', '1', 2, null, '7', 'cup', 1, 99.0, null, 1, 2, '2024-01-05', '2024-01-05'),
    ('shop', '1', 1, null, '7', 'tea', 2, 10.0, null, 2, 1, '2024-01-05', '2024-01-06'),
    ('shop', '1', 2, null, '7', 'tea', 2, 10.0, null, 2, 2, '2024-01-05', '2024-01-06'),
    ('shop', '1', 1, null, '7', 'tea', 9, 10.0, null, 3, 1, '2024-01-05', '2024-01-04'),
    ('shop', '2', 1, 'cancelled', null, 'tea', 1, 10.0, null, 1, 3, '2024-01-06', '2024-01-05'),
    ('till', '1', 1, null, '7', 'tea', 1, 3.0, null, 5, 1, '2024-01-03', '2024-01-05'),
    ('till', '1', 1, null, '7', 'tea', 1, 4.0, null, 6, 1, '2024-01-03', '2024-01-06'),
    ('till', '1', 2, null, '7', null, 1, 1.0, null, 5, 2, '2024-01-03', '2024-01-05'),
    ('till', '2', 1, null, null, 'tea', -1, 4.0, '1', 6, 2, '2024-01-08', '2024-01-06'),
    ('till', '3', 1, null, null, 'tea', 1, 4.0, null, 6, 3, '2024-01-01', '2024-01-06')
) as lines (
    source, order_id, line_number, status, customer_id, product_id, quantity, unit_price, returned,
    load_id, source_line, ordered, updated
);
"""


@pytest.fixture(scope="module")
def two_shops(build: Build) -> duckdb.DuckDBPyConnection:
    return build(TWO_SHOPS, reporting_currency="USD")


def test_newest_delivery_wins_and_true_duplicates_stay(
    two_shops: duckdb.DuckDBPyConnection,
) -> None:
    found = two_shops.sql(
        "select order_id, line_number, net_revenue from core.fct_order_lines order by all"
    ).fetchall()
    assert found == [
        ("shop:1", 1, Decimal(20)),
        ("shop:1", 2, Decimal(20)),
        ("shop:2", 1, Decimal(10)),
        ("till:1", 1, Decimal(6)),
        ("till:1", 2, Decimal("1.5")),
        ("till:2", 1, Decimal(-6)),
    ]


def test_a_line_without_any_rate_is_listed(two_shops: duckdb.DuckDBPyConnection) -> None:
    listed = "select order_id, reason from intermediate.int_order_lines_without_rate"
    assert two_shops.sql(listed).fetchall() == [("till:3", "no exchange rate")]


def test_orders_of_two_shops(two_shops: duckdb.DuckDBPyConnection) -> None:
    found = two_shops.sql(
        """
        select order_id, customer_id, is_purchase, is_cancelled, merchandise_revenue, margin,
            margin_basis
        from core.fct_orders
        order by order_id
        """
    ).fetchall()
    assert found == [
        ("shop:1", "shop:7", True, False, Decimal(40), Decimal(10), "rate"),
        ("shop:2", "anonymous", False, True, Decimal(0), None, None),
        ("till:1", "till:7", True, False, Decimal("7.5"), None, "none"),
        # the return names nobody: it is of whoever bought
        ("till:2", "till:7", False, False, Decimal(-6), None, "none"),
    ]


def test_no_line_is_lost_in_a_join(two_shops: duckdb.DuckDBPyConnection) -> None:
    joined = two_shops.sql(
        """
        select count(*)
        from core.fct_order_lines
        join core.dim_customers using (customer_id)
        join core.dim_products using (product_id)
        join core.dim_stores using (store_id)
        join core.dim_channels using (channel)
        join core.dim_employees using (employee_id)
        join core.dim_campaigns using (campaign_id)
        join core.dim_dates on order_date = date_day
        """
    ).fetchone()
    assert joined == (6,)
    members = "select product_id, is_inferred from core.dim_products order by all"
    assert two_shops.sql(members).fetchall() == [
        ("shop:tea", True),
        ("till:tea", True),
        ("unknown", False),
    ]


def test_counted_lines_stop_before_the_as_of_date(two_shops: duckdb.DuckDBPyConnection) -> None:
    # the newest purchase is of 5 January; the return of the 8th is not counted
    assert two_shops.sql("select as_of_date::text from intermediate.int_as_of_date").fetchall() == [
        ("2024-01-06",)
    ]
    counted = "select distinct order_id from intermediate.int_counted_order_lines order by all"
    assert two_shops.sql(counted).fetchall() == [("shop:1",), ("till:1",)]


def test_too_many_lines_without_rate_stop_the_check(build: Build) -> None:
    # one of the till's four lines is dated before the first rate
    connection = build(TWO_SHOPS, "seeds", "models", reporting_currency="USD")
    (path,) = connection.execute(
        "select path from duckdb_databases() where not internal"
    ).fetchall()
    connection.close()
    file = Path(path[0])
    with pytest.raises(DbtError, match="lines_without_rate_stay_under_one_percent"):
        DbtProject(file, file.parent, {"reporting_currency": "USD"}, "all").test()


# An order whose lines name nobody, nobody's store, or two customers.
MIXED_ORDERS = """
insert into raw.sources values ('shop', 'Shop', 'UTC', 'USD', 'orders', false, false);
insert into raw.order_lines by name
select
    'shop' as source, order_id, row_number() over () as line_number, customer_id, store_id,
    'tea' as product_id, 1 as quantity, 10 as unit_price, 1 as load_id,
    row_number() over () as source_line, timestamptz '2024-01-05' as ordered_at,
    timestamp '2024-01-05' as ordered_at_local, timestamptz '2024-01-05' as updated_at
from (values
    ('1', 'ann', null), ('1', null, 'north'), ('2', 'bea', null), ('2', 'ann', null),
    ('3', null, null), ('4', 'bea', 'south')
) as lines (order_id, customer_id, store_id);
"""


def test_lines_carry_what_their_order_has(build: Build) -> None:
    mixed = build(MIXED_ORDERS)
    for table in ("fct_orders", "fct_order_lines"):
        found = mixed.sql(
            f"select distinct order_id, customer_id, store_id from core.{table} order by all"
        ).fetchall()
        assert found == [
            ("shop:1", "shop:ann", "shop:north"),
            ("shop:2", "shop:ann", "unknown"),
            ("shop:3", "anonymous", "unknown"),
            ("shop:4", "shop:bea", "shop:south"),
        ]


# Of every entity the same content in two loads: under a wrong mapping, then under a mended one.
LOADED_TWICE = """
insert into raw.loads by name
select
    {mended} - unnest([1, 0]) as load_id, 'run' as run_id, 'shop' as source, '{entity}' as entity,
    'file' as source_file, 'content' as content_sha256, 'mapping' || load_id as mapping_sha256,
    timestamptz '2024-02-01' as loaded_at, 0 as file_bytes, 1 as records_read, 1 as rows_loaded,
    0 as rows_rejected, 0 as rows_derived, 0 as rows_skipped;
insert into raw.{entity} (source, load_id) values ('shop', {mended} - 1), ('shop', {mended});
"""


def test_no_staging_view_shows_a_superseded_load(build: Build) -> None:
    mended_loads = {entity: 2 * number for number, entity in enumerate(ENTITIES, start=1)}
    raw = "".join(
        LOADED_TWICE.format(entity=entity, mended=load) for entity, load in mended_loads.items()
    )
    staging = build(raw, "models/staging")
    for entity, load in mended_loads.items():
        found = staging.sql(f"select load_id from staging.stg_{entity}").fetchall()
        assert found == [(load,)], entity


def test_personal_data_is_marked_in_the_manifest() -> None:
    folder = Path(__file__).resolve().parents[2] / "models" / "core"
    marked = {
        (model["name"], column["name"])
        for path in folder.glob("*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
        for column in model["columns"]
        if column.get("config", {}).get("meta", {}).get("personal_data")
    }
    assert marked == {
        ("dim_employees", "name"),
        ("dim_employees_history", "name"),
        *(
            (customers, column)
            for customers in ("dim_customers", "dim_customers_history")
            for column in (
                "name", "given_name", "family_name", "birth_date", "email", "phone", "address",
            )
        ),
    }  # fmt: skip


def test_core_over_nothing_is_empty_not_broken(build: Build) -> None:
    nothing = build("")
    assert nothing.sql("select * from intermediate.int_as_of_date").fetchall() == [(None, None)]
    for fact in ("fct_orders", "fct_order_lines", "fct_campaign_contacts", "dim_dates"):
        assert nothing.table(f"core.{fact}").fetchall() == []
    assert nothing.sql("select customer_id from core.dim_customers").fetchall() == [
        ("anonymous",),
        ("erased",),
    ]
    assert nothing.sql("select product_id from core.dim_products").fetchall() == [("unknown",)]


FIGURES = """
select
    (select count(*) from core.fct_order_lines),
    (select count(*) from core.fct_orders),
    (select count(*) filter (where is_purchase) from core.fct_orders),
    (select count(distinct customer_id) from core.fct_orders
     where is_purchase and customer_id <> 'anonymous'),
    (select count(distinct product_id) from core.fct_order_lines
     where line_kind = 'merchandise'),
    (select sum(net_revenue) from core.fct_order_lines),
    (select sum(merchandise_revenue) from core.fct_orders),
    (select as_of_date::text from intermediate.int_as_of_date)
"""


def test_figures_of_complete_journey(complete_journey_work_file: Path) -> None:
    with duckdb.connect(complete_journey_work_file, read_only=True) as connection:
        found = connection.sql(FIGURES).fetchone()
        redemptions = connection.sql("select count(*) from core.fct_coupon_redemptions").fetchone()
        contacts = connection.sql("select count(*) from core.fct_campaign_contacts").fetchone()
        inferred = connection.sql(
            "select count(*) from core.dim_products where is_inferred"
        ).fetchone()
    sales = Decimal("4596039.58")
    assert found == (1_469_307, 155_848, 155_370, 2_469, 68_509, sales, sales, "2018-01-01")
    assert (redemptions, contacts, inferred) == ((2_102,), (6_589,), (17,))


def test_figures_of_online_retail(online_retail_work_file: Path) -> None:
    with duckdb.connect(online_retail_work_file, read_only=True) as connection:
        found = connection.sql(FIGURES).fetchone()
        merchandise, with_customer = connection.sql(
            """
            select
                (select count(*) from core.fct_order_lines where line_kind = 'merchandise'),
                (select count(*) from core.fct_orders
                 where is_purchase and customer_id <> 'anonymous')
            """
        ).fetchall()[0]
    assert found is not None
    assert found[:4] == (541_909, 25_900, 19_773, 4_334)
    assert round(found[5], 2) == Decimal("9747747.93")
    assert found[6:] == (Decimal("9792310.43"), "2011-12-10")
    assert (merchandise, with_customer) == (538_914, 18_402)
