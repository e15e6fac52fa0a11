"""The work file: the private DuckDB database in which a refresh builds. Nobody else reads it."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

_FICLONE = 0x40049409  # Linux: share the blocks of another file


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
    _make_private(path.parent)
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
    _make_private(folder)
    with (folder / "refresh.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefreshInProgressError(
                f"another refresh is running on {warehouse}: wait for it, or see `regulars status`"
            ) from None
        yield


@contextmanager
def undone_on_failure(warehouse: Path) -> Iterator[None]:
    """Build in the work file, and put it back as it was where that fails.

    A delivery that breaks a model or a test must not stay in raw: it would break every later night
    too. The copy that the work file goes back to is made at first (sharing blocks where the file
    system can) and outlives a killed process: `undo_interrupted` finds it.
    """
    path, copy = work_file(warehouse), _copy_file(warehouse)
    unfinished = copy.with_name(copy.name + ".unfinished")
    _clone(path, unfinished)
    unfinished.replace(copy)
    try:
        yield
    except BaseException:
        undo_interrupted(warehouse)
        raise
    copy.unlink()


def undo_interrupted(warehouse: Path) -> None:
    """Put the work file back as it was before a refresh that failed or was killed, if one was."""
    path, copy = work_file(warehouse), _copy_file(warehouse)
    if copy.is_file():
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        copy.replace(path)


def _copy_file(warehouse: Path) -> Path:
    return work_folder(warehouse) / "before_refresh.duckdb"


def _clone(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as write:
        try:
            fcntl.ioctl(write, _FICLONE, read.fileno())
        except OSError:  # not on this file system
            shutil.copyfileobj(read, write, 16 * 2**20)


def _make_private(folder: Path) -> None:
    """Only the refresh's own user may look: names, phones and rejected rows lie here."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
