"""An older release's warehouse is brought up to date; a newer one's is left alone, with a word."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import flows.upgrade
from flows.database_file import NewerWarehouseError, connect
from flows.load.contract import ENTITIES
from flows.load.raw_tables import create_raw_tables
from flows.publish.versions import current_version
from flows.runs import begin_run
from flows.upgrade import (
    FORMAT,
    refuse_newer,
    this_release,
    undo_interrupted_0_1,
    upgrade,
    warehouse_format,
)
from flows.work_file import open_database, work_file, work_folder
from tests.conftest import REPOSITORY, Refresh
from tests.published_rows import published_rows
from tests.tea_shop import HEADER, MAPPING

RELEASE_0_1 = "beeb3c2"
# The last commit whose order lines do not say which source hands out their ids.
WITHOUT_ID_SOURCES = "b6eccbc"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def shape(connection: duckdb.DuckDBPyConnection) -> dict[str, set[tuple[object, ...]]]:
    """Columns with type, default and nullability, and keys, of each table of raw and state."""
    found: dict[str, set[tuple[object, ...]]] = {}
    for table, *column in connection.execute(
        """
        select schema_name || '.' || table_name, column_name, data_type, column_default, is_nullable
        from duckdb_columns() where schema_name in ('raw', 'state')
        union all
        select
            schema_name || '.' || table_name, array_to_string(constraint_column_names, ','),
            constraint_type, null, null
        from duckdb_constraints()
        where schema_name in ('raw', 'state') and constraint_type = 'PRIMARY KEY'
        """
    ).fetchall():
        found.setdefault(table, set()).add(tuple(column))
    return found


def test_a_new_file_has_all_tables_and_its_format(connection: duckdb.DuckDBPyConnection) -> None:
    assert warehouse_format(connection) is None
    assert upgrade(connection) == []
    assert warehouse_format(connection) == FORMAT
    assert connection.execute(
        "select regulars_version, duckdb_version from state.warehouse"
    ).fetchall() == [(this_release(), duckdb.__version__)]
    before = shape(connection)
    assert upgrade(connection) == []
    assert shape(connection) == before


def test_a_warehouse_without_a_format_is_an_older_releases(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    create_raw_tables(connection)
    wanted = shape(connection)
    began = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    connection.execute("drop table state.warehouse")
    connection.execute("alter table state.runs drop column fingerprint")
    connection.execute(
        "insert into state.runs (run_id, started_at, status) values ('1', ?, 'published')", [began]
    )
    connection.execute("alter table raw.products drop column package_size")
    connection.execute("insert into raw.products (product_id, source) values ('tea', 'shop')")
    connection.execute("create table raw.no_longer_known as select 1 as one")
    connection.execute("alter table raw.stores add column no_longer_known varchar")

    assert upgrade(connection) == [
        "format 1",
        "column raw.products.package_size",
        "column state.runs.fingerprint",
        "table state.warehouse",
    ]
    found = shape(connection)
    assert found.pop("raw.no_longer_known") == {("one", "INTEGER", None, True)}
    found["raw.stores"].remove(("no_longer_known", "VARCHAR", None, True))
    assert found == wanted
    assert connection.execute("select product_id, package_size from raw.products").fetchall() == [
        ("tea", None)
    ]
    assert connection.execute("select format, created_at from state.warehouse").fetchall() == [
        (FORMAT, began)
    ]
    assert upgrade(connection) == []


def test_rows_from_before_ids_had_sources_name_none(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    upgrade(connection)
    wanted = shape(connection)
    added = [
        (entity.name, source)
        for entity in ENTITIES.values()
        for source in entity.id_sources.values()
    ]
    for table, source in added:
        connection.execute(f"alter table raw.{table} drop column {source}")
    connection.execute(
        "insert into raw.order_lines (order_id, product_id, source) values ('1', 'tea', 'shop')"
    )
    assert sorted(upgrade(connection)) == [
        "column raw.account_owners.employee_source",
        "column raw.campaign_contacts.campaign_source",
        "column raw.costs.employee_source",
        "column raw.costs.store_source",
        "column raw.coupon_redemptions.campaign_source",
        "column raw.coupon_redemptions.coupon_source",
        "column raw.coupon_redemptions.order_source",
        "column raw.coupons.campaign_source",
        "column raw.coupons.product_source",
        "column raw.employees.store_source",
        "column raw.interactions.employee_source",
        "column raw.interactions.order_source",
        "column raw.loyalty_entries.order_source",
        "column raw.order_lines.campaign_source",
        "column raw.order_lines.employee_source",
        "column raw.order_lines.product_source",
        "column raw.order_lines.returned_order_source",
        "column raw.order_lines.store_source",
        "column raw.products.supplier_source",
        "column raw.web_events.product_source",
    ]
    assert shape(connection) == wanted
    assert connection.execute(
        "select product_id, product_source from raw.order_lines"
    ).fetchall() == [("tea", None)]
    assert upgrade(connection) == []


def test_columns_with_a_default_are_filled_and_held_to_it(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_raw_tables(connection)
    connection.execute(
        "insert into raw.sources values ('shop', 'A', 'UTC', null, 'orders', true, false)"
    )

    def of_a_later_release(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("create schema if not exists raw")
        connection.execute(
            "create table if not exists raw.sources ("
            "source varchar primary key, has_weights boolean not null default false)"
        )
        create_raw_tables(connection)

    monkeypatch.setattr(flows.upgrade, "create_raw_tables", of_a_later_release)
    assert "column raw.sources.has_weights" in upgrade(connection)
    assert connection.execute("select has_weights from raw.sources").fetchall() == [(False,)]
    with pytest.raises(duckdb.ConstraintException):
        connection.execute("update raw.sources set has_weights = null")
    connection.execute(
        "insert or replace into raw.sources by name select * replace ('B' as title) "
        "from raw.sources"
    )


def test_a_type_that_changed_without_a_migration_is_a_bug(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    create_raw_tables(connection)
    connection.execute("alter table raw.costs alter column amount type double")
    with pytest.raises(TypeError, match=r"raw\.costs\.amount is DOUBLE, not DECIMAL\(18,4\)"):
        upgrade(connection)


def test_migrations_run_once_in_order_and_each_whole(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(connection)
    connection.execute("insert into raw.costs (cost_id, kind) values ('1', 'sale')")
    fails = True

    def rename(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("update raw.costs set kind = 'selling' where kind = 'sale'")

    def count(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("insert into raw.costs (cost_id, kind) select '2', kind from raw.costs")
        if fails:
            raise ZeroDivisionError

    migrations = {FORMAT + 1: rename, FORMAT + 3: count}
    monkeypatch.setattr(flows.upgrade, "MIGRATIONS", migrations)
    monkeypatch.setattr(flows.upgrade, "FORMAT", FORMAT + 3)
    with pytest.raises(ZeroDivisionError):
        upgrade(connection)
    assert warehouse_format(connection) == FORMAT + 1
    assert connection.execute("select kind from raw.costs").fetchall() == [("selling",)]
    connection.execute("update raw.costs set kind = 'sale'")  # a second run would change it
    fails = False
    upgrade(connection)
    upgrade(connection)
    assert warehouse_format(connection) == FORMAT + 3
    assert connection.execute("select kind from raw.costs").fetchall() == [("sale",), ("sale",)]


# ---------- newer than we are


def test_a_newer_releases_warehouse_is_refused_and_left_alone(tmp_path: Path) -> None:
    work_folder(tmp_path).mkdir()
    begin_run(tmp_path)
    with open_database(work_file(tmp_path)) as connection:
        connection.execute("update state.warehouse set format = 99, regulars_version = '9.8.7'")
        before = connection.execute("from state.runs").fetchall()
    with pytest.raises(
        NewerWarehouseError, match=r"written by Regulars 9\.8\.7 in format 99; this is Regulars"
    ):
        begin_run(tmp_path)
    with open_database(work_file(tmp_path)) as connection:
        assert connection.execute("from state.runs").fetchall() == before
        with pytest.raises(NewerWarehouseError):
            refuse_newer(connection)


def test_the_refresh_says_so_to_people(tmp_path: Path, prefect_api: str) -> None:
    work_folder(tmp_path / "warehouse").mkdir(parents=True)
    begin_run(tmp_path / "warehouse")
    with open_database(work_file(tmp_path / "warehouse")) as connection:
        connection.execute("update state.warehouse set format = 99, regulars_version = '9.8.7'")
    (tmp_path / "landing" / "complete_journey").mkdir(parents=True)
    refused = run_command(tmp_path, prefect_api, "refresh")
    assert refused.returncode == 1
    assert "written by Regulars 9.8.7 in format 99" in " ".join(refused.stderr.split())
    assert "bug" not in refused.stderr


def newer_file(path: Path) -> None:
    """A file whose header is as DuckDB 2.0 writes it; nothing behind it is read."""
    with duckdb.connect(path) as connection:
        connection.execute("create table t as select 1 as one")
    content = bytearray(path.read_bytes())
    content[12:20] = (999).to_bytes(8, "little")
    content[52:60] = b"v2.0.0\0\0"
    content[0:8] = _checksum(bytes(content[8:4096])).to_bytes(8, "little")
    path.write_bytes(content)


def _checksum(block: bytes) -> int:
    """DuckDB's checksum of a block, whose length is a multiple of eight."""
    result = 5381
    for start in range(0, len(block), 8):
        word = int.from_bytes(block[start : start + 8], "little")
        result ^= word * 0xBF58476D1CE4E5B9 % 2**64
    return result


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_of_a_newer_duckdb_is_refused_with_a_clear_word(
    tmp_path: Path, read_only: bool
) -> None:
    newer_file(tmp_path / "regulars.duckdb")
    with pytest.raises(
        NewerWarehouseError, match=r"regulars\.duckdb was written by a newer DuckDB \(v2\.0\.0\)"
    ):
        connect(tmp_path / "regulars.duckdb", read_only=read_only)


