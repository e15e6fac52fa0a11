"""`regulars source`: the source systems, each a mapping of files onto the input contract."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.text import Text

from regulars import landing_notes, options
from regulars.terminal import count, fail, plain_table, program, screen, shown, visible

if TYPE_CHECKING:
    from flows.load.mapping import Mapping
    from flows.settings import RefreshSettings

Name = Annotated[str, typer.Argument(help="The source's name.", metavar="NAME")]

app = typer.Typer(
    no_args_is_help=True,
    help="Describe source systems: list and show mappings, write a first one, try it.",
)


@app.command("list")
def list_sources(config: options.Config = None, landing: options.Landing = None) -> None:
    """List the known sources: the ready ones and your own."""
    from flows.load.mapping import MappingError, load_mapping
    from flows.project import project_folder
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"landing": landing})
    table = plain_table("Source", "title", "mapping", "files", "delivers")
    known = _known(settings)
    for name, file in known.items():
        is_ready = file.resolve().is_relative_to(project_folder() / "sources")
        try:
            mapping = load_mapping(file)
            title, entities = visible(mapping.title), _shortened(list(mapping.entities))
        except MappingError:
            title, entities = "not valid", f"see regulars source show {name}"
        table.add_row(
            name,
            escape(title),
            "ready" if is_ready else "yours",
            "there" if (settings.landing / name).is_dir() else "–",
            entities,
        )
    console = screen()
    console.print(table)
    landing_folder, mappings = escape(shown(settings.landing)), escape(shown(settings.mappings))
    console.print(
        f"\n[dim]The files of a source lie in {landing_folder}/NAME/, your own mappings in "
        f"{mappings}/NAME.yml.[/dim]",
        soft_wrap=True,
    )
    notes = landing_notes.of_folders(settings.landing, known, settings.mappings)
    landing_notes.print_them(console, notes)


@app.command("show")
def show(name: Name, config: options.Config = None, landing: options.Landing = None) -> None:
    """Print a source's mapping, and which files it finds."""
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"landing": landing})
    file = known_file(settings, name)
    mapping = _load(file)
    folder = settings.landing / mapping.source
    console = screen()
    console.print(f"[bold]{escape(visible(mapping.title))}[/bold]")
    console.print(f"[dim]mapping[/dim] {escape(shown(file))}", soft_wrap=True)
    console.print(f"[dim]files[/dim]   {escape(shown(folder))}\n", soft_wrap=True)
    table = plain_table("Entity", "looks for", "finds")
    for entity, part in mapping.entities.items():
        patterns = [*part.files, *(one for join in part.join for one in join.files)]
        for pattern in patterns:
            table.add_row(
                entity, escape(pattern), escape(_found(settings.landing, mapping.source, pattern))
            )
        for one in part.tables:
            table.add_row(entity, escape(visible(one.label)), "a table of a database")
    console.print(table)
    landing_notes.print_them(console, landing_notes.of_source(mapping, settings.landing))
    console.print()
    typer.echo(file.read_text("utf-8"), nl=False)


@app.command("new")
def new(
    files: Annotated[
        list[Path],
        typer.Argument(help="The source's files.", exists=True, dir_okay=False, metavar="FILE"),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the source: small letters, digits and _.",
            show_default="after the first file",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write.", show_default="sources/NAME.yml", dir_okay=False, metavar="FILE"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    config: options.Config = None,
    landing: options.Landing = None,
) -> None:
    """Look at files and write a first mapping of them, to be read and mended by you.

    [bold]Examples[/bold]

      regulars source new orders.csv
      regulars source new orders.csv customers.csv --name shop
    """
    from flows.load.loader import LoadError
    from flows.load.mapping import MappingError
    from flows.load.suggest import suggest_mapping
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"landing": landing})
    source = name or _name_after(files[0])
    if not landing_notes.SOURCE_NAME.fullmatch(source):
        raise typer.BadParameter(
            f"expected small letters, digits and _, beginning with a letter; found {source!r}",
            param_hint="--name",
        )
    path = out or settings.mappings / f"{source}.yml"
    if path.exists() and not force:
        fail(
            f"{shown(path)} is there already and may hold your work.\n"
            "Next: take another --name or --out, or overwrite it with --force."
        )
    try:
        text = suggest_mapping(source, files)
    except (LoadError, MappingError, ValueError) as error:
        fail(str(error))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")

    folder = settings.landing / source
    elsewhere = [file for file in files if not file.absolute().is_relative_to(folder)]
    console = screen()
    console.print(f"Wrote [bold]{escape(shown(path))}[/bold].\n", soft_wrap=True)
    console.print("[dim]What next[/dim]")
    console.print(
        f"  read and mend it, above all the time zone: {escape(shown(path))}", soft_wrap=True
    )
    if elsewhere:
        copied = shlex.join(shown(file) for file in elsewhere)
        target = escape(shlex.quote(shown(folder)))
        console.print(f"  mkdir -p {target} && cp {escape(copied)} {target}/", soft_wrap=True)
    again = escape(options.repeated(config, None))
    console.print(f"  {program()} source check{again} {source}", soft_wrap=True)
    console.print(f"  {program()} refresh{again} --source {source}", soft_wrap=True)


