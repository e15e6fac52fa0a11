"""Find the records of a text file: each with its physical line, none lost, none guessed.

DuckDB's reader is fast but is not asked to judge: it knows neither GB18030 nor physical lines, and
a bad record can make it miss good ones. So one streaming pass over each text file decides what a
record is and writes the good ones, as UTF-8 with the physical line number in front, to a temporary
file that DuckDB then reads in parallel. Stretches of a file without quotes, which is nearly all of
most files, go through in bulk; only the others are parsed record by record.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from flows.load.mapping import FileFormat

LINE: Final = "_regulars_line"  # physical line or row number, beside the file's own columns
BATCH_CHARACTERS: Final = 8 * 2**20
# Where no line end comes for so many characters the file is no text of lines, and none of it may
# fill the memory.
MAXIMUM_LINE: Final = 16 * 2**20
# How much may be read again behind quotes that turned out not to close, for each batch: lines, and
# characters, of which so many take as long as a line.
_MAXIMUM_REREAD: Final = 8_000_000
_CHARACTERS_PER_LINE: Final = 64
MAXIMUM_RECORD: Final = 1_000_000  # characters; DuckDB's reader is told twice as many and more
MALFORMED_SCHEMA: Final = pa.schema(
    [("source_line", pa.int64()), ("reason", pa.string()), ("raw_text", pa.string())]
)
_MALFORMED_BATCH: Final = 10_000
_UNCLOSED: Final = "a quote is opened and never closed"
# Lines between two stray quotes, at least.
_MINIMUM_SWALLOWED: Final = 2
_UNDECODABLE: Final = range(0xDC00, 0xDD00)


def _keep_undecodable(error: UnicodeError) -> tuple[str, int]:
    """Decode bytes that are not text as lone surrogates U+DC00 + byte, and go on behind them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    # The characters of UTF-16 begin at every second byte.
    width = 2 if error.encoding.lower().startswith("utf-16") else 1
    kept = error.object[error.start : error.start + width]
    return "".join(chr(_UNDECODABLE.start + byte) for byte in kept), error.start + len(kept)


codecs.register_error("regulars.keep", _keep_undecodable)


class HeaderError(Exception):
    """The first record of a file cannot be its header.

    Attributes:
        record: its beginning; it may hold values, so the message does not.
    """

    def __init__(self, message: str, record: str) -> None:
        super().__init__(message)
        self.record = record


class TextError(Exception):
    """A file is no text of lines and records: a line never ends, or quotes are all at odds."""


@dataclass(frozen=True)
class NumberedRecords:
    """A text file's good records, numbered, and an account of all of them.

    Attributes:
        path: UTF-8 file of `source_line`, then the fields, without a header.
        malformed_path: Parquet file of MALFORMED_SCHEMA with the records that are not in `path`.
        columns: the names of the fields.
        delimiter: between the fields of `path`.
        quote: around fields of `path`; None where there is no quoting.
        is_quoted: whether any record holds a quote.
        good: records in `path`.
        malformed: records in `malformed_path`.
    """

    path: Path
    malformed_path: Path
    columns: tuple[str, ...]
    delimiter: str
    quote: str | None
    is_quoted: bool
    good: int
    malformed: int


@dataclass(frozen=True)
class Layout:
    """How records are laid out in a text file; `delimiter` None means runs of blanks."""

    encoding: str
    delimiter: str | None
    quote: str | None

    @classmethod
    def of(cls, file_format: FileFormat, delimiter: str) -> "Layout":
        """Take the layout from a mapping, with the delimiter that the file's ending implies."""
        chosen = file_format.delimiter or delimiter
        if chosen == "blanks":
            return cls(file_format.encoding, None, None)
        return cls(file_format.encoding, chosen, file_format.quote)


class Record(NamedTuple):
    """One record that needed a closer look.

    Attributes:
        line: physical line, from 1, where it begins.
        text: as delivered, without its line end.
        fields: None where it cannot be told apart.
        reason: why not.
    """

    line: int
    text: str
    fields: list[str] | None
    reason: str | None = None


