"""Rows of text on their way into DuckDB, from what it cannot read itself: sheets and tables.

The rows go, numbered, into a Parquet file of the workspace; those that cannot be kept as text go,
with the reason, into another beside it. As many rows are held in memory as fit a bounded number of
characters.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.load.records import (
    LINE,
    MALFORMED_SCHEMA,
    MAXIMUM_RECORD,
    escape_undecodable,
    unique_names,
)

_BATCH_ROWS: Final = 50_000
_BATCH_CHARACTERS: Final = 16 * 2**20
_PLAIN_INTEGER: Final = 10**15

Cell = str | bytes | int | float | None


@dataclass(frozen=True)
class TextRows:
    """Rows of text in a file of the workspace.

    Attributes:
        path: Parquet file of LINE and the columns.
        malformed_path: Parquet file of MALFORMED_SCHEMA with the rows that are not in `path`.
        columns: the names, no two alike but for case.
        good: rows in `path`.
        malformed: rows in `malformed_path`.
    """

    path: Path
    malformed_path: Path
    columns: tuple[str, ...]
    good: int
    malformed: int


class TextRowsWriter:
    """Writes rows as they come; `finished` holds the result once it is closed without an error."""

    finished: TextRows

    def __init__(self, target: Path, columns: Sequence[str]) -> None:
        self._columns = unique_names(columns)
        self._target = target
        self._malformed_target = target.with_suffix(".malformed.parquet")
        fields = [(LINE, pa.int64()), *((name, pa.string()) for name in self._columns)]
        self._schema = pa.schema(fields)
        self._out = pq.ParquetWriter(target, self._schema)
        self._malformed_out = pq.ParquetWriter(self._malformed_target, MALFORMED_SCHEMA)
        self._lines: list[int] = []
        self._rows: list[Sequence[Cell]] = []
        self._characters = self._good = self._malformed = 0
        self._has_long = False

    def append(self, line: int, cells: Sequence[Cell]) -> None:
        """Take one row.

        Args:
            line: its number in the sheet or table.
            cells: as many as there are columns. Bytes are UTF-8, or the row is malformed; a float
                without a fraction is written as an integer.
        """
        size = _size(cells)
        self._lines.append(line)
        self._rows.append(cells)
        self._characters += size
        self._has_long = self._has_long or size > MAXIMUM_RECORD
        if len(self._rows) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = None if self._has_long else _text_columns(self._rows)
        if columns is None:  # a row of the batch is malformed: look at each
            self._set_malformed_apart()
            columns = _text_columns(self._rows) if self._rows else []
        if self._rows and columns is not None:
            arrays = [pa.array(self._lines, pa.int64()), *columns]
            self._out.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._good += len(self._rows)
        self._lines, self._rows, self._characters, self._has_long = [], [], 0, False

    def _set_malformed_apart(self) -> None:
        good, bad = [], []
        for line, cells in zip(self._lines, self._rows, strict=True):
            reason = _fault(cells)
            if reason is None:
                good.append((line, cells))
                continue
            shown = dict(zip(self._columns, map(_shown, cells), strict=True))
            text = json.dumps(shown, ensure_ascii=False)
            bad.append(dict(zip(MALFORMED_SCHEMA.names, (line, reason, text), strict=True)))
        self._malformed_out.write_table(pa.Table.from_pylist(bad, schema=MALFORMED_SCHEMA))
        self._malformed += len(bad)
        self._lines = [line for line, _ in good]
        self._rows = [cells for _, cells in good]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._out.close()
        self._malformed_out.close()
        self.finished = TextRows(
            self._target, self._malformed_target, self._columns, self._good, self._malformed
        )


def _size(cells: Sequence[Cell]) -> int:
    return sum([len(cell) for cell in cells if isinstance(cell, str | bytes)])


def _text_columns(rows: Sequence[Sequence[Cell]]) -> list[Any] | None:
    """Turn rows into Arrow columns of text; None where a value of them cannot be one."""
    columns = []
    for column in zip(*rows, strict=True):
        kinds = set(map(type, column))
        try:
            if kinds <= {bytes, NoneType}:
                array = pa.array(column, pa.binary()).cast(pa.string())
            elif kinds <= {int, NoneType}:
                array = pa.array(column, pa.int64()).cast(pa.string())
            elif kinds <= {str, NoneType}:
                array = pa.array(column, pa.string())
            else:
                array = pa.array([_text(cell) for cell in column], pa.string())
        except (pa.ArrowInvalid, UnicodeError):
            return None
        if pc.any(pc.match_substring(array, "\0")).as_py():
            return None
        columns.append(array)
    return columns


def _text(cell: Cell) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return cell.decode()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _PLAIN_INTEGER:
        return str(int(cell))
    return str(cell)


def _fault(cells: Sequence[Cell]) -> str | None:
    """Say why a row cannot be kept as text, if it cannot."""
    if _size(cells) > MAXIMUM_RECORD:
        return f"is longer than {MAXIMUM_RECORD:,} characters"
    for cell in cells:
        try:
            text = _text(cell) or ""
            text.encode()
        except UnicodeDecodeError:
            return "holds bytes that are not utf-8 text"
        except UnicodeEncodeError:
            return "holds characters that are no text"
        if "\0" in text:
            return "holds a NUL byte"
    return None


def _shown(cell: Cell) -> str | None:
    if isinstance(cell, bytes):
        return escape_undecodable(cell.decode("utf-8", "regulars.keep"))
    text = _text(cell)
    return None if text is None else escape_undecodable(text.encode("utf-8", "replace").decode())
