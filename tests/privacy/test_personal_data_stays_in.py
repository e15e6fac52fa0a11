"""Personal data reaches the work file and the restricted file, and nothing else.

Canaries stand in every column tagged as personal and in rejected rows. Before the search come a
refresh that publishes, one that rejected rows stop, and one whose check fails.
"""

import grp
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

from flows.privacy.look_ups import look_ups
from flows.privacy.person import holdings, open_people
from flows.publish.restricted_file import TABLES, UnknownGroupError, write_restricted_file
from flows.work_file import work_file
from tests.conftest import REPOSITORY, Refresh

# In columns tagged as personal: staging and core have the same names.
CANARIES = {
    "customers": {
        "name": "Canaria Fullname",
        "given_name": "Canariagiven",
        "family_name": "Canariafamily",
        "birth_date": "1961-07-23",
        "email": "canary@mail.example",
        "phone": "+49 30 90210777",
        "address": "77 Canary Wharf",
    },
    "employees": {"name": "Canario Employee"},
    "interactions": {"cause": "Canaria is cross about a cup"},
}
REJECTED = ("Canarejected Person", "Canarstopped Person")
MAPPING = """
source: shop
title: A tea shop
time_zone: Asia/Shanghai
currency: CNY
reject_limit: 0.3
entities:
  order_lines:
    files: orders*.csv
    columns:
      order_id: order
      customer_id: customer
      employee_id: served by
      product_id: product
      ordered_at: ordered at
      quantity: quantity
      unit_price: price
    ignore: [note]
  customers: { files: customers.csv, columns: by_name }
  employees: { files: employees.csv, columns: by_name }
  interactions: { files: interactions.csv, columns: by_name }
"""
HEADER = "order,customer,served by,product,ordered at,quantity,price,note\n"


def canaries() -> list[str]:
    return [*(value for columns in CANARIES.values() for value in columns.values()), *REJECTED]


def write_landing(folder: Path) -> Path:
    landing = folder / "landing" / "shop"
    landing.mkdir(parents=True)
    (folder / "sources").mkdir()
    (folder / "sources" / "shop.yml").write_text(MAPPING)
    for entity, columns in CANARIES.items():
        own_id = f"{entity.removesuffix('s')}_id"
        ids = [own_id, *(["customer_id"] if entity == "interactions" else [])]
        (landing / f"{entity}.csv").write_text(
            ",".join([*ids, *columns])
            + "\n"
            + ",".join(["7"] * len(ids) + [*columns.values()])
            + "\n"
        )
    (landing / "orders1.csv").write_text(
        HEADER
        + "".join(f"{n},7,7,tea,2026-01-{n:02} 10:00,1,3.50,\n" for n in range(1, 10))
        + f"x,7,7,tea,2026-01-05 10:00,one,3.50,{REJECTED[0]}\n"
    )
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, refresh: Refresh) -> Path:
    """Published once, then stopped twice: by rejected rows, and by a check."""
    folder = write_landing(tmp_path_factory.mktemp("canaries"))
    landing, warehouse = folder / "landing", folder / "warehouse"
    printed = [refresh(landing, warehouse)]
    stopping = landing / "shop" / "orders2.csv"
    stopping.write_text(HEADER + f"y,7,7,tea,2026-01-05 10:00,one,3.50,{REJECTED[1]}\n")
    printed.append(refresh(landing, warehouse, succeeds=False))
    stopping.unlink()
    # Another source's lines are older than the first exchange rate: too many are without one.
    shutil.copytree(landing / "shop", landing / "export")
    (landing / "export/rates.csv").write_text("currency,on_date,rate\nEUR,2026-01-09,8\n")
    (folder / "sources/export.yml").write_text(
        MAPPING.replace("source: shop", "source: export").replace("CNY", "EUR")
        + "  exchange_rates: { files: rates.csv, columns: by_name }\n"
    )
    (folder / "regulars.toml").write_text('reporting_currency = "CNY"\n')
    printed.append(refresh(landing, warehouse, succeeds=False))
    assert [one.returncode for one in printed] == [0, 1, 1]
    assert "more than the limit" in " ".join(printed[1].stderr.split())
    assert "lines_without_rate_stay_under_one_percent" in printed[2].stderr
    (folder / "regulars.toml").unlink()
    (folder / "printed.txt").write_text("".join(one.stdout + one.stderr for one in printed))
    return folder


def values_of(path: Path) -> Iterator[tuple[str, str]]:
    """Every row of every table of a DuckDB file, as JSON, with the table's name."""
    with duckdb.connect(path, read_only=True) as connection:
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall():
            rows = connection.execute(f'select to_json(t)::varchar from "{schema}"."{table}" as t')
            for (row,) in rows.fetchall():
                yield f"{schema}.{table}", row


def found_in(path: Path, texts: list[str]) -> list[str]:
    """Which of the texts a file holds: its bytes, and of DuckDB files the values too."""
    content = path.read_bytes()
    found = {
        text
        for text in texts
        for encoding in ("utf-8", "utf-16-le", "gb18030")
        if text.encode(encoding) in content
    }
    if path.suffix == ".duckdb":
        for _, row in values_of(path):
            found |= {text for text in texts if text in row}
    return sorted(found)


