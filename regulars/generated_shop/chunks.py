"""One chunk of the shop: ten thousand people with all that they are, buy, say and look at."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from regulars.generated_shop.baskets import Lines, make_lines
from regulars.generated_shop.bonds import Entries, make_entries
from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.customers import Customers, make_customers
from regulars.generated_shop.orders import Orders, make_orders
from regulars.generated_shop.people import make_people
from regulars.generated_shop.purchases import Contacts, Purchases, make_contacts, make_purchases
from regulars.generated_shop.randomness import stream
from regulars.generated_shop.records import make_records
from regulars.generated_shop.registrations import Registrations, appearances, register
from regulars.generated_shop.service import Interactions, make_interactions
from regulars.generated_shop.visits import Visits, make_visits
from regulars.generated_shop.world import World

PEOPLE_A_CHUNK: Final = 10_000


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


def chunk_sizes(customers: int) -> list[int]:
    """People of each chunk: all full but the last."""
    full, rest = divmod(customers, PEOPLE_A_CHUNK)
    return [PEOPLE_A_CHUNK] * full + ([rest] if rest else [])


def make_chunk(world: World, number: int, count: int) -> Chunk:
    """Draw a chunk; each subject from a stream of its own."""
    settings = world.settings
    people, customers, contacts, purchases, lines = draw_buyers(world, number, count)
    registrations, orders, lines = draw_orders(world, number, purchases, lines, customers)
    records = make_records(
        stream(settings.seed, "records", number),
        people,
        appearances(registrations, world),
        settings.corruption,
    )
    facts = (orders, lines, purchases, customers, registrations, world)
    return Chunk(
        number,
        world,
        people,
        customers,
        contacts,
        purchases,
        registrations,
        records,
        orders,
        lines,
        make_interactions(stream(settings.seed, "interactions", number), *facts),
        make_visits(stream(settings.seed, "visits", number), *facts),
        make_entries(stream(settings.seed, "bonds", number), *facts),
    )


def draw_buyers(
    world: World, number: int, count: int
) -> tuple[pa.Table, Customers, Contacts, Purchases, Lines]:
    """The people of a chunk and what they buy."""
    settings = world.settings
    people = make_people(
        stream(settings.seed, "people", number),
        number * PEOPLE_A_CHUNK + 1,
        count,
        settings.people,
        first_day=world.calendar.date(WARM_UP_DAYS),
        last_day=world.calendar.date(world.calendar.days - 1),
    )
    customers = make_customers(stream(settings.seed, "customers", number), people, world)
    contacts = make_contacts(stream(settings.seed, "contacts", number), customers, world)
    purchases, customers = make_purchases(
        stream(settings.seed, "purchases", number), customers, contacts, world
    )
    lines = make_lines(stream(settings.seed, "baskets", number), purchases, customers, world)
    return people, customers, contacts, purchases, lines


def draw_orders(
    world: World, number: int, purchases: Purchases, lines: Lines, customers: Customers
) -> tuple[Registrations, Orders, Lines]:
    """Under which records they buy it, and the orders with the returns."""
    seed = world.settings.seed
    registrations = register(stream(seed, "registrations", number), purchases, customers, world)
    orders, lines = make_orders(
        stream(seed, "orders", number),
        number,
        purchases,
        lines,
        customers,
        registrations,
        world,
    )
    return registrations, orders, lines
