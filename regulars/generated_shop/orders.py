"""The orders as the systems write them: numbers, staff, cancellations, and returns months later."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from regulars.generated_shop.baskets import MERCHANDISE, Lines
from regulars.generated_shop.calendar import DAY_SECONDS
from regulars.generated_shop.customers import CHANNELS, FIRST_BRANCH, NOBODY, WEB, Customers
from regulars.generated_shop.purchases import FAILURES, Purchases
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.registrations import Registrations
from regulars.generated_shop.staff import STORES_A_BRANCH
from regulars.generated_shop.world import World

ORDERS_A_CHUNK: Final = 10_000_000  # order numbers that each chunk has to itself
_RETURN_SHARE: Final = 0.03
_RETURN_SHARE_OF_FAILED: Final = 0.5  # damaged or wrong items
_LATE_RETURN_SHARE: Final = 0.05  # of returns, which come up to 200 days later
_RETURNED_IN_BRANCH_SHARE: Final = 0.25  # of the web shop's, where the customer has a branch
_ANONYMOUS_SHARE: Final = 0.2  # of orders in branches that name no campaign


@dataclass(frozen=True)
class Orders:
    """Sales in the order of the purchases, then returns; one place an order.

    Attributes:
        number: unique in the shop.
        purchase: place of the purchase; of a return, of the one that it returns.
        returned: place of the order that it returns; NOBODY of a sale.
        channel: place in customers.CHANNELS.
        day: days of the calendar with the time of day.
        record: place of the customer's record; NOBODY of an anonymous one.
        store, employee, campaign: places; NOBODY for none.
        is_cancelled: and never paid.
    """

    number: np.ndarray
    purchase: np.ndarray
    returned: np.ndarray
    channel: np.ndarray
    day: np.ndarray
    record: np.ndarray
    store: np.ndarray
    employee: np.ndarray
    campaign: np.ndarray
    is_cancelled: np.ndarray


class Trade(NamedTuple):
    """What a chunk's people bought, and under which records: all else is drawn from it."""

    orders: Orders
    lines: Lines
    purchases: Purchases
    customers: Customers
    registrations: Registrations
    world: World


def make_orders(
    random: np.random.Generator,
    chunk: int,
    purchases: Purchases,
    lines: Lines,
    customers: Customers,
    registrations: Registrations,
    world: World,
) -> tuple[Orders, Lines]:
    """Orders of all purchases, and returns of some of them with lines of their own."""
    count = len(purchases.person)
    is_cancelled = purchases.is_cancelled
    purchase, day, channel = _returns(
        random, purchases, is_cancelled, registrations, world.calendar.days
    )
    return_lines = _returned_lines(random, lines, purchase, count)
    place = np.concatenate([np.arange(count), purchase])
    channel = np.concatenate([purchases.channel, channel])
    day = np.concatenate([purchases.day, day])
    person = purchases.person[place]
    is_sale = np.arange(len(place)) < count
    record = registrations.record(person, channel, day)
    is_branch = channel >= FIRST_BRANCH
    campaign = np.where(is_sale, purchases.stated_campaign[place], NOBODY)
    # who names a campaign names themselves
    is_anonymous = is_branch & (campaign == NOBODY)
    is_anonymous &= chosen(random, len(place), _ANONYMOUS_SHARE)
    store, employee = _served_by(random, person, channel, day, customers, world)
    if len(place) > ORDERS_A_CHUNK:
        raise ValueError(
            f"{len(place):,} orders of {len(customers.rate):,} people; their numbers end at "
            f"{ORDERS_A_CHUNK:,}: lower the rates of purchase"
        )
    orders = Orders(
        number=chunk * ORDERS_A_CHUNK + np.arange(len(place)),
        purchase=place,
        returned=np.where(is_sale, NOBODY, place),
        channel=channel,
        day=day,
        record=np.where(is_anonymous, NOBODY, record),
        store=store,
        employee=employee,
        campaign=campaign,
        is_cancelled=np.concatenate([is_cancelled, np.zeros(len(purchase), bool)]),
    )
    return orders, return_lines