def test_every_personal_column_has_a_canary() -> None:
    tagged = {
        (entity, column["name"])
        for path in (REPOSITORY / "models").rglob("*.yml")
        for model in yaml.safe_load(path.read_text("utf-8")).get("models", [])
        for column in model.get("columns", [])
        if column.get("config", {}).get("meta", {}).get("personal_data")
        if (entity := model["name"].removeprefix("stg_").removeprefix("dim_").split("_history")[0])
    }
    assert tagged
    assert tagged <= {(entity, name) for entity, columns in CANARIES.items() for name in columns}


def test_the_canaries_are_where_they_belong(shop: Path) -> None:
    assert found_in(work_file(shop / "warehouse"), canaries()) == sorted(
        one for one in canaries() if one != REJECTED[1]
    )
    restricted = shop / "warehouse/current/restricted/restricted.duckdb"
    assert found_in(restricted, canaries()) == sorted(
        one for one in canaries() if one not in REJECTED
    )


def test_nothing_else_holds_a_canary(shop: Path) -> None:
    searched = [
        path
        for folder in (shop, Path(os.environ["PREFECT_HOME"]))
        for path in folder.rglob("*")
        if path.is_file() and path != work_file(shop / "warehouse")
        if not path.is_relative_to(shop / "landing") and "restricted" not in path.parts
    ]
    names = {path.name for path in searched}
    assert {"regulars.duckdb", "printed.txt", "refresh.log", "dbt.log", "prefect.db"} <= names
    leaks = {str(path): found for path in searched if (found := found_in(path, canaries()))}
    assert leaks == {}


def test_nobody_else_may_look_into_the_folders(shop: Path) -> None:
    version = (shop / "warehouse/current").resolve()
    for folder in (version / "restricted", shop / "warehouse/work"):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (version / "restricted/restricted.duckdb").stat().st_mode & 0o777 == 0o600


def test_a_group_may_read_and_not_write(shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    group = grp.getgrgid(os.getgid()).gr_name
    rows = write_restricted_file(work_file(shop / "warehouse"), tmp_path, group)
    assert rows > 0
    assert (tmp_path / "restricted").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "restricted/restricted.duckdb").stat().st_mode & 0o777 == 0o640
    with pytest.raises(UnknownGroupError, match="no group 'nobody_has_this'"):
        write_restricted_file(work_file(shop / "warehouse"), other, "nobody_has_this")


def test_the_restricted_file_describes_what_it_holds(shop: Path) -> None:
    with duckdb.connect(
        shop / "warehouse/current/restricted/restricted.duckdb", read_only=True
    ) as connection:
        tables = connection.execute(
            "select table_name from duckdb_tables() where comment is not null"
        ).fetchall()
        undescribed = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where not internal and comment is null"
        ).fetchall()
    assert {name for (name,) in tables} == set(TABLES)
    assert undescribed == []


def test_what_is_held_of_a_person_is_in_all_their_tables(shop: Path) -> None:
    with open_people(shop / "warehouse") as (connection, version):
        held = {one.table: one for one in holdings(connection, "shop:7")}
        of_nobody = holdings(connection, "erased")
    assert version == (shop / "warehouse/current").readlink().name
    assert held["people.customers"].rows[0]["email"] == "canary@mail.example"
    assert len(held["core.fct_orders"].rows) == 9
    assert held["people.interactions"].rows[0]["cause"] == "Canaria is cross about a cup"
    assert {"marts.rfm", "marts.customers", "core.fct_order_lines"} <= held.keys()
    assert "core.dim_customers" not in held
    assert all(one.meaning and all(one.columns.values()) for one in held.values())
    assert [one.table for one in of_nobody if one.rows] == []


@pytest.fixture
def regulars(shop: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `regulars` beside the shop's warehouse."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("regulars"), *arguments],
            cwd=shop,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_who_looks_is_recorded_before_anything_is_shown(
    shop: Path, regulars: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert regulars("person", "--record").stdout == "Nobody was looked up yet.\n"
    looked = regulars("person", "shop:7")
    assert "canary@mail.example" in looked.stdout
    exported = regulars("person", "shop:7", "--export", "seven.json")
    assert exported.returncode == 0, exported.stderr
    assert "Canaria Fullname" in (shop / "seven.json").read_text("utf-8")
    assert (shop / "seven.json").stat().st_mode & 0o777 == 0o600
    assert regulars("person", "shop:7", "--export", "seven.json").returncode == 1
    unknown = regulars("person", "shop:8")
    assert unknown.returncode == 1
    assert "no customer 'shop:8'" in unknown.stderr
    target = str(shop / "seven.json")
    recorded = [(one.action, one.customer_id, one.path) for one in look_ups(shop / "warehouse")]
    assert recorded == [
        ("looked up", "shop:7", None),
        ("exported", "shop:7", target),
        ("looked up", "shop:8", None),
    ]
    assert regulars("person", "--record").stdout.count("looked up") == 2

    # Where the look-up cannot be recorded, nothing is shown.
    file = shop / "warehouse/look_ups/record.jsonl"
    kept = file.replace(file.with_name("kept"))
    file.mkdir()
    refused = regulars("person", "shop:7")
    file.rmdir()
    kept.replace(file)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "nothing is shown" in refused.stderr
