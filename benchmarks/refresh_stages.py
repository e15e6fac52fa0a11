"""Time the stages of a refresh beside the same tables made by hand-written SQL, in the same run.

    python -m benchmarks.refresh_stages --lines 10000000

Both sides read the same made files (benchmarks/order_line_maker.py), each in a process of its own,
so that each peak of memory is its own. They must agree on every total before a time is printed.
"""

import argparse
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.order_line_maker import make_order_lines
from benchmarks.processes import in_own_process, peak_mebibytes, working_folder
from benchmarks.tables import laid_out

SOURCE = "made"
STAGES = ("load", "core", "mine", "marts", "check", "publish")

# What both sides must agree on: a row of numbers for each table, sums of decimals and integers.
TOTALS = {
    "raw.order_lines": "count(*), sum(quantity * unit_price), sum(epoch_us(ordered_at_local))",
    "core.fct_order_lines": """
        count(*), sum(net_revenue), sum(margin), sum(cost_amount), sum(quantity),
        count(*) filter (where is_return), count(distinct product_id), min(order_date),
        sum(hash(order_id, line_number, customer_id, order_date, margin_basis)::hugeint)
    """,
    "core.fct_orders": """
        count(*), sum(net_revenue), sum(merchandise_revenue), sum(returned_revenue), sum(margin),
        sum(units), sum(product_count), count(*) filter (where is_purchase),
        sum(shipping_revenue), sum(hash(order_id, customer_id, order_date, margin_basis)::hugeint)
    """,
    "core.dim_customers": "count(*)",
    "core.dim_products": "count(*), count(distinct product_type), sum(unit_cost)",
    "core.dim_stores": "count(*)",
    "core.dim_dates": "count(*), sum(iso_week), sum(iso_year)",
    "intermediate.int_basket_items": "count(*), sum(hash(order_id, item)::hugeint)",
    "mining.rules": """
        count(*), sum(hash(
            rank, antecedents, consequents, antecedent_count, consequent_count, joint_count
        )::hugeint)
    """,
    "marts.sales_daily": """
        count(*), sum(orders), sum(purchases), sum(customers), sum(gross_revenue),
        sum(discount_amount), sum(returned_revenue), sum(net_revenue), sum(margin)
    """,
    "marts.products": """
        count(*), sum(orders), sum(buyers), sum(repeat_buyers), sum(units_sold),
        sum(units_returned), sum(net_revenue), sum(margin), sum(revenue_rank)
    """,
    "marts.rfm": """
        count(*), sum(recency_days), sum(frequency), sum(monetary),
        sum(hash(customer_id, r_score, f_score, m_score)::hugeint)
    """,
    "marts.clv": """
        count(*), sum(net_revenue), sum(realised_margin), round(sum(retention_rate), 3),
        round(sum(years_of_loyalty), 3), round(sum(discounted_years), 3)
    """,
    "marts.cohort_retention": """
        count(*), sum(customers), sum(active_customers), sum(net_revenue), sum(margin)
    """,
    "marts.customers": """
        count(first_purchase_date), sum(purchases), sum(purchase_days), sum(net_revenue),
        sum(hash(customer_id, preferred_store_id, preferred_channel, status)
            ::hugeint) filter (where first_purchase_date is not null)
    """,
}


@dataclass
class Side:
    """What one side took.

    Attributes:
        seconds: stage to wall time, start-up left out.
        start_up_seconds: start-up by what starts.
        peak_mebibytes: the greatest resident memory of the process.
        totals: table to its row of `TOTALS`.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    start_up_seconds: dict[str, float] = field(default_factory=dict)
    peak_mebibytes: int = 0
    totals: dict[str, tuple[Any, ...]] = field(default_factory=dict)


def main() -> None:
    """Make the lines, time both sides, hold them to each other, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000_000, help="order lines to make")
    parser.add_argument("--folder", type=Path, help="where to work; default a temporary folder")
    arguments = parser.parse_args()
    with working_folder(arguments.folder) as folder:
        started = time.perf_counter()
        shape = in_own_process(make_order_lines, folder / "landing" / SOURCE, arguments.lines)
        print(
            f"{arguments.lines:,} order lines of {shape.orders:,} orders, {shape.customers:,}"
            f" customers and {shape.products:,} products,"
            f" made in {time.perf_counter() - started:.1f} s;"
            f" {os.cpu_count()} cores, DuckDB {duckdb.__version__}"
        )
        floor = in_own_process(time_floor, folder)
        ours = in_own_process(time_refresh, folder)
    different = [table for table in TOTALS if ours.totals[table] != floor.totals[table]]
    if different:
        raise SystemExit(
            "the sides differ:\n"
            + "\n".join(f"  {t}: {ours.totals[t]}, floor {floor.totals[t]}" for t in different)
        )
    print(report(ours, floor, arguments.lines))


def time_floor(folder: Path) -> Side:
    """Run floor.sql stage by stage."""
    side = Side()
    (folder / "floor").mkdir()
    script = Path(__file__).with_name("floor.sql").read_text(encoding="utf-8")
    script = script.replace("{landing}", str(folder / "landing" / SOURCE))
    script = script.replace("{published}", str(folder / "floor" / "published.duckdb"))
    parts = re.split(r"^-- stage: (\w+)$", script, flags=re.MULTILINE)[1:]
    with duckdb.connect(folder / "floor" / "work.duckdb") as connection:
        connection.execute("set TimeZone = 'UTC'")
        for stage, statements in zip(parts[::2], parts[1::2], strict=True):
            with _timed(side.seconds, stage):
                connection.execute(statements)
                connection.execute("checkpoint")  # as our stages do when they close the file
        side.peak_mebibytes = peak_mebibytes()
        side.totals = _totals(connection)
    return side


