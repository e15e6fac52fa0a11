"""The published figures of the Groceries data (Hahsler, Grün, Hornik 2005)."""

import os
from pathlib import Path

import duckdb
import pytest

from mining.baskets import baskets
from mining.itemsets import frequent_itemsets
from mining.rules import association_rules
from mining.thresholds import minimum_count
from tests.mining.test_rules import assert_equal_to_mlxtend

FILE = Path(os.environ.get("REGULARS_REAL_DATA", "../shared/data")) / "groceries/groceries.parquet"
BASKETS = 9_835

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"real data not found: {FILE}")


@pytest.fixture(scope="module")
def rows():
    found = duckdb.sql(
        f"select basket_id::varchar as order_id, trim(item) as item from '{FILE}'"
    ).to_arrow_table()
    # 'cream cheese ' and 'roll products ' meet no other item once trimmed.
    assert duckdb.sql("select count(distinct item), count(*) from found").fetchone() == (169, 43367)
    return found


@pytest.fixture(scope="module")
def laid_out(rows):
    return baskets(rows, BASKETS)


@pytest.mark.parametrize(
    ("support", "confidence", "itemset_count", "rule_count"),
    [
        ("0.001", "0.8", 13_492, 410),  # mlxtend's own float comparison gives 406
        ("0.001", "0.9", 13_492, 129),
        ("0.006", "0.25", 747, 463),
        ("0.01", "0.5", 333, 15),
    ],
)
def test_figures(laid_out, support, confidence, itemset_count, rule_count):
    itemsets = frequent_itemsets(laid_out, minimum_count(support, BASKETS))
    rules = association_rules(itemsets, BASKETS, minimum_confidence=confidence, is_concise=False)
    assert (itemsets.num_rows, rules.num_rows) == (itemset_count, rule_count)


def test_counts_agree_with_sql(rows, laid_out):
    itemsets = frequent_itemsets(laid_out, minimum_count("0.001", BASKETS))
    rules = association_rules(itemsets, BASKETS, minimum_confidence="0.5", is_concise=False)
    connection = duckdb.connect()
    connection.execute(
        "create table contents as select order_id, list(item) as items from rows group by order_id"
    )
    for rule in rules.to_pylist()[::40]:
        counted = connection.execute(
            """
            select
                count(*) filter (where list_has_all(items, $left)),
                count(*) filter (where list_has_all(items, $right)),
                count(*) filter (where list_has_all(items, $left || $right)),
            from contents
            """,
            {"left": rule["antecedents"], "right": rule["consequents"]},
        ).fetchone()
        assert counted == (rule["antecedent_count"], rule["consequent_count"], rule["joint_count"])


def test_metrics_are_those_of_mlxtend(rows, laid_out):
    itemsets = frequent_itemsets(laid_out, minimum_count("0.006", BASKETS))
    rules = association_rules(
        itemsets,
        BASKETS,
        minimum_confidence="0.01",
        maximum_consequents=None,
        is_concise=False,
    )
    contents: dict[str, set[str]] = {}
    for row in rows.to_pylist():
        contents.setdefault(row["order_id"], set()).add(row["item"])
    assert rules.num_rows > 1_000
    assert_equal_to_mlxtend(rules, contents, BASKETS, minimum_support=0.006)
