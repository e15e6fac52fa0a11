"""What the firm thinks of its people for: days that members told of, and gifts of salespeople."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.customers import CHANNELS, FIRST_BRANCH
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.registrations import LOYALTY, Registrations
from regulars.generated_shop.world import World

OCCASIONS: Final = ("birthday", "wedding")
_OCCASION_SHARE: Final = 0.6  # of the days that members tell of
_LUNAR_SHARE: Final = 0.25  # of the birthdays
_GIFTS_A_YEAR: Final = 0.1
_GIFT_CENTS: Final = (2_000, 30_000)


@dataclass(frozen=True)
class Occasions:
    """Days on which members want to be thought of; one place a day.

    Attributes:
        record: of the member in the loyalty scheme.
        kind: place in OCCASIONS.
        on_date: datetime64[D].
        is_lunar: kept by the moon.
        day: of the calendar, on which it was told: when they joined, or on the wedding day.
    """

    record: np.ndarray
    kind: np.ndarray
    on_date: np.ndarray
    is_lunar: np.ndarray
    day: np.ndarray


@dataclass(frozen=True)
class Gifts:
    """Birthday books and flowers; one place a gift.

    Attributes:
        record: of the customer on a branch's list.
        employee: whose list it is.
        day: of the calendar, a whole number.
        cents: what it cost.
    """

    record: np.ndarray
    employee: np.ndarray
    day: np.ndarray
    cents: np.ndarray


def make_occasions(
    random: np.random.Generator, people: pa.Table, registrations: Registrations, world: World
) -> Occasions:
    """Birthdays, some by the moon, and wedding days."""
    member = np.flatnonzero(registrations.source == LOYALTY)
    person, joined = registrations.person[member], registrations.day[member]
    born, wed = (
        people[name].to_numpy()[person].astype("datetime64[D]")
        for name in ("birth_date", "married_on")
    )
    tells_birthday = chosen(random, len(member), _OCCASION_SHARE)
    is_lunar = tells_birthday & chosen(random, len(member), _LUNAR_SHARE)
    tells_wedding = chosen(random, len(member), _OCCASION_SHARE) & ~np.isnat(wed)
    first_day = np.datetime64(world.calendar.first_day, "D")
    wedding_day = (wed[tells_wedding] - first_day).astype(np.float64)
    return Occasions(
        np.concatenate([member[tells_birthday], member[tells_wedding]]),
        np.repeat([0, 1], [tells_birthday.sum(), tells_wedding.sum()]),
        np.concatenate([born[tells_birthday], wed[tells_wedding]]),
        np.concatenate([is_lunar[tells_birthday], np.zeros(int(tells_wedding.sum()), bool)]),
        np.concatenate([joined[tells_birthday], np.maximum(joined[tells_wedding], wedding_day)]),
    )


def make_gifts(random: np.random.Generator, registrations: Registrations, world: World) -> Gifts:
    """Of salespeople and managers to those on their lists, as long as they are there.

    They add nothing.
    """
    is_listed = (registrations.source >= FIRST_BRANCH) & (registrations.source < len(CHANNELS))
    record = np.flatnonzero(is_listed)
    begins = np.maximum(np.floor(registrations.day[record]) + 1, WARM_UP_DAYS)
    ends = world.staff.left_day[registrations.list_owner[record]]
    count = random.poisson(_GIFTS_A_YEAR * (ends - begins).clip(0) / 365)
    place = np.repeat(np.arange(len(record)), count)
    day = np.floor(begins[place] + random.random(len(place)) * (ends - begins)[place])
    return Gifts(
        record[place],
        registrations.list_owner[record[place]],
        day,
        random.integers(*_GIFT_CENTS, len(place)),
    )
