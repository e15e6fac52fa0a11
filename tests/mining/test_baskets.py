import pyarrow as pa
import pytest

from mining.baskets import baskets
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


def test_clear_errors():
    rows = table({"a": {"tea"}, "b": {"tea"}})
    with pytest.raises(ValueError, match="must have a column item"):
        baskets(rows.drop_columns(["item"]), 2)
    with pytest.raises(ValueError, match="at least the 2 baskets with items, got 1"):
        baskets(rows, 1)
    with pytest.raises(ValueError, match="item of basket_items must not be null"):
        baskets(rows.set_column(1, "item", pa.array([None, "tea"])), 2)
