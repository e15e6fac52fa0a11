"""A small volume in memory, to be filled."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Volume:
    """A mounted tmpfs.

    Attributes:
        folder: where it is mounted.
    """

    folder: Path

    def resize(self, size: int) -> None:
        """Give it so many bytes in all; it cannot become smaller than what it holds."""
        mount("-o", f"remount,size={size}", str(self.folder))

    def used(self) -> int:
        """Bytes in use."""
        return shutil.disk_usage(self.folder).used


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


@contextmanager
def volume_at(folder: Path, size: int) -> Iterator[Volume]:
    """Mount a volume for the length of the block; skips the test where that is denied."""
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small volume may be mounted here (needs root): {error}")
    try:
        yield Volume(folder)
    finally:
        # A reader that has just closed its file may hold it for one moment more.
        subprocess.run(["umount", "--lazy", folder], check=True)
