"""Fit BG/NBD and Gamma-Gamma beside `lifetimes`, and score ten times as many customers.

    python -m benchmarks.clv.beside_lifetimes --customers 1000000

Times are of processors, not of the wall, each side in a process of its own; grouping is included.
"""

import argparse
import os
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

from benchmarks.clv.purchase_day_maker import DAYS, make_purchase_days
from benchmarks.processes import in_own_process, peak_mebibytes, working_folder
from benchmarks.tables import laid_out

GOAL_COUNTS, GOAL_SPENDING = 30, 15
GOAL_SECONDS, GOAL_MEBIBYTES = 30, 4_096


class Timed(NamedTuple):
    """One side.

    Attributes:
        seconds: step to seconds of processors.
        parameters: r, α, a, b, p, q, γ, where this side fits them.
        peak_mebibytes: the greatest resident memory of the process.
        rows: histories or customers that were scored.
    """

    seconds: dict[str, float]
    parameters: list[float]
    peak_mebibytes: int
    rows: int


def main() -> None:
    """Make purchase days, run both sides, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000, help="on both sides")
    parser.add_argument("--folder", type=Path, help="where to work; default a temporary folder")
    arguments = parser.parse_args()
    with working_folder(arguments.folder) as folder:
        few, many = folder / "few.parquet", folder / "many.parquet"
        in_own_process(make_purchase_days, few, arguments.customers)
        days = in_own_process(make_purchase_days, many, 10 * arguments.customers, 2)
        summary = folder / "summary.parquet"
        in_own_process(summarise_to, few, summary)
        ours = in_own_process(fit_ours, summary)
        theirs = in_own_process(fit_theirs, summary)
        whole = in_own_process(summarise_fit_and_score, many)
        print(report(arguments.customers, days, ours, theirs, whole))


SUMMARY = """
    with histories as (
        select
            customer,
            (count(*) - 1)::integer as repeats,
            (max(day) - min(day))::integer as recency_days,
            ({days} - 1 - min(day))::integer as age_days,
            min(day) as first_day,
            sum(net_revenue) as net_revenue,
            arg_min(net_revenue, day) as first_revenue
        from '{path}'
        group by customer
    )

    select
        customer, repeats, recency_days, age_days,
        case when repeats > 0 then (net_revenue - first_revenue) / repeats end as mean_spending
    from histories
"""


def summarise_to(path: Path, summary: Path) -> None:
    """Write the history of each customer."""
    with duckdb.connect() as connection:
        connection.execute(
            f"copy ({SUMMARY.format(path=path, days=DAYS)}) to '{summary}' (format parquet)"
        )


def fit_ours(summary: Path) -> Timed:
    """Group, and fit both models."""
    from mining.clv import gamma_gamma
    from mining.clv.bg_nbd import BG_NBD
    from mining.clv.count_models import fitted
    from mining.clv.histories import histories

    # compiled before the clock runs, as at any night but the first
    small = histories([0, 3], [0, 200], [400, 500], [100, 80])
    fitted(BG_NBD, small)
    gamma_gamma.log_likelihood(np.array([5.0, 4.0, 15.0]), gamma_gamma.spending([1], [9.0]))
    with duckdb.connect() as connection:
        connection.execute("set threads = 2")
        begin = time.process_time()
        grouped = connection.execute(
            f"select repeats, recency_days, age_days, count(*) from '{summary}' group by all"
        ).fetchnumpy()
        counts = fitted(BG_NBD, histories(*grouped.values()))
        seconds = {"BG/NBD": time.process_time() - begin}
        begin = time.process_time()
        spent = connection.execute(
            f"select repeats, mean_spending from '{summary}' where repeats > 0"
        ).fetchnumpy()
        found = gamma_gamma.fitted(gamma_gamma.spending(*spent.values()))
        seconds["Gamma-Gamma"] = time.process_time() - begin
    parameters = [*counts.fit.parameters, *found.parameters]
    return Timed(seconds, parameters, peak_mebibytes(), len(grouped["repeats"]))


def fit_theirs(summary: Path) -> Timed:
    """Fit both models with `lifetimes`, in weeks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import BetaGeoFitter, GammaGammaFitter

        frame = duckdb.sql(f"from '{summary}'").df()
        begin = time.process_time()
        counts = BetaGeoFitter().fit(frame.repeats, frame.recency_days / 7, frame.age_days / 7)
        seconds = {"BG/NBD": time.process_time() - begin}
        spent = frame[frame.repeats > 0]
        begin = time.process_time()
        values = GammaGammaFitter().fit(spent.repeats, spent.mean_spending)
        seconds["Gamma-Gamma"] = time.process_time() - begin
    parameters = [*counts.params_[["r", "alpha", "a", "b"]], *values.params_[["p", "q", "v"]]]
    return Timed(seconds, parameters, peak_mebibytes(), len(frame))


