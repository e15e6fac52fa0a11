"""What people look at in the web shop, before they buy and without buying."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from regulars.generated_shop.baskets import MERCHANDISE
from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.customers import NOBODY, WEB
from regulars.generated_shop.orders import Trade
from regulars.generated_shop.randomness import chosen

KINDS: Final = ("view", "favourite", "cart")
_BEFORE_A_LINE: Final = (0.8, 0.15, 0.5)  # chance of each kind for what is bought later
_IDLE_VIEWS_A_MONTH: Final = 0.5
_NOT_LOGGED_IN_SHARE: Final = 0.1


@dataclass(frozen=True)
class Visits:
    """Events in the web shop; one place an event.

    Attributes:
        record: of the customer; NOBODY where not logged in.
        day: with the time of day.
        kind: place in KINDS.
        product: place in the catalogue.
    """

    record: np.ndarray
    day: np.ndarray
    kind: np.ndarray
    product: np.ndarray


def make_visits(random: np.random.Generator, trade: Trade) -> Visits:
    """Views, favourites and carts before web orders, and views of people who only look."""
    orders, lines, purchases, customers, registrations, world = trade
    is_bought = (lines.kind == MERCHANDISE) & (lines.order < len(purchases.person))
    is_bought &= orders.channel[lines.order] == WEB
    bought = np.flatnonzero(is_bought)
    person, day, kind, product = [], [], [], []
    for number, (share, longest) in enumerate(zip(_BEFORE_A_LINE, (5.0, 30.0, 0.2), strict=True)):
        line = bought[chosen(random, len(bought), share)]
        person.append(purchases.person[lines.order[line]])
        day.append(orders.day[lines.order[line]] - random.random(len(line)) * longest)
        kind.append(np.full(len(line), number))
        product.append(lines.product[line])
    since = registrations.first[:, WEB]
    lookers = np.flatnonzero(since != NOBODY)
    begins = np.append(registrations.day, np.inf)[since[lookers]].clip(WARM_UP_DAYS)
    ends = np.minimum(customers.gone_day[lookers] + 30, world.calendar.days)
    months = (ends - begins).clip(0) / 30
    place = np.repeat(np.arange(len(lookers)), random.poisson(_IDLE_VIEWS_A_MONTH * months))
    person.append(lookers[place])
    day.append(begins[place] + random.random(len(place)) * (ends - begins)[place])
    kind.append(np.zeros(len(place), np.int64))
    category = customers.favourites[lookers[place], 0]
    product.append(
        np.searchsorted(
            world.catalogue.cumulative, category + random.random(len(place)), side="right"
        ).clip(0, len(world.catalogue.sku) - 1)
    )
    people, days = np.concatenate(person), np.concatenate(day)
    record = registrations.record(people, np.full(len(people), WEB), days)
    is_known = (record != NOBODY) & ~chosen(random, len(people), _NOT_LOGGED_IN_SHARE)
    is_within = (days >= WARM_UP_DAYS) & (days < world.calendar.days)
    return Visits(
        np.where(is_known, record, NOBODY)[is_within],
        days[is_within],
        np.concatenate(kind)[is_within],
        np.concatenate(product)[is_within],
    )
