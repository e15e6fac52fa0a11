"""Which coupons were redeemed with which orders."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.chunks import Chunk
from regulars.generated_shop.columns import taken


def redeemed(chunk: Chunk, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of a channel's paid orders in which a coupon took something off, and how many fen."""
    orders, lines = chunk.orders, chunk.lines
    cents = np.zeros(len(orders.number), np.int64)
    np.add.at(cents, lines.order, lines.coupon_cents)
    order = np.flatnonzero((orders.channel == channel) & (cents > 0) & ~orders.is_cancelled)
    return order, cents[order]


def coupon_numbers(chunk: Chunk, order: np.ndarray) -> pa.Array:
    """The coupons of the campaigns that orders name."""
    campaign = taken(chunk.world.campaigns.number, chunk.orders.campaign[order])
    return pc.binary_join_element_wise("K", campaign, "")
