"""What the loader does with good files, bad files and files it has seen before."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.load.check import check_source
from flows.load.loader import LoadError, TooManyRejectedRows, load_source
from flows.load.mapping import Mapping
from tests.load.conftest import HEADER, LOADED_AT, SHOP, Load, Query

LINE = "A1,2024-05-01 10:00,C1,P1,2,3.50\n"


def rejected(query: Query) -> list[tuple[object, ...]]:
    return query(
        "select source_line, column_name, reason, raw_text "
        "from raw.rejected_rows order by source_line"
    )


def test_a_plain_csv(load: Load, query: Query) -> None:
    (delivery,) = load(lines__csv=HEADER + LINE + "A1,2024-05-01 23:30,C1,P1,2,3.50\n")
    assert (delivery.records_read, delivery.rows_loaded, delivery.is_new) == (2, 2, True)
    rows = query(
        "select order_id, line_number, ordered_at, ordered_at_local, customer_id, quantity, "
        "unit_price, currency, source, updated_at, source_file, source_line, load_id "
        "from raw.order_lines order by line_number"
    )
    first = datetime(2024, 5, 1, 10)
    assert rows[0] == (
        *("A1", 1, datetime(2024, 5, 1, 2, tzinfo=UTC), first, "C1", Decimal(2), Decimal("3.5")),
        *("CNY", "shop", LOADED_AT, "shop/lines.csv", 2, 1),
    )
    assert rows[1][1:4] == (
        2,
        datetime(2024, 5, 1, 15, 30, tzinfo=UTC),
        datetime(2024, 5, 1, 23, 30),
    )
    (load_row,) = query("select source_file, records_read, rows_loaded, file_bytes from raw.loads")
    assert load_row == ("shop/lines.csv", 2, 2, len(HEADER + LINE) * 1 + 33)
    assert query("select time_zone, currency, delivers from raw.sources") == [
        ("Asia/Shanghai", "CNY", "orders")
    ]


def details(query: Query) -> list[tuple[object, ...]]:
    return query("select source_line, detail from raw.rejected_rows order by source_line")


def test_the_same_content_adds_nothing(load: Load, query: Query) -> None:
    load(lines__csv=HEADER + LINE)
    (again,) = load(loaded_at=LOADED_AT + timedelta(days=1))
    assert (again.is_new, again.rows_loaded) == (False, 0)
    assert again.notes == ("the content of shop/lines.csv was loaded before (load 1)",)
    assert query("select count(*) from raw.order_lines") == [(1,)]
    assert query("select count(*) from raw.loads") == [(1,)]


def test_equal_files_of_one_load_load_once(load: Load, query: Query) -> None:
    first, second = load(lines_1__csv=HEADER + LINE, lines_2__csv=HEADER + LINE)
    assert (first.is_new, second.is_new) == (True, False)
    assert "was loaded before (load 1, from shop/lines_1.csv)" in second.notes[0]
    assert query("select count(*) from raw.order_lines") == [(1,)]


def test_files_load_in_the_order_of_their_names(load: Load) -> None:
    deliveries = load(lines_b__csv=HEADER + LINE, lines_a__csv=HEADER + LINE.replace("A1", "A0"))
    assert [(d.load_id, d.source_file) for d in deliveries] == [
        (1, "shop/lines_a.csv"),
        (2, "shop/lines_b.csv"),
    ]


def test_a_newer_delivery_stands_beside_the_older_and_duplicates_stay(
    load: Load, query: Query
) -> None:
    load(lines_1__csv=HEADER + LINE + LINE)
    load(lines_2__csv=HEADER + LINE.replace("3.50", "4"))
    assert query("select load_id, line_number, unit_price from raw.order_lines order by all") == [
        (1, 1, Decimal("3.5")),
        (1, 2, Decimal("3.5")),
        (2, 1, Decimal(4)),
    ]


def test_amounts_that_no_line_has_are_rejected(load: Load, query: Query) -> None:
    load(
        lines__csv=HEADER
        + LINE
        + "A2,2024-05-01 10:00,C1,P1,1000000000000,0\n"
        + "A3,2024-05-01 10:00,C1,P1,2000000,-500000\n"
        + "A4,2024-05-01 10:00,C1,P1,2000000,499999.99\n"
    )
    assert [row[:3] for row in rejected(query)] == [
        (3, "quantity", "quantity is 1,000,000,000,000 or more"),
        (4, "quantity, price", "quantity × unit_price is 1,000,000,000,000 or more"),
    ]


@pytest.mark.parametrize("entity", ["order_lines", "exchange_rates"])
def test_what_is_no_currency_is_rejected(load: Load, query: Query, entity: str) -> None:
    """A column of names mapped by mistake must not come out as one of currencies."""
    told = {
        "order_lines": "order_id: n, ordered_at: on, product_id: n, quantity: rate, unit_price: n",
        "exchange_rates": "on_date: on, rate: rate",
    }
    load(
        SHOP.split("entities")[0] + f"entities: {{ {entity}: {{ files: lines.csv, "
        f"columns: {{ currency: money, {told[entity]} }} }} }}",
        lines__csv="n,on,rate,money\n1,2026-01-05,2,USD\n2,2026-01-05,2,Ann Lee\n"
        "3,2026-01-05,2,RMB\n",
    )
    assert query(f"select currency from raw.{entity}") == [("USD",)]
    reason = "no currency code of ISO 4217, such as CNY or EUR"
    assert query("select column_name, reason, detail from raw.rejected_rows") == [
        ("money", reason, f"'Ann Lee' is {reason}"),
        ("money", reason, f"'RMB' is {reason}"),
    ]


def test_a_line_number_that_repeats_in_an_order_is_rejected(load: Load, query: Query) -> None:
    numbered = SHOP + "      line_number: line\n"
    header = HEADER.replace("\n", ",line\n")
    load(numbered, lines__csv=header + "".join(LINE.replace("\n", f",{n}\n") for n in (1, 2, 1)))
    assert [row[:3] for row in rejected(query)] == [
        (4, "line", "a line number that its order has had in this file")
    ]
    assert details(query) == [(4, "line 1")]
    # A file of single lines may hold an older and a newer version of one.
    by_line = numbered.replace("entities:", "delivers: lines\nentities:")
    (delivery,) = load(by_line)
    assert (delivery.rows_loaded, delivery.rows_rejected) == (3, 0)
    assert delivery.notes == ("1 rows are replaced by newer rows of the same line in this file",)


def test_a_repeated_line_number_spares_the_only_good_line(load: Load, query: Query) -> None:
    text = (
        HEADER.replace("\n", ",line\n")
        + "A1,2024-05-01,C1,P1,x,1,1\n"
        + "A1,2024-05-01,C1,P1,2,1,1\n" * 2
    )
    (delivery,) = load(SHOP + "      line_number: line\n", lines__csv=text)
    assert (delivery.rows_loaded, delivery.rows_rejected, delivery.records_read) == (1, 2, 3)
    assert query("select source_line, line_number from raw.order_lines") == [(3, 1)]
    assert [row[:2] for row in rejected(query)] == [(2, "quantity"), (4, "line")]


def test_a_change_and_its_reversal_both_load(load: Load, query: Query) -> None:
    for price in ("3.50", "99", "3.50"):
        (delivery,) = load(lines__csv=HEADER + LINE.replace("3.50", price))
        assert delivery.is_new
    assert query("select unit_price from raw.order_lines order by load_id") == [
        (Decimal("3.5"),),
        (Decimal(99),),
        (Decimal("3.5"),),
    ]
    (again,) = load()
    assert (again.is_new, again.load_id) == (False, 3)


def test_a_renamed_file_adds_nothing(load: Load, landing: Path) -> None:
    load(lines_1__csv=HEADER + LINE, lines_2__csv=HEADER + LINE.replace("A1", "A2"))
    (landing / "shop" / "lines_1.csv").rename(landing / "shop" / "lines_2024.csv")
    assert [(one.source_file, one.is_new) for one in load()] == [
        ("shop/lines_2.csv", False),
        ("shop/lines_2024.csv", False),
    ]


def test_orders_of_earlier_files_that_a_file_replaces_are_noted(load: Load) -> None:
    other = LINE.replace("A1", "A2")
    first, second = load(
        lines_1__csv=HEADER + LINE + LINE + other, lines_2__csv=HEADER + LINE.replace("3.50", "4")
    )
    note = "replaces 2 lines of 1 order from shop/lines_1.csv"
    assert (first.notes, second.notes) == ((), (note,))
    (third,) = load(lines_3__csv=HEADER + other + LINE + LINE)[2:]
    assert third.notes == ("replaces 2 lines of 2 orders from earlier files",)
    # The same files under a mended mapping replace themselves, which is no news.
    mended = SHOP.replace("product_id: product", "product_id: {from: product, case: lower}")
    assert [one.notes for one in load(mended)] == [(), (), ()]


def test_what_is_left_of_an_order_with_a_rejected_record_is_marked(
    load: Load, query: Query
) -> None:
    other = LINE.replace("A1", "A2")
    load(lines_1__csv=HEADER + LINE + LINE + other)
    second = load(lines_2__csv=HEADER + LINE + LINE.replace("3.50", "3.5o") + other)[1]
    assert query(
        "select load_id, order_id, is_incomplete, count(*) from raw.order_lines "
        "group by all order by all"
    ) == [(1, "A1", None, 2), (1, "A2", None, 1), (2, "A1", True, 1), (2, "A2", None, 1)]
    assert second.notes == ("replaces 1 line of 1 order from shop/lines_1.csv",)
    # Mended, it is whole, and replaces what came before.
    mended = load(lines_2__csv=HEADER + LINE + LINE + other)[1]
    assert mended.notes == ("replaces 3 lines of 2 orders from earlier files",)


def test_single_lines_that_a_file_replaces_are_noted(load: Load) -> None:
    mapping = SHOP.replace("entities:", "delivers: lines\nentities:") + (
        "      line_number: line\n      updated_at: changed\n"
    )
    header = HEADER.replace("\n", ",line,changed\n")
    rows = [LINE.replace("\n", f",{number},2024-05-02\n") for number in (1, 2, 3)]
    load(mapping, lines_1__csv=header + "".join(rows))
    older = rows[2].replace("2024-05-02", "2024-04-02")
    (_, second) = load(mapping, lines_2__csv=header + rows[1] + older)
    assert second.notes == ("replaces 1 line of 1 order from shop/lines_1.csv",)


def test_a_row_is_never_newer_than_its_delivery(load: Load, query: Query) -> None:
    (delivery,) = load(
        SHOP + "      updated_at: changed\n",
        lines__csv=HEADER.replace("\n", ",changed\n")
        + LINE.replace("\n", ",2024-05-02 00:00:00Z\n")
        + LINE.replace("\n", ",\n")
        + LINE.replace("\n", ",2199-12-31\n"),
    )
    assert query("select updated_at from raw.order_lines order by source_line") == [
        (datetime(2024, 5, 2, tzinfo=UTC),),
        (LOADED_AT,),
        (LOADED_AT,),
    ]
    note = "2 rows name no time of change, or one after the load: they count as of the load"
    assert delivery.notes == (note,)


def test_no_reason_holds_a_value(load: Load, query: Query) -> None:
    hidden = "hidden"  # stands wherever a person's data could
    lines = (
        HEADER
        + f"{hidden},{hidden},{hidden},{hidden},{hidden},1\n{hidden},2099-01-01,{hidden},P,1,1\n"
    )
    heads = "order,colour\nA1,red\n"
    mapping = SHOP.replace(
        "files: lines*", "files: lines.csv\n    join: {files: heads.csv, on: order}"
    )
    mapping += (
        "      channel: colour\n      store_id: colour\n"
        + """
  consents:
    files: lines.csv
    join: {files: heads.csv, on: order}
    columns: {customer_id: customer, channel: colour, given_at: at}
  customers:
    files: lines.csv
    columns: {customer_id: order, sex: customer}
