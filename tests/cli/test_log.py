"""The log of a refresh: other processes rotate it and remove it, and nothing comes of that."""

import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from regulars.progress import log_to

LINE = "x" * 1_000_000


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The root logger as it was, whatever a test does to it."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(level)


def log(text: str) -> None:
    logging.getLogger("test").info(text)


def test_a_folder_that_is_removed_is_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "logs" / "refresh.log"
    with log_to(path):
        log("before")
        shutil.rmtree(path.parent)  # as `regulars forget` does
        log("after")
        text = path.read_text()
    assert "after" in text
    assert "before" not in text
    assert capsys.readouterr().err == ""


def test_the_log_does_not_reach_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)  # as dbt's tracker leaves one when it is imported
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with log_to(tmp_path / "refresh.log"):
            log("for the log alone")
        log("after it")
    finally:
        root.removeHandler(handler)
    assert "for the log alone" in (tmp_path / "refresh.log").read_text()
    assert capsys.readouterr().err == "after it\n"


def test_two_processes_rotate_one_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "logs" / "refresh.log"
    with log_to(path), log_to(path):  # two handlers know as little of each other as two processes
        for number in range(12):
            log(f"{number} {LINE}")
            for old in path.parent.glob("*.log.*"):
                old.unlink()  # or another rotates them away
    assert capsys.readouterr().err == ""
    assert path.is_file()


def test_a_log_that_cannot_be_written_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("no folder")
    with log_to(tmp_path / "logs" / "refresh.log"):
        log("nobody hears it")
    assert capsys.readouterr().err == ""
