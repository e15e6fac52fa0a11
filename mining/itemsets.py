"""Frequent itemsets: pairs by a sparse product, larger sets by FP-growth over what pairs leave.

FP-growth: Han, Pei, Yin (2000), Mining Frequent Patterns without Candidate Generation, by mlxtend.
Trimming: Park, Chen, Yu (1995), An Effective Hash-Based Algorithm for Mining Association Rules.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from mlxtend.frequent_patterns import fpgrowth
from scipy.sparse import csr_array, vstack

from mining.baskets import Baskets

ITEMSETS_SCHEMA = pa.schema([("items", pa.list_(pa.string())), ("basket_count", pa.int64())])

_BLOCK = 50_000  # baskets trimmed at a time, which bounds the memory of it


def frequent_itemsets(
    baskets: Baskets, minimum_count: int, *, maximum_items: int | None = None
) -> pa.Table:
    """Find every set of items that stands in at least `minimum_count` baskets.

    Args:
        baskets: from `mining.baskets`.
        minimum_count: from `mining.thresholds.minimum_count`; at least 1.
        maximum_items: items in a set at most; None for no limit.

    Returns:
        `items` (in the order of their text) and `basket_count` (the baskets that hold them all),
        smaller sets first, then in the order of their items.

    Raises:
        ValueError: where `minimum_count` or `maximum_items` is below 1.
    """
    if minimum_count < 1:
        raise ValueError(f"minimum_count must be at least 1, got {minimum_count}")
    if maximum_items is not None and maximum_items < 1:
        raise ValueError(f"maximum_items must be at least 1, got {maximum_items}")
    found: dict[tuple[int, ...], int] = {}
    for itemset, count in _frequent_columns(baskets.contents, minimum_count, maximum_items):
        found[itemset] = count
    itemsets = sorted(found, key=lambda itemset: (len(itemset), itemset))
    return pa.table(
        [
            [[baskets.items[item] for item in itemset] for itemset in itemsets],
            [found[itemset] for itemset in itemsets],
        ],
        schema=ITEMSETS_SCHEMA,
    )


def _frequent_columns(
    contents: csr_array, minimum_count: int, maximum_items: int | None
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield each frequent set of columns, its columns ascending, with its number of rows."""
    counts = contents.sum(axis=0, dtype=np.int32)
    frequent = np.flatnonzero(counts >= minimum_count)
    yield from (((int(column),), int(counts[column])) for column in frequent)
    if maximum_items == 1 or len(frequent) < 2:
        return

    contents = contents[:, frequent].astype(np.int32)
    together = (contents.T @ contents).tocoo()
    is_frequent = (together.data >= minimum_count) & (together.row != together.col)
    left, right = together.row[is_frequent], together.col[is_frequent]
    for place, other, count in zip(left, right, together.data[is_frequent], strict=True):
        if place < other:
            yield (int(frequent[place]), int(frequent[other])), int(count)
    if maximum_items == 2:
        return

    partners = csr_array((np.ones(len(left), dtype=np.int32), (left, right)), shape=together.shape)
    trimmed = _trim(contents, partners)
    columns = np.flatnonzero(trimmed.sum(axis=0, dtype=np.int32) >= minimum_count)
    if len(columns) < 3:
        return
    for places, count in _fpgrowth(trimmed[:, columns], minimum_count, maximum_items):
        if len(places) > 2:
            yield tuple(sorted(int(frequent[columns[place]]) for place in places)), count


def _trim(contents: csr_array, partners: csr_array) -> csr_array:
    """Leave out what cannot be part of a frequent set of three in its own basket.

    An item of such a set forms a frequent pair with the two others; `partners` is 1 for each
    frequent pair, both ways. FP-growth in Python takes time for each item of each basket, and most
    of a grocer's go here.
    """
    blocks = []
    for first in range(0, contents.shape[0], _BLOCK):
        block = contents[first : first + _BLOCK]
        company = (block @ partners).multiply(block).tocsr()
        company.data = company.data >= 2
        company.eliminate_zeros()
        blocks.append(company[np.diff(company.indptr) >= 3])
    return vstack(blocks, format="csr")


def _fpgrowth(
    contents: csr_array, minimum_count: int, maximum_items: int | None
) -> Iterator[tuple[frozenset[int], int]]:
    """Yield the frequent sets of columns that mlxtend finds, each with its number of rows."""
    row_count = contents.shape[0]
    # mlxtend compares supports as floats; asked for a value midway between two counts, it cannot
    # take a count for its neighbour.
    found = fpgrowth(
        pd.DataFrame.sparse.from_spmatrix(contents),  # type: ignore[attr-defined]
        min_support=(minimum_count - 0.5) / row_count,
        max_len=maximum_items,
    )
    for itemset, support in zip(found["itemsets"], found["support"], strict=True):
        yield itemset, round(support * row_count)
