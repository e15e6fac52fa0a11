"""What the shop sells: products, suppliers, prices that move, and what goes with what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from regulars.generated_shop.calendar import WARM_UP_DAYS, Calendar
from regulars.generated_shop.randomness import drawn, stream
from regulars.generated_shop.settings import Planted, ShopSettings


class Category(NamedTuple):
    """A category of the catalogue.

    Attributes:
        weights: how much students (under 23), adults and parents or elders (over 45) care for it.
        women: the same for women, as a factor on it.
        prices: of the cheapest and the dearest list price, in yuan.
        cost_share: unit cost as a share of the list price.
    """

    name: str
    department: str
    share: float
    weights: tuple[float, float, float]
    women: float
    prices: tuple[int, int]
    cost_share: float


CATEGORIES: Final = (
    Category("Graded readers", "Books", 0.16, (3, 2, 2), 1.2, (25, 60), 0.55),
    Category("Picture books", "Books", 0.12, (0.3, 2.5, 2), 1.6, (35, 120), 0.55),
    Category("Novels", "Books", 0.18, (2, 2.5, 3), 1.2, (30, 90), 0.6),
    Category("Exam preparation", "Books", 0.14, (5, 1.5, 0.5), 1.0, (40, 160), 0.5),
    Category("Grammar and vocabulary", "Books", 0.1, (3, 1.5, 1), 1.0, (30, 80), 0.5),
    Category("Dictionaries", "Books", 0.04, (1, 0.7, 0.7), 0.8, (60, 260), 0.65),
    Category("Business English", "Books", 0.07, (0.4, 2.5, 0.8), 0.7, (50, 180), 0.5),
    Category("Magazines", "Books", 0.06, (0.8, 1, 1.5), 0.9, (15, 45), 0.7),
    Category("Children's courses", "Courses", 0.03, (0.1, 1.2, 0.8), 1.4, (300, 1600), 0.35),
    Category("Exam courses", "Courses", 0.03, (1.5, 0.6, 0.1), 1.0, (400, 3000), 0.35),
    Category("Conversation courses", "Courses", 0.03, (0.6, 1, 0.6), 1.0, (300, 2200), 0.35),
    Category("Stationery and gifts", "Stationery", 0.04, (1.5, 1, 0.8), 1.5, (8, 60), 0.45),
)
CATEGORY: Final = {category.name: place for place, category in enumerate(CATEGORIES)}
TYPES_A_CATEGORY: Final = 4  # levels: the up-sell lines
_PUBLISHERS: Final = (
    *("Lantern Press", "Blue Harbour", "Oakfield", "Two Rivers", "Meridian Learning", "Paper Kite"),
    *("Northgate", "Silver Birch", "Compass House", "Little Wren", "Grand Canal Books", "Ivy Lane"),
)
_ADJECTIVES: Final = (
    *("Silver", "Hidden", "Little", "Long", "Quiet", "Golden", "Last", "First", "Wild", "Blue"),
    *("Lost", "Bright", "Old", "New", "Secret", "Distant", "Green", "Winter", "Paper", "Brave"),
)
_NOUNS: Final = (
    *("Garden", "River", "Lantern", "Bridge", "Summer", "Letter", "Island", "Mountain", "Window"),
    *("Harbour", "Journey", "Forest", "Teahouse", "Station", "Compass", "Kite", "Market", "Voice"),
    *("Promise", "Orchard"),
)


@dataclass(frozen=True)
class PriceMove:
    """A product type that becomes dearer on a day, and what its buyers make of it."""

    product_type: int
    day: int
    factor: float
    elasticity: float


@dataclass(frozen=True)
class Pairs:
    """Products that go together, one way: who buys `first` buys `second` with chance `strength`."""

    first: np.ndarray
    second: np.ndarray
    strength: np.ndarray


@dataclass(frozen=True)
class Decoys:
    """Popular products that are in a basket whatever else is.

    Attributes:
        product: places in the catalogue.
        confounder: "none", or what makes them look related: "sale days" or "business".
        share_within: the share of baskets that hold them where the confounder is.
        share_otherwise: and elsewhere.
    """

    product: np.ndarray
    confounder: list[str]
    share_within: np.ndarray
    share_otherwise: np.ndarray


@dataclass(frozen=True)
class Catalogue:
    """The products, one place an array position, and what is planted among them.

    Attributes:
        category, product_type, supplier: places of each product's.
        list_cents: list price before any move, in fen.
        cost_cents: unit cost, in fen.
        cumulative: float64, category + share of it that is bought up to each product: a number
            drawn evenly from [c, c + 1) finds a product of category c.
        tastes: float64[3, 2, categories], what age groups and sexes (male, female) buy.
        bundles: bought in one order.
        sequences: bought in a later order; where the second is of the first's category, an upgrade.
        decoys: what only looks related.
    """

    sku: np.ndarray
    name: np.ndarray
    brand: np.ndarray
    category: np.ndarray
    product_type: np.ndarray
    supplier: np.ndarray
    suppliers: int
    list_cents: np.ndarray
    cost_cents: np.ndarray
    cumulative: np.ndarray
    tastes: np.ndarray
    price_moves: tuple[PriceMove, ...]
    bundles: Pairs
    sequences: Pairs
    decoys: Decoys

    def prices(self, product: np.ndarray, day: np.ndarray) -> np.ndarray:
        """List prices on days, in fen."""
        price = self.list_cents[product].astype(np.float64)
        for move in self.price_moves:
            is_moved = (self.product_type[product] == move.product_type) & (day >= move.day)
            price[is_moved] *= move.factor
        cents: np.ndarray = np.rint(price).astype(np.int64)
        return cents


def make_catalogue(settings: ShopSettings, calendar: Calendar) -> Catalogue:
    """A tenth as many products as customers, between 600 and 20,000."""
    random = stream(settings.seed, "catalogue")
    count = int(np.clip(settings.customers // 10, 600, 20_000))
    shares = np.array([category.share for category in CATEGORIES])
    category = np.sort(drawn(random, shares, count))
    category[: len(CATEGORIES)] = np.arange(len(CATEGORIES))  # none is empty
    category.sort()
    product_type = category * TYPES_A_CATEGORY + random.integers(0, TYPES_A_CATEGORY, count)
    cheapest, dearest = (
        np.array([one.prices[place] for one in CATEGORIES])[category] for place in (0, 1)
    )
    # the higher the level the dearer, and each product somewhere around its level's price
    level = (product_type % TYPES_A_CATEGORY + random.random(count)) / TYPES_A_CATEGORY
    list_cents = (np.rint(cheapest * (dearest / cheapest) ** level) * 100 - 10).astype(np.int64)
    cost_share = np.array([one.cost_share for one in CATEGORIES])[category]
    cost_cents = np.rint(list_cents * cost_share * random.uniform(0.9, 1.1, count)).astype(np.int64)
    brand = random.integers(0, len(_PUBLISHERS), count)

    weights = 1.0 / (1.0 + random.permutation(count)) ** 0.7
    moved = random.choice(
        len(CATEGORIES) * TYPES_A_CATEGORY, len(settings.planted.price_moves), replace=False
    )
    # A product has one planted place at most, and none where a price moves.
    used = set(np.flatnonzero(np.isin(product_type, moved)).tolist())
    decoys = _decoys(random, category, used, settings.planted)
    weights[decoys.product] = 0.0  # decoys come into baskets by themselves
    return Catalogue(
        sku=_skus(random, category),
        name=_names(random, category, product_type),
        brand=np.array(_PUBLISHERS)[brand],
        category=category,
        product_type=product_type,
        supplier=brand // 2,  # two publishers a supplier
        suppliers=len(_PUBLISHERS) // 2,
        list_cents=list_cents,
        cost_cents=cost_cents,
        cumulative=_cumulative(category, weights),
        tastes=_tastes(),
        price_moves=tuple(
            PriceMove(int(product_type), int(day), factor, elasticity)
            for product_type, day, (factor, elasticity) in zip(
                moved,
                calendar.draw_days(random, len(moved), WARM_UP_DAYS + 120, 90),
                settings.planted.price_moves,
                strict=True,
            )
        ),
        bundles=_bundles(random, category, weights, settings.planted.bundle_strengths, used),
        sequences=_sequences(
            random, category, list_cents, weights, settings.planted.sequence_strengths, used
        ),
        decoys=decoys,
    )


def _cumulative(category: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = np.bincount(category, weights, len(CATEGORIES))
    before = np.concatenate([[0.0], np.cumsum(total)])[category]
    within: np.ndarray = (np.cumsum(weights) - before) / total[category]
    np.clip(within, 0.0, 1.0, out=within)
    within += category
    return within


def _tastes() -> np.ndarray:
    weights = np.array([category.weights for category in CATEGORIES]).T
    women = np.array([category.women for category in CATEGORIES])
    tastes = np.stack([weights, weights * women], axis=1)
    tastes /= tastes.sum(axis=2, keepdims=True)
    return tastes


def _decoys(
    random: np.random.Generator, category: np.ndarray, used: set[int], planted: Planted
) -> Decoys:
    """Books and stationery by chance, no course: what lies beside the till."""
    rates = [("none", rate, rate) for rate in planted.decoy_rates]
    rates += [(confounder, *shares) for confounder, shares in planted.confounded_decoys]
    is_small = np.array([one.department != "Courses" for one in CATEGORIES])[category]
    is_small[sorted(used)] = False
    product = random.choice(np.flatnonzero(is_small), len(rates), replace=False)
    used |= set(product.tolist())
    return Decoys(
        product,
        [confounder for confounder, _, _ in rates],
        np.array([within for _, within, _ in rates]),
        np.array([otherwise for _, _, otherwise in rates]),
    )


def _popular(
    category: np.ndarray, weights: np.ndarray, wanted: int, used: set[int], share: float = 0.08
) -> np.ndarray:
    """The best-sold products of a category, so that what is planted can be seen."""
    places = np.flatnonzero((category == wanted) & (weights > 0))
    places = np.array([place for place in places if int(place) not in used], np.int64)
    best = places[np.argsort(-weights[places], kind="stable")]
    return best[: max(3, int(len(best) * share))]


def _open_categories(
    random: np.random.Generator, category: np.ndarray, weights: np.ndarray, used: set[int]
) -> list[int]:
    """Categories with enough products that are not yet planted, in random order."""
    is_free = weights > 0
    is_free[sorted(used)] = False
    free = np.bincount(category[is_free], minlength=len(CATEGORIES))
    return [place for place in random.permutation(len(CATEGORIES)).tolist() if free[place] >= 4]


def _planted(
    strengths: tuple[float, ...], used: set[int], draw: Callable[[int], tuple[int, int]]
) -> Pairs:
    """A pair for each strength; what is drawn is used."""
    pairs = []
    for number in range(len(strengths)):
        pairs.append(draw(number))
        used |= set(pairs[-1])
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return Pairs(first, second, np.array(strengths))


def _across_categories(
    random: np.random.Generator, category: np.ndarray, weights: np.ndarray, used: set[int]
) -> tuple[int, int]:
    """Two popular products of two categories."""
    first, second = (
        int(random.choice(_popular(category, weights, of, used)))
        for of in _open_categories(random, category, weights, used)[:2]
    )
    return first, second


def _bundles(
    random: np.random.Generator,
    category: np.ndarray,
    weights: np.ndarray,
    strengths: tuple[float, ...],
    used: set[int],
) -> Pairs:
    """Pairs across categories; no product is in two of them."""
    return _planted(strengths, used, lambda _: _across_categories(random, category, weights, used))


def _sequences(
    random: np.random.Generator,
    category: np.ndarray,
    list_cents: np.ndarray,
    weights: np.ndarray,
    strengths: tuple[float, ...],
    used: set[int],
) -> Pairs:
    """Each second one leads to a dearer product of the same category, the others elsewhere."""

    def onward(number: int) -> tuple[int, int]:
        if number % 2 == 0:
            return _across_categories(random, category, weights, used)
        # the cheaper of two of a category, one of them its most popular
        within = _open_categories(random, category, weights, used)[0]
        pool = _popular(category, weights, within, used, share=1.0)
        pair = np.append(pool[0], random.choice(pool[1:]))
        cheaper, dearer = pair[np.argsort(list_cents[pair], kind="stable")].tolist()
        return cheaper, dearer

    return _planted(strengths, used, onward)


def _skus(random: np.random.Generator, category: np.ndarray) -> np.ndarray:
    """ISBN-13 with its check digit for books, the shop's own code for the rest."""
    body = 7_000_000_00 + np.arange(len(category)) * 7 + random.integers(0, 7, len(category))
    digits = np.array([[int(one) for one in f"978{number:09d}"] for number in body])
    check = (10 - (digits * np.where(np.arange(12) % 2, 3, 1)).sum(axis=1) % 10) % 10
    isbn = [f"978{number:09d}{last}" for number, last in zip(body, check, strict=True)]
    is_book = [CATEGORIES[one].department == "Books" for one in category]
    return np.array(
        [
            code if book else f"{CATEGORIES[one].department[0]}{number:05d}"
            for number, (code, book, one) in enumerate(zip(isbn, is_book, category, strict=True))
        ]
    )


def _names(
    random: np.random.Generator, category: np.ndarray, product_type: np.ndarray
) -> np.ndarray:
    adjective = np.array(_ADJECTIVES)[random.integers(0, len(_ADJECTIVES), len(category))]
    noun = np.array(_NOUNS)[random.integers(0, len(_NOUNS), len(category))]
    return np.array(
        [
            f"The {first} {second} ({CATEGORIES[kind].name}, level {level % TYPES_A_CATEGORY + 1})"
            for first, second, kind, level in zip(
                adjective, noun, category, product_type, strict=True
            )
        ]
    )
