"""Sheets of Excel workbooks (.xlsx, .xlsm) as rows of text, read as a stream.

A workbook from outside is a zip file of XML. It is read with Python's own zip and XML parsers,
never more at once than a piece: DuckDB's extension takes a damaged file for an internal error that
invalidates the whole database, and openpyxl took 2.6 GB for a file of 2.8 MB.
"""

import re
import zipfile
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import Final
from xml.parsers import expat

from flows.load.landing import LandingError
from flows.load.mapping import FileFormat, did_you_mean
from flows.load.text_rows import TextRows, TextRowsWriter

MAXIMUM_BYTES: Final = 2 * 2**30  # of all parts, unpacked
MAXIMUM_SHARED_BYTES: Final = 256 * 2**20  # of the texts that cells share, which are kept in memory
MAXIMUM_PARTS: Final = 10_000
MAXIMUM_RATIO: Final = 300  # unpacked to packed; sheets of like rows come to 50
_SMALL: Final = 16 * 2**20  # a part of which any ratio is harmless
_PIECE: Final = 256 * 1024
_LAST_COLUMN: Final = 16_384
_LAST_ROW: Final = 1_048_576

_SPREADSHEET: Final = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
_RELATIONSHIP_ID: Final = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships id",
    "http://purl.oclc.org/ooxml/officeDocument/relationships id",
)
# Excel's own number formats that show a date or a time; those of East Asia among them.
_DATE_FORMATS: Final = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_NO_DATE_PART: Final = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_ELAPSED: Final = re.compile(r"\[[hms]+\]", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
# Day numbers below are times of day or durations; Excel's 1900 had a 29 February, day 60.
_FIRST_DAY: Final = 61
_LAST_DAY: Final = 2_958_466  # the first after 9999-12-31
_MILLISECONDS: Final = 86_400_000
_SAFE_DIGITS: Final = 17

# A handler takes the local name of an element and its attributes.
_Start = Callable[[str, dict[str, str]], None]


def read_sheet(
    path: Path, file_format: FileFormat, target: Path
) -> tuple[TextRows, tuple[str, ...]]:
    """Read one sheet of a workbook into rows of text, numbered as Excel numbers them.

    A number arrives as Excel keeps it, with the format's decimal mark; a number that is shown as a
    date arrives as `2024-05-01` or `2024-05-01 10:30:00`; true and false as 1 and 0; an error as
    its name, #N/A. Rows without any value are no records.

    Args:
        path: the workbook.
        file_format: which sheet, where its header stands, and what its columns are called.
        target: the file to write to.

    Returns:
        The rows, and notes for people.

    Raises:
        LandingError: not a workbook, too large when unpacked, damaged, or without that sheet or
            header.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _look_at_directory(path, archive)
            workbook = _Workbook(archive)
            name = workbook.choose(file_format.sheet)
            with _Sheet(workbook, name, file_format, target) as sheet:
                sheet.read()
            notes = sheet.notes
            if file_format.sheet is None and len(workbook.sheets) > 1:
                others = ", ".join(f"'{other}'" for other in workbook.sheets if other != name)
                notes.append(f"the sheet '{name}' was read, not {others}")
            return sheet.finished, tuple(notes)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        if isinstance(error, RecursionError):
            raise
        raise LandingError(f"not a readable Excel workbook: {error}") from error


def _look_at_directory(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse what would unpack to far more than a workbook holds, before any of it is unpacked."""
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if len(parts) > MAXIMUM_PARTS:
        raise LandingError(f"the workbook has {len(parts):,} parts, more than {MAXIMUM_PARTS:,}")
    if unpacked > MAXIMUM_BYTES:
        raise LandingError(
            f"the workbook unpacks to {unpacked:,} bytes, more than {MAXIMUM_BYTES:,}; "
            "deliver it as CSV or Parquet"
        )
    for part in parts:
        if part.file_size > _SMALL and part.file_size > MAXIMUM_RATIO * max(part.compress_size, 1):
            raise LandingError(
                f"the workbook's part {part.filename!r} unpacks to {part.file_size:,} bytes, more "
                f"than {MAXIMUM_RATIO} times its size: it looks like a zip bomb"
            )
    if packed > path.stat().st_size:
        raise LandingError("the workbook's parts overlap: it looks like a zip bomb")


def _parse(
    archive: zipfile.ZipFile,
    name: str,
    start: _Start,
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Parse one part as a stream; elements of other namespaces are passed over.

    Raises:
        LandingError: the part is missing, is not XML, or declares entities, as XML bombs do.
    """

    def refuse(*_: object) -> None:
        raise LandingError(f"the workbook's part {name} declares a document type, as no Excel does")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    # Names are the same few again and again; a dict is faster than taking each apart.
    local_names: dict[str, str] = {}

    def local(full: str) -> str:
        known = local_names.get(full)
        if known is None:
            namespace, _, own = full.rpartition(" ")
            known = own if namespace in _SPREADSHEET or "relationships" in namespace else ""
            if len(local_names) < _PIECE:
                local_names[full] = known
        return known

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda full, attributes: start(local(full), attributes)
    if end is not None:
        parser.EndElementHandler = lambda full: end(local(full))
    if text is not None:
        parser.CharacterDataHandler = text
    try:
        with archive.open(name) as stream:
            while piece := stream.read(_PIECE):
                parser.Parse(piece, False)
            parser.Parse(b"", True)
    except KeyError as error:
        raise LandingError(f"not an Excel workbook: it has no part {name}") from error
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise LandingError(
            f"the workbook is damaged: {name}, line {error.lineno}: {what}"
        ) from error


class _Workbook:
    """A workbook's list of sheets, shared texts and date formats."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.sheets: dict[str, str] = {}  # name to part
        self.is_1904 = False
        self._targets: dict[str, tuple[str, str]] = {}
        _parse(archive, "xl/_rels/workbook.xml.rels", self._take_relationship)
        _parse(archive, "xl/workbook.xml", self._take_sheet)
        if not self.sheets:
            raise LandingError("the workbook has no sheet")
        parts = dict(self._targets.values())
        self.texts = self._read_texts(parts.get("sharedStrings"))
        self.date_styles = self._read_date_styles(parts.get("styles"))

    def _take_relationship(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship":
            target = attributes.get("Target", "")
            part = target[1:] if target.startswith("/") else f"xl/{target}"
            kind = PurePosixPath(attributes.get("Type", "")).name
            self._targets[attributes.get("Id", "")] = (kind, part)

    def _take_sheet(self, name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            self.is_1904 = attributes.get("date1904") in ("1", "true")
        if name == "sheet":
            identifier = next(
                (attributes[key] for key in _RELATIONSHIP_ID if key in attributes), ""
            )
            kind, part = self._targets.get(identifier, ("", ""))
            if kind == "worksheet":  # a chart has a sheet of its own too
                self.sheets[attributes.get("name", "")] = part

    def choose(self, wanted: str | None) -> str:
        """Return the name of the sheet asked for, else of the first.

        Raises:
            LandingError: there is no such sheet.
        """
        names = list(self.sheets)
        if wanted is None:
            return names[0]
        alike = [name for name in names if name.casefold().strip() == wanted.casefold().strip()]
        if wanted in names or len(alike) == 1:
            return wanted if wanted in names else alike[0]
        found = ", ".join(f"'{name}'" for name in names)
        close = did_you_mean(wanted, names)
        raise LandingError(f"the workbook has no sheet '{wanted}'.{close} Sheets found: {found}")

    def _read_texts(self, part: str | None) -> list[str]:
        """Read the texts that cells refer to by number."""
        if part is None or part not in self.archive.NameToInfo:
            return []
        if self.archive.getinfo(part).file_size > MAXIMUM_SHARED_BYTES:
            raise LandingError(
                f"the workbook's texts come to more than {MAXIMUM_SHARED_BYTES:,} bytes; "
                "deliver it as CSV or Parquet"
            )
        texts: list[str] = []
        pieces: list[str] = []
        pronounced = 0  # inside an rPh, which says how the text beside it is pronounced
        is_text = False

        def start(name: str, _: dict[str, str]) -> None:
            nonlocal pronounced, is_text
            if name == "si":
                pieces.clear()
            elif name == "rPh":
                pronounced += 1
            elif name == "t":
                is_text = not pronounced

        def end(name: str) -> None:
            nonlocal pronounced, is_text
            if name == "si":
                texts.append(_unescape("".join(pieces)))
            elif name == "rPh":
                pronounced -= 1
            elif name == "t":
                is_text = False

        def text(data: str) -> None:
            if is_text:
                pieces.append(data)

        _parse(self.archive, part, start, end, text)
        return texts

    def _read_date_styles(self, part: str | None) -> frozenset[str]:
        """Read which cell styles show a number as a date, as the text of their numbers."""
        if part is None or part not in self.archive.NameToInfo:
            return frozenset()
        custom: dict[str, str] = {}
        formats: list[str] = []
        is_cell_style = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal is_cell_style
            if name == "numFmt":
                custom[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            elif name in ("cellXfs", "cellStyleXfs"):
                is_cell_style = name == "cellXfs"
            elif name == "xf" and is_cell_style:
                formats.append(attributes.get("numFmtId", "0"))

        _parse(self.archive, part, start)
        dates = {identifier for identifier, code in custom.items() if _shows_a_date(code)}
        dates |= {str(number) for number in _DATE_FORMATS} - custom.keys()
        return frozenset(str(style) for style, chosen in enumerate(formats) if chosen in dates)


def _shows_a_date(code: str) -> bool:
    """Tell whether a number format shows a date or a time of day, not a number or a duration."""
    if _ELAPSED.search(code):
        return False
    bare = _NO_DATE_PART.sub("", code.split(";")[0]).casefold()
    return "general" not in bare and any(letter in bare for letter in "ydmhs")


def _unescape(text: str) -> str:
    """Read Excel's own escapes of control characters, _x000D_."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


class _Sheet:
    """Reads the rows of one sheet; a context manager, as its rows are written while it reads."""

    finished: TextRows

    def __init__(
        self, workbook: _Workbook, name: str, file_format: FileFormat, target: Path
    ) -> None:
        self.notes: list[str] = []
        self._workbook = workbook
        self._part = workbook.sheets[name]
        self._name = name
        self._format = file_format
        self._target = target
        self._writer: TextRowsWriter | None = None
        self._width = 0
        self._row = 0
        self._column = -1
        self._cells: dict[int, str] = {}
        self._kind = self._style = ""
        self._has_formula = self._takes_text = False
        self._pieces: list[str] = []
        self._pronounced = 0
        self._outside = 0

    def __enter__(self) -> "_Sheet":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, None, None)
            self.finished = self._writer.finished

    def read(self) -> None:
        """Read all rows."""
        _parse(self._workbook.archive, self._part, self._start, self._end, self._text)
        if self._writer is None:
            if self._format.header:
                raise LandingError(
                    f"row {self._format.header_row} of the sheet '{self._name}' holds no header; "
                    "where it stands below, state `format: {header_row: ...}`"
                )
            self._open(self._format.column_names or ())
        if self._outside:
            self.notes.append(
                f"the sheet '{self._name}' has values right of its header, first in row "
                f"{self._outside}; they were not read"
            )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            place = attributes.get("r")
            self._column = self._column + 1 if place is None else _column_of(place)
            self._kind = attributes.get("t", "n")
            self._style = attributes.get("s", "0")
            self._has_formula = False
            self._pieces.clear()
        elif name in ("v", "t"):
            self._takes_text = self._pronounced == 0
        elif name == "f":
            self._has_formula = True
        elif name == "row":
            stated = attributes.get("r")
            row = self._row + 1 if stated is None else _whole(stated)
            if not self._row < row <= _LAST_ROW:
                raise LandingError(f"the workbook is damaged: row {row} follows row {self._row}")
            self._row, self._column = row, -1
            self._cells = {}
        elif name == "rPh":
            self._pronounced += 1

    def _text(self, data: str) -> None:
        if self._takes_text:
            self._pieces.append(data)

    def _end(self, name: str) -> None:
        if name == "c":
            self._end_cell()
        elif name in ("v", "t"):
            self._takes_text = False
        elif name == "row":
            self._end_row()
        elif name == "rPh":
            self._pronounced -= 1

    def _end_cell(self) -> None:
        if not 0 <= self._column < _LAST_COLUMN:
            raise LandingError(f"the workbook is damaged: a cell of row {self._row} has no column")
        text = "".join(self._pieces)
        if self._kind == "s" and text:
            number = _whole(text)
            if not 0 <= number < len(self._workbook.texts):
                raise LandingError(
                    f"the workbook is damaged: a cell of row {self._row} refers to text {number}, "
                    f"of {len(self._workbook.texts)}"
                )
            text = self._workbook.texts[number]
        elif self._kind in ("str", "inlineStr"):
            text = _unescape(text)
        elif self._kind == "n":
            if self._has_formula and not text:
                raise LandingError(
                    f"row {self._row} of the sheet '{self._name}' has a formula without a result: "
                    "open the workbook in Excel and save it"
                )
            text = self._number(text.strip())
        if text.strip():
            self._cells[self._column] = text

    def _number(self, text: str) -> str:
        if self._style in self._workbook.date_styles:
            moment = _moment(text, self._workbook.is_1904)
            if moment is not None:
                return moment
        if "E" in text or "e" in text:
            # An id of many digits; Excel keeps no more than 17 of them.
            try:
                number = Decimal(text)
            except InvalidOperation:
                return text
            if number.adjusted() <= _SAFE_DIGITS:
                text = f"{number:f}"
        return text.replace(".", self._format.decimal)

    def _end_row(self) -> None:
        if self._writer is None:
            if self._row < self._format.header_row and self._format.header:
                return
            if self._format.header:
                if self._row > self._format.header_row or not self._cells:
                    return  # `read` says that the header is missing
                width = 1 + max(self._cells)
                found = [self._cells.get(column, "") for column in range(width)]
                self._open(self._stated_names(found))
                return
            if not self._cells:
                return
            width = 1 + max(self._cells)
            self._open(self._stated_names([""] * width))
        if not self._cells or self._writer is None:
            return
        if max(self._cells) >= self._width:
            self._outside = self._outside or self._row
            if min(self._cells) >= self._width:
                return
        self._writer.append(self._row, [self._cells.get(column) for column in range(self._width)])

    def _stated_names(self, found: list[str]) -> tuple[str, ...]:
        stated = self._format.column_names
        if stated is None:
            return tuple(found)
        if self._format.header and len(stated) != len(found):
            raise LandingError(
                f"the header of the sheet '{self._name}' has {len(found)} cells, "
                f"the mapping's column_names has {len(stated)}"
            )
        return stated

    def _open(self, names: tuple[str, ...]) -> None:
        self._width = len(names)
        self._writer = TextRowsWriter(self._target, names)


def _column_of(place: str) -> int:
    """Return the number, from 0, of a cell's column: B7 is in column 1."""
    column = 0
    for letter in place:
        if not "A" <= letter <= "Z":
            break
        column = column * 26 + ord(letter) - 64
        if column > _LAST_COLUMN:
            break
    return column - 1


def _whole(text: str) -> int:
    try:
        return int(text) if len(text) < _SAFE_DIGITS and text.isascii() else -1
    except ValueError:
        return -1


def _moment(text: str, is_1904: bool) -> str | None:
    """Return the date or time that a day number stands for; None where it is neither."""
    try:
        days = Decimal(text)
    except InvalidOperation:
        return None
    if is_1904:
        days += 1462
    if not _FIRST_DAY <= days < _LAST_DAY:
        return None
    milliseconds = int((days * _MILLISECONDS).to_integral_value(ROUND_HALF_UP))
    moment = datetime(1899, 12, 30) + timedelta(milliseconds=milliseconds)
    if milliseconds % _MILLISECONDS == 0:
        return moment.date().isoformat()
    is_whole_second = milliseconds % 1000 == 0
    return moment.isoformat(" ", "seconds" if is_whole_second else "milliseconds")
