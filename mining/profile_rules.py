"""Profile rules: what customers with some attributes buy more than others, proven on later buying.

The unit is the customer, not the basket: one transaction is all that a customer bought in a time.
With baskets, somebody who comes every day would be counted every day as what they are, and rules
would tell of few.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mining.basket_sizes import against_basket_sizes, expected_by_sizes
from mining.baskets import Baskets, baskets
from mining.cross_selling import CROSS_SELL_RULES_SCHEMA, MAXIMUM_CANDIDATES
from mining.holdout import LaterCounts, fisher_p_values, proven, untested
from mining.rules import RANKED_DIGITS, ROUNDING, measured_rules, phi
from mining.thresholds import Threshold, exact, exact_share, minimum_count, reaches

PROFILE_RULES_SCHEMA: Final = CROSS_SELL_RULES_SCHEMA

_UNKNOWN: Final = -1

Codes = NDArray[np.int64]  # of values: a row for each customer, a column for each attribute
Counts = NDArray[np.int64]  # of customers


class Profiles(NamedTuple):
    """The customers of a time, and what they bought in it.

    Attributes:
        attributes: a row for each customer with a purchase, a column of text for each attribute;
            null where it is not known.
        purchases: `customer` (the row in `attributes`, from 0) and `item` (text), without nulls; a
            repeated row counts once.
    """

    attributes: pa.Table
    purchases: pa.Table


class ProfileRules(NamedTuple):
    """Mined rules.

    Attributes:
        table: every candidate, in the order of `rank`: `PROFILE_RULES_SCHEMA`, where a basket is a
            customer. Antecedents are `<attribute>:<value>`.
        passed_count: the rules that passed the thresholds; candidates are the best of them.
    """

    table: pa.Table
    passed_count: int


class _Laid(NamedTuple):
    """The customers of a time by numbers: values of attributes, and a matrix of items bought."""

    codes: Codes
    contents: csr_array


class _Groups(NamedTuple):
    """The customers of whom some attributes are known, grouped by them.

    Attributes:
        values: a row for each group, the codes of its values.
        n: customers.
        left: customers of each group.
        right: customers who bought each item.
        joint: customers of each group (rows) who bought each item (columns), sparse: there may be
            nearly as many groups as customers.
    """

    values: Codes
    n: int
    left: Counts
    right: Counts
    joint: csr_array


class _Candidates(NamedTuple):
    """Rules: values of some attributes on the left, one item on the right.

    Attributes:
        attributes: which attributes each rule has: a row of `_attribute_sets`.
        values: the codes of its values, as many as there are attributes at most; the rest unknown.
        items: its column.
        n, left, right, joint: of customers of whom the attributes are known.
        best_confidence: what confidence must improve on: the greatest one of some of the attributes
            alone, none included.
    """

    attributes: NDArray[np.int64]
    values: Codes
    items: NDArray[np.int64]
    n: Counts
    left: Counts
    right: Counts
    joint: Counts
    best_confidence: NDArray[np.float64]

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "_Candidates":
        return _Candidates(
            self.attributes[chosen],
            self.values[chosen],
            self.items[chosen],
            self.n[chosen],
            self.left[chosen],
            self.right[chosen],
            self.joint[chosen],
            self.best_confidence[chosen],
        )


def mine_profile_rules(
    mining: Profiles,
    holdout: Profiles | None,
    *,
    minimum_support: Threshold,
    minimum_customers: int,
    minimum_confidence: Threshold,
    minimum_lift: Threshold,
    minimum_improvement: Threshold,
    maximum_attributes: int,
    maximum_rules: int,
    never_together: pa.Table | None = None,
) -> ProfileRules:
    """Find which attributes go with buying an item more often than others do.

    A rule is held against the customers of whom all its attributes are known: of whom a shop knows
    them buy otherwise than those of whom it knows nothing.

    Args:
        mining: the time that rules are sought in.
        holdout: a later one, that they are tested on; None, or nobody in it, where there is none.
            Each customer has one vote there: all that they bought in it. Attributes must be the
            same in both times, and know nothing of the later one.
        minimum_support: share of all customers that must have the attributes and the item.
        minimum_customers: customers that must, however few there are.
        minimum_confidence: share of the customers with the attributes that must have the item.
        minimum_lift: confidence over the share of all those whose attributes are known, at least.
        minimum_improvement: confidence that each attribute must add to what the others, or none,
            have alone; and to what the number of items that these customers buy would give
            (`mining.basket_sizes`): who buys much buys much of everything.
        maximum_attributes: of a rule.
        maximum_rules: rules published at most, those of the greatest phi.
        never_together: `item` (`<attribute>:<value>`) and `other` (an item): pairs that no rule may
            hold, as they are true by construction.

    Returns:
        The candidates, which pass the thresholds in the mining period, `MAXIMUM_CANDIDATES` of the
        greatest phi there. Published are those that held in the later one
        (`mining.holdout.prove_on_later_baskets`: a basket is what a customer bought, an item on the
        left is an attribute, and `n` are those whose attributes are known), all of them where there
        is no later one.

    Raises:
        TypeError: for a threshold given as a float.
        ValueError: where a setting lies outside its limits, columns differ between both times, or
            purchases have nulls or name customers who are not there.
    """
    if minimum_customers < 1:
        raise ValueError(f"minimum_customers must be at least 1, got {minimum_customers}")
    if maximum_attributes < 1:
        raise ValueError(f"maximum_attributes must be at least 1, got {maximum_attributes}")
    if maximum_rules < 1:
        raise ValueError(f"maximum_rules must be at least 1, got {maximum_rules}")
    least = max(minimum_customers, minimum_count(minimum_support, mining.attributes.num_rows))
    confidence = exact_share("minimum_confidence", minimum_confidence)
    lift = exact("minimum_lift", minimum_lift)
    improvement = float(exact("minimum_improvement", minimum_improvement))
    names = mining.attributes.column_names
    if holdout is not None and holdout.attributes.column_names != names:
        raise ValueError(
            f"attributes must be the same in both times: {names}, {holdout.attributes.column_names}"
        )

    values = [_values(mining.attributes[name]) for name in names]
    bought = pc.value_counts(_distinct(mining)["item"])
    frequent = bought.filter(pc.greater_equal(bought.field("counts"), least)).field("values")
    items = frequent.take(pc.sort_indices(frequent)).cast(pa.string())
    laid_out = _laid_out(mining, values, items)
    attribute_sets = _attribute_sets(len(names), maximum_attributes)
    parts = [_no_candidates(maximum_attributes)]
    for number, attributes in enumerate(attribute_sets):
        groups = _groups(laid_out, attributes)
        rows, columns, joint = _at_least(groups.joint, least)
        left, right = groups.left[rows], groups.right[columns]
        passed = reaches(confidence, joint, left) & reaches(lift, groups.n * joint, left * right)
        rows, columns, joint = rows[passed], columns[passed], joint[passed]
        best = _best_confidence(groups, rows, columns)
        gained = joint / left[passed] - best >= improvement - ROUNDING
        rows, columns, joint = rows[gained], columns[gained], joint[gained]
        chosen = np.full((len(rows), maximum_attributes), _UNKNOWN, np.int64)
        chosen[:, : len(attributes)] = groups.values[rows]
        parts.append(
            _Candidates(
                np.full(len(rows), number),
                chosen,
                columns,
                np.full(len(rows), groups.n, np.int64),
                groups.left[rows],
                groups.right[columns],
                joint,
                best[gained],
            )
        )
    rules = _Candidates(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    lefts = _antecedents(rules, attribute_sets, names, values)
    if never_together is not None and len(lefts):
        is_possible = _possible(lefts, items.take(pa.array(rules.items)), never_together)
        rules, lefts = rules.take(is_possible), lefts.filter(pa.array(is_possible))
    closeness = phi(rules.left, rules.right, rules.joint, rules.n).round(RANKED_DIGITS)
    order = np.argsort(-closeness, kind="stable")[:MAXIMUM_CANDIDATES]
    passed_count = len(closeness)
    rules, lefts = rules.take(order), lefts.take(pa.array(order))
    rights = _one_each(items.take(pa.array(rules.items)))
    bought, known = _as_baskets(mining)
    expected = expected_by_sizes(bought, lefts, rights, without_place=known)
    rules = rules._replace(best_confidence=np.maximum(rules.best_confidence, expected))
    gained = rules.joint / rules.left - rules.best_confidence >= improvement - ROUNDING
    rules = rules.take(gained)
    lefts, rights = lefts.filter(pa.array(gained)), rights.filter(pa.array(gained))
    table = measured_rules(
        lefts, rights, rules.n, rules.left, rules.right, rules.joint, rules.best_confidence
    )
    if holdout is None or not holdout.attributes.num_rows:
        table = untested(table)
    else:
        later = _laid_out(holdout, values, items)
        table = _proven(table, rules, later, attribute_sets, holdout)
    worth_it = pc.fill_null(table["is_held"], True).to_numpy()
    is_published = worth_it & (np.cumsum(worth_it) <= maximum_rules)
    field = PROFILE_RULES_SCHEMA.field("is_published")
    return ProfileRules(table.append_column(field, pa.array(is_published)), passed_count)


def _attribute_sets(count: int, maximum: int) -> list[tuple[int, ...]]:
    """Every choice of attributes, at least one."""
    return [
        chosen
        for size in range(1, min(count, maximum) + 1)
        for chosen in combinations(range(count), size)
    ]


def _no_candidates(maximum_attributes: int) -> _Candidates:
    """What the candidates of all choices of attributes are joined to, where there are none too."""
    none = np.empty(0, np.int64)
    values = np.empty((0, maximum_attributes), np.int64)
    return _Candidates(none, values, none, none, none, none, none, np.empty(0))


def _values(column: pa.ChunkedArray) -> pa.Array:
    """The known values of an attribute, in the order of their text."""
    known = pc.unique(column.cast(pa.string()).drop_null())
    return known.take(pc.sort_indices(known))


def _distinct(profiles: Profiles) -> pa.Table:
    """What each customer bought, once."""
    for name in ("customer", "item"):
        if profiles.purchases[name].null_count:
            raise ValueError(f"{name} of purchases must not be null")
    return (
        profiles.purchases.select(["customer", "item"]).group_by(["customer", "item"]).aggregate([])
    )


def _laid_out(profiles: Profiles, values: list[pa.Array], items: pa.Array) -> _Laid:
    """Lay out customers by numbers; items and values that are not asked for are left out."""
    count = profiles.attributes.num_rows
    codes = np.full((count, len(values)), _UNKNOWN, np.int64)
    for place, known in enumerate(values):
        column = profiles.attributes.column(place).cast(pa.string())
        codes[:, place] = pc.index_in(column, known).fill_null(_UNKNOWN).to_numpy()
    purchases = _distinct(profiles)
    customers = purchases["customer"].to_numpy()
    if len(customers) and not 0 <= customers.min() <= customers.max() < count:
        raise ValueError(f"customer of purchases must lie from 0 to {count - 1}")
    columns = pc.index_in(purchases["item"].cast(pa.string()), items).fill_null(_UNKNOWN).to_numpy()
    is_asked = columns != _UNKNOWN
    contents = csr_array(
        (np.ones(is_asked.sum(), np.int32), (customers[is_asked], columns[is_asked])),
        shape=(count, len(items)),
    )
    return _Laid(codes, contents)


def _groups(laid_out: _Laid, attributes: tuple[int, ...]) -> _Groups:
    """Count customers by their values of some attributes, and what each group bought."""
    codes = laid_out.codes[:, attributes]
    customers = np.flatnonzero((codes != _UNKNOWN).all(axis=1))
    values, group_of = _kinds(codes[customers])
    members = csr_array(
        (np.ones(len(customers), np.int32), (group_of, customers)),
        shape=(len(values), len(laid_out.codes)),
    )
    joint = members @ laid_out.contents
    joint.sort_indices()
    left = np.bincount(group_of, minlength=len(values)).astype(np.int64)
    return _Groups(values, len(customers), left, joint.sum(axis=0).astype(np.int64), joint)


def _kinds(codes: Codes) -> tuple[Codes, NDArray[np.int64]]:
    """Give the different rows in their order, and which of them each row is."""
    kind_of = np.zeros(len(codes), np.int64)
    first = np.zeros(min(len(codes), 1), np.int64)
    for column in codes.T:  # one by one: numbers of all columns at once could be too large
        span = int(column.max(initial=0)) + 1
        _, first, kind_of = np.unique(
            kind_of * span + column, return_index=True, return_inverse=True
        )
    return codes[first], kind_of


def _at_least(
    joint: csr_array, least: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the groups and items that so many customers have both, and how many do."""
    enough = joint.data >= least
    rows = np.repeat(np.arange(joint.shape[0]), np.diff(joint.indptr))
    return rows[enough], joint.indices[enough].astype(np.int64), joint.data[enough].astype(np.int64)


