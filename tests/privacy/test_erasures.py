"""Forgetting people in raw and in the landing files, without the rest of the refresh."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from flows.load.mapping import Mapping, load_mapping
from flows.load.reading import Workspace
from flows.privacy.erasures import erase_rejected_rows, erase_rows
from flows.privacy.forget import Erasure, _erase
from flows.privacy.landing_files import LandingChangedError, rewrite_landing
from tests.privacy.conftest import CUSTOMERS, MAPPING, ORDERS, texts_of

ANN = ("ann7", "ANN7", "Ann Lee", "ann.lee@mail.example", "555 0101", "Peony", "1980", "oolong")
Load = Callable[[Mapping], Any]


@pytest.fixture
def forget(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, shop: Path
) -> Callable[..., Erasure]:
    """Forget people as the flow does, without building anything."""

    def run(*customer_ids: str) -> Erasure:
        erasure = Erasure(len(customer_ids))
        _erase(connection, mapping, shop / "landing", customer_ids, erasure).put_in_place()
        return erasure

    return run


def test_no_value_of_theirs_is_left_in_raw(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any
) -> None:
    load(mapping)
    before = texts_of(connection)
    assert all(one in before for one in ANN if one != "oolong"), "the shop holds nothing to forget"
    erasure = forget("ANN7")
    after = texts_of(connection)
    assert [one for one in ANN if one in after] == []
    assert "Bob" in after
    assert (erasure.rows.deleted, erasure.rows.kept, erasure.rejected_rows) == (3, 4, 2)
    assert erasure.files_left == []


def test_money_stays_under_the_erased_member(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any
) -> None:
    load(mapping)
    money = (
        "select (select sum(quantity * unit_price) from raw.order_lines), "
        "(select sum(amount) from raw.coupon_redemptions), "
        "(select sum(compensation_amount) from raw.interactions)"
    )
    before = connection.execute(money).fetchall()
    forget("ANN7", "BOB8")
    assert connection.execute(money).fetchall() == before
    assert connection.execute(
        "select customer_id, count(*) from raw.order_lines group by all order by all"
    ).fetchall() == [("CAI9", 1), ("erased", 3), (None, 1)]
    # One moment, one coupon, two people: still two rows.
    assert connection.execute(
        "select count(distinct (coupon_id, customer_id, redeemed_at)), "
        "count(distinct date_trunc('second', redeemed_at)) from raw.coupon_redemptions"
    ).fetchall() == [(3, 1)]
    assert connection.execute("select customer_id, cause from raw.interactions").fetchall() == [
        ("erased", None),
        ("erased", None),
    ]


def test_counts_of_loads_stay_true(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any
) -> None:
    load(mapping)
    forget("ANN7")
    for entity in mapping.entities:
        assert connection.execute(
            f"select load_id, rows_loaded from raw.loads where entity = '{entity}' "
            f"except all select load_id, count(*) from raw.{entity} group by load_id"
        ).fetchall() in ([], [(load_id_of(connection, entity), 0)])
    assert connection.execute(
        "select count(*) from raw.loads "
        "where records_read <> rows_loaded + rows_rejected + rows_skipped"
    ).fetchall() == [(0,)]


def load_id_of(connection: duckdb.DuckDBPyConnection, entity: str) -> int:
    row = connection.execute("select load_id from raw.loads where entity = ?", [entity]).fetchone()
    assert row
    return int(row[0])


def test_the_landing_files_keep_all_but_them(
    mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    load(mapping)
    erasure = forget("ANN7")
    landing = shop / "landing" / "shop"
    assert sorted(erasure.files_rewritten) == [
        f"shop/{name}"
        for name in (
            "care.parquet",
            "consents.jsonl",
            "coupons.csv",
            "customers.csv",
            "orders1.csv",
        )
    ]
    lines = ORDERS.splitlines(keepends=True)
    assert (
        (landing / "orders1.csv").read_bytes().decode("gb18030")
        == "".join(
            [
                lines[0],
                "1,erased,tea,2026-01-05 10:00,2,3.50,\n",
                "1,erased,cup,2026-01-05 10:00,1,9.00,\n",
                *lines[4:6],
                "4,erased,tea,2026-02-12 12:00,one,3.50,\n",  # rejected, and may be mended
                *lines[7:9],  # a malformed line of hers is gone
            ]
        )
    )
    rows = CUSTOMERS.replace("\n", "\r\n").splitlines(keepends=True)
    assert (landing / "customers.csv").read_bytes().decode() == "".join(
        ["\ufeff", rows[0], rows[2].replace("ANN7", ""), rows[3]]
    )
    (consent,) = (landing / "consents.jsonl").read_text().splitlines()
    assert json.loads(consent)["person"] == {"id": "BOB8"}
    assert '"n": 0.1' in consent
    care = pq.read_table(landing / "care.parquet")
    assert care.column("customer").to_pylist() == ["erased", "erased", "BOB8"]
    assert care.column("cause").to_pylist() == [None, None, "late"]
    assert care.column("paid").to_pylist() == [Decimal("4.00"), None, Decimal("2.00")]


def test_the_rewritten_files_are_not_loaded_again(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any
) -> None:
    load(mapping)
    forget("ANN7")
    assert [one.is_new for deliveries in load(mapping).values() for one in deliveries] == [
        False
    ] * 5


def test_a_later_load_of_the_same_files_does_not_bring_them_back(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    landing = shop / "landing" / "shop"
    old = {path: path.read_bytes() for path in landing.iterdir()}
    load(mapping)
    forget("ANN7")
    for path, content in old.items():
        path.write_bytes(content)
    again = load(mapping)
    assert all(one.is_new for deliveries in again.values() for one in deliveries)
    after = texts_of(connection)
    assert [one for one in ANN if one in after] == []
    for deliveries in again.values():
        for one in deliveries:
            assert one.records_read == one.rows_loaded + one.rows_rejected + one.rows_skipped
    # The redemption is the same row as before: the newest version of each counts.
    assert connection.execute(
        "select count(distinct (coupon_id, customer_id, redeemed_at)) from raw.coupon_redemptions"
    ).fetchall() == [(3,)]


def test_a_mended_mapping_loads_the_rewritten_files_with_the_same_money(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    load(mapping)
    forget("ANN7")
    mended = shop / "sources" / "shop.yml"
    mended.write_text(MAPPING.replace("unit_price: price", "unit_price: { sum: [price] }"))
    (delivery,) = load(load_mapping(mended))["order_lines"]
    assert delivery.is_new
    # `case: upper` of the mapping made ERASED of it
    assert connection.execute(
        "select customer_id, sum(quantity * unit_price) from raw.order_lines "
        "where load_id = ? group by all order by all",
        [delivery.load_id],
    ).fetchall() == [
        ("BOB8", Decimal("3.50")),
        ("CAI9", Decimal("3.50")),
        ("erased", Decimal("16.00")),
        (None, Decimal("9.00")),
    ]


def test_order_ids_made_of_customers_are_hidden(
    connection: duckdb.DuckDBPyConnection, load: Load, forget: Any, shop: Path
) -> None:
    path = shop / "sources" / "shop.yml"
    path.write_text(MAPPING.replace("order_id: order", "order_id: { concat: [customer, order] }"))
    mapping = load_mapping(path)
    load(mapping)
    old = (shop / "landing/shop/orders1.csv").read_bytes()
    erasure = Erasure(1)
    _erase(connection, mapping, shop / "landing", ["ANN7"], erasure).put_in_place()
    ids = "select distinct order_id from raw.order_lines where customer_id = 'erased'"
    (hidden,) = connection.execute(ids).fetchall()
    assert hidden[0].startswith("erased-")
    rewritten = (shop / "landing/shop/orders1.csv").read_bytes()
    assert b"ann7" not in rewritten
    # The old file again: its order replaces the one that is there, for the id is the same.
    (shop / "landing/shop/orders1.csv").write_bytes(old)
    assert load(mapping)["order_lines"][0].is_new
    assert connection.execute(ids).fetchall() == [hidden]


def test_a_joined_file_names_the_customer(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path
) -> None:
    landing = shop / "landing" / "shop"
    (landing / "heads.csv").write_text(
        "order_id,customer_id,ship_name,at\n1,7,Ann Lee,2026-01-05\n2,8,Bob Ray,2026-01-06\n"
    )
    (landing / "details.csv").write_text(
        "order_id,product,price,gift_note\n1,tea,3.50,to Ann\n2,cup,9.00,to Bob\n"
    )
    path = shop / "sources" / "shop.yml"
    path.write_text(
        """
