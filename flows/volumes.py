"""How much each source delivers: its days as a refresh has built them, and as they were before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Final

import duckdb

from flows.settings import GateSettings
from flows.sql_text import quote_text

LEAST_HISTORY: Final = 4  # days of the same weekday without which nothing is usual
Bins = Mapping[int, int]  # quarter of an hour of the day (0 to 95) to order lines


@dataclass(frozen=True)
class Day:
    """One local day of a source, as the facts have it."""

    lines: Decimal
    orders: Decimal
    revenue: Decimal
    line_revenue: Decimal | None  # median over merchandise lines


@dataclass(frozen=True)
class SourceVolumes:
    """A source that delivered order lines in this run.

    Attributes:
        name: its name.
        lines: rows that its files of this run gave.
        nights: earlier days (UTC) on which it delivered.
        empty_nights: those of the same weekday as this run, without a single line.
        days: every day of the window with its figures.
        known: the same days as the last refresh left them.
        bins: lines by day and quarter of an hour.
        first_day: its first day ever.
        today: the local date of this run: a day that is not over is not judged.
        edge_day: the newest day of this run's files.
        edge_share: the share of its lines that an edge day usually has when it first arrives.
        lines_before: all its lines as the last refresh left them.
        lines_now: all its lines.
    """

    name: str
    lines: int
    nights: int
    empty_nights: int
    days: Mapping[date, Day]
    known: Mapping[date, Day]
    bins: Mapping[date, Bins]
    first_day: date
    today: date
    edge_day: date | None
    edge_share: Decimal
    lines_before: int
    lines_now: int


def read_volumes(
    connection: duckdb.DuckDBPyConnection,
    settings: GateSettings,
    now: datetime,
    last_built: Path | None,
) -> list[SourceVolumes]:
    """Read the volumes of each source that delivered order lines in the run under way.

    Args:
        connection: as of `flows.gates.judge`.
        settings: how many weeks are looked at.
        now: the moment of the refresh, with its time zone.
        last_built: as of `flows.gates.judge`.
    """
    delivered = connection.execute(
        """
        with this_run as (select max(run_id) as run_id from state.runs),

        deliveries as (
            select
                loads.source,
                loads.run_id = this_run.run_id as is_new,
                loads.run_id,
                min(loads.loaded_at) as loaded_at,
                sum(loads.rows_loaded + loads.rows_derived) as lines

            from raw.loads
            cross join this_run
            where loads.entity = 'order_lines'
            group by all
        ),

        new_deliveries as (select * from deliveries where is_new)

        select
            new_deliveries.source,
            new_deliveries.lines::bigint,
            count(distinct earlier.loaded_at::date),
            count(*) filter (
                where earlier.lines = 0
                and isodow(earlier.loaded_at) = isodow(new_deliveries.loaded_at)
                and earlier.loaded_at >= new_deliveries.loaded_at - to_weeks($weeks)
            ),
            timezone(sources.time_zone, $now::timestamptz)::date

        from new_deliveries
        join raw.sources on new_deliveries.source = sources.source
        left join deliveries as earlier
            on new_deliveries.source = earlier.source and not earlier.is_new
        group by all
        order by new_deliveries.source
        """,
        {"weeks": settings.weeks, "now": now},
    ).fetchall()
    if not delivered:
        return []
    has_last = last_built is not None and last_built.is_file()
    if has_last:
        connection.execute(f"attach {quote_text(str(last_built))} as last_built (read_only)")
    try:
        last_catalog = "last_built." if has_last and _has_facts(connection) else None
        return [
            source
            for row in delivered
            if (source := _read_source(connection, settings, last_catalog, *row)) is not None
        ]
    finally:
        if has_last:
            connection.execute("detach last_built")


def _has_facts(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(
        connection.execute(
            "select 1 from duckdb_tables() where database_name = 'last_built' "
            "and schema_name = 'core' and table_name = 'fct_order_lines'"
        ).fetchone()
    )


def _read_source(
    connection: duckdb.DuckDBPyConnection,
    settings: GateSettings,
    last_catalog: str | None,
    name: str,
    lines: int,
    nights: int,
    empty_nights: int,
    today: date,
) -> SourceVolumes | None:
    """All that is judged of one source; None where it never had a line."""
    first_day, newest_day, lines_now = _extent(connection, "", name, today)
    known_first, known_newest, lines_before = (
        _extent(connection, last_catalog, name, today)
        if last_catalog is not None
        else (None, None, 0)
    )
    newest_day = max(filter(None, (newest_day, known_newest)), default=None)
    first_day = min(filter(None, (first_day, known_first)), default=None)
    if newest_day is None or first_day is None:
        return None
    # The judged days lie in the last weeks; the oldest of them needs as many weeks before it, and
    # so does each day that tells how far apart days usually are.
    window = timedelta(weeks=settings.weeks)
    days = _days(connection, "", name, newest_day - 3 * window)
    edge_day, edge_share = _edges(connection, name, newest_day - window, days)
    return SourceVolumes(
        name=name,
        lines=lines,
        nights=nights,
        empty_nights=empty_nights,
        days=days,
        known={}
        if last_catalog is None
        else _days(connection, last_catalog, name, newest_day - window),
        bins=_bins(connection, name, newest_day - 2 * window),
        first_day=first_day,
        today=today,
        edge_day=edge_day,
        edge_share=edge_share,
        lines_before=lines_before,
        lines_now=lines_now,
    )


def _extent(
    connection: duckdb.DuckDBPyConnection, catalog: str, source: str, today: date
) -> tuple[date | None, date | None, int]:
    """First day, newest day that is over, and number of all lines."""
    row = connection.execute(
        f"""
        select
            min(order_date),
            max(order_date) filter (where order_date < $today),
            count(*)

        from {catalog}core.fct_order_lines
        where source = $source and {_counted(connection, catalog)}
        """,
        {"source": source, "today": today},
    ).fetchone()
    return row if row else (None, None, 0)


def _counted(connection: duckdb.DuckDBPyConnection, catalog: str) -> str:
    """Lines that a full list no longer holds are lost; cancelled ones were delivered."""
    database = catalog.rstrip(".") or None
    row = connection.execute(
        """
        select 1 from duckdb_columns()
        where database_name = coalesce($database, current_database())
        and schema_name = 'core' and table_name = 'fct_order_lines' and column_name = 'is_gone'
        """,
        {"database": database},
    ).fetchone()
    return "not is_gone" if row else "true"


def _days(
    connection: duckdb.DuckDBPyConnection, catalog: str, source: str, since: date
) -> dict[date, Day]:
    rows = connection.execute(
        f"""
        select
            order_date,
            count(*),
            count(distinct order_id),
            coalesce(sum(net_revenue) filter (where not is_cancelled), 0),
            quantile_disc(net_revenue, 0.5) filter (where line_kind = 'merchandise')

        from {catalog}core.fct_order_lines
        where source = ? and order_date >= ? and {_counted(connection, catalog)}
        group by order_date
        order by order_date
        """,
        [source, since],
    ).fetchall()
    return {
        day: Day(Decimal(lines), Decimal(orders), revenue, line_revenue)
        for day, lines, orders, revenue, line_revenue in rows
    }


def _bins(
    connection: duckdb.DuckDBPyConnection, source: str, since: date
) -> dict[date, dict[int, int]]:
    rows = connection.execute(
        f"""
        select
            order_date,
            hour(ordered_at_local) * 4 + minute(ordered_at_local) // 15 as bin,
            count(*)

        from core.fct_order_lines
        where source = ? and order_date >= ? and {_counted(connection, "")}
        group by all
        order by all
        """,
        [source, since],
    ).fetchall()
    bins: dict[date, dict[int, int]] = {}
    for day, one, lines in rows:
        bins.setdefault(day, {})[one] = lines
    return bins


def _edges(
    connection: duckdb.DuckDBPyConnection, source: str, since: date, days: Mapping[date, Day]
) -> tuple[date | None, Decimal]:
    """The newest day of this run, and how much of such a day usually arrives at first.

    A file made at 18:00 holds three quarters of its last day, night after night; the rest comes
    with the next. Such a day is held against three quarters.
    """
    rows = connection.execute(
        """
        with arrivals as (
            select
                loads.run_id,
                order_lines.ordered_at_local::date as day,
                count(*) as lines

            from raw.order_lines
            join raw.loads on order_lines.load_id = loads.load_id
            where order_lines.source = ? and order_lines.ordered_at_local >= ?
            group by all
        )

        select run_id, max(day), arg_max(lines, day)
        from arrivals
        group by run_id
        order by run_id
        """,
        [source, since],
    ).fetchall()
    newest_run = connection.execute("select max(run_id) from state.runs").fetchone()
    edge_day = next((day for run_id, day, _ in rows if (run_id,) == newest_run), None)
    shares = [
        min(Decimal(1), Decimal(lines) / days[day].lines)
        for run_id, day, lines in rows
        if (run_id,) != newest_run and day in days
    ]
    return edge_day, median(shares) if len(shares) >= LEAST_HISTORY else Decimal(1)
