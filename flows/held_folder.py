"""Private folders that a killed process leaves behind for the next one to remove."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.leftovers import remove_leftover


@contextmanager
def held_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new, empty folder `parent`/`name`, for this user's eyes only, gone at the end.

    It is locked while its process lives, and the kernel releases the lock of a dead one: the next
    call with an ending (as in ".today.unfinished") removes the folders of that ending that nobody
    holds. Whoever wants to keep the folder renames it before the end.

    Args:
        parent: an existing folder.
        name: the folder's name, hidden (".today.unfinished"): its ending (from the last dot) tells
            it from other people's, its first dot from what was finished under such a name.

    Raises:
        FileExistsError: where another process holds a folder of this name.
    """
    remove_unheld(parent, Path(name).suffix)
    path = parent / name
    while True:
        path.mkdir(mode=0o700)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another took it for a dead one's
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_same(descriptor, path):  # else the same, before the lock
            break
        os.close(descriptor)
    try:
        yield path
    finally:
        if _is_same(descriptor, path):
            shutil.rmtree(path)
        os.close(descriptor)


def remove_unheld(parent: Path, ending: str) -> None:
    """Remove the folders of an ending that no living process holds.

    Args:
        parent: where they lie.
        ending: from its dot on, as ".unfinished".
    """
    for left in parent.glob(f".*{ending}"):
        _remove_unheld(left)


def _remove_unheld(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # gone meanwhile, or no folder
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_same(descriptor, path):
            remove_leftover(path)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
