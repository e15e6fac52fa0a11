"""How people buy, against the settings: each marginal by a test of its own, on fixed seeds.

A p-value of 1e-4 is asked for: a right generator fails one of these tests once in ten thousand
seeds, and the seeds are fixed.
"""

from collections import Counter
from datetime import date

import numpy as np
import pytest
from scipy import stats

from regulars.generated_shop import truth
from regulars.generated_shop.baskets import LIFE_EVENT_CATEGORIES, LIFE_EVENT_SHARE, TASTE
from regulars.generated_shop.calendar import WARM_UP_DAYS, make_calendar
from regulars.generated_shop.campaigns import make_campaigns
from regulars.generated_shop.care import OCCASIONS
from regulars.generated_shop.catalogue import CATEGORIES, CATEGORY
from regulars.generated_shop.chunks import draw_buyers, make_chunk
from regulars.generated_shop.customers import (
    AGE_GROUPS,
    BEHAVIOURS,
    BONDS,
    BY_FAILURE,
    CHANNELS,
    FIRST_BRANCH,
    LIFE_EVENTS,
    MARKETPLACE,
    NOBODY,
    WAYS,
    WEB,
    WITH_SALESPERSON,
    age_groups,
)
from regulars.generated_shop.layouts.coupons import redeemed
from regulars.generated_shop.purchases import CAMPAIGN, FIRST, LIFE_EVENT, LIFE_EVENT_WINDOWS, OWN
from regulars.generated_shop.service import KINDS
from regulars.generated_shop.settings import Behaviour, Planted, ShopSettings
from regulars.generated_shop.staff import make_staff
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
    return world, buyers.customers, buyers.purchases, buyers.lines


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
    world, customers, *_ = undisturbed
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


def test_ratings_are_made_of_what_the_levers_say(world):
    """Their level and their slope by satisfaction: normal stars, rounded, within 1 to 5."""
    levers = {
        row["lever"]: row["effect"] for row in dict(truth.of_world(world))["levers"].to_pylist()
    }
    slope = levers["rating, satisfaction, a standard deviation more"]
    chunk = make_chunk(world, 0, PEOPLE)
    contacts, purchases = chunk.interactions, chunk.purchases
    satisfaction = chunk.customers.satisfaction[chunk.registrations.person[contacts.record]]
    is_good = (contacts.order != NOBODY) & purchases.is_recovered[contacts.order]
    is_bad = (contacts.order != NOBODY) & (purchases.failure[contacts.order] > 0) & ~is_good
    complains, reviews = (contacts.kind == KINDS.index(one) for one in ("complaint", "opinion"))
    for lever, here, least in (
        ("complaint made good", complains & is_good, 100),
        ("complaint not made good", complains & ~is_good, 100),
        (
            "other contact with the call centre",
            contacts.is_by_customer & ~complains & ~reviews,
            200,
        ),
        ("review", reviews & ~is_bad, 1_000),
        ("review of an order whose failure was not made good", reviews & is_bad, 20),
    ):
        rated = here & (contacts.rating > 0)
        stars, content = contacts.rating[rated], satisfaction[rated]
        middle = levers[f"rating, {lever}"] + slope * content
        at_least = [stats.norm.sf((star - 0.5 - middle) / 0.9) for star in range(2, 6)]
        mean = 1 + sum(at_least)
        square = 1 + sum((2 * star - 1) * one for star, one in enumerate(at_least, start=2))
        assert len(stars) > least
        for weight in (np.ones(len(stars)), content):  # the level, and the slope
            spread = np.sqrt((weight**2 * (square - mean**2)).sum())
            assert abs((weight * (stars - mean)).sum()) < 4 * spread


def test_a_wedding_is_told_when_it_is_over():
    """Of members who joined before it; birthdays when they join."""
    world = make_world(ShopSettings(customers=PEOPLE, years=1, nights=180))
    occasions = make_chunk(world, 0, PEOPLE).occasions
    first_day = np.datetime64(world.calendar.first_day, "D")
    since = occasions.day - (occasions.on_date - first_day).astype(float)
    assert since.min() == 0
    assert (since[occasions.kind == OCCASIONS.index("wedding")] == 0).sum() > 20
    assert occasions.day.max() < world.calendar.days


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
    world, customers, purchases, _ = undisturbed
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
    world, _, purchases, _ = undisturbed
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
    _, customers, *_ = undisturbed
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


