"""Opening a DuckDB file that another release may have written."""

import re
from pathlib import Path
from typing import Final

import duckdb

# DuckDB's own words: its storage versions are no part of its interface.
_NEWER: Final = re.compile(r"database file with version number \d+, but we can only read")
_WRITTEN_BY: Final = slice(52, 84)  # of the header: the version of DuckDB that made the file


class NewerWarehouseError(Exception):
    """A newer release wrote the warehouse, so this one must leave it alone."""


def connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a database file as `duckdb.connect` does.

    Raises:
        NewerWarehouseError: a newer DuckDB wrote it, in a format that this one cannot read.
    """
    try:
        return duckdb.connect(path, read_only=read_only)
    except duckdb.IOException as error:
        if not _NEWER.search(str(error)):
            raise
        raise NewerWarehouseError(
            f"{path} was written by a newer DuckDB{_writer(path)}; this release of Regulars reads "
            f"it with DuckDB {duckdb.__version__}: use the release that wrote it, or a newer one"
        ) from error


def log_of(path: Path) -> Path:
    """Where DuckDB keeps a database's write-ahead log, which it replays when the file is opened.

    It goes by the name alone: beside another file of that name it is replayed into that one.
    """
    return path.with_name(f"{path.name}.wal")


def _writer(path: Path) -> str:
    """The version in the file's header as " (v2.0.0)"; nothing where it holds none."""
    with path.open("rb") as file:
        header = file.read(_WRITTEN_BY.stop)
    version = header[_WRITTEN_BY].rstrip(b"\0").decode("ascii", "replace")
    return f" ({version})" if re.fullmatch(r"v[0-9][\w.+-]*", version) else ""
