"""Options that several commands share."""

import shlex
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        help="Settings file.",
        show_default="regulars.toml, where it exists",
        exists=True,
        dir_okay=False,
        metavar="FILE",
    ),
]
Landing = Annotated[
    Path | None,
    typer.Option(
        help="Folder with one folder of files for each source.",
        show_default="landing",
        file_okay=False,
        metavar="DIR",
    ),
]
Warehouse = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the published versions and of the work file.",
        show_default="warehouse",
        file_okay=False,
        metavar="DIR",
    ),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        help="Compute every mart as of this date; nothing dated on or after it is counted.",
        show_default="the day after the newest purchase",
        formats=["%Y-%m-%d"],
        metavar="DATE",
    ),
]

DEMO_WAREHOUSE = Path("demo/warehouse")  # of `regulars demo`, where no other is named


def repeated(config: Path | None, warehouse: Path | None) -> str:
    """What a proposed command needs to find the same warehouse: " --warehouse demo/warehouse"."""
    given = (("--config", config), ("--warehouse", warehouse))
    return "".join(f" {name} {shlex.quote(str(path))}" for name, path in given if path)


def day(moment: datetime | None) -> date | None:
    """Typer knows only moments; the settings want the day."""
    return moment.date() if moment else None