"""
    )
    deliveries = load(mapping, lines__csv=lines, heads__csv=heads)
    assert [one.rows_rejected for one in deliveries] == [2, 2, 2]
    reasons = query("select reason, detail from raw.rejected_rows")
    assert not any(hidden in str(reason) for reason, _ in reasons)
    assert sum(hidden in str(detail) for _, detail in reasons) == 5
    with pytest.raises(TooManyRejectedRows) as raised:
        load(
            mapping.replace("reject_limit: 1", "reject_limit: 0").replace(
                "source: shop", "source: shop\nmargin_rates: {default: 1}"
            ),
            lines__csv=lines + "\n",
        )
    assert hidden not in str(raised.value)


def test_a_malformed_row_of_a_joined_file_counts_once(load: Load, query: Query) -> None:
    lines = "order,quantity,price,share\n1,1,1,0\n"
    first, second = load(
        JOINED.replace("lines.csv", "lines*.csv"),
        lines_1__csv=lines,
        lines_2__csv=lines.replace("1,1,1,0", "2,1,1,0"),
        heads__csv=HEADS + "3,2024-01-01\n",
    )
    assert (first.records_read, first.rows_rejected) == (2, 1)
    assert (second.records_read, second.rows_rejected) == (1, 0)
    assert query("select source_file, source_line from raw.rejected_rows") == [
        ("shop/heads.csv", 5)
    ]


@pytest.mark.parametrize(
    ("style", "written", "read"),
    [
        ('decimal: ","', "3,50", "3.5"),
        ('decimal: ","', "3.50", None),
        ('decimal: ","', "1.234,50", None),
        ('decimal: ",", thousands: "."', "1.234.567,50", "1234567.5"),
        ('decimal: ",", thousands: "."', "-1.234", "-1234"),
        ('decimal: ",", thousands: "."', "3.50", None),
        ('decimal: ",", thousands: "."', "12.34,5", None),
        ('decimal: ",", thousands: "."', "1234.567", None),
        ('thousands: ","', "1,234.5", "1234.5"),
        ('thousands: ","', "3,50", None),
        ('thousands: ","', "1.5,000", None),
        ('thousands: "\'"', "1'234", "1234"),
    ],
)
def test_marks_of_numbers(
    load: Load, query: Query, style: str, written: str, read: str | None
) -> None:
    mapping = SHOP.replace("files: lines*", f"files: lines*\n    format: {{delimiter: ;, {style}}}")
    load(mapping, lines__csv=HEADER.replace(",", ";") + f"A1;2024-05-01;C1;P1;1;{written}\n")
    found = [value for (value,) in query("select unit_price from raw.order_lines")]
    assert found == ([] if read is None else [Decimal(read)])
    assert len(rejected(query)) == (read is None)


def test_a_column_that_counts_on_some_rows_only(load: Load, query: Query) -> None:
    mapping = (
        SHOP
        + """
  products:
    files: lines*
    columns:
      product_id: product
      name: {from: order, when: {column: [cost, price], above: 0}}
      list_price: {from: quantity, when: {column: price, above: 2.5}}
    one_row_per_key: true
