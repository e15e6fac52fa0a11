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
from pathlib import Path
from typing import Final

import duckdb

from flows.file_copy import copy_file
from flows.held_folder import remove_unheld
from flows.leftovers import remove_leftover
from flows.publish.versions import (
    current_version,
    remove_unfinished,
    remove_version,
    sync_folder,
    version_folder,
)
from flows.work_file import make_private, open_database, work_file, work_folder

BACKUP_ENDING: Final = ".backup"  # of the folders in which backups copy the work file
# Half a database written anew, half an audit or a last word, and what DuckDB spilled.
_LEFTOVERS: Final = ("*.compacting", ".last_*", "*.tmp")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = tuple(os.strerror(code) for code in _FULL)  # DuckDB tells them in its messages


class DiskFullError(Exception):
    """There is no room for what a refresh writes."""


@contextmanager
def telling_of_a_full_disk(warehouse: Path) -> Iterator[None]:
    """Turn any error that a full disk or a used-up quota caused into a DiskFullError.

    It may hit anywhere: the record of the run, a load, a model, the published file.

    Raises:
        DiskFullError: says how much is free, after what failed has been thrown away.
    """
    try:
        yield
    except (OSError, duckdb.Error) as error:
        if not _is_full_disk(error):
            raise
        free = shutil.disk_usage(warehouse).free
        raise DiskFullError(
            f"no room was left in {warehouse} ({free / 1e6:,.0f} MB are free again): a refresh "
            "needs room for a copy of its work file and for one more version"
        ) from error


def _is_full_disk(error: BaseException | None) -> bool:
    """Whether the error, or one that it came from, is a full disk: a failed undo may hide it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(words in str(error) for words in _FULL_WORDS):
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
    """
    folder = _building_folder(warehouse)
    make_private(folder)
    with _version_file(warehouse).open("w", encoding="utf-8") as file:
        file.write(version)
        file.flush()
        os.fsync(file.fileno())  # an empty one would have `settle` throw a published build away
    sync_folder(folder)
    source = work_file(warehouse)
    try:
        copy_file(source, building_file(warehouse))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        needed, free = source.stat().st_size, shutil.disk_usage(folder).free
        raise DiskFullError(
            f"no room in {folder} for the copy that a refresh builds in: it needs "
            f"{needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free"
        ) from error
    return building_file(warehouse)


def make_durable(warehouse: Path) -> None:
    """Have all that was built on disk: called just before the version is switched to."""
    path = building_file(warehouse)
    with open_database(path) as connection:
        connection.execute("checkpoint")
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
            building_file(warehouse).replace(work_file(warehouse))
            # of the file that was replaced, where its last checkpoint failed
            log = work_file(warehouse).with_name(f"{work_file(warehouse).name}.wal")
            log.unlink(missing_ok=True)
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
