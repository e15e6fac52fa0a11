"""The warehouse does not grow with the nights: corrected rows do not stay beside the right ones."""

from pathlib import Path

import duckdb
import pytest

from flows.publish.versions import published_file
from flows.work_file import work_file
from tests.conftest import Refresh
from tests.tea_shop import MAPPING

ORDERS = 100_000  # of three lines
CORRECTED = 1_000  # the same ones every night
NIGHTS = 30

DELIVERY = """
copy (
    select
        orders.number as "order",
        'c' || hash(orders.number) % 20000 as customer,
        'p' || hash(orders.number, lines.number) % 800 as product,
        strftime(
            timestamp '2023-01-02 08:00' + to_minutes(orders.number * 15), '%Y-%m-%d %H:%M'
        ) as "ordered at",
        1 + hash(orders.number) % 5 * (orders.number > 0)::integer + {night} as quantity,
        3.5 as price
    from range({orders}) as orders (number), range(3) as lines (number)
    where orders.number % {step} = 0
    order by all
) to '{file}' (header)
"""


def deliver(shop: Path, night: int, orders: int) -> None:
    """Write a file with so many orders spread over all years, other quantities each night."""
    file = shop / "landing/shop" / f"orders{night:02}.csv"
    with duckdb.connect() as connection:
        connection.execute(
            DELIVERY.format(night=night, orders=ORDERS, step=ORDERS // orders, file=file)
        )


def sizes(shop: Path) -> dict[str, int]:
    """Bytes of the work file and of the published one."""
    files = {"work": work_file(shop / "warehouse"), "published": published_file(shop / "warehouse")}
    return {name: path.stat().st_size for name, path in files.items()}


def lines_of_the_first_order(shop: Path) -> list[int]:
    with duckdb.connect(published_file(shop / "warehouse"), read_only=True) as connection:
        return [
            quantity
            for (quantity,) in connection.execute(
                "select quantity::integer from core.fct_order_lines where order_id = 'shop:0'"
            ).fetchall()
        ]


@pytest.mark.slow  # more than thirty refreshes of 300,000 lines
def test_thirty_nights_of_corrections_do_not_make_it_grow(tmp_path: Path, refresh: Refresh) -> None:
    (tmp_path / "landing/shop").mkdir(parents=True)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/shop.yml").write_text(MAPPING)
    deliver(tmp_path, 0, ORDERS)
    refresh(tmp_path / "landing", tmp_path / "warehouse")
    for night in range(1, NIGHTS + 1):
        deliver(tmp_path, night, CORRECTED)
        refresh(tmp_path / "landing", tmp_path / "warehouse")
    after_nights = sizes(tmp_path)
    assert lines_of_the_first_order(tmp_path) == [1 + NIGHTS] * 3  # the corrections took effect
    refresh(tmp_path / "landing", tmp_path / "warehouse", "--full")
    rebuilt = sizes(tmp_path)
    print({name: (after_nights[name], rebuilt[name]) for name in rebuilt})
    for name, size in rebuilt.items():
        assert abs(after_nights[name] / size - 1) < 0.1, name
