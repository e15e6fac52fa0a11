"""Input that means harm ends as data, as a rejected row, or as a clear error."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.load.landing import LandingError
from flows.load.loader import LoadError
from flows.load.mapping import MAXIMUM_BYTES, FileFormat, Mapping, MappingError
from flows.load.reading import Workspace, read_file
from flows.load.records import MAXIMUM_LINE
from tests.load.conftest import HEADER, SHOP, Load, Query

# Harmless as data, harmful as anything else.
TEXTS = (
    "Robert'); drop table raw.loads; --",
    'six "feet"',
    "{{ env_var('HOME') }}{% raw %}{# x #}",
    "../../../etc/passwd",
    "read_text('/etc/passwd')",
    "$(touch harmed)`touch harmed`",
    "\u202egnp.exe",  # right to left
    "\u2066a\u2069\u200b.",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "%s%n{0}\\",
    "\x1b[31mred\x07",
    "𠮷野家",
    "e\u0301",
)
BIG = "x" * 10_000_000


def quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def with_format(text: str) -> str:
    return SHOP.replace("files: lines*", f"files: lines*\n    format: {{{text}}}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "gb18030"])
def test_texts_of_text_files_are_data(load: Load, query: Query, encoding: str) -> None:
    rows = "".join(f"A{n},2024-05-01,{quoted(v)},P,1,1\n" for n, v in enumerate(TEXTS))
    (delivery,) = load(
        with_format(f"encoding: {encoding}"), lines__csv=(HEADER + rows).encode(encoding)
    )
    assert (delivery.rows_loaded, delivery.rows_rejected) == (len(TEXTS), 0)
    assert query("select customer_id from raw.order_lines order by source_line") == [
        (text,) for text in TEXTS
    ]


def test_texts_of_json_and_parquet_are_data(load: Load, landing: Path, query: Query) -> None:
    rows = [{"order": f"A{n}", "at": "2024-05-01", "customer": v} for n, v in enumerate(TEXTS)]
    blank = {"product": None, "quantity": None, "price": None}
    pq.write_table(
        pa.Table.from_pylist([row | blank for row in rows]), landing / "shop" / "lines.parquet"
    )
    deliveries = load(lines__jsonl="\n".join(json.dumps(row | blank) for row in rows))
    assert [one.rows_loaded for one in deliveries] == [len(TEXTS)] * 2
    found = query(
        "select list(customer_id order by source_line) from raw.order_lines group by load_id"
    )
    assert found == [(list(TEXTS),)] * 2


@pytest.mark.parametrize("name", [*TEXTS, "json", "fault", "load_id", "select", "main"])
def test_names_of_columns(load: Load, landing: Path, query: Query, name: str) -> None:
    """A mapping names such a column: it is found in every format, and nothing else happens."""
    mapping = SHOP[: SHOP.index("      customer_id")]
    mapping += f"      customer_id: {json.dumps(name, ensure_ascii=False)}\n"
    row = {"order": "A1", "at": "2024-05-01", name: "C1"}
    files = {
        "lines__csv": f"order,at,{quoted(name)}\nA1,2024-05-01,C1\n",
        "lines__jsonl": json.dumps(row, ensure_ascii=False),
    }
    pq.write_table(pa.Table.from_pylist([row]), landing / "shop" / "lines.parquet")
    assert [one.rows_loaded for one in load(mapping, **files)] == [1, 1, 1]
    assert {value for (value,) in query("select customer_id from raw.order_lines")} == {"C1"}


def test_a_column_that_is_called_as_our_own(load: Load, landing: Path, query: Query) -> None:
    header = HEADER.replace("customer", "_Regulars_line")
    mapping = SHOP.replace("customer_id: customer", "customer_id: _Regulars_line_2")
    load(mapping, lines__csv=header + "A1,2024-05-01,C1,P1,1,1\n")
    assert query("select customer_id, source_line from raw.order_lines") == [("C1", 2)]
    table = pa.table({"order": ["A1"], "_regulars_line": [7]})
    (landing / "shop" / "lines.csv").unlink()
    pq.write_table(table, landing / "shop" / "lines.parquet")
    with pytest.raises(LoadError, match="a column is called '_regulars_line'"):
        load()


@pytest.mark.parametrize(
    "name",
    [
        "lines'); drop table raw.loads; --",
        'lines"{{ 7 * 7 }}',
        "lines[1]*?",
        "lines\n\t",
        "lines\u202e",
        "lines%20..",
        "lines$(touch harmed)",
        "lines" + "x" * 200,
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_names_of_files(load: Load, landing: Path, query: Query, name: str, ending: str) -> None:
    file = landing / "shop" / f"{name}.{ending}"
    if ending == "csv":
        file.write_text(HEADER + "A1,2024-05-01,C1,P1,1,1\n")
    else:
        row = dict.fromkeys(HEADER.strip().split(","), "1") | {"at": "2024-05-01"}
        pq.write_table(pa.Table.from_pylist([row]), file)
    assert load()[0].rows_loaded == 1
    assert query("select source_file from raw.order_lines") == [(f"shop/{file.name}",)]


def test_a_name_that_is_no_text(load: Load, landing: Path) -> None:
    Path(os.fsdecode(bytes(landing / "shop") + b"/lines\xff.csv")).write_text(HEADER)
    with pytest.raises(LoadError, match=r"the name of a file in .* is no text"):
        load()


def test_nul_bytes(load: Load, landing: Path, query: Query) -> None:
    good = {"order": "A1", "at": "2024-05-01", "customer": "C1"}
    blank = {"product": None, "quantity": None, "price": None}
    rows = [row | blank for row in (good, good | {"customer": "a\0b"}, good | {"order": "\0"})]
    pq.write_table(pa.Table.from_pylist(rows), landing / "shop" / "lines.parquet")
    deliveries = load(
        lines_1__csv=HEADER + "A1,2024-05-01,a\0b,P1,1,1\nA1,2024-05-01,C1,P1,1,1\n",
        lines_2__jsonl="\n".join(map(json.dumps, rows)),
    )
    assert [(one.rows_loaded, one.rows_rejected) for one in deliveries] == [(1, 2), (1, 1), (1, 2)]
    assert query(
        "select source_file, source_line, column_name, reason from raw.rejected_rows order by all"
    ) == [
        ("shop/lines.parquet", 2, "customer", "holds a NUL byte"),
        ("shop/lines.parquet", 3, "order", "holds a NUL byte"),
        ("shop/lines_1.csv", 2, None, "holds a NUL byte"),
        ("shop/lines_2.jsonl", 2, "customer", "holds a NUL byte"),
        ("shop/lines_2.jsonl", 3, "order", "holds a NUL byte"),
    ]


def test_a_nul_in_a_joined_file(load: Load, landing: Path, query: Query) -> None:
    heads = pa.table({"order": ["A1", "A2"], "colour": ["red", "r\0d"]})
    pq.write_table(heads, landing / "shop" / "heads.parquet")
    mapping = SHOP.replace("lines*", "lines.csv\n    join: {files: heads.parquet, on: order}")
    row = ",2024-05-01,C1,P1,1,1\n"
    load(mapping + "      channel: colour\n", lines__csv=f"{HEADER}A1{row}A2{row}")
    assert query("select source_line, column_name, reason from raw.rejected_rows") == [
        (3, "colour", "holds a NUL byte")
    ]


def test_fields_of_ten_megabytes(load: Load, landing: Path, query: Query) -> None:
    good = "A1,2024-05-01,C1,P1,1,1\n"
    bad = [f"A2,2024-05-01,{BIG},P1,1,1\n", f'A3,2024-05-01,"{BIG}",P1,1,1\n']
    deliveries = load(
        SHOP,
        lines_1__csv=HEADER + good + bad[0] + good + bad[1] + good,
        lines_3__jsonl=json.dumps({"order": "A1", "at": "2024-05-01", "customer": BIG})
        + '\n{"order": "A2", "at": "2024-05-01", "customer": 1, "product": 1, "quantity": 1'
        + ', "price": 1}',
    )
    assert [(one.rows_loaded, one.rows_rejected) for one in deliveries] == [(3, 2), (1, 1)]
    assert query("select source_line, reason, length(raw_text) > 9e6 from raw.rejected_rows") == [
        (3, "a field is longer than 131,072 characters", True),
        (5, "a field is longer than 131,072 characters", True),
        (1, "is longer than 1,000,000 characters", True),
    ]
    table = pa.table({name: ["1"] for name in HEADER.strip().split(",")} | {"at": ["2024-05-01"]})
    table = table.set_column(2, "customer", pa.array([BIG]))
    pq.write_table(table, landing / "shop" / "lines_4.parquet")
    assert load()[-1].rows_loaded == 1  # data, as no text format's limits hold


@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31", "9999-12-31 23:59:59.999999", "0"])
def test_the_ends_of_time(load: Load, landing: Path, query: Query, moment: str) -> None:
    row = dict(zip(HEADER.strip().split(","), ["A", moment, "C", "P", "1", "1"], strict=True))
    deliveries = load(
        lines_1__csv=HEADER + ",".join(row.values()) + "\n", lines_2__jsonl=json.dumps(row)
    )
    assert [one.rows_rejected for one in deliveries] == [1, 1]
    assert query("select distinct column_name, reason from raw.rejected_rows") == [
        ("at", "not a time of the years 1900 to 2199")
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"order": "\\ud800", "at": "2024-05-01"}', "not a JSON object"),
        ('{"order": "A1", "at": ' + "[" * 100_000 + "]" * 100_000 + "}", "not a time"),
        ('{"order": "A1", "at": "2024-05-01", "quantity": 1e999}', "not a DECIMAL"),
        ('{"order": "A1", "at": "2024-05-01", "quantity": NaN}', "not a DECIMAL"),
        ('{"order": "A1", "at": "2024-05-01", "quantity": [1]}', "not a DECIMAL"),
    ],
)
def test_json_that_is_no_order(load: Load, query: Query, line: str, reason: str) -> None:
    good = '{"order": 12345678901234567890123, "at": "2024-05-01", "quantity": 1, "price": 1'
    good += ', "customer": 1, "product": 1}'
    (delivery,) = load(lines__jsonl=f"{line}\n{good}\n")
    assert (delivery.rows_loaded, delivery.rows_rejected) == (1, 1)
    ((found,),) = query("select reason from raw.rejected_rows")
    assert str(found).startswith(reason)
    assert query("select order_id from raw.order_lines") == [("12345678901234567890123",)]


MEASURE = """
import resource, sys
from pathlib import Path
from flows.load.mapping import FileFormat
from flows.load.records import Layout, TextError, number_records
path, format = Path(sys.argv[1]), FileFormat(encoding=sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    number_records(path, format, Layout.of(format, ","), path.with_suffix(".numbered"))
except TextError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030", "latin-1"])
def test_a_file_without_line_ends_takes_little_memory(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "endless.csv"
    with path.open("wb") as stream:
        stream.write("a,b\n1,2\n".encode(encoding))
        stream.truncate(4 * 2**30)  # zeros that take no room
    finished = subprocess.run(
        [sys.executable, "-c", MEASURE, path, encoding], capture_output=True, text=True, check=True
    )
    message, megabytes = finished.stdout.splitlines()
    assert message == (
        f"line 3 does not end within {MAXIMUM_LINE:,} characters: no text of lines, or in "
        "another encoding"
    )
    assert int(megabytes) < 300


def test_a_file_without_line_ends_is_a_clear_error(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.load.records.MAXIMUM_LINE", 1000)
    monkeypatch.setattr("flows.load.records.BATCH_CHARACTERS", 500)
    with pytest.raises(LoadError, match=r"file shop/lines\.csv: line 2 does not end within 1,000"):
        load(lines__csv=HEADER + "x" * 2000)


def test_quotes_at_odds_end(load: Load) -> None:
    """Every line goes on to the end of the file, whichever it is read from."""
    with pytest.raises(LoadError, match="its quotes and those of the lines around it do not fit"):
        load(lines__csv=HEADER + 'a","b\n' * 300_000)
    few = 'a","b\n' * 20
    (delivery,) = load(lines__csv=HEADER + few + "A1,2024-05-01,C1,P1,1,1\n")
    assert (delivery.rows_loaded, delivery.rows_rejected) == (1, 20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deep"),
        ("{a: " * 100_000, "nested too deep"),
        ("&a [*a]", "nested too deep, or refers to itself"),
        ("a: &a [x, x]\nb: &b [*a, *a, *a]\n" + "c: [" + "*b, " * 50_000 + "]", "too large"),
        ('"a\\0b": 1', "holds a NUL"),
        ('a: "\\ud800"', "half of a character"),
        ("a: " + "9" * 10_000, "unknown key 'a'"),
        ("title: " + "x" * MAXIMUM_BYTES, "is larger than"),
        ("a: b\x00c", "is not YAML"),
        ("!!python/object/apply:os.system ['touch harmed']", "found list"),
        ("source: !!python/name:os.system x\ntitle: y", "entities: Field required"),
        ("--- a: 1\n---\nb: 2", "is not YAML"),
    ],
)
def test_hostile_mappings(
    read_mapping: Callable[[str], Mapping], tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(MappingError, match=message):
        read_mapping(text)
    assert not list(tmp_path.rglob("harmed"))


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_mappings_are_names_and_values(load: Load, query: Query, text: str) -> None:
    """Wherever a mapping may hold a text, it stays one."""
    value = json.dumps(text, ensure_ascii=False)
    mapping = dedent(f"""
        source: shop
        title: {value}
        time_zone: UTC
        reject_limit: 1
        margin_rates: {{default: 0.5, {value}: 0.25}}
        entities:
          order_lines:
            files: lines.csv
            format: {{nulls: [{value}]}}
            columns:
              order_id: order
              ordered_at: at
              customer_id: {{concat: [order, product], separator: {value}}}
              product_id:
                {{from: product, values: {{{value}: {value}, P: {value}}}, otherwise: {value}}}
              channel: {{constant: {value}}}
              store_id: [{value}, product]
            ignore: [{value}]
    """)
    load(mapping, lines__csv=HEADER + "A1,2024-05-01,C1,P,1,1\n")
    assert query("select customer_id, product_id, channel, store_id from raw.order_lines") == [
        (f"A1{text}P", text, text, "P")
    ]
    assert query("select title from raw.sources") == [(text,)]
    assert query("select count(*) from raw.loads") == [(1,)]


@pytest.mark.parametrize("pattern", ["%s%n", "{{ x }}{% raw %}", "%", "');--%"])
def test_formats_of_dates_that_are_none(load: Load, pattern: str) -> None:
    stated = json.dumps({"from": "at", "format": pattern})
    with pytest.raises(MappingError, match="is none that DuckDB's strptime knows"):
        load(SHOP.replace("ordered_at: at", f"ordered_at: {stated}"), lines__csv=HEADER + "x" * 9)


def test_no_mapping_makes_duckdb_read_elsewhere_or_load_an_extension(
    load: Load, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(HEADER + "A1,2024-05-01,secret,P1,1,1\n")
    loaded = "select extension_name from duckdb_extensions() where loaded order by 1"
    before = connection.execute(loaded).fetchall()
    for pattern in (
        *(str(secret), "../../secret.csv", "../*/shop/*", "x/../../../secret.csv"),
        *("http://127.0.0.1:9/lines.parquet", "s3://bucket/lines.parquet", "sqlite:x.db"),
    ):
        with pytest.raises((LoadError, MappingError)):
            load(SHOP.replace("lines*", json.dumps(pattern)))
        join = f"lines.csv\n    join: {{files: {json.dumps(pattern)}, on: order}}"
        with pytest.raises((LoadError, MappingError)):
            load(SHOP.replace("lines*", join), lines__csv=HEADER)
    load(lines__csv=HEADER + "A1,2024-05-01,C1,P1,1,1\n")
    assert connection.execute(loaded).fetchall() == before
    with pytest.raises(duckdb.Error, match="httpfs"):
        connection.execute("select * from read_parquet('https://127.0.0.1:9/x.parquet')")
    assert connection.execute(loaded).fetchall() == before
    assert connection.execute("select count(*) from raw.order_lines").fetchall() == [(1,)]


def test_a_folder_and_a_pipe_are_no_files(landing: Path, load: Load) -> None:
    (landing / "shop" / "lines.csv").mkdir()
    os.mkfifo(landing / "shop" / "lines_2.csv")  # would block for ever
    with pytest.raises(LoadError, match=r"no file matches lines\*"):
        load()


def test_parquet_that_lies(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "lies.parquet"
    pq.write_table(pa.table({"a": list(range(100_000))}), path)
    data = bytearray(path.read_bytes())
    data[100:2000] = b"\xff" * 1900
    path.write_bytes(data)

    def read() -> None:
        reading = read_file(connection, path, path.name, FileFormat(), Workspace(tmp_path))
        connection.execute(f"select sum(a) from ({reading.query})").fetchall()

    with pytest.raises((LandingError, duckdb.Error)):
        read()
    assert connection.execute("select 1").fetchall() == [(1,)]  # the database is still valid
