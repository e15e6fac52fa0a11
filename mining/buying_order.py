"""Buying order: what people buy for the first time after what, and after how long.

At a cut, customers who have an item and lack another are followed for some time, beside all others
who lack it. Who buys much buys everything sooner or later, so that those are compared who took as
many new items in this time and had as many before: Mantel and Haenszel (1959), Statistical Aspects
of the Analysis of Data from Retrospective Studies of Disease. Pairs are found at an earlier cut and
proven at a later one, on purchases that played no part in finding them. Their order is that of the
time before both, which played no part either.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray
from scipy.special import betainc, gammainc
from scipy.stats import false_discovery_control

from mining.holdout import MAXIMUM_Q_VALUE, fisher_p_values
from mining.intervals import wilson_interval
from mining.itemsets import columns_apart
from mining.order_of_two import Floats, Integers, compare_orders
from mining.thresholds import Threshold, exact, exact_share, reaches

MAXIMUM_ITEMS: Final = 4_000  # of a line, or of all: their pairs are counted in square tables
MAXIMUM_CANDIDATES: Final = 2_000  # each pair tested takes power from the tests of the others
LEAST_Z: Final = 2.0  # of a candidate where it is found: less is not worth a test

_SIFTED: Final = 10_000  # pairs that go from the rough sieve to the exact one

BUYING_ORDER_SCHEMA: Final = pa.schema(
    [
        ("first_item", pa.string()),
        ("next_item", pa.string()),
        ("window_days", pa.int64()),
        ("owners", pa.int64()),
        ("customers", pa.int64()),
        ("followed_customers", pa.int64()),
        ("share_of_owners", pa.float64()),
        ("followed_share", pa.float64()),
        ("followed_share_low", pa.float64()),
        ("followed_share_high", pa.float64()),
        ("expected_share", pa.float64()),
        ("lift", pa.float64()),
        ("z_score", pa.float64()),
        ("holdout_owners", pa.int64()),
        ("holdout_customers", pa.int64()),
        ("holdout_followed_customers", pa.int64()),
        ("holdout_share_of_owners", pa.float64()),
        ("holdout_followed_share", pa.float64()),
        ("holdout_followed_share_low", pa.float64()),
        ("holdout_followed_share_high", pa.float64()),
        ("holdout_expected_share", pa.float64()),
        ("holdout_lift", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("is_held", pa.bool_()),
        ("is_published", pa.bool_()),
        ("both_customers", pa.int64()),
        ("in_order_customers", pa.int64()),
        ("order_ratio", pa.float64()),
        ("order_p_value", pa.float64()),
        ("is_in_order", pa.bool_()),
        ("longest_wait_days", pa.int64()),
        ("first_quartile_days", pa.float64()),
        ("median_days", pa.float64()),
        ("third_quartile_days", pa.float64()),
        ("rank", pa.int64()),
    ]
)
UP_SELL_SCHEMA: Final = pa.schema(
    [
        *BUYING_ORDER_SCHEMA,
        ("again_customers", pa.int64()),
        ("switched_customers", pa.int64()),
        ("switched_share", pa.float64()),
        ("switched_share_low", pa.float64()),
        ("switched_share_high", pa.float64()),
    ]
)


class Histories(NamedTuple):
    """What people bought when. Customers, items and months are numbered from 0, without gaps.

    Attributes:
        visits: `customer`, `day` and `month` of each customer's days with a purchase, in this
            order, each once: 32-bit numbers without nulls.
        first_purchases: `customer`, `item`, `first_day` and `last_day` with the item, and
            `early_days`, the days with it before `begin_of_search`; each customer and item once, in
            the order of customers: 32-bit numbers without nulls.
        items: keys of the items, in the order of their numbers: those most bought come first.
        monthly_shares: of the customers' days with a purchase in a month, those with the item:
            items × months.
        cut: the day on which the later period begins; None where there is none.
        end: the day after the last one.
    """

    visits: pa.Table
    first_purchases: pa.Table
    items: list[str]
    monthly_shares: Floats
    cut: int | None
    end: int


def begin_of_search(cut: int | None, end: int) -> int:
    """Give the day on which the time begins that pairs are found in: as long as the later one."""
    return end if cut is None else 2 * cut - end


class Steps(NamedTuple):
    """Where a pair may lead, by item: to one of the same line that costs more.

    Attributes:
        lines: numbers of product lines; below 0: of none, which leads nowhere.
        prices: of a piece; NaN where there is none.
        minimum_rise: price of the next over that of the first, at least.
    """

    lines: Integers
    prices: Floats
    minimum_rise: float


class _Time(NamedTuple):
    """Who took something new in a time: what they had at its begin, and what they took.

    Attributes:
        starts: of each item, where its rows in `customer` begin, and where the last end; items
            twice over, first those had before, then those taken.
        customer: customers, rising within an item.
        stratum: of each customer, who are compared with them; below 0: took nothing new.
        stratum_of_owner: the same, with one item less had before.
    """

    starts: NDArray[np.int64]
    customer: Integers
    stratum: Integers
    stratum_of_owner: Integers


class _ByItem(NamedTuple):
    """First purchases in the order of items: where the rows of each begin, and the columns."""

    starts: NDArray[np.int64]
    customer: Integers
    first_day: Integers
    last_day: Integers
    early_days: Integers


class _Followers(NamedTuple):
    """Of each pair: those who had the first and lacked the next, and took the next in the time."""

    customers: NDArray[np.int64]
    followed: NDArray[np.int64]
    expected: Floats
    z_scores: Floats
    p_values: Floats


def mine_buying_order(
    histories: Histories,
    *,
    minimum_customers: int,
    minimum_share: Threshold,
    minimum_lift: Threshold,
    maximum_pairs: int,
    never_together: pa.Table | None = None,
    steps: Steps | None = None,
) -> pa.Table:
    """Find pairs of items of which the second is bought later by those who have the first.

    Args:
        histories: what people bought when.
        minimum_customers: customers who took the next item, having the first, at least.
        minimum_share: of the customers who had the first item and lacked the next, at least.
        minimum_lift: that share over the one expected, at least.
        maximum_pairs: pairs published at most, those of the greatest `z_score`.
        never_together: `item` and `other`: pairs that are none in either order, such as a category
            and a product of it: who takes the product takes the category by that.
        steps: where given, only pairs that lead up: up-selling.

    Returns:
        `BUYING_ORDER_SCHEMA`, by falling `z_score`: the candidates, found in the time before the
        cut that is as long as the one after it, and tested in that one. Customers are those who
        took any new item in the time. The expected share is that of all who lack the next item,
        took as many new items and had as many others before. `p_value` is one-sided, the greater of
        the chances without (Fisher's exact test) and with this comparison (a sum of hypergeometric
        counts, taken as a binomial one of the same mean and variance); `q_value` is that of
        Benjamini and Hochberg (1995) over the candidates. A pair `is_held` where its q_value is at
        most `MAXIMUM_Q_VALUE` and its lift there above 1. Owners are all who had the first item and
        lacked the next, whether they bought anything or not.
        The order is that of the purchases before both times: a pair was found by who took the next
        item after the first in them, which says nothing of its order any more. See
        `mining.order_of_two`: a ratio of 1 is a pair that is bought in any order; `is_in_order`
        tells of pairs that held, which are not (q_value of `order_p_value` over them), and which
        more than half of the customers bought in this order.
        Waits are of all history, and of customers who can be seen long enough: of who bought the
        first item `longest_wait_days`, half the history, before its end or earlier, and the next
        one within so many days. Without that limit short waits, which are seen of everybody, would
        outnumber long ones, which are seen of the oldest customers only. Null where nobody did.
        With `steps`, `UP_SELL_SCHEMA`: of all who first bought the next item after the first one,
        how many bought either again on a later day, and how many of these only the next. Where
        their share is not above a half, by the lower end of its interval, the pair is not
        published: both go on being bought. Nor is that asked of what nobody buys again.
        Without a cut, or with less time before it than after, there are none. Of more than
        `MAXIMUM_ITEMS` items, with `steps` of each line, the first ones count.

    Raises:
        TypeError: for a threshold given as a float.
        ValueError: where a threshold lies outside its limits.
    """
    least_share = exact_share("minimum_share", minimum_share)
    least_lift = float(exact("minimum_lift", minimum_lift))
    if minimum_customers < 1:
        raise ValueError(f"minimum_customers must be 1 or more, got {minimum_customers}")
    schema = BUYING_ORDER_SCHEMA if steps is None else UP_SELL_SCHEMA
    cut, end = histories.cut, histories.end
    if cut is None or not len(histories.first_purchases):
        return schema.empty_table()

    begin = begin_of_search(cut, end)
    earlier = _between(histories, begin, cut)
    apart = columns_apart(never_together, histories.items)
    first, following = _sifted(earlier, minimum_customers, least_share, apart, steps)
    found = _followers(earlier, first, following)
    unusual = (found.z_scores >= LEAST_Z) & (found.followed >= least_lift * found.expected)
    best = np.flatnonzero(unusual)
    best = best[np.argsort(-found.z_scores[best], kind="stable")[:MAXIMUM_CANDIDATES]]
    first, following = first[best], following[best]
    found = _Followers._make(values[best] for values in found)

    proven = _followers(_between(histories, cut, end), first, following)
    q_values = false_discovery_control(proven.p_values) if len(first) else proven.p_values
    is_held = (q_values <= MAXIMUM_Q_VALUE) & (proven.followed > proven.expected)
    names = pa.array(histories.items, pa.string())
    bought = _by_item(histories.first_purchases, len(histories.items))
    again, switched = _switches(first, following, *bought[:4])
    switched_low, switched_high = wilson_interval(switched, again)
    has_moved = (again == 0) | (switched_low > 0.5)
    worth_it = is_held if steps is None else is_held & has_moved
    columns = {
        "first_item": names.take(pa.array(first)),
        "next_item": names.take(pa.array(following)),
        "window_days": np.full(len(first), end - cut),
        **_measures(found, _owners(first, following, *bought[:3], begin), ""),
        "z_score": found.z_scores,
        **_measures(proven, _owners(first, following, *bought[:3], cut), "holdout_"),
        "p_value": proven.p_values,
        "q_value": q_values,
        "is_held": is_held,
        "is_published": worth_it & (np.cumsum(worth_it) <= maximum_pairs),
        **_order(histories, begin, first, following, is_held),
        **_waits(bought, first, following, end),
        "rank": np.arange(1, len(first) + 1),
        "again_customers": again,
        "switched_customers": switched,
        "switched_share": _share(switched, again),
        "switched_share_low": pa.array(switched_low, mask=again == 0),
        "switched_share_high": pa.array(switched_high, mask=again == 0),
    }
    return pa.table([columns[name] for name in schema.names], schema)


def _between(histories: Histories, begin: int, end: int) -> _Time:
    """Lay out a time, from a day to the one before the end."""
    purchases = histories.first_purchases
    customer, item, day = (purchases[name].to_numpy() for name in ("customer", "item", "first_day"))
    count = len(histories.items)
    customers = int(customer.max()) + 1
    is_taken = (day >= begin) & (day < end)
    taken = np.bincount(customer[is_taken], minlength=customers)
    had = np.bincount(customer[day < begin], minlength=customers)
    taken_alike, had_alike = _alike(taken), _alike(had + 1)
    owner_alike = _alike(np.maximum(had, 1))
    codes = np.stack([taken_alike, taken_alike]) * 256 + np.stack([had_alike, owner_alike])
    _, strata = np.unique(codes, return_inverse=True)
    compared, compared_owner = np.where(taken, strata.reshape(2, -1), -1).astype(np.int32)
    kept = np.flatnonzero((day < end) & (compared[customer] >= 0))
    place = item[kept] + count * is_taken[kept]
    starts = np.zeros(2 * count + 1, np.int64)
    np.cumsum(np.bincount(place, minlength=2 * count), out=starts[1:])
    rows = kept[np.argsort(place, kind="stable")]
    return _Time(starts, customer[rows].astype(np.int32), compared, compared_owner)


def _by_item(purchases: pa.Table, count: int) -> _ByItem:
    """Lay out first purchases by item, customers rising within each."""
    item = purchases["item"].to_numpy()
    rows = np.argsort(item, kind="stable")
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(item, minlength=count), out=starts[1:])
    names = ("customer", "first_day", "last_day", "early_days")
    return _ByItem(starts, *(purchases[name].to_numpy()[rows] for name in names))


def _alike(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number groups of counts that are compared: up to 8 each by itself, 9 with 10, 59 to 69."""
    return np.round(4 * np.log2(np.maximum(counts, 1))).astype(np.int64)


