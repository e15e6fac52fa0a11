"""Rows that a file or a table brought before: read anew, it brings only what changed."""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from flows.load.contract import Entity
from flows.sql_text import quote_name

# Where a row came from says nothing of what it says.
_PLACE = ("source", "source_file", "source_line", "load_id", "updated_at")


def drop_known_rows(
    connection: duckdb.DuckDBPyConnection,
    entity: Entity,
    load_id: int,
    delivered_at: datetime,
    earlier: Sequence[int],
    *,
    is_full_list: bool,
) -> tuple[int, int]:
    """Delete from a load what earlier loads of the same file brought already.

    An order stays whole or goes whole: its newest load has all of its lines. So does a full list,
    which says by what it holds what is gone.

    Args:
        connection: to the work file, in the load's transaction.
        entity: whose rows they are.
        load_id: of the load; its rows are in the raw table.
        delivered_at: as of when its rows count where the file does not say.
        earlier: ids of the file's loads before, of the same source.
        is_full_list: whether the file is the whole list.

    Returns:
        The records whose rows were deleted, and the derived lines that went with them.
    """
    unit = ("order_id",) if entity.name == "order_lines" else entity.key
    key = f"struct_pack({', '.join(f'{name} := {name}' for name in unit)})"
    values = ", ".join(quote_name(name) for name in entity.columns if name not in _PLACE)
    is_known = f"{key} not in (select {key} from differing)"
    if is_full_list:
        is_known = "not exists (from differing)"
    known = f"""
        with before as (
            select
                told.*,
                nullif(
                    told.updated_at, coalesce(loads.first_loaded_at, loads.loaded_at)
                ) as changed_at
            from raw.{entity.name} as told
            inner join raw.loads on told.load_id = loads.load_id
            where told.load_id in (select unnest($earlier))
            qualify told.load_id = max(told.load_id) over (partition by {", ".join(unit)})
        ),

        after as (
            select *, nullif(updated_at, $delivered_at) as changed_at
            from raw.{entity.name}
            where load_id = $load_id
        ),

        differing as (
            select {", ".join(unit)} from (
                (select {values}, changed_at from before)
                except all (select {values}, changed_at from after)
            )
            union all
            select {", ".join(unit)} from (
                (select {values}, changed_at from after)
                except all (select {values}, changed_at from before)
            )
        )

        select {key} from after where {is_known}
    """
    deleted = connection.execute(
        f"delete from raw.{entity.name} where load_id = $load_id and {key} in ({known}) "
        "returning source_line",
        {"load_id": load_id, "delivered_at": delivered_at, "earlier": list(earlier)},
    ).fetchnumpy()["source_line"]
    # A derived line stands on the source line of another one.
    records = len(set(deleted.tolist()))
    return records, len(deleted) - records
