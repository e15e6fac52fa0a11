"""One refresh at a time, and the record of runs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.runs import (
    Trouble,
    begin_run,
    could_not_begin,
    end_run,
    keep_trouble,
    last_trouble,
)
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
    first = begin_run(tmp_path).run_id
    with open_database(work_file(tmp_path)) as connection:
        # The second run of the same millisecond would have the same id.
        connection.execute("update state.runs set run_id = 'killed'")
    second, killed = begin_run(tmp_path)
    assert [(one.run_id, one.is_published) for one in killed] == [("killed", False)]
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
    assert begin_run(tmp_path).run_id == "21000101T000000000Z"
    assert begin_run(tmp_path).run_id == "21000101T000000001Z"


@pytest.mark.parametrize(
    ("after", "run_id"),
    [
        ("20991231T235959999Z", "21000101T000000000Z"),
        ("20200101T000000000Z", "20500101T000000001Z"),  # the warehouse has a newer one
        ("20990101T000000Z", "20500101T000000001Z"),  # no id of ours
    ],
)
def test_a_run_begins_after_one_that_is_not_recorded_here(
    tmp_path: Path, after: str, run_id: str
) -> None:
    work_folder(tmp_path).mkdir()
    begin_run(tmp_path)
    with open_database(work_file(tmp_path)) as connection:
        connection.execute("update state.runs set run_id = '20500101T000000000Z'")
    assert begin_run(tmp_path, after).run_id == run_id


def test_a_failed_run_keeps_its_error(tmp_path: Path) -> None:
    work_folder(tmp_path).mkdir()
    run = begin_run(tmp_path).run_id
    error = "transactions.csv: column Price is not there"
    keep_trouble(tmp_path, Trouble(run, error))
    with open_database(work_file(tmp_path)) as connection:
        end_run(connection, run, "failed", error)
        assert connection.execute("select status, error from state.runs").fetchall() == [
            ("failed", error)
        ]
    assert last_trouble(tmp_path) == Trouble(run, error)
    assert begin_run(tmp_path).killed == ()
    keep_trouble(tmp_path, None)
    assert last_trouble(tmp_path) is None


def test_a_failure_that_was_told_but_not_recorded_was_no_kill(tmp_path: Path) -> None:
    """As where the disk had room for the small file, not for the work file."""
    work_folder(tmp_path).mkdir()
    run = begin_run(tmp_path).run_id
    keep_trouble(tmp_path, Trouble(run, "no room was left"))
    assert begin_run(tmp_path).killed == ()
    with open_database(work_file(tmp_path)) as connection:
        assert connection.execute(
            "select status, error from state.runs where run_id = ?", [run]
        ).fetchall() == [("failed", "no room was left")]


def test_nor_was_it_where_no_run_could_begin_since(tmp_path: Path) -> None:
    work_folder(tmp_path).mkdir()
    run = begin_run(tmp_path).run_id
    keep_trouble(tmp_path, Trouble(run, "no room was left"))
    for _ in range(2):
        keep_trouble(tmp_path, could_not_begin(tmp_path, "no Prefect server"))
    assert begin_run(tmp_path).killed == ()
    with open_database(work_file(tmp_path)) as connection:
        ((error,),) = connection.execute(
            "select error from state.runs where run_id = ?", [run]
        ).fetchall()
    assert error == "what went wrong was told, but there was no room to record it"


@pytest.mark.parametrize("content", ["", "{", "\x00" * 100])
def test_what_a_power_cut_left_of_a_trouble_stops_no_run(tmp_path: Path, content: str) -> None:
    work_folder(tmp_path).mkdir()
    run = begin_run(tmp_path).run_id
    (work_folder(tmp_path) / "last_failure.json").write_text(content)
    assert last_trouble(tmp_path) is None
    assert [one.run_id for one in begin_run(tmp_path).killed] == [run]


def test_only_the_refreshs_own_user_may_look(tmp_path: Path) -> None:
    with sole_refresh(tmp_path):
        assert work_folder(tmp_path).stat().st_mode & 0o777 == 0o700
