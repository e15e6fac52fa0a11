"""Write a generated shop: landing files, their mappings, settings, and the truth beside them."""

import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from regulars.generated_shop import scale_only, truth
from regulars.generated_shop.chunks import chunk_sizes, make_chunk
from regulars.generated_shop.customers import FIRST_BRANCH
from regulars.generated_shop.files import Block, Files, blocks_of, parquet_block
from regulars.generated_shop.layouts import (
    branches,
    call_centre,
    head_office,
    loyalty,
    marketplace,
    web_shop,
)
from regulars.generated_shop.nights import deliver, delivered_lines
from regulars.generated_shop.randomness import stream
from regulars.generated_shop.registrations import SOURCES
from regulars.generated_shop.settings import ShopSettings
from regulars.generated_shop.world import World, make_world

Progress = Callable[[int, int], None]
_AHEAD: Final = 2  # chunks that may wait to be written, beside those being made
_SCALE_SETTINGS: Final = """\
# Settings of the refresh for this generated shop; regulars.example.toml has them all.
mappings = "sources"
"""
_SETTINGS: Final = (
    _SCALE_SETTINGS
    + """\
reporting_currency = "CNY" # the marketplace sells in dollars

# Thousands of titles, each in few baskets: bundles were planted between products.
[mining]
item_levels = ["product"]
minimum_support = 0.0005
minimum_confidence = 0.1
"""
)
_MALFORMED: Final = pa.schema([("file", pa.string()), ("line", pa.int64()), ("kind", pa.string())])


def generate(
    settings: ShopSettings,
    folder: Path,
    *,
    is_scale_only: bool = False,
    processes: int = 1,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write a shop into an empty folder.

    The same settings give the same bytes, on any number of processes: chunks are drawn from streams
    of their own and written in their order. Memory does not grow with the shop.

    Args:
        settings: the shop.
        folder: to be made, or empty. It gets landing/, sources/, truth/, nights/ (one folder for
            each night, laid out as landing/ is) and regulars.toml, so that `regulars refresh`
            works in it.
        is_scale_only: only orders and products, in the contract's own names, without the truth.
        processes: that draw chunks; 1 draws them in this one.
        progress: called with chunks done and chunks in all.

    Returns:
        Records of each file by its path in the folder, broken ones included.

    Raises:
        FileExistsError: where the folder holds anything.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name a new folder, or empty it")
    world, out = make_world(settings), Files(folder)
    for block in _world_blocks(world, is_scale_only):
        out.append(block)
    sizes = chunk_sizes(settings.customers)
    for number, blocks in enumerate(_in_order(settings, sizes, is_scale_only, processes)):
        for block in blocks:
            out.append(block)
        if progress:
            progress(number + 1, len(sizes))
    if not is_scale_only:
        columns = zip(*out.malformed, strict=True) if out.malformed else ([], [], [])
        malformed = pa.table([pa.array(column) for column in columns], schema=_MALFORMED)
        out.append(parquet_block("truth/malformed.parquet", malformed))
    out.close()
    _write_settings(settings, folder, is_scale_only)  # last: by it one sees that all is there
    return out.records


def _in_order(
    settings: ShopSettings, sizes: list[int], is_scale_only: bool, processes: int
) -> Iterator[list[Block]]:
    """The blocks of each chunk, in the order of the chunks; only a few are under way at once."""
    if processes == 1 or len(sizes) == 1:
        for number, count in enumerate(sizes):
            yield _chunk_blocks(settings, number, count, is_scale_only)
        return
    # spawned, not forked: Arrow's threads do not survive a fork
    with ProcessPoolExecutor(processes, get_context("spawn"), _one_thread) as pool:
        waiting: deque[Future[list[Block]]] = deque()
        for number, count in enumerate(sizes):
            waiting.append(pool.submit(_chunk_blocks, settings, number, count, is_scale_only))
            if len(waiting) == processes + _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _one_thread() -> None:
    """A worker has one of Arrow's threads, and is deaf to Ctrl-C, which is its parent's to hear."""
    pa.set_cpu_count(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@lru_cache(maxsize=1)
def _world(settings: ShopSettings) -> World:
    return make_world(settings)


def _chunk_blocks(
    settings: ShopSettings, number: int, count: int, is_scale_only: bool
) -> list[Block]:
    world = _world(settings)
    random = stream(settings.seed, "malformed", number)
    if is_scale_only:
        return list(blocks_of(scale_only.order_lines(world, number, count), settings, random))
    chunk = make_chunk(world, number, count)
    tills = np.array([False] * FIRST_BRANCH + [till.is_by_line for till in branches.TILLS])
    deliveries = deliver(
        stream(settings.seed, "deliveries", number),
        chunk.orders,
        chunk.lines,
        tills[chunk.orders.channel],
        world,
    )
    delivered = delivered_lines(deliveries, chunk.orders, chunk.lines)
    contents = (
        *web_shop.contents(chunk, delivered),
        *marketplace.contents(chunk, delivered),
        *branches.contents(chunk, delivered),
        *call_centre.contents(chunk),
        *loyalty.contents(chunk),
    )
    blocks = [block for content in contents for block in blocks_of(content, settings, random)]
    return blocks + [
        parquet_block(f"truth/{name}.parquet", table)
        for name, table in truth.of_chunk(chunk, deliveries)
    ]


def _world_blocks(world: World, is_scale_only: bool) -> Iterator[Block]:
    random = stream(world.settings.seed, "malformed lists")
    lists = [scale_only.products(world)] if is_scale_only else head_office.contents(world)
    for content in lists:
        yield from blocks_of(content, world.settings, random)
    if is_scale_only:
        return
    for name, table in truth.of_world(world):
        yield parquet_block(f"truth/{name}.parquet", table)


def _write_settings(settings: ShopSettings, folder: Path, is_scale_only: bool) -> None:
    """The mappings, the refresh's settings, and the shop's own, with which it can be made again."""
    sources = folder / "sources"
    sources.mkdir(parents=True)
    mappings = files("regulars.generated_shop").joinpath("mappings")
    for name in [scale_only.SOURCE] if is_scale_only else ["head_office", *SOURCES]:
        text = mappings.joinpath(f"{name}.yml").read_text("utf-8")
        (sources / f"{name}.yml").write_text(text, "utf-8")
    if not is_scale_only:
        (folder / "truth" / "settings.json").write_text(settings.model_dump_json(indent=2), "utf-8")
    (folder / "regulars.toml").write_text(_SCALE_SETTINGS if is_scale_only else _SETTINGS, "utf-8")
