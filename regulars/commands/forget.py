"""`regulars forget`: remove people for good."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from regulars import options
from regulars.flow_run import FlowStoppedError, refuse_beside_another, run_flow
from regulars.terminal import count, fail, plain_table, screen, shown, visible

if TYPE_CHECKING:
    from flows.privacy.forget import Erasure
    from flows.settings import RefreshSettings


def forget(
    customers: Annotated[
        list[str], typer.Argument(help="The customer_ids, as shop:17.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: options.Config = None,
    landing: options.Landing = None,
    warehouse: options.Warehouse = None,
) -> None:
    """Remove people for good: from landing files, tables, versions, exports.

    What they bought stays in every figure, under the customer `erased`, who has
    no name, no score and no history. Files of the landing folder are rewritten.
    All tables are built again and published; older versions are removed, for
    they hold these people. A later load of the same files does not bring them
    back. It cannot be undone; backups made before still hold them.

    Interrupted, call it again: it finishes. The exit code is 1 where something
    is left of them that you must see to yourself.

    [bold]Examples[/bold]

      regulars forget shop:17
      regulars forget shop:17 shop:42 --yes
    """
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"landing": landing, "warehouse": warehouse})
    if not yes:
        people = ", ".join(map(visible, customers))
        typer.confirm(f"Remove {people} for good, with all older versions?", abort=True)
    erasure = _forget(settings, customers)
    _show(settings, erasure)
    if erasure.files_left or erasure.exports_left:
        raise typer.Exit(1)


def _forget(settings: "RefreshSettings", customers: list[str]) -> "Erasure":
    from flows.work_file import work_folder

    if not work_folder(settings.warehouse).is_dir():
        fail(f"there is no warehouse in {shown(settings.warehouse)} yet: nobody to forget")

    def flow() -> "Erasure":
        # Not before the server is up.
        from flows.privacy.forget import forget
        from flows.privacy.source_ids import ForgetError

        try:
            return forget(settings, customers)
        except (ForgetError, RefreshInProgressError) as error:
            raise FlowStoppedError(str(error)) from error

    from flows.privacy.source_ids import UnknownCustomerError, refuse_unknown
    from flows.work_file import RefreshInProgressError

    try:
        refuse_beside_another(settings, is_told=False)
        # Another process that came in between: the flow waits for it, and looks itself.
        with suppress(RefreshInProgressError):
            refuse_unknown(settings.warehouse, customers)
        return run_flow(settings, Console(stderr=True, highlight=False), flow)
    except (FlowStoppedError, UnknownCustomerError) as error:
        fail(str(error))


def _show(settings: "RefreshSettings", erasure: "Erasure") -> None:
    console = screen()
    facts = plain_table("Forgotten", f"{count(erasure.people)} people")
    facts.add_row("version", f"{erasure.version}, without them")
    facts.add_row("rows deleted", count(erasure.rows.deleted))
    facts.add_row("rows kept as `erased`", count(erasure.rows.kept))
    facts.add_row("rejected rows emptied", count(erasure.rejected_rows))
    facts.add_row("landing files rewritten", _listed(erasure.files_rewritten))
    facts.add_row("exports removed", _listed([shown(path) for path in erasure.exports_removed]))
    facts.add_row("versions removed", _listed(erasure.versions_removed))
    console.print(facts)
    for heading, left in (
        ("Not rewritten", erasure.files_left),
        ("Exports not removed", erasure.exports_left),
    ):
        if left:
            console.print(f"\n{heading}; see to these yourself:", style="yellow")
            for one in left:
                console.print(Text(f"  {visible(one)}"))
    console.print(
        f"\nBackups made before today still hold them. Copies that others took from "
        f"{shown(settings.warehouse)} are theirs to mend.",
        style="dim",
        markup=False,
    )


def _listed(names: list[str]) -> Text:
    return Text(", ".join(map(visible, names)) or "none")
