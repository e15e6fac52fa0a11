"""When the people of a chunk buy, and why: their own process, life events, campaigns, failures."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from regulars.generated_shop.calendar import DAY_SECONDS, WARM_UP_DAYS, times_of_day
from regulars.generated_shop.campaigns import RESPONSE_DAYS
from regulars.generated_shop.contacts import Contacts
from regulars.generated_shop.customers import (
    BEHAVIOURS,
    BY_FAILURE,
    FIRST_BRANCH,
    LIFE_EVENTS,
    MARKETPLACE,
    NOBODY,
    Customers,
    salesperson_effect,
)
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.world import World

CAUSES: Final = ("first", "own", "life_event", "campaign")
FIRST, OWN, LIFE_EVENT, CAMPAIGN = range(4)
FAILURES: Final = ("none", "late", "damaged", "wrong item")
# kind of life event: days from its day to the purchases' first and last, purchases it adds
LIFE_EVENT_WINDOWS: Final = {"exam": (-120, 0, 3.0), "child": (0, 180, 4.0), "job": (0, 90, 2.0)}
_REGULAR_EVENTS_A_PURCHASE: Final = 4  # Erlang-4 gaps: half the spread of a Poisson process's
_CLUMP: Final = 1.2  # purchases that follow a clumpy buyer's, within 6 days
_MAIN_CHANNEL_SHARE: Final = 0.8
_STATED_CAMPAIGN_SHARE: Final = 0.7  # of the orders that a campaign caused, not the marketplace's
_WRONGLY_STATED_SHARE: Final = 0.15  # of other orders of people whom it reached, in its days
_COMPLAINT_SHARE: Final = 0.7
_CANCELLED_SHARE: Final = 0.015  # of orders online, first ones aside


@dataclass(frozen=True)
class Purchases:
    """The orders of a chunk by person and time; one place an order.

    Attributes:
        person: place in the chunk.
        day: days of the calendar, with the time of day.
        cause: place in CAUSES.
        campaign: that caused it; NOBODY for none.
        stated_campaign: that the order itself names.
        channel: place in customers.CHANNELS.
        is_cancelled: and never paid.
        failure: place in FAILURES.
        has_complaint: whether the customer complained of it.
        agent: place of who took the complaint; NOBODY without one.
        is_recovered: whether it was made good.
    """

    person: np.ndarray
    day: np.ndarray
    cause: np.ndarray
    campaign: np.ndarray
    stated_campaign: np.ndarray
    channel: np.ndarray
    is_cancelled: np.ndarray
    failure: np.ndarray
    has_complaint: np.ndarray
    agent: np.ndarray
    is_recovered: np.ndarray

    def only(self, kept: np.ndarray) -> "Purchases":
        """Some of them, by mask or places."""
        return Purchases(**{name: value[kept] for name, value in vars(self).items()})


def make_purchases(
    random: np.random.Generator, customers: Customers, contacts: Contacts, world: World
) -> tuple[Purchases, Customers, Contacts]:
    """The orders within the data; customers and contacts as failures that lose people leave them.

    Customers are gone from the day of a failure that lost them, and are then no more active when a
    campaign chooses them.
    """
    person, day, cause = _own_purchases(random, customers, world)
    campaign = np.full(len(person), NOBODY)
    for more in (_life_event_purchases, _campaign_purchases):
        extra_person, extra_day, extra_cause, extra_campaign = more(
            random, customers, contacts, world
        )
        person, day = np.append(person, extra_person), np.append(day, extra_day)
        cause = np.append(cause, np.full(len(extra_person), extra_cause))
        campaign = np.append(campaign, extra_campaign)
    is_kept = (
        (day < np.minimum(customers.gone_day[person], world.calendar.days)) | (cause == FIRST)
    ) & (day >= WARM_UP_DAYS)
    person, day, cause, campaign = (one[is_kept] for one in (person, day, cause, campaign))
    order = np.lexsort((day, person))
    person, day, cause, campaign = (one[order] for one in (person, day, cause, campaign))

    channel = _channels_of_orders(random, customers, person, day)
    day = np.floor(day) + times_of_day(random, channel >= FIRST_BRANCH) / DAY_SECONDS
    order = np.lexsort((day, person))
    person, day, cause, campaign, channel = (
        one[order] for one in (person, day, cause, campaign, channel)
    )
    purchases = _with_failures(
        random,
        Purchases(
            person,
            day,
            cause,
            campaign,
            _stated_campaigns(random, person, day, campaign, channel, contacts, world),
            channel,
            # never the first: the day on which a customer was won is that of a paid order
            (channel < FIRST_BRANCH)
            & (cause != FIRST)
            & chosen(random, len(person), _CANCELLED_SHARE),
            *(np.zeros(len(person), kind) for kind in (np.int64, bool, np.int64, bool)),
        ),
        world,
    )
    lost_day = _lost_by_failure(random, purchases, customers, world)
    is_lost = lost_day < customers.gone_day
    is_kept = purchases.day <= lost_day[purchases.person]
    is_there = contacts.day <= lost_day[contacts.person]
    return (
        purchases.only(is_kept),
        replace(
            customers,
            gone_day=np.where(is_lost, lost_day, customers.gone_day),
            gone_because=np.where(is_lost, BY_FAILURE, customers.gone_because),
        ),
        replace(contacts, was_active=contacts.was_active & is_there),
    )


def _own_purchases(
    random: np.random.Generator, customers: Customers, world: World
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first purchase and those of the person's own process, in the season's time."""
    calendar = world.calendar
    buyers = np.flatnonzero(~customers.is_prospect)
    begins = calendar.standard(customers.won_day[buyers])
    ends = calendar.standard(np.minimum(customers.gone_day[buyers], calendar.days))
    is_regular = customers.behaviour[buyers] == BEHAVIOURS.index("regular")
    times = np.where(is_regular, _REGULAR_EVENTS_A_PURCHASE, 1)
    rate = customers.rate[buyers]
    # a clumpy buyer's followers are part of the rate
    rate = np.where(
        customers.behaviour[buyers] == BEHAVIOURS.index("clumpy"), rate / (1 + _CLUMP), rate
    )
    # drawn at the greatest rate that salespeople and bonds make, and thinned to that of the day
    bond = world.settings.planted.customised_bond_rate
    greatest = float(np.exp(world.staff.effect).max(initial=1.0)) * max(1.0, bond)
    counts = random.poisson(rate * greatest * (ends - begins).clip(0) / 7 * times)
    place = np.repeat(np.arange(len(buyers)), counts)
    standard = begins[place] + random.random(len(place)) * (ends - begins)[place]
    order = np.lexsort((standard, place))
    place, standard = place[order], standard[order]
    person, day = buyers[place], calendar.day_of(standard)
    factor = salesperson_effect(person, day, customers, world)
    factor *= np.where(customers.holds("customised", person, day), bond, 1.0)
    is_kept = random.random(len(place)) * greatest < factor
    place, standard = place[is_kept], standard[is_kept]
    # of a regular buyer's events each fourth is a purchase, from a random one on
    counts = np.bincount(place, minlength=len(buyers))
    rank = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    phase = random.integers(0, _REGULAR_EVENTS_A_PURCHASE, len(buyers))
    is_purchase = (rank + phase[place]) % times[place] == 0
    place, standard = place[is_purchase], standard[is_purchase]
    person, day = buyers[place], calendar.day_of(standard)

    is_pausing = customers.behaviour[person] == BEHAVIOURS.index("pausing")
    is_pausing &= (day > customers.pause_begins[person]) & (day < customers.pause_ends[person])
    person, day = person[~is_pausing], day[~is_pausing]

    is_clumpy = customers.behaviour[person] == BEHAVIOURS.index("clumpy")
    followers = np.repeat(np.flatnonzero(is_clumpy), random.poisson(_CLUMP, int(is_clumpy.sum())))
    follow_day = day[followers] + random.uniform(0.5, 6.0, len(followers))
    return (
        np.concatenate([buyers, person, person[followers]]),
        np.concatenate([customers.won_day[buyers], day, follow_day]),
        np.concatenate([np.full(len(buyers), FIRST), np.full(len(person) + len(followers), OWN)]),
    )


