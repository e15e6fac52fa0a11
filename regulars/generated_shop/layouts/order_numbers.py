"""Order numbers as each system writes them."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.chunks import Chunk
from regulars.generated_shop.columns import numbers
from regulars.generated_shop.customers import CHANNELS, NOBODY

PREFIXES: Final = {
    "web_shop": "W",
    "marketplace": "MP-",
    "branch_beijing": "BJ",
    "branch_shanghai": "SH",
    "branch_guangzhou": "GZ",
}
_DIGITS: Final = 12


def order_numbers(chunk: Chunk, order: np.ndarray) -> pa.Array:
    """Numbers of orders by place, each in the style of its channel; null for NOBODY."""
    orders = chunk.orders
    prefixes = pa.array([PREFIXES[channel] for channel in CHANNELS])
    is_none = order == NOBODY
    channel, number = (np.append(values, 0)[order] for values in (orders.channel, orders.number))
    prefix = prefixes.take(pa.array(channel, mask=is_none))
    number = numbers("", number, _DIGITS, null=is_none)
    return pc.binary_join_element_wise(prefix, number, "")