source: shop
title: Joined
time_zone: UTC
entities:
  order_lines:
    files: details.csv
    join: { files: heads.csv, on: order_id }
    columns:
      order_id: order_id
      ordered_at: at
      customer_id: customer_id
      product_id: product
      quantity: { constant: 1 }
      unit_price: price
"""
    )
    mapping = load_mapping(path)
    load(mapping)
    _erase(connection, mapping, shop / "landing", ["7"], Erasure(1)).put_in_place()
    assert (landing / "heads.csv").read_text() == (
        "order_id,customer_id,ship_name,at\n1,erased,,2026-01-05\n2,8,Bob Ray,2026-01-06\n"
    )
    assert (landing / "details.csv").read_text() == (
        "order_id,product,price,gift_note\n1,tea,3.50,\n2,cup,9.00,to Bob\n"
    )
    assert not load(mapping)["order_lines"][0].is_new


def test_a_link_is_left_and_named(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    file = shop / "landing/shop/customers.csv"
    archive = file.replace(shop / "archive.csv")
    file.symlink_to(archive)
    (shop / "landing/shop/notes.txt").write_text("call ann.lee@mail.example")
    load(mapping)
    erasure = forget("ANN7")
    assert [one.partition(":")[0] for one in erasure.files_left] == [
        "shop/customers.csv",
        "shop/notes.txt",
    ]
    assert archive.read_text() == "\ufeff" + CUSTOMERS


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8"])
def test_other_records_stay_byte_for_byte(
    connection: duckdb.DuckDBPyConnection, shop: Path, encoding: str
) -> None:
    text = 'id,name\r\n1,"é, ""x"""\r\n2,Ann\n3,"two\nlines"\r4,end'
    file = shop / "landing/shop/people.csv"
    content = text.encode(encoding)
    if encoding == "utf-8":  # a byte that is no text
        content = content.replace(b"end", b"e\xffd")
    file.write_bytes(content)
    path = shop / "sources" / "shop.yml"
    path.write_text(
        f"""
source: shop
title: People
time_zone: UTC
entities:
  order_lines: {{ files: none.csv, optional: true, columns: by_name }}
  customers:
    files: people.csv
    format: {{ encoding: {encoding} }}
    columns: {{ customer_id: id, name: name }}
"""
    )
    rewriting = rewrite_landing(
        connection,
        load_mapping(path),
        shop / "landing",
        ["2"],
        [],
        [],
        Workspace(shop),
    )
    assert rewriting.rewritten == ("shop/people.csv",)
    rewriting.put_in_place()
    gone = "2,Ann\n".encode("utf-16-le" if encoding == "utf-16" else encoding)
    assert file.read_bytes() == content.replace(gone, b"")


