"""Load a source's files into the raw tables: every record kept, or rejected with its reason.

One transaction a source: it loads whole or not at all. Each file of each entity is one delivery; a
file that is as it was when last loaded, under the same mapping, adds nothing.
"""

import errno
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from flows.database_errors import without_values
from flows.load.casting import number_marks
from flows.load.contact_ids import contacts_as_ids
from flows.load.contract import COMPUTED_COLUMNS, ENTITIES, MEMBER_ENTITIES
from flows.load.databases import read_tables
from flows.load.earlier_loads import EarlierLoads, Loaded
from flows.load.entity_query import EntityQuery, compose
from flows.load.equal_loads import are_equal, take_back
from flows.load.file_hashes import FileHashes, wait_until_at_rest
from flows.load.landing import (
    LandingError,
    TransientLandingError,
    explain_missing,
    find_files,
    joint_sha256,
)
from flows.load.lost_files import judge_lost_files
from flows.load.mapping import EntityMapping, Join, Mapping, Table, reading_sha256
from flows.load.reading import Reading, Workspace, read_file
from flows.load.unread_files import patterns_of
from flows.privacy.erasures import withhold_erased
from flows.sql_text import quote_text

_REJECT_BATCH: Final = 10_000
# A file is read once, so an order that a till's fast clock dates later would be lost for good.
_CLOCK_TOLERANCE: Final = timedelta(hours=1)
# Faults of network drives and busy systems; a full disk or a missing right stays.
_TRANSIENT_ERRORS: Final = frozenset(
    (
        *(errno.EAGAIN, errno.EBUSY, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EINTR, errno.EIO),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.ENOENT, errno.ESTALE, errno.ETIMEDOUT),
    )
)


class LoadError(Exception):
    """A source cannot be loaded; the message names mapping, file, what was expected and found."""


class TransientLoadError(LoadError):
    """A source cannot be loaded just now, for a reason that time may heal: try again later."""


class TooManyRejectedRows(LoadError):  # noqa: N818 (says what happened)
    """More of an entity's records were rejected than its mapping allows."""


@dataclass(frozen=True)
class Delivery:
    """One file of one entity, as loaded.

    Attributes:
        load_id: of raw.loads; of the earlier load where the content is not new.
        entity: the entity.
        source_file: relative to the landing folder, '/' between parts.
        records_read: records counted in the file, independently of what was made of them;
            = rows_loaded + rows_rejected + rows_skipped.
        rows_loaded: rows added to the raw table, derived ones apart.
        rows_rejected: rows added to raw.rejected_rows.
        rows_derived: lines made from header amounts, beside rows_loaded.
        rows_skipped: no rows of this entity, or folded into a later row of their key.
        is_new: False where the file is as it was when last loaded; then all counts are 0.
        notes: what a person should know: new columns, no records, repeated keys, orders replaced.
        warnings: what a person should see to: ids that are contacts, files that a mended mapping
            could not read anew.
        listed_at: of a full list the newest time of a row in it, of people forgotten too.
    """

    load_id: int
    entity: str
    source_file: str
    records_read: int
    rows_loaded: int
    rows_rejected: int
    rows_derived: int
    rows_skipped: int
    is_new: bool
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    listed_at: datetime | None = None


def load_source(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    run_id: str,
    loaded_at: datetime,
    rest_seconds: float = 0,
) -> list[Delivery]:
    """Load all new deliveries of one source, in one transaction.

    Args:
        connection: to the work file; the raw tables exist (`create_raw_tables`), no transaction is
            open.
        mapping: the source.
        landing: the folder that holds one folder for each source.
        run_id: the run that loads.
        loaded_at: the moment of the load, with its zone. A file that a mended mapping reads anew
            keeps the moment when its content first came. Orders dated an hour or more after the
            moment when their file is read are rejected.
        rest_seconds: files that changed so shortly ago are waited for, as long at most.

    Returns:
        One delivery for each file of each entity, in the order of the mapping and of the files'
        names.

    Raises:
        LoadError: a file is missing, empty or not what the mapping expects. Nothing was loaded.
        TransientLoadError: a file is still being written, or a database is locked or not there.
            Nothing was loaded.
        TooManyRejectedRows: see there. Nothing was loaded.
    """
    try:
        if rest_seconds:
            files = find_files(landing, mapping.source, patterns_of(mapping))
            wait_until_at_rest(files, rest_seconds)
    except (LandingError, OSError) as error:
        raise _load_error(f"Mapping {mapping.file or mapping.source}", error) from error
    return run_load(
        connection, mapping, landing, run_id, loaded_at, hold_to_reject_limit, rest_seconds
    )


