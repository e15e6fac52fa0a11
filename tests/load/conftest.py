"""A work file with empty raw tables, and a landing folder to fill."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import duckdb
import pytest

from flows.load.loader import Delivery, load_source
from flows.load.mapping import Mapping, load_mapping
from flows.load.raw_tables import create_raw_tables

SOURCES = Path(__file__).resolve().parents[2] / "sources"
LOADED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)

# A small shop that most tests load; a test says what is special about its files.
SHOP = """
source: shop
title: A shop
time_zone: Asia/Shanghai
currency: CNY
reject_limit: 1
entities:
  order_lines:
    files: lines*
    columns:
      order_id: order
      ordered_at: at
      customer_id: customer
      product_id: product
      quantity: quantity
      unit_price: price
"""
HEADER = "order,at,customer,product,quantity,price\n"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        create_raw_tables(connection)
        yield connection


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    (folder / "shop").mkdir(parents=True)
    return folder


@pytest.fixture
def read_mapping(tmp_path: Path) -> Callable[[str], Mapping]:
    """Read a mapping written in the test."""

    def read(text: str = SHOP) -> Mapping:
        path = tmp_path / "shop.yml"
        path.write_text(dedent(text), encoding="utf-8")
        return load_mapping(path)

    return read


Load = Callable[..., list[Delivery]]
Query = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def query(connection: duckdb.DuckDBPyConnection) -> Query:
    return lambda sql: connection.execute(sql).fetchall()


@pytest.fixture
def load(
    connection: duckdb.DuckDBPyConnection, landing: Path, read_mapping: Callable[[str], Mapping]
) -> Load:
    """Load files, given as name to content, under a mapping written in the test."""

    def run(
        mapping: str = SHOP,
        loaded_at: datetime = LOADED_AT,
        rest_seconds: float = 0,
        **files: str | bytes,
    ) -> list[Delivery]:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (landing / "shop" / name.replace("__", ".")).write_bytes(data)
        return load_source(
            connection, read_mapping(mapping), landing, "run", loaded_at, rest_seconds
        )

    return run
