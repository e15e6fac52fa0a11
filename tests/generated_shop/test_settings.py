"""Which settings a generated shop can have; what they do is the subject of the other tests."""

import math

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
    read_settings,
)

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
    for name in vars(getattr(ShopSettings(), section)):
        with pytest.raises(ValidationError, match=rf"\.{name} must be from its floor"):
            ShopSettings.model_validate({section: {name: value}})


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("planted", "salesperson_spread", 1.01),
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


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("shop.json", "[1]", "list"),
        ("shop.json", "null", "NoneType"),
        ("shop.json", "3", "int"),
    ],
)
def test_a_file_that_is_no_table(tmp_path, name, text, kind):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"settings are a table .* not a {kind}"):
        read_settings(tmp_path / name)


def test_settings_written_are_read_again(tmp_path):
    settings = ShopSettings(customers=5, planted=Planted(bundle_strengths=(), decoy_rates=(1.0,)))
    file = tmp_path / "settings.json"
    file.write_text(settings.model_dump_json(), "utf-8")
    assert read_settings(file) == settings
    assert read_settings(file, customers=6, seed=None).customers == 6
