"""Thresholds of rule mining, held exactly: a share is a ratio of integers, never a float.

Float comparisons lose sets and rules that stand just on the edge: 0.8 is not four fifths in binary.
"""

from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Threshold: TypeAlias = str | int | Decimal | Fraction

_CLEAR: Final = (
    1e-9  # a quotient further from the threshold than this share of it is no matter of rounding
)


def exact(name: str, threshold: Threshold) -> Fraction:
    """Read a threshold as the decimal it is written as.

    Args:
        name: the argument that it was given as, for the error.
        threshold: "0.005", Decimal("0.005"), an integer or a fraction.

    Raises:
        TypeError: for a float, whose decimal is a guess.
        ValueError: where it is no finite number.
    """
    if isinstance(threshold, float):
        raise TypeError(f"{name} must be text or a Decimal, not the float {threshold!r}")
    try:
        return Fraction(threshold)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"{name} must be a decimal number, got {threshold!r}") from error


def exact_share(name: str, threshold: Threshold) -> Fraction:
    """Read a threshold that must lie above 0 and at most at 1.

    Raises:
        TypeError: for a float.
        ValueError: where it lies outside (0, 1].
    """
    share = exact(name, threshold)
    if not 0 < share <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {threshold!r}")
    return share


def minimum_count(minimum_support: Threshold, basket_count: int) -> int:
    """Number of baskets that a support comes to: ⌈minimum_support × N⌉, in integers.

    Raises:
        TypeError: for a float.
        ValueError: where the support lies outside (0, 1] or the count is negative.
    """
    if basket_count < 0:
        raise ValueError(f"basket_count must be 0 or more, got {basket_count}")
    return ceil(exact_share("minimum_support", minimum_support) * basket_count)


def reaches(
    threshold: Fraction, numerators: NDArray[np.int64], denominators: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell of each quotient whether it is at least the threshold, exactly.

    Args:
        threshold: 0 or more.
        numerators: 0 or more.
        denominators: above 0.
    """
    quotients = numerators / denominators
    edge = float(threshold)
    reached = quotients >= edge
    # Only what floats cannot tell apart is worth Python's integers.
    for place in np.flatnonzero(np.abs(quotients - edge) <= _CLEAR * edge):
        reached[place] = int(
            numerators[place]
        ) * threshold.denominator >= threshold.numerator * int(denominators[place])
    return reached
