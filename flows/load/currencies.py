"""The currency codes of ISO 4217: one mistyped would be a currency of its own, without a rate."""

from functools import cache
from typing import Final

from babel.core import get_global

# What people write instead; none of them is a code.
_MEANT: Final = {
    "RMB": "CNY",
    "CNH": "CNY",
    "YUAN": "CNY",
    "NTD": "TWD",
    "STG": "GBP",
    "UKP": "GBP",
    "EURO": "EUR",
    "YEN": "JPY",
    "SFR": "CHF",
    "\u00a5": "CNY or JPY",
    "\u20ac": "EUR",
    "\u00a3": "GBP",
    "$": "USD",
}


@cache
def currency_codes() -> frozenset[str]:
    """Return the codes of money of any country, now or in the past, as CLDR lists it.

    Shops have long histories. Metals, bonds and codes for tests are left out: they are no money.
    """
    by_territory = get_global("territory_currencies")
    return frozenset(
        code
        for money in by_territory.values()
        for code, _, _, is_legal_tender in money
        if is_legal_tender
    )


def check_currency(code: str) -> str:
    """Return a currency's code.

    Raises:
        ValueError: it is none of ISO 4217; the message names the one that was probably meant.
    """
    if code in currency_codes():
        return code
    upper = code.strip().upper()
    meant = upper if upper in currency_codes() else _MEANT.get(upper)
    close = f" Did you mean {meant}?" if meant else ""
    raise ValueError(f"'{code}' is no currency code of ISO 4217, such as CNY or EUR.{close}")
