"""Forget people: out of the landing files, raw, every version, exports and logs.

What their orders came to stays in every figure, under the member `erased`. The erasure is recorded
without them, and a later load of the same files does not bring them back.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from flows.building import DiskFullError, building_file, settle, telling_of_a_full_disk
from flows.compaction import compact
from flows.database_errors import hiding_values, without_values
from flows.database_file import NewerWarehouseError
from flows.held_folder import remove_unheld
from flows.load.check import CHECK_ENDING
from flows.load.contract import ENTITIES
from flows.load.landing import LandingError
from flows.load.mapping import Mapping, MappingError, find_mappings, load_mapping
from flows.privacy.erasures import (
    ERASED,
    Erased,
    customer_hash,
    erase_rejected_rows,
    erase_rows,
    erasure_key,
    names_in_rejected_rows,
    stand_in,
    withdraw_build,
)
from flows.privacy.interrupted import unfinished_plans
from flows.privacy.journal import ErasurePlan, combined, read_journal, write_journal
from flows.privacy.landing_files import (
    LandingChangedError,
    NewContent,
    Rewriting,
    rewrite_landing,
)
from flows.privacy.look_ups import forget_look_ups, this_user
from flows.privacy.source_ids import ForgetError, UnknownCustomerError, source_ids
from flows.privacy.traits import is_distinct, traits_of
from flows.project import project_folder
from flows.publish.bi_file import PublishError
from flows.publish.versions import (
    current_version,
    remove_version,
    switch_to,
    version_folder,
    versions,
)
from flows.refresh import rebuild
from flows.runs import last_published
from flows.settings import RefreshSettings
from flows.upgrade import undo_interrupted_0_1, upgrade
from flows.work_file import (
    RefreshInProgressError,
    make_private,
    open_database,
    sole_refresh,
    work_file,
    work_folder,
)


@dataclass
class Erasure:
    """What was done to forget people.

    Attributes:
        people: how many.
        rows: of raw.
        rejected_rows: whose text was emptied.
        files_rewritten: of the landing folder, relative to it.
        files_left: what still holds them, or may, and why it could not be rewritten.
        exports_removed: files that `regulars person --export` had written.
        exports_left: those recorded that could not be removed, and why.
        versions_removed: published before.
        version: published now; none of the people is in it.
    """

    people: int
    rows: Erased = field(default_factory=Erased)
    rejected_rows: int = 0
    files_rewritten: list[str] = field(default_factory=list)
    files_left: list[str] = field(default_factory=list)
    exports_removed: list[Path] = field(default_factory=list)
    exports_left: list[str] = field(default_factory=list)
    versions_removed: list[str] = field(default_factory=list)
    version: str | None = None


def forget(settings: RefreshSettings, customers: Sequence[str]) -> Erasure:
    """Forget people for good, and publish a version without them.

    It may be stopped anywhere and be called again. Until the version without them is published
    nothing is changed, and the next refresh removes what it wrote beside the landing files; from
    then on a journal tells what is left to do, and any later call does it, whoever it is to forget.

    Args:
        settings: as of a refresh.
        customers: golden ids, `<source>:<id>`; all source ids that one stands for are forgotten.

    Raises:
        UnknownCustomerError: see there.
        ForgetError: a mapping or a landing file cannot be read, a file changed meanwhile, or a
            newer release wrote the warehouse; or what was left to do after the publish could not be
            done.
        RefreshInProgressError: another process holds the warehouse; nothing was changed.
        RefreshError: the version without them could not be built; then all is as before.
    """
    warehouse = settings.warehouse.resolve()
    try:
        return _forget(settings, warehouse, customers)
    except (NewerWarehouseError, DiskFullError, PublishError) as error:
        raise ForgetError(str(error)) from error


@hiding_values()
def _forget(settings: RefreshSettings, warehouse: Path, customers: Sequence[str]) -> Erasure:
    wait_seconds = 60 * settings.wait_minutes
    landing = settings.landing.resolve()
    with sole_refresh(warehouse, wait_seconds):
        settle(warehouse)
        undo_interrupted_0_1(warehouse)
        if not work_file(warehouse).is_file():
            raise UnknownCustomerError(f"there is no warehouse in {warehouse} yet")
        with open_database(work_file(warehouse)) as connection:
            upgrade(connection)
            held, forgotten = source_ids(connection, customers)
            try:
                unfinished = unfinished_plans(connection, warehouse, landing)
            except ValueError as error:
                raise ForgetError(str(error)) from error
    # What the calls before have left, and what this one asks for again.
    again = [*unfinished, *_plans(forgotten, customers)]
    mappings = _mappings(settings, [*held, *(plan.source for plan in again)])
    erasure = Erasure(len(set(customers)))
    found: list[ErasurePlan] = []
    rewritings: list[Rewriting] = []

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        found.extend(find(connection, plan) for plan in _plans(held, customers))
        write_journal(warehouse, [*read_journal(warehouse), *found])
        for new in found:
            plan = new
            if others := [one for one in again if one.source == new.source]:
                plan = find(connection, combined([new, *others]))
            mapping = mappings[plan.source]
            erase(connection, mapping, plan, erasure)
            with _private_folder(building_file(warehouse).parent) as folder:
                rewritings.append(rewrite(connection, mapping, landing, plan, folder, erasure))
        _record(connection, erasure)

    before = current_version(warehouse)
    version = "the newest version"
    if held:
        try:
            version = f"version {rebuild(settings, change).run_id}"
        except BaseException:
            for rewriting in rewritings:
                rewriting.discard()
            if current_version(warehouse) == before:  # else it was stopped after the publish
                _end(warehouse, found)
            raise
    with _telling_what_is_done(warehouse, version), sole_refresh(warehouse, wait_seconds):
        settle(warehouse)
        problems = _put_in_place(rewritings)
        sources = dict.fromkeys(plan.source for plan in again if plan.source not in held)
        with open_database(work_file(warehouse)) as connection:
            for source in sources:
                plan = find(connection, combined(one for one in again if one.source == source))
                problems += _finish(connection, warehouse, mappings[source], landing, plan, erasure)
            clean = _newest_version(connection)
        if not version_folder(warehouse, clean).is_dir():
            raise ForgetError(
                f"version {clean}, which is without them, is not there any more: run "
                "`regulars refresh --full`, then call it again"
            )
        if current_version(warehouse) != clean:  # somebody rolled back meanwhile
            switch_to(warehouse, clean)
        erasure.version = clean
        erasure.versions_removed = _remove_traces(warehouse)
        plans = [*again, *_plans(held, customers)]
        looked_up = {customer for plan in plans for customer in plan.customers}
        try:
            exports = forget_look_ups(warehouse, looked_up, settings.restricted.group)
        except OSError as error:
            problems.append(f"the record of look-ups cannot be rewritten: {error}")
        else:
            erasure.exports_removed += exports.removed
            erasure.exports_left += exports.left
        if problems:
            raise ForgetError(
                f"version {clean} is without them, but not all files are: {'; '.join(problems)}; "
                "call it again"
            )
        _end(warehouse, [*unfinished, *found])
    return erasure


@contextmanager
def _telling_what_is_done(warehouse: Path, version: str) -> Iterator[None]:
    """Say of what stops the work after the publish that the version without them is out."""
    try:
        with telling_of_a_full_disk(warehouse, "its work file is copied once more"):
            yield
    except (RefreshInProgressError, DiskFullError, OSError, duckdb.Error) as error:
        said = without_values(str(error)) if isinstance(error, duckdb.Error) else str(error)
        raise ForgetError(
            f"{version} is without them, but landing files, older versions and exports "
            f"may still hold them: {said}; call it again"
        ) from error


def _plans(ids: dict[str, list[str]], customers: Sequence[str]) -> list[ErasurePlan]:
    """Return a plan for each source, by what people were asked for."""
    return [
        ErasurePlan(
            source,
            tuple(dict.fromkeys((*customers, *(f"{source}:{one}" for one in own)))),
            tuple(own),
        )
        for source, own in ids.items()
    ]


def _end(warehouse: Path, plans: Sequence[ErasurePlan]) -> None:
    """Take plans out of the journal; those of another call stay."""
    left = [plan for plan in read_journal(warehouse) if plan not in plans]
    write_journal(warehouse, left)


def _put_in_place(rewritings: Iterable[Rewriting]) -> list[str]:
    """Let rewritten files take their places; returns what is wrong with those that could not."""
    problems = []
    for rewriting in rewritings:
        try:
            rewriting.put_in_place()
        except (LandingChangedError, OSError) as error:
            problems.append(str(error))
    return problems


def _finish(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Path,
    mapping: Mapping,
    landing: Path,
    plan: ErasurePlan,
    erasure: Erasure,
) -> list[str]:
    """Rewrite the landing files of people whom a version without them is published of.

    Returns:
        What is wrong with the files that could not be rewritten.
    """
    # A refresh may have loaded the old files meanwhile: ids were withheld, rejected rows were not.
    erased = erase_rejected_rows(connection, plan.source, plan.ids, plan.traits)
    erasure.rejected_rows += len(erased)
    try:
        with _private_folder(work_folder(warehouse)) as folder:
            rewriting = rewrite(connection, mapping, landing, plan, folder, erasure)
    except ForgetError as error:
        return [str(error)]
    return _put_in_place([rewriting])


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """A folder for what is read of landing files; what a killed call left goes with `settle`."""
    folder = parent / "forgetting.tmp"
    shutil.rmtree(folder, ignore_errors=True)
    make_private(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _newest_version(connection: duckdb.DuckDBPyConnection) -> str:
    """The version of the work file: whoever it has forgotten is in none of its tables."""
    published = last_published(connection)
    if published is None:
        raise ForgetError("nothing is published: run `regulars refresh`, then call it again")
    return published[0]


def _mappings(settings: RefreshSettings, sources: Sequence[str]) -> dict[str, Mapping]:
    known = find_mappings([project_folder() / "sources", settings.mappings])
    missing = [source for source in sources if source not in known]
    if missing:
        raise ForgetError(
            f"the mapping of {', '.join(missing)} is not there: without it nobody knows which "
            f"files hold these people; put it back into {settings.mappings}"
        )
    try:
        return {source: load_mapping(known[source]) for source in sources}
    except MappingError as error:
        raise ForgetError(str(error)) from error


def find(connection: duckdb.DuckDBPyConnection, plan: ErasurePlan) -> ErasurePlan:
    """Add to a plan what raw tells: names, addresses, numbers, and rejected rows that name them."""
    told = traits_of(connection, plan.source, plan.ids)
    traits = tuple(dict.fromkeys((*plan.traits, *told)))
    loads = {
        load_id: (file, content, joined)
        for load_id, file, content, joined in connection.execute(
            "select load_id, source_file, content_sha256, joined_sha256 from raw.loads "
            "where source = ?",
            [plan.source],
        ).fetchall()
    }
    rejected = []
    for load_id, file, line in names_in_rejected_rows(connection, plan.source, plan.ids, traits):
        own, content, joined = loads[load_id]
        rejected.append((content if file == own else joined, file, line))
    return replace(plan, traits=traits, rejected=tuple(dict.fromkeys((*plan.rejected, *rejected))))


def erase(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, plan: ErasurePlan, erasure: Erasure
) -> None:
    """Take one source's people out of raw, and out of what was written of failed runs."""
    rejected = erase_rejected_rows(connection, plan.source, plan.ids, plan.traits)
    erasure.rejected_rows += len(rejected)
    for name, entity in ENTITIES.items():
        if "customer_id" in entity.columns:
            erasure.rows += erase_rows(connection, mapping, name, plan.ids)
    # Earlier releases wrote DuckDB's own words there, which may quote values of rows.
    connection.execute(
        "update state.runs set error = 'removed, for it named a person who was forgotten' "
        "where list_bool_or(list_transform($texts::varchar[], lambda one: contains(error, one)))",
        {"texts": [one for one in plan.traits if is_distinct(one)]},
    )


