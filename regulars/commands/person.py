"""`regulars person`: look a person up, give one their data, or see who looked."""

import re
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from regulars import options
from regulars.terminal import cell, count, fail, json_text, plain_table, screen, shown, visible

if TYPE_CHECKING:
    from flows.privacy.look_ups import LookUp
    from flows.privacy.person import Holding

_ORDERS_SHOWN = 10


def person(
    customer: Annotated[
        str | None, typer.Argument(help="The customer_id, as shop:17.", show_default=False)
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write everything held of this person as JSON to a new file; - for the screen.",
            metavar="FILE",
        ),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Show who looked up or exported whom, and when.")
    ] = False,
    config: options.Config = None,
    warehouse: options.Warehouse = None,
) -> None:
    """Look up one person by name, contacts and orders, or give one their data.

    Reads the restricted file, so it is for the user who runs the refresh and
    for the group named in the setting restricted.group. Every look-up and every
    export is recorded before anything is shown: who, when, whom.

    [bold]Examples[/bold]

      regulars person shop:17
      regulars person shop:17 --export ann.json
      regulars person --record
    """
    if record and export is not None:
        raise typer.BadParameter("--record shows look-ups; it exports nobody")
    if customer is None and not record:
        raise typer.BadParameter("give the customer_id of a person, as shop:17, or --record")
    from flows.privacy.exports import ExportError, export_head, new_export
    from flows.privacy.look_ups import (
        LookUpNotRecordedError,
        damaged_lines,
        look_ups,
        record_look_up,
    )
    from flows.privacy.person import NoRestrictedFileError, holdings, is_held, open_people
    from flows.publish.versions import version_folder
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"warehouse": warehouse})
    if record:
        try:
            recorded = list(look_ups(settings.warehouse, customer))
            damaged = damaged_lines(settings.warehouse)
        except OSError as error:
            fail(f"the record cannot be read: {error.filename}: {error.strerror}")
        _show_record(recorded, damaged)
        return
    assert customer is not None  # noqa: S101 (said above)
    is_screen = export is not None and str(export) == "-"
    target = None if export is None else "-" if is_screen else str(export.absolute())
    try:
        with (
            nullcontext() if export is None or is_screen else new_export(export, customer) as file,
            open_people(settings.warehouse) as (connection, version),
        ):
            record_look_up(
                settings.warehouse,
                customer,
                "looked up" if export is None else "exported",
                target,
                version,
                settings.restricted.group,
            )
            # Whoever was forgotten before this was on record is in no version that is still there.
            if not version_folder(settings.warehouse, version).is_dir():
                fail(f"version {version} was removed just now: try again")
            if not is_held(connection, customer):
                fail(
                    f"no customer '{customer}' in version {version}: expected a customer_id as the "
                    'tables have it; try: regulars sql "select customer_id from customers limit 5"'
                )
            held = holdings(connection, customer)
            if file is not None:
                file.write(_as_json(version, held) + "\n")
    except (NoRestrictedFileError, LookUpNotRecordedError, ExportError) as error:
        fail(str(error))
    if export is None:
        _show_person(customer, held)
        return
    if is_screen:
        typer.echo(export_head(customer) + _as_json(version, held))
        return
    rows = sum(len(one.rows) for one in held)
    screen().print(
        f"Wrote {count(rows)} rows of {customer} to {shown(export)}.", markup=False, soft_wrap=True
    )


def _show_person(customer: str, held: "list[Holding]") -> None:
    console = screen()
    attributes = held[0].rows[0]
    facts = plain_table("Person", customer)
    for name, value in attributes.items():
        if value is not None and name != "customer_id":
            facts.add_row(Text(name, "dim"), Text(visible(cell(value))))
    console.print(facts)
    tables = plain_table("Held of this person", "rows", "what a row is", numbers=["rows"])
    for one in held:
        if one.rows:
            tables.add_row(
                one.table, count(len(one.rows)), Text(visible(first_sentence(one.meaning)))
            )
    console.print()
    console.print(tables)
    orders = next((one.rows for one in held if one.table == "core.fct_orders"), [])
    if orders:
        console.print()
        console.print(_newest_orders(orders))


def first_sentence(text: str) -> str:
    """The first sentence of a description, on one line: "RFM by definitions.md (R6): recency."."""
    one_line = " ".join(text.split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", one_line, maxsplit=1)[0]


def _newest_orders(orders: list[dict[str, Any]]) -> Any:
    newest = sorted(orders, key=lambda row: row["ordered_at_local"], reverse=True)[:_ORDERS_SHOWN]
    table = plain_table(
        "Newest orders", "date", "status", "lines", "net revenue", numbers=["lines", "net revenue"]
    )
    for row in newest:
        table.add_row(
            Text(visible(row["order_id"])),
            cell(row["order_date"]),
            row["order_status"],
            count(row["line_count"]),
            f"{row['net_revenue']:,.2f}",
        )
    return table


def _show_record(recorded: "list[LookUp]", damaged: int) -> None:
    console = screen()
    if damaged:
        console.print(
            f"{count(damaged)} lines of the record are no look-ups: torn by a power cut, or not "
            "written by this program.\n",
            style="yellow",
        )
    if not recorded:
        console.print("Nobody was looked up yet.")
        return
    table = plain_table("when (UTC)", "who", "did", "whom", "to")
    for one in recorded:
        when = datetime.fromisoformat(one.at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(
            when,
            Text(visible(one.by)),
            one.action,
            Text(visible(one.customer_id)),
            Text(visible(one.path or "")),
        )
    console.print(table)


def _as_json(version: str, held: "list[Holding]") -> str:
    """Everything held of a person but the id, each table and column with its meaning; a row a line.

    It follows `export_head`.
    """
    tables = []
    for one in held:
        rows = ",\n".join(f"      {json_text(row)}" for row in one.rows)
        inside = f"\n{rows}\n    " if rows else ""
        tables.append(
            "    {"
            f'"table": {json_text(one.table)}, "meaning": {json_text(one.meaning)},\n'
            f'    "columns": {json_text(one.columns)},\n'
            f'    "rows": [{inside}]}}'
        )
    return (
        f'  "exported_at": {json_text(datetime.now(UTC).isoformat(timespec="seconds"))},\n'
        f'  "version": {json_text(version)},\n'
        '  "tables": [\n' + ",\n".join(tables) + "\n  ]\n}"
    )
