"""How good lists are, measured on what was bought later."""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mining.recommendations.purchase_history import Integers, Starts

LIST_LENGTH: Final = 10
_RESAMPLES: Final = 1000


class ListQuality(NamedTuple):
    """Of each customer who bought at least one candidate later.

    Attributes:
        ndcg: discounted gain of the hits over that of a perfect list: a hit at rank r gains
            1 / log2(r + 1), as many hits are possible as there are bought products, 10 at most
            (Järvelin, Kekäläinen 2002).
        recall: hits over bought products.
        precision: hits over 10.
        coverage: different products in all lists together.
    """

    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    coverage: int


def list_quality(lists: Integers, starts: Starts, bought: Integers) -> ListQuality:
    """Measure lists of ten.

    Args:
        lists: one row for each customer, the best product first; -1 where there are no more.
        starts: for each customer where what was bought later begins in `bought`, and at last where
            all end.
        bought: those of the candidates that were bought later, each once for a customer.
    """
    hits = _hits(np.ascontiguousarray(lists[:, :LIST_LENGTH]), starts, bought)
    counts = np.diff(starts)
    judged = counts > 0
    discounts = 1 / np.log2(np.arange(lists.shape[1])[:LIST_LENGTH] + 2)
    perfect = np.cumsum(1 / np.log2(np.arange(LIST_LENGTH) + 2))
    counts, hits = counts[judged], hits[judged]
    shown = lists[judged, :LIST_LENGTH]
    return ListQuality(
        (hits * discounts).sum(axis=1) / perfect[np.minimum(counts, LIST_LENGTH) - 1],
        hits.sum(axis=1) / counts,
        hits.sum(axis=1) / LIST_LENGTH,
        len(np.unique(shown[shown >= 0])),
    )


def paired_interval(
    ours: NDArray[np.float64], other: NDArray[np.float64], seed: int = 0
) -> tuple[float, float]:
    """Give the 95 % interval of the mean difference, customers drawn anew (paired bootstrap).

    Efron, Tibshirani (1993), An Introduction to the Bootstrap, 13.3.

    Args:
        ours: a measure of each customer.
        other: the same measure of another method, of the same customers.
        seed: of the draws.
    """
    difference = ours - other
    draws = np.random.default_rng(seed)
    means = [
        difference[draws.integers(0, len(difference), len(difference))].mean()
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@njit(cache=True)
def _hits(lists: Integers, starts: Starts, bought: Integers) -> Any:
    hits = np.zeros(lists.shape, np.bool_)
    for row in range(len(lists)):
        for place in range(lists.shape[1]):
            for later in range(starts[row], starts[row + 1]):
                if lists[row, place] == bought[later]:
                    hits[row, place] = True
                    break
    return hits
