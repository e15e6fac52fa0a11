from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError
from scipy.stats import binomtest

from regulars.generated_shop import names
from regulars.generated_shop.people import PeopleSettings, make_people
from regulars.generated_shop.records import (
    BRANCH,
    CALL_CENTRE,
    FACTORS,
    HELD,
    LOYALTY,
    MARKETPLACE,
    RECORDS_SCHEMA,
    SOURCES,
    WEB_SHOP,
    CorruptionSettings,
    corruption_rate,
    make_records,
)
from regulars.generated_shop.settings_section import floors

FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2025, 12, 31)
PERSONS, RECORDS = 10_000, 60_000
SETTINGS = CorruptionSettings()
# With fixed seeds a test passes or fails for ever: this is how rare a result we call wrong.
LEAST_P = 1e-4
KINDS = {
    "web_shop": WEB_SHOP,
    "marketplace": MARKETPLACE,
    "branch": BRANCH,
    "call_centre": CALL_CENTRE,
    "loyalty": LOYALTY,
}
GROUPS = {
    "names": (
        ["name", "given_name", "family_name"],
        "missing_name missing_given_name missing_family_name name_before_marriage masked_name "
        "english_name latin_spelling latin_typo homophone swapped_names name_blanks",
    ),
    "sex": (["sex"], "missing_sex"),
    "birth_date": (["birth_date"], "missing_birth_date default_birth_date swapped_day_and_month"),
    "email": (["email"], "missing_email other_email email_typo email_upper_case"),
    "phone": (
        ["phone"],
        "missing_phone shop_phone virtual_phone changed_phone phone_typo phone_format "
        "phone_full_width",
    ),
    "address": (["address"], "missing_address address_abbreviation address_full_width"),
}
READING = {one: latin for latin, alike in names.HOMOPHONES.items() for one in alike}
SURNAME_LATIN = {one.character: one.latin.lower() for one in names.SURNAMES}


def make_chunk(first_number=1, count=PERSONS, **shares):
    random = np.random.default_rng([1, first_number])
    settings = PeopleSettings(**shares)
    return make_people(
        random, first_number, count, settings, first_day=FIRST_DAY, last_day=LAST_DAY
    )


def appear(seed=1, count=RECORDS, persons=PERSONS):
    """Records of people drawn with repetition: many have several, some in one source."""
    random = np.random.default_rng([2, seed])
    sources = np.array(list(SOURCES))[
        random.choice(len(SOURCES), count, p=(0.24, 0.2, 0.07, 0.07, 0.06, 0.18, 0.18))
    ]
    owners = [
        f"ZHANG{number}" if source.startswith("branch") and number < 9 else None
        for source, number in zip(sources, random.integers(1, 10, count), strict=True)
    ]
    seconds = random.integers(0, (LAST_DAY - FIRST_DAY).days * 86_400, count)
    at = np.datetime64(FIRST_DAY, "us") + seconds.astype("timedelta64[s]")
    return pa.table(
        {
            "person_index": random.integers(0, persons, count),
            "source": pa.array(sources).dictionary_encode(),
            "list_owner": pa.array(owners, pa.string()),
            "registered_at": pa.array(at, pa.timestamp("us", "UTC")),
        }
    )


def record(people, appearances, settings=SETTINGS, seed=1):
    return make_records(np.random.default_rng([3, seed]), people, appearances, settings)


