"""One small firm under test: refresh it, kill that refresh, watch its readers, see what is left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from flows.audit import audit_file
from flows.publish.versions import current_version, published_file
from tests.conftest import REPOSITORY
from tests.faults.contents import Contents, contents_of, differing_tables
from tests.faults.leftovers import files_of, locks_on, processes_of, unfinished_runs
from tests.faults.reader import opening_for_each_query
from tests.faults.shop import MAPPINGS
from tests.faults.tally import tally

ROOM_FOR_LOGS = 20e6  # bytes


@dataclass
class Outcome:
    """How a refresh ended.

    Attributes:
        code: its exit code; -9 where it was killed.
        message: "published", "nothing new", or what failed; empty where it was killed.
        seconds: from its start.
    """

    code: int
    message: str
    seconds: float


@dataclass
class Seen:
    """What one client saw.

    Attributes:
        reads: how often it read.
        errors: what went wrong.
        seen: the different rows that it read, in order of their first time: the version, the number
            of order lines, their revenue, and the revenue of the days.
    """

    reads: int
    errors: list[str]
    seen: list[list[Any]]


@dataclass
class Expected:
    """What stands at the end of a night without a fault.

    Attributes:
        before: what readers may see until then, as readers report it, but the version.
        after: what they may see afterwards.
        contents: of the published file and of raw.
        files: of the warehouse.
        steps: the names of the steps that the refresh took, in order.
        seconds: that it took.
        size: of the work folder in bytes.
    """

    before: list[list[Any]]
    after: list[list[Any]]
    contents: Contents
    files: set[str]
    steps: list[str]
    seconds: float
    size: int


@dataclass
class Rig:
    """A folder with landing files, mappings and a warehouse, and the processes that work on it.

    The folder stays the same from case to case, so that dbt parses its project once.
    """

    folder: Path
    refresher: subprocess.Popen[str]
    readers: dict[str, subprocess.Popen[str]]
    sessions: set[int] = field(default_factory=set)

    @classmethod
    @contextmanager
    def at(
        cls,
        folder: Path,
        mappings: Mapping[str, str] = MAPPINGS,
        kinds: Sequence[str] = ("opening",),
    ) -> Iterator[Self]:
        """Start the processes of a rig in a new folder; they end with the block.

        Args:
            folder: of the rig.
            mappings: each source's mapping.
            kinds: the kinds of client that read (tests/faults/reader.py).
        """
        folder.mkdir(parents=True)
        with ExitStack() as stack:
            refresher = stack.enter_context(_worker("refresher"))
            readers = {kind: stack.enter_context(_worker("reader", kind)) for kind in kinds}
            rig = cls(folder, refresher, readers)
            rig.temporary.mkdir()
            (folder / "sources").mkdir()
            for name, text in mappings.items():
                (folder / "sources" / f"{name}.yml").write_text(text, encoding="utf-8")
            yield rig

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse"

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def save(self, name: str) -> None:
        """Keep the landing files and the warehouse as they are now."""
        for part in ("landing", "warehouse"):
            if (self.folder / part).exists():
                shutil.copytree(
                    self.folder / part, self.folder / "saved" / name / part, symlinks=True
                )

    def restore(self, name: str) -> None:
        """Have the landing files and the warehouse as they were when they were saved."""
        for part in ("landing", "warehouse"):
            shutil.rmtree(self.folder / part, ignore_errors=True)
            saved = self.folder / "saved" / name / part
            if saved.exists():
                # The warehouse may be a volume of its own, which stays where it is.
                shutil.copytree(saved, self.folder / part, symlinks=True, dirs_exist_ok=True)
        for path in self.temporary.iterdir():  # what an earlier case left is its own failure
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.sessions.clear()

    def begin(
        self,
        at: str | None = None,
        command: Sequence[str] | None = None,
        whole_group: bool = False,
        record: Path | None = None,
        **settings: Any,
    ) -> int:
        """Start a refresh and return its process id; `end` waits for it.

        Args:
            at: the step at which something happens.
            command: what runs there; by default the refresh is killed.
            whole_group: whether its children are killed with it.
            record: where the names of all steps go.
            settings: of the refresh, beside the rig's own.
        """
        self._outcome.unlink(missing_ok=True)
        given = {
            "landing": str(self.landing),
            "warehouse": str(self.warehouse),
            "mappings": str(self.folder / "sources"),
        }
        request = {
            "settings": given | settings,
            "temporary": str(self.temporary),
            "log": str(self.folder / "refresh.log"),
            "outcome": str(self._outcome),
            "at": at,
            "command": command,
            "whole_group": whole_group,
            "record": str(record) if record else None,
        }
        self._began = time.monotonic()
        pid = int(_ask(self.refresher, json.dumps(request)))
        self.sessions.add(pid)
        return pid

    def end(self) -> Outcome:
        """Wait until the refresh has ended."""
        code = int(_answer(self.refresher))
        message = self._outcome.read_text(encoding="utf-8") if self._outcome.exists() else ""
        tally.count("publishes", message == "published")
        tally.count("kills", code == -signal.SIGKILL)
        return Outcome(code, message, time.monotonic() - self._began)

    def refresh(self, **options: Any) -> Outcome:
        """Refresh, and wait for the end; takes what `begin` takes."""
        self.begin(**options)
        return self.end()

    def kill_after(self, seconds: float, whole_group: bool, **options: Any) -> Outcome:
        """Refresh, and kill it so many seconds after its start, unless it has ended by then."""
        pid = self.begin(**options)
        time.sleep(seconds)
        # The child is ours to reap only through the refresher, so its id cannot be another's.
        with suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(pid, signal.SIGKILL)
        return self.end()

    def begin_reading(self) -> None:
        """Have every reader read the published file all the time."""
        for reader in self.readers.values():
            _ask(reader, f"read {self.warehouse / 'current/regulars.duckdb'}")

    def end_reading(self) -> dict[str, Seen]:
        """Stop the readers; returns what each kind of client saw."""
        seen = {kind: Seen(**json.loads(_ask(one, "stop"))) for kind, one in self.readers.items()}
        tally.count("reads", sum(one.reads for one in seen.values()))
        tally.count("errors", sum(len(one.errors) for one in seen.values()))
        return seen

    def run_without_fault(self, name: str, **settings: Any) -> Expected:
        """Refresh from what was saved under a name, and note all that a faulty run is held to."""
        self.restore(name)
        before = [self.figures()] if current_version(self.warehouse) else []
        record = self.folder / "steps.txt"
        outcome = self.refresh(record=record, **settings)
        assert outcome.message == "published", outcome.message
        return Expected(
            before=before,
            after=[self.figures()],
            contents=contents_of(self.warehouse),
            files=files_of(self.warehouse),
            steps=record.read_text(encoding="utf-8").splitlines(),
            seconds=outcome.seconds,
            size=self.work_size(),
        )

    def figures(self) -> list[Any]:
        """What a reader sees now, without the version."""
        with opening_for_each_query(published_file(self.warehouse)) as read:
            return list(read()[1:])

    def faults_found(
        self,
        expected: Expected,
        seen: Mapping[str, Seen],
        *,
        came_in_parts: bool = False,
        is_full: bool = False,
    ) -> list[str]:
        """Compare what stands after a fault and a new run with a run without fault; [] is good.

        Args:
            expected: what the run without fault left.
            seen: what each kind of client saw.
            came_in_parts: whether the source itself delivered twice, so that versions between the
                first and the last are right, and raw tables hold more deliveries.
            is_full: whether the runs were told to build all: then each that comes to the switch
                publishes, also after one that was killed behind it.
        """
        found = [f"{kind} reader: {error}" for kind in seen for error in seen[kind].errors]
        found += [f"no {kind} reader ever read" for kind in seen if not seen[kind].reads]
        if not came_in_parts:
            rows = [row for one in seen.values() for row in one.seen]
            found += [
                f"a reader saw {figures} in version {version}"
                for version, *figures in rows
                if figures not in expected.before + expected.after
            ]
            if len(versions := {version for version, *_ in rows}) > 2 and not is_full:
                found.append(f"readers saw more than two versions: {sorted(versions)}")
        different = [
            table
            for table in differing_tables(expected.contents, contents_of(self.warehouse))
            if not (came_in_parts and table.startswith("raw."))
        ]
        tally.count("mismatches", len(different))
        found += different
        files = files_of(self.warehouse)
        found += [f"left behind: {path}" for path in sorted(files - expected.files)]
        missing = expected.files - files
        if came_in_parts or is_full:  # what the gates found goes with the delivery
            missing.discard(os.path.relpath(audit_file(self.warehouse), self.warehouse))
        found += [f"gone: {path}" for path in sorted(missing)]
        found += [f"process: {one}" for one in processes_of(self.sessions, self.temporary)]
        found += [f"temporary file: {path}" for path in self.temporary.rglob("*")]
        found += [f"lock: {lock}" for lock in locks_on(self.warehouse)]
        found += [f"run: {run}" for run in unfinished_runs(self.warehouse)]
        if self.work_size() > 1.3 * expected.size + ROOM_FOR_LOGS:
            found.append(f"work/ has {self.work_size():,} bytes, without fault {expected.size:,}")
        return found

    def work_size(self) -> int:
        """Bytes in the work folder."""
        return sum(
            path.lstat().st_size
            for path in (self.warehouse / "work").rglob("*")
            if path.is_file() and not path.is_symlink()
        )

    @property
    def _outcome(self) -> Path:
        return self.folder / "outcome.txt"


@contextmanager
def _worker(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that answers requests; it ends when its standard input does."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.faults.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    with process:
        yield process
        assert process.stdin
        process.stdin.close()
        process.wait(60)


def _ask(worker: subprocess.Popen[str], request: str) -> str:
    assert worker.stdin
    worker.stdin.write(request + "\n")
    worker.stdin.flush()
    return _answer(worker)


def _answer(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout
    answer = worker.stdout.readline()
    assert answer, f"{worker.args!r} ended without an answer"
    return answer.strip()