@app.command("check")
def check(name: Name, config: options.Config = None, landing: options.Landing = None) -> None:
    """Try a source: what would load, what would be rejected, and why.

    A dry run: nothing is written, and every file counts as new. The exit code
    is 1 where the refresh would stop.
    """
    from flows.load.check import check_source
    from regulars import report
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"landing": landing})
    mapping = _load(known_file(settings, name))
    console = screen()
    with console.status("reading the files"):
        checked = check_source(mapping, settings.landing)
    rejected = plain_table(
        "Would be rejected", "column", "reason", "rows", "lines", numbers=["rows"]
    )
    for one in checked.rejections:
        lines = ", ".join(map(str, one.source_lines))
        more = ", ..." if one.rows > len(one.source_lines) else ""
        rejected.add_row(
            Text(visible(one.source_file)),
            Text(visible(one.column_name or "whole row")),
            Text(visible(one.detail or one.reason)),
            count(one.rows),
            lines + more,
        )
    for table in (*report.files(checked.deliveries), rejected):
        if table.row_count:
            console.print(table)
            console.print()
    report.print_notes(console, checked.deliveries)
    landing_notes.print_them(console, landing_notes.of_source(mapping, settings.landing))
    if checked.problems:
        fail("\n".join(["the refresh would stop here:", *checked.problems]))
    if not checked.rejections:
        console.print("No row would be rejected.")
    warnings = [f"{one.source_file}: {said}" for one in checked.deliveries for said in one.warnings]
    for warning in (*checked.refused_alone, *warnings):
        console.print(Text(f"Warning: {visible(warning)}", style="yellow"), soft_wrap=True)
    console.print("It would load (judged as if nothing were loaded yet).\n\n[dim]What next[/dim]")
    again = escape(options.repeated(config, None))
    console.print(f"  {program()} refresh{again} --source {name}", soft_wrap=True)


def _name_after(file: Path) -> str:
    """A source name from a file's: "Orders 2026.csv" gives orders_2026."""
    name = re.sub(r"[^a-z0-9]+", "_", file.name.split(".")[0].lower()).strip("_")
    return name if name[:1].isalpha() else f"source_{name}".rstrip("_")


def _shortened(entities: Sequence[str]) -> str:
    """order_lines, customers, products and 4 more."""
    first = ", ".join(entities[:3])
    return first if len(entities) <= 3 else f"{first} and {len(entities) - 3} more"


def _found(landing: Path, source: str, pattern: str) -> str:
    from flows.load.landing import LandingError, find_files

    try:
        found = find_files(landing, source, [pattern])
    except LandingError as error:
        return str(error)
    if not found:
        return "nothing"
    return found[0].name if len(found) == 1 else f"{len(found)} files"


def _known(settings: "RefreshSettings") -> dict[str, Path]:
    from flows.load.mapping import find_mappings
    from flows.project import project_folder

    return dict(sorted(find_mappings([project_folder() / "sources", settings.mappings]).items()))


def known_file(settings: "RefreshSettings", name: str) -> Path:
    """The mapping of a source; ends the command where there is none of this name."""
    from flows.load.mapping import did_you_mean

    known = _known(settings)
    if name not in known:
        fail(
            f"unknown source '{name}'.{did_you_mean(name, list(known))}\n"
            f"Known are {', '.join(known)}.\n"
            f"Next: `regulars source new FILE... --name {name}` writes a first mapping."
        )
    return known[name]


def _load(file: Path) -> "Mapping":
    from flows.load.mapping import MappingError, load_mapping

    try:
        return load_mapping(file)
    except MappingError as error:
        fail(str(error))
