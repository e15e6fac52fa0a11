"""The truth against the landing files, read by hand and not by Regulars."""

import json
from collections import Counter
from datetime import UTC
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
import yaml

from flows.load.contract import COMPUTED_COLUMNS, ENTITIES
from tests.generated_shop.landing_files import (
    TEXT_LAYOUTS,
    broken_lines,
    files,
    orders_of,
    records,
)

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
            json.loads(line)["id"]
            for path in files(shop, "web_shop", "customers_*.jsonl")
            for line in path.read_text("utf-8").splitlines()
            if line.endswith("}")  # a broken record is cut off in its middle
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
        assert len(numbers) == true[source] or source == "web_shop"  # which tells of moves too
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
        for line in path.read_text("utf-8").splitlines():
            if line.endswith("}"):
                account = json.loads(line)
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


def test_coupons_took_off_what_was_redeemed(shop):
    """At most the discounts of the coupon's own products in the order that names it."""
    sold = {}
    for path in files(shop, "web_shop", "orders_*.parquet"):
        for line in pq.read_table(path).to_pylist():
            sold.setdefault(line["order_no"], {})[line["sku"]] = line["rebate"]
    holds_for = {}
    for path in files(shop, "head_office", "coupons_*.csv"):
        for record in records(path, "utf-8", ","):
            holds_for.setdefault(record["coupon"], set()).add(record["sku"])
    for path in files(shop, "web_shop", "redemptions_*.csv"):
        for record in records(path, "utf-8", ","):
            lines = sold[record["order_no"]]
            most = sum(off for sku, off in lines.items() if sku in holds_for[record["coupon"]])
            assert 0 < Decimal(record["amount"]) <= most


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
