"""Excel workbooks: what a sheet shows arrives, and no file can do harm."""

import struct
import zipfile
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from flows.load.excel import MAXIMUM_PARTS
from flows.load.loader import LoadError
from tests.load.conftest import SHOP, Load, Query
from tests.load.workbooks import (
    MAIN,
    header,
    number,
    row,
    shared,
    sheet,
    text,
    write_workbook,
)

NAMES = ("order", "at", "customer", "product", "quantity", "price")
GOOD = row(text("A1"), text("2024-05-01"), text("C1"), text("P1"), number(2), number(3.5))


@pytest.fixture
def book(landing: Path) -> Path:
    return landing / "shop" / "lines.xlsx"


def with_format(text: str) -> str:
    return SHOP.replace("files: lines*", f"files: lines*\n    format: {{{text}}}")


def test_cells_of_every_kind(load: Load, book: Path, query: Query) -> None:
    texts = (
        "<si><t>A2</t></si><si><r><t>two </t></r><r><t>runs</t></r><rPh><t>spoken</t></rPh></si>"
        "<si><t>line_x000A_break</t></si>"
    )
    write_workbook(
        book,
        {
            "Orders": sheet(
                header(*NAMES),
                row(
                    *(text("A1"), number("45413.4375", 2), number(12346), text(" 中文𠮷 ")),
                    *(number("0.30000000000000004"), number("1234567.891")),
                    at=2,
                ),
                row(at=3),
                row(
                    *(shared(0), number(45413, 1), shared(1), shared(2)),
                    *(number("1E-4"), number("1.5", 3)),
                    at=7,
                ),
                row(
                    *(number("1.23456789012345E+15"), number("2024-05-03"), text(" ")),
                    *('<c t="str"><f>A1</f><v></v></c>', '<c t="b"><v>1</v></c>', number(1)),
                    at=8,
                ),
            )
        },
        texts,
    )
    (delivery,) = load()
    assert (delivery.records_read, delivery.rows_loaded, delivery.notes) == (3, 3, ())
    assert query(
        "select order_id, ordered_at_local, customer_id, product_id, quantity, unit_price, "
        "source_line from raw.order_lines order by source_line"
    ) == [
        (
            *("A1", datetime(2024, 5, 1, 10, 30), "12346", "中文𠮷"),
            *(Decimal("0.3"), Decimal("1234567.891"), 2),
        ),
        (
            *("A2", datetime(2024, 5, 1), "two runs", "line\nbreak"),
            *(Decimal("0.0001"), Decimal("1.5"), 7),
        ),
        ("1234567890123450", datetime(2024, 5, 3), None, None, Decimal(1), Decimal(1), 8),
    ]


@pytest.mark.parametrize(
    ("cell", "properties", "expected"),
    [
        (
            number("45413.999999995", 2),
            "",
            datetime(2024, 5, 2),
        ),  # less than half a millisecond before
        (number("45413.12345678", 2), "", datetime(2024, 5, 1, 2, 57, 46, 666000)),
        (number("43951.5", 2), '<workbookPr date1904="1"/>', datetime(2024, 5, 1, 12)),
        (number("73051", 1), "", datetime(2100, 1, 1)),
        (number("0.5", 2), "", None),  # a time of day
        (number("45413", 4), "", None),  # a duration
        (number("45413"), "", None),  # a number
        (number("2958466", 1), "", None),
        (number("-1", 1), "", None),
        ('<c t="e"><v>#N/A</v></c>', "", None),
        (text("01.05.2024"), "", None),
    ],
)
def test_what_is_a_date(
    load: Load,
    book: Path,
    query: Query,
    cell: str,
    properties: str,
    expected: datetime | None,
) -> None:
    rows = sheet(header(*NAMES), row(text("A1"), cell))
    write_workbook(book, {"Orders": rows}, properties=properties)
    load(loaded_at=datetime.fromisoformat("2199-01-01T00:00:00+00:00"))
    assert query("select ordered_at_local from raw.order_lines") == [(expected,)] * (
        expected is not None
    )
    reasons = query("select source_line, column_name, detail is not null from raw.rejected_rows")
    assert reasons == [(2, "at", True)] * (expected is None)


