"""Runs a flow for a command: Prefect's server, the progress on the screen, the log beside."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from rich.console import Console

from regulars.terminal import shown

if TYPE_CHECKING:
    from flows.settings import RefreshSettings

Result = TypeVar("Result")
# Whom a schedule's runs tell, and of which warehouse, where they cannot read the settings.
_AS_SCHEDULED: Final = "REGULARS_AS_SCHEDULED"


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
            tell_of_no_run(settings, str(error))
            raise FlowStoppedError(str(error)) from error
        from flows.refresh import RefreshError  # not before the server is up

        try:
            return flow()
        except RefreshError as error:
            raise FlowStoppedError(
                f"{error}\nNothing was published; what was published before stays. "
                f"Details: {shown(log_file)}"
            ) from error


def refuse_beside_another(settings: "RefreshSettings", *, is_told: bool) -> None:
    """See that no other process works on the warehouse: at once, not when Prefect is up.

    The lock is let go again: what comes in between, the flow finds. Where the settings wait for the
    other to end, nothing happens: Prefect may start meanwhile.

    Args:
        settings: of the run that is to begin.
        is_told: whether those whom the settings name are told of a refusal, as the flow does.

    Raises:
        FlowStoppedError: another process holds the warehouse.
    """
    from flows.notices import tell_how_it_went
    from flows.work_file import RefreshInProgressError, sole_refresh

    if settings.wait_minutes:
        return
    try:
        # That the lock cannot be made is told by what comes next.
        with suppress(OSError), sole_refresh(settings.warehouse):
            pass
    except RefreshInProgressError as error:
        message = f"{error}, or let this one wait: wait_minutes in regulars.toml"
        if is_told:
            tell_how_it_went(settings, "failure", None, message)
        raise FlowStoppedError(message) from error


def tell_of_no_run(settings: "RefreshSettings", why: str, *, is_repeated: bool = True) -> None:
    """Tell those whom the settings name, and `regulars status`, that no run could begin.

    Args:
        settings: of the run that could not begin.
        why: what stood in its way.
        is_repeated: whether to tell what was told of the last try, too.
    """
    from flows.notices import tell_how_it_went
    from flows.runs import could_not_begin, keep_trouble, last_trouble
    from flows.work_file import RefreshInProgressError, sole_refresh, work_folder

    told = last_trouble(settings.warehouse)
    is_told = told is not None and told.run_id is None and told.message.endswith(why)
    if is_told and not is_repeated:
        return
    trouble = could_not_begin(settings.warehouse, why)
    if work_folder(settings.warehouse).is_dir():  # else nobody has a warehouse here yet
        # Where another process works on the warehouse, what it finds counts.
        with suppress(RefreshInProgressError, OSError), sole_refresh(settings.warehouse):
            keep_trouble(settings.warehouse, trouble)
    tell_how_it_went(settings, "failure", None, trouble.message)


def hand_on_whom_to_tell(settings: "RefreshSettings") -> None:
    """Let the processes that this one starts know whom to tell where they cannot read settings.

    By the environment, as secrets come: other users cannot read it.
    """
    notices = settings.notices.model_dump(mode="json")
    if settings.notices.webhook is not None:
        notices["webhook"] = settings.notices.webhook.get_secret_value()
    handed = {"warehouse": str(settings.warehouse), "notices": notices}
    os.environ[_AS_SCHEDULED] = json.dumps(handed)


def tell_of_no_settings(why: str) -> None:
    """Tell those whom the scheduler knew that no run could begin, for the settings are wrong.

    Where no scheduler has started this process nobody is known.
    """
    from flows.settings import RefreshSettings

    if handed := os.environ.get(_AS_SCHEDULED):
        tell_of_no_run(RefreshSettings.model_validate_json(handed), why)
