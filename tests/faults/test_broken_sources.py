"""A source that breaks while it is read: what heals is tried again, and nothing is lost."""

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

from flows.publish.versions import current_version
from tests.faults.firm import Firm
from tests.faults.rig import Expected, Rig
from tests.faults.shop import receipts_of
from tests.faults.tally import tally
from tests.load.postgresql import Server, postgresql_server

pytestmark = pytest.mark.faults

A_NIGHT = 1
READING = "before flows.load.reading.read_file #1"
LOADING = "before flows.load.loader._load_file #1"


def move(source: Path, target: Path, back_after: float | None = None) -> list[str]:
    """A command that moves a file away, and back when it is asked to."""
    script = "import os, sys, time; os.rename(*sys.argv[1:3])"
    if back_after is not None:
        script += f"""
if os.fork() == 0:
    os.setsid()
    time.sleep({back_after})
    os.rename(sys.argv[2], sys.argv[1])
"""
    return [sys.executable, "-c", script, str(source), str(target)]


def wait_for(file: Path, seconds: float = 30) -> None:
    """Wait until a file is back."""
    deadline = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not come back"
        time.sleep(0.1)


HALVE = """
import sys
with open(sys.argv[1], "r+b") as file:
    lines = file.readlines()
    file.seek(0)
    file.truncate(sum(map(len, lines[:len(lines) // 2])))
"""


@pytest.mark.parametrize("step", [READING, LOADING])
def test_a_file_taken_away_mid_read_and_put_back(firm: Firm, step: str) -> None:
    rig, expected = firm.rigs[0], firm.night(A_NIGHT)
    rig.restore(f"night {A_NIGHT}")
    file = rig.landing / "shop/orders_001.csv"
    rig.begin_reading()
    outcome = rig.refresh(at=step, command=move(file, rig.folder / "away.csv", back_after=1.5))
    tally.count("other faults")
    seen = rig.end_reading()
    wait_for(file)
    if outcome.message != "published":  # the tries were over before it came back
        assert "orders_001" in outcome.message
    rig.refresh()
    # Without the file its night may have been published: that is then what the source delivered.
    assert rig.faults_found(expected, seen, came_in_parts=True) == []


@pytest.mark.parametrize("step", [READING, LOADING])
def test_a_file_taken_away_for_good_and_delivered_the_next_night(firm: Firm, step: str) -> None:
    rig, expected = firm.rigs[0], firm.night(A_NIGHT)
    rig.restore(f"night {A_NIGHT}")
    file = rig.landing / "shop/orders_001.csv"
    rig.begin_reading()
    rig.refresh(at=step, command=move(file, rig.folder / "away.csv"))
    tally.count("other faults")
    (rig.folder / "away.csv").rename(file)
    again = rig.refresh()
    assert again.message == "published", again
    assert rig.faults_found(expected, rig.end_reading(), came_in_parts=True) == []


@pytest.mark.parametrize("step", [READING, LOADING])
def test_a_file_cut_short_mid_read(firm: Firm, step: str) -> None:
    rig, expected = firm.rigs[0], firm.night(A_NIGHT)
    rig.restore(f"night {A_NIGHT}")
    file = rig.landing / "shop/orders_001.csv"
    whole = file.read_bytes()
    rig.begin_reading()
    rig.refresh(at=step, command=[sys.executable, "-c", HALVE, str(file)])
    tally.count("other faults")
    assert file.stat().st_size < len(whole)
    file.write_bytes(whole)
    again = rig.refresh()
    assert again.message == "published", again
    assert rig.faults_found(expected, rig.end_reading(), came_in_parts=True) == []


TABLE_MAPPING = """
source: till
title: The till's own database
time_zone: Asia/Shanghai
currency: CNY
delivers: lines
entities:
  order_lines:
    table: {{ {origin}, name: lines }}
    columns: by_name
"""
COLUMNS = (
    *("order_id", "line_number", "ordered_at", "updated_at", "product_id", "quantity"),
    "unit_price",
)
CREATE = f"""
    create table lines (
        {", ".join(f"{name} text" for name in COLUMNS)},
        unique (order_id, line_number)
    )
"""
PUT = f"""
    insert into lines values ({{}})
    on conflict (order_id, line_number)
    do update set {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)}
"""


