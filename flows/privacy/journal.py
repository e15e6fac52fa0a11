"""The journal of an erasure: what it needs to know until the last file is done.

Once the version without them is published, raw tells no longer what the people were called or
which lines named them. So that is written down before, in the private work folder, and removed at
the end; a call that follows an interrupted one reads it.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from flows.publish.versions import sync_folder
from flows.work_file import work_folder

_JOURNAL: Final = "forgetting.json"
# While it is written: of names, too, so `settle` removes what a killed call left (flows/building).
UNFINISHED_JOURNAL: Final = f".{_JOURNAL}"


@dataclass(frozen=True)
class ErasurePlan:
    """People of one source who are to be forgotten, and what they are found by.

    Attributes:
        source: the source.
        customers: their golden ids, under which they were looked up.
        ids: the source's own ids.
        traits: names, addresses and numbers, from all deliveries.
        rejected: hash of the content (of joined files together), file and line of each rejected
            record that names them.
    """

    source: str
    customers: tuple[str, ...]
    ids: tuple[str, ...]
    traits: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str, int], ...] = ()


def combined(plans: Iterable[ErasurePlan]) -> ErasurePlan:
    """Return one plan of several of one source, of which there is at least one."""
    first, *others = plans
    for other in others:
        first = ErasurePlan(
            first.source,
            tuple(dict.fromkeys((*first.customers, *other.customers))),
            tuple(dict.fromkeys((*first.ids, *other.ids))),
            tuple(dict.fromkeys((*first.traits, *other.traits))),
            tuple(dict.fromkeys((*first.rejected, *other.rejected))),
        )
    return first


def journal_file(warehouse: Path) -> Path:
    """Where the journal is while an erasure is not complete."""
    return work_folder(warehouse) / _JOURNAL


def write_journal(warehouse: Path, plans: Iterable[ErasurePlan]) -> None:
    """Write what is still to be done, safely on disk, for this user's eyes only.

    Without a plan the journal is removed.
    """
    file = journal_file(warehouse)
    new = file.with_name(UNFINISHED_JOURNAL)
    new.unlink(missing_ok=True)
    listed = [asdict(plan) for plan in plans]
    if not listed:
        file.unlink(missing_ok=True)
        sync_folder(file.parent)
        return
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(listed, stream)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    sync_folder(file.parent)


def read_journal(warehouse: Path) -> list[ErasurePlan]:
    """Return what calls before have left to do, or did not come to do; nothing without a journal.

    Raises:
        ValueError: the journal is damaged.
    """
    file = journal_file(warehouse)
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
        return [
            ErasurePlan(
                plan["source"],
                tuple(plan["customers"]),
                tuple(plan["ids"]),
                tuple(plan["traits"]),
                tuple((content, name, line) for content, name, line in plan["rejected"]),
            )
            for plan in listed
        ]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file} is damaged: remove it, call again, and look through the landing folder for "
            "names, addresses and numbers of whoever was forgotten last"
        ) from error
