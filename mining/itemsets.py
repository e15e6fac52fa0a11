"""Frequent itemsets: by our own search over occurrence lists, or by mlxtend, the reference.

FP-growth: Han, Pei, Yin (2000), Mining Frequent Patterns without Candidate Generation, by mlxtend.
"""

from typing import Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from mlxtend.frequent_patterns import fpgrowth
from numpy.typing import NDArray

from mining.baskets import Baskets
from mining.occurrence_lists import NO_LIMIT, ColumnSets, count_column_sets, frequent_column_sets

Engine = Literal["occurrence_lists", "mlxtend"]
Kind = Literal["all", "closed", "maximal"]

ITEMSETS_SCHEMA: Final = pa.schema(
    [
        ("items", pa.list_(pa.string())),
        ("item_numbers", pa.list_(pa.int32())),
        ("parents", pa.list_(pa.int64())),
        ("basket_count", pa.int64()),
    ]
)


class TooManyItemsetsError(ValueError):
    """More itemsets are frequent than anybody could read: the minimum is too low."""


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
        maximum_itemsets: the search is given up where there are more, of all kinds; None for no
            limit.
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
        ValueError: where `minimum_count` or `maximum_items` is below 1.
        TooManyItemsetsError: where there are more than `maximum_itemsets`.
    """
    if minimum_count < 1:
        raise ValueError(f"minimum_count must be at least 1, got {minimum_count}")
    if maximum_items is not None and maximum_items < 1:
        raise ValueError(f"maximum_items must be at least 1, got {maximum_items}")
    limit = NO_LIMIT if maximum_itemsets is None else maximum_itemsets
    apart = _columns_apart(never_together, baskets.items)
    found: ColumnSets | None
    if engine == "mlxtend":
        found = _by_mlxtend(baskets, minimum_count, maximum_items, apart)
    else:
        found = frequent_column_sets(
            baskets.contents.indptr,
            baskets.contents.indices,
            len(baskets.items),
            minimum_count,
            maximum_items or NO_LIMIT,
            limit,
            apart,
        )
    if found is None or len(found.ends) > limit:
        raise TooManyItemsetsError(
            f"more than {limit:,} sets of items stand in {minimum_count:,} baskets or more"
        )
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


def _columns_apart(never_together: pa.Table | None, items: list[str]) -> NDArray[np.int32]:
    """Pairs of columns that are never in one set, both ways round: a matrix of two columns."""
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


def _table(found: ColumnSets, items: list[str], kind: Kind) -> pa.Table:
    """Lay out the sets in their order, with their parents.

    Sets of one size in the order of their columns have ascending keys: the row of the set without
    the last column, times the number of columns, plus that column. So a set is found by steps of
    a search among keys, one for each column.
    """
    begins = np.concatenate(([0], found.ends[:-1]))
    sizes = found.ends - begins
    keys: list[NDArray[np.int64]] = []  # of each size from 1
    columns_of: list[NDArray[np.int32]] = []
    parents_of: list[NDArray[np.int64]] = []  # rows among the sets of one item less
    counts_of: list[NDArray[np.int64]] = []
    for size in range(1, int(sizes.max(initial=0)) + 1):
        chosen = np.flatnonzero(sizes == size)
        columns = np.sort(found.columns[begins[chosen, None] + np.arange(size)], axis=1)
        order = _order(columns, len(items))
        columns = columns[order]
        last = columns[:, -1].astype(np.int64)
        parents = np.empty((len(columns), size if size > 1 else 0), np.int64)
        if size == 1:
            keys.append(last)
        else:
            prefix = np.searchsorted(keys[0], columns[:, 0])
            for step in range(1, size - 1):
                prefix = np.searchsorted(keys[step], prefix * len(items) + columns[:, step])
            parents[:, -1] = prefix
            for place in range(size - 1):
                parents[:, place] = (
                    np.searchsorted(
                        keys[size - 2], parents_of[-1][prefix, place] * len(items) + last
                    )
                    if size > 2
                    else np.searchsorted(keys[0], last)
                )
            keys.append(prefix * len(items) + last)
        columns_of.append(columns)
        parents_of.append(parents)
        counts_of.append(found.row_counts[chosen][order])

    tables = [ITEMSETS_SCHEMA.empty_table()]
    texts = pa.array(items, pa.string())
    first = 0  # row of the whole table where the sets of one item less begin
    for index, (columns, counts) in enumerate(zip(columns_of, counts_of, strict=True)):
        parents = parents_of[index] + first
        if index > 0:
            first += len(parents_of[index - 1])
        kept = np.arange(len(columns))
        if kind != "all":
            is_kept = np.ones(len(columns), np.bool_)
            if index + 1 < len(parents_of):
                larger = parents_of[index + 1]
                covers = np.ones(larger.shape, np.bool_)
                if kind == "closed":
                    covers = counts[larger] == counts_of[index + 1][:, None]
                is_kept[larger[covers]] = False
            kept = np.flatnonzero(is_kept)
        numbers = pa.array(columns[kept].reshape(-1))
        tables.append(
            pa.table(
                [
                    _lists(texts.take(numbers), len(kept)),
                    _lists(numbers, len(kept)),
                    _lists(pa.array(parents.reshape(-1)), len(kept))
                    if kind == "all"
                    else pa.nulls(len(kept), pa.list_(pa.int64())),
                    counts[kept],
                ],
                schema=ITEMSETS_SCHEMA,
            )
        )
    return pa.concat_tables(tables)


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


def _lists(values: pa.Array, count: int) -> pa.ListArray:
    """Part values into lists of one length."""
    length = len(values) // max(1, count)
    return pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * length, values)


def _by_mlxtend(
    baskets: Baskets, minimum_count: int, maximum_items: int | None, apart: NDArray[np.int32]
) -> ColumnSets:
    """Find the sets by mlxtend's FP-growth."""
    row_count = baskets.contents.shape[0]
    sets: list[list[int]] = []
    row_counts: list[int] = []
    if row_count >= minimum_count:
        # mlxtend compares supports as floats; asked for a value midway between two counts, it
        # cannot take a count for its neighbour.
        found = fpgrowth(
            pd.DataFrame.sparse.from_spmatrix(baskets.contents),  # type: ignore[attr-defined]
            min_support=(minimum_count - 0.5) / row_count,
            max_len=maximum_items,
        )
        pairs = [frozenset(pair) for pair in apart.tolist()]
        for itemset, support in zip(found["itemsets"], found["support"], strict=True):
            if not any(pair <= itemset for pair in pairs):
                sets.append(list(itemset))
                row_counts.append(round(support * row_count))
    return ColumnSets(
        np.array([column for one in sets for column in one], np.int32),
        np.cumsum([len(one) for one in sets], dtype=np.int64),
        np.array(row_counts, np.int64),
    )