def joined(people, records):
    """Each record beside the truth of its day, in columns `true_`; a flag for each corruption."""
    persons = people.to_pandas(date_as_object=False)
    found = records.to_pandas(date_as_object=False)
    truth = persons.iloc[found["person_index"]].reset_index(drop=True)
    day = found["registered_at"].dt.tz_convert("Asia/Shanghai").dt.tz_localize(None)
    day = day.dt.normalize()
    is_married = truth["married_family_name"].notna() & (day >= truth["married_on"])
    old_home, old_phone = day < truth["moved_on"], day < truth["phone_changed_on"]
    family = truth["family_name"].mask(is_married, truth["married_family_name"])
    kind = found["source"].astype(str).str.replace("branch_.*", "branch", regex=True).map(KINDS)
    true = {
        "name": family + truth["given_name"],
        "family_name": family,
        "given_name": truth["given_name"],
        "sex": truth["sex"],
        "birth_date": truth["birth_date"],
        "email": truth["email"],
        "phone": truth["phone"].mask(old_phone, truth["old_phone"]),
        "address": truth["address"].mask(old_home, truth["old_address"]),
        "city": truth["city"].mask(old_home, truth["old_city"]),
        "region": truth["province"].mask(old_home, truth["old_province"]),
        "country": truth["country"].mask(old_home, truth["old_country"]),
    }
    for name, values in true.items():
        held = np.array(HELD[name])[kind]
        found[f"true_{name}"] = values.where(held)
        found[f"held_{name}"] = held
    lists = found["corruptions"].map(frozenset)
    flags = {name: lists.map(lambda one, name=name: name in one) for name in FACTORS}
    marks = {"kind": kind, "is_married": is_married, "is_old": old_phone, "is_before": old_home}
    known = {
        "given_sounds": truth["given_name_latin"].str.lower(),
        "english": truth["english_name"],
        "person": truth["person_number"],
        "day": day,
    }
    return found.assign(**flags, **marks, **known, full_family=family)


@pytest.fixture(scope="module")
def people():
    return make_chunk(share_married_name=0.6)


@pytest.fixture(scope="module")
def records(people):
    return record(people, appear())


@pytest.fixture(scope="module")
def found(people, records):
    return joined(people, records)


def same(one, other):
    return (one == other) | (one.isna() & other.isna())


def test_a_row_for_each_appearance(records):
    appearances = appear()
    assert records.schema == RECORDS_SCHEMA
    for name in ("person_index", "list_owner", "registered_at"):
        assert records[name].to_pylist() == appearances[name].to_pylist()
    assert records["source"].to_pylist() == appearances["source"].to_pylist()


def test_no_appearances_and_no_people():
    assert record(make_chunk(count=0), appear().slice(0, 0)).num_rows == 0
    assert record(make_chunk(count=0), appear().slice(0, 0)).schema == RECORDS_SCHEMA


def test_the_same_seed_gives_the_same_records_and_another_one_others(people):
    appearances = appear(count=3_000)
    assert record(people, appearances).equals(record(people, appearances))
    assert not record(people, appearances).equals(record(people, appearances, seed=2))


def test_undamaged_records_tell_the_truth_of_their_day(found):
    sound = found[found["corruptions"].str.len() == 0]
    assert set(sound["kind"]) == set(KINDS.values())
    for name in HELD:
        assert same(sound[name], sound[f"true_{name}"]).all(), name
    # not for want of anything that changes
    for mark in ("is_married", "is_old", "is_before"):
        assert sound[mark].sum() > 20


@pytest.mark.parametrize("group", GROUPS)
def test_an_attribute_differs_from_the_truth_where_a_corruption_says_so_and_only_there(
    found, group
):
    columns, corruptions = GROUPS[group]
    is_damaged = found[corruptions.split()].any(axis=1)
    equal = pd.concat([same(found[name], found[f"true_{name}"]) for name in columns], axis=1)
    assert equal[~is_damaged].all(axis=None)
    assert not equal[is_damaged].all(axis=1).any()
    assert is_damaged.sum() > 1_000


def test_city_region_and_country_are_never_damaged(found):
    for name in ("city", "region", "country"):
        assert same(found[name], found[f"true_{name}"]).all()


def test_every_corruption_has_a_group_a_rate_and_a_floor():
    listed = [one for _, corruptions in GROUPS.values() for one in corruptions.split()]
    assert listed == list(FACTORS)
    assert list(CorruptionSettings.model_fields) == listed
    assert list(floors(CorruptionSettings)) == listed


