"""The refresh: from landing files to a published version, stage by stage."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from flows.artifacts import (
    report_notes,
    report_rejected_rows,
    report_row_counts,
    report_tables,
    report_tests,
    report_version,
)
from flows.audit import keep_audit
from flows.building import (
    DiskFullError,
    begin_building,
    building_file,
    make_durable,
    settle,
    telling_of_a_full_disk,
)
from flows.currency import CurrencyError, reporting_currency
from flows.database_errors import hiding_values
from flows.database_file import NewerWarehouseError
from flows.dbt import DbtError, DbtProject, DbtTestError, Mode, TestResult
from flows.findings import (
    BrokenFeedError,
    Finding,
    in_short,
    raise_if_broken,
    record_findings,
)
from flows.fingerprint import build_fingerprint
from flows.gates import judge
from flows.housekeeping import keep_house, only_a_trouble_once_published
from flows.left_runs import this_run_is_alive
from flows.load.earlier_loads import all_readings, take_over_readings
from flows.load.file_hashes import REST_SECONDS, all_hashes, take_over_hashes
from flows.load.loader import (
    Delivery,
    LoadError,
    TransientLoadError,
    load_source,
    moment_of_load,
)
from flows.load.mapping import Mapping as SourceMapping
from flows.load.mapping import MappingError, find_mappings, load_mapping
from flows.load.unread_files import unmapped_folders, unread_files
from flows.mine import mine_all
from flows.mine.model_output import Mined
from flows.notices import Event, tell_how_it_went
from flows.privacy.interrupted import clear_interrupted
from flows.privacy.rights import set_rights
from flows.project import project_folder
from flows.publish.bi_file import PublishError, write_bi_file
from flows.publish.restricted_file import write_restricted_file
from flows.publish.tables import PublishedTable, published_tables
from flows.publish.versions import (
    FILE_NAME,
    current_version,
    published_file,
    switch_to,
    sync_folder,
    unfinished_folder,
    version_folder,
)
from flows.query import one_value
from flows.runs import (
    Trouble,
    begin_run,
    could_not_begin,
    end_run,
    keep_trouble,
    last_published,
    record_build,
    record_stages,
    why_it_failed,
)
from flows.settings import RefreshSettings
from flows.silence import Silence, newly_silent, not_looked_at, remember_told
from flows.stages import Stage, stage
from flows.upgrade import undo_interrupted_0_1
from flows.work_file import (
    RefreshInProgressError,
    open_database,
    sole_refresh,
    work_file,
    work_folder,
)
from mining.memory import memory_limit

CORE_PATHS = ("seeds", "models/staging", "models/intermediate", "models/core")
MART_PATHS = ("models/mined", "models/marts")
_SHARE_OF_MEMORY: Final = Decimal("0.8")  # of what there is: the rest is for Python
RETRY_SECONDS = (10, 60, 300)  # a locked database or a file still being written

logger = logging.getLogger(__name__)
Change = Callable[[duckdb.DuckDBPyConnection], None]


class RefreshError(Exception):
    """The refresh stopped, and the last published version stays; the message is for people.

    Attributes:
        run_id: the run that failed; None where it failed before it had an id.
    """

    def __init__(self, message: str, run_id: str | None = None) -> None:
        super().__init__(message)
        self.run_id = run_id


@dataclass(frozen=True)
class RefreshResult:
    """What a refresh did.

    Attributes:
        run_id: its start in UTC; also the published version.
        as_of_date: the date that every mart is computed for; None where there is no purchase, or
            nothing was published.
        published_file: the path that readers open.
        stages: the stages in order, with seconds and rows in and out.
        deliveries: one for each file that the sources delivered.
        is_published: False where nothing was new, so that the version before stays.
        warnings: what people should look at, a sentence each: of the data, of sources that deliver
            nothing, and of what could not be done once readers saw the version.
        silences: of the warnings, those of sources that fell silent.
        findings: number of the gates' findings, of which a warning may tell several.
    """

    run_id: str
    as_of_date: date | None
    published_file: Path
    stages: tuple[Stage, ...]
    deliveries: tuple[Delivery, ...]
    is_published: bool = False
    warnings: tuple[str, ...] = ()
    silences: tuple[Silence, ...] = ()
    findings: int = 0


def can_heal(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether a load that failed may succeed on its own later: only then it is tried again."""
    try:
        state.result()
    except TransientLoadError:
        return True
    except Exception:
        return False
    return False