def run_load(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    run_id: str,
    loaded_at: datetime,
    judge: Callable[[duckdb.DuckDBPyConnection, Mapping, str, list[Delivery]], None],
    rest_seconds: float = 0,
) -> list[Delivery]:
    """Load as `load_source` does; `judge` sees each entity's deliveries before they are kept."""
    if loaded_at.tzinfo is None:
        raise ValueError("loaded_at needs a time zone")
    # Nothing that a source delivers may make DuckDB fetch an extension.
    connection.execute("set autoinstall_known_extensions = false")
    connection.execute("set autoload_known_extensions = false")
    deliveries: list[Delivery] = []
    begun = time.monotonic()
    connection.begin()
    try:
        with tempfile.TemporaryDirectory(
            prefix="regulars-load-", dir=_folder_of(connection)
        ) as folder:
            workspace = Workspace(Path(folder))
            hashes = FileHashes(connection, landing, mapping.source, rest_seconds)
            origins = _Origins(mapping, landing, workspace, hashes)
            for name in mapping.entities:
                loaded = _load_entity(
                    connection, mapping, name, run_id, loaded_at, begun, workspace, origins
                )
                judge(connection, mapping, name, loaded)
                deliveries += loaded
            hashes.write(connection)
        _write_statement(connection, mapping)
        connection.commit()
    except BaseException:
        with suppress(duckdb.Error):  # a full disk has ended the transaction already
            connection.rollback()
        raise
    return deliveries


def _folder_of(connection: duckdb.DuckDBPyConnection) -> Path | None:
    """The folder of the database, which a killed load's leftovers go with; None: in memory."""
    row = connection.execute(
        "select path from duckdb_databases() where database_name = current_database()"
    ).fetchone()
    return Path(row[0]).parent if row and row[0] else None


@dataclass(frozen=True)
class _Origin:
    """A file that holds rows: one of the landing folder, or what was read from a table."""

    path: Path
    name: str  # relative to the landing folder; of a table its database and name instead


class _Origins:
    """Where the rows of a source come from, and what their content comes to."""

    def __init__(
        self, mapping: Mapping, landing: Path, workspace: Workspace, hashes: FileHashes
    ) -> None:
        self._mapping = mapping
        self._source = mapping.source
        self._landing = landing
        self._hashes = hashes
        self._digests: dict[Path, str] = {}
        self._tables: dict[Table, _Origin] = {}
        wanted = _wanted_columns(mapping)
        if not wanted:
            return
        try:
            tables = read_tables(wanted, landing, mapping.source, workspace.folder)
        except (LandingError, OSError) as error:
            raise _load_error(f"Mapping {mapping.file or mapping.source}", error) from error
        for table, rows in tables.rows.items():
            self._tables[table] = _Origin(rows.path, f"{mapping.source}/{table.label}")
            self._digests[rows.path] = tables.digests[table]
            workspace.tables[rows.path] = rows, tables.unread[table]

    def of(self, part: EntityMapping | Join) -> list[_Origin]:
        """Return the files of a part of the mapping, in the order of their names."""
        if part.table is not None:
            return [self._tables[part.table]]
        return [
            _Origin(path, path.relative_to(self._landing).as_posix())
            for path in find_files(self._landing, self._source, part.files)
        ]

    def explain_missing(self, part: EntityMapping | Join) -> str:
        """Say what stands there instead of the files of a part."""
        try:
            taken = find_files(self._landing, self._source, patterns_of(self._mapping.whole))
        except LandingError:  # of another part, which will say so
            taken = []
        return explain_missing(self._landing, self._source, part.files, taken)

    def sha256(self, origin: _Origin) -> str:
        """Return the hash of what an origin holds."""
        return self._digests.get(origin.path) or self._hashes.sha256(origin.path)

    @property
    def held(self) -> dict[str, str]:
        """File to the hash of what it held when the source was loaded last."""
        return self._hashes.held

    def holds(self, name: str) -> str | None:
        """Return the hash of what a file holds now; None where it is gone."""
        return self._hashes.holds(name)

    def hold_still(self, origins: Sequence[_Origin]) -> None:
        """See that files are as they were when they were hashed.

        Raises:
            TransientLandingError: one is not.
        """
        changed = self._hashes.has_changed(one.path for one in origins)
        if changed is not None:
            what = "changed" if changed.exists() else "vanished"
            raise TransientLandingError(f"{changed.name} {what} while it was read; try again later")


