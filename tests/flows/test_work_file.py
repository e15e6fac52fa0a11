"""One refresh at a time, and the record of runs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.runs import Trouble, begin_run, end_run, keep_trouble, last_trouble
from flows.work_file import (
    RefreshInProgressError,
    open_database,
    sole_refresh,
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


HOLDER = """
import sys, time
from pathlib import Path
from flows.work_file import sole_refresh
with sole_refresh(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(warehouse: Path, seconds: float) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(warehouse), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_refresh_waits_for_another_process(tmp_path: Path) -> None:
    with hold(tmp_path, 1.0), sole_refresh(tmp_path, wait_seconds=60):
        pass


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with hold(tmp_path, 600) as holder:
        with pytest.raises(RefreshInProgressError), sole_refresh(tmp_path):
            pass
        holder.kill()
        holder.wait()
        deadline = time.monotonic() + 10
        with sole_refresh(tmp_path, wait_seconds=deadline - time.monotonic()):
            pass


def test_a_run_that_ended_without_a_word_is_marked_failed(tmp_path: Path) -> None:
    work_folder(tmp_path).mkdir()
    first = begin_run(tmp_path)
    with open_database(work_file(tmp_path)) as connection:
        # The second run of the same millisecond would have the same id.
        connection.execute("update state.runs set run_id = 'killed'")
    second = begin_run(tmp_path)
    with open_database(work_file(tmp_path)) as connection:
        end_run(connection, second, "published")
        assert connection.execute(
            "select run_id, status, version, finished_at is not null "
            "from state.runs order by started_at"
        ).fetchall() == [("killed", "failed", None, True), (second, "published", second, True)]
    assert first <= second


def test_ids_of_runs_rise_though_the_clock_was_set_back(tmp_path: Path) -> None:
    work_folder(tmp_path).mkdir()
    begin_run(tmp_path)
    with open_database(work_file(tmp_path)) as connection:
        connection.execute("update state.runs set run_id = '20991231T235959999Z'")
    assert begin_run(tmp_path) == "21000101T000000000Z"
    assert begin_run(tmp_path) == "21000101T000000001Z"


def test_a_failed_run_keeps_its_error(tmp_path: Path) -> None:
    work_folder(tmp_path).mkdir()
    run = begin_run(tmp_path)
    error = "transactions.csv: column Price is not there"
    keep_trouble(tmp_path, Trouble(run, error))
    with open_database(work_file(tmp_path)) as connection:
        end_run(connection, run, "failed", error)
        assert connection.execute("select status, error from state.runs").fetchall() == [
            ("failed", error)
        ]
    assert last_trouble(tmp_path) == Trouble(run, error)
    keep_trouble(tmp_path, None)
    assert last_trouble(tmp_path) is None


def test_only_the_refreshs_own_user_may_look(tmp_path: Path) -> None:
    with sole_refresh(tmp_path):
        assert work_folder(tmp_path).stat().st_mode & 0o777 == 0o700
