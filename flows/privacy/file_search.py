"""Look for people in files by what they are called, where no record of theirs is known.

The bytes of every file of a source are searched, whoever wrote it: in all encodings that a mapping
may state, and as JSON escapes other characters. What is found is told to a person, who looks: so in
doubt it is told.
"""

import codecs
import json
import mmap
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flows.load.landing import UTF16_MARKS
from flows.privacy.traits import OthersTraits, is_distinct, is_word

_FOUND: Final = "holds a name, an address or a number of theirs"
# Files whose bytes say nothing of the text in them: what stands where, and no text begins so.
_CLOSED: Final = {
    (0, b"PK\x03\x04"): "a zip or Excel file",
    (0, b"PK\x05\x06"): "a zip file",
    (0, b"PK\x07\x08"): "a zip file",
    (0, b"\x1f\x8b"): "a gzip file",
    (0, b"PAR1"): "a Parquet file",
    (0, b"PARE"): "an encrypted Parquet file",
    (0, b"\xd0\xcf\x11\xe0"): "an old Excel or Word file, or one with a password",
    (0, b"%PDF-"): "a PDF file",
    (4, b"1AY&SY"): "a bzip2 file",
    (0, b"\xfd7zXZ\x00"): "an xz file",
    (0, b"\x28\xb5\x2f\xfd"): "a Zstandard file",
    (0, b"\x04\x22\x4d\x18"): "an LZ4 file",
    (0, b"7z\xbc\xaf\x27\x1c"): "a 7-Zip file",
    (0, b"Rar!\x1a\x07"): "a RAR file",
    (0, b"Obj\x01"): "an Avro file",
    (8, b"DUCK"): "a DuckDB file",
}
_START_BYTES: Final = 16
_WINDOW_BYTES: Final = 256  # around what is found, to tell how the text there is written
_UTF_8_REST: Final = bytes(range(0x80, 0xC0))  # of characters: all bytes but their first
_CHUNK_BYTES: Final = 2**24


def _encoder(encoding: str) -> Callable[[str], bytes]:
    return lambda text: text.encode(encoding)


def _escaped(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()


def _escaped_in_capitals(text: str) -> bytes:
    return re.sub(rb"\\u[0-9a-f]{4}", lambda found: b"\\u" + found[0][2:].upper(), _escaped(text))


_UTF_16: Final = ("utf-16-le", "utf-16-be")
_WRITINGS: Final = {
    **{name: _encoder(name) for name in ("utf-8", "gb18030", "latin-1", *_UTF_16)},
    "JSON": _escaped,
    "JSON in capitals": _escaped_in_capitals,
}


@dataclass(frozen=True)
class _Pattern:
    """A trait as bytes.

    Attributes:
        content: what is looked for.
        writing: a key of _WRITINGS.
        is_distinct: else it counts only where it stands alone.
        is_shared: another customer has it too.
        longer: others' names that hold it, by their length and where in them it begins.
    """

    content: bytes
    writing: str
    is_distinct: bool
    is_shared: bool
    longer: Mapping[tuple[int, int], Set[bytes]]


@dataclass(frozen=True)
class _Find:
    """Where a file holds a trait first: its line, from 1, and whether it may be another's."""

    line: int
    is_shared: bool


def find_in_files(
    landing: Path, folder: Path, traits: tuple[str, ...], others: OthersTraits, read: Set[Path]
) -> Iterator[tuple[str, str]]:
    """Yield the files that hold one of these texts, and those that nobody can look into, with why.

    Not looked for is what points at nobody: one character, a number of under six digits, and a part
    of a name or an address that another customer has too. In files that the mapping reads, a name
    inside a longer one of another customer is that one's.

    Args:
        landing: the landing folder.
        folder: whose files are searched, with those of its folders.
        traits: names, addresses and numbers.
        others: what people who stay have in common with these.
        read: files whose records the mapping reads; of these a Parquet file or a workbook has been
            looked through by ids, and is not told of.

    Yields:
        The file's path relative to `landing`, and why it is told.
    """
    sought = [one for one in traits if one not in others.points_at_nobody]
    patterns = _patterns(sought, others)
    unread: list[OSError] = []
    paths = sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder, onerror=unread.append)
        for name in names
    )
    for path in paths:
        name = path.relative_to(landing).as_posix()
        try:
            if path.is_file() and (why := _why(path, patterns, path in read)):
                yield name, why
        except FileNotFoundError:
            continue
        except OSError as error:
            yield name, f"cannot be searched: {error.strerror}"
    for one in unread:
        if not isinstance(one, FileNotFoundError):
            name = Path(str(one.filename)).relative_to(landing).as_posix()
            yield name, f"cannot be searched: {one.strerror}"


