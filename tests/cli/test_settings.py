import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from flows.project import project_folder
from flows.settings import RefreshSettings
from regulars.settings import example, load_settings
from regulars.settings_file import InvalidSettingsError, as_toml


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def complaints(config: Path | None = None, **options: object) -> list[str]:
    with pytest.raises(InvalidSettingsError) as caught:
        load_settings(config, options)
    return str(caught.value).splitlines()


def test_defaults_alone(tmp_path):
    settings = load_settings()
    assert type(settings) is RefreshSettings  # the flow must not read the environment again
    assert settings.warehouse == tmp_path / "warehouse"
    assert settings.model_dump(exclude={"landing", "warehouse", "mappings"}) == (
        RefreshSettings().model_dump(exclude={"landing", "warehouse", "mappings"})
    )


def test_command_line_over_environment_over_file_over_default(monkeypatch):
    assert load_settings().mining.maximum_rules == 200
    write(
        Path("regulars.toml"), "warehouse = 'file'\n[mining]\nmaximum_rules = 10\nmaximum_items = 4"
    )
    assert load_settings().mining.maximum_rules == 10
    monkeypatch.setenv("REGULARS_MINING__MAXIMUM_RULES", "20")
    monkeypatch.setenv("REGULARS_WAREHOUSE", "variable")
    settings = load_settings()
    assert settings.mining.maximum_rules == 20
    assert settings.mining.maximum_items == 4  # the rest of the file's section stays
    assert settings.warehouse == Path("variable").absolute()
    settings = load_settings(None, {"warehouse": Path("option"), "landing": None})
    assert settings.warehouse == Path("option").absolute()


def test_paths_are_relative_to_where_they_are_written(tmp_path, monkeypatch):
    config = write(tmp_path / "etc" / "shop.toml", "landing = 'in'\nmappings = '/srv/mappings'")
    monkeypatch.setenv("REGULARS_MAPPINGS", "mine")
    settings = load_settings(config)
    assert settings.landing == tmp_path / "etc" / "in"
    assert settings.warehouse == tmp_path / "etc" / "warehouse"  # as if the default were written
    assert settings.mappings == tmp_path / "mine"
    monkeypatch.delenv("REGULARS_MAPPINGS")
    assert load_settings(config).mappings == Path("/srv/mappings")


def test_toml_values_are_exact(tmp_path):
    config = write(
        tmp_path / "a.toml",
        "as_of = 2017-12-31\nsources = ['b', 'a']\n[mining]\nminimum_support = 0.005\n"
        "[rfm]\nwindow_days = 365\n",
    )
    settings = load_settings(config)
    assert settings.as_of == date(2017, 12, 31)
    assert settings.sources == ["b", "a"]
    assert settings.mining.minimum_support == Decimal("0.005")
    assert settings.rfm.window_days == 365


@pytest.mark.parametrize("text", ["a,b", " a , b ", '["a", "b"]'])
def test_a_list_in_the_environment(monkeypatch, text):
    monkeypatch.setenv("REGULARS_SOURCES", text)
    assert load_settings().sources == ["a", "b"]


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("REGULARS_AS_OF", "")
    assert load_settings().as_of is None


@pytest.mark.parametrize(
    "name", ["REGULARS_REAL_DATA", "REGULARS_WORK_FILE", "REGULARS_SMTP_PASSWORD"]
)
def test_variables_that_are_no_settings_do_not_disturb(monkeypatch, name):
    monkeypatch.setenv(name, "somewhere")
    load_settings()


def test_every_wrong_key_of_the_file_has_a_line_of_its_own(tmp_path):
    config = write(
        tmp_path / "regulars.toml",
        "wharehouse = 'x'\nfull = 'perhaps'\nas_of = 'yesterday'\n"
        "[mining]\nminimum_suport = 0.1\nminimum_support = 2\nitem_levels = ['shelf']\n"
        "[clv]\nmaximum_years = 2.5\nmaximum_items = 3\n[rmf]\nwindow_days = 3\n",
    )
    assert sorted(complaints(config)) == sorted(
        f"{config}: {line}"
        for line in (
            "wharehouse: no such setting; did you mean warehouse?",
            'full: expected true or false, found "perhaps"',
            'as_of: expected a date like 2026-12-31, found "yesterday"',
            "mining.minimum_suport: no such setting; did you mean mining.minimum_support?",
            "mining.minimum_support: expected a number, above 0, at most 1, found 2",
            "mining.item_levels: expected a list, each one of product, product_type, category, "
            'department, brand, found "shelf"',
            "clv.maximum_years: expected a whole number, at least 1, found 2.5",
            "clv.maximum_items: no such setting; did you mean mining.maximum_items?",
            "rmf: no such setting; did you mean rfm?",
        )
    )


