"""dbt as the refresh calls it: models as Prefect task runs, failing rows kept without people."""

import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.dbt import DbtError, DbtProject, DbtTestError
from flows.load.raw_tables import create_raw_tables
from flows.work_file import open_database

RAW = """
insert into state.runs (run_id, started_at, status)
values ('run', timestamptz '2026-02-01', 'running');
insert into raw.sources values ('shop', 'Shop', 'UTC', 'EUR', 'orders', false, false);
insert into raw.order_lines by name
select
    'shop' as source, '1' as order_id, 1 as line_number, 'ann' as customer_id,
    'tea' as product_id, 1 as quantity, 10 as unit_price, 1 as load_id, 1 as source_line,
    timestamptz '2026-01-05' as ordered_at, timestamp '2026-01-05' as ordered_at_local,
    timestamptz '2026-01-05' as updated_at;
insert into raw.customers by name
select
    'shop' as source, 'ann' as customer_id, 'Ann Canary' as name, 'ann@canary.example' as email,
    1 as load_id, 1 as source_line, timestamptz '2026-01-05' as updated_at;
"""
# Builds staging in a flow, then core without its first layer: views over nothing.
BUILD = """
import sys
from pathlib import Path
from prefect import flow, task
from prefect.context import FlowRunContext
from flows.dbt import DbtError, DbtProject

@task
def build_core(project, *paths):
    return project.build(*paths)

@flow
def refresh(folder):
    project = DbtProject(folder / "regulars.duckdb", folder, {}, "all")
    assert build_core(project, "seeds", "models/staging") > 20
    try:
        project.build("models/core/dim_suppliers.sql", "models/marts/sales/products.sql")
    except DbtError:
        pass
    print(FlowRunContext.get().flow_run.id, flush=True)

refresh(Path(sys.argv[1]))
"""


def database_with(folder: Path, raw: str) -> Path:
    database = folder / "regulars.duckdb"
    with open_database(database) as connection:
        create_raw_tables(connection)
        connection.execute(raw)
    return database


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DbtProject]:
    """A small shop, built whole."""
    folder = tmp_path_factory.mktemp("built")
    database = database_with(folder, RAW)
    project = DbtProject(database, folder, {}, "all")
    project.build("seeds", "models")
    return database, project


def test_models_are_task_runs(prefect_api: str, tmp_path: Path) -> None:
    database_with(tmp_path, RAW)
    finished = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path)],
        env=os.environ | {"PREFECT_API_URL": prefect_api},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert finished.returncode == 0, finished.stderr
    (flow_run,) = finished.stdout.split()  # dbt prints no error, which may quote values of rows
    runs = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run)]))
    ours = {
        PREFECT_API_URL: prefect_api,
        PREFECT_API_AUTH_STRING: os.environ["PREFECT_API_AUTH_STRING"],
    }
    tasks: dict[str, TaskRun] = {}
    deadline = time.monotonic() + 20  # the server writes them down a moment later
    with temporary_settings(ours), get_client(sync_client=True) as client:
        while "model products" not in tasks and time.monotonic() < deadline:
            time.sleep(0.5)
            tasks = {one.name: one for one in client.read_task_runs(flow_run_filter=runs)}
    staging = tasks["model stg_order_lines"]
    assert staging.state_name == "Completed"
    assert staging.start_time
    assert staging.end_time
    assert 0 < (staging.end_time - staging.start_time).total_seconds() < 60
    (parent,) = (one for name, one in tasks.items() if name.startswith("build_core"))
    assert [one.id for one in staging.task_inputs["__parents__"]] == [parent.id]
    assert tasks["seed rfm_segments"].state_name == "Completed"
    failed = tasks["model dim_suppliers"].state
    assert failed
    assert (failed.name, failed.message) == ("Failed", "Catalog Error: see dbt.log")
    assert tasks["model products"].state_name == "Skipped"  # it reads dim_suppliers


def test_outside_of_a_flow_dbt_runs_all_the_same(project: tuple[Path, DbtProject]) -> None:
    assert project[1].build("models/core/dim_channels.sql") == 1


