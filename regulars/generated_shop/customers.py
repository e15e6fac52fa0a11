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
REASONS: Final = ("by themselves", "with their salesperson", "by a failure")
BY_THEMSELVES, WITH_SALESPERSON, BY_FAILURE = range(3)
NOBODY: Final = -1
AGE_GROUPS: Final = ("under 23", "23 to 45", "over 45")
WAYS: Final = ("search", "advertising", "social media")
_IRREGULAR_SHARES: Final = (0.0, 0.4, 0.3, 0.3)
_LIFE_EVENT_SHARES: Final = (0.0, 0.45, 0.3, 0.25)
_BOND_SHARES: Final = (1.0, 0.3, 0.2, 0.2)  # of the members of the loyalty scheme, independently
_VISITOR_SHARE: Final = 0.05  # of the people elsewhere, who buy in a branch on their travels
_WEB_SHARE, _MARKETPLACE_SHARE, _BRANCH_SHARE = 0.7, 0.3, 0.7
_BUSINESS_RATE: Final = 2.0
_CONSENT_SHARE, _WITHDRAWN_SHARE = 0.7, 0.08
_LEAD_SHARE: Final = 0.1  # of the customers, known for weeks before they bought
_WAIT_SPREAD: Final = 0.5  # standard deviation of the log of people's waits for an answer
_WAIT_FOR_CHANNEL_DAYS: Final = 150.0  # mean, until people try another channel
_PAUSE_DAYS: Final = (60, 300)