def test_readers_of_a_newer_published_file_are_told(tmp_path: Path, prefect_api: str) -> None:
    version = tmp_path / "warehouse" / "versions" / "1"
    version.mkdir(parents=True)
    newer_file(version / "regulars.duckdb")
    (tmp_path / "warehouse" / "current").symlink_to("versions/1")
    for command in (["status"], ["sql", "select 1"]):
        refused = run_command(tmp_path, prefect_api, *command)
        assert refused.returncode == 1
        assert "written by a newer DuckDB (v2.0.0)" in " ".join(refused.stderr.split())


def test_other_errors_of_duckdb_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "regulars.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(duckdb.IOException, match="not a valid DuckDB database file"):
        connect(tmp_path / "regulars.duckdb")


# ---------- release 0.1


def run_command(
    folder: Path, prefect_api: str, *arguments: str, code: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder; `code`: of another release."""
    environment = os.environ | {"PREFECT_API_URL": prefect_api, "COLUMNS": "100"}
    if code is not None:
        environment["PYTHONPATH"] = str(code)
    return subprocess.run(
        [sys.executable, "-c", "from regulars.cli import app; app()", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def code_of(commit: str, folder: Path) -> Path:
    """The code of an older commit, from this repository's history."""
    archive = subprocess.run(
        ["git", "-C", REPOSITORY, "archive", commit], capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"no commit {commit}: this is no checkout with its history")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder / commit, filter="data")
    return folder / commit


