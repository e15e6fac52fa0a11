"""The loyalty scheme: points earned and burnt, and the four kinds of bonds that members hold."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from regulars.generated_shop.baskets import MERCHANDISE, POINT_CENTS, POINTS, points_earned
from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.customers import BONDS, NOBODY
from regulars.generated_shop.orders import Trade
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.registrations import LOYALTY
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


def make_entries(random: np.random.Generator, trade: Trade) -> Entries:
    """Points earned and burnt with orders, points that lapse, and the other bonds."""
    _, lines, purchases, customers, registrations, world = trade
    member = registrations.first[:, LOYALTY]
    sales = len(purchases.person)
    is_sale = lines.order < sales
    is_merchandise = is_sale & (lines.kind == MERCHANDISE)
    worth = np.zeros(sales, np.int64)
    np.add.at(worth, lines.order[is_merchandise], lines.net_cents[is_merchandise])
    earned = points_earned(worth, purchases, customers)
    is_burnt = is_sale & (lines.kind == POINTS)
    burnt = np.zeros(sales, np.int64)
    np.add.at(burnt, lines.order[is_burnt], lines.net_cents[is_burnt] // POINT_CENTS)
    of_order = member[purchases.person]
    earning, burning = np.flatnonzero(earned > 0), np.flatnonzero(burnt < 0)
    parts = [
        _part(of_order[earning], purchases.day[earning], "earn", 0, earned[earning], earning),
        _part(of_order[burning], purchases.day[burning], "burn", 0, burnt[burning], burning),
    ]
    parts += _lapses(of_order, purchases.day, earned + burnt, world)
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
        # of who joined before the data, the bond is told on their first day
        joined = np.maximum(registrations.day[member[holders]], WARM_UP_DAYS)
        parts.append(_part(member[holders], joined, "adjust", bond, np.zeros(len(holders))))
    together = Entries(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    )
    is_within = (together.day >= WARM_UP_DAYS) & (together.day < world.calendar.days)
    return Entries(**{name: value[is_within] for name, value in vars(together).items()})


def _lapses(record: np.ndarray, day: np.ndarray, points: np.ndarray, world: World) -> list[Entries]:
    """At each New Year's Eve, half of what the year earned and did not burn."""
    parts = []
    calendar = world.calendar
    for year in range(calendar.first_day.year, world.settings.last_day.year + 2):
        begins, ends = (
            calendar.place(calendar.first_day.replace(year=one, month=1, day=1))
            for one in (year, year + 1)
        )
        if not WARM_UP_DAYS < ends <= calendar.days:
            continue
        here = (day >= begins) & (day < ends) & (points != 0)
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
