"""What each customer had bought by a day: the ground that recommendations stand on."""

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

HORIZON_DAYS: Final = 28  # what is recommended is meant for so many days

_SHORT_HALF_LIFE = 14.0
_LONG_HALF_LIFE = 56.0
_MAXIMUM_DAY_BITS = 22

Integers = NDArray[np.integer[Any]]
Starts = NDArray[np.int64]
Numbers = NDArray[np.float64]


class Purchases(NamedTuple):
    """Who bought what on which day, sorted by customer, product and day, each day once.

    Attributes:
        starts: for each customer where its rows begin, and at last where all end.
        products: the product of each row, counted from 0.
        days: the day of each row, in days since any.
        product_count: products in all.
    """

    starts: Starts
    products: Integers
    days: Integers
    product_count: int


class History(NamedTuple):
    """Pairs of a customer and a product bought before a day, and what came in the horizon after.

    Attributes:
        cut: the day; nothing of it or later is known.
        starts: for each customer where its pairs begin, and at last where all end.
        products: the product of each pair, ascending for each customer.
        day_counts: days on which it was bought.
        first_days: the first of them.
        last_days: the last of them.
        recent: those days, each counted half for every 14 days that it lies back.
        lasting: likewise, half for every 56 days.
        is_bought_again: whether it was bought within `HORIZON_DAYS` from the cut on.
        visit_days: for each customer the days with any purchase.
        last_visits: for each customer the last of them; the cut where there is none.
        new_starts: for each customer where its first purchases after the cut begin in
            `new_products`, and at last where all end.
        new_products: products first bought within `HORIZON_DAYS` from the cut on.
        product_count: products in all.
    """

    cut: int
    starts: Starts
    products: Integers
    day_counts: Integers
    first_days: Integers
    last_days: Integers
    recent: Numbers
    lasting: Numbers
    is_bought_again: NDArray[np.bool_]
    visit_days: Integers
    last_visits: Integers
    new_starts: Starts
    new_products: Integers
    product_count: int


class Demand(NamedTuple):
    """How much each product was asked for before a day.

    Attributes:
        buyers: customers who bought it.
        repeat_buyers: those of them who did on two days or more.
        month_buyers: those who did in the last 28 days.
        week_buyers: those who did in the last 7 days.
        month_first_buyers: those who did for the first time in the last 28 days.
    """

    buyers: Starts
    repeat_buyers: Starts
    month_buyers: Starts
    week_buyers: Starts
    month_first_buyers: Starts


def purchases(lines: pa.Table, customer_count: int, product_count: int) -> Purchases:
    """Sort purchases by customer, product and day.

    Args:
        lines: `customer` and `product`, whole numbers from 0, and `day`, days since any, without
            nulls; a repeated row counts once.
        customer_count: customers in all; those without a row have empty histories.
        product_count: products in all.

    Raises:
        ValueError: where a column is missing or has nulls, or a number lies outside its limits.
    """
    columns = []
    for name, count in (("customer", customer_count), ("product", product_count), ("day", None)):
        if name not in lines.column_names:
            raise ValueError(f"lines must have a column {name}: {lines.column_names}")
        if lines[name].null_count:
            raise ValueError(f"{name} of lines must not be null")
        column = lines[name].cast(pa.int32()).to_numpy()
        if count is not None and len(column) and not 0 <= column.min() <= column.max() < count:
            raise ValueError(
                f"{name} of lines must lie from 0 to {count - 1}, "
                f"got {column.min()} to {column.max()}"
            )
        columns.append(column)
    customers, products, days = columns
    if len(days) and not 0 <= days.min() <= days.max() < 1 << _MAXIMUM_DAY_BITS:
        raise ValueError(f"day of lines must lie from 0 to {(1 << _MAXIMUM_DAY_BITS) - 1}")
    starts, kept_products, kept_days = _sorted_lines(customers, products, days, customer_count)
    return Purchases(starts, kept_products, kept_days, product_count)


def history(of: Purchases, cut: int) -> History:
    """Tell what was bought before a day, and what within the horizon from it on."""
    pairs = _pairs(of.starts, of.products, of.days, cut)
    return History._make((cut, *pairs, of.product_count))


def demand(of: History) -> Demand:
    """Count the buyers of each product."""
    return Demand(
        *_buyers(of.products, of.first_days, of.last_days, of.day_counts, of.cut, of.product_count)
    )


