"""Cross-sell rules: found in the baskets of one time, proven on those of a later one."""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mining.baskets import baskets
from mining.holdout import HOLDOUT_FIELDS, prove_on_later_baskets
from mining.itemsets import Engine, TooManyItemsetsError, frequent_itemsets
from mining.rules import RULES_SCHEMA, association_rules
from mining.thresholds import Threshold, minimum_count

MAXIMUM_CANDIDATES: Final = 10_000  # each rule tested takes power from the tests of the others
MAXIMUM_ITEMSETS: Final = 250_000  # beyond, rules are so many that only chance would choose

CROSS_SELL_RULES_SCHEMA: Final = pa.schema(
    [*RULES_SCHEMA, *HOLDOUT_FIELDS, pa.field("is_published", pa.bool_())]
)


class Period(NamedTuple):
    """The purchases of a time.

    Attributes:
        basket_items: `order_id` (text or number) and `item` (text) of purchases, without nulls.
        basket_count: all purchases, those without an item included.
    """

    basket_items: pa.Table
    basket_count: int


class CrossSellRules(NamedTuple):
    """Mined rules.

    Attributes:
        table: every candidate, in the order of `rank`: `CROSS_SELL_RULES_SCHEMA`.
        passed_count: the rules that passed the thresholds; candidates are the best of them.
        minimum_count: the baskets that a rule had to stand in.
        wanted_count: the baskets that the settings ask for; where itemsets were too many
            for it, a greater count was taken, for which they are not.
    """

    table: pa.Table
    passed_count: int
    minimum_count: int
    wanted_count: int


def mine_cross_sell_rules(
    mining: Period,
    holdout: Period | None,
    *,
    minimum_support: Threshold,
    minimum_baskets: int,
    minimum_confidence: Threshold,
    minimum_lift: Threshold,
    minimum_improvement: Threshold,
    maximum_items: int,
    maximum_rules: int,
    never_together: pa.Table | None = None,
    engine: Engine = "occurrence_lists",
) -> CrossSellRules:
    """Find the rules worth showing: one item on the right, mirrored and redundant rules once.

    Args:
        mining: the purchases that rules are sought in.
        holdout: later ones, one for each customer, that they are tested on; None where there are
            none, as where baskets have no dates.
        minimum_support: share of baskets that must hold all items of a rule.
        minimum_baskets: baskets that must hold all items of a rule, however few there are.
        minimum_confidence: share of the baskets with the left side that must hold the right.
        minimum_lift: confidence over the right side's own support, at least.
        minimum_improvement: confidence that each item on the left must add to what the others, or
            none, have alone.
        maximum_items: items of a rule at most, both sides together.
        maximum_rules: rules published at most, those of the greatest phi.
        never_together: `item` and `other`: pairs that no rule may hold, such as an item and its
            own category.
        engine: who searches for the itemsets, see `frequent_itemsets`.

    Returns:
        The candidates, which pass the thresholds in the mining period, `MAXIMUM_CANDIDATES` of the
        greatest phi there. Published are those that
        held in the later one, all of them where there is no later one.

    Raises:
        TypeError: for a threshold given as a float.
        ValueError: where a setting lies outside its limits, or a period's items have nulls or more
            baskets than its `basket_count`.
    """
    laid_out = baskets(*mining)
    wanted_count = count = max(minimum_baskets, minimum_count(minimum_support, mining.basket_count))
    while True:
        try:
            itemsets = frequent_itemsets(
                laid_out,
                count,
                maximum_items=maximum_items,
                maximum_itemsets=MAXIMUM_ITEMSETS,
                never_together=never_together,
                engine=engine,
            )
            break
        except TooManyItemsetsError as error:
            count = error.fitting_count
    passed = association_rules(
        itemsets,
        mining.basket_count,
        minimum_confidence=minimum_confidence,
        minimum_lift=minimum_lift,
        minimum_improvement=minimum_improvement,
    )
    candidates = passed.slice(0, MAXIMUM_CANDIDATES)
    proven = prove_on_later_baskets(
        candidates, baskets(*holdout) if holdout else None, never_together=never_together
    )
    worth_it = pc.fill_null(proven["is_held"], True).to_numpy()
    is_published = worth_it & (np.cumsum(worth_it) <= maximum_rules)
    field = CROSS_SELL_RULES_SCHEMA.field("is_published")
    return CrossSellRules(
        proven.append_column(field, pa.array(is_published)), len(passed), count, wanted_count
    )
