"""What is reported of a model each night, and when a night's result is worse than can be right."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from mining.cross_selling import CrossSellRules
from mining.profile_rules import ProfileRules

MINIMUM_NIGHTS: Final = 5  # fewer say nothing of what is usual
MINIMUM_HELD: Final = 10  # of fewer rules, one more or less is no drop


def cross_sell_report(rules: CrossSellRules | ProfileRules) -> dict[str, float | None]:
    """Measure the rules of a night, cross-sell or profile rules.

    Returns:
        By name: passed (the thresholds), tested, held, share_held (of those tested; None where none
        were) and published.
    """
    tested = len(rules.table) - rules.table["is_held"].null_count
    held = pc.sum(rules.table["is_held"]).as_py() or 0
    return {
        "passed": rules.passed_count,
        "tested": tested,
        "held": held,
        "share_held": held / tested if tested else None,
        "published": pc.sum(rules.table["is_published"]).as_py() or 0,
    }


def buying_order_report(pairs: pa.Table) -> dict[str, float | None]:
    """Measure the pairs of a night, as `mining.buying_order.mine_buying_order` gives them.

    Returns:
        By name: tested, held, share_held (of those tested; None where none were) and published.
    """
    held = pc.sum(pairs["is_held"]).as_py() or 0
    return {
        "tested": len(pairs),
        "held": held,
        "share_held": held / len(pairs) if len(pairs) else None,
        "published": pc.sum(pairs["is_published"]).as_py() or 0,
    }


def dropped_metrics(
    tonight: Mapping[str, float | None],
    earlier: Sequence[Mapping[str, float]],
    least_share: float,
) -> dict[str, float]:
    """Tell which metrics fell below a share of what is usual.

    Args:
        tonight: the metrics of this night; None (nothing could be measured) is no drop.
        earlier: those that are watched, of earlier nights in which all could be measured.
        least_share: of the median of the earlier nights.

    Returns:
        The metrics that dropped, with the median; none before `MINIMUM_NIGHTS` earlier ones, and
        none where rules are counted (`held`) of which usually fewer than `MINIMUM_HELD` hold.
    """
    if len(earlier) < MINIMUM_NIGHTS:
        return {}
    usual = {name: median(night[name] for night in earlier) for name in earlier[0]}
    if usual.get("held", MINIMUM_HELD) < MINIMUM_HELD:
        return {}
    return {
        name: middle
        for name, middle in usual.items()
        if (value := tonight[name]) is not None and value < least_share * middle
    }


def is_better_than_naive(proof: Mapping[str, float | None]) -> bool | None:
    """Whether forecasts were less far off than both naive ones; None where nothing is proven.

    By squared errors: a forecast is a mean, and of absolute ones the true model itself loses to
    "never again" where most do not come back.

    Args:
        proof: metrics of int_forecast_proof.
    """
    own, *naive = (
        proof.get(f"mean_squared_error{forecast}")
        for forecast in ("", "_last_period", "_rfm_cells")
    )
    if own is None:
        return None
    errors = [error for error in naive if error is not None]
    return own < min(errors) if len(errors) == len(naive) else None
