"""A warehouse without a row: every model builds, every test holds, every mart is empty."""

from pathlib import Path

import duckdb
import pytest

from flows.dbt import DbtProject
from flows.load.raw_tables import create_raw_tables
from flows.work_file import make_private, open_database, work_file, work_folder


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = tmp_path_factory.mktemp("nothing")
    make_private(work_folder(warehouse))
    with open_database(work_file(warehouse)) as connection:
        create_raw_tables(connection)
    return warehouse


@pytest.fixture(scope="module")
def project(warehouse: Path) -> DbtProject:
    project = DbtProject(work_file(warehouse), work_folder(warehouse), {}, "all")
    project.build("seeds", "models")
    return project


def test_every_data_test_holds(project: DbtProject) -> None:
    assert len(project.test()) > 200


def test_every_unit_test_holds(project: DbtProject) -> None:
    # They bring their own rows; the tables of nothing lend them their columns.
    assert len(project.test("unit")) > 60


def test_every_mart_is_there_and_empty(warehouse: Path, project: DbtProject) -> None:
    with duckdb.connect(work_file(warehouse), read_only=True) as connection:
        marts = [
            name
            for (name,) in connection.execute(
                "select table_name from duckdb_tables() where schema_name = 'marts'"
            ).fetchall()
        ]
        rows = {mart: connection.table(f"marts.{mart}").count("*").fetchone() for mart in marts}
    # dim_products' member 'unknown' is a product too
    assert rows.pop("products") == (1,)
    assert rows == dict.fromkeys(
        [
            *("about", "bundles", "buying_order", "churn_risk", "clv"),
            *("clv_calibration", "clv_models"),
            *("clv_weeks", "cohort_retention", "cross_sell_offers", "cross_sell_rules"),
            *("customer_life_stages", "customer_profiles", "customer_tiers", "customers"),
            *("model_report", "new_and_old_customers", "profile_rules", "profit_concentration"),
            *("recommendations", "rejected_rows_by_reason", "rfm", "rfm_migration"),
            *("retention_by_origin", "rfm_monthly", "rfm_segment_values", "runs", "sales_daily"),
            *("time_between_orders", "up_sell"),
        ],
        (0,),
    )
