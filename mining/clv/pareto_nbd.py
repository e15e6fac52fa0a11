"""Pareto/NBD: customers buy at random and drop out at any time, seen or not.

While alive a customer buys as a Poisson process of rate λ a week and drops out at rate μ. Over the
customers λ is gamma distributed (shape r, rate α), μ gamma distributed (shape s, rate β).

Schmittlein, Morrison, Colombo (1987), Counting Your Customers: Who Are They and What Will They Do
Next?, Management Science 33. Fader, Hardie (2005), A Note on Deriving the Pareto/NBD Model.

Parameters stand in the order r, α, s, β; times are weeks.
"""

from math import exp, expm1, log, log1p
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from mining.clv.beta_geometric import negative_binomial
from mining.clv.histories import Histories, Numbers
from mining.clv.quadrature import unit_nodes
from mining.clv.ragged import Ragged, longer

_HALVINGS: Final = 45  # of a logarithm of time: to the last digit of an hour
_NEGLIGIBLE: Final = 40.0  # e to the minus this much adds nothing


class ParetoNbd:
    """The model of repeat buying with drop-out at any time."""

    name = "pareto_nbd"
    parameter_names = ("r", "alpha", "s", "beta")

    def starts(self, of: Histories) -> list[tuple[float, ...]]:
        """Give parameters to begin a search at."""
        mean_rate, mean_age = of.purchases_a_week, max(of.mean_age, 1.0)
        return [
            (r, r / mean_rate, s, s * times * mean_age)
            for r, s, times in ((1.0, 0.5, 1.0), (0.3, 1.0, 0.5), (2.0, 1.0, 5.0))
        ]

    def log_likelihood(self, parameters: Numbers, of: Histories) -> tuple[float, Numbers]:
        """Give the log density of the individual purchase times, and its gradient.

        Args:
            parameters: r, α, s, β.
            of: the histories.

        Returns:
            The sum over all customers, without combinatorial factor, and its derivatives.
        """
        r, alpha, s, beta = parameters
        repeats, customers = of.by_repeats()
        every = customers.sum()
        value = (customers * (gammaln(r + repeats) - gammaln(r))).sum() + every * (
            r * np.log(alpha) + s * np.log(beta)
        )
        mixed, by_r, by_alpha, by_s, by_beta, _ = self._mixtures(parameters, of)
        return float(value + mixed), np.array(
            [
                (customers * (digamma(r + repeats) - digamma(r))).sum()
                + every * np.log(alpha)
                + by_r,
                every * r / alpha + by_alpha,
                every * np.log(beta) + by_s,
                every * s / beta + by_beta,
            ]
        )

    def probability_alive(self, parameters: Numbers, of: Histories) -> Numbers:
        """Give the probability that each customer has not dropped out by the last day."""
        return self._mixtures(parameters, of)[-1]

    def expected_purchases_if_alive(
        self, parameters: Numbers, of: Histories, weeks: float
    ) -> Numbers:
        """Give the purchases to expect in the weeks after the last day, of customers alive on it.

        (r + x) / (α + T) ∫₀ᵗ ((β + T) / (β + T + u))ˢ du, whole for every s, 1 too.
        """
        r, alpha, s, beta = parameters
        known = beta + of.age
        spread = np.log1p(weeks / known)
        exponent = (s - 1) * spread
        with np.errstate(invalid="ignore"):
            mean = np.where(np.abs(exponent) < 1e-12, 1.0, -np.expm1(-exponent) / exponent)
        return np.asarray((r + of.repeats) / (alpha + of.age) * known * spread * mean)

    def weeks_to_next(
        self, parameters: Numbers, of: Histories, share: float, until: float
    ) -> Numbers:
        """Give the weeks by which a share of customers alive will have bought again.

        Some drop out before: the density of the next purchase is that of one at u, times the chance
        to be alive then, (r + x) (α + T)^(r + x) / (α + T + u)^(r + x + 1) × ((β + T) / (β + T +
        u))ˢ.

        Args:
            parameters: r, α, s, β.
            of: the histories; recency is not looked at.
            share: between 0 and 1.
            until: weeks after which to give infinity; for some shares nobody ever waits so long.
        """
        r, alpha, s, beta = parameters
        nodes, parts = unit_nodes()
        weeks: Numbers = _weeks_to_next(
            r + of.repeats, alpha + of.age, s, beta + of.age, share, until, nodes, parts
        )
        return weeks

    def count_probability_if_alive(
        self, parameters: Numbers, of: Histories, weeks: Numbers, purchases: Numbers
    ) -> Numbers:
        """Give the chance of a count of purchases in the weeks after the last day, if alive on it.

        Args:
            parameters: r, α, s, β.
            of: the histories.
            weeks: for each history, how many.
            purchases: for each history, the count.
        """
        r, alpha, s, beta = parameters
        shape, buying, dying = r + of.repeats, alpha + of.age, beta + of.age
        stays = negative_binomial(purchases, shape, buying / (buying + weeks)) * np.exp(
            -s * np.log1p(weeks / dying)
        )
        nodes, parts = unit_nodes()
        # who drops out at u buys as often by then; u by its logarithm, as far as it matters
        width = np.minimum(np.log1p(weeks / dying), _NEGLIGIBLE / s)[:, None]
        u = dying[:, None] * np.expm1(width * nodes)
        ends = s * width * np.exp(-s * width * nodes)
        by_then = negative_binomial(
            purchases[:, None], shape[:, None], buying[:, None] / (buying[:, None] + u)
        )
        return np.asarray(stays + (ends * by_then) @ parts)

    def cumulative_chances_if_alive(
        self, parameters: Numbers, of: Histories, weeks: float, until: float
    ) -> Ragged:
        """Give the chances of at most 0, 1, 2, … purchases in the weeks to come, if alive.

        Args:
            parameters: r, α, s, β.
            of: the histories; recency is not looked at.
            weeks: after the last day.
            until: each history's chances end with the first that reaches this, below 1.
        """
        r, alpha, s, beta = parameters
        nodes, parts = unit_nodes()
        return Ragged(
            *_cumulative_chances(
                r + of.repeats, alpha + of.age, s, beta + of.age, weeks, nodes, parts, until
            )
        )

    def _mixtures(
        self, parameters: Numbers, of: Histories
    ) -> tuple[float, float, float, float, float, Numbers]:
        r, alpha, s, beta = parameters
        nodes, parts = unit_nodes()
        alive = np.empty(len(of.repeats))
        sums = _mixtures(
            of.repeats,
            of.recency,
            of.age,
            of.customers,
            r,
            alpha,
            s,
            beta,
            nodes,
            parts,
            alive,
        )
        return *sums, alive


