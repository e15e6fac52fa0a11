from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from mining import cross_selling
from mining.cross_selling import CROSS_SELL_RULES_SCHEMA, Period, mine_cross_sell_rules
from tests.mining.brute_force import table as table_of

# 100 baskets: 10 of cake and icing, 5 of cake alone, 4 of icing alone, candles in 8 of the 10.
SHOP = table_of(
    {str(n): {"cake", "icing", "candles"} if n < 8 else {"cake", "icing"} for n in range(10)}
    | {str(n): {"cake"} for n in range(10, 15)}
    | {str(n): {"icing"} for n in range(15, 19)}
)


SETTINGS = {
    "minimum_support": "0.005",
    "minimum_baskets": 1,
    "minimum_confidence": "0.4",
    "minimum_lift": "3",
    "minimum_improvement": "0",
    "maximum_items": 3,
    "maximum_rules": 50,
}


def mine(rows=SHOP, basket_count=100, later=None, **settings):
    return mine_cross_sell_rules(Period(rows, basket_count), later, **(SETTINGS | settings)).table


def published(*arguments, **settings):
    table = mine(*arguments, **settings)
    return table.filter(table["is_published"])


def test_the_table_is_that_of_mining_rules():
    sources = Path(__file__).parents[2] / "models/staging/_sources.yml"
    (mining,) = (
        one for one in yaml.safe_load(sources.read_text())["sources"] if one["name"] == "mining"
    )
    (described,) = (one for one in mining["tables"] if one["name"] == "rules")
    names = [column["name"] for column in described["columns"]]
    assert names == [*CROSS_SELL_RULES_SCHEMA.names, "mined_as_of"]
    assert mine().schema == CROSS_SELL_RULES_SCHEMA


def test_mirrored_and_redundant_rules_once_and_the_closest_sides_first():
    shown = [
        (row["antecedents"], row["consequents"], row["joint_count"], row["rank"])
        for row in mine().to_pylist()
    ]
    assert shown == [
        (["cake", "icing"], ["candles"], 8, 1),  # phi .88; without icing less sure
        (["candles"], ["icing"], 8, 2),  # phi .73; surer than icing → candles
        (["candles"], ["cake"], 8, 3),  # phi .70
        # icing is in 14 baskets, cake in 15: icing → cake is the surer
        (["icing"], ["cake"], 10, 4),  # phi .64
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
    assert mine(maximum_rules=2).drop_columns("is_published") == mine().drop_columns("is_published")
    assert published(maximum_rules=2)["rank"].to_pylist() == [1, 2]
    assert mine(maximum_items=2).num_rows == 3
    assert mine(maximum_items=1).num_rows == 0


def test_each_item_must_improve_on_the_others():
    # cake + icing → candles: 8 of 10, icing alone 8 of 14: 8 / 35 more
    assert mine(minimum_improvement="0.2285").num_rows == 4
    assert mine(minimum_improvement="0.2286").num_rows == 3


def test_published_are_the_rules_that_held_on_later_baskets():
    # later, candles lie beside icing and cake as before, but icing no more beside cake
    later = {str(n): {"icing", "candles"} for n in range(15)}
    later |= {str(n): {"cake"} for n in range(15, 40)} | {str(n): {"tea"} for n in range(40, 90)}
    table = mine(later=Period(table_of(later), 90))
    held = {
        (*row["antecedents"], "→", *row["consequents"]): row["is_held"] for row in table.to_pylist()
    }
    assert held == {
        ("cake", "icing", "→", "candles"): False,
        ("candles", "→", "icing"): True,
        ("candles", "→", "cake"): False,
        ("icing", "→", "cake"): False,
    }
    assert table["is_published"].to_pylist() == table["is_held"].to_pylist()


def test_a_limit_of_published_rules_passes_over_those_that_did_not_hold():
    later = {str(n): {"icing", "candles"} for n in range(15)} | {"x": {"cake"}}
    later |= {str(n): {"tea", "cup"} for n in range(15, 60)}
    table = mine(later=Period(table_of(later), 90), maximum_rules=1)
    assert published(later=Period(table_of(later), 90), maximum_rules=1)["rank"].to_pylist() == [2]
    assert table["rank"].to_pylist() == [1, 2, 3, 4]


def test_items_that_are_never_together():
    apart = pa.table({"item": ["cake"], "other": ["icing"]})
    for engine in ("occurrence_lists", "mlxtend"):
        shown = [
            (row["antecedents"], row["consequents"])
            for row in mine(never_together=apart, engine=engine).to_pylist()
        ]
        assert shown == [(["candles"], ["icing"]), (["candles"], ["cake"])]


@pytest.mark.parametrize("basket_count", [0, 5])
def test_nothing_to_mine(basket_count):
    found = mine(table_of({}), basket_count)
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


def test_a_support_that_is_too_low_is_raised_until_itemsets_are_few_enough(monkeypatch):
    # 20 baskets of tea and milk; every basket has 6 items of its own, which make 63 sets each
    rows = [(order, item) for order in range(20) for item in ("tea", "milk")]
    rows += [(order, f"{order} {number}") for order in range(20) for number in range(6)]
    table = pa.table({"order_id": [str(row[0]) for row in rows], "item": [row[1] for row in rows]})
    settings = SETTINGS | {"minimum_support": "0.05", "minimum_lift": 0, "maximum_items": 6}
    monkeypatch.setattr(cross_selling, "MAXIMUM_ITEMSETS", 100)
    mined = mine_cross_sell_rules(Period(table, 20), None, **settings)
    assert (mined.wanted_count, mined.minimum_count) == (1, 2)
    assert [row["joint_count"] for row in mined.table.to_pylist()] == [20]
    for engine in ("occurrence_lists", "mlxtend"):
        again = mine_cross_sell_rules(Period(table, 20), None, engine=engine, **settings)
        assert again.table == mined.table
