"""Cross-sell rules: from the items of baskets to the table `mining.rules`."""

from typing import Final, NamedTuple

import pyarrow as pa

from mining.baskets import baskets
from mining.itemsets import Engine, TooManyItemsetsError, frequent_itemsets
from mining.rules import RULES_SCHEMA, association_rules
from mining.thresholds import Threshold, minimum_count

MAXIMUM_ITEMSETS: Final = 250_000  # beyond, rules are so many that only chance would choose

CROSS_SELL_RULES_SCHEMA = RULES_SCHEMA.insert(2, pa.field("item_level", pa.string()))


class CrossSellRules(NamedTuple):
    """Mined rules.

    Attributes:
        table: `CROSS_SELL_RULES_SCHEMA`, in the order of `rank`.
        minimum_count: the baskets that a rule had to stand in.
        wanted_count: the baskets that the minimum support comes to; where itemsets were too many
            for it, it was doubled until they were not.
    """

    table: pa.Table
    minimum_count: int
    wanted_count: int


def mine_cross_sell_rules(
    basket_items: pa.Table,
    basket_count: int,
    *,
    item_level: str,
    minimum_support: Threshold,
    minimum_confidence: Threshold,
    minimum_lift: Threshold,
    maximum_items: int,
    maximum_rules: int,
    engine: Engine = "occurrence_lists",
) -> CrossSellRules:
    """Find the rules worth showing: one item on the right, mirrored and redundant rules once.

    Args:
        basket_items: `order_id` and `item` of counted purchases, text without nulls.
        basket_count: all counted purchases, those without an item included.
        item_level: what an item is (product, product_type, category, department, brand).
        minimum_support: share of baskets that must hold all items of a rule.
        minimum_confidence: share of the baskets with the left side that must hold the right.
        minimum_lift: confidence over the right side's own support, at least.
        maximum_items: items of a rule at most, both sides together.
        maximum_rules: rules at most, those of the greatest leverage.
        engine: who searches for the itemsets, see `frequent_itemsets`.

    Returns:
        The rules; none where nothing passes.

    Raises:
        TypeError: for a threshold given as a float.
        ValueError: where a setting lies outside its limits, or `basket_items` has nulls or more
            baskets than `basket_count`.
    """
    laid_out = baskets(basket_items, basket_count)
    wanted_count = count = max(1, minimum_count(minimum_support, basket_count))
    while True:
        try:
            itemsets = frequent_itemsets(
                laid_out,
                count,
                maximum_items=maximum_items,
                maximum_itemsets=MAXIMUM_ITEMSETS,
                engine=engine,
            )
            break
        except TooManyItemsetsError:
            count *= 2
    rules = association_rules(
        itemsets,
        basket_count,
        minimum_confidence=minimum_confidence,
        minimum_lift=minimum_lift,
        maximum_rules=maximum_rules,
    )
    return CrossSellRules(
        rules.add_column(
            2, CROSS_SELL_RULES_SCHEMA.field(2), pa.array([item_level] * len(rules), pa.string())
        ),
        count,
        wanted_count,
    )
