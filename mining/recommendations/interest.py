"""What customers looked at, put into a cart or made a favourite, of late."""

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from mining.recommendations.purchase_history import Integers, Numbers, Starts

REMEMBERED_DAYS: Final = 91
_HALF_LIFE: Final = 14.0


class Interest(NamedTuple):
    """What customers looked at before a day.

    Attributes:
        starts: for each customer where its products begin, and at last where all end.
        products: ascending for each customer.
        strengths: of each, above 0: its events, each counted half for every 14 days that it lies
            back.
    """

    starts: Starts
    products: Integers
    strengths: Numbers


def interest(events: pa.Table, customer_count: int, product_count: int, cut: int) -> Interest:
    """Sum up the events of the 91 days before a day.

    Args:
        events: `customer` and `product`, whole numbers from 0 below the counts, and `day`, without
            nulls: one row for each view, favourite or cart.
        customer_count: customers in all.
        product_count: products in all.
        cut: the day; nothing of it or later is known.
    """
    customers, products, days = (
        events[name].cast(pa.int64()).to_numpy() for name in ("customer", "product", "day")
    )
    kept = (days < cut) & (days >= cut - REMEMBERED_DAYS)
    keys, days = customers[kept] * product_count + products[kept], days[kept]
    order = np.lexsort((days, keys))  # floats are added in one order
    pairs, places = np.unique(keys[order], return_inverse=True)
    recency = 0.5 ** ((cut - days[order]) / _HALF_LIFE)
    strengths = np.bincount(places, recency, len(pairs)).astype(np.float64)
    return Interest(
        np.searchsorted(pairs // max(product_count, 1), np.arange(customer_count + 1)),
        (pairs % max(product_count, 1)).astype(np.int32),
        strengths,
    )
