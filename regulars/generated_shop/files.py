"""Landing files: tables of a chunk become blocks of bytes, blocks of all chunks become files."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Final, Literal, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from regulars.generated_shop.settings import ShopSettings

_BYTE_ORDER_MARKS: Final = {"utf-16-le": b"\xff\xfe", "utf-8-sig": b"\xef\xbb\xbf"}
_RECORDS_FOR_A_BROKEN_ONE: Final = 25  # so that no mapping's reject_limit, 5 %, is met
_MALFORMED: Final = ("too few fields", "no key")


@dataclass(frozen=True)
class Style:
    """How a file is written.

    Attributes:
        kind: what it is.
        ending: of its name.
        delimiter, encoding: of text.
        has_malformed: whether broken records are strewn in; the first column is then the key.
    """

    kind: Literal["csv", "json", "parquet"] = "csv"
    ending: str = "csv"
    delimiter: str = ","
    encoding: str = "utf-8"
    has_malformed: bool = False


PARQUET: Final = Style("parquet", "parquet")


@dataclass(frozen=True)
class Content:
    """Rows for the files of one name in a source's landing folder.

    Attributes:
        source: the folder.
        stem: the name before the date of delivery.
        table: the rows, with the file's own columns.
        night: int64, of each row; None for all in the history.
    """

    source: str
    stem: str
    style: Style
    table: pa.Table
    night: np.ndarray | None = None


class Broken(NamedTuple):
    """A copy of a record that cannot be read: `text` comes behind the record in place `row`."""

    row: int
    kind: str
    text: bytes


@dataclass(frozen=True)
class Block:
    """A piece of one file, as a worker hands it over.

    Attributes:
        path: of the file in the shop's folder.
        header: what stands before the first block of the file.
        data: the piece, parted where broken records may come in; of Parquet one Arrow stream.
        records: of the piece, without broken ones.
        broken: a record for each place between two parts.
    """

    path: str
    style: Style
    header: bytes
    data: list[bytes]
    records: int
    broken: list[Broken] = field(default_factory=list)


def blocks_of(
    content: Content, settings: ShopSettings, random: np.random.Generator
) -> Iterator[Block]:
    """The content's blocks, one for the history and one for each night that brings something."""
    nights = np.zeros(1, np.int64) if content.night is None else np.unique(content.night)
    for night in nights.tolist():
        table = content.table
        if content.night is not None:
            table = table.filter(pa.array(content.night == night))
        if not table.num_rows:
            continue
        day = settings.last_day + timedelta(days=night)
        folder = f"nights/{day}" if night else "landing"
        path = f"{folder}/{content.source}/{content.stem}_{day}.{content.style.ending}"
        if content.style.kind == "parquet":
            yield parquet_block(path, table)
            continue
        text = _as_json(table) if content.style.kind == "json" else _as_csv(table, content.style)
        rate = settings.malformed_rate if content.style.has_malformed else 0.0
        parts, broken = _with_broken(text, table.num_rows, content.style, rate, random)
        yield Block(
            path,
            content.style,
            _header(table, content.style),
            [_encoded(part, content.style) for part in parts],
            table.num_rows,
            broken,
        )


def parquet_block(path: str, table: pa.Table) -> Block:
    """A block of a Parquet file that belongs to no source, or is delivered as it is."""
    return Block(path, PARQUET, b"", [_as_stream(table)], table.num_rows)


