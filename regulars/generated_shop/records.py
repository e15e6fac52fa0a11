"""What each system of the generated shop knows about a person: partial, stale, misspelt.

A record is the person as they truly were on the day of registration, in the source's own style, and
then damaged. The style is no corruption: which attributes the source holds at all (`HELD`), and
how its ids look. All else that differs from the person is named in the record's `corruptions`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop import damage
from regulars.generated_shop.numbering import (
    PHONES_OF_A_PERSON,
    luhn_digits,
    person_tails,
    phone_numbers,
    record_numbers,
)
from regulars.generated_shop.settings_section import Section, share

RECORDS_SCHEMA: Final = pa.schema(
    [
        ("person_index", pa.int64()),
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("list_owner", pa.string()),
        ("registered_at", pa.timestamp("us", "UTC")),
        ("source_customer_id", pa.string()),
        ("name", pa.string()),
        ("given_name", pa.string()),
        ("family_name", pa.string()),
        ("sex", pa.string()),
        ("birth_date", pa.date32()),
        ("email", pa.string()),
        ("phone", pa.string()),
        ("address", pa.string()),
        ("city", pa.string()),
        ("region", pa.string()),
        ("country", pa.string()),
        ("corruptions", pa.list_(pa.string())),
    ]
)

WEB_SHOP, MARKETPLACE, BRANCH, CALL_CENTRE, LOYALTY = range(5)


class Source(NamedTuple):
    """A system: its kind, and what the ids of its customers begin with."""

    kind: int
    prefix: str


SOURCES: Final = {
    "web_shop": Source(WEB_SHOP, "u"),
    "marketplace": Source(MARKETPLACE, "M-"),
    "branch_beijing": Source(BRANCH, "BJ-"),
    "branch_shanghai": Source(BRANCH, "SH-"),
    "branch_guangzhou": Source(BRANCH, "GZ-"),
    "call_centre": Source(CALL_CENTRE, "C"),
    "loyalty": Source(LOYALTY, "86"),
}

HELD: Final = {
    # attribute: (web shop, marketplace, branch, call centre, loyalty)
    "name": (True, True, True, True, True),
    "given_name": (True, False, False, False, True),
    "family_name": (True, False, False, False, True),
    "sex": (True, False, True, True, True),
    "birth_date": (True, False, True, False, True),
    "email": (True, True, True, True, True),
    "phone": (True, True, True, True, True),
    "address": (True, True, True, False, True),
    "city": (True, True, True, True, True),
    "region": (True, True, True, True, True),
    "country": (True, True, False, False, True),
}
"""Which attributes a kind of source has a field for."""

FACTORS: Final = {
    # corruption: factor of its rate in (web shop, marketplace, branch, call centre, loyalty)
    "missing_name": (1.0, 0.0, 0.5, 8.0, 0.5),
    "missing_given_name": (0.5, 0.0, 4.0, 10.0, 0.0),
    "missing_family_name": (1.0, 0.0, 2.0, 2.0, 1.0),
    "name_before_marriage": (1.0, 1.0, 2.0, 1.0, 1.5),
    "masked_name": (0.0, 1.0, 0.0, 0.0, 0.0),
    "english_name": (2.0, 0.5, 2.5, 2.0, 1.0),
    "latin_spelling": (1.0, 0.5, 1.0, 0.5, 21.0),
    "latin_typo": (1.0, 1.0, 1.5, 1.5, 1.0),
    "homophone": (0.5, 0.5, 2.0, 4.0, 1.0),
    "swapped_names": (1.5, 0.0, 1.0, 0.5, 2.0),
    "name_blanks": (1.0, 1.0, 3.0, 0.5, 0.5),
    "missing_sex": (1.0, 0.0, 1.0, 0.5, 1.5),
    "missing_birth_date": (1.5, 0.0, 2.5, 0.0, 1.0),
    "default_birth_date": (2.0, 0.0, 1.5, 0.0, 1.0),
    "swapped_day_and_month": (0.5, 0.0, 2.0, 0.0, 3.0),
    "missing_email": (0.25, 2.0, 3.0, 3.5, 1.5),
    "other_email": (1.0, 2.0, 1.0, 1.0, 1.0),
    "email_typo": (0.5, 0.5, 2.0, 2.0, 1.0),
    "email_upper_case": (1.0, 0.5, 2.0, 0.5, 2.0),
    "missing_phone": (1.5, 0.0, 1.5, 0.0, 2.0),
    "shop_phone": (0.4, 0.0, 2.0, 0.0, 1.0),
    "virtual_phone": (0.0, 1.0, 0.0, 0.0, 0.0),
    "changed_phone": (1.0, 1.0, 1.5, 1.0, 1.0),
    "phone_typo": (0.5, 0.3, 2.5, 1.5, 1.0),
    "phone_format": (0.3, 0.1, 2.5, 1.0, 1.0),
    "phone_full_width": (0.5, 0.0, 3.0, 0.5, 0.0),
    "missing_address": (1.0, 0.0, 3.0, 0.0, 2.0),
    "address_abbreviation": (1.0, 0.5, 2.5, 0.0, 1.0),
    "address_full_width": (1.0, 1.0, 3.0, 0.0, 0.5),
}
"""Where which corruption happens. Rates times factors count as 1 where they come to more."""

DEFAULT_BIRTH_DATE: Final = np.datetime64("1980-01-01", "D")

_OTHER_MAIL_KEY, _RECORD_KEY = 4, 10
_SHOP_HOURS: Final = np.timedelta64(8, "h")  # China's clock, which has not changed since 1991
_NEVER: Final = np.iinfo(np.int32).max
_FIRST_CHANGED_PHONE: Final = 2  # after the person's own phone and the one before it

Mask = np.ndarray
Change = Callable[[pa.Array], pa.Array]


class CorruptionSettings(Section):
    """How often what goes wrong with a record, where its source's factor is 1 (`FACTORS`).

    A rate counts on the records that the corruption can befall: the attribute is held by the
    source, known of the person, and no earlier corruption took it (in the order below, within
    name, sex, birth date, e-mail, phone and address). Floors are about half of the defaults, so
    that nobody makes resolution easy.
    """

    missing_name: float = share(0.02, 0.01, "no name at all")
    missing_given_name: float = share(
        0.02, 0.01, "the family name alone: 张女士, `Ms Zhang` where spelled in Latin"
    )
    missing_family_name: float = share(0.005, 0.002, "the given name alone")
    name_before_marriage: float = share(
        0.2, 0.1, "a wife who took a name, registered later under her own"
    )
    masked_name: float = share(0.5, 0.3, "张**, as the marketplace shows it")
    english_name: float = share(
        0.06, 0.03, "Lily Zhang: the English name for the given name, of who has one"
    )
    latin_spelling: float = share(
        0.04, 0.02, "Zhang Wei: pinyin, with or without blanks and capitals, in either order"
    )
    latin_typo: float = share(0.06, 0.03, "a typing error in a name spelled in Latin")
    homophone: float = share(0.02, 0.01, "another character of the same pinyin, in a given name")
    swapped_names: float = share(0.015, 0.008, "family and given name in each other's place")
    name_blanks: float = share(0.03, 0.01, "a blank, ordinary or ideographic, or one too many")
    missing_sex: float = share(0.2, 0.1, "no sex")
    missing_birth_date: float = share(0.15, 0.08, "no birth date")
    default_birth_date: float = share(0.02, 0.01, "1980-01-01, for want of a better one")
    swapped_day_and_month: float = share(
        0.01, 0.005, "the birth date's day and month, where both are at most 12 and differ"
    )
    missing_email: float = share(0.1, 0.05, "no e-mail address, of who has one")
    other_email: float = share(0.03, 0.015, "a second address of the person, always the same")
    email_typo: float = share(0.02, 0.01, "a typing error before the @")
    email_upper_case: float = share(
        0.03, 0.01, "capitals in the e-mail address: all of it, or the first letter"
    )
    missing_phone: float = share(0.03, 0.015, "no phone was given")
    shop_phone: float = share(
        0.25, 0.1, "the source's own number in place of one that was not given"
    )
    virtual_phone: float = share(0.08, 0.04, "the marketplace's number with an extension")
    changed_phone: float = share(0.015, 0.008, "a number of the person that no other record has")
    phone_typo: float = share(0.01, 0.006, "a typing error in the phone")
    phone_format: float = share(0.15, 0.05, "`+86 138 0013 8000` and others")
    phone_full_width: float = share(0.01, 0.005, "the digits of the phone as １３８")
    missing_address: float = share(0.08, 0.04, "no street; city and region may still be there")
    address_abbreviation: float = share(0.15, 0.08, "the address shortened")
    address_full_width: float = share(0.01, 0.005, "the digits of the address as １２８")


def corruption_rate(settings: CorruptionSettings, corruption: str, kind: int) -> float:
    """Give the rate of a corruption in a kind of source: setting times factor, at most 1."""
    rate: float = getattr(settings, corruption)
    return min(1.0, rate * FACTORS[corruption][kind])


class _Strikes:
    """Which corruption strikes which record: drawn one kind after the other, and kept."""

    def __init__(
        self, random: np.random.Generator, kinds: np.ndarray, settings: CorruptionSettings
    ) -> None:
        self.random = random
        self._kinds = kinds
        self._settings = settings
        self._struck: dict[str, Mask] = {}

    def draw(self, corruption: str, eligible: Mask) -> Mask:
        rates = [corruption_rate(self._settings, corruption, kind) for kind in range(LOYALTY + 1)]
        struck: Mask = eligible & (self.random.random(len(eligible)) < np.array(rates)[self._kinds])
        self._struck[corruption] = struck
        return struck

    def lists(self) -> pa.Array:
        """The corruptions of each record, in the order of FACTORS."""
        names = pa.array(list(FACTORS))
        struck = np.stack([self._struck[name] for name in FACTORS], axis=1)
        _, places = np.nonzero(struck)
        offsets = np.concatenate([[0], np.cumsum(struck.sum(axis=1))]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(places)))


def make_records(
    random: np.random.Generator,
    people: pa.Table,
    appearances: pa.Table,
    settings: CorruptionSettings,
) -> pa.Table:
    """Write down what each source knows about the people who appear in it.

    Args:
        random: the chunk's own generator, not seeded like one that drew people or appearances: the
            same numbers twice would tie together what is independent.
        people: from `make_people`.
        appearances: `person_index` int64 (row in people), `source` text (one of SOURCES, as text or
            dictionary), `list_owner` text (the salesperson on whose list a branch's record
            stands; null elsewhere), `registered_at` timestamp[us, UTC]. A row is a record; a person
            may have several in one source. All of a person's records in a source must come in one
            call, for their ids count them.
        settings: rates.

    Returns:
        `RECORDS_SCHEMA`, in the order of `appearances`. `source_customer_id` is unique within the
        source, over all chunks: `u1234567890`, `M-4F00C3A1`, `BJ-ZHANG3-0123456789`, `C0123456789`,
        a loyalty card of 13 digits with Luhn's check digit. `region` is the person's province. An
        attribute that the source does not hold is null; `name` is written from the two names even
        where these are not held. `corruptions` is empty for an undamaged record; each one listed
        has changed it.

    Raises:
        ValueError: for a source that is none of SOURCES, or more than
            `numbering.RECORDS_IN_A_SOURCE` records of a person in one.
        IndexError: for a person_index outside of people.
    """
    index = appearances["person_index"].combine_chunks()
    persons = {name: people[name].combine_chunks().take(index) for name in people.column_names}
    sources = _source_places(appearances["source"])
    kinds = np.array([source.kind for source in SOURCES.values()])[sources]
    registered = appearances["registered_at"].combine_chunks()
    days = (registered.to_numpy(zero_copy_only=False) + _SHOP_HOURS).astype("datetime64[D]")
    today = days.astype(np.int64)
    strikes = _Strikes(random, kinds, settings)
    held = {name: np.array(flags)[kinds] for name, flags in HELD.items()}
    owners = pc.cast(appearances["list_owner"].combine_chunks(), pa.string())
    numbers = persons["person_number"].to_numpy(zero_copy_only=False)
    moved = today >= _days_of(persons["moved_on"])
    columns = _names(strikes, persons, today)
    columns |= {
        "sex": _sexes(strikes, persons, held["sex"]),
        "birth_date": _birth_dates(strikes, persons, held["birth_date"]),
        "email": _emails(strikes, persons, numbers),
        "phone": _phones(strikes, persons, numbers, sources, today),
        "address": _addresses(strikes, _as_of(persons, "address", moved), held["address"]),
        "city": _as_of(persons, "city", moved),
        "region": _as_of(persons, "province", moved),
        "country": _as_of(persons, "country", moved),
    }
    columns = {
        name: column if held[name].all() else _only(column, held[name])
        for name, column in columns.items()
    }
    columns |= {
        "person_index": index,
        "source": pa.DictionaryArray.from_arrays(
            pa.array(sources, pa.int32()), pa.array(list(SOURCES))
        ),
        "list_owner": owners,
        "registered_at": registered,
        "source_customer_id": _ids(numbers, sources, owners),
        "corruptions": strikes.lists(),
    }
    return pa.table([columns[name] for name in RECORDS_SCHEMA.names], schema=RECORDS_SCHEMA)


def _source_places(source: pa.ChunkedArray) -> np.ndarray:
    texts = pc.cast(source, pa.string()).combine_chunks()
    places = pc.index_in(texts, pa.array(list(SOURCES)))
    if places.null_count:
        unknown = pc.unique(texts.filter(pc.is_null(places))).to_pylist()
        raise ValueError(f"source must be one of {', '.join(SOURCES)}, got {unknown[0]}")
    numbers: np.ndarray = places.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _days_of(dates: pa.Array) -> np.ndarray:
    """Days since 1970; what never happened lies beyond all."""
    days = pc.fill_null(pc.cast(pc.cast(dates, pa.int32()), pa.int64()), _NEVER)
    numbers: np.ndarray = days.to_numpy(zero_copy_only=False)
    return numbers


def _known(texts: pa.Array) -> Mask:
    known: Mask = texts.is_valid().to_numpy(zero_copy_only=False)
    return known


def _only(texts: pa.Array, mask: Mask) -> pa.Array:
    """Texts where the mask holds, null elsewhere."""
    return pc.if_else(pa.array(mask), texts, pa.scalar(None, texts.type))


def _as_of(persons: dict[str, pa.Array], name: str, moved: Mask) -> pa.Array:
    """Where the person lived on the day."""
    return pc.if_else(
        pa.array(moved), persons[name], pc.coalesce(persons[f"old_{name}"], persons[name])
    )


def _changed(texts: pa.Array, mask: Mask, change: Change) -> pa.Array:
    """Apply a change to the texts in the mask only: most corruptions touch few."""
    if not mask.any():
        return texts
    flags = pa.array(mask)
    return pc.replace_with_mask(texts, flags, change(texts.filter(flags)))


class _Spelling(NamedTuple):
    """How each record spells the name: masked, English, in pinyin, else in Chinese."""

    has_name: Mask
    has_family: Mask
    has_given: Mask
    has_both: Mask
    is_masked: Mask
    is_english: Mask
    is_latin: Mask
    is_roman: Mask


def _names(
    strikes: _Strikes, persons: dict[str, pa.Array], today: np.ndarray
) -> dict[str, pa.Array]:
    """Write the family name, the given name, and both as one text."""
    spelling = _spelling(strikes, _known(persons["english_name"]))
    family, family_latin = _family_names(strikes, persons, today, spelling.has_family)
    typo = strikes.draw("latin_typo", spelling.is_roman)
    in_family = typo & spelling.has_family
    in_family &= ~spelling.has_given | (strikes.random.random(len(typo)) < 0.35)
    given = _given_names(strikes, persons, spelling, typo & ~in_family)
    family_latin = _changed(
        family_latin, in_family, lambda names: damage.typos(strikes.random, names)
    )
    family = pc.if_else(pa.array(spelling.is_roman), family_latin, family)
    return _composed(strikes, family, given, spelling, persons["sex"])


def _family_names(
    strikes: _Strikes, persons: dict[str, pa.Array], today: np.ndarray, has_family: Mask
) -> tuple[pa.Array, pa.Array]:
    """The family name of the day, in Chinese and in pinyin."""
    is_married = _known(persons["married_family_name"]) & (today >= _days_of(persons["married_on"]))
    is_stale = strikes.draw("name_before_marriage", is_married & has_family)
    is_known = pa.array(is_married & ~is_stale)
    chinese, latin = (
        pc.if_else(is_known, persons[f"married_{name}"], persons[name])
        for name in ("family_name", "family_name_latin")
    )
    return chinese, latin


def _spelling(strikes: _Strikes, has_english: Mask) -> _Spelling:
    has_name = ~strikes.draw("missing_name", np.full(len(has_english), True))
    has_given = has_name & ~strikes.draw("missing_given_name", has_name)
    has_family = has_name & ~strikes.draw("missing_family_name", has_given)
    is_masked = strikes.draw("masked_name", has_given & has_family)
    is_english = strikes.draw("english_name", has_given & ~is_masked & has_english)
    is_latin = strikes.draw("latin_spelling", has_name & ~is_masked & ~is_english)
    return _Spelling(
        has_name=has_name,
        has_family=has_family,
        has_given=has_given,
        has_both=has_given & has_family,
        is_masked=is_masked,
        is_english=is_english,
        is_latin=is_latin,
        is_roman=is_english | is_latin,
    )


def _given_names(
    strikes: _Strikes, persons: dict[str, pa.Array], spelling: _Spelling, typo: Mask
) -> pa.Array:
    random = strikes.random
    is_chinese = spelling.has_given & ~spelling.is_masked & ~spelling.is_roman
    is_misheard = strikes.draw("homophone", is_chinese)
    is_english = pa.array(spelling.is_english)
    given = pc.if_else(is_english, persons["english_name"], persons["given_name"])
    given = _changed(given, is_misheard, lambda names: damage.homophones(random, names))
    given = _changed(given, spelling.is_latin, lambda names: _pinyin(random, names))
    given = _changed(given, typo, lambda names: damage.typos(random, names))
    return _changed(
        given, spelling.is_masked, lambda names: pc.replace_substring_regex(names, ".", "*")
    )


def _composed(
    strikes: _Strikes, family: pa.Array, given: pa.Array, spelling: _Spelling, sex: pa.Array
) -> dict[str, pa.Array]:
    """Put the two names in their places, and together."""
    random, count, is_roman = strikes.random, len(family), spelling.is_roman
    can_swap = spelling.has_both & ~spelling.is_masked
    differ = pc.not_equal(pc.utf8_lower(family), pc.utf8_lower(given))
    swaps = strikes.draw("swapped_names", can_swap & differ.to_numpy(zero_copy_only=False))
    family, given = (
        pc.if_else(pa.array(swaps), other, own) for own, other in ((family, given), (given, family))
    )
    # Some systems write Latin names in capitals, some people in small letters.
    case = np.where(is_roman, random.choice(3, count, p=(0.75, 0.15, 0.1)), 0)
    for at, change in ((1, pc.utf8_upper), (2, pc.utf8_lower)):
        family, given = (_changed(part, case == at, change) for part in (family, given))
    family, given = _only(family, spelling.has_family), _only(given, spelling.has_given)
    # An English given name comes first. Pinyin may, but not where it would undo the swap.
    given_first = spelling.is_latin & ~swaps & (random.random(count) < 0.4)
    blanks = strikes.draw("name_blanks", can_swap)
    names = _in_order(
        family,
        given,
        given_first | spelling.is_english,
        _separators(random, is_roman, case == 2, blanks),
    )
    is_titled = spelling.has_family & ~spelling.has_given
    names = pc.if_else(pa.array(is_titled), _titled(family, sex, is_roman), names)
    return {"family_name": family, "given_name": given, "name": _only(names, spelling.has_name)}


def _pinyin(random: np.random.Generator, given_names: pa.Array) -> pa.Array:
    """`Xiaoming` mostly, else `Xiao Ming` or `Xiao-Ming`."""
    ways = random.choice(3, len(given_names), p=(0.6, 0.25, 0.15))
    separators = pa.array(["", " ", "-"]).take(pa.array(ways))
    spaced = damage.spaced_pinyin(given_names, separators)
    return pc.if_else(pa.array(ways == 0), pc.utf8_capitalize(spaced), spaced)


def _separators(
    random: np.random.Generator, is_latin: Mask, is_one_word: Mask, blanks: Mask
) -> pa.Array:
    ideographic = 1 + (random.random(len(is_latin)) < 0.5)
    chinese = np.where(blanks, ideographic, 0)
    latin = np.where(blanks, 3, np.where(is_one_word, 0, 1))
    places = np.where(is_latin, latin, chinese)
    return pa.array(["", " ", "\u3000", "  "]).take(pa.array(places))


def _in_order(
    family: pa.Array, given: pa.Array, given_first: Mask, separator: pa.Array
) -> pa.Array:
    is_first = pa.array(given_first)
    both = pc.binary_join_element_wise(
        pc.if_else(is_first, given, family), pc.if_else(is_first, family, given), separator
    )
    return pc.coalesce(both, family, given)


def _titled(family: pa.Array, sex: pa.Array, is_roman: Mask) -> pa.Array:
    """张女士 or `Ms Zhang`, for want of a given name."""
    is_woman = pc.equal(sex, "female")
    english = pc.binary_join_element_wise(pc.if_else(is_woman, "Ms", "Mr"), family, " ")
    chinese = pc.binary_join_element_wise(family, pc.if_else(is_woman, "女士", "先生"), "")
    return pc.if_else(pa.array(is_roman), english, chinese)


def _sexes(strikes: _Strikes, persons: dict[str, pa.Array], held: Mask) -> pa.Array:
    return _only(persons["sex"], ~strikes.draw("missing_sex", held))


def _birth_dates(strikes: _Strikes, persons: dict[str, pa.Array], held: Mask) -> pa.Array:
    days = persons["birth_date"].to_numpy(zero_copy_only=False).astype("datetime64[D]")
    has_date = held & ~strikes.draw("missing_birth_date", held)
    is_default = strikes.draw("default_birth_date", has_date & (days != DEFAULT_BIRTH_DATE))
    swapped = days.copy()
    day = (days - days.astype("datetime64[M]")).astype(np.int64)
    month = (days.astype("datetime64[M]") - days.astype("datetime64[Y]")).astype(np.int64)
    can_swap = (day < 12) & (day != month)
    swapped[can_swap] = damage.swapped_dates(days[can_swap])
    swaps = strikes.draw("swapped_day_and_month", has_date & ~is_default & can_swap)
    written = np.where(is_default, DEFAULT_BIRTH_DATE, np.where(swaps, swapped, days))
    return _only(pa.array(written, pa.date32()), has_date)


def _emails(strikes: _Strikes, persons: dict[str, pa.Array], numbers: np.ndarray) -> pa.Array:
    random, email = strikes.random, persons["email"]
    known = _known(email)
    has_email = known & ~strikes.draw("missing_email", known)
    is_other = strikes.draw("other_email", has_email)
    given = persons["given_name_latin"]
    email = _changed(
        email,
        is_other,
        lambda _: _other_emails(given.filter(pa.array(is_other)), numbers[is_other]),
    )
    has_typo = strikes.draw("email_typo", has_email)
    email = _changed(email, has_typo, lambda addresses: _mistyped_emails(random, addresses))
    is_upper = strikes.draw("email_upper_case", has_email & _has_letter_first(email))
    whole = random.random(len(numbers)) < 0.5
    email = _changed(email, is_upper & whole, pc.utf8_upper)
    email = _changed(email, is_upper & ~whole, _first_upper)
    return _only(email, has_email)


def _other_emails(given_names: pa.Array, numbers: np.ndarray) -> pa.Array:
    """A person's second address, at a provider where nobody has a first one."""
    tails = person_tails(numbers, _OTHER_MAIL_KEY)
    return pc.binary_join_element_wise(
        pc.utf8_lower(given_names), tails, "@", "yeah", ".example", ""
    )


