"""The lists of the mine stage over tables as the core leaves them: keys, report, nothing twice."""

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pytest
import yaml

from flows.load.raw_tables import create_raw_tables
from flows.mine.model_output import are_due
from flows.mine.recommendations import recommend_products
from flows.project import project_folder

AS_OF = date(2026, 6, 1)
LISTED = """
    select customer_id, task, product_id, because_product_id
    from mining.recommendations
    order by all
"""


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        connection.execute("create schema intermediate; create schema mining")
        connection.execute(
            """
            create table intermediate.int_product_purchases
                (customer_id varchar, product_id varchar, order_date date);
            create table intermediate.int_recommendable_products
                (product_id varchar, is_offered boolean);
            create table intermediate.int_web_interests
                (customer_id varchar, product_id varchar, kind varchar, event_date date);
            create table intermediate.int_as_of_date (as_of_date date);
            """
        )
        sources = yaml.safe_load(
            (project_folder() / "models/staging/_sources.yml").read_text("utf-8")
        )
        (mining,) = (one for one in sources["sources"] if one["name"] == "mining")
        (table,) = (one for one in mining["tables"] if one["name"] == "recommendations")
        columns = ", ".join(f"{one['name']} {one['data_type']}" for one in table["columns"])
        connection.execute(f"create table mining.recommendations ({columns})")
        yield connection


def fill(connection):
    """Twenty customers of two tastes, each lacking one product of theirs, until yesterday."""
    connection.execute("insert into intermediate.int_as_of_date values (?)", [AS_OF])
    connection.executemany(
        "insert into intermediate.int_recommendable_products values (?, ?)",
        [(f"shop:{number}", number != 9) for number in range(10)],
    )
    connection.executemany(
        "insert into intermediate.int_product_purchases values (?, ?, ?)",
        [
            (f"shop:{customer}", f"shop:{customer % 2 * 5 + place}", AS_OF - timedelta(days=back))
            for customer in range(20)
            for place in range(5)
            if customer // 2 % 5 != place
            for back in (1 + place, 40, 70, 90 + customer)
        ],
    )
    connection.execute(
        "insert into intermediate.int_web_interests values ('shop:0', 'shop:8', 'view', ?)",
        [AS_OF - timedelta(days=2)],
    )


def test_lists_have_the_keys_of_the_core_and_a_report(connection):
    fill(connection)
    made = recommend_products(connection, "run 1", withhold_below=Decimal("0.5"))
    rows = connection.execute(
        """
        select rank, product_id, reason_kind, because_product_id, mined_as_of
        from mining.recommendations
        where customer_id = 'shop:2' and task = 'new'
        order by rank
        """
    ).fetchall()
    assert rows[0][:3] == (1, "shop:1", "bought_together")
    assert rows[0][3] in ("shop:0", "shop:2", "shop:3", "shop:4")
    assert rows[0][4] == AS_OF
    restock = connection.execute(
        """
        select product_id, days_bought, days_since, days_between
        from mining.recommendations
        where customer_id = 'shop:2' and task = 'restock'
        order by product_id
        """
    ).fetchall()
    assert restock == [
        (f"shop:{place}", 4, 1 + place, round((92 - 1 - place) / 3)) for place in (0, 2, 3, 4)
    ]
    kinds = connection.execute(
        "select product_id from mining.recommendations where reason_kind = 'looked_at'"
    ).fetchall()
    assert kinds == [("shop:8",)]
    everything = connection.execute("select count(*) from mining.recommendations").fetchone()
    assert everything == (made.rows_out,)
    gone = "select count(*) from mining.recommendations where product_id = 'shop:9'"
    assert connection.execute(gone).fetchone() == (0,)
    report = connection.execute(
        "select metric from state.model_reports where model = 'recommendations' order by metric"
    ).fetchall()
    assert [metric for (metric,) in report] == [
        *("customers_new", "customers_restock", "ndcg_new", "ndcg_new_popularity"),
        *("ndcg_restock", "ndcg_restock_popularity"),
    ]


def test_a_second_run_takes_the_place_of_the_first(connection):
    fill(connection)
    recommend_products(connection, "run 1", withhold_below=Decimal("0.5"))
    before = connection.execute("from mining.recommendations order by all").fetchall()
    recommend_products(connection, "run 1", withhold_below=Decimal("0.5"))
    assert connection.execute("from mining.recommendations order by all").fetchall() == before
    assert connection.execute("select count(*) from state.model_reports").fetchone() == (6,)


def test_a_warehouse_of_nothing_has_no_lists(connection):
    connection.execute("insert into intermediate.int_as_of_date values (null)")
    assert recommend_products(connection, "run 1", withhold_below=Decimal("0.5")) == (0, 0, ())


def test_lists_are_due_after_so_many_days(connection):
    fill(connection)
    models = ("recommendations",)
    assert are_due(connection, models, 7)  # never made
    recommend_products(connection, "run 1", withhold_below=Decimal("0.5"))
    assert not are_due(connection, models, 7)
    assert are_due(connection, ("recommendations", "profile_rules"), 7)
    assert are_due(connection, models, 1)  # in each refresh, though it be of the same day
    for days, expected in ((6, False), (7, True), (-1, True), (0, False)):
        connection.execute(
            "update intermediate.int_as_of_date set as_of_date = ?", [AS_OF + timedelta(days=days)]
        )
        assert are_due(connection, models, 7) == expected
    connection.execute("update state.model_reports set is_withheld = true")
    assert are_due(connection, models, 7)  # what was withheld is tried again


def test_lists_that_stay_lose_whoever_and_whatever_has_left(connection):
    """A person forgotten, a product sold out, one bought since."""
    fill(connection)
    recommend_products(connection, "run 1", withhold_below=Decimal("0.5"))
    before = connection.execute(LISTED).fetchall()
    connection.execute(
        """
        update state.model_reports set value = 2 where metric in ('ndcg_new', 'ndcg_restock');
        insert into state.model_reports
        select
            'run 0' || days, model, metric, as_of_date - days::integer, value, is_withheld, settings
        from state.model_reports, range(1, 6) as nights (days);
        delete from intermediate.int_product_purchases where customer_id = 'shop:4';
        delete from intermediate.int_recommendable_products where product_id = 'shop:3';
        update intermediate.int_recommendable_products set is_offered = false
        where product_id = 'shop:7';
        insert into intermediate.int_product_purchases
        select 'shop:2', 'shop:1', as_of_date - 1 from intermediate.int_as_of_date;
        """
    )
    made = recommend_products(connection, "run 2", withhold_below=Decimal(1))
    assert "stay" in made.warnings[0]
    stayed = connection.execute(LISTED).fetchall()
    assert stayed == [
        (customer, task, product, because)
        for customer, task, product, because in before
        if customer != "shop:4"
        and product not in ("shop:3", "shop:7")
        and because != "shop:3"
        and (customer, task, product) != ("shop:2", "new", "shop:1")
    ]
    assert 0 < len(stayed) < len(before)
