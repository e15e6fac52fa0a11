"""A client that reads the published file all the time, in a process of its own.

`python -m tests.faults.reader KIND` is one of the four kinds of client. `read PATH` on standard
input begins, `stop` ends; the answer to `stop` says how often it read, what it saw, and what went
wrong.
"""

import json
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

PAUSE_SECONDS = 0.05  # leaves most of the processor to the refresh that is watched
SECONDS_IN_POOL = 1
READS_ATTACHED = 5  # between one attach and the detach

# What tells one version from another, and half a version from a whole one.
FIGURES = """
    select
        (select string_agg(distinct version, ' ') from {0}marts.about),
        (select count(*) from {0}core.fct_order_lines),
        (select sum(net_revenue)::varchar from {0}core.fct_order_lines),
        (select sum(net_revenue)::varchar from {0}marts.sales_daily)
"""
Row = tuple[Any, ...]
Read = Callable[[], Row]


@contextmanager
def opening_for_each_query(path: Path) -> Iterator[Read]:
    """As a script does, or a BI tool without a pool."""

    def read() -> Row:
        with duckdb.connect(path, read_only=True) as connection:
            return one(connection.execute(FIGURES.format("")).fetchone())

    yield read


@contextmanager
def with_a_pool(path: Path) -> Iterator[Read]:
    """As Superset and other users of SQLAlchemy do, when their connections grow old in a second."""
    engine = create_engine(
        f"duckdb:///{path}?access_mode=read_only",
        poolclass=QueuePool,
        pool_size=2,
        pool_recycle=SECONDS_IN_POOL,
    )

    def read() -> Row:
        with engine.connect() as connection, engine.connect() as another:
            another.exec_driver_sql("select count(*) from marts.customers").fetchone()
            return one(connection.exec_driver_sql(FIGURES.format("")).fetchone())

    yield read
    engine.dispose()


@contextmanager
def with_one_connection(path: Path) -> Iterator[Read]:
    """As a notebook does that was opened on Monday."""
    connections: list[duckdb.DuckDBPyConnection] = []

    def read() -> Row:
        if not connections:
            connections.append(duckdb.connect(path, read_only=True))
        return one(connections[0].execute(FIGURES.format("")).fetchone())

    yield read
    for connection in connections:
        connection.close()


@contextmanager
def attached(path: Path) -> Iterator[Read]:
    """As an analyst does who joins the warehouse with tables of their own."""
    with duckdb.connect() as own:
        reads = 0

        def read() -> Row:
            nonlocal reads
            if reads % READS_ATTACHED == 0:
                own.execute("detach database if exists regulars")
                own.execute(f"attach '{path}' as regulars (read_only)")
            row = one(own.execute(FIGURES.format("regulars.")).fetchone())
            reads += 1
            return row

        yield read


KINDS = {
    "opening": opening_for_each_query,
    "pool": with_a_pool,
    "long": with_one_connection,
    "attached": attached,
}


def one(row: Any) -> Row:
    """The only row of a result."""
    assert row is not None
    return tuple(row)


def main(kind: str) -> None:
    """Answer requests until standard input ends."""
    for request in sys.stdin:
        path = Path(request.removeprefix("read ").strip())
        print("reading", flush=True)
        with KINDS[kind](path) as read:
            print(json.dumps(read_until_told(path, read)), flush=True)


def read_until_told(path: Path, read: Read) -> dict[str, object]:
    """Read until a line comes; returns the number of reads, the errors, the rows seen in order."""
    reads, errors = 0, []
    seen: dict[Row, None] = {}
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        was_published = path.exists()
        try:
            row = read()
        except Exception as error:
            if was_published:  # before the first version there is nothing to open
                errors.append(f"{type(error).__name__}: {error}")
            continue
        reads += 1
        seen[row] = None
    sys.stdin.readline()
    return {"reads": reads, "errors": errors, "seen": list(seen)}


if __name__ == "__main__":
    main(sys.argv[1])
