from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.order_of_two import compare_orders

ONE, OTHER = 0, 1


@st.composite
def customers(draw):
    """Of each: days and months with a purchase, and on which of them they bought either item."""
    some = []
    for _ in range(draw(st.integers(1, 5))):
        visits = draw(st.integers(1, 5))
        months = sorted(draw(st.lists(st.integers(0, 2), min_size=visits, max_size=visits)))
        bought = [
            sorted(draw(st.sets(st.integers(0, visits - 1), min_size=1))) for _ in (ONE, OTHER)
        ]
        some.append((months, bought))
    return some


shares = st.lists(
    st.lists(st.sampled_from([0.05, 0.2, 0.5, 1.0]), min_size=3, max_size=3), min_size=2, max_size=2
)


def chances(share_of_month, months, times):
    """Of each day, by dividing what is left among the days that are not full."""
    full = set()
    while True:
        free = [day for day in range(len(months)) if day not in full]
        total = sum(share_of_month[months[day]] for day in free)
        factor = (times - len(full)) / total if total else 0
        over = {day for day in free if share_of_month[months[day]] * factor >= 1}
        if not over:
            return [
                1.0 if day in full else share_of_month[months[day]] * factor
                for day in range(len(months))
            ]
        full |= over


def chance_that_one_is_first(one, other):
    """Every outcome of both items on all days."""
    days = range(len(one))
    forth = back = 0.0
    for outcome in product(product((False, True), repeat=len(one)), repeat=2):
        weight = prod(
            chance[day] if bought[day] else 1 - chance[day]
            for chance, bought in zip((one, other), outcome, strict=True)
            for day in days
        )
        if all(any(bought) for bought in outcome):
            first, second = (bought.index(True) for bought in outcome)
            forth += weight * (first < second)
            back += weight * (second < first)
    return forth / (forth + back) if forth + back > 1e-9 else 0.5


def orders_of(some, monthly_shares):
    visits = [
        (customer, day, month)
        for customer, (months, _) in enumerate(some)
        for day, month in enumerate(months)
    ]
    rows = [
        (customer, bought[item][0], len(bought[item]))
        for item in (ONE, OTHER)
        for customer, (_, bought) in enumerate(some)
    ]
    return compare_orders(
        np.array([ONE], np.int32),
        np.array([OTHER], np.int32),
        np.array([0, len(some), 2 * len(some)]),
        *(np.array(column, np.int32) for column in zip(*rows, strict=True)),
        *(np.array(column, np.int32) for column in zip(*visits, strict=True)),
        np.array(monthly_shares),
    )


@given(customers(), shares)
def test_orders_are_expected_as_in_all_outcomes(some, monthly_shares):
    compared = [
        (bought[ONE][0] < bought[OTHER][0], chance_that_one_is_first(*sides))
        for months, bought in some
        if bought[ONE][0] != bought[OTHER][0]
        for sides in [
            [chances(monthly_shares[item], months, len(bought[item])) for item in (ONE, OTHER)]
        ]
    ]
    orders = orders_of(some, monthly_shares)
    in_order = sum(kept for kept, _ in compared)
    assert orders.both[0] == len(compared)
    assert orders.in_order[0] == in_order
    assert orders.expected[0] == pytest.approx(sum(chance for _, chance in compared))
    at_least = sum(
        prod(
            chance if kept else 1 - chance
            for kept, (_, chance) in zip(outcome, compared, strict=True)
        )
        for outcome in product((False, True), repeat=len(compared))
        if sum(outcome) >= in_order
    )
    assert orders.p_values[0] == pytest.approx(at_least, abs=1e-12)


def test_an_item_that_is_new_comes_later_by_its_months_alone():
    """Everybody had the old one in the first months, and the new one came in the third."""
    months = [0, 0, 1, 1, 2, 2]
    some = [(months, [[0, 3], [5]])] * 30
    orders = orders_of(some, [[0.3, 0.3, 0.3], [0.0, 0.0, 0.3]])
    assert orders.in_order[0] == 30
    assert orders.expected[0] > 29 * 0.9