def summarise_fit_and_score(path: Path) -> Timed:
    """From purchase days to a table with the scores of each customer."""
    from mining.clv.bg_nbd import BG_NBD
    from mining.clv.count_models import fitted
    from mining.clv.forecasts import discounted_purchases, expected_purchases
    from mining.clv.histories import histories

    seconds = {}
    with duckdb.connect() as connection:
        connection.execute("set threads = 2; set memory_limit = '2GB'")
        begin = time.process_time()
        connection.execute(f"create table summary as {SUMMARY.format(path=path, days=DAYS)}")
        grouped = connection.execute(
            "select repeats, recency_days, age_days, count(*) from summary group by all"
        ).fetchnumpy()
        seconds["summarise"] = time.process_time() - begin
        begin = time.process_time()
        of = histories(*grouped.values())
        found = fitted(BG_NBD, of)
        seconds["fit"] = time.process_time() - begin
        begin = time.process_time()
        alive = BG_NBD.probability_alive(found.fit.parameters, of)
        year = expected_purchases(found, of, alive, 365 / 7)
        worth = discounted_purchases(found, of, alive, 36, 0.1)
        seconds["score histories"] = time.process_time() - begin
        begin = time.process_time()
        import pyarrow as pa

        keys = ["repeats", "recency_days", "age_days"]
        scores = pa.table(
            {name: grouped[name] for name in keys}
            | {"alive": alive, "year": year.mean, "low": year.low, "high": year.high}
            | {"worth": worth}
        )
        connection.register("scores", scores)
        connection.execute(
            f"create table scored as select customer, alive, year, low, high, worth "
            f"from summary inner join scores using ({', '.join(keys)})"
        )
        seconds["score customers"] = time.process_time() - begin
        counted = connection.execute("select count(*) from scored").fetchone()
    return Timed(
        seconds, list(found.fit.parameters), peak_mebibytes(), int(counted[0]) if counted else 0
    )


def report(customers: int, days: int, ours: Timed, theirs: Timed, whole: Timed) -> str:
    """Lay both sides out beside each other, and the ten times as many under them."""
    rows = [("seconds of processors", "ours", "lifetimes", "times", "goal")]
    for model, goal in (("BG/NBD", GOAL_COUNTS), ("Gamma-Gamma", GOAL_SPENDING)):
        mine, peer = ours.seconds[model], theirs.seconds[model]
        rows.append((model, f"{mine:.2f}", f"{peer:.1f}", f"{peer / mine:.0f}", f"{goal}"))
    names = ("r", "alpha", "a", "b", "p", "q", "gamma")
    fitted = [("parameter", *names)]
    for side, timed in (("ours", ours), ("lifetimes", theirs)):
        fitted.append((side, *(f"{value:.4f}" for value in timed.parameters)))
    steps = [("step", "seconds")]
    steps += [(step, f"{seconds:.1f}") for step, seconds in whole.seconds.items()]
    steps.append(("in all", f"{sum(whole.seconds.values()):.1f}"))
    return (
        f"{customers:,} customers, {ours.rows:,} histories; {os.cpu_count()} cores, "
        f"DuckDB {duckdb.__version__}\n\n{laid_out(rows)}\n\n{laid_out(fitted)}\n\n"
        f"{whole.rows:,} customers, {days:,} purchase days, seconds of processors "
        f"(goal: {GOAL_SECONDS}), peak {whole.peak_mebibytes:,} MiB (goal: {GOAL_MEBIBYTES:,})\n\n"
        f"{laid_out(steps)}"
    )


if __name__ == "__main__":
    main()
