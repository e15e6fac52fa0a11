"""One refresh at a time, and the record of runs."""

from pathlib import Path

import pytest

from flows.runs import begin_run, end_run, last_failure
from flows.work_file import RefreshInProgressError, open_work_file, sole_refresh


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
    end_run(tmp_path, begin_run(tmp_path))
    assert last_failure(tmp_path) is None
