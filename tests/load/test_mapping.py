"""Mappings: what is accepted, and what the message says where one is not."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from flows.load.mapping import (
    EntityMapping,
    Mapping,
    MappingError,
    find_mappings,
    load_mapping,
)
from tests.load.conftest import SHOP

Read = Callable[[str], Mapping]


def test_short_forms(read_mapping: Read) -> None:
    mapping = read_mapping(
        SHOP
        + """
    join: {files: orders.csv, on: order}
margin_rates: {default: 0.25, Toys: 0.3}
"""
    )
    lines = mapping.entities["order_lines"]
    assert lines.files == ("lines*",)
    assert lines.join[0].on == {"order": "order"}  # `on` is a word, not YAML 1.1's true
    columns = lines.columns
    assert not isinstance(columns, str)
    assert columns["quantity"].from_ == ("quantity",)
    assert mapping.margin_rates == {"default": Decimal("0.25"), "Toys": Decimal("0.3")}
    assert mapping.naive_zone == "Asia/Shanghai"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("quantity: q", "quantiy: q", ["columns.quantiy", "no column 'quantiy'", "'quantity'?"]),
        ("order_lines", "order_line", ["no entity 'order_line'", "Did you mean 'order_lines'?"]),
        ("order_id: order", "store_id: order", ["order_lines needs 'order_id' mapped"]),
        ("ordered_at: at", "channel: at", ["order_lines needs 'ordered_at' mapped"]),
        (
            "Asia/Shanghai",
            "Asia/Shangai",
            ["time_zone: 'Asia/Shangai' is not a time zone", "Asia/Shanghai'?"],
        ),
        ("title", "titel", ["unknown key 'titel'", "Did you mean 'title'?"]),
        ("files: lines*", "files: ../lines", ["'../lines' must be a path inside"]),
        ("files: lines*", "files: /etc/passwd", ["'/etc/passwd' must be a path inside"]),
        ("source: shop", "source: My Shop", ["source: String should match"]),
        ("currency: CNY", "delivers: lines", ["needs line_number mapped"]),
        ("reject_limit: 1", "reject_limit: 2", ["reject_limit", "less than or equal to 1"]),
        (
            "quantity: quantity",
            "quantity: {fron: x}",
            ["unknown key 'fron'", "Did you mean 'from'?"],
        ),
        ("quantity: quantity", "quantity: {}", ["columns.quantity", "expected exactly one of"]),
        (
            "quantity: quantity",
            "quantity: {from: a, constant: 1}",
            ["expected exactly one of from", "found from and constant"],
        ),
        ("quantity: quantity", "quantity: {constant: many}", ["'many' cannot be read as DECIMAL"]),
        (
            "quantity: quantity",
            "quantity: {from: q, format: '%Y'}",
            ["format is for dates and times"],
        ),
        (
            "quantity: quantity",
            "quantity: {product: [a, b, c, d]}",
            ["two or three columns, not 4"],
        ),
        ("product_id: product", "product_id: {sum: [a, b]}", ["sum and product are for amounts"]),
        (
            "product_id: product",
            "product_id: a\n      product_id: b",
            ["'product_id' stands twice"],
        ),
        (
            "product_id: product",
            "line_kind: {constant: freight}",
            ["columns.line_kind", "'freight' is not one of merchandise, shipping"],
        ),
        (
            "product_id: product",
            "order_status: {from: s, values: {x: canceled}}",
            ["Did you mean 'cancelled'?"],
        ),
        (
            "ordered_at: at",
            "ordered_at: {from: at, format: ['%Y %z', '%Y']}",
            ["either every format states the zone"],
        ),
        (
            "files: lines*",
            "files: x\n    format: {delimiter: ab}",
            ["delimiter must be one character"],
        ),
        (
            "files: lines*",
            "files: x\n    format: {encoding: utf-32}",
            ["format.encoding", "'gb18030'"],
        ),
        (
            "files: lines*",
            "files: x\n    skip_rows_without: custmer_id",
            ["Did you mean 'customer_id'?"],
        ),
        (
            "  order_lines:",
            "  coupons:\n    files: c\n    columns: by_name\n    full_list: true\n  order_lines:",
            ["entities.coupons.full_list", "only for order_lines, customers, products"],
        ),
        (
            "entities:\n  order_lines:",
            "delivers: lines\nentities:\n  order_lines:\n"
            "    header_lines: [{line_kind: shipping, net_revenue: freight}]",
            ["entities.order_lines.header_lines: not with `delivers: lines`"],
        ),
        (
            "ordered_at: at",
            "ordered_at: {from: at, format: '%d.%m.%J'}",
            ["columns.ordered_at", "'%d.%m.%J' is none that DuckDB's strptime knows"],
        ),
        ("title: A shop", "title: !!python/object:os.system x", []),
        ("source: shop", "source: [", ["is not YAML"]),
        (
            "currency: CNY",
            "  currency: RMB",
            [
                "shop.yml, line 5, column 11: is not YAML: mapping values",
                "indented too far",
                "  currency: RMB",
            ],
        ),
        ("title: A", "title: \x07A", ["shop.yml, line 3: is not YAML: special characters"]),
        ("currency: CNY", "currency: RMB", ["currency: 'RMB' is no currency", "mean CNY?"]),
    ],
)
def test_messages_name_file_key_and_nearest(
    read_mapping: Read, before: str, after: str, expected: list[str]
) -> None:
    assert before in SHOP
    if not expected:  # a tag makes no object: its text is taken
        assert read_mapping(SHOP.replace(before, after)).title == "x"
        return
    with pytest.raises(MappingError) as raised:
        read_mapping(SHOP.replace(before, after, 1))
    assert "shop.yml" in str(raised.value)
    for part in expected:
        assert part in str(raised.value)


def test_all_problems_are_told_at_once(read_mapping: Read) -> None:
    text = SHOP.replace("quantity: q", "quantiy: q").replace("unit_price", "price")
    with pytest.raises(MappingError) as raised:
        read_mapping(text)
    assert "'quantiy'" in str(raised.value)
    assert "'price'" in str(raised.value)


def test_references_cannot_blow_up(tmp_path: Path) -> None:
    levels = "\n".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 10)}]" for n in range(1, 9))
    path = tmp_path / "bomb.yml"
    path.write_text(f"k0: &k0 [x]\n{levels}\n")
    with pytest.raises(MappingError, match="too large"):
        load_mapping(path)


def test_a_missing_or_empty_mapping(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping(tmp_path / "none.yml")
    (tmp_path / "empty.yml").write_text("")
    with pytest.raises(MappingError, match="found nothing"):
        load_mapping(tmp_path / "empty.yml")


def test_later_folders_override(tmp_path: Path) -> None:
    for folder, name in (("a", "one"), ("a", "two"), ("b", "two")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.yml").touch()
    found = find_mappings([tmp_path / "a", tmp_path / "b", tmp_path / "none"])
    assert found == {"one": tmp_path / "a" / "one.yml", "two": tmp_path / "b" / "two.yml"}


def test_the_fingerprint_changes_with_what_decides_the_rows(read_mapping: Read) -> None:
    def fingerprint(text: str) -> str:
        return read_mapping(text).fingerprint("order_lines")

    assert fingerprint(SHOP) == fingerprint(SHOP.replace("A shop", "The shop"))
    assert fingerprint(SHOP) != fingerprint(SHOP.replace("Asia/Shanghai", "Europe/Berlin"))
    assert fingerprint(SHOP) != fingerprint(SHOP.replace("unit_price: price", "net_revenue: price"))


def test_a_key_added_to_the_format_later_changes_no_fingerprint(read_mapping: Read) -> None:
    class Later(EntityMapping):
        is_sorted: bool = False

    mapping = read_mapping(SHOP)
    later = Later.model_validate(mapping.entities["order_lines"].model_dump(by_alias=True))
    extended = mapping.model_copy(update={"entities": {"order_lines": later}})
    assert extended.fingerprint("order_lines") == mapping.fingerprint("order_lines")


def test_what_decides_the_rows_is_in_the_fingerprint(read_mapping: Read) -> None:
    text = SHOP + "      line_number: line\n"
    changes = {
        text,
        text.replace("line_number: line", "line_number: row"),
        text.replace("files: lines*", "files: lines*\n    format: {nulls: [NA]}"),
        text.replace("entities:", "delivers: lines\nentities:"),
        text.replace("currency: CNY", "currency: EUR"),
    }
    assert len({read_mapping(one).fingerprint("order_lines") for one in changes}) == len(changes)