FIRST = HEADER + "1,Ann,tea,2026-01-05 10:00,2,3.50\n2,Bob,tea,2026-02-10 18:30,1,3.50\n"
SECOND = HEADER + "2,Bob,tea,2026-02-10 18:30,3,3.50\n3,,cup,2026-02-11 12:00,1,9.00\n"


@pytest.mark.slow  # installs and runs the commit before it
def test_a_warehouse_of_release_0_1_is_upgraded_by_the_next_refresh(
    tmp_path: Path, prefect_api: str, refresh: Refresh
) -> None:
    release_0_1 = code_of(RELEASE_0_1, tmp_path)
    shop = tmp_path / "landing" / "shop"
    shop.mkdir(parents=True)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "shop.yml").write_text(MAPPING)
    (shop / "orders1.csv").write_text(FIRST)
    made = run_command(tmp_path, prefect_api, "refresh", code=release_0_1)
    assert made.returncode == 0, made.stdout + made.stderr
    first = current_version(tmp_path / "warehouse")
    with duckdb.connect(work_file(tmp_path / "warehouse"), read_only=True) as connection:
        assert warehouse_format(connection) == 0

    (shop / "orders2.csv").write_text(SECOND)
    refresh(tmp_path / "landing", tmp_path / "warehouse")
    with duckdb.connect(work_file(tmp_path / "warehouse"), read_only=True) as connection:
        assert warehouse_format(connection) == FORMAT
        assert connection.execute("select count(*) from raw.loads").fetchone() == (2,)
        assert connection.execute(
            "select run_id, status from state.runs order by run_id limit 1"
        ).fetchall() == [(first, "published")]
    refresh(tmp_path / "landing", tmp_path / "fresh")
    upgraded, fresh = (published_rows(tmp_path / name) for name in ("warehouse", "fresh"))
    assert upgraded["core.fct_orders"] != []
    assert upgraded == fresh