def _life_event_purchases(
    random: np.random.Generator, customers: Customers, contacts: Contacts, world: World
) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    persons, days = [], []
    for name, (begins, ends, added) in LIFE_EVENT_WINDOWS.items():
        here = np.flatnonzero(
            (customers.life_event == LIFE_EVENTS.index(name)) & ~customers.is_prospect
        )
        person = np.repeat(here, random.poisson(added, len(here)))
        day = customers.life_event_day[person] + random.uniform(begins, ends, len(person))
        is_later = day > customers.won_day[person]
        persons.append(person[is_later])
        days.append(day[is_later])
    person = np.concatenate(persons)
    return person, np.concatenate(days), LIFE_EVENT, np.full(len(person), NOBODY)


def _campaign_purchases(
    random: np.random.Generator, customers: Customers, contacts: Contacts, world: World
) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """What campaigns add: with chance `effect` one order of each active person reached."""
    effect = world.campaigns.effect[contacts.campaign]
    answers = ~contacts.is_holdout & contacts.was_active
    answers &= random.random(len(effect)) < effect
    wait = 1 + random.uniform(0, RESPONSE_DAYS - 2, int(answers.sum()))
    day = np.floor(contacts.day[answers]) + wait
    return contacts.person[answers], day, CAMPAIGN, contacts.campaign[answers]


