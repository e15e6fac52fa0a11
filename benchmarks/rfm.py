"""Time the mart of RFM beside the same as one query written by hand, on a warehouse that is there.

    python -m benchmarks.nightly --folder shop
    python -m benchmarks.rfm --warehouse shop/warehouse

Both write a table from the same core, in turns, in one process; the best of the rounds counts. They
must hold the same rows.
"""

import argparse
import time
from pathlib import Path

import duckdb

from benchmarks.processes import in_own_process, working_folder
from benchmarks.tables import laid_out

GOAL = 1.5
ROUNDS = 5
MODEL = "models/marts/customers/rfm.sql"
BY_HAND = """
with ranked as (
    select
        customer_id,
        any_value(as_of_date) - max(order_date) filter (where is_purchase) as recency,
        count(*) filter (where is_purchase) as purchases,
        sum(merchandise_revenue)::decimal(18, 4) as revenue,
        rank() over (order by recency desc) - 1 as recency_worse,
        count(*) over (partition by recency) as recency_tied,
        rank() over (order by purchases) - 1 as purchases_worse,
        count(*) over (partition by purchases) as purchases_tied,
        rank() over (order by revenue) - 1 as revenue_worse,
        count(*) over (partition by revenue) as revenue_tied,
        count(*) over () as customers
    from core.fct_orders, intermediate.int_as_of_date
    where not is_cancelled and not is_gone and order_date < as_of_date
        and customer_id not in ('anonymous', 'erased')
    group by customer_id
    having purchases > 0
),

scored as (
    select
        customer_id,
        recency::integer as recency_days,
        purchases::integer as frequency,
        revenue as monetary,
        (1 + (5 * (2 * recency_worse + recency_tied)) // (2 * customers))::integer as r_score,
        (1 + (5 * (2 * purchases_worse + purchases_tied)) // (2 * customers))::integer as f_score,
        (1 + (5 * (2 * revenue_worse + revenue_tied)) // (2 * customers))::integer as m_score,
        r_score + f_score + m_score as rfm_total
    from ranked
)

select scored.*, segment
from scored
left join reference.rfm_segments as names
    on names.r_score = scored.r_score
    and names.fm_score = (scored.f_score + scored.m_score + 1) // 2
"""


def main() -> None:
    """Copy the warehouse's work file, compile the model, time both, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warehouse", type=Path, required=True, help="as a refresh left it")
    arguments = parser.parse_args()
    with working_folder(None) as folder:
        print(in_own_process(compare, arguments.warehouse, folder))


def compare(warehouse: Path, folder: Path) -> str:
    """Time both on a copy of the work file; give a table of them."""
    from flows.dbt import DbtProject
    from flows.file_copy import copy_file
    from flows.work_file import work_file

    database = folder / "regulars.duckdb"
    copy_file(work_file(warehouse), database)
    project = DbtProject(database, folder, {}, "all")
    project.build(MODEL)
    compiled = (folder / "dbt" / "compiled" / "regulars" / MODEL).read_text(encoding="utf-8")
    sides = {"model": compiled, "by_hand": BY_HAND}
    seconds = dict.fromkeys(sides, float("inf"))
    with duckdb.connect(database) as connection:
        connection.execute("set TimeZone = 'UTC'; set threads = 2")
        for _ in range(ROUNDS):
            for name, query in sides.items():
                started = time.perf_counter()
                connection.execute(f"create or replace table {name} as {query}")
                seconds[name] = min(seconds[name], time.perf_counter() - started)
        lines, orders, customers, different = connection.execute(
            """
            select
                (select count(*) from core.fct_order_lines),
                (select count(*) from core.fct_orders),
                (select count(*) from model),
                (select count(*) from ((from model except from by_hand) union all
                    (from by_hand except from model)))
            """
        ).fetchone() or (0, 0, 0, 0)
    if different:
        raise SystemExit(f"the sides differ in {different:,} rows")
    table = laid_out(
        [
            ("", "seconds"),
            *((name.replace("_", " "), f"{one:.2f}") for name, one in seconds.items()),
        ]
    )
    return (
        f"{lines:,} order lines of {orders:,} orders, {customers:,} customers; best of {ROUNDS}, "
        f"DuckDB {duckdb.__version__}, 2 threads\n\n{table}\n\n"
        f"the mart takes {seconds['model'] / seconds['by_hand']:.2f} times the query (goal: {GOAL})"
    )


if __name__ == "__main__":
    main()
