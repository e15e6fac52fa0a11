"""The refresh from end to end, run as a user runs it, on real orders."""

import csv
import json
import shutil
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.publish.versions import current_version, published_file, version_folder, versions
from flows.runs import last_trouble
from flows.work_file import work_file
from tests.conftest import Refresh
from tests.tea_shop import MAPPING

# Run metadata: it differs from run to run by its nature.
METADATA = {"about", "model_report", "runs"}


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def complete_journey(complete_journey_warehouse: Path) -> Path:
    return published_file(complete_journey_warehouse)


@pytest.fixture(scope="module")
def online_retail(online_retail_warehouse: Path) -> Path:
    return published_file(online_retail_warehouse)


def test_complete_journey_loses_no_line_and_no_cent(complete_journey: Path) -> None:
    assert rows(
        complete_journey,
        """
        select
            count(*), count(distinct order_id), count(distinct customer_id),
            count(distinct product_id), sum(net_revenue)
        from core.fct_order_lines
        """,
    ) == [(1_469_307, 155_848, 2_469, 68_509, Decimal("4596039.5800"))]
    assert rows(complete_journey, "select count(*) from core.fct_orders where is_purchase") == [
        (155_370,)
    ]
    assert rows(complete_journey, "select sum(net_revenue) from marts.sales_daily") == [
        (Decimal("4596039.5800"),)
    ]


def test_complete_journey_scores(complete_journey: Path) -> None:
    for measure, expected in {
        "r": [500, 513, 417, 613, 426],
        "f": [479, 520, 492, 482, 496],
        "m": [494, 494, 493, 494, 494],
    }.items():
        counts = rows(
            complete_journey,
            f"select count(*) from marts.rfm group by {measure}_score order by {measure}_score",
        )
        assert [count for (count,) in counts] == expected, measure


def test_complete_journey_unknown_products_keep_their_lines(complete_journey: Path) -> None:
    assert rows(
        complete_journey,
        """
        select count(distinct product_id), count(*)
        from core.fct_order_lines
        join core.dim_products using (product_id)
        where is_inferred
        """,
    ) == [(17, 4_836)]


def test_complete_journey_customers_and_campaigns(complete_journey: Path) -> None:
    assert rows(
        complete_journey,
        """
        select count(*) filter (not is_first_purchase_observed),
               count(*) filter (is_first_purchase_observed)
        from marts.customers
        where not is_prospect
        """,
    ) == [(2_280, 189)]
    assert rows(
        complete_journey,
        "select count(*), count(distinct customer_id) from core.fct_campaign_contacts",
    ) == [(6_589, 1_559)]
    assert rows(complete_journey, "select count(*) from core.fct_coupon_redemptions") == [(2_102,)]


def test_complete_journey_rules_are_tens_and_sensible(complete_journey: Path) -> None:
    found = rows(complete_journey, "select rule, is_held from marts.cross_sell_rules order by rank")
    assert 20 <= len(found) <= 200
    assert all(is_held for _, is_held in found)
    assert found[:2] == [
        ("FROSTING → LAYER CAKE MIX", True),
        ("HAIR CONDITIONERS AND RINSES → SHAMPOO", True),
    ]


def test_online_retail_figures(online_retail: Path) -> None:
    assert rows(online_retail, "select count(*), sum(net_revenue) from core.fct_order_lines") == [
        (541_909, Decimal("9747747.9340"))
    ]
    assert rows(
        online_retail,
        """
        select count(*), sum(net_revenue) from core.fct_order_lines where line_kind = 'merchandise'
        """,
    ) == [(538_914, Decimal("9792310.4300"))]
    assert rows(
        online_retail,
        """
        select count(*), count(*) filter (customer_id <> 'anonymous') from core.fct_orders
        where is_purchase
        """,
    ) == [(19_773, 18_402)]
    assert rows(online_retail, "select count(*), sum(monetary) from marts.rfm") == [
        (4_334, Decimal("8290586.3000"))
    ]


def test_every_published_table_is_described(complete_journey: Path) -> None:
    assert (
        rows(
            complete_journey,
            """
            select schema_name || '.' || table_name
            from duckdb_tables()
            where schema_name in ('core', 'marts') and coalesce(comment, '') = ''
            """,
        )
        == []
    )


