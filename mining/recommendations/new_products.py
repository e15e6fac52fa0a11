"""Products that a customer has not bought, but those who buy alike do.

The candidates of a customer are few: those closest to what was bought, those most asked for, and
those looked at. They are found by a plain score and then ranked by learned weights, so that two
hundred thousand customers take seconds.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mining.recommendations.co_purchases import Neighbours
from mining.recommendations.interest import Interest
from mining.recommendations.purchase_history import Demand, History, Integers, Numbers, Starts

CANDIDATES: Final = 100  # of each customer

_POPULAR: Final = 30  # products that are candidates of everybody
_VIEWED: Final = 30  # products that are candidates for having been looked at, at most
_NO_LIKENESS: Final = 1e-5  # of a candidate that no neighbour led to


class Candidates(NamedTuple):
    """Products for some customers, one row for each.

    Attributes:
        products: -1 where there are no more.
        recent_likeness: mean cosine to what was bought, weighted by how lately it was.
        likeness: mean cosine to all that was bought.
        interest: strength of views and favourites; 0 where there were none.
    """

    products: Integers
    recent_likeness: Numbers
    likeness: Numbers
    interest: Numbers


def candidates(
    of: History,
    needs: Demand,
    near: Neighbours,
    interest: Interest,
    is_offered: NDArray[np.bool_],
    customers: Integers,
) -> Candidates:
    """Find the candidates of some customers: products not bought, still sold.

    Args:
        of: who bought what.
        needs: demand of all products.
        near: the neighbours of all products.
        interest: what all customers looked at.
        is_offered: products that may be recommended.
        customers: whose candidates.
    """
    month = needs.month_buyers + 0.5
    # of two products equally near, the one that is more asked for now than it was
    pull = np.where(is_offered, np.sqrt(month / np.maximum(needs.buyers, 1)), 0)
    popular = np.lexsort((np.arange(of.product_count), -needs.month_first_buyers, ~is_offered))
    popular = popular[is_offered[popular] & (needs.month_buyers[popular] > 0)][:_POPULAR]
    return Candidates(
        *_found(
            of.starts,
            of.products,
            of.lasting,
            near.products,
            near.cosines,
            interest.starts,
            interest.products,
            interest.strengths,
            pull,
            popular,
            customers,
        )
    )


def new_product_features(
    of: History, needs: Demand, found: Candidates, customers: Integers
) -> Numbers:
    """Describe candidates.

    Returns:
        One row for each place in `found`, row by row; those of -1 mean nothing.
    """
    products = np.maximum(found.products, 0)

    def of_customers(numbers: Numbers) -> Numbers:
        return np.broadcast_to(numbers[:, None], products.shape)

    # a logarithm of each product and customer, not of each candidate
    columns = (
        np.log(found.recent_likeness + _NO_LIKENESS),
        np.log(found.likeness + _NO_LIKENESS),
        np.log(needs.month_buyers + 0.5)[products],
        np.log(needs.month_first_buyers + 0.5)[products],
        np.log(np.maximum(needs.buyers, 1))[products],
        np.log1p(found.interest),
        of_customers(np.log(np.maximum(of.visit_days[customers], 1))),
        of_customers(np.log(np.maximum(of.cut - of.last_visits[customers], 1))),
    )
    return np.column_stack([column.ravel() for column in columns])


@njit(cache=True, nogil=True)
def _found(
    starts: Starts,
    products: Integers,
    lasting: Numbers,
    near: Integers,
    cosines: NDArray[np.float32],
    interest_starts: Starts,
    interest_products: Integers,
    strengths: Numbers,
    pull: Numbers,
    popular: Integers,
    customers: Integers,
) -> Any:
    """Add up likenesses from each product bought to its neighbours; keep the best by the pull."""
    product_count = len(pull)
    found = np.full((len(customers), CANDIDATES), -1, np.int32)
    recent_likeness = np.zeros((len(customers), CANDIDATES))
    likeness = np.zeros((len(customers), CANDIDATES))
    interests = np.zeros((len(customers), CANDIDATES))
    recent_sums = np.zeros(product_count)
    sums = np.zeros(product_count)
    interest_of = np.zeros(product_count)
    state = np.zeros(product_count, np.int8)  # 1 met, 2 bought, 3 taken
    met = np.empty(product_count, np.int32)
    others = np.empty(product_count, np.int32)
    scores = np.empty(product_count)
    for row in range(len(customers)):
        customer = customers[row]
        begin, end = starts[customer], starts[customer + 1]
        for pair in range(begin, end):
            state[products[pair]] = 2
        total = 0.0
        met_count = 0
        for pair in range(begin, end):
            weight = lasting[pair]
            total += weight
            product = products[pair]
            for place in range(near.shape[1]):
                other = near[product, place]
                if other < 0:
                    break
                if state[other] == 2:
                    continue
                if state[other] == 0:
                    state[other] = 1
                    met[met_count] = other
                    met_count += 1
                recent_sums[other] += weight * cosines[product, place]
                sums[other] += cosines[product, place]
        kept = 0
        # what was looked at and what is popular comes first, and stays
        for place in range(interest_starts[customer], interest_starts[customer + 1]):
            product = interest_products[place]
            interest_of[product] = strengths[place]
            if state[product] < 2 and pull[product] > 0 and kept < _VIEWED:
                state[product], found[row, kept] = 3, product
                kept += 1
        for product in popular:
            if state[product] < 2:
                state[product], found[row, kept] = 3, product
                kept += 1
        other_count = 0
        for place in range(met_count):
            product = met[place]
            if state[product] == 1 and pull[product] > 0:
                others[other_count] = product
                scores[other_count] = recent_sums[product] * pull[product]
                other_count += 1
        for product in _best(others[:other_count], scores[:other_count], CANDIDATES - kept):
            found[row, kept] = product
            kept += 1
        count = max(end - begin, 1)
        for place in range(kept):
            product = found[row, place]
            recent_likeness[row, place] = recent_sums[product] / (total + 0.1)
            likeness[row, place] = sums[product] / count
            interests[row, place] = interest_of[product]
            state[product] = 0
        for place in range(met_count):
            product = met[place]
            recent_sums[product], sums[product] = 0.0, 0.0
            state[product] = 0
        for pair in range(begin, end):
            state[products[pair]] = 0
        for place in range(interest_starts[customer], interest_starts[customer + 1]):
            interest_of[interest_products[place]] = 0.0
    return found, recent_likeness, likeness, interests


@njit(cache=True, nogil=True)
def _best(products: Integers, scores: Numbers, room: int) -> Integers:
    """Keep the products of the highest scores; of equal ones those of the lowest numbers."""
    if len(products) <= room:
        return products
    least = np.partition(scores, len(scores) - room)[len(scores) - room]
    better, equal = products[scores > least], np.sort(products[scores == least])
    return np.concatenate((better, equal[: room - len(better)]))


def strongest_links(
    of: History, near: Neighbours, customers: Integers, lists: Integers
) -> Integers:
    """Tell for each listed product which product bought before speaks for it most.

    Args:
        of: who bought what.
        near: the neighbours of all products.
        customers: of each list.
        lists: products, -1 where there are no more.

    Returns:
        A product beside each; -1 where none is near.
    """
    return np.asarray(
        _strongest(of.starts, of.products, of.lasting, *near, customers, lists, of.product_count)
    )


@njit(cache=True, nogil=True)
def _strongest(
    starts: Starts,
    products: Integers,
    lasting: Numbers,
    near: Integers,
    cosines: NDArray[np.float32],
    customers: Integers,
    lists: Integers,
    product_count: int,
) -> Any:
    links = np.full(lists.shape, -1, np.int32)
    most = np.zeros(lists.shape)
    place_of = np.full(product_count, -1, np.int32)
    for row in range(len(lists)):
        for place in range(lists.shape[1]):
            if lists[row, place] >= 0:
                place_of[lists[row, place]] = place
        for pair in range(starts[customers[row]], starts[customers[row] + 1]):
            product = products[pair]
            for closeness in range(near.shape[1]):
                other = near[product, closeness]
                if other < 0:
                    break
                place = place_of[other]
                if place >= 0 and lasting[pair] * cosines[product, closeness] > most[row, place]:
                    most[row, place] = lasting[pair] * cosines[product, closeness]
                    links[row, place] = product
        for place in range(lists.shape[1]):
            if lists[row, place] >= 0:
                place_of[lists[row, place]] = -1
    return links
