"""Service, points, owners and visits: the landing files, read by hand, against the truth."""

import json
import math
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from tests.generated_shop.landing_files import (
    MERCHANDISE,
    files,
    json_records,
    orders_of,
    records,
)

LEAST_P = 1e-4
CHINA = timedelta(hours=8)
BRANCHES = {  # ending, encoding, delimiter
    "branch_beijing": ("csv", "gb18030", ","),
    "branch_shanghai": ("tsv", "gb18030", "\t"),
    "branch_guangzhou": ("txt", "utf-16", "\t"),
}
SYSTEMS = {"WEB": "web_shop", "MKT": "marketplace"}
POINT_CHANNELS = {
    "online": "web_shop",
    "market": "marketplace",
    "bj": "branch_beijing",
    "sh": "branch_shanghai",
    "gz": "branch_guangzhou",
}
POINT_LINES = {"POINTS", "积分", "抵扣", "points"}
DECIDED = timedelta(days=3)  # within which a failure is complained of


def truth(shop, name):
    return pq.read_table(shop / "truth" / f"{name}.parquet").to_pylist()


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.fixture(scope="module")
def true_orders(shop):
    return {(order["source"], order["order_id"]): order for order in truth(shop, "orders")}


@pytest.fixture(scope="module")
def person_of(shop):
    """The person and the beginning of each record."""
    return {
        (record["source"], record["source_customer_id"]): record
        for record in truth(shop, "records")
    }


@pytest.fixture(scope="module")
def people(shop):
    return {person["person_id"]: person for person in truth(shop, "people")}


def json_lines(shop, source, pattern):
    for path in files(shop, source, pattern):
        yield from json_records(path)


@pytest.fixture(scope="module")
def tickets(shop):
    """Each ticket as its last delivery says."""
    rows = json_lines(shop, "call_centre", "tickets_*.jsonl")
    return list({row["ticket"]: row for row in rows}.values())


@pytest.fixture(scope="module")
def complaints(tickets):
    return {
        (SYSTEMS[ticket["about"]["system"]], ticket["about"]["no"]): ticket
        for ticket in tickets
        if ticket["topic"] == "complaint"
    }


# ---------- complaints


def test_every_complaint_of_the_truth_is_there_and_no_other(
    complaints, tickets, true_orders, person_of
):
    newest = max(order["ordered_at"] for order in true_orders.values())
    for key, ticket in complaints.items():
        order = true_orders[key]
        assert ticket["cause"] == order["failure"] is not None
        assert ticket["agent"] == order["complained_to"]
        caller = person_of["call_centre", ticket["caller"]]
        assert caller["person_id"] == order["person_id"]
        assert caller["registered_at"] <= moment(ticket["opened"])
        wait = moment(ticket["opened"]) - order["ordered_at"]
        assert timedelta(days=1) - timedelta(seconds=1) <= wait <= DECIDED
    true = {key for key, order in true_orders.items() if order["complained_to"]}
    assert complaints.keys() <= true
    missing = true - complaints.keys()
    assert all(true_orders[key]["ordered_at"] > newest - DECIDED for key in missing)
    assert len(complaints) == sum(ticket["topic"] == "complaint" for ticket in tickets) > 60


def test_a_ticket_comes_again_when_something_has_happened(shop):
    settings = json.loads((shop / "truth" / "settings.json").read_text("utf-8"))
    deliveries = defaultdict(list)
    for path in files(shop, "call_centre", "tickets_*.jsonl"):
        in_nights = path.is_relative_to(shop / "nights")
        day = path.parent.parent.name if in_nights else settings["last_day"]
        for row in json_records(path):
            times = [row[name] for name in ("opened", "answered", "resolved") if row[name]]
            assert all((moment(one) + CHINA).date() <= date.fromisoformat(day) for one in times)
            assert row["changed"] == max(times)
            if in_nights:
                assert (moment(row["changed"]) + CHINA).date() == date.fromisoformat(day)
            deliveries[row["ticket"]].append(row)
    again = [rows for rows in deliveries.values() if len(rows) > 1]
    assert again
    for rows in again:
        for earlier, later in pairwise(rows):
            assert earlier["changed"] < later["changed"]
            assert all(later[name] for name in earlier if earlier[name])
    last_day = date.fromisoformat(settings["last_day"])
    is_open = [rows[-1] for rows in deliveries.values() if rows[-1]["steps"] is None]
    for row in is_open:
        assert (moment(row["opened"]) + CHINA).date() > last_day - timedelta(days=30)


