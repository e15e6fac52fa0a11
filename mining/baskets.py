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
    """Lay out baskets as a sparse matrix; which row is which basket is left open.

    Args:
        basket_items: `order_id` (text or number) and `item` (text), without nulls; a repeated row
            counts once.
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
    orders = basket_items["order_id"].combine_chunks().dictionary_encode()
    if len(orders.dictionary) > basket_count:
        raise ValueError(
            f"basket_count must be at least the {len(orders.dictionary)} baskets with items,"
            f" got {basket_count}"
        )
    items = basket_items["item"].cast(pa.string()).combine_chunks().dictionary_encode()
    by_text = pc.sort_indices(items.dictionary).to_numpy()
    columns = np.empty(len(by_text), dtype=np.int32)
    columns[by_text] = np.arange(len(by_text), dtype=np.int32)
    contents = csr_array(
        (
            np.ones(len(items), dtype=np.bool_),
            (orders.indices.to_numpy(), columns[items.indices.to_numpy()]),
        ),
        shape=(len(orders.dictionary), len(by_text)),
    )
    return Baskets(contents, items.dictionary.take(by_text).to_pylist(), basket_count)
