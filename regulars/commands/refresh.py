"""`regulars refresh`: from landing files to a published warehouse."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from regulars import landing_notes, options
from regulars.commands.source import known_file
from regulars.commands.status import megabytes
from regulars.flow_run import FlowStoppedError, refuse_beside_another, run_flow, tell_of_no_run
from regulars.terminal import count, fail, plain_table, program, screen, shown

if TYPE_CHECKING:
    from flows.refresh import RefreshResult
    from flows.settings import RefreshSettings


def refresh(
    config: options.Config = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Load only this source; may be given again.",
            show_default="every source that has a folder in the landing folder",
            metavar="NAME",
        ),
    ] = None,
    landing: options.Landing = None,
    warehouse: options.Warehouse = None,
    as_of: options.AsOf = None,
    full: Annotated[
        bool, typer.Option("--full", help="Build all again from the raw tables.")
    ] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Publish a night that looks like a broken feed."),
    ] = False,
) -> None:
    """Load new files, build and check all tables, publish them.

    Files lie in a folder per source: landing/NAME/. What was loaded before is
    not loaded again, so running it twice is safe. Readers see the old version
    until the new one is proven and published. Rows that cannot be read are
    kept, counted and shown; they stop nothing unless they are many.

    [bold]Examples[/bold]

      regulars refresh
      regulars refresh --source shop --landing /data/in
      regulars refresh --as-of 2026-01-01
    """
    from regulars.reading import load_or_fail

    settings = load_or_fail(
        config,
        {
            "sources": source or None,
            "landing": landing,
            "warehouse": warehouse,
            "as_of": options.day(as_of),
            "full": full or None,
            "accept": accept or None,
        },
    )
    for name in source or []:
        known_file(settings, name)  # a wrong name is told at once, not when the server is up
    run_refresh(settings, options.repeated(config, warehouse))


def run_refresh(settings: "RefreshSettings", repeated_options: str) -> None:
    """Run the flow with progress on the screen, then print the summary.

    Args:
        settings: all that the flow needs.
        repeated_options: what the commands proposed at the end need to find the same warehouse.
    """
    if not settings.landing.is_dir():
        missing = (
            f"no landing folder: expected {shown(settings.landing)}/NAME/ with the files of each "
            "source"
        )
        tell_of_no_run(settings, missing)  # a drive that is not mounted at night
        fail(f"{missing}.\nNext: make it, or name another one with --landing.")
    from flows.publish.versions import current_version

    def flow() -> "RefreshResult":
        from flows.refresh import refresh  # not before the server is up

        return refresh(settings)

    try:
        refuse_beside_another(settings, is_told=True)
        result = run_flow(settings, Console(stderr=True, highlight=False), flow)
    except FlowStoppedError as error:
        fail(str(error))
    if result.is_published:
        print_summary(screen(), settings, result, repeated_options)
    else:
        screen().print(
            f"Nothing new in {escape(shown(settings.landing))}: the published version "
            f"[bold]{current_version(settings.warehouse)}[/bold] stays. "
            f"`{program()} refresh --full` builds all again.",
            soft_wrap=True,
        )
        landing_notes.print_them(screen(), landing_notes.of_refresh(settings))
        print_warnings(screen(), result.warnings)


def print_warnings(console: Console, warnings: Sequence[str]) -> None:
    """Print what people should look at, a line each."""
    for warning in warnings:
        console.print(f"[yellow]Warning:[/yellow] {escape(warning)}", soft_wrap=True)


def print_summary(
    console: Console, settings: "RefreshSettings", result: "RefreshResult", repeated_options: str
) -> None:
    """What a refresh did and found, and what to type next."""
    from regulars import report
    from regulars.reading import open_published

    with open_published(settings.warehouse) as connection:
        rejecting = [
            one.source_file for one in result.deliveries if one.is_new and one.rows_rejected
        ]
        tables = [
            stages(result),
            *report.files(result.deliveries),
            report.rejected_rows(connection, rejecting),
            report.segments(connection),
            rules := report.rules(connection),
        ]
        why_no_rules = None if rules.row_count else report.why_no_rules(connection)
    for table in tables:
        if table.row_count:
            console.print(table)
            console.print()
    report.print_notes(console, result.deliveries)
    landing_notes.print_them(console, landing_notes.of_refresh(settings))
    print_warnings(console, result.warnings)
    if why_no_rules:
        console.print(why_no_rules, markup=False)
    if not any(one.is_new for one in result.deliveries):
        console.print("No new file: all was built again from what was loaded before.")
    elif not any(one.rows_rejected for one in result.deliveries):
        console.print("No row was rejected.")
    if result.as_of_date is None:
        console.print("There is no purchase yet, so the marts are empty.")
    else:
        last_day = result.as_of_date - timedelta(days=1)
        console.print(
            f"As of [bold]{result.as_of_date}[/bold]: everything to the end of {last_day} counts."
        )
    path = settings.warehouse / "current" / result.published_file.name
    console.print(
        f"Published version [bold]{result.run_id}[/bold] in "
        f"[bold]{escape(shown(path))}[/bold] ({megabytes(path)}).",
        soft_wrap=True,
    )
    console.print("\n[dim]What next[/dim]")
    queries = [
        "select customer_id, segment, monetary from rfm order by monetary desc limit 10",
        "show tables",
    ]
    if rules.row_count:
        queries.insert(1, "from cross_sell_rules select rule, lift order by rank")
    for query in queries:
        console.print(f'  {program()} sql{escape(repeated_options)} "{query}"', soft_wrap=True)
    if result.findings:
        console.print(
            f'  {program()} sql{escape(repeated_options)} --audit "from findings"'
            f"  (all {count(result.findings)} findings of the quality gates)",
            soft_wrap=True,
        )
    console.print(f"  {program()} status{escape(repeated_options)}", soft_wrap=True)


def stages(result: "RefreshResult") -> Table:
    """Seconds and rows of each stage."""
    from regulars.progress import STAGE_TITLES

    names = ["seconds", "rows in", "rows out"]
    table = plain_table("Stages", *names, numbers=names)
    for one in result.stages:
        table.add_row(
            STAGE_TITLES.get(one.name, one.name),
            f"{one.seconds:.1f}",
            count(one.rows_in),
            count(one.rows_out),
        )
    seconds = sum(one.seconds for one in result.stages)
    table.add_row("in all", f"{seconds:.1f}", style="dim")
    return table
