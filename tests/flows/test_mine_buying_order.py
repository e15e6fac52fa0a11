"""The buying order and up-selling of the mine stage, over tables as the core leaves them."""

from collections import defaultdict
from datetime import date

import duckdb
import pyarrow.compute as pc
import pytest
import yaml

from flows.load.raw_tables import create_raw_tables
from flows.mine import buying_order
from flows.mine.buying_order import ON_SALE_DAYS, mine_order_of_items
from flows.mine.histories import read_histories
from flows.project import project_folder
from flows.settings import MiningSettings

CUT, AS_OF = date(2026, 3, 22), date(2026, 4, 11)  # 80 and 100 days after the first
DAY_0 = date(1970, 1, 1).toordinal()
PEOPLE = 3_000


@pytest.fixture
def connection():
    """People who take tea after a cup, dear tea after tea; whoever has a cup has `things`."""
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        connection.execute("create schema intermediate; create schema mining; create schema core")
        connection.execute(
            f"""
            create table intermediate.int_as_of_date as select date '{AS_OF}' as as_of_date;
            -- each has a first day and one a window later; a third of them ever has a cup
            create table bought as
            select
                'c' || person as customer_id,
                date '2026-01-01' + day::integer as order_date,
                unnest(
                    case
                        when visit = 0 then if(person % 3 = 0, ['cup', 'rice'], ['rice', 'salt'])
                        when person % 12 = 0 then ['tea', 'dear tea']
                        when person % 15 = 1 then ['tea', 'beans']
                        else ['beans', 'corn']
                    end
                ) as product_id
            from (
                select
                    person,
                    visit,
                    case visit
                        when 0 then person % 50
                        when 1 then 61 + person % 38
                        else 99
                    end as day
                from range({PEOPLE}) as people (person), range(2) as visits (visit)
            );
            create table intermediate.int_product_purchases as
            select customer_id || order_date as order_id, * from bought;
            create table intermediate.int_item_purchases as
            select order_id, customer_id, order_date, 'product:' || product_id as item
            from intermediate.int_product_purchases
            union all
            select order_id, customer_id, order_date, 'category:things'
            from intermediate.int_product_purchases
            where product_id in ('cup', 'tea', 'dear tea');
            create table intermediate.int_customer_purchase_days as
            select distinct customer_id, order_date from bought;
            create table intermediate.int_basket_periods as
            select distinct order_id, order_date, order_date >= date '{CUT}' as is_holdout
            from intermediate.int_product_purchases;
            create table intermediate.int_items_of_one_product as
            select 'category:things' as item, 'product:' || product as other
            from (values ('cup'), ('tea'), ('dear tea')) as products (product);
            create table core.dim_products as
            select distinct
                product_id, 'shop' as source, null::varchar as product_type,
                null::varchar as category, 'all' as department
            from bought;
            create table intermediate.int_product_values as
            select
                product_id,
                if(product_id in ('dear tea', 'tea'), if(product_id = 'tea', 9, 12), 5)
                    ::decimal(18, 4) as net_revenue_per_unit,
                date '{AS_OF}' - 1 as last_sold_date
            from core.dim_products;
            """
        )
        sources = yaml.safe_load(
            (project_folder() / "models/staging/_sources.yml").read_text("utf-8")
        )
        (mining,) = (one for one in sources["sources"] if one["name"] == "mining")
        for table in mining["tables"]:
            columns = ", ".join(f"{one['name']} {one['data_type']}" for one in table["columns"])
            connection.execute(f"create table mining.{table['name']} ({columns})")
        yield connection


def mine(connection, levels):
    mine_order_of_items(connection, MiningSettings(item_levels=levels), "run")


def pairs(connection, table="buying_order"):
    return connection.execute(
        f"select first_item, next_item from mining.{table} where is_published order by all"
    ).fetchall()


def test_of_two_levels_a_category_is_not_bought_before_its_own_products(connection):
    after_a_cup = [("product:cup", "product:dear tea"), ("product:cup", "product:tea")]
    mine(connection, ["product", "category"])
    assert pairs(connection) == after_a_cup
    # who takes tea takes `things`: of those who take it, only those who had things are compared
    connection.execute("delete from intermediate.int_items_of_one_product")
    mine(connection, ["product", "category"])
    hierarchy = [("category:things", "product:dear tea"), ("category:things", "product:tea")]
    assert pairs(connection) == hierarchy + after_a_cup


