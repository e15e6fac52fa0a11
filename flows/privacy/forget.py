"""Forget people: out of the landing files, raw, every version, exports and logs.

What their orders came to stays in every figure, under the member `erased`. The erasure is recorded
without them, and a later load of the same files does not bring them back.
"""

import os
import pwd
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from flows.building import settle
from flows.compaction import compact
from flows.load.contract import ENTITIES
from flows.load.landing import LandingError
from flows.load.mapping import Mapping, MappingError, find_mappings, load_mapping
from flows.load.raw_tables import create_raw_tables
from flows.load.reading import Workspace
from flows.privacy.erasures import (
    ERASED,
    Erased,
    customer_hash,
    erase_rejected_rows,
    erase_rows,
    erasure_key,
    names_in_rejected_rows,
)
from flows.privacy.landing_files import LandingChangedError, Rewriting, rewrite_landing
from flows.privacy.look_ups import forget_look_ups
from flows.project import project_folder
from flows.publish.versions import current_version, remove_version, switch_to, versions
from flows.refresh import rebuild
from flows.runs import last_published
from flows.settings import RefreshSettings
from flows.work_file import open_database, sole_refresh, work_file, work_folder

# What a person is found by where no id stands: in rejected rows and in files nobody reads.
_TRAITS = ("name", "given_name", "family_name", "email", "phone", "address")


class ForgetError(Exception):
    """People cannot be forgotten; the message says why and what to do."""


class UnknownCustomerError(ForgetError):
    """Nothing is held of one of these customers; nothing was changed."""


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
        versions_removed: published before.
        version: published now; none of the people is in it.
    """

    people: int
    rows: Erased = field(default_factory=Erased)
    rejected_rows: int = 0
    files_rewritten: list[str] = field(default_factory=list)
    files_left: list[str] = field(default_factory=list)
    exports_removed: list[Path] = field(default_factory=list)
    versions_removed: list[str] = field(default_factory=list)
    version: str | None = None


def forget(settings: RefreshSettings, customers: Sequence[str]) -> Erasure:
    """Forget people for good, and publish a version without them.

    It may be stopped anywhere and be called again: where the version without them is published
    already, the rest is done.

    Args:
        settings: as of a refresh.
        customers: golden ids, `<source>:<id>`; all source ids that one stands for are forgotten.

    Raises:
        UnknownCustomerError: see there.
        ForgetError: a mapping or a landing file cannot be read, or a file changed meanwhile.
        RefreshError: the version without them could not be built; then all is as before.
    """
    warehouse = settings.warehouse.resolve()
    with sole_refresh(warehouse, 60 * settings.wait_minutes):
        settle(warehouse)
        if not work_file(warehouse).is_file():
            raise UnknownCustomerError(f"there is no warehouse in {warehouse} yet")
        with open_database(work_file(warehouse)) as connection:
            create_raw_tables(connection)  # of this release, where an older one built the file
            held, forgotten = _source_ids(connection, customers)
    mappings = _mappings(settings, [*held, *forgotten])
    erasure = Erasure(len(set(customers)))
    rewritings: list[Rewriting] = []

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        for source, ids in held.items():
            rewritings.append(_erase(connection, mappings[source], settings.landing, ids, erasure))
        _record(connection, erasure)

    clean = None
    try:
        if held:
            clean = rebuild(settings, change).run_id
    except BaseException:
        for rewriting in rewritings:
            rewriting.discard()
        raise
    with sole_refresh(warehouse, 60 * settings.wait_minutes):
        settle(warehouse)
        with open_database(work_file(warehouse)) as connection:
            for source, ids in forgotten.items():  # of an interrupted call
                rewritings.append(
                    _rewrite(connection, mappings[source], settings.landing, ids, erasure)
                )
            clean = clean or _newest_version(connection)
        if current_version(warehouse) != clean:  # somebody rolled back meanwhile
            switch_to(warehouse, clean)
        erasure.version = clean
        erasure.versions_removed = _remove_traces(warehouse)
        golden = {
            f"{source}:{one}" for ids in (held, forgotten) for source in ids for one in ids[source]
        }
        for path in forget_look_ups(warehouse, golden | set(customers)):
            path.unlink()
            erasure.exports_removed.append(path)
        for rewriting in rewritings:
            try:
                rewriting.put_in_place()
            except (LandingChangedError, OSError) as error:
                raise ForgetError(
                    f"version {erasure.version} is without them, but not all landing files: "
                    f"{error}; call it again"
                ) from error
    return erasure


def _newest_version(connection: duckdb.DuckDBPyConnection) -> str:
    """The version of the work file: whoever it has forgotten is in none of its tables."""
    published = last_published(connection)
    if published is None:
        raise ForgetError("nothing is published: run `regulars refresh`, then call it again")
    return published[0]


def _source_ids(
    connection: duckdb.DuckDBPyConnection, customers: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the ids that golden ids stand for, by source: those held, and those forgotten before.

    Raises:
        UnknownCustomerError: nothing is held of one of them, nor was ever.
    """
    held: dict[str, list[str]] = {}
    forgotten: dict[str, list[str]] = {}
    for customer in dict.fromkeys(customers):
        source, separator, own = customer.partition(":")
        found = {(source, own)} if separator and own and own != ERASED else set()
        if _has_identities(connection):
            found |= set(
                connection.execute(
                    "select source, source_customer_id from intermediate.int_customer_identities "
                    "where customer_id = ?",
                    [customer],
                ).fetchall()
            )
        is_known = False
        for source, own in sorted(found):
            for where, ids in ((_is_held, held), (_is_forgotten, forgotten)):
                if where(connection, source, own):
                    is_known = True
                    ids.setdefault(source, []).append(own)
                    break
        if not is_known:
            raise UnknownCustomerError(
                f"nothing is held of '{customer}': expected a customer_id such as shop:17, as the "
                "tables have it"
            )
    return held, forgotten