class Lines:
    """The lines of a text file, with their ends as they are, read as a stream.

    No byte stops the reading, no line end is translated, and no more than a batch and one line are
    held in memory.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        codec = {"utf-8": "utf-8-sig", "gbk": "gb18030"}.get(encoding, encoding)
        self._stream = path.open(encoding=codec, errors="regulars.keep", newline="")
        self._ready: deque[str] = deque()
        self._rest = ""  # the beginning of a line
        self._line = 0  # whole lines read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def batch(self) -> list[str]:
        """Return the next lines, some BATCH_CHARACTERS of them; none at the end of the file.

        Raises:
            TextError: a line has more than MAXIMUM_LINE characters.
        """
        if self._ready:
            lines = list(self._ready)
            self._ready.clear()
            return lines
        return self._read()

    def next(self) -> str:
        """Return the next line, empty at the end of the file; otherwise as `batch`."""
        if not self._ready:
            self._ready.extend(self._read())
        return self._ready.popleft() if self._ready else ""

    def _read(self) -> list[str]:
        lines: list[str] = []
        while not lines:
            text = self._stream.read(BATCH_CHARACTERS)
            whole = self._rest + text
            if not text:
                self._rest = ""
                return [whole] if whole else []
            lines = io.StringIO(whole, newline="").readlines()
            # A \r may be half of a line end.
            self._rest = "" if lines[-1].endswith("\n") else lines.pop()
            if len(self._rest) > MAXIMUM_LINE:
                raise TextError(
                    f"line {self._line + len(lines) + 1} does not end within {MAXIMUM_LINE:,} "
                    "characters: no text of lines, or in another encoding"
                )
        self._line += len(lines)
        return lines


def escape_undecodable(text: str) -> str:
    r"""Show bytes that are not text as \x81 and NUL as \x00, so that the text can be stored."""
    if text.isascii() and "\0" not in text:
        return text
    return "".join(
        f"\\x{ord(character) % 256:02x}" if ord(character) in (0, *_UNDECODABLE) else character
        for character in text
    )


def is_storable(text: str) -> bool:
    """Tell whether every byte of it was text, and none was NUL."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def split_records(
    stream: Lines, lines: list[str], first_line: int, layout: Layout, columns: int | None = None
) -> Iterator[Record]:
    """Split lines into records, reading on from the stream where the last one is not yet complete.

    Quoting is RFC 4180's with a doubled quote inside; a quote inside an unquoted field is itself. A
    quote that never closes, or closes before the field ends, makes its *first line* a malformed
    record, and reading goes on at the next line: one bad line must not swallow the good ones below
    it. Where the number of columns is known, so does a quote that closes only behind lines that are
    records themselves.

    Raises:
        TextError: quotes that do not close make so much be read again that it would never end.
    """
    pending = deque(lines)
    taken: list[str] = []

    length = 0

    def feed() -> Iterator[str]:
        nonlocal length
        # Where a record does not end, the parser takes the end of the feed for that of the file.
        while length <= MAXIMUM_LINE and (text := pending.popleft() if pending else stream.next()):
            taken.append(text)
            length += len(text)
            yield text

    if layout.delimiter is None or layout.quote is None:
        for line, text in enumerate(lines, first_line):
            record = text.rstrip("\r\n")
            yield Record(line, record, record.split(layout.delimiter))
        return

    def parser() -> Iterator[list[str]]:
        return csv.reader(
            feed(), delimiter=layout.delimiter or ",", quotechar=layout.quote, strict=True
        )

    rows = parser()
    line = first_line
    reread = 0
    while pending:
        taken.clear()
        length = 0
        try:
            fields: list[str] = next(rows)
            reason = None
        except csv.Error as error:
            fields, reason = [], _plain_reason(str(error))
        else:
            if len(taken) > 1 and _swallows(taken, len(fields), layout, columns):
                reason = _UNCLOSED
        if reason:
            reread += len(taken) + sum(map(len, taken)) // _CHARACTERS_PER_LINE
            if reread > _MAXIMUM_REREAD:
                raise TextError(
                    f"line {line}: its quotes and those of the lines around it do not fit "
                    "together; where quotes mean nothing, state `format: {quote: null}`"
                )
            pending.extendleft(reversed(taken[1:]))
            del taken[1:]
            rows = parser()
        yield Record(line, "".join(taken).rstrip("\r\n"), None if reason else fields, reason)
        line += len(taken)


def _swallows(lines: list[str], fields: int, layout: Layout, columns: int | None) -> bool:
    """Tell whether a record of several lines is rather two stray quotes and the records between.

    So it is where each of its lines, the first and the last too, has the delimiters of a record of
    its own, and there are at least two between them; one is enough where the record's fields are
    not as many as the columns. A text of several lines nearly never looks so: its first line stands
    behind other fields, and the lines within it would need that many delimiters each.
    """
    if columns is None or columns == 1 or layout.delimiter is None:
        return False
    between = len(lines) - 2
    if between < _MINIMUM_SWALLOWED - (fields != columns):
        return False
    return all(line.count(layout.delimiter) == columns - 1 for line in lines)


