"""Files that move while they are read, and files that need not be read again."""

import errno
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb
import pytest

from flows.load import file_hashes, loader
from flows.load.loader import LoadError, TransientLoadError
from tests.load.conftest import HEADER, SHOP, Load

LINE = "A1,2024-05-01 10:00,C1,P1,2,3.50\n"
Hashed = Callable[[], list[str]]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Hashed:
    """Names of the files hashed since the last call."""
    names: list[str] = []
    hash_file = file_hashes.content_sha256

    def count(path: Path) -> str:
        names.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(file_hashes, "content_sha256", count)

    def taken() -> list[str]:
        found = list(names)
        names.clear()
        return found

    return taken


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two seconds be over since the files were written."""
    later = time.time_ns() + 10 * 10**9
    monkeypatch.setattr(file_hashes.time, "time_ns", lambda: later)


@pytest.mark.usefixtures("settled")
def test_a_file_that_is_as_it_was_is_not_hashed_again(
    load: Load, landing: Path, hashed: Hashed
) -> None:
    load(lines_1__csv=HEADER + LINE, lines_2__csv=HEADER)
    assert hashed() == ["lines_1.csv", "lines_2.csv"]
    assert [one.is_new for one in load()] == [False, False]
    assert hashed() == []
    # The same size and time of change; the file system still knows.
    path = landing / "shop" / "lines_1.csv"
    times = path.stat().st_mtime_ns
    path.write_text(HEADER + LINE.replace("3.50", "4.50"))
    os.utime(path, ns=(times, times))
    assert [one.is_new for one in load()] == [True, False]
    assert hashed() == ["lines_1.csv"]
    # Another file under the name.
    other = path.with_name("other")
    other.write_text(HEADER + LINE.replace("3.50", "5.50"))
    os.utime(other, ns=(times, times))
    other.rename(path)
    assert [one.is_new for one in load()] == [True, False]
    assert hashed() == ["lines_1.csv"]


def test_a_file_that_was_just_written_is_not_believed(load: Load, hashed: Hashed) -> None:
    load(lines__csv=HEADER + LINE)
    load()
    assert hashed() == ["lines.csv", "lines.csv"]


@pytest.mark.usefixtures("settled")
def test_hashes_of_files_that_are_gone_go(
    load: Load, landing: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    load(lines_1__csv=HEADER + LINE, lines_2__csv=HEADER)
    (landing / "shop" / "lines_2.csv").unlink()
    load()
    names = connection.execute("select source_file from raw.file_hashes").fetchall()
    assert names == [("shop/lines_1.csv",)]


def change_while_reading(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]) -> None:
    """Change a file when it is about to be read, after it was hashed."""
    read = loader.read_file

    def change_and_read(connection: duckdb.DuckDBPyConnection, path: Path, *rest: object) -> object:
        change(path)
        return read(connection, path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loader, "read_file", change_and_read)


@pytest.mark.parametrize("beginning", ["", HEADER + LINE[:-4]], ids=["empty", "half a record"])
def test_a_file_that_is_still_being_written_is_waited_for_and_tried_again(
    load: Load, landing: Path, monkeypatch: pytest.MonkeyPatch, beginning: str
) -> None:
    path = landing / "shop" / "lines.csv"
    path.write_text(beginning)
    waited: list[float] = []
    sleep = time.sleep

    def write_on(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 1:
            path.write_text(HEADER + LINE)
        else:
            sleep(seconds)

    monkeypatch.setattr(file_hashes.time, "sleep", write_on)
    with pytest.raises(TransientLoadError, match=r"lines\.csv is still being written"):
        load(rest_seconds=0.3)
    (delivery,) = load(rest_seconds=0.3)
    assert delivery.rows_loaded == 1
    assert [0 < seconds <= 0.3 for seconds in waited] == [True, True]


def test_a_file_that_comes_in_the_middle_of_a_load_is_waited_for_too(
    load: Load, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not there when all were looked at, and may be half of a full list."""

    def come_late(paths: Iterable[Path], seconds: float) -> None:
        (landing / "shop" / "lines.csv").write_text(HEADER + LINE)

    monkeypatch.setattr(loader, "wait_until_at_rest", come_late)
    with pytest.raises(TransientLoadError, match=r"lines\.csv is still being written"):
        load(rest_seconds=60)
    monkeypatch.undo()
    (delivery,) = load()
    assert delivery.rows_loaded == 1


@pytest.mark.usefixtures("settled")
def test_files_at_rest_are_not_waited_for(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(file_hashes.time, "sleep")
    assert len(load(lines_1__csv=HEADER + LINE, lines_2__csv=HEADER, rest_seconds=2)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "lines.csv vanished while it was read"),
        (lambda path: path.write_text(HEADER), "lines.csv changed while it was read"),
        (lambda path: path.write_text(""), "lines.csv changed while it was read"),
        (lambda path: path.write_bytes(b"\xff"), "lines.csv changed while it was read"),
        (lambda path: path.open("a").write(LINE), "lines.csv changed while it was read"),
    ],
)
def test_a_file_that_moves_is_tried_again(
    load: Load,
    connection: duckdb.DuckDBPyConnection,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    message: str,
) -> None:
    with monkeypatch.context() as patch:
        change_while_reading(patch, change)
        with pytest.raises(TransientLoadError, match=f"shop/{message}|{message}; try again"):
            load(lines__csv=HEADER + LINE)
    assert connection.execute("select count(*) from raw.order_lines").fetchall() == [(0,)]
    (delivery,) = load(lines__csv=HEADER + LINE)
    assert delivery.rows_loaded == 1


def test_a_parquet_file_that_vanishes_is_tried_again(
    load: Load, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing / "shop" / "lines.parquet"
    with duckdb.connect() as other:
        other.execute(
            "copy (select 'A1' as \"order\", 'x' as at, '' as customer, '' as product, "
            f"1 as quantity, 1 as price) to '{path}'"
        )
    change_while_reading(monkeypatch, lambda path: path.unlink())
    with pytest.raises(TransientLoadError, match="vanished while it was read"):
        load()


def test_a_fault_of_the_drive_is_tried_again_and_a_missing_right_is_not(
    load: Load, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landing / "shop" / "lines.csv"
    path.symlink_to("/proc/self/mem")  # whose first page nobody can read: an I/O error
    with pytest.raises(TransientLoadError, match=r"file shop/lines\.csv: it cannot be read"):
        load()
    path.unlink()

    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(file_hashes, "content_sha256", refuse)  # root may read any file
    with pytest.raises(LoadError, match="it cannot be read: Permission denied") as raised:
        load(lines__csv=HEADER + LINE)
    assert not isinstance(raised.value, TransientLoadError)


def test_unfinished_files_are_passed_over(load: Load) -> None:
    deliveries = load(
        lines__csv=HEADER + LINE,
        lines__csv__part=HEADER,
        lines_2__csv__tmp=HEADER,
        lines__csv__filepart=HEADER,
    )
    assert [one.source_file for one in deliveries] == ["shop/lines.csv"]
    with pytest.raises(LoadError, match="no file matches lines_2"):
        load(SHOP.replace("files: lines*", "files: lines_2*"))
