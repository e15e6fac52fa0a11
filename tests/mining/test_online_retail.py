"""A year of a wholesaler of gifts: itemsets as mlxtend finds them."""

import os
from pathlib import Path

import duckdb
import pytest

from mining.baskets import baskets
from mining.itemsets import count_itemsets, frequent_itemsets
from mining.thresholds import minimum_count

FILE = (
    Path(os.environ.get("REGULARS_REAL_DATA", "../shared/data"))
    / "online_retail/online_retail.parquet"
)

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"real data not found: {FILE}")


@pytest.fixture(scope="module")
def rows():
    return duckdb.sql(
        f"""
        select InvoiceNo as order_id, upper(StockCode) as item
        from '{FILE}'
        where Quantity > 0 and regexp_matches(StockCode, '^[0-9]{{5}}')
        """
    ).to_arrow_table()


@pytest.mark.parametrize("support", ["0.02", pytest.param("0.006", marks=pytest.mark.slow)])
def test_mlxtend_finds_the_same(rows, support):
    laid_out = baskets(rows, 30_000)
    count = minimum_count(support, laid_out.contents.shape[0])
    itemsets = frequent_itemsets(laid_out, count)
    assert itemsets.num_rows > 200
    assert itemsets == frequent_itemsets(laid_out, count, engine="mlxtend")
    counted = count_itemsets(laid_out, itemsets["items"])
    assert (counted == itemsets["basket_count"].to_numpy()).all()
