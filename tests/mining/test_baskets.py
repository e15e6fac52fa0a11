import pyarrow as pa
import pytest

from mining.baskets import MAXIMUM_LINES, baskets
from tests.mining.brute_force import table


def test_a_row_for_each_basket_and_a_column_for_each_item_in_the_order_of_its_text():
    found = baskets(table({"b": {"tea", "Milk"}, "a": {"tea"}}), 3)
    assert found.items == ["Milk", "tea"]
    assert sorted(found.contents.toarray().tolist()) == [[False, True], [True, True]]
    assert found.basket_count == 3


def test_a_repeated_row_counts_once():
    once = table({"a": {"tea"}})
    assert baskets(pa.concat_tables([once, once, once]), 1).contents.sum() == 1


def test_no_rows():
    found = baskets(table({}), 5)
    assert found.contents.shape == (0, 0)
    assert found.items == []


def test_dictionary_and_large_text_are_text():
    plain = table({"a": {"tea", "milk"}, "b": {"tea"}})
    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        other = plain.set_column(1, "item", plain["item"].cast(kind))
        assert baskets(other, 2).items == ["milk", "tea"]
        assert (baskets(other, 2).contents != baskets(plain, 2).contents).nnz == 0


def test_baskets_may_go_by_number():
    plain = table({"a": {"tea", "milk"}, "b": {"tea"}})
    numbers = pa.array([70 if order == "a" else 7 for order in plain["order_id"].to_pylist()])
    numbered = baskets(plain.set_column(0, "order_id", numbers), 2)
    assert sorted(numbered.contents.toarray().tolist()) == [[False, True], [True, True]]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.int64(), pa.uint64(), pa.float64()])
@pytest.mark.parametrize("scale", [1, 40, 10**15])
def test_orders_by_any_number(kind, scale):
    numbers = [1, 3, 1, 2, 3, 1]
    if scale * 3 > 100:
        kind = {pa.int8(): pa.int64(), pa.uint16(): pa.uint64()}.get(kind, kind)
    rows = pa.table(
        {
            "order_id": pa.array([number * scale for number in numbers], kind),
            "item": ["tea", "tea", "milk", "jam", "jam", "tea"],
        }
    )
    found = baskets(rows, 3)
    assert found.items == ["jam", "milk", "tea"]
    assert sorted(found.contents.toarray().astype(int).tolist()) == [
        [0, 1, 1],
        [1, 0, 0],
        [1, 0, 1],
    ]


def test_numbers_beyond_64_bits_with_a_sign():
    rows = pa.table({"order_id": pa.array([2**64 - 1, 2**64 - 2], pa.uint64()), "item": ["a", "a"]})
    assert baskets(rows, 2).contents.sum() == 2


def test_dictionaries_that_repeat_hold_nulls_or_more_than_is_used():
    orders = pa.array(["a", "a", "b"])
    items = pa.DictionaryArray.from_arrays(
        pa.array([0, 3, 2], pa.int8()), pa.array(["tea", "unused", "tea", "jam", None])
    )
    found = baskets(pa.table({"order_id": orders, "item": items}), 2)
    assert found.items == ["jam", "tea"]
    assert sorted(found.contents.toarray().tolist()) == [[False, True], [True, True]]
    null = pa.DictionaryArray.from_arrays(pa.array([0, 4, 2], pa.int8()), items.dictionary)
    with pytest.raises(ValueError, match="item of basket_items must not be null"):
        baskets(pa.table({"order_id": orders, "item": null}), 2)


def test_chunks_of_different_lengths_and_dictionaries():
    orders = pa.chunked_array([["a"], ["b", "a"], ["b"]])
    chunks = [pa.array(["tea", "milk"]), pa.array(["jam", "tea"])]
    plain = baskets(pa.table({"order_id": orders, "item": pa.chunked_array(chunks)}), 2)
    assert plain.items == ["jam", "milk", "tea"]
    assert sorted(plain.contents.toarray().astype(int).tolist()) == [[0, 1, 1], [1, 0, 1]]
    encoded = pa.chunked_array([chunk.dictionary_encode() for chunk in chunks])
    assert (
        baskets(pa.table({"order_id": orders, "item": encoded}), 2).contents != plain.contents
    ).nnz == 0


def test_more_lines_than_32_bits_count():
    lines = pa.nulls(MAXIMUM_LINES + 1, pa.null())  # nulls of no type take no memory
    with pytest.raises(ValueError, match="at most 2,147,483,647 lines, got 2,147,483,648"):
        baskets(pa.table({"order_id": lines, "item": lines}), 2)


def test_clear_errors():
    rows = table({"a": {"tea"}, "b": {"tea"}})
    with pytest.raises(ValueError, match="must have a column item"):
        baskets(rows.drop_columns(["item"]), 2)
    with pytest.raises(ValueError, match="at least the 2 baskets with items, got 1"):
        baskets(rows, 1)
    with pytest.raises(ValueError, match="item of basket_items must not be null"):
        baskets(rows.set_column(1, "item", pa.array([None, "tea"])), 2)
