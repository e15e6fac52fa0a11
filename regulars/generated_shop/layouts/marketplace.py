"""The marketplace's report: one flat text file in US dollars, the order's freight on each line."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.baskets import LINE_KINDS
from regulars.generated_shop.chunks import Chunk
from regulars.generated_shop.columns import iso_moment, money, taken
from regulars.generated_shop.customers import MARKETPLACE, NOBODY
from regulars.generated_shop.files import Content, Style
from regulars.generated_shop.layouts.order_numbers import order_numbers
from regulars.generated_shop.money import MARKETPLACE_CURRENCY, dollar_cents, sales_tax_cents
from regulars.generated_shop.nights import DeliveredLines, night_of

SOURCE: Final = "marketplace"
REPORT: Final = Style(ending="txt", delimiter="\t", has_malformed=True)
BUYERS: Final = Style(encoding="utf-8-sig", has_malformed=True)
FREIGHT_CENTS: Final = 499  # US cents, of every order that is no refund


def contents(chunk: Chunk, delivered: DeliveredLines) -> Iterator[Content]:
    """Orders and buyers."""
    yield _orders(chunk, delivered)
    yield _buyers(chunk)


def _orders(chunk: Chunk, delivered: DeliveredLines) -> Content:
    orders, lines, calendar = chunk.orders, chunk.lines, chunk.world.calendar
    here = orders.channel[delivered.order] == MARKETPLACE
    order, line = delivered.order[here], delivered.line[here]
    is_refund = orders.returned[order] != NOBODY
    price, discount = dollar_cents(chunk, order, line)
    table = pa.table(
        {
            "order-id": order_numbers(chunk, order),
            "purchase-date": iso_moment(orders.day[order], calendar),
            "order-status": taken(
                np.array(["Shipped", "Canceled"]), delivered.is_cancelled[here].astype(np.int64)
            ),
            "buyer-id": taken(chunk.records["source_customer_id"], orders.record[order]),
            "item-type": taken(np.array(LINE_KINDS), lines.kind[line]),
            "sku": taken(chunk.world.catalogue.sku, lines.product[line]),
            "quantity": pa.array(delivered.quantity[here]),
            "item-price": money(price),
            "promotion-discount": money(discount),
            "ship-price": money(np.where(is_refund, 0, FREIGHT_CENTS)),
            "sales-tax": money(sales_tax_cents(chunk)[order]),
            "currency": taken(np.array([MARKETPLACE_CURRENCY]), np.zeros(len(order), np.int64)),
            "refund-of": order_numbers(chunk, orders.returned[order]),
        }
    )
    return Content(SOURCE, "orders", REPORT, table, delivered.night[here])


def _buyers(chunk: Chunk) -> Content:
    registrations, calendar = chunk.registrations, chunk.world.calendar
    here = np.flatnonzero(registrations.source == MARKETPLACE)
    record = chunk.records.take(pa.array(here))
    table = pa.table(
        {
            "buyer-id": record["source_customer_id"],
            "recipient-name": record["name"],
            "phone-number": record["phone"],
            "ship-address": record["address"],
            "ship-city": record["city"],
            "ship-state": record["region"],
            "ship-country": record["country"],
            "first-seen": iso_moment(registrations.day[here], calendar),
        }
    )
    return Content(SOURCE, "buyers", BUYERS, table, night_of(registrations.day[here], calendar))
