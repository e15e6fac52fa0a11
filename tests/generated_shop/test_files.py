"""The truth against the landing files, read by hand and not by Regulars."""

import contextlib
import json
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pyarrow.parquet as pq
import pytest
import yaml
from scipy import stats

from flows.load.contract import COMPUTED_COLUMNS, ENTITIES
from tests.generated_shop.landing_files import (
    TEXT_LAYOUTS,
    broken_lines,
    files,
    json_records,
    orders_of,
    records,
)

LEAST_P = 1e-4
CHINA = timedelta(hours=8)
BEGINS = date(2024, 1, 1)
BRANCHES = {  # ending, encoding, delimiter, the till's word for a campaign
    "branch_beijing": ("csv", "gb18030", ",", "活动"),
    "branch_shanghai": ("tsv", "gb18030", "\t", "促销活动"),
    "branch_guangzhou": ("txt", "utf-16", "\t", "Promotion"),
}
ORDER_SOURCES = ["web_shop", *TEXT_LAYOUTS]
FORMATS = {  # ending and first part of the source's name: encoding, delimiter
    ("branch_beijing", "csv"): ("gb18030", ","),
    ("branch_shanghai", "tsv"): ("gb18030", "\t"),
    ("branch_guangzhou", "txt"): ("utf-16", "\t"),
    ("marketplace", "txt"): ("utf-8", "\t"),
    ("marketplace", "csv"): ("utf-8-sig", ","),
    ("loyalty", "csv"): ("utf-8", ";"),
    ("web_shop", "csv"): ("utf-8", ","),
    ("head_office", "csv"): ("utf-8", ","),
}


def truth(shop, name):
    return pq.read_table(shop / "truth" / f"{name}.parquet").to_pylist()


@pytest.fixture(scope="module")
def true_orders(shop):
    return {(order["source"], order["order_id"]): order for order in truth(shop, "orders")}


@pytest.mark.parametrize("source", ORDER_SOURCES)
def test_the_files_say_of_every_order_what_is_true(shop, true_orders, source):
    found = orders_of(shop, source)
    true = {number: order for (of, number), order in true_orders.items() if of == source}
    assert found.keys() == true.keys()
    assert len(found) > 50
    for number, order in found.items():
        expected = true[number]
        assert (order.customer or None) == expected["source_customer_id"]
        assert order.is_cancelled == expected["is_cancelled"]
        assert order.revenue() == expected["net_revenue"]
        assert order.revenue(of_merchandise=True) == expected["merchandise_revenue"]
        assert len(order.lines) + len(order.header) == expected["lines"]


def test_every_order_names_a_record_of_its_person(shop, true_orders):
    person_of = {
        (record["source"], record["source_customer_id"]): record["person_id"]
        for record in truth(shop, "records")
    }
    named = [order for order in true_orders.values() if order["source_customer_id"]]
    assert len(named) > 0.9 * len(true_orders)
    for order in named:
        assert person_of[order["source"], order["source_customer_id"]] == order["person_id"]


def test_customers_of_the_files_are_the_records(shop):
    true = Counter(record["source"] for record in truth(shop, "records"))
    found = {
        "web_shop": [
            account["id"]
            for path in files(shop, "web_shop", "customers_*.jsonl")
            for account in json_records(path)
        ],
        "loyalty": [
            record["card"]
            for path in files(shop, "loyalty", "members_*.csv")
            for record in records(path, "utf-8", ";")
        ],
        "branch_beijing": [
            record["客户编号"]
            for path in files(shop, "branch_beijing", "customers_*.csv")
            for record in records(path, "gb18030", ",")
        ],
    }
    ids = {(record["source"], record["source_customer_id"]) for record in truth(shop, "records")}
    for source, numbers in found.items():
        assert len(set(numbers)) == true[source] > 30
        # a list tells of leads who bought, an account of moves, and of its owner's leaving
        assert len(numbers) == true[source] or source != "loyalty"
        assert {(source, number) for number in numbers} <= ids


def test_broken_records_are_where_the_truth_says(shop):
    true = sorted((row["file"], row["line"]) for row in truth(shop, "malformed"))
    found = []
    for folder in ("landing", "nights"):
        for path in sorted((shop / folder).rglob("*")):
            if path.suffix in (".csv", ".tsv", ".txt", ".jsonl"):
                encoding, delimiter = FORMATS.get(
                    (path.parent.name, path.suffix[1:]), ("utf-8", None)
                )
                found += [
                    (str(path.relative_to(shop)), line)
                    for line in broken_lines(path, encoding, delimiter)
                ]
    assert sorted(found) == true
    assert len(true) > 20
    assert {row["kind"] for row in truth(shop, "malformed")} == {"too few fields", "no key"}


