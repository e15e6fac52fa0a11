"""Take people out of the files of the landing folder, so that no later load finds them there.

A record that is a person's alone goes. A record that holds money stays: it names `erased` instead
of the person, or a stand-in where its key is made of the person's id, and of its other fields only
those that the money needs keep their value. All other records stay as they are, byte for byte.
"""

import codecs
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.leftovers import remove_leftover
from flows.load.casting import SourceColumn, as_text, clean
from flows.load.contract import ENTITIES
from flows.load.entity_query import compose
from flows.load.landing import (
    FileState,
    LandingError,
    content_sha256,
    find_files,
    joint_sha256,
)
from flows.load.mapping import BY_NAME, Column, EntityMapping, FileFormat, Join, Mapping
from flows.load.reading import Reading, Workspace, read_file
from flows.load.records import LINE, Lines, Record, split_records
from flows.privacy.erasures import (
    ERASED,
    ID_COLUMNS,
    columns_of_persons,
    erasure_key,
    keeps_rows,
    needs_stand_ins,
    stand_in,
)
from flows.privacy.file_search import find_in_files
from flows.privacy.journal import ErasurePlan
from flows.privacy.traits import others_traits
from flows.publish.versions import sync_folder

_NOTHING: Final = hashlib.sha256().hexdigest()  # of an empty file, which no reader takes
_SUFFIX: Final = ".forgetting"
_BATCH_ROWS: Final = 100_000
_TRIES: Final = 3  # to find all files of a source at rest
_UNDECODABLE: Final = 0xDC00  # as flows/load/records.py marks bytes that are not text


def _restore_undecodable(error: UnicodeError) -> tuple[bytes, int]:
    """Encode what `regulars.keep` decoded as the bytes that it was."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return bytes(ord(character) - _UNDECODABLE for character in text), error.end


codecs.register_error("regulars.restore", _restore_undecodable)


class LandingChangedError(Exception):
    """Files changed while they were rewritten, or could not be replaced: those are as they were."""


@dataclass(frozen=True)
class _Rewritten:
    """A file written anew beside the old one, whose place it does not have yet."""

    path: Path
    new: Path
    old: FileState | None  # before it was read


@dataclass(frozen=True)
class NewContent:
    """What a file holds since it was rewritten.

    Attributes:
        sha256: its hash.
        moves: line of an old record, and by how much all records after it have moved since.
    """

    sha256: str
    moves: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Rewriting:
    """A source's files without some people, written beside the old ones.

    Attributes:
        rewritten: the files, relative to the landing folder.
        files: the same, to be put in their places or discarded.
        left: what still holds them, or may, and why it was left as it is.
        new_contents: (entity, hash of what a file held) to what it holds now.
    """

    rewritten: tuple[str, ...]
    files: tuple[_Rewritten, ...]
    left: tuple[str, ...]
    new_contents: dict[tuple[str, str], NewContent]

    def put_in_place(self) -> None:
        """Let the new files take the places of the old ones, each in one rename.

        Raises:
            LandingChangedError: names the old files that changed meanwhile, or could not be
                replaced; they stay, and all others are in place.
        """
        left = []
        try:
            for file in self.files:
                if _state(file.path) != file.old:
                    left.append(f"{file.path} changed while it was rewritten")
                    continue
                try:
                    file.new.replace(file.path)
                    sync_folder(file.path.parent)
                except OSError as error:
                    left.append(f"{file.path} cannot be replaced: {error.strerror}")
        finally:
            self.discard()
        if left:
            raise LandingChangedError("; ".join(left))

    def discard(self) -> None:
        """Remove the new files that did not take their places."""
        for file in self.files:
            file.new.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Use:
    """One way in which a mapping reads a file: as an entity's own, or joined to one's own."""

    entity: str
    stated: EntityMapping
    file_format: FileFormat
    join: Join | None


@dataclass
class _Plan:
    """What to do to one file.

    Attributes:
        reading: the file.
        layout_format: how it is written.
        keeps_records: whether its records hold money, or what is no person's.
        id_columns: the file's columns that hold customer ids.
        kept_columns: the columns that stay as they are in a person's record.
        referral_columns: columns that name who brought somebody.
        people: line of each record of a person, to the person's id in the source.
        stand_ins: what stands in the record instead of that id; `erased` where it has none.
        referrals: lines of others' records that name one of them.
        rejected: lines of records that were rejected and name one of them; they go.
        moves: as of `NewContent`, once it is written.
    """

    reading: Reading
    keeps_records: bool = False
    id_columns: set[str] = field(default_factory=set)
    kept_columns: set[str] = field(default_factory=set)
    referral_columns: set[str] = field(default_factory=set)
    people: dict[int, str] = field(default_factory=dict)
    stand_ins: dict[str, str] = field(default_factory=dict)
    referrals: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    moves: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_needed(self) -> bool:
        return bool(self.people or self.referrals or self.rejected)

    def name(self, line: int) -> str | None:
        """What stands for the person of a record; None where it is nobody's who goes."""
        if line not in self.people:
            return None
        return self.stand_ins.get(self.people[line], ERASED)


