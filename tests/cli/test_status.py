import os
import re
from pathlib import Path

from flows.building import begin_building, settle
from flows.publish.versions import switch_to
from flows.runs import Trouble, begin_run, keep_trouble, why_it_failed
from flows.work_file import make_private, sole_refresh, work_folder
from tests.faults.volume import volume_at


def test_nothing_published_is_no_error(run, tmp_path):
    result = run("status")
    assert result.exit_code == 0
    assert f"Nothing is published in {tmp_path}/warehouse yet" in result.stdout
    assert "regulars refresh" in result.stdout
    assert "The demo is in" not in result.stdout


def test_nothing_published_but_the_demo(run, warehouse):
    Path("demo").mkdir()
    warehouse.rename("demo/warehouse")
    result = run("status")
    assert result.exit_code == 0
    assert "The demo is in demo/warehouse: " in result.stdout
    assert "status --warehouse demo/warehouse" in result.stdout
    assert "20260102T030405Z" in run("status", "--warehouse", "demo/warehouse").stdout


def test_what_is_published(run, warehouse):
    result = run("status")
    assert (result.exit_code, result.stderr) == (0, "")
    words = " ".join(result.stdout.split())
    for expected in (
        "Warehouse warehouse/current/regulars.duckdb",
        "version 20260102T030405Z, built 2026-01-02 03:04 UTC",
        "as of 2026-01-01",
        "shop 12 5 4 3 2 2025-12-31",
        "shop/orders.csv qty not a number: … 2 7",
        "2026-01-02 03:04 published 2026-01-01 60.5 14 12",
    ):
        assert expected in words
    assert "is running" not in result.stdout


def test_it_fits_80_columns(run, warehouse, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, run("status").stdout.splitlines())) <= 80


def test_a_running_refresh_is_told_and_not_disturbed(run, warehouse):
    with sole_refresh(warehouse):
        running = f"A refresh is running now (process {os.getpid()})."
        assert running in run("status").stdout
        begin_building(warehouse, begin_run(warehouse).run_id)
        said = re.search(r"is running since (\d\d:\d\d) UTC", run("status").stdout)
        assert said is not None
        settle(warehouse)
    assert "is running" not in run("status").stdout


def test_a_lock_on_another_file_system_is_no_refresh(run, tmp_path):
    # Of two new file systems the files have the same inodes.
    with volume_at(tmp_path / "warehouse", 1_000_000), volume_at(tmp_path / "other", 1_000_000):
        locks = []
        for folder in ("warehouse", "other"):
            make_private(work_folder(tmp_path / folder))
            locks.append(work_folder(tmp_path / folder) / "refresh.lock")
            locks[-1].touch()
        assert locks[0].stat().st_ino == locks[1].stat().st_ino
        with sole_refresh(tmp_path / "other"):
            assert "is running" not in run("status").stdout
        with sole_refresh(tmp_path / "warehouse"):
            assert "is running" in run("status").stdout


def test_what_went_wrong_in_the_last_run(run, warehouse):
    make_private(work_folder(warehouse))
    keep_trouble(warehouse, Trouble("20260103T000000000Z", "orders.csv: no column [price]"))
    words = " ".join(run("status").stdout.split())
    assert "The last refresh (20260103T000000000Z) failed: orders.csv: no column [price]" in words
    keep_trouble(warehouse, Trouble("20260103T000000000Z", "old versions stay", is_published=True))
    words = " ".join(run("status").stdout.split())
    assert "(20260103T000000000Z) published, but not all is well: old versions stay" in words
    keep_trouble(warehouse, None)
    assert "The last refresh" not in run("status").stdout


def test_an_interrupted_run_says_who_ended_it_and_what_to_type():
    assert "interrupted (Ctrl-C)" in why_it_failed(KeyboardInterrupt())
    assert "Next: `regulars refresh`" in why_it_failed(KeyboardInterrupt())
    assert why_it_failed(ValueError("no column [price]")) == "no column [price]"
    assert why_it_failed(ZeroDivisionError()) == "ZeroDivisionError"


def test_runs_say_what_they_cannot_show(run, warehouse):
    words = " ".join(run("status").stdout.split())
    assert "runs after it, failed or with nothing new, come with the next version" in words


def test_a_killed_run_is_told_before_the_next_one_begins(run, warehouse):
    with sole_refresh(warehouse):
        keep_trouble(warehouse, Trouble("20260103T000000000Z", "orders.csv: no column [price]"))
        run_id = begin_run(warehouse).run_id
        begin_building(warehouse, run_id)
        # It runs: what went wrong is that of the one before.
        assert "The last refresh (20260103T000000000Z) failed" in run("status").stdout
    # Its lock is gone, and it did not say how it ended.
    words = " ".join(run("status").stdout.split())
    assert f"The last refresh ({run_id}) failed: it began at 20" in words
    for expected in ("was killed", "the last version stays", "The next refresh does its work"):
        assert expected in words
    assert "no column" not in words
    # After it Prefect did not even start.
    keep_trouble(warehouse, Trouble(None, "no refresh could begin at 02:00"))
    words = " ".join(run("status").stdout.split())
    assert f"The last refresh ({run_id}) failed: it began at 20" in words
    assert "The last try failed: no refresh could begin at 02:00" in words
    # It was not killed: it said itself what went wrong, only what it built could not be removed.
    told = Trouble(None, "no refresh could begin at 02:00", told_before=run_id)
    for trouble in (Trouble(run_id, "no room was left"), told):
        keep_trouble(warehouse, trouble)
        words = " ".join(run("status").stdout.split())
        assert trouble.message in words
        assert "was killed" not in words
    keep_trouble(warehouse, None)
    assert "was killed" in run("status").stdout
    switch_to(warehouse, run_id)  # killed after this it was published, only not yet put in order
    assert "was killed" not in run("status").stdout


def test_other_warehouse(run, warehouse):
    os.chdir("/")
    result = run("status", "--warehouse", str(warehouse))
    assert "20260102T030405Z" in result.stdout
