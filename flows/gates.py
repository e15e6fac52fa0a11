"""Quality gates: whether what a night delivered looks like a shop's day or like a broken feed.

dbt's tests prove that the tables are right for what was delivered. They cannot tell that half of a
file is missing or that prices came a hundred times too high. The gates hold each source's newest
days against its own past, just before a version is published:

- against the same weekday of the last weeks: order lines, orders and net revenue, in a band of a
  multiple of the median deviation around the median; and whether there is a line at all;
- against the hours at which lines usually come: a file that was cut short lacks the evening;
- against the usual revenue of one line: a misplaced decimal point moves every line alike;
- against what was built before: known days do not lose their lines or change their prices.

A finding is a warning or a stop. Only what looks broken stops: a rush never does, and neither does
a source in its first nights. All is exact arithmetic on ordered input: the same night is judged the
same way again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Final

import duckdb

from flows.findings import Finding
from flows.settings import GateSettings
from flows.volumes import LEAST_HISTORY, Bins, Day, SourceVolumes, read_volumes

_WEEKDAYS: Final = (
    *("Monday", "Tuesday", "Wednesday", "Thursday"),
    *("Friday", "Saturday", "Sunday"),
)
_LEAST_BAND: Final = Decimal("0.25")  # of the median: a few nights alike are luck
_LEAST_CHANCE: Final = 1e-4  # of a day without an order at the hours of a gap, by luck
_MEASURES: Final[Mapping[str, Callable[[Day], Decimal]]] = {
    "order_lines": lambda day: day.lines,
    "orders": lambda day: day.orders,
    "net_revenue": lambda day: day.revenue,
}
_CLOSED: Final = Day(Decimal(0), Decimal(0), Decimal(0), None)


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
    for source in read_volumes(connection, settings, now, last_built):
        found = list(_judge_source(source, settings))
        if source.nights < settings.learning_nights:
            found = [replace(finding, severity="warning") for finding in found]
        findings += sorted(
            found, key=lambda one: (one.severity != "stop", one.day or date.max, one.measure)
        )
    return findings


def _judge_source(source: SourceVolumes, settings: GateSettings) -> Iterator[Finding]:
    yield from _delivery_findings(source, settings)
    first = max(source.days, default=source.today) - timedelta(weeks=settings.weeks)
    deviations = {
        measure: _relative_deviations(source, settings, figure)
        for measure, figure in _MEASURES.items()
    }
    skipped = _skipped_days(source, first)
    for day in sorted(source.days.keys() | source.known.keys() | skipped):
        if not first < day < source.today:
            continue
        is_closed = not {day.isoformat(), f"{day:%m-%d}"}.isdisjoint(settings.closed_days)
        if day in skipped:
            if not is_closed:
                yield from _skipped_day_finding(source, settings, day)
            continue
        found = source.days.get(day, _CLOSED)
        known = source.known.get(day)
        if known is not None and known.lines >= settings.stop_share * found.lines:
            yield from _change_findings(source, settings, day, known, found)
            continue
        for finding in _day_findings(source, settings, deviations, day, found):
            yield replace(finding, severity="warning") if is_closed else finding


def _skipped_days(source: SourceVolumes, first: date) -> set[date]:
    """Days before the newest one that have no line and that no earlier night has passed over."""
    newest = max(source.days, default=first)
    begin = max((first, *source.known))
    gap = {begin + timedelta(number) for number in range(1, (newest - begin).days)}
    return gap - source.days.keys()


def _skipped_day_finding(
    source: SourceVolumes, settings: GateSettings, day: date
) -> Iterator[Finding]:
    """A whole day without a line, of a weekday that usually has many: its file never came.

    Only a warning: a shop that was shut looks the same, and all other days are right.
    """
    usual_days = _same_weekdays(source, settings, day)
    if len(usual_days) < LEAST_HISTORY:
        return
    usual = median(source.days.get(one, _CLOSED).lines for one in usual_days)
    if usual >= settings.minimum_lines:
        yield Finding(
            *("warning", source.name, "order_lines", day, Decimal(0), usual, Decimal(1)),
            f"{source.name}: {day} has no order line; "
            f"a {_WEEKDAYS[day.weekday()]} usually has {_amount('order_lines', usual)}",
        )


def _delivery_findings(source: SourceVolumes, settings: GateSettings) -> Iterator[Finding]:
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
    source: SourceVolumes, settings: GateSettings, day: date, known: Day, found: Day
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
    source: SourceVolumes,
    settings: GateSettings,
    deviations: Mapping[str, Mapping[date, Decimal]],
    day: date,
    found: Day,
) -> Iterator[Finding]:
    """A new day: held against the same weekday of the last weeks."""
    usual_days = _same_weekdays(source, settings, day)
    if len(usual_days) < LEAST_HISTORY:
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
    source: SourceVolumes,
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
    source: SourceVolumes,
    settings: GateSettings,
    day: date,
    found: Day,
    usual_days: Sequence[date],
) -> Iterator[Finding]:
    """A day without a line at hours that usually have many: its file was cut short.

    A shop with few orders may lack an evening by luck: the chance of that, (1 - share) ^ orders,
    must be next to nothing. And of days with a line or two nobody knows the usual hours: a share
    of 100 % after noon is then the luck of one evening.
    """
    usual_lines = median(source.days.get(one, _CLOSED).lines for one in usual_days)
    is_habit = day == source.edge_day and source.edge_share < Decimal("0.9")
    open_days = [one for one in usual_days if one in source.bins]
    usual_bins = [source.bins[one] for one in open_days]
    bins = source.bins.get(day)
    is_known = usual_lines >= settings.minimum_lines and len(usual_bins) >= LEAST_HISTORY
    if is_habit or not bins or not is_known:
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


def _same_weekdays(source: SourceVolumes, settings: GateSettings, day: date) -> list[date]:
    """The same weekday in the weeks before, as far as the source goes back."""
    return [
        earlier
        for week in range(1, settings.weeks + 1)
        if (earlier := day - timedelta(weeks=week)) >= source.first_day
    ]


def _relative_deviations(
    source: SourceVolumes, settings: GateSettings, figure: Callable[[Day], Decimal]
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
        if len(values) >= LEAST_HISTORY and (usual := median(values)) > 0:
            deviations[day] = abs(figure(source.days.get(day, _CLOSED)) / usual - 1)
        day += timedelta(days=1)
    return deviations


def _median_between(figures: Mapping[date, Decimal], first: date, end: date) -> Decimal:
    """The median of the days from `first` to before `end`; 0 where there is none."""
    return median([value for day, value in figures.items() if first <= day < end] or [Decimal(0)])


def _amount(measure: str, value: Decimal) -> str:
    words = {"order_lines": "order lines", "orders": "orders", "net_revenue": "net revenue"}
    return f"{value:,.0f} {words[measure]}"
