"""What befalls a text on its way into a system: slips of the finger, of the ear, and of habit.

Every function takes texts without nulls and changes each of them.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.names import GIVEN_NAME_CHARACTERS, HOMOPHONES

_SUBSTITUTE, _TRANSPOSE, _DROP = range(3)
_ADDRESS: Final = r"(\d+)号(\d+)栋(\d+)单元(\d+)室$"
_SHORT_ADDRESSES: Final = (r"\1号\2-\3-\4", r"\1-\2-\3-\4", r"\1号\2号楼\3单元\4", r"\1号\4")

# All characters that have homophones; those of one reading stand together, as a ring.
_CHARACTERS: Final = pa.array([one for ring in HOMOPHONES.values() for one in ring])
_RING_SIZES: Final = np.array([len(ring) for ring in HOMOPHONES.values() for _ in ring])
_PLACES_IN_RING: Final = np.array([at for ring in HOMOPHONES.values() for at in range(len(ring))])
_RING_STARTS: Final = np.arange(len(_CHARACTERS)) - _PLACES_IN_RING

_GIVEN_CHARACTERS: Final = pa.array([one.character for one in GIVEN_NAME_CHARACTERS])
_GIVEN_READINGS: Final = pa.array([one.latin for one in GIVEN_NAME_CHARACTERS])


def typos(
    random: np.random.Generator, texts: pa.Array, within: np.ndarray | None = None
) -> pa.Array:
    """Substitute or drop a character, or transpose two neighbours.

    A letter is substituted by a letter of its case, a digit by a digit. Two equal neighbours, and
    what is neither letter nor digit, are dropped instead. Of texts of one or two characters one is
    substituted.

    Args:
        random: generator.
        texts: ASCII, none empty.
        within: int64[n], how many of the first characters may be touched, 1 or more; all without.
    """
    if not len(texts):
        return texts
    letters, lengths = _letters(texts)
    reach = lengths if within is None else within
    rows = np.arange(len(texts))
    slip = np.where(reach <= 2, _SUBSTITUTE, random.integers(0, 3, len(texts)))
    last = np.where(slip == _TRANSPOSE, reach - 1, reach)
    at = (random.random(len(texts)) * last).astype(np.int64)
    here, beside = letters[rows, at], letters[rows, at + 1]
    other = _another(here, random.integers(0, 25, len(texts)))
    slip = np.where((slip == _TRANSPOSE) & (here == beside), _DROP, slip)
    slip = np.where((slip == _SUBSTITUTE) & (here == other), _DROP, slip)

    changes = slip == _SUBSTITUTE
    letters[rows[changes], at[changes]] = other[changes]
    swaps = slip == _TRANSPOSE
    letters[rows[swaps], at[swaps]] = beside[swaps]
    letters[rows[swaps], at[swaps] + 1] = here[swaps]
    places = np.arange(letters.shape[1])
    is_kept = places < lengths[:, None]
    is_kept &= (slip != _DROP)[:, None] | (places != at[:, None])
    return _from_letters(letters, is_kept)


def _letters(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Lay out ASCII texts as bytes, a row each, and their lengths; a column of zeros at the end."""
    _, offsets_buffer, data = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    lengths = np.diff(offsets).astype(np.int64)
    letters = np.zeros((len(texts), int(lengths.max()) + 1), np.uint8)
    filled = np.arange(letters.shape[1]) < lengths[:, None]
    letters[filled] = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return letters, lengths


def _from_letters(letters: np.ndarray, is_kept: np.ndarray) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(is_kept.sum(axis=1))]).astype(np.int32)
    return pa.StringArray.from_buffers(
        len(letters), pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters[is_kept].tobytes())
    )


