import resource
from datetime import date, timedelta

import pytest

from regulars.generated_shop.settings import Planted


def test_a_shop_and_what_to_do_with_it(run, tmp_path):
    shop = tmp_path / "shop"
    result = run("generate", "--out", shop, "--customers", "200", "--years", "1", "--nightly", "2")
    assert result.exit_code == 0, result.output
    for source in ("web_shop", "branch_beijing", "loyalty"):
        assert source in result.stdout
    assert "refresh --config" in result.stdout
    assert sorted(path.name for path in (shop / "nights").iterdir()) == ["2026-01-01", "2026-01-02"]


def test_a_folder_that_is_not_empty_is_left_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    result = run("generate", "--out", tmp_path, "--customers", "10")
    assert result.exit_code == 1
    assert "not empty" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_future_is_refused(run, tmp_path):
    tomorrow = date.today() + timedelta(days=1)
    result = run("generate", "--out", tmp_path / "shop", "--until", str(tomorrow))
    assert result.exit_code == 1
    assert "not yet over" in result.stderr
    assert not (tmp_path / "shop").exists()


def test_wrong_settings_are_named(run, tmp_path):
    settings = tmp_path / "shop.toml"
    settings.write_text("[behaviour]\nirregular_share = 2\nunknown = 1\n")
    result = run("generate", "--out", tmp_path / "shop", "--settings", settings)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {settings}: behaviour.irregular_share: expected a number, at least 0, at most 1, "
        f"found 2\n{settings}: behaviour.unknown: no such setting\n"
    )


def test_a_wrong_option_is_named_as_it_was_typed(run, tmp_path):
    result = run("generate", "--out", tmp_path / "shop", "--customers", "100000000")
    assert result.stderr == (
        "Error: --customers: expected a whole number, at least 1, at most 99999999, "
        "found 100000000\n"
    )


def test_the_example_makes_a_shop(run, tmp_path):
    printed = run("generate", "--example")
    assert printed.exit_code == 0
    settings = tmp_path / "shop.toml"
    settings.write_text(printed.stdout, "utf-8")
    options = ("--customers", "50", "--years", "1", "--settings", settings)
    result = run("generate", "--out", tmp_path / "shop", *options)
    assert result.exit_code == 0, result.output


def test_settings_of_a_file_and_of_the_command_line(run, tmp_path):
    settings = tmp_path / "shop.toml"
    settings.write_text("customers = 100\nyears = 1\nseed = 5\n")
    result = run("generate", "--out", tmp_path / "a", "--settings", settings, "--seed", "6")
    assert result.exit_code == 0, result.output
    written = (tmp_path / "a" / "truth" / "settings.json").read_text("utf-8")
    assert '"customers": 100' in written
    assert '"seed": 6' in written


@pytest.mark.parametrize(
    ("name", "text"), [("shop.json", "[1]"), ("shop.json", "null"), ("shop.json", '"years"')]
)
def test_a_settings_file_that_is_no_table(run, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    result = run("generate", "--out", tmp_path / "shop", "--settings", tmp_path / name)
    assert result.exit_code == 1
    assert f"{name}: expected an object with settings, found " in result.stderr
    assert not (tmp_path / "shop").exists()


def test_planted_values_that_cannot_be_leave_no_folder(run, tmp_path):
    settings = tmp_path / "shop.toml"
    settings.write_text("[planted]\nprice_moves = [[0.0, -1.5]]\ncampaign_effects = [0.1, nan]\n")
    result = run("generate", "--out", tmp_path / "shop", "--settings", settings)
    assert result.exit_code == 1
    assert "planted.price_moves[0][0]: expected a number" in result.stderr
    assert "planted.campaign_effects[1]: expected a number" in result.stderr
    assert not (tmp_path / "shop").exists()


def test_too_many_purchases_are_refused_in_words(run, tmp_path):
    settings = tmp_path / "shop.toml"
    settings.write_text("[behaviour]\nrate_scale_weeks = 0.01\n")
    result = run("generate", "--out", tmp_path / "shop", "--settings", settings)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {settings}: who stays for all 3 years")
    assert not (tmp_path / "shop").exists()


def test_a_shop_in_which_nothing_is_planted(run, tmp_path):
    settings = tmp_path / "shop.toml"
    planted = [name for name, field in Planted.model_fields.items() if type(field.default) is tuple]
    settings.write_text("[planted]\n" + "".join(f"{name} = []\n" for name in planted))
    options = ("--customers", "50", "--years", "1", "--settings", settings)
    result = run("generate", "--out", tmp_path / "shop", *options)
    assert result.exit_code == 0, result.output
    assert len(planted) > 4
    assert (tmp_path / "shop" / "regulars.toml").exists()


def test_no_room_is_said_and_the_half_written_folder_too(run, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        result = run("generate", "--out", "shop", "--customers", "50", "--years", "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.exit_code == 1
    assert "could not be written into shop: File too large" in result.stderr
    assert "half a shop" in result.stderr
    assert any((tmp_path / "shop").iterdir())


def test_a_folder_that_cannot_be_made_is_named(run, tmp_path):
    (tmp_path / "file").write_text("no folder")
    result = run("generate", "--out", "file/shop", "--customers", "50", "--years", "1")
    assert result.exit_code == 1
    assert "could not be written into file/shop: Not a directory" in result.stderr
    assert "half a shop" not in result.stderr
    assert (tmp_path / "file").read_text() == "no folder"
