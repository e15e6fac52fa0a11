from datetime import date, timedelta


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
    assert "behaviour.irregular_share" in result.stderr
    assert "behaviour.unknown" in result.stderr


def test_settings_of_a_file_and_of_the_command_line(run, tmp_path):
    settings = tmp_path / "shop.toml"
    settings.write_text("customers = 100\nyears = 1\nseed = 5\n")
    result = run("generate", "--out", tmp_path / "a", "--settings", settings, "--seed", "6")
    assert result.exit_code == 0, result.output
    written = (tmp_path / "a" / "truth" / "settings.json").read_text("utf-8")
    assert '"customers": 100' in written
    assert '"seed": 6' in written
