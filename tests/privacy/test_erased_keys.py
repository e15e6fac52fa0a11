"""What is read again of rewritten files has the keys that it has in raw since the erasure."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.load.mapping import EntityMapping, Mapping, load_mapping
from flows.privacy.erasures import hidden_id, stand_in
from tests.privacy.conftest import COUPONS, MAPPING, ORDERS, take_out, texts_of

Load = Callable[[Mapping], Any]
MADE_ORDER_IDS = MAPPING.replace("order_id: order", "order_id: { concat: [customer, order] }")


def rows(connection: duckdb.DuckDBPyConnection, entity: str, columns: str) -> list[list[Any]]:
    """The rows of each load of an entity, load by load, in the order of the file."""
    loads = connection.execute(f"select distinct load_id from raw.{entity} order by load_id")
    return [
        connection.execute(
            f"select {columns} from raw.{entity} where load_id = ? order by source_line", load
        ).fetchall()
        for load in loads.fetchall()
    ]


def mended(shop: Path, mapping: str) -> Mapping:
    """A mapping that reads the same files, every one of them anew."""
    path = shop / "sources" / "shop.yml"
    path.write_text(mapping.replace("currency: CNY", "currency: EUR"))
    return load_mapping(path)


def test_a_redemption_in_a_file_that_grows_counts_once(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    load(mapping)
    forget("ANN7", "BOB8")
    file = shop / "landing/shop/coupons.csv"
    assert re.sub("erased-[0-9a-f]{12}", "…", file.read_text()) == COUPONS.replace(
        "ANN7", "…"
    ).replace("BOB8", "…")
    file.write_text(file.read_text() + "c2,CAI9,2026-02-03 10:00:00,2.50\n")
    load(mapping)
    before, after = rows(connection, "coupon_redemptions", "coupon_id, customer_id, redeemed_at")
    assert after[:3] == before
    assert len({*after}) == 4
    assert "erased-" not in texts_of(connection)


def test_redemptions_of_one_day_stay_two_under_a_mended_mapping(
    connection: duckdb.DuckDBPyConnection, load: Load, forget: Any, shop: Path
) -> None:
    file = shop / "landing/shop/coupons.csv"
    file.write_text(COUPONS.replace(" 10:00:00", ""))
    load(load_mapping(shop / "sources" / "shop.yml"))
    forget("ANN7", "BOB8")
    load(mended(shop, MAPPING))
    before, after = rows(connection, "coupon_redemptions", "coupon_id, customer_id, redeemed_at")
    assert after == before
    assert len({*after}) == 3


@pytest.mark.parametrize(
    "made_of",
    [
        "{ concat: [customer, order] }",
        "{ concat: [order, customer], separator: '' }",
        "{ concat: [product, customer, ordered at], separator: '/' }",
        "{ concat: customer, numbered: true }",
        "customer",
    ],
)
@pytest.mark.parametrize("case", ["upper", "lower"])
def test_order_ids_made_of_customers(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path, made_of: str, case: str
) -> None:
    text = MAPPING.replace("order_id: order", f"order_id: {made_of}").replace(
        "case: upper", f"case: {case}"
    )
    path = shop / "sources" / "shop.yml"
    path.write_text(text)
    mapping = load_mapping(path)
    load(mapping)
    ann = "ANN7" if case == "upper" else "ann7"
    take_out(connection, mapping, shop, ann)[1].put_in_place()
    assert "ann7" not in (shop / "landing/shop/orders1.csv").read_text("gb18030")
    load(mended(shop, text))
    before, after = rows(connection, "order_lines", "order_id, line_number, customer_id")
    assert after == before
    assert {one for order, _, one in after if "erased" in order} == {"erased"}


def test_a_mend_goes_through_where_another_file_is_gone(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path
) -> None:
    path = shop / "sources" / "shop.yml"
    path.write_text(MADE_ORDER_IDS)
    mapping = load_mapping(path)
    other = shop / "landing/shop/orders2.csv"
    other.write_text(ORDERS.splitlines()[0] + "\n8,bob8,tea,2026-02-20 12:00,1,3.50,\n")
    load(mapping)
    take_out(connection, mapping, shop, "ANN7")[1].put_in_place()
    other.unlink()
    load(mended(shop, MADE_ORDER_IDS))


def test_ids_of_costs_and_interactions_made_of_customers(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path
) -> None:
    text = MAPPING.replace("interaction_id: id", "interaction_id: { concat: [customer, id] }")
    text += (
        "  costs: { files: costs.csv, columns: { cost_id: { concat: [customer, on] }, "
        "customer_id: customer, occurred_on: on, amount: amount } }\n"
    )
    (shop / "landing/shop/costs.csv").write_text(
        "customer,on,amount\nANN7,2026-01-05,3\nBOB8,2026-01-05,4\nCAI9,2026-01-05,5\n"
    )
    path = shop / "sources" / "shop.yml"
    path.write_text(text)
    mapping = load_mapping(path)
    load(mapping)
    take_out(connection, mapping, shop, "ANN7", "BOB8")[1].put_in_place()
    assert "ANN7" not in texts_of(connection)
    load(mended(shop, text))
    for entity, columns in {
        "costs": "cost_id, customer_id, amount",
        "interactions": "interaction_id, customer_id, compensation_amount",
    }.items():
        before, after = rows(connection, entity, columns)
        assert before == after
        assert len({one for one, *_ in before}) == len(before)


def test_lines_are_told_as_they_are_in_the_rewritten_file(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    load(mapping)
    forget("ANN7")  # a record of hers had two lines, and one that was rejected is gone
    told = connection.execute(
        "select source_line, product_id from raw.order_lines union all "
        "select source_line, raw_text from raw.rejected_rows "
        "where entity = 'order_lines' and raw_text is not null order by all"
    ).fetchall()
    file = shop / "landing/shop/orders1.csv"
    lines = file.read_text("gb18030").splitlines()
    assert [line for line, _ in told] == [2, 3, 4, 5, 7, 8]
    assert all(text in lines[line - 1] for line, text in told)
    forget("BOB8")  # whose rejected record is in the line before one of CAI9
    assert "6,cai9,tea,2026-02-14 12:00,1,3.50," in file.read_text("gb18030")


def test_customers_whose_id_is_made_of_columns(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path
) -> None:
    text = MAPPING.replace(
        "customer_id: { from: customer, case: upper }",
        "customer_id: { concat: [customer, deliver to] }",
    ).replace("    ignore: [deliver to]\n", "")
    path = shop / "sources" / "shop.yml"
    path.write_text(text)
    mapping = load_mapping(path)
    load(mapping)
    take_out(connection, mapping, shop, "cai9-𠮷田")[1].put_in_place()
    load(mended(shop, text))
    before, after = rows(connection, "order_lines", "order_id, customer_id")
    assert after == before
    assert [one for order, one in after if order == "6"] == ["erased"]


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("parquet", pa.array([7, 8, None], pa.int64())),
        ("parquet", pa.array([7.0, 8.0, None], pa.float64())),
        ("parquet", pa.array(["7", "8", None]).dictionary_encode()),
        ("jsonl", pa.array([7, 8, None], pa.int64())),
    ],
    ids=["integers", "floats", "a dictionary", "integers of JSON"],
)
def test_ids_that_are_numbers(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path, ids: pa.Array, kind: str
) -> None:
    table = pa.table({"order": ["1", "2", "3"], "customer": ids, "price": [1.5, 2.5, 3.5]})
    file = shop / f"landing/shop/orders.{kind}"
    if kind == "parquet":
        pq.write_table(table, file)
    else:
        file.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
    text = f"""
