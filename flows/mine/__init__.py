"""The mine stage: from the core to the tables of `mining`, with a report on each model."""

from typing import Final

import duckdb

from flows.mine.buying_order import mine_order_of_items
from flows.mine.lifetime_values import forecast_customers
from flows.mine.model_output import Mined, are_due, keep_earlier
from flows.mine.profiles import mine_profiles
from flows.mine.recommendations import LISTS_MAY_STAY, recommend_products
from flows.mine.rules import mine_rules
from flows.query import one_value
from flows.settings import RefreshSettings

# What is found stays good for days, and takes the longest to find: model to its table.
_FINDINGS: Final = {
    "cross_sell_rules": "mining.rules",
    "buying_order": "mining.buying_order",
    "up_sell": "mining.up_sell",
    "profile_rules": "mining.profile_rules",
    "recommendations": "mining.recommendations",
}


def mine_all(
    connection: duckdb.DuckDBPyConnection,
    settings: RefreshSettings,
    run_id: str,
    *,
    anew: bool = True,
) -> Mined:
    """Let each model mine, those of `_FINDINGS` only where they are due; forecasts are of today.

    Args:
        connection: to a work file with the core built.
        settings: of the refresh.
        run_id: whose reports are written into state.model_reports.
        anew: let all mine, whenever they did before.
    """
    if anew or are_due(connection, _FINDINGS, settings.mining.every_days):
        found = _find(connection, settings, run_id)
    else:
        found = [_keep(connection)]
    parts = [*found, forecast_customers(connection, settings.clv, run_id)]
    return Mined(
        sum(part.rows_in for part in parts),
        sum(part.rows_out for part in parts),
        tuple(warning for part in parts for warning in part.warnings),
    )


def _find(
    connection: duckdb.DuckDBPyConnection, settings: RefreshSettings, run_id: str
) -> list[Mined]:
    mining, accept = settings.mining, settings.accept
    return [
        mine_rules(connection, mining, run_id, accept=accept),
        mine_order_of_items(connection, mining, run_id, accept=accept),
        mine_profiles(connection, settings.profiles, mining, run_id, accept=accept),
        recommend_products(connection, run_id, withhold_below=mining.withhold_below, accept=accept),
    ]


def _keep(connection: duckdb.DuckDBPyConnection) -> Mined:
    """Keep what was found last, but for lists of whom and what has left since."""
    keep_earlier(connection, _FINDINGS["recommendations"], LISTS_MAY_STAY)
    kept = [one_value(connection, f"select count(*) from {name}") for name in _FINDINGS.values()]
    return Mined(0, sum(kept), ())
