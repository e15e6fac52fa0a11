"""One landing file as a DuckDB query: its columns by name, each row with its physical line."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import duckdb

from flows.load.excel import read_sheet
from flows.load.header import HeaderInDoubtError
from flows.load.landing import FileType, LandingError, file_type, text_encoding
from flows.load.mapping import FileFormat
from flows.load.records import (
    LINE,
    HeaderError,
    Layout,
    TextError,
    number_records,
    raw_texts,
)
from flows.load.text_rows import TextRows
from flows.sql_text import quote_name, quote_text

_JSON_DELIMITER: Final = "\x1f"  # no valid JSON holds it unescaped
_MAXIMUM_LINE_BYTES: Final = (
    16 * 2**20
)  # MAXIMUM_RECORD characters of four bytes, and quotes doubled


@dataclass(frozen=True)
class Reading:
    """A file ready to be queried.

    Attributes:
        path: the file itself.
        name: relative to the landing folder.
        kind: its type.
        query: SQL that gives the line (LINE) and the columns; JSON gives `json`, null where it is
            not valid.
        types: DuckDB type of each column; VARCHAR throughout for text files.
        good: records that the query gives.
        file_format: as stated in the mapping; of Excel, with its type.
        malformed: records that are not in the query.
        malformed_path: Parquet file of those, of records.MALFORMED_SCHEMA; None where a file of
            this type can have none.
        layout: for text files.
        unread: columns of a table that no mapping names.
        notes: what a person should know.
    """

    path: Path
    name: str
    kind: FileType
    query: str
    types: dict[str, str]
    good: int
    file_format: FileFormat
    malformed: int = 0
    malformed_path: Path | None = None
    layout: Layout | None = None
    unread: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_checked_text(self) -> bool:
        """Whether the pass over the file has already rejected what cannot be kept as text."""
        return self.malformed_path is not None and self.kind != "json"

    @property
    def is_named(self) -> bool:
        """Whether the columns have these names for certain: none was read as text of the file."""
        if self.kind in ("csv", "excel"):
            return not self.file_format.header or bool(self.file_format.column_names)
        return self.kind != "json"

    def column(self, name: str, table: str) -> str:
        """Return SQL for one column of the query, where that is called `table`."""
        if self.kind != "json":
            return f"{table}.{quote_name(name)}"
        steps = [name] if name in self.types else name.split(".")
        # A JSON pointer, in which a name may hold any character.
        path = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
        return f"json_extract_string({table}.json, {quote_text(path)})"

    def find(self, name: str) -> str | None:
        """Return the file's own spelling of a column: exact, else alike but for case and blanks."""
        if name in self.types:
            return name
        alike = [own for own in self.types if _fold(own) == _fold(name)]
        if len(alike) == 1:
            return alike[0]
        if self.kind != "json":
            return None
        # Its names stand in its records alone: where there is none, none is missing.
        is_inside = "." in name and name.split(".")[0] in self.types
        return name if is_inside or not self.good else None

    def records_at(
        self, connection: duckdb.DuckDBPyConnection, lines: list[int]
    ) -> Iterator[tuple[int, str]]:
        """Yield the records that begin on these ascending lines: texts as delivered, else JSON."""
        if self.layout is not None:
            yield from raw_texts(self.path, self.layout, len(self.types), lines)
            return
        columns = ", ".join(f"{quote_text(name)}: {quote_name(name)}" for name in self.types)
        found = connection.cursor().execute(
            f"select {LINE}, cast(to_json({{{columns}}}) as varchar) from ({self.query}) "
            f"where {LINE} in (select unnest($lines)) order by {LINE}",
            {"lines": lines},
        )
        yield from found.fetchall()


@dataclass
class Workspace:
    """Where the temporary files of one load lie, and what was read so far.

    Attributes:
        folder: of the temporary files.
        readings: the files read, each under a format.
        tables: the rows of database tables, and the columns not read, by the file of the rows.
    """

    folder: Path
    readings: dict[tuple[Path, str], Reading] = field(default_factory=dict)
    tables: dict[Path, tuple[TextRows, tuple[str, ...]]] = field(default_factory=dict)
    _paths: Iterator[int] = field(default_factory=count)

    def next_path(self, suffix: str) -> Path:
        """Return a fresh path in the workspace."""
        return self.folder / f"{next(self._paths)}{suffix}"


def _fold(name: str) -> str:
    return name.casefold().strip()


