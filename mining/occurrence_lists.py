"""Frequent sets of columns, depth-first over occurrence lists, the rarest column first.

Each set is extended by more frequent columns only, so that every set is met once and the lists of
the rare ones, which come first, are short. Before a set is extended the rows that hold it are
copied with their frequent columns alone, and each copied column knows where it occurs.

Occurrence lists: Uno, Kiyomi, Arimura (2004), LCM ver. 2: Efficient Mining Algorithms for
Frequent/Closed/Maximal Itemsets. Copied rows: Han, Pei, Yin (2000), Mining Frequent Patterns
without Candidate Generation.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.typed import List
from numpy.typing import NDArray

NO_LIMIT = np.iinfo(np.int64).max

_SHORT = 32  # columns of a row

_int32 = types.int32[::1]
_int64 = types.int64[::1]


class ColumnSets(NamedTuple):
    """Sets of columns, laid out one after another.

    Attributes:
        columns: the columns of all sets, from the rarest to the most frequent in each.
        ends: for each set where its columns end in `columns`; the next set's begin there.
        row_counts: for each set the number of rows that hold all of it.
    """

    columns: NDArray[np.int32]
    ends: NDArray[np.int64]
    row_counts: NDArray[np.int64]


def frequent_column_sets(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    column_count: int,
    minimum_count: int,
    maximum_size: int = NO_LIMIT,
    maximum_sets: int = NO_LIMIT,
    apart: NDArray[np.int32] | None = None,
) -> ColumnSets | None:
    """Find every set of columns that at least `minimum_count` rows hold.

    Args:
        indptr: for each row where its columns begin in `indices`, and at last where all end.
        indices: the columns of all rows, each once in a row, in any order.
        column_count: columns in all.
        minimum_count: at least 1.
        maximum_size: columns of a set at most, at least 1.
        maximum_sets: the search is given up where there are more.
        apart: pairs of columns that are never in one set, both ways round, in the order of their
            first: a matrix of two columns.

    Returns:
        The sets, in an order that depends on nothing but the arguments; None where it was given up.
    """
    if apart is None:
        apart = np.empty((0, 2), np.int32)
    found = _search(
        np.ascontiguousarray(indptr, dtype=np.int64),
        np.ascontiguousarray(indices, dtype=np.int32),
        column_count,
        minimum_count,
        maximum_size,
        maximum_sets,
        np.searchsorted(apart[:, 0], np.arange(column_count + 1)),
        np.ascontiguousarray(apart[:, 1], dtype=np.int32),
    )
    return None if len(found[1]) > maximum_sets else ColumnSets(*found)


def count_column_sets(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    column_count: int,
    columns: NDArray[np.int32],
    ends: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count the rows that hold all columns of each given set.

    Args:
        indptr: for each row where its columns begin in `indices`, and at last where all end.
        indices: the columns of all rows, each once in a row, in any order.
        column_count: columns in all.
        columns: the columns of all sets, one set after another; -1 for one that no row has.
        ends: for each set where its columns end in `columns`.

    Returns:
        One number for each set; 0 for the empty set.
    """
    counts: NDArray[np.int64] = _count_sets(
        np.ascontiguousarray(indptr, dtype=np.int64),
        np.ascontiguousarray(indices, dtype=np.int32),
        column_count,
        np.ascontiguousarray(columns, dtype=np.int32),
        np.ascontiguousarray(ends, dtype=np.int64),
    )
    return counts


@njit(cache=True)
def _count_sets(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    column_count: int,
    columns: NDArray[np.int32],
    ends: NDArray[np.int64],
) -> Any:
    """Intersect the columns' lists of rows, the rarest first, each searched by doubling steps."""
    is_wanted = np.zeros(column_count, np.bool_)
    for column in columns:
        if column >= 0:
            is_wanted[column] = True
    lists = np.zeros(column_count + 1, np.int64)
    for column in indices:
        if is_wanted[column]:
            lists[column + 1] += 1
    for column in range(column_count):
        lists[column + 1] += lists[column]
    rows = np.empty(lists[column_count], np.int32)
    filled = lists[:column_count].copy()
    for row in range(len(indptr) - 1):
        for position in range(indptr[row], indptr[row + 1]):
            column = indices[position]
            if is_wanted[column]:
                rows[filled[column]] = row
                filled[column] += 1

    counts = np.zeros(len(ends), np.int64)
    longest = 0
    for column in range(column_count):
        longest = max(longest, lists[column + 1] - lists[column])
    common = np.empty(longest, np.int32)
    begin = np.int64(0)
    for place in range(len(ends)):
        chosen = np.unique(columns[begin : ends[place]])
        begin = ends[place]
        if len(chosen) == 0 or chosen[0] < 0:
            continue
        chosen = chosen[np.argsort(lists[chosen + 1] - lists[chosen])]
        size = lists[chosen[0] + 1] - lists[chosen[0]]
        common[:size] = rows[lists[chosen[0]] : lists[chosen[0] + 1]]
        for column in chosen[1:]:
            size = _intersect(common, size, rows[lists[column] : lists[column + 1]])
        counts[place] = size
    return counts


