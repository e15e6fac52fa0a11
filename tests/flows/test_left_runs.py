"""Runs of dead processes are closed; runs of living ones are left alone."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Pending, Running, Scheduled

from flows.left_runs import close_left_runs, close_runs_never_begun

RUN = """
import sys, time
from pathlib import Path
from prefect import flow, task
from prefect.context import FlowRunContext
from flows.left_runs import this_run_is_alive

@task
def work():
    time.sleep(1)  # Prefect hears of a task's start within a second
    print(FlowRunContext.get().flow_run.id, flush=True)
    time.sleep(600)

@flow
def refresh():
    with this_run_is_alive(Path(sys.argv[1])):
        work()

refresh()
"""


@pytest.fixture
def running(prefect_api: str, tmp_path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PREFECT_API_URL": prefect_api},
    )


def test_only_a_dead_run_is_closed(
    prefect_api: str, running: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert running.stdout
    run_id = UUID(running.stdout.readline().strip())
    runs = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    # Prefect was imported here before the server was up.
    ours = {
        PREFECT_API_URL: prefect_api,
        PREFECT_API_AUTH_STRING: os.environ["PREFECT_API_AUTH_STRING"],
    }
    with temporary_settings(ours), get_client(sync_client=True) as client:
        close_left_runs(tmp_path)
        assert client.read_flow_run(run_id).state_name == "Running"
        running.send_signal(signal.SIGKILL)
        running.wait()
        running.stdout.close()
        deadline = time.monotonic() + 20
        while not (tasks := client.read_task_runs(flow_run_filter=runs)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert [one.state_name for one in tasks] == ["Running"]
        close_left_runs(tmp_path)
        assert client.read_flow_run(run_id).state_name == "Crashed"
        assert [one.state_name for one in client.read_task_runs(flow_run_filter=runs)] == [
            "Crashed"
        ]
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_has_yet_to_lock_its_file_is_no_dead_one(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with ThreadPoolExecutor(1) as pool, (tmp_path / str(uuid4())).open("w") as lock:
        fcntl.flock(folder, fcntl.LOCK_EX)  # as of a run that begins
        alive = pool.submit(close_left_runs, tmp_path)
        with pytest.raises(TimeoutError):
            alive.result(0.3)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.close(folder)
        assert alive.result() == 1


@flow
def nightly() -> None:
    """Never run: only its deployment's runs are looked at."""


def test_runs_that_a_killed_scheduler_never_began_are_closed(
    prefect_api: str, tmp_path: Path
) -> None:
    ours = {
        PREFECT_API_URL: prefect_api,
        PREFECT_API_AUTH_STRING: os.environ["PREFECT_API_AUTH_STRING"],
    }
    with temporary_settings(ours), get_client(sync_client=True) as client:
        flow_id = client.create_flow(nightly)
        served, other = (client.create_deployment(flow_id, name) for name in ("served", "other"))

        def run(deployment: UUID, state: State[None] | None = None) -> UUID:
            flow_run = client.create_flow_run_from_deployment(deployment, state=Scheduled())
            if state is not None:
                client.set_flow_run_state(flow_run.id, state, force=True)
            return flow_run.id

        runs = {
            "pending": run(served, Pending()),
            "running": run(served, Running()),
            "alive": run(served, Running()),
            "killed before it had its lock": run(served, Running()),
            "killed before it had its lock, by an earlier release": run(served, Running()),
            "still to come": run(served),
            "completed": run(served, Completed()),
            "of another deployment": run(other, Pending()),
        }
        (tmp_path / str(runs["killed before it had its lock"])).touch()
        hidden = f".{runs['killed before it had its lock, by an earlier release']}"
        (tmp_path / hidden).touch()
        with (tmp_path / str(runs["alive"])).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            close_runs_never_begun(served, tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {str(runs["alive"])}
        states = {name: client.read_flow_run(one).state_name for name, one in runs.items()}
    assert states == {
        "pending": "Crashed",
        "running": "Crashed",
        "alive": "Running",
        "killed before it had its lock": "Crashed",
        "killed before it had its lock, by an earlier release": "Crashed",
        "still to come": "Scheduled",
        "completed": "Completed",
        "of another deployment": "Pending",
    }
