"""The mine stage: from the baskets of the core to mining.rules, with a report of how it went."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any, Final, NamedTuple

import duckdb

from flows.settings import MiningSettings
from mining.cross_selling import (
    MAXIMUM_ITEMSETS,
    CrossSellRules,
    Period,
    mine_cross_sell_rules,
)
from mining.model_report import cross_sell_report, dropped_metrics

_MODEL: Final = "cross_sell_rules"
_NIGHTS: Final = 14  # that tell what is usual: a lasting change becomes usual within half of them
# What decides how many rules are found and hold: only nights of equal ones are compared.
_COMPARED: Final = (
    *("item_levels", "minimum_support", "minimum_baskets", "minimum_confidence", "minimum_lift"),
    *("minimum_improvement", "maximum_items", "holdout_share"),
)


class Mined(NamedTuple):
    """What the stage did.

    Attributes:
        rows_in: items of baskets.
        rows_out: rules published.
        warnings: what people should know, a sentence each.
    """

    rows_in: int
    rows_out: int
    warnings: tuple[str, ...]


def mine_rules(
    connection: duckdb.DuckDBPyConnection,
    settings: MiningSettings,
    run_id: str,
    *,
    accept: bool = False,
) -> Mined:
    """Mine the baskets of the core and prove the rules on the later ones.

    Rules that are far fewer than usual, or hold far less often, are withheld: those of the last
    good night stay in mining.rules, with its date.

    Args:
        connection: to a work file with the core built.
        settings: thresholds and what an item is.
        run_id: whose report is written into state.model_reports.
        accept: take the rules whatever earlier nights had.
    """
    connection.execute(
        """
        create or replace temporary table mined_purchases as
        -- Which basket is which does not matter to a count of baskets: numbers take less memory.
        select order_id, is_holdout, has_vote, row_number() over ()::integer as order_number
        from intermediate.int_basket_periods
        """
    )
    mining = _period(connection, "not is_holdout")
    holdout = _period(connection, "is_holdout and has_vote")
    connection.execute("drop table mined_purchases")
    never_together = (
        connection.execute("from intermediate.int_items_of_one_product").to_arrow_table()
        if len(settings.item_levels) > 1
        else None
    )
    mined = mine_cross_sell_rules(
        mining,
        holdout,
        never_together=never_together,
        **settings.of_rules(),
    )
    as_of_date = _one(connection, "select as_of_date from intermediate.int_as_of_date")
    report = cross_sell_report(mined)
    compared = _compared(settings)
    dropped = dropped_metrics(
        report, _earlier(connection, compared, as_of_date), float(settings.withhold_below)
    )
    last_good = _last_good(connection, compared, as_of_date) if dropped and not accept else None

    connection.begin()
    if last_good is None:
        connection.register("mined_rules", mined.table)
        connection.execute("delete from mining.rules")
        connection.execute(
            "insert into mining.rules by name select *, ?::date as mined_as_of from mined_rules",
            [as_of_date],
        )
        connection.unregister("mined_rules")
    connection.execute("delete from state.model_reports where run_id = ?", [run_id])
    connection.executemany(
        "insert into state.model_reports values (?, ?, ?, ?, ?, ?, ?)",
        [
            [run_id, _MODEL, metric, as_of_date, value, last_good is not None, compared]
            for metric, value in report.items()
        ],
    )
    connection.commit()
    return Mined(
        mining.basket_items.num_rows + holdout.basket_items.num_rows,
        _one(connection, "select count(*) from mining.rules where is_published"),
        (
            *_too_many_itemsets(mined, mining.basket_count, settings),
            *_worse_than_usual(report, dropped, last_good),
        ),
    )


def _period(connection: duckdb.DuckDBPyConnection, condition: str) -> Period:
    """Read the purchases of a time, and their items."""
    basket_items = connection.execute(
        f"""
        select mined_purchases.order_number as order_id, basket_items.item
        from intermediate.int_basket_items as basket_items
        inner join mined_purchases on basket_items.order_id = mined_purchases.order_id
        where {condition}
        """
    ).to_arrow_table()
    return Period(
        basket_items,
        _one(connection, f"select count(*) from mined_purchases where {condition}"),
    )


def _compared(settings: MiningSettings) -> str:
    """The settings of nights that may be compared, written in one way however they were given."""
    values = settings.model_dump(include=set(_COMPARED)) | {
        "item_levels": sorted(settings.item_levels)
    }
    plain = {
        name: f"{value.normalize():f}" if isinstance(value, Decimal) else value
        for name, value in values.items()
    }
    return json.dumps(plain, sort_keys=True)


def _earlier(
    connection: duckdb.DuckDBPyConnection, compared: str, as_of_date: date
) -> list[dict[str, float]]:
    """What held in earlier nights with the same settings: of each as-of date the last refresh."""
    rows = connection.execute(
        """
        with nights as (
            select
                as_of_date,
                arg_max(value, run_id) filter (metric = 'held') as held,
                arg_max(value, run_id) filter (metric = 'share_held') as share_held
            from state.model_reports
            where model = ? and settings = ? and as_of_date < ?
            group by as_of_date
        )

        select held, share_held
        from nights
        where share_held is not null
        order by as_of_date desc
        limit ?
        """,
        [_MODEL, compared, as_of_date, _NIGHTS],
    ).fetchall()
    return [{"held": held, "share_held": share_held} for held, share_held in rows]


def _last_good(
    connection: duckdb.DuckDBPyConnection, compared: str, as_of_date: date
) -> date | None:
    """The date of the rules in mining.rules, where they may stay.

    They must have been tested, mined with the same settings, and not from the future.
    """
    row = connection.execute(
        """
        with taken as (
            select
                max_by(settings, run_id) as settings,
                max_by(as_of_date, run_id) as as_of_date
            from state.model_reports
            where model = ? and metric = 'share_held' and not is_withheld
        )

        select max(rules.mined_as_of)
        from mining.rules as rules
        inner join taken on rules.mined_as_of = taken.as_of_date
        where taken.settings = ? and rules.mined_as_of < ? and rules.is_held is not null
        """,
        [_MODEL, compared, as_of_date],
    ).fetchone()
    return row[0] if row else None


def _too_many_itemsets(
    mined: CrossSellRules, basket_count: int, settings: MiningSettings
) -> tuple[str, ...]:
    if mined.minimum_count == mined.wanted_count:
        return ()
    # rounded up: of a support below it there would be too many again
    fitting = Context(prec=2, rounding=ROUND_CEILING).divide(
        Decimal(mined.minimum_count), Decimal(basket_count)
    )
    return (
        f"of {' and '.join(settings.item_levels)} as items, more than {MAXIMUM_ITEMSETS:,} sets "
        f"stand in {mined.wanted_count:,} baskets (minimum_support = {settings.minimum_support}): "
        f"rules were looked for in those that stand in {mined.minimum_count:,} or more; set "
        f"minimum_support = {fitting:f} under [mining]",
    )


def _worse_than_usual(
    report: Mapping[str, float | None], dropped: Mapping[str, float], last_good: date | None
) -> tuple[str, ...]:
    if not dropped:
        return ()
    words = {
        "held": lambda value: f"{value:,.0f} rules held on later baskets",
        "share_held": lambda value: f"{100 * value:.0f} % of those tested held",
    }
    found = " and ".join(words[name](report[name]) for name in dropped)
    usual = " and ".join(words[name](value) for name, value in dropped.items())
    what = (
        f"they are withheld, and those as of {last_good} stay; `regulars refresh --full --accept` "
        "takes them"
        if last_good
        else "they were published all the same"
    )
    return (
        f"the cross-sell rules are far worse than usual: {found}, where usually {usual}; {what} "
        "(marts.model_report, withhold_below under [mining])",
    )


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
