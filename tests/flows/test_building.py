"""The copy that a refresh builds in: kept where its version became current, else thrown away."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.building import begin_building, building_file, make_durable, settle
from flows.publish.versions import (
    current_version,
    switch_to,
    unfinished_folder,
    version_folder,
    versions,
)
from flows.runs import begin_run
from flows.work_file import open_database, work_file, work_folder


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A warehouse with a work file."""
    work_folder(tmp_path).mkdir()
    begin_run(tmp_path)
    make_table(work_file(tmp_path), "before")
    return tmp_path


def make_table(database: Path, name: str) -> None:
    with open_database(database) as connection:
        connection.execute(f"create table {name} as select 1 as one")


def tables_of(warehouse: Path) -> list[str]:
    with open_database(work_file(warehouse)) as connection:
        return [
            name
            for (name,) in connection.execute(
                "select table_name from duckdb_tables() where schema_name = 'main' order by all"
            ).fetchall()
        ]


def left_in_work(warehouse: Path) -> set[str]:
    return {path.name for path in work_folder(warehouse).iterdir()}


def write_version(warehouse: Path, version: str) -> None:
    folder = unfinished_folder(warehouse, version)
    (folder / "regulars.duckdb").write_bytes(b"")
    folder.rename(version_folder(warehouse, version))


def test_what_was_not_published_is_thrown_away(warehouse: Path) -> None:
    make_table(begin_building(warehouse, "1"), "broken")
    write_version(warehouse, "1")
    assert settle(warehouse) is None
    assert tables_of(warehouse) == ["before"]
    assert left_in_work(warehouse) == {"regulars.duckdb"}
    assert versions(warehouse) == []


def test_what_was_published_is_kept(warehouse: Path) -> None:
    make_table(begin_building(warehouse, "1"), "good")
    make_durable(warehouse)
    write_version(warehouse, "1")
    switch_to(warehouse, "1")
    assert settle(warehouse) == "1"
    assert tables_of(warehouse) == ["before", "good"]
    assert left_in_work(warehouse) == {"regulars.duckdb"}
    assert settle(warehouse) is None  # again: nothing is left to do
    assert tables_of(warehouse) == ["before", "good"]


def test_a_kept_copy_whose_folder_is_still_there_does_no_harm(warehouse: Path) -> None:
    make_table(begin_building(warehouse, "1"), "good")
    write_version(warehouse, "1")
    switch_to(warehouse, "1")
    building_file(warehouse).replace(work_file(warehouse))  # killed right after this step
    settle(warehouse)
    assert tables_of(warehouse) == ["before", "good"]
    assert left_in_work(warehouse) == {"regulars.duckdb"}


KILLED = """
import os, signal, sys
from pathlib import Path
from flows.building import begin_building
from flows.work_file import open_database
with open_database(begin_building(Path(sys.argv[1]), "1")) as connection:
    connection.execute("create table broken as select range as n from range(100000)")
    connection.execute("insert into broken select 1")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_refresh_built_is_thrown_away_by_the_next(warehouse: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, warehouse], check=False)
    assert killed.returncode == -9
    assert building_file(warehouse).with_name("regulars.duckdb.wal").exists()
    settle(warehouse)
    assert tables_of(warehouse) == ["before"]
    assert left_in_work(warehouse) == {"regulars.duckdb"}
    assert current_version(warehouse) is None
