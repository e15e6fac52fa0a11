"""Orders and products alone, in the input contract's own names: the same process, at full speed."""

from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop.baskets import LINE_KINDS
from regulars.generated_shop.catalogue import CATEGORIES, TYPES_A_CATEGORY
from regulars.generated_shop.chunks import draw_buyers, draw_orders
from regulars.generated_shop.columns import moment, money, numbers, taken
from regulars.generated_shop.customers import CHANNELS, NOBODY
from regulars.generated_shop.files import Block, parquet_block
from regulars.generated_shop.world import World

SOURCE: Final = "scale_only"
_DIGITS: Final = 12


def order_block(world: World, number: int, count: int) -> Block:
    """The order lines of a chunk, nights included; `ordered_at` says which."""
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
    return parquet_block(f"landing/{SOURCE}/order_lines_{_last_day(world)}.parquet", table)


def product_block(world: World) -> Block:
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
    return parquet_block(f"landing/{SOURCE}/products_{_last_day(world)}.parquet", table)


def _last_day(world: World) -> str:
    last = world.settings.last_day + timedelta(days=world.settings.nights)
    return last.isoformat()


def _positions(order: np.ndarray) -> np.ndarray:
    """Line numbers, counted from 1 within each order."""
    begins = np.searchsorted(order, order)
    return np.arange(len(order)) - begins + 1