def test_campaigns_reached_in_the_files_whom_the_truth_says(shop):
    columns = {
        "branch_beijing": ("calls_*.csv", "gb18030", ",", "活动", "客户编号", "对照组", "是"),
        "branch_shanghai": ("calls_*.tsv", "gb18030", "\t", "活动", "客户编号", "对照组", "是"),
        "branch_guangzhou": ("calls_*.txt", "utf-16", "\t", "活动", "客户编号", "对照组", "是"),
        "web_shop": ("mailings_*.csv", "utf-8", ",", "campaign", "buyer_no", "group", "HOLDOUT"),
    }
    found = {
        (source, record[campaign], record[customer], record[group] == holdout)
        for source, (pattern, encoding, delimiter, campaign, customer, group, holdout) in (
            columns.items()
        )
        for path in files(shop, source, pattern)
        for record in records(path, encoding, delimiter)
    }
    true = {
        (row["source"], row["campaign_id"], row["source_customer_id"], row["is_holdout"])
        for row in truth(shop, "campaign_contacts")
    }
    assert found == true
    assert len(found) > 500


def test_nobody_is_mailed_who_has_no_address_or_said_no(shop):
    accounts = {}
    for path in files(shop, "web_shop", "customers_*.jsonl"):
        for account in json_records(path):
            accounts.setdefault(account["id"], account["account"])
    consents = {
        record["buyer_no"]
        for path in files(shop, "web_shop", "consents_*.csv")
        for record in records(path, "utf-8", ",")
        if record["yes"] == "Y"
    }
    for path in files(shop, "web_shop", "mailings_*.csv"):
        for record in records(path, "utf-8", ","):
            account = accounts[record["buyer_no"]]
            assert account["mail"]
            assert account["created"] < record["chosen_at"]
            assert record["buyer_no"] in consents


@pytest.mark.parametrize("source", ["web_shop", *BRANCHES])
def test_coupons_took_off_what_was_redeemed(shop, source):
    """At most the discounts of the coupon's own products in the order that names it."""
    sold, named = {}, {}
    for order, line in coupon_lines(shop, source):
        sold.setdefault(order, {})[line[0]] = line[1]
        named[order] = line[2]
    holds_for = {}
    for path in files(shop, "head_office", "coupons_*.csv"):
        for record in records(path, "utf-8", ","):
            holds_for.setdefault(record["coupon"], set()).add(record["sku"])
    found = 0
    for coupon, customer, campaign, order, amount in redemptions(shop, source):
        most = sum(off for sku, off in sold[order].items() if sku in holds_for[coupon])
        assert 0 < Decimal(amount) <= most
        assert coupon == f"K{campaign}"
        assert named[order] == campaign
        assert customer
        found += 1
    assert found >= (3 if source == "web_shop" else 0)


def coupon_lines(shop, source):
    """Order, and product, discount and campaign of each line."""
    if source == "web_shop":
        for path in files(shop, source, "orders_*.parquet"):
            for line in pq.read_table(path).to_pylist():
                yield line["order_no"], (line["sku"], line["rebate"], line["campaign"])
        return
    pattern, encoding, delimiter, number, *_, discount, product = TEXT_LAYOUTS[source]
    for path in files(shop, source, pattern):
        for row in records(path, encoding, delimiter):
            yield row[number], (row[product], Decimal(row[discount]), row[BRANCHES[source][3]])


def redemptions(shop, source):
    """Coupon, customer, campaign, order and amount of each."""
    if source == "web_shop":
        names = ("coupon", "buyer_no", "campaign", "order_no", "amount")
        pattern, encoding, delimiter = "redemptions_*.csv", "utf-8", ","
    else:
        names = ("券号", "客户编号", "活动", "小票号", "金额")
        ending, encoding, delimiter, _ = BRANCHES[source]
        pattern = f"coupons_*.{ending}"
    for path in files(shop, source, pattern):
        for row in records(path, encoding, delimiter):
            yield tuple(row[name] for name in names)


def test_orders_name_seven_of_ten_campaigns_that_caused_them(shop, true_orders):
    """But the marketplace's, which knows of none; a tenth of those named caused nothing."""
    named = {
        (source, order): line[2] or None
        for source in ("web_shop", *BRANCHES)
        for order, line in coupon_lines(shop, source)
    }
    caused = {
        key: order["caused_by_campaign"]
        for key, order in true_orders.items()
        if order["caused_by_campaign"] and key[0] != "marketplace"
    }
    right = sum(named[key] == campaign for key, campaign in caused.items())
    assert all(named[key] in (None, campaign) for key, campaign in caused.items())
    assert stats.binomtest(right, len(caused), 0.7).pvalue > LEAST_P
    assert len(caused) > 20
    assert any(key[0] in BRANCHES for key in caused)
    assert any(campaign and key not in caused for key, campaign in named.items())
    assert "campaign" not in next(coupon_columns(shop))


