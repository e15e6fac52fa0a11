"""Frequent itemsets: by our own search over occurrence lists, or by mlxtend, the reference.

FP-growth: Han, Pei, Yin (2000), Mining Frequent Patterns without Candidate Generation, by mlxtend.
"""

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from mlxtend.frequent_patterns import fpgrowth
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mining.baskets import Baskets
from mining.occurrence_lists import NO_LIMIT, ColumnSets, frequent_column_sets

Engine = Literal["occurrence_lists", "mlxtend"]

ITEMSETS_SCHEMA: Final = pa.schema([("items", pa.list_(pa.string())), ("basket_count", pa.int64())])


class TooManyItemsetsError(ValueError):
    """More itemsets are frequent than anybody could read: the minimum is too low."""


def frequent_itemsets(
    baskets: Baskets,
    minimum_count: int,
    *,
    maximum_items: int | None = None,
    maximum_itemsets: int | None = None,
    engine: Engine = "occurrence_lists",
) -> pa.Table:
    """Find every set of items that stands in at least `minimum_count` baskets.

    Args:
        baskets: from `mining.baskets`.
        minimum_count: from `mining.thresholds.minimum_count`; at least 1.
        maximum_items: items in a set at most; None for no limit.
        maximum_itemsets: the search is given up where there are more; None for no limit.
        engine: who searches; both find the same. mlxtend takes many times as long, and its memory
            grows with baskets times items.

    Returns:
        `items` (in the order of their text) and `basket_count` (the baskets that hold them all),
        smaller sets first, then in the order of their items.

    Raises:
        ValueError: where `minimum_count` or `maximum_items` is below 1.
        TooManyItemsetsError: where there are more than `maximum_itemsets`.
    """
    if minimum_count < 1:
        raise ValueError(f"minimum_count must be at least 1, got {minimum_count}")
    if maximum_items is not None and maximum_items < 1:
        raise ValueError(f"maximum_items must be at least 1, got {maximum_items}")
    contents = baskets.contents
    limit = NO_LIMIT if maximum_itemsets is None else maximum_itemsets
    found: ColumnSets | None
    if engine == "mlxtend":
        found = _by_mlxtend(contents, minimum_count, maximum_items)
    else:
        found = frequent_column_sets(
            contents.indptr,
            contents.indices,
            contents.shape[1],
            minimum_count,
            maximum_items or NO_LIMIT,
            limit,
        )
    if found is None or len(found.ends) > limit:
        raise TooManyItemsetsError(
            f"more than {limit:,} sets of items stand in {minimum_count:,} baskets or more"
        )
    tables = [_table(columns, row_counts, baskets.items) for columns, row_counts in _by_size(found)]
    return pa.concat_tables(tables) if tables else ITEMSETS_SCHEMA.empty_table()


def _by_size(found: ColumnSets) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """Yield the sets of each size as the rows of a matrix, in the order of their columns."""
    begins = np.concatenate(([0], found.ends[:-1]))
    sizes = found.ends - begins
    for size in np.unique(sizes):
        chosen = np.flatnonzero(sizes == size)
        columns = np.sort(found.columns[begins[chosen, None] + np.arange(size)], axis=1)
        order = np.lexsort(columns.T[::-1])
        yield columns[order], found.row_counts[chosen][order]


def _table(columns: NDArray[np.int32], row_counts: NDArray[np.int64], items: list[str]) -> pa.Table:
    """Lay out sets of one size, of columns in the order of their items' text."""
    count, size = columns.shape
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * size)
    texts = pa.array(items, pa.string()).take(pa.array(columns.reshape(-1)))
    return pa.table([pa.ListArray.from_arrays(offsets, texts), row_counts], schema=ITEMSETS_SCHEMA)


def _by_mlxtend(contents: csr_array, minimum_count: int, maximum_items: int | None) -> ColumnSets:
    """Find the sets by mlxtend's FP-growth."""
    row_count = contents.shape[0]
    sets: list[list[int]] = []
    row_counts: list[int] = []
    if row_count >= minimum_count:
        # mlxtend compares supports as floats; asked for a value midway between two counts, it
        # cannot take a count for its neighbour.
        found = fpgrowth(
            pd.DataFrame.sparse.from_spmatrix(contents),  # type: ignore[attr-defined]
            min_support=(minimum_count - 0.5) / row_count,
            max_len=maximum_items,
        )
        sets = [list(itemset) for itemset in found["itemsets"]]
        row_counts = [round(support * row_count) for support in found["support"]]
    return ColumnSets(
        np.array([column for one in sets for column in one], np.int32),
        np.cumsum([len(one) for one in sets], dtype=np.int64),
        np.array(row_counts, np.int64),
    )
