"""The firm's campaigns: six a year, some of which add purchases and some of which add nothing."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from regulars.generated_shop.calendar import WARM_UP_DAYS, Calendar
from regulars.generated_shop.catalogue import CATEGORIES
from regulars.generated_shop.randomness import stream
from regulars.generated_shop.settings import ShopSettings

RESPONSE_DAYS: Final = 14
COUPON_CATEGORIES: Final = 4
_COUPON: Final = 0.1  # share off
_SEASONS: Final = (  # by two months
    *("New year", "Spring reading", "Exam season", "Summer courses", "Back to school", "Double 11"),
)
_A_YEAR: Final = 6
_FIRST_OF_THE_NIGHTS: Final = 1  # days after the history: the second night brings a campaign


@dataclass(frozen=True)
class Campaigns:
    """What the firm sent whom, one place a campaign, by its first day.

    Attributes:
        effect: purchases added per active person reached, within RESPONSE_DAYS.
        reach: share of those who may be written to whom it chose.
        is_phone: made by a branch's salespeople; else an e-mail of the web shop.
        starts, ends: days of the calendar, both included.
        cost_cents: fixed cost, in fen; a contact costs `contact_cents` besides.
        coupon: share off that its coupon gives, 0 for none.
        coupon_category: place of the first of the COUPON_CATEGORIES that it holds for.
    """

    number: np.ndarray
    name: np.ndarray
    effect: np.ndarray
    reach: np.ndarray
    is_phone: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    cost_cents: np.ndarray
    contact_cents: np.ndarray
    coupon: np.ndarray
    coupon_category: np.ndarray


def holds_for(category: np.ndarray, first: np.ndarray | int) -> np.ndarray:
    """Whether coupons that begin at a category hold for others; of none (negative) for nothing."""
    within: np.ndarray = (category - first) % len(CATEGORIES) < COUPON_CATEGORIES
    return within & (np.asarray(first) >= 0)


def make_campaigns(settings: ShopSettings, calendar: Calendar) -> Campaigns:
    """Evenly over history and nights; effects, channels and coupons in turns of random order.

    So neither season nor channel nor coupon tells how a campaign works. One begins on the second
    night, where there are nights; the last may still run when they end.
    """
    random = stream(settings.seed, "campaigns")
    anchor = calendar.history_days + _FIRST_OF_THE_NIGHTS
    before = (anchor - 1 - WARM_UP_DAYS) * _A_YEAR // 365
    starts = anchor + np.arange(-before, settings.nights) * 365 // _A_YEAR
    starts = starts[starts < calendar.days]
    count = len(starts)
    effects = np.array(settings.planted.campaign_effects or (0.0,))
    is_phone = _in_turns(random, np.array([True, False, False]), count)
    coupon = _in_turns(random, np.array([_COUPON, 0.0]), count)
    # the first of the nights mails a coupon: so a short stream has all that campaigns bring
    is_phone[before : before + 1], coupon[before : before + 1] = False, _COUPON
    return Campaigns(
        number=np.array([f"C{place + 1:03d}" for place in range(count)]),
        name=np.array([_name(calendar.date(day)) for day in starts.tolist()]),
        effect=_in_turns(random, effects, count),
        reach=random.uniform(0.3, 0.7, count),
        is_phone=is_phone,
        starts=starts,
        ends=starts + RESPONSE_DAYS - 1,
        cost_cents=random.integers(2_000, 20_000, count) * 100,
        contact_cents=np.where(is_phone, 400, 5),
        coupon=coupon,
        coupon_category=random.integers(0, len(CATEGORIES), count),
    )


def _in_turns(random: np.random.Generator, values: np.ndarray, count: int) -> np.ndarray:
    """Each value once in a turn, each turn in an order of its own."""
    turns = np.tile(values, (-(-count // len(values)), 1))
    drawn: np.ndarray = random.permuted(turns, axis=1).ravel()[:count]
    return drawn


def _name(starts: date) -> str:
    return f"{_SEASONS[(starts.month - 1) // 2]} {starts.year}, from {starts.day}/{starts.month}"
