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
from regulars.generated_shop.staff import BRANCHES
from regulars.generated_shop.world import World

SOURCES: Final = (*CHANNELS, "call_centre", "loyalty")
CALL_CENTRE, LOYALTY = len(CHANNELS), len(CHANNELS) + 1
_Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


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
        """The record that a system has of a person on a day; NOBODY where it has none yet."""
        begins = np.append(self.day, np.inf)  # nobody's is the last
        first, second = self.first[person, source], self.second[person, source]
        found: np.ndarray = np.where(begins[first] <= day, first, NOBODY)
        return np.where(begins[second] <= day, second, found)


def register(random: np.random.Generator, customers: Customers, world: World) -> Registrations:
    """Records of the channels and the loyalty scheme, from the day on which people come to them.

    Rows stand by person and system, so that a person's duplicates are neighbours.
    """
    calendar, people = world.calendar, np.arange(len(customers.rate))
    is_main = np.arange(len(CHANNELS)) == customers.main_channel[:, None]
    comes = customers.channel_days < calendar.days
    comes &= is_main | (
        (customers.channel_days < customers.gone_day[:, None]) & ~customers.is_prospect[:, None]
    )
    # the evening before, so that no order of the first day is earlier than its record
    evening = np.floor(customers.channel_days) - random.uniform(0.0, 0.3, comes.shape)
    since = np.where(comes, evening, np.inf)
    rows = [
        _rows(person, source, np.full(len(person), NOBODY), since[person, source])
        for source in (WEB, MARKETPLACE)
        for person in (np.flatnonzero(comes[:, source]),)
    ]
    rows.append(_second_accounts(since, customers, calendar))
    for branch in range(len(BRANCHES)):
        rows += _on_lists(branch, since, customers, world)
    rows.append(_members(customers, calendar))
    return _registrations(rows, len(people))


def _registrations(rows: list[_Rows], people: int) -> Registrations:
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


def appearances(registrations: Registrations, world: World, begin: int = 0) -> pa.Table:
    """The records from a place on as `records.make_records` wants them."""
    owners = np.append(world.staff.number, "")
    seconds = np.rint(registrations.day[begin:] * DAY_SECONDS).astype(np.int64)
    moment = (seconds + world.calendar.epoch - CHINA_OFFSET_SECONDS) * 1_000_000
    owner = registrations.list_owner[begin:]
    return pa.table(
        {
            "person_index": registrations.person[begin:],
            "source": pa.DictionaryArray.from_arrays(
                pa.array(registrations.source[begin:], pa.int32()), pa.array(SOURCES)
            ),
            "list_owner": pa.array(owners[owner], mask=owner == NOBODY),
            "registered_at": pa.array(moment, pa.timestamp("us", "UTC")),
        }
    )


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


def _members(customers: Customers, calendar: Calendar) -> _Rows:
    person = np.flatnonzero(customers.joined_day < calendar.days)
    return _rows(person, LOYALTY, np.full(len(person), NOBODY), customers.joined_day[person])
