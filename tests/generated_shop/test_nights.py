"""What the nights deliver: each disturbance in its share, and the truth in the end."""

import numpy as np
import pytest
from scipy import stats

from regulars.generated_shop.chunks import draw_buyers, draw_orders
from regulars.generated_shop.customers import FIRST_BRANCH
from regulars.generated_shop.nights import (
    FINAL,
    LAST_LINE,
    NOT_YET_CANCELLED,
    WITHOUT_LAST_LINE,
    WRONG_QUANTITY,
    deliver,
    delivered_lines,
    night_of,
)
from regulars.generated_shop.settings import ShopSettings
from regulars.generated_shop.world import make_world

PEOPLE = 10_000
SHARE = 0.1
LONGEST_DELAY = 5
LEAST_P = 1e-4


@pytest.fixture(scope="module")
def nights():
    settings = ShopSettings(customers=PEOPLE, years=1, nights=60, disturbed_share=SHARE)
    world = make_world(settings)
    orders, lines = draw_orders(world, 0, draw_buyers(world, 0, PEOPLE))
    is_by_line = orders.channel >= FIRST_BRANCH
    deliveries = deliver(np.random.default_rng(1), orders, lines, is_by_line, world)
    return world, orders, lines, is_by_line, deliveries


@pytest.fixture(scope="module")
def firsts(nights):
    """Of the nights' orders that have time for a second delivery: night and form of the first."""
    world, orders, lines, _, deliveries = nights
    due = night_of(orders.day, world.calendar)
    count = len(due)
    assert (deliveries.order[:count] == np.arange(count)).all()
    here = (due > 0) & (due <= 60 - LONGEST_DELAY) & ~orders.is_cancelled
    is_again = np.zeros(count, bool)
    is_again[deliveries.order[count:]] = True
    several = np.bincount(lines.order, minlength=count) > 1
    return {
        "late": (deliveries.night[:count] > due)[here],
        "repeated": (is_again & (deliveries.form[:count] == FINAL))[here],
        "corrected": (deliveries.form[:count] == WRONG_QUANTITY)[here],
        "split": (deliveries.form[:count] == WITHOUT_LAST_LINE)[here & several],
    }


@pytest.mark.parametrize("fate", ["late", "repeated", "corrected", "split"])
def test_each_disturbance_has_its_share(firsts, fate):
    found = firsts[fate]
    assert len(found) > 1_000
    assert stats.binomtest(int(found.sum()), len(found), SHARE).pvalue > LEAST_P


def test_history_too_is_corrected(nights):
    world, orders, _, _, deliveries = nights
    count = len(orders.day)
    is_old = night_of(orders.day, world.calendar) == 0
    corrected = is_old & (deliveries.form[:count] == WRONG_QUANTITY)
    assert corrected.sum() > 50
    assert (deliveries.night[:count][corrected] == 0).all()


def test_the_last_word_on_every_line_is_the_truth(nights):
    _, orders, lines, is_by_line, deliveries = nights
    delivered = delivered_lines(deliveries, orders, lines)
    # a whole order replaces the earlier delivery, a single line only itself
    last = np.zeros(len(orders.day), np.int64)
    np.maximum.at(last, delivered.order, delivered.night)
    is_last_of_order = delivered.night == last[delivered.order]
    seen = np.flatnonzero(is_by_line[delivered.order] | is_last_of_order)
    seen = seen[np.lexsort((delivered.night[seen], delivered.line[seen]))]
    line, where = np.unique(delivered.line[seen][::-1], return_index=True)
    newest = seen[::-1][where]
    assert (line == np.arange(len(lines.order))).all()
    assert (delivered.quantity[newest] == lines.quantity).all()
    assert (delivered.is_cancelled[newest] == orders.is_cancelled[lines.order]).all()


def test_cancelled_orders_of_the_nights_come_first_as_if_paid(nights):
    world, orders, _, _, deliveries = nights
    count = len(orders.day)
    due = night_of(orders.day, world.calendar)
    here = orders.is_cancelled & (due > 0) & (due <= 60 - LONGEST_DELAY)
    assert here.sum() > 5
    assert (deliveries.form[:count][here] == NOT_YET_CANCELLED).all()


def test_no_delivery_before_its_day_or_after_the_last_night(nights):
    world, orders, _, is_by_line, deliveries = nights
    assert (deliveries.night >= night_of(orders.day, world.calendar)[deliveries.order]).all()
    assert deliveries.night.max() <= 60
    rest = deliveries.form == LAST_LINE
    assert rest.any()
    assert is_by_line[deliveries.order[rest]].all()
