"""The record of look-ups: who looked up or exported which person, and when.

One line of JSON for each, in `warehouse/look_ups/record.jsonl`, written and on disk before anything
is shown. It is only ever appended to, but for `forget`, which takes a person's id out of it. Both
hold a lock on the file. Members of the group may write to it, so what it says is checked.
"""

import errno
import fcntl
import json
import os
import pwd
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from flows.privacy.exports import NoExportError, remove_export
from flows.publish.restricted_file import UnknownGroupError, let_in
from flows.publish.versions import sync_folder

Action = Literal["looked up", "exported"]
FORGOTTEN: Final = "erased"  # stands for the id of a person who was forgotten
_LOCK_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05


class LookUpNotRecordedError(Exception):
    """A look-up could not be recorded, so nothing may be shown."""


@dataclass(frozen=True)
class LookUp:
    """One look-up.

    Attributes:
        at: when, in UTC, ISO 8601 to the second.
        by: see `this_user`.
        customer_id: of whom; `erased` where the person was forgotten since.
        action: what was done.
        path: the file exported to; `-` for standard output; None where it was only looked at.
        version: the published version that was read.
    """

    at: str
    by: str
    customer_id: str
    action: Action
    path: str | None
    version: str


@dataclass(frozen=True)
class ForgottenExports:
    """What became of the files that people's data were exported to; those gone are in neither.

    Attributes:
        removed: these.
        left: path, and why it was left.
    """

    removed: tuple[Path, ...]
    left: tuple[str, ...]


def record_file(warehouse: Path) -> Path:
    """Where the look-ups of a warehouse are recorded."""
    return warehouse.resolve() / "look_ups" / "record.jsonl"


def open_record(warehouse: Path, group: str | None) -> None:
    """Make the record where there is none, and set who may write to it: its owner and a group.

    Members of the group may not replace or remove it.

    Raises:
        UnknownGroupError: there is no such group, or this user may not give anything to it.
        OSError: it cannot be made.
    """
    file = record_file(warehouse)
    _make_record(file)
    let_in(file, 0o600 if group is None else 0o660, group)
    let_in(file.parent, 0o700 if group is None else 0o750, group)


