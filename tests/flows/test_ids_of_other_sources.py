"""A firm whose head office numbers what its web shop, till and call centre sell and speak of."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.publish.versions import published_file
from flows.work_file import work_file
from tests.conftest import Refresh
from tests.published_rows import published_rows

# Four refreshes; tests/generated_shop/test_refresh.py is the sample of them in `make test`.
pytestmark = pytest.mark.slow

HEAD_OFFICE = """
source: head_office
title: Head office, which sells nothing itself
time_zone: Asia/Shanghai
currency: CNY
entities:
  products:
    files: products*.csv
    columns: {product_id: id, name: name, supplier_id: supplier, unit_cost: cost, updated_at: at}
  suppliers: {files: suppliers.csv, columns: {supplier_id: id, name: name}}
  stores: {files: stores.csv, columns: {store_id: id, name: name}}
  employees: {files: employees.csv, columns: {employee_id: id, name: name, store_id: store}}
  campaigns: {files: campaigns.csv, columns: {campaign_id: id, name: name}}
"""
WEB_SHOP = """
source: web_shop
title: Web shop
time_zone: Asia/Shanghai
currency: CNY
entities:
  order_lines:
    files: orders*.csv
    columns:
      order_id: order
      ordered_at: at
      product_id: sku
      product_source: {constant: head_office}
      quantity: quantity
      unit_price: price
      campaign_id: campaign
      campaign_source: {constant: head_office}
"""
TILL = """
source: till
title: Till
time_zone: Asia/Shanghai
currency: CNY
entities:
  order_lines:
    files: receipts*.csv
    columns:
      order_id: receipt
      ordered_at: at
      product_id: sku
      product_source: {constant: head_office}
      quantity: quantity
      unit_price: price
      store_id: store
      store_source: {constant: head_office}
      employee_id: employee
      employee_source: {constant: head_office}
      returned_order_id: returned
      returned_order_source: {from: system, values: {WEB: web_shop}}
"""
CALL_CENTRE = """
source: call_centre
title: Call centre, which sells nothing
time_zone: Asia/Shanghai
entities:
  interactions:
    files: calls.csv
    columns:
      interaction_id: call
      kind: {constant: complaint}
      opened_at: at
      employee_id: employee
      employee_source: staff
      order_id: order
      order_source: {constant: web_shop}
