"""versions, rollback, diff, and what status says of a version and of the last refresh."""

import csv
import io
import json
import shlex
import shutil
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from flows.audit import keep_audit
from flows.building import begin_building
from flows.dbt import TestResult
from flows.findings import Finding
from flows.publish.versions import current_version, switch_to, version_folder
from flows.work_file import make_private, sole_refresh, work_file, work_folder

OLD, NEW = "20260102T030405Z", "20260103T030405Z"


@pytest.fixture
def two_versions(warehouse: Path) -> Path:
    """A day later Lost came, shop:2 grew, and shop:3 went."""
    shutil.copytree(version_folder(warehouse, OLD), version_folder(warehouse, NEW))
    for version in (OLD, NEW):
        path = version_folder(warehouse, version) / "regulars.duckdb"
        with duckdb.connect(path) as connection:
            connection.execute(
                """
                create schema reference;
                create table reference.table_keys as
                select 'marts' as table_schema, 'rfm' as table_name, ['customer_id'] as key_columns
                """
            )
            if version == NEW:
                connection.execute(
                    """
                    update marts.about set version = '20260103T030405Z', as_of_date = '2026-01-02';
                    update marts.rfm set monetary = 99.5 where customer_id = 'shop:2';
                    delete from marts.rfm where customer_id = 'shop:3';
                    insert into marts.rfm values ('shop:4', 300, 1, 5, 1, 'Lost');
                    """
                )
    switch_to(warehouse, NEW)
    return warehouse


def test_versions(run, two_versions):
    result = run("versions")
    assert (result.exit_code, result.stderr) == (0, "")
    newest, oldest = result.stdout.splitlines()[-2:]
    assert newest.split()[0] == NEW
    assert newest.rstrip().endswith("current")
    assert "2026-01-02" in newest
    assert oldest.split()[0] == OLD
    assert "MB" in oldest.split()
    # The tables as a refresh counts them, without the one that tells their rows apart.
    assert oldest.split()[4:6] == ["7", "9"]


def test_versions_before_the_first(run):
    assert "Nothing is published" in run("versions").stdout


def test_a_version_that_cannot_be_read_is_listed_all_the_same(run, two_versions):
    (version_folder(two_versions, OLD) / "regulars.duckdb").write_bytes(b"no database" * 1000)
    assert "cannot be read" in run("versions").stdout


def test_rollback_and_back_again(run, two_versions):
    result = run("rollback")
    assert (result.exit_code, result.stderr) == (0, "")
    assert current_version(two_versions) == OLD
    assert f"Readers see {OLD} now" in result.stdout
    assert "publishes on top of the newest data again" in " ".join(result.stdout.split())
    assert f"diff {OLD} {NEW}" in result.stdout
    assert "current, rolled back" in run("versions").stdout
    assert f"the newest is {NEW}" in " ".join(run("status").stdout.split())
    assert '"monetary": 65.5' in run("sql", "from rfm", "--format", "json").stdout

    assert "Readers see" in run("rollback", "20260103").stdout
    assert current_version(two_versions) == NEW
    assert "already: nothing to do" in run("rollback", NEW).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rollback", "2027"], "no version '2027'; kept are 20260102T030405Z, 20260103T030405Z"),
        (["rollback", "2027"], "Next: `regulars versions` says which is which"),
        (["diff", "2027", "current"], "Next: `regulars versions` says which is which"),
        (["diff", "--table", "no_such"], "`regulars diff` without --table"),
        (["rollback", "../.."], "no version '../..'"),
        (["diff", "2026", "current"], "several versions begin with '2026'"),
        (["diff", "--table", "no_such"], "neither version has a table 'no_such'"),
    ],
)
def test_what_cannot_be_done_says_why(run, two_versions, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())
    assert current_version(two_versions) == NEW


def test_rollback_of_a_single_version(run, warehouse):
    result = run("rollback")
    assert result.exit_code == 1
    assert "no version before the current one is kept" in result.stderr


def test_rollback_does_not_run_beside_a_refresh(run, two_versions):
    with sole_refresh(two_versions):
        result = run("rollback")
    assert result.exit_code == 1
    assert "another refresh is running" in result.stderr
    assert current_version(two_versions) == NEW


def test_rollback_first_settles_what_a_killed_refresh_left(run, two_versions):
    """The refresh was killed between its switch and its last step: what it built is kept."""
    make_private(work_folder(two_versions))
    with duckdb.connect(work_file(two_versions)) as connection:
        connection.execute("create table t as select 'old' as v")
    with duckdb.connect(begin_building(two_versions, NEW)) as connection:
        connection.execute("update t set v = 'new'")
    assert run("rollback").exit_code == 0
    with duckdb.connect(work_file(two_versions)) as connection:
        assert connection.execute("from t").fetchall() == [("new",)]
    assert current_version(two_versions) == OLD


def test_diff(run, two_versions):
    result = run("diff")
    assert (result.exit_code, result.stderr) == (0, "")
    (rfm,) = [line for line in result.stdout.splitlines() if "marts.rfm" in line]
    assert rfm.split() == ["marts.rfm", "3", "3", "1", "1", "1", "monetary", "1"]
    assert "whole rows: no key" in result.stdout  # marts.about
    assert "5 of 7 tables are equal" in result.stdout
    assert "All 7 tables are equal" in run("diff", "current", "current").stdout


