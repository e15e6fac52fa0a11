"""What a generated shop is made from: its size, how people buy, what was planted, how damaged."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from regulars import settings_file
from regulars.generated_shop.people import PeopleSettings
from regulars.generated_shop.records import CorruptionSettings
from regulars.generated_shop.settings_section import Number, Section
from regulars.settings_file import InvalidSettingsError, explain, read_json, read_toml

LATEST_DAY: Final = date(2049, 12, 31)  # the seed of Chinese holidays ends in 2050
EARLIEST_DAY: Final = date(1991, 1, 1)  # China's clocks have not changed since
# What the smallest catalogue (600 products of 48 types) holds, all of them together: a product is
# planted in one place at most, and nowhere if the price of its type moves.
MOST_BUNDLES: Final = 24
MOST_SEQUENCES: Final = 16
MOST_DECOYS: Final = 24
MOST_PRICE_MOVES: Final = 16
# Chunks of 10,000 people number 10 million orders; clumps, businesses and salespeople add to these.
MOST_PURCHASES_A_PERSON: Final = 300
EXAMPLE_COMMAND: Final = "regulars generate --example"
_LONGEST_SCALE_WEEKS: Final = 1_000_000_000  # nobody ever buys or drops out

_Share = Annotated[Number, Field(ge=0, le=1)]
# Demand falls by refusals, which cannot make it rise: a price only moves up, demand only down.
_PriceFactor = Annotated[Number, Field(ge=1, le=10)]
_Elasticity = Annotated[Number, Field(ge=-20, le=0)]


class Behaviour(Section):
    """How people buy: Poisson with gamma-distributed rates, until they drop out.

    The rate of a customer (purchases a standard week) and the hazard of dropping out (a week of the
    calendar) are gamma-distributed over customers, as Pareto/NBD assumes (Schmittlein, Morrison and
    Colombo 1987). Seasons, weekdays, festivals, life events, campaigns and service bend them, and a
    share of customers buys in ways that no such model knows.
    """

    rate_shape: float = Field(0.6, ge=0.01, le=100, description="shape of the gamma of rates")
    rate_scale_weeks: float = Field(
        10.0, ge=0.01, le=_LONGEST_SCALE_WEEKS, description="its inverse scale, in weeks"
    )
    drop_out_shape: float = Field(0.8, ge=0.01, le=100, description="shape of the gamma of hazards")
    drop_out_scale_weeks: float = Field(
        60.0, ge=0.01, le=_LONGEST_SCALE_WEEKS, description="its inverse scale, in weeks"
    )
    irregular_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="customers who buy by the clock, in clumps, or pause once for 60 to 300 days",
    )
    already_there_share: float = Field(
        0.15, ge=0, le=1, description="customers won in the year before the data begins"
    )
    prospect_share: float = Field(0.08, ge=0, lt=1, description="people who never bought")
    life_event_share: float = Field(0.2, ge=0, le=1, description="people with an exam, child, job")
    referred_share: float = Field(0.12, ge=0, le=1, description="people brought by a customer")
    loyalty_share: float = Field(
        0.35,
        ge=0,
        le=1,
        description="customers (prospects aside) with the bonds of the loyalty scheme; who leaves "
        "within days of the first purchase never joins",
    )
    second_account_share: float = Field(
        0.04,
        ge=0,
        le=1,
        description="of people with an account in the web shop, who open a second one 60 to 600 "
        "days later; only those for whom that day lies within the data do",
    )


class Planted(Section):
    """What is true of the shop, for mining and models to find."""

    bundle_strengths: tuple[_Share, ...] = Field(
        (0.15, 0.2, 0.2, 0.25, 0.25, 0.3, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5),
        max_length=MOST_BUNDLES,
        description="chance that who buys the first also takes the second, a bundle each",
    )
    sequence_strengths: tuple[_Share, ...] = Field(
        (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5),
        max_length=MOST_SEQUENCES,
        description="chance that the follower is in a later order, a sequence each",
    )
    decoy_rates: tuple[_Share, ...] = Field(
        (0.03, 0.04, 0.05, 0.06, 0.08, 0.12),
        max_length=MOST_DECOYS,
        description="share of baskets that hold a popular item related to nothing",
    )
    confounded_decoys: tuple[
        tuple[Literal["sale days", "business"], tuple[_Share, _Share]], ...
    ] = Field(
        (
            ("sale days", (0.3, 0.01)),
            ("sale days", (0.25, 0.01)),
            ("business", (0.4, 0.005)),
            ("business", (0.35, 0.005)),
        ),
        max_length=MOST_DECOYS,
        description="popular items that only look related: more of them where the confounder is, "
        "as shares of the baskets there and elsewhere",
    )
    campaign_effects: tuple[_Share, ...] = Field(
        (0.1, 0.0, 0.06, 0.04, 0.0, 0.08),
        description="purchases added per active person reached, of six campaigns a year: each once "
        "in a turn of random order",
    )
    holdout_share: float = Field(0.2, gt=0, lt=1, description="of those whom a campaign chose")
    failure_rate: float = Field(0.03, ge=0, le=1, description="of delivered orders that go wrong")
    leaving_after_failure: float = Field(0.35, ge=0, le=1, description="chance, if not made good")
    leaving_after_recovery: float = Field(0.05, ge=0, le=1, description="chance, if made good")
    wait_dissatisfaction: float = Field(
        0.4,
        ge=0,
        lt=1,
        description="correlation of slow answers with dissatisfaction; 0: waiting annoys nobody",
    )
    satisfaction_hazard: float = Field(
        0.75,
        ge=0.05,
        le=1,
        description="hazard of who is a standard deviation more satisfied, as a factor; "
        "1: satisfaction keeps nobody",
    )
    structural_bond_hazard: float = Field(
        0.65,
        gt=0,
        le=10,
        description="hazard of members with free delivery, as a factor, since they joined",
    )
    customised_bond_rate: float = Field(
        1.15,
        gt=0,
        le=5,
        description="rate of members with a personal reading list, as a factor, since they joined",
    )
    salesperson_spread: float = Field(
        0.15, ge=0, le=1, description="standard deviation of salespeople's effect on the log rate"
    )
    leaving_with_salesperson: float = Field(
        0.2, ge=0, le=1, description="chance of going when the own salesperson leaves"
    )
    price_moves: tuple[tuple[_PriceFactor, _Elasticity], ...] = Field(
        ((1.12, -1.5), (1.2, -0.8), (1.15, 0.0), (1.08, -2.0)),
        max_length=MOST_PRICE_MOVES,
        description="price factor of a product type and the elasticity of its demand",
    )


class ShopSettings(Section):
    """A generated shop. The same settings give the same bytes."""

    customers: int = Field(20_000, ge=1, le=99_999_999, description="people, prospects included")
    years: int = Field(3, ge=1, le=30, description="length of the history")
    seed: int = Field(1, ge=0, description="another one gives another shop")
    last_day: date = Field(date(2025, 12, 31), description="last day of the history")
    nights: int = Field(0, ge=0, le=180, description="days after it, delivered one a night")
    malformed_rate: float = Field(
        0.0002,
        ge=0,
        le=0.005,
        description="broken records, as a share of a text file's records; of a file at most one in "
        "25, so that those of a small night seldom have any",
    )
    disturbed_share: float = Field(
        0.02,
        ge=0,
        le=0.2,
        description="of a night's orders, for each of: late, repeated, corrected, split; what "
        "comes later does so within five nights, so the last five, and short streams, "
        "have less",
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

    @model_validator(mode="after")
    def _within_numbers(self) -> Self:
        weeks = ((self.years + 1) * 366 + self.nights) / 7
        rate = self.behaviour.rate_shape / self.behaviour.rate_scale_weeks
        purchases = rate * max(1.0, self.planted.customised_bond_rate) * weeks
        if purchases > MOST_PURCHASES_A_PERSON:
            raise ValueError(
                f"who stays for all {self.years} years would buy {purchases:,.0f} times on "
                f"average, and order numbers are made for {MOST_PURCHASES_A_PERSON}: lower "
                "behaviour.rate_shape or planted.customised_bond_rate, or raise "
                "behaviour.rate_scale_weeks"
            )
        return self


def read_settings(file: Path | None, options: Mapping[str, tuple[str, Any]]) -> ShopSettings:
    """Settings of a TOML file or of another shop's truth/settings.json; options win over it.

    Args:
        file: None for the defaults.
        options: by setting, the option's name and its value; None counts as not given.

    Raises:
        InvalidSettingsError: a line for each wrong key: where, which, what was expected and found.
    """
    read = read_json if file and file.suffix == ".json" else read_toml
    written = read(file, EXAMPLE_COMMAND) if file else {}
    given = {name: value for name, (_, value) in options.items() if value is not None}

    def where(path: tuple[str, ...]) -> str:
        if path and path[0] in given:
            return options[path[0]][0]
        if not path:  # of several together, in the file or among the options
            names = ", ".join(options[name][0] for name in given)
            return " with ".join([*([str(file)] if file else []), *([names] if names else [])])
        return ": ".join([*([str(file)] if file else []), ".".join(path)])

    try:
        return ShopSettings.model_validate(written | given)
    except ValidationError as error:
        raise InvalidSettingsError(
            "\n".join(explain(ShopSettings, detail, where) for detail in error.errors())
        ) from None


def example() -> str:
    """The documented settings file: every setting, its meaning, what it takes and its default."""
    head = [
        "Settings of a generated shop. All are optional: the values shown are the defaults.",
        "Save as shop.toml, change what you need, and: regulars generate --settings shop.toml ...",
        "Options of the command line win over this file.",
        "",
        f"Written by `{EXAMPLE_COMMAND}`.",
    ]
    return settings_file.example(ShopSettings, head, {})
