"""The mine stage: from the core to the tables of `mining`, with a report on each model."""

import duckdb

from flows.mine.buying_order import mine_order_of_items
from flows.mine.lifetime_values import forecast_customers
from flows.mine.model_output import Mined
from flows.mine.profiles import mine_profiles
from flows.mine.recommendations import recommend_products
from flows.mine.rules import mine_rules
from flows.settings import RefreshSettings


def mine_all(
    connection: duckdb.DuckDBPyConnection,
    settings: RefreshSettings,
    run_id: str,
) -> Mined:
    """Let each model mine.

    Args:
        connection: to a work file with the core built.
        settings: of the refresh.
        run_id: whose reports are written into state.model_reports.
    """
    mining, accept = settings.mining, settings.accept
    parts = [
        mine_rules(connection, mining, run_id, accept=accept),
        mine_order_of_items(connection, mining, run_id, accept=accept),
        mine_profiles(connection, settings.profiles, mining, run_id, accept=accept),
        recommend_products(connection, run_id, withhold_below=mining.withhold_below, accept=accept),
        forecast_customers(connection, settings.clv, run_id),
    ]
    return Mined(
        sum(part.rows_in for part in parts),
        sum(part.rows_out for part in parts),
        tuple(warning for part in parts for warning in part.warnings),
    )