def rewrite(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    plan: ErasurePlan,
    folder: Path,
    erasure: Erasure,
) -> Rewriting:
    """Write a source's landing files anew; raw knows them, and the people's hashes, from now on.

    Args:
        connection: to the file that is built, or the work file.
        mapping: the source.
        landing: the folder that holds one folder for each source.
        plan: its people.
        folder: an existing one, for temporary files.
        erasure: told of the files.

    Raises:
        ForgetError: a file cannot be read or written, or changes again and again.
    """
    try:
        rewriting = rewrite_landing(connection, mapping, landing, plan, folder)
    except (LandingError, LandingChangedError, OSError) as error:
        raise ForgetError(f"{mapping.source}: {error}") from error
    except duckdb.Error as error:
        raise ForgetError(
            f"{mapping.source}: DuckDB could not read a file: {without_values(str(error))}"
        ) from None
    erasure.files_rewritten += rewriting.rewritten
    erasure.files_left += rewriting.left
    for (name, before), after in rewriting.new_contents.items():
        _move_lines(connection, mapping.source, name, before, after)
        connection.execute(
            "update raw.loads set content_sha256 = $after, "
            "contents_before_erasures = concat_ws(' ', contents_before_erasures, $before) "
            "where source = $source and entity = $entity and content_sha256 = $before",
            {"after": after.sha256, "source": mapping.source, "entity": name, "before": before},
        )
    key = erasure_key(connection)
    stand_ins = [stand_in(key, mapping.source, one) for one in plan.ids]
    # In upper case is what a mapping may make of `erased`.
    for one in (*plan.ids, *stand_ins, ERASED.upper()):
        connection.execute(
            "insert or ignore into state.erased_customers "
            "select ?, (select coalesce(max(erasure_id), 0) + 1 from state.erasures)",
            [customer_hash(key, mapping.source, one)],
        )
    return rewriting


