"""What the sizes of baskets alone would put together.

Items meet in large baskets whether they are related or not, so that independence, which knows no
sizes, is no fair rival: in a wholesaler's orders of hundreds of items nearly every rare item seems
to imply the popular ones. The fair rival keeps both how often each item is bought and how large
each basket is, and is otherwise as random as can be: De Bie (2011), Maximum entropy models and
subjective interestingness. Of item i and basket r it has the chance x_i y_r / (1 + x_i y_r).
A basket of two that holds the left side has one place left, not two: of the baskets with the left
side only the other places are filled at random, with the other items.
"""

from collections.abc import Collection, Iterator
from functools import partial, reduce
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csc_array

from mining.baskets import Baskets
from mining.itemsets import columns_apart
from mining.poisson_binomial import upper_tail

_ROUNDS: Final = 500
_STEPS: Final = 100
_CLOSE: Final = 1e-9  # of every count and size, relative
_GREATEST: Final = 1e100  # x or y: of an item that is sure to be in a basket they have no bound

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class AgainstSizes(NamedTuple):
    """Rules held against what basket sizes alone would give.

    Attributes:
        expected_confidence: the share of the left side's baskets that would hold the right side;
            nan where no basket has the left side.
        p_values: the chance of at least so many baskets with both, given those with the left side:
            the tail of a Poisson binomial distribution (`mining.poisson_binomial`).
    """

    expected_confidence: Floats
    p_values: Floats


def against_basket_sizes(
    baskets: Baskets,
    antecedents: pa.ChunkedArray,
    consequents: pa.ChunkedArray,
    joint: Counts,
    *,
    without_place: Collection[str] = (),
    never_together: pa.Table | None = None,
) -> AgainstSizes:
    """Hold rules against baskets of the same sizes with items of the same counts, else random.

    Args:
        baskets: in which the rules are tested.
        antecedents: the left side of each rule, a list of items.
        consequents: the right side; of several items their chances are multiplied.
        joint: baskets with both.
        without_place: items that are no part of a basket's size, as what its buyer is.
        never_together: `item` and `other`: pairs of which one may bring the other with it, as a
            product does its category. What a left side always brings takes places too.
    """
    expected, p_values = np.full(len(joint), np.nan), np.ones(len(joint))
    for rule, with_left, chance in _trials(
        baskets, antecedents, consequents, without_place, never_together
    ):
        trials = int(with_left.sum())
        expected[rule] = with_left @ chance / trials
        p_values[rule] = upper_tail(with_left, chance, int(joint[rule]))
    return AgainstSizes(expected, p_values)


def expected_by_sizes(
    baskets: Baskets,
    antecedents: pa.ChunkedArray,
    consequents: pa.ChunkedArray,
    *,
    without_place: Collection[str] = (),
) -> Floats:
    """Give the `expected_confidence` of `against_basket_sizes` alone, in a fraction of its time."""
    expected = np.full(len(antecedents), np.nan)
    for rule, with_left, chance in _trials(baskets, antecedents, consequents, without_place):
        expected[rule] = with_left @ chance / with_left.sum()
    return expected


class _Left(NamedTuple):
    """A left side: the baskets with it by their size, and how full their other places are.

    Attributes:
        with_left: baskets of each size.
        fullness: y of each size, of the places that the left side does not take.
    """

    with_left: Counts
    fullness: Floats