PARETO_NBD: Final = ParetoNbd()


@njit(cache=True, nogil=True)
def _mixtures(
    repeats: Numbers,
    recency: Numbers,
    age: Numbers,
    customers: Numbers,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    nodes: Numbers,
    parts: Numbers,
    alive: Numbers,
) -> tuple[float, float, float, float, float]:
    """Sum log((α + T)^−(r + x) (β + T)^−s + s ∫ (α + u)^−(r + x) (β + u)^−(s + 1) du).

    The integral runs from t_x to T: of those who dropped out at u. It is taken over log(u + the
    smaller of α and β), in which the integrand bends least, as far as it is not negligible. The
    closed form needs ₂F₁ and its derivatives over its parameters; this needs neither, and nothing
    in it overflows. Also written is each history's probability of being alive.
    """
    value = by_r = by_alpha = by_s = by_beta = 0.0
    smaller = min(alpha, beta)
    for row in range(len(repeats)):
        shape, begin, end, weight = r + repeats[row], recency[row], age[row], customers[row]
        # all relative to the density at t_x, which may be too small for a float
        log_buying, log_dying = log(alpha + begin), log(beta + begin)
        stays = exp(-shape * (log(alpha + end) - log_buying) - s * (log(beta + end) - log_dying))
        first = log(smaller + begin)
        width = log(smaller + end) - first
        fall = (
            shape * (smaller + begin) / (alpha + begin)
            + (s + 1) * (smaller + begin) / (beta + begin)
            - 1
        )
        if fall > 0:  # it falls ever faster
            width = min(width, _NEGLIGIBLE / fall)
        total = stays
        sum_r = -stays * log(alpha + end)
        sum_alpha = -stays * shape / (alpha + end)
        sum_s = -stays * log(beta + end)
        sum_beta = -stays * s / (beta + end)
        if width > 0:
            for node in range(len(nodes)):
                beyond = exp(first + width * nodes[node])
                at = beyond - smaller
                log_alpha, log_beta = log(alpha + at), log(beta + at)
                left = (
                    parts[node]
                    * width
                    * beyond
                    * s
                    / (beta + at)
                    * exp(-shape * (log_alpha - log_buying) - s * (log_beta - log_dying))
                )
                total += left
                sum_r -= left * log_alpha
                sum_alpha -= left * shape / (alpha + at)
                sum_s += left * (1 / s - log_beta)
                sum_beta -= left * (s + 1) / (beta + at)
        alive[row] = stays / total
        value += weight * (log(total) - shape * log_buying - s * log_dying)
        by_r += weight * sum_r / total
        by_alpha += weight * sum_alpha / total
        by_s += weight * sum_s / total
        by_beta += weight * sum_beta / total
    return value, by_r, by_alpha, by_s, by_beta