def _sifted(
    time: _Time,
    minimum_customers: int,
    least_share: Any,
    apart: Integers,
    steps: Steps | None,
) -> tuple[Integers, Integers]:
    """Pairs that reach the thresholds, and are more frequent than the items by themselves."""
    count = len(time.starts) // 2
    active = int((time.stratum >= 0).sum())
    lines = np.zeros(count, np.int32) if steps is None else steps.lines
    parts = [(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))]
    for items in _groups_of_items(lines):
        rows, starts = _rows_of(time, items)
        customers, customer = np.unique(time.customer[rows], return_inverse=True)
        number_of = np.full(count, -1, np.int32)
        number_of[items] = np.arange(len(items), dtype=np.int32)
        among = number_of[apart]
        first, following, followed, exposed, rough = _rough_pairs(
            starts,
            customer.astype(np.int32),
            active,
            len(customers),
            minimum_customers,
            among[(among >= 0).all(axis=1)],
        )
        kept = reaches(least_share, followed, exposed)
        if steps is not None:
            prices = steps.prices[items]
            kept &= prices[following] >= steps.minimum_rise * prices[first]
        parts.append((items[first[kept]], items[following[kept]], rough[kept]))
    first, following, rough = (np.concatenate(column) for column in zip(*parts, strict=True))
    best = np.lexsort((following, first, -rough))[:_SIFTED]
    return first[best], following[best]


