"""Money in the marketplace's currency, and the rates between it and the shop's own."""

from typing import Final

import numpy as np

from regulars.generated_shop.baskets import MERCHANDISE
from regulars.generated_shop.calendar import Calendar
from regulars.generated_shop.chunks import Chunk
from regulars.generated_shop.customers import MARKETPLACE
from regulars.generated_shop.randomness import stream
from regulars.generated_shop.world import World

CURRENCY, MARKETPLACE_CURRENCY = "CNY", "USD"
_SALES_TAX: Final = 0.06
_MEAN, _STEP = 7.1, 0.01  # yuan a dollar, and how far it moves from a day to the next


def dollar_rates(world: World) -> np.ndarray:
    """Yuan a dollar for each day of the calendar, with four decimals: a walk drawn to its mean."""
    steps = stream(world.settings.seed, "rates").normal(0.0, _STEP, world.calendar.days)
    rates = np.empty(world.calendar.days)
    rate = _MEAN
    for day, step in enumerate(steps):
        rate += step + 0.01 * (_MEAN - rate)
        rates[day] = rate
    return np.round(rates, 4)


def rate_day(day: np.ndarray, calendar: Calendar) -> np.ndarray:
    """The place of a day in `dollar_rates`."""
    place: np.ndarray = np.floor(day).astype(np.int64).clip(0, calendar.days - 1)
    return place


def dollar_cents(
    chunk: Chunk, order: np.ndarray, line: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """List price and discount of lines in US cents, at the rate of the sale, for returns too."""
    world, lines = chunk.world, chunk.lines
    sold = chunk.purchases.day[chunk.orders.purchase[order]]
    rate = dollar_rates(world)[rate_day(sold, world.calendar)]
    price = np.rint(lines.price_cents[line] / rate).astype(np.int64)
    discount = np.rint(np.abs(lines.discount_cents[line]) / rate).astype(np.int64)
    return price, np.sign(lines.discount_cents[line]) * discount


def sales_tax_cents(chunk: Chunk) -> np.ndarray:
    """What the marketplace adds to each order of merchandise, in US cents; 0 in other channels."""
    orders, lines = chunk.orders, chunk.lines
    taxed = (orders.channel[lines.order] == MARKETPLACE) & (lines.kind == MERCHANDISE)
    line = np.flatnonzero(taxed)
    price, discount = dollar_cents(chunk, lines.order[line], line)
    worth = np.zeros(len(orders.number), np.int64)
    np.add.at(worth, lines.order[line], lines.quantity[line] * price - discount)
    tax: np.ndarray = np.rint(worth * _SALES_TAX).astype(np.int64)
    return tax
