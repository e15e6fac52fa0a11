"""What speaks for a product in a customer's list."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mining.recommendations.co_purchases import Neighbours
from mining.recommendations.interest import Interest
from mining.recommendations.new_products import strongest_links
from mining.recommendations.purchase_history import History, Integers, Starts

Columns = dict[str, pa.Array]


def restock_reasons(of: History, customers: Integers, products: Integers) -> Columns:
    """Say how often and when each product was bought.

    Args:
        of: who bought what.
        customers: ascending.
        products: one bought before, beside each customer.

    Returns:
        reason_kind, because_product (null), days_bought, days_since and days_between.
    """
    pairs = _pairs(of.starts, of.products, of.product_count, customers, products)
    counts = of.day_counts[pairs]
    span = of.last_days[pairs] - of.first_days[pairs]
    between = np.rint(span / np.maximum(counts - 1, 1)).astype(np.int32)
    return {
        "reason_kind": pa.array(np.full(len(products), "bought_before")),
        "because_product": pa.nulls(len(products), pa.int32()),
        "days_bought": pa.array(counts),
        "days_since": pa.array(of.cut - of.last_days[pairs], pa.int32()),
        "days_between": pa.array(between, mask=counts == 1),
    }


def new_product_reasons(
    of: History,
    near: Neighbours,
    looked_at: Interest,
    customers: Integers,
    lists: Integers,
) -> Columns:
    """Say what leads to each product: a look at it, what was bought, or that others buy it.

    Args:
        of: who bought what.
        near: the neighbours of all products.
        looked_at: what all customers looked at.
        customers: ascending, one for each list.
        lists: products, -1 where there are no more.

    Returns:
        reason_kind and because_product of the products listed, row by row; null days.
    """
    rows, places = np.nonzero(lists >= 0)
    links = strongest_links(of, near, customers, lists)[rows, places]
    is_looked_at = (
        _pairs(
            looked_at.starts,
            looked_at.products,
            of.product_count,
            customers[rows],
            lists[rows, places],
        )
        >= 0
    )
    kinds = np.where(is_looked_at, "looked_at", np.where(links >= 0, "bought_together", "popular"))
    nothing = pa.nulls(len(rows), pa.int32())
    return {
        "reason_kind": pa.array(kinds),
        "because_product": pa.array(links, mask=links < 0),
        "days_bought": nothing,
        "days_since": nothing,
        "days_between": nothing,
    }


def _pairs(
    starts: Starts,
    products: Integers,
    product_count: int,
    customers: Integers,
    wanted: Integers,
) -> NDArray[Any]:
    """Find where pairs stand among those of all customers; -1 where they do not."""
    if not len(customers) or not len(products):
        return np.full(len(customers), -1)
    first, last = customers[0], customers[-1]
    begin, end = starts[first], starts[last + 1]
    owners = np.repeat(np.arange(first, last + 1), np.diff(starts[first : last + 2]))
    keys = owners.astype(np.int64) * product_count + products[begin:end]
    sought = customers.astype(np.int64) * product_count + wanted
    places = np.minimum(np.searchsorted(keys, sought), max(len(keys) - 1, 0))
    if not len(keys):
        return np.full(len(customers), -1)
    return np.where(keys[places] == sought, places + begin, -1)
