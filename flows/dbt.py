"""dbt in process: the same project, settings and manifest for every call of one refresh."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.resources.types import NodeType
from dbt.artifacts.schemas.results import NodeResult
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import GenericTestNode, ModelNode, SingularTestNode
from dbt_common.events.base_types import EventMsg

from flows.dbt_errors import told_of
from flows.model_task_runs import ModelTaskRuns
from flows.project import project_folder
from flows.sql_text import quote_name
from flows.work_file import open_database

Mode = Literal["all", "affected"]
TestStatus = Literal["pass", "warn", "fail", "error"]

_STATUSES: Mapping[str, TestStatus] = {
    "pass": "pass",
    "warn": "warn",
    "fail": "fail",
    "error": "error",
    "runtime error": "error",
    "skipped": "error",  # not proven
}
_BAD = ("error", "fail", "runtime error")
_STORED_ROWS = 1000  # of each failing test: enough to see what is wrong


class DbtError(Exception):
    """dbt could not parse the project, or could not build a model; says which and why."""


class DbtTestError(DbtError):
    """Tests of severity error failed.

    Attributes:
        results: every test that ran, the passed ones too.
    """

    def __init__(self, message: str, results: Sequence["TestResult"]) -> None:
        super().__init__(message)
        self.results = tuple(results)


@dataclass(frozen=True)
class TestResult:
    """What one test found.

    Attributes:
        name: the test, as dbt calls it.
        model: the model that it is about, or those that it reads, with commas between.
        status: warn and fail mean failing rows, error a test that could not run.
        failures: failing rows; None where the test could not run.
        seconds: wall time.
        audit_table: the table of schema `audit` that shows failing rows; None where none were kept.
    """

    __test__ = False  # pytest takes a class of this name for tests

    name: str
    model: str
    status: TestStatus
    failures: int | None
    seconds: float
    audit_table: str | None = None


class DbtProject:
    """The dbt project bound to one database and one set of variables.

    Parsing is done once: a call in process costs about one second less with a manifest at hand.
    From night to night dbt parses anew only what changed, as long as `database`, `folder` and
    `variables` are the same; a change of `mode` alone re-reads only the models that ask for it.

    Args:
        database: the file that dbt builds in; nobody else in this process may have it open.
        folder: where dbt's target and logs go.
        variables: dbt variables, as in dbt_project.yml.
        mode: `all` builds everything again, seeds and incremental tables from nothing; `affected`
            builds tables, incremental ones for the orders that this run changed, and leaves views
            and seeds as they are.
        memory: bytes that DuckDB may take for it; what does not fit is written to disk.
    """

    def __init__(
        self,
        database: Path,
        folder: Path,
        variables: Mapping[str, Any],
        mode: Mode,
        memory: int = 3_000_000_000,
    ) -> None:
        self._environment = {
            "REGULARS_WORK_FILE": str(database),
            "REGULARS_BUILD": mode,
            "REGULARS_MEMORY_LIMIT": f"{memory}B",
        }
        os.environ.update(self._environment)
        self._database = database
        self._mode = mode
        self._common = [
            *("--project-dir", str(project_folder()), "--profiles-dir", str(project_folder())),
            *("--target-path", str(folder / "dbt"), "--log-path", str(folder / "logs")),
            # Errors would be printed even with --quiet, and may quote values of rows.
            *("--log-level", "none", "--log-level-file", "debug"),
            *("--vars", json.dumps(dict(variables))),
        ]
        self._log = folder / "logs" / "dbt.log"
        parsed = dbtRunner().invoke(["parse", *self._common])
        _raise_interrupt(parsed)
        if not parsed.success or not isinstance(parsed.result, Manifest):
            raise DbtError(f"dbt cannot parse the project: {parsed.exception}")
        self.manifest = parsed.result

    def make_room(self) -> None:
        """Drop the tables that `build` writes whole, so that it takes their room.

        dbt writes a table beside the one that it replaces: the file would hold both, and keep the
        free room of one. What a build of what is affected reads as it was stays until it is
        replaced. Only for a copy that is thrown away where the build fails.
        """
        is_all = self._mode == "all"
        whole = {"table", "incremental"} if is_all else {"table"}
        written = {
            (node.schema, node.alias)
            for node in self.manifest.nodes.values()
            if isinstance(node, ModelNode) and node.config.materialized in whole
        }
        read = {(one.schema, one.identifier) for one in self.manifest.sources.values()}
        dropped = written if is_all else written - read
        with open_database(self._database) as connection:
            present = connection.execute(
                "select schema_name, table_name from duckdb_tables()"
            ).fetchall()
            for schema, name in dropped.intersection(present):
                connection.execute(f"drop table {quote_name(schema)}.{quote_name(name)}")
            connection.execute("checkpoint")  # before it their blocks are not free

    def build(self, *paths: str) -> int:
        """Build the seeds and models under these folders, in order of lineage, without tests.

        In a flow run each of them is seen as a task run.

        Args:
            paths: folders of the project, as "models/core".

        Returns:
            The number of models and seeds built.

        Raises:
            DbtError: naming each model that failed, with what may be told of DuckDB's message.
        """
        if self._mode == "all":
            chosen = [f"path:{path}" for path in paths]
            arguments = ["--full-refresh", "--resource-type", "model", "--resource-type", "seed"]
        else:
            chosen = [
                f"path:{path},config.materialized:{kind}"
                for path in paths
                for kind in ("table", "incremental")
            ]
            arguments = ["--resource-type", "model"]
        succeeded, built = self._invoke(["build", *arguments, "--select", *chosen])
        if not succeeded:
            raise DbtError(self._failures("build", built))
        return sum(one.node.resource_type != NodeType.Operation for one in built)

    def test(
        self, kind: Literal["data", "unit"] = "data", *, store_failures: bool = False
    ) -> tuple[TestResult, ...]:
        """Run every data test, or every unit test.

        Unit tests try the models on rows of their own: a refresh has no need of them.

        Args:
            kind: which tests.
            store_failures: keep up to 1,000 failing rows of each failing data test in schema
                `audit`. Columns tagged as personal data are left out, and a test of such a column
                keeps nothing.

        Returns:
            What each test found; all of them passed or warn.

        Raises:
            DbtTestError: where a test of severity error failed or could not run: names each, with
                the count of failing rows.
        """
        succeeded, found = self._invoke(["test", "--select", f"test_type:{kind}"])
        audit = self._store_failures(found) if store_failures else {}
        results = tuple(
            _test_result(one, audit)
            for one in found
            if one.node.resource_type != NodeType.Operation  # the project's on-run-start
        )
        if not succeeded:
            raise DbtTestError(self._failures("test", found), results)
        return results

    def _store_failures(self, found: Iterable[NodeResult]) -> dict[str, str]:
        """Run the failed tests once more and keep their rows; test to its table in schema audit.

        Storing in the first run would write hundreds of empty tables on every good night.
        """
        personal = self._personal_columns()
        failed = [
            node
            for one in found
            if one.status == "fail"
            and isinstance(node := one.node, GenericTestNode | SingularTestNode)
            and getattr(node, "column_name", None) not in personal.get(_attached_to(node), ())
        ]
        if not failed:
            return {}
        limits = [node.config.limit for node in failed]
        for node in failed:
            node.config.limit = min(node.config.limit or _STORED_ROWS, _STORED_ROWS)
        try:
            self._invoke(["test", "--store-failures", "--select", *(one.name for one in failed)])
        finally:
            for node, limit in zip(failed, limits, strict=True):
                node.config.limit = limit
        tables = {node.unique_id: node.alias for node in failed}
        kept = _drop_columns(self._database, tables.values(), set().union(*personal.values()))
        return {test: table for test, table in tables.items() if table in kept}

    def _personal_columns(self) -> dict[str, set[str]]:
        """Id of a model to the names of its columns that are tagged as personal data."""
        return {
            node.unique_id: {
                name for name, column in node.columns.items() if column.meta.get("personal_data")
            }
            for node in self.manifest.nodes.values()
        }

    def _failures(self, command: str, found: Iterable[NodeResult]) -> str:
        """A line for each node that failed, and where the rest of what DuckDB said stands."""
        failed = [one for one in found if str(one.status) in _BAD]
        lines = [f"dbt {command}: {len(failed)} failed"]
        for one in failed:
            # Of failing rows dbt's message is their number and the bound.
            said = one.message if one.status == "fail" else told_of(one.message)
            lines.append(f"  {one.node.name}: {said}")
        if any(one.status != "fail" for one in failed):
            lines.append(f"All that DuckDB said, rows that it quotes too: {self._log}")
        return "\n".join(lines)

    def _invoke(self, arguments: Sequence[str]) -> tuple[bool, Sequence[NodeResult]]:
        """Call dbt; returns whether all went well, and the result of each node."""
        os.environ.update(self._environment)  # another project may have been parsed since
        reporter = ModelTaskRuns.of_this_run(self.manifest)
        callbacks: list[Callable[[EventMsg], None]] = [reporter] if reporter else []
        try:
            with reporter or nullcontext():
                outcome = dbtRunner(self.manifest, callbacks).invoke([*arguments, *self._common])
        finally:
            # dbt keeps the work file open between its nodes, and would after its last one too.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        _raise_interrupt(outcome)
        if not isinstance(outcome.result, RunExecutionResult):
            raise DbtError(
                f"dbt {arguments[0]} did not run: {told_of(str(outcome.exception))}; "
                f"its own words stand in {self._log}"
            )
        return outcome.success, outcome.result.results


def _test_result(found: NodeResult, audit: Mapping[str, str]) -> TestResult:
    node = found.node
    read = sorted({one.rpartition(".")[2] for one in node.depends_on_nodes})
    about = _attached_to(node).rpartition(".")[2] or getattr(node, "model", None)
    return TestResult(
        name=node.name,
        model=about or ", ".join(read),
        status=_STATUSES[str(found.status)],
        failures=found.failures,
        seconds=found.execution_time,
        audit_table=audit.get(node.unique_id),
    )


def _attached_to(node: Any) -> str:
    """Id of the model that a generic test stands under; empty for all else."""
    return getattr(node, "attached_node", None) or ""


def _drop_columns(database: Path, tables: Iterable[str], columns: Iterable[str]) -> set[str]:
    """Drop these columns from tables of schema audit; returns the tables that still have any.

    A table without any other column goes whole.
    """
    unwanted, kept = set(columns), set()
    with open_database(database) as connection:
        for table in tables:
            names = [
                name
                for (name,) in connection.execute(
                    "select column_name from duckdb_columns()"
                    " where schema_name = 'audit' and table_name = ?",
                    [table],
                ).fetchall()
            ]
            path = f"audit.{quote_name(table)}"
            if not unwanted.issuperset(names):
                kept.add(table)
                for name in unwanted.intersection(names):
                    connection.execute(f"alter table {path} drop column {quote_name(name)}")
            elif names:
                connection.execute(f"drop table {path}")
    return kept


def _raise_interrupt(outcome: dbtRunnerResult) -> None:
    """An interrupt is the user's word, not a failure of dbt, which catches it all the same."""
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
