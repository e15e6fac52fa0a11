import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from flows.publish.versions import switch_to

# A small published file with the columns that the command line reads, named as in the models.
PUBLISHED = """
create schema core;
create schema marts;

create table marts.about as select
    'shop' as source, 'A shop' as title, '20260102T030405Z' as version,
    '20260102T030405Z' as run_id,
    date '2026-01-01' as as_of_date, timestamp '2026-01-02 03:04:05' as built_at,
    timestamp '2025-12-31 17:30:00' as newest_order_at, 12::bigint as order_lines,
    5::bigint as orders, 4::bigint as purchases, 3::bigint as customers,
    2::bigint as rejected_rows, 'Europe/Berlin' as time_zone, 'EUR' as reporting_currency;

create table marts.rfm (customer_id varchar, recency_days integer, frequency integer,
    monetary decimal(18, 4), r_score integer, segment varchar);
insert into marts.rfm values
    ('shop:1', 1, 2, 1234.5, 5, 'Champions'),
    ('shop:2', 9, 1, 65.5, 3, 'Promising'),
    ('shop:3', 80, 1, 200, 1, 'Champions');

create table marts.cross_sell_rules as select
    1 as rank, ['taco shells']::varchar[] as antecedents, ['taco sauce']::varchar[] as consequents,
    'taco shells → taco sauce' as rule, 3::bigint as joint_count,
    0.75::double as holdout_confidence, 12.345::double as lift, null::double as conviction;

create table marts.model_report as select
    '20260102T030405Z' as run_id, 'cross_sell_rules' as model, 'passed' as metric,
    1::double as value;

create table marts.rejected_rows_by_reason as select
    'shop' as source, 'order_lines' as entity, 'shop/orders.csv' as source_file,
    'qty' as column_name, 'not a number: …' as reason, 2::bigint as rows, 7::bigint as first_line;

create table marts.runs as select
    '20260102T030405Z' as run_id, '20260102T030405Z' as version,
    timestamp '2026-01-02 03:04:05' as started_at, timestamp '2026-01-02 03:05:05.5' as finished_at,
    date '2026-01-01' as as_of_date, 'published' as status, 14::bigint as rows_read,
    12::bigint as rows_loaded, 1.0::double as load_seconds, 2.0::double as core_seconds,
    0.5::double as mine_seconds, null::double as marts_seconds, null::double as check_seconds,
    null::double as publish_seconds;

create table core.dim_products as select
    'shop:p1' as product_id, '=1+1 ' || chr(27) || '[31m' as name,
    date '2025-01-01' as first_sold_date;
"""


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("REGULARS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Callable[..., Any]:
    """Call the command line as people do; the result has exit_code, stdout and stderr."""
    from regulars.cli import app

    def run_command(*arguments: str, typed: str | None = None) -> Any:
        return CliRunner().invoke(app, list(arguments), input=typed, prog_name="regulars")

    return run_command


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A warehouse with one published version, made by hand."""
    folder = tmp_path / "warehouse"
    version = folder / "versions" / "20260102T030405Z"
    version.mkdir(parents=True)
    with duckdb.connect(version / "regulars.duckdb") as connection:
        connection.execute(PUBLISHED)
    switch_to(folder, version.name)
    return folder
