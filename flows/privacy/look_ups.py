"""The record of look-ups: who looked up or exported which person, and when.

One line of JSON for each, in `warehouse/look_ups/record.jsonl`, written and on disk before anything
is shown. It is only ever appended to, but for `forget`, which takes a person's id out of it.
"""

import json
import os
import pwd
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from flows.publish.restricted_file import UnknownGroupError, open_to_group
from flows.publish.versions import sync_folder

Action = Literal["looked up", "exported"]
FORGOTTEN: Final = "erased"  # stands for the id of a person who was forgotten


class LookUpNotRecordedError(Exception):
    """A look-up could not be recorded, so nothing may be shown."""


@dataclass(frozen=True)
class LookUp:
    """One look-up.

    Attributes:
        at: when, in UTC, ISO 8601 to the second.
        by: the user of the operating system; through sudo also who called it.
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


def record_file(warehouse: Path) -> Path:
    """Where the look-ups of a warehouse are recorded."""
    return warehouse.resolve() / "look_ups" / "record.jsonl"


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
    look_up = LookUp(now, _user(), customer_id, action, path, version)
    file = record_file(warehouse)
    try:
        _make_record(file, group)
        line = json.dumps(asdict(look_up), ensure_ascii=False) + "\n"
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        try:
            # One write of one line: those of two processes at the same time do not mix.
            written = os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, UnknownGroupError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise LookUpNotRecordedError(
            f"nothing is shown, for the look-up cannot be recorded in {file}: {why}"
        ) from error
    if written != len(line.encode()):
        raise LookUpNotRecordedError(f"nothing is shown, for there is no room left in {file}")
    return look_up


def look_ups(warehouse: Path, customer_id: str | None = None) -> Iterator[LookUp]:
    """Yield the recorded look-ups, oldest first; of one customer where one is named."""
    try:
        text = record_file(warehouse).read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        look_up = LookUp(**json.loads(line))
        if customer_id in (None, look_up.customer_id):
            yield look_up


def forget_look_ups(warehouse: Path, customer_ids: set[str]) -> list[Path]:
    """Take people's ids out of the record, which keeps who looked and when.

    Returns:
        The files that their data were exported to, as far as they are still there.
    """
    file = record_file(warehouse)
    if not file.is_file():
        return []
    kept, exports = [], []
    for look_up in look_ups(warehouse):
        values = asdict(look_up)
        if look_up.customer_id in customer_ids:
            if look_up.path not in (None, "-"):
                exports.append(Path(str(look_up.path)))
            values |= {"customer_id": FORGOTTEN, "path": None}
        kept.append(json.dumps(values, ensure_ascii=False) + "\n")
    new = file.with_name(".record.jsonl")
    state = file.stat()
    new.touch(mode=0o600)
    os.chown(new, state.st_uid, state.st_gid)
    new.chmod(state.st_mode & 0o777)
    with new.open("w", encoding="utf-8") as stream:
        stream.writelines(kept)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    sync_folder(file.parent)
    return [path for path in dict.fromkeys(exports) if path.is_file()]


def _make_record(file: Path, group: str | None) -> None:
    """Create the record where there is none, for its owner and the group alone."""
    if file.is_file():
        return
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.touch(mode=0o600)
    if group is not None:
        for path, mode in ((file, 0o660), (file.parent, 0o770)):
            open_to_group(path, group)
            path.chmod(mode)


def _user() -> str:
    name = _name_of(os.getuid())
    caller = os.environ.get("SUDO_USER")
    return f"{name} (sudo by {caller})" if caller and caller != name else name


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"
