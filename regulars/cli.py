"""The command line `regulars`. Each command lives in a module of regulars/commands.

Heavy imports (Prefect, dbt, pandas, DuckDB) stand inside the commands, so that `--help` is instant.

Exit codes: 0 done; 1 it could not be done, and a message says why; 2 wrong use of the command line;
130 interrupted.
"""

import errno
import traceback
from importlib import metadata
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from regulars.commands import (
    backup,
    demo,
    diff,
    forget,
    generate,
    person,
    refresh,
    restore,
    rollback,
    schedule,
    settings,
    source,
    sql,
    status,
    versions,
)
from regulars.terminal import fail


class _Regulars(TyperGroup):
    """The last net: people see no traceback, but one is kept for those who mend the program."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            is_usage_error = hasattr(error, "exit_code")
            is_closed_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
            if is_usage_error or is_closed_pipe:
                raise
            fail(_unexpected(error))


def _unexpected(error: Exception) -> str:
    with NamedTemporaryFile(
        "w", prefix="regulars-error-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.writelines(traceback.format_exception(error))
    return (
        f"this is a bug in Regulars, not in your data: {type(error).__name__}: {error}\n"
        f"The details are in {Path(log.name)}; please send them to the maintainers."
    )


app = typer.Typer(
    cls=_Regulars,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("refresh")(refresh.refresh)
app.command("schedule")(schedule.schedule)
app.command("status")(status.status)
app.command("versions")(versions.versions)
app.command("rollback")(rollback.rollback)
app.command("diff")(diff.diff)
app.command("sql")(sql.sql)
app.add_typer(source.app, name="source")
app.command("person")(person.person)
app.command("forget")(forget.forget)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("settings")(settings.settings)
app.command("demo")(demo.demo)
app.command("generate")(generate.generate)


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"regulars {metadata.version('regulars')}")
        except metadata.PackageNotFoundError:
            typer.echo("regulars, not installed: run from its folder")
        raise typer.Exit


@app.callback(
    epilog="Each command explains itself: [bold]regulars refresh --help[/bold]. "
    "All of it in one page: docs/command-line.md."
)
def regulars(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """From raw orders to a warehouse of customers: who they are, what they are worth and buy.

    [bold]Start here[/bold]

      regulars demo                       a real grocer's year, in minutes
      regulars source new orders.csv      describe files of your own
      regulars refresh                    build and publish the warehouse
      regulars sql "show tables"      ask it
      regulars status                     what is published
    """
