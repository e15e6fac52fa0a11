import duckdb
import pyarrow.parquet as pq
import pytest

from benchmarks.order_line_maker import make_order_lines, size
from flows.load.contract import ENTITIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("made")
    make_order_lines(made, 5_000)
    return made


def test_the_columns_are_the_contracts(folder):
    for entity in ("order_lines", "products"):
        names = pq.read_schema(folder / f"{entity}.parquet").names
        assert set(names) <= set(ENTITIES[entity].columns)


def test_as_many_lines_as_asked_for_and_every_order_has_one(folder):
    found = duckdb.sql(
        f"""
        select
            count(*) filter (where line_kind = 'merchandise'),
            count(*) filter (where line_kind = 'shipping'),
            count(distinct order_id),
            count(distinct (order_id, line_number)) = count(*),
            count(product_id) = count(*) filter (where line_kind = 'merchandise'),
        from '{folder}/order_lines.parquet'
        """
    ).fetchone()
    assert found == (5_000, 100, 500, True, True)


def test_a_credit_note_in_a_hundred_orders(folder):
    found = duckdb.sql(
        f"""
        select count(distinct order_id), count(distinct returned_order_id), max(quantity) < 0,
        from '{folder}/order_lines.parquet'
        where returned_order_id is not null
        """
    ).fetchone()
    assert found == (5, 5, True)


def test_the_same_seed_makes_the_same_lines(folder, tmp_path):
    make_order_lines(tmp_path / "again", 5_000)
    make_order_lines(tmp_path / "other", 5_000, seed=2)
    lines = pq.read_table(folder / "order_lines.parquet")
    assert lines == pq.read_table(tmp_path / "again" / "order_lines.parquet")
    assert lines != pq.read_table(tmp_path / "other" / "order_lines.parquet")


def test_sizes():
    assert size(10_000_000) == (1_000_000, 200_000, 20_000)
    with pytest.raises(ValueError, match="at least 1,000, got 999"):
        size(999)
