"""What customers and the firm say to each other: complaints, questions, reviews, visits, calls."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from regulars.generated_shop.baskets import Lines
from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.customers import FIRST_BRANCH, NOBODY, WEB, Customers
from regulars.generated_shop.orders import Orders, Trade
from regulars.generated_shop.purchases import Purchases
from regulars.generated_shop.randomness import chosen, drawn
from regulars.generated_shop.registrations import CALL_CENTRE, Registrations
from regulars.generated_shop.world import World

KINDS: Final = (
    *("complaint", "question", "opinion", "suggestion", "request", "care", "sales", "visit"),
)
_QUESTION_SHARE: Final = 0.04
_REVIEW_SHARE: Final = 0.1
_FOLLOW_UPS_A_YEAR: Final = 0.8
_UNRATED_SHARE: Final = 0.4
STARS_A_DEVIATION: Final = 0.4  # of a rating, for a standard deviation of satisfaction
_STARS_SPREAD: Final = 0.9
_GOOD, _BAD = "complaint made good", "complaint not made good"
_ANSWERED, _PLEASED = "other contact with the call centre", "review"
_DISPLEASED = "review of an order whose failure was not made good"
RATINGS: Final = {_GOOD: 4.2, _BAD: 1.8, _ANSWERED: 4.0, _PLEASED: 4.3, _DISPLEASED: 2.0}
"""What each is rated on average by who is neither content nor annoyed: in stars."""
_UNRESOLVED_SHARE: Final = 0.3  # of complaints that are not made good


@dataclass(frozen=True)
class Interactions:
    """Contacts by time of their making; one place a contact. Days carry the time of day.

    Attributes:
        source: place in registrations.SOURCES of the system that knows of it.
        record: of the customer in that system.
        employee: who handled it; NOBODY in the web shop.
        kind: place in KINDS.
        is_by_customer: who began it.
        opened, answered, resolved: days; NaN for never.
        rating: 1 to 5; 0 for none.
        order: place of the order it is about; NOBODY for none.
        failure: place in purchases.FAILURES that it complains of.
        compensation_cents: paid; 0 for none.
    """

    source: np.ndarray
    record: np.ndarray
    employee: np.ndarray
    kind: np.ndarray
    is_by_customer: np.ndarray
    opened: np.ndarray
    answered: np.ndarray
    resolved: np.ndarray
    steps: np.ndarray
    rating: np.ndarray
    order: np.ndarray
    failure: np.ndarray
    compensation_cents: np.ndarray


def make_interactions(random: np.random.Generator, trade: Trade) -> Interactions:
    """All contacts of a chunk within the data."""
    orders, lines, purchases, customers, registrations, world = trade
    parts = [
        _complaints(random, lines, purchases, customers, registrations),
        _questions(random, purchases, customers, registrations, world),
        _reviews(random, orders, purchases, customers),
        _follow_ups(random, customers, registrations, world),
    ]
    together = Interactions(
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    )
    is_within = (together.opened >= WARM_UP_DAYS) & (together.opened < world.calendar.days)
    is_within &= together.record != NOBODY
    return Interactions(**{name: value[is_within] for name, value in vars(together).items()})


def _complaints(
    random: np.random.Generator,
    lines: Lines,
    purchases: Purchases,
    customers: Customers,
    registrations: Registrations,
) -> dict[str, np.ndarray]:
    """Made good: fast, in few steps, with money back, and rated so."""
    order = np.flatnonzero(purchases.has_complaint)
    count, good = len(order), purchases.is_recovered[order]
    person = purchases.person[order]
    opened = purchases.day[order] + random.uniform(1.0, 3.0, count)
    wait = random.exponential(np.where(good, 0.15, 1.5), count)
    answered = opened + wait * customers.answer_wait[person]
    is_resolved = good | ~chosen(random, count, _UNRESOLVED_SHARE)
    resolved = answered + random.exponential(np.where(good, 0.7, 4.0), count)
    worth = np.bincount(lines.order, lines.net_cents, len(purchases.person))[order].clip(0)
    share = np.where(good, random.uniform(0.08, 0.3, count), 0.0)
    share = np.where(~good & chosen(random, count, 0.2), 0.02, share)
    return {
        "source": np.full(count, CALL_CENTRE),
        "record": registrations.record(person, np.full(count, CALL_CENTRE), opened),
        "employee": purchases.agent[order],
        "kind": np.full(count, KINDS.index("complaint")),
        "is_by_customer": np.ones(count, bool),
        "opened": opened,
        "answered": answered,
        "resolved": np.where(is_resolved, resolved, np.nan),
        "steps": np.where(good, 1 + random.poisson(0.5, count), 2 + random.poisson(2.0, count)),
        "rating": _ratings(
            random, np.where(good, RATINGS[_GOOD], RATINGS[_BAD]), customers.satisfaction[person]
        ),
        "order": order,
        "failure": purchases.failure[order],
        "compensation_cents": np.rint(worth * share).astype(np.int64),
    }


def _questions(
    random: np.random.Generator,
    purchases: Purchases,
    customers: Customers,
    registrations: Registrations,
    world: World,
) -> dict[str, np.ndarray]:
    """Of people whom the call centre knows: customers before an order, leads at their call."""
    known = registrations.first[:, CALL_CENTRE]
    asked = np.flatnonzero(
        (known[purchases.person] != NOBODY) & chosen(random, len(purchases.person), _QUESTION_SHARE)
    )
    first_call = np.append(registrations.day, np.inf)[known]  # nobody's is the last
    leads = np.flatnonzero(
        (first_call < np.inf) & (customers.is_prospect | (first_call < customers.won_day))
    )
    person = np.concatenate([purchases.person[asked], leads])
    opened = np.concatenate([purchases.day[asked] - 0.1, first_call[leads] + 0.05])
    count, agents = len(person), world.staff.agents()
    answered = opened + random.exponential(0.1, count) * customers.answer_wait[person]
    kinds = np.array([KINDS.index(one) for one in ("question", "request", "suggestion")])
    return {
        "source": np.full(count, CALL_CENTRE),
        "record": registrations.record(person, np.full(count, CALL_CENTRE), opened),
        "employee": agents[random.integers(0, len(agents), count)],
        "kind": kinds[drawn(random, np.array([0.7, 0.2, 0.1]), count)],
        "is_by_customer": np.ones(count, bool),
        "opened": opened,
        "answered": answered,
        "resolved": answered + random.exponential(0.05, count),
        "steps": np.ones(count, np.int64),
        "rating": _ratings(
            random, np.full(count, RATINGS[_ANSWERED]), customers.satisfaction[person]
        ),
        "order": np.full(count, NOBODY),
        "failure": np.zeros(count, np.int64),
        "compensation_cents": np.zeros(count, np.int64),
    }


def _reviews(
    random: np.random.Generator, orders: Orders, purchases: Purchases, customers: Customers
) -> dict[str, np.ndarray]:
    """On the web shop's page, some days after an order there."""
    sales = len(purchases.person)
    is_reviewed = (orders.channel[:sales] == WEB) & ~orders.is_cancelled[:sales]
    order = np.flatnonzero(is_reviewed & chosen(random, sales, _REVIEW_SHARE))
    count, failed = len(order), purchases.failure[order] > 0
    is_bad = failed & ~purchases.is_recovered[order]
    mean = np.where(is_bad, RATINGS[_DISPLEASED], RATINGS[_PLEASED])
    satisfaction = customers.satisfaction[purchases.person[order]]
    return {
        "source": np.full(count, WEB),
        "record": orders.record[order],
        "employee": np.full(count, NOBODY),
        "kind": np.full(count, KINDS.index("opinion")),
        "is_by_customer": np.ones(count, bool),
        "opened": orders.day[order] + random.uniform(2.0, 20.0, count),
        "answered": np.full(count, np.nan),
        "resolved": np.full(count, np.nan),
        "steps": np.zeros(count, np.int64),
        "rating": _ratings(random, mean, satisfaction, unrated_share=0.0),
        "order": order,
        "failure": np.zeros(count, np.int64),
        "compensation_cents": np.zeros(count, np.int64),
    }


