"""The files of a source's landing folder: those a mapping names, and none outside of it."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from flows.load.mapping import FileFormat, did_you_mean

FileType = Literal["csv", "parquet", "json"]

# What a file's ending says of its type, and of the delimiter where it is text.
_TYPES: Final[dict[str, tuple[FileType, str]]] = {
    ".csv": ("csv", ","),
    ".txt": ("csv", ","),
    ".tsv": ("csv", "\t"),
    ".tab": ("csv", "\t"),
    ".parquet": ("parquet", ""),
    ".pq": ("parquet", ""),
    ".json": ("json", ""),
    ".jsonl": ("json", ""),
    ".ndjson": ("json", ""),
}
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class LandingError(Exception):
    """A file is not there, or not what the mapping expects; the message goes into a LoadError."""


def find_files(landing: Path, source: str, patterns: Iterable[str]) -> list[Path]:
    """Return the files that a mapping's patterns name, in the order of their names.

    A pattern is a path, a glob or a folder (all files in it), relative to `landing/<source>`.
    Hidden files and Excel's lock files are passed over. A file may be a symbolic link, which
    whoever may write to the landing folder could as well have copied; a folder on the way to it may
    not lead out.

    Raises:
        LandingError: a file lies outside the landing folder of the source.
    """
    root = landing / source
    found: set[Path] = set()
    for pattern in patterns:
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
            raise LandingError(f"'{pattern}' is not a path inside {root}")
        for path in root.glob(pattern) if pattern not in ("", ".") else [root]:
            found.update(path.iterdir() if path.is_dir() else [path])
    files = [path for path in found if path.is_file() and not path.name.startswith((".", "~$"))]
    for path in files:
        if not path.parent.resolve().is_relative_to(root.resolve()):
            raise LandingError(f"{path} lies outside {root}: a linked folder leads out of it")
    return sorted(files, key=lambda path: path.relative_to(root).as_posix())


def explain_missing(landing: Path, source: str, patterns: Sequence[str]) -> str:
    """Say what stands in the landing folder instead of the files expected."""
    root = landing / source
    if not root.is_dir():
        others = sorted(path.name for path in landing.glob("*") if path.is_dir())
        close = did_you_mean(source, others)
        return f"the landing folder {root} does not exist.{close}"
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    close = next((text for p in patterns if (text := did_you_mean(p, names))), "")
    wanted = " or ".join(patterns)
    return f"no file matches {wanted} in {root}; found there: {shown or 'nothing'}.{close}"


def file_type(path: Path, file_format: FileFormat) -> tuple[FileType, str]:
    """Return the type of a file, stated or told by its ending, and the delimiter implied.

    Raises:
        LandingError: neither tells, or the file is empty or in an encoding that cannot be read.
    """
    stated = file_format.type
    kind, delimiter = _TYPES.get(path.suffix.lower(), (None, ","))
    if stated is None and kind is None:
        raise LandingError(
            f"the ending '{path.suffix}' does not tell the type of the file: expected one of "
            f"{', '.join(_TYPES)}, or a `format: {{type: ...}}` in the mapping"
        )
    if path.stat().st_size == 0:
        raise LandingError("the file is empty (0 bytes)")
    chosen = stated or kind or "csv"
    if chosen != "parquet":
        with path.open("rb") as stream:
            start = stream.read(4)
        if start.startswith(_UTF16_MARKS):
            raise LandingError(
                "the file is UTF-16 text (Excel's 'Unicode text'); save it as 'CSV UTF-8' instead"
            )
        if start == b"PAR1":
            raise LandingError(f"expected {chosen}, found a Parquet file")
        if start.startswith(b"PK\x03\x04"):
            raise LandingError(f"expected {chosen}, found a zip or Excel file; save it as CSV")
    return chosen, delimiter or ","


def content_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
