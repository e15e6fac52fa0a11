"""What the commands say of files in the landing folder that nothing reads."""

import re
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from regulars.terminal import program, shown, visible

if TYPE_CHECKING:
    from flows.load.mapping import Mapping
    from flows.settings import RefreshSettings

SOURCE_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_FILES_NAMED: Final = 5


def of_source(mapping: "Mapping", landing: Path) -> list[str]:
    """Say which files of a source's folder its mapping does not read; empty where it reads all."""
    from flows.load.unread_files import patterns_of, unread_files

    names = unread_files(mapping, landing)
    if not names:
        return []
    folder = shown(landing / mapping.source)
    first = ", ".join(f"{folder}/{name}" for name in names[:_FILES_NAMED])
    more = f" and {len(names) - _FILES_NAMED} more" if len(names) > _FILES_NAMED else ""
    verb = "is" if len(names) == 1 else "are"
    expected = ", ".join(patterns_of(mapping)) or "none, only tables"
    return [f"{first}{more} {verb} read by no entity (files: {expected})"]


def of_folders(landing: Path, sources: Collection[str], mappings: Path) -> list[str]:
    """Say which folders hold files but have no mapping, and what to type next."""
    from flows.load.unread_files import unmapped_folders

    notes = []
    for name, file in unmapped_folders(landing, sources).items():
        folder = shown(landing / name)
        if SOURCE_NAME.fullmatch(name):
            typed = shlex.quote(f"{folder}/{file}")
            notes.append(
                f"{folder} has files but no mapping {shown(mappings / name)}.yml: not loaded. "
                f"Next: {program()} source new {typed} --name {name}"
            )
        else:
            notes.append(
                f"{folder} has files but cannot be a source's: not loaded. Next: give it a name of "
                "small letters, digits and _, beginning with a letter"
            )
    return notes


def of_refresh(settings: "RefreshSettings") -> list[str]:
    """Say what a refresh of these settings left unread, of the sources that it was to load."""
    from flows.load.mapping import MappingError, find_mappings, load_mapping
    from flows.project import project_folder

    known = find_mappings([project_folder() / "sources", settings.mappings])
    chosen = known if settings.sources is None else settings.sources
    notes = []
    for name in sorted(set(chosen)):
        if name in known and (settings.landing / name).is_dir():
            try:
                mapping = load_mapping(known[name])
            except MappingError:  # mended or broken since it was loaded
                continue
            notes += of_source(mapping, settings.landing)
    if settings.sources is None:
        notes += of_folders(settings.landing, known, settings.mappings)
    return notes


def print_them(console: Console, notes: list[str]) -> None:
    """Print each as a note; unbroken lines, for they hold what is typed next."""
    for note in notes:
        console.print(Text(f"Note: {visible(note)}"), soft_wrap=True)