"""
BEFORE_THE_FIRST_ORDER = {
    "head_office/products_1.csv": "id,name,supplier,cost,at\n"
    "P1,Tea,S1,2.00,2026-01-01\nP2,Cup,S1,5.00,2026-01-01\n",
    "head_office/suppliers.csv": "id,name\nS1,Leaf and Co\n",
    "head_office/stores.csv": "id,name\nST1,Nanjing Road\n",
    "head_office/employees.csv": "id,name,store\nE1,Lin,ST1\n",
    "head_office/campaigns.csv": "id,name\nC1,Spring\n",
    "call_centre/calls.csv": "call,at,employee,staff,order\n"
    "1,2026-02-04 09:00,E1,head_office,W1\n2,2026-02-04 10:00,E1,head_ofice,W1\n",
}
FIRST_ORDERS = {
    "web_shop/orders_1.csv": "order,at,sku,quantity,price,campaign\n"
    "W1,2026-02-01 10:00,P1,2,5.00,C1\n"
    "W2,2026-02-01 11:00,P2,1,12.00,\n"
    "W3,2026-02-03 11:00,P9,1,3.00,\n",
    "till/receipts_1.csv": "receipt,at,sku,quantity,price,store,employee,returned,system\n"
    "T1,2026-02-02 10:00,P1,1,5.00,ST1,E1,,\n"
    "T2,2026-02-03 10:00,P1,-1,5.00,ST1,E1,W1,WEB\n"
    "T3,2026-02-03 11:00,P9,1,3.00,ST1,E1,,\n",
}
# What the tea cost from the second of February on was told wrongly; an order came late.
CORRECTIONS = {
    "head_office/products_2.csv": "id,name,supplier,cost,at\nP1,Tea,S1,2.50,2026-02-02\n",
    "web_shop/orders_2.csv": "order,at,sku,quantity,price,campaign\n"
    "W0,2026-01-20 10:00,P1,1,4.00,\n",
}


def deliver(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def read(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firm")
    (folder / "sources").mkdir()
    for mapping in (HEAD_OFFICE, WEB_SHOP, TILL, CALL_CENTRE):
        name = mapping.split()[1]
        (folder / "sources" / f"{name}.yml").write_text(mapping, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def before_the_first_order(firm: Path, refresh: Refresh) -> str:
    """A firm that has not sold anything yet, published; what the refresh said."""
    deliver(firm, BEFORE_THE_FIRST_ORDER)
    said = refresh(firm / "landing", firm / "warehouse")
    assert read(published_file(firm / "warehouse"), "select count(*) from core.fct_orders") == [
        (0,)
    ]
    return said.stdout


@pytest.fixture(scope="module")
def published(firm: Path, before_the_first_order: str, refresh: Refresh) -> Path:
    """The warehouse after the first night with orders."""
    deliver(firm, FIRST_ORDERS)
    refresh(firm / "landing", firm / "warehouse")
    return firm / "warehouse"


def products(warehouse: Path) -> list[tuple[Any, ...]]:
    return read(
        published_file(warehouse),
        "select product_id, source, name, supplier_name, units_sold, units_returned, net_revenue, "
        "margin, margin_basis from marts.products where product_id <> 'unknown' order by all",
    )


def test_sources_without_orders_are_published_by_themselves(before_the_first_order: str) -> None:
    # a typing error, and two orders of a web shop that has not delivered yet
    assert "ids_of_unknown_sources: 3 rows" in before_the_first_order


def test_both_channels_sell_one_product(published: Path) -> None:
    tea, cup, unlisted = products(published)
    assert tea == (
        *("head_office:P1", "head_office", "Tea", "Leaf and Co"),
        *(Decimal(3), Decimal(1), Decimal(10), Decimal(6), "cost"),
    )
    assert cup[4:] == (Decimal(1), Decimal(0), Decimal(12), Decimal(7), "cost")
    assert unlisted == (
        *("head_office:P9", "head_office", None, None),
        *(Decimal(2), Decimal(0), Decimal(6), None, "none"),
    )
    assert read(
        published_file(published),
        "select product_id, source_product_id from core.dim_products where is_inferred",
    ) == [("head_office:P9", "P9")]


def test_orders_name_head_offices_stores_staff_and_campaigns(published: Path) -> None:
    path = published_file(published)
    assert read(
        path,
        "select source, store_id, employee_id, campaign_id, count(*) from core.fct_orders "
        "group by all order by all",
    ) == [
        ("till", "head_office:ST1", "head_office:E1", "unknown", 3),
        ("web_shop", "unknown", "unknown", "head_office:C1", 1),
        ("web_shop", "unknown", "unknown", "unknown", 2),
    ]
    for entity in ("stores", "employees", "campaigns"):
        assert read(
            path, f"select source, is_inferred from core.dim_{entity} where source is not null"
        ) == [("head_office", False)]


def test_a_return_and_a_complaint_point_at_the_web_shops_order(published: Path) -> None:
    assert read(
        published_file(published),
        "select lines.order_id, orders.order_id, lines.is_return, lines.margin "
        "from core.fct_order_lines as lines "
        "inner join core.fct_orders as orders on lines.returned_order_id = orders.order_id",
    ) == [("till:T2", "web_shop:W1", True, Decimal(-3))]
    assert read(
        work_file(published),
        "select interaction_id, employee_id, order_id from staging.stg_interactions order by all",
    ) == [
        ("call_centre:1", "head_office:E1", "web_shop:W1"),
        ("call_centre:2", "head_ofice:E1", "web_shop:W1"),
    ]


def test_a_night_of_corrections_equals_a_build_of_everything(
    firm: Path, published: Path, refresh: Refresh
) -> None:
    deliver(firm, CORRECTIONS)
    said = refresh(firm / "landing", published)
    assert "ids_of_unknown_sources: 1 rows" in said.stdout
    assert read(
        work_file(published), "select mode from state.runs order by run_id desc limit 1"
    ) == [("affected",)]
    tea = products(published)[0]
    # W0 4 - 2, W1 10 - 4, T1 5 - 2.50 of the new cost, and W1's return at the cost of W1's day
    assert tea[6:] == (Decimal(14), Decimal("7.5"), "cost")
    by_night = published_rows(published)
    refresh(firm / "landing", published, "--full")
    assert published_rows(published) == by_night
