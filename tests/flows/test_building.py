"""The copy that a refresh builds in: kept where its version became current, else thrown away."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from flows.building import (
    DiskFullError,
    begin_building,
    building_file,
    is_full_disk,
    is_unsettled,
    make_durable,
    settle,
    telling_of_a_full_disk,
)
from flows.database_errors import hiding_values
from flows.database_file import log_of
from flows.dbt import DbtError
from flows.dbt_errors import told_of
from flows.held_folder import held_folder
from flows.load.loader import LoadError
from flows.privacy.journal import ErasurePlan, read_journal, write_journal
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


def test_all_that_is_built_is_on_disk_before_the_switch(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = set()
    sync = os.fsync

    def listening(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", listening)
    database = begin_building(warehouse, "1")
    make_durable(warehouse)
    # The names too: a file's stands in its folder, the folder's in the one above.
    folder = database.parent
    assert {database, folder / "version", folder, work_folder(warehouse)} <= synced


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


def leave_in_the_log(database: Path, query: str) -> None:
    """Change a database so that the change stays in its log, as where there is no room for more."""
    with open_database(database) as connection:
        connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute(query)
    assert log_of(database).is_file()


def test_the_copy_holds_what_was_in_the_log(warehouse: Path) -> None:
    leave_in_the_log(work_file(warehouse), "create table in_the_log as select 1 as one")
    begin_building(warehouse, "1")
    make_durable(warehouse)
    write_version(warehouse, "1")
    switch_to(warehouse, "1")
    settle(warehouse)
    assert tables_of(warehouse) == ["before", "in_the_log"]
    assert left_in_work(warehouse) == {"regulars.duckdb"}


def test_no_copy_is_built_in_that_would_lack_what_is_in_the_log(warehouse: Path) -> None:
    leave_in_the_log(work_file(warehouse), "create table in_the_log as select 1 as one")
    with duckdb.connect(work_file(warehouse)) as other:
        other.execute("begin")
        other.execute("create table of_the_other as select 1 as one")  # its log cannot go now
        with pytest.raises(duckdb.TransactionException, match="CHECKPOINT"):
            begin_building(warehouse, "1")
    assert not building_file(warehouse).exists()


KILL_AT = """
import os, signal, sys
steps = int(sys.argv[2])
def hear(event, arguments):
    global steps
    if event in ("os.remove", "os.rename", "os.rmdir"):
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
def call(function, *arguments):
    sys.addaudithook(hear)  # before each step
    function(*arguments)
"""
SETTLE = """
from pathlib import Path
from flows.building import settle
call(settle, Path(sys.argv[1]))
"""


def killed_at_step(script: str, warehouse: Path, step: int) -> bool:
    """Run a script that makes its call; returns whether it was killed, at this step on files."""
    command = [sys.executable, "-c", KILL_AT + script, warehouse, str(step)]
    code = subprocess.run(command, check=False).returncode
    assert code in (0, -9)
    return code == -9


def test_the_log_of_the_file_that_goes_reaches_no_other(tmp_path: Path) -> None:
    """Killed at any step of keeping what was built, the record of runs is as it was built."""
    prepared = tmp_path / "prepared"
    work_folder(prepared).mkdir(parents=True)
    begin_run(prepared)
    insert = "insert into state.runs (run_id, started_at, status) values ('2', now(), '{}')"
    with open_database(begin_building(prepared, "1")) as connection:
        connection.execute(insert.format("published"))
    leave_in_the_log(work_file(prepared), insert.format("running"))
    write_version(prepared, "1")
    switch_to(prepared, "1")
    steps = 0
    while True:
        warehouse = tmp_path / str(steps)
        shutil.copytree(prepared, warehouse, symlinks=True)
        was_killed = killed_at_step(SETTLE, warehouse, steps)
        settle(warehouse)
        with open_database(work_file(warehouse)) as connection:
            found = connection.execute("select status from state.runs where run_id = '2'")
            assert found.fetchall() == [("published",)], steps
        assert left_in_work(warehouse) == {"regulars.duckdb"}
        if not was_killed:
            break
        steps += 1
    assert steps >= 4  # the log, the switch, the version's name and the folder


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


WRITE_JOURNAL = """
from pathlib import Path
from flows.privacy.journal import ErasurePlan, write_journal
plan = ErasurePlan("shop", ("shop:7",), ("7",), ("Canaria Fullname",))
call(write_journal, Path(sys.argv[1]), [plan])
"""


def test_half_a_journal_of_an_erasure_is_removed(warehouse: Path) -> None:
    write_journal(warehouse, [ErasurePlan("shop", ("shop:5",), ("5",))])
    assert killed_at_step(WRITE_JOURNAL, warehouse, 1)  # written, and not yet in its place
    holding = [
        path.name
        for path in work_folder(warehouse).iterdir()
        if b"Canaria Fullname" in path.read_bytes()
    ]
    assert len(holding) == 1
    settle(warehouse)
    assert left_in_work(warehouse) == {"regulars.duckdb", "forgetting.json"}
    assert [plan.customers for plan in read_journal(warehouse)] == [("shop:5",)]


def test_no_room_for_what_duckdb_spills_is_a_full_disk(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "small.duckdb") as connection:
        connection.execute("set memory_limit = '30MB'; set threads = 1")
        connection.execute("set max_temp_directory_size = '1MB'")  # else what is free on the disk
        with pytest.raises(DiskFullError), telling_of_a_full_disk(tmp_path), hiding_values():
            connection.execute(
                "create table sorted as select hash(range) as h from range(9_000_000) order by h"
            )


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        LoadError("shop.yml, file lines.xlsx: it cannot be read: No space left on device"),
        *(
            DbtError(f"dbt build: 1 failed\n  stores: {told_of(said)}")
            for said in (
                "[Errno 28] No space left on device: 'dbt/manifest.json'",
                "[Errno 122] Disk quota exceeded: 'dbt/manifest.json'",
                "Runtime Error in model stores (models/core/stores.sql)\n"
                "  IO Error: Could not write file '/x': No space left on device",
                "Runtime Error in model stores (models/core/stores.sql)\n  FATAL Error: Failed "
                "to commit 'Zhang Wei': Could not write file '/x': No space left on device",
            )
        ),
    ],
)
def test_a_full_disk_is_told_in_one_wording_wherever_it_hits(
    tmp_path: Path, error: Exception
) -> None:
    assert is_full_disk(error)
    said = r"no room was left in /.* MB are free again"
    with pytest.raises(DiskFullError, match=said), telling_of_a_full_disk(tmp_path):
        raise error


def test_no_other_error_is_taken_for_a_full_disk(tmp_path: Path) -> None:
    said = "Runtime Error in model stores (x.sql)\n  Conversion Error: could not convert 'x'"
    with pytest.raises(DbtError, match=r"Conversion Error$"), telling_of_a_full_disk(tmp_path):
        raise DbtError(told_of(said))


def test_what_needs_room_for_the_copy_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"^it needs 5 MB$"), telling_of_a_full_disk(tmp_path):
        raise DiskFullError("it needs 5 MB") from OSError(errno.ENOSPC, "No space left on device")


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
