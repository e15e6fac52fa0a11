"""Baskets to mine: items of Zipf popularity and planted bundles, the same for the same seed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ITEMS = 5_000
MEAN_SIZE = 8  # items drawn for a basket, before repeated ones fall together
BUNDLES = 100
BUNDLE_ITEMS = (2, 6)
BUNDLE_SHARES = (0.0005, 0.01)  # of baskets that hold the whole bundle
BATCH = 250_000  # baskets

SCHEMA = pa.schema([("order_id", pa.int64()), ("item", pa.string())])


def make_baskets(file: Path, basket_count: int, seed: int = 1) -> None:
    """Write lines of `order_id` and `item`, a basket's together, each item once in a basket.

    A basket's size is 1 + Poisson; the item of rank r is drawn in proportion to 1 / r; a bundle's
    items lie in their share of all baskets, whatever else they hold.
    """
    draw = np.random.default_rng(seed)
    names = pa.array([f"product {number:04}" for number in draw.permutation(ITEMS)])
    popularity = np.cumsum(1 / np.arange(1, ITEMS + 1))
    popularity /= popularity[-1]
    sizes = draw.integers(*BUNDLE_ITEMS, BUNDLES)
    bundles = [draw.choice(ITEMS, size, replace=False) for size in sizes]
    shares = np.geomspace(*BUNDLE_SHARES, BUNDLES)
    with pq.ParquetWriter(file, SCHEMA) as writer:
        for first in range(0, basket_count, BATCH):
            count = min(BATCH, basket_count - first)
            widths = 1 + draw.poisson(MEAN_SIZE - 1, count)
            orders = [np.repeat(np.arange(count), widths)]
            items = [np.searchsorted(popularity, draw.random(widths.sum()))]
            for bundle, share in zip(bundles, shares, strict=True):
                holders = np.flatnonzero(draw.random(count) < share)
                orders.append(np.repeat(holders, len(bundle)))
                items.append(np.tile(bundle, len(holders)))
            lines = np.unique(np.concatenate(orders) * ITEMS + np.concatenate(items))
            writer.write_table(
                pa.table([first + lines // ITEMS, names.take(lines % ITEMS)], schema=SCHEMA)
            )
