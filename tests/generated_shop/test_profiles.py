"""Groups of customers by age and sex, where both are known of some: computed again in Python."""

from collections import Counter, defaultdict

import duckdb
import pytest

LEAST = 10
BANDS = [(0, 18, "under 18"), (18, 25, "18-24"), (25, 35, "25-34"), (35, 45, "35-44")]
BANDS += [(45, 55, "45-54"), (55, 65, "55-64"), (65, 120, "65+")]


def band(born, day):
    """The band of the age in full years; a day that has not come in its year does not count."""
    if born is None or born > day:
        return "unknown"
    age = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return next((name for low, high, name in BANDS if low <= age < high), "unknown")


def folded(groups):
    """The groups of one profile, the smallest of them as one of at least ten customers."""
    small, kept = [], {}
    for name, members in sorted(groups.items(), key=lambda one: (len(one[1]), one[0])):
        if len(members) < LEAST or 0 < len(small) < LEAST:
            small += members
        else:
            kept[name] = members
    return kept | ({"small groups": small} if small else {})


def by(people, place):
    groups = defaultdict(list)
    for one in people:
        groups[one[place]].append(one)
    return folded(groups)


def test_age_and_sex_are_those_of_the_customers(warehouse):
    (as_of,) = warehouse.execute("select as_of_date from intermediate.int_as_of_date").fetchone()
    people = [
        (band(born, as_of), sex or "unknown", region or "unknown", purchases, later, days)
        for born, sex, region, purchases, later, days in warehouse.execute(
            """
            select
                customers.birth_date, customers.sex, customers.region, count(*),
                count(*) filter (where not is_first_day),
                (select last_date from intermediate.int_as_of_date) - min(orders.order_date)
            from (
                select
                    *,
                    order_date = min(order_date) over (partition by customer_id) as is_first_day
                from core.fct_orders
                where is_purchase and not is_cancelled and not is_gone
            ) as orders
            inner join core.dim_customers as customers using (customer_id)
            where customer_id not in ('anonymous', 'erased')
            group by customer_id, customers.birth_date, customers.sex, customers.region
            """
        ).fetchall()
    ]
    expected = {("all customers", None, None, None): people}
    for age, members in by(people, 0).items():
        expected["age_band", age, None, None] = members
        for sex, some in by(members, 1).items():
            expected["age_band × sex", age, sex, None] = some
    expected |= {("sex", None, sex, None): members for sex, members in by(people, 1).items()}
    expected |= {("region", None, None, one): members for one, members in by(people, 2).items()}
    assert {"under 18", "65+", "unknown"} <= {key[1] for key in expected}
    assert ("region", None, None, "small groups") in expected

    found = {
        tuple(row[:4]): row[4:]
        for row in warehouse.execute(
            """
            select
                profile, age_band, sex, region, customers, purchases,
                purchases_per_year, purchases_per_year_low, purchases_per_year_high
            from marts.customer_profiles
            where profile in ('all customers', 'age_band', 'sex', 'region', 'age_band × sex')
            """
        ).fetchall()
    }
    assert found.keys() == expected.keys()
    for key, (customers, purchases, rate, low, high) in found.items():
        members = expected[key]
        assert (customers, purchases) == (len(members), sum(one[3] for one in members))
        later, days = (sum(one[place] for one in members) for place in (4, 5))
        assert rate == pytest.approx(later / days * 365.25)
        assert low <= rate <= high


def test_each_profile_adds_up_to_all_customers(warehouse):
    everybody = warehouse.execute("select count(*) from marts.rfm").fetchone()[0]
    sums = dict(
        warehouse.execute(
            "select profile, sum(customers) from marts.customer_profiles group by profile"
        ).fetchall()
    )
    assert len(sums) == 8
    assert Counter(sums.values()) == {everybody: 8}


def test_the_bi_file_shows_bands_and_no_birthdays(refreshed):
    published = refreshed / "warehouse/current/regulars.duckdb"
    with duckdb.connect(published, read_only=True) as connection:
        columns = {
            name
            for (name,) in connection.execute(
                "select column_name from duckdb_columns() where not internal"
            ).fetchall()
        }
        least = connection.execute("select min(customers) from marts.customer_profiles").fetchone()[
            0
        ]
    assert "age_band" in columns
    assert not {"birth_date", "age"} & columns
    assert least >= LEAST