def _wanted_columns(mapping: Mapping) -> dict[Table, frozenset[str]]:
    """Return the tables that a mapping reads, with all columns that any of its parts names."""
    wanted: dict[Table, frozenset[str]] = {}
    for name, entity in mapping.entities.items():
        columns = entity.source_columns
        if columns is None:
            known = (*ENTITIES[name].columns, "updated_at")
            columns = frozenset(known) - frozenset(COMPUTED_COLUMNS)
        for table in entity.tables:
            wanted[table] = wanted.get(table, frozenset()) | columns
    return wanted


def _load_error(where: str, error: LandingError | OSError) -> LoadError:
    """Say where something went wrong, and by the type of the error whether it may heal."""
    if isinstance(error, OSError):
        heals, what = (
            error.errno in _TRANSIENT_ERRORS,
            f"it cannot be read: {error.strerror or error}",
        )
    else:
        heals, what = isinstance(error, TransientLandingError), str(error)
    return (TransientLoadError if heals else LoadError)(f"{where}: {what}")


def _load_entity(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    name: str,
    run_id: str,
    loaded_at: datetime,
    begun: float,
    workspace: Workspace,
    origins: _Origins,
) -> list[Delivery]:
    """Load the files of one entity, in the order of their names.

    `begun` is what the monotonic clock said at the moment of the load: an order may be younger than
    it where its file came while others were read.
    """
    entity = mapping.entities[name]
    where = f"Mapping {mapping.file or mapping.source}, {name}"
    try:
        files = origins.of(entity)
        if not files:
            if entity.optional:
                return []
            missing = origins.explain_missing(entity)
            if name != "order_lines":
                missing += " If this list is not always delivered: `optional: true` in the mapping"
            raise LandingError(missing)
        joined = [origins.of(join) for join in entity.join]
        for join, found in zip(entity.join, joined, strict=True):
            if not found:
                raise LandingError(f"join: {origins.explain_missing(join)}")
    except (LandingError, OSError) as error:
        raise _load_error(where, error) from error
    partners = [one for found in joined for one in found]
    joined_content = _sha256(partners, origins, where) if partners else None
    reading = reading_sha256(mapping, name, joined_content)
    earlier = EarlierLoads(connection, mapping.source, name, reading, is_full_list=entity.full_list)
    first = earlier.last
    is_mended = first is not None and first.reading != reading_sha256(mapping, name, first.joined)
    read_again: list[tuple[int, int]] = []  # ids of loads of one content before and after a mend
    told_again: list[tuple[int, int]] = []  # and where only what is joined to it changed
    # Of a file joined to several, malformed records are rejected once.
    counted = {one.name for one in files}
    deliveries = []
    for origin, content in _in_order_of_arrival(files, origins, earlier, where):
        source_file = origin.name
        here = f"{where}, file {source_file}"
        known = earlier.told_by(source_file, content)
        if known and known.joined == joined_content:
            note = f"the content of {source_file} was loaded before (load {known.load_id}"
            note += ")" if known.source_file == source_file else f", from {known.source_file})"
            deliveries.append(_nothing_new(known.load_id, name, source_file, note))
            continue
        before = None if known else earlier.read_before(source_file, content)
        delivered_at = before.delivered_at if before else loaded_at
        try:
            file_bytes = origin.path.stat().st_size
            main = read_file(connection, origin.path, source_file, entity.format, workspace)
            others = [
                [
                    read_file(connection, partner.path, partner.name, join.format, workspace)
                    for partner in found
                ]
                for join, found in zip(entity.join, joined, strict=True)
            ]
            joined_once = {
                reading.name: reading
                for readings in others
                for reading in readings
                if reading.name not in counted
            }
            counted |= joined_once.keys()
            delivery = _load_file(
                connection,
                mapping,
                name,
                main,
                others,
                list(joined_once.values()),
                delivered_at,
                loaded_at + timedelta(seconds=time.monotonic() - begun) + _CLOCK_TOLERANCE,
            )
            if first is not None and not is_mended:
                # warned of when the source was new: what is told every night is soon read by nobody
                delivery = replace(
                    delivery, notes=(*delivery.notes, *delivery.warnings), warnings=()
                )
            origins.hold_still([origin, *partners])
        except (LandingError, OSError, duckdb.Error) as error:
            # Whatever is wrong with half a file says nothing of the whole.
            try:
                origins.hold_still([origin, *partners])
            except TransientLandingError as moved:
                raise _load_error(here, moved) from None  # DuckDB's words may quote the file
            if isinstance(error, LandingError | OSError):
                raise _load_error(here, error) from error
            raise LoadError(
                f"{here}: DuckDB could not read it: {without_values(str(error))}. See that the "
                "file is whole, and of the type and form that the mapping states"
            ) from None  # its words may quote the file
        connection.execute(
            "insert into raw.loads by name select $load_id as load_id, $run_id as run_id, "
            "$source as source, $entity as entity, $source_file as source_file, "
            "$content as content_sha256, $joined as joined_sha256, "
            "$reading as mapping_sha256, $keys as keys_sha256, "
            "$loaded_at as loaded_at, $first_loaded_at as first_loaded_at, "
            "$first_load_id as first_load_id, "
            "$file_bytes as file_bytes, $records_read as records_read, "
            "$rows_loaded as rows_loaded, "
            "$rows_rejected as rows_rejected, $rows_derived as rows_derived, "
            "$rows_skipped as rows_skipped, $is_full_list as is_full_list, "
            "$listed_at as listed_at",
            {
                "load_id": delivery.load_id,
                "run_id": run_id,
                "source": mapping.source,
                "entity": name,
                "source_file": source_file,
                "content": content,
                "joined": joined_content,
                "reading": reading,
                "keys": mapping.key_fingerprint(name),
                "loaded_at": loaded_at,
                "first_loaded_at": before.delivered_at if before else None,
                "first_load_id": before.delivery_id if before else None,
                "file_bytes": file_bytes,
                "records_read": delivery.records_read,
                "rows_loaded": delivery.rows_loaded,
                "rows_rejected": delivery.rows_rejected,
                "rows_derived": delivery.rows_derived,
                "rows_skipped": delivery.rows_skipped,
                "is_full_list": entity.full_list,
                "listed_at": delivery.listed_at,
            },
        )
        deliveries.append(delivery)
        earlier.add(
            Loaded(
                delivery.load_id,
                source_file,
                content,
                joined_content,
                reading,
                delivered_at,
                before.delivery_id if before else delivery.load_id,
            )
        )
        if same := known or before:
            again = read_again if before and is_mended else told_again
            again.append((same.load_id, delivery.load_id))
    deliveries = _without_repetitions(
        connection, name, deliveries, told_again, reading, joined_content
    )
    places = {one.name: place for place, one in enumerate(files)}
    deliveries.sort(key=lambda one: places[one.source_file])
    if is_mended and any(one.is_new for one in deliveries):
        try:
            lost = judge_lost_files(
                connection,
                mapping,
                name,
                read_again,
                is_whole=entity.full_list
                and not any(one.rows_rejected for one in deliveries if one.is_new),
            )
        except LandingError as error:
            raise _load_error(where, error) from error
        if lost:
            deliveries[0] = replace(deliveries[0], warnings=(*deliveries[0].warnings, lost))
    new = [one.load_id for one in deliveries if one.is_new]
    if name != "order_lines" or not new or not (first or len(new) > 1):
        return deliveries
    replaced = _replaced(connection, mapping, new)
    mended = {after for _, after in (*read_again, *told_again)}
    return [
        replace(one, notes=(*one.notes, replaced[one.load_id]))
        if one.is_new and one.load_id in replaced and one.load_id not in mended
        else one
        for one in deliveries
    ]


