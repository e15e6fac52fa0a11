"""A file that holds much free room is written anew; one that holds little is left alone."""

from pathlib import Path

import duckdb
import pytest

from flows.compaction import compact, compact_if_worthwhile

MILLION = 1_000_000  # rows of 8 bytes that do not compress


def make(path: Path, kept: int, dropped: int) -> Path:
    """A file with a table of so many million rows, and the free blocks of another one."""
    with duckdb.connect(path) as connection:
        for name, rows in (("dropped", dropped), ("kept", kept)):
            connection.execute(
                f"create table {name} as select hash(range) as n from range({rows * MILLION})"
            )
        connection.execute("comment on table kept is 'It''s kept'")
        connection.execute("checkpoint")
        connection.execute("drop table dropped")
        connection.execute("checkpoint")
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return make(tmp_path / "regulars.duckdb", 3, 1)


def sum_of(path: Path) -> int:
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.execute("select comment from duckdb_tables()").fetchall()[0] == (
            "It's kept",
        )
        (found,) = connection.execute("select sum(n) from kept").fetchall()
    return int(found[0])


def test_free_room_is_given_back(database: Path) -> None:
    size, total = database.stat().st_size, sum_of(database)
    database.chmod(0o640)
    assert compact_if_worthwhile(database)
    assert database.stat().st_size < 0.8 * size
    assert database.stat().st_mode & 0o777 == 0o640
    assert sum_of(database) == total
    assert not compact_if_worthwhile(database)
    assert [path.name for path in database.parent.iterdir()] == [database.name]


@pytest.mark.parametrize(
    ("kept", "dropped"),
    [(1, 1), (20, 1)],
    ids=["a small file", "a large file of which little is free"],
)
def test_what_is_not_worth_it_is_left_alone(tmp_path: Path, kept: int, dropped: int) -> None:
    path = make(tmp_path / "regulars.duckdb", kept, dropped)
    before = path.stat().st_ino
    assert not compact_if_worthwhile(path)
    assert path.stat().st_ino == before


def test_a_write_ahead_log_is_not_inherited_by_a_fresh_file(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = database.with_name(f"{database.name}.wal")
    connect = duckdb.connect

    def connect_and_leave_a_log(path: Path) -> duckdb.DuckDBPyConnection:
        connection = connect(path)
        log.touch()  # as after a checkpoint that failed for want of room
        return connection

    monkeypatch.setattr(duckdb, "connect", connect_and_leave_a_log)
    before = database.read_bytes()
    with pytest.raises(OSError, match="write-ahead log"):
        compact(database)
    assert database.read_bytes() == before
    assert {path.name for path in database.parent.iterdir()} == {database.name, log.name}
