"""What is reported of a model each night, and when a night's result is worse than can be right."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

MINIMUM_NIGHTS: Final = 5  # fewer say nothing of what is usual


def cross_sell_report(rules: pa.Table) -> dict[str, float | None]:
    """Measure the rules of a night.

    Args:
        rules: as `mining.cross_selling.mine_cross_sell_rules` gives them.

    Returns:
        By name: candidates, tested, held, share_held (of those tested; None where none were) and
        published.
    """
    tested = len(rules) - rules["is_held"].null_count
    held = pc.sum(rules["is_held"]).as_py() or 0
    return {
        "candidates": len(rules),
        "tested": tested,
        "held": held,
        "share_held": held / tested if tested else None,
        "published": pc.sum(rules["is_published"]).as_py() or 0,
    }


def dropped_metrics(
    tonight: Mapping[str, float | None],
    earlier: Mapping[str, Sequence[float]],
    least_share: float,
) -> dict[str, float]:
    """Tell which metrics fell below a share of what is usual.

    Args:
        tonight: the value of each metric; None falls below everything.
        earlier: the values of earlier nights, of each metric that is to be judged.
        least_share: of the median of the earlier values.

    Returns:
        The metrics that dropped, with the median; none before `MINIMUM_NIGHTS` earlier ones.
    """
    usual = {
        metric: median(values)
        for metric, values in earlier.items()
        if len(values) >= MINIMUM_NIGHTS
    }
    return {
        metric: middle
        for metric, middle in usual.items()
        if (tonight[metric] or 0) < least_share * middle
    }