def remove_unplaced(landing: Path, source: str) -> None:
    """Remove a source's files that were written anew and did not take their places, if any."""
    for leftover in (landing / source).rglob(f".*{_SUFFIX}"):
        remove_leftover(leftover)


def rewrite_landing(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    people: ErasurePlan,
    folder: Path,
) -> Rewriting:
    """Take people out of all files of a source.

    Each file is written anew beside the old one and takes its place in one rename. Where the source
    changes one meanwhile, all are read again.

    Args:
        connection: to read files with; of its database, only the key of erasures may be made.
        mapping: the source.
        landing: the folder that holds one folder for each source.
        people: who they are, and what they are found by; files that still hold a name, an address
            or a number of theirs are `left`, and those that nobody can look into.
        folder: an existing one, for temporary files.

    Raises:
        LandingError: a file that a mapping names cannot be read.
        LandingChangedError: a file changes again and again.
    """
    for tries_left in reversed(range(_TRIES)):
        uses = _uses(mapping, landing)
        states = {path: _state(path) for path in uses}
        try:
            # A workspace of its own for each try: it remembers what was read.
            with TemporaryDirectory(dir=folder) as fresh:
                workspace = Workspace(Path(fresh))
                rewriting = _rewrite(connection, mapping, landing, people, workspace, uses, states)
        except (LandingError, OSError, duckdb.Error):
            changed = _changed(mapping, landing, states)
            if changed is None:  # else half a file says nothing of the whole
                raise
        else:
            changed = _changed(mapping, landing, states)
            if changed is None:
                return rewriting
            rewriting.discard()
        if not tries_left:
            raise LandingChangedError(f"{changed} changed while it was rewritten")
    raise AssertionError("the last try returns or raises")


def _rewrite(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    people: ErasurePlan,
    workspace: Workspace,
    uses: dict[Path, list[_Use]],
    states: dict[Path, FileState | None],
) -> Rewriting:
    """Rewrite as `rewrite_landing` does, once; `states` are of the files before."""
    remove_unplaced(landing, mapping.source)
    hashes = {path: content_sha256(path) for path in uses}
    before = _contents(mapping, landing, hashes)
    known = {*before.values(), *_joined(mapping, landing, hashes)}
    stand_ins = {one: stand_in(erasure_key(connection), mapping.source, one) for one in people.ids}
    lines_rejected: dict[str, set[int]] = {}
    for sha256, file, line in people.rejected:
        if sha256 in known:  # else the line is another's by now
            lines_rejected.setdefault(file, set()).add(line)

    left = _databases(mapping)
    files: list[_Rewritten] = []
    moves: dict[Path, tuple[tuple[int, int], ...]] = {}
    try:
        for path, ways in uses.items():
            if hashes[path] == _NOTHING:
                continue
            source_file = path.relative_to(landing).as_posix()
            plan = _plan(connection, mapping, landing, path, ways, people.ids, workspace)
            plan.rejected = lines_rejected.get(source_file, set()) - plan.people.keys()
            if any(needs_stand_ins(use.entity, use.stated) for use in ways):
                plan.stand_ins = stand_ins
            if not plan.is_needed:
                continue
            write = {"csv": _write_text, "json": _write_text, "parquet": _write_parquet}.get(
                plan.reading.kind
            )
            if path.is_symlink():
                left.append(
                    f"{source_file}: a link; rewrite the file that it points at, {path.readlink()}"
                )
            elif write is None:
                left.append(f"{source_file}: {plan.reading.kind} files are not rewritten")
            else:
                new = _write_beside(path, partial(write, plan))
                files.append(_Rewritten(path, new, states[path]))
                hashes[path] = content_sha256(new)
                moves[path] = tuple(plan.moves)
    except BaseException:
        for done in files:
            done.new.unlink()
        raise
    after = _contents(mapping, landing, hashes)
    new_contents = {
        (entity, before[entity, path]): NewContent(new, moves[path])
        for (entity, path), new in after.items()
        if before.get((entity, path), new) != new
    }
    rewritten = tuple(one.path.relative_to(landing).as_posix() for one in files)
    listed = {*rewritten, *(one.partition(":")[0] for one in left)}
    # What is written anew may name them too, in another's record.
    own_names = {
        one.new.relative_to(landing).as_posix(): name
        for one, name in zip(files, rewritten, strict=True)
    }
    left += [
        f"{own_names.get(file, file)}: {why}"
        for file, why in find_in_files(
            landing,
            landing / mapping.source,
            people.traits,
            others_traits(connection, mapping.source, people.ids, people.traits),
            uses.keys() | {one.new for one in files},
        )
        if file not in listed
    ]
    return Rewriting(rewritten, tuple(files), tuple(left), new_contents)


