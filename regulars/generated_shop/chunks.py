"""One chunk of the shop: ten thousand people with all that they are, buy, say and look at."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import pyarrow as pa

from regulars.generated_shop.baskets import Lines, make_lines
from regulars.generated_shop.bonds import Entries, make_entries
from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.callers import with_callers
from regulars.generated_shop.care import Gifts, Occasions, make_gifts, make_occasions
from regulars.generated_shop.contacts import Contacts, make_contacts
from regulars.generated_shop.customers import Customers, make_customers
from regulars.generated_shop.orders import Orders, Trade, make_orders
from regulars.generated_shop.people import make_people
from regulars.generated_shop.purchases import Purchases, make_purchases
from regulars.generated_shop.randomness import stream
from regulars.generated_shop.records import make_records
from regulars.generated_shop.registrations import Registrations, appearances, register
from regulars.generated_shop.service import Interactions, make_interactions
from regulars.generated_shop.visits import Visits, make_visits
from regulars.generated_shop.world import World

PEOPLE_A_CHUNK: Final = 10_000
EVENTS_A_CHUNK: Final = 100_000_000  # numbers that each chunk has for events of a kind


@dataclass(frozen=True)
class Chunk:
    """All of some people; nothing in it points into another chunk.

    Attributes:
        number: counted from 0; person numbers go on from chunk to chunk.
        people: as of `people.make_people`.
        records: as of `records.make_records`; its rows are the places of `registrations`.
    """

    number: int
    world: World
    people: pa.Table
    customers: Customers
    contacts: Contacts
    purchases: Purchases
    registrations: Registrations
    records: pa.Table
    orders: Orders
    lines: Lines
    interactions: Interactions
    visits: Visits
    entries: Entries
    occasions: Occasions
    gifts: Gifts


def chunk_sizes(customers: int) -> list[int]:
    """People of each chunk: all full but the last."""
    full, rest = divmod(customers, PEOPLE_A_CHUNK)
    return [PEOPLE_A_CHUNK] * full + ([rest] if rest else [])


def make_chunk(world: World, number: int, count: int) -> Chunk:
    """Draw a chunk; each subject from a stream of its own."""
    seed = world.settings.seed
    buyers = draw_buyers(world, number, count)
    orders, lines = draw_orders(world, number, buyers)
    registrations = with_callers(
        stream(seed, "callers", number),
        buyers.registrations,
        buyers.purchases,
        buyers.customers,
        world,
    )
    callers = make_records(
        stream(seed, "records of callers", number),
        buyers.people,
        appearances(registrations, world, buyers.records.num_rows),
        world.settings.corruption,
    )
    trade = Trade(orders, lines, buyers.purchases, buyers.customers, registrations, world)
    return Chunk(
        number,
        world,
        buyers.people,
        buyers.customers,
        buyers.contacts,
        buyers.purchases,
        registrations,
        pa.concat_tables([buyers.records, callers], promote_options="permissive"),
        orders,
        lines,
        make_interactions(stream(seed, "interactions", number), trade),
        make_visits(stream(seed, "visits", number), trade),
        make_entries(stream(seed, "bonds", number), trade),
        make_occasions(stream(seed, "occasions", number), buyers.people, registrations, world),
        make_gifts(stream(seed, "gifts", number), registrations, world),
    )


class Buyers(NamedTuple):
    """The people of a chunk, what the systems know of them, and what they buy."""

    people: pa.Table
    customers: Customers
    registrations: Registrations
    records: pa.Table
    contacts: Contacts
    purchases: Purchases
    lines: Lines


def draw_buyers(world: World, number: int, count: int) -> Buyers:
    """The people of a chunk; campaigns choose among records, and what they add is bought too."""
    settings, calendar = world.settings, world.calendar
    people = make_people(
        stream(settings.seed, "people", number),
        number * PEOPLE_A_CHUNK + 1,
        count,
        settings.people,
        first_day=calendar.date(WARM_UP_DAYS),
        last_day=calendar.date(calendar.days - 1),
    )
    customers = make_customers(stream(settings.seed, "customers", number), people, world)
    registrations = register(stream(settings.seed, "registrations", number), customers, world)
    records = make_records(
        stream(settings.seed, "records", number),
        people,
        appearances(registrations, world),
        settings.corruption,
    )
    contacts = make_contacts(
        stream(settings.seed, "contacts", number),
        customers,
        registrations,
        records["email"].is_valid().to_numpy(),
        world,
    )
    purchases, customers, contacts = make_purchases(
        stream(settings.seed, "purchases", number), customers, contacts, world
    )
    lines = make_lines(stream(settings.seed, "baskets", number), purchases, customers, world)
    return Buyers(people, customers, registrations, records, contacts, purchases, lines)


def draw_orders(world: World, number: int, buyers: Buyers) -> tuple[Orders, Lines]:
    """Their orders, and the returns with lines of their own."""
    return make_orders(
        stream(world.settings.seed, "orders", number),
        number,
        buyers.purchases,
        buyers.lines,
        buyers.customers,
        buyers.registrations,
        world,
    )