@flow(name="refresh", log_prints=False)
def refresh(settings: RefreshSettings) -> RefreshResult:
    """Load, build the core, mine, build the marts, check, publish.

    Raises:
        RefreshError: where a stage failed; nothing was published and the record of runs says why.
    """
    return _run(settings, None)


@flow(name="rebuild", log_prints=False, validate_parameters=False)
def rebuild(settings: RefreshSettings, change: Change, after: str | None = None) -> RefreshResult:
    """Change raw or state, then build, check and publish everything anew, without a load.

    Args:
        settings: as of a refresh.
        change: what to do to the copy that is built, as to forget a person; all of it is undone
            where the rebuild fails.
        after: the newest of the runs that the change brings: the id of this one comes after it.

    Raises:
        RefreshError: as of a refresh.
    """
    return _run(settings, change, after)


def _run(
    settings: RefreshSettings, change: Change | None, after: str | None = None
) -> RefreshResult:
    """Run, and tell those whom the settings name how it went."""
    warehouse = settings.warehouse.resolve()
    try:
        with this_run_is_alive(work_folder(warehouse) / "prefect" / "running"):
            result = _run_alone(settings, warehouse, change, after)
    except RefreshError as error:
        tell_how_it_went(settings, "failure", error.run_id, str(error))
        raise
    except Exception as error:
        said = f"an error that nobody foresaw: {type(error).__name__}"
        tell_how_it_went(settings, "failure", None, said)
        raise
    if result.is_published or result.warnings:
        event: Event = "warning" if result.warnings else "success"
        tell_how_it_went(settings, event, result.run_id, _words(result))
    if result.silences:
        _remember(warehouse, result)
    return result


def _remember(warehouse: Path, result: RefreshResult) -> None:
    """Keep what was told once: only now, for a run that is killed before has told nobody.

    Where another run holds the warehouse already, the next one tells it again.
    """
    with (
        suppress(RefreshInProgressError, OSError, duckdb.Error),
        sole_refresh(warehouse),
        open_database(work_file(warehouse)) as connection,
    ):
        remember_told(connection, result.run_id, result.silences)


def _words(result: RefreshResult) -> str:
    how = f"version {result.run_id} is published" if result.is_published else "nothing is new"
    lines = [how, *result.warnings]
    if result.findings:
        lines.append(
            f"findings of the quality gates: {result.findings}, all of them by "
            '`regulars sql --audit "from findings"`'
        )
    return "\n".join(lines)


@hiding_values()
def _run_alone(
    settings: RefreshSettings, warehouse: Path, change: Change | None, after: str | None
) -> RefreshResult:
    """Hold the warehouse, settle what an interrupted run left, and build in a copy."""
    run_id = None
    try:
        with (
            sole_refresh(warehouse, 60 * settings.wait_minutes),
            telling_of_a_full_disk(warehouse),
        ):
            try:
                mappings = chosen_mappings(settings) if change is None else []
                settle(warehouse)
                undo_interrupted_0_1(warehouse)
                with hiding_values():
                    run_id, killed = begin_run(warehouse, after)
            except Exception as error:
                with suppress(OSError):  # no room: it is told all the same
                    keep_trouble(warehouse, could_not_begin(warehouse, why_it_failed(error)))
                raise
            troubles: list[str] = []  # what fails when readers see the version already
            try:
                _tell_of_killed_runs(settings, warehouse, killed)
                clear_interrupted(warehouse, settings.landing.resolve())
                database = begin_building(warehouse, run_id)
                result = _run_stages(
                    settings, warehouse, database, mappings, change, run_id, troubles
                )
                if not result.is_published:
                    _end_with_nothing_new(warehouse, run_id)
                    set_rights(warehouse, settings.restricted.group)  # the setting may be new
                    return result
            except BaseException as error:
                if current_version(warehouse) == run_id:  # told to end just after the switch
                    settle(warehouse)
                else:
                    _throw_away(warehouse, run_id, error)
                raise
            keep_house(settings, run_id, result.as_of_date, result.stages, troubles)
            return replace(result, warnings=(*result.warnings, *troubles))
    except (
        LoadError,
        MappingError,
        NewerWarehouseError,
        CurrencyError,
        DbtError,
        BrokenFeedError,
        DiskFullError,
        PublishError,
        RefreshInProgressError,
    ) as error:
        raise RefreshError(str(error), run_id) from error


