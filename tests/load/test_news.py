"""What of a delivery is news: changes taken back, files that moved, files joined to new ones."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from flows.load.earlier_loads import all_readings, take_over_readings
from tests.load.conftest import HEADER, LOADED_AT, SHOP, Load, Query

LINE = "A1,2024-05-01 10:00,C1,P1,2,10\n"
OTHER = "A2,2024-05-01 10:00,C1,P1,1,7\n"
NIGHT = timedelta(days=1)
LOWER = SHOP.replace("product_id: product", "product_id: {from: product, case: lower}")
STORES = (
    SHOP
    + """
  stores:
    files: stores*
    columns: {store_id: id, name: name}
"""
)
JOINED = """
source: shop
title: A shop
time_zone: Asia/Shanghai
currency: CNY
reject_limit: 1
entities:
  order_lines:
    files: [lines*, mends*]
    join: {files: heads*.csv, on: order}
    columns:
      order_id: order
      ordered_at: at
      product_id: product
      quantity: quantity
      unit_price: price
    header_lines:
      - {line_kind: shipping, net_revenue: shipping}
"""
LINES_HEADER = "order,product,quantity,price\n"
HEADS_HEADER = "order,at,shipping\n"


def current(query: Query) -> dict[object, object]:
    """Order to the price of its first line, as the models choose it where rows have no version."""
    return dict(
        query(
            "select order_id, arg_max(unit_price, (updated_at, load_id)) "
            "from raw.order_lines where line_kind is distinct from 'shipping' "
            "group by order_id order by order_id"
        )
    )


def price(amount: str) -> str:
    return LINE.replace(",10\n", f",{amount}\n")


# What is so now


@pytest.mark.parametrize(
    "mapping", [STORES, STORES.replace("files: stores*", "files: stores*\n    full_list: true")]
)
def test_a_list_as_it_was_before_under_a_new_name_is_news(
    load: Load, query: Query, mapping: str
) -> None:
    for night, names in enumerate(("a,b", "a", "a,b")):
        rows = "".join(f"{name},{name.upper()}\n" for name in names.split(","))
        loaded_at = LOADED_AT + night * NIGHT
        files = {f"stores_{night}__csv": "id,name\n" + rows, "lines__csv": HEADER + LINE}
        load(mapping, loaded_at, **files)
    assert query("select rows_loaded from raw.loads where entity = 'stores' order by load_id") == [
        *((2,), (1,), (2,)),
    ]


def test_a_list_that_came_last_of_all_is_told_once(load: Load) -> None:
    load(STORES, lines__csv=HEADER + LINE, stores_1__csv="id,name\na,A\n")
    again = load(STORES, stores_2__csv="id,name\na,A\n")
    assert [one.is_new for one in again] == [False, False, False]


def test_a_list_that_was_away_brings_nothing_when_put_back(load: Load, landing: Path) -> None:
    stores = {"stores_1__csv": "id,name\na,A\n", "stores_2__csv": "id,name\na,B\n"}
    load(STORES, lines__csv=HEADER + LINE, **stores)
    path = landing / "shop" / "stores_1.csv"
    content = path.read_text()
    path.unlink()
    load(STORES)
    path.write_text(content)
    assert [one.is_new for one in load(STORES)] == [False, False, False]


# What happened


def test_orders_that_are_copied_after_they_were_corrected_bring_nothing(
    load: Load, query: Query
) -> None:
    load(lines_1__csv=HEADER + LINE)
    load(loaded_at=LOADED_AT + NIGHT, lines_2__csv=HEADER + price("11"))
    copied = load(loaded_at=LOADED_AT + 2 * NIGHT, lines_3__csv=HEADER + LINE)
    assert [one.is_new for one in copied] == [False, False, False]
    assert current(query) == {"A1": Decimal(11)}


def test_a_change_taken_back_under_the_same_name_is_news(load: Load, query: Query) -> None:
    for night, amount in enumerate(("10", "11", "10")):
        load(loaded_at=LOADED_AT + night * NIGHT, lines__csv=HEADER + price(amount))
    assert current(query) == {"A1": Decimal(10)}


@pytest.mark.parametrize("kept_as", ["lines_0.csv", "lines_z.csv"])
def test_what_is_kept_of_the_day_before_is_no_news(
    load: Load, query: Query, landing: Path, kept_as: str
) -> None:
    load(lines_latest__csv=HEADER + LINE)
    (landing / "shop" / "lines_latest.csv").rename(landing / "shop" / kept_as)
    deliveries = load(loaded_at=LOADED_AT + NIGHT, lines_latest__csv=HEADER + price("11"))
    assert {one.source_file: one.is_new for one in deliveries} == {
        f"shop/{kept_as}": False,
        "shop/lines_latest.csv": True,
    }
    assert current(query) == {"A1": Decimal(11)}
    # nor is it in the nights after
    assert not any(one.is_new for one in load(loaded_at=LOADED_AT + 2 * NIGHT))


def test_a_change_taken_back_is_news_though_files_are_kept_in_rotation(
    load: Load, query: Query
) -> None:
    kept: list[str] = []
    for night, amount in enumerate(("10", "11", "10")):
        files = {f"lines_{age}__csv": text for age, text in enumerate(reversed(kept), 1)}
        kept.append(HEADER + price(amount))
        load(loaded_at=LOADED_AT + night * NIGHT, lines__csv=kept[-1], **files)
    assert current(query) == {"A1": Decimal(10)}


def test_kept_files_are_no_news_where_nobody_knows_what_files_held(
    load: Load, query: Query, landing: Path
) -> None:
    stores = {"lines__csv": HEADER + LINE}
    for night, name in enumerate("ABC"):
        for age in (1, 0):  # rotate
            path = landing / "shop" / (f"stores_{age}.csv" if age else "stores.csv")
            if path.exists():
                path.rename(path.with_name(f"stores_{age + 1}.csv"))
        text = f"id,name\na,{name}\n"
        load(STORES, LOADED_AT + night * NIGHT, stores__csv=text, **stores)
    query("delete from raw.file_hashes")  # as a restore leaves it
    assert not any(one.is_new for one in load(STORES, LOADED_AT + 9 * NIGHT))
    assert query("select max_by(name, load_id) from raw.stores") == [("C",)]


def test_a_mended_mapping_reads_equal_files_once_and_in_their_place(
    load: Load, query: Query
) -> None:
    load(lines_a__csv=HEADER + LINE, lines_b__csv=HEADER + OTHER)
    load(loaded_at=LOADED_AT + NIGHT, lines_b__csv=HEADER + LINE)
    load(loaded_at=LOADED_AT + 2 * NIGHT, lines_c__csv=HEADER + price("11"))
    load(LOWER, LOADED_AT + 3 * NIGHT)
    assert current(query)["A1"] == Decimal(11)


def test_an_order_of_a_clock_that_runs_ahead_is_loaded(load: Load, query: Query) -> None:
    moment = LOADED_AT + timedelta(hours=8)  # Shanghai's clocks
    ahead, far = (moment + timedelta(minutes=minutes) for minutes in (59, 61))
    (delivery,) = load(
        lines__csv=HEADER
        + LINE.replace("2024-05-01 10:00", f"{ahead:%Y-%m-%d %H:%M}")
        + OTHER.replace("2024-05-01 10:00", f"{far:%Y-%m-%d %H:%M}")
    )
    assert (delivery.rows_loaded, delivery.rows_rejected) == (1, 1)
    assert current(query) == {"A1": Decimal(10)}


# Files that others are joined to


def test_a_new_file_of_heads_does_not_bring_old_lines_back(load: Load, query: Query) -> None:
    load(
        JOINED,
        lines_1__csv=LINES_HEADER + "A1,P1,1,10\nA3,P1,1,3\n",
        heads_1__csv=HEADS_HEADER + "A1,2024-05-01,5\nA3,2024-05-01,\n",
    )
    load(
        JOINED,
        LOADED_AT + NIGHT,
        lines_2__csv=LINES_HEADER + "A2,P1,1,7\n",
        heads_2__csv=HEADS_HEADER + "A2,2024-05-02,\n",
    )
    load(JOINED, LOADED_AT + 2 * NIGHT, mends_1__csv=LINES_HEADER + "A1,P1,1,11\n")
    state = query("from raw.order_lines order by all"), query("select count(*) from raw.loads")
    new = HEADS_HEADER + "A9,2024-05-03,1\n"
    deliveries = load(JOINED, LOADED_AT + 3 * NIGHT, heads_3__csv=new)
    assert [one.is_new for one in deliveries] == [False, False, False]
    assert "was read again, for files joined to it changed" in deliveries[0].notes[0]
    assert state == (
        query("from raw.order_lines order by all"),
        query("select count(*) from raw.loads"),
    )
    # nor are they read in the night after
    deliveries = load(JOINED, LOADED_AT + 4 * NIGHT)
    assert "was loaded before" in deliveries[0].notes[0]


def test_a_night_without_news_reads_again_once(
    load: Load, query: Query, connection: duckdb.DuckDBPyConnection
) -> None:
    """Its copy of the work file is thrown away, but not what it learned of the files."""
    heads = HEADS_HEADER + "A1,2024-05-01,5\n"
    load(JOINED, lines_1__csv=LINES_HEADER + "A1,P1,1,10\n", heads_1__csv=heads)
    query("create table before as from raw.loads")
    (delivery,) = load(JOINED, LOADED_AT + NIGHT, heads_2__csv=HEADS_HEADER + "A9,2024-05-03,1\n")
    assert "was read again" in delivery.notes[0]
    readings = all_readings(connection)
    query("delete from raw.loads")
    query("insert into raw.loads from before")
    take_over_readings(connection, readings)
    (delivery,) = load(JOINED, LOADED_AT + 2 * NIGHT)
    assert "was loaded before" in delivery.notes[0]


def test_a_changed_head_changes_its_orders_in_their_place(load: Load, query: Query) -> None:
    heads = HEADS_HEADER + "A1,2024-05-01,5\nA3,2024-05-01,6\n"
    load(JOINED, lines_1__csv=LINES_HEADER + "A1,P1,1,10\nA3,P1,1,3\n", heads_1__csv=heads)
    load(JOINED, LOADED_AT + NIGHT, mends_1__csv=LINES_HEADER + "A1,P1,1,11\n")
    first, second = load(JOINED, LOADED_AT + 2 * NIGHT, heads_1__csv=heads.replace("01,6", "02,6"))
    assert (first.is_new, first.rows_loaded, first.rows_derived) == (True, 2, 2)
    assert not second.is_new
    assert current(query) == {"A1": Decimal(11), "A3": Decimal(3)}
    days = "select max_by(ordered_at_local, load_id)::date::varchar from raw.order_lines"
    assert query(f"{days} where order_id = 'A3'") == [("2024-05-02",)]
    # It stands in the place of the load before, as after a mended mapping.
    assert query("select load_id, first_load_id, rows_loaded from raw.loads order by load_id") == [
        *((1, None, 2), (2, None, 1), (3, 1, 2)),
    ]
    mended = JOINED.replace("product_id: product", "product_id: {from: product, case: lower}")
    load(mended, LOADED_AT + 3 * NIGHT)
    assert current(query)["A1"] == Decimal(11)


def test_a_head_that_came_late_brings_the_lines_that_lacked_it(load: Load, query: Query) -> None:
    lines = LINES_HEADER + "A1,P1,1,10\nA2,P1,1,7\n"
    load(JOINED, lines_1__csv=lines, heads_1__csv=HEADS_HEADER + "A1,2024-05-01,5\n")
    late = HEADS_HEADER + "A2,2024-05-02,\n"
    (delivery,) = load(JOINED, LOADED_AT + NIGHT, heads_2__csv=late)
    assert (delivery.rows_loaded, delivery.rows_rejected) == (2, 0)
    assert current(query) == {"A1": Decimal(10), "A2": Decimal(7)}


def test_what_is_joined_to_members_is_news_and_their_files_keep_their_order(
    load: Load, query: Query
) -> None:
    stores = (
        SHOP
        + """
  stores:
    files: stores*
    join: {files: cities*.csv, on: id}
    columns: {store_id: id, name: name, city: city}
