"""What a customer bought before and may need again: how often, how lately, is it due."""

from typing import Final

import numpy as np

from mining.recommendations.purchase_history import Demand, History, Integers, Numbers

_OVERDUE: Final = 3.0  # logarithm of gaps: what lies further back is not missed more


def restock_features(of: History, needs: Demand, interest: Numbers, pairs: Integers) -> Numbers:
    """Describe pairs of a customer and a product that was bought before.

    Args:
        of: who bought what, at the day of the recommendation.
        needs: demand of all products at that day.
        interest: of every pair, views and favourites of late; 0 where there were none.
        pairs: the positions of the pairs to describe.

    Returns:
        One row for each pair.
    """
    starts = of.starts
    customers = np.searchsorted(starts, pairs, side="right") - 1
    products = of.products[pairs]
    counts = of.day_counts[pairs].astype(float)
    since = (of.cut - of.last_days[pairs]).astype(float)
    visits = of.visit_days[customers].astype(float)
    is_repeated = counts > 1
    gap = (of.last_days[pairs] - of.first_days[pairs]) / np.maximum(counts - 1, 1)
    overdue = np.where(is_repeated, np.log(since / np.maximum(gap, 1)), 0)
    since = np.log(since)
    repeated = np.log((needs.repeat_buyers + 1) / (needs.buyers + 5))
    return np.column_stack(
        [
            np.log(counts),
            np.log(of.recent[pairs] + 0.05),
            np.log(of.lasting[pairs] + 0.05),
            since,
            since**2,
            is_repeated,
            overdue,
            np.minimum(overdue**2, _OVERDUE**2),
            np.log(needs.month_buyers + 0.5)[products],
            np.log(needs.week_buyers + 0.5)[products],
            np.log(np.maximum(needs.buyers, 1))[products],
            repeated[products],
            np.log(visits),
            np.log(of.cut - of.last_visits[customers]),
            np.log1p(interest[pairs]),
        ]
    )
