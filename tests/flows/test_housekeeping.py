"""Once readers see a version, nothing that fails makes it a failure."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.building import begin_building, building_file, settle
from flows.housekeeping import keep_house, only_a_trouble_once_published
from flows.publish.versions import switch_to, unfinished_folder, version_folder, versions
from flows.runs import Trouble, begin_run, end_run, last_trouble
from flows.settings import PublishSettings, RefreshSettings
from flows.stages import Stage
from flows.work_file import open_database, work_file, work_folder

OLD = "20200101T000000000Z"
STAGES = [Stage("publish", datetime(2026, 1, 1, tzinfo=UTC), 1.0)]


def strict(warehouse: Path) -> RefreshSettings:
    """Settings by which old versions soon go."""
    return RefreshSettings(
        warehouse=warehouse, publish=PublishSettings(keep_versions=1, keep_days=1)
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    work_folder(tmp_path).mkdir()
    return tmp_path


def published_run(warehouse: Path) -> str:
    """A run whose version readers have just been switched to; all else is left to do."""
    version = begin_run(warehouse).run_id
    with open_database(begin_building(warehouse, version)) as connection:
        end_run(connection, version, "published")
    folder = unfinished_folder(warehouse, version)
    (folder / "regulars.duckdb").write_bytes(b"")
    folder.rename(version_folder(warehouse, version))
    switch_to(warehouse, version)
    return version


def record(warehouse: Path, version: str) -> tuple[str, str | None]:
    with open_database(work_file(warehouse)) as connection:
        (found,) = connection.execute(
            "select status, error from state.runs where run_id = ?", [version]
        ).fetchall()
    return found


def test_a_good_end_leaves_no_word(warehouse: Path) -> None:
    troubles: list[str] = []
    version = published_run(warehouse)
    keep_house(strict(warehouse), version, None, STAGES, troubles)
    assert troubles == []
    assert record(warehouse, version) == ("published", None)
    assert last_trouble(warehouse) is None
    assert not building_file(warehouse).exists()


def test_old_versions_that_cannot_be_removed_are_a_trouble_of_a_published_run(
    warehouse: Path,
) -> None:
    version_folder(warehouse, OLD).mkdir(parents=True)  # without its file: nobody knows its age
    version = published_run(warehouse)
    troubles = ["published as it is, but something came before"]
    keep_house(strict(warehouse), version, None, STAGES, troubles)
    assert len(troubles) == 2
    assert troubles[1].startswith(
        f"published as {version}, but old versions could not be removed: [Errno 2]"
    )
    text = "\n".join(troubles)
    assert record(warehouse, version) == ("published", text)
    assert last_trouble(warehouse) == Trouble(version, text, is_published=True)
    assert versions(warehouse) == [OLD, version]


def test_a_work_file_that_cannot_be_kept_yet_is_kept_by_the_next_run(warehouse: Path) -> None:
    version = published_run(warehouse)
    aside = work_file(warehouse).rename(warehouse / "aside")
    work_file(warehouse).mkdir()  # nothing can take the place of a folder
    troubles: list[str] = []
    keep_house(strict(warehouse), version, None, STAGES, troubles)
    assert len(troubles) == 1
    assert "its work file could not be kept yet; the next refresh keeps it" in troubles[0]
    assert last_trouble(warehouse) == Trouble(version, troubles[0], is_published=True)
    work_file(warehouse).rmdir()
    aside.rename(work_file(warehouse))
    assert settle(warehouse) == version
    assert record(warehouse, version) == ("published", None)


def test_a_record_that_cannot_be_written_is_a_trouble_too(warehouse: Path) -> None:
    version = published_run(warehouse)
    (work_folder(warehouse) / "last_failure.json").mkdir()
    troubles: list[str] = []
    keep_house(strict(warehouse), version, None, STAGES, troubles)
    assert ["what went wrong could not be recorded" in one for one in troubles] == [True]


def test_before_the_switch_a_failure_is_a_failure(warehouse: Path) -> None:
    troubles: list[str] = []
    with (
        pytest.raises(ZeroDivisionError),
        only_a_trouble_once_published(warehouse, "1", "it was disturbed", troubles),
    ):
        raise ZeroDivisionError
    switch_to(warehouse, "1")
    with only_a_trouble_once_published(warehouse, "1", "it was disturbed", troubles):
        raise ZeroDivisionError
    assert troubles == ["published as 1, but it was disturbed: ZeroDivisionError"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_who_ends_a_run_ends_it(warehouse: Path, end: type[BaseException]) -> None:
    switch_to(warehouse, "1")
    with (
        pytest.raises(end),
        only_a_trouble_once_published(warehouse, "1", "it was disturbed", []),
    ):
        raise end
