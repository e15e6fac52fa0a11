"""Association rules from frequent itemsets, by arrays; thresholds are compared in integers."""

from collections.abc import Iterable, Iterator
from itertools import chain, combinations
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mining.intervals import wilson_interval
from mining.thresholds import Threshold, exact, exact_share, reaches

RULES_SCHEMA: Final = pa.schema(
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
        ("confidence_low", pa.float64()),
        ("confidence_high", pa.float64()),
        ("lift", pa.float64()),
        ("representativity", pa.float64()),
        ("leverage", pa.float64()),
        ("phi", pa.float64()),
        ("conviction", pa.float64()),
        ("is_certain", pa.bool_()),
        ("zhangs_metric", pa.float64()),
        ("jaccard", pa.float64()),
        ("certainty", pa.float64()),
        ("kulczynski", pa.float64()),
        ("improvement", pa.float64()),
        ("rank", pa.int64()),
    ]
)

ROUNDING: Final = 1e-12  # of a difference of two quotients
RANKED_DIGITS: Final = 12  # of phi that are compared: those after them are rounding

Rows = NDArray[np.int64]  # of the table of itemsets, one for each rule
Counts = NDArray[np.int64]  # of baskets, one for each rule
Positions = tuple[int, ...]  # of items in a set, ascending


class _Rules(NamedTuple):
    """Rules as rows of the table of itemsets.

    Attributes:
        antecedents: the row of the left side.
        consequents: the row of the right side.
        joint: the row of both together.
        best_confidence: the greatest confidence of a rule with fewer items on the left, none
            included, and the same right side.
    """

    antecedents: Rows
    consequents: Rows
    joint: Rows
    best_confidence: NDArray[np.float64]

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "_Rules":
        return _Rules(
            self.antecedents[chosen],
            self.consequents[chosen],
            self.joint[chosen],
            self.best_confidence[chosen],
        )


