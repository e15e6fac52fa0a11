"""A process that must not outlive the one that started it, however that one ends (Linux)."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends.

    On other systems than Linux nothing happens.

    Args:
        parent: the process that started this one, as it knew itself.

    Raises:
        SystemExit: it has ended already, before the kernel was asked.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the process that started this one has ended")
