"""What is true of the shop, in files that no mapping reads: for tests and for whoever judges."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.baskets import (
    FAVOURITE_SHARES,
    LIFE_EVENT_CATEGORIES,
    LIFE_EVENT_SHARE,
    LINE_CAUSES,
    MERCHANDISE,
    SEQUENCE_WAIT_DAYS,
    TASTE,
)
from regulars.generated_shop.catalogue import CATEGORIES, TYPES_A_CATEGORY
from regulars.generated_shop.chunks import Chunk
from regulars.generated_shop.columns import dates, moment, money, taken
from regulars.generated_shop.customers import (
    AGE_GROUPS,
    BEHAVIOURS,
    BONDS,
    CHANNELS,
    LIFE_EVENTS,
    MARKETPLACE,
    NOBODY,
    REASONS,
    WAYS,
)
from regulars.generated_shop.layouts.marketplace import FREIGHT_CENTS
from regulars.generated_shop.layouts.order_numbers import order_numbers
from regulars.generated_shop.money import dollar_cents, sales_tax_cents
from regulars.generated_shop.nights import FORMS, Deliveries
from regulars.generated_shop.purchases import CAUSES, FAILURES, LIFE_EVENT_WINDOWS
from regulars.generated_shop.registrations import SOURCES
from regulars.generated_shop.service import RATINGS, STARS_A_DEVIATION
from regulars.generated_shop.settings import Planted
from regulars.generated_shop.truth_columns import columns_table
from regulars.generated_shop.world import World

Table = tuple[str, pa.Table]
_NEVER: Final = np.inf


def of_chunk(chunk: Chunk, deliveries: Deliveries) -> Iterator[Table]:
    """The truth about people, their records, orders, contacts and deliveries."""
    yield "people", _people(chunk)
    yield "records", _records(chunk)
    yield "orders", _orders(chunk)
    yield "campaign_contacts", _contacts(chunk)
    yield "planted_lines", _planted_lines(chunk)
    if chunk.world.settings.nights:
        yield "deliveries", _deliveries(chunk, deliveries)


def of_world(world: World) -> Iterator[Table]:
    """What was planted: bundles, sequences, decoys, and what each lever does."""
    catalogue, staff, campaigns = world.catalogue, world.staff, world.campaigns
    calendar, planted = world.calendar, world.settings.planted
    yield "columns", columns_table()
    yield (
        "calendar",
        pa.table(
            {
                "on_date": dates(np.arange(calendar.days) * 1.0, calendar),
                "intensity": calendar.intensity,
                "is_sale": calendar.is_sale,
            }
        ),
    )
    for name, pairs in (("bundles", catalogue.bundles), ("sequences", catalogue.sequences)):
        table = {
            "first_product_id": catalogue.sku[pairs.first],
            "second_product_id": catalogue.sku[pairs.second],
            "strength": pairs.strength,
        }
        if name == "sequences":
            table["least_wait_days"] = np.full(len(pairs.first), SEQUENCE_WAIT_DAYS[0])
            table["mean_wait_days"] = np.full(len(pairs.first), sum(SEQUENCE_WAIT_DAYS))
            same = catalogue.category[pairs.first] == catalogue.category[pairs.second]
            dearer = catalogue.list_cents[pairs.second] > catalogue.list_cents[pairs.first]
            table["is_upgrade"] = same & dearer
        yield name, pa.table(table)
    yield (
        "decoy_products",
        pa.table(
            {
                "product_id": catalogue.sku[catalogue.decoys.product],
                "confounder": catalogue.decoys.confounder,
                "basket_share": catalogue.decoys.share_otherwise,
                "basket_share_within": catalogue.decoys.share_within,
            }
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
    yield "tastes", _tastes(catalogue.tastes)
    events = list(LIFE_EVENT_WINDOWS.items())
    yield (
        "life_events",
        pa.table(
            {
                "life_event": [name for name, _ in events],
                "first_day": [begins for _, (begins, _, _) in events],
                "last_day": [ends for _, (_, ends, _) in events],
                "purchases_added": [added for _, (_, _, added) in events],
                "category": [LIFE_EVENT_CATEGORIES[name] for name, _ in events],
                "share_of_lines": [LIFE_EVENT_SHARE] * len(events),
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
            [pa.array(column) for column in zip(*_levers(planted), strict=True)],
            names=["lever", "effect", "unit"],
        ),
    )


def _tastes(tastes: np.ndarray) -> pa.Table:
    """A row for each category of each group of age and sex."""
    group, sex, category = (one.ravel() for one in np.indices(tastes.shape))
    return pa.table(
        {
            "age_group": taken(np.array(AGE_GROUPS), group),
            "sex": taken(np.array(["male", "female"]), sex),
            "category": taken(np.array([one.name for one in CATEGORIES]), category),
            "share": tastes.ravel(),
        }
    )


def _levers(planted: Planted) -> list[tuple[str, float, str]]:
    """What moves customers by how much, and what moves nobody."""
    chance, hazard = "chance of leaving for good", "factor on the hazard of leaving"
    stars = "stars, before they are rounded and kept within 1 to 5"
    return [
        ("failure not made good", planted.leaving_after_failure, chance),
        ("failure made good", planted.leaving_after_recovery, chance),
        ("own salesperson leaves", planted.leaving_with_salesperson, chance),
        ("satisfaction, a standard deviation more", planted.satisfaction_hazard, hazard),
        (
            "slow answers",
            -planted.wait_dissatisfaction,
            "correlation of the log of the wait with satisfaction",
        ),
        ("structural bond", planted.structural_bond_hazard, hazard),
        ("financial bond", 1.0, hazard),
        ("social bond", 1.0, hazard),
        ("customised bond", planted.customised_bond_rate, "factor on the weekly rate"),
        *(
            (f"{which} category of a person", share, "share of the lines of taste")
            for which, share in zip(("favourite", "second"), FAVOURITE_SHARES, strict=True)
        ),
        *((f"rating, {about}", effect, stars) for about, effect in RATINGS.items()),
        ("rating, satisfaction, a standard deviation more", STARS_A_DEVIATION, stars),
        *(
            (lever, 0.0, "purchases added")
            for lever in (
                *("follow-up", "gift", "coupon", "review", "mail opened", "mail clicked"),
                *("way of acquisition", "being brought by a customer"),
            )
        ),
    ]


def _people(chunk: Chunk) -> pa.Table:
    """The people as `people.make_people` made them, and how they buy; as of the last night."""
    customers, world, people = chunk.customers, chunk.world, chunk.people
    calendar, purchases = world.calendar, chunk.purchases
    paid = purchases.person[~purchases.is_cancelled]
    # A prospect was drawn a customer's life, which shows in how long they look around, at most.
    is_gone = ~customers.is_prospect & (customers.gone_day < calendar.days)
    is_pausing = ~customers.is_prospect & (customers.behaviour == BEHAVIOURS.index("pausing"))
    is_customer = ~customers.is_prospect
    has_event = is_customer & (customers.life_event > 0)
    first_owner, second_owner, orphaned_day = _owners(chunk)
    table = people.drop_columns(["person_number"])
    categories = np.array([category.name for category in CATEGORIES])
    columns = {
        "is_prospect": customers.is_prospect,
        "known_on": dates(customers.known_day, calendar),
        "won_on": dates(customers.won_day, calendar),
        "purchases": np.bincount(paid, minlength=people.num_rows),
        "weekly_rate": pa.array(customers.rate, mask=customers.is_prospect),
        "weekly_hazard": pa.array(customers.hazard, mask=customers.is_prospect),
        "gone_on": dates(np.where(is_gone, customers.gone_day, _NEVER), calendar),
        "gone_because": taken(np.array(REASONS), np.where(is_gone, customers.gone_because, -1)),
        "is_alive": is_customer & ~is_gone,
        "behaviour": taken(
            np.array(BEHAVIOURS), np.where(is_customer, customers.behaviour, NOBODY)
        ),
        "pause_begins_on": dates(np.where(is_pausing, customers.pause_begins, _NEVER), calendar),
        "pause_ends_on": dates(np.where(is_pausing, customers.pause_ends, _NEVER), calendar),
        "life_event": taken(
            np.array(LIFE_EVENTS), np.where(has_event, customers.life_event, NOBODY)
        ),
        "life_event_on": dates(np.where(has_event, customers.life_event_day, _NEVER), calendar),
        "main_channel": taken(np.array(CHANNELS), customers.main_channel),
        "favourite_category": taken(categories, customers.favourites[:, 0]),
        "second_category": taken(categories, customers.favourites[:, 1]),
        "answer_wait": customers.answer_wait,
        "satisfaction": customers.satisfaction,
        "referred_by": taken(people["person_id"], customers.referrer),
        "acquisition_way": taken(np.array(WAYS), customers.way),
        "first_owner": taken(world.staff.number, first_owner),
        "second_owner": taken(world.staff.number, second_owner),
        "orphaned_on": dates(orphaned_day, calendar),
    }
    for place, bond in enumerate(BONDS):
        columns[f"has_{bond}_bond"] = customers.bonds[:, place]
    columns["bonds_since"] = dates(customers.joined_day, calendar)
    for name, values in columns.items():
        table = table.append_column(
            name, pa.array(values) if isinstance(values, np.ndarray) else values
        )
    return table


def _owners(chunk: Chunk) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Customers' owners who have them on a list, and the day on which the last one left."""
    customers, registrations, staff = chunk.customers, chunk.registrations, chunk.world.staff
    people = np.arange(len(customers.rate))
    has_on_list = np.zeros((len(people), len(staff.number) + 1), bool)  # nobody's is the last
    has_on_list[registrations.person, registrations.list_owner] = True
    is_owned = has_on_list[people[:, None], customers.owners] & ~customers.is_prospect[:, None]
    first, second = np.where(is_owned, customers.owners, NOBODY).T
    left = np.append(staff.left_day, chunk.world.calendar.days)[first]
    is_orphan = (left < chunk.world.calendar.days) & (second == NOBODY)
    is_orphan &= left <= customers.gone_day
    return first, second, np.where(is_orphan, left, _NEVER)


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
    tax = sales_tax_cents(chunk)
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
            "complained_to": taken(
                chunk.world.staff.number,
                np.where(is_sale, purchases.agent[orders.purchase], NOBODY),
            ),
            "is_recovered": is_sale & purchases.is_recovered[orders.purchase],
            "lines": np.bincount(lines.order, minlength=count) + (freight > 0) + (tax != 0),
            "merchandise_revenue": money(
                _sums(lines.order, np.where(is_merchandise, net, 0), count)
            ),
            "net_revenue": money(_sums(lines.order, net, count) + freight + tax),
            "merchandise_cost": money(_sums(lines.order, np.where(is_merchandise, cost, 0), count)),
        }
    )


