"""Baskets: which distinct items were bought together, as a sparse matrix."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array


class Baskets(NamedTuple):
    """Baskets by items.

    Attributes:
        contents: boolean, one row for each basket with an item, one column for each item.
        items: the items of the columns, in the order of their text.
        basket_count: all baskets, those without an item included: the base of every support.
    """

    contents: csr_array
    items: list[str]
    basket_count: int


def baskets(basket_items: pa.Table, basket_count: int) -> Baskets:
    """Lay out baskets as a sparse matrix, whatever the order of the rows.

    Args:
        basket_items: `order_id` and `item`, both text without nulls; a repeated row counts once.
        basket_count: number of baskets, those without an item included.

    Raises:
        ValueError: where a column is missing or has nulls, or `basket_items` has more baskets
            than `basket_count`.
    """
    for name in ("order_id", "item"):
        if name not in basket_items.column_names:
            raise ValueError(f"basket_items must have a column {name}: {basket_items.column_names}")
        if basket_items[name].null_count:
            raise ValueError(f"{name} of basket_items must not be null")
    rows, orders = _codes(basket_items["order_id"])
    columns, items = _codes(basket_items["item"])
    if len(orders) > basket_count:
        raise ValueError(
            f"basket_count must be at least the {len(orders)} baskets with items,"
            f" got {basket_count}"
        )
    contents = csr_array(
        (np.ones(len(rows), dtype=np.bool_), (rows, columns)), shape=(len(orders), len(items))
    )
    return Baskets(contents, items, basket_count)


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Each value's place among the distinct values in the order of their text, and those values."""
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places[encoded.indices.to_numpy()], encoded.dictionary.take(order).to_pylist()
