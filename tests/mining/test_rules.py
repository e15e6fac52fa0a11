import warnings
from fractions import Fraction

import hypothesis
import mlxtend.frequent_patterns as mlxtend
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given

from mining.baskets import baskets
from mining.itemsets import ITEMSETS_SCHEMA, frequent_itemsets
from mining.rules import RULES_SCHEMA, association_rules
from mining.thresholds import minimum_count
from tests.mining import brute_force
from tests.mining.strategies import lifts, shares, shops

METRICS = (
    "antecedent support",
    "consequent support",
    "support",
    "confidence",
    "lift",
    "representativity",
    "leverage",
    "conviction",
    "zhangs_metric",
    "jaccard",
    "certainty",
    "kulczynski",
)


def mined(contents, basket_count, support="0.05", maximum_items=None, **settings):
    itemsets = frequent_itemsets(
        baskets(brute_force.table(contents), basket_count),
        max(1, minimum_count(support, basket_count)),
        maximum_items=maximum_items,
    )
    return association_rules(itemsets, basket_count, **{"minimum_confidence": "0.05", **settings})


def every_rule(contents, basket_count, **settings):
    return mined(
        contents, basket_count, **{"maximum_consequents": None, "is_concise": False, **settings}
    )


def as_rules(table):
    return [
        brute_force.Rule(
            tuple(row["antecedents"]),
            tuple(row["consequents"]),
            row["antecedent_count"],
            row["consequent_count"],
            row["joint_count"],
        )
        for row in table.to_pylist()
    ]


@given(shops(), shares, shares, lifts)
def test_exactly_the_rules_that_counting_finds(shop, support, confidence, lift):
    contents, basket_count = shop
    found = as_rules(
        every_rule(
            contents,
            basket_count,
            support=support,
            minimum_confidence=confidence,
            minimum_lift=lift,
        )
    )
    least = max(1, minimum_count(support, basket_count))
    assert len(found) == len(set(found))
    assert set(found) == brute_force.rules(
        contents, basket_count, least, Fraction(confidence), Fraction(lift)
    )


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning:mlxtend")
@hypothesis.settings(max_examples=50)
@given(shops())
def test_metrics_are_those_of_mlxtend(shop):
    contents, basket_count = shop
    rules = every_rule(contents, basket_count)
    assume(rules.num_rows)
    assert_equal_to_mlxtend(rules, contents, basket_count)


def assert_equal_to_mlxtend(rules, contents, basket_count, minimum_support=1e-9):
    items = sorted(set().union(*contents.values()))
    without_item = [[False] * len(items)] * (basket_count - len(contents))
    one_hot = pd.DataFrame(
        [[item in basket for item in items] for basket in contents.values()] + without_item,
        columns=items,
    )
    frequent = mlxtend.fpgrowth(one_hot, min_support=minimum_support, use_colnames=True)
    theirs = mlxtend.association_rules(
        frequent, num_itemsets=basket_count, metric="support", min_threshold=0
    )
    by_sides = {
        (tuple(sorted(row.antecedents)), tuple(sorted(row.consequents))): row._asdict()
        for row in theirs.rename(columns=lambda name: name.replace(" ", "_")).itertuples()
    }
    for ours in rules.to_pylist():
        their = by_sides[tuple(ours["antecedents"]), tuple(ours["consequents"])]
        for metric in (name.replace(" ", "_") for name in METRICS):
            expected = their[metric]
            if metric == "conviction" and ours["is_certain"]:
                # mlxtend's own confidence may be a rounding away from 1, its conviction then huge.
                assert ours[metric] is None
                assert expected > 1e12 or ours["consequent_count"] == basket_count
            else:
                assert ours[metric] == pytest.approx(expected, rel=1e-12, abs=1e-12), metric


@given(shops(), shares, lifts)
def test_of_mirrored_rules_the_surer_one_is_shown(shop, confidence, lift):
    contents, basket_count = shop
    settings = {"minimum_confidence": confidence, "minimum_lift": lift, "maximum_items": 2}
    everything = as_rules(every_rule(contents, basket_count, **settings))
    shown = as_rules(mined(contents, basket_count, **settings))
    assert len({frozenset((rule.antecedents, rule.consequents)) for rule in shown}) == len(shown)
    for rule in everything:  # of two items: none of them is redundant
        mirrored = rule._replace(
            antecedents=rule.consequents,
            consequents=rule.antecedents,
            antecedent_count=rule.consequent_count,
            consequent_count=rule.antecedent_count,
        )
        is_surer = (rule.antecedent_count, rule.antecedents) < (
            mirrored.antecedent_count,
            mirrored.antecedents,
        )
        assert (rule in shown) == (is_surer or mirrored not in everything)


@given(shops(), shares, lifts)
def test_a_redundant_rule_is_left_out_and_no_other(shop, confidence, lift):
    contents, basket_count = shop
    settings = {"minimum_confidence": confidence, "minimum_lift": lift}
    everything = as_rules(every_rule(contents, basket_count, maximum_consequents=1, **settings))
    shown = as_rules(mined(contents, basket_count, **settings))
    for rule in everything:
        if len(rule.antecedents) == 1:
            continue  # cannot be redundant, may be mirrored
        redundant = any(
            other.consequents == rule.consequents
            and set(other.antecedents) < set(rule.antecedents)
            and Fraction(other.joint_count, other.antecedent_count)
            >= Fraction(rule.joint_count, rule.antecedent_count)
            for other in everything
        )
        assert (rule in shown) == (not redundant)