@njit(cache=True)
def _intersect(common: NDArray[np.int32], size: int, others: NDArray[np.int32]) -> int:
    """Keep of the first `size` of `common` those that `others` have; both ascend."""
    kept = 0
    low = 0
    for place in range(size):
        row = common[place]
        step = 1
        high = low
        while high < len(others) and others[high] < row:
            low = high + 1
            high += step
            step *= 2
        high = min(high, len(others))
        while low < high:
            middle = (low + high) // 2
            if others[middle] < row:
                low = middle + 1
            else:
                high = middle
        if low == len(others):
            break
        if others[low] == row:
            common[kept] = row
            kept += 1
    return kept


@njit(cache=True)
def _search(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    column_count: int,
    minimum_count: int,
    maximum_size: int,
    maximum_sets: int,
    apart_begins: NDArray[np.int64],
    apart_from: NDArray[np.int32],
) -> Any:
    """Walk the tree of sets with a stack of levels, one for each column of the set extended.

    A level is the rows that hold the set, with places instead of columns: place 0 is the column
    that is the most frequent in all rows. A row's places ascend, so what stands before an
    occurrence is what may extend it.
    """
    found = np.empty(1024, np.int32)
    ends = np.empty(256, np.int64)
    row_counts = np.empty(256, np.int64)
    found_size = 0
    set_count = 0

    # Of each level: the copied rows, where each place's occurrences begin in the two lists after,
    # where the row of an occurrence begins, how many places stand before it, and which column a
    # place is.
    rows_of = List.empty_list(_int32)
    lists_of = List.empty_list(_int64)
    begins_of = List.empty_list(_int64)
    lengths_of = List.empty_list(_int32)
    columns_of = List.empty_list(_int32)

    counts = np.zeros(column_count, np.int64)
    for column in indices:
        counts[column] += 1
    # stable: columns of one count keep their order
    by_count = np.argsort(-counts, kind="mergesort")
    place_count = 0
    while place_count < column_count and counts[by_count[place_count]] >= minimum_count:
        place_count += 1
    place_of = np.full(column_count, -1, np.int32)
    for place in range(place_count):
        place_of[by_count[place]] = place
    columns = by_count[:place_count].astype(np.int32)
    rows, lists, begins, lengths = _sort_rows(indptr, indices, place_of, counts, columns)
    rows_of.append(rows)
    lists_of.append(lists)
    begins_of.append(begins)
    lengths_of.append(lengths)
    columns_of.append(columns)

    stem = np.empty(column_count + 1, np.int32)  # the set that a level extends
    next_place = np.empty(column_count + 1, np.int64)  # of each level the next to extend
    next_place[0] = place_count - 1
    is_apart = np.zeros(column_count, np.bool_)
    depth = 0
    for place in range(place_count):
        found, ends, row_counts = _make_room(found, ends, row_counts, found_size + 1, set_count)
        found[found_size] = columns[place]
        found_size += 1
        ends[set_count] = found_size
        row_counts[set_count] = counts[columns[place]]
        set_count += 1

    while depth >= 0 and set_count <= maximum_sets:
        place = next_place[depth]
        if place < 1 or depth + 2 > maximum_size:
            rows_of.pop()
            lists_of.pop()
            begins_of.pop()
            lengths_of.pop()
            columns_of.pop()
            depth -= 1
            continue
        next_place[depth] -= 1
        rows, lists = rows_of[depth], lists_of[depth]
        begins, lengths = begins_of[depth], lengths_of[depth]
        columns = columns_of[depth]
        stem[depth] = columns[place]

        together = np.zeros(place, np.int64)
        for occurrence in range(lists[place], lists[place + 1]):
            begin = begins[occurrence]
            for position in range(begin, begin + lengths[occurrence]):
                together[rows[position]] += 1
        column = columns[place]
        if apart_begins[column] < apart_begins[column + 1]:
            is_apart[apart_from[apart_begins[column] : apart_begins[column + 1]]] = True
            for other in range(place):
                if is_apart[columns[other]]:
                    together[other] = 0
            is_apart[apart_from[apart_begins[column] : apart_begins[column + 1]]] = False
        new_place = np.full(place, -1, np.int32)
        new_count = 0
        for other in range(place):
            if together[other] >= minimum_count:
                new_place[other] = new_count
                new_count += 1
        if new_count == 0:
            continue
        size = depth + 2
        new_columns = np.empty(new_count, np.int32)
        for other in range(place):
            if new_place[other] < 0:
                continue
            new_columns[new_place[other]] = columns[other]
            found, ends, row_counts = _make_room(
                found, ends, row_counts, found_size + size, set_count
            )
            for level in range(depth + 1):
                found[found_size + level] = stem[level]
            found[found_size + size - 1] = columns[other]
            found_size += size
            ends[set_count] = found_size
            row_counts[set_count] = together[other]
            set_count += 1
        if new_count < 2 or size >= maximum_size:
            continue
        copied = _copy_rows(
            rows, begins, lengths, lists[place], lists[place + 1], new_place, together, new_count
        )
        rows_of.append(copied[0])
        lists_of.append(copied[1])
        begins_of.append(copied[2])
        lengths_of.append(copied[3])
        columns_of.append(new_columns)
        depth += 1
        next_place[depth] = new_count - 1
    return found[:found_size].copy(), ends[:set_count].copy(), row_counts[:set_count].copy()


