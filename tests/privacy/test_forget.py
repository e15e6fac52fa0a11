"""Forgetting people for good, as an operator does it, and what later nights make of it."""

import errno
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.compaction import compact
from flows.load.raw_tables import create_raw_tables
from flows.privacy import forget as forgetting
from flows.privacy.forget import Erasure, ForgetError, UnknownCustomerError, forget
from flows.privacy.journal import ErasurePlan, journal_file, read_journal, write_journal
from flows.privacy.look_ups import look_ups, record_file
from flows.publish.versions import current_version, published_file, versions
from flows.settings import RefreshSettings
from flows.upgrade import FORMAT
from flows.work_file import open_database, sole_refresh, work_file
from tests.conftest import Refresh
from tests.privacy.canaries import found_in
from tests.privacy.conftest import Regulars

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


# `regulars forget` that also keeps what lies on the disk after the publish, before anything else: a
# kill at that moment leaves just that.
FORGET = """
import shutil, sys
from pathlib import Path
from flows.privacy.landing_files import Rewriting

put_in_place = Rewriting.put_in_place

def copied_before(rewriting):
    shutil.copytree(Path.cwd(), Path.cwd().with_name("interrupted"), symlinks=True)
    put_in_place(rewriting)

Rewriting.put_in_place = copied_before
from regulars.cli import app
app(["forget", "shop:ANN7", "shop:BOB8", "--yes"])
"""


