"""From the core to the forecasts of mining: who is still a customer, how often they will buy."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from flows.mine.model_output import Mined, as_of, write_report
from flows.query import one_value
from flows.settings import ClvSettings
from mining.clv import gamma_gamma
from mining.clv.count_models import COUNT_MODELS, FittedModel, best_place, fitted, log_score
from mining.clv.enough_data import REPEAT_BUYERS, why_not_enough
from mining.clv.forecasts import (
    DAYS_A_MONTH,
    HIGH,
    LOW,
    Expected,
    days_to_next,
    discounted_purchases,
    expected_purchases,
    weekly_purchases,
)
from mining.clv.histories import DAYS_A_WEEK, Histories, Numbers, histories
from mining.clv.maximum_likelihood import Fit
from mining.model_report import is_better_than_naive

_YEAR: Final = 365
_DAYS: Final = (30, 90, _YEAR)
_HISTORY: Final = ("repeats", "recency_days", "age_days")
_SPENDING: Final = "gamma_gamma"
_TABLES: Final = (
    *("clv_models", "clv_parameters", "clv_forecasts"),
    *("clv_judged_forecasts", "clv_judged_weeks"),
)


class _Known(NamedTuple):
    """What is known of the customers at a cut.

    Attributes:
        keys: repeats, recency_days and age_days of each history.
        histories: the same for the models.
        later: days with a purchase in the period after the cut; NaN where it was not asked for.
    """

    keys: pa.Table
    histories: Histories
    later: Numbers


def forecast_customers(
    connection: duckdb.DuckDBPyConnection, settings: ClvSettings, run_id: str
) -> Mined:
    """Choose a model of repeat buying, prove it on the last part of the history, and forecast.

    Args:
        connection: to a work file with the core built.
        settings: how far to look ahead, and the discount rate.
        run_id: whose report is written into state.model_reports.
    """
    # nobody has bought anything yet: then there is not even a day to speak of
    found = _found(connection, settings) if as_of(connection) else {}
    _take(connection, found)
    proof = _proof(connection)
    connection.execute(
        "update mining.clv_models set is_better_than_naive = ? "
        f"where is_chosen and model <> '{_SPENDING}'",
        [is_better_than_naive(proof)],
    )
    write_report(connection, "clv", run_id, proof)
    customers: int = one_value(
        connection, "select count(*) from intermediate.int_purchase_histories where period = 'now'"
    )
    return Mined(customers, found["clv_forecasts"].num_rows if "clv_forecasts" in found else 0, ())


def _found(connection: duckdb.DuckDBPyConnection, settings: ClvSettings) -> dict[str, pa.Table]:
    """Fit, choose, judge and forecast; give the tables that have rows."""
    choice = _known(connection, "choice", with_later=True)
    why_not = why_not_enough(choice.histories)
    if why_not:
        names = (*(model.name for model in COUNT_MODELS), _SPENDING)
        rows = [{"model": name, "is_chosen": False} for name in names]
        return {"clv_models": _rows(rows, dict.fromkeys(names, why_not))}
    candidates = [fitted(model, choice.histories) for model in COUNT_MODELS]
    weeks = _later_days(connection, "choice") / DAYS_A_WEEK
    scores = [log_score(one, choice.histories, weeks, choice.later) for one in candidates]
    chosen = candidates[best_place(scores)].model

    judged_at, now_at = _known(connection, "judgement"), _known(connection, "now")
    judged, now = fitted(chosen, judged_at.histories), fitted(chosen, now_at.histories)
    spendings = {period: _spending(connection, period) for period in ("judgement", "now")}
    tables = {
        "clv_models": _models(candidates, scores, now, spendings["now"]),
        "clv_parameters": pa.concat_tables(
            _parameters(period, one, spendings[period])
            for period, one in (("judgement", judged), ("now", now))
        ),
        "clv_forecasts": _forecasts(now, now_at, settings),
    }
    return tables | _judged(judged, judged_at, _later_days(connection, "judgement"))


def _take(connection: duckdb.DuckDBPyConnection, found: Mapping[str, pa.Table]) -> None:
    """Put what was found in the place of what earlier nights found."""
    day = as_of(connection)
    connection.begin()
    for name in _TABLES:
        connection.execute(f"delete from mining.{name}")
        if name in found:
            connection.register("found", found[name])
            connection.execute(
                f"insert into mining.{name} by name select *, ?::date as mined_as_of from found",
                [day],
            )
            connection.unregister("found")
    connection.commit()


def _proof(connection: duckdb.DuckDBPyConnection) -> dict[str, float | None]:
    """How the forecasts of the last part of the history compare with what came."""
    cursor = connection.execute("from intermediate.int_forecast_proof")
    names = [column[0] for column in cursor.description or ()]
    row = cursor.fetchone()
    return dict(zip(names, row, strict=True)) if row and row[0] else {}


def _known(
    connection: duckdb.DuckDBPyConnection, period: str, *, with_later: bool = False
) -> _Known:
    """Read how many customers have each history at the cut of a period.

    With the purchases that came later they are told apart by these, too.
    """
    later = "later_purchase_days" if with_later else "null::integer"
    table = connection.execute(
        f"""
        select {", ".join(_HISTORY)}, {later} as later, count(*) as customers
        from intermediate.int_purchase_histories
        where period = ?
        group by all
        order by all
        """,
        [period],
    ).to_arrow_table()
    numbers = [table[name].to_numpy() for name in (*_HISTORY, "customers")]
    return _Known(
        table.select(_HISTORY),
        histories(*numbers),
        table["later"].cast(pa.float64()).to_numpy(),
    )


def _later_days(connection: duckdb.DuckDBPyConnection, period: str) -> int:
    days: int = one_value(
        connection,
        f"select later_days from intermediate.int_forecast_periods where period = '{period}'",
    )
    return days


def _spending(connection: duckdb.DuckDBPyConnection, period: str) -> tuple[Fit | None, int]:
    """Fit what customers spend on a day, where enough came back; and of how many it is known."""
    columns = connection.execute(
        "select spending_days, mean_spending from intermediate.int_purchase_histories "
        # in one order, so that sums of floats are the same to the last digit
        "where period = ? and spending_days > 0 order by spending_days, mean_spending",
        [period],
    ).fetchnumpy()
    customers = len(columns["spending_days"])
    if customers < REPEAT_BUYERS:
        return None, customers
    of = gamma_gamma.spending(columns["spending_days"], columns["mean_spending"])
    return gamma_gamma.fitted(of), customers


def _models(
    candidates: Sequence[FittedModel],
    scores: Sequence[float],
    now: FittedModel,
    spending: tuple[Fit | None, int],
) -> pa.Table:
    """Tell of each model how it was judged, and of those in use how well they fit today."""
    rows = [
        {
            "model": one.model.name,
            "is_chosen": one.model is now.model,
            "log_score": score,
            "customers": one.customers,
            "log_likelihood": one.fit.log_likelihood,
            "has_converged": one.fit.has_converged,
            "is_drop_out_identified": one.is_drop_out_identified,
        }
        for one, score in zip(candidates, scores, strict=True)
    ]
    for row in rows:
        if row["is_chosen"]:
            row |= {
                "customers": now.customers,
                "log_likelihood": now.fit.log_likelihood,
                "has_converged": now.fit.has_converged,
                "is_drop_out_identified": now.is_drop_out_identified,
            }
    found, customers = spending
    rows.append(
        {
            "model": _SPENDING,
            "is_chosen": found is not None,
            "customers": customers,
            "log_likelihood": found.log_likelihood if found else None,
            "has_converged": found.has_converged if found else None,
        }
    )
    too_few = f"too few customers spent again: {customers:,}, and a model needs {REPEAT_BUYERS}"
    return _rows(rows, {} if found else {_SPENDING: too_few})


def _rows(rows: Sequence[dict[str, Any]], why_not: Mapping[str, str]) -> pa.Table:
    schema = pa.schema(
        [
            *(("model", pa.string()), ("is_chosen", pa.bool_()), ("log_score", pa.float64())),
            *(("customers", pa.int64()), ("log_likelihood", pa.float64())),
            *(("has_converged", pa.bool_()), ("is_drop_out_identified", pa.bool_())),
            ("why_not", pa.string()),
        ]
    )
    return pa.Table.from_pylist(
        [row | {"why_not": why_not.get(row["model"])} for row in rows], schema
    )


def _parameters(period: str, counts: FittedModel, spending: tuple[Fit | None, int]) -> pa.Table:
    """Give the parameters with their intervals; null where the data do not bound them."""
    fits: list[tuple[str, Sequence[str], Fit]] = [
        (counts.model.name, counts.model.parameter_names, counts.fit)
    ]
    if spending[0] is not None:
        fits.append((_SPENDING, gamma_gamma.PARAMETER_NAMES, spending[0]))
    rows = []
    for model, names, found in fits:
        for name, value, low, high, error in zip(
            names, found.parameters, *found.intervals(), found.standard_errors, strict=True
        ):
            bounds = {"low": low, "high": high} if np.isfinite(error) else {}
            rows.append(
                {"period": period, "model": model, "parameter": name, "value": value} | bounds
            )
    texts = [(name, pa.string()) for name in ("period", "model", "parameter")]
    numbers = [(name, pa.float64()) for name in ("value", "low", "high")]
    return pa.Table.from_pylist(rows, pa.schema([*texts, *numbers]))


def _forecasts(now: FittedModel, known: _Known, settings: ClvSettings) -> pa.Table:
    """Forecast what each history lets expect of the time to come."""
    of, months = known.histories, settings.horizon_months
    alive = now.model.probability_alive(now.fit.parameters, of)
    columns: dict[str, Any] = {"probability_alive": alive}
    horizon = months * DAYS_A_MONTH
    for name, days in (*((f"{days}_days", days) for days in _DAYS), ("horizon", horizon)):
        expected = expected_purchases(now, of, alive, days / DAYS_A_WEEK)
        columns |= _named(f"purchases_{name}", expected)
        if days == _YEAR:
            columns[f"purchases_{name}_if_alive"] = expected.mean_if_alive
    columns["discounted_purchases"] = discounted_purchases(
        now, of, alive, months, float(settings.discount_rate)
    )
    for name, share in (("", 0.5), ("_low", LOW), ("_high", HIGH)):
        columns[f"days_to_next{name}"] = _whole(days_to_next(now, of, share, horizon), horizon)
    return _with_keys(known.keys, columns)


def _judged(judged: FittedModel, known: _Known, days: int) -> dict[str, pa.Table]:
    """Forecast the last part of the history, of each customer and week by week of all."""
    of, weeks = known.histories, days / DAYS_A_WEEK
    alive = judged.model.probability_alive(judged.fit.parameters, of)
    expected = expected_purchases(judged, of, alive, weeks)
    columns = {"probability_alive": alive} | _named("purchases", expected)
    by_week = weekly_purchases(judged, of, alive, days // DAYS_A_WEEK)
    return {
        "clv_judged_forecasts": _with_keys(known.keys, columns),
        "clv_judged_weeks": pa.table(
            {"week": np.arange(1, len(by_week) + 1, dtype=np.int32), "purchases": by_week}
        ),
    }


def _named(name: str, expected: Expected) -> dict[str, Any]:
    return {
        name: expected.mean,
        f"{name}_low": expected.low.astype(np.int32),
        f"{name}_high": expected.high.astype(np.int32),
    }


def _whole(days: Numbers, at_most: float) -> pa.Array:
    """Whole days, null beyond the horizon."""
    is_beyond = days > at_most
    return pa.array(np.where(is_beyond, 0, np.ceil(days)).astype(np.int32), mask=is_beyond)


def _with_keys(keys: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    for name, values in columns.items():
        keys = keys.append_column(name, pa.array(values))
    return keys
