"""The BI file, which analysts and BI tools read: all that is published, no personal data."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from flows.publish.versions import FILE_NAME, sync_folder
from flows.sql_text import quote_name, quote_text

PublishedColumns = Mapping[tuple[str, str], Collection[str] | None]
_SCHEMAS = ("reference", "core", "mining", "marts")


class PublishError(Exception):
    """The version could not be made whole; nothing was switched."""


def write_bi_file(work: Path, folder: Path, columns: PublishedColumns) -> int:
    """Copy the published schemas of the work file into `folder`/regulars.duckdb, safely on disk.

    Tables keep their order of rows and their comments. What `columns` does not name stays behind:
    a table or a column that nobody has described may hold anything.

    Args:
        work: the work file; no other connection of this process may have it open for writing.
        folder: where the file is made.
        columns: (schema, table) to the columns that may leave the work file; None: all of them.

    Returns:
        The number of rows copied.

    Raises:
        PublishError: where the file is not whole at the end (a write-ahead log is left).
    """
    path = folder / FILE_NAME
    rows = 0
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {quote_text(str(work))} as work (read_only)")
        tables = connection.execute(
            """
            select schema_name, table_name, comment
            from duckdb_tables()
            where database_name = 'work' and list_contains(?, schema_name)
            order by list_position(?, schema_name), table_name
            """,
            [_SCHEMAS, _SCHEMAS],
        ).fetchall()
        connection.execute("begin")  # hundreds of comments, each to disk by itself, take seconds
        for schema in _SCHEMAS:
            connection.execute(f"create schema {schema}")
        for schema, table, comment in tables:
            if (schema, table) in columns:
                shown = columns[schema, table]
                rows += _copy_table(connection, schema, table, comment, shown)
        connection.execute("commit")
        connection.execute("detach work")
        connection.execute("checkpoint")
    if path.with_name(path.name + ".wal").exists():
        raise PublishError(f"{path} was closed with a write-ahead log left beside it")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(folder)
    return rows


def _copy_table(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    comment: str | None,
    allowed: Collection[str] | None,
) -> int:
    columns = connection.execute(
        """
        select column_name, comment
        from duckdb_columns()
        where database_name = 'work' and schema_name = ? and table_name = ?
        order by column_index
        """,
        [schema, table],
    ).fetchall()
    shown = [(name, text) for name, text in columns if allowed is None or name in allowed]
    names = ", ".join(quote_name(name) for name, _ in shown)
    target = f"{quote_name(schema)}.{quote_name(table)}"
    copied = connection.execute(
        f"create table {target} as select {names} from work.{target}"
    ).fetchone()
    if comment:
        connection.execute(f"comment on table {target} is {quote_text(comment.strip())}")
    for name, text in shown:
        if text:
            connection.execute(
                f"comment on column {target}.{quote_name(name)} is {quote_text(text.strip())}"
            )
    return int(copied[0]) if copied else 0
