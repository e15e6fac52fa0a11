"""Every column of truth/ is described once: in the files, beside them and on the reference page."""

import duckdb
import pyarrow.parquet as pq

from flows.project import project_folder
from regulars.generated_shop.truth_columns import TABLES, page


def test_the_descriptions_are_of_the_columns_that_the_files_have(shop):
    found = {path.stem: pq.read_schema(path).names for path in (shop / "truth").glob("*.parquet")}
    assert {table: list(columns) for table, (_, columns) in TABLES.items()} == found


def test_who_opens_the_files_finds_them(shop):
    found = duckdb.sql(
        f"select column_name, description from '{shop}/truth/columns.parquet' "
        "where table_name = 'levers'"
    ).fetchall()
    assert found == list(TABLES["levers"].columns.items())


def test_the_reference_page_is_the_written_one():
    written = (project_folder() / "docs" / "generated-shop-truth.md").read_text("utf-8")
    assert written == page(), (
        "write it anew: python -m regulars.generated_shop.truth_columns > "
        "docs/generated-shop-truth.md"
    )
