"""Forgetting people whose orders and coupons other sources name too."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.load.mapping import Mapping, load_mapping
from flows.load.raw_tables import create_raw_tables
from flows.privacy.erasures import erase_rows

# Without ids of their own, its orders are known by their customer and day.
WEB_SHOP = """
source: web_shop
title: Web shop
time_zone: UTC
entities:
  order_lines:
    files: orders.csv
    columns: {order_id: {concat: [customer, day]}, customer_id: customer, ordered_at: day}
"""
REDEMPTIONS = """
source: {source}
title: Redeems the coupons of others
time_zone: UTC
entities:
  coupon_redemptions:
    files: coupons.csv
    columns: {{coupon_id: coupon, coupon_source: by, customer_id: customer, redeemed_at: at}}
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        create_raw_tables(connection)
        yield connection


def mapping_of(tmp_path: Path, text: str) -> Mapping:
    path = tmp_path / "source.yml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


def test_an_order_id_that_tells_of_a_customer_is_hidden_wherever_it_is_named(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    connection.execute(
        """
        insert into raw.order_lines
            (source, order_id, customer_id, returned_order_id, returned_order_source, load_id)
        values
            ('web_shop', 'ann-1', 'ann', null, null, 1),
            ('till', '7', null, 'ann-1', 'web_shop', 2),
            ('till', 'ann-1', null, 'ann-1', null, 2)
        """
    )
    connection.execute(
        """
        insert into raw.interactions (source, interaction_id, order_id, order_source, load_id)
        values ('calls', '1', 'ann-1', 'web_shop', 3), ('calls', '2', 'ann-1', 'till', 3)
        """
    )
    erase_rows(connection, mapping_of(tmp_path, WEB_SHOP), "order_lines", ["ann"])
    ((hidden,),) = connection.execute(
        "select order_id from raw.order_lines where source = 'web_shop'"
    ).fetchall()
    assert hidden.startswith("erased-")
    # the till's own order of that number is another one
    assert connection.execute(
        "select order_id, returned_order_id from raw.order_lines where source = 'till' order by all"
    ).fetchall() == [("7", hidden), ("ann-1", "ann-1")]
    assert connection.execute(
        "select order_id from raw.interactions order by interaction_id"
    ).fetchall() == [(hidden,), ("ann-1",)]


def test_redemptions_of_one_coupon_by_people_of_two_sources_stay_two(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for source in ("web_shop", "till"):
        connection.execute(
            """
            insert into raw.coupon_redemptions
                (source, coupon_id, coupon_source, customer_id, redeemed_at, amount, load_id)
            values
                ($source, '5', 'head_office', '17', '2026-02-01 10:00:00+00', 1, 1),
                ($source, '5', null, '17', '2026-02-01 10:00:00+00', 1, 1)
            """,
            {"source": source},
        )
        mapping = mapping_of(tmp_path, REDEMPTIONS.format(source=source))
        erase_rows(connection, mapping, "coupon_redemptions", ["17"])
    assert connection.execute(
        """
        select
            count(distinct (coalesce(coupon_source, source), coupon_id, customer_id, redeemed_at)),
            count(distinct date_trunc('second', redeemed_at)),
            min(customer_id),
            max(customer_id)
        from raw.coupon_redemptions
        """
    ).fetchall() == [(4, 1, "erased", "erased")]