def test_corruptions_are_listed_in_order_and_once(found):
    order = {name: place for place, name in enumerate(FACTORS)}
    for one in found["corruptions"].iloc[:5_000]:
        places = [order[name] for name in one]
        assert places == sorted(set(places))


def eligible(found, corruption):
    """The records that a corruption could befall, told from the records and the truth alone."""
    has_name = ~found["missing_name"]
    has_given = has_name & ~found["missing_given_name"]
    has_both = has_given & ~found["missing_family_name"]
    is_roman = found["english_name"] | found["latin_spelling"]
    is_plain = ~found["masked_name"] & ~is_roman
    has_date = found["held_birth_date"] & ~found["missing_birth_date"]
    born = found["true_birth_date"].dt
    has_email = found["true_email"].notna() & ~found["missing_email"]
    has_phone = ~found["missing_phone"]
    has_address = found["held_address"] & ~found["missing_address"]
    return {
        "name_before_marriage": (found["is_married"] & has_name & ~found["missing_family_name"]),
        "missing_name": has_name | True,
        "missing_given_name": has_name,
        "missing_family_name": has_given,
        "masked_name": has_both,
        "english_name": has_given & ~found["masked_name"] & found["english"].notna(),
        "latin_spelling": has_name & ~found["masked_name"] & ~found["english_name"],
        "latin_typo": is_roman,
        "homophone": has_given & is_plain,
        "swapped_names": has_both & ~found["masked_name"],
        "name_blanks": has_both & ~found["masked_name"],
        "missing_sex": found["held_sex"],
        "missing_birth_date": found["held_birth_date"],
        "default_birth_date": has_date,
        "swapped_day_and_month": (
            has_date & ~found["default_birth_date"] & (born.day <= 12) & (born.day != born.month)
        ),
        "missing_email": found["true_email"].notna(),
        "other_email": has_email,
        "email_typo": has_email,
        "email_upper_case": has_email & found["email"].str.contains("^[A-Za-z]", na=False),
        "missing_phone": found["held_phone"],
        "shop_phone": found["missing_phone"],
        "virtual_phone": has_phone,
        "changed_phone": has_phone & ~found["virtual_phone"],
        "phone_typo": has_phone & ~found["virtual_phone"],
        "phone_format": has_phone & ~found["virtual_phone"],
        "phone_full_width": has_phone & ~found["virtual_phone"],
        "missing_address": found["held_address"],
        "address_abbreviation": has_address,
        "address_full_width": has_address,
    }[corruption]


def assert_rates(found, corruption, settings):
    if corruption == "swapped_names":  # 武武, Wu Wu: the same either way
        found = found[~found["given_sounds"].isin(SURNAME_LATIN.values())]
    trials = eligible(found, corruption)
    assert not (found[corruption] & ~trials).any()
    for kind in KINDS.values():
        here = found["kind"] == kind
        hits, count = int((found[corruption] & here).sum()), int((trials & here).sum())
        rate = corruption_rate(settings, corruption, kind)
        if count and 0 < rate < 1:
            assert binomtest(hits, count, rate).pvalue > LEAST_P, (kind, hits, count, rate)
        else:
            assert hits == count * rate


@pytest.mark.parametrize("corruption", FACTORS)
def test_rates_are_those_of_the_settings_in_each_kind_of_source(found, corruption):
    assert_rates(found, corruption, SETTINGS)
    assert found[corruption].sum() > 20


@pytest.fixture(scope="module")
def worse():
    """Records of the same people with every rate at .6, and factors that take some to 1."""
    settings = CorruptionSettings(**dict.fromkeys(FACTORS, 0.6))
    chunk = make_chunk(share_married_name=0.6)
    return settings, joined(chunk, record(chunk, appear(count=30_000), settings))


@pytest.mark.parametrize("corruption", FACTORS)
def test_rates_follow_their_settings(worse, corruption):
    settings, found = worse
    assert_rates(found, corruption, settings)


