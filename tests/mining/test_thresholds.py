from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.thresholds import exact, exact_share, minimum_count


@pytest.mark.parametrize("written", ["0.005", ".005", "5e-3", Decimal("0.005"), Fraction(1, 200)])
def test_a_threshold_is_the_decimal_it_is_written_as(written):
    assert exact("minimum_support", written) == Fraction(1, 200)


def test_a_float_is_refused_by_name():
    with pytest.raises(TypeError, match=r"minimum_support .* not the float 0\.005"):
        exact("minimum_support", 0.005)


@pytest.mark.parametrize("written", ["", "five", "nan", "1/0", Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_number_is_refused_by_name(written):
    with pytest.raises(ValueError, match="minimum_lift must be a decimal number"):
        exact("minimum_lift", written)


@pytest.mark.parametrize("written", ["0", "-0.1", "1.0001", 2])
def test_a_share_lies_above_0_and_at_most_at_1(written):
    with pytest.raises(ValueError, match="minimum_confidence must be above 0 and at most 1"):
        exact_share("minimum_confidence", written)


@pytest.mark.parametrize(
    ("support", "basket_count", "expected"),
    [
        ("0.005", 155_370, 777),
        ("0.001", 9_835, 10),
        ("0.006", 9_835, 60),
        ("0.1", 10, 1),
        ("0.1", 11, 2),
        ("0.07", 100, 7),  # as floats: 0.07 * 100 = 7.000000000000001, whose ceiling is 8
        ("1", 3, 3),
        ("0.5", 0, 0),
    ],
)
def test_minimum_count(support, basket_count, expected):
    assert minimum_count(support, basket_count) == expected


@given(st.integers(1, 10**6), st.integers(0, 10**9))
def test_minimum_count_is_the_first_count_whose_support_reaches(millionths, basket_count):
    found = minimum_count(Decimal(millionths).scaleb(-6), basket_count)
    assert found * 10**6 >= millionths * basket_count > (found - 1) * 10**6


def test_a_negative_basket_count_is_refused():
    with pytest.raises(ValueError, match="basket_count must be 0 or more, got -1"):
        minimum_count("0.1", -1)
