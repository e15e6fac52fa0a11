"""Frequent itemsets: by our own search over occurrence lists, or by mlxtend, the reference.

FP-growth: Han, Pei, Yin (2000), Mining Frequent Patterns without Candidate Generation, by mlxtend.
"""

from decimal import ROUND_CEILING, Context, Decimal
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mining.baskets import Baskets
from mining.memory import memory_limit
from mining.occurrence_lists import NO_LIMIT, ColumnSets, count_column_sets, frequent_column_sets

Engine = Literal["occurrence_lists", "mlxtend"]
Kind = Literal["all", "closed", "maximal"]

# Of each size from 1: a matrix of one row of ascending columns for each set, and the sets' counts.
SetsBySize: TypeAlias = list[tuple[NDArray[np.int32], NDArray[np.int64]]]

BYTES_OF_AN_ITEM: Final = 64  # of a set, while the result is laid out

ITEMSETS_SCHEMA: Final = pa.schema(
    [
        ("items", pa.list_(pa.string())),
        ("item_numbers", pa.list_(pa.int32())),
        ("parents", pa.list_(pa.int64())),
        ("basket_count", pa.int64()),
    ]
)


class TooManyItemsetsError(ValueError):
    """More itemsets are frequent than were wanted, or than memory holds: the minimum is too low.

    Attributes:
        fitting_count: the lowest minimum count with which there are not too many.
    """

    def __init__(self, message: str, fitting_count: int) -> None:
        super().__init__(message)
        self.fitting_count = fitting_count


def frequent_itemsets(
    baskets: Baskets,
    minimum_count: int,
    *,
    kind: Kind = "all",
    maximum_items: int | None = None,
    maximum_itemsets: int | None = None,
    never_together: pa.Table | None = None,
    engine: Engine = "occurrence_lists",
) -> pa.Table:
    """Find every set of items that stands in at least `minimum_count` baskets.

    Args:
        baskets: from `mining.baskets`.
        minimum_count: from `mining.thresholds.minimum_count`; at least 1.
        kind: of the sets found, "all"; "closed": those without a superset, found too, of the same
            count; or "maximal": those without a superset found. What `maximum_items` and
            `never_together` rule out is not found: with a limit of two items every pair is maximal.
        maximum_items: items in a set at most; None for no limit.
        maximum_itemsets: the search stops storing where there are more, of all kinds, and only
            looks for the count that fits; None for as many as memory holds.
        never_together: `item` and `other` (text): pairs of which no set may hold both, such as an
            item and its own category (Srikant and Agrawal 1995, Mining Generalized Association
            Rules). Items that no basket holds, and an item beside itself, are passed over.
        engine: who searches; both find the same. mlxtend takes many times as long, and its memory
            grows with baskets times items.

    Returns:
        `ITEMSETS_SCHEMA`: `items` in the order of their text, `item_numbers` (the same as column
        numbers of `baskets.items`), `parents` (for each item of the set the row, counted from 0,
        of the set without it; empty for single items, null for other kinds than all) and
        `basket_count` (the baskets that hold them all); smaller sets first, then in the order of
        their items.

    Raises:
        ValueError: where `minimum_count` or `maximum_items` is below 1, or `kind` unknown.
        TooManyItemsetsError: where there are more than `maximum_itemsets`, or than half of the
            memory holds (`mining.memory`).
    """
    if minimum_count < 1:
        raise ValueError(f"minimum_count must be at least 1, got {minimum_count}")
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
    if maximum_items is not None and maximum_items < 1:
        raise ValueError(f"maximum_items must be at least 1, got {maximum_items}")
    apart = columns_apart(never_together, baskets.items)
    limit = NO_LIMIT if maximum_itemsets is None else maximum_itemsets
    if engine == "mlxtend":
        found = _by_mlxtend(baskets, minimum_count, maximum_items, apart)
        counts = np.concatenate([counts for _, counts in found] or [np.empty(0, np.int64)])
        if len(counts) > limit:
            fitting_count = int(np.sort(counts)[len(counts) - limit - 1]) + 1
            raise _too_many(maximum_itemsets, minimum_count, fitting_count, baskets.basket_count)
    else:
        searched = frequent_column_sets(
            baskets.contents.indptr,
            baskets.contents.indices,
            len(baskets.items),
            minimum_count,
            maximum_size=maximum_items or NO_LIMIT,
            maximum_sets=limit,
            maximum_cells=_items_that_fit(),
            apart=apart,
        )
        if isinstance(searched, int):
            raise _too_many(maximum_itemsets, minimum_count, searched, baskets.basket_count)
        found = _by_size(searched)
    return _table(found, baskets.items, kind)