def test_the_loyalty_schemes_share_of_those_who_stay():
    """Where a bond holds nobody, so that who stays says nothing of who is a member."""
    planted = Planted(structural_bond_hazard=1, failure_rate=0)
    world = make_world(ShopSettings(customers=PEOPLE, planted=planted))
    customers = draw_buyers(world, 0, PEOPLE).customers
    stays = np.minimum(customers.gone_day, world.calendar.days) > customers.won_day + 60
    stays &= ~customers.is_prospect
    is_member = np.isfinite(customers.joined_day)
    share = world.settings.behaviour.loyalty_share
    found = stats.binomtest(int(is_member[stays].sum()), int(stays.sum()), share)
    assert found.pvalue > LEAST_P
    assert (is_member == customers.bonds[:, 0]).all()
    assert not customers.bonds[~is_member].any()
    wait = (customers.joined_day - np.floor(customers.won_day))[is_member & stays]
    assert stats.kstest(wait, stats.expon(scale=5).cdf).pvalue > LEAST_P
    for bond, share in zip(BONDS, (1.0, 0.3, 0.2, 0.2), strict=True):
        held = customers.bonds[is_member, BONDS.index(bond)]
        assert stats.binomtest(int(held.sum()), len(held), share).pvalue > LEAST_P


def test_second_accounts_have_their_share(world):
    buyers = draw_buyers(world, 0, PEOPLE)
    customers, registrations = buyers.customers, buyers.registrations
    has_account = np.isfinite(customers.channel_days[:, WEB])
    opens = np.isfinite(customers.second_account_day)
    share = world.settings.behaviour.second_account_share
    assert not opens[~has_account].any()
    found = stats.binomtest(int(opens.sum()), int(has_account.sum()), share)
    assert found.pvalue > LEAST_P
    within = opens & (customers.second_account_day < world.calendar.days)
    within &= registrations.first[:, WEB] != NOBODY
    assert ((registrations.second[:, WEB] != NOBODY) == within).all()
    assert within.sum() > 100


def test_first_purchases_are_one_a_customer_and_paid(bought):
    customers, _, purchases, _ = bought
    assert not purchases.is_cancelled[purchases.cause == FIRST].any()
    online = (purchases.channel < FIRST_BRANCH) & (purchases.cause != FIRST)
    cancelled = int(purchases.is_cancelled.sum())
    assert stats.binomtest(cancelled, int(online.sum()), 0.015).pvalue > LEAST_P
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


def test_favourites_have_their_shares_of_the_lines_and_the_tastes_of_the_truth_the_rest():
    world = make_world(ShopSettings(customers=PEOPLE, planted=Planted(price_moves=())))
    tables = dict(truth.of_world(world))
    levers = {row["lever"]: row["effect"] for row in tables["levers"].to_pylist()}
    tastes = {
        (AGE_GROUPS.index(row["age_group"]), row["sex"], row["category"]): row["share"]
        for row in tables["tastes"].to_pylist()
    }
    assert len(tastes) == 3 * 2 * len(CATEGORIES)
    chunk = make_chunk(world, 0, PEOPLE)
    people = dict(truth.of_chunk(chunk, None))["people"].to_pydict()
    customers, lines, purchases = chunk.customers, chunk.lines, chunk.purchases
    of_taste = (lines.cause == TASTE) & (lines.order < len(purchases.person))
    person = purchases.person[lines.order[of_taste]]
    age = age_groups(
        customers.birth_year[person],
        world.calendar.year_of(purchases.day[lines.order[of_taste]]),
    )
    found = [CATEGORIES[one].name for one in world.catalogue.category[lines.product[of_taste]]]
    # one line of each person, drawn: those of a person depend on each other
    shuffled = np.random.default_rng(1).permutation(len(person))
    _, places = np.unique(person[shuffled], return_index=True)
    hits, chances = [], []
    for place in shuffled[places].tolist():
        who = int(person[place])
        if people["life_event"][who] is not None:
            continue
        first, second = people["favourite_category"][who], people["second_category"][who]
        rest = 1 - levers["favourite category of a person"] - levers["second category of a person"]
        chance = levers["favourite category of a person"]
        chance += (first == second) * levers["second category of a person"]
        chance += rest * tastes[int(age[place]), people["sex"][who], first]
        hits.append(found[place] == first)
        chances.append(chance)
    chances = np.array(chances)
    assert len(hits) > 3_000
    assert abs(sum(hits) - chances.sum()) < 4 * np.sqrt((chances * (1 - chances)).sum())


