"""The schedule: a Prefect deployment that runs a flow night after night, each in a new process.

A run that fails or dies does not end the schedule. The schedule's own end, however it comes, ends
the run in progress too: the kernel kills what the scheduler started. A killed refresh loses nothing
(flows/building.py), so nothing waits for it.
"""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.runner import Runner
from prefect.schedules import Cron, Schedule
from prefect.types import DateTime
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from flows.left_runs import close_left_runs, close_runs_never_begun
from flows.parent_process import end_with_parent

DEPLOYMENT = "nightly"
_SECONDS_TO_END = 8.0
_SECONDS_TO_REPORT = 2.0
_SCHEDULER = "REGULARS_SCHEDULER_PID"


class ScheduleError(Exception):
    """The schedule cannot be understood; says which part of it."""


def cron_schedule(cron: str, timezone: str) -> Schedule:
    """Return when to run.

    Args:
        cron: minute, hour, day of month, month and day of week, as "0 2 * * *".
        timezone: an IANA name, as "Asia/Shanghai": the hour is that of its clocks, summer and
            winter.

    Raises:
        ScheduleError: for a cron expression or a time zone that does not exist.
    """
    try:
        CronSchedule(cron=cron, timezone=timezone)
    except ValidationError as error:
        reasons = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
        raise ScheduleError(f"no such schedule: {reasons}") from error
    return Cron(cron, timezone=timezone)


def serve(
    flow: Flow[..., Any], schedule: Schedule, parameters: Mapping[str, Any], running: Path
) -> None:
    """Run a flow at the times of a schedule until this process is told to end.

    One run at a time: what is due meanwhile waits. Nights that passed while nothing was serving are
    not made up for: the next one takes in what they left.

    Args:
        flow: a flow of an importable module; it calls `end_with_scheduler` first of all.
        schedule: when to run it.
        parameters: given to the flow each time.
        running: the folder by which the flow's runs show that they are alive (flows/left_runs.py).
    """
    os.environ[_SCHEDULER] = str(os.getpid())
    try:
        asyncio.run(_serve(flow, schedule, parameters, running))
    finally:
        _say_that_runs_ended(running)


async def _serve(
    flow: Flow[..., Any], schedule: Schedule, parameters: Mapping[str, Any], running: Path
) -> None:
    began = DateTime.now("UTC")
    runner = Runner(name=DEPLOYMENT, limit=1, pause_on_shutdown=False, query_seconds=5)
    deployment_id = await runner.aadd_deployment(
        await flow.ato_deployment(
            DEPLOYMENT,
            schedule=schedule,
            parameters=dict(parameters),
            # No limit of Prefect's on top of ours; prefect.yaml says why.
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
    )
    await asyncio.to_thread(close_runs_never_begun, deployment_id, running)
    await _forget_missed_runs(deployment_id, began)
    serving = asyncio.create_task(runner.start())
    loop = asyncio.get_running_loop()
    while not runner.started and not serving.done():
        await asyncio.sleep(0.05)
    # The runner has its own handlers by now, which would wait for the run in progress.
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, lambda: _end(serving))
    with suppress(asyncio.CancelledError):
        await serving


async def _forget_missed_runs(deployment_id: UUID, began: DateTime) -> None:
    """Delete the runs that were due while nothing was serving, up to a hundred of them.

    Those only: what somebody asks for as soon as the deployment is seen is due after `began`.
    """
    ours = DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id]))
    missed = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=began),
    )
    async with get_client() as client:
        while found := await client.read_flow_runs(flow_run_filter=missed, deployment_filter=ours):
            for run in found:
                await client.delete_flow_run(run.id)


def _end(serving: "asyncio.Task[None]") -> None:
    """Stop the runner, which kills the run in progress; what takes too long is cut short."""
    last_word = Timer(_SECONDS_TO_END, os._exit, [1])
    last_word.daemon = True
    last_word.start()
    serving.cancel()


def _say_that_runs_ended(running: Path) -> None:
    """Tell Prefect of the run that was killed, once its process is gone."""
    deadline = time.monotonic() + _SECONDS_TO_REPORT
    while close_left_runs(running) and time.monotonic() < deadline:
        time.sleep(0.1)


def end_with_scheduler() -> None:
    """Let this process, where a scheduler started it, not outlive that scheduler."""
    scheduler = os.environ.get(_SCHEDULER)
    if scheduler is not None:
        end_with_parent(int(scheduler))