def count_itemsets(baskets: Baskets, itemsets: pa.ListArray | pa.ChunkedArray) -> NDArray[np.int64]:
    """Count the baskets that hold all items of each given set.

    Args:
        baskets: from `mining.baskets`, such as those of a later time.
        itemsets: lists of text; an item that no basket holds makes its set's count 0; a repeated
            item counts once; the empty set stands in every basket.

    Returns:
        One number for each set.

    Raises:
        ValueError: where a set or an item is null.
    """
    if isinstance(itemsets, pa.ChunkedArray):
        itemsets = itemsets.combine_chunks()
    items = itemsets.flatten()
    if itemsets.null_count or items.null_count:
        raise ValueError("itemsets must not be null, and hold no null item")
    columns = pc.index_in(items.cast(pa.string()), pa.array(baskets.items, pa.string()))
    ends = np.cumsum(pc.list_value_length(itemsets).to_numpy(zero_copy_only=False))
    counts = count_column_sets(
        baskets.contents.indptr,
        baskets.contents.indices,
        len(baskets.items),
        columns.fill_null(-1).to_numpy(),
        ends,
    )
    counts[np.diff(ends, prepend=0) == 0] = baskets.basket_count
    return counts


def columns_apart(never_together: pa.Table | None, items: list[str]) -> NDArray[np.int32]:
    """Number the pairs that are never together, both ways round: a matrix of two columns.

    Args:
        never_together: `item` and `other`; pairs of items that are not among `items` are left out.
        items: in the order of their numbers.
    """
    if never_together is None:
        return np.empty((0, 2), np.int32)
    known = pa.array(items, pa.string())
    pair = [
        pc.index_in(never_together[name].cast(pa.string()), known).fill_null(-1).to_numpy()
        for name in ("item", "other")
    ]
    pairs = np.column_stack(pair).astype(np.int32)
    pairs = pairs[(pairs >= 0).all(axis=1) & (pairs[:, 0] != pairs[:, 1])]
    return np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)


def _items_that_fit() -> int:
    """Items of all sets together that half of the memory holds."""
    return memory_limit() // 2 // BYTES_OF_AN_ITEM


def _too_many(
    maximum_itemsets: int | None, minimum_count: int, fitting_count: int, basket_count: int
) -> TooManyItemsetsError:
    """The error that says what would fit."""
    wanted = "" if maximum_itemsets is None else f" than {maximum_itemsets:,}, or"
    # rounded up: a support below would not fit
    support = Context(prec=3, rounding=ROUND_CEILING).divide(Decimal(fitting_count), basket_count)
    return TooManyItemsetsError(
        f"more sets of items{wanted} than memory holds stand in {minimum_count:,} baskets or more:"
        f" a minimum count of {fitting_count:,} would fit, a support of {support:f}",
        fitting_count,
    )


def _by_size(found: ColumnSets) -> SetsBySize:
    """Gather each set's columns from the sets that it extends."""
    matrices = []
    for size in range(1, int(found.sizes.max(initial=0)) + 1):
        chosen = np.flatnonzero(found.sizes == size)
        at: NDArray[np.integer[Any]] = chosen
        columns = np.empty((len(chosen), size), np.int32)
        for place in range(size):
            columns[:, place] = found.columns[at]
            at = found.parents[at]
        columns.sort(axis=1)
        matrices.append((columns, found.row_counts[chosen].astype(np.int64)))
    return matrices


