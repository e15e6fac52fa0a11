"""What BG/NBD and MBG/NBD share: buying at random until a drop-out that follows a purchase.

While alive a customer buys as a Poisson process of rate λ a week; after a purchase they drop out
with probability p. Over the customers λ is gamma distributed (shape r, rate α), and p beta
distributed (a, b). In BG/NBD (Fader, Hardie, Lee 2005, "Counting Your Customers" the Easy Way) the
first purchase is never followed by a drop-out; in MBG/NBD (Batislam, Denizel, Filiztekin 2007,
Empirical validation and comparison of models for customer base analysis) it may be. So the two
differ in the chances to drop out that a customer has had: x, or x + 1.

Parameters stand in the order r, α, a, b; times are weeks.
"""

from math import exp, expm1, log, log1p
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import betainc, betaln, digamma, expit, gammaln, xlog1py

from mining.clv.histories import Histories, Numbers
from mining.clv.quadrature import beta_nodes
from mining.clv.ragged import Ragged, longer

_TINY: Final = 1e-300
_LARGEST: Final = 600.0  # of an exponent


class BetaGeometric:
    """A model of repeat buying with drop-out after purchases.

    Attributes:
        name: as the report and the marts have it.
        parameter_names: in their order.
        chances_at_first: chances to drop out that the first purchase gives: 0 or 1.
    """

    parameter_names = ("r", "alpha", "a", "b")

    def __init__(self, name: str, chances_at_first: int) -> None:
        self.name = name
        self._first = chances_at_first

    def starts(self, of: Histories) -> list[tuple[float, ...]]:
        """Give parameters to begin a search at: few who drop out, many, and much difference."""
        mean_rate = of.purchases_a_week
        return [
            (r, r / mean_rate, a, b)
            for r, a, b in ((1.0, 0.5, 3.0), (0.3, 1.0, 1.0), (2.0, 0.2, 50.0))
        ]

    def log_likelihood(self, parameters: Numbers, of: Histories) -> tuple[float, Numbers]:
        """Give the log density of the individual purchase times, and its gradient.

        Args:
            parameters: r, α, a, b.
            of: the histories.

        Returns:
            The sum over all customers, without combinatorial factor, and its derivatives.
        """
        r, alpha, a, b = parameters
        counts, weights = of.by_repeats()
        chances = self._chances(counts)
        value = (
            weights
            * (
                gammaln(r + counts)
                - gammaln(r)
                + r * np.log(alpha)
                + betaln(a, b + chances)
                - betaln(a, b)
            )
        ).sum()
        mixed, by_r, by_alpha, by_a, by_b = _mixtures(
            of.repeats, of.recency, of.age, of.customers, r, alpha, a, b, self._first
        )
        together = digamma(a + b) - digamma(a + b + chances)
        return float(value + mixed), np.array(
            [
                (weights * (digamma(r + counts) - digamma(r) + np.log(alpha))).sum() + by_r,
                weights.sum() * r / alpha + by_alpha,
                (weights * together).sum() + by_a,
                (weights * (together + digamma(b + chances) - digamma(b))).sum() + by_b,
            ]
        )

    def probability_alive(self, parameters: Numbers, of: Histories) -> Numbers:
        """Give the probability that each customer has not dropped out by the last day."""
        r, alpha, a, b = parameters
        chances = self._chances(of.repeats)
        logit = (
            np.log(a)
            - np.log(np.maximum(b + chances - 1, _TINY))
            + (r + of.repeats) * np.log((alpha + of.age) / (alpha + of.recency))
        )
        return np.where(chances > 0, expit(-logit), 1.0)

    def expected_purchases_if_alive(
        self, parameters: Numbers, of: Histories, weeks: float
    ) -> Numbers:
        """Give the purchases to expect in the weeks after the last day, of customers alive on it.

        E[(1 − (1 + p t / (α + T))^−(r + x)) / p] over p, which is beta distributed (a, b + the
        chances had). The closed form by ₂F₁ is the same number, but has a hole at a = 1, and loses
        all digits where b is large; this one is a mean of well-behaved terms for every a and b.
        """
        r, alpha, a, b = parameters
        repeats, place = np.unique(of.repeats, return_inverse=True)
        nodes, weights = beta_nodes(a, b + self._chances(repeats))
        expected: Numbers = _expected(
            place, nodes, weights, r + of.repeats, weeks / (alpha + of.age)
        )
        return expected

    def weeks_to_next(
        self, parameters: Numbers, of: Histories, share: float, until: float
    ) -> Numbers:
        """Give the weeks by which a share of customers alive will have bought again.

        Nobody drops out before the next purchase, so (α + T) ((1 − share)^(−1/(r + x)) − 1).

        Args:
            parameters: r, α, a, b.
            of: the histories; recency is not looked at.
            share: between 0 and 1.
            until: weeks after which to give infinity.
        """
        r, alpha, _, _ = parameters
        # a customer of a shop to which nobody comes back waits longer than a float can hold
        growth = np.minimum(-np.log1p(-share) / (r + of.repeats), _LARGEST)
        weeks = (alpha + of.age) * np.expm1(growth)
        return np.where(weeks <= until, weeks, np.inf)

    def count_probability_if_alive(
        self, parameters: Numbers, of: Histories, weeks: Numbers, purchases: Numbers
    ) -> Numbers:
        """Give the chance of a count of purchases in the weeks after the last day, if alive on it.

        Args:
            parameters: r, α, a, b.
            of: the histories.
            weeks: for each history, how many.
            purchases: for each history, the count.
        """
        r, alpha, a, b = parameters
        b = b + self._chances(of.repeats)
        shape, share = r + of.repeats, (alpha + of.age) / (alpha + of.age + weeks)
        goes_on = np.exp(betaln(a, b + purchases) - betaln(a, b))
        exactly = goes_on * negative_binomial(purchases, shape, share)
        # the last of so many purchases was followed by a drop-out
        before = np.maximum(purchases, 1) - 1
        ends = np.exp(betaln(a + 1, b + before) - betaln(a, b))
        return np.asarray(
            exactly + np.where(purchases > 0, ends * betainc(before + 1, shape, 1 - share), 0)
        )

    def cumulative_chances_if_alive(
        self, parameters: Numbers, of: Histories, weeks: float, until: float
    ) -> Ragged:
        """Give the chances of at most 0, 1, 2, … purchases in the weeks to come, if alive.

        Args:
            parameters: r, α, a, b.
            of: the histories; recency is not looked at.
            weeks: after the last day.
            until: each history's chances end with the first that reaches this, below 1.
        """
        r, alpha, a, b = parameters
        return Ragged(
            *_cumulative_chances(
                r + of.repeats,
                np.log1p(weeks / (alpha + of.age)),
                a,
                b + self._chances(of.repeats),
                until,
            )
        )

    def _chances(self, repeats: Numbers) -> Numbers:
        """Count the purchases after which a customer may have dropped out."""
        return repeats + self._first


