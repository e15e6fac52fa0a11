"""Weights of features, learned from what was bought: logistic regression by Newton's method."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_RIDGE: Final = 10.0  # pulls weights to 0: as if so many observations spoke against each
_STEPS: Final = 25
_SMALLEST: Final = 1e-8  # of a step that still matters
_DIGITS: Final = 6  # of weights, so that equal nights have equal lists
_LARGEST: Final = 30.0  # of a logit: beyond, a probability is 0 or 1


class Weights(NamedTuple):
    """A linear score, the logit of a probability.

    Attributes:
        intercept: the score where every feature is 0.
        slopes: of each feature.
    """

    intercept: float
    slopes: NDArray[np.float64]


def fitted_weights(features: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> Weights | None:
    """Fit the probability of an outcome to features.

    Args:
        features: one row for each observation, one column for each feature, finite.
        outcomes: of each observation.

    Returns:
        The weights of a ridge-penalised logistic regression over standardised features (Hastie,
        Tibshirani, Friedman, The Elements of Statistical Learning, 4.4.1); None where all
        outcomes are equal.
    """
    if outcomes.all() or not outcomes.any():
        return None
    means, deviations = features.mean(axis=0), features.std(axis=0)
    deviations[deviations < 1e-9] = np.inf  # a feature that is always the same says nothing
    standard = np.column_stack([np.ones(len(features)), (features - means) / deviations])
    penalty = np.full(standard.shape[1], _RIDGE)
    penalty[0] = 0
    share = outcomes.mean()
    weights = np.zeros(standard.shape[1])
    weights[0] = np.log(share / (1 - share))
    reached = _likelihood(standard, outcomes, weights, penalty)
    for _ in range(_STEPS):
        chances = probabilities(standard @ weights)
        gradient = standard.T @ (outcomes - chances) - penalty * weights
        curvature = (standard * (chances * (1 - chances))[:, None]).T @ standard
        step = np.linalg.solve(curvature + np.diag(penalty), gradient)
        # a whole step may lead past the top, and from there ever further
        while (better := _likelihood(standard, outcomes, weights + step, penalty)) < reached:
            step /= 2
            if np.abs(step).max() < _SMALLEST:
                break
        weights, reached = weights + step, better
        if np.abs(step).max() < _SMALLEST:
            break
    slopes = weights[1:] / deviations
    return Weights(round(float(weights[0] - slopes @ means), _DIGITS), slopes.round(_DIGITS))


def probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits into probabilities."""
    return 1 / (1 + np.exp(-np.clip(logits, -_LARGEST, _LARGEST)))


def _likelihood(
    features: NDArray[np.float64],
    outcomes: NDArray[np.bool_],
    weights: NDArray[np.float64],
    penalty: NDArray[np.float64],
) -> float:
    """Logarithm of the outcomes' probability, less the penalty."""
    logits = features @ weights
    return float(
        logits[outcomes].sum() - np.logaddexp(0, logits).sum() - (penalty * weights**2).sum() / 2
    )
