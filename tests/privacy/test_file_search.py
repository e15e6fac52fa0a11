"""Files of a landing folder that hold a person by name, and those nobody can look into."""

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.privacy.file_search import find_in_files
from flows.privacy.traits import OthersTraits, is_distinct, others_traits, traits_of

HOLDS = "holds a name, an address or a number of theirs"


def found(
    landing: Path, traits: list[str], others: OthersTraits | None = None, *read: str
) -> dict[str, str]:
    """What is told of the files of the source `shop`, of which the mapping reads some."""
    folder = landing / "shop"
    of_these = {folder / name for name in read}
    told = find_in_files(landing, folder, tuple(traits), others or OthersTraits(), of_these)
    return {name.removeprefix("shop/"): why for name, why in told}


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    return tmp_path


def write(landing: Path, name: str, content: bytes) -> Path:
    path = landing / "shop" / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "gbk", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", ["张伟", "王小明", "欧阳建国先生", "Ann Lee", "Li Na"])
def test_a_name_is_found_in_every_encoding(landing: Path, name: str, encoding: str) -> None:
    write(landing, "notes.txt", f"May 1\nnobody\ncall {name}, or write\n".encode(encoding))
    assert found(landing, [name]) == {"notes.txt": f"{HOLDS} (line 3)"}


@pytest.mark.parametrize("name", ["José García", "Zoë"])
def test_a_name_is_found_in_latin_1(landing: Path, name: str) -> None:
    write(landing, "notes.txt", f"call {name} ".encode("latin-1"))
    assert found(landing, [name, "张伟"]) == {"notes.txt": f"{HOLDS} (line 1)"}


@pytest.mark.parametrize("escaped", [json.dumps("张伟"), r'"\u5F20\u4F1F"'])
def test_a_name_is_found_as_json_escapes_it(landing: Path, escaped: str) -> None:
    assert json.loads(escaped) == "张伟"
    write(landing, "notes.json", f'{{"who": {escaped}}}'.encode())
    assert found(landing, ["张伟"]) == {"notes.json": f"{HOLDS} (line 1)"}


@pytest.mark.parametrize(
    ("trait", "text"),
    [
        ("Bob", "Bobby and Jimbob, BobLee and 7Bob"),
        ("Li Na", "Li Nan"),
        ("J", "J. Smith"),
        ("王", "王,王芳"),
        ("1234", "order,quantity\n1234,1234\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_short_name_is_no_part_of_a_longer_word(
    landing: Path, trait: str, text: str, encoding: str
) -> None:
    write(landing, "notes.txt", text.encode(encoding))
    assert found(landing, [trait]) == {}


def test_bytes_of_other_characters_are_no_name(landing: Path) -> None:
    text, name = (
        "订单客户地址电话备注",
        "璇濆",
    )  # what a reader in GB18030 makes of four bytes of it
    assert name.encode("gb18030") in text.encode()
    for padding in (0, 1, 299, 300, 301):
        write(landing, "notes.txt", ("单" * padding + text).encode())
        assert found(landing, [name]) == {}
    write(landing, "notes.txt", f"{text} {name}".encode("gb18030"))
    assert found(landing, [name]) == {"notes.txt": f"{HOLDS} (line 1)"}


def test_files_nobody_can_look_into_are_told(landing: Path) -> None:
    text = b"Ann Lee " * 40
    write(landing, "old.csv.gz", gzip.compress(text))
    write(landing, "old.csv.bz2", bz2.compress(text))
    write(landing, "old.csv.xz", lzma.compress(text))
    write(landing, "letter.pdf", b"%PDF-1.7 ...")
    with duckdb.connect(landing / "shop" / "old.duckdb") as database:
        database.execute("create table people as select 'Ann Lee' as name")
    write(landing, "empty.txt", b"")
    write(landing, "short.txt", b"PK")
    for name in ("book.xlsx", "read.xlsx"):
        with zipfile.ZipFile(landing / "shop" / name, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("xl/sharedStrings.xml", text)
    for name in ("people.parquet", "read.parquet"):
        pq.write_table(pa.table({"name": ["Ann Lee"]}), landing / "shop" / name)
    told = found(landing, ["Ann Lee"], None, "read.xlsx", "read.parquet")
    assert told == {
        name: f"cannot be searched: {what}; it may hold them"
        for name, what in {
            "book.xlsx": "a zip or Excel file",
            "letter.pdf": "a PDF file",
            "old.csv.bz2": "a bzip2 file",
            "old.csv.gz": "a gzip file",
            "old.csv.xz": "an xz file",
            "old.duckdb": "a DuckDB file",
            "people.parquet": "a Parquet file",
        }.items()
    }


def test_a_name_that_another_customer_has_too_is_told_as_such(landing: Path) -> None:
    others = OthersTraits(same=frozenset({"张伟"}))
    write(landing, "both.txt", "张伟\nwei@mail.example".encode())
    write(landing, "name.txt", "张伟".encode())
    assert found(landing, ["张伟", "wei@mail.example"], others) == {
        "both.txt": f"{HOLDS} (line 2)",
        "name.txt": f"{HOLDS} (line 1; another customer has the same)",
    }


def test_what_many_have_in_common_is_not_looked_for(landing: Path) -> None:
    others = OthersTraits(points_at_nobody=frozenset({"Beijing"}))
    write(landing, "notes.txt", b"to Beijing")
    assert found(landing, ["Beijing"], others) == {}
    assert found(landing, ["Beijing"]) == {"notes.txt": f"{HOLDS} (line 1)"}


def test_a_name_inside_a_longer_one_is_the_other_customers(landing: Path) -> None:
    others = OthersTraits(longer=frozenset({"张伟明", "小张伟", "Bobsen"}))
    for name in ("customers.csv", "notes.txt"):
        write(landing, name, "1,张伟明\n2,小张伟\n".encode("gb18030"))
    write(landing, "more.csv", "1,张伟明\n3,c/o 张伟\n".encode())
    assert found(landing, ["张伟"], others, "customers.csv", "more.csv") == {
        "more.csv": f"{HOLDS} (line 2)",
        "notes.txt": f"{HOLDS} (line 1)",  # perhaps "Zhang Wei tomorrow": nobody knows its words
    }


def test_what_others_have_in_common_with_them(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [
        ("1", "张伟", "伟", "张", "Beijing", None),
        ("2", "张伟", "丽", "张", "Beijing", "13800000000"),
        ("3", "张伟明", "Ann", "Lee", "c/o 张伟", None),
    ]
    connection.executemany(
        "insert into raw.customers (source, customer_id, name, given_name, family_name, address, "
        "phone) values ('shop', ?, ?, ?, ?, ?, ?)",
        rows,
    )
    assert traits_of(connection, "shop", ("3",)) == (
        *("Ann", "Ann Lee", "Lee", "Lee Ann", "Lee, Ann", "LeeAnn", "c/o 张伟", "张伟明"),
    )
    traits = traits_of(connection, "shop", ("1",))
    assert others_traits(connection, "shop", ("1",), traits) == OthersTraits(
        same=frozenset({"张伟"}),
        points_at_nobody=frozenset({"张", "Beijing"}),
        longer=frozenset({"张伟明"}),
    )
    assert others_traits(connection, "club", ("1",), traits) == OthersTraits()


@pytest.mark.parametrize("trait", ["张伟", "김민", "Miller", "Müller", "5550101"])
def test_six_letters_or_two_chinese_characters_are_distinct(trait: str) -> None:
    assert is_distinct(trait)
    assert not is_distinct(trait[: len(trait) // 2])
