"""`regulars status`: what is published, and how it came about."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from regulars import options
from regulars.terminal import plain_table, program, screen, shown, visible

if TYPE_CHECKING:
    from flows.runs import Trouble


def status(config: options.Config = None, warehouse: options.Warehouse = None) -> None:
    """Show what is published: version, as-of date, sources, rejected rows, last runs.

    Also whether a refresh is running, what the last one found wrong (failed
    tests, nights that look like a broken feed), and sources that fell silent.
    """
    from flows.publish.versions import (
        NothingPublishedError,
        current_version,
        published_file,
        versions,
    )
    from flows.query import one_value
    from regulars import report
    from regulars.reading import load_or_fail, open_published

    settings = load_or_fail(config, {"warehouse": warehouse})
    console = screen()
    if (process := refresh_process(settings.warehouse)) is not None:
        _print_running(console, settings.warehouse, process)
    _print_trouble(console, settings.warehouse)
    repeated = options.repeated(config, warehouse)
    _print_audit(console, settings.warehouse, repeated)
    try:
        path = published_file(settings.warehouse)
    except NothingPublishedError:
        _print_nothing_published(console, settings.warehouse, repeated)
        return

    with open_published(settings.warehouse) as connection:
        version = one_value(connection, "select min(version) from marts.about")
        as_of_date = one_value(connection, "select min(as_of_date) from marts.about")
        built_at = one_value(
            connection,
            "select strftime(min(built_at)::timestamp, '%Y-%m-%d %H:%M UTC') from marts.about",
        )
        facts = plain_table("Warehouse", shown(path))
        facts.add_row("version", f"{version}, built {built_at}")
        facts.add_row("as of", f"{as_of_date}: nothing dated on or after it is counted")
        facts.add_row("size", megabytes(path))
        kept = versions(settings.warehouse)
        facts.add_row("kept", ", ".join(kept))
        if (current := current_version(settings.warehouse)) != kept[-1]:
            facts.add_row("rolled back", f"readers see {current}, the newest is {kept[-1]}")
        tables = [facts, report.sources(connection), report.rejected_rows(connection)]
        tables.append(runs := report.runs(connection))
        silent = report.silent_sources(connection, settings.gates.silent_days, datetime.now(UTC))
    for table in tables:
        if table.row_count:
            console.print(table)
            if table is runs:
                console.print(report.RUNS_NOTE, style="dim")
            console.print()
    for source, days in silent:
        console.print(
            f"[yellow]{escape(visible(source))}[/yellow] delivered nothing new for {days} days."
        )


def _print_running(console: Console, warehouse: Path, process: int) -> None:
    """That a refresh runs, since when where it builds already, and its process where it is seen."""
    from flows.building import left_build

    build = left_build(warehouse)
    since = f"since {build[1]:%H:%M} UTC" if build else "now"
    which = f" (process {process})" if process else ""  # 0: of another container
    console.print(f"[yellow]A refresh is running {since}{which}.[/yellow]")


def _print_nothing_published(console: Console, warehouse: Path, repeated: str) -> None:
    """Where nothing is published, in full, for it may not be the folder that is meant."""
    from flows.publish.versions import NothingPublishedError, published_file

    console.print(
        f"Nothing is published in {escape(str(warehouse.absolute()))} yet.", soft_wrap=True
    )
    try:
        published_file(options.DEMO_WAREHOUSE)
    except NothingPublishedError:
        console.print(
            f"Next: [bold]{program()} refresh{escape(repeated)}[/bold], "
            f"or [bold]{program()} demo[/bold] to look.",
            soft_wrap=True,
        )
        return
    console.print(
        f"The demo is in {options.DEMO_WAREHOUSE}: "
        f"[bold]{program()} status --warehouse {options.DEMO_WAREHOUSE}[/bold]\n"
        f"Next, for data of your own: [bold]{program()} refresh{escape(repeated)}[/bold]",
        soft_wrap=True,
    )


def _print_trouble(console: Console, warehouse: Path) -> None:
    """What went wrong in the last refresh: as it said itself, or as what it left shows."""
    from flows.building import left_build
    from flows.runs import killed_run, last_trouble

    trouble = last_trouble(warehouse)
    left = left_build(warehouse)
    told = left is not None and trouble is not None and trouble.tells_of(left[0])
    # Looked at again: a refresh that was running may have ended meanwhile, and told how.
    if left and not told and not is_refresh_running(warehouse) and left_build(warehouse) == left:
        _print_one(console, killed_run(*left))
        if trouble is not None and trouble.run_id is not None:
            return  # of a run before
    if trouble is not None:
        _print_one(console, trouble)


def _print_one(console: Console, trouble: "Trouble") -> None:
    which = f"The last refresh ({trouble.run_id})" if trouble.run_id else "The last try"
    how = "[yellow]published, but not all is well" if trouble.is_published else "[red]failed"
    console.print(f"{which} {how}:[/] {escape(trouble.message)}\n")


def _print_audit(console: Console, warehouse: Path, repeated: str) -> None:
    """What the last refresh found wrong, and how to look at it; it is private to its user.

    Args:
        console: to print on.
        warehouse: the warehouse folder.
        repeated: the options that a proposed command needs to find the same warehouse.
    """
    import duckdb

    from flows.audit import read_audit
    from regulars import report

    try:
        audit = read_audit(warehouse)
    except (OSError, duckdb.Error):
        return
    if audit is None:
        return
    for table in (report.failed_tests(audit), report.findings(audit)):
        if table.row_count:
            console.print(table)
            console.print()
    shown_in = next((test.rows_table for test in audit.failed_tests if test.rows_table), None)
    query = f"from {shown_in}" if shown_in else "from findings"
    console.print(
        f'Look closer: {program()} sql --audit "{escape(query)}"{escape(repeated)}\n',
        soft_wrap=True,
    )


def megabytes(path: Path) -> str:
    """The size of a file: "41.2 MB"."""
    return f"{path.stat().st_size / 1e6:,.1f} MB"


def is_refresh_running(warehouse: Path) -> bool:
    """Whether a refresh holds the warehouse's lock; looks without touching it (Linux)."""
    return refresh_process(warehouse) is not None


def refresh_process(warehouse: Path) -> int | None:
    """The process that holds the warehouse's lock; None where none does. Does not touch the lock.

    Of /proc/locks (Linux), as `1: FLOCK  ADVISORY  WRITE 19383 fe:00:2623662 0 EOF`.
    """
    from flows.work_file import work_folder

    try:
        lock = (work_folder(warehouse) / "refresh.lock").stat()
        locks = Path("/proc/locks").read_text("ascii")
    except OSError:
        return None
    for line in locks.splitlines():
        # A line with an arrow is of a process that waits for the lock.
        if " FLOCK " in line and f":{lock.st_ino} " in line and "->" not in line:
            process = int(line.split()[4])
            if _has_open(process, lock):
                return process
    return None


def _has_open(process: int, file: os.stat_result) -> bool:
    """Whether a process has a file open; where it cannot be looked at, as in a container, yes.

    Files of other file systems have the same inode, and the device that /proc/locks shows is
    another than that of `stat` on some (btrfs).
    """
    try:
        found = list(Path(f"/proc/{process}/fd").iterdir())
    except FileNotFoundError:
        return process == 0  # of another container; else it has just ended
    except PermissionError:
        return True
    for descriptor in found:
        with suppress(OSError):  # closed meanwhile
            if os.path.samestat(descriptor.stat(), file):
                return True
    return False
