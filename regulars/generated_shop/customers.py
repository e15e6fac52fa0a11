"""How each person of a chunk buys: their rate, how long they stay, where, and whose customer."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.randomness import chosen, drawn
from regulars.generated_shop.staff import BRANCH_CITIES, BRANCHES
from regulars.generated_shop.world import World

BEHAVIOURS: Final = ("poisson", "regular", "pausing", "clumpy")
LIFE_EVENTS: Final = ("none", "exam", "child", "job")
CHANNELS: Final = ("web_shop", "marketplace", *(f"branch_{branch}" for branch in BRANCHES))
WEB, MARKETPLACE, FIRST_BRANCH = 0, 1, 2
BONDS: Final = ("financial", "structural", "customised", "social")
NOBODY: Final = -1
_IRREGULAR_SHARES: Final = (0.0, 0.4, 0.3, 0.3)
_LIFE_EVENT_SHARES: Final = (0.0, 0.45, 0.3, 0.25)
_BOND_SHARES: Final = (1.0, 0.3, 0.2, 0.2)  # of the members of the loyalty scheme, independently
_VISITOR_SHARE: Final = 0.05  # of the people elsewhere, who buy in a branch on their travels
_WEB_SHARE, _MARKETPLACE_SHARE, _BRANCH_SHARE = 0.7, 0.3, 0.7
_BUSINESS_RATE: Final = 2.0
_CONSENT_SHARE, _WITHDRAWN_SHARE = 0.7, 0.08


@dataclass(frozen=True)
class Customers:
    """The people of a chunk as buyers; every array has a place for each person.

    Attributes:
        is_prospect: never bought.
        won_day: day of the first purchase (of a prospect: of the first contact).
        rate: purchases a standard week, all lasting effects in it.
        gone_day: when they dropped out for good, by themselves or with their salesperson; beyond
            the calendar for who is still there.
        behaviour, life_event: places in BEHAVIOURS and LIFE_EVENTS.
        life_event_day: when; 0 without one.
        channels: bool[people, CHANNELS], where they buy at all.
        main_channel: place in CHANNELS, most of their orders.
        age_group, sex: places in the catalogue's tastes.
        favourites: int[people, 2], categories they like best.
        bonds: bool[people, BONDS]; who has the first is a member of the loyalty scheme.
        owners: int[people, 2], salespeople they belong to one after the other, NOBODY for none.
        owned_days: float[people, 2], since when.
        orphaned_day: when the last owner left; beyond the calendar where none did.
        referrer: place of the person who brought them, NOBODY for none.
        second_account_day: when they open a second account in the web shop; infinite for most.
        agrees_to_email: whether they said yes when they were won.
        withdrawn_day: when they took that back; infinite for most.
    """

    is_prospect: np.ndarray
    won_day: np.ndarray
    rate: np.ndarray
    gone_day: np.ndarray
    behaviour: np.ndarray
    life_event: np.ndarray
    life_event_day: np.ndarray
    channels: np.ndarray
    main_channel: np.ndarray
    age_group: np.ndarray
    sex: np.ndarray
    is_business: np.ndarray
    favourites: np.ndarray
    bonds: np.ndarray
    owners: np.ndarray
    owned_days: np.ndarray
    orphaned_day: np.ndarray
    referrer: np.ndarray
    second_account_day: np.ndarray
    agrees_to_email: np.ndarray
    withdrawn_day: np.ndarray


def make_customers(random: np.random.Generator, people: pa.Table, world: World) -> Customers:
    """Draw how each of the people buys, by `Behaviour` and `Planted`."""
    behaviour, planted = world.settings.behaviour, world.settings.planted
    calendar, count = world.calendar, people.num_rows
    is_business = people["kind"].to_numpy() == "business"
    is_prospect = chosen(random, count, behaviour.prospect_share)
    won_day = _won_days(random, count, behaviour.already_there_share, world)
    bonds = random.random((count, len(BONDS))) < _BOND_SHARES
    bonds &= chosen(random, count, behaviour.loyalty_share)[:, None] & ~is_prospect[:, None]
    channels = _channels(random, people["city"].to_numpy(zero_copy_only=False), is_business)
    owners, owned_days, orphaned_day, owner_left = _owners(random, channels, won_day, world)

    rate = random.gamma(behaviour.rate_shape, 1 / behaviour.rate_scale_weeks, count)
    rate *= np.where(is_business, _BUSINESS_RATE, 1.0)
    rate *= np.where(bonds[:, BONDS.index("customised")], planted.customised_bond_rate, 1.0)
    effects = np.append(world.staff.effect, 0.0)  # nobody's is the last
    rate *= np.exp(effects[owners[:, 0]])
    hazard = random.gamma(behaviour.drop_out_shape, 1 / behaviour.drop_out_scale_weeks, count)
    hazard *= np.where(bonds[:, BONDS.index("structural")], planted.structural_bond_hazard, 1.0)
    gone_day = won_day + 7 * random.exponential(1.0, count) / np.maximum(hazard, 1e-9)
    follows = chosen(random, count, planted.leaving_with_salesperson)
    gone_day = np.where(follows, np.minimum(gone_day, owner_left), gone_day)

    irregular = chosen(random, count, behaviour.irregular_share)
    has_event = chosen(random, count, behaviour.life_event_share)
    age_group, sex = _age_groups(people, world), people["sex"].to_numpy() == "female"
    opens_second = chosen(random, count, behaviour.second_account_share) & channels[:, WEB]
    return Customers(
        is_prospect=is_prospect,
        won_day=won_day,
        rate=rate,
        gone_day=np.maximum(gone_day, won_day),
        behaviour=np.where(irregular, drawn(random, np.array(_IRREGULAR_SHARES), count), 0),
        life_event=np.where(has_event, drawn(random, np.array(_LIFE_EVENT_SHARES), count), 0),
        life_event_day=random.uniform(WARM_UP_DAYS, calendar.days, count),
        channels=channels,
        main_channel=_main_channels(random, channels),
        age_group=age_group,
        sex=sex.astype(np.int64),
        is_business=is_business,
        favourites=_favourites(random, world.catalogue.tastes[age_group, sex.astype(np.int64)]),
        bonds=bonds,
        owners=owners,
        owned_days=owned_days,
        orphaned_day=orphaned_day,
        referrer=_referrers(random, won_day, is_prospect, behaviour.referred_share),
        second_account_day=np.where(opens_second, won_day + random.uniform(60, 600, count), np.inf),
        agrees_to_email=chosen(random, count, _CONSENT_SHARE),
        withdrawn_day=np.where(
            chosen(random, count, _WITHDRAWN_SHARE),
            won_day + random.uniform(30, 500, count),
            np.inf,
        ),
    )


def _won_days(
    random: np.random.Generator, count: int, already_there_share: float, world: World
) -> np.ndarray:
    """Days of first purchases, as busy as the season is."""
    calendar = world.calendar
    begins = calendar.cumulative[WARM_UP_DAYS]
    is_old = chosen(random, count, already_there_share)
    evenly = random.random(count)
    standard = np.where(
        is_old, evenly * begins, begins + evenly * (calendar.cumulative[-1] - begins)
    )
    return calendar.day_of(standard)


def _channels(random: np.random.Generator, city: np.ndarray, is_business: np.ndarray) -> np.ndarray:
    count = len(city)
    channels = np.zeros((count, len(CHANNELS)), bool)
    channels[:, WEB] = chosen(random, count, _WEB_SHARE)
    channels[:, MARKETPLACE] = chosen(random, count, _MARKETPLACE_SHARE) & ~is_business
    visited = np.where(
        chosen(random, count, _VISITOR_SHARE), random.integers(0, len(BRANCHES), count), NOBODY
    )
    for branch, name in enumerate(BRANCH_CITIES):
        is_near = (city == name) & chosen(random, count, _BRANCH_SHARE)
        channels[:, FIRST_BRANCH + branch] = is_near | ((city != name) & (visited == branch))
    channels[~channels.any(axis=1), WEB] = True
    return channels


def _main_channels(random: np.random.Generator, channels: np.ndarray) -> np.ndarray:
    main: np.ndarray = np.argmax(random.random(channels.shape) * channels, axis=1)
    return main


def _owners(
    random: np.random.Generator, channels: np.ndarray, won_day: np.ndarray, world: World
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A salesperson for each customer of a branch, and for some another one after that one left."""
    staff, calendar, count = world.staff, world.calendar, len(won_day)
    owners = np.full((count, 2), NOBODY)
    owned_days = np.full((count, 2), np.inf)
    left = np.append(staff.left_day, calendar.days).astype(np.float64)
    for branch in range(len(BRANCHES)):
        here = np.flatnonzero(channels[:, FIRST_BRANCH + branch] & (owners[:, 0] == NOBODY))
        team = staff.salespeople(branch)
        first = team[random.integers(0, len(team), len(here))]
        stays = team[left[team] >= calendar.days]
        heir = stays[random.integers(0, len(stays), len(here))]
        # who had already left when the customer came could not have won them
        first = np.where(left[first] > won_day[here], first, heir)
        owners[here, 0], owned_days[here, 0] = first, won_day[here]
        is_handed_on = (left[first] < calendar.days) & chosen(random, len(here), 0.6)
        handed_on = here[is_handed_on]
        owners[handed_on, 1] = heir[is_handed_on]
        owned_days[handed_on, 1] = left[first[is_handed_on]] + random.integers(
            0, 60, len(handed_on)
        )
    first_left = np.where(left[owners[:, 0]] < calendar.days, left[owners[:, 0]], np.inf)
    orphaned = np.where(owners[:, 1] == NOBODY, first_left, np.inf)
    return owners, owned_days, orphaned, first_left


