"""What a generated shop is made from: its size, how people buy, what was planted, how damaged."""

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from regulars.generated_shop.people import PeopleSettings
from regulars.generated_shop.records import CorruptionSettings

LATEST_DAY: Final = date(2049, 12, 31)  # the seed of Chinese holidays ends in 2050
EARLIEST_DAY: Final = date(1991, 1, 1)  # China's clocks have not changed since


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Behaviour(_Section):
    """How people buy: Poisson with gamma-distributed rates, until they drop out.

    The rate of a customer (purchases a standard week) and the hazard of dropping out (a week) are
    gamma-distributed over customers, as Pareto/NBD assumes (Schmittlein, Morrison and Colombo
    1987). Seasons, weekdays, festivals, life events, campaigns and service bend them, and a share
    of customers buys in ways that no such model knows.
    """

    rate_shape: float = Field(0.6, gt=0, description="shape of the gamma of purchase rates")
    rate_scale_weeks: float = Field(10.0, gt=0, description="its inverse scale, in weeks")
    drop_out_shape: float = Field(0.8, gt=0, description="shape of the gamma of hazards")
    drop_out_scale_weeks: float = Field(60.0, gt=0, description="its inverse scale, in weeks")
    irregular_share: float = Field(
        0.25, ge=0, le=1, description="customers who buy by the clock, with pauses or in clumps"
    )
    already_there_share: float = Field(
        0.15, ge=0, le=1, description="customers won in the year before the data begins"
    )
    prospect_share: float = Field(0.08, ge=0, lt=1, description="people who never bought")
    life_event_share: float = Field(0.2, ge=0, le=1, description="people with an exam, child, job")
    referred_share: float = Field(0.12, ge=0, le=1, description="people brought by a customer")
    loyalty_share: float = Field(0.35, ge=0, le=1, description="members of the loyalty scheme")
    second_account_share: float = Field(
        0.04, ge=0, le=1, description="web customers who open a second account"
    )


class Planted(_Section):
    """What is true of the shop, for mining and models to find."""

    bundle_strengths: tuple[float, ...] = Field(
        (0.15, 0.2, 0.2, 0.25, 0.25, 0.3, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5),
        description="chance that who buys the first also takes the second, a bundle each",
    )
    sequence_strengths: tuple[float, ...] = Field(
        (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5),
        description="chance that the follower is in a later order, a sequence each",
    )
    decoy_rates: tuple[float, ...] = Field(
        (0.03, 0.04, 0.05, 0.06, 0.08, 0.12),
        description="share of baskets that hold a popular item related to nothing",
    )
    campaign_effects: tuple[float, ...] = Field(
        (0.1, 0.0, 0.06, 0.04, 0.0, 0.08),
        description="purchases added per active person reached; used in turn, six a year",
    )
    holdout_share: float = Field(0.2, gt=0, lt=1, description="of those whom a campaign chose")
    failure_rate: float = Field(0.03, ge=0, le=1, description="of delivered orders that go wrong")
    leaving_after_failure: float = Field(0.35, ge=0, le=1, description="chance, if not made good")
    leaving_after_recovery: float = Field(0.05, ge=0, le=1, description="chance, if made good")
    structural_bond_hazard: float = Field(
        0.65, gt=0, description="hazard of members with a year of free delivery, as a factor"
    )
    customised_bond_rate: float = Field(
        1.15, gt=0, description="rate of members with a personal reading list, as a factor"
    )
    salesperson_spread: float = Field(
        0.15, ge=0, description="standard deviation of salespeople's effect on the log rate"
    )
    leaving_with_salesperson: float = Field(
        0.2, ge=0, le=1, description="chance of going when the own salesperson leaves"
    )
    price_moves: tuple[tuple[float, float], ...] = Field(
        ((1.12, -1.5), (1.2, -0.8), (1.15, 0.0), (1.08, -2.0)),
        description="price factor of a product type and the elasticity of its demand",
    )


class ShopSettings(_Section):
    """A generated shop. The same settings give the same bytes."""

    customers: int = Field(20_000, ge=1, le=99_999_999, description="people, prospects included")
    years: int = Field(3, ge=1, le=30, description="length of the history")
    seed: int = Field(1, ge=0, description="another one gives another shop")
    last_day: date = Field(date(2025, 12, 31), description="last day of the history")
    nights: int = Field(0, ge=0, le=180, description="days after it, delivered one a night")
    malformed_rate: float = Field(
        0.0002, ge=0, le=0.005, description="broken records, as a share of a text file's records"
    )
    disturbed_share: float = Field(
        0.02,
        ge=0,
        le=0.2,
        description="of a night's orders, for each of: late, repeated, corrected, split",
    )
    behaviour: Behaviour = Behaviour()
    planted: Planted = Planted()
    people: PeopleSettings = PeopleSettings()
    corruption: CorruptionSettings = CorruptionSettings()

    @model_validator(mode="after")
    def _within_calendar(self) -> Self:
        if self.last_day > LATEST_DAY or self.last_day.year - self.years - 1 < EARLIEST_DAY.year:
            raise ValueError(
                f"{self.years} years up to {self.last_day} do not lie between "
                f"{EARLIEST_DAY} and {LATEST_DAY}, with a year before them"
            )
        return self


def read_settings(file: Path | None, **given: Any) -> ShopSettings:
    """Settings of a TOML or JSON file, such as a shop's own truth/settings.json; given ones win.

    Raises:
        ValueError: what is wrong with which setting (pydantic's message), or with the file.
    """
    written: dict[str, Any] = {}
    if file:
        read = json.loads if file.suffix == ".json" else tomllib.loads
        written = read(file.read_text("utf-8"))
    given = {name: value for name, value in given.items() if value is not None}
    return ShopSettings.model_validate(written | given)
