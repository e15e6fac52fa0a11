from math import comb

import numpy as np
import pytest

from mining.occurrence_lists import count_column_sets, frequent_column_sets

# Rows of the columns 0 to 39, all of them alike: every set stands in every row.
ROWS, COLUMNS = 40, 40
INDPTR = np.arange(ROWS + 1) * COLUMNS
INDICES = np.tile(np.arange(COLUMNS), ROWS)


def sets_of(found):
    """The columns of every set, each from the set that it extends."""
    sets = []
    for parent, column in zip(found.parents.tolist(), found.columns.tolist(), strict=True):
        sets.append((sets[parent] if parent >= 0 else frozenset()) | {column})
    return sets


def test_every_set_of_equal_rows_once():
    # Levels as large as the rows themselves: they need more room than stood there at first.
    found = frequent_column_sets(INDPTR, INDICES, COLUMNS, ROWS, maximum_size=4)
    assert np.bincount(found.sizes).tolist() == [0, *(comb(COLUMNS, size) for size in range(1, 5))]
    assert set(found.row_counts.tolist()) == {ROWS}
    sets = sets_of(found)
    assert len(set(sets)) == len(sets)
    assert [len(columns) for columns in sets] == found.sizes.tolist()


@pytest.mark.parametrize("limit", [{"maximum_sets": 820}, {"maximum_cells": 40 + 2 * 780}])
def test_limits_are_reached_and_not_passed(limit):
    # 40 single columns and 780 pairs
    assert len(frequent_column_sets(INDPTR, INDICES, COLUMNS, 1, maximum_size=2, **limit)[0]) == 820
    ((name, most),) = limit.items()
    less = {name: most - 1}
    assert frequent_column_sets(INDPTR, INDICES, COLUMNS, 1, maximum_size=2, **less) == ROWS + 1


def test_no_set_holds_columns_that_are_apart():
    # 0 to 15 are counted by patterns, 16 to 39 by lists: pairs in and across both.
    pairs = [(0, 1), (3, 30), (20, 35)]
    apart = np.array(sorted(pairs + [(b, a) for a, b in pairs]), np.int32)
    found = frequent_column_sets(INDPTR, INDICES, COLUMNS, ROWS, maximum_size=3, apart=apart)
    sets = sets_of(found)
    assert not [columns for columns in sets if any(columns >= set(pair) for pair in pairs)]
    # each pair takes 38 sets of three with it; no two pairs share a column
    expected = COLUMNS + comb(COLUMNS, 2) - 3 + comb(COLUMNS, 3) - 3 * 38
    assert len(set(sets)) == len(sets) == expected


def test_counts_of_no_set_and_of_no_row():
    none = np.empty(0, np.int32)
    assert count_column_sets(INDPTR, INDICES, COLUMNS, none, none).tolist() == []
    zero = np.zeros(1, np.int32)
    assert count_column_sets(zero, none, 0, np.array([-1]), np.array([1])).tolist() == [0]
