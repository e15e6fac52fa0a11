"""`regulars restore`: a warehouse from a backup."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from regulars import options
from regulars.terminal import fail, program, screen, shown

if TYPE_CHECKING:
    from flows.refresh import RefreshResult


def restore(
    backup: Annotated[
        Path,
        typer.Argument(
            help="The folder that `regulars backup` made.",
            exists=True,
            file_okay=False,
            metavar="BACKUP",
        ),
    ],
    config: options.Config = None,
    warehouse: options.Warehouse = None,
) -> None:
    """Build and publish a warehouse from a backup, where none is yet.

    Every file of the backup is checked first. Settings file and mappings are
    put back where they are missing; those that are there stay. What was loaded
    before the backup is not loaded again; what came later loads at the next
    refresh, from the landing folder.

    People forgotten after the backup was made are in it: forget them again.

    [bold]Example[/bold]

      regulars restore /backups/2026-11-22 --warehouse /srv/new
    """
    from flows.backup import SETTINGS_FILE, BackupError, read_backup
    from flows.database_file import NewerWarehouseError
    from flows.restore import (
        different_settings,
        newest_run,
        put_back_mappings,
        put_back_settings,
        put_back_tables,
        refuse_newer_backup,
        refuse_unless_empty,
        settings_to_be,
    )
    from flows.work_file import RefreshInProgressError
    from regulars.flow_run import FlowStoppedError, run_flow
    from regulars.settings import DEFAULT_FILE, load_settings
    from regulars.settings_file import InvalidSettingsError

    console = screen()
    settings_file = config or DEFAULT_FILE
    found = None
    try:
        contents = read_backup(backup)
        refuse_newer_backup(backup, contents)
        # Nothing is laid down for a warehouse that cannot be restored.
        with settings_to_be(backup, settings_file) as found:
            settings = load_settings(found or config, {"warehouse": warehouse})
        refuse_unless_empty(settings.warehouse)
        said = put_back_settings(backup, settings_file)
        said += put_back_mappings(backup, settings.mappings)
    except InvalidSettingsError as error:
        fail(str(error).replace(str(found), shown(backup / SETTINGS_FILE)))
    except (BackupError, NewerWarehouseError, RefreshInProgressError) as error:
        fail(str(error))
    said += [
        f"Figures may differ, for a setting does: {one}."
        for one in different_settings(contents, settings)
    ]
    for one in said:
        console.print(escape(one), soft_wrap=True)

    def flow() -> "RefreshResult":
        from flows.refresh import rebuild

        return rebuild(
            settings,
            lambda connection: put_back_tables(connection, backup, contents, settings.warehouse),
            after=newest_run(backup, contents),
        )

    try:
        result = run_flow(settings, Console(stderr=True, highlight=False), flow)
    except (BackupError, NewerWarehouseError, FlowStoppedError) as error:
        fail(str(error))
    for warning in result.warnings:
        console.print(f"[yellow]Warning:[/yellow] {escape(warning)}", soft_wrap=True)
    path = settings.warehouse / "current" / result.published_file.name
    console.print(
        f"Published version [bold]{result.run_id}[/bold] in [bold]{escape(shown(path))}[/bold]: "
        f"all that version {contents.version or '(none)'} was made from, as of "
        f"{result.as_of_date or 'no day, for there is no purchase'}.",
        soft_wrap=True,
    )
    repeated = options.repeated(config, warehouse)
    console.print("\n[dim]What next[/dim]")
    for command in ("status", "refresh"):
        console.print(f"  {program()} {command}{escape(repeated)}", soft_wrap=True)