def negative_binomial(count: Numbers, shape: Numbers, share: Numbers) -> Numbers:
    """Give the chance of a count where a Poisson rate is gamma distributed.

    Args:
        count: 0 or more.
        shape: of the gamma distribution.
        share: its rate over its rate and the time in which is counted.
    """
    return np.asarray(
        np.exp(
            gammaln(shape + count)
            - gammaln(shape)
            - gammaln(count + 1)
            + shape * np.log(share)
            + xlog1py(count, -share)
        )
    )


@njit(cache=True, nogil=True)
def _mixtures(
    repeats: Numbers,
    recency: Numbers,
    age: Numbers,
    customers: Numbers,
    r: float,
    alpha: float,
    a: float,
    b: float,
    chances_at_first: int,
) -> tuple[float, float, float, float, float]:
    """Sum the logs of (α + T)^−(r + x) + a / (b + chances − 1) (α + t_x)^−(r + x)."""
    value = by_r = by_alpha = by_a = by_b = 0.0
    # few counts of many customers: their logarithms are taken once
    log_odds = np.empty(int(repeats.max()) + 1 if len(repeats) else 0)
    for count in range(len(log_odds)):
        had = count + chances_at_first
        log_odds[count] = log(a) - log(b + had - 1) if had else 0.0
    for row in range(len(repeats)):
        x, weight = repeats[row], customers[row]
        log_age = log(alpha + age[row])
        chances = x + chances_at_first
        if chances == 0:
            value -= weight * r * log_age
            by_r -= weight * log_age
            by_alpha -= weight * r / (alpha + age[row])
            continue
        log_recency = log(alpha + recency[row])
        logit = log_odds[int(x)] + (r + x) * (log_age - log_recency)
        small = exp(-abs(logit))
        dropped = (1.0 if logit > 0 else small) / (1 + small)
        value += weight * (max(logit, 0.0) + log1p(small) - (r + x) * log_age)
        by_r -= weight * ((1 - dropped) * log_age + dropped * log_recency)
        by_alpha -= (
            weight
            * (r + x)
            * ((1 - dropped) / (alpha + age[row]) + dropped / (alpha + recency[row]))
        )
        by_a += weight * dropped / a
        by_b -= weight * dropped / (b + chances - 1)
    return value, by_r, by_alpha, by_a, by_b


@njit(cache=True, nogil=True)
def _expected(
    place: NDArray[np.int64], nodes: Numbers, weights: Numbers, shapes: Numbers, times: Numbers
) -> Any:
    expected = np.empty(len(place))
    for row in range(len(place)):
        total = 0.0
        for node in range(nodes.shape[1]):
            p = nodes[place[row], node]
            bought = -expm1(-shapes[row] * log1p(p * times[row])) / p
            total += weights[place[row], node] * bought
        expected[row] = total
    return expected


@njit(cache=True, nogil=True)
def _cumulative_chances(
    shapes: Numbers, spreads: Numbers, a: float, b: Numbers, until: float
) -> tuple[Numbers, NDArray[np.int64]]:
    """Add up the chances of each count by what each has of the one before.

    With q the gamma mixture's chance of a count, and p of a drop-out after a purchase, a count n is
    E[(1 − p)ⁿ] qₙ of those who go on and E[p (1 − p)ⁿ⁻¹] (q ≥ n) of those whose last one it was.
    """
    values = np.empty(4 * len(shapes) + 64)
    ends = np.empty(len(shapes), np.int64)
    length = 0
    for row in range(len(shapes)):
        shape, spread, total = shapes[row], spreads[row], a + b[row]
        log_buys = log(-expm1(-spread))
        log_exactly = -shape * spread
        at_least, goes_on, ends_here = 1.0, 1.0, a / total
        exactly = exp(log_exactly)
        reached, count = exactly, 0
        while True:
            if length == len(values):
                values = longer(values)
            values[length] = min(reached, 1.0)
            length += 1
            if reached >= until:
                break
            count += 1
            at_least = max(at_least - exactly, 0.0)
            log_exactly += log((shape + count - 1) / count) + log_buys
            exactly = exp(log_exactly)
            goes_on *= (b[row] + count - 1) / (total + count - 1)
            reached += goes_on * exactly + ends_here * at_least
            ends_here *= (b[row] + count - 1) / (total + count)
        ends[row] = length
    return values[:length], ends
