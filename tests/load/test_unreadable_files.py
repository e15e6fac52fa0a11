"""Of a file that cannot be read, or that came without its header, no value is told to anybody."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.load.check import check_source
from flows.load.loader import LoadError
from flows.load.mapping import Mapping
from tests.load.conftest import HEADER, SHOP, Load
from tests.load.workbooks import row, sheet, text, write_workbook

ROW = {"order": "A1", "at": "2024-05-01", "product": "P", "quantity": "1", "price": "1"}


def text_that_is_none(content: bytes) -> pa.Array:
    """A column of one text whose bytes are no UTF-8, as a careless program writes it."""
    offsets = pa.array([0, len(content)], pa.int32()).buffers()[1]
    return pa.StringArray.from_buffers(1, offsets, pa.py_buffer(content))


def test_a_value_that_is_no_text(load: Load, landing: Path) -> None:
    columns = {name: pa.array([value]) for name, value in ROW.items()}
    columns["customer"] = text_that_is_none(b"Canaria Fullname \xff")
    pq.write_table(pa.table(columns), landing / "shop" / "lines.parquet")
    with pytest.raises(LoadError, match=r"lines\.parquet: DuckDB could not read it: Inv") as raised:
        load()
    assert str(raised.value).endswith(
        "Invalid Input Error. See that the file is whole, and of the type and form that the "
        "mapping states"
    )
    assert "Canaria" not in "".join(traceback.format_exception(raised.value))


LINE = "A1,2024-05-01,C1,P,1,1\n"
# A first name that is nearly the name of a column.
PERSON = ("C1", "Canaria Fullname", "Emil", "canary@mail.example")
CUSTOMERS = """
  customers:
    files: customers*
    columns: {customer_id: id, name: name, email: email, city: city}
"""
BY_NAME = "\n  customers: {files: customers*, columns: by_name}\n"
JOINED = SHOP.replace(
    "files: lines*", "files: lines*\n    join: {files: customers*, on: {customer: id}}"
).replace("unit_price: price", "unit_price: price\n      store_id: store")


def as_csv(folder: Path, encoding: str = "utf-8", last: str = "") -> None:
    (folder / "customers.csv").write_bytes((",".join(PERSON) + last + "\n").encode(encoding))


def as_json(folder: Path) -> None:
    (folder / "customers.json").write_text('{"Canaria Fullname": 1, "Emil": 2}\n')


def as_workbook(folder: Path) -> None:
    write_workbook(folder / "customers.xlsx", {"People": sheet(row(*map(text, PERSON)))})


@pytest.mark.parametrize(
    ("mapping", "write", "said"),
    [
        (SHOP + CUSTOMERS, as_csv, "4 columns, and 0 of 4 that the mapping looks for there: if it"),
        (SHOP + BY_NAME, as_csv, "customers.csv has 4 columns, and 0 of 1 that the mapping looks"),
        (SHOP + CUSTOMERS, as_workbook, "customers.xlsx has 4 columns, and 0 of 4 that the map"),
        (SHOP + CUSTOMERS, as_json, "customers.json has 2 columns, and 0 of 4 that the mapping"),
        (JOINED, as_csv, "shop/customers.csv has 4 columns, and 0 of 2 that the mapping looks for"),
        (
            SHOP + CUSTOMERS,
            lambda folder: as_csv(folder, "latin-1", ",Müller"),
            "the header cannot be read: line 1 holds bytes that are not utf-8 text",
        ),
        (
            SHOP + CUSTOMERS,
            lambda folder: as_csv(folder, last=',"a "quoted" word"'),
            "the header cannot be read: line 1",
        ),
    ],
)
def test_a_record_in_the_place_of_the_header_is_shown_to_nobody_but_who_checks(
    load: Load,
    landing: Path,
    read_mapping: Callable[[str], Mapping],
    mapping: str,
    write: Callable[[Path], None],
    said: str,
) -> None:
    write(landing / "shop")
    with pytest.raises(LoadError) as raised:
        load(mapping, lines__csv=HEADER + LINE)
    assert said in str(raised.value)
    told = "".join(traceback.format_exception(raised.value))
    assert [value for value in PERSON[1:] if value in told] == []
    (problem,) = check_source(read_mapping(mapping), landing).problems
    assert said in problem
    assert PERSON[1] in problem


def test_beside_a_file_without_its_header_the_columns_of_the_other_are_told(
    load: Load, landing: Path
) -> None:
    as_csv(landing / "shop")
    with pytest.raises(LoadError) as raised:
        load(JOINED, lines__csv=HEADER + LINE)
    told = "shows. Columns found: order, at, customer, product, quantity, price"
    assert str(raised.value).endswith(told)


def test_a_joined_file_whose_key_was_renamed_is_told_in_full(load: Load) -> None:
    with pytest.raises(LoadError, match=r"Did you mean 'ids'\? Columns found: ids, store$"):
        load(JOINED, lines__csv=HEADER + LINE, customers__csv="ids,store\nC1,S1\n")


def test_names_that_cannot_be_a_record_are_told(load: Load, landing: Path) -> None:
    pq.write_table(pa.table({"number": ["C1"]}), landing / "shop" / "customers.parquet")
    with pytest.raises(LoadError, match=r"Columns found: number$"):
        load(SHOP + CUSTOMERS, lines__csv=HEADER + LINE)
