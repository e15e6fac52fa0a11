"""Proof of rules on later baskets, which played no part in finding them.

Of thousands of rules that fit the baskets they were found in, some fit by chance, and others are a
true rule with an idle item beside it. So each is tested once more where it was not sought, as a
whole and item by item on its left, and the number of tests is accounted for: Webb (2007),
Discovering Significant Patterns.
"""

from math import exp, lgamma
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from mining.basket_sizes import AgainstSizes, against_basket_sizes
from mining.baskets import Baskets
from mining.intervals import wilson_interval
from mining.itemsets import count_itemsets

HOLDOUT_FIELDS: Final = [
    pa.field("holdout_basket_count", pa.int64()),
    pa.field("holdout_antecedent_count", pa.int64()),
    pa.field("holdout_consequent_count", pa.int64()),
    pa.field("holdout_joint_count", pa.int64()),
    pa.field("holdout_support", pa.float64()),
    pa.field("holdout_confidence", pa.float64()),
    pa.field("holdout_expected_confidence", pa.float64()),
    pa.field("holdout_confidence_low", pa.float64()),
    pa.field("holdout_confidence_high", pa.float64()),
    pa.field("holdout_lift", pa.float64()),
    pa.field("p_value", pa.float64()),
    pa.field("q_value", pa.float64()),
    pa.field("idle_p_value", pa.float64()),
    pa.field("is_held", pa.bool_()),
]

MAXIMUM_Q_VALUE: Final = 0.05
MAXIMUM_IDLE_P_VALUE: Final = 0.05  # of rules with an idle item on the left so few slip through
LEAST_JOINT: Final = (
    5  # later baskets, and so customers, that a rule must stand in: fewer are cases
)

Counts = NDArray[np.int64]


class LaterCounts(NamedTuple):
    """What stands in the later baskets that each rule is tested on.

    Attributes:
        n: these baskets.
        left: those of them with the left side.
        right: those with the right side.
        joint: those with both.
    """

    n: Counts
    left: Counts
    right: Counts
    joint: Counts


def prove_on_later_baskets(
    rules: pa.Table, later: Baskets | None, *, never_together: pa.Table | None = None
) -> pa.Table:
    """Put beside each rule what later baskets say of it.

    Args:
        rules: `antecedents` and `consequents`, as `mining.rules.association_rules` gives them.
        later: baskets of a time after those that the rules were found in, one for each customer:
            what one customer buys again and again is one piece of evidence. None, or none in it,
            where there is no such time.
        never_together: see `mining.basket_sizes.against_basket_sizes`.

    Returns:
        `rules` with `HOLDOUT_FIELDS`. `p_value` is one-sided, and the greater of two chances of at
        least so many joint baskets: were both sides independent (Fisher's exact test), and were
        only the items' counts and the baskets' sizes at work (`mining.basket_sizes`), which would
        give `holdout_expected_confidence`. `q_value` is that of Benjamini and Hochberg (1995) over
        all of `rules`. `idle_p_value` is the greatest chance of so many, were one of several items
        on the left idle: Fisher's test within the baskets with the others; null of a single item.
        A rule `is_held` where its q_value is at most `MAXIMUM_Q_VALUE`, its idle_p_value, if any,
        at most `MAXIMUM_IDLE_P_VALUE`, its lift there above 1, compared in integers, and its joint
        baskets are `LEAST_JOINT` or more.
        Confidence and its Wilson interval are null where no basket has the left side, lift where
        none has either side. Without later baskets all is null: the rules are untested.
    """
    if later is None or not later.basket_count:
        return untested(rules)
    left_items, right_items = rules["antecedents"], rules["consequents"]
    counts = LaterCounts(
        np.full(len(rules), later.basket_count, np.int64),
        count_itemsets(later, left_items),
        count_itemsets(later, right_items),
        count_itemsets(later, _both(left_items, right_items)),
    )
    sizes = against_basket_sizes(
        later, left_items, right_items, counts.joint, never_together=never_together
    )
    rule, rest, rest_and_right = _with_one_item_less(left_items, right_items)
    idle = np.full(len(rules), np.nan)
    of_each_item = fisher_p_values(
        count_itemsets(later, rest),
        counts.left[rule],
        count_itemsets(later, rest_and_right),
        counts.joint[rule],
    )
    np.fmax.at(idle, rule, of_each_item)
    return proven(rules, counts, fisher_p_values(*counts), sizes, idle)


def untested(rules: pa.Table) -> pa.Table:
    """Put nulls beside rules for which there are no later baskets."""
    nothing = pa.nulls(len(rules))
    for field in HOLDOUT_FIELDS:
        rules = rules.append_column(field, nothing.cast(field.type))
    return rules