source: shop
title: Numbers
time_zone: UTC
currency: CNY
entities:
  order_lines:
    files: orders.{kind}
    columns:
      order_id: order
      customer_id: customer
      ordered_at: {{ constant: "2026-01-05" }}
      quantity: {{ constant: 1 }}
      unit_price: price
"""
    path = shop / "sources" / "shop.yml"
    path.write_text(text)
    mapping = load_mapping(path)
    load(mapping)
    take_out(connection, mapping, shop, "7")[1].put_in_place()
    load(mended(shop, text))
    before, after = rows(connection, "order_lines", "order_id, customer_id, unit_price")
    assert [one for _, one, _ in before] == ["erased", "8", None]
    assert after == before


PARTS = st.text(st.sampled_from("aA0123456789-. éÉ李"), min_size=1, max_size=6)


@given(customer=PARTS, others=st.lists(PARTS, max_size=3), is_first=st.booleans())
def test_an_order_is_hidden_alike_before_and_after_its_file_is_rewritten(
    customer: str, others: list[str], is_first: bool
) -> None:
    names = ["customer", *"bcd"[: len(others)]]
    parts = [customer, *others]
    rewritten = ["stand-in", *others]
    if not is_first:
        names, parts, rewritten = names[::-1], parts[::-1], rewritten[::-1]
    column = {"concat": names, "separator": "-"}
    customers = {"from": "customer", "case": "upper"}
    entity = EntityMapping.model_validate(
        {"files": "orders.csv", "columns": {"order_id": column, "customer_id": customers}}
    )
    name = customer.upper()
    rewritten[rewritten.index("stand-in")] = stand_in(b"key", "shop", name)
    before = hidden_id(b"key", "shop", entity, "order_id", "-".join(parts), name)
    after = hidden_id(
        b"key",
        "shop",
        entity,
        "order_id",
        "-".join(rewritten),
        stand_in(b"key", "shop", name).upper(),
    )
    assert before == after
