"""Forecasts of the mine stage over tables as the core leaves them: CDNOW, and too little of it."""

from datetime import date

import duckdb
import pandas as pd
import pytest
import yaml

from flows.load.raw_tables import create_raw_tables
from flows.mine.lifetime_values import forecast_customers
from flows.project import project_folder
from flows.settings import ClvSettings
from tests.mining.clv import cdnow

CUTS = {
    "choice": (date(1997, 6, 20), 45),
    "judgement": (date(1997, 8, 4), 57),
    "now": (date(1997, 10, 1), None),
}


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        connection.execute("create schema intermediate; create schema mining")
        connection.execute(
            """
            create table intermediate.int_as_of_date as select date '1997-10-01' as as_of_date;
            create table intermediate.int_forecast_periods
                (period varchar, cut_date date, later_days integer);
            create table intermediate.int_forecast_proof
                (customers double, mean_squared_error double,
                mean_squared_error_last_period double, mean_squared_error_rfm_cells double)
            """
        )
        connection.executemany(
            "insert into intermediate.int_forecast_periods values (?, ?, ?)",
            [(period, cut, days) for period, (cut, days) in CUTS.items()],
        )
        sources = yaml.safe_load(
            (project_folder() / "models/staging/_sources.yml").read_text("utf-8")
        )
        (mining,) = (one for one in sources["sources"] if one["name"] == "mining")
        for table in mining["tables"]:
            columns = ", ".join(f"{one['name']} {one['data_type']}" for one in table["columns"])
            connection.execute(f"create table mining.{table['name']} ({columns})")
        yield connection


def histories(days: pd.DataFrame) -> pd.DataFrame:
    """What is known of each customer at each cut, as int_purchase_histories tells it."""
    periods = []
    for period, (cut, later_days) in CUTS.items():
        at = pd.Timestamp(cut)
        before = days[days["date"] < at]
        by_customer = before.groupby("customer")["date"].agg(["min", "max", "size"])
        until = at + pd.Timedelta(days=later_days or 0)
        after = days[(days["date"] >= at) & (days["date"] < until)]
        spent = before[before["date"] > before.groupby("customer")["date"].transform("min")]
        values = spent[spent["value"] > 0].groupby("customer")["value"]
        periods.append(
            pd.DataFrame(
                {
                    "period": period,
                    "repeats": by_customer["size"] - 1,
                    "recency_days": (by_customer["max"] - by_customer["min"]).dt.days,
                    "age_days": (at - by_customer["min"]).dt.days - 1,
                    "spending_days": values.size().reindex(by_customer.index, fill_value=0),
                    "mean_spending": values.mean().reindex(by_customer.index),
                    "later_purchase_days": after.groupby("customer")
                    .size()
                    .reindex(by_customer.index, fill_value=0),
                }
            ).reset_index(names="customer_id")
        )
    return pd.concat(periods)


def fill(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, proof: str) -> None:
    connection.register("rows", rows)
    connection.execute(
        f"""
        create or replace table intermediate.int_purchase_histories as from rows;
        delete from intermediate.int_forecast_proof;
        insert into intermediate.int_forecast_proof {proof}
        """
    )
    connection.unregister("rows")


def models(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return connection.execute("from mining.clv_models").df().set_index("model")


def test_cdnow_gets_a_model_that_foresaw_best_and_forecasts_of_each_history(connection):
    rows = histories(cdnow.purchase_days())
    fill(connection, rows, "values (2357, 0.5, 0.6, 0.4)")
    mined = forecast_customers(connection, ClvSettings(), "run 1")
    found = models(connection)
    counting = found.drop("gamma_gamma")
    assert found.why_not.isna().all()
    assert counting.index[counting.is_chosen.astype(bool)].tolist() == [counting.log_score.idxmax()]
    now = rows[rows.period == "now"]
    assert mined.rows_in == len(now) == 2_357
    assert mined.rows_out == len(now.drop_duplicates(["repeats", "recency_days", "age_days"]))
    # the papers' figures, whichever model was chosen
    likelihoods = {"bg_nbd": -9582.429, "mbg_nbd": -9582.136, "pareto_nbd": -9594.976}
    chosen = counting[counting.is_chosen.astype(bool)].iloc[0]
    assert chosen.log_likelihood == pytest.approx(likelihoods[chosen.name], abs=5e-4)
    p, q, gamma = (
        connection.execute(
            "select value from mining.clv_parameters where period = 'now' and parameter = ?", [name]
        ).fetchone()[0]
        for name in ("p", "q", "gamma")
    )
    assert (p, q, gamma) == pytest.approx((6.250, 3.744, 15.444), abs=5e-4)
    within = "select bool_and(low < value and value < high) from mining.clv_parameters"
    assert connection.execute(within).fetchone() == (True,)
    # not better than the naive forecast by RFM scores
    assert not chosen.is_better_than_naive
    report = "select metric from state.model_reports where model = 'clv'"
    assert len(connection.execute(report).fetchall()) == 4


def test_too_few_who_came_back_is_an_answer_and_takes_the_place_of_old_forecasts(connection):
    days = cdnow.purchase_days()
    fill(connection, histories(days), "values (2357, 0.5, 0.6, 0.7)")
    forecast_customers(connection, ClvSettings(), "run 1")
    assert models(connection).is_better_than_naive.dropna().tolist() == [True]
    few = histories(days[days["customer"] <= 100])
    fill(connection, few, "select null, null, null, null")
    assert forecast_customers(connection, ClvSettings(), "run 2").rows_out == 0
    found = models(connection)
    assert sorted(found.index) == ["bg_nbd", "gamma_gamma", "mbg_nbd", "pareto_nbd"]
    early = few[few.period == "choice"]
    repeat_buyers = (early.repeats > 0).sum()
    assert set(found.why_not) == {
        f"too few customers who came back: {repeat_buyers} of {len(early)} had, "
        "and a model needs 100"
    }
    assert not found.is_chosen.any()
    for table in ("clv_parameters", "clv_forecasts", "clv_judged_forecasts", "clv_judged_weeks"):
        assert connection.execute(f"select count(*) from mining.{table}").fetchone() == (0,)
    report = "select count(*) from state.model_reports where run_id = 'run 2'"
    assert connection.execute(report).fetchone() == (0,)


def test_without_a_cut_there_is_too_short_a_history(connection):
    fill(
        connection,
        histories(cdnow.purchase_days()).query("period == 'now'"),
        "select null, null, null, null",
    )
    forecast_customers(connection, ClvSettings(), "run 1")
    assert set(models(connection).why_not) == {
        "too short a history to prove a model on what came later"
    }


def test_purchases_are_forecast_where_too_little_is_known_of_spending(connection):
    rows = histories(cdnow.purchase_days())
    rows.loc[rows.index % 20 > 0, ["spending_days"]] = 0
    fill(connection, rows, "values (2357, 0.5, 0.6, 0.7)")
    forecast_customers(connection, ClvSettings(), "run 1")
    found = models(connection)
    assert "and a model needs 100" in found.loc["gamma_gamma"].why_not
    assert not found.loc["gamma_gamma"].is_chosen
    assert found.is_chosen.sum() == 1
    named = "select distinct model from mining.clv_parameters where model = 'gamma_gamma'"
    assert connection.execute(named).fetchall() == []


def test_where_nobody_has_bought_yet_there_is_nothing_to_say(connection):
    connection.execute("update intermediate.int_as_of_date set as_of_date = null")
    fill(connection, histories(cdnow.purchase_days()).head(0), "select null, null, null, null")
    assert forecast_customers(connection, ClvSettings(), "run 1") == (0, 0, ())
    assert models(connection).empty