def association_rules(
    itemsets: pa.Table,
    basket_count: int,
    *,
    minimum_confidence: Threshold,
    minimum_lift: Threshold = 0,
    minimum_improvement: Threshold | None = None,
    maximum_consequents: int | None = 1,
    is_concise: bool = True,
    maximum_rules: int | None = None,
) -> pa.Table:
    """Derive the rules that itemsets support, the most closely related sides first.

    Args:
        itemsets: all frequent ones, as `mining.itemsets.frequent_itemsets` gives them.
        basket_count: N, all baskets, those without an item included; below 3e9.
        minimum_confidence: above 0, at most 1; n(AB) / n(A) must reach it.
        minimum_lift: n(AB) N / (n(A) n(B)) must reach it.
        minimum_improvement: `improvement` must reach it, to 1e-12: it is a difference of quotients;
            None for no minimum.
        maximum_consequents: items on the right at most; None for no limit.
        is_concise: leave out redundant rules (some of the items on the left give at least the
            confidence alone) and of two mirrored rules the less confident one.
        maximum_rules: rules in the result at most; None for no limit.

    Returns:
        `RULES_SCHEMA`. `rank` counts from 1 by `phi`, then antecedents, then consequents (fewer
        items first, then their text). Metrics are those of mlxtend 0.25, computed from the counts;
        an infinite `conviction` is null and `is_certain` true. `phi` is the correlation of both
        sides, (n(AB) N - n(A) n(B)) / √(n(A) (N - n(A)) n(B) (N - n(B))), -1 to 1, 0 where a side
        is in every basket (Tan, Kumar, Srivastava 2002, Selecting the Right Interestingness Measure
        for Association Patterns).
        `confidence_low` and `confidence_high` are Wilson's 95 % interval. `improvement` is the
        confidence less the greatest one of a rule with fewer items on the left, none included, and
        the same right (Bayardo, Agrawal, Gunopulos 2000, Constraint-based rule mining).

    Raises:
        TypeError: for a threshold given as a float.
        ValueError: where a setting lies outside its limits.
    """
    confidence = exact_share("minimum_confidence", minimum_confidence)
    lift = exact("minimum_lift", minimum_lift)
    if lift < 0:
        raise ValueError(f"minimum_lift must be 0 or more, got {minimum_lift!r}")
    improvement = exact("minimum_improvement", minimum_improvement or 0)
    if maximum_consequents is not None and maximum_consequents < 1:
        raise ValueError(f"maximum_consequents must be at least 1, got {maximum_consequents}")
    if maximum_rules is not None and maximum_rules < 0:
        raise ValueError(f"maximum_rules must be 0 or more, got {maximum_rules}")

    subsets = _Subsets.of(itemsets)
    counts = subsets.counts
    parts = []
    for rows, consequents in subsets.splits(maximum_consequents):
        antecedents = subsets.without(rows, consequents)
        right = subsets.only(rows, consequents)
        passed = reaches(confidence, counts[rows], counts[antecedents])
        passed[passed] = reaches(
            lift,
            basket_count * counts[rows[passed]],
            counts[antecedents[passed]] * counts[right[passed]],
        )
        rules = _Rules(
            antecedents[passed],
            right[passed],
            rows[passed],
            counts[right[passed]] / max(basket_count, 1),
        )
        parts.append(_with_best_confidence(rules, consequents, subsets, is_concise))
    rules = _Rules(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if minimum_improvement is not None:
        gain = counts[rules.joint] / counts[rules.antecedents] - rules.best_confidence
        rules = rules.take(gain >= float(improvement) - ROUNDING)
    if is_concise:
        rules = _without_mirrored(rules, counts)
    closeness = phi(
        counts[rules.antecedents],
        counts[rules.consequents],
        counts[rules.joint],
        np.full(len(rules.joint), basket_count, np.int64),
    ).round(RANKED_DIGITS)
    order = np.lexsort((rules.consequents, rules.antecedents, -closeness))[:maximum_rules]
    return _with_metrics(rules.take(order), itemsets, basket_count)


class _Subsets(NamedTuple):
    """Itemsets by row, and the way from each to its subsets.

    Attributes:
        counts: the baskets that hold the set.
        sizes: its number of items.
        begins: where its parents begin.
        parents: for each item of each set the row of the set without it.
    """

    counts: Counts
    sizes: NDArray[np.int64]
    begins: NDArray[np.int64]
    parents: Rows

    @classmethod
    def of(cls, itemsets: pa.Table) -> "_Subsets":
        parents = itemsets["parents"].combine_chunks()
        sizes = itemsets["items"].combine_chunks().value_lengths().to_numpy()
        return cls(
            itemsets["basket_count"].to_numpy(),
            sizes.astype(np.int64),
            parents.offsets.to_numpy()[:-1].astype(np.int64),
            parents.values.to_numpy(),
        )

    def splits(self, maximum_consequents: int | None) -> Iterator[tuple[Rows, Positions]]:
        """Yield every way to part the sets of a size in two, by the positions on the right.

        One split without a set is always among them, so that no rules at all need no special case.
        """
        yield np.empty(0, np.int64), (0,)
        for size in range(2, int(self.sizes.max(initial=0)) + 1):
            rows = np.flatnonzero(self.sizes == size)
            largest = min(maximum_consequents or size, size - 1)
            for chosen in range(1, largest + 1):
                for consequents in combinations(range(size), chosen):
                    yield rows, consequents

    def without(self, rows: Rows, positions: Iterable[int]) -> Rows:
        """Go to the sets without the items at some positions, but not all."""
        for position in sorted(positions, reverse=True):  # those before it keep their places
            rows = self.parents[self.begins[rows] + position]
        return rows

    def only(self, rows: Rows, positions: Iterable[int]) -> Rows:
        """Go to the sets of nothing but the items at some positions, at least one."""
        size = int(self.sizes[rows[0]]) if len(rows) else 0
        return self.without(rows, set(range(size)).difference(positions))


def _with_best_confidence(
    rules: _Rules, consequents: Positions, subsets: _Subsets, is_concise: bool
) -> _Rules:
    """Find the best of the rules with fewer items on the left; leave out those no better than it.

    Such a shorter rule is no rarer, so it passes every threshold that the longer one passes.
    """
    counts = subsets.counts
    if not len(rules.joint):
        return rules
    left = set(range(int(subsets.sizes[rules.joint[0]]))).difference(consequents)
    best, is_redundant = rules.best_confidence, np.zeros(len(rules.joint), np.bool_)
    for removed in chain.from_iterable(combinations(left, n) for n in range(1, len(left))):
        joint = counts[subsets.without(rules.joint, removed)]
        antecedents = counts[subsets.only(rules.joint, left.difference(removed))]
        best = np.maximum(best, joint / antecedents)
        is_redundant |= joint * counts[rules.antecedents] >= counts[rules.joint] * antecedents
    rules = rules._replace(best_confidence=best)
    return rules.take(~is_redundant) if is_concise else rules


def _without_mirrored(rules: _Rules, counts: Counts) -> _Rules:
    """Keep of A→B and B→A the more confident one; of equals, that with the first antecedents."""
    either = np.minimum(rules.antecedents, rules.consequents)
    # The joint count is the same both ways: the rarer left side is the surer.
    order = np.lexsort((rules.antecedents, counts[rules.antecedents], either, rules.joint))
    joint, either = rules.joint[order], either[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (joint[1:] != joint[:-1]) | (either[1:] != either[:-1])
    return rules.take(order[is_first])


def _with_metrics(rules: _Rules, itemsets: pa.Table, basket_count: int) -> pa.Table:
    """Put each rule's metrics beside it."""
    items = itemsets["items"].combine_chunks()
    counts = itemsets["basket_count"].to_numpy()
    return measured_rules(
        items.take(pa.array(rules.antecedents)),
        items.take(pa.array(rules.consequents)),
        np.full(len(rules.joint), basket_count, np.int64),
        counts[rules.antecedents],
        counts[rules.consequents],
        counts[rules.joint],
        rules.best_confidence,
    )


def measured_rules(
    antecedents: pa.Array,
    consequents: pa.Array,
    n: Counts,
    left: Counts,
    right: Counts,
    joint: Counts,
    best_confidence: NDArray[np.float64],
) -> pa.Table:
    """Lay out rules with every metric that their counts give, in the order given.

    Integers are multiplied before the one division, so that nothing cancels: conviction
    (1 - supp B) / (1 - conf) is n(A) (N - n(B)) / (N (n(A) - n(AB))).

    Args:
        antecedents: the left side of each rule, a list of items.
        consequents: the right side.
        n: N of each rule; below 3e9.
        left: n(A), at least 1.
        right: n(B), at least 1.
        joint: n(AB), at least 1.
        best_confidence: the greatest confidence of a rule with fewer items on the left.

    Returns:
        `RULES_SCHEMA`.
    """
    excess = n * joint - left * right
    is_certain = left == joint
    low, high = wilson_interval(joint, left)
    columns = {
        "antecedents": antecedents,
        "consequents": consequents,
        "basket_count": n,
        "antecedent_count": left,
        "consequent_count": right,
        "joint_count": joint,
        "antecedent_support": left / n,
        "consequent_support": right / n,
        "support": joint / n,
        "confidence": joint / left,
        "confidence_low": low,
        "confidence_high": high,
        "lift": n * joint / (left * right),
        # mlxtend's share of baskets in which no item of the rule is unknown: none ever is
        "representativity": np.ones(len(joint)),
        "leverage": excess / (n * n),
        "phi": phi(left, right, joint, n),
        "conviction": pa.array(
            _ratio(left * (n - right), n * (left - joint)), mask=is_certain, type=pa.float64()
        ),
        "is_certain": is_certain,
        "zhangs_metric": _ratio(excess, np.maximum(joint * (n - left), left * (right - joint))),
        "jaccard": joint / (left + right - joint),
        "certainty": _ratio(excess, left * (n - right)),
        "kulczynski": (joint / left + joint / right) / 2,
        "improvement": joint / left - best_confidence,
        "rank": np.arange(1, len(joint) + 1),
    }
    return pa.table([columns[name] for name in RULES_SCHEMA.names], schema=RULES_SCHEMA)


def phi(left: Counts, right: Counts, joint: Counts, n: Counts) -> NDArray[np.float64]:
    """Correlate the sides: leverage beside the greatest that such sides could have.

    Rules are ranked by its first `RANKED_DIGITS` digits.
    """
    deviation = np.sqrt((left * (n - left)).astype(float)) * np.sqrt(
        (right * (n - right)).astype(float)
    )
    return _ratio(n * joint - left * right, deviation)


def _ratio(numerator: Counts, denominator: Counts | NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; over 0 gives 0, as mlxtend has it."""
    ratio = np.zeros(len(numerator))
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    return ratio
