"""From the core to mining.buying_order and mining.up_sell: what is bought after what."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from flows.mine.histories import read_histories
from flows.mine.model_output import Mined, ModelOutput, published, take_or_withhold
from flows.settings import MiningSettings
from mining.buying_order import MAXIMUM_ITEMS, Histories, Steps, mine_buying_order
from mining.model_report import buying_order_report

ON_SALE_DAYS: Final = 28  # a product that nobody bought in so many days is no longer on sale
MAXIMUM_PRODUCTS: Final = 100_000  # pairs are counted within lines, of which each is far smaller

# What decides how many pairs are found and hold.
_COMPARED: Final = {
    *("minimum_followers", "minimum_followed_share", "minimum_followed_lift", "holdout_share")
}


def mine_order_of_items(
    connection: duckdb.DuckDBPyConnection,
    settings: MiningSettings,
    run_id: str,
    *,
    accept: bool = False,
) -> Mined:
    """Find what people buy after what, and which dearer product of a line they move to.

    Args:
        connection: to a work file with the core built.
        settings: thresholds and what an item is.
        run_id: whose reports are written into state.model_reports.
        accept: take the pairs whatever earlier nights had.
    """
    of_items, items_left_out = read_histories(
        connection,
        "intermediate.int_item_purchases",
        "item",
        minimum_customers=settings.minimum_followers,
        maximum_items=MAXIMUM_ITEMS,
    )
    of_products, products_left_out = read_histories(
        connection,
        "intermediate.int_product_purchases",
        "product_id",
        minimum_customers=settings.minimum_followers,
        maximum_items=MAXIMUM_PRODUCTS,
    )
    steps = _steps(connection, of_products.items, 1 + float(settings.minimum_price_rise))
    never_together = (
        connection.execute("from intermediate.int_items_of_one_product").to_arrow_table()
        if len(settings.item_levels) > 1
        else None
    )
    pairs = _mine(of_items, settings, never_together=never_together)
    steps_up = _mine(of_products, settings, steps=steps)
    compared = settings.model_dump(include=_COMPARED)
    outputs = (
        ModelOutput(
            "buying_order",
            "buying order",
            "mining.buying_order",
            pairs,
            buying_order_report(pairs) | {"items_left_out": items_left_out},
            compared | {"item_levels": sorted(settings.item_levels)},
        ),
        ModelOutput(
            "up_sell",
            "up-sell pairs",
            "mining.up_sell",
            steps_up,
            buying_order_report(steps_up) | {"items_left_out": products_left_out},
            compared | settings.model_dump(include={"minimum_price_rise"}),
        ),
    )
    warnings = [
        take_or_withhold(
            connection, output, run_id, withhold_below=settings.withhold_below, accept=accept
        )
        for output in outputs
    ]
    return Mined(
        of_items.first_purchases.num_rows + of_products.first_purchases.num_rows,
        sum(published(connection, output.table) for output in outputs),
        tuple(chain.from_iterable(warnings)),
    )


def _mine(
    histories: Histories,
    settings: MiningSettings,
    *,
    never_together: pa.Table | None = None,
    steps: Steps | None = None,
) -> pa.Table:
    return mine_buying_order(
        histories,
        minimum_customers=settings.minimum_followers,
        minimum_share=settings.minimum_followed_share,
        minimum_lift=settings.minimum_followed_lift,
        maximum_pairs=settings.maximum_rules,
        never_together=never_together,
        steps=steps,
    )


def _steps(
    connection: duckdb.DuckDBPyConnection, products: Sequence[str], minimum_rise: float
) -> Steps:
    """The line and price of each product: a line is the narrowest group that the source states.

    What has not been sold of late is in no line: who moves on from a product that is no longer
    there has not been sold up.
    """
    chosen = {"number": np.arange(len(products)), "product_id": pa.array(products, pa.string())}
    connection.register("chosen", pa.table(chosen))
    found = connection.execute(
        """
        with lines as (
            select
                chosen.number,
                products.source,
                case
                    when product_values.last_sold_date >= as_of.as_of_date - ?::integer
                        then coalesce(
                            products.product_type, products.category, products.department
                        )
                end as line,
                product_values.net_revenue_per_unit::double as price
            from chosen
            left join core.dim_products as products
                on chosen.product_id = products.product_id
            left join intermediate.int_product_values as product_values
                on chosen.product_id = product_values.product_id
            cross join intermediate.int_as_of_date as as_of
        )

        select
            case when line is null then -1 else dense_rank() over (order by source, line) end
                ::integer as line,
            coalesce(price, 'nan'::double) as price
        from lines
        order by number
        """,
        [ON_SALE_DAYS],
    ).to_arrow_table()
    connection.unregister("chosen")
    return Steps(found["line"].to_numpy(), found["price"].to_numpy(), minimum_rise)