"""
    )
    rows = "tea,2024-05-01,C,P1,7,3\nbroken,2024-05-01,C,P1,x,0\nsample,2024-05-01,C,P2,1,0\n"
    _, delivery = load(mapping, lines__csv=HEADER + rows)
    assert query("select product_id, name, list_price from raw.products order by 1") == [
        ("P1", "tea", Decimal(7)),
        ("P2", None, None),
    ]
    assert delivery.rows_rejected == 0


FAULTY = """\
A1,2024-05-01 10:00,C1,P1,2,3.50
A2,2024-05-01 10:00,C1,"P
1",two,3.50
,2024-05-01 10:00,C1,P1,2,3.50
A4,,C1,P1,2,3.50
A5,0001-01-01,C1,P1,2,3.50
A6,2099-01-01,C1,P1,2,3.50
A7,2024-05-01,C1,P1,2,99999999999999999
A8,2024-05-01,C1,P1
A9,2024-05-01,C1,P1,1_000,1
"A10,2024-05-01,C1,P1,1,1
A11,2024-05-01,C1,P1,1,1
"""


def test_faulty_rows_are_kept_with_line_column_reason_and_text(load: Load, query: Query) -> None:
    (delivery,) = load(lines__csv=HEADER + FAULTY)
    years = "a time of the years 1900 to 2199"
    assert rejected(query) == [
        (
            3,
            "quantity",
            "not a DECIMAL(18,4)",
            'A2,2024-05-01 10:00,C1,"P\n1",two,3.50',
        ),
        (5, "order", "no value", ",2024-05-01 10:00,C1,P1,2,3.50"),
        (6, "at", "no value", "A4,,C1,P1,2,3.50"),
        (7, "at", f"not {years}", "A5,0001-01-01,C1,P1,2,3.50"),
        (
            8,
            "at",
            "dated after the moment of the load",
            "A6,2099-01-01,C1,P1,2,3.50",
        ),
        (
            9,
            "price",
            "not a DECIMAL(18,4)",
            "A7,2024-05-01,C1,P1,2,99999999999999999",
        ),
        (10, None, "has 4 fields, expected 6", "A8,2024-05-01,C1,P1"),
        (11, "quantity", "not a DECIMAL(18,4)", "A9,2024-05-01,C1,P1,1_000,1"),
        (12, None, "a quote is opened and never closed", '"A10,2024-05-01,C1,P1,1,1'),
    ]
    assert details(query) == [
        (3, "cannot read 'two' as DECIMAL(18,4)"),
        (5, None),
        (6, None),
        (7, f"cannot read '0001-01-01' as {years}"),
        (8, "ordered at 2099-01-01 00:00:00, after the moment of the load"),
        (9, "cannot read '99999999999999999' as DECIMAL(18,4)"),
        (10, None),
        (11, "cannot read '1_000' as DECIMAL(18,4)"),
        (12, None),
    ]
    assert (delivery.records_read, delivery.rows_loaded, delivery.rows_rejected) == (11, 2, 9)
    assert query("select order_id, source_line from raw.order_lines order by 2") == [
        ("A1", 2),
        ("A11", 13),
    ]


def test_above_the_limit_nothing_is_loaded(load: Load, query: Query) -> None:
    good = "".join(f"B{n},2024-05-01,C1,P1,1,1\n" for n in range(98))
    bad = "A2,2024-05-01,C1,P1,x,1\nA3,2024-05-01,C1,P1,y,1\n"
    limited = SHOP.replace("reject_limit: 1", "reject_limit: 0.019")
    with pytest.raises(TooManyRejectedRows) as raised:
        load(limited, lines__csv=HEADER + good + bad)
    message = str(raised.value)
    for part in (
        "shop.yml, order_lines: 2 of 100 records were rejected",
        "limit of 1.90%",
        "worst is column 'quantity' with 2",
        "first in shop/lines.csv, line 100: not a DECIMAL(18,4).",
    ):
        assert part in message
    for table in ("order_lines", "rejected_rows", "loads", "sources"):
        assert query(f"select count(*) from raw.{table}") == [(0,)]
    (delivery,) = load(SHOP.replace("reject_limit: 1", "reject_limit: 0.02"))
    assert delivery.rows_rejected == 2


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ["no file matches lines*", "found there: nothing"]),
        ({"line_items__csv": HEADER}, ["no file matches lines*", "found there: line_items.csv"]),
        ({"lines__csv": ""}, ["file shop/lines.csv: the file is empty (0 bytes)"]),
        ({"lines__xyz": "a"}, ["the ending '.xyz' does not tell the type"]),
        (
            {"lines__csv": HEADER.replace("quantity", "quantitiy") + LINE},
            [
                "shop/lines.csv: columns.quantity: expected the column 'quantity'",
                "Did you mean 'quantitiy'?",
                "Columns found: order, at, customer, product, quantitiy, price",
            ],
        ),
        ({"lines__csv": (HEADER + LINE).encode("utf-32")}, ["is UTF-32 text"]),
        ({"lines__csv": b"PK\x03\x04abc"}, ["found a zip or Excel file"]),
        (
            {"lines__csv": "订单,at\n".encode("gbk")},
            ["the header cannot be read: line 1", "not utf-8"],
        ),
        ({"lines__parquet": b"not parquet"}, ["not a readable Parquet file"]),
    ],
)
def test_messages_say_what_was_expected_and_found(
    load: Load, files: dict[str, str | bytes], expected: list[str]
) -> None:
    with pytest.raises(LoadError) as raised:
        load(**files)
    assert "shop.yml, order_lines" in str(raised.value)
    for part in expected:
        assert part in str(raised.value)


CUSTOMERS = SHOP + "  customers:\n    files: customers.csv\n    columns: {customer_id: customer}\n"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lines-06.csv", ""),  # order_lines' own
        ("notes.csv", ""),  # no more alike than any two files of a type
        ("Costumers.CSV", " Did you mean 'Costumers.CSV'?"),
    ],
)
def test_a_missing_list_names_only_a_file_that_can_be_meant(
    load: Load, landing: Path, read_mapping: Callable[[str], Mapping], name: str, meant: str
) -> None:
    wanted = f".{meant} If this list is not always delivered: `optional: true` in the mapping"
    (landing / "shop" / name).write_text(HEADER + LINE)
    with pytest.raises(LoadError) as raised:
        load(CUSTOMERS, **{"lines-05.csv": HEADER + LINE})
    assert str(raised.value).endswith(f"{', '.join(sorted([name, 'lines-05.csv']))}{wanted}")
    # A dry run, which tries each entity by itself, knows of the others too.
    (problem,) = check_source(read_mapping(CUSTOMERS), landing).problems
    assert problem.endswith(wanted)


def test_a_file_of_another_entity_is_not_meant_however_alike(load: Load) -> None:
    mapping = CUSTOMERS.replace("customers.csv", "line.csv")
    with pytest.raises(LoadError, match=r"found there: lines\.csv\. If this"):
        load(mapping, lines__csv=HEADER + LINE)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (["3,60", "1.250,00"], 'A decimal comma? `format: {decimal: ",", thousands: "."}` for'),
        (["3,60", "4,75"], 'A decimal comma? `format: {decimal: ","}` for order_lines in the'),
        (["1,250.00", "2,000"], 'A comma that groups thousands? `format: {thousands: ","}` for'),
        (["3,60", "free", "free"], None),
        (["1,250", "2,000"], None),  # either
    ],
)
def test_numbers_of_another_format_are_told_when_they_stop_the_source(
    load: Load, prices: list[str], expected: str | None
) -> None:
    rows = "".join(LINE.replace("3.50", f'"{price}"') for price in prices)
    with pytest.raises(TooManyRejectedRows) as raised:
        load(SHOP.replace("reject_limit: 1", "reject_limit: 0"), lines__csv=HEADER + rows)
    message = str(raised.value)
    assert not any(price in message for price in prices)
    if expected:
        assert expected in message
    else:
        assert message.endswith("raise its reject_limit.")


def test_a_missing_landing_folder(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    read_mapping: Callable[[str], Mapping],
) -> None:
    (tmp_path / "other" / "shops").mkdir(parents=True)
    with pytest.raises(LoadError, match=r"does not exist\. Did you mean 'shops'\?"):
        load_source(connection, read_mapping(SHOP), tmp_path / "other", "run", LOADED_AT)


def test_one_of_two_files_with_another_header(load: Load, query: Query) -> None:
    with pytest.raises(LoadError, match=r"file shop/lines_2\.csv: columns\.unit_price"):
        load(lines_1__csv=HEADER + LINE, lines_2__csv=HEADER.replace("price", "cost") + LINE)
    assert query("select count(*) from raw.order_lines") == [(0,)]


def test_new_columns_and_empty_files_are_notes(load: Load) -> None:
    header_only, with_new = load(
        lines_1__csv=HEADER, lines_2__csv="colour," + HEADER + "red," + LINE
    )
    assert header_only.notes == ("shop/lines_1.csv holds no records, only a header",)
    assert with_new.notes == ("shop/lines_2.csv has columns that the mapping does not use: colour",)


def test_gbk_with_four_byte_characters(load: Load, query: Query) -> None:
    text = HEADER + "A1,2024-05-01,张三,𠮷野家|~,1,1\n"
    mapping = SHOP.replace("files: lines*", "files: lines*\n    format: {encoding: gbk}")
    load(mapping, lines__csv=text.encode("gb18030"))
    assert query("select customer_id, product_id from raw.order_lines") == [("张三", "𠮷野家|~")]


def test_json_lines(load: Load, query: Query) -> None:
    rows = [
        {
            "order": {"id": 17},
            "at": "2024-05-01T10:00:00+02:00",
            "quantity": 1.5,
            "product": "a\nb",
        },
        {"order": {"id": 18}, "at": "2024-05-01T10:00:00Z", "quantity": None, "product": " x "},
    ]
    text = "\n".join([json.dumps(rows[0]), "", "{broken", "[1]", json.dumps(rows[1])])
    mapping = """
        source: shop
        title: JSON
        time_zone: UTC
        reject_limit: 1
        entities:
          order_lines:
            files: lines.jsonl
            columns: {order_id: order.id, ordered_at: at, quantity: quantity, product_id: product}
    """
    (delivery,) = load(mapping, lines__jsonl=text)
    assert query(
        "select order_id, ordered_at, quantity, product_id, source_line "
        "from raw.order_lines order by 1"
    ) == [
        ("17", datetime(2024, 5, 1, 8, tzinfo=UTC), Decimal("1.5"), "a\nb", 1),
        ("18", datetime(2024, 5, 1, 10, tzinfo=UTC), None, "x", 5),
    ]
    assert rejected(query) == [
        (3, None, "not a JSON object", "{broken"),
        (4, None, "not a JSON object", "[1]"),
    ]
    assert (delivery.records_read, delivery.notes) == (4, ())


TYPED = """
source: shop
title: Typed
time_zone: America/New_York
reject_limit: 1
entities:
  order_lines:
    files: lines.parquet
    columns:
      order_id: id
      ordered_at: at
      customer_id: customer
      quantity: quantity
      unit_price: price
