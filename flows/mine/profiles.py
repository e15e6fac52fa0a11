"""From the core to mining.profile_rules: what groups of customers buy more than others."""

from typing import Final

import duckdb
import pyarrow as pa

from flows.mine.model_output import Mined, ModelOutput, published, take_or_withhold
from flows.settings import MiningSettings, ProfileSettings
from mining.model_report import cross_sell_report
from mining.profile_rules import Profiles, mine_profile_rules

_ATTRIBUTES: Final = (
    *("age_band", "sex", "income_band", "household", "region", "segment"),
    "favourite_category",
)


def mine_profiles(
    connection: duckdb.DuckDBPyConnection,
    settings: ProfileSettings,
    mining: MiningSettings,
    run_id: str,
    *,
    accept: bool = False,
) -> Mined:
    """Mine the customers of the core, and prove the rules on what they bought later.

    Args:
        connection: to a work file with the core built.
        settings: thresholds.
        mining: what an item is, what the hold-out, and how far below the usual new rules are
            withheld.
        run_id: whose report is written into state.model_reports.
        accept: take the rules whatever earlier nights had.
    """
    connection.execute(
        f"""
        create or replace temporary table profiled_customers as
        select
            is_holdout,
            customer_id,
            (row_number() over (partition by is_holdout order by customer_id) - 1)::bigint
                as customer,
            {", ".join(f"{name}::varchar as {name}" for name in _ATTRIBUTES)}
        from intermediate.int_profiled_customers
        """
    )
    earlier = _profiles(connection, is_holdout=False)
    later = _profiles(connection, is_holdout=True)
    mined = mine_profile_rules(
        earlier,
        later,
        never_together=_table(connection, "from intermediate.int_items_of_one_category"),
        **settings.of_rules(),
    )
    connection.execute("drop table profiled_customers")
    warnings = take_or_withhold(
        connection,
        ModelOutput(
            "profile_rules",
            "profile rules",
            "mining.profile_rules",
            mined.table,
            cross_sell_report(mined),
            settings.model_dump(exclude={"maximum_rules"})
            | mining.model_dump(include={"holdout_share"})
            | {"item_levels": sorted(mining.item_levels)},
        ),
        run_id,
        withhold_below=mining.withhold_below,
        accept=accept,
    )
    return Mined(
        earlier.purchases.num_rows + later.purchases.num_rows,
        published(connection, "mining.profile_rules"),
        warnings,
    )


def _profiles(connection: duckdb.DuckDBPyConnection, *, is_holdout: bool) -> Profiles:
    """Read the customers of a period and what they bought in it."""
    return Profiles(
        _table(
            connection,
            f"select {', '.join(_ATTRIBUTES)} from profiled_customers "
            f"where is_holdout = {is_holdout} order by customer",
        ),
        _table(
            connection,
            f"""
            select distinct profiled_customers.customer, item_purchases.item
            from intermediate.int_item_purchases as item_purchases
            inner join intermediate.int_basket_periods as periods
                on item_purchases.order_id = periods.order_id
            inner join profiled_customers
                on
                    item_purchases.customer_id = profiled_customers.customer_id
                    and periods.is_holdout = profiled_customers.is_holdout
            where periods.is_holdout = {is_holdout}
            """,
        ),
    )


def _table(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return connection.execute(query).to_arrow_table()
