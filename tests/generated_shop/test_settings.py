"""Which settings a generated shop can have; what they do is the subject of the other tests."""

import math
import tomllib
from datetime import date

import pytest
from pydantic import BaseModel, ValidationError

from regulars.generated_shop.calendar import make_calendar
from regulars.generated_shop.catalogue import make_catalogue
from regulars.generated_shop.settings import (
    MOST_BUNDLES,
    MOST_DECOYS,
    MOST_PRICE_MOVES,
    MOST_SEQUENCES,
    Behaviour,
    Planted,
    ShopSettings,
    example,
    read_settings,
)
from regulars.settings_file import InvalidSettingsError, as_toml, paths

TUPLES_OF_SHARES = ("bundle_strengths", "sequence_strengths", "decoy_rates", "campaign_effects")


def refused(section, name, value):
    """Places of what is wrong, such as planted.price_moves.0.1."""
    with pytest.raises(ValidationError) as raised:
        ShopSettings.model_validate({section: {name: value}})
    return {".".join(map(str, error["loc"])) for error in raised.value.errors()}


@pytest.mark.parametrize("name", TUPLES_OF_SHARES)
@pytest.mark.parametrize("value", [-1, -1e-9, 1.7, math.nan, math.inf, -math.inf])
def test_a_planted_chance_is_from_0_to_1(name, value):
    assert refused("planted", name, [0.5, value]) == {f"planted.{name}.1"}


@pytest.mark.parametrize("name", TUPLES_OF_SHARES)
def test_chances_of_0_and_1_are_possible(name):
    planted = ShopSettings.model_validate({"planted": {name: [0, 1]}}).planted
    assert getattr(planted, name) == (0.0, 1.0)


@pytest.mark.parametrize(
    "name", [name for name, field in Planted.model_fields.items() if type(field.default) is tuple]
)
def test_nothing_planted_is_possible(name):
    planted = ShopSettings.model_validate({"planted": {name: []}}).planted
    assert getattr(planted, name) == ()


@pytest.mark.parametrize(
    ("move", "wrong"),
    [
        ([0.0, -1.5], {"0"}),
        ([-1, -1.5], {"0"}),
        ([0.9, -1.5], {"0"}),
        ([11, -1.5], {"0"}),
        ([math.nan, -1.5], {"0"}),
        ([1.2, 2.0], {"1"}),
        ([1.2, -21], {"1"}),
        ([1.2, -math.inf], {"1"}),
        ([0.5, 2.0], {"0", "1"}),
    ],
)
def test_prices_only_rise_and_demand_only_falls(move, wrong):
    assert refused("planted", "price_moves", [(1.1, -1.0), move]) == {
        f"planted.price_moves.1.{place}" for place in wrong
    }


@pytest.mark.parametrize("move", [(1.0, 0.0), (1.12, -1.5), (10.0, -20.0)])
def test_moves_that_can_be(move):
    assert Planted(price_moves=(move,)).price_moves == (move,)


@pytest.mark.parametrize(
    ("name", "most", "value"),
    [
        ("bundle_strengths", MOST_BUNDLES, 0.5),
        ("sequence_strengths", MOST_SEQUENCES, 0.5),
        ("decoy_rates", MOST_DECOYS, 0.05),
        ("confounded_decoys", MOST_DECOYS, ("business", (0.4, 0.005))),
        ("price_moves", MOST_PRICE_MOVES, (1.1, -1.0)),
    ],
)
def test_no_more_is_planted_than_the_smallest_catalogue_holds(name, most, value):
    planted = ShopSettings.model_validate({"planted": {name: [value] * most}}).planted
    assert len(getattr(planted, name)) == most
    assert refused("planted", name, [value] * (most + 1)) == {f"planted.{name}"}


def test_the_smallest_catalogue_holds_all_at_once():
    planted = Planted(
        bundle_strengths=(0.5,) * MOST_BUNDLES,
        sequence_strengths=(0.5,) * MOST_SEQUENCES,
        decoy_rates=(0.05,) * MOST_DECOYS,
        confounded_decoys=(("business", (0.4, 0.005)),) * MOST_DECOYS,
        price_moves=((1.1, -1.0),) * MOST_PRICE_MOVES,
    )
    calendar = make_calendar(ShopSettings(customers=10, years=1))
    for seed in range(100):
        catalogue = make_catalogue(
            ShopSettings(customers=10, years=1, seed=seed, planted=planted), calendar
        )
        pairs = (catalogue.bundles, catalogue.sequences)
        assert [len(one.first) for one in pairs] == [MOST_BUNDLES, MOST_SEQUENCES]
        assert len({move.product_type for move in catalogue.price_moves}) == MOST_PRICE_MOVES


