"""Numbers that look random and are nobody else's, without a list of those already given.

A chunk of people knows nothing of the other chunks, so what must be unique over all of them (phone
numbers, ids, the tails of e-mail addresses) is a one-to-one function of the person's number.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LARGEST_PERSON_NUMBER: Final = 99_999_999
"""People are numbered from 1 to here; number 0 is the firm itself."""

PHONES_OF_A_PERSON: Final = 64
"""Phone numbers set aside for each person."""

RECORDS_IN_A_SOURCE: Final = 16
"""Records that one person may have in one source."""

_TURNS: Final = 4
_PHONE_HALVES: Final = (70_000, 100_000)  # 13000000000 to 19999999999
_TAIL_HALVES: Final = (10_000, 10_000)
_RECORD_HALVES: Final = (40_000, 40_000)


def phone_numbers(person_numbers: np.ndarray, places: np.ndarray | int) -> pa.Array:
    """Give mobile numbers: text of 11 digits, `1[3-9]` first.

    Args:
        person_numbers: int64[n], 0 to LARGEST_PERSON_NUMBER.
        places: which of the person's numbers, 0 to PHONES_OF_A_PERSON - 1.
    """
    numbers = scrambled(person_numbers * PHONES_OF_A_PERSON + places, 1, *_PHONE_HALVES)
    return pc.cast(pa.array(numbers + 13_000_000_000), pa.string())


def person_tails(person_numbers: np.ndarray, key: int) -> pa.Array:
    """Give eight digits a person, text; with another key other ones."""
    numbers = scrambled(person_numbers, key, *_TAIL_HALVES)
    return pc.utf8_slice_codeunits(pc.cast(pa.array(numbers + 10**8), pa.string()), 1)


def record_numbers(person_numbers: np.ndarray, occurrences: np.ndarray, key: int) -> np.ndarray:
    """Number the records of a source: int64, below 1.6 billion, no two alike under one key.

    Args:
        person_numbers: int64[n], 0 to LARGEST_PERSON_NUMBER.
        occurrences: int64[n], 0 for a person's first record in the source, 1 for the second, ...
        key: another one for each source, so that its ids say nothing of another's.

    Raises:
        ValueError: where a person has more than RECORDS_IN_A_SOURCE records in the source.
    """
    if len(occurrences) and occurrences.max() >= RECORDS_IN_A_SOURCE:
        raise ValueError(
            f"a person may have {RECORDS_IN_A_SOURCE} records in a source at most, "
            f"got {occurrences.max() + 1}"
        )
    return scrambled(person_numbers * RECORDS_IN_A_SOURCE + occurrences, key, *_RECORD_HALVES)


def scrambled(numbers: np.ndarray, key: int, left_size: int, right_size: int) -> np.ndarray:
    """Permute the whole numbers below left_size × right_size: a Feistel network on two digits.

    Each turn adds to one digit a hash of the other, which can be undone: no two numbers meet.
    """
    left, right = np.divmod(numbers.astype(np.uint64), np.uint64(right_size))
    for turn in range(_TURNS):
        left = (left + _hashed(right, key, 2 * turn)) % np.uint64(left_size)
        right = (right + _hashed(left, key, 2 * turn + 1)) % np.uint64(right_size)
    return (left * np.uint64(right_size) + right).astype(np.int64)


def _hashed(values: np.ndarray, key: int, turn: int) -> np.ndarray:
    """Hash by SplitMix64 (Steele, Lea and Flood 2014), kept below 2^32 so that sums fit."""
    seed = (key * 1_000_003 + turn + 1) * 0x9E3779B97F4A7C15 % 2**64
    mixed = values + np.uint64(seed)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(32)


def luhn_digits(numbers: np.ndarray) -> np.ndarray:
    """Give the check digit of each number (ISO/IEC 7812-1, annex B): int64, 0 to 9."""
    total = np.zeros(len(numbers), np.int64)
    rest, is_doubled = numbers.copy(), True
    while rest.any():
        digit = rest % 10 * (2 if is_doubled else 1)
        total += digit - 9 * (digit > 9)
        rest, is_doubled = rest // 10, not is_doubled
    return -total % 10
