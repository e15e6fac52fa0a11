"""How much memory this process may use: that of the machine, or less in a container."""

import os
from pathlib import Path
from typing import Final

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = Path("/proc/self/cgroup")


def memory_limit(cgroups: Path = _CGROUPS, own_cgroup: Path = _OWN_CGROUP) -> int:
    """Give the least of the machine's memory and the limits of the groups that this process is in.

    A container, a service of systemd or a batch job has such a limit (Linux cgroups, versions 1 and
    2), and is killed beyond it however much memory the machine has.

    Args:
        cgroups: where the groups are mounted.
        own_cgroup: the file that names this process's own: lines of `number:controllers:path`.

    Returns:
        Bytes.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for folder, name in _limit_files(cgroups, own_cgroup):
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue  # no group, or not ours to see
        if text.isdecimal():  # else it is "max"
            limits.append(int(text))
    return min(limits)


def _limit_files(cgroups: Path, own_cgroup: Path) -> list[tuple[Path, str]]:
    """Where limits may stand: of the groups from our own up to the root."""
    files = []
    try:
        lines = own_cgroup.read_text().splitlines()
    except OSError:
        lines = []  # no Linux
    # within a container its own group is the root, whatever the path says
    for line in [*lines, "0::/", "1:memory:/"]:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        folder = top / path.strip("/")
        files += [(one, name) for one in (folder, *folder.parents) if one.is_relative_to(top)]
    return files
