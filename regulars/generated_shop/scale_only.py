"""Orders and products alone, in the input contract's own names: the same process, at full speed."""

from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.baskets import LINE_KINDS
from regulars.generated_shop.catalogue import CATEGORIES, TYPES_A_CATEGORY
from regulars.generated_shop.chunks import draw_buyers, draw_orders
from regulars.generated_shop.columns import moment, money, numbers, taken
from regulars.generated_shop.customers import CHANNELS, NOBODY
from regulars.generated_shop.files import PARQUET, Content
from regulars.generated_shop.nights import night_of
from regulars.generated_shop.world import World

SOURCE: Final = "scale_only"
_DIGITS: Final = 12


def order_lines(world: World, number: int, count: int) -> Content:
    """The order lines of a chunk: each comes once, in the night of its day."""
    buyers = draw_buyers(world, number, count)
    orders, lines = draw_orders(world, number, buyers)
    order = lines.order
    person = buyers.purchases.person[orders.purchase[order]]
    table = pa.table(
        {
            "order_id": numbers("O", orders.number[order], _DIGITS),
            "line_number": pa.array(_positions(order), pa.int32()),
            "ordered_at": moment(orders.day[order], world.calendar),
            "order_status": taken(
                np.array(["completed", "cancelled"]), orders.is_cancelled[order].astype(np.int64)
            ),
            "customer_id": taken(
                buyers.people["person_id"], np.where(orders.record[order] == NOBODY, NOBODY, person)
            ),
            "product_id": taken(world.catalogue.sku, lines.product),
            "line_kind": taken(np.array(LINE_KINDS), lines.kind),
            "quantity": pa.array(lines.quantity, pa.int32()),
            "unit_price": money(lines.price_cents),
            "discount_amount": money(lines.discount_cents),
            "unit_cost": money(lines.cost_cents, null=lines.product == NOBODY),
            "returned_order_id": numbers(
                "O", orders.number[orders.returned[order]], _DIGITS, null=orders.returned[order] < 0
            ),
            "channel": taken(np.array(CHANNELS), orders.channel[order]),
        }
    )
    night = night_of(orders.day, world.calendar)[order]
    return Content(SOURCE, "order_lines", PARQUET, table, night)


def products(world: World) -> Content:
    """The catalogue."""
    catalogue = world.catalogue
    category = catalogue.category
    table = pa.table(
        {
            "product_id": catalogue.sku,
            "name": catalogue.name,
            "brand": catalogue.brand,
            "department": taken(np.array([one.department for one in CATEGORIES]), category),
            "category": taken(np.array([one.name for one in CATEGORIES]), category),
            "product_type": numbers("level ", catalogue.product_type % TYPES_A_CATEGORY + 1),
            "list_price": money(catalogue.list_cents),
            "unit_cost": money(catalogue.cost_cents),
        }
    )
    return Content(SOURCE, "products", PARQUET, table)


def _positions(order: np.ndarray) -> np.ndarray:
    """Line numbers, counted from 1 within each order."""
    begins = np.searchsorted(order, order)
    return np.arange(len(order)) - begins + 1
