import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.stats import binomtest, chisquare

from regulars.generated_shop import names
from regulars.generated_shop.numbering import LARGEST_PERSON_NUMBER
from regulars.generated_shop.people import (
    BUSINESS_SIZES,
    HOUSEHOLDS,
    PEOPLE_SCHEMA,
    PeopleSettings,
    make_people,
)
from regulars.generated_shop.settings_section import floors

FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2025, 12, 31)
COUNT = 40_000
SETTINGS = PeopleSettings()
# With fixed seeds a test passes or fails for ever: this is how rare a result we call wrong.
LEAST_P = 1e-4


def make(seed=1, first_number=1, count=COUNT, settings=SETTINGS, **days):
    days = {"first_day": FIRST_DAY, "last_day": LAST_DAY} | days
    return make_people(np.random.default_rng(seed), first_number, count, settings, **days)


@pytest.fixture(scope="module")
def people():
    return frame(make())


def frame(table):
    found = table.to_pandas(date_as_object=False)
    return found.assign(
        has_email=found["email"].notna(),
        family_size=found.groupby("family_number")["person_number"].transform("size"),
        is_head=found["family_role"] == "head",
    )


def ages(people, on=FIRST_DAY):
    born = people["birth_date"].dt
    not_yet = born.month * 100 + born.day > on.month * 100 + on.day
    return on.year - born.year - not_yet


def assert_share(hits, trials, share):
    assert trials > 0
    assert binomtest(int(hits), int(trials), share).pvalue > LEAST_P, (hits, trials, share)


def test_columns_and_numbers():
    table = make(first_number=31, count=100)
    assert table.schema == PEOPLE_SCHEMA
    assert table["person_number"].to_pylist() == list(range(31, 131))
    assert table["person_id"][0].as_py() == "P000000031"


def test_what_may_be_null(people):
    may_be = {
        *("business_number", "business_name", "english_name", "email", "income_band"),
        *("married_on", "married_family_name", "married_family_name_latin"),
        *("phone_changed_on", "old_phone", "moved_on"),
        *("old_address", "old_city", "old_province", "old_country"),
    }
    assert {name for name in people if people[name].isna().any()} == may_be


def test_the_same_seed_gives_the_same_people_and_another_one_others():
    assert make(seed=5, count=2_000).equals(make(seed=5, count=2_000))
    assert not make(seed=5, count=2_000).equals(make(seed=6, count=2_000))


@pytest.mark.parametrize("count", [*range(12), 57])
def test_a_chunk_has_as_many_people_as_asked_for_in_whole_families(count):
    for seed in range(5):
        table = make(seed=seed, count=count)
        assert table.num_rows == count
        roles = frame(table).groupby("family_number")["family_role"].agg(tuple)
        kinds = frame(table).groupby("family_number")["household"].first()
        written = {one.text: one.roles for one in HOUSEHOLDS}
        assert [written[kind] for kind in kinds] == roles.tolist()


def test_families_stand_together_and_live_together(people):
    family = people.groupby("family_number")
    assert (
        family["person_number"].max() - family["person_number"].min() + 1 == family.size()
    ).all()
    assert (family["person_number"].min() == family.size().index).all()
    together = ["household", "address", "city", "province", "country", "moved_on", "old_address"]
    assert (family[together].nunique() <= 1).all(axis=None)


def test_households_are_as_frequent_as_stated(people):
    found = people[people["is_head"]]["household"].value_counts()
    stated = np.array([one.share for one in HOUSEHOLDS])
    found = found.reindex([one.text for one in HOUSEHOLDS])
    assert stated.sum() == pytest.approx(1)
    assert chisquare(found, stated * found.sum()).pvalue > LEAST_P


@pytest.mark.parametrize("first_day", [FIRST_DAY, date(2024, 2, 29), date(2021, 8, 31)])
def test_students_are_12_to_17_and_adults_18_to_75(first_day):
    found = frame(make(count=20_000, first_day=first_day))
    age = ages(found, first_day)
    assert age.min() == 12
    assert age.max() <= 75
    assert set(found["family_role"][age < 18]) == {"child"}
    students = age[(age < 18)].value_counts()
    assert set(students.index) == set(range(12, 18))


def test_parents_are_older_than_children_and_younger_than_grandparents(people):
    by_role = people.pivot_table(
        index="family_number", columns="family_role", values="birth_date", aggfunc=["min", "max"]
    )
    years = pd.Timedelta(days=365.2425)
    parents = by_role["max"][["head", "spouse"]].max(axis=1)
    assert ((by_role["min"]["child"] - parents) / years).min() > 23.9
    assert ((by_role["min"]["head"] - by_role["max"]["grandparent"]) / years).min() > 20.9


