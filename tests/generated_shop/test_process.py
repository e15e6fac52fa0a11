"""How people buy, against the settings: each marginal by a test of its own, on fixed seeds.

A p-value of 1e-4 is asked for: a right generator fails one of these tests once in ten thousand
seeds, and the seeds are fixed.
"""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from scipy import stats

from regulars.generated_shop.calendar import WARM_UP_DAYS, make_calendar
from regulars.generated_shop.catalogue import CATEGORIES
from regulars.generated_shop.chunks import draw_buyers, make_chunk
from regulars.generated_shop.customers import (
    BEHAVIOURS,
    BONDS,
    BY_FAILURE,
    LIFE_EVENTS,
    NOBODY,
    WITH_SALESPERSON,
    age_groups,
)
from regulars.generated_shop.purchases import CAMPAIGN, FIRST, OWN, were_active
from regulars.generated_shop.service import KINDS
from regulars.generated_shop.settings import Planted, ShopSettings
from regulars.generated_shop.world import make_world

PEOPLE = 10_000
LEAST_P = 1e-4


@pytest.fixture(scope="module")
def world():
    return make_world(ShopSettings(customers=PEOPLE))


@pytest.fixture(scope="module")
def bought(world):
    buyers = draw_buyers(world, 0, PEOPLE)
    return buyers.customers, buyers.contacts, buyers.purchases, buyers.lines


@pytest.fixture(scope="module")
def undisturbed():
    """The same people in a shop where nothing fails, so that nobody leaves before their day."""
    world = make_world(ShopSettings(customers=PEOPLE, planted=Planted(failure_rate=0)))
    buyers = draw_buyers(world, 0, PEOPLE)
    return world, buyers.customers, buyers.purchases


def plain(customers):
    """People whose rate and hazard nothing has changed."""
    return (
        ~customers.is_business
        & ~customers.bonds[:, BONDS.index("customised")]
        & ~customers.bonds[:, BONDS.index("structural")]
        & (customers.owners[:, 0] == NOBODY)
    )


def test_rates_are_gamma(world, bought):
    behaviour = world.settings.behaviour
    rates = bought[0].rate[plain(bought[0])]
    expected = stats.gamma(behaviour.rate_shape, scale=1 / behaviour.rate_scale_weeks)
    assert stats.kstest(rates, expected.cdf).pvalue > LEAST_P


def test_lifetimes_are_exponential_with_gamma_hazards(undisturbed):
    world, customers, _ = undisturbed
    behaviour = world.settings.behaviour
    here = plain(customers)
    weeks = (customers.gone_day - customers.won_day)[here] / 7
    # who is more satisfied stays longer, by a known factor
    weeks *= world.settings.planted.satisfaction_hazard ** customers.satisfaction[here]
    expected = stats.lomax(behaviour.drop_out_shape, scale=behaviour.drop_out_scale_weeks)
    assert stats.kstest(weeks, expected.cdf).pvalue > LEAST_P


@pytest.mark.parametrize("strength", [0.0, 0.4, 0.8])
def test_who_waits_long_is_less_satisfied(strength):
    planted = Planted(wait_dissatisfaction=strength)
    world = make_world(ShopSettings(customers=PEOPLE, planted=planted))
    customers = draw_buyers(world, 0, PEOPLE).customers
    slowness = np.log(customers.answer_wait) / 0.5
    assert stats.kstest(slowness, stats.norm.cdf).pvalue > LEAST_P
    assert stats.kstest(customers.satisfaction, stats.norm.cdf).pvalue > LEAST_P
    rest = customers.satisfaction + strength * slowness
    expected = stats.norm(scale=np.sqrt(1 - strength**2))
    assert stats.kstest(rest, expected.cdf).pvalue > LEAST_P
    assert stats.pearsonr(rest, slowness).pvalue > LEAST_P


def test_answers_take_the_persons_own_time(world):
    chunk = make_chunk(world, 0, PEOPLE)
    tickets, purchases = chunk.interactions, chunk.purchases
    wait = tickets.answered - tickets.opened
    person = chunk.registrations.person[tickets.record]
    for is_good in (True, False):
        here = (tickets.kind == KINDS.index("complaint")) & (
            purchases.is_recovered[tickets.order] == is_good
        )
        mean = 0.15 if is_good else 1.5
        own = chunk.customers.answer_wait[person[here]]
        found = wait[here] / own / mean
        assert len(found) > 300
        assert stats.kstest(found, stats.expon.cdf).pvalue > LEAST_P
        assert stats.spearmanr(found, own).pvalue > LEAST_P
        assert stats.spearmanr(wait[here], own).pvalue < 1e-6