@dataclass(frozen=True)
class Customers:
    """The people of a chunk as buyers; every array has a place for each person.

    Attributes:
        is_prospect: never bought.
        won_day: day of the first purchase (of a prospect: of the first contact).
        known_day: since when the firm knows them: before `won_day` for who was a lead first.
        rate: purchases a standard week of their own process, but for the effects of a salesperson
            and of a customised bond.
        hazard: of dropping out by themselves, a week; in members with a structural bond too, whose
            bond bends it from the day on which they joined.
        gone_day: when they dropped out for good, by themselves, with their salesperson or by a
            failure; beyond the calendar for who is still there.
        gone_because: place in REASONS.
        behaviour, life_event: places in BEHAVIOURS and LIFE_EVENTS.
        life_event_day: when; 0 without one.
        pause_begins, pause_ends: days between which a pausing person buys nothing.
        channel_days: float[people, CHANNELS], since when they use each channel, and are known to
            its system; infinite for never.
        main_channel: place in CHANNELS, where they mostly buy.
        birth_year, sex: with the year of an order, their place in the catalogue's tastes.
        is_business: contacts of business accounts.
        favourites: int[people, 2], categories they like best.
        bonds: bool[people, BONDS], held since they joined the loyalty scheme; its members have the
            first.
        joined_day: since when a member; infinite for the others.
        owners: int[people, 2], salespeople they belong to one after the other, NOBODY for none;
            on their lists only if they come to the branch (see registrations).
        owned_days: float[people, 2], since when.
        referrer: place of the person who brought them, NOBODY for none.
        way: place in WAYS, how they say they came, where they name no friend: by chance.
        second_account_day: when they open a second account in the web shop; infinite for most.
        answer_wait: how slowly they are answered, as a factor on the time; its log is normal.
        satisfaction: with the firm, standard normal; those who wait long have less of it. Ratings
            show it, and it bends the hazard of dropping out.
        agrees_to_email: whether they said yes when they were won.
        withdrawn_day: when they took that back; infinite for most.
    """

    is_prospect: np.ndarray
    won_day: np.ndarray
    known_day: np.ndarray
    rate: np.ndarray
    hazard: np.ndarray
    gone_day: np.ndarray
    gone_because: np.ndarray
    behaviour: np.ndarray
    life_event: np.ndarray
    life_event_day: np.ndarray
    pause_begins: np.ndarray
    pause_ends: np.ndarray
    channel_days: np.ndarray
    main_channel: np.ndarray
    birth_year: np.ndarray
    sex: np.ndarray
    is_business: np.ndarray
    favourites: np.ndarray
    bonds: np.ndarray
    joined_day: np.ndarray
    owners: np.ndarray
    owned_days: np.ndarray
    referrer: np.ndarray
    way: np.ndarray
    second_account_day: np.ndarray
    answer_wait: np.ndarray
    satisfaction: np.ndarray
    agrees_to_email: np.ndarray
    withdrawn_day: np.ndarray

    def holds(self, bond: str, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Whether people hold one of BONDS on days."""
        held: np.ndarray = self.bonds[person, BONDS.index(bond)] & (self.joined_day[person] <= day)
        return held


def make_customers(random: np.random.Generator, people: pa.Table, world: World) -> Customers:
    """Draw how each of the people buys, by `Behaviour` and `Planted`."""
    behaviour, planted = world.settings.behaviour, world.settings.planted
    calendar, count = world.calendar, people.num_rows
    is_business = people["kind"].to_numpy() == "business"
    is_prospect = chosen(random, count, behaviour.prospect_share)
    won_day = _won_days(random, count, behaviour.already_there_share, world)
    is_lead = ~is_prospect & chosen(random, count, _LEAD_SHARE)
    known_day = won_day - np.where(is_lead, random.uniform(10, 120, count), 0.0)
    bonds = random.random((count, len(BONDS))) < _BOND_SHARES
    bonds &= chosen(random, count, behaviour.loyalty_share)[:, None] & ~is_prospect[:, None]
    city = people["city"].to_numpy(zero_copy_only=False)
    channels = _channels(random, city, is_business)
    main_channel = _main_channels(random, channels)
    channel_days = _channel_days(random, channels, main_channel, known_day, won_day)
    owners, owned_days = _owners(random, channel_days, world)

    rate = random.gamma(behaviour.rate_shape, 1 / behaviour.rate_scale_weeks, count)
    rate *= np.where(is_business, _BUSINESS_RATE, 1.0)
    hazard = random.gamma(behaviour.drop_out_shape, 1 / behaviour.drop_out_scale_weeks, count)
    slowness, contentment = random.spawn(1)[0].standard_normal((2, count))
    annoyance = planted.wait_dissatisfaction
    satisfaction = np.sqrt(1 - annoyance**2) * contentment - annoyance * slowness
    hazard *= planted.satisfaction_hazard**satisfaction
    hazard = np.maximum(hazard, 1e-9)
    joined = np.floor(won_day) + random.exponential(5.0, count)
    gone_day = won_day + 7 * random.exponential(1.0, count) / hazard
    # from the day of joining on the bond bends what is left of their time
    bound = bonds[:, BONDS.index("structural")] & (joined < gone_day)
    left = (gone_day - np.maximum(joined, won_day)) / planted.structural_bond_hazard
    gone_day = np.where(bound, np.maximum(joined, won_day) + left, gone_day)
    follows = chosen(random, count, planted.leaving_with_salesperson)
    owner_left = np.append(world.staff.left_day, calendar.days)[owners[:, 0]]
    follows &= (owner_left < calendar.days) & (won_day < owner_left) & (owner_left < gone_day)
    gone_day = np.where(follows, owner_left, gone_day)
    joins = bonds[:, 0] & (joined < np.minimum(gone_day, calendar.days))

    irregular = chosen(random, count, behaviour.irregular_share)
    has_event = chosen(random, count, behaviour.life_event_share)
    sex = (people["sex"].to_numpy() == "female").astype(np.int64)
    birth_year = _years(people["birth_date"].to_numpy())
    won_year = calendar.year_of(won_day)
    pause_begins = random.uniform(WARM_UP_DAYS, calendar.days, count)
    opens_second = chosen(random, count, behaviour.second_account_share)
    return Customers(
        is_prospect=is_prospect,
        won_day=won_day,
        known_day=known_day,
        rate=rate,
        hazard=hazard,
        gone_day=gone_day,
        gone_because=np.where(follows, WITH_SALESPERSON, BY_THEMSELVES),
        behaviour=np.where(irregular, drawn(random, np.array(_IRREGULAR_SHARES), count), 0),
        life_event=np.where(has_event, drawn(random, np.array(_LIFE_EVENT_SHARES), count), 0),
        life_event_day=random.uniform(WARM_UP_DAYS, calendar.days, count),
        pause_begins=pause_begins,
        pause_ends=pause_begins + random.uniform(*_PAUSE_DAYS, count),
        channel_days=channel_days,
        main_channel=main_channel,
        birth_year=birth_year,
        sex=sex,
        is_business=is_business,
        favourites=_favourites(
            random, world.catalogue.tastes[age_groups(birth_year, won_year), sex]
        ),
        bonds=bonds & joins[:, None],
        joined_day=np.where(joins, joined, np.inf),
        owners=owners,
        owned_days=owned_days,
        referrer=_referrers(
            random,
            np.where(is_prospect, np.inf, won_day),
            gone_day,
            known_day,
            chosen(random, count, behaviour.referred_share),
        ),
        way=random.integers(0, len(WAYS), count),
        second_account_day=np.where(
            opens_second, channel_days[:, WEB] + random.uniform(60, 600, count), np.inf
        ),
        answer_wait=np.exp(_WAIT_SPREAD * slowness),
        satisfaction=satisfaction,
        agrees_to_email=chosen(random, count, _CONSENT_SHARE),
        withdrawn_day=np.where(
            chosen(random, count, _WITHDRAWN_SHARE),
            channel_days[:, WEB] + random.uniform(30, 500, count),
            np.inf,
        ),
    )


def age_groups(birth_year: np.ndarray, year: np.ndarray) -> np.ndarray:
    """Places in AGE_GROUPS, by the year of birth alone."""
    age = year - birth_year
    group: np.ndarray = np.where(age < 23, 0, np.where(age <= 45, 1, 2))
    return group


def salesperson_effect(
    person: np.ndarray, day: np.ndarray, customers: Customers, world: World
) -> np.ndarray:
    """The factor on people's rates on days: of the owner of that day, 1 where nobody owns them."""
    effects = np.append(np.exp(world.staff.effect), 1.0)  # nobody's is the last
    left = np.append(world.staff.left_day, np.inf)
    first, second = customers.owners[person, 0], customers.owners[person, 1]
    by_first = (customers.owned_days[person, 0] <= day) & (day < left[first])
    by_second = customers.owned_days[person, 1] <= day
    factor: np.ndarray = np.where(
        by_second, effects[second], np.where(by_first, effects[first], 1.0)
    )
    return factor


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


def _channel_days(
    random: np.random.Generator,
    channels: np.ndarray,
    main_channel: np.ndarray,
    known_day: np.ndarray,
    won_day: np.ndarray,
) -> np.ndarray:
    """The main channel since they are known, the others some months after the first purchase."""
    days = won_day[:, None] + random.exponential(_WAIT_FOR_CHANNEL_DAYS, channels.shape)
    days[~channels] = np.inf
    days[np.arange(len(days)), main_channel] = known_day
    return days


def _owners(
    random: np.random.Generator, channel_days: np.ndarray, world: World
) -> tuple[np.ndarray, np.ndarray]:
    """A salesperson for each customer of a branch, and for some another one after that one left."""
    staff, calendar, count = world.staff, world.calendar, len(channel_days)
    owners = np.full((count, 2), NOBODY)
    owned_days = np.full((count, 2), np.inf)
    left = np.append(staff.left_day, calendar.days).astype(np.float64)
    for branch in range(len(BRANCHES)):
        since = channel_days[:, FIRST_BRANCH + branch]
        here = np.flatnonzero((since < calendar.days) & (owners[:, 0] == NOBODY))
        team = staff.salespeople(branch)
        first = team[random.integers(0, len(team), len(here))]
        stays = staff.stayers(branch)
        heir = stays[random.integers(0, len(stays), len(here))]
        # who was not there on that day could not have won them
        # (and is on the list since the evening before, see registrations)
        is_there = (staff.hired_day[first] < np.floor(since[here])) & (since[here] < left[first])
        first = np.where(is_there, first, heir)
        owners[here, 0], owned_days[here, 0] = first, since[here]
        is_handed_on = (left[first] < calendar.days) & chosen(random, len(here), 0.6)
        handed_on = here[is_handed_on]
        owners[handed_on, 1] = heir[is_handed_on]
        owned_days[handed_on, 1] = left[first[is_handed_on]] + random.integers(
            0, 60, len(handed_on)
        )
    return owners, owned_days


def _years(dates: np.ndarray) -> np.ndarray:
    years: np.ndarray = dates.astype("datetime64[Y]").astype(np.int64) + 1970
    return years


def _favourites(random: np.random.Generator, tastes: np.ndarray) -> np.ndarray:
    """Two categories a person, drawn by taste."""
    cumulative = np.cumsum(tastes, axis=1)
    drawn_twice = random.random((2, len(tastes), 1)) * cumulative[:, -1:]
    return np.stack([(cumulative < one).sum(axis=1) for one in drawn_twice], axis=1).clip(
        0, tastes.shape[1] - 1
    )


def _referrers(
    random: np.random.Generator,
    won_day: np.ndarray,
    gone_day: np.ndarray,
    known_day: np.ndarray,
    is_brought: np.ndarray,
) -> np.ndarray:
    """For each who is brought one of the customers of the day on which they became known.

    Drawn evenly among all who have bought and are not gone: one pass over the days on which people
    come, bring others and go. Nobody brings the first.
    """
    count = len(won_day)
    buys = np.isfinite(won_day)
    days = np.concatenate([known_day, won_day, gone_day])
    kind = np.repeat([0, 1, 2], count)  # in this order on one day: nobody brings themselves
    events = np.flatnonzero(np.concatenate([is_brought, buys, buys]))
    events = events[np.lexsort((kind[events], days[events]))]
    shares = random.random(count).tolist()
    there: list[int] = []
    place: dict[int, int] = {}
    referrer = np.full(count, NOBODY)
    for event in events.tolist():
        what, person = divmod(event, count)
        if what == 1:
            place[person] = len(there)
            there.append(person)
        elif what == 2:
            last = there.pop()
            hole = place.pop(person)
            if last != person:
                there[hole], place[last] = last, hole
        elif there:
            referrer[person] = there[int(shares[person] * len(there))]
    return referrer