def numbers(section: type[BaseModel]) -> list[str]:
    return [name for name, field in section.model_fields.items() if field.annotation is float]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("section", "name"),
    [("behaviour", name) for name in numbers(Behaviour)]
    + [("planted", name) for name in numbers(Planted)],
)
def test_no_number_is_infinite_or_none(section, name, value):
    assert refused(section, name, value) == {f"{section}.{name}"}


@pytest.mark.parametrize("name", numbers(ShopSettings))
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_number_of_the_shop_is_infinite_or_none(name, value):
    with pytest.raises(ValidationError, match=name):
        ShopSettings.model_validate({name: value})


@pytest.mark.parametrize("section", ["people", "corruption"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_share_of_people_or_records_is_infinite_or_none(section, value):
    for name in type(getattr(ShopSettings(), section)).model_fields:
        assert refused(section, name, value) == {f"{section}.{name}"}


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("planted", "salesperson_spread", 1.01),
        ("planted", "satisfaction_hazard", 1e-300),
        ("planted", "structural_bond_hazard", 11),
        ("planted", "customised_bond_rate", 6),
        ("behaviour", "rate_shape", 1e-300),
        ("behaviour", "rate_shape", 101),
        ("behaviour", "rate_scale_weeks", 1e-300),
        ("behaviour", "rate_scale_weeks", 1e10),
        ("behaviour", "drop_out_shape", 1e300),
        ("behaviour", "drop_out_scale_weeks", 1e-300),
    ],
)
def test_rates_that_no_draw_could_bear(section, name, value):
    assert refused(section, name, value) == {f"{section}.{name}"}


@pytest.mark.parametrize(
    "settings",
    [
        {"behaviour": {"rate_scale_weeks": 0.1}},
        {"behaviour": {"rate_shape": 100}},
        {"years": 30, "behaviour": {"rate_scale_weeks": 3}},
        {"years": 30, "planted": {"customised_bond_rate": 5}},
    ],
)
def test_nobody_buys_more_often_than_orders_have_numbers(settings):
    with pytest.raises(ValidationError, match="order numbers are made for 300"):
        ShopSettings.model_validate(settings)


def test_the_longest_shop_has_the_default_rates():
    assert ShopSettings(years=30, nights=180).behaviour == Behaviour()


def told(file, text, **options):
    """The complaints about a settings file of this text, without the file's name."""
    file.write_text(text, "utf-8")
    with pytest.raises(InvalidSettingsError) as raised:
        read_settings(file, {name: (f"--{name}", value) for name, value in options.items()})
    return [line.removeprefix(f"{file}: ") for line in str(raised.value).splitlines()]


@pytest.mark.parametrize(
    ("text", "complaint"),
    {
        "customers = 0": "customers: expected a whole number, "
        "at least 1, at most 99999999, found 0",
        "years = 'two'": 'years: expected a whole number, at least 1, at most 30, found "two"',
        "customers = true": "customers: expected a whole number, at least 1, at most 99999999, "
        "found true",
        "years = '3'": 'years: expected a whole number, at least 1, at most 30, found "3"',
        "[behaviour]\nirregular_share = true": "behaviour.irregular_share: expected a number, "
        "at least 0, at most 1, found true",
        "last_day = 3": "last_day: expected a date like 2026-12-31, found 3",
        "behaviour = 3": "behaviour: expected a section with settings of its own, found 3",
        "custommers = 3": "custommers: no such setting; did you mean customers?",
        "irregular_share = 0.1": "irregular_share: no such setting; "
        "did you mean behaviour.irregular_share?",
        "[behaviour]\nirregular_share = 2": "behaviour.irregular_share: expected a number, "
        "at least 0, at most 1, found 2",
        "[behaviour]\nprospect_share = 1": "behaviour.prospect_share: expected a number, "
        "at least 0, below 1, found 1",
        "[corruption]\nhomophone = 0.001": "corruption.homophone: expected a number, "
        "at least 0.01, at most 1, found 0.001",
        "[people]\nshare_moved = nan": "people.share_moved: expected a number, "
        "at least 0.05, at most 1, found NaN",
        "[planted]\ndecoy_rates = 0.1": "planted.decoy_rates: expected a list of at most 24, "
        "each a number, at least 0, at most 1, found 0.1",
        f"[planted]\ndecoy_rates = {[0.1] * 25}": "planted.decoy_rates: expected a list of at "
        "most 24, each a number, at least 0, at most 1, found 25 of them",
        "[planted]\ncampaign_effects = [0.1, 7]": "planted.campaign_effects[1]: expected a "
        "number, at least 0, at most 1, found 7",
        "[planted]\nprice_moves = [[1.2, 0], [0.5, 0]]": "planted.price_moves[1][0]: expected a "
        "number, at least 1, at most 10, found 0.5",
        "[planted]\ncampaign_effects = [0.1, true]": "planted.campaign_effects[1]: expected a "
        "number, at least 0, at most 1, found true",
        "[planted]\nbundle_strengths = ['0.3']": "planted.bundle_strengths[0]: expected a "
        'number, at least 0, at most 1, found "0.3"',
        "[planted]\nprice_moves = [[1.2, '-1']]": "planted.price_moves[0][1]: expected a "
        'number, at least -20, at most 0, found "-1"',
        "[planted]\nconfounded_decoys = [['business', [true, 0.1]]]": "planted.confounded_decoys"
        "[0][1][0]: expected a number, at least 0, at most 1, found true",
        "[planted]\nprice_moves = [1.2]": "planted.price_moves[0]: expected "
        "[a number, at least 1, at most 10; a number, at least -20, at most 0], found 1.2",
        "[planted]\nconfounded_decoys = [['rain', [0.3, 0.1]]]": "planted.confounded_decoys[0][0]: "
        'expected one of sale days, business, found "rain"',
        "years = 30\nlast_day = 2000-01-01": "30 years up to 2000-01-01 do not lie between "
        "1991-01-01 and 2049-12-31, with a year before them",
        "years = ": "not valid TOML: Invalid value (at end of document)",
    }.items(),
)
def test_what_is_wrong_is_told_with_its_place_and_what_is_expected(tmp_path, text, complaint):
    assert told(tmp_path / "shop.toml", text) == [complaint]


