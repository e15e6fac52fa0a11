"""Forgetting people in raw and in the landing files, without the rest of the refresh."""

import gzip
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.load.mapping import Mapping, load_mapping
from flows.load.raw_tables import create_raw_tables
from flows.privacy import landing_files
from flows.privacy.erasures import (
    customer_hash,
    erase_rejected_rows,
    erase_rows,
    erasure_key,
    stand_in,
)
from flows.privacy.forget import Erasure, ForgetError, find, rewrite
from flows.privacy.interrupted import clear_interrupted
from flows.privacy.journal import ErasurePlan, journal_file, read_journal, write_journal
from flows.privacy.landing_files import LandingChangedError, rewrite_landing
from flows.runs import last_published
from flows.work_file import open_database, work_file
from tests.privacy.conftest import COUPONS, CUSTOMERS, MAPPING, ORDERS, take_out, texts_of

ANN = ("ann7", "ANN7", "Ann Lee", "ann.lee@mail.example", "555 0101", "Peony", "1980", "oolong")
Load = Callable[[Mapping], Any]
JOINED = """
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
    # As they are they are known: as news they would win over what corrected them since.
    again = load(mapping)
    assert not any(one.is_new for deliveries in again.values() for one in deliveries)
    mended = shop / "sources" / "shop.yml"
    mended.write_text(MAPPING.replace("currency: CNY", "currency: EUR"))
    again = load(load_mapping(mended))
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
    take_out(connection, mapping, shop, "ANN7")[1].put_in_place()
    ids = "select distinct order_id from raw.order_lines where customer_id = 'erased'"
    (hidden,) = connection.execute(ids).fetchall()
    assert hidden[0].startswith("erased-")
    rewritten = (shop / "landing/shop/orders1.csv").read_bytes()
    assert b"ann7" not in rewritten
    # Their order again, in a new file: it replaces the one that is there, for the id is the same.
    (shop / "landing/shop/orders1.csv").write_bytes(b"\n".join(old.splitlines()[:-1]) + b"\n")
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
    path.write_text(JOINED)
    mapping = load_mapping(path)
    load(mapping)
    take_out(connection, mapping, shop, "7")[1].put_in_place()
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
    people = ErasurePlan("shop", (), ("2",))
    rewriting = rewrite_landing(connection, load_mapping(path), shop / "landing", people, shop)
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


def test_nor_is_a_line_that_was_rejected_of_an_older_joined_file(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path
) -> None:
    landing, path = shop / "landing" / "shop", shop / "sources" / "shop.yml"
    (landing / "details.csv").write_text("order_id,product,price\n1,tea,3.50\n")
    heads = landing / "heads.csv"
    heads.write_text("order_id,customer_id,at\n1,8,2026-01-05\n2,7,Ann Lee,2026-01-06\n")
    path.write_text(JOINED + "reject_limit: 1\n")
    mapping = load_mapping(path)
    load(mapping)
    newer = "order_id,customer_id,at\n1,8,2026-01-05\n3,8,2026-01-07\n"
    heads.write_text(newer)
    erasure, rewriting = take_out(connection, mapping, shop, "7")
    rewriting.put_in_place()
    assert erasure.rejected_rows == 1
    assert heads.read_text() == newer


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
    _, rewriting = take_out(connection, mapping, shop, "ANN7")
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


def test_a_name_of_two_chinese_characters_is_found_wherever_it_stands(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    landing = shop / "landing/shop"
    customers = CUSTOMERS.replace("CAI9,Cai", "CAI9,张伟") + "DOU3,张伟明,,,,,\n"
    (landing / "customers.csv").write_text(customers, "utf-8")
    rejected = "8,dou3,tea,2026-02-16 12:00,one,3.50,转交张伟先生\n"
    (landing / "orders1.csv").write_text(ORDERS + rejected, "gb18030")
    (landing / "notes.txt").write_text("客户张伟来电", "utf-8")
    (landing / "notes.txt.gz").write_bytes(gzip.compress(b"nobody knows"))
    load(mapping)
    assert "转交张伟先生" in texts_of(connection)
    erasure = forget("CAI9")
    assert "转交" not in texts_of(connection)
    assert "张伟明" in texts_of(connection)
    assert erasure.files_left == [
        "shop/notes.txt: holds a name, an address or a number of theirs (line 1)",
        "shop/notes.txt.gz: cannot be searched: a gzip file; it may hold them",
    ]
    assert "张伟".encode("gb18030") not in (landing / "orders1.csv").read_bytes()


def test_a_compensation_that_was_withdrawn_stays_withdrawn(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    def deliver(**paid: str) -> None:
        care = {"id": [*paid], "customer": ["ANN7"] * len(paid), "cause": ["a cup"] * len(paid)}
        opened = [datetime(2026, 1, 6, tzinfo=UTC)] * len(paid)
        amounts = [Decimal(one) for one in paid.values()]
        file = shop / "landing/shop/care.parquet"
        pq.write_table(pa.table({**care, "opened": opened, "paid": amounts}), file)
        load(mapping)

    def compensations() -> list[tuple[str, Decimal]]:
        return connection.execute(
            "select interaction_id, arg_max(compensation_amount, load_id) from raw.interactions "
            "group by all order by all"
        ).fetchall()

    deliver(i7="10.00", i8="0.00", i9="0.00")
    deliver(i7="0.00", i8="0.00")
    told = [("i7", Decimal(0)), ("i8", Decimal(0)), ("i9", Decimal(0))]
    assert compensations() == told
    forget("ANN7")
    assert compensations() == told[:1]
    assert connection.execute(
        "select customer_id, cause, count(*) from raw.interactions group by all"
    ).fetchall() == [("erased", None, 2)]
    # What the source says later of those who are forgotten counts as well.
    deliver(i7="3.00")
    assert compensations() == [("i7", Decimal(3))]
    deliver(i7="0.00", i10="0.00")
    assert compensations() == told[:1]


def test_what_a_killed_erasure_left_beside_the_files_goes_with_the_next_refresh(
    shop: Path, load: Load, mapping: Mapping, tmp_path: Path
) -> None:
    warehouse, landing = tmp_path / "warehouse", shop / "landing"
    names = {path.name for path in (landing / "shop").iterdir()}
    work_file(warehouse).parent.mkdir(parents=True)
    plans = [ErasurePlan("shop", ("shop:ANN7",), ("ANN7",)), ErasurePlan("club", (), ("7",))]
    finished_by_forget = landing / "club/.people.csv.forgetting"
    finished_by_forget.parent.mkdir()
    finished_by_forget.touch()
    with open_database(work_file(warehouse)) as connection:
        create_raw_tables(connection)
        # Of the club a version without them is published; of the shop none ever was.
        connection.execute(
            "insert into state.erased_customers values (?, 1)",
            [customer_hash(erasure_key(connection), "club", "7")],
        )
        rewriting = rewrite_landing(connection, mapping, landing, plans[0], tmp_path)
    assert {path.name for path in (landing / "shop").iterdir()} > names
    write_journal(warehouse, plans)
    clear_interrupted(warehouse, landing)
    assert {path.name for path in (landing / "shop").iterdir()} == names
    assert rewriting.rewritten
    assert read_journal(warehouse) == plans[1:]
    assert finished_by_forget.is_file()


def test_a_damaged_journal_stops_no_refresh(tmp_path: Path) -> None:
    work_file(tmp_path).parent.mkdir(parents=True)
    with open_database(work_file(tmp_path)) as connection:
        create_raw_tables(connection)
    journal_file(tmp_path).write_text("[{")
    clear_interrupted(tmp_path, tmp_path)
    assert journal_file(tmp_path).read_text() == "[{"  # `regulars forget` tells of it


def test_erasing_nobody_changes_nothing(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load
) -> None:
    load(mapping)
    before = texts_of(connection)
    for entity in mapping.entities:
        erase_rows(connection, mapping, entity, ["nobody"])
    assert texts_of(connection) == before


def at_the_first_file(
    monkeypatch: pytest.MonkeyPatch, source_delivers: Callable[[], None], times: int = 1
) -> None:
    """Have a source deliver when files are read and the first is about to be written anew."""
    write = landing_files._write_beside
    left = iter(range(times))

    def deliver_and_write(path: Path, how: Callable[[Path], None]) -> Path:
        if next(left, None) is not None:
            source_delivers()
        return write(path, how)

    monkeypatch.setattr(landing_files, "_write_beside", deliver_and_write)


def replaced(path: Path, text: str) -> None:
    """Replace a file by one of the same size and times, as a careful copy does."""
    before = path.stat()
    new = path.with_name(".arriving")
    new.write_text(text.ljust(before.st_size, "\n"), newline="")
    assert new.stat().st_size == before.st_size
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(path)


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    load: Load,
    forget: Any,
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(mapping)
    file = shop / "landing/shop/coupons.csv"
    heading = "coupon,customer,at,amount\n"
    newer = "c2,CAI9,2026-02-02 10:00:00,2.50\n"
    hers = "c2,ANN7,2026-02-02 10:00:00,2.50\n"
    at_the_first_file(monkeypatch, lambda: replaced(file, heading + newer + hers))
    erasure = forget("ANN7")
    ann = stand_in(erasure_key(connection), "shop", "ANN7")
    assert file.read_text().strip() == (heading + newer + hers.replace("ANN7", ann)).strip()
    assert erasure.files_rewritten.count("shop/coupons.csv") == 1
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(".")] == []


def test_a_file_that_never_rests_is_refused(
    mapping: Mapping, load: Load, forget: Any, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(mapping)
    file = shop / "landing/shop/coupons.csv"
    at_the_first_file(monkeypatch, lambda: replaced(file, COUPONS), times=99)
    with pytest.raises(ForgetError, match=r"coupons\.csv changed while it was rewritten"):
        forget("ANN7")
    assert file.read_text() == COUPONS
    assert {path.name for path in file.parent.iterdir()} == {
        *("care.parquet", "consents.jsonl", "coupons.csv", "customers.csv", "orders1.csv")
    }


def test_one_replaced_file_keeps_no_other_from_its_place(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, shop: Path
) -> None:
    load(mapping)
    landing = shop / "landing" / "shop"
    _, rewriting = take_out(connection, mapping, shop, "ANN7")
    replaced(landing / "coupons.csv", COUPONS)  # the same size and times: another file
    with pytest.raises(LandingChangedError, match=r"coupons\.csv changed") as refused:
        rewriting.put_in_place()
    assert "orders1.csv" not in str(refused.value)
    assert (landing / "coupons.csv").read_text() == COUPONS
    assert b"ann7" not in (landing / "orders1.csv").read_bytes()
    assert b"ANN7" not in (landing / "customers.csv").read_bytes()


def test_rewritten_twice_a_file_has_the_same_content(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path
) -> None:
    path = shop / "sources" / "shop.yml"
    path.write_text(MAPPING.replace("order_id: order", "order_id: { concat: [customer, order] }"))
    mapping = load_mapping(path)
    load(mapping)
    plan = find(connection, ErasurePlan("shop", (), ("ANN7",)))
    take_out(connection, mapping, shop, "ANN7")[1].discard()  # stopped after the publish
    rewrite(connection, mapping, shop / "landing", plan, shop, Erasure(1)).put_in_place()
    orders = (shop / "landing/shop/orders1.csv").read_bytes()
    assert b"Ann Lee" not in orders  # the plan knows the rejected lines that raw no longer tells
    assert b"erased-" in orders
    assert not load(mapping)["order_lines"][0].is_new


def test_a_name_in_anothers_record_is_told_of_a_rewritten_file_too(
    mapping: Mapping, load: Load, forget: Any, shop: Path
) -> None:
    file = shop / "landing/shop/customers.csv"
    file.write_text(CUSTOMERS.replace("CAI9,Cai", "CAI9,Cai c/o ann.lee@mail.example"))
    load(mapping)
    erasure = forget("ANN7")
    assert "shop/customers.csv" in erasure.files_rewritten
    assert erasure.files_left == [
        "shop/customers.csv: holds a name, an address or a number of theirs (line 3)"
    ]


def test_a_failed_run_that_named_them_does_so_no_longer(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load: Load, forget: Any
) -> None:
    load(mapping)
    connection.execute(
        "insert into state.runs (run_id, started_at, status, error) values "
        "('1', now(), 'failed', 'Could not convert string ''Ann Lee'' to INT32'), "
        "('2', now(), 'failed', 'no room left'), ('3', now(), 'published', null)"
    )
    forget("ANN7")
    assert connection.execute("select error from state.runs order by run_id").fetchall() == [
        ("removed, for it named a person who was forgotten",),
        ("no room left",),
        (None,),
    ]


@pytest.mark.parametrize("is_named_before", [True, False])
def test_ids_hidden_in_other_loads_ask_for_a_build_of_everything(
    connection: duckdb.DuckDBPyConnection, load: Load, shop: Path, is_named_before: bool
) -> None:
    """A night builds the orders of new loads only: it would not see those of others change."""
    path = shop / "sources" / "shop.yml"
    path.write_text(
        MAPPING.replace("order_id: order", "order_id: { concat: [customer, order] }")
        .replace("unit_price: price\n", "unit_price: price\n      returned_order_id: returned\n")
        .replace("reject_limit: 0.9", "reject_limit: 0.9\ndelivers: orders")
    )
    mapping = load_mapping(path)
    landing = shop / "landing/shop"
    header = "order,customer,product,ordered at,quantity,price,returned,deliver to\n"
    (landing / "orders1.csv").write_text(header + "1,ANN7,tea,2026-01-05 10:00,1,3.50,,\n")
    load(mapping)
    ids = connection.execute("select order_id from raw.order_lines").fetchall()
    take_out(connection, mapping, shop, "ANN7")[1].put_in_place()
    connection.execute(
        "insert into state.runs (run_id, started_at, status, version, fingerprint) "
        "values ('1', now(), 'published', '1', 'as built')"
    )
    # Somebody else brings back an order of hers that the shop has not delivered yet; then it does.
    ((first,),) = ids
    named = first.replace("1", "2") if is_named_before else ""
    (landing / "orders2.csv").write_text(header + f"9,BOB8,tea,2026-01-07 10:00,-1,3.50,{named},\n")
    load(mapping)
    assert last_published(connection) == ("1", "as built")
    (landing / "orders3.csv").write_text(header + "2,ANN7,tea,2026-01-06 10:00,1,3.50,,\n")
    load(mapping)
    assert "ANN7" not in texts_of(connection)
    assert last_published(connection) == ("1", "" if is_named_before else "as built")
