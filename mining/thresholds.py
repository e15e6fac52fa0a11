"""Thresholds of rule mining, held exactly: a share is a ratio of integers, never a float.

Float comparisons lose sets and rules that stand just on the edge: 0.8 is not four fifths in binary.
"""

from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import TypeAlias

Threshold: TypeAlias = str | int | Decimal | Fraction


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
