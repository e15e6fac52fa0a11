"""Benchmarks side by side: each in a process of its own, in a folder that goes at the end."""

import multiprocessing
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


@contextmanager
def working_folder(wanted: Path | None) -> Iterator[Path]:
    """The folder asked for, kept; else a temporary one, removed."""
    if wanted is not None:
        if wanted.exists() and any(wanted.iterdir()):
            raise SystemExit(f"{wanted} is not empty")
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="regulars-benchmark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def in_own_process(run: Callable[..., Result], *arguments: object) -> Result:
    """Run a function in a process of its own, so that its peak of memory is its own."""
    # Forked, not spawned: DuckDB takes a spawned process for a person at a prompt and draws bars.
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        return pool.submit(run, *arguments).result()


def peak_mebibytes() -> int:
    """The greatest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
