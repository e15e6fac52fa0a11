"""Under which records each person stands in which system, and which of them an order names."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.calendar import CHINA_OFFSET_SECONDS, DAY_SECONDS, Calendar
from regulars.generated_shop.customers import (
    CHANNELS,
    FIRST_BRANCH,
    MARKETPLACE,
    NOBODY,
    WEB,
    Customers,
)
from regulars.generated_shop.purchases import Purchases
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.staff import BRANCHES
from regulars.generated_shop.world import World

SOURCES: Final = (*CHANNELS, "call_centre", "loyalty")
CALL_CENTRE, LOYALTY = len(CHANNELS), len(CHANNELS) + 1
_PROSPECT_CALL_SHARE: Final = 0.3


@dataclass(frozen=True)
class Registrations:
    """The records of a chunk's people; one place a record.

    Attributes:
        person: place in the chunk.
        source: place in SOURCES.
        list_owner: salesperson on whose list it stands; NOBODY outside the branches.
        day: since when, in days of the calendar.
        first, second: int[people, SOURCES], the person's records in each system, NOBODY for none;
            the second begins later.
    """

    person: np.ndarray
    source: np.ndarray
    list_owner: np.ndarray
    day: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def record(self, person: np.ndarray, source: np.ndarray, day: np.ndarray) -> np.ndarray:
        """The record that a system would use for a person on a day; NOBODY where there is none."""
        first, second = self.first[person, source], self.second[person, source]
        has_second = (second != NOBODY) & (self.day[second] <= day)
        found: np.ndarray = np.where(has_second, second, first)
        return found


def register(
    random: np.random.Generator, purchases: Purchases, customers: Customers, world: World
) -> Registrations:
    """Records come with the first order in a system; owners, second accounts and calls bring more.

    Rows stand by person and system, so that a person's duplicates are neighbours.
    """
    people, calendar = len(customers.rate), world.calendar
    first_order = np.full((people, len(CHANNELS)), np.inf)
    np.minimum.at(first_order, (purchases.person, purchases.channel), purchases.day)
    earlier = random.random(first_order.shape) * 2.0
    since = np.where(
        customers.is_prospect[:, None] & customers.channels,
        customers.won_day[:, None],
        first_order - earlier,
    )
    since = np.where(since < calendar.days, since, np.inf)
    parts = [
        (np.flatnonzero(since[:, source] < np.inf), source, NOBODY) for source in (WEB, MARKETPLACE)
    ]
    rows = [
        (person, np.full(len(person), source), np.full(len(person), owner), since[person, source])
        for person, source, owner in parts
    ]
    rows.append(_second_accounts(since, customers, calendar))
    for branch in range(len(BRANCHES)):
        rows += _on_lists(branch, since, customers, world)
    rows.append(_callers(random, purchases, customers, world))
    rows.append(_members(random, first_order, customers, calendar))
    person, source, owner, day = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((day, source, person))
    person, source, owner, day = (one[order] for one in (person, source, owner, day))
    places = np.arange(len(person))
    first = np.full((people, len(SOURCES)), NOBODY)
    second = first.copy()
    is_second = np.zeros(len(person), bool)
    is_second[1:] = (person[1:] == person[:-1]) & (source[1:] == source[:-1])
    first[person[~is_second], source[~is_second]] = places[~is_second]
    second[person[is_second], source[is_second]] = places[is_second]
    return Registrations(person, source, owner, day, first, second)


def appearances(registrations: Registrations, world: World) -> pa.Table:
    """The records as `records.make_records` wants them."""
    owners = np.append(world.staff.number, "")
    seconds = np.rint(registrations.day * DAY_SECONDS).astype(np.int64)
    moment = (seconds + world.calendar.epoch - CHINA_OFFSET_SECONDS) * 1_000_000
    return pa.table(
        {
            "person_index": registrations.person,
            "source": pa.DictionaryArray.from_arrays(
                pa.array(registrations.source, pa.int32()), pa.array(SOURCES)
            ),
            "list_owner": pa.array(
                owners[registrations.list_owner], mask=registrations.list_owner == NOBODY
            ),
            "registered_at": pa.array(moment, pa.timestamp("us", "UTC")),
        }
    )


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _rows(person: np.ndarray, source: int, owner: np.ndarray, day: np.ndarray) -> _Rows:
    return person, np.full(len(person), source), owner, day


def _second_accounts(since: np.ndarray, customers: Customers, calendar: Calendar) -> _Rows:
    opened = customers.second_account_day
    person = np.flatnonzero((opened < calendar.days) & (opened > since[:, WEB]))
    return _rows(person, WEB, np.full(len(person), NOBODY), opened[person])


def _on_lists(branch: int, since: np.ndarray, customers: Customers, world: World) -> list[_Rows]:
    """The lists of a branch: each owner's own, and the manager's of people whom nobody owns."""
    staff, source = world.staff, FIRST_BRANCH + branch
    here = np.flatnonzero(since[:, source] < np.inf)
    owner = customers.owners[here]
    is_ours = (owner != NOBODY) & (staff.branch[owner] == branch)
    manager = np.flatnonzero((staff.branch == branch) & (staff.role == "manager"))[0]
    first = np.where(is_ours[:, 0], owner[:, 0], manager)
    second_day = customers.owned_days[here, 1]
    has_second = is_ours[:, 1] & (second_day < world.calendar.days)
    has_second &= second_day > since[here, source]
    return [
        _rows(here, source, first, since[here, source]),
        _rows(here[has_second], source, owner[has_second, 1], second_day[has_second]),
    ]


def _callers(
    random: np.random.Generator, purchases: Purchases, customers: Customers, world: World
) -> _Rows:
    """Who complained, from the first complaint on, and prospects who asked something."""
    first_call = np.full(len(customers.rate), np.inf)
    calls = purchases.has_complaint
    np.minimum.at(first_call, purchases.person[calls], purchases.day[calls] + 1.0)
    asks = customers.is_prospect & chosen(random, len(first_call), _PROSPECT_CALL_SHARE)
    first_call = np.where(asks, np.minimum(first_call, customers.won_day), first_call)
    person = np.flatnonzero(first_call < world.calendar.days)
    return _rows(person, CALL_CENTRE, np.full(len(person), NOBODY), first_call[person])


def _members(
    random: np.random.Generator, first_order: np.ndarray, customers: Customers, calendar: Calendar
) -> _Rows:
    joined = first_order.min(axis=1) + random.exponential(5.0, len(first_order))
    person = np.flatnonzero(customers.bonds[:, 0] & (joined < calendar.days))
    return _rows(person, LOYALTY, np.full(len(person), NOBODY), joined[person])