def test_dates_as_texts_and_as_dates_of_one_column(load: Load, book: Path, query: Query) -> None:
    rows = [
        row(text("A1"), text("01.05.2024")),
        row(text("A2"), number(45413, 1)),
        row(text("A3"), number("45413.5", 2)),
    ]
    write_workbook(book, {"Orders": sheet(header(*NAMES), *rows)})
    load(SHOP.replace("ordered_at: at", "ordered_at: {from: at, format: '%d.%m.%Y'}"))
    day = datetime(2024, 5, 1)
    assert query("select ordered_at_local from raw.order_lines order by order_id") == [
        (day,),
        (day,),
        (day.replace(hour=12),),
    ]


def test_numbers_have_the_decimal_mark_of_the_format(load: Load, book: Path, query: Query) -> None:
    rows = [
        row(text("A1"), text("2024-05-01"), text("C"), text("P"), number("0.5"), text("1.234,5")),
        row(text("A2"), text("2024-05-01"), text("C"), text("P"), text("0.5"), number(1)),
    ]
    write_workbook(book, {"Orders": sheet(header(*NAMES), *rows)})
    load(with_format('decimal: ",", thousands: "."'))
    assert query("select quantity, unit_price from raw.order_lines") == [
        (Decimal("0.5"), Decimal("1234.5"))
    ]
    assert query("select source_line, column_name from raw.rejected_rows") == [(3, "quantity")]


def test_a_sheet_by_name_with_its_header_below_a_title(
    load: Load, book: Path, query: Query
) -> None:
    wanted = sheet(
        row(text("Sales of May"), at=1),
        row(*map(text, NAMES), at=4),
        row(text("A1"), text("2024-05-01"), at=6),
        row(text("x"), at=9),
    )
    name = 'Bob\'s "orders" & {{ more }}'
    write_workbook(book, {"Title": sheet(), name: wanted, "Notes": sheet(row(text("n")))})
    (delivery,) = load(with_format(f"sheet: '{name.replace(chr(39), chr(39) * 2)}', header_row: 4"))
    assert (delivery.records_read, delivery.rows_loaded, delivery.notes) == (2, 1, ())
    assert query("select source_line from raw.order_lines") == [(6,)]
    assert query("select source_line, column_name, reason, raw_text from raw.rejected_rows") == [
        (
            *(9, "at", "no value"),
            '{"order":"x","at":null,"customer":null,"product":null,"quantity":null,"price":null}',
        )
    ]
    with pytest.raises(LoadError, match=r"no sheet 'Note'\. Did you mean 'Notes'\? Sheets found:"):
        load(with_format("sheet: Note"))
    with pytest.raises(LoadError, match="row 1 of the sheet 'Title' holds no header"):
        load()
    with pytest.raises(LoadError, match=r"row 5 of the sheet .* holds no header"):
        load(with_format("sheet: Notes, header_row: 5"))


def test_what_was_not_read_is_noted(load: Load, book: Path) -> None:
    far = row(text("A2"), text("2024-05-01"), '<c r="XFD3"><v>1</v></c>', at=3)
    only = row('<c r="Z4"><v>total</v></c>', at=4)
    write_workbook(book, {"One": sheet(header(*NAMES), GOOD, far, only), "Two": sheet()})
    (delivery,) = load()
    assert delivery.rows_loaded == 2
    assert delivery.notes == (
        "the sheet 'One' has values right of its header, first in row 3; they were not read",
        "the sheet 'One' was read, not 'Two'",
    )


def test_a_sheet_without_header(load: Load, book: Path) -> None:
    write_workbook(book, {"One": sheet(GOOD, GOOD)})
    (delivery,) = load(with_format(f"header: false, column_names: [{', '.join(NAMES)}]"))
    assert delivery.rows_loaded == 2


def test_hostile_texts_are_data_or_rejected_rows(load: Load, book: Path, query: Query) -> None:
    texts = ["'; drop table raw.loads; --", "{{ 7 * 7 }}", "../../etc", "\u202egnp.exe", "=1+1"]
    rows = [row(text(value), text("2024-05-01"), text(value)) for value in texts]
    rows.append(row(text("nul_x0000_"), text("2024-05-01")))
    rows.append(row(text("half_xD800_"), text("2024-05-01")))
    rows.append(row(text("A1"), text("2024-05-01"), text("x" * 10_000_000)))
    write_workbook(book, {"One": sheet(header(*NAMES), *rows)})
    (delivery,) = load()
    assert [one for (one,) in query("select customer_id from raw.order_lines order by 1")] == (
        sorted(texts)
    )
    assert (delivery.rows_loaded, delivery.rows_rejected) == (5, 3)
    assert query("select source_line, reason from raw.rejected_rows order by 1") == [
        (7, "holds a NUL byte"),
        (8, "holds characters that are no text"),
        (9, "is longer than 1,000,000 characters"),
    ]


