"""The refresh: from landing files to a published version, stage by stage."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.currency import CurrencyError, reporting_currency
from flows.dbt import DbtError, DbtProject, published_columns
from flows.load.loader import Delivery, LoadError, load_source
from flows.load.mapping import Mapping as SourceMapping
from flows.load.mapping import MappingError, find_mappings, load_mapping
from flows.project import project_folder
from flows.publish.bi_file import PublishedColumns, PublishError, write_bi_file
from flows.publish.versions import (
    published_file,
    remove_old_versions,
    switch_to,
    sync_folder,
    unfinished_folder,
    version_folder,
)
from flows.runs import begin_run, end_run, record_stages
from flows.settings import MiningSettings, RefreshSettings
from flows.stages import Stage, stage
from flows.work_file import (
    RefreshInProgressError,
    open_work_file,
    sole_refresh,
    undo_interrupted,
    undone_on_failure,
    work_file,
)
from mining.cross_selling import mine_cross_sell_rules

CORE_PATHS = ("seeds", "models/staging", "models/intermediate", "models/core")
MART_PATHS = ("models/marts",)


class RefreshError(Exception):
    """The refresh stopped, and the last published version stays; the message is for people."""


@dataclass(frozen=True)
class RefreshResult:
    """What a refresh did.

    Attributes:
        run_id: its start in UTC; also the published version.
        as_of_date: the date that every mart is computed for; None where there is no purchase.
        published_file: the path that readers open.
        stages: the stages in order, with seconds and rows in and out.
        deliveries: one for each file that the sources delivered.
    """

    run_id: str
    as_of_date: date | None
    published_file: Path
    stages: tuple[Stage, ...]
    deliveries: tuple[Delivery, ...]


@flow(name="refresh", log_prints=False)
def refresh(settings: RefreshSettings) -> RefreshResult:
    """Load, build the core, mine, build the marts, check, publish.

    Raises:
        RefreshError: where a stage failed; nothing was published and the record of runs says why.
    """
    warehouse = settings.warehouse.resolve()
    try:
        mappings = chosen_mappings(settings)
        with sole_refresh(warehouse):
            undo_interrupted(warehouse)
            run_id = begin_run(warehouse)
            try:
                with undone_on_failure(warehouse):
                    result = _run_stages(settings, warehouse, mappings, run_id)
            except BaseException as error:
                end_run(warehouse, run_id, str(error) or type(error).__name__)
                raise
            end_run(warehouse, run_id)
            return result
    except (
        LoadError,
        MappingError,
        CurrencyError,
        DbtError,
        PublishError,
        RefreshInProgressError,
    ) as error:
        raise RefreshError(str(error)) from error


def _run_stages(
    settings: RefreshSettings,
    warehouse: Path,
    mappings: Iterable[SourceMapping],
    run_id: str,
) -> RefreshResult:
    stages: list[Stage] = []
    landing = settings.landing.resolve()

    with stage("load", stages) as current:
        deliveries = [
            delivery
            for mapping in mappings
            for delivery in load(warehouse, landing, mapping, run_id)
        ]
        current.rows_in = sum(delivery.records_read for delivery in deliveries)
        current.rows_out = sum(
            delivery.rows_loaded + delivery.rows_derived for delivery in deliveries
        )

    with open_work_file(warehouse) as connection:
        currency = reporting_currency(connection, settings.reporting_currency)
    variables = settings.dbt_variables() | {"reporting_currency": currency}
    with stage("core", stages) as current:
        project = DbtProject(warehouse, variables, full=settings.full)
        build_core(project)
        current.rows_in = _count(warehouse, "from raw.order_lines")
        current.rows_out = _count(warehouse, "from core.fct_order_lines")

    with stage("mine", stages) as current:
        current.rows_in, current.rows_out = mine(warehouse, settings.mining)

    as_of_date = _as_of_date(warehouse)
    record_stages(warehouse, run_id, as_of_date, stages)

    with stage("marts", stages) as current:
        build_marts(project)
        current.rows_in = _count(warehouse, "from core.fct_orders")
        current.rows_out = _count(
            warehouse,
            "select sum(estimated_size) from duckdb_tables() where schema_name = 'marts'",
        )

    with stage("check", stages):
        check(project)

    with stage("publish", stages) as current:
        current.rows_out = publish(
            warehouse, run_id, published_columns(project.manifest), settings.publish.keep_versions
        )

    record_stages(warehouse, run_id, as_of_date, stages)
    return RefreshResult(
        run_id, as_of_date, published_file(warehouse), tuple(stages), tuple(deliveries)
    )


@task(task_run_name="load {mapping.source}", cache_policy=NO_CACHE)
def load(warehouse: Path, landing: Path, mapping: SourceMapping, run_id: str) -> list[Delivery]:
    """Load one source's new files into raw, in one transaction."""
    with open_work_file(warehouse) as connection:
        return load_source(connection, mapping, landing, run_id, datetime.now(UTC))


