"""A run that was killed could tell nobody: the next one does, once, before it builds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.building import left_build
from flows.load.loader import LoadError
from flows.refresh import RefreshError, rebuild, refresh
from flows.runs import Trouble, keep_trouble, last_trouble
from flows.settings import NoticeSettings, RefreshSettings
from flows.work_file import sole_refresh

APPEND = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"
KILLED = """
import os, signal, sys
from pathlib import Path
from flows.building import begin_building
from flows.runs import begin_run
from flows.work_file import sole_refresh
warehouse = Path(sys.argv[1])
with sole_refresh(warehouse):
    run_id = begin_run(warehouse).run_id
    begin_building(warehouse, run_id)
    print(run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def settings(tmp_path: Path) -> RefreshSettings:
    """A warehouse whose notices are appended to a file, and nobody else is told."""
    command = [sys.executable, "-c", APPEND, str(tmp_path / "notices.jsonl")]
    return RefreshSettings(
        warehouse=tmp_path / "warehouse",
        notices=NoticeSettings.model_validate({"command": command}),
    )


def killed_run(warehouse: Path) -> str:
    """Begin a run and kill it while it builds; returns its id."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, warehouse], stdout=subprocess.PIPE, text=True
    )
    assert killed.returncode == -9
    return killed.stdout.strip()


def told(settings: RefreshSettings) -> list[dict[str, Any]]:
    lines = (settings.warehouse.parent / "notices.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_killed_run_is_told_once_by_the_next_before_it_builds(settings: RefreshSettings) -> None:
    run_id = killed_run(settings.warehouse)
    seen: list[tuple[Trouble | None, list[dict[str, Any]]]] = []

    def stop(_: duckdb.DuckDBPyConnection) -> None:
        seen.append((last_trouble(settings.warehouse), told(settings)))
        raise LoadError("stopped here")

    for _ in range(2):
        with pytest.raises(RefreshError, match="stopped here"):
            rebuild.fn(settings, stop)
    # While the next run builds, which may be killed as well, all is said already.
    trouble, notices = seen[0]
    assert trouble is not None
    assert trouble.run_id == run_id
    assert [(one["event"], one["run_id"]) for one in notices] == [("failure", run_id)]
    assert notices[0]["message"] == trouble.message
    assert f"began at {run_id[:4]}-{run_id[4:6]}-{run_id[6:8]} " in trouble.message
    assert "was killed" in trouble.message
    assert [(one["run_id"] == run_id) for one in told(settings)] == [True, False, False]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [("source: [shop", "shop.yml"), (None, "the landing folder ")],
    ids=["a mapping that is no YAML", "no landing folder"],
)
def test_what_fails_before_a_run_has_an_id_is_kept(
    settings: RefreshSettings, tmp_path: Path, mapping: str | None, words: str
) -> None:
    settings.landing, settings.mappings = tmp_path / "landing", tmp_path / "sources"
    if mapping is not None:
        (settings.landing / "shop").mkdir(parents=True)
        settings.mappings.mkdir()
        (settings.mappings / "shop.yml").write_text(mapping)
    with pytest.raises(RefreshError, match=words):
        refresh.fn(settings)
    trouble = last_trouble(settings.warehouse)
    assert trouble is not None
    assert trouble.run_id is None
    assert trouble.message.startswith("no refresh could begin at 20")
    assert words in trouble.message
    assert [(one["event"], one["run_id"]) for one in told(settings)] == [("failure", None)]
    # Beside another process this one has nothing to say.
    with sole_refresh(settings.warehouse):
        keep_trouble(settings.warehouse, None)
        with pytest.raises(RefreshError, match="another refresh is running"):
            refresh.fn(settings)
    assert last_trouble(settings.warehouse) is None


def test_what_a_killed_run_left_shows_until_the_next_one_begins(settings: RefreshSettings) -> None:
    run_id = killed_run(settings.warehouse)
    left = left_build(settings.warehouse)
    assert left is not None
    assert left[0] == run_id

    def stop(_: duckdb.DuckDBPyConnection) -> None:
        raise LoadError("stopped here")

    with pytest.raises(RefreshError):
        rebuild.fn(settings, stop)
    assert left_build(settings.warehouse) is None
