"""What each purchase history lets expect: how many purchases, by when, and how sure it is."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mining.clv.count_models import FittedModel
from mining.clv.histories import DAYS_A_WEEK, Histories, Numbers

DAYS_A_MONTH: Final = 365.25 / 12

LOW, HIGH = 0.1, 0.9  # four of five customers lie between: an interval of 95 % says little of one


class Expected(NamedTuple):
    """Purchases to expect in a time, for each history.

    Attributes:
        mean: drop-out included.
        mean_if_alive: of customers who are alive on the last day.
        low: a tenth of the customers buy less often: a count.
        high: a tenth buy more often: a count.
    """

    mean: Numbers
    mean_if_alive: Numbers
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def expected_purchases(
    fitted: FittedModel, of: Histories, alive: Numbers, weeks: float
) -> Expected:
    """Give the purchases to expect in the weeks after the last day.

    What is expected of a customer who is alive depends on repeats and age alone, so it is computed
    once for all histories that share them.

    Args:
        fitted: the model.
        of: the histories.
        alive: probability that each is alive.
        weeks: after the last day, above 0.
    """
    model, parameters = fitted.model, fitted.fit.parameters
    groups, place = _of_age(of)
    if_alive = model.expected_purchases_if_alive(parameters, groups, weeks)[place]
    chances = model.cumulative_chances_if_alive(parameters, groups, weeks, HIGH)
    with np.errstate(divide="ignore", over="ignore"):  # who has certainly left never buys
        low, high = (
            chances.places(place, np.maximum((level - 1) / alive + 1, 0.0)) for level in (LOW, HIGH)
        )
    return Expected(alive * if_alive, if_alive, low, high)


def discounted_purchases(
    fitted: FittedModel, of: Histories, alive: Numbers, months: int, discount_rate: float
) -> Numbers:
    """Give the purchases to expect in so many months, each worth as much less as it is far away.

    Args:
        fitted: the model.
        of: the histories.
        alive: probability that each is alive.
        months: after the last day; a month is a twelfth of 365.25 days, its purchases count at
            its end.
        discount_rate: of a year.
    """
    model, parameters = fitted.model, fitted.fit.parameters
    groups, place = _of_age(of)
    total = before = np.zeros(len(groups.age))
    for month in range(1, months + 1):
        until = model.expected_purchases_if_alive(
            parameters, groups, month * DAYS_A_MONTH / DAYS_A_WEEK
        )
        total = total + (until - before) * (1 + discount_rate) ** (-month / 12)
        before = until
    return np.asarray(alive * total[place])


def weekly_purchases(fitted: FittedModel, of: Histories, alive: Numbers, weeks: int) -> Numbers:
    """Give the purchases of all customers together to expect in each of the weeks to come.

    Args:
        fitted: the model.
        of: the histories.
        alive: probability that each is alive.
        weeks: how many.
    """
    model, parameters = fitted.model, fitted.fit.parameters
    groups, place = _of_age(of)
    customers_alive = np.bincount(place, of.customers * alive)
    by_then = [
        customers_alive @ model.expected_purchases_if_alive(parameters, groups, float(week))
        for week in range(1, weeks + 1)
    ]
    return np.diff(np.array(by_then), prepend=0.0)


def days_to_next(fitted: FittedModel, of: Histories, share: float, horizon_days: float) -> Numbers:
    """Give the days after the last day by which a share of those alive will have bought again.

    Args:
        fitted: the model.
        of: the histories.
        share: between 0 and 1; a half gives the median.
        horizon_days: how far to look.

    Returns:
        Days; infinite beyond the horizon, as for a share of whom never so many come back.
    """
    groups, place = _of_age(of)
    weeks = fitted.model.weeks_to_next(
        fitted.fit.parameters, groups, share, horizon_days / DAYS_A_WEEK
    )
    return (weeks * DAYS_A_WEEK)[place]


def _of_age(of: Histories) -> tuple[Histories, NDArray[np.int64]]:
    """Give the distinct repeats and ages, and which of them each history has."""
    # complex numbers are sorted by both parts, far faster than rows of two
    both, place = np.unique(of.repeats + 1j * of.age, return_inverse=True)
    repeats, age = both.real, both.imag
    customers = np.bincount(place, of.customers).astype(np.float64)
    # recency has no part in it: any that can be
    return Histories(repeats, np.where(repeats > 0, age, 0.0), age, customers), place
