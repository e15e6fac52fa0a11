"""Publishing by version folder and one switch: readers see whole versions, and no personal data."""

import fcntl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.publish.bi_file import PublishError, write_bi_file
from flows.publish.tables import PublishedTable
from flows.publish.versions import (
    NothingPublishedError,
    current_version,
    published_file,
    remove_old_versions,
    switch_to,
    unfinished_folder,
    version_folder,
    versions,
)

TABLES = [
    PublishedTable(
        *("core", "dim_customers"),
        columns=frozenset({"customer_id", "country", "gone"}),
        personal_columns=frozenset({"name", "email"}),
        key=("customer_id",),
    ),
    PublishedTable("core", "fct_orders", key=("order_id",), changes_with_orders=True),
    PublishedTable("marts", "rfm"),
    PublishedTable("marts", "a"),
    PublishedTable("marts", "b"),
]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    path = tmp_path / "work.duckdb"
    with duckdb.connect(path) as connection:
        for schema in ("raw", "state", "staging", "reference", "core", "mining", "marts", "audit"):
            connection.execute(f"create schema {schema}")
        connection.execute("create table raw.customers as select 'Li Na' as name")
        connection.execute(
            "create table core.dim_customers as "
            "select 'web:1' as customer_id, 'Li Na' as name, 'li@x.com' as email, 'CN' as country"
        )
        connection.execute("comment on table core.dim_customers is 'It''s who buys'")
        connection.execute("comment on column core.dim_customers.country is 'Where they live'")
        connection.execute("create table marts.rfm as select range as n from range(1000)")
        # The table of a model that was renamed: nobody describes it any more.
        connection.execute("create table core.dim_clients as select 'Li Na' as name")
    return path


def publish(work: Path, warehouse: Path, version: str) -> None:
    folder = unfinished_folder(warehouse, version)
    write_bi_file(work, folder, TABLES)
    folder.rename(version_folder(warehouse, version))
    switch_to(warehouse, version)


def test_the_bi_file_holds_published_schemas_without_personal_columns(
    work: Path, tmp_path: Path
) -> None:
    rows = write_bi_file(work, unfinished_folder(tmp_path, "1"), TABLES)
    assert rows == 1001
    with duckdb.connect(tmp_path / "versions/.1/regulars.duckdb", read_only=True) as connection:
        assert connection.execute("from core.dim_customers").fetchall() == [("web:1", "CN")]
        assert connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() order by all"
        ).fetchall() == [("core.dim_customers",), ("marts.rfm",), ("reference.table_keys",)]
        assert connection.execute(
            "select table_name, comment from duckdb_tables() where schema_name <> 'reference' "
            "order by all"
        ).fetchall() == [("dim_customers", "It's who buys"), ("rfm", None)]
        assert connection.execute("from reference.table_keys").fetchall() == [
            ("core", "dim_customers", ["customer_id"]),
            ("core", "fct_orders", ["order_id"]),
        ]
        assert ("Where they live",) in connection.execute(
            "select comment from duckdb_columns()"
        ).fetchall()


ORDERS = """
    create or replace table core.fct_orders as
    select range as order_id, 'new ' || range as note, 'Li Na' as name from range({}, {});
    comment on table core.fct_orders is 'Orders
';
    create schema if not exists intermediate;
    create or replace table intermediate.int_affected_orders as select unnest({}) as order_id
"""


def notes_in(folder: Path) -> list[tuple[int, str]]:
    with duckdb.connect(folder / "regulars.duckdb", read_only=True) as connection:
        return connection.execute("select order_id, note from core.fct_orders").fetchall()


MENDABLE = [
    PublishedTable("core", "dim_customers", columns=frozenset({"customer_id"})),
    PublishedTable(
        *("core", "fct_orders"), columns=frozenset({"order_id", "note"}), changes_with_orders=True
    ),
]


def version_of_five_orders(work: Path, warehouse: Path) -> Path:
    """Publish orders 0 to 4 as version 1; returns its BI file."""
    with duckdb.connect(work) as connection:
        connection.execute(ORDERS.format(0, 5, []))
    folder = unfinished_folder(warehouse, "1")
    write_bi_file(work, folder, MENDABLE)
    folder.rename(version_folder(warehouse, "1"))
    return version_folder(warehouse, "1") / "regulars.duckdb"


