"""Tables of SQLite and PostgreSQL databases as rows of text, read as a stream.

All tables of one database are read in one transaction, so that orders and their lines agree. Only
the columns that the mapping names are read. Values arrive as the database writes them: numbers with
all their digits, times with their offset. What can heal by itself (a lock, a server that is not
there) raises `TransientLandingError`.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from flows.load.landing import LandingError, TransientLandingError, explain_missing, find_files
from flows.load.mapping import Table, did_you_mean
from flows.load.records import MAXIMUM_RECORD
from flows.load.text_rows import Cell, TextRows, TextRowsWriter
from flows.sql_text import quote_name, quote_text

_CONNECT_SECONDS: Final = 10
_LOCK_SECONDS: Final = 10
_SQLITE_BYTES: Final = 64 * 2**20  # of one value
_SQLITE_TRANSIENT: Final = frozenset(
    (
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR),
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY_ROLLBACK,  # a writer died, and the next one mends the file
        sqlite3.SQLITE_READONLY_RECOVERY,
    )
)
# Classes and codes of SQLSTATE that time may heal: connection, resources, rollback, shutdown.
_POSTGRESQL_TRANSIENT: Final = ("08", "53", "40", "57P", "57014", "55P03", "58030")
# What a server says to a connection that it will refuse the next time too.
_POSTGRESQL_REFUSALS: Final = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "not permitted to log in",
    "certificate",
)


class Tables:
    """What a mapping's tables held at the beginning of a load.

    Attributes:
        rows: the rows of each table.
        digests: the SHA-256 of each table's columns and rows, whatever order these came in.
        unread: the columns that no part of the mapping names, by table.
    """

    def __init__(self) -> None:
        self.rows: dict[Table, TextRows] = {}
        self.digests: dict[Table, str] = {}
        self.unread: dict[Table, tuple[str, ...]] = {}


def read_tables(
    wanted: Mapping[Table, frozenset[str]], landing: Path, source: str, folder: Path
) -> Tables:
    """Read tables into files of a folder.

    Args:
        wanted: for each table the columns to read, as mappings spell them.
        landing: the folder that holds one folder for each source.
        source: the source.
        folder: where to write.

    Raises:
        LandingError: a database or table is not there, or cannot be read.
        TransientLandingError: the same, for a reason that time may heal.
    """
    tables = Tables()
    targets = (folder / f"table_{number}.parquet" for number in range(len(wanted)))
    databases = dict.fromkeys((table.sqlite, table.postgresql) for table in wanted)
    for file, variable in databases:
        chosen = {t: n for t, n in wanted.items() if (t.sqlite, t.postgresql) == (file, variable)}
        if file is not None:
            _read_sqlite(_database_file(landing, source, file), chosen, targets, tables)
        elif variable is not None:
            _read_postgresql(variable, chosen, targets, tables)
    return tables


def _choose(names: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Return the positions of the columns that are wanted, by their own name or `table.name`."""
    folded = {_fold(name) for name in wanted}
    folded |= {_fold(name.partition(".")[2]) for name in wanted if "." in name}
    return [position for position, name in enumerate(names) if _fold(name) in folded]


def _fold(name: str) -> str:
    return name.casefold().strip()


def _keep(
    table: Table,
    names: Sequence[str],
    chosen: Sequence[int],
    rows: Iterable[Sequence[Cell]],
    target: Path,
    tables: Tables,
) -> None:
    with TextRowsWriter(target, [names[position] for position in chosen]) as writer:
        for number, row in enumerate(rows, 1):
            writer.append(number, row)
    tables.rows[table] = writer.finished
    tables.digests[table] = _digest(writer.finished)
    tables.unread[table] = tuple(n for p, n in enumerate(names) if p not in set(chosen))


def _digest(rows: TextRows) -> str:
    """Hash rows as a set that knows repetition: the sums of parts of their hashes.

    A database returns rows in any order, and sorting them all would take longer than reading them.
    """
    parts = []
    with duckdb.connect() as connection:
        for path, columns in (
            (rows.path, rows.columns),
            (rows.malformed_path, ("reason", "raw_text")),
        ):
            # Each value with its length before it, so that no two rows come to one text.
            values = " || ".join(
                f"coalesce(length({name}) || ':' || {name}, '-')"
                for name in map(quote_name, columns)
            )
            sums = ", ".join(
                f"sum(cast('0x' || substr(hash, {start}, 15) as bigint))"
                for start in (1, 16, 31, 46)
            )
            parts.append(
                connection.execute(
                    f"select count(*), {sums} from (select sha256({values or repr('-')}) as hash "
                    f"from read_parquet({quote_text(str(path))}, hive_partitioning = false))"
                ).fetchone()
            )
    return sha256(repr((rows.columns, parts)).encode()).hexdigest()


def _database_file(landing: Path, source: str, name: str) -> Path:
    found = find_files(landing, source, [name])
    if len(found) != 1:
        if len(found) > 1:
            raise LandingError(f"'{name}' names {len(found)} files, expected one database")
        raise LandingError(explain_missing(landing, source, [name]))
    return found[0]


