"""People of the generated shop: families, business contacts, and how their names and homes change.

Everything here is true of the person; what a system knows of it is `records`' subject. Dates are
China's (UTC+8). E-mail addresses end in `.example`, which nobody can own (RFC 2606), so that no
list made from the generated shop ever reaches a mailbox.
"""

from datetime import date
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.names import (
    BUSINESS_KINDS,
    BUSINESS_WORDS,
    CHINA,
    CITIES,
    FEMALE_ENGLISH_NAMES,
    GIVEN_NAME_CHARACTERS,
    MAIL_PROVIDERS,
    MALE_ENGLISH_NAMES,
    STREETS,
    SURNAMES,
    zipf,
)
from regulars.generated_shop.numbering import LARGEST_PERSON_NUMBER, person_tails, phone_numbers
from regulars.generated_shop.randomness import chosen, drawn
from regulars.generated_shop.settings_section import Section, share

PEOPLE_SCHEMA: Final = pa.schema(
    [
        ("person_number", pa.int64()),
        ("person_id", pa.string()),
        ("family_number", pa.int64()),
        ("household", pa.string()),
        ("family_role", pa.string()),
        ("kind", pa.string()),
        ("business_number", pa.int64()),
        ("business_name", pa.string()),
        ("sex", pa.string()),
        ("birth_date", pa.date32()),
        ("family_name", pa.string()),
        ("given_name", pa.string()),
        ("family_name_latin", pa.string()),
        ("given_name_latin", pa.string()),
        ("english_name", pa.string()),
        ("phone", pa.string()),
        ("email", pa.string()),
        ("province", pa.string()),
        ("city", pa.string()),
        ("address", pa.string()),
        ("country", pa.string()),
        ("income_band", pa.string()),
        ("married_on", pa.date32()),
        ("married_family_name", pa.string()),
        ("married_family_name_latin", pa.string()),
        ("phone_changed_on", pa.date32()),
        ("old_phone", pa.string()),
        ("moved_on", pa.date32()),
        ("old_address", pa.string()),
        ("old_city", pa.string()),
        ("old_province", pa.string()),
        ("old_country", pa.string()),
    ]
)


class Household(NamedTuple):
    """A kind of family: as the shop writes it, its members' roles, its share of families."""

    text: str
    roles: tuple[str, ...]
    share: float


HOUSEHOLDS: Final = (
    Household("single", ("head",), 0.36),
    Household("couple", ("head", "spouse"), 0.22),
    Household("single parent with child", ("head", "child"), 0.05),
    Household("couple with child", ("head", "spouse", "child"), 0.22),
    Household("single parent with children", ("head", "child", "child"), 0.02),
    Household("couple with children", ("head", "spouse", "child", "child"), 0.07),
    Household("three generations with child", ("head", "spouse", "child", "grandparent"), 0.04),
    Household(
        "three generations with children",
        ("head", "spouse", "child", "child", "grandparent"),
        0.02,
    ),
)
INCOME_BANDS: Final = ("under 5000", "5000-9999", "10000-19999", "20000-39999", "40000 and over")
BUSINESS_SIZES: Final = (0.4, 0.25, 0.15, 0.1, 0.06, 0.04)
"""Shares of business accounts with 1, 2, ... 6 contact persons."""

_ROLES: Final = ("head", "spouse", "child", "grandparent")
_HEAD, _SPOUSE, _CHILD, _GRANDPARENT = range(4)
_SIZES: Final = np.array([len(one.roles) for one in HOUSEHOLDS])
_HAS_SPOUSE: Final = np.array(["spouse" in one.roles for one in HOUSEHOLDS])
_HAS_CHILD: Final = np.array(["child" in one.roles for one in HOUSEHOLDS])
_HAS_TWO_CHILDREN: Final = np.array([one.roles.count("child") == 2 for one in HOUSEHOLDS])
_HAS_GRANDPARENT: Final = np.array(["grandparent" in one.roles for one in HOUSEHOLDS])
_ROLE_AT: Final = np.array(
    [
        [_ROLES.index(role) for role in one.roles] + [0] * (int(_SIZES.max()) - len(one.roles))
        for one in HOUSEHOLDS
    ]
)
_INCOME_SHARES: Final = (0.2, 0.33, 0.3, 0.13, 0.04)
_HOME_CITIES: Final = np.array([city.weight * (city.country == CHINA) for city in CITIES])
_CITIES_ABROAD: Final = np.array([city.weight * (city.country != CHINA) for city in CITIES])
_SURNAME_WEIGHTS: Final = np.array([one.weight for one in SURNAMES])
_FEMALE_WEIGHTS: Final = np.array([one.female_weight for one in GIVEN_NAME_CHARACTERS])
_MALE_WEIGHTS: Final = np.array([one.male_weight for one in GIVEN_NAME_CHARACTERS])
_MAIL_STYLES: Final = (0.3, 0.25, 0.1, 0.1, 0.15, 0.1)
_NUMBER_KEY, _NAME_KEY = 2, 3
_YOUNGEST_CONTACT: Final = 22
_STUDENT_SHARE: Final = 0.7  # of eldest children; the others are grown up and still at home
_DAYS_TO_22: Final = 8036


