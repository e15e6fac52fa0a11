"""Order lines in the shape of the input contract, as many as asked for, the same for the same seed.

Not a shop (the generated shop is one), only its load: skewed customers and products, items that are
bought together, discounts, shipping, credit notes, and a few orders without a customer.
"""

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LINES_PER_ORDER = 10
TWO_YEARS = 730  # days
START = np.datetime64("2023-01-01T00:00:00", "us")
PRODUCT_TYPES = 400
STORES = 50
CHANNELS = np.array(["shop", "web", "app"])
_ORDERS_PER_PIECE = 100_000  # pieces keep the memory flat: about a million lines each


class Size(NamedTuple):
    """How much of everything there is."""

    orders: int
    customers: int
    products: int


def size(lines: int) -> Size:
    """Orders, customers and products for a number of lines: 1 M, 200 k and 20 k for 10 M.

    Raises:
        ValueError: for fewer than 1,000 lines.
    """
    if lines < 1_000:
        raise ValueError(f"lines must be at least 1,000, got {lines}")
    return Size(lines // LINES_PER_ORDER, lines // 50, max(PRODUCT_TYPES, min(lines // 50, 20_000)))


def make_order_lines(folder: Path, lines: int, seed: int = 1, days: int = TWO_YEARS) -> Size:
    """Write order_lines.parquet and products.parquet.

    Args:
        folder: where to; made if missing.
        lines: merchandise lines; each fifth order has a shipping line besides.
        seed: another one gives other orders.
        days: over which the orders are spread.

    Raises:
        ValueError: for fewer than 1,000 lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = size(lines)
    random = np.random.default_rng(seed)
    prices = random.integers(50, 3_000, shape.products)  # cents
    pq.write_table(_products(prices), folder / "products.parquet")

    # Orders by time; the gaps of a Poisson stream, so that no two runs of lines look alike.
    minutes = np.sort(random.integers(0, days * 24 * 60, shape.orders))
    line_counts = np.bincount(
        random.integers(0, shape.orders, lines - shape.orders), minlength=shape.orders
    )
    line_counts += 1
    with pq.ParquetWriter(folder / "order_lines.parquet", _ORDER_LINES, compression="zstd") as file:
        for first in range(0, shape.orders, _ORDERS_PER_PIECE):
            piece = slice(first, first + _ORDERS_PER_PIECE)
            file.write_table(
                _order_lines(random, first, minutes[piece], line_counts[piece], prices, shape)
            )
    return shape


_ORDER_LINES = pa.schema(
    [
        ("order_id", pa.string()),
        ("line_number", pa.int32()),
        ("ordered_at", pa.timestamp("us", "UTC")),
        ("customer_id", pa.string()),
        ("product_id", pa.string()),
        ("line_kind", pa.string()),
        ("quantity", pa.int32()),
        ("unit_price", pa.decimal128(18, 4)),
        ("discount_amount", pa.decimal128(18, 4)),
        ("currency", pa.string()),
        ("returned_order_id", pa.string()),
        ("store_id", pa.string()),
        ("channel", pa.string()),
    ]
)


def _products(prices: np.ndarray) -> pa.Table:
    number = np.arange(len(prices))
    product_type = number % PRODUCT_TYPES
    return pa.table(
        {
            "product_id": _ids("p", number),
            "name": _ids("product ", number),
            "brand": _ids("brand ", number % 97),
            "department": _ids("department ", product_type // 40),
            "category": _ids("category ", product_type // 8),
            "product_type": _ids("type ", product_type),
            "unit_cost": _cents(prices * 7 // 10),
        }
    )


def _order_lines(
    random: np.random.Generator,
    first: int,
    minutes: np.ndarray,
    line_counts: np.ndarray,
    prices: np.ndarray,
    shape: Size,
) -> pa.Table:
    orders = np.arange(first, first + len(line_counts))
    # Cubes of uniform numbers: a few buy, and are bought, much; most little.
    customers = (shape.customers * random.random(len(orders)) ** 3).astype(np.int64)
    is_anonymous = random.random(len(orders)) < 0.03
    has_shipping = orders % 5 == 0
    counts = line_counts + has_shipping
    order = np.repeat(np.arange(len(orders)), counts)
    line_number = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    is_shipping = has_shipping[order] & (line_number == counts[order])

    products = (shape.products * random.random(len(order)) ** 3).astype(np.int64)
    # A third of the lines go with the line before: products of even and odd number are partners.
    goes_with = (random.random(len(order)) < 1 / 3) & (line_number > 1)
    products[goes_with] = np.roll(products, 1)[goes_with] ^ 1
    products = np.minimum(products, shape.products - 1)
    quantity = np.where(is_shipping, 1, random.integers(1, 5, len(order)))
    price = np.where(is_shipping, 499, prices[products])
    discount = np.where(random.random(len(order)) < 0.2, price * quantity // 10, 0)
    # Each hundredth order is a credit note for the one before it.
    is_return = (orders % 100 == 99)[order]
    sign = np.where(is_return, -1, 1)
    return pa.table(
        [
            _ids("o", orders[order]),
            pa.array(line_number, pa.int32()),
            pa.array(START + minutes[order].astype("timedelta64[m]"), pa.timestamp("us", "UTC")),
            _ids("c", customers[order], null=is_anonymous[order]),
            _ids("p", products, null=is_shipping),
            pa.array(np.where(is_shipping, "shipping", "merchandise")),
            pa.array(sign * quantity, pa.int32()),
            _cents(price),
            _cents(sign * np.where(is_shipping, 0, discount)),
            pa.array(["CNY"] * len(order)),
            _ids("o", orders[order] - 1, null=~is_return),
            _ids("s", orders[order] % STORES),
            pa.array(CHANNELS[orders[order] % len(CHANNELS)]),
        ],
        schema=_ORDER_LINES,
    )


def _ids(prefix: str, numbers: np.ndarray, null: np.ndarray | None = None) -> pa.Array:
    text = np.strings.add(prefix, numbers.astype(np.str_))
    return pa.array(text, mask=null)


def _cents(cents: np.ndarray) -> pa.Array:
    """Whole cents as money."""
    whole = pa.array(cents, pa.int64()).cast(pa.decimal128(19, 0))
    return pc.multiply(whole, pa.scalar(Decimal("0.01"))).cast(pa.decimal128(18, 4))
