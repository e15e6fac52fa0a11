"""The web shop's export: Parquet for orders and visits, nested JSON for people, times in UTC."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.baskets import LINE_KINDS
from regulars.generated_shop.chunks import EVENTS_A_CHUNK, Chunk
from regulars.generated_shop.columns import iso_moment, moment, money, numbers, taken
from regulars.generated_shop.customers import NOBODY, WAYS, WEB
from regulars.generated_shop.files import PARQUET, Content, Style
from regulars.generated_shop.layouts.coupons import coupon_numbers, redeemed
from regulars.generated_shop.layouts.listed_people import lead_states, referrers
from regulars.generated_shop.layouts.order_numbers import order_numbers
from regulars.generated_shop.nights import DeliveredLines, night_of, told_states
from regulars.generated_shop.randomness import chosen, stream
from regulars.generated_shop.service import KINDS as INTERACTION_KINDS
from regulars.generated_shop.visits import KINDS as VISIT_KINDS

SOURCE: Final = "web_shop"
JSON: Final = Style("json", "jsonl", has_malformed=True)
CSV: Final = Style()
_ITEM_TYPES: Final = {
    "merchandise": "ITEM",
    "shipping": "FREIGHT",
    "gift_card": "GIFT_CARD",
    "points": "POINTS",
    "other": "WRAPPING",
}
_MOVES_TOLD_SHARE: Final = 0.6


def contents(chunk: Chunk, delivered: DeliveredLines) -> Iterator[Content]:
    """Orders, customers, consents, visits, reviews, mailings and redeemed coupons."""
    yield _orders(chunk, delivered)
    yield _customers(chunk)
    yield _consents(chunk)
    yield _visits(chunk)
    yield _reviews(chunk)
    yield _mailings(chunk)
    yield _redemptions(chunk)


def _orders(chunk: Chunk, delivered: DeliveredLines) -> Content:
    orders, lines, world = chunk.orders, chunk.lines, chunk.world
    here = orders.channel[delivered.order] == WEB
    order, line = delivered.order[here], delivered.line[here]
    night, quantity = delivered.night[here], delivered.quantity[here]
    calendar = world.calendar
    # changed when it was placed, or else in the evening of the day that is delivered again
    changed = np.where(
        delivered.is_again[here], calendar.history_days + night - 1 + 0.95, orders.day[order]
    )
    is_cancelled = delivered.is_cancelled[here]
    status = np.where(is_cancelled, 1, np.where(orders.returned[order] != NOBODY, 2, 0))
    table = pa.table(
        {
            "order_no": order_numbers(chunk, order),
            "position": pa.array(delivered.line_number[here], pa.int32()),
            "placed_at": moment(orders.day[order], calendar),
            "changed_at": moment(changed, calendar),
            "state": taken(np.array(["PAID", "CANCELLED", "REFUND"]), status),
            "buyer_no": taken(chunk.records["source_customer_id"], orders.record[order]),
            "sku": taken(world.catalogue.sku, lines.product[line]),
            "item_type": taken(
                np.array([_ITEM_TYPES[one] for one in LINE_KINDS]), lines.kind[line]
            ),
            "pieces": pa.array(quantity, pa.int32()),
            "price": money(lines.price_cents[line]),
            "rebate": money(lines.discount_cents[line]),
            "unit_cost": money(lines.cost_cents[line], null=lines.product[line] == NOBODY),
            "refund_of": order_numbers(chunk, orders.returned[order]),
            "campaign": taken(world.campaigns.number, orders.campaign[order]),
        }
    )
    return Content(SOURCE, "orders", PARQUET, table, night)


def _customers(chunk: Chunk) -> Content:
    """Accounts as they were opened, again when leads first bought, and when people moved."""
    registrations, customers, world = chunk.registrations, chunk.customers, chunk.world
    opened = np.flatnonzero(registrations.source == WEB)
    record, changed, is_lead = lead_states(chunk, opened)
    person = registrations.person[opened]
    moved = _moved_days(chunk, opened)
    tells = moved > np.maximum(registrations.day[opened], customers.won_day[person])
    tells &= moved < world.calendar.days
    tells &= chosen(
        stream(world.settings.seed, "moves told", chunk.number), len(opened), _MOVES_TOLD_SHARE
    )
    accounts = pa.concat_tables(
        [
            _accounts(chunk, record, changed, is_lead),
            _accounts(
                chunk,
                opened[tells],
                moved[tells],
                customers.is_prospect[person[tells]],
                is_after_move=True,
            ),
        ]
    )
    night = night_of(np.concatenate([changed, moved[tells]]), world.calendar)
    return Content(SOURCE, "customers", JSON, accounts, night)


def _moved_days(chunk: Chunk, record: np.ndarray) -> np.ndarray:
    """Days of the calendar; infinite for who never moved."""
    moved_on = chunk.people["moved_on"].to_numpy()[chunk.registrations.person[record]]
    first_day = np.datetime64(chunk.world.calendar.first_day, "D")
    days = (moved_on.astype("datetime64[D]") - first_day).astype(np.float64)
    return np.where(np.isnat(moved_on), np.inf, days + 0.8)


def _accounts(
    chunk: Chunk,
    record: np.ndarray,
    changed: np.ndarray,
    is_lead: np.ndarray,
    *,
    is_after_move: bool = False,
) -> pa.Table:
    registrations, customers, world = chunk.registrations, chunk.customers, chunk.world
    person = registrations.person[record]
    known, people = chunk.records.take(pa.array(record)), chunk.people.take(pa.array(person))
    home = people if is_after_move else known
    brought_by = referrers(chunk, record, WEB)
    how = np.where(brought_by == NOBODY, customers.way[person], len(WAYS))
    return pa.table(
        {
            "id": known["source_customer_id"],
            "account": _struct(
                mail=known["email"],
                created=iso_moment(registrations.day[record], world.calendar),
                how=taken(np.array([*WAYS, "friend"]), how),
                invited_by=taken(chunk.records["source_customer_id"], brought_by),
            ),
            "person": _struct(
                name=known["name"],
                first=known["given_name"],
                last=known["family_name"],
                sex=pc.utf8_slice_codeunits(pc.utf8_upper(known["sex"]), 0, 1),
                born=known["birth_date"].cast(pa.string()),
            ),
            "contact": _struct(
                mobile=known["phone"],
                address=home["address"],
                city=home["city"],
                province=home["province" if is_after_move else "region"],
                country=home["country"],
            ),
            "segment": _struct(income=people["income_band"], household=people["household"]),
            "lead": pa.array(is_lead),
            "changed": iso_moment(changed, world.calendar),
        }
    )


def _consents(chunk: Chunk) -> Content:
    registrations, customers, calendar = chunk.registrations, chunk.customers, chunk.world.calendar
    here = np.flatnonzero(registrations.source == WEB)
    person = registrations.person[here]
    withdrawn = customers.agrees_to_email[person] & (
        customers.withdrawn_day[person] < calendar.days
    )
    withdrawn &= customers.withdrawn_day[person] > registrations.day[here]
    record = np.concatenate([here, here[withdrawn]])
    day = np.concatenate([registrations.day[here], customers.withdrawn_day[person[withdrawn]]])
    agrees = np.concatenate(
        [customers.agrees_to_email[person], np.zeros(int(withdrawn.sum()), bool)]
    )
    table = pa.table(
        {
            "buyer_no": taken(chunk.records["source_customer_id"], record),
            "by": taken(np.array(["email"]), np.zeros(len(record), np.int64)),
            "said_at": iso_moment(day, calendar),
            "yes": taken(np.array(["N", "Y"]), agrees.astype(np.int64)),
        }
    )
    return Content(SOURCE, "consents", CSV, table, night_of(day, calendar))


def _visits(chunk: Chunk) -> Content:
    visits, world = chunk.visits, chunk.world
    table = pa.table(
        {
            "event": pa.array(chunk.number * EVENTS_A_CHUNK + np.arange(len(visits.day))),
            "at": moment(visits.day, world.calendar),
            "buyer_no": taken(chunk.records["source_customer_id"], visits.record),
            "what": taken(np.array(VISIT_KINDS), visits.kind),
            "sku": taken(world.catalogue.sku, visits.product),
        }
    )
    return Content(SOURCE, "visits", PARQUET, table, night_of(visits.day, world.calendar))


def _reviews(chunk: Chunk) -> Content:
    interactions, calendar = chunk.interactions, chunk.world.calendar
    here = np.flatnonzero(
        (interactions.source == WEB) & (interactions.kind == INTERACTION_KINDS.index("opinion"))
    )
    opened = interactions.opened[here]
    table = pa.table(
        {
            "id": numbers("RV", chunk.number * EVENTS_A_CHUNK + here),
            "buyer": taken(chunk.records["source_customer_id"], interactions.record[here]),
            "order": order_numbers(chunk, interactions.order[here]),
            "stars": pa.array(interactions.rating[here]),
            "at": iso_moment(opened, calendar),
        }
    )
    return Content(SOURCE, "reviews", JSON, table, night_of(opened, calendar))


def _mailings(chunk: Chunk) -> Content:
    """Each as it is sent, and again after a night in which it was opened or clicked."""
    contacts, world = chunk.contacts, chunk.world
    mailed = np.flatnonzero(chunk.registrations.source[contacts.record] == WEB)
    steps = np.stack((contacts.day, contacts.opened, contacts.clicked), axis=1)[mailed]
    states = told_states(steps, world.calendar)
    here, (day, opened, clicked) = mailed[states.place], states.days.T
    is_sent = ~contacts.is_holdout[here]
    cents = np.where(is_sent, world.campaigns.contact_cents[contacts.campaign[here]], 0)
    table = pa.table(
        {
            "campaign": taken(world.campaigns.number, contacts.campaign[here]),
            "buyer_no": taken(chunk.records["source_customer_id"], contacts.record[here]),
            "chosen_at": iso_moment(day, world.calendar),
            "group": taken(np.array(["HOLDOUT", "MAILED"]), is_sent.astype(np.int64)),
            "opened_at": iso_moment(opened, world.calendar),
            "clicked_at": iso_moment(clicked, world.calendar),
            "cost": money(cents),
            "changed_at": iso_moment(states.changed, world.calendar),
        }
    )
    return Content(SOURCE, "mailings", CSV, table, states.night)


def _redemptions(chunk: Chunk) -> Content:
    """A coupon for each order in which one took something off."""
    orders, world = chunk.orders, chunk.world
    here, cents = redeemed(chunk, WEB)
    day = orders.day[here]
    table = pa.table(
        {
            "coupon": coupon_numbers(chunk, here),
            "buyer_no": taken(chunk.records["source_customer_id"], orders.record[here]),
            "at": iso_moment(day, world.calendar),
            "campaign": taken(world.campaigns.number, orders.campaign[here]),
            "order_no": order_numbers(chunk, here),
            "amount": money(cents),
        }
    )
    return Content(SOURCE, "redemptions", CSV, table, night_of(day, world.calendar))


def _struct(**members: pa.Array | pa.ChunkedArray) -> pa.Array:
    arrays = [
        one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one
        for one in members.values()
    ]
    return pa.StructArray.from_arrays(arrays, list(members))
