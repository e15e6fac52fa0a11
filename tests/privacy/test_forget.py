"""Forgetting people for good, as an operator does it, and what later nights make of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from flows.compaction import compact
from flows.privacy.look_ups import look_ups
from flows.publish.versions import current_version, published_file, versions
from flows.work_file import work_file
from tests.conftest import Refresh
from tests.privacy.conftest import write_shop
from tests.privacy.test_personal_data_stays_in import found_in

Regulars = Callable[..., subprocess.CompletedProcess[str]]
THEIRS = [
    *("ann7", "ANN7", "Ann Lee", "ann.lee@mail.example", "555 0101", "Peony Lane", "oolong"),
    *("bob8", "BOB8", "bob@mail.example", "555 0102", "1 Elm"),
]
MONEY = """
select
    (select sum(net_revenue) from core.fct_order_lines),
    (select sum(net_revenue) from marts.sales_daily),
    (select sum(amount) from core.fct_coupon_redemptions)
"""


@pytest.fixture(scope="module")
def regulars(prefect_api: str) -> Regulars:
    """Run `regulars` in a folder."""

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("regulars"), *arguments],
            cwd=folder,
            env=os.environ | {"PREFECT_API_URL": prefect_api, "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, refresh: Refresh, regulars: Regulars) -> Path:
    """A shop that published twice, exported one person, and forgot two, beside its old files."""
    folder = write_shop(tmp_path_factory.mktemp("forget"))
    refresh(folder / "landing", folder / "warehouse")
    shutil.copytree(folder / "landing", folder / "archive")
    (folder / "money.txt").write_text(str(rows(folder, MONEY)))
    assert regulars(folder, "person", "shop:ANN7", "--export", "ann.json").returncode == 0
    before = current_version(folder / "warehouse")
    forgotten = regulars(folder, "forget", "shop:ANN7", "shop:BOB8", "--yes")
    assert forgotten.returncode == 0, forgotten.stdout + forgotten.stderr
    assert versions(folder / "warehouse") == [current_version(folder / "warehouse")]
    assert before not in versions(folder / "warehouse")
    return folder


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(published_file(folder / "warehouse"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def leaks(folder: Path) -> dict[str, list[str]]:
    """Files of a folder, the archive apart, that hold anything of the two."""
    searched = [path for path in folder.rglob("*") if path.is_file()]
    assert {"regulars.duckdb", "restricted.duckdb", "record.jsonl"} <= {
        one.name for one in searched
    }
    return {
        str(path.relative_to(folder)): found
        for path in searched
        if not path.is_relative_to(folder / "archive") and (found := found_in(path, THEIRS))
    }


def test_no_byte_of_theirs_is_left(shop: Path) -> None:
    assert leaks(shop) == {}
    assert found_in(work_file(shop / "warehouse"), ["CAI9"]) == ["CAI9"]  # others stay


def test_their_money_stays(shop: Path) -> None:
    assert str(rows(shop, MONEY)) == (shop / "money.txt").read_text()
    by_customer = (
        "select customer_id, sum(net_revenue) from core.fct_orders group by all order by all"
    )
    assert rows(shop, by_customer) == [
        ("anonymous", Decimal("9.0000")),
        ("erased", Decimal("19.5000")),
        ("shop:CAI9", Decimal("3.5000")),
    ]


@pytest.mark.parametrize("mart", ["customers", "rfm", "clv"])
def test_the_erased_have_no_scores(shop: Path, mart: str) -> None:
    assert rows(shop, f"select customer_id from marts.{mart}") == [("shop:CAI9",)]


def test_the_erasure_is_recorded_without_them(shop: Path) -> None:
    with duckdb.connect(work_file(shop / "warehouse"), read_only=True) as connection:
        erasures = connection.execute(
            "select erasure_id, people, rows_deleted, rows_kept, files_rewritten "
            "from state.erasures"
        ).fetchall()
        hashes = connection.execute("select customer_hash from state.erased_customers").fetchall()
    assert erasures == [(1, 2, 5, 7, 5)]
    assert len(hashes) == 3  # theirs, and the word that a mapping in upper case makes of `erased`
    assert all(len(text) == 64 for (text,) in hashes)


def test_the_look_up_stays_without_them_and_the_export_goes(shop: Path) -> None:
    (one,) = look_ups(shop / "warehouse")
    assert (one.action, one.customer_id, one.path) == ("exported", "erased", None)
    assert not (shop / "ann.json").exists()


def test_a_word_for_people_nobody_knows(shop: Path, regulars: Regulars) -> None:
    before = current_version(shop / "warehouse")
    unknown = regulars(shop, "forget", "shop:nobody", "--yes")
    assert unknown.returncode == 1
    assert "nothing is held of 'shop:nobody'" in unknown.stderr
    assert current_version(shop / "warehouse") == before
    assert not (shop / "warehouse/work/last_failure.json").exists()
    # Of one who was forgotten before, what an interruption may have left is done again.
    assert regulars(shop, "forget", "shop:ANN7", "--yes").returncode == 0
    assert current_version(shop / "warehouse") == before


def test_the_same_files_do_not_bring_them_back(
    shop: Path, refresh: Refresh, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    shutil.copytree(shop, folder, symlinks=True)
    nothing_new = refresh(folder / "landing", folder / "warehouse")
    assert "Nothing new" in nothing_new.stdout
    shutil.rmtree(folder / "landing")
    (folder / "archive").rename(folder / "landing")
    refresh(folder / "landing", folder / "warehouse")
    shutil.rmtree(folder / "landing")
    assert leaks(folder) == {}
    assert str(rows(folder, MONEY)) == (shop / "money.txt").read_text()


def test_compaction_leaves_nothing_of_deleted_rows(tmp_path: Path) -> None:
    path = tmp_path / "regulars.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create schema raw; create schema staging")
        connection.execute(
            "create table raw.people (id integer primary key, name varchar not null)"
        )
        connection.execute("comment on table raw.people is 'a table'")
        connection.execute("comment on column raw.people.name is 'a column'")
        connection.execute(
            "insert into raw.people select i, 'SECRET ' || i from range(200000) t(i)"
        )
        connection.execute('create view staging.people as from "regulars"."raw"."people"')
        connection.execute("comment on view staging.people is 'a view'")
        connection.execute("checkpoint")
        connection.execute("delete from raw.people where id < 199000")
    assert b"SECRET 1\0" in path.read_bytes() or b"SECRET 10" in path.read_bytes()
    size = path.stat().st_size
    compact(path)
    assert path.stat().st_size < size / 2
    assert b"SECRET 10" not in path.read_bytes()
    assert [one.name for one in tmp_path.iterdir()] == ["regulars.duckdb"]
    with duckdb.connect(path) as connection:
        assert connection.execute("select count(*) from staging.people").fetchall() == [(1000,)]
        assert connection.execute(
            "select comment from duckdb_tables() union all "
            "select comment from duckdb_views() where not internal union all "
            "select comment from duckdb_columns() where comment is not null order by all"
        ).fetchall() == [("a column",), ("a table",), ("a view",)]
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into raw.people values (199500, 'again')")