def _nothing_new(load_id: int, entity: str, source_file: str, note: str) -> Delivery:
    return Delivery(load_id, entity, source_file, 0, 0, 0, 0, 0, is_new=False, notes=(note,))


def _without_repetitions(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    deliveries: list[Delivery],
    told_again: Sequence[tuple[int, int]],
    reading: str,
    joined: str | None,
) -> list[Delivery]:
    """Take back loads of files that were read again for what is joined to them, if all is equal.

    Orders and events are read again in their files' places, so each file is judged by itself.
    Members are told anew, as of now and in the order in which the files came: where one file says
    something else they all stay, or it would win over the later ones.

    Args:
        connection: to the work file.
        name: the entity.
        deliveries: all of the run.
        told_again: ids of the load before and of the new one.
        reading: the hash of how files are read now.
        joined: the hash of the files joined to them.

    Returns:
        The deliveries; those that were taken back are not new.
    """
    contract = ENTITIES[name]
    equal = {
        after: before
        for before, after in told_again
        if are_equal(connection, contract, after, before)
    }
    if name in MEMBER_ENTITIES and len(equal) < len(told_again):
        return deliveries
    for after, before in equal.items():
        take_back(connection, contract, after)
        connection.execute(
            "update raw.loads set mapping_sha256 = $reading, joined_sha256 = $joined "
            "from raw.loads as before where before.load_id = $before "
            "and loads.source = before.source and loads.entity = before.entity "
            "and loads.content_sha256 = before.content_sha256 "
            "and loads.mapping_sha256 = before.mapping_sha256",
            {"reading": reading, "joined": joined, "before": before},
        )
    return [
        _nothing_new(
            equal[one.load_id],
            name,
            one.source_file,
            f"{one.source_file} was read again, for files joined to it changed: nothing is new",
        )
        if one.load_id in equal
        else one
        for one in deliveries
    ]