"""
    )
    files = {
        "lines__csv": HEADER + LINE,
        "stores_1__csv": "id,name\na,A\nb,B\n",
        "cities__csv": "id,city\na,Wuhan\nb,Xian\n",
    }
    load(stores, **files)
    load(stores, LOADED_AT + NIGHT, stores_2__csv="id,name\na,AA\n")
    moved = "id,city\na,Wuhan\nb,Suzhou\n"
    load(stores, LOADED_AT + 2 * NIGHT, cities__csv=moved)
    rows = query(
        "select store_id, name, city, updated_at from raw.stores "
        "order by updated_at, load_id, store_id"
    )
    assert rows == [
        ("a", "A", "Wuhan", LOADED_AT),
        ("b", "B", "Xian", LOADED_AT),
        ("a", "AA", "Wuhan", LOADED_AT + NIGHT),
        # told anew, in the order in which they came
        ("a", "A", "Wuhan", LOADED_AT + 2 * NIGHT),
        ("b", "B", "Suzhou", LOADED_AT + 2 * NIGHT),
        ("a", "AA", "Wuhan", LOADED_AT + 2 * NIGHT),
    ]
    more = {"cities__csv": moved + "c,Fuzhou\n"}
    again = load(stores, LOADED_AT + 3 * NIGHT, **more)
    assert not any(one.is_new for one in again)
    assert len(query("from raw.stores")) == 6


def test_a_list_from_which_somebody_was_away_for_a_night_is_whole_again(
    load: Load, query: Query
) -> None:
    listing = JOINED.replace("    join:", "    full_list: true\n    join:")
    heads = HEADS_HEADER + "A1,2024-05-01,\nA2,2024-05-01,\n"
    load(listing, lines_1__csv=LINES_HEADER + "A1,P1,1,10\nA2,P1,1,7\n", heads_1__csv=heads)
    load(listing, LOADED_AT + NIGHT, heads_1__csv=heads.replace("A2", "A9"))
    load(listing, LOADED_AT + 2 * NIGHT, heads_1__csv=heads)
    assert query("select count(*) from raw.order_lines group by load_id order by load_id") == [
        *((2,), (1,), (2,)),
    ]


def test_the_time_of_a_list_is_that_of_its_newest_row_as_it_came(load: Load, query: Query) -> None:
    dated = STORES.replace("name: name}", "name: name, updated_at: at}").replace(
        "files: stores*", "files: stores*\n    full_list: true"
    )
    rows = "id,name,at\na,A,2026-11-01T00:00:00Z\nb,B,2026-11-05T00:00:00Z\n"
    files = {"stores_1__csv": rows, "stores_2__csv": "id,name,at\n"}
    load(dated, lines__csv=HEADER + LINE, **files)
    query("delete from raw.stores where store_id = 'b'")
    times = "select listed_at::date::varchar from raw.loads order by entity, source_file"
    assert query(times) == [(None,), ("2026-11-05",), (None,)]