@njit(cache=True, nogil=True)
def _cumulative_chances(
    shapes: Numbers,
    buying: Numbers,
    s: float,
    dying: Numbers,
    weeks: float,
    nodes: Numbers,
    parts: Numbers,
    until: float,
) -> tuple[Numbers, NDArray[np.int64]]:
    """Add up the chances of each count: of those who stay, and of those who drop out at each node.

    The chance of a count by a time has a factor of its own in each step from the count before.
    """
    values = np.empty(4 * len(shapes) + 64)
    ends = np.empty(len(shapes), np.int64)
    logs, steps = np.empty(len(nodes) + 1), np.empty(len(nodes) + 1)
    length = 0
    for row in range(len(shapes)):
        shape, whole = shapes[row], 0.0
        # by the logarithm of the time of dropping out, as far as it matters
        stays = log1p(weeks / dying[row])
        width = min(stays, _NEGLIGIBLE / s)
        for node in range(len(nodes) + 1):
            if node < len(nodes):
                time = dying[row] * expm1(width * nodes[node])
                share = log(parts[node] * width * s) - s * width * nodes[node]
            else:
                time, share = weeks, -s * stays
            whole += exp(share)
            spread = log1p(time / buying[row])
            logs[node] = share - shape * spread
            steps[node] = log(-expm1(-spread))
        # all shares together are 1
        logs -= log(whole)
        reached, count = 0.0, 0
        while True:
            for node in range(len(nodes) + 1):
                reached += exp(logs[node])
            if length == len(values):
                values = longer(values)
            values[length] = min(reached, 1.0)
            length += 1
            if reached >= until:
                break
            count += 1
            more = log((shape + count - 1) / count)
            for node in range(len(nodes) + 1):
                logs[node] += more + steps[node]
        ends[row] = length
    return values[:length], ends


@njit(cache=True, nogil=True)
def _bought(
    spread: float,
    shape: float,
    buying: float,
    s: float,
    dying: float,
    nodes: Numbers,
    parts: Numbers,
) -> Any:
    """Give the chance of a purchase within buying × (e^spread − 1) weeks, before dropping out."""
    width = min(spread, _NEGLIGIBLE / shape)
    total = 0.0
    for node in range(len(nodes)):
        at = width * nodes[node]
        total += parts[node] * exp(-shape * at - s * log1p(buying * expm1(at) / dying))
    return shape * width * total


@njit(cache=True, nogil=True)
def _weeks_to_next(
    shapes: Numbers,
    buying: Numbers,
    s: float,
    dying: Numbers,
    share: float,
    until: float,
    nodes: Numbers,
    parts: Numbers,
) -> Numbers:
    """Halve the logarithms of time between now and the horizon until nothing is left between."""
    weeks = np.empty(len(shapes))
    for row in range(len(shapes)):
        low, high = 0.0, log1p(until / buying[row])
        if _bought(high, shapes[row], buying[row], s, dying[row], nodes, parts) < share:
            weeks[row] = np.inf
            continue
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            reached = _bought(middle, shapes[row], buying[row], s, dying[row], nodes, parts)
            low, high = (low, middle) if reached >= share else (middle, high)
        weeks[row] = buying[row] * expm1(high)
    return weeks