def test_leap_days_are_birthdays_as_often_as_other_days(people):
    born = people["birth_date"].dt
    leap = (born.month == 2) & (born.day == 29)
    assert_share(leap.sum(), len(people), 1 / 1461)
    months = np.bincount(born.month, minlength=13)[1:]
    days = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    assert chisquare(months, days / days.sum() * months.sum()).pvalue > LEAST_P


def test_spouses_are_of_two_sexes_and_others_by_the_setting(people):
    couples = people[people["household"].str.contains("couple")]
    pairs = couples[couples["family_role"].isin(["head", "spouse"])]
    assert (pairs.groupby("family_number")["sex"].nunique() == 2).all()
    others = people[people["family_role"] != "spouse"]
    assert_share((others["sex"] == "female").sum(), len(others), SETTINGS.share_women)


def test_surnames_are_as_frequent_as_in_life(people):
    # Heads only: children have their father's name.
    found = people[people["is_head"]]["family_name"].value_counts()
    weights = pd.Series({one.character: one.weight for one in names.SURNAMES})
    expected = weights / weights.sum() * found.sum()
    assert expected.index.is_unique
    is_rare = expected < 5
    both = pd.DataFrame({"found": found, "expected": expected}).fillna(0)
    both = both.groupby(
        is_rare.reindex(both.index).map({True: "rare"}).fillna(both.index.to_series())
    )
    assert chisquare(both["found"].sum(), both["expected"].sum()).pvalue > LEAST_P
    assert found.index[0] in "王李张"


@pytest.mark.parametrize("sex", ["female", "male"])
def test_given_names_are_as_frequent_as_stated(people, sex):
    given = people[people["sex"] == sex]["given_name"]
    assert set(given.str.len()) == {1, 2}
    found = given.str[0].value_counts()
    weights = {one.character: getattr(one, f"{sex}_weight") for one in names.GIVEN_NAME_CHARACTERS}
    expected = pd.Series(weights)[lambda weight: weight > 0] * len(given)
    assert expected.sum() == pytest.approx(len(given))
    assert chisquare(found.reindex(expected.index).fillna(0), expected).pvalue > LEAST_P


