import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from flows.publish.versions import switch_to


@pytest.fixture(autouse=True)
def published(warehouse: Path) -> Path:
    return warehouse


def table(result) -> list[list[str]]:
    """The rows of a printed table, cells split at the gap between columns."""
    lines = [line.rstrip() for line in result.stdout.splitlines() if line.strip()]
    return [[one.strip() for one in line.split("  ") if one.strip()] for line in lines]


def test_tables_need_no_schema(run):
    for query in ("select count(*) as n from rfm", "select count(*) as n from marts.rfm"):
        assert table(run("sql", query))[-1] == ["3"]
    assert table(run("sql", "select product_id from dim_products"))[-1] == ["shop:p1"]


def test_table_output(run):
    result = run("sql", "select customer_id, monetary, null as x from rfm order by 1")
    assert result.exit_code == 0
    header, _, *rows = table(result)
    assert header == ["customer_id", "monetary", "x"]
    assert rows[0] == ["shop:1", "1234.5000", "null"]
    # figures end in one column
    assert len({line.index("00 ") for line in result.stdout.splitlines() if "shop:" in line}) == 1


def test_text_from_outside_cannot_steer_the_terminal(run):
    stdout = run("sql", "select name from dim_products").stdout
    assert "\x1b" not in stdout
    assert r"\x1b[31m" in stdout


def test_markup_in_data_stays_text(run):
    assert "[red]x[/red]" in run("sql", "select '[red]x[/red]' as a, '[/b]' as \"[/b]\"").stdout


def test_a_table_is_cut_and_says_so(run):
    result = run("sql", "select * from range(60) order by 1")
    assert "the first 50 rows" in result.stdout
    assert table(result)[-2] == ["49"]
    result = run("sql", "select * from range(60) order by 1", "--limit", "0")
    assert table(result)[-1] == ["59"]
    assert "first" not in result.stdout


def test_no_rows(run):
    assert run("sql", "select customer_id from rfm where false").stdout == "customer_id\nno rows\n"
    assert run("sql", "select 1 as a where false", "--format", "json").stdout == "[]\n"
    assert run("sql", "select 1 as a where false", "--format", "csv").stdout == "a\n"


def test_wide_rows_stand_below_each_other(run):
    rows = table(run("sql", "from about"))
    assert ["as_of_date", "2026-01-01"] in rows
    assert ["reporting_currency", "EUR"] in rows


def test_no_figure_is_ever_cropped(run):
    columns = ", ".join(f"{'9' * 30}::decimal(38, 0) as column_{i}" for i in range(6))
    stdout = run("sql", f"select {columns}").stdout
    assert stdout.count("9") == 6 * 30


EVERY_TYPE = """
    select
        1.50::decimal(18, 4) as exact, 123456789012345678901234567890::hugeint as huge,
        0.1::double as approximate, 'nan'::double as no_number, date '2026-02-28' as day,
        timestamptz '2026-02-28 12:00:00+08' as moment, true as flag, null::varchar as missing,
        ['a"b', null] as list, {'k': 1.10::decimal(9, 2)} as struct, '客户, "A"' as text
"""


def test_csv_output(run):
    stdout = run("sql", EVERY_TYPE, "--format", "csv").stdout
    header, row = csv.reader(io.StringIO(stdout))
    assert dict(zip(header, row, strict=True)) == {
        "exact": "1.5000",
        "huge": "123456789012345678901234567890",
        "approximate": "0.1",
        "no_number": "nan",
        "day": "2026-02-28",
        "moment": "2026-02-28 04:00:00+00:00",
        "flag": "true",
        "missing": "",
        "list": '["a\\"b", null]',
        "struct": '{"k": 1.10}',
        "text": '客户, "A"',
    }


def test_json_output(run):
    stdout = run("sql", EVERY_TYPE, "--format", "json").stdout
    assert '"exact": 1.5000' in stdout  # every digit, no detour over floats
    assert json.loads(stdout) == [
        {
            "exact": 1.5,
            "huge": 123456789012345678901234567890,
            "approximate": 0.1,
            "no_number": None,
            "day": "2026-02-28",
            "moment": "2026-02-28 04:00:00+00:00",
            "flag": True,
            "missing": None,
            "list": ['a"b', None],
            "struct": {"k": 1.1},
            "text": '客户, "A"',
        }
    ]


