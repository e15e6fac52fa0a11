"""`regulars backup`: what cannot be derived, in a folder of Parquet files."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from regulars import options
from regulars.terminal import count, fail, program, screen, shown


def backup(
    target: Annotated[
        Path, typer.Argument(help="Folder to make; it must not exist yet.", metavar="FOLDER")
    ],
    config: options.Config = None,
    warehouse: options.Warehouse = None,
) -> None:
    """Back up what cannot be derived: raw data, state, your settings and mappings.

    All tables come from these again, so a backup is small. It may run at any
    time, also beside a refresh: it holds the warehouse as last published.
    It holds names and contacts: only you may read the folder, keep it so.

    [bold]Examples[/bold]

      regulars backup /backups/2026-11-22
      regulars restore /backups/2026-11-22 --warehouse /srv/new
    """
    from flows.backup import BackupError, write_backup
    from flows.database_file import NewerWarehouseError
    from regulars.reading import load_or_fail
    from regulars.settings import DEFAULT_FILE

    settings = load_or_fail(config, {"warehouse": warehouse})
    settings_file = config or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    try:
        made = write_backup(settings, target, settings_file)
    except (BackupError, NewerWarehouseError) as error:
        fail(str(error))
    console = screen()
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    rows = sum(table.rows for table in made.tables)
    console.print(
        f"Backed up version [bold]{made.version or '(none published yet)'}[/bold] to "
        f"[bold]{escape(shown(target))}[/bold]: {count(rows)} rows of {len(made.tables)} tables "
        f"and {len(made.files)} other files, {size / 1e6:,.1f} MB.",
        soft_wrap=True,
    )
    console.print("It holds names and contacts: keep it where only you can read it.")
    console.print(
        f"\n[dim]What next[/dim]\n  {program()} restore {escape(shown(target))} --warehouse NEW",
        soft_wrap=True,
    )