@pytest.mark.parametrize("factor", [1.0, 0.6])
def test_satisfaction_keeps_customers_or_is_a_decoy(factor):
    """The rank correlation of satisfaction and the time that people stay."""
    planted = Planted(failure_rate=0, satisfaction_hazard=factor)
    world = make_world(ShopSettings(customers=PEOPLE, planted=planted))
    customers = draw_buyers(world, 0, PEOPLE).customers
    here = plain(customers) & ~customers.is_prospect
    found = stats.spearmanr(
        customers.satisfaction[here], (customers.gone_day - customers.won_day)[here]
    )
    if factor == 1:
        assert found.pvalue > LEAST_P
    else:
        assert found.statistic > 0
        assert found.pvalue < 1e-6


def own_purchases(undisturbed, behaviour):
    """Own purchases of people of one behaviour, won within the data, and what they expect."""
    world, customers, purchases = undisturbed
    calendar = world.calendar
    here = (
        (customers.behaviour == BEHAVIOURS.index(behaviour))
        & ~customers.is_prospect
        & (customers.won_day >= WARM_UP_DAYS)
    )
    begins = calendar.standard(customers.won_day)
    ends = calendar.standard(np.minimum(customers.gone_day, calendar.days))
    is_own = (purchases.cause == OWN) & here[purchases.person]
    return here, customers.rate * (ends - begins) / 7, begins, ends, purchases.only(is_own)


def test_counts_are_poisson(undisturbed):
    here, expected, _, _, own = own_purchases(undisturbed, "poisson")
    counts = np.bincount(own.person, minlength=PEOPLE)
    here &= undisturbed[1].owners[:, 0] == NOBODY  # owners change the rate from day to day
    assert stats.poisson.cdf(counts[here].sum(), expected[here].sum()) > LEAST_P
    assert stats.poisson.sf(counts[here].sum(), expected[here].sum()) > LEAST_P
    # zeros and the rest, person by person: the dispersion too is Poisson's
    zeros = np.exp(-expected[here])
    spread = np.sqrt((zeros * (1 - zeros)).sum())
    assert abs((counts[here] == 0).sum() - zeros.sum()) < 4 * spread


def test_purchases_are_even_in_the_seasons_time(undisturbed):
    world = undisturbed[0]
    _, _, begins, ends, own = own_purchases(undisturbed, "poisson")
    # by day: the time of day is drawn apart
    standard = world.calendar.standard(np.floor(own.day) + 0.5)
    share = (standard - begins[own.person]) / (ends - begins)[own.person]
    long = (ends - begins)[own.person] > 200
    assert stats.kstest(share[long].clip(0, 1), "uniform").pvalue > LEAST_P


def test_festivals_and_weekdays_show(undisturbed):
    world, _, purchases = undisturbed
    days = np.bincount(np.floor(purchases.day).astype(int), minlength=world.calendar.days)
    double_eleven = world.calendar.place(date(2024, 11, 11))
    around = [double_eleven + week * 7 for week in (-3, -2, 2, 3)]
    assert days[double_eleven] > 3 * days[around].mean()
    monday, saturday = (
        np.mean(
            [
                days[day]
                for day in range(WARM_UP_DAYS, world.calendar.days)
                if world.calendar.date(day).weekday() == weekday
            ]
        )
        for weekday in (0, 5)
    )
    assert saturday / monday == pytest.approx(1.3 / 0.9, rel=0.1)


@pytest.mark.parametrize(("behaviour", "spread"), [("poisson", 1.0), ("regular", 0.5)])
def test_regular_buyers_buy_by_the_clock(undisturbed, behaviour, spread):
    world = undisturbed[0]
    _, _, begins, ends, own = own_purchases(undisturbed, behaviour)
    standard = world.calendar.standard(own.day)
    gaps, person = np.diff(standard), own.person
    is_gap = person[1:] == person[:-1]
    rate = undisturbed[1].rate[person[1:]] / 7
    # long lives and many purchases, or else the gaps seen are short ones
    is_long = is_gap & (rate * (ends - begins)[person[1:]] > 15)
    scaled = (gaps * rate)[is_long]
    assert len(scaled) > 500
    assert scaled.std() / scaled.mean() == pytest.approx(spread, rel=0.15)


