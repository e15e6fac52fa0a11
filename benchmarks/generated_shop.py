"""Time the generated shop, and show that its memory does not grow with it.

    python -m benchmarks.generated_shop --lines 10000000

Each run is a process of its own with two workers. The peer draws as many order lines with no
people, no files of systems and no truth (benchmarks/order_line_maker.py): what the rest costs.
"""

import argparse
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.order_line_maker import make_order_lines
from benchmarks.processes import in_own_process, peak_mebibytes, working_folder
from benchmarks.tables import laid_out

LINES_A_CUSTOMER = 13  # of three years, as the settings stand
PROCESSES = os.cpu_count() or 1
GOAL_SECONDS, GOAL_LINES = 180, 10_000_000


@dataclass(frozen=True)
class Made:
    """What one run took.

    Attributes:
        lines: order lines written.
        seconds: wall time.
        peak: MiB, of this process and the greatest of its workers.
        gigabytes: written.
    """

    lines: int
    seconds: float
    peak: tuple[int, int]
    gigabytes: float


def main() -> None:
    """A tenth of the shop, the shop, its orders alone, and the peer; print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000_000, help="order lines, about")
    parser.add_argument("--folder", type=Path, help="where to work; default a temporary folder")
    arguments = parser.parse_args()
    customers = arguments.lines // LINES_A_CUSTOMER
    with working_folder(arguments.folder) as folder:
        runs = {
            "a tenth": in_own_process(make_shop, folder / "tenth", customers // 10, False),
            "the shop": in_own_process(make_shop, folder / "shop", customers, False),
            "--scale-only": in_own_process(make_shop, folder / "scale", customers, True),
        }
        runs["peer"] = in_own_process(make_peer, folder / "peer", runs["the shop"].lines)
        print(report(runs, customers))


def make_shop(folder: Path, customers: int, is_scale_only: bool) -> Made:
    """Generate a shop and count its order lines."""
    from regulars.generated_shop.generate import generate
    from regulars.generated_shop.settings import ShopSettings

    started = time.perf_counter()
    generate(
        ShopSettings(customers=customers),
        folder,
        is_scale_only=is_scale_only,
        processes=PROCESSES,
    )
    seconds = time.perf_counter() - started
    if is_scale_only:
        (file,) = (folder / "landing" / "scale_only").glob("order_lines_*.parquet")
        lines = pq.read_metadata(file).num_rows
    else:
        orders = pq.read_table(folder / "truth" / "orders.parquet", columns=["lines"])
        lines = pc.sum(orders["lines"]).as_py()
    return Made(lines, seconds, _peaks(), _gigabytes(folder))


def make_peer(folder: Path, lines: int) -> Made:
    """The bare load of the other benchmarks."""
    started = time.perf_counter()
    make_order_lines(folder, lines)
    return Made(lines, time.perf_counter() - started, _peaks(), _gigabytes(folder))


def report(runs: dict[str, Made], customers: int) -> str:
    """Lay the runs out beside each other."""
    rows = [("", "order lines", "seconds", "lines a second", "GB", "peak MiB", "of a worker")]
    for name, made in runs.items():
        rows.append(
            (
                name,
                f"{made.lines:,}",
                f"{made.seconds:.1f}",
                f"{made.lines / made.seconds:,.0f}",
                f"{made.gigabytes:.2f}",
                f"{made.peak[0]:,}",
                f"{made.peak[1]:,}" if made.peak[1] else "",
            )
        )
    table = laid_out(rows)
    shop, tenth, peer = runs["the shop"], runs["a tenth"], runs["peer"]
    return (
        f"{customers:,} people over 3 years, {PROCESSES} processes\n\n{table}\n\n"
        f"{GOAL_LINES:,} lines would take {shop.seconds * GOAL_LINES / shop.lines:.0f} s "
        f"(goal: {GOAL_SECONDS}); a line costs "
        f"{shop.seconds / shop.lines / (peer.seconds / peer.lines):.1f} times the peer's; "
        f"ten times the shop takes {sum(shop.peak) / sum(tenth.peak):.2f} times the memory"
    )


def _peaks() -> tuple[int, int]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return peak_mebibytes(), children


def _gigabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


if __name__ == "__main__":
    main()