def _plain_reason(error: str) -> str:
    if "unexpected end of data" in error:
        return _UNCLOSED
    if "expected after" in error:
        return "text after a closing quote"
    if "field larger" in error:
        return f"a field is longer than {csv.field_size_limit():,} characters"
    return error


def read_header(
    stream: Lines, file_format: FileFormat, layout: Layout
) -> tuple[tuple[str, ...], int]:
    """Read the names of the columns and leave the stream at the first record.

    Returns:
        The names (from the mapping where it states them), and the physical line of the first
        record.

    Raises:
        HeaderError: the first record is no header.
    """
    line = 1
    names = file_format.column_names
    if names:
        names = unique_names(names)
    if not file_format.header and names:
        return names, line
    while text := stream.next():
        record = next(split_records(stream, [text], line, layout))
        if record.text.strip():
            break
        line += 1
    else:
        return names or (), line
    if record.fields is None or not is_storable(record.text):
        reason = record.reason or f"holds bytes that are not {layout.encoding} text"
        raise HeaderError(f"line {line} {reason}", escape_undecodable(record.text)[:200])
    following = line + 1 + _line_ends(record.text)
    if not file_format.header:
        return tuple(f"column_{n}" for n in range(1, len(record.fields) + 1)), line
    return names or unique_names(record.fields), following


def _line_ends(text: str) -> int:
    return text.count("\n") + text.replace("\r\n", "").count("\r")