@pytest.mark.parametrize("sex", ["female", "male"])
def test_namesakes_are_as_many_as_the_frequencies_make(people, sex):
    # Heads of larger families: singles have planted doubles besides.
    heads = people[people["is_head"] & (people["family_size"] > 1) & (people["sex"] == sex)]
    full = (heads["family_name"] + heads["given_name"]).value_counts()
    surnames = np.array([one.weight for one in names.SURNAMES])
    given = np.array([getattr(one, f"{sex}_weight") for one in names.GIVEN_NAME_CHARACTERS])
    alike = (given**2).sum()
    short = SETTINGS.share_single_character
    same = (surnames**2).sum() / surnames.sum() ** 2
    same *= short**2 * alike + (1 - short) ** 2 * alike**2
    pairs = (full * (full - 1) // 2).sum()
    assert pairs > 200
    assert pairs == pytest.approx(same * len(heads) * (len(heads) - 1) / 2, rel=0.2)


def test_children_have_their_fathers_family_name(people):
    for role in ("head", "spouse"):
        fathers = people[(people["family_role"] == role) & (people["sex"] == "male")]
        if role == "spouse":
            assert (fathers["household"].str.contains("couple|three")).all()
        named = fathers.set_index("family_number")["family_name"]
        children = people[people["family_role"] == "child"]
        fathered = children[children["family_number"].isin(named.index)]
        assert (fathered["family_name"] == fathered["family_number"].map(named)).all()
        assert len(fathered) > 1_000


def test_pinyin_is_that_of_the_characters(people):
    surnames = {one.character: one.latin for one in names.SURNAMES}
    assert (people["family_name"].map(surnames) == people["family_name_latin"]).all()
    readings = {one.character: one.latin for one in names.GIVEN_NAME_CHARACTERS}
    spelled = ["".join(map(readings.get, given)).capitalize() for given in people["given_name"]]
    assert spelled == people["given_name_latin"].tolist()


def test_rare_characters_occur_and_gb18030_holds_them(people):
    full = people["family_name"] + people["given_name"]
    rare = [name for name in full if any(ord(one) > 0xFFFF for one in name)]
    assert len(rare) > 10
    assert "".join(rare).encode("gb18030").decode("gb18030") == "".join(rare)
    assert (people["family_name"] == "欧阳").any()


def test_lists_of_names():
    assert len(names.SURNAMES) >= 120
    assert len(names.GIVEN_NAME_CHARACTERS) >= 200
    assert len(set(names.FEMALE_ENGLISH_NAMES + names.MALE_ENGLISH_NAMES)) == 60
    assert len(names.CITIES) >= 40
    assert len({city.name for city in names.CITIES}) == len(names.CITIES)
    assert all(len(alike) == len(set(alike)) >= 2 for alike in names.HOMOPHONES.values())
    heard = {one: latin for latin, alike in names.HOMOPHONES.items() for one in alike}
    assert len(heard) == sum(map(len, names.HOMOPHONES.values()))  # one reading a character
    assert all(heard[one.character] == one.latin for one in names.GIVEN_NAME_CHARACTERS)


def counted(found):
    """Hits and trials of each share of the settings, out of the people alone."""
    heads, families = found[found["is_head"]], found[found["family_size"] > 1]
    couples = heads[heads["household"].str.contains("couple|three")]
    wives = found[(found["sex"] == "female") & found["married_on"].notna()]
    husbands = found[(found["sex"] == "male") & found["married_on"].notna()]
    husband = wives["family_number"].map(husbands.set_index("family_number")["family_name"])
    can_take = wives[wives["family_name"] != husband]
    of_families = families.groupby("family_number")
    childless = couples[couples["household"] == "couple"]
    singles = found[found["household"] == "single"]
    alike = singles.duplicated(["family_name", "given_name", "sex", "birth_date"])
    own_number = found["phone"] == found.groupby("family_number")["phone"].transform("first")
    settled = heads[heads["country"] == "China"]
    single_phone = of_families["phone"].nunique() == 1
    return {
        "share_business": ((found["kind"] == "business").sum(), len(found)),
        "share_abroad": ((heads["country"] != "China").sum(), len(heads)),
        "share_single_character": ((found["given_name"].str.len() == 1).sum(), len(found)),
        "share_doubles": (alike.sum(), len(singles)),
        "share_english_name": (found["english_name"].notna().sum(), len(found)),
        "share_without_email": ((singles["email"].isna()).sum(), len(singles)),
        "share_family_phone": (single_phone.sum(), len(single_phone)),
        "share_phone_changed": (
            found[~own_number | found["is_head"]]["phone_changed_on"].notna().sum(),
            (~own_number | found["is_head"]).sum(),
        ),
        "share_moved": (settled["moved_on"].notna().sum(), len(settled)),
        "share_married_in_period": (
            (childless["married_on"] > pd.Timestamp(FIRST_DAY)).sum(),
            len(childless),
        ),
        "share_married_name": (can_take["married_family_name"].notna().sum(), len(can_take)),
        "share_without_income_band": (heads["income_band"].isna().sum(), len(heads)),
    }


SHARES = sorted(PeopleSettings.model_fields.keys() - {"share_women", "share_family_email"})


@pytest.fixture(scope="module")
def counts(people):
    return counted(people)


@pytest.fixture(scope="module")
def other_counts():
    raised = PeopleSettings(**dict.fromkeys(floors(PeopleSettings), 0.37))
    return counted(frame(make(seed=2, settings=raised)))


@pytest.mark.parametrize("share", SHARES)
def test_shares_are_those_of_the_settings(counts, share):
    assert_share(*counts[share], getattr(SETTINGS, share))


@pytest.mark.parametrize("share", SHARES)
def test_shares_follow_their_settings(other_counts, share):
    assert_share(*other_counts[share], 0.37)


def test_families_share_the_address_of_a_head_who_has_one(people):
    families = people[people["family_size"] > 1]
    heads = families[families["is_head"]].set_index("family_number")["email"]
    emails = families.groupby("family_number")["email"]
    shared = (emails.nunique() == 1) & (emails.count() == emails.size())
    with_one = shared[heads.notna().reindex(shared.index)]
    assert_share(with_one.sum(), len(with_one), SETTINGS.share_family_email)


def test_phones_and_addresses_are_nobody_elses(people):
    assert people["phone"].str.fullmatch(r"1[3-9]\d{9}").all()
    assert people["old_phone"].dropna().str.fullmatch(r"1[3-9]\d{9}").all()
    for name in ("phone", "email", "old_phone"):
        families = people.dropna(subset=name).groupby(name)["family_number"].nunique()
        assert (families == 1).all()
    assert not set(people["phone"]) & set(people["old_phone"])
    # Within a family either everybody is on the head's phone, or each has an own one.
    numbers = people.groupby("family_number")["phone"].nunique()
    sizes = people.groupby("family_number").size()
    assert ((numbers == 1) | (numbers == sizes)).all()


def test_chunks_have_nothing_in_common():
    one, other = frame(make(count=5_000)), frame(make(seed=2, first_number=5_001, count=5_000))
    for name in ("person_id", "family_number", "phone", "old_phone", "email", "business_number"):
        assert not set(one[name].dropna()) & set(other[name].dropna())


def test_addresses_reach_nobody(people):
    emails = people["email"].dropna()
    assert emails.str.fullmatch(r"[a-z0-9._]+@[a-z0-9]+\.example").all()
    styles = emails.str.replace(r"[a-z]+", "a", regex=True).str.replace(r"\d+", "9", regex=True)
    assert styles.nunique() >= 6
    assert emails.str.split("@").str[1].nunique() > len(names.MAIL_PROVIDERS)


def test_business_accounts_have_one_to_six_grown_contacts_in_a_city(people):
    contacts = people[people["kind"] == "business"]
    accounts = contacts.groupby("business_number")
    assert (accounts[["city", "business_name"]].nunique() == 1).all(axis=None)
    assert set(accounts.size()) == set(range(1, 1 + len(BUSINESS_SIZES)))
    assert ages(contacts).min() >= 22
    assert set(accounts.size().index) <= set(contacts["person_number"])
    assert people[people["kind"] == "consumer"]["business_number"].isna().all()


def test_couples_marry_of_age_and_before_their_children(people):
    couples = people[people["married_on"].notna()]
    assert set(couples["family_role"]) == {"head", "spouse"}
    assert (couples.groupby("family_number")["married_on"].nunique() == 1).all()
    assert (couples.groupby("family_number").size() == 2).all()
    assert ((couples["married_on"] - couples["birth_date"]).dt.days / 365.2425).min() > 21
    children = people[people["family_role"] == "child"].groupby("family_number")["birth_date"].min()
    wedding = couples.groupby("family_number")["married_on"].first()
    assert (wedding < children.reindex(wedding.index)).sum() == children.index.isin(
        wedding.index
    ).sum()
    assert couples["married_on"].max() <= pd.Timestamp(LAST_DAY)


def test_wives_put_their_husbands_name_before_or_instead_of_their_own(people):
    wives = people[people["married_family_name"].notna()]
    assert set(wives["sex"]) == {"female"}
    husbands = people[(people["sex"] == "male") & people["married_on"].notna()]
    of_family = husbands.set_index("family_number")
    for suffix, gap in (("", ""), ("_latin", " ")):
        theirs = wives["family_number"].map(of_family[f"family_name{suffix}"])
        married = wives[f"married_family_name{suffix}"]
        instead = married == theirs
        before = married == theirs + gap + wives[f"family_name{suffix}"]
        assert (instead | before).all()
        assert_share(instead.sum(), len(wives), 0.5)


@pytest.mark.parametrize(
    ("event", "before"), [("moved_on", "old_address"), ("phone_changed_on", "old_phone")]
)
def test_changes_lie_evenly_in_the_period(people, event, before):
    assert (people[event].notna() == people[before].notna()).all()
    days = (people[people["is_head"]][event].dropna() - pd.Timestamp(FIRST_DAY)).dt.days
    assert days.min() >= 1
    assert days.max() <= (LAST_DAY - FIRST_DAY).days
    assert chisquare(np.histogram(days, 5, (1, 1096))[0]).pvalue > LEAST_P


def test_addresses_look_like_addresses(people):
    pattern = re.compile(r"(\w+?)\d{1,3}号\d{1,2}栋\d单元\d{3,4}室")
    streets = {pattern.fullmatch(address)[1] for address in people["address"]}
    assert streets == set(names.STREETS)
    provinces = {city.name: (city.province, city.country) for city in names.CITIES}
    where = people[["city", "province", "country"]].drop_duplicates()
    assert all(provinces[city] == (province, country) for city, province, country in where.values)


@pytest.mark.parametrize("share", sorted(floors(PeopleSettings)))
def test_shares_have_floors(share):
    floor = floors(PeopleSettings)[share]
    assert getattr(PeopleSettings(**{share: floor}), share) == floor
    for wrong in (floor - 0.001, 1.001, float("nan")):
        with pytest.raises(ValidationError, match=share):
            PeopleSettings(**{share: wrong})


def test_every_share_has_a_floor():
    assert floors(PeopleSettings).keys() == PeopleSettings.model_fields.keys()


def test_clear_errors():
    for first_number, count in ((0, 5), (1, -1), (LARGEST_PERSON_NUMBER, 2)):
        with pytest.raises(ValueError, match="numbered from 1 to 99999999"):
            make(first_number=first_number, count=count)
    assert make(first_number=LARGEST_PERSON_NUMBER, count=1).num_rows == 1
    with pytest.raises(ValueError, match="last_day must be after first_day 2023-01-01"):
        make(last_day=FIRST_DAY)
