"""Frequent sets of columns, depth-first over occurrence lists, the rarest column first.

A level of the search holds the rows that a set stands in, with places instead of columns: place 0
is the column that is the most frequent in all rows. A row's places descend, so what follows an
occurrence is what may extend it, every set is met once, and the long lists are those of the
columns with little to follow. The most frequent places, the head of a level, need no lists: each
row adds one to the count of its pattern of head places, and the sums over larger patterns are the
counts of all their sets at once.

Occurrence lists and counted patterns: Uno, Kiyomi, Arimura (2005), LCM ver. 3: Collaboration of
Array, Bitmap and Prefix Tree for Frequent Itemset Mining. Copied rows: Han, Pei, Yin (2000),
Mining Frequent Patterns without Candidate Generation. A minimum that rises while sets are too
many: Han, Wang, Lu, Tzvetkov (2002), Mining Top-K Frequent Closed Patterns without Minimum Support.
"""

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

NO_LIMIT: Final = 2**30

_SHORT = 32  # columns of a row
_HEAD = 16  # places of a head at most
_PATTERNS = 1 << _HEAD
_AHEAD = 32  # rows asked of memory at once


Number: TypeAlias = int | np.integer[Any]


class ColumnSets(NamedTuple):
    """Sets of columns, each as another one with one column more.

    Attributes:
        parents: for each set where the set without its last column stands, before it; -1 where
            there is none.
        columns: the last column of each set.
        sizes: the columns of each set.
        row_counts: for each set the number of rows that hold all of it.
    """

    parents: NDArray[np.int32]
    columns: NDArray[np.int32]
    sizes: NDArray[np.int32]
    row_counts: NDArray[np.int32]


def frequent_column_sets(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    column_count: int,
    minimum_count: int,
    *,
    maximum_size: int = NO_LIMIT,
    maximum_sets: int = NO_LIMIT,
    maximum_cells: int = np.iinfo(np.int64).max,
    apart: NDArray[np.int32] | None = None,
) -> ColumnSets | int:
    """Find every set of columns that at least `minimum_count` rows hold.

    Args:
        indptr: for each row where its columns begin in `indices`, and at last where all end.
        indices: the columns of all rows, each once in a row, in any order.
        column_count: columns in all.
        minimum_count: at least 1.
        maximum_size: columns of a set at most, at least 1.
        maximum_sets: sets at most.
        maximum_cells: columns of all sets together at most.
        apart: pairs of columns that are never in one set, both ways round, in the order of their
            first: a matrix of two columns.

    Returns:
        The sets, in an order that depends on nothing but the arguments. Where there are more than
        `maximum_sets` or `maximum_cells`: the lowest minimum count with which there
        are not.
    """
    if apart is None:
        apart = np.empty((0, 2), np.int32)
    indices = np.ascontiguousarray(indices, dtype=np.int32)
    counts = _column_counts(indices, column_count)
    # Room for the rows and as much for deeper levels. numpy asks for large pages of memory, numba
    # does not; what is not written takes none.
    room = 2 * int(counts[counts >= minimum_count].sum(dtype=np.int64)) + 1024
    found = _search(
        np.ascontiguousarray(indptr, dtype=np.int32),
        indices,
        counts,
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        min(minimum_count, NO_LIMIT),
        min(maximum_size, NO_LIMIT),
        min(maximum_sets, NO_LIMIT),
        maximum_cells,
        np.searchsorted(apart[:, 0], np.arange(column_count + 1)),
        np.ascontiguousarray(apart[:, 1], dtype=np.int32),
    )
    fitting_count = int(found[0])
    return fitting_count if fitting_count > minimum_count else ColumnSets(*found[1].T)


def count_column_sets(
    indptr: NDArray[np.int32],
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
        np.ascontiguousarray(indptr, dtype=np.int32),
        np.ascontiguousarray(indices, dtype=np.int32),
        column_count,
        np.ascontiguousarray(columns, dtype=np.int32),
        np.ascontiguousarray(ends, dtype=np.int64),
    )
    return counts


