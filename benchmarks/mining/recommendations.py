"""Our lists beside popularity, item-kNN and ALS, on the last four weeks of two real shops.

    python -m benchmarks.mining.recommendations

All methods see the same purchases before the cut, four weeks before the end, and rank the same
candidates for the same customers: every product sold before the cut, by whether the customer had
bought it. Peers are tuned on the four weeks before the cut; ours learns its weights there.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.mining.purchase_lines import (
    PurchaseLines,
    complete_journey_lines,
    online_retail_lines,
)
from mining.recommendations.customer_lists import (
    Ground,
    ground,
    learn_new,
    learn_restock,
    lists_of_task,
)
from mining.recommendations.interest import interest
from mining.recommendations.past_lists import TASKS, Truth, popular_lists, truth
from mining.recommendations.purchase_history import HORIZON_DAYS, purchases
from mining.recommendations.ranking_quality import (
    LIST_LENGTH,
    ListQuality,
    list_quality,
    paired_interval,
)

Ranker = Callable[[Ground, Truth, str], Any]  # lists of the customers of a truth


def main() -> None:
    """Print a table for each shop and task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shops", nargs="+", default=["Complete Journey", "Online Retail"])
    options = parser.parse_args()
    threadpool_limits(1, "blas")  # as the library asks for; it has threads of its own
    warnings.filterwarnings("ignore", module="implicit")  # of its own conversions
    data = Path(os.environ.get("REGULARS_REAL_DATA", "../shared/data"))
    for shop in options.shops:
        if shop == "Complete Journey":
            compare(shop, complete_journey_lines())
        elif (data / "online_retail").is_dir():
            compare(shop, online_retail_lines(data / "online_retail"))
        else:
            print(f"{shop}: no real data in {data} (REGULARS_REAL_DATA)")


def compare(shop: str, found: PurchaseLines) -> None:
    """Tune and learn before the cut, then rank and judge all methods on the last four weeks."""
    bought = purchases(found.lines, found.customer_count, found.product_count)
    past, now = (at(found, bought, found.cut - back * HORIZON_DAYS) for back in (2, 1))
    started = time.process_time()
    weights = {"new": learn_new(past), "restock": learn_restock(past)}
    learning = time.process_time() - started
    print(f"\n{shop}: {found.customer_count:,} customers, {found.product_count:,} products")
    for task in TASKS:
        before, after = (truth(one.history, one.demand, task) for one in (past, now))
        print(f"\n{task}: {len(after.customers):,} customers, {len(after.products):,} purchases")
        started = time.process_time()
        learned = weights[task]
        assert learned is not None
        ours = judged(lists_of_task(now, task, learned, after.customers).products, after)
        seconds = time.process_time() - started
        print(row_of("ours", f"learned in {learning:.1f} s", ours, None, seconds))
        for name, settings in (
            ("popularity", popularities()),
            *((("own frequency", own_frequencies()),) if task == "restock" else ()),
            ("item-kNN", nearest_neighbours()),
            ("ALS", factorisations()),
        ):
            started = time.process_time()
            tuned = max(
                settings,
                key=lambda one: judged(one[1](past, before, task), before).ndcg.mean(),
            )
            quality = judged(tuned[1](now, after, task), after)
            seconds = time.process_time() - started
            print(row_of(name, tuned[0], quality, ours, seconds), flush=True)


def at(found: PurchaseLines, bought: Any, cut: int) -> Ground:
    """Everything known at a day; neither shop has views."""
    events = pa.table({name: pa.array([], pa.int32()) for name in ("customer", "product", "day")})
    nothing = interest(events, found.customer_count, found.product_count, cut)
    return ground(bought, cut, nothing, np.ones(found.product_count, np.bool_))


def judged(lists: Any, later: Truth) -> ListQuality:
    """Measure lists of the customers of a truth."""
    return list_quality(lists, later.starts, later.products)


def row_of(
    name: str, settings: str, quality: ListQuality, ours: ListQuality | None, seconds: float
) -> str:
    """A line of the table in markdown."""
    interval = ""
    if ours is not None:
        low, high = paired_interval(ours.ndcg, quality.ndcg)
        interval = f"{low:+.4f} to {high:+.4f}"
    return (
        f"| {name} | {settings} | {quality.ndcg.mean():.4f} | {interval} | "
        f"{quality.recall.mean():.4f} | {quality.precision.mean():.4f} | {quality.coverage:,} | "
        f"{seconds:.1f} |"
    )


