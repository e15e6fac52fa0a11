"""Everything that a published version and the raw tables say, so that two can be compared."""

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

from flows.publish.versions import published_file
from flows.work_file import work_file

Contents = dict[str, Counter[tuple[Any, ...]]]

# Metadata of runs and of the landing folder's inodes differ by their nature.
METADATA_TABLES = {
    *("marts.about", "marts.model_report", "marts.runs", "marts.run_stages", "raw.file_hashes"),
}
METADATA_COLUMNS = {"load_id", "loaded_at", "run_id", "first_run_id"}
PUBLISHED = ("core", "marts", "mining", "reference")


def contents_of(warehouse: Path) -> Contents:
    """The rows of each published and each raw table, floats rounded to nine digits."""
    found: Contents = {}
    for path, schemas in ((published_file(warehouse), PUBLISHED), (work_file(warehouse), ("raw",))):
        with duckdb.connect(path, read_only=True) as connection:
            columns = connection.execute(
                """
                select
                    schema_name || '.' || table_name,
                    list(column_name order by column_name),
                    list(data_type order by column_name)
                from duckdb_columns()
                where schema_name in ? and database_name = current_database() and not internal
                group by all
                """,
                [list(schemas)],
            ).fetchall()
            for table, names, kinds in columns:
                if table in METADATA_TABLES:
                    continue
                shown = ", ".join(
                    f'round("{name}", 9)' if kind in ("DOUBLE", "FLOAT") else f'"{name}"::varchar'
                    for name, kind in zip(names, kinds, strict=True)
                    if name not in METADATA_COLUMNS
                )
                found[table] = Counter(
                    connection.execute(f"select {shown} from {table}").fetchall()
                )
    return found


def differing_tables(one: Contents, two: Contents) -> list[str]:
    """Names of the tables whose rows are not the same, with the number of rows that differ."""
    differing = []
    for table in sorted(one.keys() | two.keys()):
        rows, others = one.get(table, Counter()), two.get(table, Counter())
        if rows != others:
            only = ((rows - others) + (others - rows)).total()
            differing.append(f"{table}: {only} rows differ")
    return differing
