"""What each landing file's content came to when it was last hashed, so that it need not be again.

A file of which the file system says that it is as it was (size, times of change, inode) is not
read anew each night. A file that changed in the two seconds before it was hashed is not believed:
it could have changed once more within the resolution of the file system's clock. By what each file
held a file that was moved is told from one that brings an earlier state back.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from flows.load.landing import FileState, TransientLandingError, content_sha256

REST_SECONDS: Final = 2.0  # for which a file must not have changed to be taken for finished
_SETTLED_NS: Final = int(REST_SECONDS * 10**9)
_UNSETTLED: Final = FileState(0, 0, 0, 0)  # no file has inode 0


class FileHashes:
    """The hashes of one source's files, read from raw.file_hashes at first and written at last.

    Args:
        connection: to the work file.
        landing: the folder that holds one folder for each source.
        source: the source.
        rest_seconds: a file that changed so shortly before it is hashed is still being written.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        landing: Path,
        source: str,
        rest_seconds: float = 0,
    ) -> None:
        self._landing = landing
        self._source = source
        self._rest_ns = int(rest_seconds * 10**9)
        rows = connection.execute(
            "select source_file, file_bytes, modified_ns, changed_ns, inode, content_sha256 "
            "from raw.file_hashes where source = ?",
            [source],
        ).fetchall()
        self._known = {row[0]: (FileState(*row[1:5]), str(row[5])) for row in rows}
        self._fresh: dict[str, tuple[FileState, str]] = {}
        self._states: dict[Path, FileState] = {}
        self._hashes: dict[Path, str] = {}

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of a file's content, as of the first time that it is asked for.

        Raises:
            TransientLandingError: it is still being written, as one is that came in the middle of a
                load.
        """
        if path not in self._hashes:
            state = FileState.of(path)
            name = path.relative_to(self._landing).as_posix()
            known = self._known.get(name)
            if known is not None and known[0] == state:
                self._hashes[path] = known[1]
            else:
                # of a file server whose clock is ahead nothing is known
                if 0 <= time.time_ns() - state.changed_ns < self._rest_ns:
                    raise _still_written(path)
                is_settled = max(state.modified_ns, state.changed_ns) < time.time_ns() - _SETTLED_NS
                self._hashes[path] = content_sha256(path)
                self._fresh[name] = (state if is_settled else _UNSETTLED, self._hashes[path])
            self._states[path] = state
        return self._hashes[path]

    @property
    def held(self) -> dict[str, str]:
        """File to the hash of what it held when the source was loaded last."""
        return {name: content for name, (_, content) in self._known.items()}

    def holds(self, name: str) -> str | None:
        """Return the hash of what a file holds now; None where it is gone."""
        path = self._landing / name
        return self.sha256(path) if path.is_file() else None

    def has_changed(self, paths: Iterable[Path]) -> Path | None:
        """Return the first file that is gone, or no longer as it was when it was hashed."""
        for path in paths:
            if path not in self._states:
                continue
            try:
                state = FileState.of(path)
            except OSError:
                return path
            if state != self._states[path]:
                return path
        return None

    def write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Keep the hashes of the files that were hashed anew, and none of files that are gone."""
        seen = [path.relative_to(self._landing).as_posix() for path in self._hashes]
        connection.execute(
            "delete from raw.file_hashes where source = ? and not list_contains(?, source_file)",
            [self._source, seen],
        )
        for name, (state, content) in self._fresh.items():
            connection.execute(
                "insert or replace into raw.file_hashes values (?, ?, ?, ?, ?, ?, ?)",
                [self._source, name, *state, content],
            )


def wait_until_at_rest(paths: Iterable[Path], seconds: float) -> None:
    """Wait until no file was changed in the last seconds: once for all, and only if one was.

    Many uploads write to a file's last name, in bursts; half a file may be a valid one.

    Args:
        paths: files.
        seconds: how long they must have been at rest, and the longest wait.

    Raises:
        TransientLandingError: one changed meanwhile.
        OSError: one is gone.
    """
    states = {path: FileState.of(path) for path in paths}
    newest = max((max(one.modified_ns, one.changed_ns) for one in states.values()), default=0)
    pause = min(seconds, seconds - (time.time_ns() - newest) / 10**9)
    if pause <= 0:
        return
    time.sleep(pause)
    for path, state in states.items():
        if FileState.of(path) != state:
            raise _still_written(path)


def _still_written(path: Path) -> TransientLandingError:
    return TransientLandingError(f"{path.name} is still being written; try again later")


def all_hashes(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return what a database knows of the files of all sources."""
    return connection.execute("from raw.file_hashes").to_arrow_table()


def take_over_hashes(connection: duckdb.DuckDBPyConnection, hashes: pa.Table) -> None:
    """Have a database know of files what another one knows; nothing is written that it knows.

    Args:
        connection: to the database.
        hashes: as of `all_hashes`.
    """
    connection.register("regulars_hashes", hashes)
    connection.execute(
        "delete from raw.file_hashes "
        "where (source, source_file) not in (select (source, source_file) from regulars_hashes)"
    )
    connection.execute(
        "insert or replace into raw.file_hashes by name "
        "(from regulars_hashes except from raw.file_hashes)"
    )
    connection.unregister("regulars_hashes")