def test_a_rate_times_its_factor_is_at_most_one():
    settings = CorruptionSettings(missing_name=0.9)
    assert corruption_rate(settings, "missing_name", CALL_CENTRE) == 1
    assert corruption_rate(settings, "missing_name", BRANCH) == 0.45


@pytest.mark.parametrize("corruption", FACTORS)
def test_rates_have_floors(corruption):
    floor = floors(CorruptionSettings)[corruption]
    assert getattr(CorruptionSettings(**{corruption: floor}), corruption) == floor
    assert floor > 0
    for wrong in (floor - 0.001, 1.001, float("nan")):
        with pytest.raises(ValidationError, match=corruption):
            CorruptionSettings(**{corruption: wrong})


def test_at_the_floors_half_of_the_records_are_damaged_and_at_the_defaults_three_quarters(people):
    for settings, least in (
        (CorruptionSettings(**floors(CorruptionSettings)), 0.5),
        (SETTINGS, 0.75),
    ):
        lengths = (
            record(people, appear(count=20_000), settings)["corruptions"].to_pandas().str.len()
        )
        assert (lengths > 0).mean() > least - 0.02


def test_salespeoples_lists_are_the_worst(found):
    habits = found["latin_spelling"].astype(int) + found["masked_name"]  # of loyalty, marketplace
    damage = (found["corruptions"].str.len() - habits).groupby(found["kind"]).mean()
    assert damage.idxmax() == BRANCH
    assert damage[BRANCH] > 1.5 * damage.drop(BRANCH).max()


def test_ids_are_unique_within_a_source_over_chunks_and_duplicates():
    chunks = [
        record(make_chunk(first, 300), appear(first, 6_000, 300)).to_pandas()
        for first in (1, 301, 99_999_700)
    ]
    found = pd.concat(chunks, keys=range(3), names=["chunk"])
    assert not found.duplicated(["source", "source_customer_id"]).any()
    several = found.groupby(["chunk", "source", "person_index"], observed=True).size()
    assert several.max() >= 5
    # One source's ids say nothing of another's: their numbers differ.
    digits = found["source_customer_id"].str.extract(r"(\d{9})$")[0].dropna()
    assert digits.duplicated().mean() < 0.001


def test_each_source_writes_ids_in_its_own_style(records):
    found = records.to_pandas()
    styles = {
        "web_shop": r"u\d{10}",
        "marketplace": r"M-[0-9A-F]{8}",
        "branch_beijing": r"BJ-(ZHANG\d-)?\d{10}",
        "branch_shanghai": r"SH-(ZHANG\d-)?\d{10}",
        "branch_guangzhou": r"GZ-(ZHANG\d-)?\d{10}",
        "call_centre": r"C\d{10}",
        "loyalty": r"\d{13}",
    }
    assert set(styles) == set(SOURCES)
    for source, style in styles.items():
        ids = found["source_customer_id"][found["source"] == source]
        assert ids.str.fullmatch(style).all()
    branches = found[found["source"].astype(str).str.startswith("branch")]
    owners = branches["source_customer_id"].str.extract(r"-(\w+)-")[0]
    assert same(owners, branches["list_owner"]).all()


def test_loyalty_cards_have_luhns_check_digit(records):
    found = records.to_pandas()
    for card in found["source_customer_id"][found["source"] == "loyalty"].iloc[:500]:
        doubled = "".join(
            str(int(digit) * (2 if place % 2 else 1)) for place, digit in enumerate(card[::-1])
        )
        assert sum(map(int, doubled)) % 10 == 0


