"""The mine stage over tables as the core leaves them: what is published, reported and withheld."""

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
import yaml

from flows.load.raw_tables import create_raw_tables
from flows.mine import mine_rules
from flows.project import project_folder
from flows.settings import MiningSettings

DAY = date(2026, 1, 1)
SETTINGS = MiningSettings(minimum_support=Decimal("0.1"))
RELATED = {"cake", "icing"}, {"tea"}, {"cup"}, {"honey"}
UNRELATED = {"cake"}, {"icing"}, {"cup"}, {"tea"}


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        connection.execute("create schema intermediate; create schema mining")
        connection.execute(
            """
            create table intermediate.int_basket_periods
                (order_id varchar, is_holdout boolean, has_vote boolean);
            create table intermediate.int_basket_items (order_id varchar, item varchar);
            create table intermediate.int_items_of_one_product (item varchar, other varchar);
            create table intermediate.int_as_of_date (as_of_date date);
            """
        )
        connection.execute(f"create table mining.rules ({', '.join(_columns_of_rules())})")
        yield connection


def _columns_of_rules():
    sources = yaml.safe_load((project_folder() / "models/staging/_sources.yml").read_text("utf-8"))
    (mining,) = (one for one in sources["sources"] if one["name"] == "mining")
    return [f"{column['name']} {column['data_type']}" for column in mining["tables"][0]["columns"]]


def night(connection, number, *, mined=RELATED, later=RELATED, settings=SETTINGS):
    """Fill the tables with 200 purchases of a night, half of them in the hold-out, and mine."""
    connection.execute("delete from intermediate.int_basket_periods")
    connection.execute("delete from intermediate.int_basket_items")
    connection.execute("delete from intermediate.int_as_of_date")
    connection.execute("insert into intermediate.int_as_of_date values (?)", [as_of(number)])
    keys = [f"shop:{place}" for place in range(200)]
    periods = pa.table({"order_id": keys, "is_holdout": [place % 2 == 1 for place in range(200)]})
    contents = [(later if place % 2 else mined)[place // 2 % 4] for place in range(200)]
    items = pa.table(
        {
            "order_id": [key for key, held in zip(keys, contents, strict=True) for _ in held],
            "item": [f"product_type:{item}" for held in contents for item in sorted(held)],
        }
    )
    connection.register("periods", periods)
    connection.register("items", items)
    connection.execute("insert into intermediate.int_basket_periods select *, true from periods")
    connection.execute("insert into intermediate.int_basket_items from items")
    return mine_rules(connection, settings, f"run {number:02}")


def as_of(number):
    return DAY + timedelta(days=number)


def rules(connection):
    return connection.execute(
        "select antecedents, consequents, is_published, mined_as_of from mining.rules"
    ).fetchall()


def report(connection, number):
    return dict(
        connection.execute(
            "select metric, value from state.model_reports where run_id = ?", [f"run {number:02}"]
        ).fetchall()
    )


def is_withheld(connection, number):
    return connection.execute(
        "select bool_and(is_withheld) from state.model_reports where run_id = ?",
        [f"run {number:02}"],
    ).fetchone()[0]


def test_rules_that_held_are_published_and_reported(connection):
    mined = night(connection, 0)
    assert mined == (250, 1, ())
    rule = (["product_type:cake"], ["product_type:icing"], True, as_of(0))
    assert rules(connection) == [rule]
    assert report(connection, 0) == {
        "candidates": 1,
        "tested": 1,
        "held": 1,
        "share_held": 1,
        "published": 1,
    }
    assert is_withheld(connection, 0) is False


def test_rules_that_did_not_hold_are_kept_but_not_published(connection):
    assert night(connection, 0, later=UNRELATED).rows_out == 0
    assert [row[2] for row in rules(connection)] == [False]
    assert report(connection, 0)["share_held"] == 0


def test_only_votes_count_in_the_hold_out(connection):
    night(connection, 0)
    connection.execute("update intermediate.int_basket_periods set has_vote = not is_holdout")
    mine_rules(connection, SETTINGS, "run 01")
    assert report(connection, 1) == {
        "candidates": 1,
        "tested": 0,
        "held": 0,
        "share_held": None,
        "published": 1,  # untested
    }


def test_a_night_gone_wrong_keeps_the_last_good_rules_with_their_date(connection):
    for number in range(5):
        night(connection, number)
    mined = night(connection, 5, later=UNRELATED)
    assert mined.rows_out == 1
    assert mined.warnings == (
        f"new cross-sell rules are withheld, those as of {as_of(4)} stay: share_held is 0, where 1 "
        "is usual and published is 0, where 1 is usual (marts.model_report; withhold_below under "
        "[mining])",
    )
    assert rules(connection) == [(["product_type:cake"], ["product_type:icing"], True, as_of(4))]
    assert is_withheld(connection, 5) is True
    assert night(connection, 6).warnings == ()
    assert [row[3] for row in rules(connection)] == [as_of(6)]


def test_a_run_mined_again_replaces_its_report(connection):
    night(connection, 0, later=UNRELATED)
    night(connection, 0)
    assert report(connection, 0)["held"] == 1


@pytest.mark.parametrize("nights", [4, 0])
def test_nothing_is_withheld_before_it_is_known_what_is_usual(connection, nights):
    for number in range(nights):
        night(connection, number)
    assert night(connection, nights, later=UNRELATED).warnings == ()
    assert not any(row[2] for row in rules(connection))


def test_other_settings_are_judged_by_themselves(connection):
    for number in range(6):
        night(connection, number)
    strict = SETTINGS.model_copy(update={"minimum_lift": Decimal(1000)})
    assert night(connection, 6, settings=strict).warnings == ()
    assert rules(connection) == []


def test_an_engine_is_no_other_setting(connection):
    for number in range(6):
        night(connection, number)
    mlxtend = SETTINGS.model_copy(update={"engine": "mlxtend"})
    assert night(connection, 6, later=UNRELATED, settings=mlxtend).warnings


def test_withholding_can_be_turned_off(connection):
    never = SETTINGS.model_copy(update={"withhold_below": Decimal(0)})
    for number in range(6):
        night(connection, number, settings=never)
    assert night(connection, 6, later=UNRELATED, settings=never).warnings == ()


def test_without_earlier_rules_there_is_nothing_to_keep(connection):
    """As after a restore: the reports come from the backup, the rules do not."""
    for number in range(6):
        night(connection, number)
    connection.execute("delete from mining.rules")
    assert night(connection, 6, later=UNRELATED).warnings == ()
    assert [row[3] for row in rules(connection)] == [as_of(6)]


def test_a_lasting_change_is_taken_after_some_nights(connection):
    for number in range(8):
        night(connection, number)
    withheld = []
    for number in range(8, 30):
        night(connection, number, later=UNRELATED)
        withheld.append(is_withheld(connection, number))
    taken = withheld.index(False)
    assert 5 <= taken <= 10
    assert not any(withheld[taken:])
