from itertools import combinations

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mining import itemsets as module
from mining.baskets import baskets
from mining.itemsets import (
    ITEMSETS_SCHEMA,
    TooManyItemsetsError,
    count_itemsets,
    frequent_itemsets,
)
from tests.mining import brute_force
from tests.mining.strategies import ITEMS, shops, wide_shops

ENGINES = ("occurrence_lists", "mlxtend")

pairs_apart = st.lists(st.tuples(*[st.sampled_from([*ITEMS, "never sold"])] * 2), max_size=5)


def laid_out(contents, basket_count=None):
    count = len(contents) if basket_count is None else basket_count
    return baskets(brute_force.table(contents), count)


def found(contents, basket_count, minimum_count, maximum_items=None, **settings):
    return frequent_itemsets(
        laid_out(contents, basket_count), minimum_count, maximum_items=maximum_items, **settings
    )


def counts(itemsets):
    rows = [(tuple(row["items"]), row["basket_count"]) for row in itemsets.to_pylist()]
    assert rows == sorted(rows, key=lambda row: (len(row[0]), row[0]))
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def apart_table(pairs):
    return pa.table({"item": [pair[0] for pair in pairs], "other": [pair[1] for pair in pairs]})


def without_pairs(itemsets, pairs):
    forbidden = [set(pair) for pair in pairs if pair[0] != pair[1]]
    return {
        items: count
        for items, count in itemsets.items()
        if not any(pair <= set(items) for pair in forbidden)
    }


@given(shops(), st.integers(1, 8), st.none() | st.integers(1, 6))
def test_exactly_the_itemsets_that_counting_finds(shop, minimum_count, maximum_items):
    contents, basket_count = shop
    itemsets = found(contents, basket_count, minimum_count, maximum_items)
    assert itemsets.schema == ITEMSETS_SCHEMA
    expected = brute_force.itemsets(contents, minimum_count, maximum_items or 99)
    assert counts(itemsets) == expected


@given(shops(), st.integers(1, 8), st.none() | st.integers(1, 6), pairs_apart)
def test_mlxtend_finds_the_same(shop, minimum_count, maximum_items, pairs):
    arguments = (*shop, minimum_count, maximum_items)
    apart = apart_table(pairs)
    assert found(*arguments) == found(*arguments, engine="mlxtend")
    assert found(*arguments, never_together=apart) == found(
        *arguments, never_together=apart, engine="mlxtend"
    )


def assert_equal_to_mlxtend(shop, minimum_count):
    contents, basket_count = shop
    rows = baskets(brute_force.table(contents), basket_count)
    limit = {"maximum_items": 5}
    ours = frequent_itemsets(rows, minimum_count, **limit)
    assert ours == frequent_itemsets(rows, minimum_count, **limit, engine="mlxtend")


# mlxtend takes a second for some of them
wide = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])


@wide
@given(wide_shops(), st.integers(3, 20))
def test_mlxtend_finds_the_same_in_wide_baskets(shop, minimum_count):
    assert_equal_to_mlxtend(shop, minimum_count)


@pytest.mark.slow
@settings(wide, max_examples=400)
@given(wide_shops(), st.integers(3, 20))
def test_mlxtend_finds_the_same_in_many_wide_baskets(shop, minimum_count):
    assert_equal_to_mlxtend(shop, minimum_count)


@given(shops(), st.integers(1, 4), pairs_apart)
def test_pairs_that_are_never_together(shop, minimum_count, pairs):
    contents, basket_count = shop
    itemsets = found(contents, basket_count, minimum_count, never_together=apart_table(pairs))
    every = brute_force.itemsets(contents, minimum_count)
    assert counts(itemsets) == without_pairs(every, pairs)


@given(shops(), st.integers(1, 4), st.none() | st.integers(1, 4), pairs_apart)
def test_numbers_and_parents(shop, minimum_count, maximum_items, pairs):
    rows = laid_out(*shop)
    table = frequent_itemsets(
        rows, minimum_count, maximum_items=maximum_items, never_together=apart_table(pairs)
    )
    sets = table["items"].to_pylist()
    for items, numbers, parents in zip(
        sets, table["item_numbers"].to_pylist(), table["parents"].to_pylist(), strict=True
    ):
        assert [rows.items[number] for number in numbers] == items
        without_one = [[other for other in items if other != item] for item in items]
        assert [sets[row] for row in parents] == (without_one if len(items) > 1 else [])


@given(
    shops(), st.integers(1, 4), st.none() | st.integers(1, 4), pairs_apart, st.sampled_from(ENGINES)
)
def test_closed_and_maximal_sets(shop, minimum_count, maximum_items, pairs, engine):
    every = without_pairs(brute_force.itemsets(shop[0], minimum_count, maximum_items or 99), pairs)
    larger = {items: [other for other in every if set(items) < set(other)] for items in every}
    for kind, expected in {
        "closed": {
            items: count
            for items, count in every.items()
            if all(every[other] < count for other in larger[items])
        },
        "maximal": {items: count for items, count in every.items() if not larger[items]},
    }.items():
        itemsets = found(
            *shop,
            minimum_count,
            maximum_items,
            kind=kind,
            never_together=apart_table(pairs),
            engine=engine,
        )
        assert itemsets.schema == ITEMSETS_SCHEMA
        assert itemsets["parents"].null_count == itemsets.num_rows
        assert counts(itemsets) == expected


