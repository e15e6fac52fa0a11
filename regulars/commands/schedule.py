"""`regulars schedule`: the refresh, night after night."""

from pathlib import Path
from typing import Annotated

import typer

from regulars import options
from regulars.flow_run import hand_on_whom_to_tell, tell_of_no_run
from regulars.terminal import fail, screen, shown


def schedule(
    config: options.Config = None,
    cron: Annotated[
        str | None,
        typer.Option(
            help="When: minute, hour, day of month, month, day of week.",
            show_default="0 2 * * *, or as \\[schedule] says",
            metavar="EXPRESSION",
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            help="By which clocks, as Asia/Shanghai.",
            show_default="UTC, or as \\[schedule] says",
            metavar="NAME",
        ),
    ] = None,
    landing: options.Landing = None,
    warehouse: options.Warehouse = None,
) -> None:
    """Refresh every night, until you end it (Ctrl-C, or SIGTERM).

    It serves the Prefect deployment nightly/nightly on a server of its own, or
    on yours where PREFECT_API_URL names one. Each night runs in a process of its
    own and reads the settings file anew; a night that fails does not end the
    schedule. Only the schedule itself is read once.

    [bold]Examples[/bold]

      regulars schedule --cron "0 2 * * *" --timezone Asia/Shanghai
    """
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"landing": landing, "warehouse": warehouse})
    hand_on_whom_to_tell(settings)
    from flows.prefect_server import PrefectServerError, start_prefect_server
    from flows.work_file import make_private, work_folder

    folder = work_folder(settings.warehouse)
    make_private(folder)
    try:
        start_prefect_server(folder / "prefect", settings.schedule.keep_days)
    except PrefectServerError as error:
        # Whoever watches over this process starts it again and again.
        tell_of_no_run(settings, str(error), is_repeated=False)
        fail(str(error))
    from flows.schedule import ScheduleError, cron_schedule, serve  # not before the server is up
    from regulars.nightly import nightly

    try:
        when = cron_schedule(cron or settings.schedule.cron, timezone or settings.schedule.timezone)
    except ScheduleError as error:
        fail(str(error))
    screen().print(
        f"Refreshing {shown(settings.warehouse)} at [bold]{when.cron}[/bold] "
        f"({when.timezone}). Ctrl-C ends it.",
        soft_wrap=True,
    )
    serve(
        nightly,
        when,
        {
            "config": _absolute(config),
            "landing": _absolute(landing),
            "warehouse": _absolute(warehouse),
        },
        folder / "prefect" / "running",
    )


def _absolute(path: Path | None) -> str | None:
    """Return the path as a run in another working folder finds it, for JSON."""
    return str(path.absolute()) if path else None
