"""Write a database file anew, so that nothing of what was deleted is left in it, nor its room."""

import os
import shutil
from pathlib import Path
from typing import Final

import duckdb

from flows.publish.versions import sync_folder
from flows.sql_text import quote_name, quote_text

# A night leaves free blocks where its tables have become smaller, and pieces of blocks where rows
# were corrected. Below the first size nobody minds; up to the second a fresh copy
# takes some seconds, and any free room is worth it; beyond, only what nights do not fill again.
_MINDED_BYTES: Final = 20_000_000
_QUICK_BYTES: Final = 150_000_000
_SHARE: Final = 0.03
_SHARE_OF_MORE: Final = 0.08


def compact_if_worthwhile(path: Path) -> bool:
    """Write a database file anew where room is to be won; returns whether it was.

    Args:
        path: as of `compact`.
    """
    size = path.stat().st_size
    if size < _MINDED_BYTES:
        return False
    with duckdb.connect(path, read_only=True) as connection:
        row = connection.execute(
            "select free_blocks / total_blocks from pragma_database_size()"
        ).fetchone()
    if row is None or row[0] < (_SHARE if size <= _QUICK_BYTES else _SHARE_OF_MORE):
        return False
    compact(path)
    return True


def compact(path: Path) -> None:
    """Copy all that a DuckDB file holds to a fresh file, which takes its place in one rename.

    DuckDB keeps the blocks of deleted rows for later ones: until then their bytes stay in the file,
    and its size too. Tables keep the order of their rows, their constraints and comments.

    Args:
        path: a database file that nobody has open; it may be interrupted and called again.

    Raises:
        OSError: there is no room for it, or the file was left with a write-ahead log, which a fresh
            file must not inherit; the file is as it was.
    """
    folder = path.with_name(f"{path.name}.compacting")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    new = folder / path.name
    try:
        with duckdb.connect(path) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"attach {quote_text(str(new))} as compacted")
            connection.execute(f"copy from database {quote_name(path.stem)} to compacted")
            connection.execute("detach compacted")
        for file in (path, new):
            if file.with_name(f"{file.name}.wal").exists():
                raise OSError(f"{file} was closed with a write-ahead log left beside it")
        with new.open("rb") as written:
            os.fsync(written.fileno())
        shutil.copymode(path, new)
        new.replace(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