def _another(letters: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Go on by 1 to 25 letters, or 1 to 9 digits, around the end; other characters stay."""
    result = letters.copy()
    for first, size in ((ord("a"), 26), (ord("A"), 26), (ord("0"), 10)):
        is_one = (letters >= first) & (letters < first + size)
        turned = letters[is_one] - first + 1 + steps[is_one] % (size - 1)
        result[is_one] = turned % size + first
    return result


def homophones(random: np.random.Generator, texts: pa.Array) -> pa.Array:
    """Replace one character by another one of the same pinyin.

    Args:
        random: generator.
        texts: Chinese given names or family names, of one or two characters out of HOMOPHONES.
    """
    first, second = (pc.utf8_slice_codeunits(texts, at, at + 1) for at in (0, 1))
    has_two = pc.not_equal(second, "").to_numpy(zero_copy_only=False)
    takes_second = has_two & (random.random(len(texts)) < 0.6)
    chosen = pc.if_else(pa.array(takes_second), second, first)
    place = pc.index_in(chosen, _CHARACTERS).to_numpy(zero_copy_only=False)
    others = _RING_SIZES[place] - 1
    steps = 1 + (random.random(len(texts)) * others).astype(np.int64)
    other = _RING_STARTS[place] + (_PLACES_IN_RING[place] + steps) % _RING_SIZES[place]
    replaced = _CHARACTERS.take(pa.array(other))
    is_second = pa.array(takes_second)
    return pc.binary_join_element_wise(
        pc.if_else(is_second, first, replaced), pc.if_else(is_second, replaced, second), ""
    )


def spaced_pinyin(given_names: pa.Array, separators: pa.Array) -> pa.Array:
    """Spell Chinese given names with a capital for each character: `Xiao Ming`, `Xiao-Ming`.

    Args:
        given_names: of characters out of GIVEN_NAME_CHARACTERS.
        separators: what stands between the characters.
    """
    first, second = (
        pc.utf8_capitalize(
            _GIVEN_READINGS.take(
                pc.index_in(pc.utf8_slice_codeunits(given_names, at, at + 1), _GIVEN_CHARACTERS)
            )
        )
        for at in (0, 1)
    )
    return pc.coalesce(pc.binary_join_element_wise(first, second, separators), first)


def formatted_phones(random: np.random.Generator, phones: pa.Array) -> pa.Array:
    """Write mobile numbers in one of six other ways, such as `+86 138 0013 8000`."""
    head, middle, end = (
        pc.utf8_slice_codeunits(phones, start, stop) for start, stop in ((0, 3), (3, 7), (7, 20))
    )
    blanks = pc.binary_join_element_wise(head, middle, end, " ")
    return pc.choose(
        pa.array(random.integers(0, 6, len(phones))),
        pc.binary_join_element_wise("+86", blanks, " "),
        pc.binary_join_element_wise(head, middle, end, "-"),
        blanks,
        pc.binary_join_element_wise("+86", phones, "-"),
        pc.binary_join_element_wise("0086", phones, ""),
        pc.binary_join_element_wise("(+86)", phones, ""),
    )


def full_width(texts: pa.Array) -> pa.Array:
    """Write digits as an input method for Chinese does: １３８ for 138."""
    for digit, wide in enumerate("０１２３４５６７８９"):
        texts = pc.replace_substring(texts, str(digit), wide)
    return texts


def shortened_addresses(random: np.random.Generator, addresses: pa.Array) -> pa.Array:
    """Leave out some of the words of 人民路128号3栋2单元501室, or all but number and room."""
    return pc.choose(
        pa.array(random.integers(0, len(_SHORT_ADDRESSES), len(addresses))),
        *(pc.replace_substring_regex(addresses, _ADDRESS, short) for short in _SHORT_ADDRESSES),
    )


def swapped_dates(days: np.ndarray) -> np.ndarray:
    """Swap day and month of datetime64[D], each on one of the first twelve days of its month."""
    months = days.astype("datetime64[M]")
    years = days.astype("datetime64[Y]")
    month, day = (months - years).astype(np.int64), (days - months).astype(np.int64)
    swapped: np.ndarray = (years.astype("datetime64[M]") + day).astype("datetime64[D]") + month
    return swapped
