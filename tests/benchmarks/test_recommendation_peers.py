"""The peers of the lists' benchmark: each ranks what its task asks for."""

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.mining.purchase_lines import PurchaseLines
from benchmarks.mining.recommendations import (
    at,
    factorisations,
    judged,
    nearest_neighbours,
    own_frequencies,
    popularities,
)
from mining.recommendations.past_lists import truth
from mining.recommendations.purchase_history import HORIZON_DAYS, purchases

GROUPS, PRODUCTS_A_GROUP, CUSTOMERS = 4, 15, 200
CUT = 100
SOME = ("buyers", "K 20", "16 factors, λ 0.1, α 1.0")  # of many settings
PEERS = {
    f"{kind} {name}": rank
    for kind, rankers in (
        ("popularity", popularities()),
        ("kNN", nearest_neighbours()),
        ("ALS", factorisations()),
    )
    for name, rank in rankers
    if name.endswith(SOME)
}


@pytest.fixture(scope="module")
def ground():
    """Each customer buys the products of one group, and goes on with them."""
    random = np.random.default_rng(1)
    rows = [
        (customer, int(day), customer % GROUPS * PRODUCTS_A_GROUP + int(product))
        for customer in range(CUSTOMERS)
        for day in random.integers(CUT - 60, CUT + HORIZON_DAYS, 8)
        for product in random.choice(PRODUCTS_A_GROUP, 2, replace=False)
    ]
    columns = zip(("customer", "day", "product"), zip(*rows, strict=True), strict=True)
    lines = pa.table({name: pa.array(column, pa.int32()) for name, column in columns})
    found = PurchaseLines(lines, CUSTOMERS, GROUPS * PRODUCTS_A_GROUP, CUT)
    return at(found, purchases(lines, found.customer_count, found.product_count), CUT)


@pytest.mark.filterwarnings("ignore:OpenBLAS", "ignore:Method expects CSR")
@pytest.mark.parametrize("task", ["new", "restock"])
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_ranks_what_the_task_asks_for(ground, peer, task):
    later = truth(ground.history, ground.demand, task)
    lists = PEERS[peer](ground, later, task)
    assert len(lists) == len(later.customers) > 100
    made = ground.history
    for customer, ranked in zip(later.customers, lists, strict=True):
        own = made.products[made.starts[customer] : made.starts[customer + 1]]
        shown = ranked[ranked >= 0]
        assert len(set(shown)) == len(shown) > 0
        assert np.isin(shown, own).all() if task == "restock" else not np.isin(shown, own).any()
    if task == "new" and not peer.startswith("popularity"):
        # of 60 products 15 are of the customer's group
        assert judged(lists, later).ndcg.mean() > 0.3


def test_own_frequency_ranks_by_days(ground):
    later = truth(ground.history, ground.demand, "restock")
    (ever, *_) = (rank for name, rank in own_frequencies() if name == "days ever")
    made = ground.history
    for customer, ranked in zip(later.customers, ever(ground, later, "restock"), strict=True):
        own = slice(made.starts[customer], made.starts[customer + 1])
        days = dict(zip(made.products[own].tolist(), made.day_counts[own].tolist(), strict=True))
        shown = [days[product] for product in ranked[ranked >= 0].tolist()]
        assert shown == sorted(days.values(), reverse=True)[: len(shown)]
