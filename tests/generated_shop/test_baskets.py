"""What was planted in the baskets is there with its strength, and decoys are related to nothing."""

import numpy as np
import pytest
from scipy import stats

from regulars.generated_shop.baskets import MERCHANDISE
from regulars.generated_shop.chunks import draw_buyers
from regulars.generated_shop.settings import ShopSettings
from regulars.generated_shop.world import make_world

PEOPLE = 10_000
CHUNKS = 3
LEAST_P = 1e-4


@pytest.fixture(scope="module")
def world():
    return make_world(ShopSettings(customers=PEOPLE * CHUNKS))


@pytest.fixture(scope="module")
def baskets(world):
    """Order, person, day and product of each line of merchandise, over the chunks."""
    parts = []
    for number in range(CHUNKS):
        _, _, _, purchases, lines = draw_buyers(world, number, PEOPLE)
        here = lines.kind == MERCHANDISE
        order = lines.order[here]
        parts.append(
            (
                order + number * 10_000_000,
                purchases.person[order] + number * PEOPLE,
                purchases.day[order],
                lines.product[here],
                lines.quantity[here],
            )
        )
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def orders_with(baskets, product):
    return np.unique(baskets[0][baskets[3] == product])


def test_bundles_have_their_strength(world, baskets):
    bundles = world.catalogue.bundles
    orders = len(np.unique(baskets[0]))
    for first, second, strength in zip(
        bundles.first, bundles.second, bundles.strength, strict=True
    ):
        with_first, with_second = orders_with(baskets, first), orders_with(baskets, second)
        together = len(np.intersect1d(with_first, with_second))
        alone = (len(with_second) - together) / (orders - len(with_first))
        expected = strength + (1 - strength) * alone
        assert len(with_first) > 30
        assert stats.binomtest(together, len(with_first), expected).pvalue > LEAST_P


def test_sequences_have_their_strength(world, baskets):
    """Among people who order again more than 400 days after the first, by when the wait is over."""
    sequences = world.catalogue.sequences
    _, person, day, product, _ = baskets
    last_day = np.zeros(person.max() + 1)
    np.maximum.at(last_day, person, day)
    met = 0
    for first, second, strength in zip(
        sequences.first, sequences.second, sequences.strength, strict=True
    ):
        begun = {}
        for who, when in zip(
            person[product == first].tolist(), day[product == first].tolist(), strict=True
        ):
            begun[who] = min(when, begun.get(who, np.inf))
        waited = {who: when for who, when in begun.items() if last_day[who] > when + 400}
        followed = {
            who
            for who, when in zip(
                person[product == second].tolist(), day[product == second].tolist(), strict=True
            )
            if who in waited and when > waited[who] + 20
        }
        # several orders of the first give several chances: the strength is the least
        assert (
            stats.binomtest(len(followed), len(waited), strength, alternative="less").pvalue
            > LEAST_P
        )
        met += len(waited)
    assert met > 500


def test_decoys_lie_in_their_share_of_the_baskets_and_go_with_nothing(world, baskets):
    order = baskets[0]
    orders = np.unique(order)
    catalogue = world.catalogue
    with_decoy = [orders_with(baskets, decoy) for decoy in catalogue.decoys]
    for found, rate in zip(with_decoy, catalogue.decoy_rates, strict=True):
        assert stats.binomtest(len(found), len(orders), rate).pvalue > LEAST_P
    for place, one in enumerate(with_decoy):
        for other in with_decoy[place + 1 :]:
            together = len(np.intersect1d(one, other))
            expected = len(one) * len(other) / len(orders)
            assert stats.poisson.cdf(together, expected) > LEAST_P
            assert stats.poisson.sf(together - 1, expected) > LEAST_P


def test_dearer_products_sell_as_their_elasticity_says(world, baskets):
    _, _, day, product, _ = baskets
    catalogue = world.catalogue
    for move in catalogue.price_moves:
        is_type = catalogue.product_type[product] == move.product_type
        is_after = day >= move.day
        before, after = (is_type & ~is_after).sum(), (is_type & is_after).sum()
        share = after / is_after.sum() / (before / (~is_after).sum())
        spread = np.sqrt(1 / after + 1 / before)
        # who is refused one type may take the same from a festival's or another group's taste
        assert abs(np.log(share) - move.elasticity * np.log(move.factor)) < 5 * spread + 0.05


def test_prices_move_on_their_day(world):
    catalogue = world.catalogue
    move = catalogue.price_moves[0]
    product = np.flatnonzero(catalogue.product_type == move.product_type)
    before = catalogue.prices(product, np.full(len(product), move.day - 0.1))
    after = catalogue.prices(product, np.full(len(product), move.day + 0.1))
    assert (before == catalogue.list_cents[product]).all()
    assert (np.abs(after - before * move.factor) <= 0.5).all()


def test_every_order_has_merchandise_and_no_product_twice(world, baskets):
    order, _, _, product, quantity = baskets
    pairs = order * len(world.catalogue.sku) + product
    assert len(np.unique(pairs)) == len(pairs)
    assert (quantity > 0).all()