def test_a_section_that_is_none(tmp_path):
    config = write(tmp_path / "regulars.toml", "mining = 3")
    assert complaints(config) == [
        f"{config}: mining: expected a section with settings of its own, found 3"
    ]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("REGULARS_RFM__WINDOW_DAYS", "soon", 'expected a whole number, at least 1, found "soon"'),
        (
            "REGULARS_FISCAL_YEAR_START_MONTH",
            "13",
            'expected a whole number, at least 1, at most 12, found "13"',
        ),
        (
            "REGULARS_MINING__MINIMUM_LIFTS",
            "3",
            "no such setting; did you mean mining.minimum_lift?",
        ),
        ("REGULARS_WAREHOUS", "x", "no such setting; did you mean REGULARS_WAREHOUSE?"),
        (
            "REGULARS_MINNING__MINIMUM_LIFT",
            "3",
            "no such setting; did you mean REGULARS_MINING__MINIMUM_LIFT?",
        ),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch, variable, value, line):
    monkeypatch.setenv(variable, value)
    assert complaints() == [f"environment: {variable}: {line}"]


def test_a_variable_that_is_not_json(monkeypatch):
    monkeypatch.setenv("REGULARS_MINING", "{")
    assert complaints()[0].startswith("environment: ")


def test_a_wrong_option_is_named():
    assert complaints(as_of="x") == ['--as-of: expected a date like 2026-12-31, found "x"']


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"warehouse = ", "not valid TOML"),
        ("warehouse = '仓库'".encode("gbk"), "expected UTF-8 text, found byte 0xb2 at position 13"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, content, message):
    config = tmp_path / "regulars.toml"
    config.write_bytes(content)
    assert complaints(config)[0].startswith(f"{config}: {message}")


def test_a_missing_file(tmp_path):
    assert "no such settings file" in complaints(tmp_path / "none.toml")[0]


def test_the_example_is_complete_and_holds_the_defaults(tmp_path):
    config = write(tmp_path / "regulars.toml", example())
    assert load_settings(config) == load_settings()
    for name in re.findall(r"^# (\w+) = ", example(), re.M):
        assert name in ("sources", "as_of", "reporting_currency", "window_days", "webhook", "group")
    used = write(tmp_path / "all.toml", re.sub(r"^# (\w+ = )", r"\1", example(), flags=re.M))
    settings = load_settings(used)
    assert None not in settings.model_dump().values()
    assert max(map(len, example().splitlines())) <= 100


def test_the_example_in_the_repository_is_the_written_one():
    written = (project_folder() / "regulars.example.toml").read_text("utf-8")
    assert written == example(), (
        "write it anew: regulars settings --example > regulars.example.toml"
    )


def test_settings_as_toml_are_the_same_settings(tmp_path):
    config = write(tmp_path / "a.toml", 'sources = ["x"]\nas_of = 2020-01-01\nwarehouse = "a\\"b"')
    settings = load_settings(config)
    assert load_settings(write(tmp_path / "b.toml", as_toml(settings))) == settings


def test_the_command_prints_settings_and_example(run):
    assert run("settings", "--example").stdout == example()
    Path("regulars.toml").write_text("full = true")
    result = run("settings")
    assert (result.exit_code, "full = true" in result.stdout) == (0, True)


def test_wrong_settings_end_every_command_with_a_message(run):
    Path("regulars.toml").write_text("fulll = true")
    for command in (["status"], ["sql", "select 1"], ["refresh"], ["source", "list"], ["settings"]):
        result = run(*command)
        assert result.exit_code == 1, command
        assert result.stderr == "Error: regulars.toml: fulll: no such setting; did you mean full?\n"


def test_a_wrong_web_address_is_not_shown(monkeypatch):
    monkeypatch.setenv("REGULARS_NOTICES__WEBHOOK", "https:/example.org/hook?token=Geheim")
    (said,) = complaints()
    assert said == (
        "environment: REGULARS_NOTICES__WEBHOOK: expected a web address; its value, a "
        "secret, is not shown"
    )
