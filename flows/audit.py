"""The audit file: what the last refresh found wrong, for the operator to look at.

It is a DuckDB file of its own in the private work folder, with one schema, `audit`: the failed
tests, the findings of the quality gates, and up to a thousand failing rows of each failed test. A
file of its own, because whoever reads it must not hold the work file when a refresh starts, and
because the work file must not grow with failures. It is written beside and renamed, so a reader
sees a whole one; the next refresh replaces it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from flows.publish.versions import sync_folder
from flows.sql_text import quote_name, quote_text
from flows.work_file import work_folder

if TYPE_CHECKING:  # whoever reads the file has no need of dbt
    from flows.dbt import TestResult
    from flows.findings import Finding

_TABLES = """
create schema audit;

create table audit.run as select $run_id::varchar as run_id;
comment on table audit.run is 'The refresh that all this is of';

create table audit.failed_tests (
    test varchar not null,
    model varchar not null,
    status varchar not null,
    failing_rows bigint,
    rows_table varchar
);
comment on table audit.failed_tests is 'Tests that failed (fail, error) or warn';
comment on column audit.failed_tests.failing_rows is 'null: the test could not run';
comment on column audit.failed_tests.rows_table is
    'the table of this schema with up to 1,000 failing rows, without personal columns; '
    'null: none were kept';

create table audit.findings (
    severity varchar not null,
    source varchar not null,
    measure varchar not null,
    day date,
    value decimal(38, 4) not null,
    median decimal(38, 4),
    bound decimal(38, 4),
    text varchar not null
);
comment on table audit.findings is 'What the quality gates found, warnings and stops';
"""


@dataclass(frozen=True)
class FailedTest:
    """A test that failed or warns.

    Attributes:
        name: the test.
        model: the model that it is about.
        status: fail, error or warn.
        failing_rows: their number; None where the test could not run.
        rows_table: the table of schema audit that shows them; None where none were kept.
    """

    name: str
    model: str
    status: str
    failing_rows: int | None
    rows_table: str | None


@dataclass(frozen=True)
class Audit:
    """What the last refresh found wrong.

    Attributes:
        run_id: that refresh.
        failed_tests: failed tests first, then those that warn.
        findings: of the quality gates: severity and text, stops first.
    """

    run_id: str
    failed_tests: tuple[FailedTest, ...]
    findings: tuple[tuple[str, str], ...]


def audit_file(warehouse: Path) -> Path:
    """Where the audit file is; it is absent where the last refresh found nothing.

    Not named audit: DuckDB could not tell the catalog from the schema.
    """
    return work_folder(warehouse) / "last_audit.duckdb"


def keep_audit(
    warehouse: Path,
    run_id: str,
    *,
    results: Sequence["TestResult"] = (),
    findings: Sequence["Finding"] = (),
    database: Path | None = None,
) -> None:
    """Write the audit file of a refresh, or remove it where nothing was found.

    Called at the end of every refresh that built something, and before its copy is thrown away.

    Args:
        warehouse: the warehouse folder.
        run_id: the refresh.
        results: its tests; passed ones are left out.
        findings: of the gates.
        database: the copy that was built, whose schema `audit` holds the failing rows, without
            personal columns (flows/dbt.py); no other connection of this process may have it open.
    """
    path = audit_file(warehouse)
    failed = sorted(
        (one for one in results if one.status != "pass"),
        key=lambda one: (one.status == "warn", one.name),
    )
    if not failed and not findings:
        path.unlink(missing_ok=True)
        return
    unfinished = path.with_name(f".{path.name}")
    unfinished.unlink(missing_ok=True)
    with duckdb.connect(unfinished) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("begin")
        connection.execute(_TABLES.replace("$run_id", quote_text(run_id)))
        for one in findings:
            connection.execute(
                "insert into audit.findings values (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    *(one.severity, one.source, one.measure, one.day),
                    *(one.value, one.median, one.bound, one.text),
                ],
            )
        for test in failed:
            connection.execute(
                "insert into audit.failed_tests values (?, ?, ?, ?, ?)",
                [test.name, test.model, test.status, test.failures, test.audit_table],
            )
        connection.execute("commit")
        tables = [test.audit_table for test in failed if test.audit_table is not None]
        if database is not None and tables:
            connection.execute(f"attach {quote_text(str(database))} as built (read_only)")
            for table in tables:
                name = f"audit.{quote_name(table)}"
                connection.execute(f"create table {name} as from built.{name}")
            connection.execute("detach built")
        connection.execute("checkpoint")
    unfinished.replace(path)
    sync_folder(path.parent)


def read_audit(warehouse: Path) -> Audit | None:
    """What the last refresh found wrong; None where there was nothing.

    Raises:
        OSError, duckdb.Error: where the work folder is not this user's to read.
    """
    path = audit_file(warehouse)
    if not path.is_file():
        return None
    with duckdb.connect(path, read_only=True) as connection:
        row = connection.execute("select run_id from audit.run").fetchone()
        tests = connection.execute("from audit.failed_tests").fetchall()
        findings = connection.execute("select severity, text from audit.findings").fetchall()
    return Audit(
        row[0] if row else "",
        tuple(FailedTest(*test) for test in tests),
        tuple((severity, text) for severity, text in findings),
    )
