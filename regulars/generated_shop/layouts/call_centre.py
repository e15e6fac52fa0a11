"""The call centre's tickets: nested JSON, about orders of other systems; it takes none itself."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.chunks import EVENTS_A_CHUNK, Chunk
from regulars.generated_shop.columns import iso_moment, money, numbers, taken
from regulars.generated_shop.customers import CHANNELS, NOBODY
from regulars.generated_shop.files import Content, Style
from regulars.generated_shop.layouts.listed_people import lead_states
from regulars.generated_shop.layouts.order_numbers import order_numbers
from regulars.generated_shop.nights import night_of, told_states
from regulars.generated_shop.purchases import FAILURES
from regulars.generated_shop.registrations import CALL_CENTRE
from regulars.generated_shop.service import KINDS

SOURCE: Final = "call_centre"
JSON: Final = Style("json", "jsonl", has_malformed=True)
SYSTEMS: Final = {"web_shop": "WEB", "marketplace": "MKT"}


def contents(chunk: Chunk) -> Iterator[Content]:
    """Callers and tickets."""
    yield _callers(chunk)
    yield _tickets(chunk)


def _callers(chunk: Chunk) -> Content:
    """As they first called, and leads again when they first bought."""
    registrations, calendar = chunk.registrations, chunk.world.calendar
    here, changed, is_lead = lead_states(chunk, np.flatnonzero(registrations.source == CALL_CENTRE))
    record = chunk.records.take(pa.array(here))
    table = pa.table(
        {
            "caller": record["source_customer_id"],
            "number": record["phone"],
            "name": record["name"],
            "city": record["city"],
            "mail": record["email"],
            "is_lead": pa.array(is_lead),
            "first_call": iso_moment(registrations.day[here], calendar),
            "changed": iso_moment(changed, calendar),
        }
    )
    return Content(SOURCE, "callers", JSON, table, night_of(changed, calendar))


def _tickets(chunk: Chunk) -> Content:
    """Each ticket as it is opened, and again as it stands after a night that changed it."""
    interactions, orders, world = chunk.interactions, chunk.orders, chunk.world
    tickets = np.flatnonzero(interactions.source == CALL_CENTRE)
    steps = (interactions.opened, interactions.answered, interactions.resolved)
    states = told_states(np.stack(steps, axis=1)[tickets], world.calendar)
    here, night, is_done = tickets[states.place], states.night, states.is_done
    opened, answered, resolved = states.days.T
    order = interactions.order[here]
    systems = np.array([SYSTEMS.get(channel, "") for channel in CHANNELS])
    failures = np.array(["", *FAILURES[1:]])
    cents = np.where(is_done, interactions.compensation_cents[here], 0)
    rating = np.where(is_done, interactions.rating[here], 0)
    arrays = {
        "system": taken(systems, np.append(orders.channel, NOBODY)[order]),
        "no": order_numbers(chunk, order),
    }
    table = pa.table(
        {
            "ticket": numbers("T", chunk.number * EVENTS_A_CHUNK + here),
            "caller": taken(chunk.records["source_customer_id"], interactions.record[here]),
            "agent": taken(world.staff.number, interactions.employee[here]),
            "topic": taken(np.array(KINDS), interactions.kind[here]),
            "about": pa.StructArray.from_arrays(list(arrays.values()), list(arrays)),
            "cause": taken(
                failures, np.where(interactions.failure[here] > 0, interactions.failure[here], -1)
            ),
            "opened": iso_moment(opened, world.calendar),
            "answered": iso_moment(answered, world.calendar),
            "resolved": iso_moment(resolved, world.calendar),
            "changed": iso_moment(states.changed, world.calendar),
            "steps": pa.array(interactions.steps[here], mask=~is_done),
            "stars": pa.array(rating, mask=rating == 0),
            "paid_back": money(cents, null=cents == 0).cast(pa.string()),
            "closed_loop": pa.array(np.isfinite(resolved) & (rating > 0)),
        }
    )
    return Content(SOURCE, "tickets", JSON, table, night)
