"""Shows the stages of a refresh while it runs, from what flows/stages.py logs."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from regulars.terminal import count

STAGE_TITLES: Final = {
    "start": "start Prefect",
    "load": "load the landing files",
    "resolve": "recognise the same people",
    "core": "build the star schema",
    "mine": "mine the baskets",
    "marts": "build the marts",
    "check": "check every figure",
    "publish": "publish",
}
_TRIES: Final = 3  # to open a log file


class StageProgress(logging.Handler):
    """A spinner and a clock for each stage on a terminal; elsewhere a line when it is finished."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[rows]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
            transient=True,  # the summary repeats them
        )
        self._tasks: dict[str, TaskID] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record with `event` and `stage`; others are none of our business."""
        event, stage = getattr(record, "event", None), getattr(record, "stage", "")
        title = f"{STAGE_TITLES.get(stage, stage):<28}"
        if event == "started":
            self._tasks[stage] = self._progress.add_task(title, total=1, rows="")
        elif event == "finished":
            rows = _rows(getattr(record, "rows_in", None), getattr(record, "rows_out", None))
            if stage in self._tasks:
                self._progress.update(self._tasks[stage], completed=1, rows=rows)
            if not self._console.is_terminal:
                seconds = getattr(record, "seconds", 0.0)
                self._console.print(f"{title} {seconds:7.1f} s  {rows}".rstrip())

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Listen to the stages and show them until the end of the block."""
        logger = logging.getLogger("flows.stages")
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        try:
            with self._progress:
                yield
        finally:
            logger.removeHandler(self)


class _LinesToLog(io.TextIOBase):
    """Takes what others print (dbt prints errors even when told to be quiet) to the log."""

    def write(self, text: str) -> int:
        for line in filter(str.strip, text.splitlines()):
            logging.getLogger("printed").warning(line)
        return len(text)


class LogFile(RotatingFileHandler):
    """A log file of 5 MB, with three older ones beside it, that other processes write too.

    Any of them may rotate it, and `regulars forget` removes all logs: what is written then goes
    into a new file. That a log cannot be written never stops what it tells of.

    Not named with a leading underscore: Prefect would take it for nobody's (see `log_to`).
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=5_000_000, backupCount=3, encoding="utf-8", delay=True)

    def _open(self) -> io.TextIOWrapper:
        for _ in range(_TRIES):  # the folder may be removed just after it was made
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                return super()._open()
        return super()._open()

    def rotate(self, source: str, dest: str) -> None:
        """Rename a file, unless another process has done so, or removed it, meanwhile."""
        with suppress(FileNotFoundError):
            super().rotate(source, dest)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, into a new file where another process has taken the old one away."""
        with suppress(OSError):
            if self.stream is not None and not Path(self.baseFilename).exists():
                self.stream.close()
                self.stream = self._open()
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (of logging)
        """Say nothing: the screen is for people, and the log is what failed."""


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Send logs, warnings and all that is printed to a file until the end of the block.

    Enter it before Prefect is imported: Prefect leaves the root logger alone where it finds a
    handler with a formatter, and so prints nothing on the screen.
    """
    handler = LogFile(path)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    root = logging.getLogger()
    # dbt's tracker calls logging.basicConfig when it is imported: where that came before, as by
    # `regulars restore`, the log would go to the screen as well, between the stages.
    for_the_screen = [one for one in root.handlers if _writes_to_the_screen(one)]
    for one in for_the_screen:
        root.removeHandler(one)
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        with redirect_stdout(_LinesToLog()):
            yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        for one in for_the_screen:
            root.addHandler(one)
        handler.close()


def _writes_to_the_screen(handler: logging.Handler) -> bool:
    screens = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler, logging.StreamHandler) and handler.stream in screens


def _rows(rows_in: int | None, rows_out: int | None) -> str:
    if rows_in is None and rows_out is None:
        return ""
    if rows_in is None or rows_out is None:
        return f"{count(rows_in if rows_out is None else rows_out)} rows"
    return f"{count(rows_in)} → {count(rows_out)} rows"