def _groups_of_items(lines: Integers) -> Iterator[Integers]:
    """Yield the items of each line, the first ones of many; those of no line are left out."""
    order = np.argsort(lines, kind="stable").astype(np.int32)
    begins = np.flatnonzero(np.diff(lines[order], prepend=-1))
    for items in np.split(order, begins):
        if len(items) > 1 and lines[items[0]] >= 0:
            yield items[:MAXIMUM_ITEMS]


def _rows_of(time: _Time, items: Integers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the rows of some items, and where those of each begin, as `_Time.starts` does."""
    count = len(time.starts) // 2
    places = np.concatenate([items, items + count])
    lengths = time.starts[places + 1] - time.starts[places]
    starts = np.zeros(len(places) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    rows = np.arange(starts[-1]) + np.repeat(time.starts[places] - starts[:-1], lengths)
    return rows, starts


def _followers(time: _Time, first: Integers, following: Integers) -> _Followers:
    """Count the followers of each pair beside those expected."""
    by_next = np.argsort(following, kind="stable")  # what is counted of a next item, is so once
    counts = np.empty((4, len(first)), np.int64)
    sums = np.empty((2, len(first)))
    counts[:, by_next], sums[:, by_next] = _compare_strata(
        first[by_next],
        following[by_next],
        time.starts,
        time.customer,
        time.stratum,
        time.stratum_of_owner,
    )
    at_risk, takers, customers, followed = counts
    expected, variance = sums
    deviation = np.sqrt(variance)
    z_scores = np.divide(
        followed - expected, deviation, out=np.zeros(len(first)), where=deviation > 0
    )
    by_themselves = fisher_p_values(at_risk, customers, takers, followed)
    p_values = np.maximum(by_themselves, _upper_tail(followed, expected, variance))
    return _Followers(customers, followed, expected, z_scores, p_values)


def _upper_tail(followed: NDArray[np.int64], expected: Floats, variance: Floats) -> Floats:
    """Chance of at least so many, of a binomial count of that mean and variance.

    A hypergeometric count is a sum of independent trials (Vatutin and Mikhailov 1982), so their sum
    over strata is one too, and its variance at most its mean.
    """
    mean = np.maximum(expected, np.finfo(float).tiny)
    chance = np.clip(1 - variance / mean, 0, 1)
    trials = mean / np.maximum(chance, 1e-12)
    count = np.maximum(followed, 1)
    tail = np.where(
        chance < 1e-9,
        gammainc(count, mean),  # Poisson's
        betainc(count, np.maximum(trials - count + 1, 1e-9), np.minimum(chance, 1 - 1e-12)),
    )
    return np.where(followed > expected, tail, 1.0)


def _share(some: NDArray[np.int64], all_: NDArray[np.int64]) -> pa.Array:
    """Divide; null where there is nobody."""
    return pa.array(some / np.maximum(all_, 1), mask=all_ == 0)


def _measures(pairs: _Followers, owners: NDArray[np.int64], prefix: str) -> dict[str, Any]:
    """Shares of the customers and of all owners, null where there are none."""
    low, high = wilson_interval(pairs.followed, pairs.customers)
    nobody = pairs.customers == 0
    customers = np.maximum(pairs.customers, 1)
    lift = pairs.followed / np.maximum(pairs.expected, np.finfo(float).tiny)
    return {
        f"{prefix}owners": owners,
        f"{prefix}customers": pairs.customers,
        f"{prefix}followed_customers": pairs.followed,
        f"{prefix}share_of_owners": _share(pairs.followed, owners),
        f"{prefix}followed_share": _share(pairs.followed, pairs.customers),
        f"{prefix}followed_share_low": pa.array(low, mask=nobody),
        f"{prefix}followed_share_high": pa.array(high, mask=nobody),
        f"{prefix}expected_share": pa.array(pairs.expected / customers, mask=nobody),
        f"{prefix}lift": pa.array(lift, mask=pairs.expected <= 0),
    }


def _order(
    histories: Histories,
    begin: int,
    first: Integers,
    following: Integers,
    is_held: NDArray[np.bool_],
) -> dict[str, Any]:
    """Which of both comes first, of the purchases before a day."""
    purchases, visits = histories.first_purchases, histories.visits
    early = _by_item(purchases.filter(pc.less(purchases["first_day"], begin)), len(histories.items))
    visits = visits.filter(pc.less(visits["day"], begin))
    orders = compare_orders(
        first,
        following,
        early.starts,
        early.customer,
        early.first_day,
        early.early_days,
        visits["customer"].to_numpy(),
        visits["day"].to_numpy(),
        visits["month"].to_numpy(),
        histories.monthly_shares,
    )
    is_in_order = np.zeros(len(first), np.bool_)
    if is_held.any():
        q_values = false_discovery_control(orders.p_values[is_held])
        is_in_order[is_held] = q_values <= MAXIMUM_Q_VALUE
        is_in_order &= 2 * orders.in_order > orders.both
    return {
        "both_customers": orders.both,
        "in_order_customers": orders.in_order,
        "order_ratio": pa.array(
            orders.in_order / np.maximum(orders.expected, np.finfo(float).tiny),
            mask=orders.expected <= 0,
        ),
        "order_p_value": orders.p_values,
        "is_in_order": pa.array(is_in_order, mask=~is_held),
    }


def _waits(bought: _ByItem, first: Integers, following: Integers, end: int) -> dict[str, Any]:
    """How long it takes from one first purchase to the other, of whom it can be told."""
    begin = int(bought.first_day.min())
    longest = (end - begin) // 2
    quartiles = np.full((len(first), 3), np.nan)
    for place, (one, other) in enumerate(zip(first, following, strict=True)):
        lags = _lags(
            *(bought.starts, bought.customer, bought.first_day, one, other, end - longest, longest)
        )
        if len(lags):
            quartiles[place] = np.quantile(lags, (0.25, 0.5, 0.75))
    names = ("first_quartile_days", "median_days", "third_quartile_days")
    return {"longest_wait_days": np.full(len(first), longest)} | {
        name: pa.array(column, mask=np.isnan(column))
        for name, column in zip(names, quartiles.T, strict=True)
    }


@njit(cache=True)
def _rough_pairs(
    starts: NDArray[np.int64],
    customer: Integers,
    active: int,
    customers: int,
    minimum_customers: int,
    apart: Integers,
) -> Any:
    """Count all pairs, regardless of strata, and keep those above what independence gives.

    Args:
        starts: see `_Time`.
        customer: see `_Time`; numbered from 0 without gaps.
        active: customers who took anything new, whatever it is.
        customers: how many are numbered.
        minimum_customers: of a pair.
        apart: pairs that do not count.

    Returns:
        First and following item, customers who took the following one, those who might have, and a
        rough z-score, of each pair in their order.
    """
    count = len(starts) // 2
    # each customer's rows, so that pairs are counted customer by customer
    begins = np.zeros(customers + 1, np.int64)
    for row in range(len(customer)):
        begins[customer[row] + 1] += 1
    for one in range(customers):
        begins[one + 1] += begins[one]
    places = np.empty(len(customer), np.int32)
    filled = begins[:-1].copy()
    for place in range(2 * count):
        for row in range(starts[place], starts[place + 1]):
            places[filled[customer[row]]] = place
            filled[customer[row]] += 1
    had_both = np.zeros((count, count), np.int32)
    followed = np.zeros((count, count), np.int32)
    for one in range(customers):
        for left in range(begins[one], begins[one + 1]):
            if places[left] >= count:
                break
            for right in range(left + 1, begins[one + 1]):
                if places[right] < count:
                    had_both[places[left], places[right]] += 1
                else:
                    followed[places[left], places[right] - count] += 1

    for pair in range(len(apart)):
        followed[apart[pair, 0], apart[pair, 1]] = 0

    first, following = [], []
    joint, exposed, rough = [], [], []
    for one in range(count):
        for other in range(count):
            together = followed[one, other]
            if together < minimum_customers:
                continue
            both = had_both[one, other] if one < other else had_both[other, one]
            had = starts[one + 1] - starts[one] - both
            at_risk = active - (starts[other + 1] - starts[other])
            takers = starts[count + other + 1] - starts[count + other]
            mean = had * takers / at_risk
            z_score = (together - mean) / np.sqrt(mean)
            if z_score > 0:
                first.append(np.int32(one))
                following.append(np.int32(other))
                joint.append(np.int64(together))
                exposed.append(np.int64(had))
                rough.append(z_score)
    return np.array(first), np.array(following), np.array(joint), np.array(exposed), np.array(rough)


@njit(cache=True)
def _compare_strata(
    first: Integers,
    following: Integers,
    starts: NDArray[np.int64],
    customer: Integers,
    stratum: Integers,
    stratum_of_owner: Integers,
) -> Any:
    """Count each pair by strata; pairs are in the order of the next item.

    Who has the first item cannot take it. So others who took it in this time are left out, and it
    is not counted among what people had before: else owners would seem to take more of all else.

    Returns:
        At risk, takers, customers and followed: 4 × pairs; expected and its variance: 2 × pairs.
    """
    count = len(starts) // 2
    strata = max(stratum.max(), stratum_of_owner.max()) + 1
    totals = np.zeros(strata, np.int64)
    for one in range(len(stratum)):
        if stratum[one] >= 0:
            totals[stratum[one]] += 1
    lacking, taking = np.empty(strata, np.int64), np.empty(strata, np.int64)
    counts = np.zeros((4, len(first)), np.int64)
    sums = np.zeros((2, len(first)))
    for pair in range(len(first)):
        one, other = first[pair], following[pair]
        owners_of_next = customer[starts[other] : starts[other + 1]]
        takers_of_next = customer[starts[count + other] : starts[count + other + 1]]
        if pair == 0 or other != following[pair - 1]:
            lacking[:] = totals
            taking[:] = 0
            for who in owners_of_next:
                lacking[stratum[who]] -= 1
            for who in takers_of_next:
                taking[stratum[who]] += 1
        at_risk, takers = lacking.copy(), taking.copy()
        exposed, followed = np.zeros(strata, np.int64), 0
        for is_owner in (True, False):
            place = one if is_owner else count + one
            owner = taker = 0
            for who in customer[starts[place] : starts[place + 1]]:
                while owner < len(owners_of_next) and owners_of_next[owner] < who:
                    owner += 1
                if owner < len(owners_of_next) and owners_of_next[owner] == who:
                    continue
                while taker < len(takers_of_next) and takers_of_next[taker] < who:
                    taker += 1
                takes = taker < len(takers_of_next) and takers_of_next[taker] == who
                at_risk[stratum[who]] -= 1
                takers[stratum[who]] -= takes
                if is_owner:
                    own = stratum_of_owner[who]
                    at_risk[own] += 1
                    takers[own] += takes
                    exposed[own] += 1
                    followed += takes
        for level in range(strata):
            n, e, t = at_risk[level], exposed[level], takers[level]
            if n:
                mean = e * t / n
                sums[0, pair] += mean
                if n > 1:
                    sums[1, pair] += mean * (n - e) * (n - t) / (n * (n - 1.0))
        counts[0, pair], counts[1, pair] = at_risk.sum(), takers.sum()
        counts[2, pair], counts[3, pair] = exposed.sum(), followed
    return counts, sums


@njit(cache=True)
def _lags(
    starts: NDArray[np.int64],
    customers: Integers,
    first_days: Integers,
    one: int,
    other: int,
    begun_by: int,
    longest: int,
) -> Integers:
    """Days between both first purchases, of the customers who bought the one on an earlier day.

    Args:
        starts: see `_ByItem`.
        customers: see `_ByItem`.
        first_days: see `_ByItem`.
        one: the item bought first.
        other: the one bought later.
        begun_by: the last day of the first purchase of the one.
        longest: greater lags do not count.
    """
    lags = np.empty(starts[one + 1] - starts[one], np.int32)
    count = 0
    left, right = starts[one], starts[other]
    while left < starts[one + 1] and right < starts[other + 1]:
        if customers[left] < customers[right]:
            left += 1
        elif customers[left] > customers[right]:
            right += 1
        else:
            lag = first_days[right] - first_days[left]
            if 0 < lag <= longest and first_days[left] <= begun_by:
                lags[count] = lag
                count += 1
            left += 1
            right += 1
    return lags[:count]


@njit(cache=True)
def _owners(
    first: Integers,
    following: Integers,
    starts: NDArray[np.int64],
    customers: Integers,
    first_days: Integers,
    begin: int,
) -> NDArray[np.int64]:
    """Count the customers who had the first item of each pair before a day, and lacked the next."""
    owners = np.zeros(len(first), np.int64)
    for pair in range(len(first)):
        right, last = starts[following[pair]], starts[following[pair] + 1]
        for left in range(starts[first[pair]], starts[first[pair] + 1]):
            if first_days[left] >= begin:
                continue
            while right < last and customers[right] < customers[left]:
                right += 1
            has_next = right < last and customers[right] == customers[left]
            owners[pair] += not (has_next and first_days[right] < begin)
    return owners


@njit(cache=True)
def _switches(
    first: Integers,
    following: Integers,
    starts: NDArray[np.int64],
    customers: Integers,
    first_days: Integers,
    last_days: Integers,
) -> Any:
    """Count who bought either item again after a first purchase of the next, and who only that."""
    again, switched = np.zeros(len(first), np.int64), np.zeros(len(first), np.int64)
    for pair in range(len(first)):
        right, last = starts[following[pair]], starts[following[pair] + 1]
        for left in range(starts[first[pair]], starts[first[pair] + 1]):
            while right < last and customers[right] < customers[left]:
                right += 1
            if right == last:
                break
            step = first_days[right]
            if customers[right] == customers[left] and first_days[left] < step:
                goes_on, stays = last_days[left] > step, last_days[right] > step
                again[pair] += goes_on or stays
                switched[pair] += stays and not goes_on
    return again, switched
