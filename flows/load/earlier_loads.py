"""What was loaded of an entity before: which contents are known, and since when they count.

A mended mapping reads known files anew. They then count as of the moment when their content first
came, and in the order in which they came: else a mend would make stale orders win over newer ones,
and end the history of every member on the night of the mend.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from flows.load.landing import LandingError
from flows.load.mapping import Mapping

_FILES_NAMED: Final = 3


@dataclass(frozen=True)
class Loaded:
    """One load of an entity.

    Attributes:
        load_id: of raw.loads.
        source_file: relative to the landing folder.
        content: its hash, with that of the files joined to it.
        mapping: the hash of what the mapping said of it.
        delivered_at: when the content first came.
    """

    load_id: int
    source_file: str
    content: str
    mapping: str
    delivered_at: datetime


class EarlierLoads:
    """The loads of one entity of one source.

    Attributes:
        of_file: the newest load of each file, the oldest of them first.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str, entity: str) -> None:
        rows = connection.execute(
            "select load_id, source_file, content_sha256, mapping_sha256, "
            "coalesce(first_loaded_at, loaded_at) from raw.loads "
            "where source = ? and entity = ? order by load_id",
            [source, entity],
        ).fetchall()
        loads = [Loaded(*row) for row in rows]
        newest = {one.source_file: one for one in loads}
        self.of_file = dict(sorted(newest.items(), key=lambda item: item[1].load_id))
        self._of_content = {one.content: one for one in loads}
        self._mappings = {one.mapping for one in loads}

    def __bool__(self) -> bool:
        return bool(self._of_content)

    def equal_to(self, source_file: str, content: str, mapping: str) -> Loaded | None:
        """Find the load that makes a file's content no news.

        A file goes by what it held last, so that a change and its reversal both load; one of a new
        name may be a copy of another.
        """
        last = self.of_file.get(source_file)
        for one in [last] if last else self.of_file.values():
            if (one.content, one.mapping) == (content, mapping):
                return one
        return None

    def read_before(self, content: str, mapping: str) -> Loaded | None:
        """Find the load of a content that another mapping read: it is the same version, mended."""
        last = self._of_content.get(content)
        return last if last and last.mapping != mapping else None

    def is_first_of(self, mapping: str) -> bool:
        """Whether no load went by this mapping yet, though some went by another."""
        return bool(self._mappings) and mapping not in self._mappings

    def add(self, load: Loaded) -> None:
        """Take a load of this run into account."""
        self.of_file[load.source_file] = load
        self._of_content[load.content] = load


def note_of_lost_files(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    entity: str,
    read_again: Collection[tuple[int, int]],
) -> str | None:
    """Say which loads cannot follow a mended mapping, since their files are gone or changed.

    Args:
        connection: to the work file, the run's loads in it.
        mapping: the mended one.
        entity: whose entry of it changed.
        read_again: ids of loads of one content, the one before the mend and the one after it.

    Returns:
        A sentence; None where every file was read again.

    Raises:
        LandingError: some are lost, and the mend changes keys: their rows would stand beside the
            new ones under keys that no later delivery can correct.
    """
    lost = connection.execute(
        "select source_file, count(*), bool_or(keys_sha256 <> $keys) from raw.loads "
        "where source = $source and entity = $entity and content_sha256 not in ("
        "select content_sha256 from raw.loads where source = $source and entity = $entity "
        "and mapping_sha256 = $mapping) group by source_file order by all",
        {
            "source": mapping.source,
            "entity": entity,
            "mapping": mapping.fingerprint(entity),
            "keys": mapping.key_fingerprint(entity),
        },
    ).fetchall()
    if not lost:
        return None
    loads = sum(count for _, count, _ in lost)
    names = ", ".join(file for file, _, _ in lost[:_FILES_NAMED])
    names += f" and {len(lost) - _FILES_NAMED} more" if len(lost) > _FILES_NAMED else ""
    which = f"{loads:,} earlier loads whose files are gone or have changed since ({names})"
    key = ", ".join(mapping.key_of(entity))
    problem = None
    if mapping.entities[entity].full_list:
        pass  # the list itself says that what was known under other keys is gone
    elif not read_again:
        if any(has_other_keys for _, _, has_other_keys in lost):
            problem = f"the mapping now takes {key} from elsewhere"
    elif vanished := _vanished_keys(connection, entity, key, read_again):
        problem = (
            f"the changed mapping no longer finds {vanished:,} keys ({key}) that it found before "
            "in the same files"
        )
    if problem:
        raise LandingError(
            f"{problem}, and {which} cannot be read anew: their rows would stay under the old "
            "keys. Put these files back into the landing folder, under any name, or leave the "
            f"mapping of {key} as it was"
        )
    return f"{which} stay as the mapping read them before it changed"


def _vanished_keys(
    connection: duckdb.DuckDBPyConnection,
    entity: str,
    key: str,
    read_again: Collection[tuple[int, int]],
) -> int:
    """Count the keys that contents had before a mend and no longer have after it."""
    row = connection.execute(
        f"select count(*) from (select distinct {key} from raw.{entity} "
        f"where load_id in (select unnest($before)) except select {key} "
        f"from raw.{entity} where load_id in (select unnest($after)))",
        {
            "before": [before for before, _ in read_again],
            "after": [after for _, after in read_again],
        },
    ).fetchone()
    return int(row[0]) if row else 0