def _read_sqlite(
    path: Path,
    wanted: Mapping[Table, frozenset[str]],
    targets: Iterator[Path],
    tables: Tables,
) -> None:
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=_LOCK_SECONDS,
        )
        with closing(connection):
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _SQLITE_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            # Text as bytes: what is no UTF-8 is a bad row, not the end of the reading.
            connection.text_factory = bytes
            connection.execute("pragma trusted_schema = off")
            connection.execute("begin")
            for table, names in wanted.items():
                _read_sqlite_table(connection, path, table, names, next(targets), tables)
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        # The low byte is the kind of error, the rest which of that kind.
        heals = code in _SQLITE_TRANSIENT or code & 0xFF in _SQLITE_TRANSIENT
        kind = TransientLandingError if heals else LandingError
        raise kind(f"SQLite cannot read {path.name}: {error}") from error


def _read_sqlite_table(
    connection: sqlite3.Connection,
    path: Path,
    table: Table,
    wanted: frozenset[str],
    target: Path,
    tables: Tables,
) -> None:
    known = [
        row[0].decode("utf-8", "replace")
        for row in connection.execute(
            "select name from sqlite_schema where type in ('table', 'view') order by name"
        )
    ]
    if table.name.casefold() not in {name.casefold() for name in known}:
        raise _no_table(path.name, table.name, known)
    shape = connection.execute(f"select * from {quote_name(table.name)} limit 0")
    names = [str(column[0]) for column in shape.description]
    chosen = _choose(names, wanted)
    # Without a column, each row is still one.
    listed = ", ".join(quote_name(names[position]) for position in chosen) or "null"
    found = connection.execute(f"select {listed} from {quote_name(table.name)}")
    rows = (row[: len(chosen)] for row in found)
    _keep(table, names, chosen, rows, target, tables)


def _no_table(database: str, name: str, known: Sequence[str]) -> LandingError:
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return LandingError(
        f"{database} has no table '{name}'.{did_you_mean(name, known)} "
        f"Tables found: {shown or 'none'}"
    )


def _read_postgresql(
    variable: str,
    wanted: Mapping[Table, frozenset[str]],
    targets: Iterator[Path],
    tables: Tables,
) -> None:
    """Read from the server that an environment variable names; no message shows what it holds."""
    address = os.environ.get(variable)
    if not address:
        raise LandingError(
            f"the environment variable {variable}, which should hold the connection string of the "
            "database, is not set"
        )
    try:
        stated = conninfo_to_dict(address)
    except psycopg.Error:
        raise LandingError(
            f"the environment variable {variable} does not hold a connection string such as "
            "postgresql://user:password@host/database"
        ) from None
    try:
        connection = psycopg.connect(
            **{  # type: ignore[arg-type]
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "regulars",
                **stated,
                "client_encoding": "utf8",
            },
            autocommit=True,
        )
    except psycopg.Error as error:
        heals = not any(refusal in str(error) for refusal in _POSTGRESQL_REFUSALS)
        kind = TransientLandingError if heals else LandingError
        what = "cannot be reached just now" if heals else "refuses the connection"
        raise kind(
            f"the PostgreSQL server of {variable} {what}; its log says why (`psql` with the same "
            "connection string does, too)"
        ) from None
    try:
        with connection:
            for setting in (
                *("TimeZone = 'UTC'", "DateStyle = 'ISO'", "bytea_output = 'hex'"),
                *("extra_float_digits = 1", f"lock_timeout = '{_LOCK_SECONDS}s'"),
            ):
                connection.execute(f"set {setting}".encode())
            connection.execute("begin isolation level repeatable read, read only")
            for table, names in wanted.items():
                _read_postgresql_table(connection, variable, table, names, next(targets), tables)
            connection.execute("commit")
    except psycopg.Error as error:
        state = error.sqlstate
        heals = state is None or state.startswith(_POSTGRESQL_TRANSIENT)
        kind = TransientLandingError if heals else LandingError
        # The server's own words may show values.
        raise kind(
            f"PostgreSQL ({variable}) stopped the reading: {type(error).__name__} "
            f"({state or 'connection lost'})"
        ) from None


def _read_postgresql_table(
    connection: psycopg.Connection,
    variable: str,
    table: Table,
    wanted: frozenset[str],
    target: Path,
    tables: Tables,
) -> None:
    name = sql.Identifier(*table.name.split(".", 1))
    found = connection.execute("select to_regclass(%s)", [name.as_string(connection)]).fetchone()
    if found is None or found[0] is None:
        known = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_schema not in ('pg_catalog', 'information_schema') order by 1"
        ).fetchall()
        raise _no_table(variable, table.name, [row[0] for row in known])
    shape = connection.execute(sql.SQL("select * from {} limit 0").format(name))
    names = [column.name for column in shape.description or ()]
    chosen = _choose(names, wanted)
    listed = sql.SQL(", ").join(
        # One character more than a record may have, so that a field of a gigabyte does not come.
        sql.SQL("left({}::text, {})").format(
            sql.Identifier(names[position]), sql.Literal(MAXIMUM_RECORD + 1)
        )
        for position in chosen
    )
    statement = sql.SQL("copy (select {} from {}) to stdout").format(
        listed if chosen else sql.SQL("null"), name
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        rows = (row[: len(chosen)] for row in copy.rows())
        _keep(table, names, chosen, rows, target, tables)
