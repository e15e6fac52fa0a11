from fractions import Fraction
from math import comb

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.basket_sizes import against_basket_sizes
from mining.baskets import baskets
from mining.holdout import HOLDOUT_FIELDS, LEAST_JOINT, prove_on_later_baskets
from mining.itemsets import frequent_itemsets
from mining.rules import association_rules
from tests.mining import brute_force
from tests.mining.strategies import shops

SIDES = ("antecedent", "consequent", "joint")
NAMES = [field.name for field in HOLDOUT_FIELDS]


def rules_of(contents, basket_count):
    return association_rules(
        frequent_itemsets(baskets(brute_force.table(contents), basket_count), 1, maximum_items=3),
        basket_count,
        minimum_confidence="0.2",
        maximum_consequents=None,
    )


def fisher(n, left, right, joint):
    """Chance of `joint` or more of `left` draws among `right` of `n`, in whole numbers."""
    ways = sum(
        comb(right, k) * comb(n - right, left - k) for k in range(joint, min(left, right) + 1)
    )
    return Fraction(ways, comb(n, left))


def idle(contents, left, right):
    """Fisher's p of each of several items on the left, within the baskets with the others."""
    for item in left if len(left) > 1 else ():
        rest = [other for other in left if other != item]
        among = {name: items for name, items in contents.items() if items.issuperset(rest)}
        yield fisher(
            len(among),
            *(brute_force.count(among, tuple(side)) for side in (left, rest + right, left + right)),
        )


def benjamini_hochberg(p_values):
    """q of each: the least p m / rank of it and of those above it."""
    order = sorted(range(len(p_values)), key=lambda one: p_values[one])
    q_values, least = [1.0] * len(p_values), 1.0
    for place in reversed(range(len(order))):
        least = min(least, p_values[order[place]] * len(order) / (place + 1))
        q_values[order[place]] = least
    return q_values


@given(shops(), shops())
def test_counts_p_and_q_are_those_of_counting_in_whole_numbers(mined, later):
    rules = rules_of(*mined)
    contents, basket_count = later
    proven = prove_on_later_baskets(rules, baskets(brute_force.table(contents), basket_count))
    assert proven.select(rules.column_names) == rules
    if not basket_count:
        assert all(proven[name].null_count == len(rules) for name in NAMES)
        return
    rows = proven.to_pylist()
    counted = [
        tuple(
            brute_force.count(contents, tuple(side))
            for side in (
                row["antecedents"],
                row["consequents"],
                row["antecedents"] + row["consequents"],
            )
        )
        for row in rows
    ]
    independent = [float(fisher(basket_count, *counts)) for counts in counted]
    by_size = against_basket_sizes(
        baskets(brute_force.table(contents), basket_count),
        rules["antecedents"],
        rules["consequents"],
        np.array([joint for _, _, joint in counted]),
    )
    p_values = np.maximum(independent, by_size.p_values).tolist()
    for row, (left, right, joint), p, q in zip(
        rows, counted, p_values, benjamini_hochberg(p_values), strict=True
    ):
        assert row["holdout_basket_count"] == basket_count
        assert row["holdout_antecedent_count"] == left
        assert row["holdout_consequent_count"] == right
        assert row["holdout_joint_count"] == joint
        assert row["holdout_support"] == joint / basket_count
        assert row["holdout_confidence"] == (joint / left if left else None)
        assert row["holdout_lift"] == (
            pytest.approx(joint * basket_count / (left * right)) if left * right else None
        )
        assert row["p_value"] == pytest.approx(float(p), rel=1e-9)
        assert row["q_value"] == pytest.approx(float(q), rel=1e-9)
        p_idle = max(map(float, idle(contents, row["antecedents"], row["consequents"])), default=0)
        if len(row["antecedents"]) > 1:
            assert row["idle_p_value"] == pytest.approx(p_idle, rel=1e-9)
        else:
            assert row["idle_p_value"] is None
        if abs(q - 0.05) > 1e-9 and abs(p_idle - 0.05) > 1e-9:
            is_more = joint * basket_count > left * right
            assert row["is_held"] == (
                q <= 0.05 and p_idle <= 0.05 and is_more and joint >= LEAST_JOINT
            )


