"""What the commands share on the screen: a console, one way to fail, one way to write a figure."""

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Text from outside may hold line breaks and terminal commands; neither may reach the screen.
_CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    9: "\\t",
    10: "\\n",
    13: "\\r",
}


def screen() -> Console:
    """The console for results; at most 100 columns wide, so that lines stay readable."""
    console = Console(highlight=False)
    console.width = min(console.width, 100)
    return console


def program() -> str:
    """How to call this command again: its name, or its path where the name alone is not found."""
    called = Path(sys.argv[0])
    if called.name != "regulars" or shutil.which("regulars"):
        return "regulars"
    return shown(called)


def fail(message: str) -> NoReturn:
    """End the command with exit code 1 and a message that says what, where and what to do next."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text("Error: ", style="bold red").append(message, style="default not bold"))
    raise typer.Exit(1)


def plain_table(*columns: str, numbers: Sequence[str] = (), title: str | None = None) -> Table:
    """A table with a heading line and no borders; `numbers` are the right-aligned columns."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in columns:
        # too narrow a screen folds figures: a cropped one would look like another
        table.add_column(
            Text(name), justify="right" if name in numbers else "left", overflow="fold"
        )
    return table


def unfolded(table: Table, name: str) -> Table:
    """The table with a column that no narrow screen folds: names that a person types or copies."""
    column = next(one for one in table.columns if str(one.header) == name)
    column.no_wrap = True
    return table


def visible(text: str) -> str:
    """Text from outside with its control characters written out."""
    return text.translate(_CONTROL_CHARACTERS)


def shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def count(value: int | None) -> str:
    """1,469,307; a dash where there is no figure."""
    return "–" if value is None else f"{value:,}"


def money(value: Decimal | float | None) -> str:
    """4,596,039.58; a dash where there is no figure."""
    return "–" if value is None else f"{value:,.2f}"


def percent(part: Decimal | float | None) -> str:
    """0.615 as 62 %; <1 % for a little; a dash where there is no figure."""
    if part is None:
        return "–"
    return "<1 %" if 0 < part < 0.005 else f"{100 * part:.0f} %"


def cell(value: Any) -> str:
    """One value of a query result as text: exact decimals, ISO dates, lists as JSON, null empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple | dict):
        return json_text(value)
    return str(value)


def json_text(value: Any) -> str:
    """A value as JSON. Decimals keep every digit, which `json` alone cannot; nan is null."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return json.dumps(value) if abs(value) < float("inf") else "null"
    if isinstance(value, int | Decimal):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(json_text, value)) + "]"
    if isinstance(value, dict):
        members = (f"{json_text(cell(key))}: {json_text(one)}" for key, one in value.items())
        return "{" + ", ".join(members) + "}"
    return json.dumps(cell(value), ensure_ascii=False)