def test_every_coupon_that_took_something_off_was_redeemed_by_somebody_known(world):
    chunk = make_chunk(world, 0, PEOPLE)
    orders, lines = chunk.orders, chunk.lines
    cents = 0
    for channel in range(len(CHANNELS)):
        order, taken_off = redeemed(chunk, channel)
        assert (orders.record[order] != NOBODY).all()
        assert channel != MARKETPLACE or not len(order)
        cents += taken_off.sum()
    assert cents == lines.coupon_cents[~orders.is_cancelled[lines.order]].sum() > 0
    at_tills = orders.campaign[orders.channel >= FIRST_BRANCH]
    assert (at_tills != NOBODY).sum() > 20


def test_mails_are_opened_and_people_came_by_chance(world, bought):
    """Whatever they buy: these are decoys."""
    customers, contacts, purchases, _ = bought
    campaigns = len(world.campaigns.starts)
    mailed = ~contacts.is_holdout & ~world.campaigns.is_phone[contacts.campaign]
    is_opened, is_clicked = np.isfinite(contacts.opened), np.isfinite(contacts.clicked)
    assert not is_opened[~mailed].any()
    assert not is_clicked[~is_opened].any()
    assert stats.binomtest(int(is_opened.sum()), int(mailed.sum()), 0.35).pvalue > LEAST_P
    assert stats.binomtest(int(is_clicked.sum()), int(is_opened.sum()), 0.25).pvalue > LEAST_P
    wait = (contacts.opened - contacts.day)[is_opened]
    assert stats.kstest(wait, stats.expon(scale=0.4).cdf).pvalue > LEAST_P
    caused = purchases.cause == CAMPAIGN
    answers = purchases.person[caused] * campaigns + purchases.campaign[caused]
    answered = np.isin(contacts.person * campaigns + contacts.campaign, answers)
    for reaction in (is_opened, is_clicked):
        table = [
            [int((mailed & (answered == one) & (reaction == other)).sum()) for other in (0, 1)]
            for one in (0, 1)
        ]
        assert sum(table[1]) > 50
        assert stats.fisher_exact(table).pvalue > LEAST_P
    counts = np.bincount(purchases.person, minlength=PEOPLE)
    by_way = [counts[(customers.way == way) & ~customers.is_prospect] for way in range(len(WAYS))]
    assert stats.kruskal(*by_way).pvalue > LEAST_P
    assert stats.chisquare(np.bincount(customers.way)).pvalue > LEAST_P


@pytest.mark.parametrize("event", LIFE_EVENTS[1:])
def test_life_events_bring_purchases_of_their_number_and_kind(undisturbed, event):
    """Of people who were customers through the whole window: Poisson, evenly in it."""
    world, customers, purchases, lines = undisturbed
    begins, ends, added = LIFE_EVENT_WINDOWS[event]
    first, last = customers.life_event_day + begins, customers.life_event_day + ends
    through = (customers.life_event == LIFE_EVENTS.index(event)) & ~customers.is_prospect
    through &= (np.maximum(customers.won_day, WARM_UP_DAYS) + 1 < first) & (
        last + 1 < np.minimum(customers.gone_day, world.calendar.days)
    )
    caused = (purchases.cause == LIFE_EVENT) & through[purchases.person]
    counts = np.bincount(purchases.person[caused], minlength=PEOPLE)[through]
    assert len(counts) > 80
    found = np.bincount(counts.clip(max=6), minlength=7)
    expected = stats.poisson.pmf(np.arange(7), added)
    expected[6] += stats.poisson.sf(6, added)
    # rare numbers together
    pooled = [np.append(one[1:6], one[0] + one[6]) for one in (found, expected * len(counts))]
    assert stats.chisquare(*pooled).pvalue > LEAST_P
    # by day: the time of day is drawn apart
    since = np.floor(purchases.day[caused]) + 0.5 - first[purchases.person[caused]]
    assert stats.kstest((since / (ends - begins)).clip(0, 1), "uniform").pvalue > LEAST_P
    of_event = (lines.cause == TASTE) & caused[lines.order]
    category = world.catalogue.category[lines.product[of_event]]
    share = (category == CATEGORY[LIFE_EVENT_CATEGORIES[event]]).mean()
    # beside the seven tenths those that would be of this category in any case
    assert LIFE_EVENT_SHARE - 0.05 < share < LIFE_EVENT_SHARE + 0.3 * 0.5


def test_campaigns_add_what_they_should_and_the_holdout_gets_nothing(world, bought):
    _, contacts, purchases, _ = bought
    active = contacts.was_active
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