def unique_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Return names for columns: those found, none empty, none twice, none our own."""
    names: list[str] = []
    taken = {LINE.casefold()}
    for position, field in enumerate(fields, 1):
        name = base = field.strip().lstrip("\ufeff") or f"column_{position}"
        number = 1
        # DuckDB does not tell names apart by case.
        while name.casefold() in taken:
            number += 1
            name = f"{base}_{number}"
        names.append(name)
        taken.add(name.casefold())
    return tuple(names)


def number_records(
    path: Path, file_format: FileFormat, layout: Layout, target: Path
) -> NumberedRecords:
    """Write a text file's good records, numbered, to `target`, and the malformed ones beside it.

    A record is malformed where its number of fields is not the header's, where its quoting is
    broken, where a byte is not text in the stated encoding or is NUL, or where it is longer than
    MAXIMUM_RECORD. Lines with nothing on them are no records.

    Raises:
        HeaderError: the first record is no header.
        TextError: see there.
    """
    malformed_path = target.with_suffix(".malformed.parquet")
    with Lines(path, layout.encoding) as stream:
        columns, line = read_header(stream, file_format, layout)
    delimiter = layout.delimiter or " "
    separators = len(columns) - 1
    good = malformed = 0
    is_quoted = False
    with (
        Lines(path, layout.encoding) as stream,
        target.open("wb") as out,
        pq.ParquetWriter(malformed_path, MALFORMED_SCHEMA) as malformed_out,
    ):
        for _ in range(line - 1):
            stream.next()
        bad: list[Record] = []
        bad_characters = 0
        while batch := stream.batch():
            simple = _number_simple(batch, line, layout, separators)
            if simple is not None:
                out.write(simple)
                good += len(batch)
                line += len(batch)
                continue
            quoted = _number_quoted(batch, line, layout, len(columns))
            if quoted is not None:
                is_quoted = True
                out.write(quoted)
                good += len(batch)
                line += len(batch)
                continue
            parts = []
            for record in split_records(stream, batch, line, layout, len(columns)):
                line = record.line + 1 + _line_ends(record.text)
                if _is_blank(record, layout, len(columns)):
                    continue
                reason = record.reason or _fault(record, len(columns), layout.encoding)
                if reason or record.fields is None:
                    malformed += 1
                    bad.append(Record(record.line, record.text, None, reason))
                    bad_characters += len(record.text)
                    if len(bad) == _MALFORMED_BATCH or bad_characters >= BATCH_CHARACTERS:
                        _write_malformed(malformed_out, bad)
                        bad.clear()
                        bad_characters = 0
                    continue
                good += 1
                parts.append(f"{record.line}{delimiter}")
                if layout.quote and layout.quote in record.text:
                    is_quoted = True
                    quote = layout.quote
                    parts.append(
                        delimiter.join(
                            f"{quote}{field.replace(quote, quote * 2)}{quote}"
                            for field in record.fields
                        )
                    )
                else:
                    parts.append(delimiter.join(record.fields))
                parts.append("\n")
            out.write("".join(parts).encode())
        _write_malformed(malformed_out, bad)
    return NumberedRecords(
        target, malformed_path, columns, delimiter, layout.quote, is_quoted, good, malformed
    )


def _number_simple(
    batch: list[str], first_line: int, layout: Layout, separators: int
) -> bytes | None:
    """Number the lines of a batch in bulk; None where any of them needs a closer look."""
    if layout.delimiter is None:
        return None
    text = "".join(batch)
    if "\0" in text or (layout.quote is not None and layout.quote in text):
        return None
    delimiter = layout.delimiter
    records = [line.rstrip("\r\n") for line in batch]
    if {record.count(delimiter) for record in records} != {separators} or "" in records:
        return None
    if max(map(len, records)) > MAXIMUM_RECORD:
        return None
    numbered = [f"{line}{delimiter}{record}\n" for line, record in enumerate(records, first_line)]
    try:
        return "".join(numbered).encode()
    except UnicodeEncodeError:
        return None


def _number_quoted(batch: list[str], first_line: int, layout: Layout, columns: int) -> bytes | None:
    """Number a batch in bulk where every line is a sound record; None where one is not.

    As many rows as lines means one line each. They are written anew, so that quotes that were bare
    inside a field reach DuckDB in the one form on which all readers agree.
    """
    if layout.delimiter is None or layout.quote is None or "\0" in "".join(batch):
        return None
    if max(map(len, batch)) > MAXIMUM_RECORD:
        return None
    delimiter, quote = layout.delimiter, layout.quote
    try:
        rows = list(csv.reader(batch, delimiter=delimiter, quotechar=quote, strict=True))
        if len(rows) != len(batch) or set(map(len, rows)) != {columns} or not all(map(any, rows)):
            return None
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter, quotechar=quote, lineterminator="\n")
        writer.writerows([line, *row] for line, row in enumerate(rows, first_line))
        return text.getvalue().encode()
    except (csv.Error, UnicodeEncodeError):
        return None


def _is_blank(record: Record, layout: Layout, columns: int) -> bool:
    """Tell whether nothing but blanks is on a line; delimiters are something."""
    blanks = " \t".replace(layout.delimiter or "", "")
    return not record.text or (columns > 1 and not record.text.strip(blanks))


def _fault(record: Record, columns: int, encoding: str) -> str | None:
    """Say what is wrong with a record that could be told apart, if anything is."""
    if not is_storable(record.text):
        if "\0" in record.text:
            return "holds a NUL byte"
        return f"holds bytes that are not {encoding} text"
    if len(record.text) > MAXIMUM_RECORD:
        return f"is longer than {MAXIMUM_RECORD:,} characters"
    if record.fields is not None and len(record.fields) != columns:
        return f"has {len(record.fields)} fields, expected {columns}"
    return None


def _write_malformed(out: pq.ParquetWriter, records: list[Record]) -> None:
    rows = [
        {
            "source_line": record.line,
            "reason": record.reason,
            "raw_text": escape_undecodable(record.text),
        }
        for record in records
    ]
    out.write_table(pa.Table.from_pylist(rows, schema=MALFORMED_SCHEMA))


def raw_texts(
    path: Path, layout: Layout, columns: int, lines: list[int]
) -> Iterator[tuple[int, str]]:
    """Read again the records that begin on the given physical lines, as delivered.

    Args:
        path: the text file.
        layout: as it was read.
        columns: how many it has.
        lines: ascending physical lines where records begin.

    Yields:
        The line and the record's text.
    """
    wanted = deque(lines)
    with Lines(path, layout.encoding) as stream:
        line = 1
        while wanted and (batch := stream.batch()):
            if wanted[0] >= line + len(batch) and not (
                layout.quote and layout.quote in "".join(batch)
            ):
                line += len(batch)
                continue
            for record in split_records(stream, batch, line, layout, columns):
                line = record.line + 1 + _line_ends(record.text)
                while wanted and wanted[0] <= record.line:
                    if wanted.popleft() == record.line:
                        yield record.line, escape_undecodable(record.text)