"""


def test_parquet_types(load: Load, landing: Path, query: Query) -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int64()),
            "at": pa.array(
                [datetime(2024, 3, 10, 2, 30), datetime(2024, 11, 3, 1, 30), datetime(9999, 1, 1)],
                pa.timestamp("us"),
            ),
            "customer": pa.array([12346.0, float("nan"), 7.5]),
            "quantity": pa.array([0.1 + 0.2, -1.00005, 1.0]),
            "price": pa.array([Decimal("1.23"), None, Decimal(1)], pa.decimal128(10, 2)),
        }
    )
    pq.write_table(table, landing / "shop" / "lines.parquet")
    load(TYPED)
    rows = query(
        "select order_id, ordered_at, ordered_at_local, customer_id, quantity, unit_price, "
        "source_line from raw.order_lines order by 1"
    )
    # An hour skipped by the clocks moves forward; of an hour that comes twice the second is taken.
    assert rows == [
        (
            *("1", datetime(2024, 3, 10, 7, 30, tzinfo=UTC), datetime(2024, 3, 10, 3, 30)),
            *("12346", Decimal("0.3"), Decimal("1.23"), 1),
        ),
        (
            *("2", datetime(2024, 11, 3, 6, 30, tzinfo=UTC), datetime(2024, 11, 3, 1, 30)),
            *(None, Decimal("-1.0001"), None, 2),
        ),
    ]
    ((line, column, reason, raw),) = rejected(query)
    assert (line, column, reason) == (3, "at", "not a time of the years 1900 to 2199")
    assert str(details(query)[0][1]).startswith("cannot read '9999-01-01 00:00:00'")
    assert json.loads(str(raw))["id"] == 3


def test_a_file_name_with_brackets_is_no_pattern(load: Load, landing: Path) -> None:
    table = pa.table(
        {"id": ["1"], "at": ["2024-01-01"], "customer": ["c"], "quantity": [1], "price": [1]}
    )
    pq.write_table(table, landing / "shop" / "lines[1]'.parquet")
    (delivery,) = load(TYPED.replace("lines.parquet", "'*.parquet'"))
    assert delivery.rows_loaded == 1


JOINED = """
source: shop
title: Joined
time_zone: UTC
reject_limit: 1
entities:
  order_lines:
    files: lines.csv
    join: {files: heads*.csv, on: {order: id}}
    columns:
      order_id: order
      ordered_at: at
      customer_id: customer
      quantity: quantity
      unit_price: price
      discount_amount: {product: [price, quantity, share]}
    header_lines:
      - {net_revenue: freight, line_kind: shipping}
      - {net_revenue: tax, line_kind: tax}
