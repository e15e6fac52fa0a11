"""The work file: the private DuckDB database of a warehouse. Nobody but the refresh reads it."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from flows.database_file import connect

_POLL_SECONDS = 0.5


class RefreshInProgressError(Exception):
    """Another refresh, or another command that changes the warehouse, holds it."""


def work_folder(warehouse: Path) -> Path:
    """Everything private to the refresh: the work file, dbt's target and logs, Prefect's home."""
    return warehouse.resolve() / "work"


def work_file(warehouse: Path) -> Path:
    """Path of the work file: raw, state and all tables as the last published refresh left them.

    Named as the published one: dbt views carry the catalog's name.
    """
    return work_folder(warehouse) / "regulars.duckdb"


@contextmanager
def open_database(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-write connection to a work file or the copy that a refresh builds in.

    dbt opens the same file in this process with settings of its own and DuckDB refuses two
    configurations of one file, so no connection of ours may be open while dbt runs.

    Raises:
        NewerWarehouseError: a newer DuckDB wrote the file.
    """
    with connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@contextmanager
def sole_refresh(warehouse: Path, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the warehouse's lock; the kernel releases it when the process ends, however it ends.

    Args:
        warehouse: the warehouse folder.
        wait_seconds: how long to wait for another holder to end.

    Raises:
        RefreshInProgressError: where another process holds it all that time.
    """
    make_private(work_folder(warehouse))
    deadline = time.monotonic() + wait_seconds
    with (work_folder(warehouse) / "refresh.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    waited = f" (waited {wait_seconds:.0f} s)" if wait_seconds else ""
                    raise RefreshInProgressError(
                        f"another refresh is running on {warehouse}{waited}: wait for it, "
                        "or see `regulars status`"
                    ) from None
                time.sleep(_POLL_SECONDS)
        yield


def make_private(folder: Path) -> None:
    """Only the refresh's own user may look: names, phones and rejected rows lie here."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # one that was there