def read_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    file_format: FileFormat,
    workspace: Workspace,
) -> Reading:
    """Make a file ready to be queried; a file asked for again is not read again.

    Raises:
        LandingError: the file is empty, of an unknown type, damaged or has no usable header.
    """
    key = (path, file_format.model_dump_json())
    if key not in workspace.readings:
        if path in workspace.tables:
            rows, unread = workspace.tables[path]
            workspace.readings[key] = _of_rows(path, name, "table", rows, file_format, unread)
            return workspace.readings[key]
        kind, delimiter = file_type(path, file_format)
        if kind == "parquet":
            reading = _read_parquet(connection, path, name, file_format, workspace)
        elif kind == "excel":
            rows, notes = read_sheet(path, file_format, workspace.next_path(".parquet"))
            stated = file_format.model_copy(update={"type": kind})
            reading = _of_rows(path, name, kind, rows, stated, notes=notes)
        else:
            reading = _read_text(connection, path, name, file_format, kind, delimiter, workspace)
        workspace.readings[key] = reading
    return workspace.readings[key]


def _of_rows(
    path: Path,
    name: str,
    kind: FileType,
    rows: TextRows,
    file_format: FileFormat,
    unread: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Reading:
    query = f"select * from read_parquet({quote_text(str(rows.path))}, hive_partitioning = false)"
    return Reading(
        path,
        name,
        kind,
        query,
        dict.fromkeys(rows.columns, "VARCHAR"),
        rows.good,
        file_format,
        rows.malformed,
        rows.malformed_path,
        unread=unread,
        notes=notes,
    )


def _read_parquet(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    file_format: FileFormat,
    workspace: Workspace,
) -> Reading:
    # A link of our own: DuckDB would read `sales[1].parquet` as a pattern.
    link = workspace.next_path(".parquet")
    link.symlink_to(path.resolve())
    literal = quote_text(str(link))
    query = (
        f"select * exclude (file_row_number), file_row_number + 1 as {LINE} "
        f"from read_parquet({literal}, file_row_number = true, hive_partitioning = false)"
    )
    try:
        described = connection.execute(
            f"describe select * from read_parquet({literal}, hive_partitioning = false)"
        ).fetchall()
        counted = connection.execute(
            f"select num_rows from parquet_file_metadata({literal})"
        ).fetchone()
    except duckdb.Error as error:
        raise LandingError(f"not a readable Parquet file: {error}") from error
    types = {str(row[0]): str(row[1]) for row in described}
    for own in (LINE, "file_row_number"):
        if own in {column.casefold() for column in types}:
            raise LandingError(f"a column is called '{own}', which Regulars needs for itself")
    return Reading(path, name, "parquet", query, types, counted[0] if counted else 0, file_format)


def _read_text(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    file_format: FileFormat,
    kind: FileType,
    delimiter: str,
    workspace: Workspace,
) -> Reading:
    encoding = text_encoding(path, file_format)
    file_format = file_format.model_copy(update={"encoding": encoding})
    if kind == "json":
        layout = Layout(encoding, _JSON_DELIMITER, None)
        file_format = file_format.model_copy(update={"header": False, "column_names": ("json",)})
    else:
        layout = Layout.of(file_format, delimiter)
    try:
        numbered = number_records(path, file_format, layout, workspace.next_path(".csv"))
    except HeaderError as error:
        raise HeaderInDoubtError(f"the header cannot be read: {error}", error.record) from error
    except TextError as error:
        raise LandingError(str(error)) from error
    columns = {LINE: "BIGINT", **dict.fromkeys(numbered.columns, "VARCHAR")}
    quoting = quote_text(numbered.quote or "")
    listed = ", ".join(f"{quote_text(name)}: '{kind}'" for name, kind in columns.items())
    # Everything is stated, so that nothing is guessed: this file is our own, and a \r inside quotes
    # would be taken for its line end. Rows with line breaks inside quotes are read by one thread: a
    # parallel reader has to guess where it stands.
    query = (
        f"select * from read_csv({quote_text(str(numbered.path))}, "
        f"auto_detect = false, header = false, delim = {quote_text(numbered.delimiter)}, "
        f"quote = {quoting}, escape = {quoting}, "
        f"new_line = '\\n', columns = {{{listed}}}, max_line_size = {_MAXIMUM_LINE_BYTES}, "
        f"parallel = {not numbered.is_quoted})"
    )
    types = dict.fromkeys(numbered.columns, "VARCHAR")
    if kind == "json":
        query = (
            f"select {LINE}, case when json_valid(json) then "
            f"case when json_type(json) = 'OBJECT' then json end end as json from ({query})"
        )
        keys = connection.execute(
            f"select distinct unnest(json_keys(json)) as name from ({query}) order by name"
        ).fetchall()
        types = {str(row[0]): "VARCHAR" for row in keys}
    return Reading(
        path,
        name,
        kind,
        query,
        types,
        numbered.good,
        file_format,
        numbered.malformed,
        numbered.malformed_path,
        layout,
    )
