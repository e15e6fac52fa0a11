"""The firm's branches, shops and people: who sells, how well, and who leaves."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from regulars.generated_shop.calendar import WARM_UP_DAYS, Calendar
from regulars.generated_shop.names import GIVEN_NAME_CHARACTERS, SURNAMES
from regulars.generated_shop.randomness import stream
from regulars.generated_shop.settings import ShopSettings

BRANCHES: Final = ("beijing", "shanghai", "guangzhou")
BRANCH_CITIES: Final = ("北京市", "上海市", "广州市")
BRANCH_PROVINCES: Final = ("北京市", "上海市", "广东省")
STORES_A_BRANCH: Final = 3
_SALESPEOPLE_A_BRANCH: Final = 10
_AGENTS: Final = 12
_LEAVER_SHARE: Final = 0.3
_NEWCOMER_SHARE: Final = 0.2  # of those who stay


@dataclass(frozen=True)
class Staff:
    """The firm's employees, salespeople of the branches first, then managers, then agents.

    Attributes:
        number: the personnel number.
        branch: place in BRANCHES; -1 of the call centre.
        store: place of the shop, STORES_A_BRANCH a branch; -1 of the call centre.
        effect: salespeople's effect on the log of their customers' rate of purchase.
        skill: agents' chance to make a failure good.
        hired_day, left_day: in days of the calendar; left_day is `days` of who stays.
    """

    number: np.ndarray
    name: np.ndarray
    role: np.ndarray
    branch: np.ndarray
    store: np.ndarray
    effect: np.ndarray
    skill: np.ndarray
    hired_day: np.ndarray
    left_day: np.ndarray

    def salespeople(self, branch: int) -> np.ndarray:
        """Places of a branch's salespeople."""
        return np.flatnonzero((self.branch == branch) & (self.role == "salesperson"))

    def stayers(self, branch: int) -> np.ndarray:
        """Places of a branch's salespeople who were there before the calendar, and stay."""
        team = self.salespeople(branch)
        stays = (self.left_day[team] >= self.left_day.max()) & (self.hired_day[team] < 0)
        stayers: np.ndarray = team[stays]
        return stayers

    def agents(self) -> np.ndarray:
        """Places of the call centre's agents."""
        return np.flatnonzero(self.role == "agent")


def make_staff(settings: ShopSettings, calendar: Calendar) -> Staff:
    """Ten salespeople and a manager a branch, twelve agents; some salespeople leave, some come."""
    random = stream(settings.seed, "staff")
    sellers = len(BRANCHES) * _SALESPEOPLE_A_BRANCH
    roles = np.array(["salesperson"] * sellers + ["manager"] * len(BRANCHES) + ["agent"] * _AGENTS)
    count = len(roles)
    branch = np.concatenate(
        [
            np.repeat(np.arange(len(BRANCHES)), _SALESPEOPLE_A_BRANCH),
            np.arange(len(BRANCHES)),
            np.full(_AGENTS, -1),
        ]
    )
    is_seller = roles == "salesperson"
    store = np.where(branch >= 0, branch * STORES_A_BRANCH + np.arange(count) % STORES_A_BRANCH, -1)
    left = np.full(count, calendar.days)
    is_leaver = is_seller & (random.random(count) < _LEAVER_SHARE)
    # At least one stays in each branch, or its customers would have nobody to go to.
    is_leaver[np.arange(len(BRANCHES)) * _SALESPEOPLE_A_BRANCH] = False
    left[is_leaver] = calendar.draw_days(random, int(is_leaver.sum()), WARM_UP_DAYS + 60)
    hired = random.integers(-2_000, 0, count)
    is_newcomer = is_seller & ~is_leaver & (random.random(count) < _NEWCOMER_SHARE)
    is_newcomer[np.arange(len(BRANCHES)) * _SALESPEOPLE_A_BRANCH] = False
    hired[is_newcomer] = calendar.draw_days(random, int(is_newcomer.sum()), WARM_UP_DAYS, 60)
    return Staff(
        number=np.array([f"E{1001 + place}" for place in range(count)]),
        name=_names(random, count),
        role=roles,
        branch=branch,
        store=store,
        effect=np.where(
            is_seller, random.normal(0.0, settings.planted.salesperson_spread, count), 0.0
        ),
        skill=np.where(roles == "agent", random.uniform(0.3, 0.8, count), 0.0),
        hired_day=hired,
        left_day=left,
    )


def _names(random: np.random.Generator, count: int) -> np.ndarray:
    """A surname and one or two characters, both of women's names or both of men's."""
    surnames = [one.character for one in SURNAMES[:20]]
    pools = (
        [one.character for one in GIVEN_NAME_CHARACTERS if one.male_weight > one.female_weight],
        [one.character for one in GIVEN_NAME_CHARACTERS if one.female_weight > one.male_weight],
    )
    names = []
    for place in random.permutation(count).tolist():
        pool = pools[int(random.integers(0, 2))]
        given = random.choice(pool[:40], 1 + int(random.random() < 0.7), replace=False)
        names.append(surnames[place % len(surnames)] + "".join(given.tolist()))
    return np.array(names)
