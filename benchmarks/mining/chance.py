"""Rules published where nothing is related, beside those of the real baskets.

    python -m benchmarks.mining.chance --warehouse demo/warehouse

Reads the work file of a refreshed warehouse, with the default settings of [mining]. Items are
exchanged between all baskets, and in another run between those of one week only: then what sells
in one season sells in it still, and only who bought what with what is drawn anew.
"""

import argparse
from pathlib import Path
from statistics import mean

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.mining.swap_randomisation import swap_randomised
from flows.settings import MiningSettings
from flows.work_file import work_file
from mining.cross_selling import Period, mine_cross_sell_rules


def purchases_and_items(work: Path) -> tuple[pa.Table, pa.Table]:
    """Read what the mine stage reads: purchases by period, and items, baskets as numbers.

    Beside the items stands the `time` of the basket: its week, that of the cut in two parts.
    """
    with duckdb.connect(work, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            """
            create temporary table purchases as
            select order_id, row_number() over (order by order_id)::integer as number,
                is_holdout, has_vote,
                2 * datediff('day', date '1970-01-01', date_trunc('week', order_date))
                + is_holdout::integer as week
            from intermediate.int_basket_periods
            """
        )
        items = connection.execute(
            """
            select purchases.number as order_id, item, purchases.week as time
            from intermediate.int_basket_items
            inner join purchases using (order_id)
            """
        ).to_arrow_table()
        purchases = connection.execute(
            "select number as order_id, is_holdout, has_vote from purchases"
        ).to_arrow_table()
    return purchases, items


def published_rules(purchases: pa.Table, basket_items: pa.Table) -> int:
    """Mine and prove with the default settings; count what would be published."""
    is_later = purchases["is_holdout"]
    periods = []
    for chosen in (pc.invert(is_later), pc.and_(is_later, purchases["has_vote"])):
        orders = purchases.filter(chosen)["order_id"]
        rows = basket_items.filter(pc.is_in(basket_items["order_id"], value_set=orders))
        periods.append(Period(rows.select(["order_id", "item"]), len(orders)))
    rules = mine_cross_sell_rules(
        *periods,
        **MiningSettings().of_rules(),
    ).table
    return int(pc.sum(rules["is_published"]).as_py() or 0)


def main() -> None:
    """Print the real number, and the mean and greatest of the randomised ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warehouse", type=Path, default=Path("demo/warehouse"))
    parser.add_argument("--sets", type=int, default=50, help="randomised data sets")
    options = parser.parse_args()
    purchases, items = purchases_and_items(work_file(options.warehouse))
    real = published_rules(purchases, items)
    print(f"{len(purchases):,} purchases, {len(items):,} items in them")
    print(f"published of the real baskets: {real}")
    for between, lines in (("all baskets", items.drop(["time"])), ("those of a week", items)):
        by_chance = [
            published_rules(purchases, swap_randomised(lines, seed)) for seed in range(options.sets)
        ]
        print(
            f"published of {options.sets} sets swapped between {between}: "
            f"{mean(by_chance):.2f} on average, {max(by_chance)} at most"
            + (f": {mean(by_chance) / real:.2%} of the real (goal: 5 % at most)" if real else ""),
            flush=True,
        )


if __name__ == "__main__":
    main()