"""
HEADS = (
    "id,at,customer,freight,tax\n1,2024-01-01,C1,5,1.5\n2,2024-01-02,C2,0,\n1,2024-01-01,C9,6,1.5\n"
)


def test_join_header_lines_and_exact_products(load: Load, query: Query) -> None:
    lines = "order,quantity,price,share\n1,3,0.3333,0.5\n1,1,999999,0.00005\n2,1,1,\n7,1,1,0\n"
    (delivery,) = load(JOINED, lines__csv=lines, heads__csv=HEADS)
    assert query(
        "select order_id, line_number, line_kind, customer_id, quantity, discount_amount, "
        "net_revenue from raw.order_lines order by all"
    ) == [
        ("1", 1, None, "C9", Decimal(3), Decimal("0.5000"), None),  # 0.49995 rounds up
        (
            "1",
            2,
            None,
            "C9",
            Decimal(1),
            Decimal("99.9999"),
            None,
        ),  # a share of 0.0001 at 4 decimals
        ("1", 3, "shipping", "C9", Decimal(1), None, Decimal(6)),
        ("1", 4, "tax", "C9", Decimal(1), None, Decimal("1.5")),
        ("2", 1, None, "C2", Decimal(1), None, None),
    ]
    assert rejected(query) == [(5, "at", "no matching row in heads", "7,1,1,0")]
    assert details(query) == [(5, "no row in heads with id 7")]
    assert (delivery.records_read, delivery.rows_loaded, delivery.rows_derived) == (4, 3, 2)
    assert delivery.notes == ("join: 1 rows of heads repeat a id; the last of each was taken",)
    # The joined file is part of the content.
    (newer,) = load(JOINED, heads__csv=HEADS.replace("C9", "C8"))
    assert newer.is_new


def test_an_ambiguous_column(load: Load) -> None:
    lines = "order,quantity,price,share,at\n1,3,1,0,x\n"
    with pytest.raises(LoadError, match=r"write 'lines\.at' or 'heads\.at'"):
        load(JOINED, lines__csv=lines, heads__csv=HEADS)
    (delivery,) = load(
        JOINED.replace("ordered_at: at", "ordered_at: heads.at"), lines__csv=lines, heads__csv=HEADS
    )
    assert delivery.rows_loaded == 1


def test_words_numbers_and_dates_as_the_mapping_says(load: Load, query: Query) -> None:
    mapping = """
        source: shop
        title: Words
        time_zone: UTC
        reject_limit: 1
        entities:
          order_lines:
            files: lines.csv
            columns: {order_id: order, ordered_at: at}
            optional: true
          customers:
            files: people.csv
            format: {delimiter: ";", decimal: ",", thousands: ".", nulls: [NA]}
            columns:
              customer_id: {from: id, whole_number: true}
              name: {concat: [first, last], separator: " "}
              sex: {from: sex, values: {M: male, F: female, "?": null}}
              birth_date: {from: born, format: ["%d.%m.%Y", "%Y"]}
              is_prospect: {from: prospect, values: {是: true, 否: false}}
              country: {constant: DE}
            skip_rows_without: customer_id
          campaigns:
            files: campaigns.csv
            format: {decimal: ",", thousands: ".", delimiter: ";"}
            columns: {campaign_id: id, cost: cost}
    """
    people = (
        "id;first;last;sex;born;prospect\n"
        "17.0;Ann;Lee;F;03.02.1990;是\n"
        "18;Bo;Ng;?;1991;NA\n"
        "19;Cy;Oh;X;NA;否\n"
        "20;Di;Po;Male;31.02.1990;否\n"
        " ;nobody;;;;\n"
    )
    deliveries = load(mapping, people__csv=people, campaigns__csv="id;cost\na;1.234,50\n")
    assert [(d.entity, d.rows_loaded, d.rows_rejected, d.rows_skipped) for d in deliveries] == [
        ("customers", 2, 2, 1),
        ("campaigns", 1, 0, 0),
    ]
    assert query(
        "select customer_id, name, sex, birth_date, is_prospect, country "
        "from raw.customers order by 1"
    ) == [
        ("17", "Ann Lee", "female", datetime(1990, 2, 3).date(), True, "DE"),
        ("18", "Bo Ng", None, datetime(1991, 1, 1).date(), None, "DE"),
    ]
    assert [row[:3] for row in rejected(query)] == [
        (4, "sex", "not one of female, male, other"),
        (5, "born", "not a date of the years 1900 to 2199 by %d.%m.%Y or %Y"),
    ]
    assert details(query) == [
        (4, "'X' is not one of female, male, other"),
        (5, "cannot read '31.02.1990' as a date of the years 1900 to 2199 by %d.%m.%Y or %Y"),
    ]
    assert query("select cost from raw.campaigns") == [(Decimal("1234.5"),)]


def test_single_lines_by_name_need_their_numbers(load: Load) -> None:
    """Numbered by its place in a file, a pot would take the place of an earlier file's tea."""
    mapping = SHOP.partition("entities:")[0] + (
        "delivers: lines\nentities:\n  order_lines: {files: lines.csv, columns: by_name}\n"
    )
    with pytest.raises(LoadError, match="line_number"):
        load(
            mapping,
            lines__csv="order_id,ordered_at,product_id,quantity,unit_price\n"
            "1,2024-05-01 10:00,tea,1,10\n",
        )


