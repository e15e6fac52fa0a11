"""Head office's lists: products, suppliers, shops, staff, campaigns, costs and exchange rates."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.calendar import WARM_UP_DAYS
from regulars.generated_shop.campaigns import holds_for
from regulars.generated_shop.catalogue import CATEGORIES, TYPES_A_CATEGORY
from regulars.generated_shop.columns import dates, iso_moment, money, numbers, taken
from regulars.generated_shop.files import Content, Style
from regulars.generated_shop.money import MARKETPLACE_CURRENCY, dollar_rates
from regulars.generated_shop.nights import night_of
from regulars.generated_shop.randomness import stream
from regulars.generated_shop.staff import BRANCH_CITIES, BRANCH_PROVINCES, BRANCHES, STORES_A_BRANCH
from regulars.generated_shop.world import World

SOURCE: Final = "head_office"
LEAVING_IS_TOLD: Final = 0.9  # in days: the evening of the first day without them
CSV: Final = Style()
_STORE_COST_CENTS: Final = (1_500_000, 4_000_000)  # a month
_SERVICE_COST_CENTS: Final = 6_000_000
_COUNTRIES: Final = ("China", "United Kingdom", "United States", "China", "Singapore", "China")


def store_numbers() -> np.ndarray:
    """The numbers of the shops, branch by branch."""
    return np.array(
        [f"S{branch + 1}{shop + 1}" for branch in range(len(BRANCHES)) for shop in range(3)]
    )


def contents(world: World) -> Iterator[Content]:
    """All lists; they do not depend on the people."""
    yield _products(world)
    yield _suppliers(world)
    yield _stores(world)
    yield from _employees(world)
    yield _campaigns(world)
    yield _coupons(world)
    yield _costs(world)
    yield _rates(world)


def _products(world: World) -> Content:
    """Each product when the data begins, and again on the day on which its price moved."""
    catalogue, calendar = world.catalogue, world.calendar
    everything = np.arange(len(catalogue.sku))
    parts = [(everything, np.full(len(everything), float(WARM_UP_DAYS) - 30))]
    for move in catalogue.price_moves:
        moved = np.flatnonzero(catalogue.product_type == move.product_type)
        parts.append((moved, np.full(len(moved), float(move.day))))
    product, day = (np.concatenate(column) for column in zip(*parts, strict=True))
    level = catalogue.product_type[product]
    types = np.array(
        [
            f"{category.name}, level {place + 1}"
            for category in CATEGORIES
            for place in range(TYPES_A_CATEGORY)
        ]
    )
    category = catalogue.category[product]
    sizes = np.array(["pocket", "paperback", "hardback", "boxed set", "large print"])
    table = pa.table(
        {
            "sku": taken(catalogue.sku, product),
            "title": taken(catalogue.name, product),
            "publisher": taken(catalogue.brand, product),
            "department": taken(np.array([one.department for one in CATEGORIES]), category),
            "category": taken(np.array([one.name for one in CATEGORIES]), category),
            "product type": taken(types, level),
            "size": taken(sizes, catalogue.list_cents[product] % len(sizes)),
            "supplier": numbers("V", catalogue.supplier[product] + 1, 3),
            "list price": money(catalogue.prices(product, day)),
            "unit cost": money(catalogue.cost_cents[product]),
            "changed": iso_moment(day, calendar),
        }
    )
    return Content(SOURCE, "products", CSV, table, night_of(day, calendar))


def _suppliers(world: World) -> Content:
    """Who delivers; where there are nights, the first has another name in the first of them."""
    number = np.arange(world.catalogue.suppliers)
    publishers = [
        " and ".join(sorted(set(world.catalogue.brand[world.catalogue.supplier == place].tolist())))
        for place in number.tolist()
    ]
    table = pa.table(
        {
            "supplier": numbers("V", number + 1, 3),
            "name": publishers,
            "kind": ["distributor" if place % 3 == 2 else "supplier" for place in number.tolist()],
            "country": [_COUNTRIES[place % len(_COUNTRIES)] for place in number.tolist()],
        }
    )
    changed = np.full(len(number), float(WARM_UP_DAYS) - 30)
    if world.settings.nights:
        renamed = table.slice(0, 1).set_column(1, "name", pa.array([f"{publishers[0]} Group"]))
        table = pa.concat_tables([table, renamed])
        changed = np.append(changed, world.calendar.history_days + 0.4)
    table = table.append_column("changed", iso_moment(changed, world.calendar))
    return Content(SOURCE, "suppliers", CSV, table, night_of(changed, world.calendar))


def _stores(world: World) -> Content:
    """The shops, one that was closed before the data begins, and one that opens in the nights."""
    branch = np.append(np.repeat(np.arange(len(BRANCHES)), STORES_A_BRANCH), [0, 0])
    begins = world.calendar.date(WARM_UP_DAYS)
    opened, closed = begins - timedelta(days=3_000), begins - timedelta(days=200)
    is_closed, opens = (np.arange(len(branch)) == len(branch) - behind for behind in (2, 1))
    table = pa.table(
        {
            "shop": np.append(store_numbers(), ["S10", "S14"]),
            "name": [
                f"{BRANCHES[place].title()} {number % STORES_A_BRANCH + 1}"
                for number, place in enumerate(branch[:-2].tolist())
            ]
            + ["Beijing, the old shop", "Beijing, the new shop"],
            "kind": ["bookshop"] * len(branch),
            "city": taken(np.array(BRANCH_CITIES), branch),
            "province": taken(np.array(BRANCH_PROVINCES), branch),
            "opened": [opened + timedelta(days=91 * place) for place in range(len(branch) - 1)]
            + [world.settings.last_day + timedelta(days=1)],
            "closed": pa.array([closed] * len(branch), mask=~is_closed),
        }
    )
    changed = np.where(opens, world.calendar.history_days + 0.4, float(WARM_UP_DAYS) - 30)
    table = table.append_column("changed", iso_moment(changed, world.calendar))
    if not world.settings.nights:
        table, changed = table.slice(0, len(branch) - 1), changed[:-1]
    return Content(SOURCE, "shops", CSV, table, night_of(changed, world.calendar))


def _employees(world: World) -> Iterator[Content]:
    """As they stood when the data begins or they came; leavers again on their first day away."""
    staff, calendar = world.staff, world.calendar
    managers = np.flatnonzero(staff.role == "manager")
    is_seller = staff.role == "salesperson"
    everyone = np.arange(len(staff.number))
    has_left = np.flatnonzero(staff.left_day < calendar.days)
    for place, left, day in (
        (everyone, np.full(len(everyone), np.inf), staff.hired_day.clip(WARM_UP_DAYS) * 1.0),
        (
            has_left,
            staff.left_day[has_left].astype(float),
            staff.left_day[has_left] + LEAVING_IS_TOLD,
        ),
    ):
        manager = np.where(is_seller[place], managers[staff.branch[place].clip(0)], -1)
        table = pa.table(
            {
                "number": taken(staff.number, place),
                "name": taken(staff.name, place),
                "role": taken(staff.role, place),
                "shop": taken(store_numbers(), staff.store[place]),
                "manager": taken(staff.number, manager),
                "hired": dates(staff.hired_day[place].astype(float), calendar),
                "left": dates(left, calendar),
                "changed": iso_moment(day, calendar),
            }
        )
        yield Content(SOURCE, "staff", CSV, table, night_of(day, calendar))


def _campaigns(world: World) -> Content:
    campaigns, calendar = world.campaigns, world.calendar
    table = pa.table(
        {
            "campaign": campaigns.number,
            "name": campaigns.name,
            "kind": taken(np.array(["coupon", "news"]), (campaigns.coupon == 0).astype(np.int64)),
            "by": taken(np.array(["email", "phone"]), campaigns.is_phone.astype(np.int64)),
            "from": dates(campaigns.starts.astype(float), calendar),
            "to": dates(campaigns.ends.astype(float), calendar),
            "cost": money(campaigns.cost_cents),
        }
    )
    return Content(SOURCE, "campaigns", CSV, table, night_of(campaigns.starts * 1.0, calendar))


def _coupons(world: World) -> Content:
    """Each coupon holds for the products of some categories."""
    campaigns, catalogue = world.campaigns, world.catalogue
    campaign, product = [], []
    for place in np.flatnonzero(campaigns.coupon > 0).tolist():
        pool = np.flatnonzero(holds_for(catalogue.category, int(campaigns.coupon_category[place])))
        campaign.append(np.full(len(pool), place))
        product.append(pool)
    places = np.concatenate(campaign)
    table = pa.table(
        {
            "coupon": pa.array([f"K{number}" for number in campaigns.number[places].tolist()]),
            "sku": taken(catalogue.sku, np.concatenate(product)),
            "campaign": taken(campaigns.number, places),
        }
    )
    return Content(
        SOURCE, "coupons", CSV, table, night_of(campaigns.starts[places] * 1.0, world.calendar)
    )


def _costs(world: World) -> Content:
    """Rent and advertising by shop and month, the call centre by month."""
    calendar = world.calendar
    random = stream(world.settings.seed, "costs")
    months = [day for day in range(WARM_UP_DAYS, calendar.days) if calendar.date(day).day == 1]
    stores = store_numbers()
    month = np.repeat(months, len(stores) + 1).astype(np.float64)
    store = np.tile(np.append(np.arange(len(stores)), -1), len(months))
    cents = np.where(
        store >= 0, random.integers(*_STORE_COST_CENTS, len(store)), _SERVICE_COST_CENTS
    )
    table = pa.table(
        {
            "booking": numbers("B", np.arange(len(month)) + 1, 6),
            "day": dates(month, calendar),
            "kind": taken(np.array(["service", "selling"]), (store >= 0).astype(np.int64)),
            "shop": taken(stores, store),
            "amount": money(cents),
        }
    )
    return Content(SOURCE, "costs", CSV, table, night_of(month, calendar))


def _rates(world: World) -> Content:
    day = np.arange(WARM_UP_DAYS - 1, world.calendar.days)
    rates = dollar_rates(world)[day]
    table = pa.table(
        {
            "currency": pa.array([MARKETPLACE_CURRENCY] * len(day)),
            "day": dates(day.astype(float), world.calendar),
            "yuan": pa.array([f"{rate:.4f}" for rate in rates.tolist()]),
        }
    )
    return Content(SOURCE, "rates", CSV, table, night_of(day.astype(float), world.calendar))