def _table(found: SetsBySize, items: list[str], kind: Kind) -> pa.Table:
    """Lay out the sets in their order, with their parents."""
    texts = pa.array(items, pa.string())
    ordered = []
    for columns, counts in found:
        order = _order(columns, len(items))
        ordered.append((columns[order], counts[order]))
    parents_of = _parents([columns for columns, _ in ordered], len(items))
    tables = [ITEMSETS_SCHEMA.empty_table()]
    first = 0  # the row where the sets of one item less begin
    for index, (columns, counts) in enumerate(ordered):
        if kind == "all":
            # a list array holds 2^31 values at most
            step = max(1, NO_LIMIT // columns.shape[1])
            for begin in range(0, len(columns), step):
                part = slice(begin, begin + step)
                parents = pa.array((parents_of[index][part] + first).reshape(-1))
                tables.append(_part(texts, columns[part], counts[part], parents))
        else:
            is_covered = np.zeros(len(columns), np.bool_)
            if index + 1 < len(ordered):
                larger = parents_of[index + 1]
                if kind == "closed":
                    larger = larger[counts[larger] == ordered[index + 1][1][:, None]]
                is_covered[larger] = True
            tables.append(_part(texts, columns[~is_covered], counts[~is_covered], None))
        if index > 0:
            first += len(ordered[index - 1][0])
    return pa.concat_tables(tables)


def _part(
    texts: pa.Array, columns: NDArray[np.int32], counts: NDArray[np.int64], parents: pa.Array | None
) -> pa.Table:
    """Lay out sets of one size."""
    numbers = pa.array(columns.reshape(-1))
    count = len(columns)
    return pa.table(
        [
            _lists(texts.take(numbers), count),
            _lists(numbers, count),
            pa.nulls(count, pa.list_(pa.int64())) if parents is None else _lists(parents, count),
            counts,
        ],
        schema=ITEMSETS_SCHEMA,
    )


def _lists(values: pa.Array, count: int) -> pa.ListArray:
    """Part values into lists of one length."""
    length = len(values) // max(1, count)
    return pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * length, values)


def _parents(columns_of: list[NDArray[np.int32]], column_count: int) -> list[NDArray[np.int64]]:
    """For each column of each set the row of the set without it, among those of that size.

    Sets of one size in the order of their columns have ascending keys: the row of the set without
    its last column, times the number of columns, plus that column. So a set is found by one search
    among the keys of each size up to its own.
    """
    keys: list[NDArray[np.int64]] = []
    parents_of: list[NDArray[np.int64]] = []
    for index, columns in enumerate(columns_of):
        last = columns[:, -1].astype(np.int64)
        if index == 0:
            keys.append(last)
            parents_of.append(np.empty((len(columns), 0), np.int64))
            continue
        prefix = np.searchsorted(keys[0], columns[:, 0])
        for step in range(1, index):
            prefix = np.searchsorted(keys[step], prefix * column_count + columns[:, step])
        parents = np.empty(columns.shape, np.int64)
        parents[:, -1] = prefix
        for place in range(index):
            without = parents_of[-1][prefix, place] * column_count if index > 1 else 0
            parents[:, place] = np.searchsorted(keys[index - 1], without + last)
        keys.append(prefix * column_count + last)
        parents_of.append(parents)
    return parents_of


def _order(columns: NDArray[np.int32], column_count: int) -> NDArray[np.int64]:
    """The order of rows by their columns from the first on, as many packed in one key as fit."""
    together = max(1, 63 // max(1, column_count.bit_length()))
    keys = []
    for begin in range(0, columns.shape[1], together):
        key = np.zeros(len(columns), np.int64)
        for column in columns[:, begin : begin + together].T:
            key = key * column_count + column
        keys.append(key)
    return np.argsort(keys[0]) if len(keys) == 1 else np.lexsort(keys[::-1])


def _by_mlxtend(
    baskets: Baskets, minimum_count: int, maximum_items: int | None, apart: NDArray[np.int32]
) -> SetsBySize:
    """Find the sets by mlxtend's FP-growth."""
    # Imported where they are asked for: they take memory and time to load.
    import pandas as pd
    from mlxtend.frequent_patterns import fpgrowth

    row_count = baskets.contents.shape[0]
    if row_count < minimum_count:
        return []
    # mlxtend compares supports as floats; asked for a value midway between two counts, it
    # cannot take a count for its neighbour.
    found = fpgrowth(
        pd.DataFrame.sparse.from_spmatrix(baskets.contents),  # type: ignore[attr-defined]
        min_support=(minimum_count - 0.5) / row_count,
        max_len=maximum_items,
    )
    pairs = [frozenset(pair) for pair in apart.tolist()]
    by_size: dict[int, tuple[list[list[int]], list[int]]] = {}
    for itemset, support in zip(found["itemsets"], found["support"], strict=True):
        if not any(pair <= itemset for pair in pairs):
            sets, row_counts = by_size.setdefault(len(itemset), ([], []))
            sets.append(sorted(itemset))
            row_counts.append(round(support * row_count))
    return [
        (np.array(sets, np.int32), np.array(row_counts, np.int64))
        for _, (sets, row_counts) in sorted(by_size.items())
    ]
