"""Currency codes: those of ISO 4217 pass, what people write instead is told."""

import pytest

from flows.load.currencies import check_currency


@pytest.mark.parametrize("code", ["CNY", "EUR", "USD", "XOF", "XCG", "DEM"])
def test_codes(code: str) -> None:
    assert check_currency(code) == code


@pytest.mark.parametrize(
    ("written", "meant"),
    [("RMB", "CNY"), ("CNH", "CNY"), ("eur", "EUR"), (" USD", "USD"), ("€", "EUR"), ("UKP", "GBP")],
)
def test_what_was_meant_is_told(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=rf"no currency code of ISO 4217.*Did you mean {meant}\?"):
        check_currency(written)


@pytest.mark.parametrize("written", ["XXX", "XAU", "AAA", ""])
def test_what_is_no_money(written: str) -> None:
    with pytest.raises(ValueError, match=r"such as CNY or EUR\.$"):
        check_currency(written)