def _sums(order: np.ndarray, cents: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, order, cents)
    return sums


def _contacts(chunk: Chunk) -> pa.Table:
    contacts, world = chunk.contacts, chunk.world
    return pa.table(
        {
            "campaign_id": taken(world.campaigns.number, contacts.campaign),
            "person_id": taken(chunk.people["person_id"], contacts.person),
            "is_holdout": contacts.is_holdout,
            "source": taken(np.array(SOURCES), chunk.registrations.source[contacts.record]),
            "source_customer_id": taken(chunk.records["source_customer_id"], contacts.record),
            "chosen_at": moment(contacts.day, world.calendar),
            "was_active": contacts.was_active,
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


def _planted_lines(chunk: Chunk) -> pa.Table:
    """The lines that no taste put into their order."""
    lines, orders = chunk.lines, chunk.orders
    is_sale = lines.order < len(chunk.purchases.person)
    here = np.flatnonzero((lines.kind == MERCHANDISE) & is_sale & (lines.cause != TASTE))
    order = lines.order[here]
    return pa.table(
        {
            "source": taken(np.array(CHANNELS), orders.channel[order]),
            "order_id": order_numbers(chunk, order),
            "product_id": taken(chunk.world.catalogue.sku, lines.product[here]),
            "cause": taken(np.array(LINE_CAUSES), lines.cause[here]),
        }
    )