@task(cache_policy=NO_CACHE)
def build_core(project: DbtProject) -> int:
    """Build seeds, staging, intermediate and core."""
    return project.build(*CORE_PATHS)


@task(cache_policy=NO_CACHE)
def mine(warehouse: Path, settings: MiningSettings) -> tuple[int, int]:
    """Mine the baskets of the core into mining.rules; returns basket items in, rules out."""
    with open_work_file(warehouse) as connection:
        basket_items = connection.execute(
            "select order_id, item from intermediate.int_basket_items order by all"
        ).to_arrow_table()
        basket_count = _one(
            connection, "select count(*) from intermediate.int_counted_orders where is_purchase"
        )
        rules = mine_cross_sell_rules(
            basket_items,
            basket_count,
            item_level=settings.item_level,
            minimum_support=settings.minimum_support,
            minimum_confidence=settings.minimum_confidence,
            minimum_lift=settings.minimum_lift,
            maximum_items=settings.maximum_items,
            maximum_rules=settings.maximum_rules,
        )
        connection.execute("begin")
        connection.execute("delete from mining.rules")
        connection.execute("insert into mining.rules by name select * from rules")
        connection.execute("commit")
        return basket_items.num_rows, rules.num_rows


@task(cache_policy=NO_CACHE)
def build_marts(project: DbtProject) -> int:
    """Build the marts over core and the mined tables of this run."""
    return project.build(*MART_PATHS)


@task(cache_policy=NO_CACHE)
def check(project: DbtProject) -> int:
    """Run every data test: nothing unproven is published."""
    return project.test()


@task(cache_policy=NO_CACHE)
def publish(
    warehouse: Path,
    version: str,
    columns: PublishedColumns,
    keep_versions: int,
) -> int:
    """Write the BI file in a folder of its own, then switch readers to it; returns rows copied."""
    folder = unfinished_folder(warehouse, version)
    rows = write_bi_file(work_file(warehouse), folder, columns)
    folder.rename(version_folder(warehouse, version))
    sync_folder(folder.parent)
    switch_to(warehouse, version)
    remove_old_versions(warehouse, keep_versions)
    return rows


def chosen_mappings(settings: RefreshSettings) -> list[SourceMapping]:
    """The mappings of the sources asked for, else of all that have a folder in the landing folder.

    Raises:
        RefreshError: for an unknown source, a missing landing folder, or nothing to load.
        MappingError: for a mapping that is not valid.
    """
    known = find_mappings([project_folder() / "sources", settings.mappings])
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


def _as_of_date(warehouse: Path) -> date | None:
    with open_work_file(warehouse) as connection:
        row = connection.execute("select as_of_date from intermediate.int_as_of_date").fetchone()
    return row[0] if row else None


def _count(warehouse: Path, query: str) -> int:
    with open_work_file(warehouse) as connection:
        return _one(connection, query if query.startswith("select") else f"select count(*) {query}")


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0] or 0) if row else 0
