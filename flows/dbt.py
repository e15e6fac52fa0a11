"""dbt in process: the same project, settings and manifest for every call of one refresh."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from flows.project import project_folder

Mode = Literal["all", "affected"]
_BAD = ("error", "fail", "runtime error")


class DbtError(Exception):
    """dbt could not parse the project, build a model, or a test failed; says which and why."""


class DbtProject:
    """The dbt project bound to one warehouse and one set of variables.

    Parsing is done once: a call in process costs about one second less with a manifest at hand.

    Args:
        database: the file that is built.
        folder: dbt's target and logs go there.
        variables: dbt variables, as in dbt_project.yml.
        mode: `all` builds everything anew; `affected` only tables, and of incremental ones only
            what this run's deliveries affect.
    """

    def __init__(
        self, database: Path, folder: Path, variables: Mapping[str, Any], mode: Mode
    ) -> None:
        os.environ |= {"REGULARS_WORK_FILE": str(database), "REGULARS_BUILD": mode}
        self._common = [
            *("--project-dir", str(project_folder()), "--profiles-dir", str(project_folder())),
            *("--target-path", str(folder / "dbt"), "--log-path", str(folder / "logs")),
            *("--vars", json.dumps(dict(variables)), "--quiet"),
        ]
        self._full = ["--full-refresh"] if mode == "all" else []
        parsed = dbtRunner().invoke(["parse", *self._common])
        _raise_interrupt(parsed)
        if not parsed.success or not isinstance(parsed.result, Manifest):
            raise DbtError(f"dbt cannot parse the project: {parsed.exception}")
        self.manifest = parsed.result

    def build(self, *paths: str) -> int:
        """Build the seeds and models under these folders, in order of lineage, without tests.

        Args:
            paths: folders of the project, as "models/core".

        Returns:
            The number of models and seeds built.

        Raises:
            DbtError: naming each model that failed, with DuckDB's message.
        """
        return self._invoke(
            [
                *("build", *self._full, "--resource-type", "model", "--resource-type", "seed"),
                *("--select", *(f"path:{path}" for path in paths)),
            ]
        )

    def test(self, kind: Literal["data", "unit"] = "data") -> int:
        """Run every data test, or every unit test; returns their number.

        Unit tests try the models on rows of their own: a refresh has no need of them.

        Raises:
            DbtError: naming each test that failed, with the count of failing rows.
        """
        return self._invoke(["test", "--select", f"test_type:{kind}"])

    def _invoke(self, arguments: Sequence[str]) -> int:
        try:
            outcome = dbtRunner(manifest=self.manifest).invoke([*arguments, *self._common])
        finally:
            # dbt keeps the work file open between its nodes, and would after its last one too.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        _raise_interrupt(outcome)
        if not isinstance(outcome.result, RunExecutionResult):
            raise DbtError(f"dbt {arguments[0]} did not run: {outcome.exception}")
        if not outcome.success:
            raise DbtError(_failures(arguments[0], outcome.result))
        return len(outcome.result.results)


def _raise_interrupt(outcome: dbtRunnerResult) -> None:
    """An interrupt is the user's word, not a failure of dbt, which catches it all the same."""
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception


def _failures(command: str, outcome: RunExecutionResult) -> str:
    lines = [
        f"  {result.node.name}: {result.message}"
        for result in outcome.results
        if str(result.status) in _BAD
    ]
    return f"dbt {command}: {len(lines)} failed\n" + "\n".join(lines)
