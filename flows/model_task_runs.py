"""Each model that dbt builds, seen as a task run of the Prefect flow that builds it.

prefect-dbt's runner starts a task engine in a thread of its own for every model, which costs 0.16 s
a model. dbt says itself when a model starts and ends, so the task runs are reported as what they
are: events, by which Prefect's own engine reports its task runs too. That costs half a millisecond.
"""

from contextvars import Context, copy_context
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Self
from uuid import UUID, uuid4

from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg
from prefect.client.schemas.objects import State, StateType, TaskRun, TaskRunResult
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events.schemas.events import Event
from prefect.states import Completed, Crashed, Failed, Running
from prefect.types import DateTime
from prefect.utilities.engine import emit_task_run_state_change_event

from flows.dbt_errors import class_told

_REPORTED = ("model", "seed")
_BUILT = "success"
_SKIPPED = "skipped"


class ModelTaskRuns:
    """Reports the models and seeds of one call of dbt to the flow run that surrounds it.

    It is itself the callback that dbt calls with each of its events, from any of its threads. The
    end of the `with` block marks as crashed what dbt began and did not end.

    Args:
        manifest: the project, which says what each model reads.
        flow_run_id: the flow run that the task runs belong to.
        parent_id: the task run that calls dbt, where one does.
    """

    def __init__(self, manifest: Manifest, flow_run_id: UUID, parent_id: UUID | None) -> None:
        self._manifest = manifest
        self._flow_run_id = flow_run_id
        self._parents = [TaskRunResult(id=parent_id)] if parent_id else []
        self._lock = Lock()
        self._running: dict[str, tuple[TaskRun, Event | None]] = {}
        self._ids: dict[str, UUID] = {}
        # Prefect reads from the context which flow run an event belongs to. dbt calls back in
        # threads of its own, which have none.
        self._context: Context = copy_context()

    @classmethod
    def of_this_run(cls, manifest: Manifest) -> Self | None:
        """Return a reporter to the flow run that is running here; None outside of one."""
        flow_run = FlowRunContext.get()
        if flow_run is None or flow_run.flow_run is None:
            return None
        task_run = TaskRunContext.get()
        return cls(manifest, flow_run.flow_run.id, task_run.task_run.id if task_run else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for node_id in list(self._running):
            self._end(node_id, Crashed(message="dbt was interrupted"))

    def __call__(self, event: EventMsg) -> None:
        """Take one event of dbt's; those that are not the start or end of a model say nothing."""
        name = event.info.name
        if name not in ("NodeStart", "NodeFinished"):
            return
        node = event.data.node_info
        if node.resource_type not in _REPORTED:
            return
        if name == "NodeStart":
            self._begin(node.unique_id, f"{node.resource_type} {node.node_name}")
        else:
            self._end(node.unique_id, _final_state(event.data.run_result))

    def _begin(self, node_id: str, name: str) -> None:
        now = datetime.now(UTC)
        read = self._manifest.nodes[node_id].depends_on_nodes
        task_run_id = uuid4()
        task_run = TaskRun(
            id=task_run_id,
            name=name,
            flow_run_id=self._flow_run_id,
            task_key="dbt",
            dynamic_key=str(task_run_id),
            run_count=1,
            flow_run_run_count=1,
            expected_start_time=now,
            start_time=now,
            state=Running(timestamp=now),
            task_inputs={
                "__parents__": self._parents,
                "reads": [TaskRunResult(id=self._ids[one]) for one in read if one in self._ids],
            },
        )
        with self._lock:
            self._ids[node_id] = task_run.id
            self._running[node_id] = task_run, self._report(task_run, None, task_run.state)

    def _end(self, node_id: str, state: State[Any]) -> None:
        with self._lock:
            task_run, started = self._running.pop(node_id)
            before, task_run.state = task_run.state, state
            task_run.end_time = ended = DateTime.instance(state.timestamp)
            if task_run.start_time:
                task_run.total_run_time = ended - task_run.start_time
            self._report(task_run, before, state, started)

    def _report(
        self,
        task_run: TaskRun,
        before: State[Any] | None,
        state: State[Any] | None,
        follows: Event | None = None,
    ) -> Event | None:
        assert state is not None  # noqa: S101 (ours always have one; the type allows none)
        return self._context.copy().run(
            emit_task_run_state_change_event, task_run, before, state, follows
        )


def _final_state(result: Any) -> State[Any]:
    """The state of a task run after dbt's result for its node.

    Messages of DuckDB may quote values of rows, which may be personal: only the kind of error goes
    to Prefect (flows/dbt_errors.py), the rest stands in dbt's own log.
    """
    if result.status == _BUILT:
        return Completed()
    if result.status == _SKIPPED:
        return State(
            type=StateType.CANCELLED, name="Skipped", message="a model that it reads failed"
        )
    return Failed(message=f"{class_told(result.message)}: see dbt.log")
