"""Whether a file that was read anew, for files joined to it changed, says the same as before."""

import duckdb

from flows.load.contract import Entity
from flows.sql_text import quote_name

_REJECTED = "select source_line, column_name, reason from raw.rejected_rows where load_id = "


def are_equal(
    connection: duckdb.DuckDBPyConnection, entity: Entity, load_id: int, earlier_id: int
) -> bool:
    """Whether two loads of one content brought the same rows, and rejected the same.

    A row whose file does not say when it changed counts as of its load: that is no difference.

    Args:
        connection: to the work file; both loads stand in raw.loads.
        entity: whose rows they are.
        load_id: of the load.
        earlier_id: of the one before.
    """
    values = ", ".join(quote_name(name) for name in ("source_line", *entity.columns))
    rows = f"""
        select {values}, nullif(
            updated_at,
            (
                select coalesce(first_loaded_at, loaded_at) from raw.loads
                where load_id = told.load_id
            )
        )
        from raw.{entity.name} as told
        where load_id = """
    for part in (rows, _REJECTED):
        counts = connection.execute(
            f"select (select count(*) from ({part} $load_id)), "
            f"(select count(*) from ({part} $earlier_id))",
            {"load_id": load_id, "earlier_id": earlier_id},
        ).fetchone()
        # Of two bags of one size neither can hold more than the other without lacking something.
        if counts is None or counts[0] != counts[1]:
            return False
        differing = connection.execute(
            f"({part} $load_id) except all ({part} $earlier_id) limit 1",
            {"load_id": load_id, "earlier_id": earlier_id},
        ).fetchone()
        if differing:
            return False
    return True


def take_back(connection: duckdb.DuckDBPyConnection, entity: Entity, load_id: int) -> None:
    """Delete a load with all that it brought."""
    for table in (entity.name, "rejected_rows", "loads"):
        connection.execute(f"delete from raw.{table} where load_id = ?", [load_id])
