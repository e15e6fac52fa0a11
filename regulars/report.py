"""Tables that several commands print: of deliveries, and of the published file."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.audit import Audit
from flows.load.loader import Delivery
from flows.query import one_value
from flows.silence import days_without
from regulars.terminal import count, money, percent, plain_table, visible

_ROWS_SHOWN = 10
RUNS_NOTE: Final = (
    "As the published version knows them: when it was written, its own run had not ended (–); runs "
    "after it, failed or with nothing new, come with the next version."
)


def currency(connection: duckdb.DuckDBPyConnection) -> str:
    """The reporting currency as part of a heading: " (USD)", or nothing where it is not known."""
    row = connection.execute("select min(reporting_currency) from marts.about").fetchone()
    return f" ({visible(row[0])})" if row and row[0] else ""


def files(deliveries: Sequence[Delivery]) -> list[Table]:
    """What was read, a table for each source: each entity's file, or the number of its files.

    Derived lines come from amounts of an order's header, beside the records; skipped records are no
    rows of that entity, as the mapping states. Columns where all is zero are left out.
    """
    columns: dict[str, Callable[[Delivery], int]] = {
        "records": lambda one: one.records_read,
        "loaded": lambda one: one.rows_loaded,
        "derived": lambda one: one.rows_derived,
        "skipped": lambda one: one.rows_skipped,
        "rejected": lambda one: one.rows_rejected,
    }
    new = [one for one in deliveries if one.is_new]
    shown = [
        name
        for name, figure in columns.items()
        if name in ("records", "loaded") or any(map(figure, new))
    ]
    groups: dict[tuple[str, str], list[Delivery]] = {}
    for one in deliveries:
        groups.setdefault((one.source_file.split("/")[0], one.entity), []).append(one)
    tables: dict[str, Table] = {}
    for (source, entity), delivered in groups.items():
        if source not in tables:
            tables[source] = plain_table(visible(source), "entity", *shown, numbers=shown)
        newly = [one for one in delivered if one.is_new]
        tables[source].add_row(
            Text(_file_names(delivered)),
            entity,
            *(count(sum(map(columns[name], newly))) for name in shown),
        )
    return list(tables.values())


def _file_names(delivered: Sequence[Delivery]) -> str:
    known = sum(not one.is_new for one in delivered)
    if len(delivered) > 1:
        return f"{len(delivered)} files" + (f", {known} loaded before" if known else "")
    name = visible(delivered[0].source_file.partition("/")[2])
    return f"{name} (loaded before)" if known else name


def print_notes(console: Console, deliveries: Iterable[Delivery]) -> None:
    """What a person should know of each new file: unknown columns, no records."""
    for delivery in deliveries:
        for note in delivery.notes if delivery.is_new else ():
            console.print(Text(f"Note: {visible(delivery.source_file)}: {visible(note)}"))


def sources(connection: duckdb.DuckDBPyConnection) -> Table:
    """What the warehouse holds of each source."""
    names = ["lines", "orders", "purchases", "customers", "rejected"]
    table = plain_table("Sources", *names, "newest order", numbers=names)
    rows = connection.execute(
        """
        select
            source,
            order_lines,
            orders,
            purchases,
            customers,
            rejected_rows,
            strftime(timezone(time_zone, timezone('UTC', newest_order_at)), '%Y-%m-%d')

        from marts.about
        order by source
        """
    ).fetchall()
    for source, *counts, newest_order in rows:
        table.add_row(visible(source), *map(count, counts), newest_order or "–")
    return table


def segments(connection: duckdb.DuckDBPyConnection) -> Table:
    """Customers and revenue by RFM segment, the greatest revenue first."""
    revenue = f"revenue{currency(connection)}"
    names = ["customers", "share", revenue, "of revenue"]
    table = plain_table("Segments", *names, numbers=names)
    rows = connection.execute(
        """
        select
            segment,
            count(*) as customers,
            count(*) / sum(count(*)) over () as customer_share,
            sum(monetary) as revenue,
            sum(monetary)::double / nullif(sum(sum(monetary)) over (), 0)::double as revenue_share

        from marts.rfm
        group by segment
        order by revenue desc, segment
        """
    ).fetchall()
    for segment, customers, customer_share, total, revenue_share in rows:
        table.add_row(
            visible(segment or "no segment"),
            count(customers),
            percent(customer_share),
            money(total),
            percent(revenue_share),
        )
    return table


def rules(connection: duckdb.DuckDBPyConnection) -> Table:
    """The best rules, in the warehouse's own order.

    "confirmed" is the confidence on later baskets, which the rule was not chosen by.
    """
    names = ["baskets", "confirmed", "lift"]
    table = plain_table("Who buys → also buys", *names, numbers=names)
    rows = connection.execute(
        f"""
        select rule, joint_count, holdout_confidence, lift
        from marts.cross_sell_rules
        order by rank
        limit {_ROWS_SHOWN}
        """
    ).fetchall()
    for rule, baskets, confirmed, lift in rows:
        later = "untested" if confirmed is None else percent(confirmed)
        table.add_row(visible(rule), count(baskets), later, f"{lift:.1f}")
    return table


def why_no_rules(connection: duckdb.DuckDBPyConnection) -> str:
    """What kept a version from having any rule."""
    tested = one_value(
        connection,
        """
        select arg_max(value, run_id) from marts.model_report
        where model = 'cross_sell_rules' and metric = 'tested'
        """,
    )
    if tested:
        return (
            f"No rules: of {count(int(tested))} tested on later baskets none held "
            "(mining.rules has them all)."
        )
    return "No rules: none passed the thresholds of the settings ([mining])."


def rejected_rows(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str] | None = None
) -> Table:
    """Rejected rows by reason, the most frequent first.

    Args:
        connection: an open published file.
        files: only rows of these files; None: of all.
    """
    table = plain_table(
        "Rejected in", "column", "reason", "rows", "first line", numbers=["rows", "first line"]
    )
    rows = connection.execute(
        f"""
        select source_file, column_name, reason, rows, first_line
        from marts.rejected_rows_by_reason
        where $files is null or list_contains($files, source_file)
        order by rows desc, source_file, column_name, reason
        limit {_ROWS_SHOWN}
        """,
        {"files": None if files is None else list(files)},
    ).fetchall()
    for file, column, reason, number, first_line in rows:
        table.add_row(*map(visible, (file, column, reason)), count(number), count(first_line))
    return table


def silent_sources(
    connection: duckdb.DuckDBPyConnection, days: int, now: datetime
) -> list[tuple[str, int]]:
    """Sources without a new file for `days` days (UTC) or more, with the number of days.

    A version that an earlier release published does not know when its files came.
    """
    if not one_value(
        connection,
        "select 1 from duckdb_columns() where schema_name = 'marts' and table_name = 'about' "
        "and column_name = 'newest_delivery_at'",
    ):
        return []
    rows = connection.execute(
        "select source, timezone('UTC', newest_delivery_at) from marts.about "
        "where newest_delivery_at is not null order by source"
    ).fetchall()
    silent = [(source, days_without(newest_at, now)) for source, newest_at in rows]
    return [one for one in silent if one[1] >= days]


def failed_tests(audit: Audit) -> Table:
    """Tests that failed or warn, with their failing rows and the table that shows them."""
    table = plain_table("Failed tests", "model", "rows", "shown in", numbers=["rows"])
    for test in audit.failed_tests[:_ROWS_SHOWN]:
        name = test.name if test.status == "fail" else f"{test.name} ({test.status})"
        table.add_row(
            *map(visible, (name, test.model)), count(test.failing_rows), test.rows_table or "–"
        )
    _count_the_rest(table, len(audit.failed_tests))
    return table


def findings(audit: Audit) -> Table:
    """What the quality gates found, stops first."""
    table = plain_table("Findings", "")
    stops_first = sorted(audit.findings, key=lambda finding: finding[0] != "stop")
    for severity, text in stops_first[:_ROWS_SHOWN]:
        table.add_row(severity, visible(text))
    _count_the_rest(table, len(audit.findings))
    return table


def _count_the_rest(table: Table, number: int) -> None:
    """Say in a last row how many of `number` are not shown."""
    if number > _ROWS_SHOWN:
        table.add_row(f"{number - _ROWS_SHOWN} more", style="dim")


def runs(connection: duckdb.DuckDBPyConnection) -> Table:
    """The last runs up to the published one, newest first; `RUNS_NOTE` says what it cannot show."""
    names = ["seconds", "rows read", "rows loaded"]
    table = plain_table("Runs (UTC)", "status", "as of", *names, numbers=names)
    rows = connection.execute(
        f"""
        select
            strftime(started_at::timestamp, '%Y-%m-%d %H:%M'),
            status,
            strftime(as_of_date, '%Y-%m-%d'),
            epoch(finished_at - started_at),
            rows_read,
            rows_loaded

        from marts.runs
        order by started_at desc, run_id desc
        limit {_ROWS_SHOWN}
        """
    ).fetchall()
    for started, status, as_of_date, seconds, rows_read, rows_loaded in rows:
        table.add_row(
            started,
            status,
            as_of_date or "–",
            "–" if seconds is None else f"{seconds:.1f}",
            count(rows_read),
            count(rows_loaded),
        )
    return table
