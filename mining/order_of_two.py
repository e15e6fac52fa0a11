"""Which of two items comes first: more often than the customers' own days with a purchase explain.

Popular items come first, and a new product comes after all older ones, whoever buys. So each
customer is their own control, as in sequence symmetry analysis (Hallas 1996, Evidence of Depression
Provoked by Cardiovascular Medication): of those who bought both items, how many bought this one
first, beside how many would have, had each item fallen on their own days with a purchase by itself,
as often as it did and by its share of each month.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mining.poisson_binomial import upper_tail

Integers = NDArray[np.int32]
Floats = NDArray[np.float64]


class Orders(NamedTuple):
    """Of each pair of items.

    Attributes:
        both: customers who bought both, for the first time on different days.
        in_order: of these, who bought the first item first.
        expected: how many would have.
        p_values: chance of at least so many as `in_order` (Poisson-binomial).
    """

    both: NDArray[np.int64]
    in_order: NDArray[np.int64]
    expected: Floats
    p_values: Floats


def compare_orders(
    first: Integers,
    following: Integers,
    item_starts: NDArray[np.int64],
    item_customers: Integers,
    first_days: Integers,
    times: Integers,
    visit_customers: Integers,
    visit_days: Integers,
    visit_months: Integers,
    monthly_shares: Floats,
) -> Orders:
    """Count how often the first item of a pair comes first, beside what customers' days explain.

    Args:
        first: item numbers, of each pair.
        following: item numbers, of each pair.
        item_starts: where the rows of each item begin in the next three, and where the last end.
        item_customers: customers with the item, rising within an item.
        first_days: of these, their first day with it.
        times: of these, on how many days they bought it.
        visit_customers: customer of each day with a purchase, rising.
        visit_days: the day, rising within a customer.
        visit_months: its month, a column of `monthly_shares`.
        monthly_shares: of the days with a purchase in a month, those with the item: items × months.
    """
    customers = int(visit_customers[-1]) + 1 if len(visit_customers) else 0
    visit_starts = np.zeros(customers + 1, np.int64)
    np.cumsum(np.bincount(visit_customers, minlength=customers), out=visit_starts[1:])
    return Orders(
        *_compare_orders(
            *(first, following, item_starts, item_customers, first_days, times),
            *(visit_starts, visit_days, visit_months, monthly_shares),
        )
    )


@njit(cache=True)
def _compare_orders(
    first: Integers,
    following: Integers,
    item_starts: NDArray[np.int64],
    item_customers: Integers,
    first_days: Integers,
    times: Integers,
    visit_starts: NDArray[np.int64],
    visit_days: Integers,
    visit_months: Integers,
    monthly_shares: Floats,
) -> Any:
    pairs = len(first)
    both, in_order = np.zeros(pairs, np.int64), np.zeros(pairs, np.int64)
    expected, p_values = np.zeros(pairs), np.ones(pairs)
    most_visits = (visit_starts[1:] - visit_starts[:-1]).max() if len(visit_starts) > 1 else 0
    chance_one, chance_other = np.empty(most_visits), np.empty(most_visits)
    chances = np.empty((item_starts[1:] - item_starts[:-1]).max() if len(item_starts) > 1 else 0)
    one_trial_each = np.ones(len(chances), np.int64)

    for pair in range(pairs):
        one, other = first[pair], following[pair]
        left, right = item_starts[one], item_starts[other]
        while left < item_starts[one + 1] and right < item_starts[other + 1]:
            customer = item_customers[left]
            if customer < item_customers[right]:
                left += 1
                continue
            if customer > item_customers[right]:
                right += 1
                continue
            if first_days[left] != first_days[right]:
                begin, end = visit_starts[customer], visit_starts[customer + 1]
                months = visit_months[begin:end]
                _visit_chances(monthly_shares[one], months, times[left], chance_one)
                _visit_chances(monthly_shares[other], months, times[right], chance_other)
                chances[both[pair]] = _chance_of_order(chance_one, chance_other, end - begin)
                both[pair] += 1
                in_order[pair] += first_days[left] < first_days[right]
            left += 1
            right += 1
        mine = chances[: both[pair]]
        expected[pair] = mine.sum()
        if both[pair]:
            p_values[pair] = upper_tail(one_trial_each[: both[pair]], mine, in_order[pair])
    return both, in_order, expected, p_values


@njit(cache=True)
def _visit_chances(shares: Floats, months: Integers, times: int, chances: Floats) -> None:
    """Give each day its chance of the item: by the month's share, `times` of them in all."""
    total = 0.0
    for visit in range(len(months)):
        chances[visit] = shares[months[visit]] / 2  # below 1: that is what says a day is full
        total += chances[visit]
    # no chance is above 1: what a day cannot take, the others do
    left, free = float(times), total
    for _ in range(len(months)):
        factor = left / free if free > 0 else 0.0
        full = 0
        for visit in range(len(months)):
            if chances[visit] < 1 and chances[visit] * factor >= 1:
                free -= chances[visit]
                chances[visit] = 1.0
                left -= 1
                full += 1
        if not full:
            break
    factor = left / free if free > 0 else 0.0
    for visit in range(len(months)):
        if chances[visit] < 1:
            chances[visit] *= factor


@njit(cache=True)
def _chance_of_order(chance_one: Floats, chance_other: Floats, days: int) -> float:
    """Chance that the one comes first, given that both come, first on different days."""
    neither_one = neither_other = 1.0  # chance that the item has not come yet
    one_first = other_first = 0.0
    for visit in range(days):
        one, other = chance_one[visit], chance_other[visit]
        one_first += (1 - neither_one) * neither_other * other
        other_first += (1 - neither_other) * neither_one * one
        neither_one *= 1 - one
        neither_other *= 1 - other
    possible = one_first + other_first
    return one_first / possible if possible > 1e-9 else 0.5