def _state(path: Path) -> FileState | None:
    """Look at a file; None where it is gone."""
    try:
        return FileState.of(path)
    except FileNotFoundError:
        return None


def _changed(mapping: Mapping, landing: Path, states: dict[Path, FileState | None]) -> Path | None:
    """Return a file that is not in the state it was in, or was not there; None where all are."""
    paths = sorted(states.keys() | set(_uses(mapping, landing)))
    return next((one for one in paths if one not in states or _state(one) != states[one]), None)


# ---------- what is where


def _uses(mapping: Mapping, landing: Path) -> dict[Path, list[_Use]]:
    """Return the files of a source with all ways in which its mapping reads each."""
    uses: dict[Path, list[_Use]] = {}
    for name, stated in mapping.entities.items():
        origins: list[tuple[tuple[str, ...], FileFormat, Join | None]] = [
            (stated.files, stated.format, None),
            *((join.files, join.format, join) for join in stated.join),
        ]
        for patterns, file_format, join in origins:
            for path in find_files(landing, mapping.source, patterns or ()):
                uses.setdefault(path, []).append(_Use(name, stated, file_format, join))
    return uses


def _contents(
    mapping: Mapping, landing: Path, hashes: dict[Path, str]
) -> dict[tuple[str, Path], str]:
    """Return what each file of each entity holds, as raw.loads knows it; new files are none."""
    return {
        (name, path): hashes[path]
        for name, stated in mapping.entities.items()
        for path in find_files(landing, mapping.source, stated.files or ())
        if path in hashes
    }


def _joined(mapping: Mapping, landing: Path, hashes: dict[Path, str]) -> set[str]:
    """Return the hashes under which raw.loads knows the files that are joined to others."""
    joined = set()
    for stated in mapping.entities.values():
        partners = [
            path for join in stated.join for path in find_files(landing, mapping.source, join.files)
        ]
        if partners and hashes.keys() >= {*partners}:
            joined.add(joint_sha256([hashes[one] for one in partners]))
    return joined


def _databases(mapping: Mapping) -> list[str]:
    return [
        f"{name}: read from a database; remove them there too"
        for name, stated in mapping.entities.items()
        if "customer_id" in ENTITIES[name].columns
        and not all((stated.files, *(join.files for join in stated.join)))
    ]


