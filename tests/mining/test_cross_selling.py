from decimal import Decimal

import pyarrow as pa
import pytest

from mining import cross_selling
from mining.cross_selling import CROSS_SELL_RULES_SCHEMA, mine_cross_sell_rules
from tests.mining.brute_force import table

# 100 baskets: 10 of cake and icing, 5 of cake alone, 4 of icing alone, candles in 8 of the 10.
SHOP = table(
    {str(n): {"cake", "icing", "candles"} if n < 8 else {"cake", "icing"} for n in range(10)}
    | {str(n): {"cake"} for n in range(10, 15)}
    | {str(n): {"icing"} for n in range(15, 19)}
)


SETTINGS = {
    "minimum_support": "0.005",
    "minimum_confidence": "0.4",
    "minimum_lift": "3",
    "maximum_items": 3,
    "maximum_rules": 50,
}


def mine(rows=SHOP, basket_count=100, **settings):
    return mine_cross_sell_rules(
        rows, basket_count, item_level="product_type", **(SETTINGS | settings)
    ).table


def test_the_table_is_that_of_mining_rules():
    assert " ".join(CROSS_SELL_RULES_SCHEMA.names) == (
        "antecedents consequents item_level basket_count antecedent_count consequent_count"
        " joint_count antecedent_support consequent_support support confidence lift leverage"
        " conviction is_certain zhangs_metric jaccard certainty kulczynski rank"
    )
    assert mine().schema == CROSS_SELL_RULES_SCHEMA


def test_mirrored_and_redundant_rules_once_and_the_greatest_leverage_first():
    shown = [
        (row["antecedents"], row["consequents"], row["joint_count"], row["rank"])
        for row in mine().to_pylist()
    ]
    assert shown == [
        # icing is in 14 baskets, cake in 15: icing → cake is the surer
        (["icing"], ["cake"], 10, 1),  # .10 - .14 x .15
        (["cake", "icing"], ["candles"], 8, 2),  # .08 - .10 x .08; without icing less sure
        (["candles"], ["icing"], 8, 3),  # .08 - .08 x .14; surer than icing → candles
        (["candles"], ["cake"], 8, 4),  # .08 - .08 x .15
        # candles + icing → cake is no surer than candles → cake: redundant
    ]


def test_thresholds_on_the_edge_count():
    assert mine(minimum_support=Decimal("0.08")).num_rows == 4
    assert mine(minimum_support=Decimal("0.081")).num_rows == 1
    assert mine(minimum_support=Decimal("0.1")).num_rows == 1
    assert mine(minimum_confidence="1").num_rows == 2
    # n(AB) N / (n(A) n(B)) of icing → cake is 10 x 100 / (14 x 15): 100 / 21
    assert mine(minimum_lift="4.7619").num_rows == 4
    assert mine(minimum_lift="4.7620").num_rows == 3


def test_limits():
    assert mine(maximum_rules=2) == mine().slice(0, 2)
    assert mine(maximum_items=2).num_rows == 3
    assert mine(maximum_items=1).num_rows == 0


@pytest.mark.parametrize("basket_count", [0, 5])
def test_nothing_to_mine(basket_count):
    found = mine(table({}), basket_count)
    assert found.num_rows == 0
    assert found.schema == CROSS_SELL_RULES_SCHEMA


def test_the_order_and_the_repetition_of_rows_change_nothing():
    backwards = SHOP.take(pa.array(range(SHOP.num_rows - 1, -1, -1)))
    assert mine(pa.concat_tables([backwards, SHOP])) == mine()


def test_clear_errors():
    with pytest.raises(ValueError, match="minimum_support must be above 0 and at most 1"):
        mine(minimum_support="1.5")
    with pytest.raises(ValueError, match="basket_count must be at least the 19 baskets"):
        mine(basket_count=18)
    with pytest.raises(TypeError, match="minimum_confidence must be text or a Decimal"):
        mine(minimum_confidence=0.4)


def test_a_support_that_is_too_low_is_doubled_until_itemsets_are_few_enough(monkeypatch):
    # 20 baskets of tea and milk; every basket has 6 items of its own, which make 63 sets each
    rows = [(order, item) for order in range(20) for item in ("tea", "milk")]
    rows += [(order, f"{order} {number}") for order in range(20) for number in range(6)]
    table = pa.table({"order_id": [str(row[0]) for row in rows], "item": [row[1] for row in rows]})
    settings = SETTINGS | {"minimum_support": "0.05", "minimum_lift": 0, "maximum_items": 6}
    monkeypatch.setattr(cross_selling, "MAXIMUM_ITEMSETS", 100)
    mined = mine_cross_sell_rules(table, 20, item_level="product", **settings)
    assert (mined.wanted_count, mined.minimum_count) == (1, 2)
    assert [row["joint_count"] for row in mined.table.to_pylist()] == [20]
    for engine in ("occurrence_lists", "mlxtend"):
        again = mine_cross_sell_rules(table, 20, item_level="product", engine=engine, **settings)
        assert again.table == mined.table
