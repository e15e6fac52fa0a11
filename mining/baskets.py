"""Baskets: which distinct items were bought together, as a sparse matrix."""

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Positions of lines are 32-bit numbers throughout the mining: half the memory of 64-bit ones.
MAXIMUM_LINES: Final = 2**31 - 1

_SPARSE = 4  # numbers of orders that span more than this times the lines are encoded first


class Baskets(NamedTuple):
    """Baskets by items.

    Attributes:
        contents: boolean, one row for each basket with an item, one column for each item; columns
            stand in no order within a row.
        items: the items of the columns, in the order of their text.
        basket_count: all baskets, those without an item included: the base of every support.
    """

    contents: csr_array
    items: list[str]
    basket_count: int


def baskets(basket_items: pa.Table, basket_count: int) -> Baskets:
    """Lay out baskets as a sparse matrix; which row is which basket is left open.

    Args:
        basket_items: `order_id` (text or number) and `item` (text), without nulls; a repeated row
            counts once. Fastest are whole numbers without great gaps and items in a dictionary.
        basket_count: number of baskets, those without an item included.

    Raises:
        ValueError: where a column is missing or has nulls, or `basket_items` has more baskets
            than `basket_count` or more lines than `MAXIMUM_LINES`.
    """
    for name in ("order_id", "item"):
        if name not in basket_items.column_names:
            raise ValueError(f"basket_items must have a column {name}: {basket_items.column_names}")
    if basket_items.num_rows > MAXIMUM_LINES:
        raise ValueError(
            f"basket_items must have at most {MAXIMUM_LINES:,} lines, got {basket_items.num_rows:,}"
        )
    orders, lowest, order_span = _numbered_orders(basket_items["order_id"])
    numbers, texts = _encoded("item", basket_items["item"])
    chunks = [
        (batch["order"].to_numpy(), batch["item"].to_numpy())
        for batch in pa.table({"order": orders, "item": numbers}).to_batches()
    ]

    sizes = np.zeros(order_span, np.int32)
    occurrences = np.zeros(len(texts), np.int32)
    for order, number in chunks:
        _count_lines(order, lowest, number, sizes, occurrences)
    found = np.flatnonzero(occurrences)
    texts = texts.take(pa.array(found))
    if texts.null_count:
        raise ValueError("item of basket_items must not be null")
    distinct = texts.cast(pa.string()).dictionary_encode()  # a given dictionary may repeat a text
    by_text = pc.sort_indices(distinct.dictionary).to_numpy()
    rank = np.empty(len(by_text), np.int32)
    rank[by_text] = np.arange(len(by_text), dtype=np.int32)
    column_of = np.zeros(len(occurrences), np.int32)
    column_of[found] = rank[distinct.indices.to_numpy()]

    row_count, ends = _row_starts(sizes)
    if row_count > basket_count:
        raise ValueError(
            f"basket_count must be at least the {row_count} baskets with items, got {basket_count}"
        )
    columns = np.empty(basket_items.num_rows, np.int32)
    for order, number in chunks:
        _fill_rows(order, lowest, number, column_of, ends, columns)
    indptr, kept = _distinct_rows(ends, row_count, columns, len(by_text))
    columns = columns[:kept]
    contents = csr_array(
        (np.ones(kept, np.bool_), columns, indptr), shape=(row_count, len(by_text))
    )
    return Baskets(contents, distinct.dictionary.take(by_text).to_pylist(), basket_count)


def _numbered_orders(orders: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int, int]:
    """Orders as whole numbers, the lowest of them, and how many numbers they span."""
    if orders.null_count:
        raise ValueError("order_id of basket_items must not be null")
    if pa.types.is_integer(orders.type) and len(orders):
        extremes = pc.min_max(orders)
        lowest = extremes["min"].as_py()
        span = extremes["max"].as_py() - lowest + 1
        if span <= _SPARSE * len(orders) and extremes["max"].as_py() < 2**63:
            return orders.cast(pa.int64()), lowest, span
    numbers, texts = _encoded("order_id", orders)
    return numbers, 0, len(texts)


def _encoded(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.Array]:
    """A column as 32-bit numbers of the entries of a dictionary; an entry may be null or unused."""
    if column.null_count:
        raise ValueError(f"{name} of basket_items must not be null")
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries()
    numbers = pa.chunked_array([chunk.indices for chunk in column.chunks], column.type.index_type)
    dictionary = column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.string())
    return numbers.cast(pa.int32()), dictionary


@njit(cache=True)
def _count_lines(
    orders: NDArray[Any],
    lowest: int,
    numbers: NDArray[np.int32],
    sizes: NDArray[np.int32],
    occurrences: NDArray[np.int32],
) -> None:
    """Add the lines of each order and of each item."""
    for line in range(len(orders)):
        sizes[orders[line] - lowest] += 1
        occurrences[numbers[line]] += 1


@njit(cache=True)
def _row_starts(sizes: NDArray[np.int32]) -> Any:
    """Turn each order's size into where its row begins; count the orders that have a size."""
    row_count = 0
    begin = np.int32(0)
    for order in range(len(sizes)):
        size = sizes[order]
        sizes[order] = begin
        begin += size
        row_count += size > 0
    return row_count, sizes


@njit(cache=True)
def _fill_rows(
    orders: NDArray[Any],
    lowest: int,
    numbers: NDArray[np.int32],
    column_of: NDArray[np.int32],
    ends: NDArray[np.int32],
    columns: NDArray[np.int32],
) -> None:
    """Put each line's column into its order's row; `ends` says where each row ends so far."""
    for line in range(len(orders)):
        order = orders[line] - lowest
        columns[ends[order]] = column_of[numbers[line]]
        ends[order] += 1


@njit(cache=True)
def _distinct_rows(
    ends: NDArray[np.int32], row_count: int, columns: NDArray[np.int32], column_count: int
) -> Any:
    """Move rows together, each column once in a row and no row empty; where each row begins."""
    indptr = np.zeros(row_count + 1, np.int32)
    last_row = np.full(column_count, -1, np.int32)
    row = 0
    kept = np.int32(0)
    begin = np.int32(0)
    for order in range(len(ends)):
        if ends[order] == begin:
            continue
        for position in range(begin, ends[order]):
            column = columns[position]
            if last_row[column] != row:
                last_row[column] = row
                columns[kept] = column
                kept += 1
        begin = ends[order]
        row += 1
        indptr[row] = kept
    return indptr, kept
