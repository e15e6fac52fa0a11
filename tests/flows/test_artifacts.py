"""What a refresh leaves in Prefect: counts and line numbers, and no value of any row."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.artifacts import report_rejected_rows, report_tests
from flows.dbt import TestResult
from flows.load.raw_tables import create_raw_tables
from flows.work_file import open_database

REPORT = """
import sys
from datetime import UTC, datetime
from prefect import flow
from prefect.context import FlowRunContext
from flows.artifacts import *
from flows.artifacts import report_tables
from flows.dbt import TestResult
from flows.stages import Stage
import duckdb

@flow
def refresh(path):
    with duckdb.connect(path, read_only=True) as connection:
        report_rejected_rows(connection, "run")
        report_tables(connection)
        report_notes([("shop/lines.csv", "2 rows repeat a key")])
        report_rejected_rows(connection.cursor(), ["no", "run", "at", "all"])  # logged, no more
    report_row_counts([Stage("load", datetime.now(UTC), 1.25, 30, 5)])
    report_tests([
        TestResult("good", "customers", "pass", 0, 0.1),
        TestResult("bad", "rfm", "fail", 3, 0.2, "bad"),
    ])
    report_version("20260101T000000000Z", {"as of": "2026-01-01", "rows": 12})
    print(FlowRunContext.get().flow_run.id)

refresh(sys.argv[1])
"""
REJECTED = """
insert into raw.loads by name
select
    load_id, if(load_id = 1, 'earlier', 'run') as run_id, 'shop' as source,
    'customers' as entity, 'customers.csv' as source_file, 'content' as content_sha256,
    'mapping' as mapping_sha256, timestamptz '2026-01-05' as loaded_at, 0 as file_bytes,
    0 as records_read, 0 as rows_loaded, 0 as rows_rejected, 0 as rows_derived, 0 as rows_skipped
from (values (1), (2)) as loads (load_id);
insert into raw.rejected_rows
select
    if(line = 1, 1, 2), 'shop', 'customers', 'customers.csv', line, 'birthday',
    'no date', 'Canary 1.1.', 'Ann Canary,1.1.'
from range(1, 31) as lines (line);
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "regulars.duckdb"
    with open_database(path) as connection:
        create_raw_tables(connection)
        connection.execute(REJECTED)
    return path


def test_reports_are_there_and_hold_no_value(prefect_api: str, database: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", REPORT, str(database)],
        env=os.environ | {"PREFECT_API_URL": prefect_api},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert finished.returncode == 0, finished.stderr
    assert "no artifact was written" in finished.stderr
    ours = {
        PREFECT_API_URL: prefect_api,
        PREFECT_API_AUTH_STRING: os.environ["PREFECT_API_AUTH_STRING"],
    }
    run = ArtifactFilterFlowRunId(any_=[UUID(finished.stdout.split()[-1])])
    with temporary_settings(ours), get_client(sync_client=True) as client:
        found: dict[str, Any] = {
            str(one.key): one.data
            for one in client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=run))
            if one.key
        }
    assert "Canary" not in str(found)
    assert json.loads(found["rejected-rows"]) == [
        {
            "source": "shop",
            "entity": "customers",
            "file": "customers.csv",
            "column": "birthday",
            "reason": "no date",
            "rows": 29,
            "first lines": ", ".join(str(line) for line in range(2, 22)) + " and 9 more",
        }
    ]
    assert "shop/lines.csv: 2 rows repeat a key" in finished.stderr
    assert json.loads(found["notes"]) == [{"file": "shop/lines.csv", "note": "2 rows repeat a key"}]
    assert json.loads(found["row-counts"]) == [
        {"stage": "load", "seconds": 1.2, "rows in": 30, "rows out": 5}
    ]
    assert [one["test"] for one in json.loads(found["test-results"])] == ["bad", "good"]
    assert json.loads(found["test-results"])[0]["rows kept in"] == "audit.bad"
    assert {"schema": "raw", "table": "rejected_rows", "rows": 30} in json.loads(
        found["table-rows"]
    )
    assert "- as of: 2026-01-01" in found["published-version"]


def test_outside_of_a_flow_nothing_is_reported(database: Path) -> None:
    with duckdb.connect(database, read_only=True) as connection:
        report_rejected_rows(connection, "run")
    report_tests([TestResult("good", "customers", "pass", 0, 0.1)])
