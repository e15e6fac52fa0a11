"""Sources that deliver nothing: silence is told once, what is not looked at each time."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from flows.load.raw_tables import create_raw_tables
from flows.silence import newly_silent, not_looked_at, remember_told

FIRST = datetime(2026, 3, 2, 2, tzinfo=UTC)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        create_raw_tables(connection)
        yield connection


def night(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    *deliver: str,
    looks_at: Sequence[str] = ("shop", "till"),
    is_told: bool = True,
) -> list[str]:
    """What is told in the night of this number, in which these sources deliver.

    A source's name stands for its order lines; `shop/products` for a list of its products.
    """
    now, run_id = FIRST + timedelta(days=number), f"{number:03}"
    for delivery in deliver:
        source, _, entity = delivery.partition("/")
        connection.execute(
            "insert into raw.loads by name select coalesce(max(load_id), 0) + 1 as load_id, "
            "$run as run_id, $source as source, $entity as entity, 'orders.csv' as "
            "source_file, 'a' as content_sha256, 'b' as mapping_sha256, $now as loaded_at, "
            "0 as file_bytes, 0 as records_read, 0 as rows_loaded, 0 as rows_rejected, "
            "0 as rows_derived, 0 as rows_skipped from raw.loads",
            # what a night loads comes a little later than its run
            {
                "run": run_id,
                "source": source,
                "entity": entity or "order_lines",
                "now": now + timedelta(seconds=30),
            },
        )
    silences = newly_silent(connection, looks_at, 3, now)
    if silences and is_told:
        remember_told(connection, run_id, silences)
    return list(map(str, silences))


def test_a_source_that_fell_silent_is_told_once(connection: duckdb.DuckDBPyConnection) -> None:
    silent = "shop: nothing new has come for 3 days"
    assert [night(connection, one, "till", *(["shop"] if one < 2 else [])) for one in range(8)] == [
        *([], [], [], []),
        [silent],
        *([], [], []),
    ]
    assert night(connection, 8, "till", "shop") == []
    assert [night(connection, one, "till") for one in (9, 10, 11)] == [[], [], [silent]]


def test_other_lists_of_a_source_do_not_hide_that_no_orders_come(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    night(connection, 0, "shop", "shop/products", "till/products")
    lists = ("shop/products", "till/products")
    assert [night(connection, one, *lists) for one in (1, 2, 3, 4)] == [
        *([], []),
        ["shop: nothing new has come for 3 days"],
        [],
    ]


def test_a_file_that_a_mended_mapping_reads_anew_is_nothing_new(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    night(connection, 0, "shop")
    night(connection, 2, "shop")
    connection.execute("update raw.loads set first_loaded_at = ? where load_id = 2", [FIRST])
    assert night(connection, 3) == ["shop: nothing new has come for 3 days"]


def test_a_silence_that_nobody_was_told_of_is_told_by_the_next_night(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    night(connection, 0, "shop")
    assert night(connection, 1) == []
    silent = "shop: nothing new has come for"
    assert night(connection, 3, looks_at=["till"]) == []  # or a `forget`, or a restore
    assert night(connection, 4, is_told=False) == [f"{silent} 4 days"]  # it failed, or was killed
    assert night(connection, 5) == [f"{silent} 5 days"]
    assert night(connection, 6) == []


def test_sources_that_are_not_to_be_loaded_are_not_silent(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    night(connection, 0, "other")
    assert night(connection, 4) == []


@pytest.mark.parametrize(
    ("is_mapped", "has_folder", "gone"),
    [
        (True, True, None),
        (True, False, "folder in the landing folder"),
        (False, True, "mapping"),
        (False, False, "mapping"),
    ],
)
def test_a_source_that_is_not_looked_at_any_more_is_named(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    is_mapped: bool,
    has_folder: bool,
    gone: str | None,
) -> None:
    night(connection, 0, "shop", "till")
    (tmp_path / "shop").mkdir()
    if has_folder:
        (tmp_path / "till").mkdir()
    told = not_looked_at(connection, tmp_path, ["shop", "other", *(["till"] if is_mapped else [])])
    expected = [] if gone is None else [f"till: its {gone} is gone"]
    assert [one.partition(",")[0] for one in told] == expected
