"""The reporting currency: found, or refused with a word about what is missing."""

from collections.abc import Iterator

import duckdb
import pytest

from flows.currency import CurrencyError, reporting_currency
from flows.load.raw_tables import create_raw_tables


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        yield connection


def order_lines(connection: duckdb.DuckDBPyConnection, **currencies: str | None) -> None:
    for source, currency in currencies.items():
        connection.execute(
            "insert into raw.order_lines (source, currency, load_id) values (?, ?, ?)",
            [source, currency, a_load(connection, source)],
        )


def a_load(connection: duckdb.DuckDBPyConnection, source: str, mapping: str = "mapping") -> int:
    """Record a load of one content under a mapping; return its id."""
    (load_id,) = connection.execute("select count(*) + 1 from raw.loads").fetchone() or (0,)
    connection.execute(
        "insert into raw.loads by name select ? as load_id, 'run' as run_id, ? as source, "
        "'order_lines' as entity, 'file' as source_file, 'content' as content_sha256, "
        "? as mapping_sha256, now() as loaded_at, 0 as file_bytes, 0 as records_read, "
        "0 as rows_loaded, 0 as rows_rejected, 0 as rows_derived, 0 as rows_skipped, "
        "false as is_full_list",
        [load_id, source, mapping],
    )
    return int(load_id)


def test_the_only_currency_is_the_reporting_currency(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert reporting_currency(connection, None) is None
    order_lines(connection, shop="CNY", till="CNY")
    assert reporting_currency(connection, None) == "CNY"
    assert reporting_currency(connection, "CNY") == "CNY"


def test_orders_without_any_currency_are_counted_as_they_are(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    order_lines(connection, shop=None)
    assert reporting_currency(connection, None) is None


def test_the_source_states_what_its_lines_do_not(connection: duckdb.DuckDBPyConnection) -> None:
    order_lines(connection, shop=None)
    connection.execute(
        "insert into raw.sources values ('shop', 'Shop', 'UTC', 'GBP', 'orders', false, false)"
    )
    assert reporting_currency(connection, None) == "GBP"


@pytest.mark.parametrize(
    ("currencies", "wanted", "message"),
    [
        ({"a": "CNY", "b": "USD"}, None, "orders come in CNY, USD: set reporting_currency"),
        ({"a": "USD", "till": None}, None, "the orders of till have no currency"),
        ({"till": None}, "USD", "the orders of till have no currency"),
        ({"a": "USD"}, "EUR", "no exchange rate from USD was delivered"),
    ],
)
def test_what_cannot_be_counted_stops_the_refresh(
    connection: duckdb.DuckDBPyConnection,
    currencies: dict[str, str | None],
    wanted: str | None,
    message: str,
) -> None:
    order_lines(connection, **currencies)
    with pytest.raises(CurrencyError, match=message):
        reporting_currency(connection, wanted)


@pytest.mark.parametrize("wanted", [None, "EUR"])
def test_what_is_no_currency_is_counted_and_not_told(
    connection: duckdb.DuckDBPyConnection, wanted: str | None
) -> None:
    """A column of names, taken for the currency by a release that did not look at it."""
    order_lines(connection, a="Ann Lee", b="Bo Chen", c="CNY")
    with pytest.raises(CurrencyError, match="CNY and 2 that are no currency codes") as stopped:
        reporting_currency(connection, wanted)
    assert "Ann" not in str(stopped.value)


def test_rates_make_several_currencies_one(connection: duckdb.DuckDBPyConnection) -> None:
    order_lines(connection, a="USD", b="EUR")
    connection.execute(
        "insert into raw.exchange_rates (currency, rate, load_id) values ('USD', 0.9, ?)",
        [a_load(connection, "rates")],
    )
    assert reporting_currency(connection, "EUR") == "EUR"


def test_a_mistyped_currency_that_was_mended_is_forgotten(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    order_lines(connection, shop="CNZ")
    connection.execute(
        "insert into raw.order_lines (source, currency, load_id) values ('shop', 'CNY', ?)",
        [a_load(connection, "shop", mapping="mended")],
    )
    assert reporting_currency(connection, None) == "CNY"
