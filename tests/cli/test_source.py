import sys
from pathlib import Path
from types import ModuleType

import pytest

from flows.load.mapping import load_mapping
from flows.project import project_folder

SHOP = """\
source: shop
title: A [shop]
time_zone: Europe/Paris
currency: EUR
reject_limit: 0.5
entities:
  order_lines:
    files: orders*.csv
    columns: by_name
"""
HEADER = "order_id,line_number,ordered_at,customer_id,product_id,quantity,net_revenue\n"


@pytest.fixture
def shop(tmp_path) -> Path:
    """A mapping of one's own and its landing folder; one row of three is wrong."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "shop.yml").write_text(SHOP)
    folder = tmp_path / "landing" / "shop"
    folder.mkdir(parents=True)
    (folder / "orders.csv").write_text(
        HEADER + "1,1,2026-01-02 10:00:00,c,p,1,9.50\n"
        "2,1,2026-01-03 10:00:00,c,p,many,9.50\n"
        "3,1,2026-01-04 10:00:00,c,p,1,1.00\n"
    )
    return folder


def words(text: str) -> str:
    return " ".join(text.split())


def test_list(run, shop):
    result = run("source", "list")
    assert (result.exit_code, result.stderr) == (0, "")
    text = words(result.stdout)
    assert "complete_journey The Complete Journey ready – order_lines, products" in text
    assert "shop A [shop] yours there order_lines" in text
    for ready in (project_folder() / "sources").glob("*.yml"):
        assert ready.stem in text


def test_list_survives_a_broken_mapping(run, shop):
    Path("sources/broken.yml").write_text("source: [")
    text = words(run("source", "list").stdout)
    assert "broken not valid yours – see regulars" in text
    assert "shop A [shop]" in text


def test_list_fits_80_columns(run, shop, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("source", "list").stdout.splitlines()
    assert max(map(len, lines[:-1])) <= 80


def test_show(run, shop):
    result = run("source", "show", "shop")
    assert result.exit_code == 0
    assert "A [shop]" in result.stdout
    assert "order_lines orders*.csv orders.csv" in words(result.stdout)
    assert result.stdout.endswith(SHOP)


def test_show_says_what_is_not_there(run, shop):
    assert "orders.* nothing" in words(run("source", "show", "northwind").stdout)


@pytest.mark.parametrize("command", ["show", "check"])
def test_unknown_source(run, shop, command):
    result = run("source", command, "shopp")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unknown source 'shopp'. Did you mean 'shop'?" in result.stderr
    assert "regulars source new FILE... --name shopp" in result.stderr


@pytest.mark.parametrize("command", ["show", "check"])
def test_broken_mapping(run, shop, command):
    Path("sources/broken.yml").write_text(SHOP.replace("time_zone: Europe/Paris", "zone: x"))
    result = run("source", command, "broken")
    assert result.exit_code == 1
    assert "sources/broken.yml" in result.stderr
    assert "time_zone" in result.stderr
    assert "Traceback" not in result.stderr


def test_check_says_what_would_load_and_what_not(run, shop, tmp_path):
    result = run("source", "check", "shop")
    assert (result.exit_code, result.stderr) == (0, "")
    text = words(result.stdout)
    assert "shop entity records loaded rejected" in text
    assert "orders.csv order_lines 3 2 1" in text
    assert "shop/orders.csv quantity" in text
    assert "many" in text
    assert text.endswith(
        "It would load (judged as if nothing were loaded yet). "
        "What next regulars refresh --source shop"
    )
    assert not (tmp_path / "warehouse").exists()


def test_what_is_proposed_reads_the_same_settings(run, shop, tmp_path):
    (tmp_path / "other.toml").write_text('landing = "landing"\n')
    text = words(run("source", "check", "shop", "--config", "other.toml").stdout)
    assert text.endswith("regulars refresh --config other.toml --source shop")


def test_check_shows_the_value_at_fault_but_no_message_does(run, shop):
    (shop / "orders.csv").write_text(HEADER + "1,1,2026-01-02 10:00:00,c,p,Ann Lee,9.50\n")
    result = run("source", "check", "shop")
    assert "Ann Lee" in result.stdout
    assert "line 2: not a DECIMAL(18,4)" in words(result.stderr)
    assert "Ann Lee" not in result.stderr


def test_check_notes_orders_that_a_later_file_replaces(run, shop):
    (shop / "orders_2.csv").write_text(HEADER + "3,1,2026-01-04 10:00:00,c,p,1,2.00\n")
    text = words(run("source", "check", "shop").stdout)
    assert "Note: shop/orders_2.csv: replaces 1 line of 1 order from shop/orders.csv" in text


def test_check_tells_of_a_file_that_would_be_refused_alone(run, shop):
    (shop / "orders_2.csv").write_text(HEADER + "4,1,2026-01-04 10:00:00,c,p,many,2.00\n")
    result = run("source", "check", "shop")
    assert result.exit_code == 0
    assert (
        "Warning: shop/orders_2.csv would be refused if it came alone: "
        "1 of 1 records rejected, more than the limit of 50.00%"
    ) in words(result.stdout)
    assert "orders.csv would be refused" not in words(result.stdout)


def test_check_warns_of_ids_that_are_contacts(run, shop):
    (shop / "orders_2.csv").write_text(HEADER + "4,1,2026-01-04 10:00:00,ann@mail.example,p,1,2\n")
    text = words(run("source", "check", "shop").stdout)
    assert "Warning: shop/orders_2.csv: 1 of 1 customer ids look like phone numbers" in text


def test_check_exits_with_1_where_the_refresh_would_stop(run, shop):
    (shop / "orders.csv").write_text(HEADER + "1,1,never,c,p,many,9.50\n")
    result = run("source", "check", "shop")
    assert result.exit_code == 1
    assert "the refresh would stop here" in result.stderr
    assert "Traceback" not in result.stderr


def test_files_that_no_entity_reads_are_told(run, shop):
    (shop / "export-2.csv").write_text(HEADER)
    note = "Note: landing/shop/export-2.csv is read by no entity (files: orders*.csv)"
    assert note in run("source", "check", "shop").stdout
    assert note in run("source", "show", "shop").stdout
    for number in range(3, 9):
        (shop / f"export-{number}.csv").write_text(HEADER)
    text = run("source", "show", "shop").stdout
    assert "landing/shop/export-6.csv and 2 more are read by no entity (files: " in text


def test_list_tells_of_folders_without_a_mapping(run, shop):
    (shop.parent / "web").mkdir()
    assert "web" not in run("source", "list").stdout
    (shop.parent / "web" / "my export.csv").write_text(HEADER)
    (shop.parent / "My Web").mkdir()
    (shop.parent / "My Web" / "a.csv").write_text(HEADER)
    text = run("source", "list").stdout
    assert (
        "Note: landing/web has files but no mapping sources/web.yml: not loaded. "
        "Next: regulars source new 'landing/web/my export.csv' --name web\n"
    ) in text
    assert "Note: landing/My Web has files but cannot be a source's: not loaded." in text


def test_check_without_files(run, shop):
    (shop / "orders.csv").unlink()
    result = run("source", "check", "shop")
    assert result.exit_code == 1
    assert "orders*.csv" in result.stderr


@pytest.fixture
def suggestion(monkeypatch) -> list[object]:
    """Stands in for the guess at a mapping, which has tests of its own; keeps what it is given."""
    given: list[object] = []

    def suggest_mapping(name: str, files: list[Path]) -> str:
        given[:] = [name, [file.name for file in files]]
        return SHOP.replace("source: shop", f"source: {name}")

    module = ModuleType("flows.load.suggest")
    module.suggest_mapping = suggest_mapping
    monkeypatch.setitem(sys.modules, "flows.load.suggest", module)
    return given


def test_new_writes_a_mapping_and_says_what_next(run, suggestion, tmp_path):
    Path("Orders 2026.csv").write_text(HEADER)
    Path("b.csv").write_text(HEADER)
    result = run("source", "new", "Orders 2026.csv", "b.csv")
    assert (result.exit_code, result.exception) == (0, None)
    assert suggestion == ["orders_2026", ["Orders 2026.csv", "b.csv"]]
    assert load_mapping(tmp_path / "sources" / "orders_2026.yml").source == "orders_2026"
    assert "Wrote sources/orders_2026.yml" in result.stdout
    assert (
        "mkdir -p landing/orders_2026 && cp 'Orders 2026.csv' b.csv landing/orders_2026/"
        in result.stdout
    )
    assert "regulars source check orders_2026" in result.stdout


def test_new_asks_for_no_copy_of_landed_files(run, suggestion, shop):
    result = run("source", "new", "landing/shop/orders.csv", "--name", "shop", "--force")
    assert result.exit_code == 0
    assert "cp " not in result.stdout


def test_new_never_overwrites_unasked(run, suggestion, shop):
    mine = Path("sources/shop.yml")
    mine.write_text("my work")
    result = run("source", "new", "landing/shop/orders.csv", "--name", "shop")
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert mine.read_text() == "my work"
    arguments = ["landing/shop/orders.csv", "--name", "shop"]
    assert run("source", "new", *arguments, "--out", "other/x.yml").exit_code == 0
    assert Path("other/x.yml").exists()
    assert run("source", "new", *arguments, "--force").exit_code == 0
    assert mine.read_text() == SHOP


@pytest.mark.parametrize(
    "arguments", [[], ["none.csv"], ["landing/shop/orders.csv", "--name", "My Shop"]]
)
def test_new_used_wrongly_exits_with_2(run, suggestion, shop, arguments):
    assert run("source", "new", *arguments).exit_code == 2
    assert not suggestion


def test_new_then_check_without_a_stand_in(run, tmp_path):
    folder = tmp_path / "landing" / "shop"
    folder.mkdir(parents=True)
    (folder / "orders.csv").write_text(
        "order_no;date;customer;sku;qty;price\n"
        "1;2026-01-02 10:00:00;c1;p1;1;9.50\n"
        "1;2026-01-02 10:00:00;c1;p2;2;0.50\n"
    )
    assert run("source", "new", "landing/shop/orders.csv", "--name", "shop").exit_code == 0
    result = run("source", "check", "shop")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "orders.csv order_lines 2 2" in words(result.stdout)
