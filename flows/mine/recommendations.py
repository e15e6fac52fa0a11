"""From who bought what to mining.recommendations: a list for each customer."""

from decimal import Decimal
from typing import Final

import duckdb
import pyarrow as pa

from flows.mine.model_output import Mined, ModelOutput, take_or_withhold
from flows.query import one_value
from mining.recommendations.customer_lists import recommend

# Of lists of an earlier night: who and what is still there, what was not bought since, and the task
# that is still right.
LISTS_MAY_STAY: Final = """
    customer_id in (select customer_id from intermediate.int_product_purchases)
    and product_id in (
        select product_id from intermediate.int_recommendable_products where is_offered
    )
    and (
        because_product_id is null
        or because_product_id in (select product_id from intermediate.int_recommendable_products)
    )
    and (customer_id, product_id) not in (
        select (customer_id, product_id) from intermediate.int_product_purchases
        where order_date >= (select min(mined_as_of) from mining.recommendations)
    )
    and (task = 'restock') = (
        (customer_id, product_id) in (
            select (customer_id, product_id) from intermediate.int_product_purchases
        )
    )
"""
_DAY_0: Final = "date '1900-01-01'"  # no order is older


def recommend_products(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    *,
    withhold_below: Decimal,
    accept: bool = False,
) -> Mined:
    """Make the lists of all identified customers, and judge such lists on the last four weeks.

    Args:
        connection: to a work file with the core built.
        run_id: whose report is written into state.model_reports.
        withhold_below: share of the usual quality below which new lists are withheld.
        accept: take the lists whatever earlier nights had.
    """
    connection.execute(
        """
        create or replace temporary table list_customers as
        select customer_id, (row_number() over (order by customer_id) - 1)::integer as customer
        from (select distinct customer_id from intermediate.int_product_purchases);

        create or replace temporary table list_products as
        select
            product_id,
            is_offered,
            (row_number() over (order by product_id) - 1)::integer as product
        from intermediate.int_recommendable_products
        """
    )
    lines = _numbered(connection, "intermediate.int_product_purchases", "order_date")
    events = _numbered(connection, "intermediate.int_web_interests", "event_date")
    cut = one_value(connection, f"select as_of_date - {_DAY_0} from intermediate.int_as_of_date")
    is_offered = connection.execute(
        "select is_offered from list_products order by product"
    ).to_arrow_table()
    made = recommend(
        lines,
        events,
        is_offered["is_offered"].to_numpy(),
        customer_count=one_value(connection, "select count(*) from list_customers"),
        cut=cut or 0,
    )
    connection.register("recommended", made.table)
    rows = connection.execute(
        """
        select
            customers.customer_id,
            recommended.* exclude (customer, product, because_product),
            products.product_id,
            because_products.product_id as because_product_id
        from recommended
        inner join list_customers as customers on recommended.customer = customers.customer
        inner join list_products as products on recommended.product = products.product
        left join list_products as because_products
            on recommended.because_product = because_products.product
        order by customers.customer_id, recommended.task, recommended.rank
        """
    ).to_arrow_table()
    connection.unregister("recommended")
    warnings = take_or_withhold(
        connection,
        ModelOutput(
            "recommendations",
            "recommendations",
            "mining.recommendations",
            rows,
            made.report,
            {},
            watched={
                "ndcg_new": "an nDCG@10 of {:.3f} for new products",
                "ndcg_restock": "an nDCG@10 of {:.3f} for products to restock",
            },
            may_stay=LISTS_MAY_STAY,
        ),
        run_id,
        withhold_below=withhold_below,
        accept=accept,
    )
    connection.execute("drop table list_customers; drop table list_products")
    listed = one_value(connection, "select count(*) from mining.recommendations")
    return Mined(lines.num_rows, listed, warnings)


def _numbered(connection: duckdb.DuckDBPyConnection, table: str, day: str) -> pa.Table:
    """Read customers and products as numbers and days since 1900."""
    return connection.execute(
        f"""
        select customers.customer, products.product, rows.{day} - {_DAY_0} as day
        from {table} as rows
        inner join list_customers as customers on rows.customer_id = customers.customer_id
        inner join list_products as products on rows.product_id = products.product_id
        """
    ).to_arrow_table()