def test_by_name(load: Load, query: Query) -> None:
    mapping = """
        source: shop
        title: Contract
        time_zone: Europe/Berlin
        delivers: lines
        entities:
          order_lines: {files: lines.csv, columns: by_name}
    """
    text = (
        "order_id,line_number,ordered_at,quantity,updated_at,extra\n"
        "A,7,2024-07-01 12:00,1,2024-07-02 00:00:00+00,x\n"
    )
    (delivery,) = load(mapping, lines__csv=text)
    assert query("select order_id, line_number, ordered_at, updated_at from raw.order_lines") == [
        ("A", 7, datetime(2024, 7, 1, 10, tzinfo=UTC), datetime(2024, 7, 2, tzinfo=UTC))
    ]
    assert "extra" in delivery.notes[0]
    with pytest.raises(LoadError, match="expected the column 'ordered_at'"):
        load(mapping, lines__csv=text.replace("ordered_at", "order_date"))


def test_numbered_orders(load: Load, query: Query) -> None:
    mapping = """
        source: shop
        title: Numbered
        time_zone: UTC
        entities:
          order_lines:
            files: lines.txt
            format: {delimiter: blanks, header: false, column_names: [customer, day]}
            columns:
              order_id: {concat: [customer, day], numbered: true}
              ordered_at: {from: day, format: "%Y%m%d"}
    """
    load(mapping, lines__txt=" 01  20240101\n 02 20240101\r\n\n 01\t20240101 \n")
    assert query("select order_id, source_line from raw.order_lines order by 2") == [
        ("01-20240101-1", 1),
        ("02-20240101-1", 2),
        ("01-20240101-2", 4),
    ]