def moment_of_load(connection: duckdb.DuckDBPyConnection, now: datetime) -> datetime:
    """Return the moment that a load of this run goes by: later than every load before.

    A clock that was set back would make new deliveries older than those that they correct.
    """
    row = connection.execute("select max(loaded_at) from raw.loads").fetchone()
    last = row[0] if row else None
    return now if last is None or now > last else last + timedelta(microseconds=1)


def _in_order_of_arrival(
    files: Sequence[_Origin],
    origins: _Origins,
    earlier: EarlierLoads,
    where: str,
) -> list[tuple[_Origin, str]]:
    """Return the files with the hashes of their content, in the order in which to read them.

    What a mended mapping reads anew, or is read anew for the files joined to it, comes first, as it
    came before; then the rest, by name.
    """
    holds = {origin.name: earlier.known_as(_sha256([origin], origins, where)) for origin in files}
    try:
        earlier.compare(holds, origins.held, origins.holds)
    except (LandingError, OSError) as error:
        raise _load_error(where, error) from error
    arrivals = []
    for origin in files:
        place = earlier.place_of(origin.name, holds[origin.name])
        arrivals.append((place is None, place or 0, origin, holds[origin.name]))
    arrivals.sort(key=lambda arrival: arrival[:2])
    return [(origin, content) for _, _, origin, content in arrivals]


def _sha256(files: Sequence[_Origin], origins: _Origins, where: str) -> str:
    """Return the hash of files that are read together, or say which cannot be read."""
    hashes = []
    for origin in files:
        try:
            hashes.append(origins.sha256(origin))
        except (LandingError, OSError) as error:
            raise _load_error(f"{where}, file {origin.name}", error) from error
    return joint_sha256(hashes)