def _tell_of_killed_runs(
    settings: RefreshSettings, warehouse: Path, killed: Sequence[Trouble]
) -> None:
    """Tell of each run that could not do so itself; now, for this one may be killed as it was."""
    for trouble in killed:
        with suppress(OSError):  # no room: it is told all the same
            keep_trouble(warehouse, trouble)
        tell_how_it_went(settings, "failure", trouble.run_id, trouble.message)


def _end_with_nothing_new(warehouse: Path, run_id: str) -> None:
    """Throw the copy away; what became known of files is kept, or they are read again."""
    with open_database(building_file(warehouse)) as connection:
        hashes, readings = all_hashes(connection), all_readings(connection)
    settle(warehouse)
    with open_database(work_file(warehouse)) as connection:
        connection.begin()
        take_over_hashes(connection, hashes)
        take_over_readings(connection, readings)
        end_run(connection, run_id, "nothing new")
        connection.commit()
    keep_trouble(warehouse, None)


def _throw_away(warehouse: Path, run_id: str, error: BaseException) -> None:
    """Throw away what a failed run built, and record why; what cannot be done, the next run does.

    The run failed for a reason of its own, which nothing here may hide.
    """
    _keep_what_was_found(warehouse, run_id, error)
    try:
        settle(warehouse)
    except OSError:
        logger.warning("what run %s built could not be thrown away yet", run_id, exc_info=True)
    _record_failure(warehouse, run_id, error)


def _keep_what_was_found(warehouse: Path, run_id: str, error: BaseException) -> None:
    """Keep failing rows and findings for people to see, before the copy is thrown away."""
    with suppress(OSError, duckdb.Error):
        if isinstance(error, DbtTestError):
            database = building_file(warehouse)
            keep_audit(warehouse, run_id, results=error.results, database=database)
        elif isinstance(error, BrokenFeedError):
            keep_audit(warehouse, run_id, findings=error.findings)
            with open_database(work_file(warehouse)) as connection:
                record_findings(connection, run_id, error.findings)
        else:
            keep_audit(warehouse, run_id)  # what an earlier run found is no longer of interest


def _record_failure(warehouse: Path, run_id: str, error: BaseException) -> None:
    """Say what failed, where there is still room to say it; the next run finds it "running"."""
    message = why_it_failed(error)
    with suppress(OSError, duckdb.Error):
        keep_trouble(warehouse, Trouble(run_id, message))
        with open_database(work_file(warehouse)) as connection:
            end_run(connection, run_id, "failed", message)


