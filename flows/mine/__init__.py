"""The mine stage: from the core to the tables of `mining`, with a report on each model."""

import duckdb

from flows.mine.buying_order import mine_order_of_items
from flows.mine.model_output import Mined
from flows.mine.rules import mine_rules
from flows.settings import MiningSettings


def mine_all(
    connection: duckdb.DuckDBPyConnection, settings: MiningSettings, run_id: str, *, accept: bool
) -> Mined:
    """Let each model mine.

    Args:
        connection: to a work file with the core built.
        settings: thresholds and what an item is.
        run_id: whose reports are written into state.model_reports.
        accept: take what was found whatever earlier nights had.
    """
    parts = [
        model(connection, settings, run_id, accept=accept)
        for model in (mine_rules, mine_order_of_items)
    ]
    return Mined(
        sum(part.rows_in for part in parts),
        sum(part.rows_out for part in parts),
        tuple(warning for part in parts for warning in part.warnings),
    )
