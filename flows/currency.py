"""In which currency a refresh counts: found before anything is built, or said what is missing."""

from collections.abc import Sequence
from typing import Final

import duckdb

from flows.load.currencies import currency_codes

# A currency mistyped in a mapping and mended must not haunt every later refresh (stg_loads has the
# whole rule; nothing is built yet where this asks).
_CURRENT_LOADS: Final = """
    select load_id from raw.loads
    qualify mapping_sha256 = last_value(mapping_sha256) over (
        partition by source, entity, content_sha256
        order by load_id rows between unbounded preceding and unbounded following
    )
"""


class CurrencyError(Exception):
    """The orders' currencies leave no one currency to count in; the message says what to state."""


def reporting_currency(connection: duckdb.DuckDBPyConnection, wanted: str | None) -> str | None:
    """The currency of every figure: the one wanted, else the only one that the orders have.

    A line that cannot be converted would stay out of every figure, so it is better to stop here.

    Args:
        connection: to the work file, its raw tables loaded.
        wanted: the setting, as CNY.

    Returns:
        The currency; None where no order states one.

    Raises:
        CurrencyError: where orders come in several currencies and none is wanted, some orders have
            a currency and others have none, or rates into the one wanted are missing. It names
            codes of ISO 4217 alone: earlier releases loaded whatever stood in the column.
    """
    stated = connection.execute(
        f"""
        select distinct
            source,
            coalesce(order_lines.currency, sources.currency) as stated
        from raw.order_lines
        left join raw.sources using (source)
        where load_id in ({_CURRENT_LOADS})
        order by all
        """
    ).fetchall()
    currencies = sorted({currency for _, currency in stated if currency})
    silent = [source for source, currency in stated if not currency]
    if silent and (currencies or wanted):
        raise CurrencyError(
            f"the orders of {', '.join(silent)} have no currency, while others are counted in "
            f"{wanted or _told(currencies)}: add `currency: CNY` (or what it is) to the mapping"
        )
    if wanted is None and len(currencies) > 1:
        raise CurrencyError(
            f"orders come in {_told(currencies)}: set reporting_currency to one of them "
            "(in regulars.toml, or as REGULARS_REPORTING_CURRENCY) and deliver exchange_rates "
            "for the others"
        )
    if wanted is None:
        return currencies[0] if currencies else None
    rated = {
        row[0]
        for row in connection.execute(
            f"select currency from raw.exchange_rates where load_id in ({_CURRENT_LOADS})"
        ).fetchall()
    }
    if missing := [currency for currency in currencies if currency not in {wanted, *rated}]:
        raise CurrencyError(
            f"orders come in {_told(missing)}, the reporting currency is {wanted}, and no "
            f"exchange rate from {_told(missing)} was delivered: map exchange_rates"
        )
    return wanted


def _told(currencies: Sequence[str]) -> str:
    """Name currencies, and count what is none: it may be anything, a customer's name too."""
    known = ", ".join(one for one in currencies if one in currency_codes())
    others = sum(one not in currency_codes() for one in currencies)
    if not others:
        return known
    counted = f"{others} that are no currency codes (mend `currency` in the mapping)"
    return f"{known} and {counted}" if known else counted
