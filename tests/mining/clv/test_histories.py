import numpy as np
import pytest

from mining.clv.histories import histories


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((-1, 0, 5, 1), "`repeats` of 0 or more"),
        ((1, 9, 5, 1), "not below `recency_days`"),
        ((0, 3, 5, 1), "where and only where `repeats` is 0"),
        ((2, 0, 5, 1), "where and only where `repeats` is 0"),
        ((0, 0, np.nan, 1), "`age_days`"),
        ((0, 0, np.inf, 1), "`age_days`"),
        ((0, 0, 5, 0), "`customers` of at least 1"),
    ],
)
def test_a_history_that_cannot_be_is_refused_with_its_row(row, words):
    with pytest.raises(ValueError, match=f"row 1: expected .*{words}"):
        histories(*zip((0, 0, 5, 1), row, strict=True))


def test_days_become_weeks_and_repeats_are_counted_together():
    of = histories([0, 2, 2], [0, 14, 21], [70, 70, 35], [5, 3, 1])
    assert of.recency.tolist() == [0, 2, 3]
    assert of.customer_count == 9
    assert [column.tolist() for column in of.by_repeats()] == [[0, 2], [5, 4]]
    assert of.mean_age == pytest.approx((5 * 10 + 3 * 10 + 5) / 9)
