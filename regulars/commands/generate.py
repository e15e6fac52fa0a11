"""`regulars generate`: a shop to try things on, with the truth beside it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from regulars.terminal import count, fail, plain_table, program, screen, shown


def _print_example(is_asked: bool) -> None:
    if is_asked:
        from regulars.generated_shop.settings import example

        typer.echo(example(), nl=False)
        raise typer.Exit


def generate(
    out: Annotated[
        Path, typer.Option(help="A new folder for the shop.", file_okay=False, metavar="DIR")
    ],
    customers: Annotated[
        int | None,
        typer.Option(help="People, those included who never buy.", show_default="20,000", min=1),
    ] = None,
    years: Annotated[
        int | None, typer.Option(help="Length of the history.", show_default="3", min=1, max=30)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another one gives another shop.", show_default="1", min=0)
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            help="Last day of the history.",
            show_default="2025-12-31",
            formats=["%Y-%m-%d"],
            metavar="DATE",
        ),
    ] = None,
    nightly: Annotated[
        int | None,
        typer.Option(
            help="Days after it, each a delivery of its own in nights/.",
            show_default="0",
            min=0,
            max=180,
        ),
    ] = None,
    scale_only: Annotated[
        bool, typer.Option("--scale-only", help="Only orders and products, without the truth.")
    ] = False,
    settings: Annotated[
        Path | None,
        typer.Option(
            help="How people buy, what is planted, how names are damaged: a TOML file, or the "
            "truth/settings.json of another generated shop.",
            dir_okay=False,
            metavar="FILE",
        ),
    ] = None,
    example: Annotated[
        bool,
        typer.Option(
            "--example",
            help="Print the documented settings file instead.",
            callback=_print_example,
            is_eager=True,
        ),
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(help="Processes; the bytes are the same.", show_default="all cores", min=1),
    ] = None,
) -> None:
    """Make a shop: its systems' files, their mappings, and the truth about it.

    A seller of English books and courses with a web shop, a marketplace,
    three branches, a call centre and a loyalty scheme. The same settings
    give the same bytes. What is true of the people and what was planted
    stands in truth/, which no refresh reads.

    [bold]Examples[/bold]

      regulars generate --out shop
      regulars refresh --config shop/regulars.toml
      regulars generate --out shop --nightly 30   (a month of deliveries)
      regulars generate --example > shop.toml     (all its settings)
    """
    from regulars.generated_shop.generate import generate as write_shop
    from regulars.generated_shop.settings import read_settings
    from regulars.settings_file import InvalidSettingsError

    try:
        shop = read_settings(
            settings,
            {
                "customers": ("--customers", customers),
                "years": ("--years", years),
                "seed": ("--seed", seed),
                "last_day": ("--until", until.date() if until else None),
                "nights": ("--nightly", nightly),
            },
        )
    except InvalidSettingsError as error:
        fail(str(error))
    last = shop.last_day + timedelta(days=shop.nights)
    if last >= date.today():
        fail(
            f"the last delivery would be of {last}, which is not yet over; "
            "a refresh rejects orders of the future.\n"
            "Next: an earlier --until, or fewer nights."
        )
    console = screen()
    with _progress(console) as advance:
        try:
            records = write_shop(
                shop,
                out,
                is_scale_only=scale_only,
                processes=processes or os.cpu_count() or 1,
                progress=advance,
            )
        except OSError as error:
            fail(_why_not_written(out, error))
        except KeyboardInterrupt:
            Console(stderr=True, highlight=False).print(
                f"Interrupted: what is in {shown(out)} is half a shop; remove it.", markup=False
            )
            raise typer.Exit(130) from None
    console.print(_summary(records))
    where = shown(out / "regulars.toml")
    console.print(
        f"\nNext: `{program()} refresh --config {where}` builds the warehouse of it.", markup=False
    )
    if shop.nights:
        first = shop.last_day + timedelta(days=1)
        console.print(
            f"A night comes with `cp -r {shown(out)}/nights/{first}/. {shown(out)}/landing/` "
            "and another refresh.",
            markup=False,
        )


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; elsewhere nothing, for the summary says it all."""
    with Progress(
        TextColumn("Make the shop"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task("")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _why_not_written(out: Path, error: OSError) -> str:
    """What kept a shop from being written, where, and what its folder is left with."""
    if isinstance(error, FileExistsError) and error.errno is None:
        return str(error)  # the folder was not empty, and was left alone; the system gives a number
    why = error.strerror or str(error)
    file = f" ({shown(Path(os.fsdecode(error.filename)))})" if error.filename else ""
    half = (
        f"\nWhat is in {shown(out)} is half a shop, which no refresh should read: remove it."
        if _is_begun(out)
        else ""
    )
    return (
        f"the shop could not be written into {shown(out)}: {why}{file}{half}\n"
        "Next: mend that, or name another --out, and generate again."
    )


def _is_begun(out: Path) -> bool:
    """Whether anything is in a folder that held nothing before."""
    try:
        return any(out.iterdir())
    except OSError:  # never made, or never ours to look into
        return False


def _summary(records: dict[str, int]) -> Table:
    """Files and records by folder: the sources of the landing folder, the nights, the truth."""
    totals: dict[str, list[int]] = {}
    for path, number in records.items():
        top, below = path.split("/")[:2]
        name = below if top == "landing" else top
        files = totals.setdefault(name, [0, 0])
        files[0] += 1
        files[1] += number
    table = plain_table("", "files", "records", numbers=["files", "records"])
    for name, (in_all, number) in totals.items():
        table.add_row(name, count(in_all), count(number))
    return table