def _channels_of_orders(
    random: np.random.Generator, customers: Customers, person: np.ndarray, day: np.ndarray
) -> np.ndarray:
    """Mostly the main one, else one of those that the person uses by then."""
    uses = customers.channel_days[person] <= np.floor(day)[:, None]
    others = np.argmax(random.random(uses.shape) * uses, axis=1)
    is_main = chosen(random, len(person), _MAIN_CHANNEL_SHARE) | ~uses.any(axis=1)
    channel: np.ndarray = np.where(is_main, customers.main_channel[person], others)
    return channel


def _stated_campaigns(
    random: np.random.Generator,
    person: np.ndarray,
    day: np.ndarray,
    campaign: np.ndarray,
    channel: np.ndarray,
    contacts: Contacts,
    world: World,
) -> np.ndarray:
    """The campaign that an order names: not always the one that caused it, and wrong for some.

    The marketplace knows nothing of the shop's campaigns.
    """
    stated = np.where(chosen(random, len(person), _STATED_CAMPAIGN_SHARE), campaign, NOBODY)
    starts = np.searchsorted(world.campaigns.starts, day, side="right") - 1
    in_days = (starts >= 0) & (np.floor(day) <= world.campaigns.ends[starts.clip(0)])
    campaigns = len(world.campaigns.starts)
    reached = (contacts.person * campaigns + contacts.campaign)[~contacts.is_holdout]
    wrong = np.flatnonzero(
        in_days & (campaign == NOBODY) & chosen(random, len(person), _WRONGLY_STATED_SHARE)
    )
    wrong = wrong[np.isin(person[wrong] * campaigns + starts[wrong], reached)]
    stated[wrong] = starts[wrong]
    return np.where(channel == MARKETPLACE, NOBODY, stated)


def _with_failures(random: np.random.Generator, purchases: Purchases, world: World) -> Purchases:
    """What went wrong with delivered orders, who complained, and whether it was made good.

    Which agent takes a complaint is chance; whether the failure is made good is the agent's skill.
    """
    count = len(purchases.person)
    fails = chosen(random, count, world.settings.planted.failure_rate)
    fails &= (purchases.channel < FIRST_BRANCH) & ~purchases.is_cancelled
    complains = fails & chosen(random, count, _COMPLAINT_SHARE)
    agents = world.staff.agents()
    agent = np.where(complains, agents[random.integers(0, len(agents), count)], NOBODY)
    skill = np.where(complains, world.staff.skill[agent], 0.0)
    return replace(
        purchases,
        failure=np.where(fails, random.integers(1, len(FAILURES), count), 0),
        has_complaint=complains,
        agent=agent,
        is_recovered=random.random(count) < skill,
    )


def _lost_by_failure(
    random: np.random.Generator, purchases: Purchases, customers: Customers, world: World
) -> np.ndarray:
    """The day of the order with which a failure lost each person; infinite for most."""
    planted = world.settings.planted
    chance = np.where(
        purchases.is_recovered, planted.leaving_after_recovery, planted.leaving_after_failure
    )
    leaves = (purchases.failure > 0) & (random.random(len(chance)) < chance)
    lost_day = np.full(len(customers.rate), np.inf)
    np.minimum.at(lost_day, purchases.person[leaves], purchases.day[leaves])
    return lost_day