@njit(cache=True)
def _count_sets(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    column_count: Number,
    columns: NDArray[np.int32],
    ends: NDArray[np.int64],
) -> Any:
    """Intersect the columns' lists of rows, the rarest first.

    A column of many rows has them as bits, of a size no greater than its list's: a row is looked
    up there, or where all columns of a set are such, the words are put together.
    """
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

    words_of = np.full(column_count, -1, np.int64)  # where a column's bits begin
    word_count = (len(indptr) + 62) // 64
    longest = np.int64(0)
    bitmaps = 0
    for column in range(column_count):
        length = lists[column + 1] - lists[column]
        if length >= 2 * word_count and length > 0:
            words_of[column] = bitmaps * word_count
            bitmaps += 1
        else:
            longest = max(longest, length)
    words = np.zeros(bitmaps * word_count, np.uint64)
    for column in range(column_count):
        if words_of[column] >= 0:
            for row in rows[lists[column] : lists[column + 1]]:
                words[words_of[column] + (row >> 6)] |= np.uint64(1) << np.uint64(row & 63)

    counts = np.zeros(len(ends), np.int64)
    common = np.empty(longest, np.int32)
    begin = np.int64(0)
    for place in range(len(ends)):
        chosen = np.unique(columns[begin : ends[place]])
        begin = ends[place]
        if len(chosen) == 0 or chosen[0] < 0:
            continue
        chosen = chosen[np.argsort(lists[chosen + 1] - lists[chosen])]
        if words_of[chosen[0]] >= 0:
            counts[place] = _count_common_bits(words, words_of[chosen], word_count)
            continue
        size = lists[chosen[0] + 1] - lists[chosen[0]]
        common[:size] = rows[lists[chosen[0]] : lists[chosen[0] + 1]]
        for column in chosen[1:]:
            if words_of[column] >= 0:
                size = _keep_set_bits(common, size, words, words_of[column])
            else:
                size = _intersect(common, size, rows[lists[column] : lists[column + 1]])
        counts[place] = size
    return counts