def coupon_columns(shop):
    for path in files(shop, "marketplace", "orders_*.txt"):
        with path.open(encoding="utf-8") as text:
            yield next(text)


def test_a_customer_is_won_on_the_day_of_the_first_paid_order(shop, true_orders):
    paid = {}
    for order in true_orders.values():
        if not order["is_cancelled"] and order["returned_order_id"] is None:
            day = (order["ordered_at"] + CHINA).date()
            paid[order["person_id"]] = min(day, paid.get(order["person_id"], day))
    won = 0
    for person in truth(shop, "people"):
        if person["is_prospect"]:
            assert person["person_id"] not in paid
        elif person["won_on"] >= BEGINS:
            assert paid[person["person_id"]] == person["won_on"]
            won += 1
    assert won > 1_000


# ---------- what a file may know


def rows_of(path):
    """The whole records of any file, as text or as values by column; members by their path."""
    kind = (path.parent.name, path.suffix[1:])
    if path.suffix == ".parquet":
        yield from pq.read_table(path).to_pylist()
    elif path.suffix == ".jsonl":
        yield from map(flat, json_records(path))
    else:
        yield from records(path, *FORMATS[kind])


def flat(row):
    for name, value in list(row.items()):
        if isinstance(value, dict):
            row |= {f"{name}.{inner}": one for inner, one in value.items()}
            del row[name]
    return row


