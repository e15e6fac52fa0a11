"""Customers who buy and drop out as the models say, drawn one step at a time."""

import numpy as np

from mining.clv.histories import Histories


def beta_geometric_customers(
    draws: np.random.Generator,
    parameters: tuple[float, float, float, float],
    count: int,
    *,
    may_leave_at_first: bool,
) -> Histories:
    """Draw customers of BG/NBD, or of MBG/NBD, where the first purchase may be the last."""
    r, alpha, a, b = parameters
    rates, chances = draws.gamma(r, 1 / alpha, count), draws.beta(a, b, count)
    ages = draws.uniform(40, 100, count)
    alive = np.ones(count, bool)
    if may_leave_at_first:
        alive = draws.uniform(size=count) >= chances
    times, repeats, recency = np.zeros(count), np.zeros(count), np.zeros(count)
    while alive.any():
        times = times + draws.exponential(1, count) / rates
        buys = alive & (times <= ages)
        repeats, recency = repeats + buys, np.where(buys, times, recency)
        alive = buys & (draws.uniform(size=count) >= chances)
    return Histories(repeats, recency, ages, np.ones(count))


def pareto_customers(
    draws: np.random.Generator, parameters: tuple[float, float, float, float], count: int
) -> Histories:
    """Draw customers of Pareto/NBD."""
    r, alpha, s, beta = parameters
    rates = draws.gamma(r, 1 / alpha, count)
    ages = draws.uniform(40, 100, count)
    ends = np.minimum(ages, draws.exponential(1, count) / draws.gamma(s, 1 / beta, count))
    times, repeats, recency = np.zeros(count), np.zeros(count), np.zeros(count)
    is_there = np.ones(count, bool)
    while is_there.any():
        times = times + draws.exponential(1, count) / rates
        is_there = times <= ends
        repeats, recency = repeats + is_there, np.where(is_there, times, recency)
    return Histories(repeats, recency, ages, np.ones(count))


def lives(
    draws: np.random.Generator,
    model: str,
    parameters: tuple[float, float, float, float],
    count: int,
    known: float,
    weeks: float,
) -> tuple[Histories, np.ndarray]:
    """Draw customers who first bought `known` weeks ago, and what they buy in `weeks` after."""
    r, alpha, third, fourth = parameters
    rates = draws.gamma(r, 1 / alpha, count)
    times, alive = np.zeros(count), np.ones(count, bool)
    if model == "pareto_nbd":
        ends = draws.exponential(1, count) / draws.gamma(third, 1 / fourth, count)
        chances = np.zeros(count)
    else:
        ends, chances = np.full(count, np.inf), draws.beta(third, fourth, count)
        if model == "mbg_nbd":
            alive = draws.uniform(size=count) >= chances
    repeats, recency, later = np.zeros(count), np.zeros(count), np.zeros(count)
    while alive.any():
        times = times + draws.exponential(1, count) / rates
        buys = alive & (times <= np.minimum(ends, known + weeks))
        early = buys & (times <= known)
        repeats, recency = repeats + early, np.where(early, times, recency)
        later += buys & ~early
        alive = buys & (draws.uniform(size=count) >= chances)
    return Histories(repeats, recency, np.full(count, known), np.ones(count)), later


def spending_customers(
    draws: np.random.Generator, parameters: tuple[float, float, float], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw repeat days and the mean spent on them, as Gamma-Gamma says."""
    p, q, gamma = parameters
    days = 1 + draws.poisson(2, count)
    own = draws.gamma(q, 1 / gamma, count)
    return days, draws.gamma(p * days) / own / days