def zeros(size: int) -> bytes:
    return b"0" * size


BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    f"<worksheet {MAIN}><sheetData>{row(text('AMP').replace('AMP', '&b;'))}</sheetData></worksheet>"
)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (row(shared(7)), "a cell of row 2 refers to text 7, of 0"),
        (row(shared(-1)), "a cell of row 2 refers to text -1, of 0"),
        (row('<c r="7"><v>1</v></c>'), "a cell of row 2 has no column"),
        (row('<c r="XFE2"><v>1</v></c>'), "a cell of row 2 has no column"),
        (row(at=9) + row(at=4), "row 4 follows row 9"),
        (row(at=99_999_999), "row 99999999 follows row 1"),
        (row("<c><f>1+1</f></c>"), "row 2 of the sheet 'One' has a formula without a result"),
        ("<row>", r"damaged: xl/worksheets/sheet1.xml, line 1: mismatched tag"),
        (row("<c><v>&undefined;</v></c>"), "damaged: .* undefined entity"),
        (row("<c><v>a\0b</v></c>"), "damaged: .* not well-formed"),
    ],
)
def test_a_damaged_sheet_is_a_clear_error(load: Load, book: Path, rows: str, message: str) -> None:
    write_workbook(book, {"One": sheet(header(*NAMES), rows)})
    with pytest.raises(LoadError, match=message):
        load()


def test_what_unpacks_to_too_much_is_refused(
    load: Load, book: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {"One": sheet(header(*NAMES), GOOD)}
    write_workbook(book, {"One": BILLION_LAUGHS})
    with pytest.raises(LoadError, match="declares a document type"):
        load()
    write_workbook(book, good, extra={"xl/media/image1.png": zeros(40_000_000)})
    with pytest.raises(LoadError, match=r"unpacks to 40,000,000 bytes, more than 300 times"):
        load()
    write_workbook(book, good, extra={f"p{n}": b"" for n in range(MAXIMUM_PARTS)})
    with pytest.raises(LoadError, match="the workbook has 10,005 parts"):
        load()
    monkeypatch.setattr("flows.load.excel.MAXIMUM_BYTES", 10_000)
    write_workbook(book, good, extra={"p": zeros(10_000)})
    with pytest.raises(
        LoadError, match=r"unpacks to .* bytes, more than 10,000; deliver it as CSV"
    ):
        load()
    monkeypatch.undo()
    monkeypatch.setattr("flows.load.excel.MAXIMUM_SHARED_BYTES", 10_000)
    write_workbook(book, good, texts="<si/>" * 3_000)
    with pytest.raises(LoadError, match="the workbook's texts come to more than"):
        load()
    monkeypatch.undo()
    assert query("select count(*) from raw.loads") == [(0,)]
    write_workbook(book, good)
    assert load()[0].rows_loaded == 1


def test_a_directory_that_lies_of_sizes(load: Load, book: Path) -> None:
    """More comes out of a part than the zip file's directory says: no more than that is read."""
    write_workbook(book, {"One": sheet(header(*NAMES), *[GOOD] * 50_000)})
    data = bytearray(book.read_bytes())
    with zipfile.ZipFile(book) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    place = data.rindex(struct.pack("<I", size))
    data[place : place + 4] = struct.pack("<I", 1000)
    book.write_bytes(data)
    with pytest.raises(LoadError, match="not a readable Excel workbook: Bad CRC-32"):
        load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 and nothing", "not a readable Excel workbook"),
        (b"\xd0\xcf\x11\xe0 old", "an old Excel workbook .* or has a password"),
        (b"order,at\n", "expected an Excel workbook"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_workbook(load: Load, content: bytes, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        load(lines__xlsx=content)


def test_a_zip_file_of_something_else(load: Load, book: Path) -> None:
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(LoadError, match=r"not an Excel workbook: it has no part xl/"):
        load()


def test_a_large_sheet_is_read_whole(load: Load, book: Path) -> None:
    rows = sheet(header(*NAMES), *[GOOD] * 50_000)
    write_workbook(book, {"One": rows})
    (delivery,) = load()
    assert (delivery.records_read, delivery.rows_loaded) == (50_000, 50_000)
