"""Files of the landing folder that nothing reads.

A file whose name no mapping expects would lie there night after night, and nobody would know.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from flows.load.landing import LandingError, find_files, is_passed_over
from flows.load.mapping import Mapping

# What SQLite keeps beside a database while it is open.
_BESIDE_SQLITE: Final = ("-journal", "-wal", "-shm")


def patterns_of(mapping: Mapping) -> tuple[str, ...]:
    """Return the patterns of all files that a mapping reads, those joined included, each once."""
    entities = mapping.entities.values()
    patterns = [pattern for entity in entities for pattern in entity.files]
    patterns += [pattern for entity in entities for join in entity.join for pattern in join.files]
    return tuple(dict.fromkeys(patterns))


def unread_files(mapping: Mapping, landing: Path) -> list[str]:
    """Return the files of a source's landing folder that its mapping does not read.

    Hidden and unfinished files, and databases whose tables the mapping names, are left out.

    Args:
        mapping: the source.
        landing: the folder that holds one folder for each source.

    Returns:
        Names relative to the source's folder, '/' between parts, in order; none where the folder
        cannot be looked at: the load says so.
    """
    root = landing / mapping.source
    try:
        read = set(find_files(landing, mapping.source, patterns_of(mapping)))
        names = [_name(path, root) for path in _files(root) if path not in read]
    except (LandingError, OSError):
        return []
    databases = {
        table.sqlite + ending
        for entity in mapping.entities.values()
        for table in entity.tables
        if table.sqlite is not None
        for ending in ("", *_BESIDE_SQLITE)
    }
    return sorted(name for name in names if name not in databases)


def unmapped_folders(landing: Path, sources: Collection[str]) -> dict[str, str]:
    """Return the folders of the landing folder that hold files, but are no source's.

    Args:
        landing: the folder that holds one folder for each source.
        sources: the names of the sources that have a mapping.

    Returns:
        Folder name to the first of its files, relative to the folder; in the order of the names.
    """
    found = {}
    try:
        folders = sorted(path for path in landing.iterdir() if path.is_dir())
        for folder in folders:
            if folder.name in sources or is_passed_over(folder):
                continue
            if names := sorted(_name(path, folder) for path in _files(folder)):
                found[folder.name] = names[0]
    except OSError:
        return {}
    return found


def _files(root: Path) -> list[Path]:
    """The files below a folder that are neither hidden nor still being written."""
    return [
        path
        for path in root.rglob("*")
        if path.is_file()
        and not is_passed_over(path)
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
