"""What a model found tonight: taken into the work file and reported, or withheld if far worse."""

import json
from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa

from flows.query import one_value
from mining.model_report import dropped_metrics

_NIGHTS: Final = 14  # that tell what is usual: a lasting change becomes usual within half of them


class ModelOutput(NamedTuple):
    """What a model found tonight.

    Attributes:
        model: its name in state.model_reports, as cross_sell_rules.
        title: what people call its rows, as "cross-sell rules".
        table: where they go, as mining.rules; it has mined_as_of too.
        rows: its rows, by the table's names.
        report: value of each metric.
        compared: the settings that decide how good it can be: only nights of equal ones compare.
        watched: the metrics that must not drop, each with how its value is told.
        may_stay: which rows of an earlier night may stay when the new ones are withheld: a
            condition. What they name may have left the core, as a person who was forgotten has.
    """

    model: str
    title: str
    table: str
    rows: pa.Table
    report: Mapping[str, float | None]
    compared: Mapping[str, Any]
    watched: Mapping[str, str] = MappingProxyType(
        {"held": "{:,.0f} held on later purchases", "share_held": "{:.1%} of those tested held"}
    )
    may_stay: str = "true"


class Mined(NamedTuple):
    """What was mined.

    Attributes:
        rows_in: rows read, as items of baskets.
        rows_out: rows published.
        warnings: what people should know, a sentence each.
    """

    rows_in: int
    rows_out: int
    warnings: tuple[str, ...]


def take_or_withhold(
    connection: duckdb.DuckDBPyConnection,
    output: ModelOutput,
    run_id: str,
    *,
    withhold_below: Decimal,
    accept: bool,
) -> tuple[str, ...]:
    """Put the rows into their table and report them; rows far worse than usual are withheld.

    Then those of the last good night stay in the table, with their date.

    Args:
        connection: to a work file with the core built.
        output: what the model found.
        run_id: whose report is written into state.model_reports.
        withhold_below: share of the usual, see `mining.model_report.dropped_metrics`.
        accept: take the rows whatever earlier nights had.

    Returns:
        What people should know, a sentence each.
    """
    as_of_date = as_of(connection)
    compared = _in_one_way(output.compared)
    dropped = dropped_metrics(
        output.report,
        _earlier(connection, output, compared, as_of_date),
        float(withhold_below),
    )
    last_good = (
        _last_good(connection, output, compared, as_of_date) if dropped and not accept else None
    )
    connection.begin()
    if last_good is None:
        connection.register("new_rows", output.rows)
        connection.execute(f"delete from {output.table}")
        connection.execute(
            f"insert into {output.table} by name select *, ?::date as mined_as_of from new_rows",
            [as_of_date],
        )
        connection.unregister("new_rows")
    else:
        keep_earlier(connection, output.table, output.may_stay)
    report = dict(output.report)
    if "published" in report:  # what readers see: those that stayed, where the new ones did not
        report["published"] = published(connection, output.table)
    write_report(
        connection,
        output.model,
        run_id,
        report,
        is_withheld=last_good is not None,
        settings=compared,
    )
    connection.commit()
    return _worse_than_usual(output, dropped, last_good)


def keep_earlier(connection: duckdb.DuckDBPyConnection, table: str, may_stay: str) -> None:
    """Keep what an earlier night found, but for what may not stay: see `ModelOutput.may_stay`."""
    connection.execute(f"delete from {table} where ({may_stay}) is not true")


def are_due(
    connection: duckdb.DuckDBPyConnection, models: Collection[str], every_days: int
) -> bool:
    """Whether any of these models is to be mined anew.

    Args:
        connection: to a work file with the core built.
        models: their names in state.model_reports.
        every_days: what was taken as of a day stays good before so many days later; 1: never.
    """
    day = as_of(connection)
    if every_days == 1 or day is None:
        return True
    found = connection.execute(
        """
        select model
        from state.model_reports
        where not is_withheld
        group by model
        -- what the table holds is what the newest run took
        having max_by(as_of_date, run_id) > ?::date - ?::integer
            and max_by(as_of_date, run_id) <= ?::date
        """,
        [day, every_days, day],
    ).fetchall()
    return not {(model,) for model in models}.issubset(found)


