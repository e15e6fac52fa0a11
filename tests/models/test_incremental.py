"""Nights that build what changed, against one build of everything: the same tables.

Random nights deliver new, late, repeated, split, corrected, cancelled and returned orders, stale
files, full lists, products whose costs change and exchange rates; small pools of ids let them meet
often.
"""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flows.dbt import DbtProject, Mode
from flows.load.loader import load_source
from flows.load.mapping import Mapping as SourceMapping
from flows.load.raw_tables import create_raw_tables
from flows.work_file import open_database

FIRST_DAY = date(2024, 1, 1)


@dataclass(frozen=True)
class Line:
    """One row of a file of orders; days are counted from FIRST_DAY."""

    order_id: str
    line_number: int
    day: int
    version: int
    product_id: str = "a"
    quantity: int = 1
    unit_price: str = "1.00"
    customer_id: str | None = None
    order_status: str = "completed"
    returned_order_id: str | None = None
    unit_cost: str | None = None


@dataclass(frozen=True)
class Product:
    """One row of a file of products."""

    product_id: str
    version: int
    unit_cost: str | None = None
    category: str = "tea"


@dataclass(frozen=True)
class Rate:
    """One row of a file of exchange rates: of euros."""

    day: int
    rate: str
    version: int


Row = Line | Product | Rate


@dataclass(frozen=True)
class File:
    """A file as delivered."""

    source: str
    entity: str
    rows: tuple[Row, ...]


@dataclass
class World:
    """A warehouse, the files that it was given, and the two ways to build it."""

    database: Path
    landing: Path
    projects: Mapping[Mode, DbtProject]
    files: list[File] = field(default_factory=list)
    nights: int = 0


def _mapping(
    source: str,
    delivers: str,
    currency: str,
    entities: Mapping[str, type],
    *,
    full_list: bool = False,
) -> SourceMapping:
    def columns(kind: type) -> dict[str, Any]:
        names = [one.name for one in fields(kind)]
        named: dict[str, Any] = {name: name for name in names if name not in ("day", "version")}
        named["updated_at"] = {"from": "version", "format": "%Y-%m-%d"}
        if kind is Line:
            named["ordered_at"] = {"from": "day", "format": "%Y-%m-%d"}
        if kind is Rate:
            named |= {"on_date": "day", "currency": {"constant": "EUR"}}
        return named

    return SourceMapping.model_validate(
        {
            "source": source,
            "title": source,
            "time_zone": "UTC",
            "currency": currency,
            "delivers": delivers,
            "margin_rates": {"tea": "0.5", "default": "0.25"},
            "entities": {
                entity: {
                    "files": f"{entity}_*.csv",
                    "optional": True,
                    "columns": columns(kind),
                    "full_list": full_list,
                }
                for entity, kind in entities.items()
            },
        }
    )


# Whole orders in dollars, single lines in euros, and lists of all orders and products.
SOURCES = (
    _mapping("shop", "orders", "USD", {"order_lines": Line, "products": Product}),
    _mapping(
        "till", "lines", "EUR", {"order_lines": Line, "products": Product, "exchange_rates": Rate}
    ),
    _mapping("list", "orders", "USD", {"order_lines": Line, "products": Product}, full_list=True),
)
# Every source has spoken before the nights begin: a new source has everything built again.
FIRST_FILES = (
    File("shop", "order_lines", (Line("0", 1, day=0, version=0, customer_id="x"),)),
    File("till", "order_lines", (Line("0", 1, day=0, version=0, customer_id="x"),)),
    File("list", "order_lines", (Line("0", 1, day=0, version=0, customer_id="x"),)),
)

ids = st.sampled_from(["1", "2", "3", "4"])
days = st.integers(0, 70)
versions = st.integers(1, 6)
amounts = st.sampled_from(["1.00", "2.50", "0.3333"])
lines = st.builds(
    Line,
    order_id=ids,
    line_number=st.integers(1, 3),
    day=days,
    version=versions,
    product_id=st.sampled_from(["a", "b", "c"]),
    quantity=st.sampled_from([1, 1, 2, -1]),
    unit_price=amounts,
    customer_id=st.sampled_from([None, "x", "y", "z"]),
    order_status=st.sampled_from(["completed", "completed", "completed", "cancelled"]),
    returned_order_id=st.one_of(st.none(), st.none(), st.sampled_from(["0", "1", "2", "9"])),
    unit_cost=st.one_of(st.none(), amounts),
)
products = st.builds(
    Product,
    product_id=st.sampled_from(["a", "b", "c"]),
    version=versions,
    unit_cost=st.one_of(st.none(), amounts),
    category=st.sampled_from(["tea", "cups"]),
)
rates = st.builds(Rate, day=days, rate=st.sampled_from(["1.1", "1.25"]), version=versions)


def _files(source: str, entity: str, row: st.SearchStrategy[Any]) -> st.SearchStrategy[File]:
    def key(one: Row) -> Any:
        if isinstance(one, Line):
            return (one.order_id, one.line_number)
        return one.product_id if isinstance(one, Product) else one.day

    return st.lists(row, min_size=2, max_size=10, unique_by=key).map(
        lambda rows: File(source, entity, tuple(rows))
    )