def values_of(night: int) -> list[tuple[str, ...]]:
    return [tuple(str(line[name]) for name in COLUMNS) for line in receipts_of(night)]


def sell_into_sqlite(path: Path, night: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        if night == 0:
            connection.execute(CREATE)
        connection.executemany(PUT.format(", ".join("?" * len(COLUMNS))), values_of(night))


def sell_into_postgresql(server: Server, night: int) -> None:
    with psycopg.connect(server.address) as connection:
        if night == 0:
            connection.execute(CREATE.encode())
        with connection.cursor() as cursor:
            cursor.executemany(
                PUT.format(", ".join(["%s"] * len(COLUMNS))).encode(), values_of(night)
            )


def second_night(rig: Rig, sell: Callable[[int], None]) -> Expected:
    """Refresh once, let a day of sales follow, keep that moment, and refresh without fault."""
    sell(0)
    first = rig.refresh()
    assert first.message == "published", first
    sell(1)
    rig.save("second night")
    return rig.run_without_fault("second night")


@pytest.fixture(scope="module")
def sqlite_till(
    prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Rig, Expected]]:
    mappings = {"till": TABLE_MAPPING.format(origin="sqlite: till.db")}
    with Rig.at(tmp_path_factory.mktemp("sqlite") / "rig", mappings) as rig:
        database = rig.landing / "till/till.db"
        yield rig, second_night(rig, lambda night: sell_into_sqlite(database, night))


@pytest.mark.parametrize("freed_after", [None, 12.0], ids=["for good", "for a while"])
def test_a_locked_sqlite_database(
    sqlite_till: tuple[Rig, Expected], freed_after: float | None
) -> None:
    rig, expected = sqlite_till
    rig.restore("second night")
    published = current_version(rig.warehouse)
    rig.begin_reading()
    with closing(
        sqlite3.connect(rig.landing / "till/till.db", isolation_level=None, check_same_thread=False)
    ) as holder:
        holder.execute("begin exclusive")
        freed = threading.Timer(freed_after or 600, lambda: holder.execute("rollback"))
        freed.start()
        outcome = rig.refresh()
        tally.count("other faults")
        freed.cancel()
    if freed_after is None:
        assert outcome.code == 1
        assert "locked" in outcome.message
        assert current_version(rig.warehouse) == published
        outcome = rig.refresh()
    assert outcome.message == "published", outcome
    assert rig.faults_found(expected, rig.end_reading()) == []


@pytest.fixture(scope="module")
def postgresql_till(
    prefect_api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Rig, Expected, Server]]:
    mappings = {"till": TABLE_MAPPING.format(origin="postgresql: TILL_DATABASE")}
    with ExitStack() as stack:
        server = stack.enter_context(postgresql_server())
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("TILL_DATABASE", server.address)
        rig = stack.enter_context(Rig.at(tmp_path_factory.mktemp("postgresql") / "rig", mappings))
        (rig.landing / "till").mkdir(parents=True)
        yield rig, second_night(rig, lambda night: sell_into_postgresql(server, night)), server


@pytest.mark.parametrize("is_back", [False, True], ids=["for good", "for a while"])
@pytest.mark.parametrize(
    "step",
    [
        "before flows.load.databases._read_postgresql #1",
        "before flows.load.databases._read_postgresql_table #1",
        "before flows.load.databases._keep #1",
    ],
)
def test_a_postgresql_server_that_stops_mid_load(
    postgresql_till: tuple[Rig, Expected, Server], step: str, is_back: bool
) -> None:
    rig, expected, server = postgresql_till
    rig.restore("second night")
    published = current_version(rig.warehouse)
    rig.begin_reading()
    rig.begin(at=step, command=["kill", "-QUIT", str(server.pid)])
    server.wait()
    tally.count("other faults")
    if is_back:
        server.start()
    outcome = rig.end()
    if not is_back:
        server.start()
        assert outcome.code == 1
        assert "TILL_DATABASE" in outcome.message
        assert "secret" not in outcome.message
        assert current_version(rig.warehouse) == published
        outcome = rig.refresh()
    assert outcome.message == "published", outcome
    assert rig.faults_found(expected, rig.end_reading()) == []
