"""What people bought when, read from the core as the miner of the buying order takes it."""

from typing import Final

import duckdb
import numpy as np

from flows.mine.model_output import one
from mining.buying_order import MAXIMUM_ITEMS, Histories

# Queries for order_id and item.
ITEMS_OF_BASKETS: Final = "select order_id, item from intermediate.int_basket_items"
PRODUCTS: Final = """
    select order_lines.order_id, order_lines.product_id as item
    from intermediate.int_counted_order_lines as order_lines
    where
        order_lines.line_kind = 'merchandise'
        and order_lines.quantity > 0
        and order_lines.product_id in (select product_id from intermediate.int_product_items)
"""


def read_histories(
    connection: duckdb.DuckDBPyConnection, order_items: str, minimum_customers: int
) -> Histories:
    """Read the purchases of persons.

    Args:
        connection: to a work file with the core built.
        order_items: a query for order_id and item.
        minimum_customers: items bought fewer times than this are left out; of the others the
            `MAXIMUM_ITEMS` most bought stay.
    """
    connection.execute(
        """
        create or replace temporary table history_orders as
        select
            order_id,
            dense_rank() over (order by customer_id)::integer - 1 as customer,
            order_date - date '1970-01-01' as day,
            12 * year(order_date) + month(order_date) as month
        from intermediate.int_counted_orders
        where is_purchase and customer_id not in ('anonymous', 'erased')
        """
    )
    connection.execute(
        f"""
        create or replace temporary table history_items as
        select item, row_number() over (order by count(*) desc, item)::integer - 1 as number
        from ({order_items})
        inner join history_orders using (order_id)
        group by item
        having count(*) >= {minimum_customers}
        order by number
        limit {MAXIMUM_ITEMS}
        """
    )
    connection.execute(
        f"""
        create or replace temporary table history_item_days as
        select distinct
            history_orders.customer,
            history_orders.day,
            history_orders.month,
            history_items.number as item
        from ({order_items}) as order_items
        inner join history_items using (item)
        inner join history_orders using (order_id)
        """
    )
    visits = connection.execute(
        """
        select distinct customer, day, (month - min(month) over ())::integer as month
        from history_orders
        order by customer, day
        """
    ).to_arrow_table()
    first_purchases = connection.execute(
        """
        select customer, item, min(day)::integer as first_day, count(*)::integer as days
        from history_item_days
        group by customer, item
        order by customer, item
        """
    ).to_arrow_table()
    monthly = connection.execute(
        """
        select
            item,
            month - (select min(month) from history_orders) as month,
            count(*) as days
        from history_item_days
        group by all
        """
    ).fetchnumpy()
    items = connection.execute("select item from history_items order by number").fetchall()
    for table in ("history_orders", "history_items", "history_item_days"):
        connection.execute(f"drop table {table}")

    visits_of_month = np.bincount(visits["month"].to_numpy())
    monthly_shares = np.zeros((len(items), len(visits_of_month)))
    monthly_shares[monthly["item"], monthly["month"]] = monthly["days"]
    monthly_shares /= np.maximum(visits_of_month, 1)
    return Histories(
        visits,
        first_purchases,
        [item for (item,) in items],
        monthly_shares,
        cut=one(
            connection,
            """
            select min(orders.order_date) - date '1970-01-01'
            from intermediate.int_basket_periods as periods
            inner join intermediate.int_counted_orders as orders
                on periods.order_id = orders.order_id
            where periods.is_holdout
            """,
        ),
        end=one(
            connection, "select as_of_date - date '1970-01-01' from intermediate.int_as_of_date"
        ),
    )