def published_tables(path: Path) -> list[str]:
    return [
        name
        for (name,) in rows(
            path,
            """
            select schema_name || '.' || table_name
            from duckdb_tables()
            where schema_name in ('core', 'marts', 'mining')
            order by all
            """,
        )
        if name.split(".")[1] not in METADATA
    ]


def differences(one: Path, two: Path, table: str) -> int:
    """Rows of a table that stand in only one of two files, floats rounded to nine digits."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only)")
        connection.execute(f"attach '{two}' as two (read_only)")
        columns = connection.execute(
            f"select column_name, column_type from (describe one.{table})"
        ).fetchall()
        shown = ", ".join(
            f'round("{name}", 9)' if kind == "DOUBLE" else f'"{name}"'
            for name, kind in columns
            if name != "load_id"
        )
        found = connection.execute(
            f"""
            select count(*) from (
                (select {shown} from one.{table} except all select {shown} from two.{table})
                union all
                (select {shown} from two.{table} except all select {shown} from one.{table})
            )
            """
        ).fetchone()
    assert found
    return int(found[0])


SHOP = [
    # order, customer, product, ordered at, quantity, price
    ("1", "Ann", "tea", "2026-01-05 10:00", "2", "3.50"),
    ("1", "Ann", "cup", "2026-01-05 10:00", "1", "9.00"),
    ("1", "Ann", "cup", "2026-01-05 10:00", "1", "9.00"),  # a true duplicate stays
    ("2", "Bob", "tea", "2026-02-10 18:30", "1", "3.50"),
    ("3", "", "cup", "2026-02-11 12:00", "1", "9.00"),
    ("4", "Ann", "cup", "2026-03-01 09:00", "-1", "9.00"),
    ("5", "李娜", "tea", "2026-03-02 09:00", "1", "3.50"),
]
Row = tuple[str, ...]


def write_orders(path: Path, lines: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order", "customer", "product", "ordered at", "quantity", "price"])
        writer.writerows(lines)


def landing_with_a_shop(folder: Path) -> Path:
    """A folder with a landing folder of one small source, and its mapping in sources/ beside it."""
    write_orders(folder / "landing/shop/orders1.csv", SHOP)
    (folder / "sources").mkdir()
    (folder / "sources/shop.yml").write_text(MAPPING)
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A shop that nobody has refreshed yet."""
    return landing_with_a_shop(tmp_path)


@pytest.fixture(scope="module")
def refreshed_shop(tmp_path_factory: pytest.TempPathFactory, refresh: Refresh) -> Path:
    """A shop that was refreshed once; tests leave its files as they found them."""
    folder = landing_with_a_shop(tmp_path_factory.mktemp("shop"))
    refresh(folder / "landing", folder / "warehouse")
    return folder


@pytest.fixture(scope="module")
def refreshed_again(
    refreshed_shop: Path, tmp_path_factory: pytest.TempPathFactory, refresh: Refresh
) -> Path:
    """Another warehouse of the same shop."""
    warehouse = tmp_path_factory.mktemp("again") / "warehouse"
    refresh(refreshed_shop / "landing", warehouse)
    return warehouse


def differing_tables(one: Path, two: Path) -> list[str]:
    tables = published_tables(one)
    assert len(tables) > 15
    return [table for table in tables if differences(one, two, table)]


def test_two_refreshes_give_equal_marts(refreshed_shop: Path, refreshed_again: Path) -> None:
    one, two = published_file(refreshed_shop / "warehouse"), published_file(refreshed_again)
    assert differing_tables(one, two) == []


