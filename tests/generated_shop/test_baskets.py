"""What was planted in the baskets is there with its strength, and decoys are related to nothing."""

import numpy as np
import pytest
from scipy import stats

from regulars.generated_shop.baskets import MERCHANDISE, TASTE
from regulars.generated_shop.bonds import KINDS
from regulars.generated_shop.chunks import draw_buyers, make_chunk
from regulars.generated_shop.settings import Planted, ShopSettings
from regulars.generated_shop.world import make_world

PEOPLE = 10_000
CHUNKS = 3
LEAST_P = 1e-4


@pytest.fixture(scope="module")
def world():
    return make_world(ShopSettings(customers=PEOPLE * CHUNKS))


@pytest.fixture(scope="module")
def baskets(world):
    """Order, person, day, product, quantity and business of each line of merchandise."""
    parts = []
    for number in range(CHUNKS):
        _, customers, _, _, _, purchases, lines = draw_buyers(world, number, PEOPLE)
        here = lines.kind == MERCHANDISE
        order = lines.order[here]
        parts.append(
            (
                order + number * 10_000_000,
                purchases.person[order] + number * PEOPLE,
                purchases.day[order],
                lines.product[here],
                lines.quantity[here],
                customers.is_business[purchases.person[order]],
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
    """Of single buyers of the first who order again long after the wait, against all others."""
    sequences = world.catalogue.sequences
    _, person, day, product, *_ = baskets
    last_day = np.zeros(person.max() + 1)
    np.maximum.at(last_day, person, day)
    met = 0
    for first, second, strength in zip(
        sequences.first, sequences.second, sequences.strength, strict=True
    ):
        buyers, times = np.unique(person[product == first], return_counts=True)
        once = buyers[times == 1]
        begun = dict(
            zip(person[product == first].tolist(), day[product == first].tolist(), strict=True)
        )
        waited = {who for who in once.tolist() if last_day[who] > begun[who] + 400}
        followed = {
            who
            for who, when in zip(
                person[product == second].tolist(), day[product == second].tolist(), strict=True
            )
            if who in waited and when > begun[who] + 20
        }
        # others come upon the second by themselves
        others = np.setdiff1d(np.flatnonzero(last_day > 700), buyers)
        alone = np.isin(others, person[product == second]).mean()
        # the wait is longer than 400 days for one in a hundred
        low, high = strength * 0.98, strength + (1 - strength) * alone
        count = len(waited)
        assert stats.binomtest(len(followed), count, low, alternative="less").pvalue > LEAST_P
        assert stats.binomtest(len(followed), count, high, alternative="greater").pvalue > LEAST_P
        met += count
    assert met > 500


def test_every_second_sequence_leads_to_a_dearer_product_of_its_category(world):
    catalogue = world.catalogue
    upgrades = slice(1, None, 2)
    first, second = catalogue.sequences.first[upgrades], catalogue.sequences.second[upgrades]
    assert (catalogue.category[first] == catalogue.category[second]).all()
    assert (catalogue.list_cents[first] <= catalogue.list_cents[second]).all()


def test_a_product_has_one_planted_place(world):
    catalogue = world.catalogue
    planted = np.concatenate(
        [
            *(catalogue.bundles.first, catalogue.bundles.second),
            *(catalogue.sequences.first, catalogue.sequences.second),
            catalogue.decoys.product,
        ]
    )
    assert len(np.unique(planted)) == len(planted)
    moved = [move.product_type for move in catalogue.price_moves]
    assert not np.isin(catalogue.product_type[planted], moved).any()


def test_decoys_lie_in_their_share_of_the_baskets_and_go_with_nothing(world, baskets):
    order = baskets[0]
    orders, first_line = np.unique(order, return_index=True)
    decoys, calendar = world.catalogue.decoys, world.calendar
    is_sale = calendar.is_sale[np.floor(baskets[2][first_line]).astype(int)]
    plain = [place for place, one in enumerate(decoys.confounder) if one == "none"]
    with_decoy = [orders_with(baskets, decoy) for decoy in decoys.product]
    for place in plain:
        rate = decoys.share_otherwise[place]
        assert stats.binomtest(len(with_decoy[place]), len(orders), rate).pvalue > LEAST_P
    for place in plain:
        for other in plain[: plain.index(place)]:
            together = len(np.intersect1d(with_decoy[place], with_decoy[other]))
            expected = len(with_decoy[place]) * len(with_decoy[other]) / len(orders)
            assert stats.poisson.cdf(together, expected) > LEAST_P
            assert stats.poisson.sf(together - 1, expected) > LEAST_P
    # confounded: related in all, in their shares and unrelated where the confounder is
    for confounder, is_within in (("sale days", is_sale), ("business", baskets[5][first_line])):
        one, other = (place for place, of in enumerate(decoys.confounder) if of == confounder)
        together = np.intersect1d(with_decoy[one], with_decoy[other])
        by_chance = len(with_decoy[one]) * len(with_decoy[other]) / len(orders)
        assert len(together) > 2 * by_chance
        within = orders[is_within]
        for decoy in (one, other):
            found = len(np.intersect1d(with_decoy[decoy], within))
            rates = decoys.share_within[decoy], decoys.share_otherwise[decoy]
            elsewhere = len(with_decoy[decoy]) - found
            counts = (found, len(within)), (elsewhere, len(orders) - len(within))
            for (number, of), rate in zip(counts, rates, strict=True):
                assert stats.binomtest(number, of, rate).pvalue > LEAST_P
        both = len(np.intersect1d(together, within))
        expected = len(within) * decoys.share_within[one] * decoys.share_within[other]
        assert expected > 50
        assert abs(both - expected) < 4 * np.sqrt(expected)


def test_dearer_products_sell_as_their_elasticity_says():
    """One type of products twice as dear, at elasticity -1: half of its buyers take another."""
    settings = ShopSettings(customers=PEOPLE, planted=Planted(price_moves=((2.0, -1.0),)))
    world = make_world(settings)
    (move,) = world.catalogue.price_moves
    before = after = all_before = all_after = 0
    for number in range(CHUNKS):
        buyers = draw_buyers(world, number, PEOPLE)
        lines = buyers.lines.only(buyers.lines.cause == TASTE)
        is_type = world.catalogue.product_type[lines.product] == move.product_type
        is_after = buyers.purchases.day[lines.order] >= move.day
        before += (is_type & ~is_after).sum()
        after += (is_type & is_after).sum()
        all_before += (~is_after).sum()
        all_after += is_after.sum()
    ratio = (after / all_after) / (before / all_before)
    spread = np.sqrt(1 / before + 1 / after)
    assert before > 500
    assert abs(np.log(ratio / 0.5)) < 4 * spread + 0.05


def test_points_burnt_and_lapsed_were_earned():
    world = make_world(ShopSettings(customers=5_000))
    entries = make_chunk(world, 0, 5_000).entries
    order = np.lexsort((entries.kind, entries.day, entries.record))
    record, points = entries.record[order], entries.points[order]
    balance = np.cumsum(points)
    begins = np.searchsorted(record, record)
    balance -= np.where(begins > 0, balance[begins - 1], 0)
    assert balance.min() >= 0
    for kind in ("earn", "burn", "lapse"):
        assert (entries.kind == KINDS.index(kind)).sum() > 50
    assert (points[entries.kind[order] == KINDS.index("burn")] < 0).all()


def test_prices_move_on_their_day(world):
    catalogue = world.catalogue
    move = catalogue.price_moves[0]
    product = np.flatnonzero(catalogue.product_type == move.product_type)
    before = catalogue.prices(product, np.full(len(product), move.day - 0.1))
    after = catalogue.prices(product, np.full(len(product), move.day + 0.1))
    assert (before == catalogue.list_cents[product]).all()
    assert (np.abs(after - before * move.factor) <= 0.5).all()


def test_every_order_has_merchandise_and_no_product_twice(world, baskets):
    order, _, _, product, quantity, _ = baskets
    pairs = order * len(world.catalogue.sku) + product
    assert len(np.unique(pairs)) == len(pairs)
    assert (quantity > 0).all()
