"""A list for each customer and task: products new to the customer, and products to restock.

Both tasks rank by the probability that the customer buys within four weeks, from a few features
whose weights are learned from the four weeks before the last four; how good such lists are is
measured on the last four; then the same weights rank what is recommended now.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from mining.recommendations.co_purchases import (
    MAXIMUM_PRODUCTS,
    MINIMUM_BUYERS,
    Neighbours,
    neighbours,
)
from mining.recommendations.interest import Interest, interest
from mining.recommendations.new_products import (
    Candidates,
    candidates,
    new_product_features,
)
from mining.recommendations.past_lists import TASKS, mean, popular_lists, sample, truth
from mining.recommendations.purchase_history import (
    HORIZON_DAYS,
    Demand,
    History,
    Integers,
    Numbers,
    Purchases,
    demand,
    history,
    purchases,
)
from mining.recommendations.ranking_quality import LIST_LENGTH, list_quality
from mining.recommendations.ranking_weights import Weights, fitted_weights, probabilities
from mining.recommendations.reasons import new_product_reasons, restock_reasons
from mining.recommendations.restock import restock_features

_BLOCK: Final = 4096  # customers scored at once
_LEARNED_FROM: Final = 300_000  # rows at most: more do not change the weights
_JUDGED: Final = 10_000  # customers at most: more do not change the means

RECOMMENDATIONS_SCHEMA: Final = pa.schema(
    [
        ("customer", pa.int32()),
        ("task", pa.string()),
        ("rank", pa.int32()),
        ("product", pa.int32()),
        ("purchase_probability", pa.float64()),
        ("reason_kind", pa.string()),
        ("because_product", pa.int32()),
        ("days_bought", pa.int32()),
        ("days_since", pa.int32()),
        ("days_between", pa.int32()),
        ("month_buyers", pa.int32()),
    ]
)

# Where nothing can be learned yet: weights that Complete Journey and Online Retail agree on. Their
# scores rank, but are no probabilities of another shop.
_NEW_DEFAULT: Final = Weights(0.0, np.array([0.2, 0.2, 0.2, 0.4, -0.4, 1.0, 0.0, 0.0]))
_RESTOCK_DEFAULT: Final = Weights(
    0.0,
    np.array([0.6, 0.2, 0.5, -0.3, 0.06, 0.3, 0.0, -0.08, 0.3, 0.1, -0.2, 0.3, 0.0, 0.0, 1.0]),
)


class Ground(NamedTuple):
    """What is known at a day.

    Attributes:
        history: who bought what.
        demand: how much each product was asked for.
        near: products that the same customers buy.
        interest: what customers looked at.
        pair_interest: of each pair of the history, views and favourites of late.
        is_offered: products that may be recommended.
    """

    history: History
    demand: Demand
    near: Neighbours
    interest: Interest
    pair_interest: Numbers
    is_offered: NDArray[np.bool_]


class RecommendedProducts(NamedTuple):
    """Lists and how good such lists were.

    Attributes:
        table: `RECOMMENDATIONS_SCHEMA`, by customer, task and rank.
        report: nDCG@10 on the last four weeks by task, ours (`ndcg_new`) and of what is popular
            (`ndcg_new_popularity`), and the customers that it was judged on; None where nobody
            bought anything to judge by.
    """

    table: pa.Table
    report: dict[str, float | None]


class Lists(NamedTuple):
    """The best products of some customers for one task.

    Attributes:
        products: one row for each customer, the best first; -1 where there are no more.
        chances: beside them, the probability of a purchase within four weeks.
    """

    products: Integers
    chances: Numbers


def recommend(
    lines: pa.Table,
    events: pa.Table,
    is_offered: NDArray[np.bool_],
    *,
    customer_count: int,
    cut: int,
) -> RecommendedProducts:
    """Make the lists of all customers.

    Weights are learned from what was bought in the four weeks that end four weeks before the cut,
    judged on the last four, and rank the products now: what is shown is what was judged.

    Args:
        lines: `customer` and `product`, whole numbers from 0, and `day`: purchases before the cut;
            a repeated row counts once.
        events: likewise, one row for each view, favourite or cart.
        is_offered: of each product, whether it may be recommended.
        customer_count: customers in all.
        cut: the day of the lists, in the days of the tables.
    """
    product_count = len(is_offered)
    bought = purchases(lines, customer_count, product_count)

    def at(day: int, may_be: NDArray[np.bool_]) -> Ground:
        looked_at = interest(events, customer_count, product_count, day)
        return ground(bought, day, looked_at, may_be)

    # what is gone now was still there then
    everything = np.ones(product_count, np.bool_)
    past = at(cut - 2 * HORIZON_DAYS, everything)
    learned = {"new": learn_new(past), "restock": learn_restock(past)}
    weights = {
        "new": learned["new"] or _NEW_DEFAULT,
        "restock": learned["restock"] or _RESTOCK_DEFAULT,
    }
    report = judge(at(cut - HORIZON_DAYS, everything), weights)
    return RecommendedProducts(
        _table(
            at(cut, is_offered), weights, {task: one is not None for task, one in learned.items()}
        ),
        report,
    )


def judge(of: Ground, weights: dict[str, Weights]) -> dict[str, float | None]:
    """Hold lists of a past day against what was bought in the four weeks after it."""
    report: dict[str, float | None] = {}
    for task in TASKS:
        later = sample(truth(of.history, of.demand, task), _JUDGED)
        ours = lists_of_task(of, task, weights[task], later.customers).products
        popular = popular_lists(of.history, of.demand.month_buyers, later.customers, task)
        for name, lists in (("", ours), ("_popularity", popular)):
            quality = list_quality(lists, later.starts, later.products)
            report[f"ndcg_{task}{name}"] = mean(quality.ndcg)
        report[f"customers_{task}"] = len(later.customers)
    return report


def lists_of_task(of: Ground, task: str, weights: Weights, customers: Integers) -> Lists:
    """Rank the products of a task for some customers."""
    make = restock_lists if task == "restock" else new_product_lists
    return make(of, weights, customers)


def ground(
    bought: Purchases, cut: int, interest: Interest, is_offered: NDArray[np.bool_]
) -> Ground:
    """Look at all purchases before a day."""
    of = history(bought, cut)
    needs = demand(of)
    eligible = np.lexsort((np.arange(len(needs.buyers)), -needs.buyers))[:MAXIMUM_PRODUCTS]
    is_eligible = np.zeros(len(needs.buyers), np.bool_)
    is_eligible[eligible] = needs.buyers[eligible] >= MINIMUM_BUYERS
    near = neighbours(of, is_eligible)
    return Ground(of, needs, near, interest, _pair_interest(of, interest), is_offered)


def learn_restock(of: Ground) -> Weights | None:
    """Learn from what was bought again within four weeks of a past day; None where nothing was."""
    pairs = np.flatnonzero(of.is_offered[of.history.products])
    pairs = pairs[:: max(1, -(-len(pairs) // _LEARNED_FROM))]
    if not len(pairs):
        return None
    return fitted_weights(
        restock_features(of.history, of.demand, of.pair_interest, pairs),
        of.history.is_bought_again[pairs],
    )


def learn_new(of: Ground) -> Weights | None:
    """Learn from which candidates were bought within four weeks of a past day."""
    with_history = np.flatnonzero(np.diff(of.history.starts) > 0)
    wanted = _LEARNED_FROM // 100
    customers = with_history[:: max(1, -(-len(with_history) // wanted))].astype(np.int32)
    if not len(customers):
        return None
    found = _candidates(of, customers)
    features = new_product_features(of.history, of.demand, found, customers)
    is_one = found.products.ravel() >= 0
    outcomes = np.zeros(found.products.shape, np.bool_)
    starts = of.history.new_starts
    for row, customer in enumerate(customers):
        later = of.history.new_products[starts[customer] : starts[customer + 1]]
        outcomes[row] = np.isin(found.products[row], later)
    return fitted_weights(features[is_one], outcomes.ravel()[is_one])


def restock_lists(of: Ground, weights: Weights, customers: Integers) -> Lists:
    """Rank what each customer bought before."""
    starts = of.history.starts
    lists = _empty(len(customers))
    for begin in range(0, len(customers), _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, len(customers)))
        chosen = customers[rows]
        sizes = starts[chosen + 1] - starts[chosen]
        row_of = np.repeat(rows, sizes)
        pairs = np.arange(len(row_of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        pairs += np.repeat(starts[chosen], sizes)
        kept = of.is_offered[of.history.products[pairs]]
        pairs, row_of = pairs[kept], row_of[kept]
        if not len(pairs):
            continue
        scores = _scores(restock_features(of.history, of.demand, of.pair_interest, pairs), weights)
        _fill(*lists, row_of, of.history.products[pairs], scores)
    return _with_chances(lists)


def new_product_lists(of: Ground, weights: Weights, customers: Integers) -> Lists:
    """Rank what each customer has not bought."""
    lists = _empty(len(customers))
    for begin in range(0, len(customers), _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, len(customers)))
        found = _candidates(of, customers[rows])
        scores = _scores(
            new_product_features(of.history, of.demand, found, customers[rows]), weights
        )
        is_one = found.products.ravel() >= 0
        row_of = np.repeat(rows, found.products.shape[1])[is_one]
        _fill(*lists, row_of, found.products.ravel()[is_one], scores[is_one])
    return _with_chances(lists)


def _candidates(of: Ground, customers: Integers) -> Candidates:
    return candidates(of.history, of.demand, of.near, of.interest, of.is_offered, customers)


def _pair_interest(of: History, looked_at: Interest) -> Numbers:
    """Strength of views and favourites for every pair of the history."""
    strengths = np.zeros(len(of.products))
    if not len(looked_at.products):
        return strengths
    pairs = np.repeat(np.arange(len(of.starts) - 1), np.diff(of.starts))
    keys = pairs * of.product_count + of.products
    viewers = np.repeat(np.arange(len(looked_at.starts) - 1), np.diff(looked_at.starts))
    viewed = viewers * of.product_count + looked_at.products
    places = np.minimum(np.searchsorted(keys, viewed), max(len(keys) - 1, 0))
    is_pair = keys[places] == viewed
    strengths[places[is_pair]] = looked_at.strengths[is_pair]
    return strengths


def _scores(features: Numbers, weights: Weights) -> Numbers:
    # rounded, so that what is equal but for the last bits goes by its number
    scores: Numbers = (features @ weights.slopes + weights.intercept).round(9)
    return scores


def _empty(count: int) -> Lists:
    shape = (count, LIST_LENGTH)
    return Lists(np.full(shape, -1, np.int32), np.zeros(shape))


def _with_chances(lists: Lists) -> Lists:
    return Lists(lists.products, np.where(lists.products >= 0, probabilities(lists.chances), 0))


@njit(cache=True, nogil=True)
def _fill(
    listed: Integers, chances: Numbers, rows: Integers, products: Integers, scores: Numbers
) -> None:
    """Put the best products of each row into its list, with scores; equal ones by their number."""
    length = listed.shape[1]
    for place in range(len(rows)):
        row, product, score = rows[place], products[place], scores[place]
        last = length - 1
        if listed[row, last] >= 0 and not _is_better(
            score, product, chances[row, last], listed[row, last]
        ):
            continue
        while last > 0 and (
            listed[row, last - 1] < 0
            or _is_better(score, product, chances[row, last - 1], listed[row, last - 1])
        ):
            listed[row, last], chances[row, last] = listed[row, last - 1], chances[row, last - 1]
            last -= 1
        listed[row, last], chances[row, last] = product, score


@njit(cache=True)
def _is_better(score: Any, product: Any, other_score: Any, other: Any) -> Any:
    return score > other_score or (score == other_score and product < other)


def _table(of: Ground, weights: dict[str, Weights], is_learned: dict[str, bool]) -> pa.Table:
    """Make the lists, a block of customers on each processor, with what explains them."""

    def block(begin: int) -> pa.Table:
        customers = np.arange(begin, min(begin + _BLOCK, customer_count), dtype=np.int32)
        return pa.concat_tables(
            _listed(of, task, weights[task], customers, is_learned[task]) for task in TASKS
        )

    customer_count = len(of.history.starts) - 1
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(pool.map(block, range(0, customer_count, _BLOCK)))
    return pa.concat_tables([RECOMMENDATIONS_SCHEMA.empty_table(), *blocks])


def _listed(
    of: Ground, task: str, weights: Weights, customers: Integers, is_learned: bool
) -> pa.Table:
    """Make the lists of one task for some customers."""
    lists = lists_of_task(of, task, weights, customers)
    rows, places = np.nonzero(lists.products >= 0)
    products = lists.products[rows, places]
    reasons = (
        restock_reasons(of.history, customers[rows], products)
        if task == "restock"
        else new_product_reasons(of.history, of.near, of.interest, customers, lists.products)
    )
    columns = {
        "customer": customers[rows],
        "task": pa.repeat(task, len(rows)),
        "rank": places + 1,
        "product": products,
        "purchase_probability": pa.array(
            lists.chances[rows, places], mask=np.full(len(rows), not is_learned)
        ),
        "month_buyers": of.demand.month_buyers[products],
        **reasons,
    }
    return pa.table(
        [columns[name] for name in RECOMMENDATIONS_SCHEMA.names], RECOMMENDATIONS_SCHEMA
    )
