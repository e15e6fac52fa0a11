"""A run that cannot begin, for want of Prefect's server, is told to those who wait for it."""

import json
import os
import sys

import pytest

from flows.upgrade import upgrade
from flows.work_file import open_database, sole_refresh, work_file, work_folder
from regulars.settings_file import InvalidSettingsError

APPEND = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A shop whose Prefect has no place: a file stands where its folder should be."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "landing/shop").mkdir(parents=True)
    command = [sys.executable, "-c", APPEND, str(tmp_path / "notices.jsonl")]
    (tmp_path / "regulars.toml").write_text(f"[notices]\ncommand = {json.dumps(command)}\n")
    work = work_folder(tmp_path / "warehouse")
    work.mkdir(parents=True)
    (work / "prefect").touch()
    return tmp_path


def told(shop):
    return [json.loads(line) for line in (shop / "notices.jsonl").read_text().splitlines()]


def test_a_refresh_without_prefects_server_is_a_failure_that_is_told(shop, run):
    for _ in range(2):
        result = run("refresh")
        assert result.exit_code == 1
        assert "no Prefect server could be started" in result.stderr
    notices = told(shop)  # each night
    assert [(one["event"], one["run_id"]) for one in notices] == [("failure", None)] * 2
    assert "UTC: no Prefect server could be started" in notices[0]["message"]
    words = " ".join(run("status").stdout.split())
    assert "The last try failed: no refresh could begin at 20" in words
    assert "no Prefect server could be started" in words


def test_beside_another_refresh_it_is_refused_before_prefect_starts(shop, run):
    with sole_refresh(shop / "warehouse"):
        result = run("refresh")
        assert result.exit_code == 1
        words = " ".join(result.stderr.split())
        assert "another refresh is running" in words
        assert "or let this one wait: wait_minutes in regulars.toml" in words
        assert "Prefect" not in words  # which could not start here
        (notice,) = told(shop)
        assert "another refresh is running" in notice["message"]
        assert "another refresh is running" in run("forget", "shop:1", "--yes").stderr
    assert len(told(shop)) == 1


def test_forget_looks_before_prefect_starts(shop, run):
    with open_database(work_file(shop / "warehouse")) as connection:
        upgrade(connection)
        connection.execute(
            "insert into raw.customers by name "
            "select 1 as load_id, 'shop' as source, 'ANN7' as customer_id"
        )
    nobody = run("forget", "shop:NOBODY", "--yes")
    assert nobody.exit_code == 1
    assert "nothing is held of 'shop:NOBODY'" in nobody.stderr
    assert "Prefect" not in nobody.stderr
    # Of this one something is held: it goes on to Prefect, which cannot start here.
    assert "no Prefect server could be started" in run("forget", "shop:ANN7", "--yes").stderr


def test_a_schedule_that_is_started_again_and_again_tells_once(shop, run):
    for _ in range(2):
        assert run("schedule").exit_code == 1
    (notice,) = told(shop)
    assert notice["event"] == "failure"


def test_a_night_that_cannot_read_its_settings_tells_whom_the_schedule_knew(shop, run, monkeypatch):
    from regulars.nightly import nightly

    settings = (shop / "regulars.toml").read_text()
    address = "http://127.0.0.1:1/hook?token=secret"
    (shop / "regulars.toml").write_text(f'{settings}webhook = "{address}"\ntries = 1\n')
    monkeypatch.setenv("REGULARS_AS_SCHEDULED", "")  # to be as before at the end
    assert run("schedule").exit_code == 1  # it has read them
    assert address in os.environ["REGULARS_AS_SCHEDULED"]
    (shop / "regulars.toml").write_text("as_of = 2026-13-01\n")
    for _ in range(2):
        with pytest.raises(InvalidSettingsError):
            nightly.fn()
    first, second = told(shop)[1:]  # each night
    assert first["message"].startswith("no refresh could begin at 20")
    assert "regulars.toml: not valid TOML" in first["message"]
    assert (second["event"], second["run_id"]) == ("failure", None)
    (shop / "regulars.toml").unlink()
    assert "regulars.toml: not valid TOML" in " ".join(run("status").stdout.split())
