"""Time the itemset miner beside its peers, on the same lines, and hold their counts to each other.

    python -m benchmarks.mining.itemsets --baskets 100000 1000000

Each run is a process of its own that reads the lines into an Arrow table of `order_id` and `item`
before the clock starts. Counted is the processor's time (of user and system) from there to all
itemsets with their counts, the layout that each miner wants included, and the process's peak.
"""

import argparse
import importlib.util
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from benchmarks.mining.basket_maker import make_baskets
from benchmarks.processes import in_own_process, peak_mebibytes, working_folder
from benchmarks.tables import laid_out

SUPPORTS = ("0.001", "0.0005", "0.0001")
REAL_DATA = Path(os.environ.get("REGULARS_REAL_DATA", "../shared/data"))
REAL_LINES = {
    "Groceries": (
        "groceries/groceries.parquet",
        "select distinct dense_rank() over (order by basket_id) as order_id, trim(item) as item",
    ),
    "Online Retail": (
        "online_retail/online_retail.parquet",
        "select distinct dense_rank() over (order by InvoiceNo) as order_id,"
        " upper(StockCode) as item",
    ),
}
REAL_SUPPORTS = {"Groceries": ("0.001",), "Online Retail": ("0.01", "0.005")}
WHERE = {"Groceries": "", "Online Retail": " where Quantity > 0 and StockCode ~ '[0-9]{5}.*'"}

# Of a set of counted itemsets: how many, the sum of counts, and the sum of their squares.
Checksum = tuple[int, int, int]


class Mined(NamedTuple):
    """What one run took, and what it found.

    Attributes:
        seconds: of the processor.
        peak: MiB of the process, libraries and lines included.
        start: MiB before mining, of libraries and lines.
        checksum: see `Checksum`.
    """

    seconds: float
    peak: int
    start: int
    checksum: Checksum


