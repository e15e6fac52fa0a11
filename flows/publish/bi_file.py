"""The BI file, which analysts and BI tools read: all that is published, no personal data."""

import os
from collections.abc import Sequence
from pathlib import Path

import duckdb

from flows.file_copy import copy_file
from flows.publish.tables import PUBLISHED_SCHEMAS, PublishedTable
from flows.publish.versions import FILE_NAME, sync_folder
from flows.sql_text import quote_name, quote_text


class PublishError(Exception):
    """The version could not be made whole; nothing was switched."""


def write_bi_file(
    database: Path, folder: Path, tables: Sequence[PublishedTable], previous: Path | None = None
) -> int:
    """Write the published schemas of a work file into `folder`/regulars.duckdb, safely on disk.

    Tables keep their comments. What `tables` does not name stays behind: a table or a column that
    nobody has described may hold anything. `reference.table_keys` says which columns tell the rows
    of each table apart.

    Args:
        database: the work file; no other connection of this process may have it open for writing.
        folder: where the file is made.
        tables: what may leave the work file.
        previous: the BI file that was made of this work file before its last build, where that
            build changed only the rows of intermediate.int_affected_orders in the tables that
            change with orders: those are then mended in a copy of it, not written anew.

    Returns:
        The number of rows that the file shows.

    Raises:
        PublishError: where the file is not whole at the end: a write-ahead log is left, or a mended
            table has another number of rows than the work file's.
    """
    path = folder / FILE_NAME
    if previous is not None:
        copy_file(previous, path)
    rows = 0
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {quote_text(str(database))} as work (read_only)")
        mended = {table for table in tables if _can_mend(connection, table)}
        _remove_all_but(connection, mended)
        connection.execute("begin")  # hundreds of comments, each to disk by itself, take seconds
        for schema in PUBLISHED_SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        for table in tables:
            if table in mended:
                rows += _mend_table(connection, table)
            elif _columns(connection, "work", table):
                rows += _copy_table(connection, table)
        _write_keys(connection, tables)
        connection.execute("commit")
        connection.execute("detach work")
        connection.execute("checkpoint")
    if path.with_name(path.name + ".wal").exists():
        raise PublishError(f"{path} was closed with a write-ahead log left beside it")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(folder)
    return rows


def _can_mend(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> bool:
    """Whether a table that changes with orders lies in the copied file as it would be written."""
    if not table.changes_with_orders:
        return False
    here = _columns(connection, _own_catalog(connection), table)
    return bool(here) and here == _columns(connection, "work", table)


def _remove_all_but(connection: duckdb.DuckDBPyConnection, mended: "set[PublishedTable]") -> None:
    """Drop what is written anew; the checkpoint frees its blocks, or the file would grow."""
    present = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = ?",
        [_own_catalog(connection)],
    ).fetchall()
    kept = {(table.schema, table.name) for table in mended}
    for schema, name in present:
        if (schema, name) not in kept:
            connection.execute(f"drop table {quote_name(schema)}.{quote_name(name)}")
    if present:
        connection.execute("checkpoint")


def _mend_table(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> int:
    """Write the rows of affected orders anew; returns the number of all rows.

    Raises:
        PublishError: the number is not that of the work file's table, which alone was tested.
    """
    target = _name(table)
    names = ", ".join(quote_name(name) for name, _, _ in _columns(connection, "work", table))
    affected = "order_id in (select order_id from work.intermediate.int_affected_orders)"
    connection.execute(f"delete from {target} where {affected}")
    connection.execute(
        f"insert into {target} by name select {names} from work.{target} where {affected}"
    )
    rows, built = (_count(connection, one) for one in (target, f"work.{target}"))
    if rows != built:
        raise PublishError(
            f"{table.schema}.{table.name}: mended it has {rows:,} rows, but {built:,} were built "
            "and tested; `regulars refresh --full` writes it anew"
        )
    return rows


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    row = connection.execute(f"select count(*) from {name}").fetchone()
    return int(row[0]) if row else 0


def _copy_table(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> int:
    columns = _columns(connection, "work", table)
    target = _name(table)
    names = ", ".join(quote_name(name) for name, _, _ in columns)
    copied = connection.execute(
        f"create table {target} as select {names} from work.{target}"
    ).fetchone()
    described = connection.execute(
        "select comment from duckdb_tables() "
        "where database_name = 'work' and schema_name = ? and table_name = ?",
        [table.schema, table.name],
    ).fetchone()
    if described and described[0]:
        connection.execute(f"comment on table {target} is {quote_text(_on_one_line(described[0]))}")
    for name, _, text in columns:
        if text:
            connection.execute(
                f"comment on column {target}.{quote_name(name)} is {quote_text(_on_one_line(text))}"
            )
    return int(copied[0]) if copied else 0


def _on_one_line(text: str) -> str:
    """A description as tools show it, in a cell: without the line breaks of its YAML."""
    return " ".join(text.split())


def _write_keys(connection: duckdb.DuckDBPyConnection, tables: Sequence[PublishedTable]) -> None:
    connection.execute(
        "create table reference.table_keys "
        "(table_schema varchar, table_name varchar, key_columns varchar[])"
    )
    connection.execute(
        "comment on table reference.table_keys is 'Which columns tell the rows of a table apart.'"
    )
    keyed = [[one.schema, one.name, list(one.key)] for one in tables if one.key]
    if keyed:
        connection.executemany("insert into reference.table_keys values (?, ?, ?)", keyed)


def _columns(
    connection: duckdb.DuckDBPyConnection, catalog: str, table: PublishedTable
) -> list[tuple[str, str, str | None]]:
    """The columns of a table that may be seen: name, type, comment; none where it is not there."""
    found = connection.execute(
        """
        select column_name, data_type, comment
        from duckdb_columns()
        where database_name = ? and schema_name = ? and table_name = ?
        order by column_index
        """,
        [catalog, table.schema, table.name],
    ).fetchall()
    return [
        (name, kind, comment and comment.strip())
        for name, kind, comment in found
        if table.columns is None or name in table.columns
    ]


def _own_catalog(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute("select current_database()").fetchone()
    return str(row[0]) if row else ""


def _name(table: PublishedTable) -> str:
    return f"{quote_name(table.schema)}.{quote_name(table.name)}"
