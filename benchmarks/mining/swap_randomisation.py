"""Baskets in which nothing is related: items are exchanged until chance alone decides who meets.

Each item stays in as many baskets and each basket keeps its size, so that frequent items still meet
in large baskets as often as these two make them. Gionis, Mannila, Mielikäinen, Tsaparas (2007),
Assessing Data Mining Results via Swap Randomization.
"""

from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

_EXCHANGES_A_LINE: Final = 10  # tried; from some five on, more changes nothing


def swap_randomised(basket_items: pa.Table, seed: int) -> pa.Table:
    """Exchange items between baskets of the same time.

    Args:
        basket_items: `order_id` and `item`, each pair once; and `time` of the basket where only
            those of one time exchange: what is bought in one week more than in others stays so.
        seed: of the exchanges.

    Returns:
        `order_id` and `item`; every item as often as before in each time, every basket as large.
    """
    if "time" not in basket_items.column_names:
        basket_items = basket_items.append_column("time", pa.repeat(0, len(basket_items)))
    by_basket = basket_items.sort_by(
        [("time", "ascending"), ("order_id", "ascending"), ("item", "ascending")]
    )
    orders = by_basket["order_id"].combine_chunks().dictionary_encode()
    items = by_basket["item"].combine_chunks().dictionary_encode()
    rows = orders.indices.to_numpy()
    columns = items.indices.to_numpy().copy()
    begins = np.searchsorted(rows, np.arange(len(orders.dictionary) + 1))
    times = by_basket["time"].combine_chunks().dictionary_encode().indices.to_numpy()
    ends_of_times = np.append(np.flatnonzero(np.diff(times)) + 1, len(times))
    _exchange(rows, columns, begins, ends_of_times, seed)
    swapped = items.dictionary.take(pa.array(columns))
    return pa.table({"order_id": by_basket["order_id"], "item": swapped})


@njit(cache=True)
def _exchange(
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    begins: NDArray[np.int64],
    ends_of_times: NDArray[np.int64],
    seed: int,
) -> None:
    """Take two lines at random and exchange their items, where neither basket holds the other's."""
    np.random.seed(seed)
    start = 0
    for end in ends_of_times:
        for _ in range(_EXCHANGES_A_LINE * (end - start)):
            one, other = np.random.randint(start, end), np.random.randint(start, end)
            first, second = rows[one], rows[other]
            if not (
                _holds(columns, begins[first], begins[first + 1], columns[other])
                or _holds(columns, begins[second], begins[second + 1], columns[one])
            ):
                columns[one], columns[other] = columns[other], columns[one]
        start = end


@njit(cache=True)
def _holds(columns: NDArray[np.int32], begin: int, end: int, wanted: int) -> bool:
    for position in range(begin, end):  # noqa: SIM110 - numba compiles no generator
        if columns[position] == wanted:
            return True
    return False
