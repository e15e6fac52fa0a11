"""Published versions: one folder each, and one symbolic link that says which is current.

A reader opens warehouse/current/regulars.duckdb. DuckDB keys its instances by resolved path, so a
switched folder is seen at once where a replaced file is not (DECISIONS.md, Publishing).
"""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.leftovers import remove_leftover

FILE_NAME = "regulars.duckdb"


class NothingPublishedError(Exception):
    """The warehouse has no published version yet."""


def version_folder(warehouse: Path, version: str) -> Path:
    """The folder of one published version."""
    return warehouse.resolve() / "versions" / version


def published_file(warehouse: Path) -> Path:
    """The file that readers open: always the current version's, by a path that never changes.

    Raises:
        NothingPublishedError: before the first publish.
    """
    path = warehouse.resolve() / "current" / FILE_NAME
    if not path.is_file():
        raise NothingPublishedError(
            f"nothing is published in {warehouse} yet (no {path}): run `regulars refresh` first"
        )
    return path


def versions(warehouse: Path) -> list[str]:
    """The published versions that are still kept, oldest first."""
    folder = warehouse.resolve() / "versions"
    if not folder.is_dir():
        return []
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and not _is_unfinished(entry)
    )


def current_version(warehouse: Path) -> str | None:
    """The version that readers see; None before the first publish."""
    link = warehouse.resolve() / "current"
    return link.readlink().name if link.is_symlink() else None


def version_before(warehouse: Path) -> str | None:
    """The newest kept version before the current one; None where there is none."""
    current = current_version(warehouse)
    earlier = [one for one in versions(warehouse) if current is not None and one < current]
    return earlier[-1] if earlier else None


def unfinished_folder(warehouse: Path, version: str) -> Path:
    """A new, empty folder to build a version in; leftovers of an interrupted publish go."""
    remove_unfinished(warehouse)
    parent = warehouse.resolve() / "versions"
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".{version}"
    folder.mkdir()
    return folder


def remove_unfinished(warehouse: Path) -> None:
    """Remove what an interrupted publish or removal left: hidden folders that no reader sees."""
    parent = warehouse.resolve() / "versions"
    for entry in parent.iterdir() if parent.is_dir() else ():
        if _is_unfinished(entry):
            remove_leftover(entry)
    remove_leftover(_new_link(warehouse))


def remove_version(warehouse: Path, version: str) -> None:
    """Remove one version whole: it is out of sight in one rename, before its files go."""
    folder = version_folder(warehouse, version)
    hidden = folder.with_name(f".{version}.removed")
    folder.rename(hidden)
    shutil.rmtree(hidden)


def switch_to(warehouse: Path, version: str) -> None:
    """Make `version` current in one rename: readers see the old or the new, never neither."""
    warehouse = warehouse.resolve()
    link = warehouse / "current"
    new_link = _new_link(warehouse)
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(Path("versions") / version, target_is_directory=True)
    new_link.replace(link)
    sync_folder(warehouse)


def published_at(warehouse: Path, version: str) -> datetime:
    """When a version was written, in UTC."""
    written = (version_folder(warehouse, version) / FILE_NAME).stat().st_mtime
    return datetime.fromtimestamp(written, UTC)


def remove_old_versions(
    warehouse: Path, keep: int, keep_days: int = 0, now: datetime | None = None
) -> list[str]:
    """Remove versions beyond the newest `keep` that are older than `keep_days`; returns them.

    Both must hold: a day of many refreshes pushes no good version out, and a month without one
    removes none. The current version always stays, a rolled-back one too. Readers that hold a
    removed file open keep reading it: the file goes when they close it.

    Args:
        warehouse: the warehouse folder.
        keep: at least 1.
        keep_days: 0: the number alone decides.
        now: the moment that age is counted from; None: now.
    """
    oldest = (now or datetime.now(UTC)) - timedelta(days=keep_days)
    current = current_version(warehouse)
    removed = [
        version
        for version in versions(warehouse)[:-keep]
        if version != current and (not keep_days or published_at(warehouse, version) < oldest)
    ]
    for version in removed:
        remove_version(warehouse, version)
    return removed


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk before going on."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_link(warehouse: Path) -> Path:
    return warehouse.resolve() / ".current"


def _is_unfinished(entry: Path) -> bool:
    return entry.name.startswith(".")