def _age_groups(people: pa.Table, world: World) -> np.ndarray:
    born = people["birth_date"].to_numpy().astype("datetime64[Y]").astype(np.int64) + 1970
    age = world.settings.last_day.year - born
    return np.where(age < 23, 0, np.where(age <= 45, 1, 2))


def _favourites(random: np.random.Generator, tastes: np.ndarray) -> np.ndarray:
    """Two categories a person, drawn by taste."""
    cumulative = np.cumsum(tastes, axis=1)
    drawn_twice = random.random((2, len(tastes), 1)) * cumulative[:, -1:]
    return np.stack([(cumulative < one).sum(axis=1) for one in drawn_twice], axis=1).clip(
        0, tastes.shape[1] - 1
    )


def _referrers(
    random: np.random.Generator, won_day: np.ndarray, is_prospect: np.ndarray, share: float
) -> np.ndarray:
    """For a share of the people, a customer who was won before them."""
    customers = np.flatnonzero(~is_prospect)
    customers = customers[np.argsort(won_day[customers], kind="stable")]
    earlier = np.searchsorted(won_day[customers], won_day)
    place = (random.random(len(won_day)) * earlier).astype(np.int64)
    is_brought = chosen(random, len(won_day), share) & (earlier > 0)
    found = customers[place.clip(0, max(0, len(customers) - 1))] if len(customers) else place
    return np.where(is_brought, found, NOBODY)