def test_the_hazard_of_the_truth_is_that_of_each_person(undisturbed):
    """Lifetimes in units of one's own hazard are exponential; a bond bends them once it is held."""
    world, customers, *_ = undisturbed
    factor = world.settings.planted.structural_bond_hazard
    is_bound = customers.bonds[:, BONDS.index("structural")]
    base = ~customers.is_prospect & (customers.owners[:, 0] == NOBODY)
    begins = np.where(is_bound, np.maximum(customers.joined_day, customers.won_day), 0)
    begins = np.maximum(begins, customers.won_day)
    spent = (customers.gone_day - begins) / 7 * customers.hazard
    assert stats.kstest(spent[base & ~is_bound], stats.expon.cdf).pvalue > LEAST_P
    bound = spent[base & is_bound]
    assert len(bound) > 400
    assert stats.kstest(bound * factor, stats.expon.cdf).pvalue > LEAST_P
    assert stats.kstest(bound, stats.expon.cdf).pvalue < 1e-6


def test_customised_bonds_quicken_from_the_day_of_joining():
    planted = Planted(customised_bond_rate=3.0, failure_rate=0)
    world = make_world(ShopSettings(customers=PEOPLE, planted=planted))
    buyers = draw_buyers(world, 0, PEOPLE)
    customers, calendar, purchases = buyers.customers, world.calendar, buyers.purchases
    here = customers.bonds[:, BONDS.index("customised")] & (customers.owners[:, 0] == NOBODY)
    here &= (customers.behaviour == 0) & (customers.won_day >= WARM_UP_DAYS)
    joined = np.maximum(customers.joined_day, customers.won_day)
    days = (customers.won_day, joined, np.minimum(customers.gone_day, calendar.days))
    won, joined, ends = (calendar.standard(one[here]) for one in days)
    own = purchases.only((purchases.cause == OWN) & here[purchases.person])
    is_later = np.floor(own.day) > np.floor(customers.joined_day[own.person])
    before = (customers.rate[here] * (joined - won) / 7).sum()
    after = 3 * (customers.rate[here] * (ends - joined) / 7).sum()
    assert before > 10
    assert stats.poisson.sf((~is_later).sum() - 1, before * 1.3) > LEAST_P  # with that day's rest
    assert abs(is_later.sum() - after) < 4 * np.sqrt(after) + 0.02 * after


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


@pytest.mark.parametrize("drop_out_scale_weeks", [60.0, 2.0])
def test_referrers_are_any_customers_of_the_day_on_which_people_became_known(drop_out_scale_weeks):
    """The share is that of the settings, however few customers stay."""
    behaviour = Behaviour(drop_out_scale_weeks=drop_out_scale_weeks)
    settings = ShopSettings(
        customers=PEOPLE, years=10, behaviour=behaviour, planted=Planted(failure_rate=0)
    )
    world = make_world(settings)
    customers = draw_buyers(world, 0, PEOPLE).customers
    known, won = customers.known_day, np.where(customers.is_prospect, np.inf, customers.won_day)
    later = known > WARM_UP_DAYS  # somebody is there by then
    brought = customers.referrer != NOBODY
    share = behaviour.referred_share
    found = stats.binomtest(int((brought & later).sum()), int(later.sum()), share)
    assert found.pvalue > LEAST_P
    places = []
    for person in np.flatnonzero(brought & later).tolist():
        there = np.flatnonzero((won < known[person]) & (customers.gone_day > known[person]))
        assert customers.referrer[person] in there
        places.append((np.searchsorted(there, customers.referrer[person]) + 0.5) / len(there))
    assert stats.kstest(places, "uniform").pvalue > LEAST_P


def test_salespeople_differ_as_the_setting_says():
    effects, others = [], []
    for seed in range(40):
        settings = ShopSettings(customers=10, seed=seed, planted=Planted(salesperson_spread=0.3))
        staff = make_staff(settings, make_calendar(settings))
        is_seller = staff.role == "salesperson"
        effects += staff.effect[is_seller].tolist()
        others += staff.effect[~is_seller].tolist()
    assert stats.kstest(effects, stats.norm(scale=0.3).cdf).pvalue > LEAST_P
    assert set(others) == {0.0}


