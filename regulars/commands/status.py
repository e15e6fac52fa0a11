"""`regulars status`: what is published, and how it came about."""

from pathlib import Path

from rich.markup import escape

from regulars import options
from regulars.terminal import plain_table, program, screen, shown


def status(config: options.Config = None, warehouse: options.Warehouse = None) -> None:
    """Show what is published: version, as-of date, sources, rejected rows, last runs."""
    from flows.publish.versions import NothingPublishedError, published_file, versions
    from flows.runs import last_failure
    from regulars import report
    from regulars.reading import load_or_fail, open_published

    settings = load_or_fail(config, {"warehouse": warehouse})
    console = screen()
    if is_refresh_running(settings.warehouse):
        console.print("[yellow]A refresh is running now.[/yellow]")
    if failure := last_failure(settings.warehouse):
        console.print(f"[red]The last refresh ({failure[0]}) failed:[/red] {escape(failure[1])}\n")
    try:
        path = published_file(settings.warehouse)
    except NothingPublishedError:
        console.print(f"Nothing is published in {escape(shown(settings.warehouse))} yet.")
        console.print(
            f"Next: [bold]{program()} refresh[/bold], or [bold]{program()} demo[/bold] to look."
        )
        return

    with open_published(settings.warehouse) as connection:
        version = report.one(connection, "select min(version) from marts.about")
        as_of_date = report.one(connection, "select min(as_of_date) from marts.about")
        built_at = report.one(
            connection,
            "select strftime(min(built_at)::timestamp, '%Y-%m-%d %H:%M UTC') from marts.about",
        )
        facts = plain_table("Warehouse", shown(path))
        facts.add_row("version", f"{version}, built {built_at}")
        facts.add_row("as of", f"{as_of_date}: nothing dated on or after it is counted")
        facts.add_row("size", megabytes(path))
        facts.add_row("kept", ", ".join(versions(settings.warehouse)))
        tables = [facts, report.sources(connection), report.rejected_rows(connection)]
        tables.append(report.runs(connection))
    for table in tables:
        if table.row_count:
            console.print(table)
            console.print()


def megabytes(path: Path) -> str:
    """The size of a file: "41.2 MB"."""
    return f"{path.stat().st_size / 1e6:,.1f} MB"


def is_refresh_running(warehouse: Path) -> bool:
    """Whether a refresh holds the warehouse's lock; looks without touching it (Linux)."""
    from flows.work_file import work_folder

    try:
        inode = (work_folder(warehouse) / "refresh.lock").stat().st_ino
        locks = Path("/proc/locks").read_text("ascii")
    except OSError:
        return False
    return any(" FLOCK " in line and f":{inode} " in line for line in locks.splitlines())
