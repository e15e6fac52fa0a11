"""The record of runs in `state`: when each began, how it ended, how long each stage took."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import duckdb

from flows.stages import Stage
from flows.upgrade import upgrade
from flows.work_file import open_database, work_file, work_folder

Outcome = Literal["published", "nothing new", "failed"]


class Trouble(NamedTuple):
    """What went wrong in a run.

    Attributes:
        run_id: the run; None where it failed before it had an id.
        message: what went wrong, for people.
        is_published: whether its version was published all the same.
        told_before: where the run has no id, the one that was told of last, if any.
    """

    run_id: str | None
    message: str
    is_published: bool = False
    told_before: str | None = None

    def tells_of(self, run_id: str) -> bool:
        """Whether people were told of a run's trouble."""
        return run_id in (self.run_id, self.told_before)


class BegunRun(NamedTuple):
    """A run that has just begun, and what it found of runs before.

    Attributes:
        run_id: its id, its start in UTC; also the version that it publishes. Ids sort in the order
            of the runs, even where the clock was set back: the newest run is the one of the
            greatest id.
        killed: runs that ended without a word, of which nobody was told yet; oldest first.
    """

    run_id: str
    killed: tuple[Trouble, ...]


def begin_run(warehouse: Path, after: str | None = None) -> BegunRun:
    """Record a new run; runs left "running" are marked failed.

    Args:
        warehouse: the warehouse folder; the caller holds its lock.
        after: the id of a run that is not recorded here yet and came before, as of a backup.

    Raises:
        NewerWarehouseError: a newer release wrote the work file; nothing was changed.
    """
    killed = []
    with open_database(work_file(warehouse)) as connection:
        upgrade(connection)
        started_at = datetime.now(UTC)
        run_id = _next_id(connection, started_at, after)
        left = connection.execute(
            "select run_id, started_at from state.runs where status = 'running' order by run_id"
        ).fetchall()
        # On a full disk a failure may have been told without room left to record it.
        told = last_trouble(warehouse) if left else None
        connection.begin()
        for left_id, began_at in left:
            if told is None or not told.tells_of(left_id):
                killed.append(killed_run(left_id, began_at))
                message = killed[-1].message
            elif told.run_id == left_id:
                message = told.message
            else:
                message = "what went wrong was told, but there was no room to record it"
            end_run(connection, left_id, "failed", message)
        connection.execute(
            "insert into state.runs (run_id, started_at, status) values (?, ?, 'running')",
            [run_id, started_at],
        )
        connection.commit()
    return BegunRun(run_id, tuple(killed))


def killed_run(run_id: str, began_at: datetime) -> Trouble:
    """What people should know of a run whose process is gone and that did not say how it ended."""
    return Trouble(
        run_id,
        f"it began at {began_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC and was killed: no memory was "
        "left, the power was cut, the machine restarted, or somebody ended it. It published "
        "nothing: the last version stays. The next refresh does its work again; a `forget` or "
        "`restore` must be called again. Where it is killed night after night, ask the kernel "
        "whether memory ran out: journalctl -k --grep 'out of memory'",
    )


def could_not_begin(warehouse: Path, why: str) -> Trouble:
    """What people should know of a run that failed before it had an id."""
    now, before = datetime.now(UTC), last_trouble(warehouse)
    return Trouble(
        None,
        f"no refresh could begin at {now:%Y-%m-%d %H:%M} UTC: {why}",
        told_before=before and (before.run_id or before.told_before),
    )


def why_it_failed(error: BaseException) -> str:
    """What people should know of a run that an error ended: the error's words, where it has any."""
    if isinstance(error, KeyboardInterrupt):
        return (
            "it was interrupted (Ctrl-C) and published nothing: the last version stays. Next: "
            "`regulars refresh` does its work again; a `forget` or `restore` must be called again"
        )
    return str(error) or type(error).__name__


def _next_id(connection: duckdb.DuckDBPyConnection, now: datetime, after: str | None) -> str:
    row = connection.execute(
        r"""
        select max(run_id)
        from (select run_id from state.runs union all select $after)
        where regexp_full_match(run_id, '\d{8}T\d{9}Z')
        """,
        {"after": after},
    ).fetchone()
    if row and row[0]:
        newest = datetime.strptime(row[0][:-1] + "000Z", "%Y%m%dT%H%M%S%f%z")
        now = max(now, newest + timedelta(milliseconds=1))
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}Z"


def record_build(
    connection: duckdb.DuckDBPyConnection, run_id: str, mode: str, fingerprint: str
) -> None:
    """Write what a run builds (`all` or `affected`) and from which project and settings."""
    connection.execute(
        "update state.runs set mode = ?, fingerprint = ? where run_id = ?",
        [mode, fingerprint, run_id],
    )


def last_published(connection: duckdb.DuckDBPyConnection) -> tuple[str, str] | None:
    """The version and the fingerprint of the newest published run; None before the first."""
    return connection.execute(
        """
        select version, coalesce(fingerprint, '') from state.runs
        where status = 'published'
        order by run_id desc
        limit 1
        """
    ).fetchone()


def record_stages(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    as_of_date: date | None,
    stages: Sequence[Stage],
) -> None:
    """Write the stages finished so far, so that the marts of this run can show them."""
    connection.execute(
        "update state.runs set as_of_date = ? where run_id = ?", [as_of_date, run_id]
    )
    if not stages:
        return
    connection.executemany(
        "insert or replace into state.run_stages values (?, ?, ?, ?, ?, ?)",
        [[run_id, s.name, s.started_at, s.seconds, s.rows_in, s.rows_out] for s in stages],
    )


def end_run(
    connection: duckdb.DuckDBPyConnection, run_id: str, outcome: Outcome, error: str | None = None
) -> None:
    """Close the record of a run.

    A published run is closed in the copy that it built, just before its version is switched to;
    every other in the work file.
    """
    connection.execute(
        """
        update state.runs
        set
            status = $outcome,
            finished_at = $now,
            version = if($outcome = 'published', run_id, null),
            error = $error
        where run_id = $run_id
        """,
        {"outcome": outcome, "now": datetime.now(UTC), "error": error, "run_id": run_id},
    )


def record_trouble(connection: duckdb.DuckDBPyConnection, run_id: str, trouble: str) -> None:
    """Write what went wrong in a run that is published all the same."""
    connection.execute("update state.runs set error = ? where run_id = ?", [trouble, run_id])


def keep_trouble(warehouse: Path, trouble: Trouble | None) -> None:
    """Leave the trouble of the last run in a small file for `regulars status`; None removes it.

    Whoever asks must not open the work file, lest a starting refresh finds it locked.
    """
    file = _trouble_file(warehouse)
    if trouble is None:
        file.unlink(missing_ok=True)
        return
    unfinished = file.with_name(f".{file.name}")
    with unfinished.open("w", encoding="utf-8") as stream:
        json.dump(trouble._asdict(), stream)
        stream.flush()
        os.fsync(stream.fileno())  # the next run may be begun after a power cut, and reads it
    unfinished.replace(file)


def last_trouble(warehouse: Path) -> Trouble | None:
    """What went wrong in the newest run; None where nothing did, or it cannot be read."""
    try:
        return Trouble(**json.loads(_trouble_file(warehouse).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # cut short, or of another release
        return None


def _trouble_file(warehouse: Path) -> Path:
    return work_folder(warehouse) / "last_failure.json"
