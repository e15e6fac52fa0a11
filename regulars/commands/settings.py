"""`regulars settings`: what applies here, or the documented settings file."""

from typing import Annotated

import typer

from regulars import options


def settings(
    config: options.Config = None,
    show_example: Annotated[
        bool, typer.Option("--example", help="Print the documented settings file instead.")
    ] = False,
) -> None:
    """Print the settings that apply here, from environment, settings file and defaults.

    [bold]Example[/bold]

      regulars settings --example > regulars.toml
    """
    from regulars.reading import load_or_fail
    from regulars.settings import example
    from regulars.settings_file import as_toml

    typer.echo(example() if show_example else as_toml(load_or_fail(config, {})), nl=False)
