"""Tables of real SQLite and PostgreSQL databases: exact, as of one moment, and shy of trouble."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from flows.load import databases
from flows.load.loader import LoadError, TransientLoadError
from flows.load.mapping import Mapping, MappingError
from tests.load.conftest import Load, Query
from tests.load.postgresql import Server, postgresql_server

SQLITE = """
source: shop
title: A till
time_zone: Europe/Berlin
reject_limit: 1
entities:
  order_lines:
    table: {sqlite: shop.db, name: lines}
    join: {table: {sqlite: shop.db, name: orders}, on: {order_no: id}}
    columns:
      order_id: order_no
      ordered_at: at
      customer_id: customer
      product_id: product
      quantity: quantity
      unit_price: price
"""
POSTGRESQL = """
source: shop
title: A shop
time_zone: Europe/Berlin
reject_limit: 1
entities:
  order_lines:
    table: {postgresql: SHOP_DATABASE, name: sales.lines}
    columns:
      order_id: order_no
      ordered_at: at
      customer_id: customer
      quantity: quantity
      unit_price: price
"""


@pytest.fixture
def till(landing: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(landing / "shop" / "shop.db", isolation_level=None)) as till:
        till.execute("create table orders (id integer primary key, at text, customer real)")
        till.execute(
            "create table lines (order_no integer, product text, quantity numeric, price real, "
            "picture blob)"
        )
        till.execute(
            "insert into orders values (1, '2024-07-01 10:00', 12345678901.0), (2, null, null)"
        )
        till.execute("insert into lines values (1, 'tea', 2, 0.30000000000000004, x'ff00')")
        till.execute("insert into lines values (1, '中文𠮷', '1.5', 1e-4, null)")
        yield till


def test_sqlite(load: Load, query: Query, till: sqlite3.Connection) -> None:
    (delivery,) = load(SQLITE)
    assert delivery.notes == (
        "shop/shop.db/lines has columns that the mapping does not use: picture",
    )
    assert query(
        "select order_id, ordered_at, customer_id, product_id, quantity, unit_price, source_file, "
        "source_line from raw.order_lines order by source_line"
    ) == [
        (
            *("1", datetime(2024, 7, 1, 8, tzinfo=UTC), "12345678901", "tea"),
            *(Decimal(2), Decimal("0.3"), "shop/shop.db/lines", 1),
        ),
        (
            *("1", datetime(2024, 7, 1, 8, tzinfo=UTC), "12345678901", "中文𠮷"),
            *(Decimal("1.5"), Decimal("0.0001"), "shop/shop.db/lines", 2),
        ),
    ]


def test_the_same_rows_add_nothing_in_whatever_order(
    load: Load, query: Query, till: sqlite3.Connection
) -> None:
    load(SQLITE)
    assert [one.is_new for one in load(SQLITE)] == [False]
    till.execute("create table other as select * from lines order by product desc")
    till.execute("drop table lines")
    till.execute("alter table other rename to lines")
    till.execute("update lines set picture = x'00'")  # no column of the mapping
    assert [one.is_new for one in load(SQLITE)] == [False]
    till.execute("update orders set customer = 7 where id = 1")  # of the joined table
    assert [one.is_new for one in load(SQLITE)] == [True]
    till.execute("insert into lines select * from lines where product = 'tea'")
    (delivery,) = load(SQLITE)
    assert (delivery.is_new, delivery.rows_loaded) == (True, 3)
    assert delivery.notes[-1] == "replaces 2 lines of 1 order from what it held before"


def test_hostile_values_are_data_or_rejected_rows(
    load: Load, query: Query, till: sqlite3.Connection
) -> None:
    texts = ["'; drop table raw.loads; --", "{{ 7 * 7 }}", "../../etc", "\u202egnp", "=1+1"]
    rows = [(1, text, 1, 1) for text in texts]
    bad = [(1, "a\0b", 1, 1), (1, b"\xff\xfe", 1, 1), (1, "tea", "many", 1), (3, "tea", 1, 1)]
    till.execute("delete from lines")
    till.executemany("insert into lines values (?, ?, ?, ?, null)", [*rows, *bad])
    till.execute("insert into lines select 1, cast(x'c328' as text), 1, 1, null")
    till.execute("insert into lines values (1, ?, 1, 1, null)", ["x" * 10_000_000])
    (delivery,) = load(SQLITE)
    assert [one for (one,) in query("select product_id from raw.order_lines order by 1")] == (
        sorted(texts)
    )
    assert (delivery.records_read, delivery.rows_loaded, delivery.rows_rejected) == (11, 5, 6)
    found = query(
        "select source_line, column_name, reason, left(raw_text, 60) from raw.rejected_rows "
        "where source_line < 11 order by 1"
    )
    rest = '"quantity": "1", "price": "1"}'
    assert found[:2] == [
        (6, None, "holds a NUL byte", rf'{{"order_no": "1", "product": "a\\x00b", {rest}'[:60]),
        (
            *(7, None, "holds bytes that are not utf-8 text"),
            rf'{{"order_no": "1", "product": "\\xff\\xfe", {rest}'[:60],
        ),
    ]
    assert [row[:3] for row in found[2:]] == [
        (8, "quantity", "not a DECIMAL(18,4)"),
        (9, "at", "no matching row in orders"),
        (10, None, "holds bytes that are not utf-8 text"),
    ]
    assert query("select reason from raw.rejected_rows where source_line = 11") == [
        ("is longer than 1,000,000 characters",)
    ]


def test_hostile_names_of_tables_and_columns(load: Load, till: sqlite3.Connection) -> None:
    name, column = 'it\'s "x"; drop table lines', "a\"b'; --"
    quoted = [one.replace('"', '""') for one in (name, column)]
    till.execute(f'create table "{quoted[0]}" ("{quoted[1]}" text, at text)')
    till.execute(f"insert into \"{quoted[0]}\" values ('A1', '2024-05-01')")
    mapping = f"""
