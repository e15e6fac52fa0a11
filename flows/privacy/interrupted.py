"""What interrupted erasures left: the work of those that took effect, the traces of the others.

An erasure takes effect when the version without the people is published; then the work file knows
their hashes. Killed before, it leaves a journal and, beside the landing files, files written anew
that hold what the old ones hold. Killed after, both are for the next call to finish with.
"""

import logging
from pathlib import Path

import duckdb

from flows.privacy.erasures import customer_hash, erasure_key
from flows.privacy.journal import ErasurePlan, journal_file, read_journal, write_journal
from flows.privacy.landing_files import remove_unplaced
from flows.work_file import open_database, work_file

logger = logging.getLogger(__name__)


def is_forgotten(connection: duckdb.DuckDBPyConnection, source: str, customer_id: str) -> bool:
    """Whether a source's customer was forgotten, by a version that is published."""
    if not connection.execute("select 1 from state.erased_customers limit 1").fetchone():
        return False  # before the first erasure there is no key, and a look must make none
    known = connection.execute(
        "select 1 from state.erased_customers where customer_hash = ?",
        [customer_hash(erasure_key(connection), source, customer_id)],
    ).fetchone()
    return known is not None


def unfinished_plans(
    connection: duckdb.DuckDBPyConnection, warehouse: Path, landing: Path
) -> list[ErasurePlan]:
    """Return what calls before have left to do; of what took no effect the traces go.

    To be called by whoever holds the warehouse's lock: nobody is about to publish then.

    Args:
        connection: to the work file.
        warehouse: the warehouse folder.
        landing: the folder that holds one folder for each source.

    Raises:
        ValueError: the journal is damaged.
    """
    plans = read_journal(warehouse)
    unfinished = [
        plan
        for plan in plans
        if all(is_forgotten(connection, plan.source, one) for one in plan.ids)
    ]
    if unfinished != plans:
        for source in {plan.source for plan in plans if plan not in unfinished}:
            remove_unplaced(landing, source)
        write_journal(warehouse, unfinished)
    return unfinished


def clear_interrupted(warehouse: Path, landing: Path) -> None:
    """Remove what erasures left that were killed before they took effect.

    For a refresh: a journal that nobody can read stays, for `regulars forget` to tell of.
    """
    if not journal_file(warehouse).is_file():  # as on nearly every night
        return
    try:
        with open_database(work_file(warehouse)) as connection:
            unfinished_plans(connection, warehouse, landing)
    except (ValueError, OSError) as error:
        logger.warning("what an interrupted erasure left stays for now: %s", error)
