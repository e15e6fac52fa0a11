"""Time nights with one day of new orders beside a full refresh of the same warehouse.

    python -m benchmarks.nightly --lines 10000000

Two days out of three years are held back and delivered as files of their own: one in a night that
mines, one in a night that does not (`[mining] every_days`). Every refresh is the flow itself, in a
process of its own, so that each peak of memory is its own; Prefect's server runs for all of them,
as under `regulars schedule`.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.order_line_maker import make_order_lines
from benchmarks.processes import in_own_process, peak_mebibytes, working_folder
from benchmarks.tables import laid_out

SOURCE = "made"
DAYS = 3 * 365
MAPPING = f"""
source: {SOURCE}
title: Made order lines
time_zone: Asia/Shanghai
currency: CNY
entities:
  order_lines: {{ files: order_lines*.parquet, columns: by_name }}
  products: {{ files: products.parquet, columns: by_name }}
"""
GOAL = 0.15


@dataclass(frozen=True)
class Refresh:
    """What one refresh took.

    Attributes:
        seconds: wall time of the flow, dbt's parse included, imports left out.
        stages: stage to wall time.
        peak_mebibytes: the greatest resident memory of the process.
        is_published: whether there was anything new.
    """

    seconds: float
    stages: dict[str, float]
    peak_mebibytes: int
    is_published: bool


def main() -> None:
    """Make the lines; refresh all, two nights, one with nothing new, all again; print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000_000, help="order lines to make")
    parser.add_argument("--folder", type=Path, help="where to work; default a temporary folder")
    arguments = parser.parse_args()
    from flows.prefect_server import start_prefect_server

    with working_folder(arguments.folder) as folder:
        landing = folder / "landing" / SOURCE
        in_own_process(make_order_lines, landing, arguments.lines, 1, DAYS)
        days = [folder / "day_1.parquet", folder / "day_2.parquet"]
        held_back = in_own_process(hold_back_days, landing, days)
        (folder / "sources").mkdir()
        (folder / "sources" / f"{SOURCE}.yml").write_text(MAPPING)
        start_prefect_server(folder / "prefect")
        refreshes = {"first": in_own_process(refresh, folder)}
        for name, day, every_days in (("night", days[0], 1), ("unmined night", days[1], 7)):
            day.rename(landing / f"order_lines_{day.name}")
            refreshes[name] = in_own_process(refresh, folder, every_days)
        refreshes["nothing new"] = in_own_process(refresh, folder)
        refreshes["full"] = in_own_process(refresh, folder, 1, True)
        print(report(refreshes, arguments.lines, held_back))


def hold_back_days(landing: Path, days: Sequence[Path]) -> list[int]:
    """Move the lines of the last days out of the landing folder; return the number of each."""
    path = landing / "order_lines.parquet"
    rest = path.with_suffix(".rest")
    with duckdb.connect() as connection:
        connection.execute("set preserve_insertion_order = true; set TimeZone = 'UTC'")
        lines = connection.read_parquet(str(path))
        connection.execute(
            f"create table cut as select max(ordered_at)::date - {len(days)} as day from lines"
        )
        for number, target in enumerate((rest, *days)):
            dates = f"= cut.day + {number}" if number else "<= cut.day"
            connection.execute(
                f"copy (select lines.* from lines, cut where ordered_at::date {dates}) "
                f"to '{target}' (format parquet, compression zstd)"
            )
        counted = [
            connection.execute(f"select count(*) from '{day}'").fetchone() or (0,) for day in days
        ]
        del lines
    rest.replace(path)
    return [count for (count,) in counted]


def refresh(folder: Path, every_days: int = 1, full: bool = False) -> Refresh:
    """Run the flow as the schedule does."""
    from flows.refresh import refresh as flow
    from flows.settings import MiningSettings, RefreshSettings

    settings = RefreshSettings(
        landing=folder / "landing",
        warehouse=folder / "warehouse",
        mappings=folder / "sources",
        full=full,
        mining=MiningSettings(every_days=every_days),
    )
    started = time.perf_counter()
    result = flow(settings)
    return Refresh(
        time.perf_counter() - started,
        {stage.name: stage.seconds for stage in result.stages},
        peak_mebibytes(),
        result.is_published,
    )


def report(refreshes: dict[str, Refresh], lines: int, held_back: Sequence[int]) -> str:
    """Lay the refreshes out beside each other."""
    nights = [refreshes[name] for name in ("night", "unmined night")]
    assert all(night.is_published for night in nights)
    assert not refreshes["nothing new"].is_published
    full = refreshes["full"].seconds
    names = list(refreshes)
    rows = [("stage", *names)]
    for stage in ("load", "core", "mine", "marts", "check", "publish"):
        shown = [refreshes[name].stages.get(stage) for name in names]
        rows.append((stage, *("" if value is None else f"{value:.1f}" for value in shown)))
    rows.append(("in all", *(f"{refreshes[name].seconds:.1f}" for name in names)))
    rows.append(("peak MiB", *(f"{refreshes[name].peak_mebibytes:,}" for name in names)))
    table = laid_out(rows)
    mined, unmined = (night.seconds / full for night in nights)
    told = " and ".join(f"{count:,}" for count in held_back)
    return (
        f"{lines:,} order lines over {DAYS} days, {told} of them on the last two; "
        f"{os.cpu_count()} cores, DuckDB {duckdb.__version__}; seconds\n\n{table}\n\n"
        f"a night takes {mined:.1%} of a full rebuild, one that does not mine {unmined:.1%} "
        f"(goal: {GOAL:.0%})"
    )


if __name__ == "__main__":
    main()
