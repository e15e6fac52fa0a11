"""The web shop's export: Parquet for orders and visits, nested JSON for people, times in UTC."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.baskets import LINE_KINDS
from regulars.generated_shop.chunks import EVENTS_A_CHUNK, Chunk
from regulars.generated_shop.columns import iso_moment, moment, money, numbers, taken
from regulars.generated_shop.customers import NOBODY, WEB
from regulars.generated_shop.files import PARQUET, Content, Style
from regulars.generated_shop.layouts.order_numbers import order_numbers
from regulars.generated_shop.nights import DeliveredLines, night_of
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
_WAYS: Final = ("search", "advertising", "social media", "friend")
_MOVES_TOLD_SHARE: Final = 0.6
_REDEEMED_DAYS: Final = 0.01


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
    person, day = registrations.person[opened], registrations.day[opened]
    won, moved = customers.won_day[person], _moved_days(chunk, opened)
    is_lead = customers.is_prospect[person] | (np.floor(day) + 1 < np.floor(won))
    is_won = is_lead & ~customers.is_prospect[person] & (won < world.calendar.days)
    tells = (moved > np.maximum(day, won)) & (moved < world.calendar.days)
    tells &= chosen(
        stream(world.settings.seed, "moves told", chunk.number), len(opened), _MOVES_TOLD_SHARE
    )
    accounts = pa.concat_tables(
        [
            _accounts(chunk, opened, day, is_lead),
            _accounts(chunk, opened[is_won], won[is_won], np.zeros(int(is_won.sum()), bool)),
            _accounts(
                chunk,
                opened[tells],
                moved[tells],
                customers.is_prospect[person[tells]],
                is_after_move=True,
            ),
        ]
    )
    changed = np.concatenate([day, won[is_won], moved[tells]])
    return Content(SOURCE, "customers", JSON, accounts, night_of(changed, world.calendar))


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
    referrer = customers.referrer[person]
    brought_by = np.where(
        referrer != NOBODY, registrations.first[referrer, WEB], NOBODY
    )  # known only where the referrer has an account here
    # by chance and lasting: the way of a person is that of their number, shuffled
    ways = stream(world.settings.seed, "ways", chunk.number).integers(
        0, len(_WAYS) - 1, len(customers.rate)
    )
    how = np.where(brought_by != NOBODY, _WAYS.index("friend"), ways[person])
    return pa.table(
        {
            "id": known["source_customer_id"],
            "account": _struct(
                mail=known["email"],
                created=iso_moment(registrations.day[record], world.calendar),
                how=taken(np.array(_WAYS), how),
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
    contacts, world = chunk.contacts, chunk.world
    here = np.flatnonzero(chunk.registrations.source[contacts.record] == WEB)
    random = stream(world.settings.seed, "mailings", chunk.number)
    day, is_sent = contacts.day[here], ~contacts.is_holdout[here]
    is_opened = is_sent & (random.random(len(here)) < 0.35)
    opened = np.where(is_opened, day + random.exponential(0.4, len(here)), np.inf)
    is_clicked = is_opened & (random.random(len(here)) < 0.25)
    clicked = np.where(is_clicked, opened + 0.002, np.inf)
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
        }
    )
    return Content(SOURCE, "mailings", CSV, table, night_of(day, world.calendar))


def _redemptions(chunk: Chunk) -> Content:
    """A coupon for each order in which one took something off."""
    orders, lines, world = chunk.orders, chunk.lines, chunk.world
    amount = np.zeros(len(orders.number), np.int64)
    np.add.at(amount, lines.order, lines.coupon_cents)
    here = np.flatnonzero((orders.channel == WEB) & (amount > 0) & ~orders.is_cancelled)
    day = orders.day[here]
    table = pa.table(
        {
            "coupon": pc.binary_join_element_wise(
                "K", taken(world.campaigns.number, orders.campaign[here]), ""
            ),
            "buyer_no": taken(chunk.records["source_customer_id"], orders.record[here]),
            "at": iso_moment(day + _REDEEMED_DAYS, world.calendar),
            "campaign": taken(world.campaigns.number, orders.campaign[here]),
            "order_no": order_numbers(chunk, here),
            "amount": money(amount[here]),
        }
    )
    return Content(SOURCE, "redemptions", CSV, table, night_of(day, world.calendar))


def _struct(**members: pa.Array | pa.ChunkedArray) -> pa.Array:
    arrays = [
        one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one
        for one in members.values()
    ]
    return pa.StructArray.from_arrays(arrays, list(members))
