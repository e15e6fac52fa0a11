"""The record of runs in `state`: when each began, how it ended, how long each stage took."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from flows.load.raw_tables import create_raw_tables
from flows.stages import Stage
from flows.work_file import open_work_file, work_folder


def begin_run(warehouse: Path) -> str:
    """Record a new run and return its id, its start in UTC; runs left "running" are marked failed.

    The id is also the version that the run publishes: ids sort by time.
    """
    started_at = datetime.now(UTC)
    run_id = f"{started_at:%Y%m%dT%H%M%S}{started_at.microsecond // 1000:03}Z"
    with open_work_file(warehouse) as connection:
        create_raw_tables(connection)
        connection.execute(
            """
            update state.runs
            set status = 'failed', finished_at = ?, error = 'ended without a word (killed?)'
            where status = 'running'
            """,
            [started_at],
        )
        connection.execute(
            "insert into state.runs (run_id, started_at, status) values (?, ?, 'running')",
            [run_id, started_at],
        )
    return run_id


def record_stages(
    warehouse: Path, run_id: str, as_of_date: date | None, stages: Sequence[Stage]
) -> None:
    """Write the stages finished so far, so that the marts of this run can show them."""
    with open_work_file(warehouse) as connection:
        connection.execute(
            "update state.runs set as_of_date = ?, version = ? where run_id = ?",
            [as_of_date, run_id, run_id],
        )
        connection.executemany(
            "insert or replace into state.run_stages values (?, ?, ?, ?, ?, ?)",
            [[run_id, s.name, s.started_at, s.seconds, s.rows_in, s.rows_out] for s in stages],
        )


def end_run(warehouse: Path, run_id: str, error: str | None = None) -> None:
    """Close the record of a run: published, or failed with the error's text.

    A failure is also left in a small file beside the work file, for `regulars status`: whoever asks
    must not open the work file, lest a starting refresh finds it locked.
    """
    failure = _failure_file(warehouse)
    if error is None:
        failure.unlink(missing_ok=True)
    else:
        failure.write_text(json.dumps({"run_id": run_id, "error": error}), encoding="utf-8")
    with open_work_file(warehouse) as connection:
        connection.execute(
            """
            update state.runs
            set
                status = if(? is null, 'published', 'failed'),
                finished_at = ?,
                error = ?
            where run_id = ?
            """,
            [error, datetime.now(UTC), error, run_id],
        )


def last_failure(warehouse: Path) -> tuple[str, str] | None:
    """The id and the error of the newest run, where that run failed; None where it published."""
    try:
        record = json.loads(_failure_file(warehouse).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return str(record["run_id"]), str(record["error"])


def _failure_file(warehouse: Path) -> Path:
    return work_folder(warehouse) / "last_failure.json"