def test_a_complaint_has_the_outcome_that_the_truth_says(complaints, true_orders):
    good = {True: 0, False: 0}
    for key, ticket in complaints.items():
        order = true_orders[key]
        if ticket["steps"] is None:  # the last nights' tickets are still open
            assert [ticket[name] for name in ("resolved", "stars", "paid_back")] == [None] * 3
            continue
        assert moment(ticket["opened"]) <= moment(ticket["answered"])
        assert ticket["resolved"] is None or ticket["resolved"] >= ticket["answered"]
        paid = Decimal(ticket["paid_back"] or 0)
        good[order["is_recovered"]] += 1
        if order["is_recovered"]:
            assert ticket["resolved"] is not None
        if key[0] != "web_shop":  # in dollars
            continue
        share = paid / order["net_revenue"]
        cent = Decimal("0.01") / order["net_revenue"]
        if order["is_recovered"]:
            assert Decimal("0.08") - cent <= share <= Decimal("0.3") + cent
        else:
            assert share <= Decimal("0.02") + cent
    assert min(good.values()) > 20


def test_seven_of_ten_failures_are_complained_of_to_any_agent(shop, true_orders):
    failed = [order for order in true_orders.values() if order["failure"]]
    complained = [order for order in failed if order["complained_to"]]
    assert stats.binomtest(len(complained), len(failed), 0.7).pvalue > LEAST_P
    agents = [row for row in truth(shop, "employees") if row["role"] == "agent"]
    taken = [
        sum(order["complained_to"] == agent["employee_id"] for order in complained)
        for agent in agents
    ]
    assert sum(taken) == len(complained)
    assert stats.chisquare(taken).pvalue > LEAST_P
    recovered = sum(order["is_recovered"] for order in failed)
    chances = {agent["employee_id"]: agent["chance_to_recover"] for agent in agents}
    expected = [chances[order["complained_to"]] for order in complained]
    # a sum of unlike coins
    spread = math.sqrt(sum(chance * (1 - chance) for chance in expected))
    assert 2 * stats.norm.sf(abs(recovered - sum(expected)) / spread) > LEAST_P
    assert not any(order["is_recovered"] for order in failed if not order["complained_to"])


def test_questions_are_answered_as_fast_as_the_person_is_waited_on(tickets, person_of, people):
    waits = []
    for ticket in tickets:
        if ticket["topic"] != "complaint":
            wait = moment(ticket["answered"]) - moment(ticket["opened"])
            person = people[person_of["call_centre", ticket["caller"]]["person_id"]]
            waits.append(wait / timedelta(days=0.1) / person["answer_wait"])
    assert len(waits) > 30
    assert stats.kstest(waits, stats.expon.cdf).pvalue > LEAST_P


def test_reviews_show_satisfaction_and_what_went_wrong(shop, true_orders, people):
    content, annoyed = [], []
    for review in json_lines(shop, "web_shop", "reviews_*.jsonl"):
        order = true_orders["web_shop", review["order"]]
        assert order["source_customer_id"] == review["buyer"]
        assert moment(review["at"]) > order["ordered_at"]
        person = people[order["person_id"]]
        is_bad = order["failure"] and not order["is_recovered"]
        (annoyed if is_bad else content).append((person["satisfaction"], review["stars"]))
    assert stats.spearmanr(content).pvalue < 1e-6
    assert len(content) > 200
    stars = [[star for _, star in one] for one in (content, annoyed)]
    assert sum(stars[1]) / len(stars[1]) < sum(stars[0]) / len(stars[0]) - 1


# ---------- points


@pytest.fixture(scope="module")
def entries(shop):
    found = []
    for path in files(shop, "loyalty", "points_*.csv"):
        for entry in records(path, "utf-8", ";"):
            points = Decimal(entry["points"].replace(",", "."))
            assert points == int(points)
            order = (
                (POINT_CHANNELS[entry["channel"]], entry["receipt"]) if entry["receipt"] else None
            )
            found.append(entry | {"points": int(points), "order": order})
    return found


