"""Exports: files with all that is held of one person, as `regulars person --export` writes them.

Where they lie is told by the record of look-ups, which members of a group may write to. So a file
is removed only where it is known to be this person's export by how it begins.
"""

import json
import os
import stat
from pathlib import Path


class NoExportError(Exception):
    """What stands at a path is not this person's export; the message says what is wrong with it."""


def export_head(customer_id: str) -> str:
    """The first lines of an export of this customer."""
    return f'{{\n  "customer_id": {json.dumps(customer_id, ensure_ascii=False)},\n'


def remove_export(path: Path, customer_id: str) -> bool:
    """Remove a person's export; returns False where no file is there any more.

    Args:
        path: as recorded; absolute.
        customer_id: whose export it was recorded as.

    Raises:
        NoExportError: another file stands there, or a link, or what is no file.
        OSError: this user may not read or remove it.
    """
    if not path.is_absolute():
        raise NoExportError("no absolute path, as exports are recorded with")
    try:
        # Through one descriptor of the folder: a path may be switched between two looks at it.
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError:  # a NUL, or what no file system can spell
        raise NoExportError("no path of a file") from None
    try:
        found = _look_at(path.name, folder, export_head(customer_id).encode())
        if found is None:
            return False
        if not os.path.samestat(found, os.stat(path.name, dir_fd=folder, follow_symlinks=False)):
            raise NoExportError("another file took its place just now")
        os.unlink(path.name, dir_fd=folder)
    finally:
        os.close(folder)
    return True


def _look_at(name: str, folder: int, head: bytes) -> os.stat_result | None:
    """Return the state of an export that begins as expected; None where there is no file."""
    try:
        state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except ValueError:
        raise NoExportError("no path of a file") from None
    if not stat.S_ISREG(state.st_mode):
        raise NoExportError("a link, or no file")
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        if os.read(descriptor, len(head)) != head:
            raise NoExportError("not what `regulars person --export` wrote of this person")
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