def record_look_up(
    warehouse: Path,
    customer_id: str,
    action: Action,
    path: str | None,
    version: str,
    group: str | None = None,
) -> LookUp:
    """Record a look-up, safely on disk, before it is done.

    Args:
        warehouse: the warehouse folder.
        customer_id: the golden id, as asked for: one that is not there is recorded too.
        action: what is going to be done.
        path: the file that will be written, absolute; `-` for standard output.
        version: the published version that will be read.
        group: whose members may look people up; as of the restricted file.

    Raises:
        LookUpNotRecordedError: then nothing may be shown.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    look_up = LookUp(now, this_user(), customer_id, action, path, version)
    file = record_file(warehouse)
    try:
        if not file.exists():
            open_record(warehouse, group)
        _append(file, _line(asdict(look_up)))
    except (OSError, UnknownGroupError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise LookUpNotRecordedError(
            f"nothing is shown, for the look-up cannot be recorded in {file}: {why}"
        ) from error
    return look_up


def look_ups(warehouse: Path, customer_id: str | None = None) -> Iterator[LookUp]:
    """Yield the recorded look-ups, oldest first; of one customer where one is named.

    Lines that are no look-up are passed over (see `damaged_lines`).
    """
    for look_up in map(_look_up, _lines(warehouse)):
        if look_up is not None and customer_id in (None, look_up.customer_id):
            yield look_up


def damaged_lines(warehouse: Path) -> int:
    """Count the lines that are no look-up: torn by a power cut, or not written by this program.

    Of a torn line nothing was shown: it was not on disk yet.
    """
    return sum(_look_up(line) is None for line in _lines(warehouse))


def forget_look_ups(
    warehouse: Path, customer_ids: set[str], group: str | None = None
) -> ForgottenExports:
    """Remove people's exports, then take their ids out of the record: who looked, and when, stays.

    Where this user may not remove an export its line stays as it is, so that another call finds it.
    Damaged lines go: nobody can tell whom they name.

    Args:
        warehouse: the warehouse folder.
        customer_ids: golden ids, as people were looked up by.
        group: as of `open_record`.

    Raises:
        OSError: the record cannot be read or written, or another process holds it.
        UnknownGroupError: see `open_record`.
    """
    file = record_file(warehouse)
    if not file.exists():
        return ForgottenExports((), ())
    exports: dict[tuple[Path, str], str | None] = {}  # None where nothing is left of it
    removed, kept = [], []
    with _held(file, os.O_RDONLY):
        for look_up in map(_look_up, _lines(warehouse)):
            if look_up is None:
                continue
            values = asdict(look_up)
            if look_up.customer_id in customer_ids:
                is_done = True
                if look_up.path not in (None, "-"):
                    export = Path(str(look_up.path)), look_up.customer_id
                    try:
                        if remove_export(*export):
                            removed.append(export[0])
                            exports[export] = None
                    except NoExportError as error:
                        exports.setdefault(export, str(error))
                    except OSError as error:
                        exports[export] = error.strerror or type(error).__name__
                        is_done = False
                if is_done:
                    values |= {"customer_id": FORGOTTEN, "path": None}
            kept.append(_line(values))
        _replace(file, b"".join(kept), group)
    left = tuple(f"{path}: {why}" for (path, _), why in exports.items() if why is not None)
    return ForgottenExports(tuple(removed), left)


# ---------- lines


def _line(values: dict[str, Any]) -> bytes:
    # ASCII alone: some of what Unicode calls the end of a line would part one for other readers.
    return json.dumps(values).encode() + b"\n"


def _lines(warehouse: Path) -> list[str]:
    try:
        content = record_file(warehouse).read_bytes()
    except FileNotFoundError:
        return []
    return [line for line in content.decode("utf-8", "replace").split("\n") if line]


def _look_up(line: str) -> LookUp | None:
    """Read one line; None where it is no look-up."""
    try:
        values = json.loads(line)
        look_up = LookUp(**values)
        datetime.fromisoformat(look_up.at)
    except (TypeError, ValueError, RecursionError):
        return None
    texts = (look_up.by, look_up.customer_id, look_up.version, look_up.path or "")
    is_sound = all(isinstance(text, str) for text in texts)
    return look_up if is_sound and look_up.action in get_args(Action) else None


# ---------- the file


def _make_record(file: Path) -> None:
    """Create the record where there is none, for its owner alone."""
    if file.exists():
        return
    file.parent.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):  # of another process, or a link that leads nowhere
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    sync_folder(file.parent)
    sync_folder(file.parent.parent)


@contextmanager
def _held(file: Path, access: int) -> Iterator[int]:
    """A descriptor of the record that no other process appends to or rewrites meanwhile.

    Raises:
        OSError: no regular file, not for this user, or held by another for half a minute.
    """
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        descriptor = os.open(file, access | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            if _is_locked(descriptor):
                # Else it was rewritten before the lock: this is the old one.
                if os.path.samestat(os.fstat(descriptor), file.stat(follow_symlinks=False)):
                    yield descriptor
                    return
            elif time.monotonic() >= deadline:
                raise OSError(errno.EBUSY, f"another process has held it for {_LOCK_SECONDS:.0f} s")
            else:
                time.sleep(_POLL_SECONDS)
        finally:
            os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _append(file: Path, line: bytes) -> None:
    """Append a line, whole and on disk, or not at all."""
    with _held(file, os.O_RDWR | os.O_APPEND) as descriptor:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # after one that a power cut tore
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise


def _replace(file: Path, content: bytes, group: str | None) -> None:
    """Write the record anew; it takes its place in one rename."""
    new = file.with_name(f".{file.name}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    let_in(new, 0o600 if group is None else 0o660, group)
    new.replace(file)
    sync_folder(file.parent)


def this_user() -> str:
    """The user of the operating system; through sudo also who called it.

    By number where no name is known of it, as in a container that runs as any user.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    caller = os.environ.get("SUDO_USER")
    return f"{name} (sudo by {caller})" if caller and caller != name else name