def _move_lines(
    connection: duckdb.DuckDBPyConnection, source: str, entity: str, before: str, new: NewContent
) -> None:
    """Have raw tell in which lines of a rewritten file its records stand now."""
    lines = [line for line, _ in new.moves]
    values = {
        "source": source,
        "entity": entity,
        "before": before,
        "lines": lines,
        "last_lines": [*lines[1:], None],
        "by": [by for _, by in new.moves],
    }
    is_moved = False
    for table in (entity, "rejected_rows"):
        moved = connection.execute(
            f"update raw.{table} as told set source_line = source_line + moves.by "
            "from (select unnest($lines) as line, unnest($last_lines) as last_line, "
            "unnest($by) as by) as moves, raw.loads "
            "where loads.source = $source and loads.entity = $entity "
            "and loads.content_sha256 = $before and told.load_id = loads.load_id "
            "and told.source_file = loads.source_file and told.source_line > moves.line "
            "and (moves.last_line is null or told.source_line <= moves.last_line) "
            "and moves.by <> 0",
            values,
        ).fetchone()
        is_moved |= moved is not None and moved[0] > 0
    if is_moved:  # facts name the lines too
        withdraw_build(connection)


def _record(connection: duckdb.DuckDBPyConnection, erasure: Erasure) -> None:
    connection.execute(
        "insert into state.erasures select coalesce(max(erasure_id), 0) + 1, ?, ?, ?, ?, ?, ? "
        "from state.erasures",
        [
            datetime.now(UTC),
            this_user(),
            erasure.people,
            erasure.rows.deleted,
            erasure.rows.kept,
            len(erasure.files_rewritten),
        ],
    )
    # Failing rows of an earlier night.
    connection.execute("drop schema if exists audit cascade")


def _remove_traces(warehouse: Path) -> list[str]:
    """Remove older versions and logs, and what deleted rows left in the work file's free blocks.

    Also what killed checks of a source left in the folder for temporary files.
    """
    remove_unheld(Path(tempfile.gettempdir()), CHECK_ENDING)
    removed = [one for one in versions(warehouse) if one != current_version(warehouse)]
    for version in removed:
        remove_version(warehouse, version)
    for name in ("logs", "dbt"):
        shutil.rmtree(work_folder(warehouse) / name, ignore_errors=True)
    compact(work_file(warehouse))
    return removed
