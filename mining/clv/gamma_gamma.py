"""Gamma-Gamma: what a customer spends on a day with purchases.

What a customer spends varies from day to day around their own mean (gamma distributed, shape p),
and the means vary over the customers (inverse gamma: shape q, scale γ). Spending is taken as
independent of how often they buy.

Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value. Colombo, Jiang (1999), A stochastic
RFM model, Journal of Interactive Marketing 13.

Parameters stand in the order p, q, γ; γ is money.
"""

from collections.abc import Sequence
from math import log
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammaln

from mining.clv.histories import Numbers
from mining.clv.maximum_likelihood import Fit, fit, fit_in_steps

PARAMETER_NAMES: Final = ("p", "q", "gamma")


class Spending(NamedTuple):
    """What customers spent, sorted by their number of days, with what is the same for a number.

    Attributes:
        days: distinct numbers of repeat days with a purchase, ascending, from 1 on.
        ends: for each of them, where its customers end in `totals`.
        log_totals: for each of them, the sum of their logarithms.
        totals: what each customer spent on those days together, above 0, in mean days' money.
        unit: money of the mean day.
    """

    days: Numbers
    ends: NDArray[np.int64]
    log_totals: Numbers
    totals: Numbers
    unit: float


def spending(days: ArrayLike, means: ArrayLike) -> Spending:
    """Check what customers spent.

    Args:
        days: of each customer, repeat days with a purchase, at least 1.
        means: of each, the mean of what they spent on such a day, above 0.

    Raises:
        ValueError: of a customer that cannot be, with the row and what was expected.
    """
    x, mean = np.asarray(days, np.float64), np.asarray(means, np.float64)
    is_wrong = ~(x >= 1) | ~(mean > 0) | ~np.isfinite(mean)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        raise ValueError(
            f"Spending, row {row}: expected at least 1 day and a mean above 0, "
            f"found {x[row]:g} days with {mean[row]:g}."
        )
    order = np.argsort(x, kind="stable")
    x, totals = x[order], (x * mean)[order]
    unit = float(totals.sum() / x.sum()) if len(x) else 1.0
    totals = totals / unit
    distinct, begins = np.unique(x, return_index=True)
    log_totals = np.add.reduceat(np.log(totals), begins) if len(x) else np.empty(0)
    return Spending(distinct, np.append(begins[1:], len(x)), log_totals, totals, unit)


def starts(of: Spending) -> list[tuple[float, ...]]:
    """Give parameters to begin a search at."""
    return [(p, q, (q - 1) / p * of.unit) for p, q in ((5.0, 4.0), (1.0, 2.0), (20.0, 8.0))]


def log_likelihood(parameters: Numbers, of: Spending) -> tuple[float, Numbers]:
    """Give the log density of the customers' means, and its gradient.

    Args:
        parameters: p, q, γ.
        of: what customers spent.

    Returns:
        The sum over all customers and its derivatives.
    """
    p, q, gamma = parameters[0], parameters[1], parameters[2] / of.unit
    counts = np.diff(of.ends, prepend=0)
    x, every = of.days, counts.sum()
    logs, inverses = _sums(of.ends, of.totals, gamma)
    shapes = p * x + q
    value = (
        counts * (gammaln(shapes) - gammaln(p * x) - gammaln(q) + q * np.log(gamma))
        # of the mean: log x − log unit is what its density has beyond that of the total
        + counts * (np.log(x) - np.log(of.unit))
        + (p * x - 1) * of.log_totals
        - shapes * logs
    ).sum()
    by_p = (x * (counts * (digamma(shapes) - digamma(p * x)) + of.log_totals - logs)).sum()
    by_q = (counts * digamma(shapes) - logs).sum() + every * (np.log(gamma) - digamma(q))
    by_gamma = every * q / gamma - (shapes * inverses).sum()
    return float(value), np.array([by_p, by_q, by_gamma / of.unit])


def fitted(of: Spending) -> Fit:
    """Fit the model by maximum likelihood."""

    def climb(most: int | None, begins: Sequence[Sequence[float]]) -> Fit:
        some = of if most is None else _thinned(of, most)
        return fit(lambda parameters: log_likelihood(parameters, some), begins, len(some.totals))

    return fit_in_steps(climb, starts(of), len(of.totals))


def _thinned(of: Spending, most: int) -> Spending:
    """Give each so-manieth customer, so that about `most` are left."""
    step = max(1, len(of.totals) // most)
    days = np.repeat(of.days, np.diff(of.ends, prepend=0))[::step]
    return spending(days, of.totals[::step] * of.unit / days)


def expected_spending(parameters: Numbers, days: Numbers, means: Numbers) -> Numbers:
    """Give what each customer spends on a day with a purchase, in the mean of those like them.

    The customer's own mean, drawn towards that of all the more, the fewer days are known; without
    days it is that of all. Where q is at most 1 the mean of all does not exist, and what is known
    of the customer stands alone.

    Args:
        parameters: p, q, γ.
        days: of each customer, repeat days with a purchase, 0 or more.
        means: what they spent on each of them in the mean; not looked at where there are none.

    Returns:
        p (γ + x m) / (p x + q − 1) for each; NaN where neither side is known.
    """
    p, q, gamma = parameters
    known = np.where(days > 0, days * means, 0.0)
    below = p * days + q - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, p * (gamma + known) / below, np.nan)


@njit(cache=True, nogil=True)
def _sums(ends: NDArray[np.int64], totals: Numbers, gamma: float) -> tuple[Numbers, Numbers]:
    """Sum log(γ + total) and 1 / (γ + total) over the customers of each number of days."""
    logs, inverses = np.zeros(len(ends)), np.zeros(len(ends))
    row = 0
    for place in range(len(ends)):
        while row < ends[place]:
            both = gamma + totals[row]
            logs[place] += log(both)
            inverses[place] += 1 / both
            row += 1
    return logs, inverses
