"""Confidence intervals of shares."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_Z: Final = 1.959963984540054  # of the normal distribution, 95 % lie within


def wilson_interval(
    successes: NDArray[np.int64], trials: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the 95 % interval of each share; it stays within 0 and 1 and holds for small counts.

    Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference.

    Args:
        successes: from 0 to `trials`.
        trials: 0 or more; of none nothing is known, so the interval is 0 to 1.

    Returns:
        The lower and the upper ends.
    """
    known = np.maximum(trials, 1)
    share = successes / known
    centre = share + _Z**2 / (2 * known)
    margin = _Z * np.sqrt(share * (1 - share) / known + _Z**2 / (4 * known.astype(float) ** 2))
    scale = 1 + _Z**2 / known
    low = np.where(trials > 0, np.maximum((centre - margin) / scale, 0), 0)
    high = np.where(trials > 0, np.minimum((centre + margin) / scale, 1), 1)
    # the ends of a share of 0 or 1 are exact, which rounding may miss
    return np.where(successes == 0, 0.0, low), np.where(successes == trials, 1.0, high)
