"""The private copy of the work file that a refresh builds in, and how it is kept or thrown away.

The one moment at which a refresh takes effect is the switch of `current` to its version. Before it
everything that the refresh did lies in its copy and in its version's folder; after it the copy
takes the place of the work file. `settle` tells from `current` alone on which side of that moment
a refresh ended, so it may be killed anywhere.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from flows.database_errors import FULL_DISK_WORDS
from flows.database_file import log_of
from flows.file_copy import copy_file
from flows.held_folder import remove_unheld
from flows.leftovers import remove_leftover
from flows.privacy.journal import UNFINISHED_JOURNAL
from flows.publish.versions import (
    current_version,
    remove_unfinished,
    remove_version,
    sync_folder,
    version_folder,
)
from flows.work_file import make_private, open_database, work_file, work_folder

BACKUP_ENDING: Final = ".backup"  # of the folders in which backups copy the work file
# Half a database written anew, half an audit, a last word or a journal with names of people, and
# what DuckDB spilled.
_LEFTOVERS: Final = ("*.compacting", ".last_*", UNFINISHED_JOURNAL, "*.tmp")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(Exception):
    """There is no room for what a refresh writes."""


@contextmanager
def telling_of_a_full_disk(
    warehouse: Path,
    needs: str = "a refresh needs room for a copy of its work file and for one more version",
) -> Iterator[None]:
    """Turn any error that a full disk or a used-up quota caused into a DiskFullError.

    It may hit anywhere: the record of the run, a load, a model, the published file. Each has an
    error of its own for it (an OSError, one of DuckDB's, a LoadError, a DbtError).

    Args:
        warehouse: the warehouse folder.
        needs: what there must be room for.

    Raises:
        DiskFullError: says how much is free, after what failed has been thrown away.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not is_full_disk(error):
            raise
        free = shutil.disk_usage(warehouse).free
        raise DiskFullError(
            f"no room was left in {warehouse} ({free / 1e6:,.0f} MB are free again): {needs}"
        ) from error


def is_full_disk(error: BaseException | None) -> bool:
    """Whether a full disk or a used-up quota caused an error: a failed undo may hide it.

    DuckDB and dbt say so in the words of the error alone; of an error that another one came from,
    or came after, that one is asked too.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(words in str(error) for words in FULL_DISK_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def building_file(warehouse: Path) -> Path:
    """The copy that a refresh builds in; its path is always the same, so that dbt parses once."""
    return _building_folder(warehouse) / work_file(warehouse).name


def begin_building(warehouse: Path, version: str) -> Path:
    """Copy the work file (sharing blocks where the file system can), and return the copy's path.

    Args:
        warehouse: the warehouse folder; its work file exists and no connection is open.
        version: the version that the refresh will publish.

    Raises:
        DiskFullError: says how much room is needed and how much there is.
        duckdb.Error, OSError: the work file's log could not be written into it; without that the
            copy would lack the record of this run.
    """
    source = work_file(warehouse)
    if log_of(source).exists():  # where the record of the run found no room, or a kill left it
        _write_log_into(source)
    folder = _building_folder(warehouse)
    make_private(folder)
    with _version_file(warehouse).open("w", encoding="utf-8") as file:
        file.write(version)
        file.flush()
        os.fsync(file.fileno())  # an empty one would have `settle` throw a published build away
    sync_folder(folder)
    sync_folder(folder.parent)  # its own name
    try:
        copy_file(source, building_file(warehouse))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        needed, free = source.stat().st_size, shutil.disk_usage(folder).free
        raise DiskFullError(
            f"no room in {folder} for the copy that a refresh builds in: it needs "
            f"{needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free"
        ) from error
    return building_file(warehouse)


def make_durable(warehouse: Path) -> None:
    """Have all that was built on disk: called just before the version is switched to.

    Raises:
        duckdb.Error, OSError: the disk is full, or the copy's log could not be written into it.
    """
    path = building_file(warehouse)
    _write_log_into(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)


def settle(warehouse: Path) -> str | None:
    """Keep what a refresh built where its version became current; else throw it away.

    Called at the end of every refresh, failed ones too, and at the start of the next, which finds
    what a killed one left.

    Returns:
        The version kept; None where there was nothing, or it was thrown away.
    """
    remove_unfinished(warehouse)
    _remove_leftovers(work_folder(warehouse))
    folder = _building_folder(warehouse)
    if not folder.is_dir():
        return None
    try:
        version = _version_file(warehouse).read_text(encoding="utf-8") or None
    except FileNotFoundError:  # killed before the copy began
        version = None
    is_published = version is not None and current_version(warehouse) == version
    if is_published:
        # Where it was kept already, only the folder is left to remove.
        if building_file(warehouse).is_file():
            # The log of the file that goes, where its last checkpoint failed. It goes first, and
            # is gone from the disk first: DuckDB would write it into whatever file has the name.
            # Killed here, the file that goes lacks words on its runs, which nobody reads: the next
            # call comes first, and ends here again.
            log_of(work_file(warehouse)).unlink(missing_ok=True)
            sync_folder(work_folder(warehouse))
            building_file(warehouse).replace(work_file(warehouse))
            sync_folder(work_folder(warehouse))
    elif version is not None and version_folder(warehouse, version).is_dir():
        remove_version(warehouse, version)
    shutil.rmtree(folder)
    return version if is_published else None


def is_unsettled(warehouse: Path) -> bool:
    """Whether what was built for the current version has yet to take the work file's place."""
    try:
        version = _version_file(warehouse).read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return version == current_version(warehouse) and building_file(warehouse).is_file()


def left_build(warehouse: Path) -> tuple[str, datetime] | None:
    """The version that lies half built, and when that began; None where there is none to be seen.

    Where no process holds the warehouse's lock, the run that built it was killed. What is published
    already is no half build, though its work file may have yet to take its place.
    """
    try:
        version = _version_file(warehouse).read_text(encoding="utf-8")
        written = _version_file(warehouse).stat().st_mtime
    except (FileNotFoundError, PermissionError):
        return None
    if not version or version == current_version(warehouse):
        return None
    return version, datetime.fromtimestamp(written, UTC)


def _write_log_into(database: Path) -> None:
    """Write a database's log into the database itself, so that the file alone is all of it.

    Raises:
        duckdb.Error: there is no room for it.
        OSError: a log is there again, of whoever else has the file open.
    """
    with open_database(database) as connection:
        connection.execute("checkpoint")
    if log_of(database).exists():
        raise OSError(f"{database} was closed with a write-ahead log left beside it")


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left in the work folder, beside the copy."""
    remove_unheld(folder, BACKUP_ENDING)  # a living backup holds its own
    for pattern in _LEFTOVERS:
        for path in folder.glob(pattern):
            remove_leftover(path)


def _building_folder(warehouse: Path) -> Path:
    return work_folder(warehouse) / "building"


def _version_file(warehouse: Path) -> Path:
    return _building_folder(warehouse) / "version"
