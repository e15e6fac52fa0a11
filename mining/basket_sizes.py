"""What the sizes of baskets alone would put together.

Items meet in large baskets whether they are related or not, so that independence, which knows no
sizes, is no fair rival: in a wholesaler's orders of hundreds of items nearly every rare item seems
to imply the popular ones. The fair rival keeps both how often each item is bought and how large
each basket is, and is otherwise as random as can be: De Bie (2011), Maximum entropy models and
subjective interestingness. Of item i and basket r it has the chance x_i y_r / (1 + x_i y_r).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csc_array
from scipy.special import rel_entr

from mining.baskets import Baskets

_ROUNDS: Final = 500
_CLOSE: Final = 1e-9  # of every count and size, relative
_EXACT: Final = 1_000  # baskets with the left side; of more, a bound takes the place of the tail

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class AgainstSizes(NamedTuple):
    """Rules held against what basket sizes alone would give.

    Attributes:
        expected_confidence: the share of the left side's baskets that would hold the right side;
            nan where no basket has the left side.
        p_values: the chance of at least so many baskets with both, given those with the left side:
            the tail of a Poisson binomial distribution, of more than 1,000 baskets Hoeffding's
            bound on it (1963, Probability Inequalities for Sums of Bounded Random Variables,
            theorem 1), which is never below.
    """

    expected_confidence: Floats
    p_values: Floats


def against_basket_sizes(
    baskets: Baskets, antecedents: pa.ChunkedArray, consequents: pa.ChunkedArray, joint: Counts
) -> AgainstSizes:
    """Hold rules against baskets of the same sizes with items of the same counts, else random.

    Args:
        baskets: in which the rules are tested.
        antecedents: the left side of each rule, a list of items.
        consequents: the right side.
        joint: baskets with both.
    """
    expected, p_values = np.full(len(joint), np.nan), np.ones(len(joint))
    for rule, with_left, chance in _trials(baskets, antecedents, consequents):
        trials = int(with_left.sum())
        expected[rule] = with_left @ chance / trials
        tail = _tail if trials <= _EXACT else _bound
        p_values[rule] = tail(with_left, chance, int(joint[rule]))
    return AgainstSizes(expected, p_values)


def expected_by_sizes(
    baskets: Baskets, antecedents: pa.ChunkedArray, consequents: pa.ChunkedArray
) -> Floats:
    """Give the `expected_confidence` of `against_basket_sizes` alone, in a fraction of its time."""
    expected = np.full(len(antecedents), np.nan)
    for rule, with_left, chance in _trials(baskets, antecedents, consequents):
        expected[rule] = with_left @ chance / with_left.sum()
    return expected


def _trials(
    baskets: Baskets, antecedents: pa.ChunkedArray, consequents: pa.ChunkedArray
) -> Iterator[tuple[int, Counts, Floats]]:
    """Yield each rule whose left side some baskets have, with these baskets by their size.

    Beside them stands the chance that a basket of each size holds the right side.
    """
    contents = baskets.contents
    kinds_of_size, size_of_row = np.unique(np.diff(contents.indptr), return_inverse=True)
    counts = np.bincount(contents.indices, minlength=contents.shape[1])
    kinds_of_count, count_of_item = np.unique(counts, return_inverse=True)
    chances = _chances(
        kinds_of_count, np.bincount(count_of_item), kinds_of_size, np.bincount(size_of_row)
    )
    lists = csc_array(contents)
    place_of = {item: place for place, item in enumerate(baskets.items)}
    found: dict[tuple[str, ...], Counts] = {}

    def sizes_with(items: tuple[str, ...]) -> Counts:
        """Of the baskets that hold all items, how many there are of each size."""
        if items not in found:
            rows: NDArray[np.int32] | None = None
            for item in items:
                place = place_of.get(item)
                begin, end = (0, 0) if place is None else lists.indptr[place : place + 2]
                holding = lists.indices[begin:end]
                rows = holding if rows is None else np.intersect1d(rows, holding, True)
            found[items] = np.bincount(size_of_row[rows], minlength=len(kinds_of_size))
        return found[items]

    pairs = zip(antecedents.to_pylist(), consequents.to_pylist(), strict=True)
    for rule, (left, right) in enumerate(pairs):
        with_left = sizes_with(tuple(left))
        if not with_left.any():
            continue
        chance = np.ones(len(kinds_of_size))
        for item in right:
            place = place_of.get(item)
            chance = chance * (0 if place is None else chances[count_of_item[place]])
        yield rule, with_left, chance


@njit(cache=True)
def _tail(trials: Counts, chances: Floats, least: int) -> float:
    """Chance of at least so many successes, where each kind of trial has a chance of its own."""
    likely = np.zeros(trials.sum() + 1)
    likely[0] = 1
    done = 0
    for kind in range(len(trials)):
        chance = chances[kind]
        for _ in range(trials[kind]):
            done += 1
            for successes in range(done, 0, -1):
                likely[successes] = (
                    likely[successes] * (1 - chance) + likely[successes - 1] * chance
                )
            likely[0] *= 1 - chance
    return float(min(likely[least:].sum(), 1.0))


def _bound(trials: Counts, chances: Floats, least: int) -> float:
    """Hoeffding's bound on `_tail`."""
    number = trials.sum()
    share, mean = least / number, trials @ chances / number
    if share <= mean:
        return 1.0
    divergence = rel_entr(share, mean) + rel_entr(1 - share, 1 - mean)
    return float(np.exp(-number * divergence))


def _chances(
    counts: Counts, items_of_count: Counts, sizes: Counts, baskets_of_size: Counts
) -> Floats:
    """Fit the model: a matrix of chances, a row for each count of an item, a column for each size.

    Items of one count are alike to it, and so are baskets of one size: it is small.
    """
    if not len(counts) or not len(sizes):
        return np.zeros((len(counts), len(sizes)))
    total = sizes @ baskets_of_size
    x, y = counts / np.sqrt(total), sizes / np.sqrt(total)
    for _ in range(_ROUNDS):
        odds = np.outer(x, y)
        of_items = (odds / (1 + odds)) @ baskets_of_size
        x = x * counts / np.maximum(of_items, 1e-300)
        odds = np.outer(x, y)
        of_baskets = items_of_count @ (odds / (1 + odds))
        y = y * sizes / np.maximum(of_baskets, 1e-300)
        if np.allclose(of_items, counts, rtol=_CLOSE) and np.allclose(
            of_baskets, sizes, rtol=_CLOSE
        ):
            break
    odds = np.outer(x, y)
    chances: Floats = odds / (1 + odds)
    return chances