def _replaced(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, load_ids: Sequence[int]
) -> dict[int, str]:
    """Say for each new load what it replaces of the loads before it; loads without are left out."""
    by_line = mapping.delivers == "lines"
    line = "line_number" if by_line else "null::integer"
    is_whole = "true" if by_line else "not coalesce(bool_or(is_incomplete), false)"
    rows = connection.execute(
        f"""
        with versions as (
            select
                order_id, {line} as line_number, load_id, {is_whole} as is_whole,
                max(updated_at) as updated_at, count(*) as lines
            from raw.order_lines
            where source = $source and order_id in (
                select order_id from raw.order_lines
                where source = $source and load_id in (select unnest($load_ids))
            )
            group by all
        ),

        packed as (
            select *, {{
                'is_whole': is_whole, 'updated_at': updated_at, 'load_id': load_id, 'lines': lines
            }} as version
            from versions
        ),

        successions as (
            select *, max(version) over (
                partition by order_id, line_number order by load_id
                rows between unbounded preceding and 1 preceding
            ) as earlier
            from packed
        )

        select
            successions.load_id,
            sum(earlier.lines),
            count(distinct order_id),
            list(distinct replaced.source_file),
            any_value(own.source_file)
        from successions
        left join raw.loads as replaced on replaced.load_id = earlier.load_id
        left join raw.loads as own on own.load_id = successions.load_id
        where successions.load_id in (select unnest($load_ids)) and version > earlier
        group by successions.load_id
        """,
        {"source": mapping.source, "load_ids": list(load_ids)},
    ).fetchall()
    return {
        load_id: f"replaces {_counted(lines, 'line')} of {_counted(orders, 'order')} from "
        + _which_files(files, own)
        for load_id, lines, orders, files, own in rows
    }


def _which_files(replaced: Sequence[str], own: str) -> str:
    """Name the file whose lines are replaced, where it is one."""
    if len(replaced) != 1:
        return "earlier files"
    return "what it held before" if replaced[0] == own else replaced[0]


