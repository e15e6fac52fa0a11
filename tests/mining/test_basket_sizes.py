import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mining.swap_randomisation import swap_randomised
from mining import basket_sizes
from mining.basket_sizes import against_basket_sizes
from mining.baskets import baskets
from mining.itemsets import count_itemsets
from tests.mining.brute_force import table

ITEMS = 30


def shop(seed, count=400, largest=15):
    """Baskets of 2 to 15 of 30 items, the first ones the most popular."""
    random = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, ITEMS + 1)
    return {
        str(number): {
            f"item {item:02}"
            for item in random.choice(
                ITEMS,
                random.integers(2, largest + 1),
                replace=False,
                p=popularity / popularity.sum(),
            )
        }
        for number in range(count)
    }


def against(laid_out, rules):
    left, right = (pa.chunked_array([pa.array(side)]) for side in zip(*rules, strict=True))
    joint = count_itemsets(laid_out, pa.array([[*a, *b] for a, b in rules]))
    return against_basket_sizes(laid_out, left, right, joint)


@given(st.integers(0, 20))
def test_the_model_keeps_counts_and_sizes(seed):
    contents = shop(seed)
    sizes, baskets_of_size = np.unique([len(one) for one in contents.values()], return_counts=True)
    found = [item for one in contents.values() for item in one]
    counts, items_of_count = np.unique(np.unique(found, return_counts=True)[1], return_counts=True)
    odds = np.outer(*basket_sizes._fitted(counts, items_of_count, sizes, baskets_of_size))
    chances = odds / (1 + odds)
    assert ((chances > 0) & (chances < 1)).all()
    assert chances @ baskets_of_size == pytest.approx(counts, rel=1e-6)
    assert items_of_count @ chances == pytest.approx(sizes, rel=1e-6)


@pytest.mark.parametrize("largest", [2, 3, 15])
def test_expected_is_what_swapped_baskets_have_in_the_mean(largest):
    """Of small baskets too, where the left side leaves hardly a place for the right one."""
    contents = shop(1, 6_000 // largest, largest)
    rules = [([f"item {a:02}"], [f"item {b:02}"]) for a, b in ((9, 0), (5, 1), (0, 20), (3, 7))]
    if largest > 2:
        rules.append((["item 05", "item 08"], ["item 02"]))
    shares = []
    for seed in range(40):
        swapped = baskets(swap_randomised(table(contents), seed), len(contents))
        left = count_itemsets(swapped, pa.array([a for a, _ in rules]))
        joint = count_itemsets(swapped, pa.array([[*a, *b] for a, b in rules]))
        shares.append((joint / left, against(swapped, rules).expected_confidence))
    found, expected = (np.array(column) for column in zip(*shares, strict=True))
    error = found.std(axis=0) / np.sqrt(len(shares))
    off = abs(found.mean(axis=0) - expected.mean(axis=0))
    assert (off < 4 * error + 0.03 * found.mean(axis=0)).all()
    # Independence, which knows no sizes, expects far less of the popular item.
    if largest == 15:
        independent = sum("item 00" in one for one in contents.values()) / len(contents)
        assert expected.mean(axis=0)[0] > independent + 5 * error[0]


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_the_other_places_are_filled_with_the_other_items(seed, left):
    random = np.random.default_rng(seed)
    popularity = random.lognormal(0, 2, 12)
    items_of_count = random.integers(1, 4, 12)
    taken = random.choice(np.repeat(np.arange(12), items_of_count), left, replace=False)
    others = items_of_count - np.bincount(taken, minlength=12)
    sizes = np.arange(others.sum() + left + 1)
    begin = random.random(len(sizes))
    y = basket_sizes._fullness_beside(taken, sizes, popularity, items_of_count, begin)
    odds = np.outer(popularity, y)
    filled = others @ (odds / (1 + odds))
    assert filled == pytest.approx(np.maximum(sizes - left, 0), rel=1e-6)


def test_what_every_basket_holds_is_no_finding():
    contents = {str(n): {"a", "b"} if n % 2 else {"a", "c"} for n in range(1_200)}
    found = against(baskets(table(contents), 1_200), [(["a"], ["b"]), (["a"], ["never"])])
    # an item of every basket has no finite odds: the fit nears it
    assert found.expected_confidence[0] == pytest.approx(0.5, abs=1e-3)
    assert found.p_values[0] == pytest.approx(0.5, abs=0.02)
    assert found.p_values[1] == 1


def test_a_rule_of_thousands_of_baskets_holds():
    """In 6,000 baskets of 4, half with the left side, three quarters of these with the right."""
    random = np.random.default_rng(4)
    contents = {}
    for number in range(6_000):
        planted = ["left", "right"][: 1 + (random.random() < 0.75)] if number % 2 else []
        others = random.choice(60, 4 - len(planted), replace=False)
        contents[str(number)] = {*planted, *(f"item {item}" for item in others)}
    found = against(
        baskets(table(contents), 6_000), [(["left"], ["right"]), (["left"], ["item 0"])]
    )
    assert found.p_values[0] < 1e-9
    assert found.p_values[1] > 0.05


def test_without_a_left_side_nothing_is_known():
    found = against(baskets(table({"1": {"a"}}), 1), [(["never"], ["a"])])
    assert np.isnan(found.expected_confidence[0])
    assert found.p_values[0] == 1


def test_unrelated_items_of_large_baskets_are_not_related():
    """Items that meet in large baskets alone, which independence would take for rules."""
    random = np.random.default_rng(3)
    contents = {}
    for number in range(1_000):
        size = 60 if number % 20 == 0 else 2
        contents[str(number)] = {f"item {item}" for item in random.choice(80, size, replace=False)}
    laid_out = baskets(table(contents), len(contents))
    rules = [([f"item {a}"], [f"item {a + 1}"]) for a in range(0, 80, 2)]
    sizes = against(laid_out, rules)
    assert (sizes.p_values < 0.05).mean() < 0.15
    assert (sizes.expected_confidence > 0.3).all()  # where each lies in 7 % of all baskets


def test_an_item_that_must_be_in_the_only_basket_is_sure_to_be_there():
    """Nobody else bought anything: the odds have no bound, and overflow is no answer."""
    contents = {"1": {"known", "tea"}}
    laid_out = baskets(table(contents), 5)
    left, right = (pa.chunked_array([pa.array([[one]])]) for one in ("known", "tea"))
    found = against_basket_sizes(laid_out, left, right, np.array([1]), without_place={"known"})
    assert found.expected_confidence[0] == pytest.approx(1, abs=0.01)
    assert found.p_values[0] == pytest.approx(1, abs=0.01)


def test_a_category_that_comes_with_its_product_takes_a_place_too():
    """Of baskets with a product of one category and nothing else no other product is expected."""
    contents = {
        str(n): {f"product:{n % 4}", f"category:{n % 4 // 2}"} | ({"product:x"} if n % 3 else set())
        for n in range(60)
    }
    contents |= {f"alone {n}": {"product:0", "category:0"} for n in range(60)}
    laid_out = baskets(table(contents), 120)
    left, right = (pa.chunked_array([pa.array([[one]])]) for one in ("product:0", "product:x"))
    hierarchy = pa.table({"item": ["category:0"], "other": ["product:0"]})
    free, taken = (
        against_basket_sizes(laid_out, left, right, np.array([10]), never_together=pairs)
        for pairs in (None, hierarchy)
    )
    # 65 of 75 baskets with product 0 hold nothing but it and its category
    assert taken.expected_confidence[0] < free.expected_confidence[0] / 2
    assert taken.p_values[0] < free.p_values[0]