def write_report(
    connection: duckdb.DuckDBPyConnection,
    model: str,
    run_id: str,
    report: Mapping[str, float | None],
    *,
    is_withheld: bool = False,
    settings: str = "{}",
) -> None:
    """Write the metrics of a model of this run, in the place of those that the run had of it.

    Args:
        connection: to a work file with the core built.
        model: its name.
        run_id: of the refresh.
        report: value of each metric.
        is_withheld: whether what was found was not taken.
        settings: as JSON; only nights of equal ones are compared.
    """
    connection.execute(
        "delete from state.model_reports where run_id = ? and model = ?", [run_id, model]
    )
    day = as_of(connection)
    rows = [
        [run_id, model, metric, day, value, is_withheld, settings]
        for metric, value in report.items()
    ]
    if rows:
        connection.executemany("insert into state.model_reports values (?, ?, ?, ?, ?, ?, ?)", rows)


def as_of(connection: duckdb.DuckDBPyConnection) -> date | None:
    """The date that everything is computed for; None where nobody has bought anything."""
    day: date | None = one_value(connection, "select as_of_date from intermediate.int_as_of_date")
    return day


def published(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """How many rows of a mined table are published, new or those that stayed."""
    count: int = one_value(connection, f"select count(*) from {table} where is_published")
    return count


def _in_one_way(settings: Mapping[str, Any]) -> str:
    """Settings as text, the same however they were given."""
    plain = {
        name: f"{value.normalize():f}" if isinstance(value, Decimal) else value
        for name, value in settings.items()
    }
    return json.dumps(plain, sort_keys=True)


def _earlier(
    connection: duckdb.DuckDBPyConnection,
    output: ModelOutput,
    compared: str,
    as_of_date: date | None,
) -> list[dict[str, float]]:
    """The watched metrics of earlier nights with the same settings, the newest first.

    Of each as-of date the last refresh counts, and only nights in which all could be measured.
    """
    rows = connection.execute(
        """
        with nights as (
            select as_of_date, metric, arg_max(value, run_id) as value
            from state.model_reports
            where model = ? and settings = ? and as_of_date < ? and list_contains(?, metric)
            group by as_of_date, metric
        )

        select map_from_entries(list((metric, value)))
        from nights
        group by as_of_date
        having count(value) = ?
        order by as_of_date desc
        limit ?
        """,
        [output.model, compared, as_of_date, list(output.watched), len(output.watched), _NIGHTS],
    ).fetchall()
    return [metrics for (metrics,) in rows]


def _last_good(
    connection: duckdb.DuckDBPyConnection,
    output: ModelOutput,
    compared: str,
    as_of_date: date | None,
) -> date | None:
    """The date of the rows that the table has, where they may stay.

    They must have been measured, made with the same settings, and not be from the future; they
    may be of the same date, where what was delivered since made the new ones worse.
    """
    row = connection.execute(
        f"""
        with taken as (
            select
                max_by(settings, run_id) as settings,
                max_by(as_of_date, run_id) as as_of_date,
                max_by(value is not null, run_id) as is_measured
            from state.model_reports
            where model = ? and metric = ? and not is_withheld
        )

        select max(mined.mined_as_of)
        from {output.table} as mined
        inner join taken on mined.mined_as_of = taken.as_of_date
        where taken.settings = ? and mined.mined_as_of <= ? and taken.is_measured
        """,
        [output.model, list(output.watched)[-1], compared, as_of_date],
    ).fetchone()
    return row[0] if row else None


def _worse_than_usual(
    output: ModelOutput, dropped: Mapping[str, float], last_good: date | None
) -> tuple[str, ...]:
    if not dropped:
        return ()

    def told(values: Mapping[str, float | None]) -> str:
        return " and ".join(output.watched[name].format(values[name]) for name in dropped)

    what = (
        f"they are withheld, and those as of {last_good} stay; `regulars refresh --full --accept` "
        "takes them"
        if last_good
        else "they were published all the same"
    )
    return (
        f"the {output.title} are far worse than usual: {told(output.report)}, "
        f"where usually {told(dropped)}; {what} "
        "(marts.model_report, withhold_below under [mining])",
    )
