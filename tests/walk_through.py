"""Play the walk-through of docs/operations.md: run its commands, put their output in its place.

A block of commands begins with ```console; each line that begins with `$ ` is a command, what
follows it its output. The commands run one after the other in one empty folder.

    python -m tests.walk_through        # rewrites the page with what the commands print now
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "operations.md"
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
WIDTH = 100  # columns of the terminal


def play(page: str, folder: Path) -> str:
    """Run every command of a page in an empty folder; return the page with their output."""
    return BLOCK.sub(lambda block: _play_block(block[0], folder), page)


def _play_block(block: str, folder: Path) -> str:
    played = ""
    for command in _commands(block):
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        shown = command.replace("\n", "\n> ")
        output = result.stdout.replace(f"{folder}/", "")
        output = "\n".join(line.rstrip() for line in output.splitlines())
        played += f"$ {shown}\n" + (f"{output}\n" if output else "")
    return played


def _commands(block: str) -> list[str]:
    """The commands of a block; one of several lines goes on with `> `."""
    commands: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(line[2:])
        elif line.startswith("> ") and commands:
            commands[-1] += "\n" + line[2:]
    return commands


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REGULARS_")}
    folder = Path(sys.executable).parent
    return kept | {"PATH": f"{folder}{os.pathsep}{kept['PATH']}", "COLUMNS": str(WIDTH)}


def without_the_hour(page: str) -> str:
    """Take out what differs from run to run: versions, times, durations and sizes."""
    for pattern, put in (
        (r"\d{8}T\d{9}Z", "VERSION"),
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d\+00:00)?", "TIME"),
        (r"\d+\.\d(?= s\b)|(?<= )\d+\.\d(?=  )", "SECONDS"),
        (r"\d+\.\d(?= MB)", "SIZE"),
        (r"(?m)^in all .*$", "in all"),
        (r"\s+", " "),  # where a line breaks depends on the folder
    ):
        page = re.sub(pattern, put, page)
    return page


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        PAGE.write_text(play(PAGE.read_text(encoding="utf-8"), Path(empty)), encoding="utf-8")