@hiding_values()
def _run_stages(
    settings: RefreshSettings,
    warehouse: Path,
    database: Path,
    mappings: Sequence[SourceMapping],
    change: Change | None,
    run_id: str,
    troubles: list[str],
) -> RefreshResult:
    stages: list[Stage] = []

    with stage("load", stages) as current:
        deliveries: list[Delivery] = []
        for mapping in mappings:
            deliveries += load(database, settings.landing.resolve(), mapping, run_id)
        if change is None:
            report_notes(_notes(settings, mappings, deliveries))
        else:
            with open_database(database) as connection:
                change(connection)
        current.rows_in = sum(delivery.records_read for delivery in deliveries)
        current.rows_out = sum(
            delivery.rows_loaded + delivery.rows_derived for delivery in deliveries
        )

    with open_database(database) as connection:
        report_rejected_rows(connection, run_id)
        silences, missing = ([], []) if change else _missing_sources(connection, settings, mappings)
        currency = reporting_currency(connection, settings.reporting_currency)
        variables = settings.dbt_variables() | {"reporting_currency": currency}
        fingerprint = build_fingerprint(
            connection,
            variables
            | {
                # how often is nothing that is built
                "mining": settings.mining.model_dump(mode="json", exclude={"every_days"}),
                "profiles": settings.profiles.model_dump(mode="json"),
            },
        )
        last = last_published(connection)
        is_as_built = last is not None and last[1] == fingerprint
        is_new = any(delivery.is_new for delivery in deliveries)
        if is_as_built and not (is_new or settings.full or change):
            return RefreshResult(
                *(run_id, None, published_file(warehouse), tuple(stages), tuple(deliveries)),
                warnings=tuple(missing),
                silences=tuple(silences),
            )
        mode: Mode = "affected" if is_as_built and not (settings.full or change) else "all"
        record_build(connection, run_id, mode, fingerprint)

    with stage("core", stages) as current:
        wanted, there = settings.memory_gigabytes * 10**9, memory_limit() * _SHARE_OF_MEMORY
        memory = int(min(wanted, there))
        project = DbtProject(database, work_folder(warehouse), variables, mode, memory)
        project.make_room()
        build_core(project)
        current.rows_in = _count(database, "raw.order_lines")
        current.rows_out = _count(database, "core.fct_order_lines")

    with stage("mine", stages) as current:
        mined = mine(database, settings, run_id, anew=mode == "all")
        current.rows_in, current.rows_out = mined.rows_in, mined.rows_out

    with open_database(database) as connection:
        as_of_date = one_value(connection, "select as_of_date from intermediate.int_as_of_date")
        record_stages(connection, run_id, as_of_date, stages)

    with stage("marts", stages) as current:
        build_marts(project)
        current.rows_in = _count(database, "core.fct_orders")
        with open_database(database) as connection:
            current.rows_out = one_value(
                connection,
                "select sum(estimated_size)::bigint from duckdb_tables() "
                "where schema_name = 'marts'",
            )

    with stage("check", stages):
        results = check(project)
        findings = [] if change else hold_against_the_past(settings, warehouse, run_id)
    keep_audit(warehouse, run_id, results=results, findings=findings)

    what = "the end of its publishing was disturbed"
    with only_a_trouble_once_published(warehouse, run_id, what, troubles):
        with stage("publish", stages) as current:
            mended = version_folder(warehouse, last[0]) / FILE_NAME if last else None
            current.rows_out = publish(
                warehouse,
                run_id,
                as_of_date,
                published_tables(project.manifest),
                mended if mode == "affected" and mended and mended.is_file() else None,
                settings.restricted.group,
                stages,
            )
        report_row_counts(stages)
        report_version(run_id, {"as of": as_of_date, "built": mode, "rows": current.rows_out})
    warnings = [
        *(f"{one.name}: {one.failures} rows" for one in results if one.status == "warn"),
        *in_short(findings),
        *(f"{one.source_file}: {said}" for one in deliveries for said in one.warnings),
        *missing,
        *mined.warnings,
    ]
    return RefreshResult(
        run_id,
        as_of_date,
        published_file(warehouse),
        tuple(stages),
        tuple(deliveries),
        is_published=True,
        warnings=tuple(warnings),
        silences=tuple(silences),
        findings=len(findings),
    )


def _notes(
    settings: RefreshSettings, mappings: Sequence[SourceMapping], deliveries: Sequence[Delivery]
) -> list[tuple[str, str]]:
    """What people should know of new files, and of those that nothing reads."""
    landing = settings.landing.resolve()
    notes = [
        (one.source_file, said)
        for one in deliveries
        if one.is_new
        for said in (*one.notes, *one.warnings)
    ]
    for mapping in mappings:
        for name in unread_files(mapping, landing):
            notes.append((f"{mapping.source}/{name}", "read by no entity of its mapping"))
    if settings.sources is None:
        for folder in unmapped_folders(landing, _known_mappings(settings)):
            notes.append((folder, "has files but no mapping: not loaded"))
    return notes


def _missing_sources(
    connection: duckdb.DuckDBPyConnection,
    settings: RefreshSettings,
    mappings: Sequence[SourceMapping],
) -> tuple[list[Silence], list[str]]:
    """Sources that fell silent, and what people should know of these and of those not looked at.

    They deliver nothing, so no test and no gate sees them.
    """
    loaded = [mapping.source for mapping in mappings]
    silences = newly_silent(connection, loaded, settings.gates.silent_days, datetime.now(UTC))
    missing = list(map(str, silences))
    if settings.sources is None:
        mapped = _known_mappings(settings)
        missing += not_looked_at(connection, settings.landing.resolve(), mapped)
    return silences, missing


@task(
    task_run_name="load {mapping.source}",
    cache_policy=NO_CACHE,
    retries=len(RETRY_SECONDS),
    retry_delay_seconds=list(RETRY_SECONDS),
    retry_condition_fn=can_heal,
)
@hiding_values()
def load(database: Path, landing: Path, mapping: SourceMapping, run_id: str) -> list[Delivery]:
    """Load one source's new files into raw, in one transaction."""
    with open_database(database) as connection:
        loaded_at = moment_of_load(connection, datetime.now(UTC))
        return load_source(connection, mapping, landing, run_id, loaded_at, REST_SECONDS)


