"""Association rules from frequent itemsets, with counts compared and ranked in integers."""

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mining.thresholds import Threshold, exact, exact_share

RULES_SCHEMA = pa.schema(
    [
        ("antecedents", pa.list_(pa.string())),
        ("consequents", pa.list_(pa.string())),
        ("basket_count", pa.int64()),
        ("antecedent_count", pa.int64()),
        ("consequent_count", pa.int64()),
        ("joint_count", pa.int64()),
        ("antecedent_support", pa.float64()),
        ("consequent_support", pa.float64()),
        ("support", pa.float64()),
        ("confidence", pa.float64()),
        ("lift", pa.float64()),
        ("leverage", pa.float64()),
        ("conviction", pa.float64()),
        ("is_certain", pa.bool_()),
        ("zhangs_metric", pa.float64()),
        ("jaccard", pa.float64()),
        ("certainty", pa.float64()),
        ("kulczynski", pa.float64()),
        ("rank", pa.int64()),
    ]
)

Itemset = tuple[str, ...]


class Rule(NamedTuple):
    """If a basket holds the antecedents, it holds the consequents, with the baskets counted."""

    antecedents: Itemset
    consequents: Itemset
    antecedent_count: int
    consequent_count: int
    joint_count: int


def association_rules(
    itemsets: pa.Table,
    basket_count: int,
    *,
    minimum_confidence: Threshold,
    minimum_lift: Threshold = 0,
    maximum_consequents: int | None = 1,
    is_concise: bool = True,
    maximum_rules: int | None = None,
) -> pa.Table:
    """Derive the rules that itemsets support, the greatest leverage first.

    Args:
        itemsets: from `mining.itemsets.frequent_itemsets`: with each set, its subsets.
        basket_count: N, all baskets, those without an item included.
        minimum_confidence: above 0, at most 1; n(AB) / n(A) must reach it.
        minimum_lift: n(AB) N / (n(A) n(B)) must reach it.
        maximum_consequents: items on the right at most; None for no limit.
        is_concise: leave out redundant rules (some of the items on the left give at least the
            confidence alone) and of two mirrored rules the less confident one.
        maximum_rules: rules in the result at most; None for no limit.

    Returns:
        `RULES_SCHEMA`. `rank` counts from 1 by leverage, compared in integers, then antecedents,
        then consequents. Metrics are those of mlxtend 0.25, computed from the counts; an infinite
        `conviction` is null and `is_certain` true.

    Raises:
        TypeError: for a threshold given as a float.
        ValueError: where a setting lies outside its limits.
    """
    confidence = exact_share("minimum_confidence", minimum_confidence)
    lift = exact("minimum_lift", minimum_lift)
    if lift < 0:
        raise ValueError(f"minimum_lift must be 0 or more, got {minimum_lift!r}")
    if maximum_consequents is not None and maximum_consequents < 1:
        raise ValueError(f"maximum_consequents must be at least 1, got {maximum_consequents}")
    if maximum_rules is not None and maximum_rules < 0:
        raise ValueError(f"maximum_rules must be 0 or more, got {maximum_rules}")

    counts: dict[Itemset, int] = dict(
        zip(
            map(tuple, itemsets["items"].to_pylist()),
            itemsets["basket_count"].to_pylist(),
            strict=True,
        )
    )
    rules = [
        rule
        for rule in _splits(counts, maximum_consequents)
        if rule.joint_count * confidence.denominator >= confidence.numerator * rule.antecedent_count
        and rule.joint_count * basket_count * lift.denominator
        >= lift.numerator * rule.antecedent_count * rule.consequent_count
    ]
    if is_concise:
        rules = _without_mirrored([rule for rule in rules if not _is_redundant(rule, counts)])
    rules.sort(key=lambda rule: (-_excess(rule, basket_count), rule.antecedents, rule.consequents))
    return _with_metrics(rules[:maximum_rules], basket_count)


def _splits(counts: dict[Itemset, int], maximum_consequents: int | None) -> Iterator[Rule]:
    """Yield every way to part an itemset into a left and a right side, neither of them empty."""
    for itemset, joint_count in counts.items():
        largest = min(maximum_consequents or len(itemset), len(itemset) - 1)
        for size in range(1, largest + 1):
            for consequents in combinations(itemset, size):
                antecedents = tuple(item for item in itemset if item not in consequents)
                yield Rule(
                    antecedents, consequents, counts[antecedents], counts[consequents], joint_count
                )


def _is_redundant(rule: Rule, counts: dict[Itemset, int]) -> bool:
    """Tell whether some of the antecedents alone imply the consequents at least as surely.

    Such a rule is no rarer, so it passes every threshold that the longer one passes.
    """
    for size in range(1, len(rule.antecedents)):
        for fewer in combinations(rule.antecedents, size):
            joint_count = counts[tuple(sorted(fewer + rule.consequents))]
            if joint_count * rule.antecedent_count >= rule.joint_count * counts[fewer]:
                return True
    return False


def _without_mirrored(rules: Iterable[Rule]) -> list[Rule]:
    """Keep of A→B and B→A the more confident one; of equals, that with the first antecedents."""
    kept: dict[frozenset[Itemset], Rule] = {}
    # The joint count is the same both ways: the rarer left side is the surer.
    for rule in sorted(rules, key=lambda rule: (rule.antecedent_count, rule.antecedents)):
        kept.setdefault(frozenset((rule.antecedents, rule.consequents)), rule)
    return list(kept.values())


def _excess(rule: Rule, basket_count: int) -> int:
    """Leverage × N²: N n(AB) - n(A) n(B)."""
    return basket_count * rule.joint_count - rule.antecedent_count * rule.consequent_count


def _with_metrics(rules: list[Rule], basket_count: int) -> pa.Table:
    """Put each rule's metrics beside it.

    Integers are multiplied before the one division, so that nothing cancels: conviction
    (1 - supp B) / (1 - conf) is n(A) (N - n(B)) / (N (n(A) - n(AB))). N is below 3e9.
    """
    n = np.int64(basket_count)
    left = np.array([rule.antecedent_count for rule in rules], dtype=np.int64)
    right = np.array([rule.consequent_count for rule in rules], dtype=np.int64)
    joint = np.array([rule.joint_count for rule in rules], dtype=np.int64)
    excess = n * joint - left * right
    is_certain = left == joint
    columns = {
        "antecedents": [rule.antecedents for rule in rules],
        "consequents": [rule.consequents for rule in rules],
        "basket_count": np.full(len(rules), n),
        "antecedent_count": left,
        "consequent_count": right,
        "joint_count": joint,
        "antecedent_support": left / n,
        "consequent_support": right / n,
        "support": joint / n,
        "confidence": joint / left,
        "lift": n * joint / (left * right),
        "leverage": excess / (n * n),
        "conviction": pa.array(
            _ratio(left * (n - right), n * (left - joint)), mask=is_certain, type=pa.float64()
        ),
        "is_certain": is_certain,
        "zhangs_metric": _ratio(excess, np.maximum(joint * (n - left), left * (right - joint))),
        "jaccard": joint / (left + right - joint),
        "certainty": _ratio(excess, left * (n - right)),
        "kulczynski": (joint / left + joint / right) / 2,
        "rank": np.arange(1, len(rules) + 1),
    }
    return pa.table([columns[name] for name in RULES_SCHEMA.names], schema=RULES_SCHEMA)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; over 0 gives 0, as mlxtend has it."""
    ratio = np.zeros(len(numerator))
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    return ratio
