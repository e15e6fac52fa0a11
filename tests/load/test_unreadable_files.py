"""Of a file that DuckDB cannot read, what it quotes of the file is told to nobody."""

import traceback
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.load.loader import LoadError
from tests.load.conftest import Load

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
