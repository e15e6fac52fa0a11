"""When customers bought: the three numbers that models of repeat buying need of each."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]

DAYS_A_WEEK: Final = 7


class Histories(NamedTuple):
    """Customers with the same purchase history, counted together.

    All purchases of one day are one. A history begins with the first purchase, which is no repeat.

    Attributes:
        repeats: days with a purchase after the first one (x).
        recency: weeks from the first purchase to the last (t_x); 0 without repeats.
        age: weeks from the first purchase to the last day that is known (T).
        customers: how many have this history.
    """

    repeats: Numbers
    recency: Numbers
    age: Numbers
    customers: Numbers

    @property
    def customer_count(self) -> int:
        """Customers in all."""
        return int(self.customers.sum())

    @property
    def mean_age(self) -> float:
        """Weeks since the first purchase, of the mean customer."""
        return float((self.customers * self.age).sum() / self.customers.sum())

    @property
    def purchases_a_week(self) -> float:
        """Repeat purchases a week of all customers together; above 0, so that its log exists."""
        weeks = max(float((self.customers * self.age).sum()), 1.0)
        return max(float((self.customers * self.repeats).sum()), 0.5) / weeks

    def thinned(self, most: int) -> "Histories":
        """Give each so-manieth history, so that about `most` are left; all where they are few."""
        step = len(self.customers) // most
        return Histories(*(column[::step] for column in self)) if step > 1 else self

    def by_repeats(self) -> tuple[Numbers, Numbers]:
        """Give the distinct repeats, ascending, and how many customers have each."""
        counted = np.bincount(self.repeats.astype(np.int64), self.customers)
        repeats = np.flatnonzero(counted)
        return repeats.astype(np.float64), counted[repeats].astype(np.float64)


def histories(
    repeats: ArrayLike, recency_days: ArrayLike, age_days: ArrayLike, customers: ArrayLike
) -> Histories:
    """Check histories, and turn days into weeks.

    Args:
        repeats: days with a purchase after the first one, 0 or more, for each history.
        recency_days: days from the first purchase to the last.
        age_days: days from the first purchase to the last day that is known.
        customers: how many have this history, at least 1.

    Raises:
        ValueError: of a history that cannot be, with its row and what was expected.
    """
    x, t_x, age, weights = (
        np.asarray(column, np.float64) for column in (repeats, recency_days, age_days, customers)
    )
    for what, is_wrong in (
        ("`customers` of at least 1", ~(weights >= 1)),
        ("`repeats` of 0 or more", ~(x >= 0)),
        ("`recency_days` of 0 or more", ~(t_x >= 0)),
        ("`age_days`, finite, not below `recency_days`", ~(age >= t_x) | ~np.isfinite(age)),
        ("`recency_days` of 0 where and only where `repeats` is 0", (x == 0) != (t_x == 0)),
    ):
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            raise ValueError(
                f"Histories, row {row}: expected {what}, found repeats {x[row]:g}, "
                f"recency_days {t_x[row]:g}, age_days {age[row]:g}, customers {weights[row]:g}."
            )
    return Histories(x, t_x / DAYS_A_WEEK, age / DAYS_A_WEEK, weights)
