"""The mine stage: from the core to the tables of `mining`, with a report on each model."""

import duckdb

from flows.mine.buying_order import mine_order_of_items
from flows.mine.model_output import Mined
from flows.mine.profiles import mine_profiles
from flows.mine.recommendations import recommend_products
from flows.mine.rules import mine_rules
from flows.settings import MiningSettings, ProfileSettings


def mine_all(
    connection: duckdb.DuckDBPyConnection,
    settings: MiningSettings,
    profiles: ProfileSettings,
    run_id: str,
    *,
    accept: bool,
) -> Mined:
    """Let each model mine.

    Args:
        connection: to a work file with the core built.
        settings: thresholds and what an item is.
        profiles: thresholds of what groups of customers buy.
        run_id: whose reports are written into state.model_reports.
        accept: take what was found whatever earlier nights had.
    """
    parts = [
        mine_rules(connection, settings, run_id, accept=accept),
        mine_order_of_items(connection, settings, run_id, accept=accept),
        mine_profiles(connection, profiles, settings, run_id, accept=accept),
        recommend_products(
            connection, run_id, withhold_below=settings.withhold_below, accept=accept
        ),
    ]
    return Mined(
        sum(part.rows_in for part in parts),
        sum(part.rows_out for part in parts),
        tuple(warning for part in parts for warning in part.warnings),
    )
