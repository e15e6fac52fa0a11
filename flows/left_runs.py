"""Runs that Prefect believes to be running, though their process is gone: a kill leaves no word.

Each run holds a lock on a file of its own for as long as its process lives; the kernel lets go of
it however the process ends. So a run whose file is there and not locked has died, and is closed.
A run makes its file and locks it, and others look for files that nobody locks, under a lock on the
folder: what they find without a lock is never a run that has just begun.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from flows.leftovers import remove_leftover

logger = logging.getLogger(__name__)
_ENDED = "the process ended without a word (killed?)"


@contextmanager
def this_run_is_alive(folder: Path) -> Iterator[None]:
    """Close the runs that died, and show until the end of the block that this one lives.

    Outside of a flow run nothing happens.

    Args:
        folder: where the runs of one warehouse keep their locks; made where it is not there.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    close_left_runs(folder)
    path = folder / str(context.flow_run.id)
    with ExitStack() as until_the_end:
        with _locked(folder):
            lock = until_the_end.enter_context(path.open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            remove_leftover(path)  # the run has ended by then; the next one finds it so


def close_left_runs(folder: Path) -> int:
    """Mark as crashed the runs, and their tasks, whose process is gone; returns how many live."""
    runs = _look_at(folder)
    for path in runs.dead:
        try:
            with get_client(sync_client=True) as client:
                # Earlier releases hid a file until it was locked.
                _close(client, UUID(path.name.removeprefix(".")))
        except Exception:
            logger.warning("run %s died and could not be closed", path.name, exc_info=True)
        else:
            path.unlink(missing_ok=True)
    return len(runs.alive)


class _Runs(NamedTuple):
    """The files of runs, by whether a living process holds them."""

    alive: list[Path]
    dead: list[Path]


def _look_at(folder: Path) -> _Runs:
    runs = _Runs([], [])
    if not folder.is_dir():  # no run has begun yet
        return runs
    with _locked(folder):
        for path in sorted(folder.iterdir()):
            try:
                with path.open() as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                runs.alive.append(path)
            except FileNotFoundError:  # it has just ended well
                pass
            else:
                runs.dead.append(path)
    return runs


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's own lock, which is held for moments only."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def close_runs_never_begun(deployment_id: UUID, folder: Path) -> None:
    """Mark as crashed the runs of a deployment whose killed scheduler was about to start them.

    A scheduler takes its runs with it (flows/schedule.py). One that was killed while its process
    imported holds no lock yet and never did: only Prefect knows of it, as pending or running.

    Args:
        deployment_id: the deployment, which no scheduler serves just now.
        folder: where its runs keep their locks; those that hold one, a worker's, are left alone.
    """
    close_left_runs(folder)
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
    unfinished = FlowRunFilter(
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(
                any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
            )
        )
    )
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(deployment_filter=ours, flow_run_filter=unfinished)
        alive = {path.name for path in _look_at(folder).alive}
        for run in found:
            if str(run.id) not in alive:
                _close(client, run.id)


def _close(client: SyncPrefectClient, flow_run_id: UUID) -> None:
    try:
        flow_run = client.read_flow_run(flow_run_id)
    except ObjectNotFound:  # of another server, or pruned
        return
    if flow_run.state is None or not flow_run.state.is_final():
        client.set_flow_run_state(flow_run_id, Crashed(message=_ENDED), force=True)
    unfinished = TaskRunFilter(
        state=TaskRunFilterState(
            type=TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
        )
    )
    runs = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    while found := client.read_task_runs(flow_run_filter=runs, task_run_filter=unfinished):
        for task_run in found:
            client.set_task_run_state(task_run.id, Crashed(message=_ENDED), force=True)