new_files = st.one_of(
    _files("shop", "order_lines", lines),
    _files("shop", "order_lines", lines),
    _files("till", "order_lines", lines),
    _files("till", "order_lines", lines),
    _files("shop", "products", products),
    _files("till", "products", products),
    _files("till", "exchange_rates", rates),
    _files("list", "order_lines", lines),
    _files("list", "products", products),
)
# A number stands for a file of an earlier night that comes again.
nights_of_files = st.lists(
    st.lists(st.one_of(new_files, new_files, st.integers(0, 9)), min_size=2, max_size=5),
    min_size=2,
    max_size=4,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world without files; its dbt project is parsed once for every example."""
    folder = tmp_path_factory.mktemp("incremental")
    database = folder / "regulars.duckdb"
    with open_database(database) as connection:
        create_raw_tables(connection)
    variables = {"reporting_currency": "USD"}
    before = os.environ.get("REGULARS_BUILD")
    modes: tuple[Mode, ...] = ("all", "affected")
    projects = {mode: DbtProject(database, folder / mode, variables, mode) for mode in modes}
    yield World(database, folder / "landing", projects)
    if before is None:
        os.environ.pop("REGULARS_BUILD", None)
    else:
        os.environ["REGULARS_BUILD"] = before


def _begin(world: World) -> None:
    world.database.unlink(missing_ok=True)
    with open_database(world.database) as connection:
        create_raw_tables(connection)
    for path in sorted(world.landing.rglob("*.csv")):
        path.unlink()
    world.files, world.nights = [], 0
    _night(world, FIRST_FILES)


def _night(world: World, files: Sequence[File]) -> None:
    """Deliver, load, and build what that affects; the first night builds everything."""
    world.nights += 1
    for number, file in enumerate(files):
        folder = world.landing / file.source
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{file.entity}_{world.nights:02}_{number:02}.csv", file)
    world.files += files
    run_id = f"{world.nights:03}"
    now = datetime(2024, 6, 1, 2, tzinfo=UTC) + timedelta(days=world.nights)
    with open_database(world.database) as connection:
        connection.execute(
            "insert into state.runs (run_id, started_at, status) values (?, ?, 'running')",
            [run_id, now],
        )
        deliveries = [
            delivery
            for mapping in SOURCES
            for delivery in load_source(connection, mapping, world.landing, run_id, now)
        ]
    if any(delivery.is_new for delivery in deliveries):
        _build(world, "all" if world.nights == 1 else "affected")


def _write(path: Path, file: File) -> None:
    rows = [
        {
            one.name: FIRST_DAY + timedelta(days=value) if one.name in ("day", "version") else value
            for one, value in zip(fields(row), astuple(row), strict=True)
        }
        for row in file.rows
    ]
    with path.open("w", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _build(world: World, mode: Mode) -> None:
    os.environ["REGULARS_BUILD"] = mode
    world.projects[mode].build("seeds", "models")


def _tables(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of core, marts and the baskets, run metadata aside."""
    with open_database(world.database) as connection:
        names = connection.sql(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name in ('core', 'marts') and table_name <> 'runs' order by all"
        ).fetchall()
        assert len(names) > 20
        for column in ("built_at", "run_id", "version"):
            connection.execute(f"alter table marts.about drop column {column}")
        tables = [name for (name,) in names] + ["intermediate.int_basket_items"]
        return {name: connection.sql(f"from {name} order by all").fetchall() for name in tables}


def _net_revenue(world: World, source: str) -> dict[str, Decimal]:
    """Net revenue of every order of a source in dollars, straight from the rows of its files."""
    newest: dict[str, tuple[int, int, list[Line]]] = {}
    newest_list: tuple[int, int, set[str]] = (-1, -1, set())
    seen: set[File] = set()
    for number, file in enumerate(world.files):
        if (file.source, file.entity) != (source, "order_lines") or file in seen:
            continue
        seen.add(file)
        orders: dict[str, list[Line]] = {}
        for row in file.rows:
            assert isinstance(row, Line)
            orders.setdefault(row.order_id, []).append(row)
        newest_list = max(
            newest_list,
            (max(row.version for rows in orders.values() for row in rows), number, set(orders)),
        )
        for order_id, rows in orders.items():
            version = max(row.version for row in rows)
            if order_id not in newest or (version, number) >= newest[order_id][:2]:
                newest[order_id] = (version, number, rows)
    return {
        f"{source}:{order_id}": sum(
            (
                row.quantity * Decimal(row.unit_price)
                for row in rows
                if row.order_status != "cancelled"
                and (source != "list" or order_id in newest_list[2])
            ),
            Decimal(0),
        )
        for order_id, (_, _, rows) in newest.items()
    }


def _check(world: World, nights: Sequence[Sequence[File | int]]) -> None:
    _begin(world)
    for night in nights:
        earlier = list(world.files)
        _night(
            world,
            [one if isinstance(one, File) else earlier[one % len(earlier)] for one in night],
        )
    by_night = _tables(world)
    with open_database(world.database) as connection:
        for source in ("shop", "list"):
            found = connection.execute(
                "select order_id, net_revenue from core.fct_orders where source = ?", [source]
            ).fetchall()
            assert dict(found) == _net_revenue(world, source)
    _build(world, "all")
    at_once = _tables(world)
    assert by_night.keys() == at_once.keys()
    for name, rows in at_once.items():
        assert [_near(row) for row in by_night[name]] == rows, name


def _near(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        pytest.approx(value, rel=1e-9) if isinstance(value, float) else value for value in row
    )


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(nights=nights_of_files)
def test_nights_equal_one_build_of_everything(
    world: World, nights: Sequence[Sequence[File | int]]
) -> None:
    _check(world, nights)


@pytest.mark.slow
@settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(nights=nights_of_files)
def test_many_nights_equal_one_build_of_everything(
    world: World, nights: Sequence[Sequence[File | int]]
) -> None:
    _check(world, nights)