@given(shops())
def test_without_later_baskets_rules_are_untested(shop):
    rules = rules_of(*shop)
    proven = prove_on_later_baskets(rules, None)
    assert [field.name for field in proven.schema] == rules.column_names + NAMES
    assert [proven.schema.field(name) for name in NAMES] == HOLDOUT_FIELDS
    assert all(proven[name].null_count == len(rules) for name in NAMES)


def test_a_strong_rule_holds_and_its_chance_neighbour_does_not():
    mined = {str(n): {"cake", "icing"} if n < 20 else {"tea", "cup"} for n in range(40)}
    rules = rules_of(mined, 60)
    # later: icing still lies beside cake; cup and tea, half of the baskets each, meet in a quarter
    later = {str(n): {"cake", "icing"} if n % 3 == 0 else {"other"} for n in range(120)}
    for n in range(120):
        later[str(n)] |= ({"tea"} if n % 2 else set()) | ({"cup"} if n // 2 % 2 else set())
    proven = prove_on_later_baskets(rules, baskets(brute_force.table(later), 120)).to_pylist()
    held = {(*row["antecedents"], *row["consequents"]): row["is_held"] for row in proven}
    assert held == {("cake", "icing"): True, ("cup", "tea"): False}


def test_an_idle_item_on_the_left_is_told():
    """Half of the baskets with cake hold icing, with a candle or without one."""
    lefts = [["cake"], ["candle"], ["cake", "candle"]]
    rules = pa.table({"antecedents": lefts, "consequents": [["icing"]] * 3})
    later = {
        str(n): ({"cake"} if n % 5 == 0 else set())
        | ({"candle"} if n // 5 % 2 else set())
        | ({"icing"} if n % 5 == 0 and n // 10 % 2 else set())
        | {f"filling {n % 7}"}
        for n in range(2_000)
    }
    proven = prove_on_later_baskets(rules, baskets(brute_force.table(later), 2_000)).to_pylist()
    held = {(*row["antecedents"],): row["is_held"] for row in proven}
    assert held == {("cake",): True, ("candle",): False, ("cake", "candle"): False}
    (both,) = (row for row in proven if len(row["antecedents"]) == 2)
    assert fisher(2_000, *(both[f"holdout_{one}_count"] for one in SIDES)) < 1e-9


def test_what_fewer_than_five_customers_do_is_no_finding():
    """Four of 4,000 later customers take both, and nobody else takes either."""
    mined = {str(n): {"bolt", "nut"} for n in range(40)} | {"other": {"tea"}}
    rules = rules_of(mined, 4_000)
    for customers, is_held in ((LEAST_JOINT - 1, False), (LEAST_JOINT, True)):
        later = {str(n): {"tea", "milk"} for n in range(4_000)}
        later |= {str(n): {"bolt", "nut"} for n in range(customers)}
        proven = prove_on_later_baskets(rules, baskets(brute_force.table(later), 4_000))
        assert max(proven["q_value"].to_pylist()) < 0.05
        assert set(proven["is_held"].to_pylist()) == {is_held}


@given(st.integers(1, 400), st.data())
def test_a_side_in_every_basket_proves_nothing(count, data):
    with_left = data.draw(st.integers(1, count))
    later = {str(n): {"b", "a"} if n < with_left else {"b"} for n in range(count)}
    rules = rules_of({"1": {"a", "b"}, "2": {"c"}}, 2)
    table = prove_on_later_baskets(rules, baskets(brute_force.table(later), count))
    (row,) = table.to_pylist()
    assert row["p_value"] == pytest.approx(1)
    assert row["is_held"] is False
