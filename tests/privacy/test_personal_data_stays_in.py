"""Personal data reaches the work file and the restricted file, and nothing else.

Canaries stand in every column tagged as personal and in rejected rows. Before the search come a
refresh that publishes, one that rejected rows stop, one with a model that fails on the value of a
canary, and one whose check fails with rows of canaries.
"""

import grp
import json
import os
import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

from flows.privacy.look_ups import look_ups
from flows.privacy.person import holdings, open_people
from flows.publish.restricted_file import TABLES, UnknownGroupError, write_restricted_file
from flows.work_file import work_file, work_folder
from tests.conftest import REPOSITORY, Refresh
from tests.privacy.canaries import CANARIES, HEADER, REJECTED, canaries, found_in
from tests.privacy.conftest import Regulars

FAILING_TEST = "select name, email, phone from {{ ref('dim_customers') }} where name is not null"
FAILING_MODEL = """
{{ config(materialized='table', contract={'enforced': false}) }}
select customer_id, name::integer as number_of_the_name from {{ ref('stg_customers') }}
where source = 'club'
"""
# Where DuckDB's words may stand: in the private work folder.
PRIVATE_LOGS = ("work/logs/dbt.log", "work/dbt/run_results.json")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and the dbt project, to put failures into."""
    folder = tmp_path_factory.mktemp("project")
    for name in (
        "flows",
        "mining",
        "regulars",
        "models",
        "macros",
        "seeds",
        "sources",
        "tests/data",
    ):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copyfile(REPOSITORY / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def shop(copied: Path, project: Path, refresh: Refresh) -> Path:
    """Published once, then stopped: by rejected rows, by a model, and by a check."""
    landing, warehouse = copied / "landing", copied / "warehouse"
    (copied / "regulars.toml").write_text(
        '[notices]\ncommand = ["sh", "-c", "cat >> notices.jsonl; echo >> notices.jsonl"]\n'
    )
    printed = []

    def stops(*words: str, folder: Path | None = None) -> None:
        environment = {} if folder is None else {"PYTHONPATH": str(folder)}
        stopped = refresh(landing, warehouse, "--full", succeeds=False, environment=environment)
        assert stopped.returncode == 1, stopped.stdout + stopped.stderr
        said = " ".join(stopped.stderr.split())
        assert all(one in said for one in words), said
        printed.append(stopped.stdout + stopped.stderr)
        printed.append((warehouse / "work/last_failure.json").read_text())

    stopping = landing / "club" / "orders2.csv"
    stopping.write_text(HEADER + f"y,7,7,tea,2026-01-05 10:00,one,3.50,,{REJECTED[1]}\n")
    stops("more than the limit")
    stopping.unlink()
    model = project / "models/core/fails_on_a_name.sql"
    model.write_text(FAILING_MODEL)
    stops("fails_on_a_name: Conversion Error", "work/logs/dbt.log", folder=project)
    model.unlink()
    (project / "tests/data/no_customer_has_a_name.sql").write_text(FAILING_TEST)
    stops("no_customer_has_a_name: Got", folder=project)
    with (copied / "printed.txt").open("a") as stream:
        stream.writelines(printed)
    (copied / "regulars.toml").unlink()
    return copied


def test_every_personal_column_has_a_canary() -> None:
    tagged = {
        (entity, column["name"])
        for path in (REPOSITORY / "models").rglob("*.yml")
        for model in yaml.safe_load(path.read_text("utf-8")).get("models", [])
        for column in model.get("columns", [])
        if column.get("config", {}).get("meta", {}).get("personal_data")
        if (entity := model["name"].removeprefix("stg_").removeprefix("dim_").split("_history")[0])
    }
    assert tagged
    assert tagged <= {(entity, name) for entity, columns in CANARIES.items() for name in columns}


def test_the_canaries_are_where_they_belong(shop: Path) -> None:
    assert found_in(work_file(shop / "warehouse"), canaries()) == sorted(
        one for one in canaries() if one != REJECTED[1]
    )
    restricted = shop / "warehouse/current/restricted/restricted.duckdb"
    assert found_in(restricted, canaries()) == sorted(
        one for one in canaries() if one not in REJECTED
    )


def test_nothing_else_holds_a_canary(shop: Path) -> None:
    searched = [
        path
        for folder in (shop, Path(os.environ["PREFECT_HOME"]))
        for path in folder.rglob("*")
        if path.is_file() and path != work_file(shop / "warehouse")
        if not path.is_relative_to(shop / "landing") and "restricted" not in path.parts
    ]
    names = {path.name for path in searched}
    assert {"regulars.duckdb", "printed.txt", "refresh.log", "prefect.db", "notices.jsonl"} <= names
    assert {"last_failure.json", "last_audit.duckdb"} <= names
    leaks = {
        str(path): found
        for path in searched
        if path.relative_to(path.parents[2]).as_posix() not in PRIVATE_LOGS
        if (found := found_in(path, canaries()))
    }
    assert leaks == {}


def test_what_failed_is_told_and_not_whom_it_failed_on(shop: Path) -> None:
    notices = [json.loads(line) for line in (shop / "notices.jsonl").read_text().splitlines()]
    assert [one["event"] for one in notices] == ["failure"] * 3
    assert "fails_on_a_name: Conversion Error" in notices[1]["message"]
    assert "no_customer_has_a_name: Got" in notices[2]["message"]
    with duckdb.connect(work_file(shop / "warehouse"), read_only=True) as connection:
        errors = connection.execute(
            "select error from state.runs where status = 'failed' order by run_id"
        ).fetchall()
    assert [error for (error,) in errors] == [one["message"] for one in notices]
    # DuckDB did quote her: its words are where only the refresh's own user reads them.
    log = work_folder(shop / "warehouse") / "logs/dbt.log"
    assert found_in(log, ["'Canaria Fullname' to INT32"])
    assert work_folder(shop / "warehouse").stat().st_mode & 0o777 == 0o700


def test_nobody_else_may_look_into_the_folders(shop: Path) -> None:
    version = (shop / "warehouse/current").resolve()
    for folder in (version / "restricted", shop / "warehouse/work"):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (version / "restricted/restricted.duckdb").stat().st_mode & 0o777 == 0o600


def test_a_group_may_read_and_not_write(shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    group = grp.getgrgid(os.getgid()).gr_name
    rows = write_restricted_file(work_file(shop / "warehouse"), tmp_path, group)
    assert rows > 0
    assert (tmp_path / "restricted").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "restricted/restricted.duckdb").stat().st_mode & 0o777 == 0o640
    with pytest.raises(UnknownGroupError, match="no group 'nobody_has_this'"):
        write_restricted_file(work_file(shop / "warehouse"), other, "nobody_has_this")


def test_the_restricted_file_describes_what_it_holds(shop: Path) -> None:
    with duckdb.connect(
        shop / "warehouse/current/restricted/restricted.duckdb", read_only=True
    ) as connection:
        tables = connection.execute(
            "select table_name from duckdb_tables() where comment is not null"
        ).fetchall()
        undescribed = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where not internal and comment is null"
        ).fetchall()
    assert {name for (name,) in tables} == set(TABLES)
    assert undescribed == []


def test_what_is_held_of_a_person_is_in_all_their_tables(shop: Path) -> None:
    with open_people(shop / "warehouse") as (connection, version):
        held = {one.table: one for one in holdings(connection, "club:7")}
        of_nobody = holdings(connection, "erased")
    assert version == (shop / "warehouse/current").readlink().name
    assert held["people.customers"].rows[0]["email"] == "canary@mail.example"
    assert len(held["core.fct_orders"].rows) == 9
    assert held["people.interactions"].rows[0]["cause"] == "Canaria is cross about a cup"
    assert {"marts.rfm", "marts.customers", "core.fct_order_lines"} <= held.keys()
    assert "core.dim_customers" not in held
    assert all(one.meaning and all(one.columns.values()) for one in held.values())
    assert [one.table for one in of_nobody if one.rows] == []


def test_who_looks_is_recorded_before_anything_is_shown(shop: Path, regulars: Regulars) -> None:
    assert regulars(shop, "person", "--record").stdout == "Nobody was looked up yet.\n"
    looked = regulars(shop, "person", "club:7")
    assert "canary@mail.example" in looked.stdout
    exported = regulars(shop, "person", "club:7", "--export", "seven.json")
    assert exported.exit_code == 0, exported.stderr
    assert "Canaria Fullname" in (shop / "seven.json").read_text("utf-8")
    assert (shop / "seven.json").stat().st_mode & 0o777 == 0o600
    assert regulars(shop, "person", "club:7", "--export", "seven.json").exit_code == 1
    unknown = regulars(shop, "person", "club:8")
    assert unknown.exit_code == 1
    assert "no customer 'club:8'" in unknown.stderr
    target = str(shop / "seven.json")
    recorded = [(one.action, one.customer_id, one.path) for one in look_ups(shop / "warehouse")]
    assert recorded == [
        ("looked up", "club:7", None),
        ("exported", "club:7", target),
        ("looked up", "club:8", None),
    ]
    assert regulars(shop, "person", "--record").stdout.count("looked up") == 2

    # Where the look-up cannot be recorded, nothing is shown.
    file = shop / "warehouse/look_ups/record.jsonl"
    kept = file.replace(file.with_name("kept"))
    file.mkdir()
    refused = regulars(shop, "person", "club:7")
    file.rmdir()
    kept.replace(file)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "nothing is shown" in refused.stderr
