"""The audit file: whole, replaced by each refresh, without the rows of a good night."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from flows.audit import FailedTest, audit_file, keep_audit, read_audit
from flows.dbt import TestResult
from flows.findings import Finding
from flows.work_file import make_private, work_folder

PASSED = TestResult("not_null_rfm_customer_id", "rfm", "pass", 0, 0.1)
FAILED = TestResult("unique_rfm_customer_id", "rfm", "fail", 2, 0.1, "unique_rfm_customer_id")
BROKEN = TestResult("reconcile", "fct_orders", "error", None, 0.1)
WARNED = TestResult("a_few_gaps", "fct_orders", "warn", 3, 0.1)
FINDING = Finding(
    *("warning", "shop", "orders", date(2026, 1, 5)),
    *(Decimal(9), Decimal(4), Decimal("5.5"), "shop: 2026-01-05 has 9 orders"),
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    make_private(work_folder(tmp_path))
    with duckdb.connect(tmp_path / "built.duckdb") as connection:
        connection.execute("create schema audit")
        connection.execute(
            "create table audit.unique_rfm_customer_id as "
            "select 'shop:' || range as unique_field, 2 as n_records from range(2)"
        )
    return tmp_path


def test_what_failed_is_kept_with_its_rows(warehouse: Path) -> None:
    keep_audit(
        warehouse,
        "20260102T030405000Z",
        results=[WARNED, PASSED, FAILED, BROKEN],
        findings=[FINDING],
        database=warehouse / "built.duckdb",
    )
    audit = read_audit(warehouse)
    assert audit is not None
    assert audit.run_id == "20260102T030405000Z"
    assert audit.failed_tests == (
        FailedTest("reconcile", "fct_orders", "error", None, None),
        FailedTest("unique_rfm_customer_id", "rfm", "fail", 2, "unique_rfm_customer_id"),
        FailedTest("a_few_gaps", "fct_orders", "warn", 3, None),
    )
    assert audit.findings == (("warning", "shop: 2026-01-05 has 9 orders"),)
    with duckdb.connect(audit_file(warehouse), read_only=True) as connection:
        assert connection.execute("from audit.unique_rfm_customer_id").fetchall() == [
            ("shop:0", 2),
            ("shop:1", 2),
        ]
    assert [path.name for path in work_folder(warehouse).iterdir()] == ["last_audit.duckdb"]


def test_the_next_refresh_replaces_it(warehouse: Path) -> None:
    keep_audit(warehouse, "1", results=[FAILED], database=warehouse / "built.duckdb")
    held = duckdb.connect(audit_file(warehouse), read_only=True)
    keep_audit(warehouse, "2", findings=[FINDING])
    # Whoever looks at the old one goes on; whoever opens again sees the new.
    assert len(held.execute("from audit.unique_rfm_customer_id").fetchall()) == 2
    held.close()
    audit = read_audit(warehouse)
    assert audit is not None
    assert (audit.run_id, audit.failed_tests) == ("2", ())
    keep_audit(warehouse, "3", results=[PASSED])
    assert read_audit(warehouse) is None
    assert list(work_folder(warehouse).iterdir()) == []


def test_half_an_audit_of_a_killed_refresh_does_no_harm(warehouse: Path) -> None:
    (work_folder(warehouse) / ".last_audit.duckdb").write_bytes(b"half")
    assert read_audit(warehouse) is None
    keep_audit(warehouse, "2", findings=[FINDING])
    assert [path.name for path in work_folder(warehouse).iterdir()] == ["last_audit.duckdb"]