def test_owners_are_all_who_had_it_and_moves_are_of_those_who_bought_again(connection):
    """A tenth of those with tea of both prices come back on the last day, for the dear one."""
    connection.execute(
        """
        delete from intermediate.int_product_purchases where product_id = 'salt';
        insert into intermediate.int_product_purchases
        select 'again' || customer_id, customer_id, date '2026-04-10', 'dear tea'
        from bought
        where
            product_id = 'dear tea'
            and customer_id like '%0'
            and order_date < date '2026-04-10';
        insert into intermediate.int_customer_purchase_days
        select customer_id, order_date
        from intermediate.int_product_purchases
        where order_id like 'again%'
        """
    )
    mine(connection, ["product", "category"])
    assert pairs(connection, "up_sell") == [("cup", "dear tea"), ("cup", "tea")]
    owners, followers, share, again, switched = connection.execute(
        """
        select owners, followed_customers, share_of_owners, again_customers, switched_customers
        from mining.up_sell
        where first_item = 'cup' and next_item = 'dear tea'
        """
    ).fetchone()
    (again_at_all,) = connection.execute(
        "select count(*) from intermediate.int_product_purchases where order_id like 'again%'"
    ).fetchone()
    assert owners == PEOPLE // 3
    assert 0 < followers < PEOPLE // 12
    assert share == followers / owners
    assert again == switched == again_at_all > 0


def test_who_moves_on_from_what_is_no_longer_sold_is_not_sold_up(connection):
    connection.execute("delete from intermediate.int_product_purchases where product_id = 'salt'")
    for days, expected in ((ON_SALE_DAYS, [("cup", "tea")]), (ON_SALE_DAYS + 1, [])):
        connection.execute(
            f"""
            update intermediate.int_product_values
            set last_sold_date = date '{AS_OF}' - if(product_id = 'dear tea', 90, {days})
            where product_id in ('cup', 'dear tea')
            """
        )
        mine(connection, ["product"])
        assert pairs(connection, "up_sell") == expected


def test_items_are_those_most_bought_before_the_later_time(connection):
    """Rice, corn, beans and salt, tea, dear tea, cups: by purchases before the cut."""
    connection.execute(
        """
        insert into intermediate.int_product_purchases
        select 'later' || range, 'c1', date '2026-04-10', unnest(['cup', 'new']) from range(5000)
        """
    )

    def read(maximum_items):
        return read_histories(
            connection,
            "intermediate.int_product_purchases",
            "product_id",
            minimum_customers=10,
            maximum_items=maximum_items,
        )

    counted = connection.execute(
        f"""
        select product_id
        from intermediate.int_product_purchases
        where order_date < date '{CUT}'
        group by product_id
        order by count(*) desc, product_id
        """
    ).fetchall()
    products = [product for (product,) in counted]
    assert "new" not in products
    everything, left_out = read(100)
    assert (everything.items, left_out) == (products, 0)
    some, left_out = read(4)
    assert (some.items, left_out) == (products[:4], len(products) - 4)
    kept = everything.first_purchases.filter(pc.less(everything.first_purchases["item"], 4))
    assert some.first_purchases == kept


def test_the_items_left_out_are_reported(connection, monkeypatch):
    monkeypatch.setattr(buying_order, "MAXIMUM_ITEMS", 3)
    mine(connection, ["product"])
    reported = connection.execute(
        "select model, value from state.model_reports where metric = 'items_left_out' order by all"
    ).fetchall()
    assert reported == [("buying_order", 5), ("up_sell", 0)]


def test_histories_are_those_of_reading_day_by_day(connection):
    histories, left_out = read_histories(
        connection,
        "intermediate.int_product_purchases",
        "product_id",
        minimum_customers=10,
        maximum_items=100,
    )
    assert left_out == 0
    assert (histories.cut, histories.end) == (CUT.toordinal() - DAY_0, AS_OF.toordinal() - DAY_0)
    begin = 2 * histories.cut - histories.end
    bought = connection.execute("select customer_id, product_id, order_date from bought").fetchall()
    customers = sorted({customer for customer, _, _ in bought})
    number_of = {customer: number for number, customer in enumerate(customers)}
    days = defaultdict(set)
    for customer, product, day in bought:
        days[number_of[customer], product].add(day.toordinal() - DAY_0)
    assert len(days) == len(histories.first_purchases)
    for row in histories.first_purchases.to_pylist():
        own = days[row["customer"], histories.items[row["item"]]]
        assert (row["first_day"], row["last_day"]) == (min(own), max(own))
        assert row["early_days"] == sum(day < begin for day in own)
