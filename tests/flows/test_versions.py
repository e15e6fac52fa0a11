"""Which versions are kept, and which one a person means."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from flows.publish.differences import UnknownVersionError, resolved_version
from flows.publish.versions import (
    current_version,
    published_at,
    remove_old_versions,
    switch_to,
    version_before,
    version_folder,
    versions,
)

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """Versions 1 to 5, of five days in a row; the newest is half a day old and current."""
    for number in range(1, 6):
        folder = version_folder(tmp_path, str(number))
        folder.mkdir(parents=True)
        path = folder / "regulars.duckdb"
        duckdb.connect(path).close()
        written = (NOW - timedelta(days=5.5 - number)).timestamp()
        os.utime(path, (written, written))
    switch_to(tmp_path, "5")
    return tmp_path


@pytest.mark.parametrize(
    ("keep", "keep_days", "left"),
    [
        (2, 0, "45"),
        (2, 3, "345"),  # beyond the number, but not old enough
        (4, 1, "2345"),  # old, but within the number
        (1, 30, "12345"),
    ],
)
def test_a_version_goes_when_it_is_beyond_the_number_and_old(
    warehouse: Path, keep: int, keep_days: int, left: str
) -> None:
    removed = remove_old_versions(warehouse, keep, keep_days, NOW)
    assert versions(warehouse) == list(left)
    assert removed == [one for one in "12345" if one not in left]


def test_the_current_version_stays_however_old(warehouse: Path) -> None:
    switch_to(warehouse, "1")
    assert remove_old_versions(warehouse, 1, 1, NOW) == ["2", "3", "4"]
    assert current_version(warehouse) == "1"
    assert versions(warehouse) == ["1", "5"]


def test_when_a_version_was_written(warehouse: Path) -> None:
    assert published_at(warehouse, "5") == NOW - timedelta(days=0.5)


def test_the_version_before(warehouse: Path) -> None:
    assert version_before(warehouse) == "4"
    switch_to(warehouse, "1")
    assert version_before(warehouse) is None


def test_what_a_person_means(warehouse: Path) -> None:
    version_folder(warehouse, "20260102T030405Z").mkdir()
    version_folder(warehouse, "20260103T030405Z").mkdir()
    assert resolved_version(warehouse, "current") == "5"
    assert resolved_version(warehouse, "previous") == "4"
    assert resolved_version(warehouse, "newest") == "5"
    assert resolved_version(warehouse, "3") == "3"
    assert resolved_version(warehouse, "20260103") == "20260103T030405Z"
    with pytest.raises(UnknownVersionError, match="several versions begin with '2026'; kept are"):
        resolved_version(warehouse, "2026")
    with pytest.raises(UnknownVersionError, match=r"no version '\.\./secret'"):
        resolved_version(warehouse, "../secret")
    with pytest.raises(UnknownVersionError, match="no version ''"):
        resolved_version(warehouse, "")
