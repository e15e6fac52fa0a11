"""The mine stage over tables as the core leaves them: what is published, reported and withheld."""

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
import yaml

from flows.load.raw_tables import create_raw_tables
from flows.mine.rules import mine_rules
from flows.project import project_folder
from flows.settings import MiningSettings

DAY = date(2026, 1, 1)
SETTINGS = MiningSettings(minimum_support=Decimal("0.01"))
PAIRS = 20
RELATED = tuple({f"cake {number}", f"icing {number}"} for number in range(PAIRS))
# of a pair the second item lies in the next basket
UNRELATED = tuple({f"cake {number}", f"icing {(number + 1) % PAIRS}"} for number in range(PAIRS))


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


def night(connection, number, *, later=RELATED, settings=SETTINGS, run=None, **options):
    """Fill the tables with 800 purchases of a night, half of them in the hold-out, and mine."""
    connection.execute("delete from intermediate.int_basket_periods")
    connection.execute("delete from intermediate.int_basket_items")
    connection.execute("delete from intermediate.int_as_of_date")
    connection.execute("insert into intermediate.int_as_of_date values (?)", [as_of(number)])
    keys = [f"shop:{place}" for place in range(800)]
    periods = pa.table({"order_id": keys, "is_holdout": [place % 2 == 1 for place in range(800)]})
    contents = [(later if place % 2 else RELATED)[place // 2 % PAIRS] for place in range(800)]
    items = pa.table(
        {
            "order_id": [key for key in keys for _ in range(2)],
            "item": [f"product_type:{item}" for held in contents for item in sorted(held)],
        }
    )
    connection.register("periods", periods)
    connection.register("items", items)
    connection.execute("insert into intermediate.int_basket_periods select *, true from periods")
    connection.execute("insert into intermediate.int_basket_items from items")
    run = number if run is None else run
    return mine_rules(connection, settings, f"run {run:02}", **options)


def as_of(number):
    return DAY + timedelta(days=number)


def taken(connection):
    """The published rules and the dates of all."""
    return connection.execute(
        "select count(*) filter (is_published), list(distinct mined_as_of) from mining.rules"
    ).fetchone()


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
    assert night(connection, 0) == (1600, PAIRS, ())
    assert taken(connection) == (PAIRS, [as_of(0)])
    assert report(connection, 0) == {
        "passed": PAIRS,
        "tested": PAIRS,
        "held": PAIRS,
        "share_held": 1,
        "published": PAIRS,
    }
    assert is_withheld(connection, 0) is False


def test_rules_that_did_not_hold_are_kept_but_not_published(connection):
    assert night(connection, 0, later=UNRELATED).rows_out == 0
    assert connection.execute("select count(*) from mining.rules").fetchone() == (PAIRS,)
    assert report(connection, 0)["share_held"] == 0


def test_only_votes_count_in_the_hold_out(connection):
    night(connection, 0)
    connection.execute("update intermediate.int_basket_periods set has_vote = not is_holdout")
    mine_rules(connection, SETTINGS, "run 01")
    assert report(connection, 1) == {
        "passed": PAIRS,
        "tested": 0,
        "held": 0,
        "share_held": None,
        "published": PAIRS,  # untested
    }


def test_ten_baskets_hold_a_rule_however_few_there_are(connection):
    night(connection, 0)  # each pair lies in 20 of the 400 baskets
    strict = SETTINGS.model_copy(update={"minimum_baskets": 21})
    assert night(connection, 1, settings=strict).rows_out == 0


def test_a_night_gone_wrong_keeps_the_last_good_rules_with_their_date(connection):
    for number in range(5):
        night(connection, number)
    mined = night(connection, 5, later=UNRELATED)
    assert mined.rows_out == PAIRS
    assert mined.warnings == (
        "the cross-sell rules are far worse than usual: 0 held on later purchases and 0.0% of "
        "those tested held, where usually 20 held on later purchases and 100.0% of those tested "
        f"held; they are withheld, and those as of {as_of(4)} stay; `regulars refresh --full "
        "--accept` takes them (marts.model_report, withhold_below under [mining])",
    )
    assert taken(connection) == (PAIRS, [as_of(4)])
    assert is_withheld(connection, 5) is True
    assert report(connection, 5) | {"held": 0, "published": PAIRS} == report(connection, 5)
    assert night(connection, 6).warnings == ()
    assert taken(connection) == (PAIRS, [as_of(6)])


def test_those_of_the_same_day_stay_too(connection):
    """As where a mapping was mended for the worse, or a second delivery broke the first."""
    for number in range(6):
        night(connection, number)
    assert "those as of" in night(connection, 5, later=UNRELATED, run=6).warnings[0]
    assert taken(connection) == (PAIRS, [as_of(5)])


def test_whoever_accepts_them_gets_them(connection):
    for number in range(5):
        night(connection, number)
    mined = night(connection, 5, later=UNRELATED, accept=True)
    assert "they were published all the same" in mined.warnings[0]
    assert taken(connection) == (0, [as_of(5)])


def test_a_run_mined_again_replaces_its_report(connection):
    night(connection, 0, later=UNRELATED)
    night(connection, 0)
    assert report(connection, 0)["held"] == PAIRS


@pytest.mark.parametrize("nights", [4, 0])
def test_nothing_is_withheld_before_it_is_known_what_is_usual(connection, nights):
    for number in range(nights):
        night(connection, number)
    assert night(connection, nights, later=UNRELATED).warnings == ()
    assert taken(connection) == (0, [as_of(nights)])


def test_many_refreshes_of_one_day_are_one_night(connection):
    for run in range(9):
        night(connection, 0, run=run)
    assert night(connection, 1, later=UNRELATED, run=9).warnings == ()


def test_a_refresh_of_a_past_day_takes_nothing_from_the_future(connection):
    for number in range(10, 20):
        night(connection, number)
    assert night(connection, 5, later=UNRELATED, run=20).warnings == ()
    assert taken(connection) == (0, [as_of(5)])


def test_other_settings_are_judged_by_themselves(connection):
    for number in range(6):
        night(connection, number)
    strict = SETTINGS.model_copy(update={"minimum_lift": Decimal(1000)})
    assert night(connection, 6, settings=strict).warnings == ()
    assert taken(connection) == (0, None)


def test_rules_of_other_settings_do_not_stay(connection):
    for number in range(6):
        night(connection, number)
    night(connection, 6, settings=SETTINGS.model_copy(update={"maximum_items": 2}))
    mined = night(connection, 7, later=UNRELATED)
    assert "they were published all the same" in mined.warnings[0]
    assert taken(connection) == (0, [as_of(7)])


@pytest.mark.parametrize(
    "change",
    [
        {"engine": "mlxtend"},
        {"withhold_below": Decimal("0.4")},
        {"maximum_rules": 30},
        {"minimum_support": Decimal("0.010")},
    ],
)
def test_what_changes_no_rule_is_no_other_setting(connection, change):
    for number in range(6):
        night(connection, number)
    settings = SETTINGS.model_copy(update=change)
    assert night(connection, 6, later=UNRELATED, settings=settings).warnings
    assert is_withheld(connection, 6)


def test_withholding_can_be_turned_off(connection):
    for number in range(6):
        night(connection, number)
    never = SETTINGS.model_copy(update={"withhold_below": Decimal(0)})
    assert night(connection, 6, later=UNRELATED, settings=never).warnings == ()


def test_without_earlier_rules_it_is_told_and_nothing_is_kept(connection):
    """As after a restore: the reports come from the backup, the rules do not."""
    for number in range(6):
        night(connection, number)
    connection.execute("delete from mining.rules")
    assert "they were published all the same" in night(connection, 6, later=UNRELATED).warnings[0]
    assert taken(connection) == (0, [as_of(6)])


def test_a_lasting_change_is_taken_after_some_nights(connection):
    for number in range(8):
        night(connection, number)
    withheld = []
    for number in range(8, 24):
        night(connection, number, later=UNRELATED)
        withheld.append(is_withheld(connection, number))
    taken_after = withheld.index(False)
    assert 5 <= taken_after <= 10
    assert not any(withheld[taken_after:])
