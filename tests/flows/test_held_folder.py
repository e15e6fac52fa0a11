"""Folders that a killed process leaves are removed by the next, living ones never."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.held_folder import held_folder

HOLD = """
import sys
from pathlib import Path
from flows.held_folder import held_folder
with held_folder(Path(sys.argv[1]), sys.argv[2]) as folder:
    (folder / "file").write_text("content")
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(parent: Path, name: str) -> subprocess.Popen[str]:
    """A process that holds a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, parent, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_it_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with held_folder(tmp_path, ".a.unfinished") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_it_is_gone_after_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), held_folder(tmp_path, ".a.unfinished"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_was_renamed_stays(tmp_path: Path) -> None:
    with held_folder(tmp_path, ".a.unfinished") as folder:
        (folder / "file").touch()
        folder.rename(tmp_path / "kept")
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "file"]


def test_the_next_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / ".file.unfinished").touch()  # no folder: somebody else's
    (tmp_path / "a.unfinished").mkdir()  # not hidden: finished, whatever its name
    killed = hold(tmp_path, ".a.unfinished")
    killed.kill()
    killed.communicate()
    assert (tmp_path / ".a.unfinished" / "file").is_file()
    with held_folder(tmp_path, ".b.unfinished"):
        assert not (tmp_path / ".a.unfinished").exists()
    assert {path.name for path in tmp_path.iterdir()} == {
        "other",
        ".file.unfinished",
        "a.unfinished",
    }


def test_a_living_process_keeps_its_folder(tmp_path: Path) -> None:
    living = hold(tmp_path, ".a.unfinished")
    with held_folder(tmp_path, ".b.unfinished"):
        assert (tmp_path / ".a.unfinished" / "file").is_file()
    with pytest.raises(FileExistsError), held_folder(tmp_path, ".a.unfinished"):
        pass
    assert (tmp_path / ".a.unfinished" / "file").is_file()
    living.communicate("")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / ".link.unfinished").symlink_to(outside, target_is_directory=True)
    with held_folder(parent, ".a.unfinished"):
        pass
    assert (outside / "file").is_file()
