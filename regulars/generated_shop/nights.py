"""Which night delivers what: the history first, then days with late, repeated, corrected orders."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from regulars.generated_shop.baskets import Lines
from regulars.generated_shop.calendar import Calendar
from regulars.generated_shop.orders import Orders
from regulars.generated_shop.world import World

FORMS: Final = ("final", "wrong quantity", "without last line", "last line", "not yet cancelled")
FINAL, WRONG_QUANTITY, WITHOUT_LAST_LINE, LAST_LINE, NOT_YET_CANCELLED = range(5)


@dataclass(frozen=True)
class Deliveries:
    """Orders as they are delivered, some more than once; one place an order in a delivery.

    Attributes:
        order: place of the order.
        night: 0 for the history, else the number of the night.
        form: place in FORMS; the last delivery of an order says what is true.
    """

    order: np.ndarray
    night: np.ndarray
    form: np.ndarray


class States(NamedTuple):
    """What the nights tell of things that go on after they begin; one place a thing in a night.

    Attributes:
        place: of the thing.
        days: float[places, steps], when it took each step; NaN of what is not yet, or never.
        changed: the latest of them.
        night: that tells it.
        is_done: nothing more comes.
    """

    place: np.ndarray
    days: np.ndarray
    changed: np.ndarray
    night: np.ndarray
    is_done: np.ndarray


def told_states(steps: np.ndarray, calendar: Calendar) -> States:
    """Each thing in the night in which it begins, and again in each that brings another step.

    `steps` is float[things, steps], days of the calendar: the first is the beginning, NaN is never.
    What comes after the last night is not told.
    """
    nights = night_of(np.where(np.isfinite(steps), steps, steps[:, :1]), calendar)
    nights = np.maximum.accumulate(nights, axis=1)
    is_change = np.diff(nights, axis=1, prepend=-1) > 0
    is_change &= nights <= calendar.days - calendar.history_days
    place, change = np.nonzero(is_change)
    night = nights[place, change]
    is_seen = nights[place] <= night[:, None]
    days = np.where(is_seen, steps[place], np.nan)
    changed = np.fmax.reduce(days, axis=1, initial=-np.inf)
    return States(place, days, changed, night, np.all(is_seen, axis=1))


def night_of(day: np.ndarray, calendar: Calendar) -> np.ndarray:
    """The night after a day; 0 for days of the history and those before it."""
    night: np.ndarray = np.floor(day).astype(np.int64) - calendar.history_days + 1
    return night.clip(0)


def deliver(
    random: np.random.Generator,
    orders: Orders,
    lines: Lines,
    is_by_line: np.ndarray,
    world: World,
) -> Deliveries:
    """Draw what happens to orders on their way.

    Where `is_by_line` (an order's source delivers single lines) the rest of a split order comes
    alone, else the order comes again as a whole.
    """
    calendar, share = world.calendar, world.settings.disturbed_share
    night = night_of(orders.day, calendar)
    nights = calendar.days - calendar.history_days
    places = np.arange(len(night))
    if not nights:
        return Deliveries(places, night, np.full(len(night), FINAL))
    line_counts = np.bincount(lines.order, minlength=len(night))
    is_new = night > 0
    # Of the history, as many orders are corrected as of the nights.
    is_old = ~is_new & (random.random(len(night)) < share * is_new.sum() / max(1, (~is_new).sum()))
    later = night + random.integers(1, 6, len(night))
    later = np.where(is_old, random.integers(1, nights + 1, len(night)), later)
    fate = random.random(len(night)) // max(share, 1e-9)  # 0 late, 1 repeated, 2 corrected, 3 split
    is_possible = later <= nights
    is_late = is_new & is_possible & (fate == 0)
    comes_again = is_new & is_possible & (fate >= 1) & (fate <= 3)
    comes_again &= (fate != 3) | (line_counts > 1)
    comes_again |= is_old
    is_cancelled_later = is_new & is_possible & orders.is_cancelled
    comes_again |= is_cancelled_later
    is_late &= ~comes_again
    form = np.full(len(night), FINAL)
    form[comes_again & (fate == 2)] = WRONG_QUANTITY
    form[is_old] = WRONG_QUANTITY
    is_split = comes_again & is_new & (fate == 3)
    form[is_split] = WITHOUT_LAST_LINE
    form[is_cancelled_later] = NOT_YET_CANCELLED
    again = places[comes_again]
    rest = form[again] == WITHOUT_LAST_LINE
    return Deliveries(
        np.concatenate([places, again]),
        np.concatenate([np.where(is_late, later, night), later[again]]),
        np.concatenate([form, np.where(rest & is_by_line[again], LAST_LINE, FINAL)]),
    )


@dataclass(frozen=True)
class DeliveredLines:
    """Order lines as delivered; one place a line in a delivery.

    Attributes:
        line: place of the line.
        order: place of its order.
        line_number: counted from 1 within the order.
        quantity: as delivered, which may be wrong at first.
        night: of the delivery.
        is_again: a later delivery of the order.
        is_cancelled: as delivered.
    """

    line: np.ndarray
    order: np.ndarray
    line_number: np.ndarray
    quantity: np.ndarray
    night: np.ndarray
    is_again: np.ndarray
    is_cancelled: np.ndarray


def delivered_lines(deliveries: Deliveries, orders: Orders, lines: Lines) -> DeliveredLines:
    """The lines of each delivery, in its form."""
    begins = np.searchsorted(lines.order, np.arange(len(orders.number)))
    counts = np.bincount(lines.order, minlength=len(orders.number))
    of_delivery = counts[deliveries.order]
    place = np.repeat(np.arange(len(deliveries.order)), of_delivery)
    within = np.arange(len(place)) - np.repeat(np.cumsum(of_delivery) - of_delivery, of_delivery)
    order, form = deliveries.order[place], deliveries.form[place]
    line = begins[order] + within
    is_last = within == counts[order] - 1
    is_kept = ~((form == WITHOUT_LAST_LINE) & is_last) & ~((form == LAST_LINE) & ~is_last)
    is_again = np.zeros(len(deliveries.order), bool)
    is_again[len(orders.number) :] = True  # `deliver` appends the second deliveries
    is_wrong = (form == WRONG_QUANTITY) & (within == 0)
    return DeliveredLines(
        line[is_kept],
        order[is_kept],
        within[is_kept] + 1,
        (lines.quantity[line] + is_wrong)[is_kept],
        deliveries.night[place][is_kept],
        is_again[place][is_kept],
        (orders.is_cancelled[order] & (form != NOT_YET_CANCELLED))[is_kept],
    )