def _follow_ups(
    random: np.random.Generator, customers: Customers, registrations: Registrations, world: World
) -> dict[str, np.ndarray]:
    """Calls and visits by owners, as long as they own. They add nothing.

    Nobody knows that a customer has dropped out, so the calls go on.
    """
    staff = world.staff
    owned, turn = np.nonzero(customers.owners != NOBODY)
    owner = customers.owners[owned, turn]
    begins = np.maximum(np.floor(customers.owned_days[owned, turn]) + 1, WARM_UP_DAYS)
    ends = staff.left_day[owner]
    years = (ends - begins).clip(0) / 365
    place = np.repeat(np.arange(len(owned)), random.poisson(_FOLLOW_UPS_A_YEAR * years))
    count, person = len(place), owned[place]
    opened = np.floor(begins[place] + random.random(count) * (ends - begins)[place])
    opened += random.uniform(0.4, 0.75, count)
    source = FIRST_BRANCH + staff.branch[owner[place]]
    kinds = np.array([KINDS.index(one) for one in ("care", "sales", "visit")])
    return {
        "source": source,
        "record": registrations.record(person, source, opened),
        "employee": owner[place],
        "kind": kinds[drawn(random, np.array([0.4, 0.4, 0.2]), count)],
        "is_by_customer": np.zeros(count, bool),
        "opened": opened,
        "answered": opened,
        "resolved": opened,
        "steps": np.ones(count, np.int64),
        "rating": np.zeros(count, np.int64),
        "order": np.full(count, NOBODY),
        "failure": np.zeros(count, np.int64),
        "compensation_cents": np.zeros(count, np.int64),
    }


def _ratings(
    random: np.random.Generator,
    mean: np.ndarray,
    satisfaction: np.ndarray,
    unrated_share: float = _UNRATED_SHARE,
) -> np.ndarray:
    """Stars for how it went, moved by how satisfied the person is with the firm at all."""
    stars = random.normal(mean + STARS_A_DEVIATION * satisfaction, _STARS_SPREAD)
    rating = np.rint(stars).clip(1, 5).astype(np.int64)
    return np.where(chosen(random, len(mean), unrated_share), 0, rating)