def proven(
    rules: pa.Table,
    counts: LaterCounts,
    fisher: NDArray[np.float64],
    sizes: AgainstSizes,
    idle: NDArray[np.float64],
) -> pa.Table:
    """Put beside rules what was counted and tested of each, as `prove_on_later_baskets` says.

    Args:
        rules: all that were tested.
        counts: of later baskets, for each rule.
        fisher: p of each, were its sides independent.
        sizes: each held against the sizes of baskets.
        idle: p of each, were a part of its left side idle; nan where it has one part.
    """
    n, left, right, joint = counts
    p_value = np.maximum(fisher, sizes.p_values)
    q_value = false_discovery_control(p_value) if len(p_value) else p_value
    low, high = wilson_interval(joint, left)
    columns = [
        n,
        left,
        right,
        joint,
        joint / np.maximum(n, 1),
        _known(joint / np.maximum(left, 1), left),
        _known(sizes.expected_confidence, left),
        _known(low, left),
        _known(high, left),
        _known(n * joint / np.maximum(left * right, 1), left * right),
        p_value,
        q_value,
        pa.array(idle, mask=np.isnan(idle)),
        (q_value <= MAXIMUM_Q_VALUE)
        & (np.isnan(idle) | (idle <= MAXIMUM_IDLE_P_VALUE))
        & (n * joint > left * right)
        & (joint >= LEAST_JOINT),
    ]
    for field, column in zip(HOLDOUT_FIELDS, columns, strict=True):
        rules = rules.append_column(field, pa.array(column, field.type))
    return rules


@njit(cache=True)
def fisher_p_values(
    n: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    joint: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Give the chance of at least so many joint baskets, were both sides independent.

    The tail of the hypergeometric distribution, summed outwards from its greatest term by the
    ratios of neighbours: a thousandth of the time that scipy's takes below 105,000 baskets.

    Args:
        n: all baskets, for each rule.
        left: baskets with the left side.
        right: baskets with the right side.
        joint: baskets with both.
    """
    p_values = np.empty(len(joint))
    for rule in range(len(joint)):
        total_count, a, b = n[rule], left[rule], right[rule]
        neither = total_count - a - b
        least, most = max(joint[rule], -neither, 0), min(a, b)
        if least <= max(-neither, 0):
            p_values[rule] = 1.0
            continue
        mode = min(max((a + 1) * (b + 1) // (total_count + 2), least), most)
        greatest = exp(
            _log_choose(b, mode)
            + _log_choose(total_count - b, a - mode)
            - _log_choose(total_count, a)
        )
        total = term = greatest
        for k in range(mode, most):
            term *= (a - k) * (b - k) / ((k + 1.0) * (neither + k + 1.0))
            if term < total * 1e-17:
                break
            total += term
        term = greatest
        for k in range(mode, least, -1):
            term *= k * (neither + float(k)) / ((a - k + 1.0) * (b - k + 1.0))
            if term < total * 1e-17:
                break
            total += term
        p_values[rule] = min(total, 1.0)
    return p_values


@njit(cache=True)
def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0)


def _both(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ListArray:
    """Join the two lists of each row."""
    left, right = left.combine_chunks(), right.combine_chunks()
    rows = pa.concat_arrays([pc.list_parent_indices(left), pc.list_parent_indices(right)])
    items = pa.concat_arrays([left.flatten(), right.flatten()])
    offsets = np.zeros(len(left) + 1, np.int32)
    np.cumsum(left.value_lengths().to_numpy() + right.value_lengths().to_numpy(), out=offsets[1:])
    by_row = np.argsort(rows.to_numpy(), kind="stable")
    return pa.ListArray.from_arrays(pa.array(offsets), items.take(pa.array(by_row)))


def _with_one_item_less(
    left: pa.ChunkedArray, right: pa.ChunkedArray
) -> tuple[NDArray[np.int64], pa.ListArray, pa.ListArray]:
    """Leave out each item on the left in turn, where there are several.

    Returns:
        The place of the rule, the other items on the left, and these with the right side.
    """
    shorter = [
        (rule, items[:place] + items[place + 1 :], consequents)
        for rule, (items, consequents) in enumerate(
            zip(left.to_pylist(), right.to_pylist(), strict=True)
        )
        if len(items) > 1
        for place in range(len(items))
    ]
    items = pa.list_(pa.string())
    return (
        np.array([rule for rule, _, _ in shorter], np.int64),
        pa.array([rest for _, rest, _ in shorter], items),
        pa.array([rest + consequents for _, rest, consequents in shorter], items),
    )


def _known(values: NDArray[np.float64], denominators: NDArray[np.int64]) -> pa.Array:
    """Make null what was divided by nothing."""
    return pa.array(values, pa.float64(), mask=denominators == 0)
