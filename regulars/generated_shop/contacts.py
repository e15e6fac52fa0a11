"""Whom campaigns choose among the records that exist, and who opens what they are sent."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from regulars.generated_shop.campaigns import RESPONSE_DAYS
from regulars.generated_shop.customers import CHANNELS, FIRST_BRANCH, NOBODY, WEB, Customers
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.registrations import Registrations
from regulars.generated_shop.world import World

_OPENED_SHARE: Final = 0.35  # of the mails
_CLICKED_SHARE: Final = 0.25  # of the opened ones
_OPENED_DAYS, _CLICKED_DAYS = 0.4, 0.002  # until a mail is opened, on average, and then clicked


@dataclass(frozen=True)
class Contacts:
    """Whom campaigns chose; one place a choice.

    Attributes:
        campaign, person: places.
        record: place of the record that was chosen; what it belongs to is its system's.
        is_holdout: chosen, and not contacted.
        day: of the contact, with its time.
        opened, clicked: when they opened a mail and followed its link, NaN for never: by chance,
            whatever they buy.
        was_active: whether a campaign could move them: a customer at the contact, who would not
            drop out by themselves or with their salesperson within RESPONSE_DAYS. What happens
            after the contact, an answer that fails, does not change it.
    """

    campaign: np.ndarray
    person: np.ndarray
    record: np.ndarray
    is_holdout: np.ndarray
    day: np.ndarray
    opened: np.ndarray
    clicked: np.ndarray
    was_active: np.ndarray


def make_contacts(
    random: np.random.Generator,
    customers: Customers,
    registrations: Registrations,
    has_email: np.ndarray,
    world: World,
) -> Contacts:
    """Whom each campaign chose at random among those whom its system knows by then.

    E-mails go to accounts with an address whose owners agree; calls to customers of branches.
    `has_email` is of each record.
    """
    campaigns, planted = world.campaigns, world.settings.planted
    people = np.arange(len(customers.rate))
    parts: list[tuple[np.ndarray, ...]] = []
    for number, starts in enumerate(campaigns.starts.tolist()):
        record = np.full(len(people), NOBODY)
        if campaigns.is_phone[number]:
            for source in range(FIRST_BRANCH, len(CHANNELS)):
                known = registrations.record(people, np.full(len(people), source), starts)
                record = np.where(record == NOBODY, known, record)
        else:
            record = registrations.record(people, np.full(len(people), WEB), starts)
            agrees = customers.agrees_to_email & (customers.withdrawn_day > starts)
            record = np.where(agrees & np.append(has_email, False)[record], record, NOBODY)
        # A campaign knows nothing of who has left: it writes to all whom it knows.
        is_chosen = (record != NOBODY) & chosen(random, len(people), campaigns.reach[number])
        person = np.flatnonzero(is_chosen)
        parts.append(
            (
                np.full(len(person), number),
                person,
                record[person],
                chosen(random, len(person), planted.holdout_share),
                starts + random.uniform(0.37, 0.42, len(person)),
            )
        )
    campaign, person, record, is_holdout, day = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    opened, clicked = _reactions(random, ~is_holdout & ~campaigns.is_phone[campaign], day)
    was_active = ~customers.is_prospect[person] & (customers.won_day[person] < day)
    was_active &= customers.gone_day[person] > day + RESPONSE_DAYS
    return Contacts(campaign, person, record, is_holdout, day, opened, clicked, was_active)


def _reactions(
    random: np.random.Generator, is_sent: np.ndarray, day: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """When each mail was opened and clicked."""
    is_opened = is_sent & chosen(random, len(day), _OPENED_SHARE)
    opened = np.where(is_opened, day + random.exponential(_OPENED_DAYS, len(day)), np.nan)
    is_clicked = is_opened & chosen(random, len(day), _CLICKED_SHARE)
    return opened, np.where(is_clicked, opened + _CLICKED_DAYS, np.nan)