def main() -> None:
    """Make the lines, run every miner on them, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baskets", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--supports", nargs="*", default=SUPPORTS)
    parser.add_argument("--miners", nargs="*", choices=MINERS, default=list(MINERS))
    parser.add_argument(
        "--mlxtend-support", default="0.001", help="lower ones take mlxtend too long, or 0 for none"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the best")
    parser.add_argument("--no-real-data", action="store_true")
    parser.add_argument("--folder", type=Path, help="where to work; default a temporary folder")
    arguments = parser.parse_args()
    miners = [name for name in arguments.miners if is_there(name)]
    with working_folder(arguments.folder) as folder:
        tasks = [] if arguments.no_real_data else real_lines(folder)
        for count in arguments.baskets:
            file = folder / f"{count}.parquet"
            in_own_process(make_baskets, file, count)
            tasks += [(f"{count:,}", file, count, support) for support in arguments.supports]
        rows = [
            (
                "baskets",
                "support",
                "itemsets",
                "miner",
                "CPU s",
                "times ours",
                "peak MiB",
                "above lines",
            )
        ]
        for title, file, count, support in tasks:
            minimum = -int(-float(support) * count // 1)
            results: dict[str, Mined] = {}
            for name in miners:
                is_slow = name == "mlxtend" and title not in REAL_LINES
                if is_slow and float(support) < (float(arguments.mlxtend_support) or 1):
                    continue
                repeats = 1 if is_slow else arguments.repeats
                runs = [in_own_process(run, name, file, minimum) for _ in range(repeats)]
                results[name] = min(runs)
            rows += figures(title, support, results)
            print(laid_out(rows[:1] + rows[-len(results) :]), flush=True)
        print("\n" + laid_out(rows))


def figures(title: str, support: str, results: dict[str, Mined]) -> list[tuple[str, ...]]:
    """Rows of the table for one task; all must have found the same."""
    found = {result.checksum for result in results.values()}
    if len(found) > 1:
        raise SystemExit(f"{title}, {support}: the miners disagree: {results}")
    ours = next(iter(results.values()))
    return [
        (
            title,
            support,
            f"{result.checksum[0]:,}",
            name,
            f"{result.seconds:.2f}",
            f"{result.seconds / ours.seconds:.1f}",
            f"{result.peak:,}",
            f"{result.peak - result.start:,}",
        )
        for name, result in results.items()
    ]


def is_there(miner: str) -> bool:
    """PyFIM is no dependency: see the README."""
    is_found = not miner.startswith("PyFIM") or importlib.util.find_spec("fim") is not None
    if not is_found:
        print(f"{miner}: not installed")
    return is_found


def real_lines(folder: Path) -> list[tuple[str, Path, int, str]]:
    """The real baskets that are at hand, as lines of an order and an item."""
    import duckdb

    tasks = []
    for title, (name, selection) in REAL_LINES.items():
        if not (REAL_DATA / name).exists():
            print(f"{title}: not found in {REAL_DATA}")
            continue
        file = folder / f"{title}.parquet"
        query = f"{selection} from '{REAL_DATA / name}'{WHERE[title]} order by order_id"
        lines = duckdb.sql(query).to_arrow_table()
        pq.write_table(lines, file)
        count = pc.count_distinct(lines["order_id"]).as_py()
        tasks += [(title, file, count, support) for support in REAL_SUPPORTS[title]]
    return tasks


def run(miner: str, file: Path, minimum_count: int) -> Mined:
    """Read the lines, let one miner work on them, sum up what it found."""
    mine = MINERS[miner]
    mine(pa.table({"order_id": [1, 1, 2], "item": ["a", "b", "a"]}), 1)  # imports, compiled code
    lines = pq.read_table(file)
    pa.default_memory_pool().release_unused()  # what reading took and no line needs any more
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, of reading, counts no more
    start, before = peak_mebibytes(), _processor_seconds()
    counts = mine(lines, minimum_count)
    seconds, peak = _processor_seconds() - before, peak_mebibytes()
    return Mined(
        seconds, peak, start, (len(counts), int(counts.sum()), int((counts * counts).sum()))
    )


def by_ours(lines: pa.Table, minimum_count: int) -> np.ndarray:
    """Our own search; the result holds items, numbers, parents and counts."""
    from mining.baskets import baskets
    from mining.itemsets import frequent_itemsets

    order_count = lines.num_rows  # as many baskets at most
    return frequent_itemsets(baskets(lines, order_count), minimum_count)["basket_count"].to_numpy()


def by_mlxtend(lines: pa.Table, minimum_count: int) -> np.ndarray:
    """FP-growth of mlxtend over a sparse one-hot frame, asked between two counts."""
    import pandas as pd
    from mlxtend.frequent_patterns import fpgrowth

    orders = lines["order_id"].combine_chunks().dictionary_encode()
    items = lines["item"].combine_chunks().dictionary_encode()
    shape = (len(orders.dictionary), len(items.dictionary))
    one_hot = csr_array(
        (np.ones(len(orders), np.bool_), (orders.indices.to_numpy(), items.indices.to_numpy())),
        shape=shape,
    )
    frame = pd.DataFrame.sparse.from_spmatrix(one_hot, columns=items.dictionary.to_pylist())
    found = fpgrowth(frame, min_support=(minimum_count - 0.5) / shape[0], use_colnames=True)
    return np.rint(found["support"].to_numpy() * shape[0]).astype(np.int64)


def by_pyfim(algorithm: str, lines: pa.Table, minimum_count: int) -> np.ndarray:
    """Borgelt's C code through PyFIM.

    It is given numbers instead of texts, in lists made the fastest way that we know (lines of an
    order stand together), and its sets are not turned back into texts.
    """
    import fim

    items = lines["item"].combine_chunks().dictionary_encode()
    orders = lines["order_id"].to_numpy()
    begins = np.flatnonzero(np.diff(orders, prepend=orders[0] - 1))
    offsets = np.append(begins, len(orders)).astype(np.int32)
    transactions = pa.ListArray.from_arrays(offsets, items.indices).to_pylist()
    found = getattr(fim, algorithm)(transactions, target="s", supp=-minimum_count, report="a")
    return np.array([count for _, count in found], np.int64)


MINERS: dict[str, Callable[[pa.Table, int], np.ndarray]] = {
    "ours": by_ours,
    "PyFIM eclat": lambda lines, count: by_pyfim("eclat", lines, count),
    "PyFIM fpgrowth": lambda lines, count: by_pyfim("fpgrowth", lines, count),
    "mlxtend": by_mlxtend,
}


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
