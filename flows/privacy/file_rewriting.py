"""Write files of the landing folder anew as planned: all other records stay byte for byte."""

import codecs
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.load.casting import SourceColumn, as_text, clean
from flows.load.landing import LandingError
from flows.load.mapping import FileFormat
from flows.load.reading import Reading
from flows.load.records import Lines, Record, split_records
from flows.privacy.erasures import ERASED
from flows.privacy.file_plans import FilePlan

_BATCH_ROWS: Final = 100_000
_UNDECODABLE: Final = 0xDC00  # as flows/load/records.py marks bytes that are not text


def _restore_undecodable(error: UnicodeError) -> tuple[bytes, int]:
    """Encode what `regulars.keep` decoded as the bytes that it was."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return bytes(ord(character) - _UNDECODABLE for character in text), error.end


codecs.register_error("regulars.restore", _restore_undecodable)


def write_text(plan: FilePlan, new: Path) -> None:
    """Write a text file without its plan's people, in the encoding and with the marks it had.

    Args:
        plan: of a text file (CSV or JSON lines); told of `moves`.
        new: where it goes.

    Raises:
        LandingError: the file is no text, or a planned line no record.
    """
    reading = plan.reading
    if reading.layout is None:
        raise LandingError(f"{reading.name} is no text file")
    codec, mark = _codec(reading.path, reading.layout.encoding)
    with (
        Lines(reading.path, reading.layout.encoding) as old,
        new.open("w", encoding=codec, errors="regulars.restore", newline="") as out,
    ):
        out.write(mark)
        wanted = plan.people.keys() | plan.referrals | plan.rejected
        line, moved = 1, 0
        while text := old.next():
            if line not in wanted:
                out.write(text)
                line += 1
                continue
            end = text[len(text.rstrip("\r\n")) :]
            # One record, and where its quoting is broken the lines that were read in vain.
            for record in split_records(old, [text], line, reading.layout, len(reading.types)):
                line = record.line + 1 + _line_ends(record.text)
                if record.line not in wanted:
                    out.write(record.text + end)
                    continue
                new_record = _new_record(plan, record)
                if new_record is not None:
                    out.write(new_record + end)
                    moved += 1 + _line_ends(new_record)
                moved -= 1 + _line_ends(record.text)
                plan.moves.append((record.line, moved))
        if out.tell() == 0:
            out.write("\n")  # no record, and not the empty file that a broken feed would leave


def _codec(path: Path, encoding: str) -> tuple[str, str]:
    """Return how to write a file as it was written, and the mark that its reader took off it."""
    with path.open("rb") as stream:
        start = stream.read(3)
    if encoding in ("utf-8", "utf-8-sig"):
        return "utf-8", "\ufeff" if start == codecs.BOM_UTF8 else ""
    if encoding == "utf-16":
        codec = "utf-16-be" if start.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
        is_marked = start.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE))
        return codec, "\ufeff" if is_marked else ""
    return "gb18030" if encoding == "gbk" else encoding, ""


def _line_ends(text: str) -> int:
    return text.count("\n") + text.replace("\r\n", "").count("\r")


def _new_record(plan: FilePlan, record: Record) -> str | None:
    """Return a record that names a person as it stays; None where it goes."""
    is_persons = record.line in plan.people
    if record.line in plan.rejected or (is_persons and not plan.keeps_records):
        return None
    name = plan.name(record.line) or ERASED
    if plan.reading.kind == "json":
        data = json.loads(record.text, parse_float=Decimal)
        return _json_text(_prune(plan, data, name, is_persons, ()))
    layout = plan.reading.layout
    if layout is None or record.fields is None:
        raise LandingError(f"line {record.line} of {plan.reading.name} is no record")
    nothing = "" if layout.delimiter is not None else "-"  # runs of blanks hold no empty field
    fields = []
    for column, value in zip(plan.reading.types, record.fields, strict=True):
        if is_persons and column in plan.id_columns:
            fields.append(name)
        elif column in plan.kept_columns or not (is_persons or column in plan.referral_columns):
            fields.append(value)
        else:
            fields.append(nothing)
    delimiter, quote = layout.delimiter or " ", layout.quote
    if quote is None:
        return delimiter.join(fields)
    special = (delimiter, quote, "\r", "\n")
    return delimiter.join(
        f"{quote}{value.replace(quote, quote * 2)}{quote}"
        if any(one in value for one in special)
        else value
        for value in fields
    )


def _prune(plan: FilePlan, data: Any, name: str, is_persons: bool, path: tuple[str, ...]) -> Any:
    """Blank what does not stay in a JSON object; `path` leads to it."""
    if not isinstance(data, dict):
        return None
    pruned: dict[str, Any] = {}
    for key, value in data.items():
        here = ".".join((*path, key))
        inside = any(
            one.startswith(f"{here}.")
            for one in plan.kept_columns | plan.id_columns | plan.referral_columns
        )
        if is_persons and here in plan.id_columns:
            pruned[key] = name
        elif here in plan.kept_columns:
            pruned[key] = value
        elif inside and isinstance(value, dict):
            pruned[key] = _prune(plan, value, name, is_persons, (*path, key))
        elif not is_persons and here not in plan.referral_columns:
            pruned[key] = value
        else:
            pruned[key] = None
    return pruned


def _json_text(value: Any) -> str:
    """Write JSON with every digit of its numbers, which `json` alone cannot."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        members = (
            f"{json.dumps(key, ensure_ascii=False)}: {_json_text(one)}"
            for key, one in value.items()
        )
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def write_parquet(plan: FilePlan, new: Path) -> None:
    """Write a Parquet file without its plan's people; ids that are no text become text.

    Args:
        plan: of a Parquet file; told of `moves`.
        new: where it goes.
    """
    dropped = plan.rejected if plan.keeps_records else plan.rejected | plan.people.keys()
    plan.moves = [(row, -count) for count, row in enumerate(sorted(dropped), 1)]
    with pq.ParquetFile(plan.reading.path) as old, duckdb.connect() as connection:
        before = pa.schema([one.with_nullable(True) for one in old.schema_arrow])
        named = plan.id_columns if plan.people else set()
        after = pa.schema(
            [
                one.with_type(pa.string()) if one.name in named and not _is_text(one.type) else one
                for one in before
            ],
            old.schema_arrow.metadata,
        )
        with pq.ParquetWriter(new, after) as out:
            row = 1  # numbers of rows count from 1, as lines do
            for batch in old.iter_batches(_BATCH_ROWS):
                rows = range(row, row + batch.num_rows)
                row += batch.num_rows
                table = pa.Table.from_batches([batch]).cast(before)
                for position, column in enumerate(after):
                    values = table.column(position)
                    if values.type != column.type:
                        values = _as_loaded(connection, plan.reading, column.name, values)
                    table = table.set_column(
                        position, column, _new_values(plan, column, values, rows)
                    )
                out.write_table(table.filter(pa.array([one not in dropped for one in rows])))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _as_loaded(
    connection: duckdb.DuckDBPyConnection, reading: Reading, name: str, values: pa.ChunkedArray
) -> pa.ChunkedArray:
    """Write ids that are no text, so that a name fits among them, as a load makes text of them."""
    if pa.types.is_dictionary(values.type):
        return values.cast(pa.string())
    column = SourceColumn(name, "id", reading.types[name], "", FileFormat())
    text = as_text(replace(column, alias=f"({clean(column)})"))
    ids = connection.from_arrow(pa.table({"id": values}))
    return ids.project(f"{text} as id").to_arrow_table().column("id").cast(pa.string())


def _new_values(
    plan: FilePlan, column: pa.Field, values: pa.ChunkedArray, rows: range
) -> pa.ChunkedArray:
    """Return a column of a batch as it stays."""
    if column.name in plan.id_columns:
        theirs = pa.array([plan.name(row) for row in rows], column.type)
        return pc.coalesce(theirs, values)
    blanked = []
    if column.name not in plan.kept_columns:
        blanked = [row in plan.people for row in rows]
    if column.name in plan.referral_columns:
        blanked = [row in plan.referrals or row in plan.people for row in rows]
    nothing: Any = pa.scalar(None, column.type)
    return pc.if_else(pa.array(blanked), nothing, values) if any(blanked) else values
