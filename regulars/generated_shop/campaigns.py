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
_SEASONS: Final = (  # by two months
    *("New year", "Spring reading", "Exam season", "Summer courses", "Back to school", "Double 11"),
)
_A_YEAR: Final = 6


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
    """Evenly over the years, their effects in turn as the settings state them."""
    random = stream(settings.seed, "campaigns")
    room = calendar.history_days - WARM_UP_DAYS - 40
    count = max(1, round(room / 365 * _A_YEAR))
    starts = WARM_UP_DAYS + 30 + np.arange(count) * room // (count + 1)
    effects = np.array(settings.planted.campaign_effects or (0.0,))
    is_phone = np.arange(count) % 3 == 2
    return Campaigns(
        number=np.array([f"C{place + 1:03d}" for place in range(count)]),
        name=np.array([_name(calendar.date(day)) for day in starts.tolist()]),
        effect=effects[np.arange(count) % len(effects)],
        reach=random.uniform(0.3, 0.7, count),
        is_phone=is_phone,
        starts=starts,
        ends=starts + RESPONSE_DAYS - 1,
        cost_cents=random.integers(2_000, 20_000, count) * 100,
        contact_cents=np.where(is_phone, 400, 5),
        coupon=np.where(np.arange(count) % 2 == 0, 0.1, 0.0),
        coupon_category=random.integers(0, len(CATEGORIES), count),
    )


def _name(starts: date) -> str:
    return f"{_SEASONS[(starts.month - 1) // 2]} {starts.year}, from {starts.day}/{starts.month}"
