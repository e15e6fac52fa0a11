import duckdb
import pytest

from benchmarks.clv.beside_lifetimes import SUMMARY
from benchmarks.clv.purchase_day_maker import DAYS, PURCHASES, make_purchase_days
from mining.clv.bg_nbd import BG_NBD
from mining.clv.count_models import fitted
from mining.clv.histories import histories


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "days.parquet"
    return path, make_purchase_days(path, 20_000)


def test_each_customer_has_days_of_their_own(made):
    path, rows = made
    found = duckdb.sql(
        f"select count(*), count(distinct (customer, day)), count(distinct customer), "
        f"min(day) >= 0 and max(day) < {DAYS}, min(net_revenue) > 0 from '{path}'"
    ).fetchone()
    assert found == (rows, rows, 20_000, True, True)


def test_the_model_that_made_them_is_found_again(made):
    path, _ = made
    columns = duckdb.sql(
        "select repeats, recency_days, age_days, count(*) "
        f"from ({SUMMARY.format(path=path, days=DAYS)}) group by all"
    ).fetchnumpy()
    found = fitted(BG_NBD, histories(*columns.values())).fit.parameters
    # days are whole, and purchases of one day are one: near, not within sampling error
    assert found == pytest.approx(PURCHASES, rel=0.15)
