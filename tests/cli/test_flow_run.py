"""A run that cannot begin, for want of Prefect's server, is told to those who wait for it."""

import json
import sys

import pytest

APPEND = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A shop whose Prefect has no place: a file stands where its folder should be."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "landing/shop").mkdir(parents=True)
    command = [sys.executable, "-c", APPEND, str(tmp_path / "notices.jsonl")]
    (tmp_path / "regulars.toml").write_text(f"[notices]\ncommand = {json.dumps(command)}\n")
    (tmp_path / "warehouse/work").mkdir(parents=True)
    (tmp_path / "warehouse/work/prefect").touch()
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


def test_a_schedule_that_is_started_again_and_again_tells_once(shop, run):
    for _ in range(2):
        assert run("schedule").exit_code == 1
    (notice,) = told(shop)
    assert notice["event"] == "failure"
