"""Ids that another source hands out: as stated, as loaded, and when the mapping is mended."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from flows.load.contract import ENTITIES
from flows.load.loader import LoadError
from flows.load.mapping import Mapping, MappingError, load_mapping
from tests.load.conftest import HEADER, LOADED_AT, SHOP, SOURCES, Load, Query

Read = Callable[[str], Mapping]
LINE = "A1,2024-05-01 10:00,C1,P1,2,3.50\n"
OF_OFFICE = SHOP + "      product_source: {constant: head_office}\n"
RETURNS = SHOP + (
    "      returned_order_id: returned\n"
    "      returned_order_source: {from: system, values: {WEB: web_shop, HERE: shop}}\n"
)
CONTACTS = """
source: shop
title: A call centre
time_zone: UTC
entities:
  campaign_contacts:
    files: contacts*
    columns:
      campaign_id: campaign
      customer_id: customer
      contacted_at: at
"""
CONTACTS_OF_OFFICE = CONTACTS + "      campaign_source: {constant: head_office}\n"


def coupons(columns: str) -> str:
    return f"""
source: shop
title: Coupons
time_zone: UTC
reject_limit: 1
entities:
  coupons:
    files: coupons.csv
    one_row_per_key: true
    columns:
      coupon_id: coupon
      product_id: product
      campaign_id: campaign
{columns}"""


# ---------- the contract


def test_each_source_column_stands_right_after_its_id() -> None:
    count = 0
    for entity in ENTITIES.values():
        names = list(entity.columns)
        for name, source in entity.id_sources.items():
            assert names.index(source) == names.index(name) + 1
            assert entity.columns[source] == "VARCHAR"
            assert not {source} & {*entity.key, *entity.required}
            count += 1
    assert count == 20
    assert ENTITIES["coupons"].whole_key == (
        *("coupon_id", "product_id", "product_source", "campaign_id", "campaign_source"),
    )


def test_mappings_without_them_are_known_by_the_same_hashes_as_before() -> None:
    """Else every file of a warehouse of the release before would load again."""
    contract = load_mapping(SOURCES / "contract.yml")
    journey = load_mapping(SOURCES / "complete_journey.yml")
    assert [
        (mapping.fingerprint(entity)[:16], mapping.key_fingerprint(entity)[:16])
        for mapping, entity in (
            (contract, "order_lines"),
            (contract, "coupons"),
            (journey, "order_lines"),
            (journey, "campaign_contacts"),
            (journey, "coupons"),
        )
    ] == [
        ("9e40f863b016155a", "9ee454071d7007f0"),
        ("777feec5c63192b1", "6e0483b1176314b8"),
        ("013af284355424a3", "88fcb2fc99dd9dce"),
        ("c6b9679337d3591c", "092eee3ff0947455"),
        ("38ac5b8d92086edb", "4a8819c553f344fe"),
    ]


# ---------- mappings


def test_a_source_may_have_no_orders(read_mapping: Read) -> None:
    assert list(read_mapping(CONTACTS).entities) == ["campaign_contacts"]
    with pytest.raises(MappingError, match="entities: expected at least one entity"):
        read_mapping(CONTACTS.partition("entities:")[0] + "entities: {}\n")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("product_source: {constant: Head office}", "'Head office' is not the name of a source"),
        ("product_source: {from: s, values: {1: 'head:office'}}", "'head:office' is not the name"),
        ("product_source: {from: s, otherwise: WEB}", "product_source: 'WEB' is not the name"),
        (
            "store_source: {constant: head_office}",
            "columns.store_source: says which source hands out store_id, which is not mapped",
        ),
    ],
)
def test_a_mapping_names_sources_as_mappings_do(
    read_mapping: Read, column: str, expected: str
) -> None:
    with pytest.raises(MappingError) as raised:
        read_mapping(SHOP + f"      {column}\n")
    assert expected in str(raised.value)


# ---------- files


def test_a_constant_names_the_source_of_all_ids(load: Load, query: Query) -> None:
    load(OF_OFFICE, lines__csv=HEADER + LINE)
    assert query("select product_id, product_source, store_source from raw.order_lines") == [
        ("P1", "head_office", None)
    ]


def test_the_rows_own_source_is_null_however_it_is_told(load: Load, query: Query) -> None:
    header, line = HEADER.replace("\n", ",returned,system\n"), LINE.replace("\n", ",{},{}\n")
    rows = [("7", "WEB"), ("7", "HERE"), ("7", "shop"), ("7", "till"), ("7", ""), ("", "WEB")]
    load(RETURNS, lines__csv=header + "".join(line.format(*row) for row in rows))
    assert query(
        "select returned_order_id, returned_order_source from raw.order_lines order by source_line"
    ) == [
        *(("7", "web_shop"), ("7", None), ("7", None), ("7", "till")),
        *(("7", None), (None, "web_shop")),
    ]


def test_what_is_no_sources_name_rejects_the_row(load: Load, query: Query) -> None:
    header, line = HEADER.replace("\n", ",returned,system\n"), LINE.replace("\n", ",{},{}\n")
    rows = [("7", "Web"), ("7", "a:b"), ("7", "web_2"), ("", "N/A")]
    (delivery,) = load(RETURNS, lines__csv=header + "".join(line.format(*row) for row in rows))
    assert (delivery.rows_loaded, delivery.rows_rejected) == (2, 2)
    reason = "not the name of a source, such as web_shop"
    assert query(
        "select source_line, column_name, reason, detail from raw.rejected_rows order by all"
    ) == [
        (2, "system", reason, f"'Web' is {reason}"),
        (3, "system", reason, f"'a:b' is {reason}"),
    ]


def test_columns_under_their_own_names_are_taken(load: Load, query: Query) -> None:
    by_name = SHOP.partition("    columns:")[0] + "    columns: by_name\n"
    (delivery,) = load(
        by_name,
        lines__csv="order_id,ordered_at,product_id,product_source,store_source\n"
        "1,2024-05-01,P,head_office,no store\n",
    )
    assert query("select product_source, store_source from raw.order_lines") == [
        ("head_office", None)  # there is no store_id to say the source of
    ]
    assert delivery.notes == (
        "shop/lines.csv has columns that the mapping does not use: store_source",
    )


def test_a_line_of_the_header_sells_no_ones_product(load: Load, query: Query) -> None:
    mapping = OF_OFFICE + "    header_lines: [{net_revenue: freight, line_kind: shipping}]\n"
    load(mapping, lines__csv=HEADER.replace("\n", ",freight\n") + LINE.replace("\n", ",5\n"))
    assert query("select product_id, product_source from raw.order_lines order by line_number") == [
        ("P1", "head_office"),
        (None, None),
    ]


# ---------- keys


def test_an_id_of_two_sources_is_two_keys(load: Load, query: Query) -> None:
    (delivery,) = load(
        coupons("      product_source: source of product\n"),
        coupons__csv="coupon,product,campaign,source of product\n"
        "5,P,c,\n5,P,c,head_office\n5,P,c,shop\n5,P,c,head_office\n",
    )
    assert (delivery.rows_loaded, delivery.rows_skipped) == (2, 2)
    assert query("select product_source, source_line from raw.coupons order by 2") == [
        (None, 4),
        ("head_office", 5),
    ]


def test_of_one_key_an_id_stays_with_its_source(load: Load, query: Query) -> None:
    """The last value of each column by itself would make a third order of two."""
    mapping = """