def test_diff_shows_rows(run, two_versions):
    shown = run("diff", OLD, NEW, "--table", "rfm", "--rows", "3").stdout
    assert "marts.rfm: changed customer_id shop:2\n  monetary: 65.5000 → 99.5000" in shown
    assert "marts.rfm: gone customer_id shop:3" in shown
    assert "marts.rfm: added customer_id shop:4" in shown
    assert "marts.about" not in shown


def test_diff_for_programs(run, two_versions):
    answer = json.loads(run("diff", "--format", "json", "--rows", "1").stdout)
    assert (answer["before"], answer["after"]) == (OLD, NEW)
    (rfm,) = [one for one in answer["tables"] if one["table"] == "rfm"]
    assert (rfm["added"], rfm["gone"], rfm["changed"]) == (1, 1, 1)
    assert rfm["changed_columns"] == {"monetary": 1}
    assert [row["kind"] for row in rfm["rows"]] == ["added", "gone", "changed"]
    rows = list(csv.DictReader(io.StringIO(run("diff", "--format", "csv").stdout)))
    assert [row["changed"] for row in rows if row["table"] == "rfm"] == ["1"]
    assert run("diff", "--format", "csv", "--rows", "1").exit_code == 2


def test_status_and_sql_show_what_the_last_refresh_found_wrong(run, two_versions):
    make_private(work_folder(two_versions))
    with duckdb.connect(two_versions / "built.duckdb") as connection:
        connection.execute("create schema audit")
        connection.execute("create table audit.unique_rfm as select 'shop:1' as unique_field")
    finding = Finding(
        *("stop", "shop", "hours", date(2026, 1, 2), Decimal("0.5"), Decimal(0), Decimal("0.3")),
        "shop: 2026-01-02 has no order after 12:00",
    )
    keep_audit(
        two_versions,
        "20260104T000000Z",
        results=[TestResult("unique_rfm_customer_id", "rfm", "fail", 2, 0.1, "unique_rfm")],
        findings=[finding],
        database=two_versions / "built.duckdb",
    )
    words = " ".join(run("status").stdout.split())
    assert "unique_rfm_customer_id rfm 2 unique_rfm" in words
    assert "stop shop: 2026-01-02 has no order after 12:00" in words
    assert 'sql --audit "from unique_rfm"' in words

    answer = run("sql", "--audit", "from unique_rfm", "--format", "json")
    assert json.loads(answer.stdout) == [{"unique_field": "shop:1"}]
    for forbidden in ("delete from unique_rfm", "from read_text('/etc/hostname')"):
        refused = run("sql", "--audit", forbidden)
        assert refused.exit_code == 1
        assert refused.stdout == ""


def test_sql_audit_of_a_good_night(run, warehouse):
    result = run("sql", "--audit", "from failed_tests")
    assert result.exit_code == 1
    assert f"no audit file in {work_folder(warehouse)}" in result.stderr
    assert "found nothing wrong, or another warehouse is meant (--warehouse)" in result.stderr
    elsewhere = run("sql", "--audit", "from failed_tests", "--warehouse", "elsewhere")
    assert elsewhere.exit_code == 1
    assert "nothing is published in" in elsewhere.stderr


def test_status_counts_the_findings_that_it_does_not_show(run, warehouse):
    make_private(work_folder(warehouse))
    findings = [
        Finding(
            *("warn", "shop", "orders", date(2026, 1, day), Decimal(1), Decimal(9), Decimal(5)),
            f"shop: few orders on {day} January",
        )
        for day in range(1, 14)
    ]
    keep_audit(warehouse, "20260104T000000Z", findings=findings)
    result = run("status", "--warehouse", str(warehouse))
    assert result.stdout.count("few orders on") == 10
    assert "3 more" in result.stdout
    (line,) = [one for one in result.stdout.splitlines() if one.startswith("Look closer: ")]
    _, *arguments = shlex.split(line.removeprefix("Look closer: "))
    answer = run(*arguments, "--format", "json")  # as shown, it works
    assert len(json.loads(answer.stdout)) == 13


def test_status_names_silent_sources_by_the_days_that_a_notice_counts(run, warehouse):
    path = version_folder(warehouse, OLD) / "regulars.duckdb"
    assert "delivered nothing new" not in run("status").stdout
    newest = datetime.combine(datetime.now(UTC), time(23, 59)) - timedelta(days=2)
    with duckdb.connect(path) as connection:
        connection.execute("alter table marts.about add column newest_delivery_at timestamp")
        connection.execute("update marts.about set newest_delivery_at = ?", [newest])
    assert "delivered nothing new" not in run("status").stdout
    with duckdb.connect(path) as connection:  # not three times 24 hours, but three days
        connection.execute(
            "update marts.about set newest_delivery_at = newest_delivery_at - interval 1 day"
        )
    assert "shop delivered nothing new for 3 days." in run("status").stdout
