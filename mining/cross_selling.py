"""Cross-sell rules: from the items of baskets to the table `mining.rules`."""

import pyarrow as pa

from mining.baskets import baskets
from mining.itemsets import Engine, frequent_itemsets
from mining.rules import RULES_SCHEMA, association_rules
from mining.thresholds import Threshold, minimum_count

CROSS_SELL_RULES_SCHEMA = RULES_SCHEMA.insert(2, pa.field("item_level", pa.string()))


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
) -> pa.Table:
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
        `CROSS_SELL_RULES_SCHEMA`, in the order of `rank`; empty where nothing passes.

    Raises:
        TypeError: for a threshold given as a float.
        ValueError: where a setting lies outside its limits, or `basket_items` has nulls or more
            baskets than `basket_count`.
    """
    itemsets = frequent_itemsets(
        baskets(basket_items, basket_count),
        max(1, minimum_count(minimum_support, basket_count)),
        maximum_items=maximum_items,
        engine=engine,
    )
    rules = association_rules(
        itemsets,
        basket_count,
        minimum_confidence=minimum_confidence,
        minimum_lift=minimum_lift,
        maximum_rules=maximum_rules,
    )
    return rules.add_column(
        2, CROSS_SELL_RULES_SCHEMA.field(2), pa.array([item_level] * len(rules), pa.string())
    )