def _counted(number: int, noun: str) -> str:
    """Write a number of things: 1 line, 2 lines."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _load_file(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    name: str,
    main: Reading,
    others: Sequence[Sequence[Reading]],
    joined_once: Sequence[Reading],
    loaded_at: datetime,
    latest: datetime,
) -> Delivery:
    """Insert one file's rows; only where some do not arrive, look at it again for the reasons.

    Args:
        connection: as for `load_source`.
        mapping: the source.
        name: the entity.
        main: the file.
        others: for each join, its files.
        joined_once: those of them whose malformed records count with this file.
        loaded_at: as of when the file counts.
        latest: orders dated later are rejected.
    """
    load_id = int(_scalar(connection, "select coalesce(max(load_id), 0) + 1 from raw.loads"))
    parts = (
        connection,
        mapping,
        ENTITIES[name],
        mapping.entities[name],
        main,
        others,
        loaded_at,
        latest,
    )
    query = compose(*parts)
    loaded = int(_scalar(connection, query.insert(load_id)))
    notes = [*main.notes, *query.notes]
    repeats = _repeated_lines(connection, load_id) if query.has_line_numbers else 0
    if repeats and mapping.delivers == "orders":
        connection.execute("delete from raw.order_lines where load_id = ?", [load_id])
        query = compose(*parts, rejects_repeats=True)
        loaded = int(_scalar(connection, query.insert(load_id)))
    elif repeats:
        notes.append(f"{repeats:,} rows are replaced by newer rows of the same line in this file")
    if query.has_versions and (undated := _undated(connection, name, load_id, loaded_at)):
        notes.append(
            f"{undated:,} rows name no time of change, or one after the load: "
            "they count as of the load"
        )
    derived = sum(int(_scalar(connection, sql)) for sql in query.insert_header_lines(load_id))
    malformed = sum(
        _insert_malformed(connection, mapping, name, load_id, reading)
        for reading in (main, *joined_once)
    )
    faulty = skipped = 0
    if loaded != main.good:
        faulty, skipped, accepted = query.count(connection)
        if faulty + skipped + accepted != main.good:
            raise LandingError(
                f"{main.good} records were counted, but {faulty + skipped + accepted} read; "
                "the file changed while it was read, or this is a bug worth a report"
            )
        skipped += accepted - loaded
        if faulty:
            _insert_faulty(connection, mapping, name, load_id, main, query)
    listed_at = _newest_row(connection, name, load_id) if mapping.entities[name].full_list else None
    withheld = withhold_erased(connection, mapping, name, load_id)
    loaded -= withheld
    skipped += withheld
    contacts = contacts_as_ids(connection, name, load_id)
    if main.good + main.malformed == 0:
        notes.append(f"{main.name} holds no records, only a header")
    return Delivery(
        load_id,
        name,
        main.name,
        records_read=main.good + malformed,
        rows_loaded=loaded,
        rows_rejected=faulty + malformed,
        rows_derived=derived,
        rows_skipped=skipped,
        is_new=True,
        notes=tuple(notes),
        warnings=(contacts,) if contacts else (),
        listed_at=listed_at,
    )


def _newest_row(
    connection: duckdb.DuckDBPyConnection, entity: str, load_id: int
) -> datetime | None:
    row = connection.execute(
        f"select max(updated_at) from raw.{entity} where load_id = ?", [load_id]
    ).fetchone()
    return row[0] if row else None


def _undated(
    connection: duckdb.DuckDBPyConnection, entity: str, load_id: int, loaded_at: datetime
) -> int:
    """Count the rows of a load that count as of the load, though the file versions its rows."""
    row = connection.execute(
        f"select count(*) from raw.{entity} where load_id = ? and updated_at = ?",
        [load_id, loaded_at],
    ).fetchone()
    return int(row[0]) if row else 0


def _repeated_lines(connection: duckdb.DuckDBPyConnection, load_id: int) -> int:
    """Count the lines of a load whose number an order has had in it already."""
    return _scalar(
        connection,
        "select coalesce(sum(times - 1), 0) from (select count(*) as times from raw.order_lines "
        f"where load_id = {load_id} group by order_id, line_number having times > 1)",
    )


def _scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _insert_malformed(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    entity: str,
    load_id: int,
    reading: Reading,
) -> int:
    """Reject the records that could not be told apart; return their number."""
    if not reading.malformed:
        return 0
    path = quote_text(str(reading.malformed_path))
    connection.execute(
        "insert into raw.rejected_rows by name select $load_id as load_id, $source as source, "
        "$entity as entity, $source_file as source_file, source_line, reason, raw_text "
        f"from read_parquet({path})",
        {
            "load_id": load_id,
            "source": mapping.source,
            "entity": entity,
            "source_file": reading.name,
        },
    )
    return reading.malformed


def _insert_faulty(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    entity: str,
    load_id: int,
    main: Reading,
    query: EntityQuery,
) -> None:
    """Reject the records whose values are at fault, with their text read again from the file.

    What is left of the orders that such records belong to is marked as incomplete.
    """
    found = connection.cursor().execute(query.faulty)
    incomplete: set[str] = set()
    while rows := found.fetchmany(_REJECT_BATCH):
        texts = dict(main.records_at(connection, [row[0] for row in rows]))
        table = pa.table(
            {
                "source_line": pa.array([row[0] for row in rows], pa.int64()),
                "column_name": pa.array([row[1] for row in rows], pa.string()),
                "reason": pa.array([row[2] for row in rows], pa.string()),
                "detail": pa.array([row[3] for row in rows], pa.string()),
                "raw_text": pa.array([texts.get(row[0]) for row in rows], pa.string()),
            }
        )
        connection.register("regulars_rejected", table)
        connection.execute(
            "insert into raw.rejected_rows by name select $load_id as load_id, $source as source, "
            "$entity as entity, $source_file as source_file, * from regulars_rejected",
            {
                "load_id": load_id,
                "source": mapping.source,
                "entity": entity,
                "source_file": main.name,
            },
        )
        connection.unregister("regulars_rejected")
        incomplete.update(row[4] for row in rows if row[4] is not None)
    if incomplete:
        connection.execute(
            "update raw.order_lines set is_incomplete = true "
            "where load_id = ? and order_id in (select unnest(?))",
            [load_id, sorted(incomplete)],
        )


def hold_to_reject_limit(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, name: str, deliveries: list[Delivery]
) -> None:
    """Stop where an entity's new deliveries hold more rejected records than the mapping allows.

    Raises:
        TooManyRejectedRows: names the worst column, with the first line at fault.
    """
    new = [delivery for delivery in deliveries if delivery.is_new]
    if not is_over_reject_limit(mapping, new):
        return
    records = sum(delivery.records_read for delivery in new)
    rejected = sum(delivery.rows_rejected for delivery in new)
    worst = connection.execute(
        "select column_name, count(*) as rows, arg_min(source_file, (load_id, source_line)), "
        "arg_min(source_line, (load_id, source_line)), arg_min(reason, (load_id, source_line)) "
        "from raw.rejected_rows where load_id in (select unnest($load_ids)) "
        "group by column_name order by rows desc, column_name limit 1",
        {"load_ids": [delivery.load_id for delivery in new]},
    ).fetchone()
    assert worst is not None  # noqa: S101 (rejected > 0)
    column, rows, file, line, reason = worst
    at_fault = f"worst is column '{column}'" if column else "worst are malformed records"
    raise TooManyRejectedRows(
        f"Mapping {mapping.file or mapping.source}, {name}: {rejected:,} of {records:,} records "
        f"were rejected, more than the limit of {mapping.reject_limit:.2%}; "
        f"{at_fault} with {rows:,}, first in {file}, line {line}: {reason}. "
        f"Nothing of {mapping.source} was loaded. "
        "Mend the file or the mapping, or raise its reject_limit."
        + _format_to_try(connection, name, column, [delivery.load_id for delivery in new])
    )


def is_over_reject_limit(mapping: Mapping, deliveries: Sequence[Delivery]) -> bool:
    """Tell whether deliveries of one entity together hold too many rejected records."""
    rejected = sum(delivery.rows_rejected for delivery in deliveries)
    return rejected > mapping.reject_limit * sum(delivery.records_read for delivery in deliveries)


def _format_to_try(
    connection: duckdb.DuckDBPyConnection, entity: str, column: str | None, load_ids: list[int]
) -> str:
    """Propose the marks of numbers that most values at fault in a column show; quotes none."""
    rows = connection.execute(
        "select regexp_extract(detail, $read, 1) from raw.rejected_rows "
        "where load_id in (select unnest($load_ids)) and column_name = $column "
        "order by load_id, source_line limit 1000",
        {
            "read": "^cannot read '(.*)' as (?:an? )?(?:DECIMAL|INTEGER)",
            "load_ids": load_ids,
            "column": column,
        },
    ).fetchall()
    values = [value for (value,) in rows if value]
    if 2 * sum("," in value for value in values) <= len(rows):
        return ""
    decimal, thousands = number_marks(values)
    if decimal is None and thousands is None:
        return ""
    what = "A decimal comma?" if decimal else "A comma that groups thousands?"
    marks = {"decimal": decimal, "thousands": thousands}
    stated = ", ".join(f'{key}: "{mark}"' for key, mark in marks.items() if mark)
    return f" {what} `format: {{{stated}}}` for {entity} in the mapping reads it."


def _write_statement(connection: duckdb.DuckDBPyConnection, mapping: Mapping) -> None:
    """Keep what the mapping states about its source, in place of what it stated before."""
    connection.execute(
        "insert or replace into raw.sources by name select $source as source, $title as title, "
        "$time_zone as time_zone, $currency as currency, $delivers as delivers, "
        "$complete as has_complete_history, $zero as are_zero_orders_purchases",
        {
            "source": mapping.source,
            "title": mapping.title,
            "time_zone": mapping.time_zone,
            "currency": mapping.currency,
            "delivers": mapping.delivers,
            "complete": mapping.has_complete_history,
            "zero": mapping.are_zero_orders_purchases,
        },
    )
    connection.execute("delete from raw.margin_rates where source = ?", [mapping.source])
    for category, rate in mapping.margin_rates.items():
        connection.execute(
            "insert into raw.margin_rates values (?, ?, ?)",
            [mapping.source, None if category == "default" else category, rate],
        )
