"""What a refresh may be told: every setting with its meaning, unit and default.

`regulars.toml` and the environment fill these models (regulars/settings.py); the flow takes them
as its one parameter, so that a Prefect deployment shows and stores the same fields.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

ItemLevel = Literal["product", "product_type", "category", "department", "brand"]
Share = Annotated[Decimal, Field(ge=0, le=1)]
ClosedDay = Annotated[str, Field(pattern=r"^(\d{4}-)?\d{2}-\d{2}$")]


class _Section(BaseModel):
    # A wrong value is not repeated in the error, which Prefect shows: it may hold a secret.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class CustomerSettings(_Section):
    """When a customer counts as observed, active, slipping or lapsed (docs/definitions.md)."""

    observed_after_days: int = Field(
        90,
        ge=0,
        description="D: a first purchase within the source's first D days is not observed; "
        "the source's median gap between purchase days counts where it is larger",
    )
    active_gap_quantile: Share = Field(
        Decimal("0.8"),
        description="A: this quantile of the gaps between purchase days; "
        "active up to A days, slipping up to 2 A, then lapsed",
    )
    active_days_minimum: int = Field(30, ge=1, description="A is at least this many days")


class RfmSettings(_Section):
    """Recency, frequency and monetary value."""

    window_days: int | None = Field(
        None, ge=1, description="score the last so many days; unset: all history"
    )
    months: int = Field(
        12, ge=1, le=120, description="past month ends that customers are scored at, too"
    )


class ClvSettings(_Section):
    """Customer lifetime value."""

    discount_rate: Share = Field(Decimal("0.10"), description="r: discount rate of a year")
    maximum_years: int = Field(10, ge=1, description="the most years of loyalty that are counted")
    shrinkage_customers: int = Field(
        100, ge=0, description="k: a cohort's retention is shrunk to the whole's by k / (n + k)"
    )
    horizon_months: int = Field(
        36, ge=1, le=120, description="how far ahead the predicted value looks"
    )
    margin_rate_days: int = Field(
        10,
        ge=0,
        description="a customer's own margin rate is drawn to that of all as if so many purchase "
        "days of the average customer were added",
    )
    judged_share: Share = Field(
        Decimal("0.25"),
        gt=0,
        le=Decimal("0.5"),
        description="of the history, its last part: forecasts are proven on it before they are "
        "shown; the same share of the rest chooses the model",
    )
    judged_days: int = Field(365, ge=7, description="the most days that forecasts are proven on")


class ProfileSettings(_Section):
    """Groups of customers by age, sex, income, household, region and segment; what they buy."""

    age_bands: list[Annotated[int, Field(ge=1, le=119)]] = Field(
        [18, 25, 35, 45, 55, 65], min_length=1, description="ages at which the age bands begin"
    )
    minimum_customers: int = Field(
        10,
        ge=1,
        description="smaller groups are told of together, so that none shows what single people do",
    )

    minimum_support: Share = Field(
        Decimal("0.01"),
        gt=0,
        description="of a rule on what a group buys: share of all customers who are of the group "
        "and have the item",
    )
    minimum_rule_customers: int = Field(
        20, ge=1, description="such customers at least, however few there are"
    )
    minimum_confidence: Share = Field(
        Decimal("0.1"), gt=0, description="share of the group that has the item"
    )
    minimum_lift: Decimal = Field(
        Decimal("1.5"), ge=0, description="how many times as often as all of whom as much is known"
    )
    minimum_improvement: Share = Field(
        Decimal("0.05"),
        description="share of the group that each attribute must add to what the others have "
        "alone, and to what the number of items that the group buys would give",
    )
    maximum_attributes: int = Field(3, ge=1, le=7, description="the most attributes of a group")
    maximum_rules: int = Field(
        200, ge=1, description="publish the best so many of those that held, by phi"
    )

    @field_validator("age_bands")
    @classmethod
    def _rises(cls, age_bands: list[int]) -> list[int]:
        if age_bands != sorted(set(age_bands)):
            raise ValueError("each age must be above the one before")
        return age_bands

    def of_rules(self) -> dict[str, Any]:
        """What `mining.profile_rules.mine_profile_rules` takes, by its names."""
        settings = self.model_dump(exclude={"age_bands", "minimum_customers"})
        at_least = max(settings.pop("minimum_rule_customers"), self.minimum_customers)
        return settings | {"minimum_customers": at_least}


class MiningSettings(_Section):
    """Association rules over baskets. Thresholds are exact decimals, compared in integers."""

    every_days: int = Field(
        1,
        ge=1,
        description="rules, buying order, profiles and lists are mined anew when the as-of date "
        "is so many days later; until then those found last stay, with their date; 1: in each "
        "refresh; 7 halves the nights of a shop of ten million order lines. Forecasts are of each "
        "night, and a full build mines anew",
    )
    item_levels: list[ItemLevel] = Field(
        ["product_type"],
        min_length=1,
        description="what counts as one item; a product of none of these levels is one by itself; "
        "of several levels, what one product carries is never in one rule",
    )
    minimum_support: Share = Field(
        Decimal("0.0025"), gt=0, description="share of baskets that hold the whole rule"
    )
    minimum_baskets: int = Field(
        10, ge=1, description="baskets that hold the whole rule at least, however few there are"
    )
    minimum_confidence: Share = Field(
        Decimal("0.4"),
        gt=0,
        description="share of the left side's baskets that hold the right side",
    )
    minimum_lift: Decimal = Field(
        Decimal(3), ge=0, description="how many times likelier than by chance"
    )
    minimum_improvement: Share = Field(
        Decimal("0.1"),
        description="confidence that each item on the left must add to what the others have alone",
    )
    maximum_items: int = Field(3, ge=2, description="the most items in a rule, both sides together")
    maximum_rules: int = Field(
        200,
        ge=1,
        description="publish the best so many rules of those that held, by phi, how closely both "
        "sides are related; and so many pairs of the buying order and of up-selling",
    )
    minimum_followers: int = Field(
        10, ge=1, description="buying order: customers who had an item and took the next, at least"
    )
    minimum_followed_share: Share = Field(
        Decimal("0.02"),
        gt=0,
        description="buying order: of those who had an item, lacked the next and took anything "
        "new, how many took it",
    )
    minimum_followed_lift: Decimal = Field(
        Decimal("1.5"),
        ge=0,
        description="buying order: how many times likelier than of others who bought as much",
    )
    minimum_price_rise: Share = Field(
        Decimal("0.1"),
        description="up-selling: how much dearer the next product of a line is at least",
    )
    holdout_share: Share = Field(
        Decimal("0.2"),
        lt=1,
        description="of the days, the last ones, on whose baskets the rules are tested",
    )
    withhold_below: Share = Field(
        Decimal("0.5"),
        description="what a model found is withheld and the last good stays, when the number or "
        "share that held, or the quality of lists, falls below this share of its median over the "
        "last 14 times; 0: never",
    )
    engine: Literal["occurrence_lists", "mlxtend"] = Field(
        "occurrence_lists", description="who searches; both find the same, mlxtend takes longer"
    )
    discount_share: Share = Field(
        Decimal("0.10"), description="what a cross-sell offer takes off the price of what it offers"
    )
    take_rate: Share = Field(
        Decimal("0.02"),
        description="assumed share of those who get an offer that buy because of it; campaigns "
        "with people held out (100 or more) measure it for cross-sell offers and for lists",
    )
    offer_days: int = Field(
        28,
        ge=1,
        description="so many days a cross-sell offer holds: who would have bought in them anyway "
        "gets its discount too",
    )
    bundle_discount_share: Share = Field(
        Decimal("0.10"), description="what a package takes off the price of all its items"
    )

    def of_rules(self) -> dict[str, Any]:
        """What `mining.cross_selling.mine_cross_sell_rules` takes, by its names."""
        return self.model_dump(
            include={
                *("minimum_support", "minimum_baskets", "minimum_confidence", "minimum_lift"),
                *("minimum_improvement", "maximum_items", "maximum_rules", "engine"),
            }
        )


class PublishSettings(_Section):
    """Published versions of the warehouse file."""

    keep_versions: int = Field(
        7, ge=1, description="the newest so many versions stay, and always the current one"
    )
    keep_days: int = Field(
        2, ge=0, description="beyond that number, a version goes when it is older than so many days"
    )


class GateSettings(_Section):
    """Quality gates: which night gets a warning, and which is stopped as a broken feed."""

    learning_nights: int = Field(
        14, ge=0, description="nights of a source in which nothing stops, so that its past is known"
    )
    weeks: int = Field(
        8, ge=4, description="a day is held against the same weekday of so many weeks before"
    )
    deviations: Decimal = Field(
        Decimal(4),
        gt=0,
        description="half the width of the band around the median, in median absolute deviations",
    )
    stop_share: Share = Field(
        Decimal("0.6"),
        description="a day below the band stops only below this share of the median; "
        "a known day, when it keeps less than this share of its lines",
    )
    cut_share: Share = Field(
        Decimal("0.3"),
        gt=0,
        description="a day stops that has no order before or after an hour, "
        "where so great a share of its weekday's lines usually comes",
    )
    money_factor: Decimal = Field(
        Decimal(5),
        gt=1,
        description="a day stops when its median order line is so many times its usual worth, "
        "or less than that part of it",
    )
    minimum_lines: int = Field(
        20, ge=1, description="days with usually fewer lines (or orders) never stop"
    )
    closed_days: list[ClosedDay] = Field(
        [],
        description="holidays that never stop, and may be without a line, each year or once, as "
        "12-25 or 2027-02-17",
    )
    silent_days: int = Field(
        3,
        ge=1,
        description="a source without a new file for so many days is warned of, and `regulars "
        "status` goes on naming it",
    )


class RestrictedSettings(_Section):
    """The file with names and contacts, and who may look people up."""

    group: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*\$?$",
        description="group of the operating system whose members may look people up; "
        "unset: only the user that runs the refresh",
    )


class ScheduleSettings(_Section):
    """When `regulars schedule` refreshes."""

    cron: str = Field(
        "0 2 * * *", description="minute, hour, day of the month, month, day of the week"
    )
    timezone: str = Field("UTC", description="by which clocks, as Asia/Shanghai")
    keep_days: int = Field(
        30, ge=1, description="days for which Prefect's record of runs is kept, under the warehouse"
    )


class NoticeSettings(_Section):
    """Who is told how a refresh went: a command, a web address, or both."""

    on: list[Literal["failure", "warning", "success"]] = Field(
        ["failure", "warning"],
        description="tell of these: a refresh that failed, one that published with warnings, "
        "one that published without",
    )
    command: list[str] = Field(
        [],
        description="program and arguments, run without a shell, the notice as JSON on its input",
    )
    webhook: SecretStr | None = Field(  # secret: Prefect stores settings as parameters
        None,
        description="address that the notice is posted to as JSON; it may hold a secret: then "
        "set it in the environment, REGULARS_NOTICES__WEBHOOK",
    )
    timeout_seconds: int = Field(10, ge=1, description="for the command, and for each try to post")
    tries: int = Field(3, ge=1, description="how often to try to post, with growing pauses")

    @field_validator("webhook")
    @classmethod
    def _is_web_address(cls, webhook: SecretStr | None) -> SecretStr | None:
        if webhook is not None and not _is_web_address(webhook.get_secret_value()):
            raise ValueError("no web address, as https://example.org/notices")
        return webhook


def _is_web_address(text: str) -> bool:
    """Tell whether a notice can be posted there: http or https, a host, nothing to be encoded."""
    try:
        parts = urlsplit(text)
        port = parts.port  # the library refuses "x" and 99999 here, not before
    except ValueError:
        return False
    # A name and password before the host would be taken for a part of its name.
    has_host = bool(parts.hostname) and parts.username is None and port != 0
    is_plain = text.isascii() and text.isprintable() and " " not in text
    return parts.scheme in ("http", "https") and has_host and is_plain


class RefreshSettings(_Section):
    """Everything that one refresh needs to know."""

    landing: Path = Field(
        Path("landing"), description="folder with one folder of files for each source"
    )
    warehouse: Path = Field(
        Path("warehouse"), description="folder of the work file and the published versions"
    )
    mappings: Path = Field(
        Path("sources"), description="folder of your own mappings; the ready ones are always known"
    )
    sources: list[str] | None = Field(
        None,
        description="sources to load; unset: every source that has a folder in the landing folder",
    )
    as_of: date | None = Field(
        None,
        description="compute all marts as of this date; unset: the day after the newest purchase",
    )
    full: bool = Field(False, description="build everything from raw again, reference tables too")
    accept: bool = Field(
        False,
        description="publish although a gate calls the night a broken feed, and take rules that "
        "are far worse than usual",
    )
    wait_minutes: int = Field(
        0, ge=0, description="wait so long for another refresh to end; 0: refuse at once"
    )
    memory_gigabytes: Decimal = Field(
        Decimal(3),
        ge=Decimal("0.5"),
        description="memory that building tables may take, at most 80 % of what there is; what "
        "does not fit is written to disk for a while. Python, mining and publishing come on top, "
        "about 1 GB; lower it where nights are killed, raise it beyond ten million order lines",
    )
    reporting_currency: str | None = Field(
        None,
        pattern="^[A-Z]{3}$",
        description="currency of every figure, as CNY; needed only where sources differ",
    )
    fiscal_year_start_month: int = Field(1, ge=1, le=12, description="first month of a fiscal year")
    customers: CustomerSettings = CustomerSettings()
    rfm: RfmSettings = RfmSettings()
    clv: ClvSettings = ClvSettings()
    profiles: ProfileSettings = ProfileSettings()
    mining: MiningSettings = MiningSettings()
    publish: PublishSettings = PublishSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    notices: NoticeSettings = NoticeSettings()
    restricted: RestrictedSettings = RestrictedSettings()
    gates: GateSettings = GateSettings()

    def dbt_variables(self) -> dict[str, Any]:
        """The settings that the models read, by their names in dbt_project.yml."""
        return {
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "reporting_currency": self.reporting_currency,
            "fiscal_year_start_month": self.fiscal_year_start_month,
            "observed_after_days": self.customers.observed_after_days,
            "active_gap_quantile": float(self.customers.active_gap_quantile),
            "active_days_minimum": self.customers.active_days_minimum,
            "rfm_window_days": self.rfm.window_days,
            "rfm_months": self.rfm.months,
            "clv_discount_rate": float(self.clv.discount_rate),
            "clv_maximum_years": self.clv.maximum_years,
            "clv_shrinkage_customers": self.clv.shrinkage_customers,
            "clv_horizon_months": self.clv.horizon_months,
            "clv_margin_rate_days": self.clv.margin_rate_days,
            "clv_judged_share": float(self.clv.judged_share),
            "clv_judged_days": self.clv.judged_days,
            "profile_age_bands": list(self.profiles.age_bands),
            "profile_minimum_customers": self.profiles.minimum_customers,
            "mining_item_levels": list(self.mining.item_levels),
            "mining_holdout_share": float(self.mining.holdout_share),
            "mining_discount_share": float(self.mining.discount_share),
            "mining_take_rate": float(self.mining.take_rate),
            "mining_offer_days": self.mining.offer_days,
            "mining_bundle_discount_share": float(self.mining.bundle_discount_share),
        }
