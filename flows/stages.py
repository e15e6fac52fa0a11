"""The stages of a refresh: how long each took, how many rows went in and came out."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

logger = logging.getLogger("flows.stages")


@dataclass
class Stage:
    """One stage of one refresh.

    Attributes:
        name: load, core, mine, marts, check or publish.
        started_at: when it began, in UTC.
        seconds: wall time; nan while it runs.
        rows_in: rows that it read, None where that says nothing.
        rows_out: rows that it made.
    """

    name: str
    started_at: datetime
    seconds: float = float("nan")
    rows_in: int | None = None
    rows_out: int | None = None


@contextmanager
def stage(name: str, finished: list[Stage]) -> Iterator[Stage]:
    """Time a stage, append it to `finished`, and log its start and end for whoever shows progress.

    The log records carry `event` ("started" or "finished"), `stage`, and at the end `seconds`,
    `rows_in` and `rows_out`.
    """
    current = Stage(name, datetime.now(UTC))
    logger.info("%s started", name, extra={"event": "started", "stage": name})
    start = time.perf_counter()
    yield current
    current.seconds = time.perf_counter() - start
    finished.append(current)
    logger.info(
        "%s finished in %.1f s",
        name,
        current.seconds,
        extra={
            "event": "finished",
            "stage": name,
            "seconds": current.seconds,
            "rows_in": current.rows_in,
            "rows_out": current.rows_out,
        },
    )
