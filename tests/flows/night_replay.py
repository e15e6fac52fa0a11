"""Replays real facts night by night through the quality gates, as refreshes would deliver them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from flows.findings import Finding
from flows.gates import judge
from flows.load.raw_tables import create_raw_tables
from flows.settings import GateSettings

# Between the facts of a real work file and what is loaded, each feed may be broken.
BROKEN_FEEDS = {
    "the second half of the file is missing": (
        "select * from night order by ordered_at_local limit (select count(*) // 2 from night)"
    ),
    "every second order is missing": "select * from night where hash(order_id) % 2 = 0",
    "prices a hundred times too high": (
        "select * replace ((net_revenue * 100)::decimal(18, 4) as net_revenue) from night"
    ),
    "prices ten times too low": (
        "select * replace ((net_revenue / 10)::decimal(18, 4) as net_revenue) from night"
    ),
    "amounts with the wrong sign": (
        "select * replace ((-net_revenue)::decimal(18, 4) as net_revenue) from night"
    ),
    "order ids cut to one": "select * replace ('one' as order_id) from night",
    "an empty file": "select * from night where false",
}
_COLUMNS = "order_id, source, order_date, ordered_at_local, line_kind, net_revenue, is_cancelled"


class Nights:
    """A warehouse of facts that grows by a day each night, and the gates' word on each.

    Args:
        facts: a work file with core.fct_order_lines of one source.
        folder: where the two files (built and last built) are made.
        settings: of the gates.
    """

    def __init__(self, facts: Path, folder: Path, settings: GateSettings | None = None) -> None:
        self.settings = settings or GateSettings()
        self.last_file = folder / "last.duckdb"
        self.connection = duckdb.connect(folder / "built.duckdb")
        self.connection.execute("set TimeZone = 'UTC'")
        create_raw_tables(self.connection)
        self.connection.execute(f"attach '{facts}' as given (read_only)")
        self.connection.execute(
            f"create table facts as select {_COLUMNS} from given.core.fct_order_lines"
        )
        self.connection.execute("insert into raw.sources by name from given.raw.sources")
        self.connection.execute("detach given")
        self.connection.execute("create schema core")
        self.connection.execute("create table core.fct_order_lines as from facts limit 0")
        self.connection.execute(f"attach '{self.last_file}' as last")
        self.connection.execute("create schema last.core")
        self.connection.execute("create table last.core.fct_order_lines as from facts limit 0")
        self.connection.execute("detach last")
        self._load_id = 0

    def days(self) -> list[date]:
        """Every day with at least a line, in order."""
        rows = self.connection.execute("select distinct order_date from facts order by all")
        return [day for (day,) in rows.fetchall()]

    def night(self, days: list[date], broken: str | None = None) -> list[Finding]:
        """Deliver the lines of these days as one file, at two o'clock of the next day."""
        now = datetime.combine(days[-1] + timedelta(days=1), time(7), UTC)
        self._load_id += 1
        run_id = f"{now:%Y%m%dT%H%M%SZ}-{self._load_id:05}"
        run = self.connection.execute
        run(
            "create or replace temp table night as from facts where list_contains(?, order_date)",
            [days],
        )
        if broken is not None:
            run(f"create or replace temp table night as {BROKEN_FEEDS[broken]}")
        run("begin")
        run(
            "insert into state.runs (run_id, started_at, status) values (?, ?, 'running')",
            [run_id, now],
        )
        run("insert into core.fct_order_lines from night")
        run(
            "insert into raw.order_lines by name select order_id, source, ordered_at_local, "
            "? as load_id from night",
            [self._load_id],
        )
        run(
            """
            insert into raw.loads by name
            select
                ? as load_id,
                ? as run_id,
                (select source from raw.sources) as source,
                'order_lines' as entity,
                'orders.csv' as source_file,
                'a' as content_sha256,
                'b' as mapping_sha256,
                ? as loaded_at,
                1 as file_bytes,
                count(*) as records_read,
                count(*) as rows_loaded,
                0 as rows_rejected,
                0 as rows_derived,
                0 as rows_skipped

            from night
            """,
            [self._load_id, run_id, now],
        )
        run("commit")
        return judge(self.connection, self.settings, now, self.last_file)

    def publish(self) -> None:
        """Let the next night find what this one built as the last built."""
        run = self.connection.execute
        run(f"attach '{self.last_file}' as last")
        run("insert into last.core.fct_order_lines from night")
        run("detach last")

    def throw_away(self) -> None:
        """Undo the newest night, as a refresh that stops does."""
        run = self.connection.execute
        run("begin")
        run("delete from core.fct_order_lines where order_date in (select order_date from night)")
        for table in ("raw.order_lines", "raw.loads"):
            run(f"delete from {table} where load_id = ?", [self._load_id])
        run("delete from state.runs where run_id = (select max(run_id) from state.runs)")
        run("commit")


def replay(nights: Nights, days_a_night: int = 1) -> Iterator[tuple[list[date], list[Finding]]]:
    """Every day of the facts, so many a night; each night is published, whatever was found."""
    days = nights.days()
    for first in range(0, len(days), days_a_night):
        delivered = days[first : first + days_a_night]
        findings = nights.night(delivered)
        nights.publish()
        yield delivered, findings
