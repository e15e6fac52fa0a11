"""The files of a source's landing folder: those a mapping names, and none outside of it."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Final, Literal, NamedTuple, Self

from flows.load.mapping import FileFormat, did_you_mean

FileType = Literal["csv", "parquet", "json", "excel", "table"]

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
    ".xlsx": ("excel", ""),
    ".xlsm": ("excel", ""),
}
# Endings under which programs write a file before they give it its name.
_UNFINISHED: Final = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp", ".swp")
_NEAR: Final = 0.75  # how alike names are that may be one mistyped; 1: equal
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_UTF32_MARKS: Final = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_ZIP: Final = b"PK\x03\x04"
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"  # .xls, and every workbook with a password


class LandingError(Exception):
    """A file is not there, or not what the mapping expects; the message goes into a LoadError."""


class TransientLandingError(LandingError):
    """A file or database cannot be read just now, for a reason that time may heal."""


class FileState(NamedTuple):
    """What the file system knows of a file; it changes whenever the file does."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Look at a file now."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def find_files(landing: Path, source: str, patterns: Iterable[str]) -> list[Path]:
    """Return the files that a mapping's patterns name, in the order of their names.

    A pattern is a path, a glob or a folder (all files in it), relative to `landing/<source>`.
    Hidden files, Excel's lock files and files that are still being written, as their ending says
    (`.part`, `.tmp`), are passed over. A file may be a symbolic link, which whoever may write to
    the landing folder could as well have copied; a folder on the way to it may not lead out.

    Raises:
        LandingError: a file lies outside the landing folder of the source, or its name is no text.
    """
    root = landing / source
    found: set[Path] = set()
    for pattern in patterns:
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
            raise LandingError(f"'{pattern}' is not a path inside {root}")
        for path in root.glob(pattern) if pattern not in ("", ".") else [root]:
            found.update(path.iterdir() if path.is_dir() else [path])
    files = [path for path in found if path.is_file() and not is_passed_over(path)]
    for path in files:
        if not _is_text_name(path.name):
            raise LandingError(f"the name of a file in {root} is no text: {path.name!r}")
        if not path.parent.resolve().is_relative_to(root.resolve()):
            raise LandingError(f"{path} lies outside {root}: a linked folder leads out of it")
    return sorted(files, key=lambda path: path.relative_to(root).as_posix())


def _is_text_name(name: str) -> bool:
    """Tell whether a file's name is text: on Linux it may be any bytes."""
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def is_passed_over(path: Path) -> bool:
    """Tell by its name whether a file is hidden, a lock of Excel's, or still being written."""
    return path.name.startswith((".", "~$")) or path.suffix.lower() in _UNFINISHED


def explain_missing(
    landing: Path, source: str, patterns: Sequence[str], taken: Collection[Path] = ()
) -> str:
    """Say what stands in the landing folder instead of the files expected.

    Args:
        landing: the folder that holds one folder for each source.
        source: the source.
        patterns: none of which matches a file.
        taken: files that the mapping reads as something else: none of them can be meant.
    """
    root = landing / source
    if not root.is_dir():
        others = sorted(path.name for path in landing.glob("*") if path.is_dir())
        close = did_you_mean(source, others)
        return f"the landing folder {root} does not exist.{close}"
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    read_already = {path.relative_to(root).as_posix() for path in taken}
    close = _nearest_file(patterns, [name for name in names if name not in read_already])
    wanted = " or ".join(patterns)
    return f"no file matches {wanted} in {root}; found there: {shown or 'nothing'}.{close}"


def _nearest_file(patterns: Iterable[str], names: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the file named nearest to a pattern, or nothing.

    Folders and endings are left aside, or every file would be like every other of its type.
    """
    by_stem = {PurePosixPath(name).stem.casefold(): name for name in names}
    for pattern in patterns:
        stem = PurePosixPath(pattern).stem.strip("*?").casefold()
        if close := get_close_matches(stem, by_stem, n=1, cutoff=_NEAR):
            return f" Did you mean '{by_stem[close[0]]}'?"
    return ""


def file_type(path: Path, file_format: FileFormat) -> tuple[FileType, str]:
    """Return the type of a file, stated or told by its ending, and the delimiter implied.

    Raises:
        LandingError: neither tells, or the file is empty or of another type.
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
    with path.open("rb") as stream:
        start = stream.read(4)
    if chosen in ("csv", "json"):
        if start in _UTF32_MARKS:
            raise LandingError("the file is UTF-32 text; save it as UTF-8")
        if start == b"PAR1":
            raise LandingError(f"expected {chosen}, found a Parquet file")
        if start == _ZIP:
            raise LandingError(
                f"expected {chosen}, found a zip or Excel file; for Excel state "
                "`format: {type: excel}`"
            )
    if start == _OLD_OFFICE:
        raise LandingError(
            "the file is an old Excel workbook (.xls) or has a password; save it as .xlsx without"
        )
    if chosen == "excel" and start != _ZIP:
        raise LandingError("expected an Excel workbook (.xlsx), found something else")
    if chosen != "excel" and (file_format.sheet is not None or file_format.header_row != 1):
        raise LandingError("`sheet` and `header_row` are for Excel workbooks only")
    return chosen, delimiter or ","


def text_encoding(path: Path, file_format: FileFormat) -> str:
    """Return the encoding of a text file: UTF-16 where its mark says so, else the one stated."""
    with path.open("rb") as stream:
        is_marked = stream.read(2) in UTF16_MARKS
    # Those bytes are no UTF-8, so that nobody can have meant it.
    return (
        "utf-16" if is_marked and file_format.encoding.startswith("utf-") else file_format.encoding
    )


def content_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def joint_sha256(hashes: Sequence[str]) -> str:
    """Return the hash under which files that are read together are known; of one file, its own."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