@njit(cache=True)
def _count_common_bits(words: NDArray[np.uint64], begins: NDArray[np.int64], count: Number) -> Any:
    """Count the bits that stand in all of some bitmaps."""
    total = np.uint64(0)
    for word in range(count):
        common = words[begins[0] + word]
        for begin in begins[1:]:
            common &= words[begin + word]
        # Warren (2012), Hacker's Delight, section 5-1
        common -= (common >> np.uint64(1)) & np.uint64(0x5555555555555555)
        common = (common & np.uint64(0x3333333333333333)) + (
            (common >> np.uint64(2)) & np.uint64(0x3333333333333333)
        )
        common = (common + (common >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        total += (common * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return total


@njit(cache=True)
def _keep_set_bits(
    common: NDArray[np.int32], size: Number, words: NDArray[np.uint64], begin: Number
) -> Any:
    """Keep of the first `size` of `common` those whose bit is set."""
    kept = 0
    for place in range(size):
        row = common[place]
        if (words[begin + (row >> 6)] >> np.uint64(row & 63)) & np.uint64(1):
            common[kept] = row
            kept += 1
    return kept


@njit(cache=True)
def _intersect(common: NDArray[np.int32], size: Number, others: NDArray[np.int32]) -> Any:
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
def _column_counts(indices: NDArray[np.int32], column_count: Number) -> Any:
    """Count the rows of each column."""
    counts = np.zeros(column_count, np.int32)
    for column in indices:
        counts[column] += 1
    return counts


@njit(cache=True)
def _search(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    counts: NDArray[np.int32],
    rows: NDArray[np.int32],
    lists: NDArray[np.int32],
    minimum_count: Number,
    maximum_size: Number,
    maximum_sets: Number,
    maximum_cells: Number,
    apart_begins: NDArray[np.int64],
    apart_from: NDArray[np.int32],
) -> Any:
    """Walk the tree of sets with a stack of levels, one for each column of the set extended.

    Where sets are too many, those found are tallied by their counts and forgotten, and the minimum
    rises until the rest fits: whatever reaches the last minimum was met.
    """
    column_count = len(counts)
    # stable: columns of one count keep their order
    by_count = np.argsort(-counts, kind="mergesort")
    place_count = 0
    total = np.int64(0)
    while place_count < column_count and counts[by_count[place_count]] >= minimum_count:
        total += counts[by_count[place_count]]
        place_count += 1
    place_of = np.full(column_count, -1, np.int32)
    for place in range(place_count):
        place_of[by_count[place]] = place

    found = np.empty((place_count + _PATTERNS, 4), np.int32)
    for place in range(place_count):
        column = by_count[place]
        _put(found, place, -1, column, 1, counts[column])
    set_count = place_count
    cell_count = np.int64(place_count)
    tally = np.zeros(0, np.int64)  # of each count the sets, or their cells, once they are too many
    tallied = np.int64(0)
    is_of_cells = False

    # Levels lie one after another in each of these arrays. `level` says where each one's rows,
    # lists and places begin, `places` of each place its column, its set, and where its list of
    # occurrences begins and ends.
    head = _head_count(place_count, total)
    places = np.empty((2 * place_count + 1024, 4), np.int64)
    deepest = min(place_count, maximum_size)
    level = np.zeros((deepest + 2, 3), np.int64)
    heads = np.zeros(deepest + 1, np.int64)
    next_place = np.zeros(deepest + 1, np.int64)
    patterns = np.zeros(_PATTERNS, np.int32)
    pattern_sets = np.zeros(_PATTERNS, np.int32)
    bit_counts = np.zeros(_PATTERNS, np.int32)
    for pattern in range(1, _PATTERNS):
        bit_counts[pattern] = bit_counts[pattern >> 1] + (pattern & 1)
    ahead = np.empty(_AHEAD, np.int32)
    together = np.zeros(place_count, np.int32)
    new_place = np.zeros(place_count, np.int32)
    is_apart = np.zeros(column_count, np.bool_)
    apart_patterns = np.zeros(_HEAD, np.int32)

    end = np.int64(0)
    for place in range(place_count):
        column = by_count[place]
        _put(places, place, column, place, end, end)
        if place >= head:
            end += counts[column]
    row_end = _first_rows(indptr, indices, place_of, head, rows, lists, places, patterns)
    level[1, 0], level[1, 1], level[1, 2] = row_end, end, place_count
    heads[0] = head
    next_place[0] = place_count - 1
    _sum_over_supersets(patterns, head)
    _set_apart(apart_patterns, head, places[:place_count], apart_begins, apart_from)
    set_count, cell_count = _find_patterns(
        patterns,
        head,
        minimum_count,
        places[:place_count],
        apart_patterns,
        bit_counts,
        1,
        maximum_size,
        pattern_sets,
        found,
        set_count,
        cell_count,
    )

    depth = 0
    while depth >= 0:
        if set_count > maximum_sets or cell_count > maximum_cells or len(tally) > 0:
            if len(tally) == 0:
                is_of_cells = bool(set_count <= maximum_sets)
                tally = np.zeros(len(indptr) + 1, np.int64)
            for number in range(set_count):
                weight = found[number, 2] if is_of_cells else 1
                tally[found[number, 3]] += weight
                tallied += weight
            while tallied > (maximum_cells if is_of_cells else maximum_sets):
                tallied -= tally[minimum_count]
                minimum_count += 1
            set_count = 0

        place = next_place[depth]
        size = depth + 2
        if place < max(1, heads[depth]) or size > maximum_size:
            depth -= 1
            continue
        next_place[depth] -= 1
        rows_at, places_at = level[depth, 0], level[depth, 2]
        column, stem = places[places_at + place, 0], places[places_at + place, 1]
        begin, end = places[places_at + place, 2], places[places_at + place, 3]
        if end - begin < minimum_count:
            continue

        together[:place] = 0
        for block in range(begin, end, _AHEAD):
            _look_ahead(rows, rows_at, lists[block : min(block + _AHEAD, end)], ahead)
            for occurrence in range(block, min(block + _AHEAD, end)):
                position = rows_at + lists[occurrence] + 1
                other = ahead[occurrence - block]
                while other >= 0:
                    together[other] += 1
                    position += 1
                    other = rows[position]
                together[~other] += 1
        if apart_begins[column] < apart_begins[column + 1]:
            for pair in range(apart_begins[column], apart_begins[column + 1]):
                is_apart[apart_from[pair]] = True
            for other in range(place):
                if is_apart[places[places_at + other, 0]]:
                    together[other] = 0
            for pair in range(apart_begins[column], apart_begins[column + 1]):
                is_apart[apart_from[pair]] = False

        new_count = 0
        total = np.int64(0)
        for other in range(place):
            new_place[other] = -1
            if together[other] >= minimum_count:
                new_place[other] = new_count
                new_count += 1
                total += together[other]
        if new_count == 0:
            continue
        found = _with_room(found, set_count + new_count + _PATTERNS)
        new_rows_at, new_places_at = level[depth + 1, 0], level[depth + 1, 2]
        places = _with_room(places, new_places_at + new_count)
        head = _head_count(new_count, total)
        new_end = level[depth + 1, 1]
        for other in range(place):
            new = new_place[other]
            if new < 0:
                continue
            other_column = places[places_at + other, 0]
            _put(found, set_count, stem, other_column, size, together[other])
            _put(places, new_places_at + new, other_column, set_count, new_end, new_end)
            if new >= head:
                new_end += together[other]
            set_count += 1
        cell_count += size * new_count
        if new_count < 2 or size >= maximum_size:
            continue

        rows = _longer(rows, new_rows_at + total)
        lists = _longer(lists, new_end)
        new_places = places[new_places_at : new_places_at + new_count]
        patterns[: 1 << head] = 0
        row = new_rows_at
        for block in range(begin, end, _AHEAD):
            _look_ahead(rows, rows_at, lists[block : min(block + _AHEAD, end)], ahead)
            for occurrence in range(block, min(block + _AHEAD, end)):
                position = rows_at + lists[occurrence] + 1
                other = ahead[occurrence - block]
                row_end = row
                pattern = 0
                while True:
                    new = new_place[other if other >= 0 else ~other]
                    if new >= 0:
                        rows[row_end] = new
                        row_end += 1
                        if new < head:
                            pattern |= 1 << new
                    if other < 0:
                        break
                    position += 1
                    other = rows[position]
                patterns[pattern] += 1
                if row_end > row + 1 and rows[row] >= head:
                    _list_row(rows, row, row_end, new_rows_at, head, lists, new_places)
                    row = row_end
        _sum_over_supersets(patterns, head)
        _set_apart(apart_patterns, head, new_places, apart_begins, apart_from)
        set_count, cell_count = _find_patterns(
            patterns,
            head,
            minimum_count,
            new_places,
            apart_patterns,
            bit_counts,
            size,
            maximum_size,
            pattern_sets,
            found,
            set_count,
            cell_count,
        )
        if head < new_count:
            depth += 1
            level[depth + 1, 0], level[depth + 1, 1] = row, new_end
            level[depth + 1, 2] = new_places_at + new_count
            heads[depth] = head
            next_place[depth] = new_count - 1
    return minimum_count, found[:set_count]


@njit(cache=True)
def _look_ahead(
    rows: NDArray[np.int32],
    rows_at: Number,
    occurrences: NDArray[np.int32],
    ahead: NDArray[np.int32],
) -> None:
    """Read what follows each of some occurrences, so that memory answers for all of them at once.

    One after another each would wait for the end of the row before it, whose length is not known.
    """
    for place in range(len(occurrences)):
        ahead[place] = rows[rows_at + occurrences[place] + 1]


@njit(cache=True)
def _head_count(place_count: Number, total: Number) -> Any:
    """How many places to count by patterns: four entries of rows or more for each pattern."""
    head = 0
    while head < min(place_count, _HEAD) and 8 << head <= total:
        head += 1
    return head


@njit(cache=True)
def _first_rows(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    place_of: NDArray[np.int32],
    head: Number,
    rows: NDArray[np.int32],
    lists: NDArray[np.int32],
    places: NDArray[np.int64],
    patterns: NDArray[np.int32],
) -> Any:
    """Copy all rows with the places of their frequent columns; count the patterns of the head."""
    row = np.int64(0)
    for number in range(len(indptr) - 1):
        row_end = row
        pattern = 0
        for position in range(indptr[number], indptr[number + 1]):
            place = place_of[indices[position]]
            if place >= 0:
                rows[row_end] = place
                row_end += 1
                if place < head:
                    pattern |= 1 << place
        patterns[pattern] += 1
        if row_end > row + 1:
            _sort(rows[row:row_end])
            if rows[row] >= head:
                _list_row(rows, row, row_end, 0, head, lists, places)
                row = row_end
    return row


@njit(cache=True)
def _list_row(
    rows: NDArray[np.int32],
    row: Number,
    row_end: Number,
    rows_at: Number,
    head: Number,
    lists: NDArray[np.int32],
    places: NDArray[np.int64],
) -> None:
    """Append the occurrences that something follows to their lists; mark the end of the row."""
    position = row
    while position < row_end - 1 and rows[position] >= head:
        place = rows[position]
        lists[places[place, 3]] = position - rows_at
        places[place, 3] += 1
        position += 1
    rows[row_end - 1] = ~rows[row_end - 1]


@njit(cache=True)
def _sort(places: NDArray[np.int32]) -> None:
    """Sort one row in place, descending: most are short, where insertion is the fastest."""
    if len(places) > _SHORT:
        places[:] = np.sort(places)[::-1]
        return
    for end in range(1, len(places)):
        place = places[end]
        position = end
        while position > 0 and places[position - 1] < place:
            places[position] = places[position - 1]
            position -= 1
        places[position] = place


@njit(cache=True)
def _sum_over_supersets(patterns: NDArray[np.int32], head: Number) -> None:
    """Turn the count of each exact pattern into that of all patterns that hold it."""
    for bit in range(head):
        step = 1 << bit
        for begin in range(0, 1 << head, 2 * step):
            for pattern in range(begin, begin + step):
                patterns[pattern] += patterns[pattern + step]


@njit(cache=True)
def _set_apart(
    apart_patterns: NDArray[np.int32],
    head: Number,
    places: NDArray[np.int64],
    apart_begins: NDArray[np.int64],
    apart_from: NDArray[np.int32],
) -> None:
    """Of each place of the head the pattern of those that are never beside it."""
    if len(apart_from) == 0:
        return
    for place in range(head):
        apart_patterns[place] = 0
        column = places[place, 0]
        for pair in range(apart_begins[column], apart_begins[column + 1]):
            for other in range(head):
                if places[other, 0] == apart_from[pair]:
                    apart_patterns[place] |= 1 << other


@njit(cache=True)
def _find_patterns(
    patterns: NDArray[np.int32],
    head: Number,
    minimum_count: Number,
    places: NDArray[np.int64],
    apart_patterns: NDArray[np.int32],
    bit_counts: NDArray[np.int32],
    size: Number,
    maximum_size: Number,
    pattern_sets: NDArray[np.int32],
    found: NDArray[np.int32],
    set_count: Number,
    cell_count: Number,
) -> Any:
    """Add each frequent pattern of two places of the head and more, smaller patterns first.

    `size` is the number of columns of a set with one place of this level. A pattern is its highest
    place beside a smaller pattern; a set that may not be is given the count 0.
    """
    for place in range(head):
        pattern_sets[1 << place] = places[place, 1]
        for smaller in range(1, 1 << place):
            pattern = 1 << place | smaller
            if patterns[pattern] < minimum_count:
                continue
            new_size = size + bit_counts[smaller]
            if (
                patterns[smaller] < minimum_count
                or new_size > maximum_size
                or apart_patterns[place] & smaller
            ):
                patterns[pattern] = 0
                continue
            pattern_sets[pattern] = set_count
            _put(
                found,
                set_count,
                pattern_sets[smaller],
                places[place, 0],
                new_size,
                patterns[pattern],
            )
            set_count += 1
            cell_count += new_size
    return set_count, cell_count


@njit(cache=True)
def _put(
    table: NDArray[Any], row: Number, first: Number, second: Number, third: Number, fourth: Number
) -> None:
    """Fill one row of four columns."""
    table[row, 0] = first
    table[row, 1] = second
    table[row, 2] = third
    table[row, 3] = fourth


@njit(cache=True)
def _with_room(table: NDArray[Any], wanted: Number) -> Any:
    """The same rows in a table that has room for as many as wanted and some."""
    if wanted <= len(table):
        return table
    longer = np.empty((2 * wanted, table.shape[1]), table.dtype)
    longer[: len(table)] = table
    return longer


@njit(cache=True)
def _longer(cells: NDArray[np.int32], wanted: Number) -> Any:
    """The same cells in an array that has room for as many as wanted and some."""
    if wanted <= len(cells):
        return cells
    longer = np.empty(2 * wanted, np.int32)
    longer[: len(cells)] = cells
    return longer
