"""Mining by counting everything: slow, plain, and independent of mlxtend."""

from collections.abc import Mapping, Set
from fractions import Fraction
from itertools import chain, combinations
from typing import NamedTuple

import pyarrow as pa

Contents = Mapping[str, Set[str]]


class Rule(NamedTuple):
    antecedents: tuple[str, ...]
    consequents: tuple[str, ...]
    antecedent_count: int
    consequent_count: int
    joint_count: int


def table(contents: Contents) -> pa.Table:
    rows = [(order, item) for order, items in contents.items() for item in items]
    return pa.table(
        {"order_id": [order for order, _ in rows], "item": [item for _, item in rows]},
        schema=pa.schema([("order_id", pa.string()), ("item", pa.string())]),
    )


def subsets(items: tuple[str, ...], largest: int) -> list[tuple[str, ...]]:
    sizes = range(1, min(largest, len(items)) + 1)
    return list(chain.from_iterable(combinations(items, size) for size in sizes))


def count(contents: Contents, itemset: tuple[str, ...]) -> int:
    return sum(items.issuperset(itemset) for items in contents.values())


def itemsets(
    contents: Contents, minimum_count: int, largest: int = 99
) -> dict[tuple[str, ...], int]:
    items = tuple(sorted(set(chain.from_iterable(contents.values()))))
    counted = {itemset: count(contents, itemset) for itemset in subsets(items, largest)}
    return {itemset: n for itemset, n in counted.items() if n >= minimum_count}


def rules(
    contents: Contents,
    basket_count: int,
    minimum_count: int,
    confidence: Fraction,
    lift: Fraction,
    largest: int = 99,
) -> set[Rule]:
    """Every rule with any split, neither mirrored nor redundant ones left out."""
    found = set()
    for itemset, joint in itemsets(contents, minimum_count, largest).items():
        for left in subsets(itemset, len(itemset) - 1):
            right = tuple(item for item in itemset if item not in left)
            n_left, n_right = count(contents, left), count(contents, right)
            if Fraction(joint, n_left) >= confidence and (
                Fraction(joint, n_left) / Fraction(n_right, basket_count) >= lift
            ):
                found.add(Rule(left, right, n_left, n_right, joint))
    return found