def test_pausing_buyers_buy_nothing_of_their_own_in_their_pause(undisturbed):
    _, customers, _ = undisturbed
    here, _, _, _, own = own_purchases(undisturbed, "pausing")
    begins, ends = customers.pause_begins[own.person], customers.pause_ends[own.person]
    lengths = (customers.pause_ends - customers.pause_begins)[here]
    assert len(own.day) > 100
    assert not ((np.floor(own.day) > begins) & (own.day < np.floor(ends))).any()
    assert ((lengths >= 60) & (lengths <= 300)).all()


def test_clumpy_buyers_break_the_models(undisturbed):
    """Gaps below a week are far more than Poisson's."""
    calendar = undisturbed[0].calendar

    def short_share(behaviour):
        _, _, _, _, own = own_purchases(undisturbed, behaviour)
        is_gap = own.person[1:] == own.person[:-1]
        gaps = np.diff(calendar.standard(own.day))[is_gap]
        return (gaps < 7).mean()

    assert short_share("clumpy") > 2 * short_share("poisson")


@pytest.mark.parametrize(
    ("share", "found"),
    [
        ("prospect_share", lambda customers: customers.is_prospect),
        ("already_there_share", lambda customers: customers.won_day < WARM_UP_DAYS),
        ("irregular_share", lambda customers: customers.behaviour > 0),
        ("life_event_share", lambda customers: customers.life_event > 0),
    ],
)
def test_shares(world, bought, share, found):
    expected = getattr(world.settings.behaviour, share)
    test = stats.binomtest(int(found(bought[0]).sum()), PEOPLE, expected)
    assert test.pvalue > LEAST_P


def test_first_purchases_are_one_a_customer(bought):
    customers, _, purchases, _ = bought
    first = np.bincount(purchases.person[purchases.cause == FIRST], minlength=PEOPLE)
    is_seen = ~customers.is_prospect & (customers.won_day >= WARM_UP_DAYS)
    assert (first == is_seen).all()
    assert not np.isin(purchases.person, np.flatnonzero(customers.is_prospect)).any()