def _trials(
    baskets: Baskets,
    antecedents: pa.ChunkedArray,
    consequents: pa.ChunkedArray,
    without_place: Collection[str],
    never_together: pa.Table | None = None,
) -> Iterator[tuple[int, Counts, Floats]]:
    """Yield each rule whose left side some baskets have, with these baskets by their size.

    Beside them stands the chance that such a basket of each size holds the right side.
    """
    contents = baskets.contents
    has_place = np.array([item not in without_place for item in baskets.items], np.bool_)
    rows = np.repeat(np.arange(contents.shape[0]), np.diff(contents.indptr))
    sizes = np.bincount(rows[has_place[contents.indices]], minlength=contents.shape[0])
    kinds_of_size, size_of_row = np.unique(sizes, return_inverse=True)
    counts = np.bincount(contents.indices, minlength=contents.shape[1])
    kinds_of_count, count_of_item = np.unique(counts, return_inverse=True)
    items_of_count = np.bincount(count_of_item[has_place], minlength=len(kinds_of_count))
    popularity, fullness = _fitted(
        kinds_of_count, items_of_count, kinds_of_size, np.bincount(size_of_row)
    )
    lists = csc_array(contents)
    place_of = {item: place for place, item in enumerate(baskets.items)}
    brought = columns_apart(never_together, baskets.items)
    found: dict[tuple[str, ...], _Left] = {}

    def rows_with(place: int) -> NDArray[np.int32]:
        rows: NDArray[np.int32] = lists.indices[lists.indptr[place] : lists.indptr[place + 1]]
        return rows

    def left_side(items: tuple[str, ...]) -> _Left:
        if items not in found:
            taking = {place_of[item] for item in items if item in place_of}
            holding = np.empty(0, np.int32)
            if len(taking) == len(items):
                holding = reduce(
                    partial(np.intersect1d, assume_unique=True), map(rows_with, taking)
                )
            with_left = np.bincount(size_of_row[holding], minlength=len(kinds_of_size))
            may_bring = brought[np.isin(brought[:, 0], list(taking)), 1].tolist()
            taking |= {
                other
                for other in may_bring
                if len(holding) and np.isin(holding, rows_with(other)).all()
            }
            taken = count_of_item[[place for place in sorted(taking) if has_place[place]]]
            found[items] = _Left(
                with_left,
                _fullness_beside(
                    taken.astype(np.int64),
                    np.where(with_left > 0, kinds_of_size, 0),
                    popularity,
                    items_of_count,
                    fullness,
                )
                if len(taken)
                else fullness,
            )
        return found[items]

    pairs = zip(antecedents.to_pylist(), consequents.to_pylist(), strict=True)
    for rule, (left, right) in enumerate(pairs):
        with_left, beside = left_side(tuple(left))
        if not with_left.any():
            continue
        chance = np.ones(len(kinds_of_size))
        for item in right:
            place = place_of.get(item)
            odds = 0 if place is None else popularity[count_of_item[place]] * beside
            chance = chance * (odds / (1 + odds))
        yield rule, with_left, chance


def _fitted(
    counts: Counts, items_of_count: Counts, sizes: Counts, baskets_of_size: Counts
) -> tuple[Floats, Floats]:
    """Fit the model: x for each count of an item, y for each size of a basket.

    Items of one count are alike to it, and so are baskets of one size: it is small.

    Args:
        counts: baskets with an item, each count once, above 0.
        items_of_count: items of each count; of 0 its x is worth nothing.
        sizes: of baskets, each once, 0 or more.
        baskets_of_size: baskets of each size.
    """
    total = sizes @ baskets_of_size
    if not total:
        return np.zeros(len(counts)), np.zeros(len(sizes))
    x, y = counts / np.sqrt(total), sizes / np.sqrt(total)
    is_item = items_of_count > 0
    for _ in range(_ROUNDS):
        odds = np.outer(x, y)
        of_items = (odds / (1 + odds)) @ baskets_of_size
        x = np.minimum(x * counts / np.maximum(of_items, 1e-300), _GREATEST)
        odds = np.outer(x, y)
        of_baskets = items_of_count @ (odds / (1 + odds))
        y = np.minimum(y * sizes / np.maximum(of_baskets, 1e-300), _GREATEST)
        if np.allclose(of_items[is_item], counts[is_item], rtol=_CLOSE) and np.allclose(
            of_baskets, sizes, rtol=_CLOSE
        ):
            break
    return x, y


@njit(cache=True)
def _fullness_beside(
    taken: Counts, sizes: Counts, popularity: Floats, items_of_count: Counts, fullness: Floats
) -> Floats:
    """Fit y anew to the places that the left side leaves free, with all items but its own.

    The expected number of items is concave in y, so that Newton's steps from below stay below.

    Args:
        taken: the count of each item of the left side, a place in `popularity`.
        sizes: of baskets; those that are no greater than the left side get 0.
        popularity: x for each count of an item.
        items_of_count: items of each count.
        fullness: y for each size, of all its places: where the search begins.
    """
    others = items_of_count.copy()
    for count in taken:
        others[count] -= 1
    beside = np.zeros(len(sizes))
    in_all = (others * popularity).sum()
    for size in range(len(sizes)):
        free = sizes[size] - len(taken)
        if free <= 0:
            continue
        y = fullness[size]
        for _ in range(_STEPS):
            filled, slope = 0.0, 0.0
            for count in range(len(others)):
                filled_by_one = popularity[count] / (1 + popularity[count] * y)
                filled += others[count] * filled_by_one * y
                slope += others[count] * filled_by_one / (1 + popularity[count] * y)
            if abs(filled - free) <= _CLOSE * free or slope <= 0:
                break
            # the first step comes from above, and may fall too far: y x is no less than the chance
            y = max(y + (free - filled) / slope, free / in_all)
        beside[size] = y
    return beside