@njit(cache=True)
def _sorted_lines(
    customers: Integers, products: Integers, days: Integers, customer_count: int
) -> Any:
    """Sort the lines of each customer by product and day; each row once."""
    ends = np.zeros(customer_count + 1, np.int64)
    for customer in customers:
        ends[customer + 1] += 1
    for customer in range(customer_count):
        ends[customer + 1] += ends[customer]
    keys = np.empty(len(customers), np.int64)
    places = ends[:-1].copy()
    for line in range(len(customers)):
        customer = customers[line]
        keys[places[customer]] = (np.int64(products[line]) << _MAXIMUM_DAY_BITS) | days[line]
        places[customer] += 1
    starts = np.zeros(customer_count + 1, np.int64)
    kept_products = np.empty(len(customers), np.int32)
    kept_days = np.empty(len(customers), np.int32)
    kept = 0
    for customer in range(customer_count):
        own = np.sort(keys[ends[customer] : ends[customer + 1]])
        before = np.int64(-1)
        for key in own:
            if key != before:
                kept_products[kept] = key >> _MAXIMUM_DAY_BITS
                kept_days[kept] = key & ((1 << _MAXIMUM_DAY_BITS) - 1)
                kept += 1
            before = key
        starts[customer + 1] = kept
    return starts, kept_products[:kept].copy(), kept_days[:kept].copy()


@njit(cache=True)
def _pairs(starts: Starts, products: Integers, days: Integers, cut: int) -> Any:
    """Go through each customer's products: what lies before the cut makes a pair."""
    customer_count = len(starts) - 1
    room = len(products)
    pair_starts = np.zeros(customer_count + 1, np.int64)
    pair_products = np.empty(room, np.int32)
    day_counts = np.empty(room, np.int32)
    first_days = np.empty(room, np.int32)
    last_days = np.empty(room, np.int32)
    recent = np.empty(room, np.float64)
    lasting = np.empty(room, np.float64)
    is_bought_again = np.zeros(room, np.bool_)
    visit_days = np.zeros(customer_count, np.int32)
    last_visits = np.full(customer_count, cut, np.int32)
    new_starts = np.zeros(customer_count + 1, np.int64)
    new_products = np.empty(room, np.int32)
    # which customer was seen last on each day, so that a day is counted once
    earliest = days.min() if room else 0
    seen = np.full((days.max() - earliest + 1) if room else 1, -1, np.int32)
    pairs, news = 0, 0
    for customer in range(customer_count):
        row = starts[customer]
        while row < starts[customer + 1]:
            product = products[row]
            count, first, last = 0, np.int32(0), np.int32(0)
            short, long = 0.0, 0.0
            is_again = False
            while row < starts[customer + 1] and products[row] == product:
                day = days[row]
                if day < cut:
                    first = day if count == 0 else first
                    last = day
                    count += 1
                    short += 0.5 ** ((cut - day) / _SHORT_HALF_LIFE)
                    long += 0.5 ** ((cut - day) / _LONG_HALF_LIFE)
                    if seen[day - earliest] != customer:
                        seen[day - earliest] = customer
                        if visit_days[customer] == 0 or day > last_visits[customer]:
                            last_visits[customer] = day
                        visit_days[customer] += 1
                elif day < cut + HORIZON_DAYS:
                    is_again = True
                row += 1
            if count:
                pair_products[pairs] = product
                day_counts[pairs] = count
                first_days[pairs], last_days[pairs] = first, last
                recent[pairs], lasting[pairs] = short, long
                is_bought_again[pairs] = is_again
                pairs += 1
            elif is_again:
                new_products[news] = product
                news += 1
        pair_starts[customer + 1] = pairs
        new_starts[customer + 1] = news
    return (
        pair_starts,
        pair_products[:pairs].copy(),
        day_counts[:pairs].copy(),
        first_days[:pairs].copy(),
        last_days[:pairs].copy(),
        recent[:pairs].copy(),
        lasting[:pairs].copy(),
        is_bought_again[:pairs].copy(),
        visit_days,
        last_visits,
        new_starts,
        new_products[:news].copy(),
    )


@njit(cache=True)
def _buyers(
    products: Integers,
    first_days: Integers,
    last_days: Integers,
    day_counts: Integers,
    cut: int,
    product_count: int,
) -> Any:
    buyers = np.zeros(product_count, np.int64)
    repeat = np.zeros(product_count, np.int64)
    month = np.zeros(product_count, np.int64)
    week = np.zeros(product_count, np.int64)
    first = np.zeros(product_count, np.int64)
    for pair in range(len(products)):
        product = products[pair]
        buyers[product] += 1
        repeat[product] += day_counts[pair] > 1
        month[product] += last_days[pair] >= cut - 28
        week[product] += last_days[pair] >= cut - 7
        first[product] += first_days[pair] >= cut - 28
    return buyers, repeat, month, week, first
