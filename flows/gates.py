"""Quality gates: whether what a night delivered looks like a shop's day or like a broken feed.

dbt's tests prove that the tables are right for what was delivered. They cannot tell that half of a
file is missing or that prices came a hundred times too high. The gates hold each source's newest
days against its own past, just before a version is published:

- against the same weekday of the last weeks: order lines, orders and net revenue, in a band of a
  multiple of the median deviation around the median;
- against the hours at which lines usually come: a file that was cut short lacks the evening;
- against the usual revenue of one line: a misplaced decimal point moves every line alike;
- against what was built before: known days do not lose their lines or change their prices.

A finding is a warning or a stop. Only what looks broken stops: a rush never does, and neither does
a source in its first nights. All is exact arithmetic on ordered input: the same night is judged the
same way again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Final, Literal

import duckdb

from flows.settings import GateSettings
from flows.sql_text import quote_text

Severity = Literal["warning", "stop"]
Bins = Mapping[int, int]  # quarter of an hour of the day (0 to 95) to order lines

_WEEKDAYS: Final = (
    *("Monday", "Tuesday", "Wednesday", "Thursday"),
    *("Friday", "Saturday", "Sunday"),
)
_LEAST_HISTORY: Final = 4  # days of the same weekday without which nothing is usual
_LEAST_BAND: Final = Decimal("0.25")  # of the median: a few nights alike are luck
_LEAST_CHANCE: Final = 1e-4  # of a day without an order at the hours of a gap, by luck


class BrokenFeedError(Exception):
    """A night looks like a broken feed and is not published; the message names what and why.

    Attributes:
        findings: all findings of the night, warnings too.
    """

    def __init__(self, findings: Sequence["Finding"]) -> None:
        self.findings = tuple(findings)
        lines = [f"  {finding.text}" for finding in findings if finding.severity == "stop"]
        super().__init__(
            "this night looks like a broken feed:\n"
            + "\n".join(lines)
            + "\nMend the files and refresh again; if they are right, "
            "`regulars refresh --accept` publishes them."
        )


@dataclass(frozen=True)
class Finding:
    """What a gate found.

    Attributes:
        severity: "stop" where the night looks broken, else "warning".
        source: the source at fault.
        measure: order_lines, orders, net_revenue, line_revenue (the median of the day's lines),
            hours (share of a usual day's lines in the hours without one), known_lines,
            known_line_revenue or delivered_lines.
        day: the local day judged; None where the delivery as a whole is.
        value: what was found, in the unit of the measure.
        median: what is usual; None where nothing is.
        bound: the bound that was passed.
        text: one sentence for people, without personal data.
    """

    severity: Severity
    source: str
    measure: str
    day: date | None
    value: Decimal
    median: Decimal | None
    bound: Decimal | None
    text: str


@dataclass(frozen=True)
class _Day:
    """One local day of a source, as the facts have it."""

    lines: Decimal
    orders: Decimal
    revenue: Decimal
    line_revenue: Decimal | None  # median over merchandise lines


_MEASURES: Final[Mapping[str, Callable[[_Day], Decimal]]] = {
    "order_lines": lambda day: day.lines,
    "orders": lambda day: day.orders,
    "net_revenue": lambda day: day.revenue,
}
_CLOSED: Final = _Day(Decimal(0), Decimal(0), Decimal(0), None)


@dataclass(frozen=True)
class _Source:
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
    days: Mapping[date, _Day]
    known: Mapping[date, _Day]
    bins: Mapping[date, Bins]
    first_day: date
    today: date
    edge_day: date | None
    edge_share: Decimal
    lines_before: int
    lines_now: int


def judge(
    connection: duckdb.DuckDBPyConnection,
    settings: GateSettings,
    now: datetime,
    last_built: Path | None,
) -> list[Finding]:
    """Judge the days that this run delivered; a source without a new file is not judged.

    Args:
        connection: the file that a refresh has built, before it is published. The run under way is
            the newest of `state.runs`.
        settings: bounds.
        now: the moment of the refresh, with its time zone.
        last_built: the work file as the last published refresh left it, which nobody holds open for
            writing; None or a file without facts where there was none.

    Returns:
        The findings by source, stops first, then by day.
    """
    findings: list[Finding] = []
    for source in _read_sources(connection, settings, now, last_built):
        found = list(_judge_source(source, settings))
        if source.nights < settings.learning_nights:
            found = [replace(finding, severity="warning") for finding in found]
        findings += sorted(
            found, key=lambda one: (one.severity != "stop", one.day or date.max, one.measure)
        )
    return findings


def raise_if_broken(findings: Sequence[Finding]) -> None:
    """Stop the refresh where a finding says so.

    Raises:
        BrokenFeedError: naming each stop.
    """
    if any(finding.severity == "stop" for finding in findings):
        raise BrokenFeedError(findings)


def record_findings(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    findings: Iterable[Finding],
    *,
    is_accepted: bool = False,
) -> None:
    """Write the findings of a run into `state.findings`.

    Args:
        connection: the file that is published, or the work file where the run was stopped.
        run_id: the run.
        findings: what `judge` returned.
        is_accepted: whether a person published the night in spite of its stops.
    """
    connection.execute("delete from state.findings where run_id = ?", [run_id])
    for one in findings:
        connection.execute(
            "insert into state.findings by position values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(run_id, one.severity, is_accepted and one.severity == "stop"),
                *(one.source, one.measure, one.day),
                *(one.value, one.median, one.bound, one.text),
            ],
        )


# ---------- judging


def _judge_source(source: _Source, settings: GateSettings) -> Iterator[Finding]:
    yield from _delivery_findings(source, settings)
    first = max(source.days, default=source.today) - timedelta(weeks=settings.weeks)
    deviations = {
        measure: _relative_deviations(source, settings, figure)
        for measure, figure in _MEASURES.items()
    }
    for day in sorted(source.days.keys() | source.known.keys()):
        if not first < day < source.today:
            continue
        found = source.days.get(day, _CLOSED)
        known = source.known.get(day)
        if known is not None and known.lines >= settings.stop_share * found.lines:
            yield from _change_findings(source, settings, day, known, found)
            continue
        for finding in _day_findings(source, settings, deviations, day, found):
            is_closed = day.isoformat() in settings.closed_days
            is_closed |= f"{day:%m-%d}" in settings.closed_days
            yield replace(finding, severity="warning") if is_closed else finding


def _delivery_findings(source: _Source, settings: GateSettings) -> Iterator[Finding]:
    """An empty delivery, and a source that lost much of all that it ever had."""
    if source.lines == 0 and source.nights:
        was_empty = source.empty_nights > 0
        yield Finding(
            "warning" if was_empty else "stop",
            *(source.name, "delivered_lines", None, Decimal(0), None, Decimal(1)),
            f"{source.name}: its new files hold no order line"
            + (", as on this weekday before" if was_empty else "; they never came empty before"),
        )
    bound = settings.stop_share * source.lines_before
    if source.lines_before >= settings.minimum_lines and source.lines_now < bound:
        yield Finding(
            *("stop", source.name, "known_lines", None),
            *(Decimal(source.lines_now), Decimal(source.lines_before), bound),
            f"{source.name}: {source.lines_now:,} order lines are left "
            f"of {source.lines_before:,} before",
        )


def _change_findings(
    source: _Source, settings: GateSettings, day: date, known: _Day, found: _Day
) -> Iterator[Finding]:
    """A day that was published before: held against itself."""
    if known.lines < settings.minimum_lines:
        return
    bound = settings.stop_share * known.lines
    if found.lines < bound:
        yield Finding(
            *("stop", source.name, "known_lines", day, found.lines, known.lines, bound),
            f"{source.name}: {day} has {found.lines:,} order lines left of {known.lines:,} before",
        )
        return
    yield from _line_revenue_finding(
        source, settings, day, "known_line_revenue", found.line_revenue, known.line_revenue
    )


def _day_findings(
    source: _Source,
    settings: GateSettings,
    deviations: Mapping[str, Mapping[date, Decimal]],
    day: date,
    found: _Day,
) -> Iterator[Finding]:
    """A new day: held against the same weekday of the last weeks."""
    usual_days = _same_weekdays(source, settings, day)
    if len(usual_days) < _LEAST_HISTORY:
        return
    window = timedelta(weeks=settings.weeks)
    for measure, figure in _MEASURES.items():
        values = [figure(source.days.get(one, _CLOSED)) for one in usual_days]
        usual = median(values)
        if usual <= 0:
            continue
        spread = max(
            median(abs(value - usual) for value in values),
            usual * _median_between(deviations[measure], day - window, day),
        )
        band = max(settings.deviations * spread, _LEAST_BAND * usual)
        expected = usual * source.edge_share if day == source.edge_day else usual
        value = figure(found)
        lower, upper = max(expected - band, Decimal(0)), usual + band
        if lower <= value <= upper:
            continue
        is_broken = (
            measure != "net_revenue"
            and value < min(lower, settings.stop_share * expected)
            and usual >= settings.minimum_lines
        )
        bound = lower if value < lower else upper
        yield Finding(
            "stop" if is_broken else "warning",
            *(source.name, measure, day, value, usual, bound),
            f"{source.name}: {day} has {_amount(measure, value)}; "
            f"a {_WEEKDAYS[day.weekday()]} usually has {_amount(measure, usual)}, "
            f"{'at least' if value < lower else 'at most'} {_amount(measure, bound)}",
        )
    yield from _hours_finding(source, settings, day, found, usual_days)
    if found.lines >= settings.minimum_lines:
        medians = [
            data.line_revenue
            for one, data in source.days.items()
            if day - timedelta(weeks=settings.weeks) <= one < day and data.line_revenue is not None
        ]
        usual_revenue = median(medians) if medians else None
        yield from _line_revenue_finding(
            source, settings, day, "line_revenue", found.line_revenue, usual_revenue
        )


def _line_revenue_finding(
    source: _Source,
    settings: GateSettings,
    day: date,
    measure: str,
    value: Decimal | None,
    usual: Decimal | None,
) -> Iterator[Finding]:
    """The median line moved by a factor: a decimal point, a currency, a sign.

    The median and not the mean: one order of a hundred thousand is a good day, not a fault.
    """
    if value is None or usual is None or usual <= 0:
        return
    lower, upper = usual / settings.money_factor, usual * settings.money_factor
    if lower < value < upper:
        return
    yield Finding(
        *("stop", source.name, measure, day, value, usual, lower if value <= lower else upper),
        f"{source.name}: the median order line of {day} is worth {value:,.2f}, "
        f"{'before it was' if measure.startswith('known') else 'usually'} {usual:,.2f}",
    )


def _hours_finding(
    source: _Source,
    settings: GateSettings,
    day: date,
    found: _Day,
    usual_days: Sequence[date],
) -> Iterator[Finding]:
    """A day without a line at hours that usually have many: its file was cut short.

    A shop with few orders may lack an evening by luck: the chance of that, (1 - share) ^ orders,
    must be next to nothing.
    """
    is_habit = day == source.edge_day and source.edge_share < Decimal("0.9")
    open_days = [one for one in usual_days if one in source.bins]
    usual_bins = [source.bins[one] for one in open_days]
    bins = source.bins.get(day)
    if is_habit or not bins or len(usual_bins) < _LEAST_HISTORY:
        return
    first, last = min(bins), max(bins)
    before = median(_share(one, range(first)) for one in usual_bins)
    after = median(_share(one, range(last + 1, 96)) for one in usual_bins)
    share = max(before, after)
    is_luck = (1 - share) ** int(found.orders) > _LEAST_CHANCE
    is_rush = found.lines >= median(source.days[one].lines for one in open_days)
    if share < settings.cut_share or is_luck or is_rush:
        return
    bin_shown = last + 1 if after == share else first
    hour = f"{bin_shown // 4:02}:{bin_shown % 4 * 15:02}"
    yield Finding(
        *("stop", source.name, "hours", day, share, Decimal(0), settings.cut_share),
        f"{source.name}: {day} has no order {'after' if after == share else 'before'} {hour}, "
        f"when a {_WEEKDAYS[day.weekday()]} usually has {100 * share:.0f} % of its lines",
    )


def _share(bins: Bins, hours: range) -> Decimal:
    return Decimal(sum(bins.get(one, 0) for one in hours)) / sum(bins.values())


def _same_weekdays(source: _Source, settings: GateSettings, day: date) -> list[date]:
    """The same weekday in the weeks before, as far as the source goes back."""
    return [
        earlier
        for week in range(1, settings.weeks + 1)
        if (earlier := day - timedelta(weeks=week)) >= source.first_day
    ]


def _relative_deviations(
    source: _Source, settings: GateSettings, figure: Callable[[_Day], Decimal]
) -> dict[date, Decimal]:
    """How far each day is from its weekday's median, as a share of that.

    Eight values may lie close together by luck; all days of the last weeks together do not.
    """
    deviations: dict[date, Decimal] = {}
    newest = max(source.days, default=source.first_day)
    day = min(source.days, default=newest)
    while day <= newest:
        values = [
            figure(source.days.get(one, _CLOSED)) for one in _same_weekdays(source, settings, day)
        ]
        if len(values) >= _LEAST_HISTORY and (usual := median(values)) > 0:
            deviations[day] = abs(figure(source.days.get(day, _CLOSED)) / usual - 1)
        day += timedelta(days=1)
    return deviations


def _median_between(figures: Mapping[date, Decimal], first: date, end: date) -> Decimal:
    """The median of the days from `first` to before `end`; 0 where there is none."""
    return median([value for day, value in figures.items() if first <= day < end] or [Decimal(0)])


def _amount(measure: str, value: Decimal) -> str:
    words = {"order_lines": "order lines", "orders": "orders", "net_revenue": "net revenue"}
    return f"{value:,.0f} {words[measure]}"


# ---------- reading


def _read_sources(
    connection: duckdb.DuckDBPyConnection,
    settings: GateSettings,
    now: datetime,
    last_built: Path | None,
) -> list[_Source]:
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
) -> _Source | None:
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
    return _Source(
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
) -> dict[date, _Day]:
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
        day: _Day(Decimal(lines), Decimal(orders), revenue, line_revenue)
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
    connection: duckdb.DuckDBPyConnection, source: str, since: date, days: Mapping[date, _Day]
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
    return edge_day, median(shares) if len(shares) >= _LEAST_HISTORY else Decimal(1)