class PeopleSettings(Section):
    """What share of people is how. Below its floor people would be too easy to tell apart."""

    share_women: float = share(
        0.55, 0.2, "women among heads of families, children and grandparents"
    )
    share_business: float = share(0.03, 0.0, "people who buy for a business account")
    share_abroad: float = share(0.02, 0.0, "families that live abroad (with a Chinese phone)")
    share_single_character: float = share(
        0.15, 0.05, "given names of one character, which make most of the namesakes"
    )
    share_doubles: float = share(
        0.004, 0.002, "singles with name, sex and birth date of another single"
    )
    share_english_name: float = share(0.2, 0.05, "people who also go by an English name")
    share_without_email: float = share(0.3, 0.15, "people without an e-mail address")
    share_family_phone: float = share(
        0.1, 0.05, "families of two or more that are all on the phone of their head"
    )
    share_family_email: float = share(
        0.04,
        0.02,
        "families of two or more whose members write from the head's address",
    )
    share_phone_changed: float = share(
        0.08, 0.04, "people whose phone number changed in the period"
    )
    share_moved: float = share(0.12, 0.05, "families in China that moved in the period")
    share_married_in_period: float = share(
        0.2, 0.05, "couples without children who married in the period"
    )
    share_married_name: float = share(
        0.15,
        0.05,
        "wives who took their husband's family name or put it before their own",
    )
    share_without_income_band: float = share(0.2, 0.0, "families whose income nobody knows")


class _Families(NamedTuple):
    """Families of a chunk, and for each person the family and the place in it."""

    household: np.ndarray
    start: np.ndarray
    of_person: np.ndarray
    role: np.ndarray
    child_rank: np.ndarray


class _Period(NamedTuple):
    first_day: np.datetime64
    last_day: np.datetime64


def make_people(
    random: np.random.Generator,
    first_number: int,
    count: int,
    settings: PeopleSettings,
    *,
    first_day: date,
    last_day: date,
) -> pa.Table:
    """Make a chunk of people, whole families and whole business accounts.

    Args:
        random: the chunk's own generator.
        first_number: number of the first person, 1 or more. Chunks whose numbers do not overlap
            have no phone, e-mail address, family or business in common.
        count: number of people.
        settings: shares.
        first_day: people's ages count on this day: 12 to 17 or 18 to 75 full years.
        last_day: weddings, moves and new phone numbers of the period lie after `first_day`, and on
            this day at the latest.

    Returns:
        `PEOPLE_SCHEMA`, a row for each person in the order of `person_number`. Nothing is null but
        `business_number` and `business_name` of consumers, `english_name`, `email`,
        `income_band`, and what never happened: `married_on` (of couples only),
        `married_family_name` with its pinyin (the true family name from `married_on` on),
        `phone_changed_on` with `old_phone` (the true one until the day before), `moved_on` with the
        `old_` columns. `family_number` is the first member's number, `business_number` the first
        contact's; `phone` and `email` are the head's where a family shares them, and unique
        otherwise.

    Raises:
        ValueError: for numbers outside of 1 to LARGEST_PERSON_NUMBER, or an empty period.
    """
    if first_number < 1 or count < 0 or first_number + count - 1 > LARGEST_PERSON_NUMBER:
        raise ValueError(
            f"people are numbered from 1 to {LARGEST_PERSON_NUMBER}, "
            f"got {count} from {first_number} on"
        )
    if last_day <= first_day:
        raise ValueError(f"last_day must be after first_day {first_day}, got {last_day}")
    period = _Period(np.datetime64(first_day, "D"), np.datetime64(last_day, "D"))
    numbers = np.arange(first_number, first_number + count)
    families = _families(random, count)
    namesakes = _namesakes(random, families, settings)
    ages = _ages(random, families)[namesakes]
    born = _birth_days(random, ages, period.first_day)[namesakes]
    is_woman = _sexes(random, families, settings)[namesakes]
    surname = _surname_places(random, families, is_woman)[namesakes]
    homes = _homes(random, families, settings, period)
    texts = (
        _names(random, surname, is_woman, namesakes, settings)
        | _weddings(random, families, born, is_woman, surname, settings, period)
        | _phones(random, numbers, families, settings, period)
    )
    texts |= _businesses(random, numbers, ages, homes["city"], settings)
    columns = texts | homes
    columns |= {
        "person_number": pa.array(numbers),
        "person_id": pc.binary_join_element_wise(
            "P", pc.utf8_slice_codeunits(pc.cast(pa.array(numbers + 10**9), pa.string()), 1), ""
        ),
        "family_number": pa.array(numbers[families.start[families.of_person]]),
        "household": _texts(
            [one.text for one in HOUSEHOLDS], families.household[families.of_person]
        ),
        "family_role": _texts(_ROLES, families.role),
        "sex": _texts(("male", "female"), is_woman.astype(np.int64)),
        "birth_date": pa.array(born),
        "email": _emails(random, numbers, families, texts, settings),
    }
    return pa.table([columns[name] for name in PEOPLE_SCHEMA.names], schema=PEOPLE_SCHEMA)