def test_a_table_that_changes_with_orders_is_mended_in_a_copy(work: Path, tmp_path: Path) -> None:
    previous = version_of_five_orders(work, tmp_path)
    with duckdb.connect(work) as connection:
        # Order 1 has gone, 2 has changed, 5 is new; 3 has changed too, but nobody said so.
        connection.execute(ORDERS.format(0, 6, [1, 2, 5]))
        connection.execute("delete from core.fct_orders where order_id = 1")
        connection.execute("update core.fct_orders set note = 'other' where order_id in (2, 3)")
        connection.execute("update core.dim_customers set customer_id = 'web:2'")
    second = unfinished_folder(tmp_path, "2")
    rows = write_bi_file(work, second, MENDABLE, previous)
    assert rows == 1 + 5
    assert sorted(notes_in(second)) == [
        (0, "new 0"), (2, "other"), (3, "new 3"), (4, "new 4"), (5, "new 5"),
    ]  # fmt: skip
    with duckdb.connect(second / "regulars.duckdb", read_only=True) as connection:
        assert connection.execute("from core.dim_customers").fetchall() == [("web:2",)]
        assert connection.execute(
            "select comment from duckdb_tables() where table_name = 'fct_orders'"
        ).fetchall() == [("Orders",)]
    # the version before is untouched
    assert sorted(notes_in(version_folder(tmp_path, "1"))) == [(n, f"new {n}") for n in range(5)]


@pytest.mark.parametrize(
    ("orders", "affected"),
    [
        ((0, 7), [5]),  # order 6 is new, too
        ((1, 5), []),  # order 0 has gone
    ],
)
def test_a_mended_table_has_as_many_rows_as_the_one_that_was_tested(
    work: Path, tmp_path: Path, orders: tuple[int, int], affected: list[int]
) -> None:
    previous = version_of_five_orders(work, tmp_path)
    with duckdb.connect(work) as connection:
        connection.execute(ORDERS.format(*orders, affected))
    with pytest.raises(PublishError, match=r"core\.fct_orders: mended it has \d rows, but \d were"):
        write_bi_file(work, unfinished_folder(tmp_path, "2"), MENDABLE, previous)


def test_the_copy_that_is_mended_shares_blocks_where_the_file_system_can(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    previous = version_of_five_orders(work, tmp_path)
    asked: list[int] = []
    ask = fcntl.ioctl

    def listening(descriptor: Any, request: int, *arguments: Any) -> Any:
        asked.append(request)
        return ask(descriptor, request, *arguments)

    monkeypatch.setattr(fcntl, "ioctl", listening)
    write_bi_file(work, unfinished_folder(tmp_path, "2"), MENDABLE, previous)
    assert asked == [0x40049409]  # FICLONE


def test_before_the_first_publish_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NothingPublishedError, match="regulars refresh"):
        published_file(tmp_path)
    assert versions(tmp_path) == []
    assert current_version(tmp_path) is None


def test_old_versions_go_but_never_the_current_one(work: Path, tmp_path: Path) -> None:
    for version in ("1", "2", "3", "4"):
        publish(work, tmp_path, version)
    switch_to(tmp_path, "1")
    assert remove_old_versions(tmp_path, keep=2) == ["2"]
    assert versions(tmp_path) == ["1", "3", "4"]
    assert current_version(tmp_path) == "1"


def test_leftovers_of_an_interrupted_publish_go(work: Path, tmp_path: Path) -> None:
    unfinished_folder(tmp_path, "1").joinpath("regulars.duckdb").write_bytes(b"half")
    publish(work, tmp_path, "2")
    assert [entry.name for entry in (tmp_path / "versions").iterdir()] == ["2"]


READER = """
import sys, duckdb
path, rounds, seen = sys.argv[1], 0, set()
print("reading", flush=True)
while 20 not in seen:
    with duckdb.connect(path, read_only=True) as connection:
        one, two = connection.execute("select (from marts.a), (from marts.b)").fetchone()
    assert one == two, (one, two)
    seen.add(one)
    rounds += 1
print(rounds, len(seen))
"""


def test_a_reader_that_opens_again_and_again_sees_only_whole_versions(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse"

    def publish_number(number: int) -> None:
        work = tmp_path / f"work{number}.duckdb"
        with duckdb.connect(work) as connection:
            connection.execute("create schema marts")
            for table in ("a", "b"):
                connection.execute(f"create table marts.{table} as select {number} as v")
        publish(work, warehouse, f"{number:03}")
        remove_old_versions(warehouse, keep=3)

    publish_number(0)
    held = duckdb.connect(published_file(warehouse), read_only=True)
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(published_file(warehouse))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "reading\n"
        for number in range(1, 21):
            publish_number(number)
            time.sleep(0.05)
        out, error = reader.communicate(timeout=60)
    assert error == ""
    rounds, distinct = map(int, out.split())
    assert rounds >= distinct > 3
    # A connection held open keeps its own whole version, even after its folder has gone.
    assert held.execute("select (from marts.a), (from marts.b)").fetchone() == (0, 0)
    held.close()
