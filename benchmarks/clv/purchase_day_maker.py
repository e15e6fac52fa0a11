"""Days on which customers bought and what they spent, drawn as BG/NBD and Gamma-Gamma say."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAYS: Final = 730  # over which first purchases are spread; everything ends with the last of them
PURCHASES: Final = (0.8, 6.0, 0.8, 2.5)  # r, α, a, b; weeks
SPENDING: Final = (6.25, 3.74, 15.4)  # p, q, γ

_SCHEMA = pa.schema([("customer", pa.int32()), ("day", pa.int32()), ("net_revenue", pa.float64())])


def make_purchase_days(path: Path, customers: int, seed: int = 1) -> int:
    """Write a Parquet file with a row for each customer and day with a purchase.

    Args:
        path: of the file.
        customers: how many; each has a first purchase.
        seed: another one gives other days.

    Returns:
        The rows.
    """
    draws = np.random.default_rng(seed)
    r, alpha, a, b = PURCHASES
    p, q, gamma = SPENDING
    number = np.arange(customers, dtype=np.int32)
    rates = draws.gamma(r, 1 / (7 * alpha), customers)
    chances = draws.beta(a, b, customers)
    own = draws.gamma(q, 1 / gamma, customers)
    days = draws.integers(0, DAYS, customers)
    rows = 0
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        while len(number):
            spent = draws.gamma(p, 1, len(number)) / own
            writer.write(pa.table([number, days.astype(np.int32), spent], schema=_SCHEMA))
            rows += len(number)
            # a day at least: purchases of one day are one
            days = days + np.maximum(np.ceil(draws.exponential(1, len(number)) / rates), 1)
            stays = days < DAYS
            number, days, rates, chances, own = (
                column[stays] for column in (number, days, rates, chances, own)
            )
            # the purchase that has just been drawn may be the last one
            is_last = draws.uniform(size=len(number)) < chances
            if is_last.any():
                last = draws.gamma(p, 1, int(is_last.sum())) / own[is_last]
                writer.write(
                    pa.table(
                        [number[is_last], days[is_last].astype(np.int32), last], schema=_SCHEMA
                    )
                )
                rows += int(is_last.sum())
            number, days, rates, chances, own = (
                column[~is_last] for column in (number, days, rates, chances, own)
            )
    return rows