source: shop
title: A call centre
time_zone: UTC
entities:
  interactions:
    files: calls.csv
    one_row_per_key: true
    columns: {interaction_id: call, order_id: order, order_source: system, cause: cause}
"""
    load(mapping, calls__csv="call,order,system,cause\n1,7,web_shop,late\n1,8,,\n1,,till,\n")
    assert query("select order_id, order_source, cause from raw.interactions") == [
        ("8", None, "late")
    ]


def test_another_source_of_a_key_is_another_key(load: Load, query: Query, landing: Path) -> None:
    header, first, second = "campaign,customer,at\n", "c,1,2024-05-01\n", "c,2,2024-05-01\n"
    load(CONTACTS, contacts_1__csv=header + first, contacts_2__csv=header + second)
    (landing / "shop" / "contacts_1.csv").unlink()
    with pytest.raises(LoadError, match=r"another campaign_id, campaign_source, customer_id, cont"):
        load(CONTACTS_OF_OFFICE, LOADED_AT + timedelta(days=1))
    load(CONTACTS_OF_OFFICE, LOADED_AT + timedelta(days=1), contacts_3__csv=header + first)
    assert query(
        "select customer_id, campaign_source from raw.campaign_contacts order by load_id"
    ) == [("1", None), ("2", None), ("1", "head_office"), ("2", "head_office")]