def _has_identities(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(
        "select 1 from information_schema.tables "
        "where table_schema = 'intermediate' and table_name = 'int_customer_identities'"
    ).fetchone()
    return found is not None


def _is_held(connection: duckdb.DuckDBPyConnection, source: str, customer_id: str) -> bool:
    for entity in ENTITIES.values():
        if "customer_id" in entity.columns:
            held = connection.execute(
                f"select 1 from raw.{entity.name} where source = ? and customer_id = ? limit 1",
                [source, customer_id],
            ).fetchone()
            if held is not None:
                return True
    return bool(names_in_rejected_rows(connection, source, [customer_id], []))


def _is_forgotten(connection: duckdb.DuckDBPyConnection, source: str, customer_id: str) -> bool:
    known = connection.execute(
        "select 1 from state.erased_customers where customer_hash = ?",
        [customer_hash(erasure_key(connection), source, customer_id)],
    ).fetchone()
    return known is not None


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


def _erase(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    customer_ids: Sequence[str],
    erasure: Erasure,
) -> Rewriting:
    """Take one source's people out of raw, and write its landing files anew without them."""
    traits = _traits(connection, mapping.source, customer_ids)
    rejected = erase_rejected_rows(connection, mapping.source, customer_ids, traits)
    erasure.rejected_rows += len(rejected)
    for name, entity in ENTITIES.items():
        if "customer_id" in entity.columns:
            erasure.rows += erase_rows(connection, mapping, name, customer_ids)
    return _rewrite(connection, mapping, landing, customer_ids, erasure, rejected, traits)


def _rewrite(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    landing: Path,
    customer_ids: Sequence[str],
    erasure: Erasure,
    rejected: Sequence[tuple[int, str, int]] = (),
    traits: Sequence[str] = (),
) -> Rewriting:
    """Write a source's landing files anew; raw knows them, and the people's hashes, from now on."""
    with tempfile.TemporaryDirectory(prefix="regulars-forget-") as folder:
        try:
            rewriting = rewrite_landing(
                connection,
                mapping,
                landing.resolve(),
                customer_ids,
                rejected,
                traits,
                Workspace(Path(folder)),
            )
        except (LandingError, OSError) as error:
            raise ForgetError(f"{mapping.source}: {error}") from error
    erasure.files_rewritten += rewriting.rewritten
    erasure.files_left += rewriting.left
    for (name, before), after in rewriting.new_hashes.items():
        connection.execute(
            "update raw.loads set content_sha256 = ? "
            "where source = ? and entity = ? and content_sha256 = ?",
            [after, mapping.source, name, before],
        )
    key = erasure_key(connection)
    # An id in upper case is what a mapping may make of `erased`.
    for one in (*customer_ids, *rewriting.new_ids, ERASED.upper()):
        connection.execute(
            "insert or ignore into state.erased_customers "
            "select ?, (select coalesce(max(erasure_id), 0) + 1 from state.erasures)",
            [customer_hash(key, mapping.source, one)],
        )
    return rewriting


def _traits(
    connection: duckdb.DuckDBPyConnection, source: str, customer_ids: Sequence[str]
) -> list[str]:
    """Return names, addresses and numbers of people, from all deliveries."""
    rows = connection.execute(
        f"select distinct unnest([{', '.join(_TRAITS)}]) as trait from raw.customers "
        "where source = ? and customer_id in (select unnest(?)) order by trait",
        [source, list(customer_ids)],
    ).fetchall()
    return [trait for (trait,) in rows if trait]


def _record(connection: duckdb.DuckDBPyConnection, erasure: Erasure) -> None:
    connection.execute(
        "insert into state.erasures select coalesce(max(erasure_id), 0) + 1, ?, ?, ?, ?, ?, ? "
        "from state.erasures",
        [
            datetime.now(UTC),
            pwd.getpwuid(os.getuid()).pw_name,
            erasure.people,
            erasure.rows.deleted,
            erasure.rows.kept,
            len(erasure.files_rewritten),
        ],
    )
    # Failing rows of an earlier night.
    connection.execute("drop schema if exists audit cascade")


def _remove_traces(warehouse: Path) -> list[str]:
    """Remove older versions and logs, and what deleted rows left in the work file's free blocks."""
    removed = [one for one in versions(warehouse) if one != current_version(warehouse)]
    for version in removed:
        remove_version(warehouse, version)
    for name in ("logs", "dbt"):
        shutil.rmtree(work_folder(warehouse) / name, ignore_errors=True)
    compact(work_file(warehouse))
    return removed