@pytest.mark.slow  # runs the commit before it
def test_a_warehouse_from_before_ids_had_sources_is_upgraded_by_the_next_refresh(
    tmp_path: Path, prefect_api: str, refresh: Refresh
) -> None:
    shop = tmp_path / "landing" / "shop"
    shop.mkdir(parents=True)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "shop.yml").write_text(MAPPING)
    (shop / "orders1.csv").write_text(FIRST)
    code = code_of(WITHOUT_ID_SOURCES, tmp_path)
    made = run_command(tmp_path, prefect_api, "refresh", code=code)
    assert made.returncode == 0, made.stdout + made.stderr
    with duckdb.connect(work_file(tmp_path / "warehouse"), read_only=True) as connection:
        assert "product_source" not in connection.table("raw.order_lines").columns

    refresh(tmp_path / "landing", tmp_path / "warehouse")
    refresh(tmp_path / "landing", tmp_path / "first")
    upgraded, first = (published_rows(tmp_path / name) for name in ("warehouse", "first"))
    assert upgraded["core.fct_orders"] != []
    assert upgraded == first
    (shop / "orders2.csv").write_text(SECOND)
    refresh(tmp_path / "landing", tmp_path / "warehouse")
    with duckdb.connect(work_file(tmp_path / "warehouse"), read_only=True) as connection:
        assert connection.execute(
            "select source_file from raw.loads order by load_id"
        ).fetchall() == [("shop/orders1.csv",), ("shop/orders2.csv",)]
        assert connection.execute("select mode from state.runs order by run_id").fetchall() == [
            ("all",),
            ("all",),
            ("affected",),
        ]
    refresh(tmp_path / "landing", tmp_path / "fresh")
    assert published_rows(tmp_path / "warehouse") == published_rows(tmp_path / "fresh")


def test_this_release_is_not_called_as_the_one_without_a_format() -> None:
    assert not this_release().startswith("0.1")


def test_a_killed_refresh_of_release_0_1_is_undone(tmp_path: Path) -> None:
    work_folder(tmp_path).mkdir()
    path = work_file(tmp_path)
    copy = path.with_name("before_refresh.duckdb")
    for file, name in ((path, "half"), (copy, "whole")):
        with duckdb.connect(file) as connection:
            connection.execute(f"create table {name} as select 1 as one")
    path.with_name(path.name + ".wal").write_bytes(b"of the half-built file")
    undo_interrupted_0_1(tmp_path)
    assert [file.name for file in work_folder(tmp_path).iterdir()] == [path.name]
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.execute("select table_name from duckdb_tables()").fetchall() == [
            ("whole",)
        ]
    undo_interrupted_0_1(tmp_path)  # nothing to do
    assert path.is_file()
