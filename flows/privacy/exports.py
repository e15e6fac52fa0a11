"""Exports: files with all that is held of one person, as `regulars person --export` writes them.

Where they lie is told by the record of look-ups, which members of a group may write to. So a file
is removed only where it is known to be this person's export by how it begins.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


class NoExportError(Exception):
    """What stands at a path is not this person's export; the message says what is wrong with it."""


def export_head(customer_id: str) -> str:
    """The first lines of an export of this customer."""
    return f'{{\n  "customer_id": {json.dumps(customer_id, ensure_ascii=False)},\n'


class ExportError(Exception):
    """An export cannot be written; the message says why."""


@contextmanager
def new_export(path: Path, customer_id: str) -> Iterator[TextIO]:
    """A new file that only this user may read, begun as an export of this customer.

    To be opened before the export is recorded: `forget` removes what is on record, so the file must
    be there by then. Where it cannot be finished it goes.

    Args:
        path: where nothing may be yet.
        customer_id: whose export it is.

    Raises:
        ExportError: something is there, or it cannot be made or written, or was removed meanwhile.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ExportError(
            f"{path} is there already: name a new file, so that nobody's data is mixed up"
        ) from None
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from error
    own = os.fstat(descriptor)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(export_head(customer_id))
            stream.flush()
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            if not _is_at(path, own):
                raise ExportError(
                    f"{path} was removed while it was written: {customer_id} is being forgotten"
                )
    except BaseException as error:
        with suppress(OSError):
            if _is_at(path, own):
                path.unlink()
        if isinstance(error, OSError):
            raise ExportError(f"{path} cannot be written: {error.strerror}") from error
        raise


def _is_at(path: Path, state: os.stat_result) -> bool:
    try:
        return os.path.samestat(state, path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


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
