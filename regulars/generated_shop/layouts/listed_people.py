"""What a system's list of customers says that its record does not: who is a lead, and whose."""

import numpy as np

from regulars.generated_shop.chunks import Chunk
from regulars.generated_shop.customers import NOBODY


def lead_states(chunk: Chunk, record: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Records as they begin, and those of leads again when they first bought.

    Nobody knows of a lead whether they will ever buy. A record that begins on the evening before
    the first order is no lead's.

    Returns:
        One place a state: the record, the day since when it is so, and whether it is a lead.
    """
    customers, registrations = chunk.customers, chunk.registrations
    person, day = registrations.person[record], registrations.day[record]
    won = np.where(customers.is_prospect[person], np.inf, customers.won_day[person])
    is_lead = np.floor(day) + 1 < np.floor(won)
    buys = is_lead & (won < chunk.world.calendar.days)
    return (
        np.concatenate([record, record[buys]]),
        np.concatenate([day, won[buys]]),
        np.concatenate([is_lead, np.zeros(int(buys.sum()), bool)]),
    )


def referrers(chunk: Chunk, record: np.ndarray, source: int) -> np.ndarray:
    """The records of who brought the people, where the system has them when theirs begin."""
    registrations = chunk.registrations
    referrer = chunk.customers.referrer[registrations.person[record]]
    found = registrations.record(referrer, np.full(len(record), source), registrations.day[record])
    brought_by: np.ndarray = np.where(referrer != NOBODY, found, NOBODY)
    return brought_by
