"""A mended mapping reads known files anew, without making them newer than they are."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from flows.load.loader import LoadError, moment_of_load
from tests.load.conftest import HEADER, LOADED_AT, SHOP, Load, Query

LINE = "A1,2024-05-01 10:00,C1,P1,2,3.50\n"
NIGHT = timedelta(days=1)
LOWER = SHOP.replace("product_id: product", "product_id: {from: product, case: lower}")
OTHER_KEYS = SHOP.replace("order_id: order", "order_id: {from: order, case: lower}")


def test_the_same_content_loads_again_and_counts_since_it_came(load: Load, query: Query) -> None:
    load(lines__csv=HEADER + LINE)
    (again,) = load(LOWER, LOADED_AT + NIGHT)
    assert again.is_new
    rows = "select product_id, updated_at from raw.order_lines order by load_id"
    assert query(rows) == [("P1", LOADED_AT), ("p1", LOADED_AT)]
    assert query("select loaded_at, first_loaded_at from raw.loads order by load_id") == [
        (LOADED_AT, None),
        (LOADED_AT + NIGHT, LOADED_AT),
    ]
    # and so again, with the next mend
    load(SHOP, LOADED_AT + 2 * NIGHT)
    assert query(rows)[2:] == [("P1", LOADED_AT)]


def test_files_are_read_again_in_the_order_in_which_they_came(load: Load, query: Query) -> None:
    load(lines_b__csv=HEADER + LINE)
    load(loaded_at=LOADED_AT + NIGHT, lines_a__csv=HEADER + LINE.replace("3.50", "4"))
    new = HEADER + LINE.replace("3.50", "5")
    deliveries = load(LOWER, LOADED_AT + 2 * NIGHT, lines_0__csv=new)
    assert [(one.source_file, one.load_id) for one in deliveries] == [
        ("shop/lines_0.csv", 5),
        ("shop/lines_a.csv", 4),
        ("shop/lines_b.csv", 3),
    ]
    assert query("select load_id, updated_at from raw.order_lines order by load_id")[2:] == [
        (3, LOADED_AT),
        (4, LOADED_AT + NIGHT),
        (5, LOADED_AT + 2 * NIGHT),
    ]


def test_a_change_taken_back_counts_since_it_was_taken_back(load: Load, query: Query) -> None:
    for night, price in enumerate(("3.50", "99", "3.50")):
        load(loaded_at=LOADED_AT + night * NIGHT, lines__csv=HEADER + LINE.replace("3.50", price))
    load(LOWER, LOADED_AT + 9 * NIGHT)
    assert query("select max_by(updated_at, load_id) from raw.order_lines") == [
        (LOADED_AT + 2 * NIGHT,)
    ]


def test_files_that_cannot_be_read_again_are_named_once(load: Load, landing: Path) -> None:
    load(lines_1__csv=HEADER + LINE, lines_2__csv=HEADER + LINE.replace("A1", "A2"))
    (landing / "shop" / "lines_1.csv").unlink()
    (again,) = load(LOWER)
    assert again.warnings == (
        "1 earlier loads whose files are gone or have changed since (shop/lines_1.csv) "
        "stay as the mapping read them before it changed",
    )
    later = load(LOWER, lines_3__csv=HEADER + LINE.replace("A1", "A3"))
    assert [one.warnings for one in later] == [(), ()]


def test_other_keys_are_refused_where_files_cannot_be_read_again(
    load: Load, query: Query, landing: Path
) -> None:
    gone = HEADER + LINE
    load(lines_1__csv=gone, lines_2__csv=HEADER + LINE.replace("A1", "A2"))
    (landing / "shop" / "lines_1.csv").unlink()
    with pytest.raises(
        LoadError, match=r"reads another order_id than before in 1 records.*shop/lines_1\.csv"
    ):
        load(OTHER_KEYS)
    assert query("select count(*) from raw.order_lines") == [(2,)]
    # put back, under another name
    deliveries = load(OTHER_KEYS, LOADED_AT + NIGHT, lines_archived__csv=gone)
    assert [one.is_new for one in deliveries] == [True, True]
    assert query(
        "select order_id, updated_at from raw.order_lines where load_id > 2 order by load_id"
    ) == [("a1", LOADED_AT), ("a2", LOADED_AT)]


def test_a_full_list_may_change_its_keys(load: Load) -> None:
    full = "    full_list: true\n    columns:"
    load(SHOP.replace("    columns:", full), lines__csv=HEADER + LINE)
    load(
        SHOP.replace("    columns:", full),
        LOADED_AT + NIGHT,
        lines__csv=HEADER + LINE + LINE.replace("A1", "A2"),
    )
    (again,) = load(OTHER_KEYS.replace("    columns:", full), LOADED_AT + 2 * NIGHT)
    assert again.is_new
    assert again.warnings[0].startswith("1 earlier loads whose files are gone or have changed")


def test_other_keys_are_refused_where_no_file_is_as_it_was(load: Load, query: Query) -> None:
    load(lines__csv=HEADER + LINE)  # as a table of a database: it grows from night to night
    grown = HEADER + LINE + LINE.replace("A1", "A2")
    with pytest.raises(LoadError, match=r"now takes order_id from elsewhere.*1 earlier loads"):
        load(OTHER_KEYS, LOADED_AT + NIGHT, lines__csv=grown)
    assert query("select count(*) from raw.order_lines") == [(1,)]
    (delivery,) = load(LOWER, LOADED_AT + NIGHT)
    assert delivery.warnings[0].startswith("1 earlier loads whose files are gone or have changed")


def test_a_change_taken_back_after_a_mend_is_news(load: Load, query: Query) -> None:
    load(lines__csv=HEADER + LINE)
    load(loaded_at=LOADED_AT + NIGHT, lines__csv=HEADER + LINE.replace("3.50", "99"))
    load(LOWER, LOADED_AT + 2 * NIGHT)
    load(LOWER, LOADED_AT + 3 * NIGHT, lines__csv=HEADER + LINE)
    assert query("select unit_price, updated_at from raw.order_lines order by load_id")[3:] == [
        (Decimal("3.5"), LOADED_AT + 3 * NIGHT)
    ]


def test_what_is_read_again_keeps_its_place_among_lost_files(
    load: Load, query: Query, landing: Path
) -> None:
    load(lines_1__csv=HEADER + LINE, lines_2__csv=HEADER + LINE.replace("3.50", "99"))
    (landing / "shop" / "lines_2.csv").unlink()
    load(LOWER, LOADED_AT + NIGHT)
    load(SHOP, LOADED_AT + 2 * NIGHT)
    assert query("select load_id, first_load_id from raw.loads order by load_id") == [
        *((1, None), (2, None), (3, 1), (4, 1)),
    ]


def test_a_mend_taken_back_is_a_mend(load: Load, landing: Path) -> None:
    load(lines_1__csv=HEADER + LINE)
    load(OTHER_KEYS, LOADED_AT + NIGHT, lines_2__csv=HEADER + LINE.replace("A1", "B1"))
    (landing / "shop" / "lines_2.csv").unlink()
    with pytest.raises(LoadError, match=r"reads another order_id.*shop/lines_2\.csv"):
        load(SHOP, LOADED_AT + 2 * NIGHT)


def test_a_mend_that_only_passes_over_rows_is_none_of_keys(load: Load, landing: Path) -> None:
    nobody = HEADER + LINE + LINE.replace("A1", "A2").replace("C1", "")
    load(lines_1__csv=nobody, lines_2__csv=HEADER + LINE.replace("A1", "A3"))
    (landing / "shop" / "lines_2.csv").unlink()
    skipping = SHOP.replace("    columns:", "    skip_rows_without: customer_id\n    columns:")
    (again,) = load(skipping, LOADED_AT + NIGHT)
    assert (again.rows_loaded, again.rows_skipped) == (1, 1)


def test_a_full_list_with_rejected_rows_says_nothing_of_its_old_keys(load: Load) -> None:
    full = "    full_list: true\n    columns:"
    load(SHOP.replace("    columns:", full), lines__csv=HEADER + LINE)
    faulty = HEADER + LINE + LINE.replace("3.50", "x")
    load(SHOP.replace("    columns:", full), LOADED_AT + NIGHT, lines__csv=faulty)
    with pytest.raises(LoadError, match="reads another order_id than before in 1 records"):
        load(OTHER_KEYS.replace("    columns:", full), LOADED_AT + 2 * NIGHT)


def test_loads_are_later_than_those_before_though_the_clock_was_set_back(
    connection: duckdb.DuckDBPyConnection, load: Load
) -> None:
    assert moment_of_load(connection, LOADED_AT) == LOADED_AT
    load(lines__csv=HEADER + LINE)
    assert moment_of_load(connection, LOADED_AT - NIGHT) > LOADED_AT
    assert moment_of_load(connection, LOADED_AT + NIGHT) == LOADED_AT + NIGHT