@pytest.fixture(scope="module")
def shop(copied: Path, regulars: Regulars, prefect_api: str) -> Path:
    """A shop that exported one person, and forgot two, beside its old files."""
    shutil.copytree(copied / "landing", copied / "archive")
    (copied / "money.txt").write_text(str(rows(copied, MONEY)))
    assert regulars(copied, "person", "shop:ANN7", "--export", "ann.json").exit_code == 0
    before = current_version(copied / "warehouse")
    left = copied.with_name("temporary") / ".0.regulars-check"  # by a killed `source check`
    left.mkdir(parents=True)
    (left / "check.duckdb").write_text("Ann Lee")
    forgotten = subprocess.run(
        [sys.executable, "-c", FORGET],
        cwd=copied,
        env=os.environ
        | {"PREFECT_API_URL": prefect_api, "COLUMNS": "100", "TMPDIR": str(left.parent)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert forgotten.returncode == 0, forgotten.stdout + forgotten.stderr
    assert versions(copied / "warehouse") == [current_version(copied / "warehouse")]
    assert before not in versions(copied / "warehouse")
    return copied


@pytest.fixture
def interrupted(shop: Path, tmp_path: Path) -> Path:
    """The same, as a kill just after the publish leaves it."""
    folder = tmp_path / "interrupted"
    shutil.copytree(shop.with_name("interrupted"), folder, symlinks=True)
    record = record_file(folder / "warehouse")
    record.write_text(record.read_text().replace(str(shop), str(folder)))
    return folder


def forget_in(folder: Path, *customers: str) -> Erasure:
    settings = RefreshSettings(
        landing=folder / "landing", warehouse=folder / "warehouse", mappings=folder / "sources"
    )
    return forget(settings, customers)


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
        "select customer_id, sum(net_revenue) from core.fct_orders "
        "where source = 'shop' group by all order by all"
    )
    assert rows(shop, by_customer) == [
        ("anonymous", Decimal("9.0000")),
        ("erased", Decimal("19.5000")),
        ("shop:CAI9", Decimal("3.5000")),
    ]


@pytest.mark.parametrize("mart", ["customers", "rfm", "clv"])
def test_the_erased_have_no_scores(shop: Path, mart: str) -> None:
    assert rows(shop, f"select customer_id from marts.{mart} order by all") == [
        ("club:7",),
        ("shop:CAI9",),
    ]


def test_the_erasure_is_recorded_without_them(shop: Path) -> None:
    with duckdb.connect(work_file(shop / "warehouse"), read_only=True) as connection:
        erasures = connection.execute(
            "select erasure_id, people, rows_deleted, rows_kept, files_rewritten "
            "from state.erasures"
        ).fetchall()
        hashes = connection.execute("select customer_hash from state.erased_customers").fetchall()
    assert erasures == [(1, 2, 5, 7, 5)]
    # Their ids, what stands for these in files, and what a mapping in upper case makes of `erased`.
    assert len(hashes) == 5
    assert all(len(text) == 64 for (text,) in hashes)


def test_the_look_up_stays_without_them_and_the_export_goes(shop: Path) -> None:
    (one,) = look_ups(shop / "warehouse")
    assert (one.action, one.customer_id, one.path) == ("exported", "erased", None)
    assert not (shop / "ann.json").exists()


def test_nothing_is_left_of_the_erasure_itself(shop: Path) -> None:
    assert not journal_file(shop / "warehouse").exists()
    assert list(shop.rglob("*forgetting*")) == []
    assert list(shop.with_name("temporary").glob(".*.regulars-check")) == []


def test_a_word_for_people_nobody_knows(shop: Path, regulars: Regulars) -> None:
    before = current_version(shop / "warehouse")
    unknown = regulars(shop, "forget", "shop:nobody", "--yes")
    assert unknown.exit_code == 1
    assert "nothing is held of 'shop:nobody'" in unknown.stderr
    assert current_version(shop / "warehouse") == before
    assert not (shop / "warehouse/work/last_failure.json").exists()
    # Of one who was forgotten before there is nothing to do, and no reason to complain.
    assert forget_in(shop, "shop:ANN7").files_rewritten == []
    assert current_version(shop / "warehouse") == before


def test_the_journal_tells_what_raw_no_longer_does(interrupted: Path) -> None:
    file = journal_file(interrupted / "warehouse")
    assert file.stat().st_mode & 0o777 == 0o600
    (plan,) = read_journal(interrupted / "warehouse")
    assert plan.ids == ("ANN7", "BOB8")
    assert {"Ann Lee", "+86 555 0101", "1 Elm", "bob@mail.example"} <= set(plan.traits)
    assert sorted(line for _, _, line in plan.rejected) == [7, 8, 10]
    assert found_in(interrupted / "landing/shop/orders1.csv", ["ann7", "Ann Lee", "bob8"])


@pytest.mark.parametrize("customers", [("shop:ANN7", "shop:BOB8"), ("shop:BOB8",)])
def test_a_second_call_finishes_whomever_it_is_for(
    interrupted: Path, customers: tuple[str, ...]
) -> None:
    notes = interrupted / "landing/shop/notes.txt"
    notes.write_text("call bob@mail.example about the 1 Elm order")
    erasure = forget_in(interrupted, *customers)
    assert erasure.files_left == [
        "shop/notes.txt: holds a name, an address or a number of theirs (line 1)"
    ]
    assert erasure.exports_removed == [interrupted / "ann.json"]
    notes.unlink()
    shutil.rmtree(interrupted / "archive")
    assert leaks(interrupted) == {}
    assert not journal_file(interrupted / "warehouse").exists()
    assert list(interrupted.rglob("*forgetting*")) == []


def test_what_is_left_is_shown_and_the_exit_code_says_so(
    interrupted: Path, regulars: Regulars
) -> None:
    (interrupted / "landing/shop/notes.txt").write_text("call bob@mail.example")
    (interrupted / "ann.json").write_text("another file by now")
    forgotten = regulars(interrupted, "forget", "shop:ANN7", "--yes")
    assert forgotten.exit_code == 1
    shown = " ".join(forgotten.stdout.split())
    assert "Not rewritten; see to these yourself: shop/notes.txt: holds a name" in shown
    assert "Exports not removed; see to these yourself:" in shown
    assert "not what `regulars person --export` wrote of this person" in shown
    assert (interrupted / "ann.json").read_text() == "another file by now"


def test_a_file_that_cannot_be_rewritten_leaves_the_rest_to_another_call(
    interrupted: Path,
) -> None:
    file = interrupted / "landing/shop/coupons.csv"
    whole = file.read_bytes()
    file.write_bytes(b"PK\x03\x04 no CSV any more")
    with pytest.raises(ForgetError, match=r"not all files are: shop: .*call it again"):
        forget_in(interrupted, "shop:ANN7", "shop:BOB8")
    assert journal_file(interrupted / "warehouse").exists()
    assert len(versions(interrupted / "warehouse")) == 1  # what could be done is done
    file.write_bytes(whole)
    assert len(forget_in(interrupted, "shop:ANN7").files_rewritten) == 5
    shutil.rmtree(interrupted / "archive")
    assert leaks(interrupted) == {}


def test_what_stops_it_after_the_publish_is_told_as_such(
    interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = "is without them, but landing files, older versions and exports may still hold them: "
    with ExitStack() as another:

        def begin_another(*given: Any) -> Any:  # as a scheduled night, while notices are sent
            another.enter_context(sole_refresh(interrupted / "warehouse"))
            return {}

        monkeypatch.setattr(forgetting, "_mappings", begin_another)
        with pytest.raises(ForgetError, match=f"{done}another refresh .*; call it again"):
            forget_in(interrupted, "shop:ANN7")
    monkeypatch.undo()

    def find_no_room(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(forgetting, "compact", find_no_room)
    with pytest.raises(ForgetError, match=f"{done}no room was left .* copied .*; call it again"):
        forget_in(interrupted, "shop:ANN7")
    assert journal_file(interrupted / "warehouse").exists()


def test_a_journal_of_what_never_took_effect_is_no_order(shop: Path, tmp_path: Path) -> None:
    folder = tmp_path / "people"
    shutil.copytree(shop, folder, symlinks=True)
    before = found_in(folder / "landing/shop/customers.csv", ["CAI9"])
    write_journal(folder / "warehouse", [ErasurePlan("shop", ("shop:CAI9",), ("CAI9",), ("Cai",))])
    forget_in(folder, "shop:ANN7")
    assert found_in(folder / "landing/shop/customers.csv", ["CAI9"]) == before == ["CAI9"]
    assert not journal_file(folder / "warehouse").exists()


def test_a_refresh_clears_what_an_erasure_left_that_never_took_effect(
    shop: Path, refresh: Refresh, tmp_path: Path
) -> None:
    folder = tmp_path / "people"
    shutil.copytree(shop, folder, symlinks=True)
    landing = folder / "landing/shop"
    shutil.copy(landing / "customers.csv", landing / ".customers.csv.forgetting")
    write_journal(folder / "warehouse", [ErasurePlan("shop", ("shop:CAI9",), ("CAI9",), ("Cai",))])
    (landing / "coupons.csv").unlink()  # so the refresh ends early
    ended = refresh(folder / "landing", folder / "warehouse", succeeds=False)
    assert "no file matches coupons.csv" in ended.stderr
    assert list(folder.rglob("*forgetting*")) == []


def test_a_newer_release_s_warehouse_is_left_as_it_is(tmp_path: Path) -> None:
    file = work_file(tmp_path / "warehouse")
    file.parent.mkdir(parents=True)
    with open_database(file) as connection:
        create_raw_tables(connection)
        connection.execute("drop table state.erased_customers")
        connection.execute(
            "insert into state.warehouse values (?, '9.9', 'v9', now())", [FORMAT + 1]
        )
    with pytest.raises(ForgetError, match=r"written by Regulars 9\.9"):
        forget_in(tmp_path, "shop:ANN7")
    with open_database(file) as connection:
        tables = connection.execute("select table_name from duckdb_tables()").fetchall()
    assert ("erased_customers",) not in tables


def test_nobody_is_known_where_nothing_was_loaded(tmp_path: Path) -> None:
    with pytest.raises(UnknownCustomerError):
        forget_in(tmp_path, "shop:ANN7")


@pytest.mark.slow  # a refresh more; test_erasures.py loads the same files again in `make test`
def test_the_same_files_do_not_bring_them_back(
    shop: Path, refresh: Refresh, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    shutil.copytree(shop, folder, symlinks=True)
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
