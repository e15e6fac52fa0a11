"""`regulars diff`: what changed between two published versions."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from regulars import options
from regulars.commands.sql import Format
from regulars.terminal import (
    cell,
    count,
    fail,
    json_text,
    plain_table,
    program,
    screen,
    unfolded,
    visible,
)

if TYPE_CHECKING:
    from rich.console import Console

    from flows.publish.differences import RowDifference, TableDifference

_COLUMNS_SHOWN = 3
# Says by which columns the rows of the others are told apart: no table for readers, and not counted
# by `refresh` and `versions` either.
_KEYS = ("reference", "table_keys")


def diff(
    before: Annotated[
        str,
        typer.Argument(help="A version, the beginning of its name, current, previous or newest."),
    ] = "previous",
    after: Annotated[str, typer.Argument(help="The version to compare it with.")] = "current",
    table: Annotated[
        str | None, typer.Option(help="Only this table, as rfm or marts.rfm.", metavar="TABLE")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=0, help="Show so many rows of each kind from each table.")
    ] = 0,
    output_format: Annotated[
        Format, typer.Option("--format", help="How the result is written.")
    ] = Format.table,
    config: options.Config = None,
    warehouse: options.Warehouse = None,
) -> None:
    """Show what changed from one published version to another, by table.

    Rows are told apart by each table's key: added, gone, or changed, and in
    which columns. A table without a key is compared by whole rows. Columns that
    came or went are named. A refresh may run meanwhile.

    [bold]Examples[/bold]

      regulars diff
      regulars diff 20260101T020000 current --table rfm --rows 5
      regulars diff --format json | jq .
    """
    import duckdb

    from flows.publish.differences import UnknownVersionError, differences, resolved_version
    from regulars.reading import load_or_fail

    if rows and output_format is Format.csv:
        raise typer.BadParameter("--format csv has a line for each table: rows need table or json")
    settings = load_or_fail(config, {"warehouse": warehouse})
    try:
        a, b = (resolved_version(settings.warehouse, one) for one in (before, after))
        compared = [
            one
            for one in differences(settings.warehouse, a, b, table=table, rows=rows)
            if table is not None or (one.schema, one.table) != _KEYS
        ]
    except UnknownVersionError as error:
        fail(f"{error}.\n{_next(settings.warehouse, options.repeated(config, warehouse))}")
    except ValueError as error:
        fail(f"{error}.\nNext: `{program()} diff` without --table lists those that differ.")
    except duckdb.Error as error:
        fail(str(error))
    if output_format is Format.json:
        sys.stdout.write(_json(a, b, compared))
    elif output_format is Format.csv:
        _write_csv(compared)
    else:
        _write_table(screen(), a, b, compared)


def _next(warehouse: Path, repeated: str) -> str:
    """What to type where a version is not there."""
    from flows.publish.versions import versions

    if not versions(warehouse):
        return f"Next: `{program()} refresh{repeated}` publishes the first."
    return f"Next: `{program()} versions{repeated}` says which is which."


def _write_table(
    console: "Console", before: str, after: str, compared: Sequence["TableDifference"]
) -> None:
    different = [one for one in compared if not one.is_equal]
    console.print(f"From {before} to {after}:\n")
    if not different:
        console.print(f"All {len(compared)} tables are equal.")
        return
    numbers = ["rows before", "rows after", "added", "gone", "changed"]
    table = plain_table("Table", *numbers, "what", numbers=numbers)
    for one in different:
        table.add_row(
            Text(f"{one.schema}.{one.table}"),
            *map(count, (one.rows_before, one.rows_after)),
            *map(count, (one.added, one.gone, one.changed)),
            Text(visible(_what(one))),
        )
    console.print(unfolded(table, "Table"))
    console.print(f"\n{len(compared) - len(different)} of {len(compared)} tables are equal.")
    for one in different:
        for row in one.rows:
            console.print(Text(f"\n{one.schema}.{one.table}: {row.kind} {_named(row.key)}"))
            for name in dict.fromkeys([*row.before, *row.after]):
                console.print(Text(f"  {visible(name)}: {_values(row, name)}"))


def _what(one: "TableDifference") -> str:
    """What changed beside the counts: "frequency 12, monetary 9; new column x"."""
    if one.state != "both":
        return "new table" if one.state == "added" else "table is gone"
    columns = [f"{name} {count(rows)}" for name, rows in one.changed_columns.items()]
    if len(columns) > _COLUMNS_SHOWN:
        left = len(columns) - _COLUMNS_SHOWN
        columns = [*columns[:_COLUMNS_SHOWN], f"{left} more column{'s' if left > 1 else ''}"]
    parts = [", ".join(columns)] if columns else []
    parts += [f"new column {name}" for name in one.columns_added]
    parts += [f"column {name} is gone" for name in one.columns_gone]
    parts += [f"column {name} has another type" for name in one.columns_retyped]
    if not one.key and (one.added or one.gone):
        parts.append("whole rows: no key")
    return "; ".join(parts)


def _named(values: dict[str, Any]) -> str:
    return ", ".join(f"{visible(name)} {visible(cell(value))}" for name, value in values.items())


def _values(row: "RowDifference", name: str) -> str:
    sides = [side for side in (row.before, row.after) if name in side]
    return " → ".join("null" if side[name] is None else visible(cell(side[name])) for side in sides)


def _write_csv(compared: Sequence["TableDifference"]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    names = ("schema", "table", "state", "rows_before", "rows_after", "added", "gone", "changed")
    writer.writerow(names)
    writer.writerows([getattr(one, name) for name in names] for one in compared)


def _json(before: str, after: str, compared: Sequence["TableDifference"]) -> str:
    tables = [
        {
            **{
                name: getattr(one, name)
                for name in ("schema", "table", "state", "rows_before", "rows_after")
            },
            **{name: getattr(one, name) for name in ("added", "gone", "changed")},
            "changed_columns": one.changed_columns,
            "columns_added": one.columns_added,
            "columns_gone": one.columns_gone,
            "columns_retyped": one.columns_retyped,
            "key": one.key,
            "rows": [
                {"kind": row.kind, "key": row.key, "before": row.before, "after": row.after}
                for row in one.rows
            ],
        }
        for one in compared
    ]
    return json_text({"before": before, "after": after, "tables": tables}) + "\n"
