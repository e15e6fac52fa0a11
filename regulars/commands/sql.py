"""`regulars sql`: ask the published warehouse."""

import csv
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from regulars import options
from regulars.terminal import cell, fail, json_text, plain_table, program, screen, visible

if TYPE_CHECKING:
    import duckdb

_ROWS_SHOWN = 50
_ROWS_AT_ONCE = 10_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    """How the rows are written."""

    table = "table"
    csv = "csv"
    json = "json"


def sql(
    query: Annotated[
        str | None, typer.Argument(help="The query; - reads it from standard input.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Read the query from a file.", exists=True, dir_okay=False),
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--format", help="How the rows are written.")
    ] = Format.table,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Show so many rows; 0: all.",
            show_default=f"{_ROWS_SHOWN} in tables, else all",
        ),
    ] = None,
    audit: Annotated[
        bool,
        typer.Option("--audit", help="Ask instead what the last refresh found wrong."),
    ] = False,
    config: options.Config = None,
    warehouse: options.Warehouse = None,
) -> None:
    """Ask the published warehouse with SQL (DuckDB's).

    Tables of the schemas marts and core need no schema in front. Nothing can
    be changed, and no other file can be read. A refresh may run meanwhile.
    Lists become JSON in --format csv, and text that a spreadsheet would run as
    a formula gets a ' in front.

    [bold]Examples[/bold]

      regulars sql "show tables"
      regulars sql "select segment, count(*) from rfm group by all"
      regulars sql --format csv "from cross_sell_rules order by rank" > rules.csv
      regulars sql --file churn.sql --format json | jq .
      regulars sql --audit "from failed_tests"
    """
    text = _query_text(query, file)

    import duckdb

    from regulars.reading import load_or_fail, open_audit, open_published

    settings = load_or_fail(config, {"warehouse": warehouse})
    opened = open_audit if audit else open_published
    with opened(settings.warehouse) as connection:
        try:
            result = connection.execute(text)
            if not result or result.description is None:
                return
            _write(result, output_format, limit)
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.CatalogException as error:
            fail(_naming_a_table(str(error), connection, options.repeated(config, warehouse)))
        except duckdb.Error as error:
            fail(str(error))


def _naming_a_table(message: str, connection: "duckdb.DuckDBPyConnection", repeated: str) -> str:
    """DuckDB's message on an unknown table with the nearest of this file's own tables.

    DuckDB proposes its catalog's tables too, which nobody means.
    """
    unknown = re.match(r"Catalog Error: Table with name (\S+) does not exist!", message)
    if unknown is None:
        return message
    tables = connection.execute(
        """
        select
            table_name,
            if(schema_name in current_schemas(false), '', schema_name || '.') || table_name

        from duckdb_tables()
        where database_name = current_database()
        """
    ).fetchall()
    as_typed = dict(tables)
    near = get_close_matches(unknown[1].lower(), as_typed, n=1)
    proposed = (
        f'Did you mean "{as_typed[near[0]]}"?'
        if near
        else f'The tables: {program()} sql "show tables"{repeated}'
    )
    first_line, _, place = message.partition("\n")
    place = re.sub(r"^Did you mean .*\n", "", place)
    return f"{first_line}\n{proposed}\n{place}"


def _query_text(query: str | None, file: Path | None) -> str:
    if query is not None and file is not None:
        raise typer.BadParameter("give a query or --file, not both")
    if file is not None:
        text = file.read_text("utf-8")
    elif query == "-" or (query is None and not sys.stdin.isatty()):
        text = sys.stdin.read()
    else:
        text = query or ""
    if not text.strip():
        raise typer.BadParameter('no query given; try: regulars sql "select * from rfm limit 10"')
    return text


def _write(result: "duckdb.DuckDBPyConnection", output_format: Format, limit: int | None) -> None:
    columns = [(name, str(kind)) for name, kind, *_ in result.description or []]
    if output_format is Format.table:
        shown = _ROWS_SHOWN if limit is None else limit
        rows = result.fetchmany(shown + 1) if shown else result.fetchall()
        _write_table(columns, rows, shown)
    elif output_format is Format.csv:
        _write_csv(columns, _rows(result, limit))
    else:
        _write_json([name for name, _ in columns], _rows(result, limit))


def _rows(result: "duckdb.DuckDBPyConnection", limit: int | None) -> Iterable[tuple[Any, ...]]:
    left = limit or sys.maxsize
    while left > 0 and (rows := result.fetchmany(min(left, _ROWS_AT_ONCE))):
        yield from rows
        left -= len(rows)


def _write_csv(columns: Sequence[tuple[str, str]], rows: Iterable[tuple[Any, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    writer.writerows([_disarmed(value) for value in row] for row in rows)


def _disarmed(value: Any) -> str:
    text = cell(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text


def _write_json(columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """A list of objects, one a line. A name that comes again gets a number: a, a_1."""
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    separator = "[\n  "
    for row in rows:
        sys.stdout.write(separator + json_text(dict(zip(names, row, strict=True))))
        separator = ",\n  "
    sys.stdout.write("[]\n" if separator.startswith("[") else "\n]\n")


def _write_table(
    columns: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]], shown: int
) -> None:
    console = screen()
    is_cut = bool(shown) and len(rows) > shown
    rows = rows[:shown] if is_cut else rows
    numbers = [name for name, kind in columns if _is_number(kind)]
    cells = [[_table_cell(value) for value in row] for row in rows]
    if not cells:
        console.print(", ".join(name for name, _ in columns), style="dim")
        console.print("no rows")
        return
    widths = [
        max(len(name), *(one.cell_len for one in column)) + 2
        for (name, _), column in zip(columns, zip(*cells, strict=True), strict=True)
    ]
    if sum(widths) <= console.width or len(columns) < 8:
        table = plain_table(*(name for name, _ in columns), numbers=numbers)
        for row in cells:
            table.add_row(*row)
        console.print(table)
    else:
        _write_records(console, [name for name, _ in columns], cells)
    if is_cut:
        console.print(
            f"\nthe first {shown:,} rows; --limit 0 shows all, --format csv writes them",
            style="dim",
        )


def _write_records(console: Console, names: Sequence[str], cells: Sequence[Sequence[Text]]) -> None:
    """Rows that are too wide for the screen: one below the other, a line for each column."""
    for number, row in enumerate(cells, 1):
        table = plain_table(f"row {number}", "")
        for name, value in zip(names, row, strict=True):
            table.add_row(Text(name, "dim"), value)
        console.print(table)
        console.print()


def _table_cell(value: Any) -> Text:
    if value is None:
        return Text("null", "dim italic")
    if isinstance(value, float):
        return Text(f"{value:.2f}" if 1000 <= abs(value) < 1e15 else f"{value:.6g}")
    return Text(visible(cell(value)))


def _is_number(kind: str) -> bool:
    if kind.endswith("]"):
        return False
    return "INT" in kind.split("(")[0] or kind.startswith(("DECIMAL", "DOUBLE", "FLOAT"))
