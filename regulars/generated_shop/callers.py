"""Whom the call centre knows: who complained, and leads who asked something."""

from typing import Final

import numpy as np

from regulars.generated_shop.customers import NOBODY, Customers
from regulars.generated_shop.purchases import Purchases
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.registrations import CALL_CENTRE, Registrations
from regulars.generated_shop.world import World

_LEAD_CALL_SHARE: Final = 0.3


def with_callers(
    random: np.random.Generator,
    registrations: Registrations,
    purchases: Purchases,
    customers: Customers,
    world: World,
) -> Registrations:
    """The records, with those of the call centre behind them."""
    first_call = np.full(len(customers.rate), np.inf)
    calls = purchases.has_complaint
    np.minimum.at(first_call, purchases.person[calls], np.floor(purchases.day[calls]) + 1.0)
    is_lead = customers.is_prospect | (customers.known_day < customers.won_day)
    asks = is_lead & chosen(random, len(first_call), _LEAD_CALL_SHARE)
    first_call = np.where(asks, np.minimum(first_call, customers.known_day), first_call)
    person = np.flatnonzero(first_call < world.calendar.days)
    first = registrations.first.copy()
    first[person, CALL_CENTRE] = len(registrations.person) + np.arange(len(person))
    return Registrations(
        np.append(registrations.person, person),
        np.append(registrations.source, np.full(len(person), CALL_CENTRE)),
        np.append(registrations.list_owner, np.full(len(person), NOBODY)),
        np.append(registrations.day, first_call[person]),
        first,
        registrations.second,
    )
