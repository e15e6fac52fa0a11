"""How good the lists of a past day were, by what was bought in the four weeks after it."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mining.recommendations.purchase_history import Demand, History, Integers, Numbers, Starts
from mining.recommendations.ranking_quality import LIST_LENGTH

TASKS: Final = ("new", "restock")


class Truth(NamedTuple):
    """What customers with a history bought of their candidates within four weeks.

    Attributes:
        customers: those who bought at least one.
        starts: for each of them where its products begin, and at last where all end.
        products: of both tasks all that was sold before the day is a candidate, by whether the
            customer had bought it.
    """

    customers: Integers
    starts: Starts
    products: Integers


def truth(of: History, needs: Demand, task: str) -> Truth:
    """Tell what was bought after the day of a history."""
    everybody = np.arange(len(of.starts) - 1)
    if task == "restock":
        customers = np.repeat(everybody, np.diff(of.starts))[of.is_bought_again]
        products = of.products[of.is_bought_again]
    else:
        customers = np.repeat(everybody, np.diff(of.new_starts))
        known = (needs.buyers[of.new_products] > 0) & (np.diff(of.starts)[customers] > 0)
        customers, products = customers[known], of.new_products[known]
    found, begins = np.unique(customers, return_index=True)
    return Truth(
        found.astype(np.int32), np.append(begins, len(products)).astype(np.int64), products
    )


def sample(of: Truth, count: int) -> Truth:
    """Take every so many of the customers, so that at most `count` are left."""
    step = max(1, -(-len(of.customers) // count))
    rows = np.arange(0, len(of.customers), step)
    sizes = np.diff(of.starts)[rows]
    starts = np.append(0, np.cumsum(sizes))
    places = np.arange(starts[-1]) + np.repeat(of.starts[rows] - starts[:-1], sizes)
    return Truth(of.customers[rows], starts, of.products[places])


def popular_lists(of: History, asked_for: NDArray[np.int64], who: Integers, task: str) -> Integers:
    """List what most customers asked for: of the customer's own products, or of all others.

    Args:
        of: who bought what.
        asked_for: how much each product was; those of 0 are not listed as new.
        who: customers.
        task: `new` or `restock`.
    """
    order = np.lexsort((np.arange(of.product_count), -asked_for))
    place = np.empty(of.product_count, np.int64)
    place[order] = np.arange(of.product_count)
    order = order[asked_for[order] > 0]
    lists = np.full((len(who), LIST_LENGTH), -1, np.int32)
    for row, customer in enumerate(who):
        own = of.products[of.starts[customer] : of.starts[customer + 1]]
        if task == "restock":
            best = own[np.argsort(place[own])][:LIST_LENGTH]
        else:
            first = order[: len(own) + LIST_LENGTH]
            best = first[~np.isin(first, own)][:LIST_LENGTH]
        lists[row, : len(best)] = best
    return lists


def mean(measures: Numbers) -> float | None:
    """Average; None of nobody."""
    return float(measures.mean()) if len(measures) else None
