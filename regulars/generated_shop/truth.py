"""What is true of the shop, in files that no mapping reads: for tests and for whoever judges."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.baskets import MERCHANDISE
from regulars.generated_shop.catalogue import CATEGORIES, TYPES_A_CATEGORY
from regulars.generated_shop.chunks import Chunk
from regulars.generated_shop.columns import dates, moment, money, taken
from regulars.generated_shop.customers import (
    BEHAVIOURS,
    BONDS,
    CHANNELS,
    LIFE_EVENTS,
    MARKETPLACE,
    NOBODY,
)
from regulars.generated_shop.layouts.marketplace import FREIGHT_CENTS
from regulars.generated_shop.layouts.order_numbers import order_numbers
from regulars.generated_shop.money import dollar_cents
from regulars.generated_shop.nights import FORMS, Deliveries
from regulars.generated_shop.purchases import CAUSES, FAILURES
from regulars.generated_shop.registrations import SOURCES
from regulars.generated_shop.world import World

Table = tuple[str, pa.Table]
_NEVER: Final = np.inf


def of_chunk(chunk: Chunk, deliveries: Deliveries) -> Iterator[Table]:
    """The truth about people, their records, orders, contacts and deliveries."""
    yield "people", _people(chunk)
    yield "records", _records(chunk)
    yield "orders", _orders(chunk)
    yield "campaign_contacts", _contacts(chunk)
    if chunk.world.settings.nights:
        yield "deliveries", _deliveries(chunk, deliveries)


def of_world(world: World) -> Iterator[Table]:
    """What was planted: bundles, sequences, decoys, and what each lever does."""
    catalogue, staff, campaigns = world.catalogue, world.staff, world.campaigns
    calendar, planted = world.calendar, world.settings.planted
    for name, pairs in (("bundles", catalogue.bundles), ("sequences", catalogue.sequences)):
        table = {
            "first_product_id": catalogue.sku[pairs.first],
            "second_product_id": catalogue.sku[pairs.second],
            "strength": pairs.strength,
        }
        if name == "sequences":
            same = catalogue.category[pairs.first] == catalogue.category[pairs.second]
            dearer = catalogue.list_cents[pairs.second] > catalogue.list_cents[pairs.first]
            table["is_upgrade"] = same & dearer
        yield name, pa.table(table)
    yield (
        "decoy_products",
        pa.table(
            {"product_id": catalogue.sku[catalogue.decoys], "basket_share": catalogue.decoy_rates}
        ),
    )
    yield (
        "campaigns",
        pa.table(
            {
                "campaign_id": campaigns.number,
                "purchases_added_per_active_person": campaigns.effect,
                "is_decoy": campaigns.effect == 0,
            }
        ),
    )
    moves = catalogue.price_moves
    types = [
        f"{CATEGORIES[move.product_type // TYPES_A_CATEGORY].name}, "
        f"level {move.product_type % TYPES_A_CATEGORY + 1}"
        for move in moves
    ]
    yield (
        "price_moves",
        pa.table(
            {
                "product_type": types,
                "moved_on": [calendar.date(move.day) for move in moves],
                "price_factor": [move.factor for move in moves],
                "elasticity": [move.elasticity for move in moves],
            }
        ),
    )
    left = np.where(staff.left_day < calendar.days, staff.left_day.astype(float), _NEVER)
    yield (
        "employees",
        pa.table(
            {
                "employee_id": staff.number,
                "role": staff.role,
                "effect_on_log_rate": staff.effect,
                "chance_to_recover": staff.skill,
                "left_on": dates(left, calendar),
            }
        ),
    )
    yield (
        "levers",
        pa.table(
            {
                "lever": [
                    *("leaving after a failure", "leaving after a failure made good"),
                    *("leaving with one's salesperson", "financial bond: hazard of leaving"),
                    *("structural bond: hazard of leaving", "customised bond: rate of purchase"),
                    *("social bond: hazard of leaving", "follow-up of a salesperson: purchases"),
                ],
                "is_factor": [False, False, False, True, True, True, True, False],
                "effect": [
                    *(planted.leaving_after_failure, planted.leaving_after_recovery),
                    *(planted.leaving_with_salesperson, 1.0),
                    *(planted.structural_bond_hazard, planted.customised_bond_rate),
                    *(1.0, 0.0),
                ],
            }
        ),
    )


def _people(chunk: Chunk) -> pa.Table:
    """The people as `people.make_people` made them, and how they buy."""
    customers, world, people = chunk.customers, chunk.world, chunk.people
    calendar = world.calendar
    orders = np.bincount(chunk.purchases.person, minlength=people.num_rows)
    table = people.drop_columns(["person_number"])
    columns = {
        "is_prospect": customers.is_prospect,
        "won_at": moment(customers.won_day, calendar),
        "purchases": orders,
        "weekly_rate": customers.rate,
        "gone_at": moment(
            np.where(customers.gone_day < calendar.days, customers.gone_day, _NEVER), calendar
        ),
        "is_alive": ~customers.is_prospect & (customers.gone_day >= calendar.days),
        "behaviour": taken(np.array(BEHAVIOURS), customers.behaviour),
        "life_event": taken(
            np.array(LIFE_EVENTS), np.where(customers.life_event > 0, customers.life_event, -1)
        ),
        "life_event_on": dates(
            np.where(customers.life_event > 0, customers.life_event_day, _NEVER), calendar
        ),
        "main_channel": taken(np.array(CHANNELS), customers.main_channel),
        "referred_by": taken(people["person_id"], customers.referrer),
        "first_owner": taken(world.staff.number, customers.owners[:, 0]),
        "second_owner": taken(world.staff.number, customers.owners[:, 1]),
    }
    for place, bond in enumerate(BONDS):
        columns[f"has_{bond}_bond"] = customers.bonds[:, place]
    for name, values in columns.items():
        table = table.append_column(
            name, pa.array(values) if isinstance(values, np.ndarray) else values
        )
    return table


def _records(chunk: Chunk) -> pa.Table:
    registrations = chunk.registrations
    return pa.table(
        {
            "source": taken(np.array(SOURCES), registrations.source),
            "source_customer_id": chunk.records["source_customer_id"],
            "person_id": taken(chunk.people["person_id"], registrations.person),
            "list_owner": taken(chunk.world.staff.number, registrations.list_owner),
            "registered_at": moment(registrations.day, chunk.world.calendar),
            "corruptions": chunk.records["corruptions"],
        }
    )


def _orders(chunk: Chunk) -> pa.Table:
    """One row an order; money in the currency of its source, cost in yuan."""
    orders, lines, purchases = chunk.orders, chunk.lines, chunk.purchases
    count = len(orders.number)
    order = np.arange(count)
    dollars = orders.channel[lines.order] == MARKETPLACE
    net = lines.net_cents.copy()
    price, discount = dollar_cents(chunk, lines.order, np.arange(len(lines.order)))
    net[dollars] = (lines.quantity * price - discount)[dollars]
    is_merchandise = lines.kind == MERCHANDISE
    is_sale = orders.returned == NOBODY
    freight = np.where((orders.channel == MARKETPLACE) & is_sale, FREIGHT_CENTS, 0)
    cost = lines.quantity * lines.cost_cents
    return pa.table(
        {
            "source": taken(np.array(CHANNELS), orders.channel),
            "order_id": order_numbers(chunk, order),
            "person_id": taken(chunk.people["person_id"], purchases.person[orders.purchase]),
            "source_customer_id": taken(chunk.records["source_customer_id"], orders.record),
            "ordered_at": moment(orders.day, chunk.world.calendar),
            "returned_order_id": order_numbers(chunk, orders.returned),
            "is_cancelled": orders.is_cancelled,
            "cause": taken(
                np.array(CAUSES), np.where(is_sale, purchases.cause[orders.purchase], NOBODY)
            ),
            "caused_by_campaign": taken(
                chunk.world.campaigns.number,
                np.where(is_sale, purchases.campaign[orders.purchase], NOBODY),
            ),
            "failure": taken(
                np.array(FAILURES),
                np.where(
                    is_sale & (purchases.failure[orders.purchase] > 0),
                    purchases.failure[orders.purchase],
                    NOBODY,
                ),
            ),
            "is_recovered": is_sale & purchases.is_recovered[orders.purchase],
            "lines": np.bincount(lines.order, minlength=count) + (freight > 0),
            "merchandise_revenue": money(
                _sums(lines.order, np.where(is_merchandise, net, 0), count)
            ),
            "net_revenue": money(_sums(lines.order, net, count) + freight),
            "merchandise_cost": money(_sums(lines.order, np.where(is_merchandise, cost, 0), count)),
        }
    )


def _sums(order: np.ndarray, cents: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, order, cents)
    return sums


def _contacts(chunk: Chunk) -> pa.Table:
    contacts, customers, world = chunk.contacts, chunk.customers, chunk.world
    return pa.table(
        {
            "campaign_id": taken(world.campaigns.number, contacts.campaign),
            "person_id": taken(chunk.people["person_id"], contacts.person),
            "is_holdout": contacts.is_holdout,
            "was_active": ~customers.is_prospect[contacts.person]
            & (customers.gone_day[contacts.person] > contacts.day),
        }
    )


def _deliveries(chunk: Chunk, deliveries: Deliveries) -> pa.Table:
    """Every delivery of what came in the nights, and of history that a night corrects."""
    again = np.zeros(len(chunk.orders.number), np.int64)
    np.add.at(again, deliveries.order, 1)
    here = (deliveries.night > 0) | (again[deliveries.order] > 1)
    order = deliveries.order[here]
    return pa.table(
        {
            "source": taken(np.array(CHANNELS), chunk.orders.channel[order]),
            "order_id": order_numbers(chunk, order),
            "night": deliveries.night[here],
            "form": taken(np.array(FORMS), deliveries.form[here]),
        }
    )
