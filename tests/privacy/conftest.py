"""A shop whose files hold people in every way that files do, and a club with canaries.

Both are published once for the whole session; whoever changes anything takes a copy.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.load.loader import Delivery, load_source
from flows.load.mapping import Mapping, load_mapping
from flows.load.raw_tables import create_raw_tables
from flows.privacy.forget import Erasure, erase, find, rewrite
from flows.privacy.journal import ErasurePlan
from flows.privacy.landing_files import Rewriting
from tests.conftest import Refresh
from tests.privacy.canaries import write_club

Regulars = Callable[..., Any]

MAPPING = """
source: shop
title: A tea shop
time_zone: Asia/Shanghai
currency: CNY
reject_limit: 0.9
entities:
  order_lines:
    files: orders*.csv
    format: { encoding: gb18030 }
    columns:
      order_id: order
      customer_id: { from: customer, case: upper }
      product_id: product
      ordered_at: ordered at
      quantity: quantity
      unit_price: price
    ignore: [deliver to]
  customers:
    files: customers.csv
    columns:
      customer_id: id
      name: name
      email: mail
      phone: phone
      address: address
      birth_date: born
      referred_by: brought by
  consents:
    files: consents.jsonl
    columns:
      customer_id: person.id
      channel: channel
      given_at: at
      is_given: given
  interactions:
    files: care.parquet
    columns:
      interaction_id: id
      customer_id: customer
      cause: cause
      opened_at: opened
      compensation_amount: paid
  coupon_redemptions:
    files: coupons.csv
    columns:
      coupon_id: coupon
      customer_id: customer
      redeemed_at: at
      amount: amount
"""

ORDERS = """order,customer,product,ordered at,quantity,price,deliver to
1,ann7,tea,2026-01-05 10:00,2,3.50,"Ann Lee
12 Peony Lane"
1,ann7,cup,2026-01-05 10:00,1,9.00,李娜
2,bob8,tea,2026-02-10 18:30,1,3.50,Bob
3,,cup,2026-02-11 12:00,1,9.00,
4,ann7,tea,2026-02-12 12:00,one,3.50,Ann Lee
5,bob8,tea,2026-02-13 12:00,few,3.50,"Bob, 1 Elm"
6,cai9,tea,2026-02-14 12:00,1,3.50,𠮷田
7,ann7,tea,2026-02-15 12:00,1,3.50,Ann Lee,12 Peony Lane
"""
CUSTOMERS = """id,name,mail,phone,address,born,brought by
ANN7,Ann Lee,ann.lee@mail.example,+86 555 0101,12 Peony Lane,1980-02-03,
BOB8,Bob,bob@mail.example,+86 555 0102,1 Elm,1990-04-05,ANN7
CAI9,Cai,,,,,
"""
COUPONS = """coupon,customer,at,amount
c1,ANN7,2026-02-01 10:00:00,1.50
c1,BOB8,2026-02-01 10:00:00,1.50
c1,CAI9,2026-02-01 10:00:00,1.50
"""


def write_shop(folder: Path) -> Path:
    """Write mapping and landing files into a folder, and return the folder."""
    landing = folder / "landing" / "shop"
    landing.mkdir(parents=True)
    (folder / "sources").mkdir()
    (folder / "sources" / "shop.yml").write_text(MAPPING)
    (landing / "orders1.csv").write_text(ORDERS, "gb18030", newline="")
    (landing / "customers.csv").write_text("\ufeff" + CUSTOMERS.replace("\n", "\r\n"), newline="")
    (landing / "coupons.csv").write_text(COUPONS)
    consents = [
        {"person": {"id": "ANN7", "note": "likes oolong"}, "channel": "mail", "at": "2026-01-01"},
        {"person": {"id": "BOB8"}, "channel": "mail", "at": "2026-01-01", "given": True, "n": 0.10},
    ]
    (landing / "consents.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in consents))
    care = {
        "id": ["i1", "i2", "i3"],
        "customer": ["ANN7", "ANN7", "BOB8"],
        "cause": ["broken cup, call +86 555 0101", "a question", "late"],
        "opened": [datetime(2026, 1, 6, tzinfo=UTC)] * 3,
        "paid": [Decimal("4.00"), None, Decimal("2.00")],
    }
    pq.write_table(pa.table(care), landing / "care.parquet")
    return folder


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, refresh: Refresh) -> Path:
    """The folder of the shop and the club, published once. To be copied, not to be changed."""
    folder = write_club(write_shop(tmp_path_factory.mktemp("people") / "published"))
    finished = refresh(folder / "landing", folder / "warehouse")
    (folder / "printed.txt").write_text(finished.stdout + finished.stderr)
    return folder


@pytest.fixture(scope="module")
def copied(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the published shop and club that the tests of a module may change."""
    folder = tmp_path_factory.mktemp("copied") / "people"
    shutil.copytree(published, folder, symlinks=True)
    return folder


@pytest.fixture(scope="session")
def regulars(prefect_api: str) -> Regulars:
    """Call the command line in a folder; the result has exit_code, stdout and stderr."""
    from regulars.cli import app

    def run(folder: Path, *arguments: str) -> Any:
        with chdir(folder):
            return CliRunner().invoke(app, list(arguments), prog_name="regulars")

    return run


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The folder of a shop that nobody has loaded yet."""
    return write_shop(tmp_path)


@pytest.fixture
def mapping(shop: Path) -> Mapping:
    return load_mapping(shop / "sources" / "shop.yml")


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty work file in memory."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        create_raw_tables(connection)
        yield connection


@pytest.fixture
def load(
    connection: duckdb.DuckDBPyConnection, shop: Path
) -> Callable[[Mapping], dict[str, list[Delivery]]]:
    """Load the shop's files as they are now; returns the deliveries by entity."""

    def run(mapping: Mapping) -> dict[str, list[Delivery]]:
        found: dict[str, list[Delivery]] = {}
        for one in load_source(
            connection, mapping, shop / "landing", "run", datetime(2026, 3, 1, tzinfo=UTC)
        ):
            found.setdefault(one.entity, []).append(one)
        return found

    return run


def take_out(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, shop: Path, *customer_ids: str
) -> tuple[Erasure, Rewriting]:
    """Take people out of raw, and write the landing files anew beside the old ones."""
    erasure = Erasure(len(customer_ids))
    plan = find(connection, ErasurePlan(mapping.source, (), customer_ids))
    erase(connection, mapping, plan, erasure)
    return erasure, rewrite(connection, mapping, shop / "landing", plan, shop, erasure)


@pytest.fixture
def forget(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, shop: Path
) -> Callable[..., Erasure]:
    """Forget people as the flow does, without building anything."""

    def run(*customer_ids: str) -> Erasure:
        erasure, rewriting = take_out(connection, mapping, shop, *customer_ids)
        rewriting.put_in_place()
        return erasure

    return run


def texts_of(connection: duckdb.DuckDBPyConnection) -> str:
    """Every value of every table of a database, as one text."""
    tables = connection.execute(
        "select database_name, schema_name, table_name from duckdb_tables() where not internal"
    ).fetchall()
    texts: list[Any] = []
    for table in tables:
        name = ".".join(f'"{part}"' for part in table)
        texts += connection.execute(f"select to_json(t)::varchar from {name} as t").fetchall()
    return "\n".join(text for (text,) in texts)
