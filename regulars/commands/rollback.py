"""`regulars rollback`: let readers see another kept version."""

from typing import Annotated

import typer

from regulars import options
from regulars.terminal import fail, program, screen


def rollback(
    version: Annotated[
        str | None,
        typer.Argument(
            help="The version, or the beginning of its name.",
            show_default="the one before the current",
        ),
    ] = None,
    config: options.Config = None,
    warehouse: options.Warehouse = None,
) -> None:
    """Let readers see another kept version, at once and without building anything.

    Only what readers see goes back: the data that was loaded stays loaded. The
    next refresh with new data publishes all of it again, the newest included.
    A version newer than the current one may be named too: that undoes this.

    [bold]Examples[/bold]

      regulars rollback
      regulars rollback 20260102T0304
      regulars rollback newest                    undo it
    """
    from flows.building import settle
    from flows.publish.differences import UnknownVersionError, resolved_version
    from flows.publish.versions import current_version, switch_to, versions
    from flows.work_file import RefreshInProgressError, sole_refresh
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"warehouse": warehouse})
    if not versions(settings.warehouse):
        fail(
            f"nothing is published in {settings.warehouse} yet: there is nothing to go back to.\n"
            f"Next: `{program()} refresh{options.repeated(config, warehouse)}`"
        )
    try:
        with sole_refresh(settings.warehouse):
            # What a killed refresh left is settled by what is current, so before that changes.
            settle(settings.warehouse)
            before = current_version(settings.warehouse)
            chosen = resolved_version(settings.warehouse, version or "previous")
            if chosen != before:
                switch_to(settings.warehouse, chosen)
            newest = versions(settings.warehouse)[-1]
    except UnknownVersionError as error:
        listed = f"{program()} versions{options.repeated(config, warehouse)}"
        fail(f"{error}.\nNext: `{listed}` says which is which.")
    except RefreshInProgressError as error:
        fail(str(error))
    console = screen()
    if chosen == before:
        console.print(f"Readers see {chosen} already: nothing to do.")
        return
    console.print(f"Readers see [bold]{chosen}[/bold] now; before, {before}.")
    if chosen != newest:
        console.print(
            "\nLoaded data stays loaded: a refresh with nothing new leaves this version, and the "
            "next one\nwith new data publishes on top of the newest data again, what was wrong in "
            "it included.\nMend the files at fault and deliver them again; "
            f"`{program()} diff {chosen} {newest}` shows what changed.",
            markup=False,
            soft_wrap=True,
        )
