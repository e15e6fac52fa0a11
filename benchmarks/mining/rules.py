"""Time the metrics of 250,000 rules beside mlxtend, from the same itemsets, and compare each.

    python -m benchmarks.mining.rules

Both turn the frequent itemsets of the same made baskets into every rule that they hold, either side
of any size. Counted is the processor's time (of user and system), the best of the runs; mlxtend's
frame of itemsets is laid out before the clock starts.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlxtend.frequent_patterns import association_rules as rules_of_mlxtend

from benchmarks.mining.basket_maker import make_baskets
from benchmarks.processes import working_folder
from benchmarks.tables import laid_out
from mining.baskets import baskets
from mining.itemsets import frequent_itemsets
from mining.rules import association_rules

BASKETS = 100_000
LEAST_COUNT = 10  # of the itemsets among which the rules are chosen
METRICS = (
    *("antecedent support", "consequent support", "support", "confidence", "lift", "leverage"),
    *("representativity", "zhangs_metric", "jaccard", "certainty", "kulczynski", "conviction"),
)


def main() -> None:
    """Print the seconds of both, and the greatest difference of a metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=int, default=250_000, help="at least so many")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the best")
    arguments = parser.parse_args()
    itemsets = itemsets_of_rules(arguments.rules)
    every_rule(itemsets)  # compiled code, imports
    ours, our_seconds = timed(lambda: every_rule(itemsets), arguments.repeats)
    frame = pd.DataFrame(
        {
            "support": itemsets["basket_count"].to_numpy() / BASKETS,
            "itemsets": [frozenset(items) for items in itemsets["items"].to_pylist()],
        }
    )
    theirs, their_seconds = timed(
        lambda: rules_of_mlxtend(frame, num_itemsets=BASKETS, metric="support", min_threshold=0),
        arguments.repeats,
    )
    difference = greatest_difference(ours, theirs)
    print(
        laid_out(
            [
                ("rules", "metrics", "ours, CPU s", "mlxtend, CPU s", "times", "difference"),
                (
                    f"{len(ours):,}",
                    str(len(METRICS)),
                    f"{our_seconds:.2f}",
                    f"{their_seconds:.2f}",
                    f"{their_seconds / our_seconds:.1f}",
                    f"{difference:.1e}",
                ),
            ]
        )
    )


def itemsets_of_rules(rules: int) -> pa.Table:
    """Find the itemsets of the highest minimum count with which they hold so many rules."""
    with working_folder(None) as folder:
        make_baskets(folder / "lines.parquet", BASKETS)
        found = baskets(pq.read_table(folder / "lines.parquet"), BASKETS)
    itemsets = frequent_itemsets(found, LEAST_COUNT)
    counts = itemsets["basket_count"].to_numpy()
    by_count = np.argsort(-counts)
    sizes = itemsets["items"].combine_chunks().value_lengths().to_numpy().astype(np.int64)
    held = np.cumsum(2 ** sizes[by_count] - 2)  # each proper part of a set is a left side
    place = int(np.searchsorted(held, rules))
    if place == len(held):
        raise SystemExit(f"these baskets hold {held[-1]:,} rules, not {rules:,}")
    return frequent_itemsets(found, int(counts[by_count[place]]))


def every_rule(itemsets: pa.Table) -> pa.Table:
    """Derive all rules, redundant and mirrored ones too, as mlxtend does."""
    return association_rules(
        itemsets,
        BASKETS,
        minimum_confidence="0.000001",
        maximum_consequents=None,
        is_concise=False,
    )


def timed(derive: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Give what was derived, and the processor's seconds of the best run."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        found = derive()
        seconds.append(time.process_time() - started)
    return found, min(seconds)


def greatest_difference(ours: pa.Table, theirs: pd.DataFrame) -> float:
    """Compare each metric of each rule, relative to it where it is above 1.

    An infinite conviction is null in ours; mlxtend's own confidence may be a rounding away from 1.
    """
    if len(ours) != len(theirs):
        raise SystemExit(f"{len(ours):,} rules are ours, {len(theirs):,} are mlxtend's")
    sides = ("antecedents", "consequents")
    ours_by_sides = np.lexsort([_numbers(ours[side].to_pylist()) for side in sides])
    theirs_by_sides = np.lexsort([_numbers(theirs[side]) for side in sides])
    greatest = 0.0
    for metric in METRICS:
        mine = ours[metric.replace(" ", "_")].to_numpy(zero_copy_only=False)[ours_by_sides]
        their = theirs[metric].to_numpy(float)[theirs_by_sides]
        if metric == "conviction":
            known = ~ours["is_certain"].to_numpy(zero_copy_only=False)[ours_by_sides]
            mine, their = mine[known], their[known]
        away = np.abs(mine - their) / np.maximum(np.abs(their), 1)
        greatest = max(greatest, float(away.max(initial=0)))
    return greatest


def _numbers(sides: Any) -> Any:
    """Number sets of items by their text."""
    _, numbers = np.unique(["\n".join(sorted(items)) for items in sides], return_inverse=True)
    return numbers


if __name__ == "__main__":
    main()
