"""Which products are bought by the same customers: by cosine, the closest of each product."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mining.recommendations.purchase_history import History, Integers, Starts

NEIGHBOURS: Final = 100  # of each product
MINIMUM_BUYERS: Final = 5  # of fewer, who else buys it is chance
MAXIMUM_PRODUCTS: Final = 10_000  # those with the most buyers; the others are hardly ever listed
MINIMUM_SHARED: Final = 2  # customers who bought both
# Products of a customer: who buys more is a reseller, or a shop's own number at the till, and would
# take most of the time to say next to nothing.
MAXIMUM_BOUGHT: Final = 2_000

_PARTS: Final = 64  # of the products, that processors take one after the other


class Neighbours(NamedTuple):
    """For each product those most alike, the closest first, equal ones by their number.

    Attributes:
        products: one row for each product; -1 where there are no more.
        cosines: beside them, above 0 and at most 1; 0 where there are no more.
    """

    products: Integers
    cosines: NDArray[np.float32]


def neighbours(of: History, is_eligible: NDArray[np.bool_]) -> Neighbours:
    """Find the products that the same customers buy.

    The cosine of two products over customers, in which a customer with n products counts 1 / n:
    Σ 1/n over those with both / √(Σ 1/n over those with one × Σ 1/n over those with the other).
    Without that, who buys everything makes everything alike (Cooper, Lee, Radinsky, Siantos 2014,
    Random walks in recommender systems). Who bought more than `MAXIMUM_BOUGHT` is left out.

    Args:
        of: who bought what.
        is_eligible: products that have neighbours and may be one.
    """
    sizes = np.diff(of.starts)
    kept = is_eligible[of.products] & np.repeat(sizes <= MAXIMUM_BOUGHT, sizes)
    products = of.products[kept]
    starts = np.append(0, np.cumsum(kept))[of.starts]
    sizes = np.diff(starts)
    weights = 1 / np.maximum(sizes, 1)
    by_customer = csr_array(
        (np.repeat(weights, sizes), products, starts), (len(sizes), of.product_count)
    )
    by_product = by_customer.tocsc()
    buyer_starts, buyers = by_product.indptr, by_product.indices
    lengths = np.sqrt(by_product.sum(axis=0))

    def closest(part: tuple[int, int]) -> Any:
        return _closest(starts, products, buyer_starts, buyers, weights, lengths, *part)

    # popular products stand anywhere: many parts keep all processors busy to the end
    bounds = np.linspace(0, of.product_count, _PARTS + 1).astype(int).tolist()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(closest, pairwise(bounds)))
    return Neighbours(
        np.concatenate([found for found, _ in parts]),
        np.concatenate([cosines for _, cosines in parts]),
    )


@njit(cache=True, nogil=True)
def _closest(
    starts: Starts,
    products: Integers,
    buyer_starts: Starts,
    buyers: Integers,
    weights: NDArray[np.float64],
    lengths: NDArray[np.float64],
    first: int,
    end: int,
) -> Any:
    """Go from each product to its buyers and on to what they bought, and keep the closest."""
    product_count = len(buyer_starts) - 1
    all_found = np.full((end - first, NEIGHBOURS), -1, np.int32)
    all_cosines = np.zeros((end - first, NEIGHBOURS), np.float32)
    shared = np.zeros(product_count, np.int32)
    sums = np.zeros(product_count, np.float64)
    met = np.empty(product_count, np.int32)
    for product in range(first, end):
        found, near = all_found[product - first], all_cosines[product - first]
        met_count = 0
        for place in range(buyer_starts[product], buyer_starts[product + 1]):
            buyer = buyers[place]
            weight = weights[buyer]
            for other_place in range(starts[buyer], starts[buyer + 1]):
                other = products[other_place]
                if shared[other] == 0:
                    met[met_count] = other
                    met_count += 1
                shared[other] += 1
                sums[other] += weight
        kept = 0
        for place in range(met_count):
            other = met[place]
            count, total = shared[other], sums[other]
            shared[other], sums[other] = 0, 0.0
            if other == product or count < MINIMUM_SHARED:
                continue
            cosine = np.float32(total / (lengths[product] * lengths[other]))
            last = kept - 1 if kept == NEIGHBOURS else kept
            if kept == NEIGHBOURS and not _is_before(cosine, other, near[last], found[last]):
                continue
            while last > 0 and _is_before(cosine, other, near[last - 1], found[last - 1]):
                near[last] = near[last - 1]
                found[last] = found[last - 1]
                last -= 1
            near[last], found[last] = cosine, other
            kept = min(kept + 1, NEIGHBOURS)
    return all_found, all_cosines


@njit(cache=True)
def _is_before(cosine: Any, product: int, other_cosine: Any, other: int) -> Any:
    return cosine > other_cosine or (cosine == other_cosine and product < other)
