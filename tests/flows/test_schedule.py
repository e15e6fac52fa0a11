"""The schedule: nights that fail do not end it, and nothing outlives it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.publish.versions import published_file, versions
from flows.schedule import DEPLOYMENT, ScheduleError, cron_schedule
from flows.settings import ScheduleSettings
from tests.conftest import REPOSITORY
from tests.tea_shop import HEADER, MAPPING

REGULARS = Path(sys.executable).with_name("regulars")
PREFECT = Path(sys.executable).with_name("prefect")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/shop.yml").write_text(MAPPING)
    deliver(tmp_path, "1", "1,Ann,tea,2026-01-05 10:00,2,3.50")
    (tmp_path / "regulars.toml").write_text("")
    return tmp_path


def deliver(shop: Path, name: str, *lines: str) -> None:
    folder = shop / "landing/shop"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"orders{name}.csv").write_text(HEADER + "\n".join(lines) + "\n")


@pytest.fixture
def client(prefect_api: str) -> Iterator[SyncPrefectClient]:
    ours = {
        PREFECT_API_URL: prefect_api,
        PREFECT_API_AUTH_STRING: os.environ["PREFECT_API_AUTH_STRING"],
    }
    with temporary_settings(ours), get_client(sync_client=True) as client:
        yield client


@contextmanager
def scheduler(shop: Path, *options: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """`regulars schedule` in the shop's folder; killed at the end of the block if it still runs."""
    with (shop / "schedule.log").open("w") as log:
        process = subprocess.Popen(
            [REGULARS, "schedule", *options],
            cwd=shop,
            env=without_prefect() | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def without_prefect() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


def of_the_tests(api: str) -> dict[str, str]:
    password = os.environ["PREFECT_API_AUTH_STRING"]
    return {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": password}


def until(found: Callable[[], Any], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
    return result


def descendants(process: int) -> set[int]:
    """The children of a process, and theirs."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it ended while we looked
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found, new = set(), {process}
    while new:
        new = {child for child, parent in parents.items() if parent in new}
        found |= new
    return found


def alive(processes: set[int]) -> set[int]:
    return {one for one in processes if Path(f"/proc/{one}").is_dir()}


def ended(client: SyncPrefectClient, run: FlowRun, seconds: float = 240) -> str:
    """The name of the state that a run ends in."""

    def state() -> str | None:
        found = client.read_flow_run(run.id).state
        return found.name if found is not None and found.is_final() else None

    return str(until(state, seconds, "the run's end"))


def as_of(shop: Path) -> date:
    with duckdb.connect(published_file(shop / "warehouse"), read_only=True) as connection:
        (found,) = connection.execute("select max(as_of_date) from marts.about").fetchall()
    return date.fromisoformat(str(found[0]))


@pytest.mark.parametrize(
    ("cron", "timezone", "words"),
    [
        ("every night", "UTC", "cron"),
        ("0 25 * * *", "UTC", "cron"),
        ("0 2 * * *", "Asia/Shangri-La", "timezone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(cron: str, timezone: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=re.compile(words, re.IGNORECASE)):
        cron_schedule(cron, timezone)


def test_prefect_yaml_deploys_what_is_scheduled_without_a_limit_of_prefects() -> None:
    (deployment,) = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    settings = ScheduleSettings()
    assert deployment["schedules"] == [{"cron": settings.cron, "timezone": settings.timezone}]
    module, _, name = deployment["entrypoint"].partition(":")
    assert (REPOSITORY / module).is_file()
    assert (name, deployment["name"]) == ("nightly", DEPLOYMENT)
    assert "concurrency_limit" not in deployment  # a dead run may hold it for ever


@pytest.mark.slow  # four refreshes in processes that Prefect starts
def test_nights_fail_and_succeed_and_a_word_ends_them(
    shop: Path, prefect_api: str, client: SyncPrefectClient
) -> None:
    options = ("--cron", "0 2 * * *", "--timezone", "Asia/Shanghai")
    with scheduler(shop, *options, **of_the_tests(prefect_api)) as process:
        until(
            lambda: "Ctrl-C ends it" in (shop / "schedule.log").read_text(), 60, "its first words"
        )

        def deployed() -> Any:
            assert process.poll() is None, (shop / "schedule.log").read_text()
            return [one for one in client.read_deployments() if one.name == "nightly"]

        (deployment,) = until(deployed, 60, "the deployment")
        (served,) = deployment.schedules
        assert (served.schedule.cron, served.schedule.timezone) == ("0 2 * * *", "Asia/Shanghai")
        assert served.active

        def run() -> FlowRun:
            return client.create_flow_run_from_deployment(deployment.id)

        assert ended(client, run()) == "Completed"
        assert as_of(shop) == date(2026, 1, 6)

        deliver(shop, "2", "2,Bob,tea,2026-01-07 10:00,none,3.50")  # cannot be read
        failed = run()
        assert ended(client, failed) == "Failed"
        assert len(versions(shop / "warehouse")) == 1
        assert process.poll() is None

        deliver(shop, "2", "2,Bob,tea,2026-01-07 10:00,1,3.50")
        (shop / "regulars.toml").write_text("as_of = 2026-01-07\n")  # read anew each night
        assert ended(client, run()) == "Completed"
        assert as_of(shop) == date(2026, 1, 7)

        deliver(shop, "3", "3,Cai,tea,2026-01-08 10:00,1,3.50")
        last = run()
        building = shop / "warehouse/work/building"
        until(building.is_dir, 60, "the last run")
        started = descendants(process.pid)
        begin = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - begin < 10
        until(lambda: not alive(started), 5, "the end of all that it started")
        assert ended(client, last, 20) == "Crashed"
    refreshed = subprocess.run(
        [REGULARS, "refresh"],
        cwd=shop,
        env=os.environ | of_the_tests(prefect_api),
        capture_output=True,
        text=True,
    )
    assert refreshed.returncode == 0, refreshed.stderr
    assert not building.exists()
    with duckdb.connect(published_file(shop / "warehouse"), read_only=True) as connection:
        assert connection.execute("select count(*) from core.fct_orders").fetchone() == (3,)


@pytest.mark.slow  # waits for a full minute of the clock
def test_nothing_outlives_a_killed_scheduler(shop: Path) -> None:
    with scheduler(shop, "--cron", "* * * * *") as process:
        building = shop / "warehouse/work/building"
        until(building.is_dir, 180, "the first night")
        started = descendants(process.pid)
        assert len(started) >= 2  # the server, and the run
        process.kill()
        process.wait()
        until(lambda: not alive(started), 5, "the end of all that it started")


@pytest.mark.slow
def test_a_work_pool_runs_what_prefect_yaml_deploys(
    shop: Path, prefect_api: str, client: SyncPrefectClient
) -> None:
    environment = os.environ | of_the_tests(prefect_api) | {"PREFECT_HOME": str(shop / "prefect")}

    def prefect(*arguments: str) -> None:
        finished = subprocess.run(
            [PREFECT, *arguments],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr

    prefect("work-pool", "create", "regulars", "--type", "process", "--overwrite")
    prefect("deploy", "--all", "--no-prompt")
    (deployment,) = [one for one in client.read_deployments() if one.work_pool_name == "regulars"]
    assert [one.schedule.cron for one in deployment.schedules] == ["0 2 * * *"]
    run = client.create_flow_run_from_deployment(
        deployment.id, parameters={"config": str(shop / "regulars.toml")}
    )
    prefect("worker", "start", "--pool", "regulars", "--type", "process", "--run-once")
    assert ended(client, run) == "Completed"
    assert len(versions(shop / "warehouse")) == 1