class Files:
    """Files under way: blocks are appended in the order in which they are given.

    Each file is open only while a block is written: nights have more files than a process may hold
    open.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parquet: dict[str, tuple[pa.parquet.ParquetWriter, BytesIO]] = {}
        self.records: dict[str, int] = {}  # by path; a header is none
        self._broken: dict[str, int] = {}  # of these
        self.malformed: list[tuple[str, int, str]] = []

    def append(self, block: Block) -> None:
        """Write a block behind those of its file; broken records are noted with their line.

        Of a file's records up to there at most one in 25 is broken, whatever chance says.
        """
        is_new, before = block.path not in self.records, self.records.get(block.path, 0)
        broken: list[Broken] = []
        if block.style.kind == "parquet":
            self._append_parquet(block)
        else:
            broken_before = self._broken.get(block.path, 0)
            whole = before - broken_before + block.records
            broken = block.broken[: max(0, whole // _RECORDS_FOR_A_BROKEN_ONE - broken_before)]
            between = [one.text for one in broken] + [b""] * (len(block.data) - len(broken))
            pieces = [piece for pair in zip(block.data, between, strict=True) for piece in pair]
            self._append_bytes(block.path, block.header if is_new else b"", *pieces)
            first_line = before + (2 if block.style.kind == "csv" else 1)
            self.malformed += [
                (block.path, first_line + one.row + 1 + number, one.kind)
                for number, one in enumerate(broken)
            ]
            self._broken[block.path] = broken_before + len(broken)
        self.records[block.path] = before + block.records + len(broken)

    def close(self) -> None:
        """Finish the Parquet files."""
        for path, (writer, written) in self._parquet.items():
            writer.close()
            self._append_bytes(path, written.getvalue())

    def _append_parquet(self, block: Block) -> None:
        """Append a row group. The writer counts its bytes itself, so they may be taken away."""
        table = pa.ipc.open_stream(block.data[0]).read_all()
        if block.path not in self._parquet:
            written = BytesIO()
            writer = pa.parquet.ParquetWriter(written, table.schema, compression="zstd")
            self._parquet[block.path] = writer, written
        writer, written = self._parquet[block.path]
        writer.write_table(table)
        self._append_bytes(block.path, written.getvalue())
        written.seek(0)
        written.truncate()

    def _append_bytes(self, path: str, *pieces: bytes) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as whole:  # the folder was empty, so it holds nothing of others
            whole.writelines(pieces)


def _as_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _as_csv(table: pa.Table, style: Style) -> bytes:
    sink = BytesIO()
    options = pa.csv.WriteOptions(
        include_header=False, delimiter=style.delimiter, quoting_style="needed"
    )
    pa.csv.write_csv(table, sink, options)
    return sink.getvalue()


def _as_json(table: pa.Table) -> bytes:
    """A JSON object a row; members without a value are null."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("rows", table)
        lines = connection.execute(
            "select to_json(rows)::varchar as line from rows"
        ).to_arrow_table()
    column = lines["line"].combine_chunks().cast(pa.string())
    together = pa.ListArray.from_arrays([0, len(column)], column)
    return bytes(pc.binary_join(together, "\n")[0].as_buffer()) + b"\n"


def _header(table: pa.Table, style: Style) -> bytes:
    mark = _BYTE_ORDER_MARKS.get(style.encoding, b"")
    if style.kind == "json":
        return mark
    return mark + _encoded((style.delimiter.join(table.column_names) + "\n").encode(), style)


def _encoded(text: bytes, style: Style) -> bytes:
    if style.encoding in ("utf-8", "utf-8-sig"):
        return text
    return text.decode().encode(style.encoding)


def _with_broken(
    text: bytes, rows: int, style: Style, rate: float, random: np.random.Generator
) -> tuple[list[bytes], list[Broken]]:
    """The text parted behind some records, and broken copies of these for the places between."""
    after = np.flatnonzero(random.random(rows) < rate)
    if not len(after):
        return [text], []
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
    parts, broken, done = [], [], 0
    for row in after.tolist():
        record = text[ends[row - 1] if row else 0 : ends[row] - 1]
        kind = _MALFORMED[row % 2] if style.kind == "csv" else _MALFORMED[0]
        parts.append(text[done : ends[row]])
        broken.append(Broken(row, kind, _encoded(_spoiled(record, kind, style) + b"\n", style)))
        done = int(ends[row])
    return [*parts, text[done:]], broken


def _spoiled(record: bytes, kind: str, style: Style) -> bytes:
    if style.kind == "json":
        text = record.decode()  # cut between characters, for broken text is another matter
        return text[: len(text) // 2].encode()
    delimiter = style.delimiter.encode()
    key, rest = record.split(delimiter, 1)
    return key + delimiter + b"?" if kind == _MALFORMED[0] else delimiter + rest
