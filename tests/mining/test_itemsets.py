import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.baskets import baskets
from mining.itemsets import ITEMSETS_SCHEMA, frequent_itemsets
from tests.mining import brute_force
from tests.mining.strategies import shops


def found(contents, basket_count, minimum_count, maximum_items=None, engine="occurrence_lists"):
    laid_out = baskets(brute_force.table(contents), basket_count)
    return frequent_itemsets(laid_out, minimum_count, maximum_items=maximum_items, engine=engine)


@given(shops(), st.integers(1, 8), st.none() | st.integers(1, 6))
def test_exactly_the_itemsets_that_counting_finds(shop, minimum_count, maximum_items):
    contents, basket_count = shop
    itemsets = found(contents, basket_count, minimum_count, maximum_items)
    assert itemsets.schema == ITEMSETS_SCHEMA
    rows = [(tuple(row["items"]), row["basket_count"]) for row in itemsets.to_pylist()]
    assert rows == sorted(rows, key=lambda row: (len(row[0]), row[0]))
    assert dict(rows) == brute_force.itemsets(contents, minimum_count, maximum_items or 99)
    assert len(dict(rows)) == len(rows)


@given(shops(), st.integers(1, 8), st.none() | st.integers(1, 6))
def test_mlxtend_finds_the_same(shop, minimum_count, maximum_items):
    arguments = (*shop, minimum_count, maximum_items)
    assert found(*arguments) == found(*arguments, engine="mlxtend")


@given(shops(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(shop, random):
    contents, basket_count = shop
    orders = list(contents)
    random.shuffle(orders)
    shuffled = {order: contents[order] for order in orders}
    assert found(shuffled, basket_count, 2) == found(contents, basket_count, 2)


def test_a_minimum_count_above_every_basket_finds_nothing():
    assert found({"a": {"tea"}}, 1, 2).num_rows == 0


def test_one_basket():
    assert [list(row.values()) for row in found({"a": {"tea", "milk"}}, 1, 1).to_pylist()] == [
        [["milk"], [0], [], 1],
        [["tea"], [1], [], 1],
        [["milk", "tea"], [0, 1], [1, 0], 1],
    ]


def test_baskets_of_thousands_beside_small_ones():
    # Every pair of so many items in both of the large baskets: a million of them.
    many = {f"item {number}" for number in range(1_500)}
    contents = {"large": many, "larger": many | {"tea"}, "small": {"tea"}}
    itemsets = found(contents, 3, 2, 2)
    assert itemsets.num_rows == 1 + 1_500 + 1_500 * 1_499 // 2
    assert set(itemsets["basket_count"].to_pylist()) == {2}


def test_clear_errors():
    with pytest.raises(ValueError, match="minimum_count must be at least 1, got 0"):
        found({}, 0, 0)
    with pytest.raises(ValueError, match="maximum_items must be at least 1, got 0"):
        found({}, 0, 1, 0)
