from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mining.chance import published_rules, purchases_and_items
from benchmarks.mining.swap_randomisation import swap_randomised
from tests.mining.brute_force import table
from tests.mining.strategies import shops


def pairs(basket_items):
    return list(
        zip(*(basket_items[name].to_pylist() for name in ("order_id", "item")), strict=True)
    )


@settings(deadline=None)  # the first example compiles
@given(shops(), st.integers(0, 1_000))
def test_items_and_baskets_keep_their_counts(shop, seed):
    contents, _ = shop
    before = pairs(table(contents))
    after = pairs(swap_randomised(table(contents), seed))
    assert len(set(after)) == len(after)
    for side in (0, 1):
        assert Counter(pair[side] for pair in after) == Counter(pair[side] for pair in before)


def test_what_was_related_is_related_no_more():
    contents = {str(n): {"cake", "icing"} if n % 2 else {"tea", "cup"} for n in range(1_000)}
    swapped = swap_randomised(table(contents), 1)
    of_cake = {order for order, item in pairs(swapped) if item == "cake"}
    beside = Counter(item for order, item in pairs(swapped) if order in of_cake)
    # 500 baskets of cake with one of three others each: 167 of each, give or take 10.5
    assert all(abs(beside[item] - 500 / 3) < 5 * 10.5 for item in ("icing", "tea", "cup"))
    assert pairs(swapped) == pairs(swap_randomised(table(contents), 1))
    assert pairs(swapped) != pairs(swap_randomised(table(contents), 2))


def test_between_times_nothing_is_exchanged():
    contents = {str(n): {f"a{n % 5}", f"b{n % 7}"} for n in range(600)}
    lines = table(contents)
    times = [int(order) // 200 for order in lines["order_id"].to_pylist()]
    swapped = swap_randomised(lines.append_column("time", pa.array(times)), 1)
    assert pairs(swapped) != pairs(lines)

    def by_time(basket_items):
        return Counter((int(order) // 200, item) for order, item in pairs(basket_items))

    assert by_time(swapped) == by_time(lines)
    assert by_time(swap_randomised(lines, 1)) != by_time(lines)


@pytest.mark.slow  # two minutes each; test_basket_sizes.py holds what it rests on
@pytest.mark.parametrize("source", ["complete_journey", "online_retail"])
def test_next_to_no_rule_is_published_of_unrelated_items(source, request):
    """The first of the benchmark's fifty sets has at most 5 % of the real rules."""
    purchases, items = purchases_and_items(request.getfixturevalue(f"{source}_work_file"))
    real = published_rules(purchases, items)
    by_chance = published_rules(purchases, swap_randomised(items, 0))
    assert 20 <= real <= 200
    assert by_chance <= 0.05 * real