def time_refresh(folder: Path) -> Side:
    """Run the stages of the refresh, as the flow does but without Prefect around them."""
    side = Side()
    with _timed(side.start_up_seconds, "Prefect and dbt: import"):
        from flows import refresh
        from flows.building import begin_building, settle
        from flows.dbt import DbtProject
        from flows.load.loader import load_source
        from flows.load.mapping import Mapping
        from flows.prefect_server import start_prefect_server
        from flows.publish.tables import published_tables
        from flows.runs import begin_run
        from flows.settings import MiningSettings, RefreshSettings
        from flows.work_file import make_private, open_database, work_file, work_folder
    if "PREFECT_API_URL" not in os.environ:
        with _timed(side.start_up_seconds, "Prefect: temporary server"):
            start_prefect_server(folder / "prefect")

    warehouse = folder / "warehouse"
    settings = RefreshSettings(
        landing=folder / "landing",
        warehouse=warehouse,
        mining=MiningSettings(  # floor.sql's: it tests no rule on later baskets
            minimum_support=Decimal("0.005"),
            minimum_improvement=Decimal(0),
            holdout_share=Decimal(0),
        ),
    )
    mapping = Mapping.model_validate(
        {
            "source": SOURCE,
            "title": "Made order lines",
            "time_zone": "Asia/Shanghai",
            "currency": "CNY",
            "entities": {
                name: {"files": f"{name}.parquet", "columns": "by_name"}
                for name in ("order_lines", "products")
            },
        }
    )
    make_private(work_folder(warehouse))
    run_id = begin_run(warehouse).run_id
    database = begin_building(warehouse, run_id)
    with _timed(side.seconds, "load"), open_database(database) as connection:
        load_source(connection, mapping, settings.landing, run_id, datetime.now(UTC))

    variables = settings.dbt_variables() | {
        "reporting_currency": mapping.currency,
    }
    with _timed(side.start_up_seconds, "dbt: parse"):
        project = DbtProject(database, work_folder(warehouse), variables, "all")

    def dbt_stage(stage: str, run: Callable[[], int]) -> None:
        """Time one call of dbt: what passes outside its nodes is start-up."""
        with _timed(side.seconds, stage):
            run()
        nodes = _busy_seconds(work_folder(warehouse) / "dbt" / "run_results.json")
        side.start_up_seconds["dbt: outside its nodes"] = (
            side.start_up_seconds.get("dbt: outside its nodes", 0) + side.seconds[stage] - nodes
        )
        side.seconds[stage] = nodes

    dbt_stage("core", lambda: project.build(*refresh.CORE_PATHS))
    with _timed(side.seconds, "mine"):
        refresh.mine.fn(database, settings, run_id, anew=True)
    dbt_stage("marts", lambda: project.build(*refresh.MART_PATHS))
    dbt_stage("check", project.test)
    with _timed(side.seconds, "publish"):
        tables = published_tables(project.manifest)
        refresh.publish.fn(warehouse, run_id, None, tables, None, None, [])
    settle(warehouse)
    side.peak_mebibytes = peak_mebibytes()
    with open_database(work_file(warehouse)) as connection:
        side.totals = _totals(connection)
    return side


def report(ours: Side, floor: Side, lines: int) -> str:
    """Lay the two sides out beside each other."""
    rows: list[tuple[str, ...]] = [
        ("stage", "seconds", "lines/s", "floor s", "floor lines/s", "ratio")
    ]
    for stage in STAGES:
        rows.append(_row(stage, ours.seconds[stage], floor.seconds.get(stage), lines))
    shared = [stage for stage in STAGES if stage in floor.seconds]
    rows.append(
        _row(
            "together",
            sum(ours.seconds[stage] for stage in shared),
            sum(floor.seconds[stage] for stage in shared),
            lines,
        )
    )
    table = laid_out(rows)
    start_up = "\n".join(
        f"  {what:<28}{seconds:6.1f} s" for what, seconds in ours.start_up_seconds.items()
    )
    return (
        f"\n{table}\n\n"
        "check (data tests) has no floor and is not in 'together'\n\n"
        f"start-up, apart from the above:\n{start_up}\n\n"
        f"peak memory: {ours.peak_mebibytes:,} MiB, floor {floor.peak_mebibytes:,} MiB\n"
        f"{len(floor.totals)} tables agree in every total"
    )


def _row(stage: str, ours: float, floor: float | None, lines: int) -> tuple[str, ...]:
    if floor is None:
        return (stage, f"{ours:.2f}", f"{lines / ours:,.0f}", "", "", "")
    return (
        stage,
        f"{ours:.2f}",
        f"{lines / ours:,.0f}",
        f"{floor:.2f}",
        f"{lines / floor:,.0f}",
        f"{ours / floor:.2f}",
    )


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


def _totals(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[Any, ...]]:
    return {
        table: connection.execute(f"select {numbers} from {table}").fetchone() or ()
        for table, numbers in TOTALS.items()
    }


def _busy_seconds(run_results: Path) -> float:
    """Seconds in which at least one node of a dbt call was running."""
    moments = []
    for node in json.loads(run_results.read_text(encoding="utf-8"))["results"]:
        for span in node["timing"]:
            if span["started_at"] and span["completed_at"]:
                moments.append((datetime.fromisoformat(span["started_at"]), 1))
                moments.append((datetime.fromisoformat(span["completed_at"]), -1))
    moments.sort()
    running, busy = 0, 0.0
    for (moment, change), (following, _) in pairwise(moments):
        running += change
        if running:
            busy += (following - moment).total_seconds()
    return busy


if __name__ == "__main__":
    main()
