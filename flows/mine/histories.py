"""What people bought when, as the miner of the buying order takes it."""

from typing import Final

import duckdb
import numpy as np

from flows.query import one_value
from mining.buying_order import Histories, begin_of_search

_DAY_0: Final = "date '1970-01-01'"


def read_histories(
    connection: duckdb.DuckDBPyConnection,
    purchases: str,
    item: str,
    *,
    minimum_customers: int,
    maximum_items: int,
) -> tuple[Histories, int]:
    """Number the customers, items and months of what people bought; days are counted from 1970.

    Args:
        connection: to a work file with the core built.
        purchases: a table with customer_id, order_date and the item.
        item: the column of the item.
        minimum_customers: of a pair: items bought fewer times than this before the later period
            are left out.
        maximum_items: items that stay of the others, those bought most by then.

    Returns:
        The histories, and how many items went beyond `maximum_items`.
    """
    cut: int | None = one_value(
        connection,
        f"select min(order_date) - {_DAY_0} from intermediate.int_basket_periods where is_holdout",
    )
    end: int = one_value(
        connection, f"select as_of_date - {_DAY_0} from intermediate.int_as_of_date"
    )
    connection.execute(
        f"""
        create or replace temporary table history_visits as
        select
            dense_rank() over (order by customer_id)::integer - 1 as customer,
            customer_id,
            order_date,
            order_date - {_DAY_0} as day,
            datediff('month', min(order_date) over (), order_date)::integer as month
        from intermediate.int_customer_purchase_days;

        create or replace temporary table history_items as
        select
            {item} as item,
            row_number() over (order by count(*) desc, {item})::integer - 1 as number
        from {purchases}
        where order_date < (
            select coalesce(min(order_date) filter (where is_holdout), 'infinity')
            from intermediate.int_basket_periods
        )
        group by {item}
        having count(*) >= {minimum_customers};

        create or replace temporary table history_item_days as
        select distinct
            history_visits.customer,
            history_visits.day,
            history_visits.month,
            history_items.number as item
        from {purchases} as purchases
        inner join history_items
            on purchases.{item} = history_items.item and history_items.number < {maximum_items}
        inner join history_visits using (customer_id, order_date)
        """
    )
    visits = connection.execute(
        "select customer, day, month from history_visits order by customer, day"
    ).to_arrow_table()
    first_purchases = connection.execute(
        """
        select
            customer,
            item,
            min(day)::integer as first_day,
            max(day)::integer as last_day,
            (count(*) filter (day < ?))::integer as early_days
        from history_item_days
        group by customer, item
        order by customer, item
        """,
        [begin_of_search(cut, end)],
    ).to_arrow_table()
    monthly = connection.execute(
        "select item, month, count(*) as days from history_item_days group by all"
    ).fetchnumpy()
    items = connection.execute("select item from history_items order by number").fetchall()
    left_out = items[maximum_items:]
    items = items[:maximum_items]
    for table in ("history_visits", "history_items", "history_item_days"):
        connection.execute(f"drop table {table}")

    visits_of_month = np.bincount(visits["month"].to_numpy())
    monthly_shares = np.zeros((len(items), len(visits_of_month)))
    monthly_shares[monthly["item"], monthly["month"]] = monthly["days"]
    monthly_shares /= np.maximum(visits_of_month, 1)
    return (
        Histories(
            visits,
            first_purchases,
            [item for (item,) in items],
            monthly_shares,
            cut,
            end,
        ),
        len(left_out),
    )
