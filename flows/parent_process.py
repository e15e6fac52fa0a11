"""A process that must not outlive the one that started it, however that one ends (Linux)."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends.

    On other systems than Linux nothing happens.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def parent_has_ended(parent: int) -> bool:
    """Whether the parent was gone before `end_with_parent` could take effect."""
    return os.getppid() != parent