def day_of(value):
    """China's day of a value that is a date or a moment; None of all else."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) + CHINA).date()
    if not isinstance(value, str):
        return None
    for pattern, length in (("%Y/%m/%d %H:%M", 16), ("%d.%m.%Y %H:%M", 16)):
        if len(value) == length and re.fullmatch(r"[\d/. :]+", value):
            with contextlib.suppress(ValueError):
                return datetime.strptime(value, pattern).date()
    if not re.match(r"\d{4}-\d\d-\d\d($|[ T])", value):
        return None
    moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return (moment + CHINA if moment.tzinfo else moment).date()


@pytest.fixture(scope="module")
def deliveries(shop):
    """Every file with the day that it is of, and its rows."""
    settings = json.loads((shop / "truth" / "settings.json").read_text("utf-8"))
    history = date.fromisoformat(settings["last_day"])
    found = []
    for folder in (shop / "landing", *sorted((shop / "nights").iterdir())):
        day = history if folder.name == "landing" else date.fromisoformat(folder.name)
        found += [(path, day, list(rows_of(path))) for path in sorted(folder.glob("*/*"))]
    return found


PLANNED = {("campaigns", "to")}  # the end of a campaign is known when it begins


def test_no_file_knows_the_future(deliveries):
    """No date in it is later than the day that it is of."""
    seen, in_nights = Counter(), set()
    for path, day, rows in deliveries:
        stem = path.stem.rsplit("_", 1)[0]
        for row in rows:
            for name, value in row.items():
                of = day_of(value)
                if of is not None and (stem, name) not in PLANNED:
                    assert of <= day, (path, row)
                    seen[path.parent.name, stem.split("_")[0], name] += 1
        if "nights" in path.parts:
            in_nights.add((path.parent.name, stem.split("_")[0]))
    assert len(seen) > 50
    undated = in_nights - {(source, stem) for source, stem, _ in seen}
    assert undated == {("head_office", "coupons")}


LEADS = {  # source: stem, id, flag, word for a lead, time of the change
    "web_shop": ("customers", "id", "lead", True, "changed"),
    "call_centre": ("callers", "caller", "is_lead", True, "changed"),
    **dict.fromkeys(
        ("branch_beijing", "branch_shanghai", "branch_guangzhou"),
        ("customers", "客户编号", "意向", "是", "更新时间"),
    ),
}


@pytest.mark.parametrize("source", LEADS)
def test_leads_are_all_who_have_not_bought_yet(shop, deliveries, source):
    """So some of them buy later: no list says who never will."""
    stem, id_, flag, word, changed = LEADS[source]
    people = {person["person_id"]: person for person in truth(shop, "people")}
    person_of = {
        record["source_customer_id"]: people[record["person_id"]]
        for record in truth(shop, "records")
        if record["source"] == source
    }
    last, ever = {}, set()
    for path, _, rows in deliveries:
        if path.parent.name != source or not path.name.startswith(stem):
            continue
        for row in sorted(rows, key=lambda row: row[changed]):
            person, is_lead = person_of[row[id_]], row[flag] == word
            # a customer's record is of the evening before the first order
            told = day_of(row[changed])
            bought = not person["is_prospect"] and person["won_on"] <= told + timedelta(days=1)
            assert is_lead == (not bought), (path, row)
            last[row[id_]] = is_lead
            if is_lead:
                ever.add(row[id_])
    assert last.keys() == person_of.keys()
    for number, person in person_of.items():
        assert last[number] == person["is_prospect"]
    bought = {number for number in ever if not last[number]}
    assert bought
    assert ever - bought


BROUGHT = {
    "web_shop": ("customers", "id", "account.invited_by"),
    **dict.fromkeys(BRANCHES, ("customers", "客户编号", "介绍人")),
}


@pytest.mark.parametrize("source", BROUGHT)
def test_who_brought_a_customer_was_known_by_then(shop, deliveries, source):
    stem, id_, brought_by = BROUGHT[source]
    people = {person["person_id"]: person for person in truth(shop, "people")}
    own = [row for row in truth(shop, "records") if row["source"] == source]
    record_of = {row["source_customer_id"]: row for row in own}
    known = {}
    for row in own:
        person = row["person_id"]
        known[person] = min(row["registered_at"], known.get(person, row["registered_at"]))
    found = 0
    for path, _, rows in deliveries:
        if path.parent.name != source or not path.name.startswith(stem):
            continue
        for row in rows:
            record = record_of[row[id_]]
            referrer = people[record["person_id"]]["referred_by"]
            named = row[brought_by] or None
            is_known = referrer in known and known[referrer] <= record["registered_at"]
            assert (named is not None) == is_known
            if named:
                assert record_of[named]["person_id"] == referrer
                assert record_of[named]["registered_at"] <= record["registered_at"]
                found += 1
            if source == "web_shop":
                way = people[record["person_id"]]["acquisition_way"]
                assert row["account.how"] == ("friend" if named else way)
    assert found >= (10 if source == "web_shop" else 1)


def test_the_nights_bring_every_entity(shop, deliveries):

    stems = {
        (path.parent.name, path.stem.split("_")[0])
        for path, _, _ in deliveries
        if "nights" in path.parts
    }
    entities = set()
    for path in (shop / "sources").glob("*.yml"):
        mapping = yaml.safe_load(path.read_text("utf-8"))
        for entity, part in mapping["entities"].items():
            if (mapping["source"], part["files"].split("_")[0]) in stems:
                entities.add(entity)
    assert entities == ENTITIES.keys()


def test_mails_come_again_when_they_are_opened(deliveries):
    """So the nights tell of answers to what the history sent."""
    rows = defaultdict(list)
    for path, day, content in deliveries:
        if path.name.startswith("mailings"):
            for row in content:
                rows[row["campaign"], row["buyer_no"]].append((day, row))
    again = [states for states in rows.values() if len(states) > 1]
    assert again
    for states in again:
        for (day, earlier), (later_day, later) in pairwise(states):
            assert day < later_day
            assert earlier["changed_at"] < later["changed_at"]
            kept = {name for name, value in earlier.items() if value} - {"changed_at"}
            assert all(later[name] == earlier[name] for name in kept)
            assert later["opened_at"]
    opened = [states[-1][1]["opened_at"] for states in rows.values()]
    mailed = [states[-1][1]["group"] == "MAILED" for states in rows.values()]
    assert not any(one for one, is_mailed in zip(opened, mailed, strict=True) if not is_mailed)


def test_planted_lines_are_in_their_orders(shop):
    sold = {
        (line["order_no"], line["sku"])
        for path in files(shop, "web_shop", "orders_*.parquet")
        for line in pq.read_table(path, columns=["order_no", "sku"]).to_pylist()
    }
    planted = [row for row in truth(shop, "planted_lines") if row["source"] == "web_shop"]
    assert {row["cause"] for row in planted} >= {"bundle", "decoy"}
    assert {(row["order_id"], row["product_id"]) for row in planted} <= sold


def test_orders_carry_the_moment_of_the_truth(shop, true_orders):
    checked = 0
    for path in files(shop, "web_shop", "orders_*.parquet"):
        for record in pq.read_table(path, columns=["order_no", "placed_at"]).to_pylist():
            true = true_orders["web_shop", record["order_no"]]["ordered_at"]
            assert record["placed_at"] == true.astimezone(UTC)
            checked += 1
    assert checked > 1_000


def test_the_nights_deliver_orders_again(shop):
    times = Counter((row["source"], row["order_id"]) for row in truth(shop, "deliveries"))
    assert set(times.values()) == {1, 2}


def test_every_entity_and_column_of_the_contract_is_delivered(shop):
    """But the sources of ids that head office itself hands out, and bands: birthdays are known."""
    delivered = {}
    for path in (shop / "sources").glob("*.yml"):
        for entity, part in yaml.safe_load(path.read_text("utf-8"))["entities"].items():
            delivered.setdefault(entity, set()).update(part["columns"])
    assert delivered.keys() == ENTITIES.keys()
    for name, entity in ENTITIES.items():
        missing = set(entity.columns) - delivered[name] - set(COMPUTED_COLUMNS)
        missing -= {"age_band"}
        assert all(column.endswith("_source") for column in missing), (name, missing)