def _patterns(traits: list[str], others: OthersTraits) -> list[_Pattern]:
    """Write each trait in every way, each bytes once; what no other customer has comes first."""
    patterns: dict[bytes, _Pattern] = {}
    for trait in sorted(traits, key=lambda one: one in others.same):
        if not (is_distinct(trait) or is_word(trait)):
            continue
        for writing, write in _WRITINGS.items():
            try:
                content = write(trait)
            except UnicodeEncodeError:  # Latin-1 has few letters
                continue
            if content not in patterns:
                longer = _longer(trait, others.longer, write)
                patterns[content] = _Pattern(
                    content, writing, is_distinct(trait), trait in others.same, longer
                )
    return list(patterns.values())


def _longer(
    trait: str, names: Iterable[str], write: Callable[[str], bytes]
) -> dict[tuple[int, int], set[bytes]]:
    """Write the names that hold a trait, as _Pattern has them."""
    longer: dict[tuple[int, int], set[bytes]] = {}
    for name in names:
        for found in re.finditer(re.escape(trait), name):
            with suppress(UnicodeEncodeError):
                written = write(name)
                begin = len(write(name[: found.start()]))
                longer.setdefault((len(written), begin), set()).add(written)
    return longer


def _why(path: Path, patterns: list[_Pattern], is_read: bool) -> str | None:
    """Say why a person should look into a file; None where nothing speaks for it."""
    with path.open("rb") as stream:
        if os.fstat(stream.fileno()).st_size == 0:
            return None
        start = stream.read(_START_BYTES)
        closed = next(
            (what for (at, mark), what in _CLOSED.items() if start.startswith(mark, at)), None
        )
        if closed is not None:
            return None if is_read else f"cannot be searched: {closed}; it may hold them"
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = _first(content, patterns, is_read)
    if found is None:
        return None
    also = "; another customer has the same" if found.is_shared else ""
    return f"{_FOUND} (line {found.line}{also})"


def _first(content: mmap.mmap, patterns: list[_Pattern], is_read: bool) -> _Find | None:
    """Find a trait that is theirs alone; else one that another customer has too."""
    # Text in UTF-16 holds a zero in every blank, digit and line end.
    may_be_utf_16 = content[:2] in UTF16_MARKS or content.find(b"\0") >= 0
    shared = None
    for pattern in patterns:
        if pattern.writing in _UTF_16 and not may_be_utf_16:
            continue
        if shared is not None and pattern.is_shared:
            continue
        at = content.find(pattern.content)
        while at >= 0 and not _counts(content, at, pattern, is_read):
            at = content.find(pattern.content, at + 1)
        if at < 0:
            continue
        found = _Find(_line(content, at, pattern.writing), pattern.is_shared)
        if not pattern.is_shared:
            return found
        shared = found
    return shared


def _counts(content: mmap.mmap, at: int, pattern: _Pattern, is_read: bool) -> bool:
    """Whether what was found tells of the person: no part of a longer word, nor chance."""
    end = at + len(pattern.content)
    if not pattern.is_distinct:
        width = 2 if pattern.writing in _UTF_16 else 1
        encoding = pattern.writing if width == 2 else "latin-1"
        around = (content[max(at - width, 0) : at], content[end : end + width])
        neighbours = [one.decode(encoding, "replace") for one in around]
        if any(one.isascii() and one.isalnum() for one in neighbours):
            return False
    if is_read:
        for (length, before), names in pattern.longer.items():
            if at >= before and content[at - before : at - before + length] in names:
                return False
    if pattern.writing in ("gb18030", "latin-1") and not _is_utf_8(pattern.content, True):
        # Two Chinese characters are but four bytes, which those of others may hold by chance.
        begin = max(at - _WINDOW_BYTES, 0)
        text = content[begin : end + _WINDOW_BYTES]
        if begin > 0:  # perhaps in the middle of a character
            text = text[:3].lstrip(_UTF_8_REST) + text[3:]
        return not _is_utf_8(text, end + _WINDOW_BYTES >= len(content))
    return True


def _is_utf_8(content: bytes, is_whole: bool) -> bool:
    """Whether bytes are UTF-8; where they are not the whole, the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content, is_whole)
    except UnicodeDecodeError:
        return False
    return True


def _line(content: mmap.mmap, at: int, writing: str) -> int:
    """Return the number of the line at a byte, from 1."""
    end = "\n".encode(writing) if writing in _UTF_16 else b"\n"
    line = 1
    for begin in range(0, at, _CHUNK_BYTES):
        line += content[begin : min(begin + _CHUNK_BYTES, at)].count(end)
    return line
