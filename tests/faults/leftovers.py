"""What a refresh may leave behind: nothing but the work file, the versions and the link to one."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from flows.work_file import work_file

# dbt's target, logs and Prefect's home are kept from night to night; they are bounded elsewhere.
KEPT_FOLDERS = ("work/dbt/", "work/logs/", "work/prefect/")
# By the files in here Prefect's runs are known to be alive (flows/left_runs.py): none may stay.
RUNNING = "work/prefect/running"
VERSION = re.compile(r"\d{8}T\d{9}Z")
GRACE_SECONDS = 10.0


def files_of(warehouse: Path) -> set[str]:
    """Every file, folder and link of a warehouse, versions without their number."""
    return {
        VERSION.sub("VERSION", relative)
        for folder, folders, files in os.walk(warehouse)
        for name in folders + files
        if not (relative := os.path.relpath(Path(folder, name), warehouse)).startswith(KEPT_FOLDERS)
        or relative.startswith(RUNNING)
    }


def processes_of(sessions: set[int], temporary: Path) -> list[str]:
    """Command lines of the processes of these sessions, or that were given this TMPDIR."""
    deadline = time.monotonic() + GRACE_SECONDS  # the kernel needs a moment to end them
    while (found := list(_processes(sessions, temporary))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _processes(sessions: set[int], temporary: Path) -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            environment = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended while we looked
        is_dead = fields[0] == "Z"
        if not is_dead and (
            int(fields[3]) in sessions or f"TMPDIR={temporary}".encode() in environment
        ):
            yield f"{entry.name} {command}"


def locks_on(folder: Path) -> list[str]:
    """The kernel's locks on files of a folder."""
    files = {
        (os.major(status.st_dev), os.minor(status.st_dev), status.st_ino): path
        for path in folder.rglob("*")
        if path.is_file() and (status := path.stat())
    }
    found = []
    for line in Path("/proc/locks").read_text().splitlines():
        major, minor, inode = line.split()[-3].split(":")
        path = files.get((int(major, 16), int(minor, 16), int(inode)))
        if path:
            found.append(f"{path}: {line}")
    return found


def unfinished_runs(warehouse: Path) -> list[tuple[str, str]]:
    """Runs that are neither published, nor failed, nor had nothing to do."""
    with duckdb.connect(work_file(warehouse), read_only=True) as connection:
        return connection.execute(
            "select run_id, status from state.runs "
            "where status not in ('published', 'nothing new', 'failed') or finished_at is null"
        ).fetchall()
