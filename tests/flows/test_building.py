"""The copy that a refresh builds in: kept where its version became current, else thrown away."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.building import begin_building, building_file, is_unsettled, make_durable, settle
from flows.held_folder import held_folder
from flows.publish.versions import (
    current_version,
    switch_to,
    unfinished_folder,
    version_folder,
    versions,
)
from flows.runs import begin_run
from flows.work_file import open_database, work_file, work_folder
from tests.faults.volume import volume_at


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


def test_a_version_is_unsettled_from_the_switch_until_its_work_file_is_kept(
    warehouse: Path,
) -> None:
    assert not is_unsettled(warehouse)
    begin_building(warehouse, "1")
    write_version(warehouse, "1")
    assert not is_unsettled(warehouse)
    switch_to(warehouse, "1")
    assert is_unsettled(warehouse)
    settle(warehouse)
    assert not is_unsettled(warehouse)


def test_leftovers_of_killed_processes_go_and_a_living_backup_stays(warehouse: Path) -> None:
    work = work_folder(warehouse)
    for name in (".123.backup", "regulars.duckdb.compacting", "regulars.duckdb.tmp"):
        (work / name).mkdir()
        (work / name / "regulars.duckdb").write_bytes(b"names and contacts")
    for name in (".last_audit.duckdb", ".last_audit.duckdb.wal", ".last_failure.json"):
        (work / name).write_bytes(b"half")
    (warehouse / ".current").symlink_to("versions/0")
    with held_folder(work, ".456.backup"):
        (work / ".123.backup").mkdir(exist_ok=True)  # gone already: a backup removes such, too
        settle(warehouse)
        assert left_in_work(warehouse) == {"regulars.duckdb", ".456.backup"}
    assert not (warehouse / ".current").is_symlink()


def test_what_cannot_be_removed_now_stops_nothing(
    warehouse: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a network drive, where a file that a reader holds open cannot go."""
    stuck = warehouse / "versions" / ".1.removed"
    stuck.parent.mkdir()
    with volume_at(stuck, 1_000_000):  # a folder that is a volume cannot be removed
        assert settle(warehouse) is None
        assert stuck.is_dir()
        assert "could not be removed now" in caplog.text
    settle(warehouse)
    assert not stuck.exists()


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