@task(cache_policy=NO_CACHE)
@hiding_values()
def build_core(project: DbtProject) -> int:
    """Build seeds, staging, intermediate and core."""
    return project.build(*CORE_PATHS)


@task(cache_policy=NO_CACHE)
@hiding_values()
def mine(database: Path, settings: RefreshSettings, run_id: str, *, anew: bool) -> Mined:
    """Mine the core into the tables of `mining`."""
    with open_database(database) as connection:
        return mine_all(connection, settings, run_id, anew=anew)


@task(cache_policy=NO_CACHE)
@hiding_values()
def build_marts(project: DbtProject) -> int:
    """Build the marts over core and the mined tables of this run."""
    return project.build(*MART_PATHS)


@task(cache_policy=NO_CACHE)
@hiding_values()
def check(project: DbtProject) -> tuple[TestResult, ...]:
    """Run every data test: nothing unproven is published.

    Raises:
        DbtTestError: where one of severity error failed; its rows are in schema `audit`.
    """
    try:
        results = project.test(store_failures=True)
    except DbtTestError as error:
        report_tests(error.results)
        raise
    report_tests(results)
    return results


@task(cache_policy=NO_CACHE)
@hiding_values()
def hold_against_the_past(settings: RefreshSettings, warehouse: Path, run_id: str) -> list[Finding]:
    """Hold the night's deliveries against the past of their sources, and record what was found.

    Raises:
        BrokenFeedError: the night looks like a broken feed, and nobody has accepted it.
    """
    with open_database(building_file(warehouse)) as connection:
        findings = judge(connection, settings.gates, datetime.now(UTC), work_file(warehouse))
        if not settings.accept:
            raise_if_broken(findings)
        record_findings(connection, run_id, findings, is_accepted=settings.accept)
    return findings


@task(cache_policy=NO_CACHE)
@hiding_values()
def publish(
    warehouse: Path,
    version: str,
    as_of_date: date | None,
    tables: Sequence[PublishedTable],
    previous: Path | None,
    group: str | None,
    stages: Sequence[Stage],
) -> int:
    """Write the version's two files in a folder of their own, then switch readers to it.

    Before the switch the record of this run in the copy says "published", and the copy is on disk:
    the switch is the one moment at which the refresh takes effect.

    Returns:
        The number of rows that readers see.
    """
    folder = unfinished_folder(warehouse, version)
    rows = write_bi_file(building_file(warehouse), folder, tables, previous)
    write_restricted_file(building_file(warehouse), folder, group)
    sync_folder(folder)
    with open_database(building_file(warehouse)) as connection:
        record_stages(connection, version, as_of_date, stages)
        end_run(connection, version, "published")
        report_tables(connection)
    make_durable(warehouse)
    folder.rename(version_folder(warehouse, version))
    sync_folder(folder.parent)
    switch_to(warehouse, version)
    return rows


def chosen_mappings(settings: RefreshSettings) -> list[SourceMapping]:
    """The mappings of the sources asked for, else of all that have a folder in the landing folder.

    Raises:
        RefreshError: for an unknown source, a missing landing folder, or nothing to load.
        MappingError: for a mapping that is not valid.
    """
    known = _known_mappings(settings)
    landing = settings.landing.resolve()
    if settings.sources is not None:
        for name in settings.sources:
            if name not in known:
                raise RefreshError(
                    f"unknown source '{name}': known are {', '.join(sorted(known))}; "
                    f"`regulars source new FILE… --name {name}` writes a first mapping"
                )
        return [load_mapping(known[name]) for name in settings.sources]
    if not landing.is_dir():
        raise RefreshError(
            f"the landing folder {landing} is not there: expected one folder a source"
        )
    found = sorted(name for name in known if (landing / name).is_dir())
    if not found:
        raise RefreshError(
            f"nothing to load: {landing} has no folder named as a source; "
            f"known are {', '.join(sorted(known))}"
        )
    return [load_mapping(known[name]) for name in found]


def _known_mappings(settings: RefreshSettings) -> dict[str, Path]:
    return find_mappings([project_folder() / "sources", settings.mappings])


def _count(database: Path, table: str) -> int:
    with open_database(database) as connection:
        return int(one_value(connection, f"select count(*) from {table}"))
