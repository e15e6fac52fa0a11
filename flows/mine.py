"""The mine stage: from the baskets of the core to mining.rules, with a report of how it went."""

import json
from datetime import date
from typing import Final, NamedTuple

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
_JUDGED: Final = ("share_held", "published")
_NIGHTS: Final = 14  # that tell what is usual: a lasting change becomes usual within half of them


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
    connection: duckdb.DuckDBPyConnection, settings: MiningSettings, run_id: str
) -> Mined:
    """Mine the baskets of the core and prove the rules on the later ones.

    Rules that are far fewer than usual, or hold far less often, are withheld: those of the last
    good night stay in mining.rules, with its date.

    Args:
        connection: to a work file with the core built.
        settings: thresholds and what an item is.
        run_id: whose report is written into state.model_reports.
    """
    mining = _period(connection, "not periods.is_holdout")
    holdout = _period(connection, "periods.is_holdout and periods.has_vote")
    never_together = (
        connection.execute("from intermediate.int_items_of_one_product").to_arrow_table()
        if len(settings.item_levels) > 1
        else None
    )
    mined = mine_cross_sell_rules(
        mining,
        holdout,
        minimum_support=settings.minimum_support,
        minimum_confidence=settings.minimum_confidence,
        minimum_lift=settings.minimum_lift,
        minimum_improvement=settings.minimum_improvement,
        maximum_items=settings.maximum_items,
        maximum_rules=settings.maximum_rules,
        never_together=never_together,
        engine=settings.engine,
    )
    report = cross_sell_report(mined.table)
    known_settings = json.dumps(settings.model_dump(mode="json", exclude={"engine"}))
    dropped = dropped_metrics(
        report,
        {metric: _earlier(connection, metric, known_settings) for metric in _JUDGED},
        float(settings.withhold_below),
    )
    last_good = connection.execute("select max(mined_as_of) from mining.rules").fetchone()
    is_withheld = bool(dropped and last_good and last_good[0])
    connection.begin()
    if not is_withheld:
        rules = mined.table  # noqa: F841 - read by name below
        connection.execute("delete from mining.rules")
        connection.execute(
            """
            insert into mining.rules by name
            select *, (select as_of_date from intermediate.int_as_of_date) as mined_as_of
            from rules
            """
        )
    connection.execute("delete from state.model_reports where run_id = ?", [run_id])
    connection.executemany(
        "insert into state.model_reports values (?, ?, ?, ?, ?, ?)",
        [
            [run_id, _MODEL, metric, value, is_withheld, known_settings]
            for metric, value in report.items()
        ],
    )
    connection.commit()
    published = connection.execute(
        "select count(*) from mining.rules where is_published"
    ).fetchone()
    return Mined(
        mining.basket_items.num_rows + holdout.basket_items.num_rows,
        published[0] if published else 0,
        (
            *_too_many_itemsets(mined, mining.basket_count, settings),
            *_withheld(report, dropped, last_good[0] if is_withheld and last_good else None),
        ),
    )


def _period(connection: duckdb.DuckDBPyConnection, condition: str) -> Period:
    """Read the purchases of a time, and their items."""
    # Which basket is which does not matter to a count of baskets: numbers take less memory.
    basket_items = connection.execute(
        f"""
        with purchases as (
            select periods.order_id, row_number() over ()::integer as order_number
            from intermediate.int_basket_periods as periods
            where {condition}
        )

        select purchases.order_number as order_id, basket_items.item
        from intermediate.int_basket_items as basket_items
        inner join purchases on basket_items.order_id = purchases.order_id
        """
    ).to_arrow_table()
    row = connection.execute(
        f"select count(*) from intermediate.int_basket_periods as periods where {condition}"
    ).fetchone()
    return Period(basket_items, row[0] if row else 0)


def _earlier(
    connection: duckdb.DuckDBPyConnection, metric: str, known_settings: str
) -> list[float]:
    """A metric's values in the last nights with the same settings."""
    rows = connection.execute(
        """
        select value
        from state.model_reports
        where model = ? and metric = ? and settings = ? and value is not null
        order by run_id desc
        limit ?
        """,
        [_MODEL, metric, known_settings, _NIGHTS],
    ).fetchall()
    return [value for (value,) in rows]


def _too_many_itemsets(
    mined: CrossSellRules, basket_count: int, settings: MiningSettings
) -> tuple[str, ...]:
    if mined.minimum_count == mined.wanted_count:
        return ()
    return (
        f"of {' and '.join(settings.item_levels)} as items, more than {MAXIMUM_ITEMSETS:,} sets "
        f"stand in {mined.wanted_count:,} baskets (minimum_support = {settings.minimum_support}): "
        f"rules were looked for in those that stand in {mined.minimum_count:,} or more; set "
        f"minimum_support = {mined.minimum_count / basket_count:.2g} under [mining]",
    )


def _withheld(
    report: dict[str, float | None], dropped: dict[str, float], last_good: date | None
) -> tuple[str, ...]:
    if last_good is None:
        return ()
    what = " and ".join(
        f"{metric} is {report[metric] or 0:.4g}, where {usual:.4g} is usual"
        for metric, usual in dropped.items()
    )
    return (
        f"new cross-sell rules are withheld, those as of {last_good} stay: {what} "
        "(marts.model_report; withhold_below under [mining])",
    )
