"""What analysts read in a published version, to be compared with that of another warehouse."""

from pathlib import Path
from typing import Final

import duckdb

from flows.publish.versions import published_file

# They differ from run to run by their nature.
_OF_A_RUN: Final = ("marts.about", "marts.model_report", "marts.runs")


def published_rows(warehouse: Path) -> dict[str, list[str]]:
    """All rows of the tables that analysts read, as sorted text; the lineage of loads left out.

    Of floats nine digits: the last bits of a sum go by the order in which threads add it up.
    """
    found = {}
    with duckdb.connect(published_file(warehouse), read_only=True) as connection:
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where schema_name in ('reference', 'core', 'mining', 'marts')"
        ).fetchall():
            if f"{schema}.{table}" not in _OF_A_RUN:
                rows = connection.execute(
                    f"select columns(c -> c <> 'load_id') from {schema}.{table}"
                ).fetchall()
                found[f"{schema}.{table}"] = sorted(
                    repr([f"{value:.9g}" if isinstance(value, float) else value for value in row])
                    for row in rows
                )
    return found