def test_names_in_chinese(found):
    masked = found[found["masked_name"] & ~found["name_before_marriage"]]
    assert masked["name"].str.fullmatch(r"\w{1,4}\*{1,2}").all()
    assert (
        masked["name"].str.len()
        == masked["full_family"].str.len() + masked["name"].str.count(r"\*")
    ).all()
    other = ["english_name", "latin_spelling", "name_blanks", "swapped_names", "masked_name"]
    plain = found[~found[other].any(axis=1)]
    titled = plain[plain["missing_given_name"]]
    assert titled["name"].str.fullmatch(r"\w{1,4}(女士|先生)").all()
    assert titled["given_name"].isna().all()
    assert found["name"][found["missing_name"]].isna().all()
    assert found["family_name"][found["missing_family_name"]].isna().all()


def test_a_homophone_sounds_alike_and_is_one_other_character(found):
    others = ["swapped_names", "missing_given_name"]
    heard = found[found["homophone"] & ~found[others].any(axis=1) & found["held_given_name"]]
    assert len(heard) > 50
    for wrong, right in zip(heard["given_name"], heard["true_given_name"], strict=True):
        differing = [(one, other) for one, other in zip(wrong, right, strict=True) if one != other]
        assert len(wrong) == len(right)
        assert len(differing) == 1
        assert READING[differing[0][0]] == READING[differing[0][1]]


def roman(found):
    is_roman = found["latin_spelling"] & ~found["latin_typo"] & ~found["missing_family_name"]
    return found[is_roman & ~found["missing_given_name"] & ~found["name_before_marriage"]]


def test_latin_spelling_is_the_pinyin_in_several_ways(found):
    spelled = roman(found)
    spelled = spelled[spelled["full_family"].isin(SURNAME_LATIN)]
    given = spelled["person"].map(
        found.drop_duplicates("person").set_index("person")["true_given_name"]
    )
    assert spelled["name"].str.isascii().all()
    seen = spelled["name"].str.lower().str.replace(r"[ -]", "", regex=True)
    whole = [
        (SURNAME_LATIN[family], given)
        for family, given in zip(spelled["full_family"], given.fillna(""), strict=True)
    ]
    for text, (family, characters) in zip(seen, whole, strict=True):
        if characters:
            pinyin = "".join(READING[one] for one in characters)
            assert text in {family + pinyin, pinyin + family}
    for pattern in (
        r"[A-Z][a-z]+ [A-Z][a-z]+",
        r"[A-Z][a-z]+ [A-Z][a-z]+ [A-Z][a-z]+",
        r".*-.*",
        r"[A-Z -]+",
        r"[a-z-]+",
    ):
        assert spelled["name"].str.fullmatch(pattern).mean() > 0.02
    first = [text.startswith(family) for text, (family, _) in zip(seen, whole, strict=True)]
    assert 0.5 < np.mean(first) < 0.8


def test_english_names_stand_before_pinyin(found):
    called = found[found["english_name"] & ~found["latin_typo"] & ~found["swapped_names"]]
    begins = [
        name.lower().startswith(english.lower())
        for name, english in zip(called["name"], called["english"], strict=True)
    ]
    assert len(begins) > 500
    assert all(begins)
    held = called[called["held_given_name"]]
    assert (held["given_name"].str.lower() == held["english"].str.lower()).all()


def edits(one, other):
    """Optimal string alignment distance (Damerau-Levenshtein with adjacent transpositions)."""
    table = [
        [max(i, j) if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)
    ]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            cost = one[i - 1] != other[j - 1]
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + cost)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def test_a_typo_is_one_edit(found):
    phones = found[found["phone_typo"]]
    phones = phones[~phones[["phone_format", "phone_full_width", "changed_phone"]].any(axis=1)]
    emails = found[found["email_typo"] & ~found["other_email"] & ~found["email_upper_case"]]
    for name, typed in (("phone", phones), ("email", emails)):
        assert len(typed) > 40
        written, true = typed[name], typed[f"true_{name}"]
        assert all(edits(one, other) == 1 for one, other in zip(written, true, strict=True))
        assert {-1, 0} == set(written.str.len() - true.str.len())
    providers = emails["email"].str.split("@").str[1] == emails["true_email"].str.split("@").str[1]
    assert providers.all()