def _plan(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    path: Path,
    ways: Sequence[_Use],
    customer_ids: Sequence[str],
    workspace: Workspace,
) -> _Plan:
    def read(file: Path, file_format: FileFormat) -> Reading:
        name = file.relative_to(landing).as_posix()
        return read_file(connection, file, name, file_format, workspace)

    plan = _Plan(read(path, ways[0].file_format))
    for use in ways:
        reading = read(path, use.file_format)
        columns = _columns(use, reading)
        for name in ID_COLUMNS:
            if name not in columns or name not in ENTITIES[use.entity].columns:
                continue
            own = {one for origin in columns[name].origins if (one := _own_name(reading, origin))}
            if not own:
                continue
            found = _lines(connection, mapping, reading, columns[name], customer_ids)
            if name == "customer_id":
                plan.id_columns |= own
                plan.people |= found
            else:
                plan.referral_columns |= own
                plan.referrals |= found.keys()
        is_joined = bool(use.stated.join) and all(join.files for join in use.stated.join)
        if use.join is None and is_joined and "customer_id" in columns:
            # The customer of a record may stand in another file.
            others = [
                [
                    read(file, join.format)
                    for file in find_files(landing, mapping.source, join.files)
                ]
                for join in use.stated.join
            ]
            now = datetime.now(UTC)
            query = compose(
                connection,
                mapping,
                ENTITIES[use.entity],
                use.stated,
                reading,
                others,
                now,
                now,
            )
            plan.people |= _lines_of(connection, query.judged, customer_ids)
        if keeps_rows(use.entity):
            plan.keeps_records = True
            plan.kept_columns |= _columns_read(use, reading, columns)
    plan.kept_columns -= plan.id_columns | plan.referral_columns
    plan.referrals -= plan.people.keys()
    return plan


def _columns(use: _Use, reading: Reading) -> dict[str, Column]:
    if use.stated.columns != BY_NAME and not isinstance(use.stated.columns, str):
        return use.stated.columns
    contract = ENTITIES[use.entity]
    return {
        name: Column.model_validate(name)
        for name in (*contract.columns, "updated_at")
        if reading.find(name)
    }


def _own_name(reading: Reading, name: str) -> str | None:
    """Return the file's own spelling of a column that a mapping names, if it has it."""
    prefix, _, rest = name.partition(".")
    if (own := reading.find(name)) is not None:
        return own
    return reading.find(rest) if rest and prefix == PurePosixPath(reading.name).stem else None


def _columns_read(use: _Use, reading: Reading, columns: dict[str, Column]) -> set[str]:
    """Return the file's columns that an entity needs, but for those that tell of a person."""
    personal = columns_of_persons(use.entity)
    names = [
        name
        for target, column in columns.items()
        if target not in personal
        for name in (*column.origins, *(column.when.column if column.when else ()))
    ]
    names += [line.net_revenue for line in use.stated.header_lines]
    if use.join is not None:
        names += use.join.on.values()
    else:
        names += [name for join in use.stated.join for name in join.on]
    return {own for name in names if (own := _own_name(reading, name))}


def _lines(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    reading: Reading,
    column: Column,
    customer_ids: Sequence[str],
) -> dict[int, str]:
    """Find the records where a column, read as the mapping reads it, is one of the ids."""
    alone = EntityMapping(files=("any",), columns={"customer_id": column})
    now = datetime.now(UTC)
    query = compose(connection, mapping, ENTITIES["customers"], alone, reading, (), now, now)
    return _lines_of(connection, query.judged, customer_ids)


def _lines_of(
    connection: duckdb.DuckDBPyConnection, judged: str, customer_ids: Sequence[str]
) -> dict[int, str]:
    rows = connection.execute(
        f"select {LINE}, customer_id from ({judged}) where customer_id in (select unnest($ids))",
        {"ids": list(customer_ids)},
    ).fetchall()
    return {int(line): str(customer_id) for line, customer_id in rows}


# ---------- writing


def _write_beside(path: Path, write: Callable[[Path], None]) -> Path:
    """Write a file anew beside the old one, hidden from loads, with its owner and mode.

    Where this user may not give the new file to the owner of the old one, it stays this user's.
    """
    new = path.with_name(f".{path.name}{_SUFFIX}")
    before = path.stat()
    try:
        new.touch(mode=0o600, exist_ok=False)
        write(new)
        for owner, group in ((before.st_uid, -1), (-1, before.st_gid)):
            with suppress(PermissionError):
                os.chown(new, owner, group)
        shutil.copymode(path, new)
        with new.open("rb") as stream:
            os.fsync(stream.fileno())
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return new


def _write_text(plan: _Plan, new: Path) -> None:
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


def _new_record(plan: _Plan, record: Record) -> str | None:
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


def _prune(plan: _Plan, data: Any, name: str, is_persons: bool, path: tuple[str, ...]) -> Any:
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


def _write_parquet(plan: _Plan, new: Path) -> None:
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
    plan: _Plan, column: pa.Field, values: pa.ChunkedArray, rows: range
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
