"""Rows of different lengths, one after the other in one array."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mining.clv.histories import Numbers


class Ragged(NamedTuple):
    """Rows of different lengths.

    Attributes:
        values: of all rows, one row after the other.
        ends: for each row, where its values end.
    """

    values: Numbers
    ends: NDArray[np.int64]

    def places(self, rows: NDArray[np.int64], levels: Numbers) -> NDArray[np.int64]:
        """Give the place in a row, from 0 on, of the first value that reaches a level.

        Args:
            rows: in which to look, each ascending.
            levels: for each of them, at most the last value of its row.
        """
        found: NDArray[np.int64] = _places(self.values, self.ends, rows, levels)
        return found


@njit(cache=True, nogil=True)
def longer(values: Numbers) -> Numbers:
    """Give twice the room."""
    room = np.empty(2 * len(values))
    room[: len(values)] = values
    return room


@njit(cache=True, nogil=True)
def _places(
    values: Numbers, ends: NDArray[np.int64], rows: NDArray[np.int64], levels: Numbers
) -> NDArray[np.int64]:
    found = np.empty(len(rows), np.int64)
    for place in range(len(rows)):
        row = rows[place]
        begin = ends[row - 1] if row > 0 else 0
        found[place] = np.searchsorted(values[begin : ends[row]], levels[place])
    return found
