"""The work file: the private DuckDB database in which a refresh builds. Nobody else reads it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb


class RefreshInProgressError(Exception):
    """Another refresh holds the warehouse."""


def work_folder(warehouse: Path) -> Path:
    """Everything private to the refresh: the work file, dbt's target and logs, Prefect's home."""
    return warehouse.resolve() / "work"


def work_file(warehouse: Path) -> Path:
    """Path of the work file, named as the published one: dbt views carry the catalog's name."""
    return work_folder(warehouse) / "regulars.duckdb"


@contextmanager
def open_work_file(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-write connection to the work file, closed at the end.

    dbt opens the same file in this process with settings of its own and DuckDB refuses two
    configurations of one file, so no connection of ours may be open while dbt runs.
    """
    path = work_file(warehouse)
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@contextmanager
def sole_refresh(warehouse: Path) -> Iterator[None]:
    """Hold the warehouse's lock for one refresh; the kernel releases it when the process ends.

    Raises:
        RefreshInProgressError: where another process holds it.
    """
    folder = work_folder(warehouse)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "refresh.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefreshInProgressError(
                f"another refresh is running on {warehouse}: wait for it, or see `regulars status`"
            ) from None
        yield
