"""Write a database file anew, so that nothing of what was deleted is left in it."""

import os
import shutil
from pathlib import Path

import duckdb

from flows.publish.versions import sync_folder
from flows.sql_text import quote_name, quote_text


def compact(path: Path) -> None:
    """Copy all that a DuckDB file holds to a fresh file, which takes its place in one rename.

    DuckDB keeps the blocks of deleted rows for later ones: until then their bytes stay in the file,
    and its size too. Tables keep the order of their rows, their constraints and comments.

    Args:
        path: a database file that nobody has open; it may be interrupted and called again.
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
        with new.open("rb") as file:
            os.fsync(file.fileno())
        shutil.copymode(path, new)
        new.replace(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(folder)