def _returns(
    random: np.random.Generator,
    purchases: Purchases,
    is_cancelled: np.ndarray,
    registrations: Registrations,
    days: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which purchases come back, when and where."""
    is_bad = np.isin(purchases.failure, [FAILURES.index("damaged"), FAILURES.index("wrong item")])
    share = np.where(is_bad, _RETURN_SHARE_OF_FAILED, _RETURN_SHARE)
    comes_back = ~is_cancelled & (random.random(len(share)) < share)
    purchase = np.flatnonzero(comes_back)
    wait = 2.0 + random.exponential(8.0, len(purchase))
    wait += chosen(random, len(purchase), _LATE_RETURN_SHARE) * random.uniform(
        30, 200, len(purchase)
    )
    day = purchases.day[purchase] + wait
    is_in_time = day < days
    purchase, day = purchase[is_in_time], day[is_in_time]
    day = np.floor(day) + (10 * 3600 + random.integers(0, 9 * 3600, len(day))) / DAY_SECONDS
    channel, person = purchases.channel[purchase], purchases.person[purchase]
    branches = np.stack(
        [
            registrations.record(person, np.full(len(person), source), day) != NOBODY
            for source in range(FIRST_BRANCH, len(CHANNELS))
        ],
        axis=1,
    )
    to_branch = (channel == WEB) & branches.any(axis=1)
    to_branch &= chosen(random, len(purchase), _RETURNED_IN_BRANCH_SHARE)
    return purchase, day, np.where(to_branch, FIRST_BRANCH + branches.argmax(axis=1), channel)


def _returned_lines(
    random: np.random.Generator, lines: Lines, purchase: np.ndarray, sales: int
) -> Lines:
    """The lines with those of the returns behind them: the first of each sale, and some others."""
    begins = np.searchsorted(lines.order, purchase)
    counts = np.searchsorted(lines.order, purchase, side="right") - begins
    of_return = np.repeat(np.arange(len(purchase)), counts)
    within = np.arange(len(of_return)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = begins[of_return] + within
    is_kept = (lines.kind[place] == MERCHANDISE) & ((within == 0) | chosen(random, len(place), 0.3))
    place, of_return = place[is_kept], of_return[is_kept]
    back = lines.only(place)
    negative = {
        "order": sales + of_return,
        "quantity": -back.quantity,
        "discount_cents": -back.discount_cents,
        "coupon_cents": np.zeros(len(place), np.int64),
    }
    return Lines(
        **{
            name: np.concatenate([getattr(lines, name), negative.get(name, getattr(back, name))])
            for name in vars(lines)
        }
    )


def _served_by(
    random: np.random.Generator,
    person: np.ndarray,
    channel: np.ndarray,
    day: np.ndarray,
    customers: Customers,
    world: World,
) -> tuple[np.ndarray, np.ndarray]:
    """Shop and salesperson of orders in branches: the owner where still there, else anybody."""
    staff, branch = world.staff, channel - FIRST_BRANCH
    is_branch = branch >= 0
    owner = np.where(
        customers.owned_days[person, 1] <= day,
        customers.owners[person, 1],
        customers.owners[person, 0],
    )
    left = np.append(staff.left_day, 0)
    is_own = (
        (owner != NOBODY) & (np.append(staff.branch, -9)[owner] == branch) & (day < left[owner])
    )
    others = np.full(len(person), NOBODY)
    for number in range(int(branch.max(initial=-1)) + 1):
        here = np.flatnonzero(branch == number)
        team = staff.stayers(number)
        others[here] = team[random.integers(0, len(team), len(here))]
    employee = np.where(is_own, owner, others)
    store = np.where(
        is_branch,
        np.where(
            chosen(random, len(person), 0.8),
            np.append(staff.store, -1)[employee],
            branch * STORES_A_BRANCH + random.integers(0, STORES_A_BRANCH, len(person)),
        ),
        NOBODY,
    )
    return store, np.where(is_branch, employee, NOBODY)
