import numpy as np
import pytest

from regulars.generated_shop.numbering import (
    LARGEST_PERSON_NUMBER,
    PHONES_OF_A_PERSON,
    RECORDS_IN_A_SOURCE,
    luhn_digits,
    person_tails,
    phone_numbers,
    record_numbers,
    scrambled,
)


@pytest.mark.parametrize("key", [1, 2, 99])
def test_scrambling_is_one_to_one_onto_all_numbers_below_the_size(key):
    found = scrambled(np.arange(70 * 130), key, 70, 130)
    assert sorted(found.tolist()) == list(range(70 * 130))


def test_scrambled_neighbours_lie_anywhere():
    found = scrambled(np.arange(100_000), 7, 40_000, 40_000)
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.02
    quarters = np.bincount(found * 4 // 1_600_000_000, minlength=4)
    assert (abs(quarters - 25_000) < 800).all()


def test_another_key_scrambles_otherwise():
    numbers = np.arange(1_000)
    assert (scrambled(numbers, 1, 100, 100) == scrambled(numbers, 2, 100, 100)).mean() < 0.02


def test_phone_numbers_of_the_last_person_have_eleven_digits_too():
    persons = np.repeat([0, 1, LARGEST_PERSON_NUMBER], PHONES_OF_A_PERSON)
    phones = phone_numbers(persons, np.tile(np.arange(PHONES_OF_A_PERSON), 3)).to_pylist()
    assert len(set(phones)) == len(phones)
    assert all(len(phone) == 11 and "13" <= phone[:2] <= "19" for phone in phones)


def test_tails_have_eight_digits():
    tails = person_tails(np.array([0, 1, LARGEST_PERSON_NUMBER]), 3).to_pylist()
    assert all(len(tail) == 8 and tail.isdigit() for tail in tails)
    assert len(set(tails)) == 3


def test_one_record_too_many():
    persons = np.array([5])
    record_numbers(persons, np.array([RECORDS_IN_A_SOURCE - 1]), 1)
    with pytest.raises(ValueError, match="16 records in a source at most, got 17"):
        record_numbers(persons, np.array([RECORDS_IN_A_SOURCE]), 1)


def test_check_digits_of_known_cards():
    # 7992739871-3 is the standard's usual example; the others are payment networks' test cards.
    known = {7992739871: 3, 411111111111111: 1, 555555555555444: 4, 37828224631000: 5, 0: 0}
    assert luhn_digits(np.array(list(known))).tolist() == list(known.values())