def test_a_typo_of_a_name_is_one_edit(found):
    typed = found[found["latin_typo"] & found["english_name"] & found["held_given_name"]]
    typed = typed[~typed["swapped_names"] & ~typed["missing_family_name"]]
    typed = typed[typed["full_family"].isin(SURNAME_LATIN)]
    distances = [
        (edits(given.lower(), english.lower()), edits(family.lower(), SURNAME_LATIN[full]))
        for given, english, family, full in zip(
            typed["given_name"],
            typed["english"],
            typed["family_name"],
            typed["full_family"],
            strict=True,
        )
    ]
    assert len(distances) > 10
    stale = typed["name_before_marriage"].tolist()
    assert all(
        sum(one) == 1 for one, is_stale in zip(distances, stale, strict=True) if not is_stale
    )


def test_swapped_names_stand_in_each_others_place(found):
    others = GROUPS["names"][1].replace("swapped_names", "").split()
    swapped = found[found["swapped_names"] & ~found[others].any(axis=1)]
    held = swapped[swapped["held_given_name"]]
    assert (held["given_name"] == held["true_family_name"]).all()
    assert (held["family_name"] == held["true_given_name"]).all()
    assert (held["name"] == held["family_name"] + held["given_name"]).all()
    assert len(held) > 100


def test_blanks_are_inside_the_name(found):
    spaced = found[found["name_blanks"]]
    is_roman = spaced["english_name"] | spaced["latin_spelling"]
    assert spaced["name"][~is_roman].str.fullmatch(r"\w+[ \u3000]\w+").all()
    assert spaced["name"][~is_roman].str.contains("\u3000").mean() > 0.3
    assert spaced["name"][is_roman].str.contains("  ").all()
    assert (spaced["name"] == spaced["name"].str.strip()).all()


def test_birth_dates(found):
    default = found[found["default_birth_date"]]
    assert (default["birth_date"] == pd.Timestamp(1980, 1, 1)).all()
    swapped = found[found["swapped_day_and_month"]]
    written, true = swapped["birth_date"].dt, swapped["true_birth_date"].dt
    assert (written.year == true.year).all()
    assert (written.month == true.day).all()
    assert (written.day == true.month).all()


def test_a_shop_writes_its_own_number_for_customers_who_gave_none(people, found):
    written = found[found["shop_phone"]]
    assert set(written["kind"]) == {WEB_SHOP, BRANCH, LOYALTY}
    assert (written.groupby("source", observed=True)["phone"].nunique() == 1).all()
    assert written["phone"].nunique() == written["source"].nunique()
    assert not set(written["phone"]) & set(people["phone"].to_pylist())
    without = found[found["missing_phone"] & ~found["shop_phone"]]
    assert without["phone"].isna().all()


def test_a_changed_phone_is_a_number_that_nobody_else_has(people, found):
    spoilt = ["phone_typo", "phone_format", "phone_full_width"]
    changed = found[found["changed_phone"] & ~found[spoilt].any(axis=1)]
    assert changed["phone"].str.fullmatch(r"1[3-9]\d{9}").all()
    assert changed["phone"].is_unique
    everyone = people["phone"].to_pylist() + people["old_phone"].to_pylist()
    assert not set(changed["phone"]) & set(everyone)


def test_virtual_phones_have_an_extension_and_are_shared(found):
    virtual = found[found["virtual_phone"]]
    assert virtual["phone"].str.fullmatch(r"1840012\d{4}-\d{4}").all()
    assert set(virtual["kind"]) == {MARKETPLACE}


