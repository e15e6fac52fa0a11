"""Publishing by version folder and one switch: readers see whole versions, and no personal data."""

import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from flows.publish.bi_file import write_bi_file
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

COLUMNS = {
    ("core", "dim_customers"): {"customer_id", "country", "gone"},
    ("marts", "rfm"): None,
    ("marts", "a"): None,
    ("marts", "b"): None,
}


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
    write_bi_file(work, folder, COLUMNS)
    folder.rename(version_folder(warehouse, version))
    switch_to(warehouse, version)


def test_the_bi_file_holds_published_schemas_without_personal_columns(
    work: Path, tmp_path: Path
) -> None:
    rows = write_bi_file(work, unfinished_folder(tmp_path, "1"), COLUMNS)
    assert rows == 1001
    with duckdb.connect(tmp_path / "versions/.1/regulars.duckdb", read_only=True) as connection:
        assert connection.execute("from core.dim_customers").fetchall() == [("web:1", "CN")]
        assert connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() order by all"
        ).fetchall() == [("core.dim_customers",), ("marts.rfm",)]
        assert connection.execute("select comment from duckdb_tables() order by 1").fetchall() == [
            ("It's who buys",),
            (None,),
        ]
        assert ("Where they live",) in connection.execute(
            "select comment from duckdb_columns()"
        ).fetchall()


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
