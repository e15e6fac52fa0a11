"""Bring raw and `state` of an older release's work file to this release; refuse a newer one's.

All else in a work file is derived: it is built anew, since the build's fingerprint has changed.

Most releases only add tables and columns: those need no word here. A release that changes the
meaning of what is there, so that an older one would misread it, raises FORMAT and, where the old
rows must be changed, adds a migration.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import duckdb

from flows.database_file import NewerWarehouseError
from flows.load.raw_tables import create_raw_tables
from flows.sql_text import quote_name
from flows.work_file import work_file, work_folder

Migration = Callable[[duckdb.DuckDBPyConnection], None]

# 0: release 0.1, which wrote no format. 1: a night reads `mode` and `fingerprint` of the runs.
FORMAT: Final = 1

# To format n: what makes it of format n - 1 beside new tables and columns, in a transaction of its
# own. DuckDB commits no change of rows to a table that the same transaction has altered: that makes
# two migrations.
MIGRATIONS: Final[Mapping[int, Migration]] = {}


def this_release() -> str:
    """The version of Regulars, as its package states it."""
    try:
        return version("regulars")
    except PackageNotFoundError:  # run from its folder
        return "(not installed)"


def undo_interrupted_0_1(warehouse: Path) -> None:
    """Put the work file back as it was before a refresh of release 0.1 that was killed.

    That release built in the work file itself, beside a copy to go back to.
    """
    copy = work_folder(warehouse) / "before_refresh.duckdb"
    if copy.is_file():
        path = work_file(warehouse)
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        copy.replace(path)
    copy.with_name(copy.name + ".unfinished").unlink(missing_ok=True)


def warehouse_format(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The format of a work file; None where nothing was ever loaded into it."""
    known = {(schema, table) for schema, table, *_ in _columns(connection)}
    if ("state", "warehouse") in known:
        row = connection.execute("select format from state.warehouse").fetchone()
        if row:
            return int(row[0])
    return 0 if ("raw", "loads") in known else None


def refuse_newer(connection: duckdb.DuckDBPyConnection) -> None:
    """See that this release knows the format of a work file.

    Raises:
        NewerWarehouseError: says which release wrote it and what to do.
    """
    found = warehouse_format(connection)
    if found is not None and found > FORMAT:
        row = connection.execute("select regulars_version from state.warehouse").fetchone()
        release = row[0] if row else "a newer release"
        raise NewerWarehouseError(
            f"the warehouse was written by Regulars {release} in format {found}; this is Regulars "
            f"{this_release()}, which knows formats up to {FORMAT}: use the release that "
            "wrote it, or restore a backup that this one can read"
        )


def upgrade(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Create what a work file lacks of raw and `state`, and change what an older release left.

    It can be killed anywhere and run again: each step is whole or not done, and the steps done are
    found done. What this release no longer knows stays.

    Args:
        connection: to a work file, in no transaction; a new file is given all tables, empty.

    Returns:
        What was changed in the work of an older release, a sentence each; nothing for a new file.

    Raises:
        NewerWarehouseError: see `refuse_newer`; nothing was changed.
    """
    refuse_newer(connection)
    found = warehouse_format(connection)
    if found is None:
        create_raw_tables(connection)
        _record_format(connection, FORMAT)
        return []
    changes = []
    for number in range(found + 1, FORMAT + 1):
        if number in MIGRATIONS:
            connection.begin()
            try:
                MIGRATIONS[number](connection)
                create_raw_tables(connection)
                _record_format(connection, number)
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
        changes.append(f"format {number}")
    return changes + _add_what_is_missing(connection)


def _add_what_is_missing(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Add tables, columns, defaults and constraints that this release has and the file has not."""
    changes = []
    before = _columns(connection)
    tables = {key[:2] for key in before}
    create_raw_tables(connection)
    with duckdb.connect() as memory:
        create_raw_tables(memory)
        wanted = _columns(memory)
    for (schema, table, name), (kind, default, is_nullable) in wanted.items():
        column = f"{schema}.{table}.{name}"
        if (schema, table) not in tables:
            if f"table {schema}.{table}" not in changes:
                changes.append(f"table {schema}.{table}")
            continue
        target = f"alter table {quote_name(schema)}.{quote_name(table)}"
        quoted = quote_name(name)
        if (schema, table, name) not in before:
            filling = f" default {default}" if default is not None else ""
            connection.execute(f"{target} add column {quoted} {kind}{filling}")
            changes.append(f"column {column}")
            found = (kind, default, True)
        else:
            found = before[schema, table, name]
        if found[0] != kind:
            raise TypeError(f"{column} is {found[0]}, not {kind}: a migration is missing")
        if found[1] != default:
            what = "drop default" if default is None else f"set default {default}"
            connection.execute(f"{target} alter column {quoted} {what}")
        if found[2] and not is_nullable:
            connection.execute(f"{target} alter column {quoted} set not null")
    _record_format(connection, FORMAT)
    return changes


def _columns(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str, str], tuple[str, str | None, bool]]:
    """Schema, table and column to type, default and whether null is allowed, in their order."""
    rows: list[tuple[Any, ...]] = connection.execute(
        """
        select schema_name, table_name, column_name, data_type, column_default, is_nullable
        from duckdb_columns()
        where database_name = current_database() and schema_name in ('raw', 'state')
        order by schema_name, table_name, column_index
        """
    ).fetchall()
    return {(row[0], row[1], row[2]): (row[3], row[4], row[5]) for row in rows}


def _record_format(connection: duckdb.DuckDBPyConnection, number: int) -> None:
    """Write the format and who wrote it, where that is not what stands there."""
    writer = [number, this_release(), duckdb.__version__]
    row = connection.execute(
        "select format, regulars_version, duckdb_version from state.warehouse"
    ).fetchone()
    if row is None:
        began = connection.execute("select min(started_at) from state.runs").fetchone()
        created_at = began[0] if began and began[0] else datetime.now(UTC)
        connection.execute("insert into state.warehouse values (?, ?, ?, ?)", [*writer, created_at])
    elif list(row) != writer:
        connection.execute(
            "update state.warehouse set format = ?, regulars_version = ?, duckdb_version = ?",
            writer,
        )