def test_phones_are_written_in_many_ways(found):
    spoilt = ["phone_typo", "changed_phone"]
    formatted = found[found["phone_format"] & ~found[spoilt].any(axis=1)]
    narrow = formatted["phone"].str.translate({0xFF10 + digit: str(digit) for digit in range(10)})
    digits = narrow.str.replace(r"\D", "", regex=True)
    assert (digits.str[-11:] == formatted["true_phone"]).all()
    ways = [
        r"\+86 \d{3} \d{4} \d{4}",
        r"\d{3}-\d{4}-\d{4}",
        r"\d{3} \d{4} \d{4}",
        r"\+86-\d{11}",
        r"0086\d{11}",
        r"\(\+86\)\d{11}",
    ]
    shares = [narrow.str.fullmatch(way).mean() for way in ways]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0.13
    wide = found[found["phone_full_width"]]
    assert not wide["phone"].str.contains("[0-9]", regex=True).any()


def test_emails_of_another_address_and_in_capitals(found):
    spoilt = ["email_typo", "email_upper_case"]
    other = found[found["other_email"] & ~found[spoilt].any(axis=1)]
    assert (other.groupby("person")["email"].nunique() == 1).all()
    assert (other.groupby("email")["person"].nunique() == 1).all()
    assert other["email"].str.endswith("@yeah.example").all()
    assert not found["true_email"].str.endswith("@yeah.example").any()
    upper = found[found["email_upper_case"] & ~found[["email_typo", "other_email"]].any(axis=1)]
    assert (upper["email"].str.lower() == upper["true_email"]).all()


def test_abbreviated_addresses_keep_street_number_and_room(found):
    short = found[found["address_abbreviation"] & ~found["address_full_width"]]
    parts = short["true_address"].str.extract(r"^(\w+?\d+)号.*?(\d+)室$")
    assert (short["address"].str.len() <= short["true_address"].str.len()).all()
    starts = [one.startswith(part) for one, part in zip(short["address"], parts[0], strict=True)]
    ends = [one.endswith(part) for one, part in zip(short["address"], parts[1], strict=True)]
    assert all(starts)
    assert all(ends)


@pytest.mark.parametrize(
    ("event", "before", "after", "column"),
    [
        ("phone_changed_on", "old_phone", "phone", "phone"),
        ("moved_on", "old_address", "address", "address"),
    ],
)
def test_what_has_changed_is_so_from_midnight_in_china(people, event, before, after, column):
    persons = people.to_pandas(date_as_object=False)
    changed = persons[persons[event].notna()].index[:800]
    day = persons.loc[changed, event].dt.tz_localize("Asia/Shanghai").dt.tz_convert("UTC")
    for seconds, name in ((-1, before), (0, after)):
        moments = (day + pd.Timedelta(seconds=seconds)).to_list()
        appearances = pa.table(
            {
                "person_index": changed.to_numpy(),
                "source": ["web_shop"] * len(changed),
                "list_owner": pa.nulls(len(changed)),
                "registered_at": pa.array(moments, pa.timestamp("us", "UTC")),
            }
        )
        found = record(people, appearances).to_pandas()
        corruptions = GROUPS[column][1].split()
        sound = found["corruptions"].map(lambda one: not set(one) & set(corruptions))  # noqa: B023
        truth = persons.loc[changed, name].reset_index(drop=True)
        assert (found[column] == truth)[sound].all()
        assert sound.sum() > 300


def test_sources_may_be_text_and_must_be_known(people):
    appearances = appear(count=50)
    texts = appearances.set_column(1, "source", appearances["source"].cast(pa.string()))
    assert record(people, texts).equals(record(people, appearances))
    unknown = texts.set_column(1, "source", pa.array(["web_shop"] * 49 + ["web shop"]))
    with pytest.raises(ValueError, match=r"source must be one of web_shop, .*, got web shop"):
        record(people, unknown)


def test_a_person_may_not_have_more_records_in_a_source_than_ids(people):
    one = appear(count=17).set_column(0, "person_index", pa.array([3] * 17))
    one = one.set_column(1, "source", pa.array(["loyalty"] * 17))
    with pytest.raises(ValueError, match="16 records in a source at most, got 17"):
        record(people, one)
    assert record(people, one.slice(1)).num_rows == 16
