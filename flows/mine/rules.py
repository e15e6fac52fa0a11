"""From the baskets of the core to mining.rules: the cross-sell rules."""

from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

import duckdb

from flows.mine.model_output import Mined, ModelOutput, published, take_or_withhold
from flows.query import one_value
from flows.settings import MiningSettings
from mining.cross_selling import (
    MAXIMUM_ITEMSETS,
    CrossSellRules,
    Period,
    mine_cross_sell_rules,
)
from mining.model_report import cross_sell_report

# What decides how many rules are found and hold.
_COMPARED: Final = {
    *("item_levels", "minimum_support", "minimum_baskets", "minimum_confidence", "minimum_lift"),
    *("minimum_improvement", "maximum_items", "holdout_share"),
}


def mine_rules(
    connection: duckdb.DuckDBPyConnection,
    settings: MiningSettings,
    run_id: str,
    *,
    accept: bool = False,
) -> Mined:
    """Mine the baskets of the core and prove the rules on the later ones.

    Args:
        connection: to a work file with the core built.
        settings: thresholds and what an item is.
        run_id: whose report is written into state.model_reports.
        accept: take the rules whatever earlier nights had.
    """
    connection.execute(
        """
        create or replace temporary table mined_purchases as
        -- Which basket is which does not matter to a count of baskets: numbers take less memory.
        select order_id, is_holdout, has_vote, row_number() over ()::integer as order_number
        from intermediate.int_basket_periods
        """
    )
    mining = _period(connection, "not is_holdout")
    holdout = _period(connection, "is_holdout and has_vote")
    connection.execute("drop table mined_purchases")
    never_together = (
        connection.execute("from intermediate.int_items_of_one_product").to_arrow_table()
        if len(settings.item_levels) > 1
        else None
    )
    mined = mine_cross_sell_rules(
        mining,
        holdout,
        never_together=never_together,
        **settings.of_rules(),
    )
    warnings = take_or_withhold(
        connection,
        ModelOutput(
            "cross_sell_rules",
            "cross-sell rules",
            "mining.rules",
            mined.table,
            cross_sell_report(mined),
            settings.model_dump(include=_COMPARED) | {"item_levels": sorted(settings.item_levels)},
        ),
        run_id,
        withhold_below=settings.withhold_below,
        accept=accept,
    )
    return Mined(
        mining.basket_items.num_rows + holdout.basket_items.num_rows,
        published(connection, "mining.rules"),
        (*_too_many_itemsets(mined, mining.basket_count, settings), *warnings),
    )


def _period(connection: duckdb.DuckDBPyConnection, condition: str) -> Period:
    """Read the purchases of a time, and their items."""
    basket_items = connection.execute(
        f"""
        select mined_purchases.order_number as order_id, basket_items.item
        from intermediate.int_basket_items as basket_items
        inner join mined_purchases on basket_items.order_id = mined_purchases.order_id
        where {condition}
        """
    ).to_arrow_table()
    return Period(
        basket_items,
        one_value(connection, f"select count(*) from mined_purchases where {condition}"),
    )


def _too_many_itemsets(
    mined: CrossSellRules, basket_count: int, settings: MiningSettings
) -> tuple[str, ...]:
    if mined.minimum_count == mined.wanted_count:
        return ()
    # rounded up: of a support below it there would be too many again
    fitting = Context(prec=2, rounding=ROUND_CEILING).divide(
        Decimal(mined.minimum_count), Decimal(basket_count)
    )
    return (
        f"of {' and '.join(settings.item_levels)} as items, more than {MAXIMUM_ITEMSETS:,} sets "
        f"stand in {mined.wanted_count:,} baskets (minimum_support = {settings.minimum_support}): "
        f"rules were looked for in those that stand in {mined.minimum_count:,} or more; set "
        f"minimum_support = {fitting:f} under [mining]",
    )