def test_every_wrong_setting_is_told_at_once(tmp_path):
    text = "years = 0\n[behaviour]\nrate_shape = 0\nunknown_one = 1"
    assert [line.split(":")[0] for line in told(tmp_path / "shop.toml", text)] == [
        *("years", "behaviour.rate_shape", "behaviour.unknown_one"),
    ]


def test_settings_that_do_not_fit_together_are_told_with_their_places(tmp_path):
    options = {"years": ("--years", 30), "last_day": ("--until", date(2010, 1, 1))}
    with pytest.raises(InvalidSettingsError, match=r"^--years, --until: 30 years up to 2010-01-01"):
        read_settings(None, options)
    file = tmp_path / "shop.toml"
    file.write_text("last_day = 2010-01-01")
    with pytest.raises(InvalidSettingsError) as raised:
        read_settings(file, {"years": ("--years", 30)})
    assert str(raised.value).startswith(f"{file} with --years: 30 years up to 2010-01-01")


def test_a_wrong_option_is_told_as_the_option(tmp_path):
    assert told(tmp_path / "shop.toml", "nights = 3", nights=200) == [
        "--nights: expected a whole number, at least 0, at most 180, found 200"
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    {
        "[1]": "expected an object with settings, found [1]",
        "null": "expected an object with settings, found null",
        "{": "not valid JSON: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
    }.items(),
)
def test_a_json_file_that_is_no_table(tmp_path, text, complaint):
    assert told(tmp_path / "shop.json", text) == [complaint]


def test_a_file_that_is_not_there_names_what_writes_one(tmp_path):
    with pytest.raises(InvalidSettingsError, match=r"`regulars generate --example > .*` writes"):
        read_settings(tmp_path / "none.toml", {})


def test_the_example_is_complete_and_holds_the_defaults(tmp_path):
    file = tmp_path / "shop.toml"
    file.write_text(example(), "utf-8")
    assert read_settings(file, {}) == ShopSettings()
    written = tomllib.loads(example())
    told_ones = [
        f"{name}.{inner}" if isinstance(value, dict) else name
        for name, value in written.items()
        for inner in (value if isinstance(value, dict) else [name])
    ]
    assert told_ones == paths(ShopSettings)
    assert "None" not in example()


def test_settings_written_are_read_again(tmp_path):
    settings = ShopSettings(customers=5, planted=Planted(bundle_strengths=(), decoy_rates=(1.0,)))
    file = tmp_path / "settings.json"
    file.write_text(settings.model_dump_json(), "utf-8")
    assert read_settings(file, {}) == settings
    options = {"customers": ("--customers", 6), "seed": ("--seed", None)}
    assert read_settings(file, options).customers == 6
    file.with_suffix(".toml").write_text(as_toml(settings), "utf-8")
    assert read_settings(file.with_suffix(".toml"), {}) == settings
