"""When people buy: seasons, weekdays, festivals, and the hours of a day.

All times are China's wall clock, in days since the calendar begins, one year before the data: that
year warms the shop up, so that the first day of the data finds customers who are already there.
"""

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from flows.project import project_folder
from regulars.generated_shop.settings import ShopSettings

WARM_UP_DAYS: Final = 365
DAY_SECONDS: Final = 86_400
CHINA_OFFSET_SECONDS: Final = 8 * 3600

_MONTHS: Final = np.array(  # school terms begin in March and September; December brings presents
    [0.95, 0.85, 1.1, 1.0, 1.0, 0.95, 0.95, 1.0, 1.2, 1.0, 1.05, 1.05]
)
_WEEKDAYS: Final = np.array([0.9, 0.85, 0.9, 0.9, 1.0, 1.3, 1.15])  # Monday first
_PEAKS: Final = (  # (month, day) from, to, factor
    ((4, 23), (4, 23), 2.2),  # World Book Day
    ((6, 10), (6, 17), 1.4),
    ((6, 18), (6, 18), 3.5),  # 618
    ((8, 25), (9, 7), 1.5),  # back to school
    ((11, 1), (11, 10), 1.5),
    ((11, 11), (11, 11), 5.0),  # Double 11
    ((12, 12), (12, 12), 2.0),
)
_SALE_DAYS: Final = ((6, 18), (11, 11), (12, 12))
_SPRING_FESTIVAL: Final = 0.35  # the eve and six days: shops and couriers rest
_GROWTH_A_YEAR: Final = 1.08
_HOURS: Final = {
    "online": [2, 1, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 11, 9, 8, 8, 8, 8, 9, 12, 16, 17, 13, 6],
    "branch": [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 6, 8, 6, 6, 8, 9, 9, 9, 10, 9, 5, 0, 0, 0],
}


@dataclass(frozen=True)
class Calendar:
    """The days that a generated shop lives through.

    Attributes:
        first_day: where day 0 is, WARM_UP_DAYS before the data begins.
        days: number of days, the nights' included.
        history_days: days up to and with the last day of the history.
        intensity: float64[days], how much is bought on each day; mean 1.
        cumulative: float64[days + 1], its sum before each day: "standard days".
        is_sale: bool[days], days on which the whole shop sells at a discount.
    """

    first_day: date
    days: int
    history_days: int
    intensity: np.ndarray
    cumulative: np.ndarray
    is_sale: np.ndarray

    def standard(self, day: np.ndarray) -> np.ndarray:
        """Days as standard days, in which buying is even."""
        standard: np.ndarray = np.interp(day, np.arange(self.days + 1), self.cumulative)
        return standard

    def day_of(self, standard: np.ndarray) -> np.ndarray:
        """Standard days as days: the inverse of `standard`."""
        day: np.ndarray = np.interp(standard, self.cumulative, np.arange(self.days + 1))
        return day

    def draw_days(
        self, random: np.random.Generator, count: int, first: int, rest: int = 0
    ) -> np.ndarray:
        """Days from `first` on with at least `rest` behind them; the last is one of the nights'.

        So a stream of nights, however short, brings each kind of change. Without nights it is drawn
        as the others are.
        """
        days = random.integers(first, self.days - rest, count)
        if count and self.days > self.history_days:
            days[-1] = random.integers(self.history_days, self.days)
        return days

    def place(self, day: date) -> int:
        """The number of a date's day."""
        return (day - self.first_day).days

    def date(self, day: int) -> date:
        """The date of a day's number."""
        return self.first_day + timedelta(days=int(day))

    def year_of(self, day: np.ndarray) -> np.ndarray:
        """The calendar years of days."""
        dates = np.datetime64(self.first_day, "D") + np.floor(day).astype(np.int64)
        years: np.ndarray = dates.astype("datetime64[Y]").astype(np.int64) + 1970
        return years

    @property
    def epoch(self) -> int:
        """Day 0, 00:00 in China, in Unix seconds of the wall clock (not UTC)."""
        return (self.first_day - date(1970, 1, 1)).days * DAY_SECONDS


def make_calendar(settings: ShopSettings) -> Calendar:
    """The calendar of a shop's years, its warm-up and its nights."""
    last = settings.last_day
    data_begins = _years_before(last + timedelta(days=1), settings.years)
    first_day = data_begins - timedelta(days=WARM_UP_DAYS)
    history_days = (last - first_day).days + 1
    days = [first_day + timedelta(days=number) for number in range(history_days + settings.nights)]
    eves = _spring_festival_eves()
    intensity = np.array([_intensity(day, first_day, eves) for day in days])
    intensity /= intensity.mean()
    return Calendar(
        first_day,
        len(days),
        history_days,
        intensity,
        np.concatenate([[0.0], np.cumsum(intensity)]),
        np.array([(day.month, day.day) in _SALE_DAYS for day in days]),
    )


def times_of_day(random: np.random.Generator, is_branch: np.ndarray) -> np.ndarray:
    """Seconds after midnight, by the hours in which people buy online or in a branch."""
    seconds = np.empty(len(is_branch), np.int64)
    for name, here in (("online", ~is_branch), ("branch", is_branch)):
        share = np.cumsum(_HOURS[name]) / np.sum(_HOURS[name])
        count = int(here.sum())
        hour = np.searchsorted(share, random.random(count), side="right")
        seconds[here] = hour * 3600 + random.integers(0, 3600, count)
    return seconds


def _years_before(day: date, years: int) -> date:
    """The same day of an earlier year; 1 March of a year without 29 February."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 3, 1)


def _intensity(day: date, first_day: date, eves: frozenset[date]) -> float:
    value = _MONTHS[day.month - 1] * _WEEKDAYS[day.weekday()]
    value *= _GROWTH_A_YEAR ** ((day - first_day).days / 365.25)
    for begins, ends, factor in _PEAKS:
        if begins <= (day.month, day.day) <= ends:
            value *= factor
    if any(day - timedelta(days=behind) in eves for behind in range(7)):
        value *= _SPRING_FESTIVAL
    return float(value)


def _spring_festival_eves() -> frozenset[date]:
    holidays: Path = project_folder() / "seeds" / "chinese_holidays.csv"
    with holidays.open(encoding="utf-8") as file:
        return frozenset(
            date.fromisoformat(row["date_day"])
            for row in csv.DictReader(file)
            if row["holiday"] == "Chinese New Year's Eve"
        )
