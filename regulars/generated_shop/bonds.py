"""The loyalty scheme: points earned and burnt, and the four kinds of bonds that members hold."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from regulars.generated_shop.baskets import POINTS, Lines
from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.customers import BONDS, NOBODY, Customers
from regulars.generated_shop.orders import Orders
from regulars.generated_shop.purchases import Purchases
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.registrations import LOYALTY, Registrations
from regulars.generated_shop.world import World

KINDS: Final = ("earn", "burn", "lapse", "adjust")
_LAPSED_SHARE: Final = 0.5  # of what members earned in a year and had not burnt at its end
_MADE_GOOD_POINTS: Final = 200  # given now and then by hand
_MADE_GOOD_SHARE: Final = 0.01


@dataclass(frozen=True)
class Entries:
    """The members' accounts; one place an entry.

    Attributes:
        record: of the member in the scheme.
        day: with the time of day.
        kind: place in KINDS.
        bond: place in customers.BONDS.
        points: signed.
        order: place of the order that earned or burnt them; NOBODY for none.
    """

    record: np.ndarray
    day: np.ndarray
    kind: np.ndarray
    bond: np.ndarray
    points: np.ndarray
    order: np.ndarray


def make_entries(
    random: np.random.Generator,
    orders: Orders,
    lines: Lines,
    purchases: Purchases,
    customers: Customers,
    registrations: Registrations,
    world: World,
) -> Entries:
    """A point for each yuan of an order, burnt points, points that lapse, and the other bonds."""
    member = registrations.first[:, LOYALTY]
    of_order = member[purchases.person[orders.purchase]]
    is_counted = (of_order != NOBODY) & ~orders.is_cancelled
    is_counted &= orders.day >= np.where(of_order != NOBODY, registrations.day[of_order], np.inf)
    worth = np.bincount(lines.order, lines.net_cents, len(orders.number))
    earning = np.flatnonzero(is_counted)
    points_line = np.flatnonzero(lines.kind == POINTS)
    burnt = np.zeros(len(orders.number), np.int64)
    np.add.at(burnt, lines.order[points_line], lines.net_cents[points_line])
    burning = np.flatnonzero(is_counted & (burnt < 0))
    parts = [
        _part(of_order[earning], orders.day[earning], "earn", 0, worth[earning] // 100, earning),
        _part(of_order[burning], orders.day[burning], "burn", 0, burnt[burning], burning),
    ]
    parts += _lapses(of_order[earning], orders.day[earning], worth[earning] // 100, world)
    members = np.flatnonzero(member != NOBODY)
    thanked = members[chosen(random, len(members), _MADE_GOOD_SHARE)]
    parts.append(
        _part(
            member[thanked],
            registrations.day[member[thanked]] + 40.5,
            "adjust",
            0,
            np.full(len(thanked), _MADE_GOOD_POINTS),
        )
    )
    for bond in range(1, len(BONDS)):
        holders = members[customers.bonds[members, bond]]
        joined = registrations.day[member[holders]]
        parts.append(_part(member[holders], joined, "adjust", bond, np.zeros(len(holders))))
    together = Entries(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    )
    is_within = (together.day >= WARM_UP_DAYS) & (together.day < world.calendar.days)
    return Entries(**{name: value[is_within] for name, value in vars(together).items()})


def _lapses(record: np.ndarray, day: np.ndarray, points: np.ndarray, world: World) -> list[Entries]:
    """At each New Year's Eve, half of what the year earned."""
    parts = []
    calendar = world.calendar
    for year in range(calendar.first_day.year, world.settings.last_day.year + 2):
        begins, ends = (
            calendar.place(calendar.first_day.replace(year=one, month=1, day=1))
            for one in (year, year + 1)
        )
        if not WARM_UP_DAYS < ends <= calendar.days:
            continue
        here = (day >= begins) & (day < ends)
        members, place = np.unique(record[here], return_inverse=True)
        left = (np.bincount(place, points[here], len(members)) * _LAPSED_SHARE).astype(np.int64)
        some = left > 0
        last_minute = np.full(int(some.sum()), ends - 1 / 1440)
        parts.append(_part(members[some], last_minute, "lapse", 0, -left[some]))
    return parts


def _part(
    record: np.ndarray,
    day: np.ndarray,
    kind: str,
    bond: int,
    points: np.ndarray,
    order: np.ndarray | None = None,
) -> Entries:
    count = len(record)
    return Entries(
        record,
        day,
        np.full(count, KINDS.index(kind)),
        np.full(count, bond),
        points.astype(np.int64),
        np.full(count, NOBODY) if order is None else order,
    )
