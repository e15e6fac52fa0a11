"""The same settings give the same bytes, on any number of processes; memory and disk are minded."""

import hashlib
import json
import subprocess
import sys

import duckdb
import pyarrow.parquet as pq
import pytest

from regulars.generated_shop.chunks import PEOPLE_A_CHUNK
from regulars.generated_shop.generate import generate
from regulars.generated_shop.layouts import head_office
from regulars.generated_shop.settings import Planted, ShopSettings, read_settings
from regulars.generated_shop.world import make_world

# three chunks, the last a small one
SETTINGS = ShopSettings(
    customers=2 * PEOPLE_A_CHUNK + 100, years=1, seed=3, nights=2, malformed_rate=0.005
)


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_bytes_on_one_process_and_on_three(tmp_path):
    generate(SETTINGS, tmp_path / "one", processes=1)
    seen = []
    generate(
        SETTINGS,
        tmp_path / "three",
        processes=3,
        progress=lambda done, chunks: seen.append((done, chunks)),
    )
    found = hashes(tmp_path / "one")
    assert found == hashes(tmp_path / "three")
    assert len(found) > 80
    assert seen == [(1, 3), (2, 3), (3, 3)]
    broken = pq.read_table(tmp_path / "one" / "truth" / "malformed.parquet")["file"].to_pylist()
    assert any(file.startswith("nights/") for file in broken)


def test_two_runs_are_equal_and_another_seed_is_another_shop(tmp_path):
    small = SETTINGS.model_copy(update={"customers": 300})
    for name in ("first", "again"):
        generate(small, tmp_path / name)
    generate(small.model_copy(update={"seed": 4}), tmp_path / "other")
    first, other = hashes(tmp_path / "first"), hashes(tmp_path / "other")
    assert first == hashes(tmp_path / "again")
    same = {path for path in first.keys() & other.keys() if first[path] == other[path]}
    assert not {path for path in same if path.startswith(("landing/web_shop", "truth/people"))}


def test_a_shop_is_made_again_from_its_own_settings(tmp_path):
    small = SETTINGS.model_copy(update={"customers": 200, "nights": 0})
    generate(small, tmp_path / "first")
    written = tmp_path / "first" / "truth" / "settings.json"
    assert json.loads(written.read_text("utf-8"))["customers"] == 200
    generate(read_settings(written, {}), tmp_path / "again")
    assert hashes(tmp_path / "first") == hashes(tmp_path / "again")


@pytest.mark.parametrize("nights", [0, 1, 30])
def test_head_office_tells_of_who_leaves_on_the_last_day_and_of_no_later_night(nights):
    settings = ShopSettings(customers=100, years=1, nights=nights)
    world = make_world(settings)
    staff = world.staff
    staff.left_day[3] = world.calendar.days - 1  # the first day without them
    told = [content for content in head_office.contents(world) if content.stem == "staff"]
    leavers = told[1].table["number"].to_pylist()
    assert told[1].night[leavers.index(staff.number[3])] == nights
    for content in head_office.contents(world):
        assert content.night is None or content.night.max() <= nights


def test_it_writes_over_nothing(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty"):
        generate(SETTINGS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_scale_only_is_the_same_process_without_the_truth(tmp_path):
    small = SETTINGS.model_copy(update={"customers": 1_000, "nights": 0})
    generate(small, tmp_path / "full")
    generate(small, tmp_path / "scale", is_scale_only=True)
    lines = tmp_path / "scale" / "landing" / "scale_only" / "order_lines_2025-12-31.parquet"
    orders = tmp_path / "full" / "truth" / "orders.parquet"
    found, true = (
        duckdb.sql(query).fetchone()
        for query in (
            f"select count(distinct order_id), sum(quantity * unit_cost) from '{lines}'",
            f"select count(*), sum(merchandise_cost) from '{orders}'",
        )
    )
    assert found == true
    assert not (tmp_path / "scale" / "truth").exists()


def test_scale_only_delivers_each_order_in_the_night_of_its_day(tmp_path):
    small = SETTINGS.model_copy(update={"customers": 1_000, "nights": 3})
    generate(small, tmp_path / "full")
    generate(small, tmp_path / "scale", is_scale_only=True)
    files = f"{tmp_path}/scale/*/**/order_lines_*.parquet"
    orders = tmp_path / "full" / "truth" / "orders.parquet"
    found = duckdb.sql(
        f"""
        select
            regexp_extract(filename, 'scale/(landing|nights/[^/]+)/scale_only/', 1) as folder,
            regexp_extract(filename, 'order_lines_(.+).parquet', 1)::date as file_date,
            count(distinct order_id),
            max((ordered_at at time zone 'Asia/Shanghai')::date) as newest,
            min((ordered_at at time zone 'Asia/Shanghai')::date) as oldest
        from read_parquet('{files}', filename = true)
        group by all
        order by file_date
        """
    ).fetchall()
    assert [folder for folder, *_ in found] == [
        "landing",
        *(f"nights/2026-01-0{day}" for day in (1, 2, 3)),
    ]
    assert all(newest == file_date for _, file_date, _, newest, _ in found)
    assert all(oldest == file_date for _, file_date, *_, oldest in found[1:])
    (true,) = duckdb.sql(f"select count(*) from '{orders}'").fetchone()
    assert sum(count for _, _, count, *_ in found) == true


_IN_FEW_FILES = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
from regulars.generated_shop.generate import generate
from regulars.generated_shop.settings import ShopSettings
generate(ShopSettings(customers=300, years=1, nights=180), Path(sys.argv[1]))
"""


def test_half_a_year_of_nights_keeps_few_files_open(tmp_path):
    made = subprocess.run(
        [sys.executable, "-c", _IN_FEW_FILES, tmp_path / "shop"], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert len(list((tmp_path / "shop" / "nights").glob("*/*/*.parquet"))) > 200


@pytest.mark.parametrize("seed", range(1, 9))
def test_one_customer_is_a_shop_whoever_it_is(tmp_path, seed):
    """Some are prospects, some had left before the data begins: no order, or not even a record."""
    generate(ShopSettings(customers=1, years=1, seed=seed, nights=1), tmp_path / "tiny")
    assert (tmp_path / "tiny" / "regulars.toml").is_file()


def test_a_shop_in_which_nothing_is_planted(tmp_path):
    planted = Planted(
        bundle_strengths=(),
        sequence_strengths=(),
        decoy_rates=(),
        confounded_decoys=(),
        campaign_effects=(),
        price_moves=(),
        failure_rate=0,
    )
    generate(ShopSettings(customers=300, years=1, planted=planted), tmp_path / "plain")
    lines = pq.read_table(tmp_path / "plain" / "truth" / "planted_lines.parquet")
    assert lines.num_rows == 0