def test_an_answer_that_fails_makes_nobody_inactive():
    """Who is held out compares with who was reached, though each failure loses its customer."""
    planted = Planted(
        campaign_effects=(0.5,),
        failure_rate=0.5,
        leaving_after_failure=1,
        leaving_after_recovery=1,
    )
    world = make_world(ShopSettings(customers=PEOPLE, planted=planted))
    buyers = draw_buyers(world, 0, PEOPLE)
    contacts, purchases = buyers.contacts, buyers.purchases
    table = [
        [int((contacts.was_active & here).sum()), int((~contacts.was_active & here).sum())]
        for here in (contacts.is_holdout, ~contacts.is_holdout)
    ]
    assert min(map(min, table)) > 500
    assert stats.fisher_exact(table).pvalue > LEAST_P
    campaigns = len(world.campaigns.starts)
    caused = purchases.cause == CAMPAIGN
    answers = purchases.person[caused] * campaigns + purchases.campaign[caused]
    reached = contacts.was_active & ~contacts.is_holdout
    answered = np.isin((contacts.person * campaigns + contacts.campaign)[reached], answers)
    # a few whom another failure loses between contact and answer do not
    assert stats.binomtest(int(answered.sum()), len(answered), 0.5, "greater").pvalue < 1 - LEAST_P
    assert 0.46 < answered.mean() < 0.52
    assert len(answered) > 2_000


def test_neither_season_nor_channel_nor_coupon_tells_what_a_campaign_adds():
    seen = []
    for seed in range(60):
        settings = ShopSettings(customers=10, seed=seed)
        calendar = make_calendar(settings)
        campaigns = make_campaigns(settings, calendar)
        assert len(campaigns.starts) == 18
        assert sorted(campaigns.effect) == sorted(settings.planted.campaign_effects * 3)
        assert campaigns.starts[0] >= WARM_UP_DAYS
        assert campaigns.ends[-1] < calendar.days
        months = [calendar.date(day).month for day in campaigns.starts]
        seen += zip(
            campaigns.effect.tolist(),
            campaigns.is_phone.tolist(),
            (campaigns.coupon > 0).tolist(),
            months,
            strict=True,
        )
    effects = sorted({effect for effect, *_ in seen})
    for place in (1, 2, 3):
        values = sorted({one[place] for one in seen})
        table = Counter((one[0], one[place]) for one in seen)
        cells = [[table[effect, value] for value in values] for effect in effects]
        assert stats.chi2_contingency(cells).pvalue > LEAST_P


@pytest.mark.parametrize("nights", [1, 6, 30, 180])
def test_nights_bring_campaigns_and_changes_of_staff_and_prices(nights):
    for seed in range(5):
        world = make_world(ShopSettings(customers=10, seed=seed, nights=nights))
        begins, ends = world.calendar.history_days, world.calendar.days

        def in_nights(days, begins=begins, ends=ends):
            return int(((days >= begins) & (days < ends)).sum())

        assert in_nights(world.staff.left_day) >= 1
        assert in_nights(world.staff.hired_day) >= 1
        assert in_nights(np.array([move.day for move in world.catalogue.price_moves])) >= 1
        assert in_nights(world.campaigns.starts) == {1: 0, 6: 1, 30: 1, 180: 3}[nights]


def test_follow_ups_know_nothing_of_who_has_dropped_out(world):
    """Owners call at one rate as long as they own, customers and prospects, gone or not."""
    chunk = make_chunk(world, 0, PEOPLE)
    customers, calls, staff = chunk.customers, chunk.interactions, world.staff
    firms = ~calls.is_by_customer
    person = chunk.registrations.person[calls.record[firms]]
    owned, turn = np.nonzero(customers.owners != NOBODY)
    owner = customers.owners[owned, turn]
    begins = np.maximum(np.floor(customers.owned_days[owned, turn]) + 1, WARM_UP_DAYS)
    ends = staff.left_day[owner]
    # on the lists of the branch
    listed = np.zeros((PEOPLE, len(staff.number)), bool)
    lists = chunk.registrations.list_owner != NOBODY
    listed[chunk.registrations.person[lists], chunk.registrations.list_owner[lists]] = True
    here = listed[owned, owner] & (begins < ends)
    owned, begins, ends = owned[here], begins[here], ends[here]
    gone = np.where(customers.is_prospect, np.inf, customers.gone_day)[owned].clip(begins, ends)
    years = np.array([(gone - begins).sum(), (ends - gone).sum()]) / 365
    is_later = (
        calls.opened[firms] > np.where(customers.is_prospect, np.inf, customers.gone_day)[person]
    )
    for found, exposed in zip(((~is_later).sum(), is_later.sum()), years, strict=True):
        assert exposed > 300
        expected = 0.8 * exposed
        assert abs(found - expected) < 4 * np.sqrt(expected)


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