@given(shops(), shares)
def test_ranked_by_phi_then_by_items(shop, confidence):
    contents, basket_count = shop
    table = every_rule(contents, basket_count, minimum_confidence=confidence)
    rules = as_rules(table)
    for rule, phi in zip(rules, table["phi"].to_pylist(), strict=True):
        assert phi == pytest.approx(
            float(np.sign(squared_phi(rule, basket_count)))
            * abs(squared_phi(rule, basket_count)) ** 0.5,
            abs=1e-12,
        )
    assert rules == sorted(
        rules,
        key=lambda rule: (
            -squared_phi(rule, basket_count),
            *(len(rule.antecedents), rule.antecedents),
            *(len(rule.consequents), rule.consequents),
        ),
    )
    assert table["rank"].to_pylist() == list(range(1, len(rules) + 1))
    assert every_rule(
        contents, basket_count, minimum_confidence=confidence, maximum_rules=3
    ) == table.slice(0, 3)


def squared_phi(rule, basket_count):
    """The square of phi with the sign of phi, in whole numbers."""
    left, right = rule.antecedent_count, rule.consequent_count
    excess = basket_count * rule.joint_count - left * right
    spread = left * (basket_count - left) * right * (basket_count - right)
    return Fraction(excess * abs(excess), spread) if spread else Fraction(0)


@given(shops(), shares, shares)
def test_improvement_is_over_the_best_of_fewer_items(shop, confidence, least):
    contents, basket_count = shop
    settings = {"minimum_confidence": confidence, "minimum_lift": 0}
    table = every_rule(contents, basket_count, **settings)
    expected = [improvement(contents, basket_count, rule) for rule in as_rules(table)]
    assert table["improvement"].to_pylist() == pytest.approx([float(one) for one in expected])
    improved = as_rules(every_rule(contents, basket_count, minimum_improvement=least, **settings))
    assert improved == [
        rule
        for rule, gain in zip(as_rules(table), expected, strict=True)
        if gain >= Fraction(least)
    ]


def improvement(contents, basket_count, rule):
    best = Fraction(rule.consequent_count, basket_count)
    for fewer in brute_force.subsets(rule.antecedents, len(rule.antecedents) - 1):
        joint = brute_force.count(contents, fewer + rule.consequents)
        best = max(best, Fraction(joint, brute_force.count(contents, fewer)))
    return Fraction(rule.joint_count, rule.antecedent_count) - best


def test_a_rule_by_hand():
    contents = {"1": {"cake"}, "2": {"cake", "icing"}, "3": {"cake", "icing"}, "4": {"tea"}}
    (rule,) = mined(contents, 5, minimum_confidence="0.5").to_pylist()
    assert rule["antecedents"] == ["icing"]
    assert rule["consequents"] == ["cake"]
    assert (rule["antecedent_count"], rule["consequent_count"], rule["joint_count"]) == (2, 3, 2)
    assert rule["support"] == 2 / 5
    assert rule["lift"] == 5 / 3
    assert rule["leverage"] == 4 / 25  # 2/5 - 2/5 x 3/5
    assert rule["conviction"] is None
    assert rule["is_certain"] is True


@pytest.mark.parametrize(("confidence", "shown"), [("0.8", True), ("0.8000001", False)])
def test_confidence_on_the_edge_counts(confidence, shown):
    contents = {str(n): {"a", "b"} for n in range(4)} | {"x": {"a"}}
    found = as_rules(every_rule(contents, 5, minimum_confidence=confidence))
    assert (brute_force.Rule(("a",), ("b",), 5, 4, 4) in found) == shown


def test_no_itemsets_give_no_rules_of_the_right_schema():
    for basket_count in (0, 7):
        rules = association_rules(
            ITEMSETS_SCHEMA.empty_table(), basket_count, minimum_confidence="0.5"
        )
        assert rules.num_rows == 0
        assert rules.schema == RULES_SCHEMA


def test_no_warning_where_a_rule_is_certain_or_everywhere():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        (rule, _) = every_rule({"1": {"a", "b"}, "2": {"a", "b"}}, 2).to_pylist()
    assert rule["certainty"] == 0
    assert rule["zhangs_metric"] == 0


@pytest.mark.parametrize(
    ("setting", "limits"),
    [
        ({"minimum_confidence": "1.1"}, "minimum_confidence must be above 0 and at most 1"),
        ({"minimum_confidence": "0"}, "minimum_confidence must be above 0 and at most 1"),
        ({"minimum_lift": "-1"}, "minimum_lift must be 0 or more"),
        ({"maximum_consequents": 0}, "maximum_consequents must be at least 1"),
        ({"maximum_rules": -1}, "maximum_rules must be 0 or more"),
    ],
)
def test_clear_errors(setting, limits):
    with pytest.raises(ValueError, match=limits):
        mined({}, 1, **setting)