source: shop
title: A till
time_zone: UTC
entities:
  order_lines:
    table: {{sqlite: shop.db, name: '{name.replace("'", "''")}'}}
    columns: {{order_id: '{column.replace("'", "''")}', ordered_at: at}}
"""
    assert load(mapping)[0].rows_loaded == 1
    assert till.execute("select count(*) from lines").fetchone() == (2,)


def test_all_tables_are_of_one_moment(
    load: Load, query: Query, till: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that is written between the reading of lines and of orders is in neither."""
    till.execute("pragma journal_mode = wal")
    keep = databases._keep

    def keep_then_write(*parts: object) -> None:
        keep(*parts)  # type: ignore[arg-type]
        till.execute("update orders set at = '2025-01-01' where id = 1")

    monkeypatch.setattr(databases, "_keep", keep_then_write)
    load(SQLITE)
    assert query("select distinct year(ordered_at_local) from raw.order_lines") == [(2024,)]
    monkeypatch.undo()
    load(SQLITE)
    assert query("select max(year(ordered_at_local)) from raw.order_lines") == [(2025,)]


def test_a_locked_database_is_transient(
    load: Load, query: Query, till: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_LOCK_SECONDS", 0.1)
    till.execute("begin exclusive")
    with pytest.raises(TransientLoadError, match=r"SQLite cannot read shop\.db: .*locked"):
        load(SQLITE)
    assert query("select count(*) from raw.loads") == [(0,)]
    till.execute("rollback")
    assert load(SQLITE)[0].rows_loaded == 2


def test_a_lock_that_is_short_is_waited_for(load: Load, till: sqlite3.Connection) -> None:
    path = till.execute("pragma database_list").fetchone()[2]
    locked = threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("begin exclusive")
            locked.set()
            threading.Event().wait(0.5)
            other.execute("rollback")

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait()
    assert load(SQLITE)[0].rows_loaded == 2
    holder.join()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("name: lines", "name: line", r"no table 'line'\. Did you mean 'lines'\? Tables found"),
        ("sqlite: shop.db, name: lines", "sqlite: till.db, name: lines", "no file matches till.db"),
        ("quantity: quantity", "quantity: qty", "expected the column 'qty'"),
    ],
)
def test_what_is_not_there_is_not_tried_again(
    load: Load, till: sqlite3.Connection, before: str, after: str, message: str
) -> None:
    with pytest.raises(LoadError, match=message) as raised:
        load(SQLITE.replace(before, after))
    assert not isinstance(raised.value, TransientLoadError)


def test_what_is_no_database(load: Load) -> None:
    with pytest.raises(LoadError, match="file is not a database") as raised:
        load(SQLITE, shop__db=b"order,at\n" * 500)
    assert not isinstance(raised.value, TransientLoadError)


def test_a_database_is_never_written(load: Load, landing: Path, till: sqlite3.Connection) -> None:
    till.close()
    path = landing / "shop" / "shop.db"
    before = path.read_bytes()
    load(SQLITE)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["shop.db"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("{name: lines}", "needs either sqlite or postgresql"),
        ("{sqlite: a.db, postgresql: A, name: lines}", "needs either sqlite or postgresql"),
        ("{sqlite: ../a.db, name: lines}", "'../a.db' must be a path inside"),
        ("{sqlite: /a.db, name: lines}", "'/a.db' must be a path inside"),
        ("{postgresql: 'postgresql://me:secret@host', name: lines}", "postgresql: String should"),
        ("{sqlite: a.db, name: lines}\n    files: x", "expected either files or a table"),
        ('{sqlite: a.db, name: "a\\0b"}', "holds a NUL"),
    ],
)
def test_tables_in_mappings(
    read_mapping: Callable[[str], Mapping], table: str, message: str
) -> None:
    with pytest.raises(MappingError, match=message):
        read_mapping(SQLITE.replace("{sqlite: shop.db, name: lines}", table))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql_server() as server:
        yield server


@pytest.fixture
def shop(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    server.run(
        "drop schema if exists sales cascade",
        "create schema sales",
        "create table sales.lines (order_no bigint, at timestamptz, customer text, "
        "quantity numeric, price double precision, picture bytea)",
        "insert into sales.lines values "
        "(1, '2024-07-01 10:00+02', 'C1', 0.1234567890123456789, 0.30000000000000004, '\\xff'), "
        "(9007199254740993, '2024-01-01 00:00:00.123456+00', null, 12345678901.23455, 1e-4, null)",
    )
    monkeypatch.setenv("SHOP_DATABASE", server.address)
    return server


def test_postgresql_is_exact(load: Load, query: Query, shop: Server) -> None:
    (delivery,) = load(POSTGRESQL)
    assert delivery.notes == (
        "shop/SHOP_DATABASE/sales/lines has columns that the mapping does not use: picture",
    )
    assert query(
        "select order_id, ordered_at, customer_id, quantity, unit_price from raw.order_lines "
        "order by source_line"
    ) == [
        (
            *("1", datetime(2024, 7, 1, 8, tzinfo=UTC), "C1"),
            *(Decimal("0.1235"), Decimal("0.3")),
        ),
        (
            *("9007199254740993", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC), None),
            *(Decimal("12345678901.2346"), Decimal("0.0001")),
        ),
    ]


def test_the_same_rows_of_postgresql_add_nothing(load: Load, shop: Server) -> None:
    load(POSTGRESQL)
    shop.run("update sales.lines set price = price where order_no = 1")  # moves the row
    assert [one.is_new for one in load(POSTGRESQL)] == [False]
    shop.run("update sales.lines set customer = 'C2' where order_no = 1")
    assert [one.is_new for one in load(POSTGRESQL)] == [True]


def test_types_of_postgresql(load: Load, query: Query, shop: Server) -> None:
    shop.run(
        "create view sales.people as select 'P' || n as id, n = 1 as prospect, "
        "(array[date '1990-02-03', 'infinity', '0001-01-01'])[n] as born, "
        "(array[timestamp '2024-07-01 10:00', '9999-01-01', '0044-03-15 BC'])[n] as seen "
        "from generate_series(1, 3) as n"
    )
    mapping = (
        POSTGRESQL
        + """
  customers:
    table: {postgresql: SHOP_DATABASE, name: sales.people}
    columns: {customer_id: id, is_prospect: prospect, birth_date: born, acquired_at: seen}
"""
    )
    load(mapping)
    assert query("select customer_id, is_prospect, birth_date, acquired_at from raw.customers") == [
        ("P1", True, date(1990, 2, 3), datetime(2024, 7, 1, 8, tzinfo=UTC))
    ]
    assert query(
        "select source_line, column_name from raw.rejected_rows "
        "where entity = 'customers' order by 1"
    ) == [(2, "born"), (3, "born")]


def test_tables_of_postgresql_are_of_one_moment(
    load: Load, query: Query, shop: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("create table sales.heads as select 1 as id, 'web' as channel")
    mapping = (
        POSTGRESQL.replace(
            "    columns:",
            "    join: {table: {postgresql: SHOP_DATABASE, name: sales.heads}, "
            "on: {order_no: id}}\n    columns:",
        )
        + "      channel: channel\n"
    )
    keep = databases._keep

    def keep_then_write(*parts: object) -> None:
        keep(*parts)  # type: ignore[arg-type]
        shop.run("update sales.heads set channel = 'later'")

    monkeypatch.setattr(databases, "_keep", keep_then_write)
    load(mapping)
    assert query("select channel from raw.order_lines order by 1") == [("web",), (None,)]


def test_a_server_that_is_not_there_is_transient(
    load: Load, query: Query, shop: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.stop()
    try:
        with pytest.raises(TransientLoadError, match="cannot be reached just now") as raised:
            load(POSTGRESQL)
        assert "secret" not in str(raised.value)
    finally:
        shop.start()
    assert load(POSTGRESQL)[0].rows_loaded == 2


def test_a_connection_that_breaks_is_transient(
    load: Load, query: Query, shop: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run(
        "insert into sales.lines select n, '2024-01-01', 'C', 1, 1 "
        "from generate_series(1, 200000) as n"
    )
    append = databases.TextRowsWriter.append
    rows = 0

    def break_in_the_middle(*parts: object) -> None:
        nonlocal rows
        rows += 1
        if rows == 1000:
            shop.run(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'regulars'"
            )
        append(*parts)  # type: ignore[arg-type]

    monkeypatch.setattr(databases.TextRowsWriter, "append", break_in_the_middle)
    with pytest.raises(TransientLoadError, match="stopped the reading"):
        load(POSTGRESQL)
    assert query("select count(*) from raw.order_lines") == [(0,)]
    monkeypatch.undo()
    monkeypatch.setenv("SHOP_DATABASE", shop.address)
    assert load(POSTGRESQL)[0].rows_loaded == 200_002


def test_a_table_that_is_locked_is_transient(
    load: Load, shop: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_LOCK_SECONDS", 1)
    with psycopg.connect(shop.address) as other:
        other.execute("lock table sales.lines in access exclusive mode")
        with pytest.raises(TransientLoadError, match=r"LockNotAvailable \(55P03\)"):
            load(POSTGRESQL)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, "the environment variable SHOP_DATABASE, .* is not set"),
        ("my-secret", "SHOP_DATABASE does not hold a connection string"),
        ("postgresql://shop:wrong-secret@127.0.0.1:{port}/postgres", "refuses the connection"),
        ("postgresql://shop:secret@127.0.0.1:{port}/other-secret", "refuses the connection"),
    ],
)
def test_what_a_person_must_mend_is_not_tried_again(
    load: Load,
    shop: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    address: str | None,
    message: str,
) -> None:
    if address is None:
        monkeypatch.delenv("SHOP_DATABASE")
    else:
        monkeypatch.setenv("SHOP_DATABASE", address.format(port=shop.port))
    with pytest.raises(LoadError, match=message) as raised:
        load(POSTGRESQL)
    assert not isinstance(raised.value, TransientLoadError)
    error: BaseException | None = raised.value
    while error is not None and not error.__suppress_context__:
        assert "secret" not in str(error)
        error = error.__cause__ or error.__context__
    assert "secret" not in caplog.text


def test_a_table_of_postgresql_that_is_not_there(load: Load, shop: Server) -> None:
    with pytest.raises(LoadError, match=r"no table 'sales.line'\. Did you mean 'sales.lines'\?"):
        load(POSTGRESQL.replace("sales.lines", "sales.line"))
    with pytest.raises(LoadError, match="no table"):
        load(POSTGRESQL.replace("sales.lines", '"x\'; drop schema sales cascade; --"'))
    assert load(POSTGRESQL)[0].records_read == 2


def test_no_view_of_postgresql_can_write(load: Load, shop: Server) -> None:
    shop.run(
        "create table sales.victim as select 1 as n",
        "create function sales.harm() returns bigint language sql volatile as "
        "'delete from sales.victim returning 1::bigint'",
        "create view sales.trap as select sales.harm() as order_no, now() as at, '' as customer, "
        "1 as quantity, 1 as price",
    )
    with pytest.raises(LoadError, match=r"ReadOnlySqlTransaction \(25006\)"):
        load(POSTGRESQL.replace("sales.lines", "sales.trap"))
