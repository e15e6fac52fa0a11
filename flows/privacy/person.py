"""Everything that a published version holds of one person: names and contacts, orders, scores."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from flows.publish.restricted_file import FILE_NAME as RESTRICTED_FILE_NAME
from flows.publish.restricted_file import FOLDER_NAME, SCHEMA
from flows.publish.versions import FILE_NAME, current_version, version_folder
from flows.sql_text import quote_name, quote_text

_ID_COLUMN = "customer_id"


class NoRestrictedFileError(Exception):
    """There is no restricted file to read, or this user may not; the message says which."""


@dataclass(frozen=True)
class Holding:
    """What one table holds of a person.

    Attributes:
        table: schema and name, as `people.consents`.
        meaning: of a row.
        columns: name to meaning; empty where nobody has described it.
        rows: as dictionaries, in the order of all their columns.
    """

    table: str
    meaning: str
    columns: dict[str, str]
    rows: list[dict[str, Any]]


@contextmanager
def open_people(warehouse: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A connection to both files of the current version, and the version.

    Read-only, with all other files and networks out of reach.

    Raises:
        NoRestrictedFileError: see there.
    """
    version = current_version(warehouse)
    if version is None:
        raise NoRestrictedFileError(
            f"nothing is published in {warehouse} yet: run `regulars refresh` first"
        )
    # By the version's own name: another may become current meanwhile.
    folder = version_folder(warehouse, version)
    restricted = folder / FOLDER_NAME / RESTRICTED_FILE_NAME
    try:
        with restricted.open("rb"):
            pass
    except PermissionError:
        raise NoRestrictedFileError(
            f"you may not read {restricted}: it is for the user who runs the refresh, and for the "
            "group named in the setting restricted.group"
        ) from None
    except FileNotFoundError:
        raise NoRestrictedFileError(
            f"version {version} has no restricted file ({restricted}): the next refresh writes one"
        ) from None
    with TemporaryDirectory(prefix="regulars-person-") as spill, duckdb.connect() as connection:
        for path, name in ((restricted, "restricted"), (folder / FILE_NAME, "bi")):
            connection.execute(f"attach {quote_text(str(path))} as {name} (read_only)")
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"set temp_directory = {quote_text(spill)}")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection, version


def is_held(connection: duckdb.DuckDBPyConnection, customer_id: str) -> bool:
    """Whether there is such a person; `anonymous` and `erased` are none."""
    found = connection.execute(
        f"select 1 from restricted.{SCHEMA}.customers where customer_id = ?", [customer_id]
    ).fetchone()
    return found is not None


def holdings(connection: duckdb.DuckDBPyConnection, customer_id: str) -> list[Holding]:
    """Return what every table with customers holds of one person; the restricted file's first.

    A table of the BI file that the restricted file has with more columns (core.dim_customers) is
    left out. A table that is new in a later release is in it without a word here.
    """
    tables = connection.execute(
        """
        select database_name, schema_name, table_name, coalesce(tables.comment, '')
        from duckdb_tables() as tables
        semi join duckdb_columns() as columns
            on tables.table_oid = columns.table_oid
            and tables.database_name = columns.database_name
            and columns.column_name = ?
        where database_name in ('restricted', 'bi')
            and (schema_name, table_name) <> ('core', 'dim_customers')
        order by database_name desc, table_name <> 'customers', schema_name, table_name
        """,
        [_ID_COLUMN],
    ).fetchall()
    return [
        _holding(connection, database, schema, table, meaning, customer_id)
        for database, schema, table, meaning in tables
    ]


def _holding(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    schema: str,
    table: str,
    meaning: str,
    customer_id: str,
) -> Holding:
    columns = dict(
        connection.execute(
            "select column_name, trim(coalesce(comment, ''), chr(10) || ' ') from duckdb_columns() "
            "where database_name = ? and schema_name = ? and table_name = ? order by column_index",
            [database, schema, table],
        ).fetchall()
    )
    target = ".".join(quote_name(part) for part in (database, schema, table))
    found = connection.execute(
        f"select * from {target} where {_ID_COLUMN} = ? order by all", [customer_id]
    )
    rows = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
    return Holding(f"{schema}.{table}", meaning.strip(), columns, rows)
