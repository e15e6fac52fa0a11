"""Files that cannot follow a mended mapping, since they are gone or have changed."""

from collections.abc import Collection
from typing import Final

import duckdb

from flows.load.landing import LandingError
from flows.load.mapping import Mapping

_FILES_NAMED: Final = 3


def judge_lost_files(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    entity: str,
    read_again: Collection[tuple[int, int]],
    *,
    is_whole: bool,
) -> str | None:
    """Name the loads that a mended mapping could not read anew, or refuse it because of them.

    Args:
        connection: to the work file, the run's loads in it.
        mapping: the mended one.
        entity: whose entry of it changed.
        read_again: ids of loads of one content, the one before the mend and the one after it.
        is_whole: whether the run loaded a full list without rejected rows, which says by itself
            that what was known under other keys is gone.

    Returns:
        A sentence; None where every file was read again.

    Raises:
        LandingError: some are lost, and the mend changes keys: their rows would stand beside the
            new ones under keys that no later delivery can correct.
    """
    lost = connection.execute(
        """
        with current_loads as (
            select
                max_by(source_file, load_id) as source_file,
                max_by(keys_sha256, load_id) as keys_sha256
            from raw.loads
            where source = $source and entity = $entity
            group by content_sha256
            having max_by(mapping_sha256, load_id) <> $mapping
        )

        select source_file, count(*), bool_or(keys_sha256 <> $keys)
        from current_loads
        group by source_file
        order by all
        """,
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
    if is_whole:
        pass
    elif not read_again:
        if any(has_other_keys for _, _, has_other_keys in lost):
            problem = f"the mapping now takes {key} from elsewhere"
    elif changed := _changed_keys(connection, entity, mapping.key_of(entity), read_again):
        problem = (
            f"the changed mapping reads another {key} than before in {changed:,} records of the "
            "same files"
        )
    if problem:
        raise LandingError(
            f"{problem}, and {which} cannot be read anew: their rows would stay under the old "
            "keys. Put these files back into the landing folder, under any name, or leave the "
            f"mapping of {key} as it was"
        )
    return f"{which} stay as the mapping read them before it changed"


def _changed_keys(
    connection: duckdb.DuckDBPyConnection,
    entity: str,
    key: Collection[str],
    read_again: Collection[tuple[int, int]],
) -> int:
    """Count the records that have another key since the mend, of those that still load."""
    before, after = (
        "struct_pack(" + ", ".join(f"{name} := {side}.{name}" for name in key) + ")"
        for side in ("earlier", "later")
    )
    row = connection.execute(
        f"""
        with pairs as (
            select unnest($before) as before, unnest($after) as after
        )

        select count(*)
        from pairs
        inner join raw.{entity} as earlier on pairs.before = earlier.load_id
        inner join raw.{entity} as later
            on pairs.after = later.load_id and earlier.source_line = later.source_line
        where {before} is distinct from {after}
        """,
        {
            "before": [before for before, _ in read_again],
            "after": [after for _, after in read_again],
        },
    ).fetchone()
    return int(row[0]) if row else 0
