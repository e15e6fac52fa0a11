"""What is in each order: lines by taste and life, and what was planted among them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from regulars.generated_shop.calendar import Calendar
from regulars.generated_shop.campaigns import holds_for
from regulars.generated_shop.catalogue import CATEGORIES, CATEGORY, TYPES_A_CATEGORY, Pairs
from regulars.generated_shop.customers import LIFE_EVENTS, NOBODY, WEB, Customers, age_groups
from regulars.generated_shop.purchases import LIFE_EVENT_WINDOWS, Purchases
from regulars.generated_shop.randomness import chosen
from regulars.generated_shop.world import World

LINE_KINDS: Final = ("merchandise", "shipping", "gift_card", "points", "other")
MERCHANDISE, SHIPPING, GIFT_CARD, POINTS, OTHER = range(5)
LINE_CAUSES: Final = ("taste", "bundle", "sequence", "decoy", "none")
TASTE, BUNDLE, SEQUENCE, DECOY, NO_CAUSE = range(5)
SHIPPING_CENTS: Final = 800
FREE_SHIPPING_FROM_CENTS: Final = 9_900
POINT_CENTS: Final = 1  # what a point is worth when it is burnt
_MORE_LINES: Final = 1.0  # on average, beside the first
_BUSINESS_LINES: Final = 6.0
_HUGE_SHARE: Final = 0.01  # of business orders: a library fills its shelves
_HUGE_LINES: Final = 150.0
FAVOURITE_SHARES: Final = (0.45, 0.2)  # the rest by the taste of age and sex
LIFE_EVENT_SHARE: Final = 0.7  # of lines in a life event's days
LIFE_EVENT_CATEGORIES: Final = {
    "exam": "Exam preparation",
    "child": "Picture books",
    "job": "Business English",
}
SEQUENCE_WAIT_DAYS: Final = (21.0, 75.0)  # at least, and on average on top of it
_SALE_DISCOUNTS: Final = (0.1, 0.25)
_BUSINESS_DISCOUNT: Final = 0.12
_GIFT_CARD_SHARE: Final = 0.008
_GIFT_CARD_CENTS: Final = np.array([5_000, 10_000, 20_000, 50_000])
_WRAPPED_SHARE, _WRAPPING_CENTS = 0.02, 300
_POINTS_SHARE: Final = 0.06  # of orders of members of the loyalty scheme


@dataclass(frozen=True)
class Lines:
    """The lines of a chunk's orders, order by order; money in fen.

    Attributes:
        order: place of the order.
        product: place in the catalogue; NOBODY on lines of no merchandise.
        kind: place in LINE_KINDS.
        quantity: pieces.
        price_cents: list price of a piece.
        discount_cents: of the whole line.
        cost_cents: of a piece.
        cause: place in LINE_CAUSES: why it was bought.
        coupon_cents: the part of the discount that a campaign's coupon gave.
    """

    order: np.ndarray
    product: np.ndarray
    kind: np.ndarray
    quantity: np.ndarray
    price_cents: np.ndarray
    discount_cents: np.ndarray
    cost_cents: np.ndarray
    cause: np.ndarray
    coupon_cents: np.ndarray

    @property
    def net_cents(self) -> np.ndarray:
        """What the shop receives for each line."""
        net: np.ndarray = self.quantity * self.price_cents - self.discount_cents
        return net

    def only(self, kept: np.ndarray) -> "Lines":
        """Some of them, by mask or places."""
        return Lines(**{name: value[kept] for name, value in vars(self).items()})


def make_lines(
    random: np.random.Generator, purchases: Purchases, customers: Customers, world: World
) -> Lines:
    """Fill the orders; each has at least one line of merchandise."""
    order = _places_of_lines(random, customers.is_business[purchases.person])
    product = _products_by_taste(random, order, purchases, customers, world)
    cause = np.full(len(order), TASTE)
    for more_order, more_product, why in (
        (*_followers(random, world.catalogue.sequences, order, product, purchases), SEQUENCE),
        (*_bundled(random, world.catalogue.bundles, order, product), BUNDLE),
        (*_decoys(random, purchases, customers, world), DECOY),
    ):
        order, product = np.append(order, more_order), np.append(product, more_product)
        cause = np.append(cause, np.full(len(more_order), why))
    # what was planted where taste had put it already is one line; taste keeps it
    _, first = np.unique(order * len(world.catalogue.sku) + product, return_index=True)
    order, product, cause = order[first], product[first], cause[first]
    by_order = np.lexsort((product, cause, order))
    order, product, cause = order[by_order], product[by_order], cause[by_order]
    merchandise = _priced(random, order, product, cause, purchases, customers, world)
    return _with_other_kinds(random, merchandise, purchases, customers, world.calendar)


def _places_of_lines(random: np.random.Generator, is_business: np.ndarray) -> np.ndarray:
    more = np.where(is_business, _BUSINESS_LINES, _MORE_LINES)
    is_huge = is_business & chosen(random, len(is_business), _HUGE_SHARE)
    counts = 1 + random.poisson(np.where(is_huge, _HUGE_LINES, more))
    return np.repeat(np.arange(len(is_business)), counts)


def _products_by_taste(
    random: np.random.Generator,
    order: np.ndarray,
    purchases: Purchases,
    customers: Customers,
    world: World,
) -> np.ndarray:
    catalogue, count = world.catalogue, len(order)
    person, day = purchases.person[order], purchases.day[order]
    category = _by_group(random, person, day, customers, world)
    which = random.random(count)
    for favourite, share in enumerate(np.cumsum(FAVOURITE_SHARES)[::-1]):
        place = len(FAVOURITE_SHARES) - 1 - favourite
        category = np.where(which < share, customers.favourites[person, place], category)
    for name, (begins, ends, _) in LIFE_EVENT_WINDOWS.items():
        since = day - customers.life_event_day[person]
        is_touched = customers.life_event[person] == LIFE_EVENTS.index(name)
        is_touched &= (since >= begins) & (since <= ends)
        is_touched &= chosen(random, count, LIFE_EVENT_SHARE)
        category = np.where(is_touched, CATEGORY[LIFE_EVENT_CATEGORIES[name]], category)
    product = np.searchsorted(catalogue.cumulative, category + random.random(count), side="right")
    product = product.clip(0, len(catalogue.sku) - 1)
    # Who finds a product type too dear takes something else, by the taste of their group.
    for move in catalogue.price_moves:
        is_dearer = (catalogue.product_type[product] == move.product_type) & (day >= move.day)
        refuses = is_dearer & (random.random(count) > move.factor**move.elasticity)
        refused = np.flatnonzero(refuses)
        other = _by_group(random, person[refused], day[refused], customers, world)
        other = np.where(other == move.product_type // TYPES_A_CATEGORY, _next(other), other)
        product[refused] = np.searchsorted(
            catalogue.cumulative, other + random.random(len(refused)), side="right"
        ).clip(0, len(catalogue.sku) - 1)
    return product


def _next(category: np.ndarray) -> np.ndarray:
    return (category + 1) % len(CATEGORIES)


def _by_group(
    random: np.random.Generator,
    person: np.ndarray,
    day: np.ndarray,
    customers: Customers,
    world: World,
) -> np.ndarray:
    """Categories by the taste of age on that day and sex."""
    tastes = world.catalogue.tastes
    groups = tastes.shape[0] * tastes.shape[1]
    cumulative = np.cumsum(tastes.reshape(groups, -1), axis=1)
    flat = (cumulative / cumulative[:, -1:] + np.arange(groups)[:, None]).ravel()
    age = age_groups(customers.birth_year[person], world.calendar.year_of(day))
    group = age * tastes.shape[1] + customers.sex[person]
    found = np.searchsorted(flat, group + random.random(len(person)), side="right")
    category: np.ndarray = (found - group * tastes.shape[2]).clip(0, tastes.shape[2] - 1)
    return category


def _bundled(
    random: np.random.Generator, bundles: Pairs, order: np.ndarray, product: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    orders, products = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, second, strength in zip(
        bundles.first, bundles.second, bundles.strength, strict=True
    ):
        with_first = np.unique(order[product == first])
        taken = with_first[chosen(random, len(with_first), strength)]
        orders.append(taken)
        products.append(np.full(len(taken), second))
    return np.concatenate(orders), np.concatenate(products)


def _followers(
    random: np.random.Generator,
    sequences: Pairs,
    order: np.ndarray,
    product: np.ndarray,
    purchases: Purchases,
) -> tuple[np.ndarray, np.ndarray]:
    """Who bought the first takes the second into their next order after a while, if one comes."""
    span = purchases.day.max(initial=0.0) + 10_000.0
    clock = purchases.person * span + purchases.day  # rising, for orders stand by person and time
    orders, products = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, second, strength in zip(
        sequences.first, sequences.second, sequences.strength, strict=True
    ):
        begun = np.unique(order[product == first])
        begun = begun[chosen(random, len(begun), strength)]
        lag = SEQUENCE_WAIT_DAYS[0] + random.exponential(SEQUENCE_WAIT_DAYS[1], len(begun))
        later = np.searchsorted(clock, clock[begun] + lag)
        is_there = later < len(clock)
        begun, later = begun[is_there], later[is_there]
        later = later[purchases.person[later] == purchases.person[begun]]
        orders.append(later)
        products.append(np.full(len(later), second))
    return np.concatenate(orders), np.concatenate(products)


def _decoys(
    random: np.random.Generator, purchases: Purchases, customers: Customers, world: World
) -> tuple[np.ndarray, np.ndarray]:
    """Each decoy lies in its share of the baskets, whatever else does.

    The confounded ones lie in more of the baskets of sale days or of businesses, which makes them
    look related.
    """
    decoys, calendar = world.catalogue.decoys, world.calendar
    is_special = {
        "none": np.zeros(len(purchases.person), bool),
        "sale days": calendar.is_sale[np.floor(purchases.day).astype(np.int64)],
        "business": customers.is_business[purchases.person],
    }
    orders, products = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for product, confounder, within, otherwise in zip(
        decoys.product.tolist(),
        decoys.confounder,
        decoys.share_within.tolist(),
        decoys.share_otherwise.tolist(),
        strict=True,
    ):
        share = np.where(is_special[confounder], within, otherwise)
        found = np.flatnonzero(random.random(len(share)) < share)
        orders.append(found)
        products.append(np.full(len(found), product))
    return np.concatenate(orders), np.concatenate(products)


def _priced(
    random: np.random.Generator,
    order: np.ndarray,
    product: np.ndarray,
    cause: np.ndarray,
    purchases: Purchases,
    customers: Customers,
    world: World,
) -> Lines:
    catalogue, calendar = world.catalogue, world.calendar
    person, day = purchases.person[order], purchases.day[order]
    is_business = customers.is_business[person]
    is_course = np.array([one.department == "Courses" for one in CATEGORIES])[
        catalogue.category[product]
    ]
    quantity = np.where(
        is_business, 1 + random.poisson(8.0, len(order)), 1 + random.poisson(0.12, len(order))
    )
    quantity = np.where(is_course & ~is_business, 1, quantity)
    price = catalogue.prices(product, day)
    share = np.where(is_business, _BUSINESS_DISCOUNT, 0.0)
    share = np.maximum(share, _sale_discounts(random, day, calendar))
    stated = purchases.stated_campaign[order]
    coupons = np.append(world.campaigns.coupon, 0.0)
    first = np.append(world.campaigns.coupon_category, NOBODY)[stated]
    has_coupon = holds_for(catalogue.category[product], first) & (coupons[stated] > share)
    share = np.where(has_coupon, coupons[stated], share)
    discount = np.rint(quantity * price * share).astype(np.int64)
    return Lines(
        order,
        product,
        np.full(len(order), MERCHANDISE),
        quantity,
        price,
        discount,
        catalogue.cost_cents[product],
        cause,
        np.where(has_coupon, discount, 0),
    )


def _sale_discounts(random: np.random.Generator, day: np.ndarray, calendar: Calendar) -> np.ndarray:
    is_sale = calendar.is_sale[np.floor(day).astype(np.int64).clip(0, calendar.days - 1)]
    return np.where(is_sale, np.round(random.uniform(*_SALE_DISCOUNTS, len(day)), 2), 0.0)


def _with_other_kinds(
    random: np.random.Generator,
    merchandise: Lines,
    purchases: Purchases,
    customers: Customers,
    calendar: Calendar,
) -> Lines:
    """Shipping of small web orders but of who has it free, gift cards, points, wrapping."""
    orders = len(purchases.person)
    worth = np.bincount(merchandise.order, merchandise.net_cents, orders)
    pays_shipping = (purchases.channel == WEB) & (worth < FREE_SHIPPING_FROM_CENTS)
    pays_shipping &= ~customers.holds("structural", purchases.person, purchases.day)
    ships = np.flatnonzero(pays_shipping)
    cards = np.flatnonzero(chosen(random, orders, _GIFT_CARD_SHARE))
    wraps = np.flatnonzero(chosen(random, orders, _WRAPPED_SHARE))
    burns, points = _burnt_points(random, worth, purchases, customers, calendar)
    parts = [merchandise]
    for place, kind, cents in (
        (ships, SHIPPING, np.full(len(ships), SHIPPING_CENTS)),
        (cards, GIFT_CARD, random.choice(_GIFT_CARD_CENTS, len(cards))),
        (burns, POINTS, -points * POINT_CENTS),
        (wraps, OTHER, np.full(len(wraps), _WRAPPING_CENTS)),
    ):
        parts.append(
            Lines(
                place,
                np.full(len(place), NOBODY),
                np.full(len(place), kind),
                np.ones(len(place), np.int64),
                cents,
                np.zeros(len(place), np.int64),
                np.zeros(len(place), np.int64),
                np.full(len(place), NO_CAUSE),
                np.zeros(len(place), np.int64),
            )
        )
    together = Lines(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in vars(merchandise)
        }
    )
    return together.only(np.argsort(together.order, kind="stable"))


def points_earned(
    merchandise_cents: np.ndarray, purchases: Purchases, customers: Customers
) -> np.ndarray:
    """A point for each whole yuan of merchandise in a member's order that is paid; kept on returns.

    `merchandise_cents` is the net merchandise of each purchase, in fen.
    """
    is_member = customers.joined_day[purchases.person] <= purchases.day
    counts = is_member & ~purchases.is_cancelled
    points: np.ndarray = np.where(counts, merchandise_cents // 100, 0).astype(np.int64)
    return points.clip(0)


def _burnt_points(
    random: np.random.Generator,
    worth: np.ndarray,
    purchases: Purchases,
    customers: Customers,
    calendar: Calendar,
) -> tuple[np.ndarray, np.ndarray]:
    """Purchases that are paid in part with points, and how many.

    They are of those earned since the last time in the same year, so that nobody burns what they
    have not.
    """
    earned = points_earned(worth, purchases, customers)
    group = purchases.person * 10_000 + calendar.year_of(purchases.day)
    before = np.cumsum(earned) - earned
    burns = np.flatnonzero((earned > 0) & chosen(random, len(earned), _POINTS_SHARE))
    begins = before[np.searchsorted(group, group[burns])]
    if len(burns):
        is_later = np.append(False, group[burns][1:] == group[burns][:-1])
        begins = np.where(is_later, before[np.roll(burns, 1)], begins)
    points = ((before[burns] - begins) * random.uniform(0.3, 0.9, len(burns))).astype(np.int64)
    # a point is a fen, so they never come to more than the order
    points = np.minimum(points, worth[burns].astype(np.int64) // 2)
    return burns[points > 0], points[points > 0]
