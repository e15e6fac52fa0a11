"""What to do to each file of the landing folder so that people are in it no more."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import duckdb

from flows.load.contract import ENTITIES
from flows.load.entity_query import compose
from flows.load.landing import find_files, joint_sha256
from flows.load.mapping import BY_NAME, Column, EntityMapping, FileFormat, Join, Mapping
from flows.load.reading import Reading, Workspace, read_file
from flows.load.records import LINE
from flows.privacy.erasures import ERASED, ID_COLUMNS, columns_of_persons, keeps_rows


@dataclass(frozen=True)
class Use:
    """One way in which a mapping reads a file: as an entity's own, or joined to one's own."""

    entity: str
    stated: EntityMapping
    file_format: FileFormat
    join: Join | None


@dataclass
class FilePlan:
    """What to do to one file.

    Attributes:
        reading: the file.
        keeps_records: whether its records hold money, or what is no person's.
        id_columns: the file's columns that hold customer ids.
        kept_columns: the columns that stay as they are in a person's record.
        referral_columns: columns that name who brought somebody.
        people: line of each record of a person, to the person's id in the source.
        stand_ins: what stands in the record instead of that id; `erased` where it has none.
        referrals: lines of others' records that name one of them.
        rejected: lines of records that were rejected and name one of them; they go.
        moves: line of an old record, and by how much all after it have moved, once it is written.
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
        """Whether the file names any of the people."""
        return bool(self.people or self.referrals or self.rejected)

    def name(self, line: int) -> str | None:
        """What stands for the person of a record; None where it is nobody's who goes."""
        if line not in self.people:
            return None
        return self.stand_ins.get(self.people[line], ERASED)


def uses_of(mapping: Mapping, landing: Path) -> dict[Path, list[Use]]:
    """Return the files of a source with all ways in which its mapping reads each."""
    uses: dict[Path, list[Use]] = {}
    for name, stated in mapping.entities.items():
        origins: list[tuple[tuple[str, ...], FileFormat, Join | None]] = [
            (stated.files, stated.format, None),
            *((join.files, join.format, join) for join in stated.join),
        ]
        for patterns, file_format, join in origins:
            for path in find_files(landing, mapping.source, patterns or ()):
                uses.setdefault(path, []).append(Use(name, stated, file_format, join))
    return uses


def contents_of(
    mapping: Mapping, landing: Path, hashes: dict[Path, str]
) -> dict[tuple[str, Path], str]:
    """Return what each file of each entity holds, as raw.loads knows it; new files are none."""
    return {
        (name, path): hashes[path]
        for name, stated in mapping.entities.items()
        for path in find_files(landing, mapping.source, stated.files or ())
        if path in hashes
    }


def joined_contents(mapping: Mapping, landing: Path, hashes: dict[Path, str]) -> set[str]:
    """Return the hashes under which raw.loads knows the files that are joined to others."""
    joined = set()
    for stated in mapping.entities.values():
        partners = [
            path for join in stated.join for path in find_files(landing, mapping.source, join.files)
        ]
        if partners and hashes.keys() >= {*partners}:
            joined.add(joint_sha256([hashes[one] for one in partners]))
    return joined


def databases_of(mapping: Mapping) -> list[str]:
    """Name the entities of people that a mapping reads from databases, which nobody rewrites."""
    return [
        f"{name}: read from a database; remove them there too"
        for name, stated in mapping.entities.items()
        if "customer_id" in ENTITIES[name].columns
        and not all((stated.files, *(join.files for join in stated.join)))
    ]


def plan_file(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    path: Path,
    ways: Sequence[Use],
    customer_ids: Sequence[str],
    workspace: Workspace,
) -> FilePlan:
    """Plan what to do to one file, but for its rejected records and stand-ins.

    Args:
        connection: to read files with.
        mapping: the source.
        landing: the folder that holds one folder for each source.
        path: the file.
        ways: in which the mapping reads it, at least one.
        customer_ids: the source's ids of the people who go.
        workspace: remembers what was read of this and other files.

    Raises:
        LandingError: the file cannot be read.
    """

    def read(file: Path, file_format: FileFormat) -> Reading:
        name = file.relative_to(landing).as_posix()
        return read_file(connection, file, name, file_format, workspace)

    plan = FilePlan(read(path, ways[0].file_format))
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


def _columns(use: Use, reading: Reading) -> dict[str, Column]:
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


def _columns_read(use: Use, reading: Reading, columns: dict[str, Column]) -> set[str]:
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
