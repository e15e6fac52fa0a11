"""How many of several trials succeed, where each has a chance of its own."""

from math import erfc, exp, inf, log, pi, sinh, sqrt
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

EXACT: Final = 1_000  # trials up to which the tail is summed; of more it is approximated

_CLOSE = 1e-12
_STEPS = 200
_NEAR = 0.05  # standard deviations from the mean within which the saddlepoint's formula cancels out


@njit(cache=True)
def upper_tail(trials: NDArray[np.int64], chances: NDArray[np.float64], at_least: int) -> float:
    """Give the chance of so many successes or more.

    Up to `EXACT` trials it is summed. Of more it is the saddlepoint approximation of Lugannani and
    Rice (1980, Saddle Point Approximation for the Distribution of the Sum of Independent Random
    Variables) with the second continuity correction of Daniels (1987, Tail Probability
    Approximations), whose relative error is small however small the chance.

    Args:
        trials: of each kind.
        chances: of success, of each kind of trial; from 0 to 1.
        at_least: successes.
    """
    sure = possible = 0
    all_succeed = 0.0
    for kind in range(len(trials)):
        if chances[kind] >= 1:
            sure += trials[kind]
        if chances[kind] > 0:
            possible += trials[kind]
            all_succeed += trials[kind] * log(chances[kind])
    if at_least <= sure:
        return 1.0
    if at_least > possible:
        return 0.0
    if at_least == possible:
        return exp(all_succeed)
    if possible <= EXACT:
        return _summed(trials, chances, at_least)
    return _saddlepoint(trials, chances, at_least)


@njit(cache=True)
def _summed(trials: NDArray[np.int64], chances: NDArray[np.float64], at_least: int) -> float:
    likely = np.zeros(trials.sum() + 1)
    likely[0] = 1
    done = 0
    for kind in range(len(trials)):
        chance = chances[kind]
        if chance <= 0:
            continue
        for _ in range(trials[kind]):
            done += 1
            for successes in range(done, 0, -1):
                likely[successes] = (
                    likely[successes] * (1 - chance) + likely[successes - 1] * chance
                )
            likely[0] *= 1 - chance
    return float(min(likely[at_least:].sum(), 1.0))


@njit(cache=True)
def _saddlepoint(trials: NDArray[np.int64], chances: NDArray[np.float64], at_least: int) -> float:
    wanted = at_least - 0.5
    low, high, s = -inf, inf, 0.0
    for _ in range(_STEPS):
        mean, variance = _moments(trials, chances, s)
        if mean < wanted:
            low = s
        else:
            high = s
        if abs(mean - wanted) <= _CLOSE * wanted or variance <= 0:
            break
        # Newton's step, kept between what is known to be too low and too high
        s += min(max((wanted - mean) / variance, -2.0), 2.0)
        if not low < s < high:
            s = (low + high) / 2
    mean, variance = _moments(trials, chances, s)
    cumulant = 0.0
    for kind in range(len(trials)):
        chance = chances[kind]
        if s > 0:  # exp(s) of a great s would overflow
            cumulant += trials[kind] * (s + log((1 - chance) * exp(-s) + chance))
        else:
            cumulant += trials[kind] * log(1 - chance + chance * exp(s))
    distance = sqrt(max(2 * (s * wanted - cumulant), 0.0))
    if s < 0:
        distance = -distance
    if abs(distance) < _NEAR:
        return _near_the_mean(trials, chances, wanted)
    correction = 1 / (2 * sinh(s / 2) * sqrt(variance)) - 1 / distance
    tail = erfc(distance / sqrt(2)) / 2 + exp(-distance * distance / 2) / sqrt(2 * pi) * correction
    return min(max(tail, 0.0), 1.0)


@njit(cache=True)
def _near_the_mean(trials: NDArray[np.int64], chances: NDArray[np.float64], wanted: float) -> float:
    """The normal distribution with a correction for skewness.

    Volkova (1996), A Refinement of the Central Limit Theorem for Sums of Independent Random
    Indicators.
    """
    mean, variance = _moments(trials, chances, 0.0)
    third = 0.0
    for kind in range(len(trials)):
        chance = chances[kind]
        third += trials[kind] * chance * (1 - chance) * (1 - 2 * chance)
    x = (wanted - mean) / sqrt(variance)
    density = exp(-x * x / 2) / sqrt(2 * pi)
    return float(erfc(x / sqrt(2)) / 2 + third / variance**1.5 * (x * x - 1) * density / 6)


@njit(cache=True)
def _moments(
    trials: NDArray[np.int64], chances: NDArray[np.float64], s: float
) -> tuple[float, float]:
    """Give mean and variance of the successes, each chance tilted by s."""
    mean = variance = 0.0
    for kind in range(len(trials)):
        chance = chances[kind]
        if chance <= 0:
            continue
        tilted = chance / (chance + (1 - chance) * exp(-s))
        mean += trials[kind] * tilted
        variance += trials[kind] * tilted * (1 - tilted)
    return mean, variance