def test_a_full_refresh_doubles_nothing_and_what_fails_after_it_is_a_warning(
    refreshed_shop: Path, refreshed_again: Path, refresh: Refresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_PUBLISH__KEEP_VERSIONS", "1")
    monkeypatch.setenv("REGULARS_PUBLISH__KEEP_DAYS", "1")
    broken = version_folder(refreshed_again, "20200101T000000000Z")
    broken.mkdir()  # without its file nobody knows how old it is
    finished = refresh(refreshed_shop / "landing", refreshed_again, "--full")
    broken.rmdir()
    version = current_version(refreshed_again)
    trouble = f"published as {version}, but old versions could not be removed"
    assert f"Warning: {trouble}" in words_of(finished)
    assert f"Published version {version}" in words_of(finished)
    found = last_trouble(refreshed_again)
    assert found is not None
    assert (found.is_published, found.message.startswith(trouble)) == (True, True)
    assert rows(
        work_file(refreshed_again),
        "select status, version, starts_with(error, 'published as') from state.runs "
        "order by run_id desc limit 1",
    ) == [("published", version, True)]

    one, two = published_file(refreshed_shop / "warehouse"), published_file(refreshed_again)
    assert differing_tables(one, two) == []
    assert rows(two, "select count(*) from core.fct_order_lines") == [(len(SHOP),)]


def test_a_past_as_of_date_counts_nothing_from_it_on(shop: Path, refresh: Refresh) -> None:
    write_orders(
        shop / "landing/shop/orders2.csv",
        [("6", "cai@mail.example", "tea", "2026-03-02 09:00", "1", "3.50")],
    )
    said = refresh(shop / "landing", shop / "warehouse", "--as-of", "2026-02-10")
    contacts = "shop/orders2.csv: 1 of 1 customer ids look like phone numbers or e-mail addresses"
    assert f"Warning: {contacts}" in words_of(said)
    assert contacts in (shop / "warehouse/work/logs/refresh.log").read_text()
    published = published_file(shop / "warehouse")
    assert rows(published, "select customer_id, frequency, recency_days from marts.rfm") == [
        ("shop:Ann", 1, 36)
    ]
    assert rows(published, "select as_of_date from marts.about") == [(date(2026, 2, 10),)]


@pytest.mark.slow  # three refreshes; test_mine_recommendations.py holds when lists are due
def test_mining_by_the_week_leaves_what_was_found_for_days(shop: Path, refresh: Refresh) -> None:
    weekly = {"REGULARS_MINING__EVERY_DAYS": "7"}
    warehouse = shop / "warehouse"
    dates = """
        select
            (select as_of_date from marts.about),
            (select list(distinct mined_as_of) from marts.recommendations),
            (select list(distinct mined_as_of) from marts.clv_models)
    """
    listed = "select customer_id, product_id from marts.recommendations order by all"
    refresh(shop / "landing", warehouse, environment=weekly)
    published = published_file(warehouse)
    ((begin, lists_of, _),) = rows(published, dates)
    assert lists_of == [begin]
    before = rows(published, listed)
    customer, product = before[0]

    def buy(number: str, day: date) -> None:
        line = (number, customer[5:], product[5:], f"{day} 09:00", "1", "3.50")
        write_orders(shop / f"landing/shop/orders{number}.csv", [line])
        refresh(shop / "landing", warehouse, environment=weekly)

    buy("21", begin + timedelta(days=5))
    assert rows(published, dates) == [
        (begin + timedelta(days=6), [begin], [begin + timedelta(days=6)])
    ]
    assert set(rows(published, listed)) <= set(before)
    assert len(rows(published, "from core.fct_orders where order_id = 'shop:21'")) == 1
    buy("22", begin + timedelta(days=6))
    due = begin + timedelta(days=7)
    assert rows(published, dates) == [(due, [due], [due])]


@pytest.mark.slow  # the sample of tests/faults reads beside a refresh too
def test_a_newer_delivery_replaces_the_older_under_an_open_reader(
    shop: Path, refresh: Refresh
) -> None:
    warehouse = shop / "warehouse"
    refresh(shop / "landing", warehouse)
    first = current_version(warehouse)
    write_orders(
        shop / "landing/shop/orders2.csv", [("2", "Bob", "tea", "2026-02-10 18:30", "3", "3.50")]
    )
    with subprocess.Popen(
        [sys.executable, "-c", READER, published_file(warehouse), str(first)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "reading\n"
        refresh(shop / "landing", warehouse)
        out, error = reader.communicate(timeout=30)
    assert error == ""
    assert int(out) > 10
    assert versions(warehouse) == [first, current_version(warehouse)]
    assert rows(
        published_file(warehouse),
        "select quantity, net_revenue from core.fct_order_lines where order_id = 'shop:2'",
    ) == [(Decimal("3.0000"), Decimal("10.5000"))]
    assert rows(published_file(warehouse), "select count(*) from core.fct_order_lines") == [
        (len(SHOP),)
    ]


# Opens the file again and again until a newer version is there; every version is whole.
READER = """
import sys, duckdb
reads, version = 0, ""
print("reading", flush=True)
while version <= sys.argv[2]:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        lines, daily = connection.execute(
            "select (select sum(net_revenue) from core.fct_order_lines),"
            " (select sum(net_revenue) from marts.sales_daily)"
        ).fetchone()
        (version,) = connection.execute("select max(version) from marts.about").fetchone()
    assert lines == daily, (lines, daily)
    reads += 1
print(reads)
"""


def test_too_many_rejected_rows_stop_the_refresh_and_the_last_version_stays(
    refreshed_shop: Path, refresh: Refresh
) -> None:
    warehouse, bad_file = refreshed_shop / "warehouse", "landing/shop/orders2.csv"
    before = current_version(warehouse)
    write_orders(
        refreshed_shop / bad_file, [("6", "Cai", "tea", "2026-03-03 10:00", "one", "3.50")] * 3
    )
    failed = refresh(refreshed_shop / "landing", warehouse, succeeds=False)
    (refreshed_shop / bad_file).unlink()
    assert failed.returncode == 1
    message = words_of(failed)
    assert "quantity" in message
    assert "orders2.csv" in message
    assert "Traceback" not in message
    assert current_version(warehouse) == before
    failure = last_trouble(warehouse)
    assert failure is not None
    assert "quantity" in failure.message
    assert rows(work_file(warehouse), "select status from state.runs order by run_id") == [
        ("published",),
        ("failed",),
    ]
    assert rows(work_file(warehouse), "select count(*) from raw.order_lines") == [(len(SHOP),)]


def test_sources_that_deliver_nothing_are_told_though_nothing_is_new(
    refreshed_shop: Path, refresh: Refresh, tmp_path: Path
) -> None:
    shop = shutil.copytree(refreshed_shop, tmp_path / "shop", symlinks=True)
    with duckdb.connect(work_file(shop / "warehouse")) as connection:
        connection.execute(
            "insert into raw.loads by name "
            "select * replace (2 as load_id, 'till' as source) from raw.loads where load_id = 1; "
            "update raw.loads set loaded_at = now() - interval 5 days"
        )
    (shop / "landing/shop/order.csv").touch()
    (shop / "landing/market").mkdir()
    (shop / "landing/market/orders.csv").touch()
    file = str(tmp_path / "told.json")
    tell = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    silent, missing = "shop: nothing new has come for 5 days", "till: its mapping is gone"

    def night(command: str, *, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        return refresh(
            *(shop / "landing", shop / "warehouse"),
            succeeds=succeeds,
            environment={
                "REGULARS_NOTICES__COMMAND": json.dumps([sys.executable, "-c", command, file])
            },
        )

    killed = night("import os; os.kill(os.getppid(), 9)", succeeds=False)  # and nobody was told
    assert killed.returncode == -9
    said = night(tell)
    for words in ("Nothing new in", f"Warning: {silent}", f"Warning: {missing}"):
        assert words in words_of(said)
    notice = json.loads(Path(file).read_text())
    assert notice["event"] == "warning"
    assert notice["message"].startswith(f"nothing is new\n{silent}\n{missing}")
    night(tell)
    again = json.loads(Path(file).read_text())
    assert again["message"].startswith(f"nothing is new\n{missing}")
    log = (shop / "warehouse/work/logs/refresh.log").read_text()
    assert "shop/order.csv: read by no entity" in log
    assert "market: has files but no mapping" in log


def test_two_currencies_need_a_word(shop: Path, refresh: Refresh) -> None:
    (shop / "sources/export.yml").write_text(
        MAPPING.replace("source: shop", "source: export").replace("CNY", "EUR")
    )
    write_orders(shop / "landing/export/orders1.csv", SHOP)
    failed = refresh(shop / "landing", shop / "warehouse", succeeds=False)
    assert failed.returncode == 1
    assert "orders come in CNY, EUR: set reporting_currency" in words_of(failed)
    assert current_version(shop / "warehouse") is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("shopp", ["unknown source 'shopp'", "shop", "complete_journey"]),
        ("northwind", ["northwind.yml", "landing/northwind does not exist"]),
    ],
)
def test_a_source_that_is_not_there(
    refreshed_shop: Path, refresh: Refresh, source: str, words: list[str]
) -> None:
    failed = refresh(
        refreshed_shop / "landing",
        refreshed_shop / "warehouse",
        *("--source", source),
        succeeds=False,
    )
    assert failed.returncode == 1
    for word in words:
        assert word in words_of(failed)


def words_of(finished: subprocess.CompletedProcess[str]) -> str:
    """What was printed, without its line breaks."""
    return " ".join((finished.stdout + finished.stderr).split())