def _texts(values: tuple[str, ...] | list[str], places: np.ndarray) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(places, pa.int64()))


def _only(texts: pa.Array, mask: np.ndarray) -> pa.Array:
    """Texts where the mask holds, null elsewhere."""
    return pc.if_else(pa.array(mask), texts, pa.scalar(None, texts.type))


def _joined(*parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _families(random: np.random.Generator, count: int) -> _Families:
    """Draw families until they hold `count` people; singles fill what the last one cannot."""
    drawn_ones = drawn(random, np.array([one.share for one in HOUSEHOLDS]), count)
    ends = np.cumsum(_SIZES[drawn_ones])
    whole = int(np.searchsorted(ends, count, side="right"))
    left_over = count - (int(ends[whole - 1]) if whole else 0)
    household = np.concatenate([drawn_ones[:whole], np.zeros(left_over, np.int64)])
    sizes = _SIZES[household]
    start = np.cumsum(sizes) - sizes
    of_person = np.repeat(np.arange(len(household)), sizes)
    place = np.arange(count) - start[of_person]
    role = _ROLE_AT[household[of_person], place]
    child_rank = place - 1 - _HAS_SPOUSE[household[of_person]]
    return _Families(household, start, of_person, role, child_rank)


def _ages(random: np.random.Generator, families: _Families) -> np.ndarray:
    """Full years: parents 25 years or more above their children, spouses near each other."""
    household, count = families.household, len(families.household)
    has_grandparent = _HAS_GRANDPARENT[household]
    is_student = chosen(random, count, _STUDENT_SHARE) | has_grandparent
    youngest = np.where(_HAS_TWO_CHILDREN[household], 14, 12)
    eldest = np.where(is_student, random.integers(youngest, 18), random.integers(18, 31, count))
    second = np.maximum(12, eldest - random.integers(2, 6, count))
    # Grandparents are 75 at most: their families begin early.
    gap = random.integers(25, np.where(has_grandparent, 28, 38))
    has_child = _HAS_CHILD[household]
    has_spouse = _HAS_SPOUSE[household]
    childless = np.where(
        has_spouse,
        22 + (54 * random.beta(1.2, 2.2, count)).astype(np.int64),
        18 + (58 * random.beta(1.2, 2.6, count)).astype(np.int64),
    )
    head = np.where(has_child, eldest + gap + random.integers(0, 4, count), childless)
    spouse = np.where(
        has_child,
        eldest + gap + random.integers(0, 4, count),
        (childless + random.integers(-4, 5, count)).clip(22, 75),
    )
    grandparent = head + random.integers(22, 29, count)
    family = families.of_person
    child = np.where(families.child_rank == 0, eldest[family], second[family])
    return np.choose(families.role, [head[family], spouse[family], child, grandparent[family]])


def _birth_days(random: np.random.Generator, ages: np.ndarray, on_day: np.datetime64) -> np.ndarray:
    """Draw days evenly out of the year in which people were born who have these ages on a day."""
    latest = _years_before(on_day, ages)
    earliest = _years_before(on_day, ages + 1) + 1
    span = (latest - earliest).astype(np.int64) + 1
    born: np.ndarray = earliest + (random.random(len(ages)) * span).astype(np.int64)
    return born


def _years_before(day: np.datetime64, years: np.ndarray) -> np.ndarray:
    """The same day of the month, or the month's last."""
    month = day.astype("datetime64[M]")
    earlier = month - 12 * years.astype(np.int64)
    last = ((earlier + 1).astype("datetime64[D]") - 1).astype("datetime64[D]")
    same = earlier.astype("datetime64[D]") + (day - month.astype("datetime64[D]"))
    days: np.ndarray = np.minimum(same, last)
    return days


def _sexes(
    random: np.random.Generator, families: _Families, settings: PeopleSettings
) -> np.ndarray:
    """Whether each person is a woman; spouses are of the two sexes."""
    is_woman = chosen(random, len(families.role), settings.share_women)
    heads = families.start[families.of_person]
    return np.where(families.role == _SPOUSE, ~is_woman[heads], is_woman)


def _surname_places(
    random: np.random.Generator, families: _Families, is_woman: np.ndarray
) -> np.ndarray:
    """Places in SURNAMES. Children have their father's; a grandfather is the head's father."""
    surname = drawn(random, _SURNAME_WEIGHTS, len(is_woman))
    heads = families.start[families.of_person]
    has_spouse = _HAS_SPOUSE[families.household[families.of_person]]
    father = np.where(has_spouse & is_woman[heads], heads + 1, heads)
    surname = np.where(families.role == _CHILD, surname[father.clip(0, len(heads) - 1)], surname)
    is_grandfather = (families.role == _GRANDPARENT) & ~is_woman
    return np.where(is_grandfather, surname[heads], surname)


def _namesakes(
    random: np.random.Generator, families: _Families, settings: PeopleSettings
) -> np.ndarray:
    """Whose name, sex and birth date each person has: their own, or another single's."""
    places = np.arange(len(families.role))
    singles = np.flatnonzero(_SIZES[families.household[families.of_person]] == 1)
    is_double = chosen(random, len(singles), settings.share_doubles)
    is_double[:1] = False  # somebody is the first of the name
    firsts = singles[~is_double]
    others = (random.random(int(is_double.sum())) * len(firsts)).astype(np.int64)
    places[singles[is_double]] = firsts[others]
    return places


def _names(
    random: np.random.Generator,
    surname: np.ndarray,
    is_woman: np.ndarray,
    namesakes: np.ndarray,
    settings: PeopleSettings,
) -> dict[str, pa.Array]:
    count = len(surname)
    first, second = (
        np.where(
            is_woman, drawn(random, _FEMALE_WEIGHTS, count), drawn(random, _MALE_WEIGHTS, count)
        )
        for _ in range(2)
    )
    has_two = ~chosen(random, count, settings.share_single_character)
    first, second, has_two = first[namesakes], second[namesakes], has_two[namesakes]
    characters = [one.character for one in GIVEN_NAME_CHARACTERS] + [""]
    readings = [one.latin for one in GIVEN_NAME_CHARACTERS] + [""]
    second = np.where(has_two, second, len(GIVEN_NAME_CHARACTERS))
    capitals = [reading.capitalize() for reading in readings]
    english = pc.if_else(
        pa.array(is_woman),
        _texts(FEMALE_ENGLISH_NAMES, drawn(random, zipf(len(FEMALE_ENGLISH_NAMES)), count)),
        _texts(MALE_ENGLISH_NAMES, drawn(random, zipf(len(MALE_ENGLISH_NAMES)), count)),
    )
    return {
        "family_name": _texts([one.character for one in SURNAMES], surname),
        "family_name_latin": _texts([one.latin for one in SURNAMES], surname),
        "given_name": _joined(_texts(characters, first), _texts(characters, second)),
        "given_name_latin": _joined(_texts(capitals, first), _texts(readings, second)),
        "english_name": _only(english, chosen(random, count, settings.share_english_name)),
    }


def _weddings(
    random: np.random.Generator,
    families: _Families,
    born: np.ndarray,
    is_woman: np.ndarray,
    surname: np.ndarray,
    settings: PeopleSettings,
    period: _Period,
) -> dict[str, pa.Array]:
    """Wedding days of couples (before the first child), and the names that wives took."""
    household, head = families.household, families.start
    count = len(household)
    spouse = np.where(_HAS_SPOUSE[household], head + 1, head)
    eldest = np.where(_HAS_CHILD[household], head + 1 + _HAS_SPOUSE[household], head)
    before_child = born[eldest] - random.integers(300, 1001, count)
    of_age = np.maximum(born[head], born[spouse]) + _DAYS_TO_22
    years_apart = (period.first_day - of_age).astype(np.int64).clip(0)
    earlier = of_age + (random.random(count) * (years_apart + 1)).astype(np.int64)
    is_recent = chosen(random, count, settings.share_married_in_period)
    childless = np.where(is_recent, _days_in(random, count, period), earlier)
    day = np.where(_HAS_CHILD[household], before_child, childless)

    family = families.of_person
    is_couple = _HAS_SPOUSE[household][family] & (families.role <= _SPOUSE)
    other = np.where(families.role == _HEAD, np.arange(len(family)) + 1, head[family])
    husband = np.where(is_couple, other, 0)
    takes_name = is_couple & is_woman & chosen(random, len(family), settings.share_married_name)
    takes_name &= surname != surname[husband]
    keeps_own = chosen(random, len(family), 0.5)
    both = len(SURNAMES)
    own = np.where(keeps_own, surname, both)
    texts = [one.character for one in SURNAMES] + [""]
    latin = [one.latin for one in SURNAMES]
    return {
        "married_on": _only(pa.array(day[family], pa.date32()), is_couple),
        "married_family_name": _only(
            _joined(_texts(texts, surname[husband]), _texts(texts, own)), takes_name
        ),
        "married_family_name_latin": _only(
            _joined(
                _texts(latin, surname[husband]),
                _texts([f" {text}" for text in latin] + [""], own),
            ),
            takes_name,
        ),
    }


def _days_in(random: np.random.Generator, count: int, period: _Period) -> np.ndarray:
    """Draw days after the first day of the period, up to its last."""
    length = int((period.last_day - period.first_day).astype(np.int64))
    return period.first_day + random.integers(1, length + 1, count)


def _phones(
    random: np.random.Generator,
    numbers: np.ndarray,
    families: _Families,
    settings: PeopleSettings,
    period: _Period,
) -> dict[str, pa.Array]:
    count = len(numbers)
    is_shared = chosen(random, len(families.household), settings.share_family_phone)
    owner = _or_head(families, is_shared)
    has_changed = chosen(random, count, settings.share_phone_changed)[owner]
    changed_on = _days_in(random, count, period)[owner]
    return {
        "own_phone": phone_numbers(numbers, 0),
        "phone": phone_numbers(numbers[owner], 0),
        "phone_changed_on": _only(pa.array(changed_on, pa.date32()), has_changed),
        "old_phone": _only(phone_numbers(numbers[owner], 1), has_changed),
    }


def _or_head(families: _Families, is_shared: np.ndarray) -> np.ndarray:
    """Each person's own place, or the place of the family's head where the family shares."""
    family = families.of_person
    return np.where(is_shared[family], families.start[family], np.arange(len(family)))


def _homes(
    random: np.random.Generator, families: _Families, settings: PeopleSettings, period: _Period
) -> dict[str, pa.Array]:
    """Where families live, since when, and where they lived before."""
    count, family = len(families.household), families.of_person
    is_abroad = chosen(random, count, settings.share_abroad)
    home, old_home = drawn(random, _HOME_CITIES, count), drawn(random, _HOME_CITIES, count)
    city = np.where(is_abroad, drawn(random, _CITIES_ABROAD, count), home)
    # Most people move within their city.
    old_city = np.where(chosen(random, count, 0.7), city, old_home)
    has_moved = chosen(random, count, settings.share_moved) & ~is_abroad
    columns = {
        "address": _addresses(random, count),
        "city": _texts([one.name for one in CITIES], city),
        "province": _texts([one.province for one in CITIES], city),
        "country": _texts([one.country for one in CITIES], city),
        "moved_on": _only(pa.array(_days_in(random, count, period), pa.date32()), has_moved),
        "old_address": _only(_addresses(random, count), has_moved),
        "old_city": _only(_texts([one.name for one in CITIES], old_city), has_moved),
        "old_province": _only(_texts([one.province for one in CITIES], old_city), has_moved),
        "old_country": _only(_texts([one.country for one in CITIES], old_city), has_moved),
        "income_band": _only(
            _texts(INCOME_BANDS, drawn(random, np.array(_INCOME_SHARES), count)),
            ~chosen(random, count, settings.share_without_income_band),
        ),
    }
    return {name: column.take(pa.array(family)) for name, column in columns.items()}


def _addresses(random: np.random.Generator, count: int) -> pa.Array:
    """Addresses such as 人民路128号3栋2单元501室."""
    return _joined(
        _texts(STREETS, drawn(random, zipf(len(STREETS)), count)),
        _digits(random.integers(1, 1000, count)),
        "号",
        _digits(random.integers(1, 21, count)),
        "栋",
        _digits(random.integers(1, 5, count)),
        "单元",
        _digits(random.integers(1, 31, count) * 100 + random.integers(1, 5, count)),
        "室",
    )


def _digits(numbers: np.ndarray) -> pa.Array:
    return pc.cast(pa.array(numbers), pa.string())


def _businesses(
    random: np.random.Generator,
    numbers: np.ndarray,
    ages: np.ndarray,
    city: pa.Array,
    settings: PeopleSettings,
) -> dict[str, pa.Array]:
    """Group some grown-up people of a city into the contacts of its schools and firms."""
    count = len(numbers)
    is_adult = ages >= _YOUNGEST_CONTACT
    among_adults = min(1.0, settings.share_business * count / max(1, int(is_adult.sum())))
    contacts = np.flatnonzero(chosen(random, count, among_adults) & is_adult)
    towns = city.dictionary_encode().indices.to_numpy()
    contacts = contacts[np.lexsort((random.random(len(contacts)), towns[contacts]))]
    sizes = 1 + drawn(random, np.array(BUSINESS_SIZES), len(contacts))
    begins = np.zeros(len(contacts) + 1, bool)
    ends = np.cumsum(sizes)
    begins[np.concatenate([[0], ends[ends < len(contacts)]])] = True
    begins = begins[: len(contacts)]
    begins[1:] |= towns[contacts[1:]] != towns[contacts[:-1]]
    group = np.cumsum(begins) - 1
    first = contacts[begins]
    names = _joined(
        pc.replace_substring_regex(city.take(pa.array(first)), "市$", ""),
        _texts(BUSINESS_WORDS, drawn(random, zipf(len(BUSINESS_WORDS)), len(first))),
        _texts(BUSINESS_KINDS, drawn(random, zipf(len(BUSINESS_KINDS)), len(first))),
    )
    place = np.full(count, -1)
    place[contacts] = group
    rank = np.zeros(count, np.int64)
    rank[contacts] = np.arange(len(contacts)) - np.flatnonzero(begins)[group] + 1
    none = place < 0
    group_of = pa.array(np.where(none, 0, place), mask=none)
    return {
        "kind": _texts(("business", "consumer"), none.astype(np.int64)),
        "business_number": pa.array(numbers[first]).take(group_of),
        "business_name": names.take(group_of),
        "contact_rank": _digits(rank),
    }


def _emails(
    random: np.random.Generator,
    numbers: np.ndarray,
    families: _Families,
    texts: dict[str, pa.Array],
    settings: PeopleSettings,
) -> pa.Array:
    """Addresses in six styles; contacts of a business write from its own domain."""
    count = len(numbers)
    family, given, english = (
        pc.utf8_lower(texts[name])
        for name in ("family_name_latin", "given_name_latin", "english_name")
    )
    tail = person_tails(numbers, _NAME_KEY)
    provider = _texts(MAIL_PROVIDERS, drawn(random, zipf(len(MAIL_PROVIDERS), 1.0), count))
    by_name = _joined(family, given, tail)
    initials = _joined(
        pc.utf8_slice_codeunits(family, 0, 1), pc.utf8_slice_codeunits(given, 0, 1), tail
    )
    local = pc.choose(
        pa.array(drawn(random, np.array(_MAIL_STYLES), count)),
        _joined("1", person_tails(numbers, _NUMBER_KEY)),
        by_name,
        _joined(given, ".", family, tail),
        pc.coalesce(_joined(english, "_", family, tail), by_name),
        texts["own_phone"],
        initials,
    )
    private = _joined(local, "@", provider, ".example")
    at_work = _joined(
        _joined(given, ".", family, texts["contact_rank"]),
        "@b",
        pc.cast(texts["business_number"], pa.string()),
        ".example",
    )
    own = _only(pc.coalesce(at_work, private), ~chosen(random, count, settings.share_without_email))
    shared = chosen(random, len(families.household), settings.share_family_email)
    shared &= own.take(pa.array(families.start)).is_valid().to_numpy(zero_copy_only=False)
    return own.take(pa.array(_or_head(families, shared)))