def test_affected_builds_tables_and_leaves_views(project: tuple[Path, DbtProject]) -> None:
    database, _ = project
    with open_database(database) as connection:
        connection.execute("create or replace view staging.stg_stores as select 1 as left_alone")
    affected = DbtProject(database, database.parent, {}, "affected")
    assert affected.build("models/staging") == 0
    assert affected.build("models/core/dim_channels.sql", "seeds") == 1
    with open_database(database) as connection:
        assert connection.sql("from staging.stg_stores").columns == ["left_alone"]
    everything = DbtProject(database, database.parent, {}, "all")
    assert everything.build("models/staging/stg_stores.sql") == 1


def test_tables_make_room_for_those_of_this_build(tmp_path: Path) -> None:
    database = database_with(tmp_path, RAW)
    everything = DbtProject(database, tmp_path, {}, "all")
    everything.build("seeds", "models")

    def present() -> set[str]:
        with open_database(database) as connection:
            return {
                f"{schema}.{name}"
                for schema, name in connection.execute(
                    "select schema_name, table_name from duckdb_tables() "
                    "where schema_name not in ('raw', 'state')"
                ).fetchall()
            }

    before = present()
    DbtProject(database, tmp_path, {}, "affected").make_room()
    left = present()
    # kept: what is mended, what is read as it was, what no model writes
    assert {
        "core.fct_orders",
        "core.dim_products",
        "mining.rules",
        "reference.rfm_segments",
    } <= left
    assert {"marts.rfm", "core.dim_customers", "intermediate.int_customer_totals"} <= before - left
    DbtProject(database, tmp_path, {}, "all").make_room()
    assert {name.partition(".")[0] for name in present()} == {"mining", "reference"}
    everything.build("seeds", "models")
    assert present() == before


def test_a_build_takes_no_more_memory_than_it_may(tmp_path: Path) -> None:
    few = DbtProject(database_with(tmp_path, RAW), tmp_path, {}, "all", memory=100_000)
    with pytest.raises(DbtError, match="Out of Memory"):
        few.build("seeds")


def test_failing_rows_are_kept_without_people(project: tuple[Path, DbtProject]) -> None:
    database, built = project
    passed = built.test(store_failures=True)
    assert {one.status for one in passed} <= {"pass", "warn"}
    assert not any(one.audit_table for one in passed)
    with open_database(database) as connection:
        connection.execute(
            """
            create or replace table core.dim_customers as
            select * replace (if(customer_id = 'shop:ann', null, customer_id) as customer_id)
            from core.dim_customers
            """
        )
    with pytest.raises(DbtTestError, match="no_nulls_dim_customers") as raised:
        built.test(store_failures=True)
    failed = {one.name: one for one in raised.value.results if one.status == "fail"}
    found = failed["no_nulls_dim_customers"]
    assert (found.model, found.failures) == ("dim_customers", 1)
    assert len(raised.value.results) == len(passed)
    with duckdb.connect(database, read_only=True) as connection:
        kept = connection.table(f'audit."{found.audit_table}"')
        assert kept.select("null_columns, source, source_customer_id").fetchall() == [
            (["customer_id"], "shop", "ann")
        ]
        tables = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'audit'"
        ).fetchall()
        assert {name for (name,) in tables} == {one.audit_table for one in failed.values()}
        for (name,) in tables:
            rows = connection.table(f'audit."{name}"').fetchall()
            assert rows
            assert "canary" not in str(rows).lower()


def test_a_test_of_a_personal_column_keeps_nothing(tmp_path: Path) -> None:
    project = DbtProject(database_with(tmp_path, RAW), tmp_path, {}, "all")
    project.build("seeds", "models")
    (name,) = (
        node.name
        for node in project.manifest.nodes.values()
        if node.name == "unique_dim_customers_customer_id"
    )
    # As if the test of the key were one of the name: the real project tests no personal column.
    node = next(one for one in project.manifest.nodes.values() if one.name == name)
    node.column_name = "name"  # type: ignore[union-attr]
    with open_database(tmp_path / "regulars.duckdb") as connection:
        connection.execute(
            """
            create or replace table core.dim_customers as
            from core.dim_customers
            union all
            from core.dim_customers where customer_id = 'shop:ann'
            """
        )
    with pytest.raises(DbtTestError) as raised:
        project.test(store_failures=True)
    (found,) = (one for one in raised.value.results if one.name == name)
    assert (found.status, found.failures, found.audit_table) == ("fail", 1, None)