@njit(cache=True)
def _sort_rows(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    place_of: NDArray[np.int32],
    counts: NDArray[np.int64],
    columns: NDArray[np.int32],
) -> Any:
    """Copy all rows with the places of their frequent columns, ascending; list the occurrences."""
    place_count = len(columns)
    lists = np.zeros(place_count + 1, np.int64)
    for place in range(place_count):
        lists[place + 1] = lists[place] + counts[columns[place]]
    size = lists[place_count]
    rows = np.empty(size, np.int32)
    begins = np.empty(size, np.int64)
    lengths = np.empty(size, np.int32)
    filled = lists[:place_count].copy()
    begin = np.int64(0)
    for row in range(len(indptr) - 1):
        width = 0
        for position in range(indptr[row], indptr[row + 1]):
            place = place_of[indices[position]]
            if place >= 0:
                rows[begin + width] = place
                width += 1
        _sort(rows[begin : begin + width])
        _list_row(rows, begin, width, begins, lengths, filled)
        begin += width
    return rows, lists, begins, lengths


@njit(cache=True)
def _list_row(
    rows: NDArray[np.int32],
    begin: np.int64,
    width: int,
    begins: NDArray[np.int64],
    lengths: NDArray[np.int32],
    filled: NDArray[np.int64],
) -> None:
    """Append a row to the list of each of its places; `filled` says where each list ends so far."""
    for position in range(width):
        place = rows[begin + position]
        begins[filled[place]] = begin
        lengths[filled[place]] = position
        filled[place] += 1


@njit(cache=True)
def _sort(places: NDArray[np.int32]) -> None:
    """Sort one row in place: most are short, where insertion is the fastest."""
    if len(places) > _SHORT:
        places.sort()
        return
    for end in range(1, len(places)):
        place = places[end]
        position = end
        while position > 0 and places[position - 1] > place:
            places[position] = places[position - 1]
            position -= 1
        places[position] = place


@njit(cache=True)
def _copy_rows(
    rows: NDArray[np.int32],
    begins: NDArray[np.int64],
    lengths: NDArray[np.int32],
    first: int,
    end: int,
    new_place: NDArray[np.int32],
    together: NDArray[np.int64],
    new_count: int,
) -> Any:
    """Copy the rows of one place's occurrences with the places before it that stay frequent.

    A row with one such place is left out: there is nothing that extends it.
    """
    lists = np.zeros(new_count + 1, np.int64)
    for other in range(len(new_place)):
        if new_place[other] >= 0:
            lists[new_place[other] + 1] = together[other]
    for place in range(new_count):
        lists[place + 1] += lists[place]
    size = lists[new_count]
    new_rows = np.empty(size, np.int32)
    new_begins = np.empty(size, np.int64)
    new_lengths = np.empty(size, np.int32)
    filled = lists[:new_count].copy()
    written = np.int64(0)
    for occurrence in range(first, end):
        begin = begins[occurrence]
        width = 0
        for position in range(begin, begin + lengths[occurrence]):
            place = new_place[rows[position]]
            if place >= 0:
                new_rows[written + width] = place
                width += 1
        if width < 2:
            continue
        _list_row(new_rows, written, width, new_begins, new_lengths, filled)
        written += width
    # Occurrences that were left out had nothing before them: empty ones stand for them.
    for place in range(new_count):
        for occurrence in range(filled[place], lists[place + 1]):
            new_begins[occurrence] = 0
            new_lengths[occurrence] = 0
    return new_rows, lists, new_begins, new_lengths


@njit(cache=True)
def _make_room(
    found: NDArray[np.int32],
    ends: NDArray[np.int64],
    row_counts: NDArray[np.int64],
    found_size: int,
    set_count: int,
) -> Any:
    """Double what the result has no room in."""
    if found_size > len(found):
        wider = np.empty(max(found_size, 2 * len(found)), np.int32)
        wider[: len(found)] = found
        found = wider
    if set_count == len(ends):
        longer, more = np.empty(2 * len(ends), np.int64), np.empty(2 * len(ends), np.int64)
        longer[: len(ends)] = ends
        more[: len(ends)] = row_counts
        ends, row_counts = longer, more
    return found, ends, row_counts
