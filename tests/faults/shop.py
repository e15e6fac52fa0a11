"""A small firm with two sources, and what they deliver night after night.

The tea shop delivers whole orders as CSV files, the till single lines as JSON. Every night brings
new orders, a corrected one, a cancelled one, a return, a late order, a stale file that must not
win, and a product whose cost has changed.
"""

import csv
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

FIRST_DAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
DAYS_OF_HISTORY = 60
PRODUCTS = {"tea": "3.50", "cup": "9.00", "pot": "31.20", "tray": "14.00", "honey": "6.75"}
CUSTOMERS = ["Ann", "Bob", "Cai", "Dee", "李娜", "Eve", "Fay", "Gus", "Hal", "Ida", ""]

SHOP_MAPPING = """
source: shop
title: A tea shop
time_zone: Asia/Shanghai
currency: CNY
delivers: orders
entities:
  order_lines:
    files: orders_*.csv
    columns: by_name
  products:
    files: products_*.csv
    columns: by_name
"""
TILL_MAPPING = """
source: till
title: The till of the tea house
time_zone: Asia/Shanghai
currency: CNY
delivers: lines
entities:
  order_lines:
    files: receipts_*.jsonl
    columns: by_name
"""
MAPPINGS = {"shop": SHOP_MAPPING, "till": TILL_MAPPING}
ORDER_COLUMNS = [
    *("order_id", "updated_at", "ordered_at", "order_status", "customer_id", "product_id"),
    *("quantity", "unit_price", "returned_order_id"),
]
Line = dict[str, Any]


def deliver(landing: Path, night: int) -> None:
    """Lay down the files of one night; night 0 brings the history before it."""
    write_csv(landing / f"shop/orders_{night:03}.csv", ORDER_COLUMNS, orders_of(night))
    write_csv(
        landing / f"shop/products_{night:03}.csv",
        ["product_id", "name", "category", "unit_cost", "updated_at"],
        products_of(night),
    )
    if night:
        # Written before the night's own file was, and found later: it must not win.
        stale = [line | {"quantity": "99"} for line in corrected(night, hours=-3)]
        write_csv(landing / f"shop/orders_{night:03}_late.csv", ORDER_COLUMNS, stale)
    receipts = landing / f"till/receipts_{night:03}.jsonl"
    receipts.parent.mkdir(parents=True, exist_ok=True)
    with receipts.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in receipts_of(night))


def write_csv(path: Path, columns: list[str], lines: Iterable[Line]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(lines)


def orders_of(night: int) -> list[Line]:
    """The tea shop's orders of one night, a line each or more."""
    if night == 0:
        return [line for number in range(150) for line in new_order(0, number)]
    written_at = evening(night)
    cancelled = [
        line | {"order_status": "cancelled", "updated_at": written_at.isoformat()}
        for line in new_order(0, 100 + night)
    ]
    returned = [
        line
        | {
            "order_id": f"return-{night}",
            "ordered_at": (written_at - timedelta(hours=4)).isoformat(),
            "updated_at": written_at.isoformat(),
            "quantity": f"-{line['quantity']}",
            "returned_order_id": line["order_id"],
        }
        for line in new_order(0, 50 + night)
    ]
    late = [
        line | {"order_id": f"late-{night}", "updated_at": written_at.isoformat()}
        for line in new_order(0, 20 + night)
    ]
    new = [line for number in range(12) for line in new_order(night, number)]
    return [*new, *corrected(night), *cancelled, *returned, *late]


def corrected(night: int, hours: int = 0) -> list[Line]:
    """An order of the history with one more of everything, written so many hours later."""
    updated_at = (evening(night) + timedelta(hours=hours)).isoformat()
    return [
        line | {"quantity": str(int(line["quantity"]) + night), "updated_at": updated_at}
        for line in new_order(0, night)
    ]


def new_order(night: int, number: int) -> list[Line]:
    """One order, the same at every call: of the history (night 0) or of the day before a night."""
    chance = Random(f"{night}-{number}")  # noqa: S311 (no secret)
    day = evening(night).replace(hour=9)
    if night == 0:
        day = FIRST_DAY + timedelta(days=chance.randrange(DAYS_OF_HISTORY))
    ordered_at = day + timedelta(minutes=chance.randrange(600))
    return [
        {
            "order_id": f"{night}-{number}",
            "updated_at": ordered_at.isoformat(),
            "ordered_at": ordered_at.isoformat(),
            "order_status": "completed",
            "customer_id": CUSTOMERS[(night + number) % len(CUSTOMERS)],
            "product_id": product,
            "quantity": str(chance.randint(1, 3)),
            "unit_price": PRODUCTS[product],
            "returned_order_id": "",
        }
        for product in chance.sample(sorted(PRODUCTS), chance.randint(1, 3))
    ]


def receipts_of(night: int) -> list[Line]:
    """The till's lines: new ones, and the first line of an older receipt again with other money."""
    lines = [
        {
            "order_id": f"r{night}-{number}",
            "line_number": position,
            "ordered_at": line["ordered_at"],
            "updated_at": line["updated_at"],
            "product_id": line["product_id"],
            "quantity": line["quantity"],
            "unit_price": line["unit_price"],
        }
        for number in range(60 if night == 0 else 6)
        for position, line in enumerate(new_order(night, number), start=1)
    ]
    if night:
        mended = new_order(0, night)[0]
        lines.append(
            {
                "order_id": f"r0-{night}",
                "line_number": 1,
                "ordered_at": mended["ordered_at"],
                "updated_at": evening(night).isoformat(),
                "product_id": mended["product_id"],
                "quantity": mended["quantity"],
                "unit_price": "1.25",
            }
        )
    return lines


def products_of(night: int) -> list[Line]:
    """The whole list on the first night, then one product that costs more."""
    written_at = evening(night).isoformat()
    names = sorted(PRODUCTS) if night == 0 else [sorted(PRODUCTS)[night % len(PRODUCTS)]]
    return [
        {
            "product_id": name,
            "name": name.title(),
            "category": "drink" if name in ("tea", "honey") else "ware",
            "unit_cost": f"{float(PRODUCTS[name]) / 2 + night / 10:.2f}",
            "updated_at": written_at,
        }
        for name in names
    ]


def evening(night: int) -> datetime:
    """When the files of a night were written."""
    return FIRST_DAY + timedelta(days=DAYS_OF_HISTORY + night, hours=11)
