"""What a refresh leaves in Prefect for people to read: counts, rejected rows, tests, versions.

No value of any row is in them: they are read by more people than the work file. Outside of a flow
run nothing is written, and a report that cannot be written never fails the refresh.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec

import duckdb
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext

from flows.dbt import TestResult
from flows.stages import Stage

logger = logging.getLogger(__name__)
_LINES_SHOWN = 20
Arguments = ParamSpec("Arguments")


def _never_failing(report: Callable[Arguments, None]) -> Callable[Arguments, None]:
    @wraps(report)
    def write(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        if FlowRunContext.get() is None:
            return
        try:
            report(*arguments, **named)
        except Exception:
            logger.warning("%s: no artifact was written", report.__name__, exc_info=True)

    return write


@_never_failing
def report_row_counts(stages: Sequence[Stage]) -> None:
    """Show the seconds and rows of each stage, as artifact `row-counts`."""
    create_table_artifact(
        [
            {
                "stage": one.name,
                "seconds": round(one.seconds, 1),
                "rows in": one.rows_in,
                "rows out": one.rows_out,
            }
            for one in stages
        ],
        key="row-counts",
        description="Stages of the refresh",
    )


@_never_failing
def report_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Show the rows of each published table, as artifact `table-rows`."""
    rows = connection.execute(
        """
        select schema_name, table_name, estimated_size
        from duckdb_tables()
        where schema_name in ('raw', 'core', 'mining', 'marts')
        order by all
        """
    ).fetchall()
    create_table_artifact(
        [{"schema": schema, "table": table, "rows": count} for schema, table, count in rows],
        key="table-rows",
        description="Rows of each table",
    )


@_never_failing
def report_rejected_rows(connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Show which lines of which files this run could not read, and why, as `rejected-rows`.

    Args:
        connection: the database that the run loaded into.
        run_id: the run whose loads are shown.
    """
    found = connection.execute(
        """
        select
            rejected.source,
            rejected.entity,
            rejected.source_file,
            rejected.column_name,
            rejected.reason,
            count(*) as rows,
            list(rejected.source_line order by rejected.source_line)[:?] as first_lines
        from raw.rejected_rows as rejected
        inner join raw.loads as loads using (load_id)
        where loads.run_id = ?
        group by all
        order by all
        """,
        [_LINES_SHOWN, run_id],
    ).fetchall()
    names = ("source", "entity", "file", "column", "reason", "rows", "first lines")
    create_table_artifact(
        [dict(zip(names, [*row[:-1], _lines(row[-1], row[-2])], strict=True)) for row in found],
        key="rejected-rows",
        description="Rows that could not be read: their values stand in the work file only",
    )


@_never_failing
def report_notes(notes: Sequence[tuple[str, str]]) -> None:
    """Log what people should know of the landing folder, and show it as artifact `notes`.

    Args:
        notes: a file or a folder, relative to the landing folder, and what to know of it.
    """
    log = get_run_logger()
    for file, note in notes:
        log.info("%s: %s", file, note)
    create_table_artifact(
        [{"file": file, "note": note} for file, note in notes],
        key="notes",
        description="What to know of the files",
    )


@_never_failing
def report_tests(results: Sequence[TestResult]) -> None:
    """Show what each test found, those that did not pass first, as artifact `test-results`."""
    order = ("error", "fail", "warn", "pass")
    create_table_artifact(
        [
            {
                "test": one.name,
                "model": one.model,
                "status": one.status,
                "failing rows": one.failures,
                "seconds": round(one.seconds, 2),
                "rows kept in": f"audit.{one.audit_table}" if one.audit_table else None,
            }
            for one in sorted(results, key=lambda one: (order.index(one.status), one.name))
        ],
        key="test-results",
        description=f"{len(results)} tests",
    )


@_never_failing
def report_version(version: str, facts: Mapping[str, Any]) -> None:
    """Say what was published, as artifact `published-version`.

    Args:
        version: its name.
        facts: what else to say, as "as of" and its date; no value of any row.
    """
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    create_markdown_artifact(
        "\n".join([f"# {version}", "", *lines]),
        key="published-version",
        description="The version that readers now see",
    )


def _lines(shown: Sequence[int], count: int) -> str:
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return ", ".join(map(str, shown)) + more
