"""What differs between two versions: by key, by whole row, by column."""

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.publish.differences import RowDifference, TableDifference, differences
from flows.publish.versions import version_folder

KEYS = """
create schema reference;
create table reference.table_keys (
    table_schema varchar, table_name varchar, key_columns varchar[]
);
insert into reference.table_keys values
    ('marts', 'rfm', ['customer_id']),
    ('marts', 'days', ['source', 'day']),
    ('marts', 'wrong', ['n']);
create schema marts;
"""


def publish(warehouse: Path, version: str, statements: str) -> None:
    folder = version_folder(warehouse, version)
    folder.mkdir(parents=True)
    with duckdb.connect(folder / "regulars.duckdb") as connection:
        connection.execute(statements)


def compare(warehouse: Path, rows: int = 0) -> dict[str, TableDifference]:
    found = differences(warehouse, "1", "2", rows=rows)
    return {one.table: one for one in found if one.schema == "marts"}


def test_rows_are_told_apart_by_the_key(tmp_path: Path) -> None:
    publish(
        tmp_path,
        "1",
        KEYS
        + """
        create table marts.rfm as select * from (values
            ('a', 'Champions', 10.5::decimal(18, 4)), ('b', 'Lost', 2), ('c', null, 'nan'::double)
        ) as t (customer_id, segment, monetary);
        create table marts.days as select * from (values
            ('x', date '2026-01-01', 1), (null, date '2026-01-01', 2)) as t (source, day, orders);
        """,
    )
    publish(
        tmp_path,
        "2",
        KEYS
        + """
        create table marts.rfm as select * from (values
            ('c', 'Lost', 'nan'::double), ('a', 'Promising', 11.5), ('d', 'Champions', 1)
        ) as t (customer_id, segment, monetary);
        create table marts.days as select * from (values
            (null, date '2026-01-01', 2), ('x', date '2026-01-01', 1)) as t (source, day, orders);
        """,
    )
    found = compare(tmp_path, rows=5)
    assert found["days"].is_equal
    rfm = found["rfm"]
    assert not rfm.is_equal
    assert (rfm.rows_before, rfm.rows_after) == (3, 3)
    assert (rfm.added, rfm.gone, rfm.changed) == (1, 1, 2)
    assert rfm.changed_columns == {"segment": 2, "monetary": 1}
    assert rfm.key == ("customer_id",)
    assert rfm.rows == (
        RowDifference("added", {"customer_id": "d"}, {}, {"segment": "Champions", "monetary": 1.0}),
        RowDifference("gone", {"customer_id": "b"}, {"segment": "Lost", "monetary": 2.0}, {}),
        RowDifference(
            "changed",
            {"customer_id": "a"},
            {"segment": "Champions", "monetary": 10.5},
            {"segment": "Promising", "monetary": 11.5},
        ),
        RowDifference("changed", {"customer_id": "c"}, {"segment": None}, {"segment": "Lost"}),
    )


def test_tables_and_columns_that_came_went_or_changed_their_type(tmp_path: Path) -> None:
    publish(
        tmp_path,
        "1",
        KEYS
        + """
        create table marts.rfm as select 'a' as customer_id, 1 as score, 2 as old;
        create table marts.gone as select range as n from range(3);
        """,
    )
    publish(
        tmp_path,
        "2",
        KEYS
        + """
        create table marts.rfm as select 'a' as customer_id, 1::double as score, 3 as new;
        create table marts.fresh as select range as n from range(4);
        """,
    )
    found = compare(tmp_path, rows=2)
    rfm = found["rfm"]
    assert (rfm.added, rfm.gone, rfm.changed) == (0, 0, 0)
    assert not rfm.is_equal
    assert (rfm.columns_added, rfm.columns_gone, rfm.columns_retyped) == (
        ("new",),
        ("old",),
        ("score",),
    )
    assert (found["gone"].state, found["gone"].gone, found["gone"].added) == ("gone", 3, 0)
    assert (found["fresh"].state, found["fresh"].added, found["fresh"].gone) == ("added", 4, 0)


def test_without_a_key_that_holds_whole_rows_are_compared(tmp_path: Path) -> None:
    rows = {"1": "(1, 'a'), (1, 'a'), (2, 'b')", "2": "(1, 'a'), (2, 'c'), (2, 'c')"}
    for version, values in rows.items():
        publish(
            tmp_path,
            version,
            KEYS
            + f"""
            create table marts.wrong as select * from (values {values}) as t (n, text);
            create table marts.keyless as from marts.wrong;
            """,
        )
    for one in compare(tmp_path, rows=1).values():
        assert (one.added, one.gone, one.changed, one.key) == (2, 2, 0, ())
        assert one.rows == (
            RowDifference("added", {"n": 2, "text": "c"}, {}, {"n": 2, "text": "c"}),
            RowDifference("gone", {"n": 1, "text": "a"}, {"n": 1, "text": "a"}, {}),
        )


def test_names_are_quoted_and_nothing_else_is_in_reach(tmp_path: Path) -> None:
    statements = KEYS + """create table marts."o'; {drop} ""x""" + '"" as select 1 as "sel{e}ct";'
    statements = statements.replace('x"" as', 'x""" as')
    for version in ("1", "2"):
        publish(tmp_path, version, statements)
    (found,) = compare(tmp_path).values()
    assert found.is_equal
    with pytest.raises(ValueError, match="neither version has a table 'rfn'"):
        differences(tmp_path, "1", "2", table="rfn")


Rows = st.dictionaries(
    st.integers(0, 6),
    st.tuples(st.none() | st.integers(0, 2), st.sampled_from(["a", "b", None])),
    max_size=6,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=Rows, after=Rows, is_keyed=st.booleans())
def test_counts_equal_those_of_plain_python(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[int, tuple[Any, Any]],
    after: dict[int, tuple[Any, Any]],
    is_keyed: bool,
) -> None:
    warehouse = tmp_path_factory.mktemp("warehouse")
    for version, rows in (("1", before), ("2", after)):
        folder = version_folder(warehouse, version)
        folder.mkdir(parents=True)
        with duckdb.connect(folder / "regulars.duckdb") as connection:
            connection.execute(KEYS)
            name = "wrong" if is_keyed else "keyless"
            connection.execute(f"create table marts.{name} (n integer, v integer, t varchar)")
            for n, (v, t) in rows.items():
                connection.execute(f"insert into marts.{name} values (?, ?, ?)", [n, v, t])
    (found,) = compare(warehouse).values()
    if is_keyed:
        both = before.keys() & after.keys()
        assert found.added == len(after.keys() - before.keys())
        assert found.gone == len(before.keys() - after.keys())
        assert found.changed == sum(before[n] != after[n] for n in both)
        assert found.changed_columns.get("v", 0) == sum(before[n][0] != after[n][0] for n in both)
    else:
        one, other = (Counter((n, *row) for n, row in rows.items()) for rows in (before, after))
        assert (found.added, found.gone) == ((other - one).total(), (one - other).total())
    assert found.is_equal == (before == after)