def test_a_line_that_was_rejected_of_an_older_file_is_nobody_elses(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    load(mapping)
    file = shop / "landing/shop/orders1.csv"
    newer = ORDERS.splitlines(keepends=True)[0] + "".join(
        f"{n},cai9,tea,2026-02-14 12:00,1,3.50,\n" for n in range(20, 32)
    )
    file.write_text(newer)  # a record of cai9 stands where one of ann7 was rejected
    load(mapping)
    erasure = forget("ANN7")
    assert erasure.rejected_rows == 2
    assert "shop/orders1.csv" not in erasure.files_rewritten
    assert file.read_text() == newer


def test_files_may_be_left_without_a_record(
    mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    load(mapping)
    forget("ANN7", "BOB8", "CAI9")
    landing = shop / "landing" / "shop"
    assert (landing / "consents.jsonl").read_text() == "\n"
    assert len((landing / "customers.csv").read_text().splitlines()) == 1
    assert [one.is_new for deliveries in load(mapping).values() for one in deliveries] == [
        False
    ] * 5
    assert forget("ANN7").files_rewritten == []  # as a call does that an interruption follows


def test_a_file_that_changed_meanwhile_is_left(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, shop: Path
) -> None:
    load(mapping)
    landing = shop / "landing" / "shop"
    names = {path.name for path in landing.iterdir()}
    rewriting = _erase(connection, mapping, shop / "landing", ["ANN7"], Erasure(1))
    for path in landing.glob("*.csv"):
        path.write_text("changed")
    with pytest.raises(LandingChangedError, match=r"\.csv changed while it was rewritten"):
        rewriting.put_in_place()
    assert {path.name for path in landing.iterdir()} == names  # nothing half done lies about
    assert (landing / "orders1.csv").read_text() == "changed"


def test_rejected_rows_of_others_keep_their_text(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load
) -> None:
    load(mapping)
    assert erase_rejected_rows(connection, "shop", ["ANN"], ["Ann"]) == []
    assert erase_rejected_rows(connection, "shop", ["BOB8"], []) == [(1, "shop/orders1.csv", 8)]
    assert connection.execute(
        "select source_line, raw_text is null, detail is null, reason is null "
        "from raw.rejected_rows order by 1"
    ).fetchall() == [(7, False, False, False), (8, True, True, False), (10, False, True, False)]


def test_erasing_nobody_changes_nothing(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load
) -> None:
    load(mapping)
    before = texts_of(connection)
    for entity in mapping.entities:
        erase_rows(connection, mapping, entity, ["nobody"])
    assert texts_of(connection) == before
