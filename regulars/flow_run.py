"""Runs a flow for a command: Prefect's server, the progress on the screen, the log beside."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from regulars.terminal import shown

if TYPE_CHECKING:
    from flows.settings import RefreshSettings

Result = TypeVar("Result")


class FlowStoppedError(Exception):
    """What to tell when the progress is off the screen."""


def run_flow(settings: "RefreshSettings", console: Console, flow: Callable[[], Result]) -> Result:
    """Call a flow with its progress on the screen.

    Args:
        settings: for the warehouse's own Prefect and logs.
        console: where progress is shown.
        flow: imports the flow and calls it; called when the server is up, not before.

    Raises:
        FlowStoppedError: the flow failed; its message is for people.
    """
    from flows.prefect_server import PrefectServerError, start_prefect_server
    from flows.stages import stage
    from flows.work_file import work_folder
    from regulars.progress import StageProgress, log_to

    folder = work_folder(settings.warehouse)
    log_file = folder / "logs" / "refresh.log"
    with StageProgress(console).shown(), log_to(log_file):
        try:
            with stage("start", []):
                start_prefect_server(folder / "prefect", settings.schedule.keep_days)
        except PrefectServerError as error:
            raise FlowStoppedError(str(error)) from error
        from flows.refresh import RefreshError  # not before the server is up

        try:
            return flow()
        except RefreshError as error:
            raise FlowStoppedError(
                f"{error}\nNothing was published; what was published before stays. "
                f"Details: {shown(log_file)}"
            ) from error