def popularities() -> Iterator[tuple[str, Ranker]]:
    """What most customers bought, of late or ever."""
    for name in ("week_buyers", "month_buyers", "buyers"):

        def rank(of: Ground, later: Truth, task: str, name: str = name) -> Any:
            return popular_lists(of.history, getattr(of.demand, name), later.customers, task)

        yield name.replace("_", " "), rank


def own_frequencies() -> Iterator[tuple[str, Ranker]]:
    """What each customer bought on most days, ever or with days that count half after a time.

    Hard to beat: Li et al. (2023), A Next Basket Recommendation Reality Check.
    """
    for name, title in (
        ("day_counts", "days ever"),
        ("recent", "days, half of 14"),
        ("lasting", "days, half of 56"),
    ):

        def rank(of: Ground, later: Truth, task: str, name: str = name) -> Any:
            counts = getattr(of.history, name)
            starts = of.history.starts

            def score(row: int, own: Any) -> Any:
                customer = later.customers[row]
                return counts[starts[customer] : starts[customer + 1]].astype(float)

            return best_of_own(of, later, score)

        yield title, rank


def nearest_neighbours() -> list[tuple[str, Ranker]]:
    """Item-kNN by cosine or by BM25's weights, `implicit.nearest_neighbours`."""
    weightings = {"cosine": CosineRecommender, "BM25": BM25Recommender}

    def ranker(value: str, weighting: str, neighbours: int) -> Ranker:
        def rank(of: Ground, later: Truth, task: str) -> Any:
            matrix = purchase_matrix(of, value)
            model = weightings[weighting](K=neighbours, num_threads=2)
            model.fit(matrix, show_progress=False)
            if task == "restock":
                return best_of_own(
                    of,
                    later,
                    lambda row, own: own_scores(matrix[[later.customers[row]]], model, own),
                )
            # where too few are near, the library fills up with what was bought, at 0
            return best_new(model, matrix, later, above=0.0)

        return rank

    return [
        (f"{value}, {weighting}, K {neighbours}", ranker(value, weighting, neighbours))
        for value, weighting, neighbours in product(("bought", "days"), weightings, (20, 100, 500))
    ]


def factorisations() -> list[tuple[str, Ranker]]:
    """Alternating least squares (Hu, Koren, Volinsky 2008), `implicit.als`."""

    def ranker(value: str, factors: int, regularization: float, alpha: float) -> Ranker:
        def rank(of: Ground, later: Truth, task: str) -> Any:
            matrix = purchase_matrix(of, value)
            model = AlternatingLeastSquares(
                factors=factors,
                regularization=regularization,
                alpha=alpha,
                iterations=15,
                random_state=0,
                num_threads=2,
            )
            model.fit(matrix, show_progress=False)
            if task == "restock":
                people, things = model.user_factors, model.item_factors
                return best_of_own(
                    of, later, lambda row, own: things[own] @ people[later.customers[row]]
                )
            return best_new(model, matrix, later, above=-1e30)

        return rank

    return [
        (f"{value}, {factors} factors, λ {λ}, α {α}", ranker(value, factors, λ, α))
        for value, factors, λ, α in product(
            ("bought", "days"), (16, 64), (0.1, 1.0, 10.0), (1.0, 10.0)
        )
    ]


def purchase_matrix(of: Ground, value: str) -> Any:
    """Customers by products: 1, or 1 + log of the days on which it was bought."""
    made = of.history
    values = 1 + np.log(made.day_counts) if value == "days" else np.ones(len(made.products))
    return csr_matrix(
        (values.astype(np.float32), made.products, made.starts),
        shape=(len(made.starts) - 1, made.product_count),
    )


def best_new(model: Any, matrix: Any, later: Truth, above: float) -> Any:
    """The library's own lists, without what was bought; of scores above a limit."""
    lists, scores = model.recommend(
        later.customers,
        matrix[later.customers],
        N=LIST_LENGTH,
        filter_already_liked_items=True,
    )
    return np.where(np.isfinite(scores) & (scores > above), lists, -1).astype(np.int32)


def best_of_own(of: Ground, later: Truth, score: Callable[[int, Any], Any]) -> Any:
    """Each customer's own products by a score."""
    lists = np.full((len(later.customers), LIST_LENGTH), -1, np.int32)
    for row, customer in enumerate(later.customers):
        own = of.history.products[of.history.starts[customer] : of.history.starts[customer + 1]]
        best = own[np.argsort(-score(row, own), kind="stable")][:LIST_LENGTH]
        lists[row, : len(best)] = best
    return lists


def own_scores(bought: Any, model: Any, own: Any) -> Any:
    """The scores of a customer's own products, from the row of what was bought."""
    return np.asarray((bought @ model.similarity).toarray()).ravel()[own]


if __name__ == "__main__":
    main()