def _at(joint: csr_array, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Counts:
    """Look up the customers of some groups with an item each."""
    if not len(rows):
        return np.empty(0, np.int64)  # scipy gives a sparse array of nothing
    found: Counts = joint[rows, columns].astype(np.int64)
    return found


def _best_confidence(
    groups: _Groups, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Find for rules the greatest confidence of some of their attributes, none included."""
    best: NDArray[np.float64] = groups.right[columns] / max(groups.n, 1)
    if not len(rows):
        return best
    size = groups.values.shape[1]
    for kept in (one for few in range(1, size) for one in combinations(range(size), few)):
        left, joint = _with_some(groups, kept, rows, columns)
        best = np.maximum(best, joint / left)
    return best


def _with_some(
    groups: _Groups, kept: tuple[int, ...], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[Counts, Counts]:
    """Count for rules the customers with some of their attributes, and who of them have the item.

    Args:
        groups: by all attributes of the rules.
        kept: which of them count.
        rows: the group of each rule, at least one.
        columns: its item.
    """
    _, kind_of = _kinds(groups.values[:, kept])
    left = np.zeros(int(kind_of.max()) + 1, np.int64)
    np.add.at(left, kind_of, groups.left)
    sums = csr_array(
        (np.ones(len(kind_of), np.int32), (kind_of, np.arange(len(kind_of)))),
        shape=(len(left), len(kind_of)),
    )
    asked, place = np.unique(kind_of[rows], return_inverse=True)
    return left[kind_of[rows]], _at(sums[asked] @ groups.joint, place, columns)


def _antecedents(
    rules: _Candidates,
    attribute_sets: list[tuple[int, ...]],
    names: list[str],
    values: list[pa.Array],
) -> pa.ListArray:
    """Write the left side of each rule, in the order of its text."""
    texts = [
        [f"{name}:{value}" for value in known.to_pylist()]
        for name, known in zip(names, values, strict=True)
    ]
    lists = [
        sorted(
            texts[attribute][code]
            for attribute, code in zip(attribute_sets[chosen], codes, strict=False)
        )
        for chosen, codes in zip(rules.attributes.tolist(), rules.values.tolist(), strict=True)
    ]
    return pa.array(lists, pa.list_(pa.string()))


def _possible(lefts: pa.ListArray, rights: pa.Array, never_together: pa.Table) -> NDArray[np.bool_]:
    """Tell which rules hold no pair that is true by construction."""
    pairs = set(
        zip(
            never_together["item"].to_pylist(),
            never_together["other"].to_pylist(),
            strict=True,
        )
    )
    return np.array(
        [
            not any((one, right) in pairs for one in left)
            for left, right in zip(lefts.to_pylist(), rights.to_pylist(), strict=True)
        ],
        np.bool_,
    )


def _one_each(items: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(range(len(items) + 1), pa.int32()), items)


def _proven(
    table: pa.Table,
    rules: _Candidates,
    later: _Laid,
    attribute_sets: list[tuple[int, ...]],
    holdout: Profiles,
) -> pa.Table:
    """Test rules on what customers bought later."""
    count = len(rules.items)
    counts = LaterCounts(*(np.zeros(count, np.int64) for _ in range(4)))
    fisher, idle = np.ones(count), np.full(count, np.nan)
    for number, chosen, groups in _later_groups(rules, later, attribute_sets):
        columns = rules.items[chosen]
        place_of = {tuple(row): place for place, row in enumerate(groups.values.tolist())}
        size = len(attribute_sets[number])
        places = np.array(
            [place_of.get(tuple(row), -1) for row in rules.values[chosen, :size].tolist()], np.int64
        )
        counts.n[chosen] = groups.n
        counts.right[chosen] = groups.right[columns]
        if size > 1:
            idle[chosen] = np.where(places >= 0, 0.0, 1.0)
        # nobody of a group is there later: nothing is proven of it
        chosen, places, columns = (column[places >= 0] for column in (chosen, places, columns))
        counts.left[chosen] = groups.left[places]
        counts.joint[chosen] = _at(groups.joint, places, columns)
        fisher[chosen] = fisher_p_values(*(column[chosen] for column in counts))
        for kept in combinations(range(size), size - 1) if size > 1 and len(chosen) else ():
            fewer, fewer_with_item = _with_some(groups, kept, places, columns)
            of_one = fisher_p_values(
                fewer, counts.left[chosen], fewer_with_item, counts.joint[chosen]
            )
            idle[chosen] = np.maximum(idle[chosen], of_one)
    bought, known = _as_baskets(holdout)
    sizes = against_basket_sizes(
        bought, table["antecedents"], table["consequents"], counts.joint, without_place=known
    )
    return proven(table, counts, fisher, sizes, idle)


def _later_groups(
    rules: _Candidates, later: _Laid, attribute_sets: list[tuple[int, ...]]
) -> Iterator[tuple[int, NDArray[np.int64], _Groups]]:
    """Yield each set of attributes that rules have, with these rules and its groups."""
    for number in np.unique(rules.attributes).tolist():
        yield (
            number,
            np.flatnonzero(rules.attributes == number),
            _groups(later, attribute_sets[number]),
        )


def _as_baskets(profiles: Profiles) -> tuple[Baskets, set[str]]:
    """Lay out what customers bought as baskets, with what is known of them, and tell the latter.

    It is there to be looked up, and takes no place: else customers who are known better would have
    larger baskets.
    """
    customers = pa.array(range(profiles.attributes.num_rows), pa.int64())
    known = pa.concat_tables(
        [
            pa.table({"order_id": pa.array([], pa.int64()), "item": pa.array([], pa.string())}),
            *(
                pa.table(
                    {
                        "order_id": customers,
                        "item": pc.binary_join_element_wise(
                            f"{name}:", profiles.attributes[name].cast(pa.string()), ""
                        ),
                    }
                ).drop_null()
                for name in profiles.attributes.column_names
            ),
        ]
    )
    bought = pa.table(
        {
            "order_id": profiles.purchases["customer"].cast(pa.int64()),
            "item": profiles.purchases["item"].cast(pa.string()),
        }
    )
    return (
        baskets(pa.concat_tables([known, bought]), profiles.attributes.num_rows),
        set(pc.unique(known["item"]).to_pylist()),
    )