@given(shops(), st.integers(1, 4), st.none() | st.integers(1, 4), st.integers(0, 30))
def test_too_many_itemsets_say_which_count_would_fit(shop, minimum_count, maximum_items, limit):
    every = sorted(brute_force.itemsets(shop[0], minimum_count, maximum_items or 99).values())
    fitting = next(
        count
        for count in range(minimum_count, 20)
        if sum(other >= count for other in every) <= limit
    )
    for engine in ENGINES:
        arguments = {"maximum_itemsets": limit, "engine": engine}
        if fitting == minimum_count:
            assert found(*shop, minimum_count, maximum_items, **arguments).num_rows == len(every)
            continue
        with pytest.raises(TooManyItemsetsError) as raised:
            found(*shop, minimum_count, maximum_items, **arguments)
        assert raised.value.fitting_count == fitting


@settings(max_examples=15)
@given(wide_shops(), st.integers(50, 2_000))
def test_too_many_itemsets_of_wide_baskets(shop, limit):
    rows = laid_out(*shop)
    try:
        fitting = 2
        table = frequent_itemsets(rows, 2, maximum_items=4, maximum_itemsets=limit)
    except TooManyItemsetsError as error:
        fitting = error.fitting_count
        table = frequent_itemsets(rows, fitting, maximum_items=4, maximum_itemsets=limit)
        one_less = frequent_itemsets(rows, fitting - 1, maximum_items=4)
        assert one_less.num_rows > limit
    assert table.num_rows <= limit
    assert table == frequent_itemsets(rows, fitting, maximum_items=4)


def test_the_error_names_the_count_and_a_support_that_is_no_lower():
    contents = {str(number): {"tea", "milk", "eggs"} for number in range(7)} | {"other": {"jam"}}
    with pytest.raises(TooManyItemsetsError) as raised:
        found(contents, 60_000, 1, maximum_itemsets=7)
    assert str(raised.value) == (
        "more sets of items than 7, or than memory holds stand in 1 baskets or more:"
        " a minimum count of 2 would fit, a support of 0.0000334"
    )


def test_more_than_memory_holds(monkeypatch):
    many = {f"item {number}" for number in range(100)}
    contents = {"large": many, "larger": many | {"tea"}, "small": {"tea"}}
    monkeypatch.setattr(module, "BYTES_OF_AN_ITEM", 2**20)  # some thousands of items fit
    with pytest.raises(TooManyItemsetsError, match="more sets of items than memory") as raised:
        found(contents, 3, 2)
    assert raised.value.fitting_count == 3


@given(shops(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(shop, random):
    contents, basket_count = shop
    orders = list(contents)
    random.shuffle(orders)
    shuffled = {order: contents[order] for order in orders}
    assert found(shuffled, basket_count, 2) == found(contents, basket_count, 2)


def test_a_minimum_count_above_every_basket_finds_nothing():
    assert found({"a": {"tea"}}, 1, 2).num_rows == 0
    assert found({"a": {"tea"}}, 1, 2**40).num_rows == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["all", "closed", "maximal"])
def test_no_baskets(engine, kind):
    nothing = found({}, 5, 1, kind=kind, engine=engine)
    assert nothing.num_rows == 0
    assert nothing.schema == ITEMSETS_SCHEMA


def test_one_item():
    row = {"items": ["tea"], "item_numbers": [0], "parents": [], "basket_count": 2}
    assert found({"a": {"tea"}, "b": {"tea"}}, 9, 1).to_pylist() == [row]


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


def test_baskets_of_a_hundred_thousand_items():
    many = [f"item {number}" for number in range(100_000)]
    contents = {"large": many, "larger": many} | {f"small {n}": many[:3] for n in range(4)}
    rows = laid_out(contents)
    assert frequent_itemsets(rows, 3).num_rows == 7
    with pytest.raises(TooManyItemsetsError) as raised:
        frequent_itemsets(rows, 2, maximum_itemsets=250_000)
    assert raised.value.fitting_count == 3


def test_clear_errors():
    with pytest.raises(ValueError, match="minimum_count must be at least 1, got 0"):
        found({}, 0, 0)
    with pytest.raises(ValueError, match="maximum_items must be at least 1, got 0"):
        found({}, 0, 1, 0)
    with pytest.raises(ValueError, match="kind must be one of all, closed, maximal, got 'open'"):
        found({}, 0, 1, kind="open")


@given(shops(), st.lists(st.lists(st.sampled_from([*ITEMS, "never sold"]), max_size=4)))
def test_counts_of_given_sets(shop, sets):
    contents, basket_count = shop
    counted = count_itemsets(laid_out(*shop), pa.array(sets, pa.list_(pa.string())))
    assert counted.tolist() == [
        brute_force.count(contents, tuple(items)) if items else basket_count for items in sets
    ]


def test_counts_of_given_sets_of_rare_and_common_items():
    # of 3,000 baskets: rarely, sometimes and mostly held items, so in lists and in bits
    contents = {
        str(number): {f"every {step}" for step in (1, 2, 3, 7, 50, 100, 700) if number % step == 0}
        for number in range(3_000)
    }
    rows = laid_out(contents)
    items = [*rows.items, "never sold"]
    sets = [list(chosen) for size in (1, 2, 3, 4) for chosen in combinations(items, size)]
    counted = count_itemsets(rows, pa.chunked_array([sets[:9], sets[9:]], pa.list_(pa.string())))
    assert counted.tolist() == [brute_force.count(contents, tuple(chosen)) for chosen in sets]
    every = frequent_itemsets(rows, 1)
    assert (count_itemsets(rows, every["items"]) == every["basket_count"].to_numpy()).all()


def test_sets_to_count_hold_no_null():
    rows = laid_out({"a": {"tea"}})
    for sets in ([["tea"], None], [["tea", None]]):
        with pytest.raises(ValueError, match="itemsets must not be null"):
            count_itemsets(rows, pa.array(sets, pa.list_(pa.string())))