def test_json_keeps_columns_of_one_name(run):
    assert json.loads(run("sql", "select 1 a, 2 a, 3 a", "--format", "json").stdout) == [
        {"a": 1, "a_1": 2, "a_2": 3}
    ]


def test_csv_and_json_give_all_rows_unless_limited(run):
    query = "select * from range(30000) r(i) order by i"
    assert len(run("sql", query, "--format", "csv").stdout.splitlines()) == 30001
    assert len(json.loads(run("sql", query, "--format", "json").stdout)) == 30000
    assert (
        len(json.loads(run("sql", query, "--format", "json", "--limit", "12000").stdout)) == 12000
    )


def test_csv_disarms_formulas_in_text_only(run):
    query = "select '=1+1' a, '-x' b, '+8' c, '@y' d, -5 e, -1.5::decimal(9,1) f, 'a=b' g"
    assert run("sql", query, "--format", "csv").stdout.splitlines()[1] == (
        "'=1+1,'-x,'+8,'@y,-5,-1.5,a=b"
    )


def test_the_query_may_come_from_a_file_or_standard_input(run, tmp_path):
    file = tmp_path / "query.sql"
    file.write_text("select 'customer' as 客户 -- 注释", "utf-8")
    assert table(run("sql", "--file", str(file)))[-1] == ["customer"]
    assert table(run("sql", "-", typed="select 7 as n"))[-1] == ["7"]
    assert table(run("sql", typed="select 8 as n"))[-1] == ["8"]


@pytest.mark.parametrize(
    "arguments", [[], ["  "], ["--file", "none.sql"], ["select 1", "--limit", "-1"]]
)
def test_wrong_use_exits_with_2(run, arguments):
    result = run("sql", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_query_and_a_file_are_one_too_many(run, tmp_path):
    (tmp_path / "q.sql").write_text("select 1")
    assert run("sql", "select 1", "--file", "q.sql").exit_code == 2


def test_sql_errors_are_short_and_point_at_the_place(run):
    result = run("sql", "select custmer_id from rfm")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: Binder Error: ")
    assert "customer_id" in result.stderr  # DuckDB's candidates
    assert result.stderr.rstrip().endswith("^")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("query", "proposed"),
    [
        ("select * from rmf", 'Did you mean "rfm"?'),
        ("select * from dim_prodcts", 'Did you mean "dim_products"?'),
        ("select * from zzzz", 'The tables: regulars sql "show tables" --warehouse warehouse'),
    ],
)
def test_an_unknown_table_gets_the_nearest_of_the_published_ones(run, query, proposed):
    result = run("sql", query, "--warehouse", "warehouse")
    assert result.exit_code == 1
    assert proposed in result.stderr
    assert "pragma" not in result.stderr
    assert result.stderr.count("Did you mean") <= 1
    assert f"LINE 1: {query}" in result.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "delete from marts.rfm",
        "create table marts.x as select 1",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('../../../etc/passwd')",
        "copy (select 1) to 'out.csv'",
        "attach 'other.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
        "set memory_limit = '900GB'",
        "reset lock_configuration",
    ],
)
def test_nothing_but_reading_the_published_file(run, statement, tmp_path):
    result = run("sql", statement)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert {one.name for one in tmp_path.iterdir()} == {"warehouse"}


def test_large_sorts_may_spill_and_leave_nothing(run, tmp_path):
    query = "select count(*) as n, current_setting('temp_directory') as spill from rfm"
    spill = Path(json.loads(run("sql", query, "--format", "json").stdout)[0]["spill"])
    assert spill.name.startswith("regulars-sql-")
    assert not spill.exists()


def test_nothing_published(run, tmp_path):
    result = run("sql", "select 1", "--warehouse", str(tmp_path / "elsewhere"))
    assert result.exit_code == 1
    assert "nothing is published" in result.stderr
    assert "regulars refresh" in result.stderr


def test_it_reads_what_is_current(run, warehouse):
    version = warehouse / "versions" / "20270101T000000Z"
    version.mkdir()
    with duckdb.connect(version / "regulars.duckdb") as connection:
        connection.execute("create schema marts; create table marts.rfm as select 'new' as x")
    switch_to(warehouse, version.name)
    assert table(run("sql", "from rfm"))[-1] == ["new"]


def test_a_closed_pipe_is_no_error(warehouse):
    script = "from regulars.cli import app; app(prog_name='regulars')"
    arguments = ["sql", "select * from range(1000000)", "--format", "csv"]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=warehouse.parent,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout.readline() == b"range\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(30)
