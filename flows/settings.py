"""What a refresh may be told: every setting with its meaning, unit and default.

`regulars.toml` and the environment fill these models (regulars/settings.py); the flow takes them
as its one parameter, so that a Prefect deployment shows and stores the same fields.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[Decimal, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


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


class ClvSettings(_Section):
    """Customer lifetime value."""

    discount_rate: Share = Field(Decimal("0.10"), description="r: discount rate of a year")
    maximum_years: int = Field(10, ge=1, description="the most years of loyalty that are counted")
    shrinkage_customers: int = Field(
        100, ge=0, description="k: a cohort's retention is shrunk to the whole's by k / (n + k)"
    )


class MiningSettings(_Section):
    """Association rules over baskets. Thresholds are exact decimals, compared in integers."""

    item_level: Literal["product", "product_type", "category", "department", "brand"] = Field(
        "product_type", description="what counts as one item"
    )
    minimum_support: Share = Field(
        Decimal("0.0025"), gt=0, description="share of baskets that hold the whole rule"
    )
    minimum_confidence: Share = Field(
        Decimal("0.4"), description="share of the left side's baskets that hold the right side"
    )
    minimum_lift: Decimal = Field(
        Decimal(5), ge=0, description="how many times likelier than by chance"
    )
    maximum_items: int = Field(3, ge=2, description="the most items in a rule, both sides together")
    maximum_rules: int = Field(50, ge=1, description="keep the best so many, by leverage")


class PublishSettings(_Section):
    """Published versions of the warehouse file."""

    keep_versions: int = Field(
        7, ge=1, description="older versions go after a publish; never the current one"
    )


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
    wait_minutes: int = Field(
        0, ge=0, description="wait so long for another refresh to end; 0: refuse at once"
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
    mining: MiningSettings = MiningSettings()
    publish: PublishSettings = PublishSettings()

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
            "clv_discount_rate": float(self.clv.discount_rate),
            "clv_maximum_years": self.clv.maximum_years,
            "clv_shrinkage_customers": self.clv.shrinkage_customers,
            "mining_item_level": self.mining.item_level,
        }
