"""The seed of Chinese festivals against the package `holidays`, which reckons by other means."""

import csv
from collections import defaultdict
from datetime import date
from pathlib import Path

import holidays
import pytest

SEED = Path(__file__).resolve().parents[2] / "seeds" / "chinese_holidays.csv"
YEARS = range(1990, 2051)
# The festival here and there, and the first year in which it was a public holiday.
FESTIVALS = {
    "Spring Festival": ("Chinese New Year (Spring Festival)", 1990),
    "Qingming Festival": ("Tomb-Sweeping Day", 2008),
    "Dragon Boat Festival": ("Dragon Boat Festival", 2008),
    "Mid-Autumn Festival": ("Mid-Autumn Festival", 2008),
}


@pytest.fixture(scope="module")
def festivals() -> dict[str, dict[int, date]]:
    days: dict[str, dict[int, date]] = defaultdict(dict)
    with SEED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            day = date.fromisoformat(row["date_day"])
            assert day.year not in days[row["holiday"]], "a festival falls once a year"
            days[row["holiday"]][day.year] = day
    return days


@pytest.mark.parametrize("festival", FESTIVALS)
def test_lunar_and_solar_festivals_agree(
    festivals: dict[str, dict[int, date]], festival: str
) -> None:
    name, first_year = FESTIVALS[festival]
    years = range(first_year, YEARS.stop)
    published = holidays.country_holidays("CN", years=years, language="en_US")
    first_days = {
        # the festival itself is the first of its days off
        year: min(day for day in published.get_named(name, lookup="exact") if day.year == year)
        for year in years
    }
    assert {year: festivals[festival][year] for year in years} == first_days


def test_every_year_has_every_festival(festivals: dict[str, dict[int, date]]) -> None:
    starts = {"618 Shopping Festival": 2010, "Singles' Day": 2009, "Double Twelve": 2012}
    for festival, days in festivals.items():
        assert list(days) == list(range(starts.get(festival, YEARS.start), YEARS.stop)), festival
    assert len(festivals) == 14


def test_festivals_stand_in_their_order(festivals: dict[str, dict[int, date]]) -> None:
    for year in YEARS:
        spring = festivals["Spring Festival"][year]
        assert (spring - festivals["Chinese New Year's Eve"][year]).days == 1
        assert (festivals["Lantern Festival"][year] - spring).days == 14
        assert festivals["Qingming Festival"][year] in {
            date(year, 4, 4),
            date(year, 4, 5),
            date(year, 4, 6),
        }
