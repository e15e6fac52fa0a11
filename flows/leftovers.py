"""What killed processes left in a warehouse: its removal never fails a run that is alive."""

import logging
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)


def remove_leftover(path: Path) -> None:
    """Remove a file, a link or a whole folder, where it is there.

    A drive of the network keeps a file that a reader holds open, and another process may be
    removing the same: what stays is logged, and gone the next time.
    """
    failed: list[BaseException] = []
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=lambda _, __, raised: failed.append(raised[1]))
    else:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            failed.append(error)
    left = [error for error in failed if not isinstance(error, FileNotFoundError)]
    if left:
        logger.warning("%s could not be removed now: %s", path, left[0])
