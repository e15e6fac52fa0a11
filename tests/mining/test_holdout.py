from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.basket_sizes import against_basket_sizes
from mining.baskets import baskets
from mining.holdout import HOLDOUT_FIELDS, prove_on_later_baskets
from mining.itemsets import frequent_itemsets
from mining.rules import association_rules
from tests.mining import brute_force
from tests.mining.strategies import shops

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
        if abs(q - 0.05) > 1e-9:
            assert row["is_held"] == (q <= 0.05 and joint * basket_count > left * right)


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


@given(st.integers(1, 400), st.data())
def test_a_side_in_every_basket_proves_nothing(count, data):
    with_left = data.draw(st.integers(1, count))
    later = {str(n): {"b", "a"} if n < with_left else {"b"} for n in range(count)}
    rules = rules_of({"1": {"a", "b"}, "2": {"c"}}, 2)
    table = prove_on_later_baskets(rules, baskets(brute_force.table(later), count))
    (row,) = table.to_pylist()
    assert row["p_value"] == pytest.approx(1)
    assert row["is_held"] is False
