"""One refresh at a time, and the record of runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.runs import begin_run, end_run, last_failure
from flows.work_file import (
    RefreshInProgressError,
    open_work_file,
    sole_refresh,
    undo_interrupted,
    undone_on_failure,
    work_file,
    work_folder,
)


def test_a_second_refresh_is_refused_with_a_clear_word(tmp_path: Path) -> None:
    with (
        sole_refresh(tmp_path),
        pytest.raises(RefreshInProgressError, match="another refresh is running"),
        sole_refresh(tmp_path),
    ):
        pass
    with sole_refresh(tmp_path):  # released
        pass


def test_a_run_that_ended_without_a_word_is_marked_failed(tmp_path: Path) -> None:
    first = begin_run(tmp_path)
    with open_work_file(tmp_path) as connection:
        # The second run of the same second would have the same id.
        connection.execute("update state.runs set run_id = 'killed'")
    second = begin_run(tmp_path)
    end_run(tmp_path, second)
    with open_work_file(tmp_path) as connection:
        assert connection.execute(
            "select run_id, status, finished_at is not null from state.runs order by started_at"
        ).fetchall() == [("killed", "failed", True), (second, "published", True)]
    assert first <= second


def test_a_failed_run_keeps_its_error(tmp_path: Path) -> None:
    run = begin_run(tmp_path)
    end_run(tmp_path, run, "transactions.csv: column Price is not there")
    with open_work_file(tmp_path) as connection:
        assert connection.execute("select status, error from state.runs").fetchall() == [
            ("failed", "transactions.csv: column Price is not there")
        ]
    assert last_failure(tmp_path) == (run, "transactions.csv: column Price is not there")
    end_run(tmp_path, run)
    assert last_failure(tmp_path) is None


def tables_of(warehouse: Path) -> list[str]:
    with open_work_file(warehouse) as connection:
        return [
            name
            for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()
        ]


def make_table(warehouse: Path, name: str) -> None:
    with open_work_file(warehouse) as connection:
        connection.execute(f"create table {name} as select 1 as one")


def test_what_a_failed_refresh_built_is_undone(tmp_path: Path) -> None:
    make_table(tmp_path, "before")

    def fail() -> None:
        with undone_on_failure(tmp_path):
            make_table(tmp_path, "broken")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert tables_of(tmp_path) == ["before"]
    with undone_on_failure(tmp_path):
        make_table(tmp_path, "good")
    assert tables_of(tmp_path) == ["before", "good"]
    assert [path.name for path in work_folder(tmp_path).iterdir()] == [work_file(tmp_path).name]


KILLED = """
import os, signal, sys
from pathlib import Path
from flows.work_file import open_work_file, undone_on_failure
with undone_on_failure(Path(sys.argv[1])), open_work_file(Path(sys.argv[1])) as connection:
    connection.execute("create table broken as select range as n from range(100000)")
    connection.execute("insert into broken select 1")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_refresh_built_is_undone_by_the_next(tmp_path: Path) -> None:
    make_table(tmp_path, "before")
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert killed.returncode == -9
    assert work_file(tmp_path).with_name("regulars.duckdb.wal").exists()
    undo_interrupted(tmp_path)
    assert tables_of(tmp_path) == ["before"]
    assert [path.name for path in work_folder(tmp_path).iterdir()] == [work_file(tmp_path).name]


def test_only_the_refreshs_own_user_may_look(tmp_path: Path) -> None:
    begin_run(tmp_path)
    assert work_folder(tmp_path).stat().st_mode & 0o777 == 0o700
