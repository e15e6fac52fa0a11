"""What is left to do once readers see a version. None of it can undo the publish.

Whatever fails here is a trouble to tell of: the version is published and stays so, and the next
run does what this one could not.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path

from flows.building import is_unsettled, settle
from flows.compaction import compact_if_worthwhile
from flows.database_errors import hiding_values
from flows.privacy.rights import set_rights
from flows.publish.versions import current_version, remove_old_versions
from flows.runs import Trouble, keep_trouble, record_stages, record_trouble
from flows.settings import RefreshSettings
from flows.stages import Stage
from flows.work_file import open_database, work_file

logger = logging.getLogger(__name__)


@contextmanager
def only_a_trouble_once_published(
    warehouse: Path, version: str, what: str, troubles: list[str]
) -> Iterator[None]:
    """Go on after whatever fails inside, where readers see the version already.

    Args:
        warehouse: the warehouse folder.
        version: the version that is published.
        what: what went wrong, as "old versions could not be removed".
        troubles: what went wrong so far, a sentence each; one is added.

    Raises:
        Exception: what failed, where readers do not see the version yet.
    """
    try:
        with hiding_values():
            yield
    except Exception as error:
        if current_version(warehouse) != version:
            raise
        logger.warning("published as %s, but %s", version, what, exc_info=True)
        reason = str(error).partition("\n")[0] or type(error).__name__
        troubles.append(f"published as {version}, but {what}: {reason}")


def keep_house(
    settings: RefreshSettings,
    version: str,
    as_of_date: date | None,
    stages: Sequence[Stage],
    troubles: list[str],
) -> None:
    """Keep what was built, finish the record of the run, see to the versions that are kept.

    Args:
        settings: of the run, whose process holds the warehouse's lock.
        version: the version that readers see now, published by this run.
        as_of_date: of its marts; None where there is no purchase.
        stages: all stages of the run.
        troubles: what went wrong since the switch, a sentence each; what goes wrong here is added.
    """
    warehouse = settings.warehouse.resolve()

    def careful(what: str) -> AbstractContextManager[None]:
        return only_a_trouble_once_published(warehouse, version, what, troubles)

    with careful("its work file could not be kept yet; the next refresh keeps it"):
        settle(warehouse)
    is_kept = not is_unsettled(warehouse)  # else the work file's record is that of the run before
    if is_kept:
        with (
            careful("the record of the run could not be finished"),
            open_database(work_file(warehouse)) as connection,
        ):
            record_stages(connection, version, as_of_date, stages)
        with careful("room that its work file has no use for could not be given back"):
            compact_if_worthwhile(work_file(warehouse))
    with careful("old versions could not be removed"):
        remove_old_versions(warehouse, settings.publish.keep_versions, settings.publish.keep_days)
    with careful("the rights to the restricted files could not be set"):
        set_rights(warehouse, settings.restricted.group)
    with careful("what went wrong could not be recorded"):
        text = "\n".join(troubles)
        keep_trouble(warehouse, Trouble(version, text, is_published=True) if troubles else None)
        if troubles and is_kept:
            with open_database(work_file(warehouse)) as connection:
                record_trouble(connection, version, text)
