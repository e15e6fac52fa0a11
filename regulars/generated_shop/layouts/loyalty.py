"""The loyalty scheme's export: semicolons and decimal commas; no orders of its own."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.bonds import KINDS
from regulars.generated_shop.care import OCCASIONS
from regulars.generated_shop.chunks import EVENTS_A_CHUNK, Chunk
from regulars.generated_shop.columns import iso_moment, numbers, taken
from regulars.generated_shop.customers import BONDS, CHANNELS, NOBODY
from regulars.generated_shop.files import Content, Style
from regulars.generated_shop.layouts.order_numbers import order_numbers
from regulars.generated_shop.nights import night_of
from regulars.generated_shop.registrations import LOYALTY

SOURCE: Final = "loyalty"
STYLE: Final = Style(delimiter=";", has_malformed=True)
CHANNEL_WORDS: Final = {
    "web_shop": "online",
    "marketplace": "market",
    "branch_beijing": "bj",
    "branch_shanghai": "sh",
    "branch_guangzhou": "gz",
}


def contents(chunk: Chunk) -> Iterator[Content]:
    """Members, their points, and the days they want to be thought of."""
    yield _members(chunk)
    yield _entries(chunk)
    yield _occasions(chunk)


def _members(chunk: Chunk) -> Content:
    registrations, calendar = chunk.registrations, chunk.world.calendar
    here = np.flatnonzero(registrations.source == LOYALTY)
    record = chunk.records.take(pa.array(here))
    table = pa.table(
        {
            "card": record["source_customer_id"],
            "surname": record["family_name"],
            "first name": record["given_name"],
            "sex": pc.utf8_slice_codeunits(record["sex"], 0, 1),
            "birthday": record["birth_date"],
            "mail": record["email"],
            "mobile": record["phone"],
            "joined": iso_moment(registrations.day[here], calendar),
        }
    )
    return Content(SOURCE, "members", STYLE, table, night_of(registrations.day[here], calendar))


def _entries(chunk: Chunk) -> Content:
    entries, orders, calendar = chunk.entries, chunk.orders, chunk.world.calendar
    words = np.array([CHANNEL_WORDS[channel] for channel in CHANNELS])
    points = pc.binary_join_element_wise(pa.array(entries.points).cast(pa.string()), "00", ",")
    table = pa.table(
        {
            "entry": numbers("L", chunk.number * EVENTS_A_CHUNK + np.arange(len(entries.day))),
            "card": taken(chunk.records["source_customer_id"], entries.record),
            "at": iso_moment(entries.day, calendar),
            "what": taken(np.array(KINDS), entries.kind),
            "bond": taken(np.array(BONDS), entries.bond),
            "points": points,
            "channel": taken(words, np.append(orders.channel, NOBODY)[entries.order]),
            "receipt": order_numbers(chunk, entries.order),
        }
    )
    return Content(SOURCE, "points", STYLE, table, night_of(entries.day, calendar))


def _occasions(chunk: Chunk) -> Content:
    occasions = chunk.occasions
    table = pa.table(
        {
            "card": taken(chunk.records["source_customer_id"], occasions.record),
            "occasion": taken(np.array(OCCASIONS), occasions.kind),
            "day": pa.array(occasions.on_date),
            "moon": pa.array(occasions.is_lunar),
        }
    )
    night = night_of(occasions.day, chunk.world.calendar)
    return Content(SOURCE, "occasions", Style(delimiter=";"), table, night)
