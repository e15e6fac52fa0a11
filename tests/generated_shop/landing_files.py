"""Reads a generated shop's order files without Regulars: by hand, layout by layout."""

import csv
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

# source: ending, encoding, delimiter, and the columns of order, line, customer, kind of line,
# quantity, price, discount, product
TEXT_LAYOUTS = {
    "marketplace": (
        *("orders_*.txt", "utf-8", "\t"),
        *("order-id", None, "buyer-id", "item-type"),
        *("quantity", "item-price", "promotion-discount", "sku"),
    ),
    "branch_beijing": (
        *("sales_*.csv", "gb18030", ","),
        *("小票号", "行号", "会员编号", "类别", "数量", "单价", "折扣金额", "货号"),
    ),
    "branch_shanghai": (
        *("sales_*.tsv", "gb18030", "\t"),
        *("单据编号", None, "客户代码", "项目", "件数", "零售价", "让利", "商品编码"),
    ),
    "branch_guangzhou": (
        *("sales_*.txt", "utf-16", "\t"),
        *("Receipt", "Line", "Customer", "Type", "Qty", "Price", "Discount", "Item"),
    ),
}
MERCHANDISE = {"merchandise", "商品", "书课", "goods", "ITEM"}


@dataclass
class Order:
    """What the files say of an order in the end."""

    customer: str
    lines: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    is_cancelled: bool = False
    header: list[Decimal] = field(default_factory=list)
    file: str = ""

    def revenue(self, *, of_merchandise: bool = False) -> Decimal:
        amounts = [
            net for kind, net in self.lines.values() if not of_merchandise or kind in MERCHANDISE
        ]
        return sum(amounts + ([] if of_merchandise else self.header), Decimal(0))


def files(shop: Path, source: str, pattern: str) -> list[Path]:
    """A source's files, the history's first, then night by night."""
    folders = [shop / "landing", *sorted((shop / "nights").glob("*"))]
    return [path for folder in folders for path in sorted((folder / source).glob(pattern))]


def records(path: Path, encoding: str, delimiter: str) -> Iterator[dict[str, str]]:
    """The whole records of a text file; broken ones are left out."""
    with path.open(encoding=encoding, newline="") as text:
        rows = csv.reader(text, delimiter=delimiter)
        header = next(rows)
        for row in rows:
            if len(row) == len(header) and row[0]:
                yield dict(zip(header, row, strict=True))


def json_records(path: Path) -> Iterator[dict[str, Any]]:
    """The whole records of a file of JSON lines; broken ones, cut off, are left out."""
    for line in path.read_text("utf-8").splitlines():
        with suppress(json.JSONDecodeError):
            yield json.loads(line)


def broken_lines(path: Path, encoding: str, delimiter: str | None) -> list[int]:
    """Physical lines whose record is no record: JSON where `delimiter` is None."""
    found = []
    lines = path.read_text(encoding).splitlines()
    if delimiter is None:
        for number, line in enumerate(lines, start=1):
            try:
                json.loads(line)
            except json.JSONDecodeError:
                found.append(number)
        return found
    header = next(csv.reader([lines[0]], delimiter=delimiter))
    for number, line in enumerate(lines[1:], start=2):
        record = next(csv.reader([line], delimiter=delimiter))
        if len(record) != len(header) or not record[0]:
            found.append(number)
    return found


def orders_of(shop: Path, source: str) -> dict[str, Order]:
    """The orders of a source by number, each as its last delivery says."""
    if source == "web_shop":
        return _web_orders(shop)
    pattern, encoding, delimiter, number, position, buyer, kind, *money = TEXT_LAYOUTS[source]
    quantity, price, discount, _ = money
    orders: dict[str, Order] = {}
    for path in files(shop, source, pattern):
        for record in records(path, encoding, delimiter):
            order = orders.get(record[number])
            is_new_delivery = position is None and order is not None and order.file != path.name
            if order is None or is_new_delivery:
                order = orders[record[number]] = Order(record[buyer], file=path.name)
            net = Decimal(record[quantity]) * Decimal(record[price]) - Decimal(record[discount])
            place = record[position] if position else str(len(order.lines) + 1)
            order.lines[place] = (record[kind], net)
            order.is_cancelled = record.get("order-status") == "Canceled"
            header = [Decimal(record.get(name, "0")) for name in ("ship-price", "sales-tax")]
            order.header = [amount for amount in header if amount]
    return orders


def _web_orders(shop: Path) -> dict[str, Order]:
    orders: dict[str, Order] = {}
    for path in files(shop, "web_shop", "orders_*.parquet"):
        for record in pq.read_table(path).to_pylist():
            order = orders.get(record["order_no"])
            if order is None or order.file != path.name:
                order = orders[record["order_no"]] = Order(record["buyer_no"], file=path.name)
            net = record["pieces"] * record["price"] - record["rebate"]
            order.lines[str(record["position"])] = (record["item_type"], net)
            order.is_cancelled = record["state"] == "CANCELLED"
    return orders