def test_tastes_follow_age_and_sex(world, bought):
    """One line of each person, drawn: those of a person depend on each other."""
    customers, _, purchases, lines = bought
    is_taste = (lines.cause == 0) & (lines.product >= 0)
    is_taste &= customers.life_event[purchases.person[lines.order]] == 0
    shuffled = np.random.default_rng(1).permutation(np.flatnonzero(is_taste))
    _, places = np.unique(purchases.person[lines.order[shuffled]], return_index=True)
    first = shuffled[places]
    person = purchases.person[lines.order[first]]
    age = age_groups(
        customers.birth_year[person], world.calendar.year_of(customers.won_day[person])
    )
    refused = {move.product_type // 4 for move in world.catalogue.price_moves}
    kept = [place for place in range(len(CATEGORIES)) if place not in refused]
    for age_group in range(3):
        for sex in range(2):
            here = (age == age_group) & (customers.sex[person] == sex)
            found = np.bincount(
                world.catalogue.category[lines.product[first[here]]], minlength=len(CATEGORIES)
            )[kept]
            expected = world.catalogue.tastes[age_group, sex][kept]
            expected = expected / expected.sum() * found.sum()
            assert found.sum() > 100
            assert stats.chisquare(found, expected).pvalue > LEAST_P


def test_life_events_bring_purchases(bought):
    customers, _, purchases, _ = bought
    exam = LIFE_EVENTS.index("exam")
    caused = purchases.cause == 2
    here = customers.life_event[purchases.person[caused]] == exam
    since = (purchases.day[caused] - customers.life_event_day[purchases.person[caused]])[here]
    assert here.sum() > 200
    assert since.min() >= -121
    assert since.max() <= 1


def test_campaigns_add_what_they_should_and_the_holdout_gets_nothing(world, bought):
    customers, contacts, purchases, _ = bought
    active = were_active(contacts, customers)
    for campaign, effect in enumerate(world.campaigns.effect.tolist()):
        of = contacts.campaign == campaign
        reached = contacts.person[of & ~contacts.is_holdout & active]
        caused = (purchases.cause == CAMPAIGN) & (purchases.campaign == campaign)
        answered = np.isin(purchases.person[caused], reached).sum()
        assert answered >= caused.sum() - 1  # a failure just after the answer loses one
        assert stats.binomtest(int(answered), len(reached), effect).pvalue > LEAST_P
        held_out = (of & contacts.is_holdout).sum()
        share = world.settings.planted.holdout_share
        assert stats.binomtest(int(held_out), int(of.sum()), share).pvalue > LEAST_P


def test_campaigns_choose_whom_their_system_knows_and_answers_come_after(world):
    buyers = draw_buyers(world, 0, PEOPLE)
    contacts, purchases = buyers.contacts, buyers.purchases
    assert (buyers.registrations.day[contacts.record] <= contacts.day).all()
    assert (buyers.registrations.person[contacts.record] == contacts.person).all()
    has_email = buyers.records["email"].is_valid().to_numpy()
    by_email = ~world.campaigns.is_phone[contacts.campaign]
    assert has_email[contacts.record[by_email]].all()
    contacted = {
        (person, campaign): day
        for person, campaign, day in zip(
            contacts.person.tolist(), contacts.campaign.tolist(), contacts.day.tolist(), strict=True
        )
    }
    caused = purchases.only(purchases.cause == CAMPAIGN)
    assert len(caused.person) > 100
    for person, campaign, day in zip(
        caused.person.tolist(), caused.campaign.tolist(), caused.day.tolist(), strict=True
    ):
        assert 0 < day - contacted[person, campaign] < 15


def test_failures_and_leaving(world, bought):
    """Whom a failure lost has no later order; the chance to lose them is as planted."""
    customers, _, purchases, _ = bought
    planted = world.settings.planted
    may_fail = (purchases.channel < 2) & ~purchases.is_cancelled
    failed = purchases.failure > 0
    found = stats.binomtest(int(failed.sum()), int(may_fail.sum()), planted.failure_rate)
    assert found.pvalue > LEAST_P
    lost = customers.gone_because[purchases.person] == BY_FAILURE
    is_last = np.append(purchases.person[1:] != purchases.person[:-1], True)
    # of the failures of people who would have stayed a while longer
    stays = purchases.day + 30 < world.calendar.days
    for recovered, chance in (
        (False, planted.leaving_after_failure),
        (True, planted.leaving_after_recovery),
    ):
        here = failed & (purchases.is_recovered == recovered) & stays
        left = here & lost & is_last
        assert stats.binomtest(int(left.sum()), int(here.sum()), chance).pvalue > LEAST_P


def test_recovery_is_the_agents_skill(world, bought):
    purchases = bought[2]
    for agent in world.staff.agents().tolist():
        here = purchases.agent == agent
        good = int((here & purchases.is_recovered).sum())
        test = stats.binomtest(good, int(here.sum()), float(world.staff.skill[agent]))
        assert test.pvalue > LEAST_P


def test_structural_bonds_hold_and_customised_ones_quicken(undisturbed):
    world, customers, _ = undisturbed
    behaviour, planted = world.settings.behaviour, world.settings.planted
    base = ~customers.is_business & (customers.owners[:, 0] == NOBODY)
    structural = base & customers.bonds[:, BONDS.index("structural")]
    weeks = (customers.gone_day - customers.won_day)[structural] / 7
    weeks *= planted.satisfaction_hazard ** customers.satisfaction[structural]
    lomax = stats.lomax(behaviour.drop_out_shape, scale=behaviour.drop_out_scale_weeks)
    assert stats.kstest(weeks * planted.structural_bond_hazard, lomax.cdf).pvalue > LEAST_P
    assert stats.kstest(weeks, lomax.cdf).pvalue < 0.01
    customised = base & customers.bonds[:, BONDS.index("customised")]
    gamma = stats.gamma(behaviour.rate_shape, scale=1 / behaviour.rate_scale_weeks)
    rates = customers.rate[customised] / planted.customised_bond_rate
    assert stats.kstest(rates, gamma.cdf).pvalue > LEAST_P


def test_owners_change_the_rate_while_they_are_owners():
    """With salespeople as different as can be, purchases follow the effect of the day's owner."""
    settings = ShopSettings(
        customers=PEOPLE, planted=Planted(failure_rate=0, salesperson_spread=1.0)
    )
    world = make_world(settings)
    buyers = draw_buyers(world, 0, PEOPLE)
    customers, purchases, calendar = buyers.customers, buyers.purchases, world.calendar
    own = purchases.only(purchases.cause == OWN)
    days = np.arange(WARM_UP_DAYS, calendar.days)
    owned = np.flatnonzero(
        (customers.owners[:, 0] != NOBODY)
        & ~customers.is_prospect
        & (customers.behaviour == BEHAVIOURS.index("poisson"))
    )
    # whose day it was: nobody's, the first owner's or the second's, and whether they are good
    expected, found, flat = Counter(), Counter(), Counter()
    left = np.append(world.staff.left_day, np.inf)
    for person in owned.tolist():
        first, second = customers.owners[person]
        turn = np.where(
            customers.owned_days[person, 1] <= days,
            1,
            np.where((customers.owned_days[person, 0] <= days) & (days < left[first]), 0, -1),
        )
        is_there = (days >= customers.won_day[person]) & (days < customers.gone_day[person])
        weight = calendar.intensity[days] * is_there * customers.rate[person] / 7
        mine = np.floor(own.day[own.person == person]).astype(int) - WARM_UP_DAYS
        effects = {-1: 0.0, 0: world.staff.effect[first], 1: world.staff.effect[second]}
        for place, effect in effects.items():
            key = (place, bool(effect > 0))
            flat[key] += weight[turn == place].sum()
            expected[key] += weight[turn == place].sum() * np.exp(effect)
            found[key] += (turn[mine] == place).sum()
    assert len(expected) == 5
    for key, number in expected.items():
        assert number > 20
        assert abs(found[key] - number) < 4 * np.sqrt(number) + 0.02 * number
    for key in ((0, False), (0, True), (1, True)):
        assert abs(expected[key] - flat[key]) > 3 * np.sqrt(flat[key])


def test_who_leaves_with_their_salesperson():
    settings = ShopSettings(customers=PEOPLE, planted=Planted(leaving_with_salesperson=0.5))
    world = make_world(settings)
    customers = draw_buyers(world, 0, PEOPLE).customers
    left = np.append(world.staff.left_day, np.inf)[customers.owners[:, 0]]
    is_left = (left < world.calendar.days) & (customers.won_day < left)
    with_them = customers.gone_because == WITH_SALESPERSON
    assert (customers.gone_day[with_them] == left[with_them]).all()
    still_there = is_left & (customers.gone_day >= left)
    test = stats.binomtest(int(with_them.sum()), int(still_there.sum()), 0.5)
    assert test.pvalue > LEAST_P


def test_referrers_are_customers_of_that_day(bought):
    customers = bought[0]
    brought = np.flatnonzero(customers.referrer != NOBODY)
    referrer = customers.referrer[brought]
    assert len(brought) > 500
    assert not customers.is_prospect[referrer].any()
    assert (customers.won_day[referrer] < customers.won_day[brought]).all()


@pytest.mark.parametrize(
    ("last_day", "years", "first_day"),
    [
        (date(2024, 2, 29), 1, date(2023, 3, 1)),
        (date(2023, 2, 28), 3, date(2020, 3, 1)),
        (date(2024, 2, 28), 1, date(2023, 3, 1)),
        (date(2025, 12, 31), 3, date(2023, 1, 1)),
    ],
)
def test_the_data_begin_whole_years_before_their_end(last_day, years, first_day):
    calendar = make_calendar(ShopSettings(customers=10, years=years, last_day=last_day))
    assert calendar.date(WARM_UP_DAYS) == first_day
    assert calendar.date(calendar.history_days - 1) == last_day


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="do not lie between"):
        ShopSettings(customers=10, years=30, last_day=date(2010, 1, 1))
    with pytest.raises(ValueError, match="rate_shape"):
        ShopSettings(customers=10, behaviour={"rate_shape": 0})
