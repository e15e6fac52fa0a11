"""The profile rules of the mine stage, over tables as the core leaves them."""

from datetime import date, timedelta

import duckdb
import pytest
import yaml

from flows.load.raw_tables import create_raw_tables
from flows.mine.profiles import mine_profiles
from flows.project import project_folder
from flows.settings import MiningSettings, ProfileSettings

AS_OF = date(2026, 1, 1)
SETTINGS = ProfileSettings()
MINING = MiningSettings()
PEOPLE = 400


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        connection.execute("create schema intermediate; create schema mining")
        connection.execute(
            f"""
            create table intermediate.int_as_of_date as select date '{AS_OF}' as as_of_date;
            create table intermediate.int_items_of_one_category (item varchar, other varchar);
            create table orders as
            select
                'o' || number || '-' || (number + period) % 3 || period as order_id,
                'c' || number as customer_id,
                period = 1 as is_holdout,
                number % 2 as kind
            from range({PEOPLE}) as people (number), range(2) as periods (period);
            create table intermediate.int_basket_periods as
            select order_id, is_holdout, true as has_vote from orders;
            create table intermediate.int_item_purchases as
            select
                order_id,
                customer_id,
                unnest(['product:rice', if(kind = 0, 'product:tea', 'product:beer')]) as item
            from orders;
            create table intermediate.int_profiled_customers as
            select distinct
                customer_id, is_holdout, null::varchar as age_band,
                if(kind = 0, 'female', 'male') as sex, null::varchar as income_band,
                null::varchar as household, null::varchar as region, null::varchar as segment,
                null::varchar as favourite_category
            from orders;
            """
        )
        sources = yaml.safe_load(
            (project_folder() / "models/staging/_sources.yml").read_text("utf-8")
        )
        (mining,) = (one for one in sources["sources"] if one["name"] == "mining")
        (table,) = (one for one in mining["tables"] if one["name"] == "profile_rules")
        columns = ", ".join(f"{one['name']} {one['data_type']}" for one in table["columns"])
        connection.execute(f"create table mining.profile_rules ({columns})")
        yield connection


def mine(connection, settings=SETTINGS, run="run", mining=MINING):
    """Mine; returns how many rules are published."""
    return mine_profiles(connection, settings, mining, run).rows_out


def rules(connection):
    return connection.execute(
        "select antecedents[1], consequents[1], basket_count, joint_count, holdout_joint_count "
        "from mining.profile_rules where is_published order by rank"
    ).fetchall()


def test_rules_that_held_are_published_and_reported(connection):
    assert mine(connection) == 2
    half = PEOPLE // 2
    assert rules(connection) == [
        ("sex:female", "product:tea", PEOPLE, half, half),
        ("sex:male", "product:beer", PEOPLE, half, half),
    ]
    assert connection.execute(
        "select distinct mined_as_of from mining.profile_rules"
    ).fetchall() == [(AS_OF,)]
    report = connection.execute(
        "select metric, value, is_withheld from state.model_reports where run_id = 'run'"
    ).fetchall()
    assert sorted(report) == [
        (name, value, False)
        for name, value in (
            *(("held", 2), ("passed", 2), ("published", 2), ("share_held", 1), ("tested", 2)),
        )
    ]


def test_a_run_mined_again_replaces_its_rules_and_report(connection):
    mine(connection, SETTINGS, "run")
    connection.execute(
        "insert into state.model_reports "
        "values ('run', 'cross_sell_rules', 'held', ?, 1, false, '')",
        [AS_OF],
    )
    connection.execute("update intermediate.int_item_purchases set item = 'product:rice'")
    assert mine(connection, SETTINGS, "run") == 0
    assert rules(connection) == []
    assert connection.execute(
        "select model, value from state.model_reports where metric = 'held' order by model"
    ).fetchall() == [("cross_sell_rules", 1), ("profile_rules", 0)]


def test_pairs_of_a_category_and_its_items_are_left_out(connection):
    connection.execute(
        "insert into intermediate.int_items_of_one_category values ('sex:male', 'product:beer')"
    )
    assert mine(connection, SETTINGS, "run") == 1


def test_no_rule_tells_of_fewer_customers_than_a_group_may_have(connection):
    settings = ProfileSettings(minimum_customers=PEOPLE // 2 + 1)
    assert settings.of_rules()["minimum_customers"] == PEOPLE // 2 + 1
    assert mine(connection, settings, "run") == 0


def test_a_shop_without_customers_or_without_attributes_has_no_rules(connection):
    connection.execute("update intermediate.int_profiled_customers set sex = null")
    assert mine(connection, SETTINGS, "run") == 0
    connection.execute("delete from intermediate.int_profiled_customers")
    assert mine(connection, SETTINGS, "next run") == 0


def nights(connection, last, **options):
    """Five good nights of twelve rules, and one in which all buy rice alone.

    Returns whether its rules were withheld.
    """
    connection.execute(
        """
        insert into intermediate.int_item_purchases
        select order_id, customer_id, item || number
        from intermediate.int_item_purchases, range(5) as numbers (number)
        where item <> 'product:rice'
        """
    )
    for number in range(5):
        day = AS_OF - timedelta(days=5 - number)
        connection.execute("update intermediate.int_as_of_date set as_of_date = ?", [day])
        mine(connection, run=f"run {number}")
    connection.execute("update intermediate.int_as_of_date set as_of_date = ?", [AS_OF])
    connection.execute("update intermediate.int_item_purchases set item = 'product:rice'")
    mine(connection, run=last, **options)
    return connection.execute(
        "select bool_or(is_withheld) from state.model_reports where run_id = ?", [last]
    ).fetchone()[0]


@pytest.mark.parametrize(
    ("options", "is_withheld"),
    [
        ({}, True),
        ({"settings": ProfileSettings(maximum_rules=30)}, True),
        ({"settings": ProfileSettings(minimum_lift=2)}, False),
        ({"mining": MiningSettings(item_levels=["product"])}, False),
        ({"mining": MiningSettings(holdout_share="0.3")}, False),
    ],
)
def test_only_nights_of_the_same_settings_tell_what_is_usual(connection, options, is_withheld):
    assert nights(connection, "run 5", **options) is is_withheld
