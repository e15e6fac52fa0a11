"""The steps of a refresh at which a fault test kills it: what it calls, and what it does to files.

This runs inside the process that refreshes; the product knows nothing of it. Python itself reports
every rename, removal and new file before it happens (sys.addaudithook), and the functions of the
stages are wrapped, so a step that somebody adds tomorrow is a step of the tests too.
"""

import functools
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import Any

from prefect import Task

MODULES = (
    *("flows.refresh", "flows.building", "flows.runs", "flows.work_file", "flows.housekeeping"),
    *("flows.gates", "flows.volumes", "flows.findings", "flows.compaction"),
    *("flows.publish.bi_file", "flows.publish.restricted_file", "flows.publish.versions"),
    *("flows.load.loader", "flows.load.reading", "flows.load.databases"),
)
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate"}
# dbt's own files, thousands of them, are no part of what a refresh publishes or keeps.
NOT_OURS = ("work/dbt", "work/logs", "work/prefect")
VERSION = re.compile(r"\d{8}T\d{9}Z")
TEMPORARY = re.compile(r"(?<=regulars-load-)\w+")


class Steps:
    """Counts the steps of this process, writes them down, and strikes at one of them.

    Args:
        warehouse: steps on files count only inside of it.
        strike_at: the step, as recorded by a run before; None leaves the process alone.
        strike: what happens there.
        record: a file for the names of the steps, in order: of several in a row that find the
            same files on disk, the first; a kill at the others would leave the same.
    """

    def __init__(
        self,
        warehouse: Path,
        strike_at: str | None,
        strike: Callable[[], object],
        record: Path | None,
    ) -> None:
        self._warehouse = str(warehouse) + os.sep
        self._strike_at = strike_at
        self._strike = strike
        self._counts: Counter[str] = Counter()
        self._lock = Lock()
        self._record = record.open("w", encoding="utf-8") if record else None
        self._on_disk: set[tuple[str, int, int]] | None = None

    def watch(self) -> None:
        """Watch from here on: wrap the functions of the stages, listen to changes of files."""
        for module in [sys.modules[name] for name in MODULES if name in sys.modules]:
            for name, value in list(vars(module).items()):
                if isinstance(value, Task):
                    if not hasattr(value.fn, "is_a_step"):
                        value.fn = self._wrapped(value.fn)
                elif isinstance(value, FunctionType) and value.__module__ == module.__name__:
                    self._replace_everywhere(value, self._wrapped(value), name)
        sys.addaudithook(self._hear)

    def _replace_everywhere(self, old: Any, new: Any, name: str) -> None:
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith(("flows.", "regulars.")):
                for bound, value in list(vars(module).items()):
                    if value is old and bound == name:
                        setattr(module, bound, new)

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        name = f"{function.__module__}.{function.__qualname__}"

        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            self._reach(f"before {name}")
            result = function(*arguments, **named)
            self._reach(f"after {name}")
            return result

        wrapper.is_a_step = True  # type: ignore[attr-defined]
        return wrapper

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, str | os.PathLike) or not flags & (os.O_WRONLY | os.O_RDWR):
                return
            changed = [str(path)]
        elif event in CHANGES:
            changed = _paths(event, arguments)
        else:
            return
        inside = [
            path.removeprefix(self._warehouse)
            for path in changed
            if path.startswith(self._warehouse)
        ]
        if inside and not inside[0].startswith(NOT_OURS):
            shown = VERSION.sub("VERSION", TEMPORARY.sub("TEMPORARY", " to ".join(inside)))
            self._reach(f"before {event.removeprefix('os.')} {shown}")

    def _reach(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
            step = f"{name} #{self._counts[name]}"
            if self._record and self._on_disk != (now := self._files()):
                self._on_disk = now
                self._record.write(step + "\n")
                self._record.flush()
        if step == self._strike_at:
            self._strike()

    def _files(self) -> set[tuple[str, int, int]]:
        """Every file and folder of the warehouse and of the temporary folder, its size and time."""
        found = set()
        for root in (self._warehouse, tempfile.gettempdir()):
            for folder, folders, files in os.walk(root):
                inside = folder.removeprefix(self._warehouse)
                folders[:] = [name for name in folders if f"{inside}/{name}" not in NOT_OURS]
                for name in folders + files:
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):  # DuckDB removes its log when it likes
                        status = path.lstat()
                        found.add((str(path), status.st_size, status.st_mtime_ns))
        return found


def kill_this_process() -> None:
    """As the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_this_group() -> None:
    """As the end of a container does: the children go too."""
    os.killpg(0, signal.SIGKILL)


def _paths(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """The full paths that an event is about; removals inside a tree name a folder's descriptor."""
    if event in ("os.rename", "os.link"):
        source, target = arguments[:2]
        return [os.fspath(source), os.fspath(target)]
    if event == "os.symlink":
        return [os.fspath(arguments[1])]
    path, folder = arguments[0], arguments[-1]
    if not isinstance(path, str | os.PathLike):
        return []
    if event in ("os.remove", "os.rmdir") and isinstance(folder, int) and folder >= 0:
        return [str(Path(f"/proc/self/fd/{folder}").readlink() / path)]
    return [os.fspath(path)]