def test_a_point_for_each_whole_yuan_of_a_members_paid_merchandise(entries, true_orders, person_of):
    earned = {entry["order"]: entry for entry in entries if entry["what"] == "earn"}
    assert len(earned) == sum(entry["what"] == "earn" for entry in entries)
    joined = {
        record["person_id"]: (record["registered_at"], card)
        for (source, card), record in person_of.items()
        if source == "loyalty"
    }
    expected = {}
    for key, order in true_orders.items():
        since, card = joined.get(order["person_id"], (None, None))
        is_paid_sale = not order["is_cancelled"] and order["returned_order_id"] is None
        if since is None or order["ordered_at"] < since or not is_paid_sale:
            continue
        if key[0] == "marketplace":  # told in dollars
            assert key not in earned or earned[key]["card"] == card
        elif (points := int(order["merchandise_revenue"] // 1)) > 0:
            expected[key] = (card, points)
    found = {
        key: (entry["card"], entry["points"])
        for key, entry in earned.items()
        if key[0] != "marketplace"
    }
    assert found == expected
    assert len(found) > 300


def test_burnt_points_are_a_line_of_their_order(shop, entries):
    burnt = {entry["order"]: entry["points"] for entry in entries if entry["what"] == "burn"}
    found = {}
    for source in ("web_shop", *BRANCHES):  # the marketplace's are in dollars
        for number, order in orders_of(shop, source).items():
            paid = sum(net for kind, net in order.lines.values() if kind in POINT_LINES)
            if paid:
                found[source, number] = paid * 100
    assert {key: points for key, points in burnt.items() if key[0] != "marketplace"} == found
    assert len(found) > 20


def test_no_account_is_ever_below_zero_and_half_lapses_at_the_end_of_a_year(entries):
    accounts = defaultdict(list)
    for entry in entries:
        accounts[entry["card"]].append((moment(entry["at"]), entry["what"], entry["points"]))
    lapses = 0
    for account in accounts.values():
        by_moment, by_year, lapsed = defaultdict(int), defaultdict(int), defaultdict(int)
        for at, what, points in account:
            by_moment[at] += points
            if what in ("earn", "burn"):
                by_year[(at + CHINA).year] += points
            if what == "lapse":
                assert (at + CHINA).strftime("%m-%d %H:%M") == "12-31 23:59"
                lapsed[(at + CHINA).year] += points
        balance = 0
        for at in sorted(by_moment):
            balance += by_moment[at]
            assert balance >= 0
        for year in (2024, 2025):
            assert lapsed[year] == -(by_year[year] // 2)
            lapses += lapsed[year] < 0
        assert lapsed.keys() <= {2024, 2025}
    assert lapses > 100


def test_bonds_are_those_of_the_members_accounts(shop, entries, person_of, people):
    held = defaultdict(set)
    for entry in entries:
        person = person_of["loyalty", entry["card"]]["person_id"]
        held[entry["bond"]].add(person)
        since = (moment(entry["at"]) + CHINA).date()
        if entry["bond"] != "financial":
            assert (entry["what"], entry["points"], entry["order"]) == ("adjust", 0, None)
            assert since == max(people[person]["bonds_since"], date(2024, 1, 1))
        assert since >= people[person]["bonds_since"]
    for bond in ("structural", "customised", "social"):
        true = {person for person, row in people.items() if row[f"has_{bond}_bond"]}
        assert held[bond] == true
        assert len(true) > 20
    members = {row["person_id"] for (source, _), row in person_of.items() if source == "loyalty"}
    assert {person for person, row in people.items() if row["has_financial_bond"]} == members
    assert {person for person, row in people.items() if row["bonds_since"]} == members
    assert held["financial"] <= members


def test_members_with_free_delivery_pay_no_shipping(shop, true_orders, people):
    paid = Counter()
    for number, order in orders_of(shop, "web_shop").items():
        true = true_orders["web_shop", number]
        worth = true["merchandise_revenue"]
        if true["returned_order_id"] or worth >= 99:
            continue
        buyer = people[true["person_id"]]
        day = (true["ordered_at"] + CHINA).date()
        is_free = buyer["has_structural_bond"] and buyer["bonds_since"] < day
        if is_free or not buyer["bonds_since"] or day < buyer["bonds_since"]:
            has_shipping = any(kind == "FREIGHT" for kind, _ in order.lines.values())
            paid[is_free, has_shipping] += 1
    assert paid.keys() == {(False, True), (True, False)}
    assert min(paid.values()) > 10


def test_occasions_are_the_members_birthdays_and_weddings(shop, person_of, people):
    told = Counter()
    for path in files(shop, "loyalty", "occasions_*.csv"):
        for row in records(path, "utf-8", ";"):
            person = people[person_of["loyalty", row["card"]]["person_id"]]
            name = {"birthday": "birth_date", "wedding": "married_on"}[row["occasion"]]
            assert date.fromisoformat(row["day"]) == person[name]
            told[row["occasion"], row["moon"]] += 1
    members = [people[row["person_id"]] for (of, _), row in person_of.items() if of == "loyalty"]
    wed = sum(person["married_on"] is not None for person in members)
    birthdays = told["birthday", "true"] + told["birthday", "false"]
    assert told["wedding", "true"] == 0
    for found, of, share in (
        (birthdays, len(members), 0.6),
        (told["wedding", "false"], wed, 0.6),
        (told["birthday", "true"], birthdays, 0.25),
    ):
        assert stats.binomtest(found, of, share).pvalue > LEAST_P


# ---------- head office's books


def test_costs_are_booked_for_each_shop_and_the_call_centre_once_a_month(shop):
    booked = Counter()
    for path in files(shop, "head_office", "costs_*.csv"):
        for row in records(path, "utf-8", ","):
            assert row["day"].endswith("-01")
            booked[row["kind"], row["shop"], row["day"][:7]] += 1
            least, most = {"selling": (15_000, 40_000), "service": (60_000, 60_000)}[row["kind"]]
            assert least <= Decimal(row["amount"]) <= most
    months = [f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13)]
    shops = [f"S{branch}{number}" for branch in (1, 2, 3) for number in (1, 2, 3)]
    cells = [("selling", place) for place in shops] + [("service", "")]
    expected = {(*cell, month) for cell in cells for month in [*months, "2026-01"]}
    assert set(booked) == expected
    assert set(booked.values()) == {1}


def test_rates_are_told_for_each_day_and_move_little(shop):
    rates = {}
    for path in files(shop, "head_office", "rates_*.csv"):
        for row in records(path, "utf-8", ","):
            assert row["currency"] == "USD"
            assert row["day"] not in rates
            rates[row["day"]] = float(row["yuan"])
    days = sorted(rates)
    assert days[0] == "2023-12-31"  # the last before the data
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    assert last == date(2026, 1, 6)
    assert len(days) == (last - first).days + 1
    steps = np.diff([rates[day] for day in days])
    back = 0.01 * (7.1 - np.array([rates[day] for day in days[:-1]]))
    assert stats.kstest(steps - back, stats.norm(scale=0.01).cdf).pvalue > LEAST_P


# ---------- owners


@pytest.fixture(scope="module")
def owned(shop):
    """The periods in which a salesperson's list says that a customer is theirs, in the end."""
    lines = defaultdict(list)
    for source, (ending, encoding, delimiter) in BRANCHES.items():
        for path in files(shop, source, f"customers_*.{ending}"):
            for row in records(path, encoding, delimiter):
                assert path.name.split("_")[1] == row["工号"]
                lines[source, row["客户编号"]].append(row)
    found = []
    for (source, number), rows in lines.items():
        rows.sort(key=lambda row: row["更新时间"])
        assert len({(row["工号"], row["登记日期"]) for row in rows}) == 1
        ends = rows[-1]["归属止"]
        assert all(row["归属止"] in ("", ends) for row in rows)
        found.append(
            (
                *(source, number, rows[-1]["工号"]),
                date.fromisoformat(rows[-1]["登记日期"]),
                date.fromisoformat(ends) if ends else None,
            )
        )
    return found


def test_owners_are_the_truths_from_the_first_day_to_the_day_they_leave(shop, owned, person_of):
    staff = {row["employee_id"]: row for row in truth(shop, "employees")}
    hired = {}
    for path in files(shop, "head_office", "staff_*.csv"):
        for row in records(path, "utf-8", ","):
            hired[row["number"]] = date.fromisoformat(row["hired"])
            assert (row["left"] or None) in (None, str(staff[row["number"]]["left_on"]))
    listed = {key: record for key, record in person_of.items() if record["list_owner"] is not None}
    assert {(source, number) for source, number, *_ in owned} == listed.keys()
    ended = 0
    for source, number, owner, owned_from, owned_to in owned:
        record = listed[source, number]
        assert record["list_owner"] == owner
        assert (record["registered_at"] + CHINA).date() == owned_from
        assert owned_to == staff[owner]["left_on"]
        assert hired[owner] <= owned_from
        assert owned_to is None or owned_from < owned_to
        ended += owned_to is not None
    assert ended > 20


def test_one_owner_at_a_time(owned, person_of):
    periods = defaultdict(list)
    for source, number, _, owned_from, owned_to in owned:
        periods[source, person_of[source, number]["person_id"]].append((owned_from, owned_to))
    handed_on = 0
    for of_person in periods.values():
        of_person.sort()
        for (_, ends), (begins, _) in pairwise(of_person):
            assert ends is not None
            assert ends <= begins  # half-open: the day of leaving is the next one's
            handed_on += 1
    assert handed_on > 5


def test_a_customers_owners_are_those_of_the_lists(shop, owned, person_of, people):
    staff = {row["employee_id"]: row for row in truth(shop, "employees")}
    on_lists = defaultdict(list)
    for source, number, owner, owned_from, _ in owned:
        if staff[owner]["role"] == "salesperson":
            person = person_of[source, number]["person_id"]
            on_lists[person].append((owned_from, owner))
    orphans = 0
    for person, row in people.items():
        owners = [owner for _, owner in sorted(on_lists[person])]
        stated = [row["first_owner"], row["second_owner"]]
        orphaned_on = None
        if not row["is_prospect"]:
            assert [one for one in stated if one] == owners
            left_on = staff[owners[-1]]["left_on"] if owners else None
            if left_on and (row["gone_on"] is None or left_on <= row["gone_on"]):
                orphaned_on = left_on
                orphans += 1
        assert row["orphaned_on"] == orphaned_on
    assert orphans > 5


def test_prospects_have_no_life_of_a_customer(people):
    prospects = [row for row in people.values() if row["is_prospect"]]
    assert len(prospects) > 50
    never = ("weekly_rate", "gone_on", "gone_because", "behaviour", "life_event", "life_event_on")
    never += ("pause_begins_on", "pause_ends_on", "first_owner", "second_owner", "orphaned_on")
    for row in prospects:
        assert all(row[name] is None for name in never)
        assert not row["purchases"]
        assert not row["is_alive"]
    assert all(row["weekly_rate"] > 0 for row in people.values() if not row["is_prospect"])


def test_nobody_calls_or_sells_who_has_left(shop, owned):
    lists = {(source, number): period for source, number, *period in owned}
    found = Counter()
    for source, (ending, encoding, delimiter) in BRANCHES.items():
        for stem, when in (("followups", "时间"), ("gifts", "日期")):
            for path in files(shop, source, f"{stem}_*.{ending}"):
                for row in records(path, encoding, delimiter):
                    owner, owned_from, owned_to = lists[source, row["客户编号"]]
                    day = date.fromisoformat(row[when][:10])
                    assert row["工号"] == owner
                    assert owned_from <= day
                    assert owned_to is None or day < owned_to
                    found[stem] += 1
                    if stem == "gifts":
                        assert 20 <= Decimal(row["金额"]) < 300
    assert found["followups"] > 100
    # a gift in ten years of a customer on a list, within the data
    settings = json.loads((shop / "truth" / "settings.json").read_text("utf-8"))
    ends = date.fromisoformat(settings["last_day"]) + timedelta(days=settings["nights"] + 1)
    begins = date(2024, 1, 1)
    years = sum(
        max(0, ((owned_to or ends) - max(owned_from + timedelta(days=1), begins)).days)
        for _, owned_from, owned_to in lists.values()
    )
    expected = 0.1 * years / 365
    assert abs(found["gifts"] - expected) < 4 * math.sqrt(expected)
    assert expected > 20


# ---------- visits


@pytest.fixture(scope="module")
def visits(shop):
    return [
        visit
        for path in files(shop, "web_shop", "visits_*.parquet")
        for visit in pq.read_table(path).to_pylist()
    ]


def test_visits_are_of_accounts_that_exist_by_then_and_of_products(shop, visits, person_of):
    products = {
        row["sku"]
        for path in files(shop, "head_office", "products_*.csv")
        for row in records(path, "utf-8", ",")
    }
    known = [visit for visit in visits if visit["buyer_no"]]
    for visit in known:
        assert person_of["web_shop", visit["buyer_no"]]["registered_at"] <= visit["at"]
    assert {visit["sku"] for visit in visits} <= products
    assert len({visit["event"] for visit in visits}) == len(visits)
    assert {visit["what"] for visit in known} == {"view", "favourite", "cart"}
    assert 0 < 1 - len(known) / len(visits) < 0.2


def test_every_second_line_bought_in_the_web_shop_was_in_a_cart(shop, visits, true_orders):
    """A cart stands at most a fifth of a day before its order, of the same person and product."""
    bought = defaultdict(list)
    lines = 0
    seen = {}
    for path in files(shop, "web_shop", "orders_*.parquet"):
        for row in pq.read_table(path).to_pylist():
            if row["item_type"] in {*MERCHANDISE, "ITEM"} and row["pieces"] > 0:
                seen[row["order_no"], row["position"]] = row["sku"]
    for (number, _), sku in seen.items():
        order = true_orders["web_shop", number]
        lines += 1
        bought[sku].append(order["ordered_at"])
    carts = [visit for visit in visits if visit["what"] == "cart"]
    for cart in carts:
        waits = [at - cart["at"].astimezone(UTC) for at in bought[cart["sku"]]]
        assert any(timedelta(seconds=-1) <= wait <= timedelta(days=0.2) for wait in waits)
    assert stats.binomtest(len(carts), lines, 0.5).pvalue > LEAST_P