def _mistyped_emails(random: np.random.Generator, addresses: pa.Array) -> pa.Array:
    return damage.typos(
        random,
        addresses,
        pc.find_substring(addresses, "@").to_numpy(zero_copy_only=False).astype(np.int64),
    )


def _has_letter_first(texts: pa.Array) -> Mask:
    """Of an address that begins with a digit, a capital first letter would change nothing."""
    matches = pc.fill_null(pc.match_substring_regex(texts, "^[a-z]"), False)
    has_letter: Mask = matches.to_numpy(zero_copy_only=False)
    return has_letter


def _first_upper(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(
        pc.utf8_upper(pc.utf8_slice_codeunits(texts, 0, 1)), pc.utf8_slice_codeunits(texts, 1), ""
    )


def _phones(
    strikes: _Strikes,
    persons: dict[str, pa.Array],
    numbers: np.ndarray,
    sources: np.ndarray,
    today: np.ndarray,
) -> pa.Array:
    random, count = strikes.random, len(numbers)
    is_old = today < _days_of(persons["phone_changed_on"])
    phone = pc.if_else(
        pa.array(is_old), pc.coalesce(persons["old_phone"], persons["phone"]), persons["phone"]
    )
    is_missing = strikes.draw("missing_phone", np.full(count, True))
    is_shop = strikes.draw("shop_phone", is_missing)
    shops = phone_numbers(np.zeros(len(SOURCES), np.int64), np.arange(len(SOURCES)))
    phone = pc.if_else(pa.array(is_shop), shops.take(pa.array(sources)), phone)

    is_virtual = strikes.draw("virtual_phone", ~is_missing)
    phone = _changed(phone, is_virtual, lambda own: _virtual_phones(random, len(own)))
    is_own = ~is_missing & ~is_virtual
    is_changed = strikes.draw("changed_phone", is_own)
    place = _FIRST_CHANGED_PHONE + _ranks(numbers) % (PHONES_OF_A_PERSON - _FIRST_CHANGED_PHONE)
    phone = _changed(
        phone, is_changed, lambda _: phone_numbers(numbers[is_changed], place[is_changed])
    )
    phone = _changed(
        phone, strikes.draw("phone_typo", is_own), lambda some: damage.typos(random, some)
    )
    phone = _changed(
        phone,
        strikes.draw("phone_format", is_own),
        lambda some: damage.formatted_phones(random, some),
    )
    phone = _changed(phone, strikes.draw("phone_full_width", is_own), damage.full_width)
    return _only(phone, ~is_missing | is_shop)


def _virtual_phones(random: np.random.Generator, count: int) -> pa.Array:
    """One of the marketplace's ten thousand numbers, with the extension of the customer."""
    return pc.binary_join_element_wise(
        pc.cast(pa.array(18_400_120_000 + random.integers(0, 10_000, count)), pa.string()),
        pc.cast(pa.array(random.integers(1_000, 10_000, count)), pa.string()),
        "-",
    )


def _addresses(strikes: _Strikes, address: pa.Array, held: Mask) -> pa.Array:
    random = strikes.random
    has_address = held & ~strikes.draw("missing_address", held)
    address = _changed(
        address,
        strikes.draw("address_abbreviation", has_address),
        lambda some: damage.shortened_addresses(random, some),
    )
    address = _changed(address, strikes.draw("address_full_width", has_address), damage.full_width)
    return _only(address, has_address)


def _ranks(keys: np.ndarray) -> np.ndarray:
    """How many rows above have the same key: int64."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    rows = np.arange(len(keys))
    begins = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(keys)]
    ranks = np.empty(len(keys), np.int64)
    ranks[order] = rows - np.maximum.accumulate(np.where(begins, rows, 0))
    return ranks


def _ids(numbers: np.ndarray, sources: np.ndarray, owners: pa.Array) -> pa.Array:
    """Number each source's customers in its own style."""
    occurrences = _ranks(numbers * len(SOURCES) + sources)
    drawn = np.empty(len(numbers), np.int64)
    for place in range(len(SOURCES)):
        here = sources == place
        drawn[here] = record_numbers(numbers[here], occurrences[here], _RECORD_KEY + place)
    digits = pc.utf8_slice_codeunits(pc.cast(pa.array(drawn + 10**10), pa.string()), 1)
    check = pc.cast(pa.array(luhn_digits(86 * 10**10 + drawn)), pa.string())
    on_list = pc.coalesce(pc.binary_join_element_wise(owners, digits, "-"), digits)
    kinds = np.array([source.kind for source in SOURCES.values()])[sources]
    prefixes = pa.array([source.prefix for source in SOURCES.values()])
    return pc.binary_join_element_wise(
        prefixes.take(pa.array(sources)),
        pc.choose(
            pa.array(kinds),
            pc.cast(pa.array(drawn + 10**9), pa.string()),
            _hexadecimal(drawn),
            on_list,
            digits,
            pc.binary_join_element_wise(digits, check, ""),
        ),
        "",
    )


def _hexadecimal(numbers: np.ndarray) -> pa.Array:
    """Eight hexadecimal digits each, of numbers below 2^32."""
    halves = (numbers[:, None] >> np.arange(28, -1, -4)) & 15
    letters = np.frombuffer(b"0123456789ABCDEF", "S1")[halves]
    return pa.array(np.ascontiguousarray(letters).view("S8").ravel().astype("U8"), pa.string())