def test_files_stay_inside_the_landing_folder(load: Load, landing: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "lines.csv").write_text(HEADER + LINE)
    (landing / "shop" / "linked").symlink_to(outside)
    with pytest.raises(LoadError, match="a linked folder leads out of it"):
        load(SHOP.replace("files: lines*", "files: linked/lines.csv"))
    # A linked file was put there by someone who could have copied it.
    (landing / "shop" / "lines.csv").symlink_to(outside / "lines.csv")
    (delivery,) = load()
    assert delivery.rows_loaded == 1


def test_margin_rates_are_replaced(load: Load, query: Query) -> None:
    rates = SHOP + "margin_rates: {default: 0.25, Toys: 0.4}\n"
    load(rates, lines__csv=HEADER + LINE)
    load(rates.replace("0.4", "0.5"))
    assert query("select category, margin_rate from raw.margin_rates order by all") == [
        ("Toys", Decimal("0.5")),
        (None, Decimal("0.25")),
    ]


def test_check_reports_and_keeps_nothing(
    landing: Path, read_mapping: Callable[[str], Mapping]
) -> None:
    (landing / "shop" / "lines.csv").write_text(HEADER + FAULTY)
    report = check_source(
        read_mapping(SHOP.replace("reject_limit: 1", "reject_limit: 0.5")), landing
    )
    assert not report.would_load
    assert "9 of 11 records were rejected" in report.problems[0]
    (delivery,) = report.deliveries
    assert (delivery.rows_loaded, delivery.rows_rejected) == (2, 9)
    worst = report.rejections[0]
    assert worst.detail == "cannot read 'two' as DECIMAL(18,4)"
    assert worst.reason == "not a DECIMAL(18,4)"
    assert (worst.column_name, worst.rows, worst.source_lines) == ("quantity", 2, (3, 11))
    missing = check_source(read_mapping(SHOP.replace("lines*", "other*")), landing)
    assert "no file matches other*" in missing.problems[0]
    assert check_source(read_mapping(SHOP), landing).would_load


def test_loaded_at_needs_a_zone(load: Load) -> None:
    with pytest.raises(ValueError, match="time zone"):
        load(loaded_at=datetime(2024, 1, 1), lines__csv=HEADER + LINE)


def test_a_large_quoted_csv_is_read_whole(load: Load, query: Query) -> None:
    """Several buffers of quoted lines, with doubled quotes and line breaks inside."""
    body = "".join(
        f'"O{n // 3}","2024-05-01","C{n}","5"" pipe{" of lead, long" * 4}\n{n}",1,2.50\n'
        if n % 1000 == 0
        else f'"O{n // 3}","2024-05-01","C{n}","6"" pipe{" of lead, long" * 4}",1,2.50\n'
        for n in range(100_000)
    )
    (delivery,) = load(lines__csv=HEADER + body)
    assert (delivery.rows_loaded, delivery.rows_rejected) == (100_000, 0)
    assert query(
        "select count(distinct customer_id), sum(unit_price), max(line_number), max(source_line) "
        "from raw.order_lines"
    ) == [(100_000, Decimal(250_000), 3, 100_101)]
    assert query("select count(*) from raw.order_lines where product_id like '5\" pipe%'") == [
        (100,)
    ]
