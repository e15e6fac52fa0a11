"""The record of look-ups holds whatever happens to it, and leads to no file but an export."""

import fcntl
import grp
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.privacy import look_ups as module
from flows.privacy.exports import export_head
from flows.privacy.look_ups import (
    LookUp,
    LookUpNotRecordedError,
    damaged_lines,
    forget_look_ups,
    look_ups,
    open_record,
    record_file,
    record_look_up,
)
from flows.privacy.rights import set_rights
from flows.publish.restricted_file import UnknownGroupError

NOBODY = 65534


def look_up(warehouse: Path, customer_id: str = "shop:7", path: str | None = None) -> LookUp:
    action = "looked up" if path is None else "exported"
    return record_look_up(warehouse, customer_id, action, path, "version")


def write_export(path: Path, customer_id: str = "shop:7") -> Path:
    path.write_text(f'{export_head(customer_id)}  "name": "Ann"\n}}\n', "utf-8")
    return path


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, where the tests run as root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that belongs to whoever `as_nobody` is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder


# ---------- the record


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\r", "\n", "\ud800"])
def test_what_looks_like_a_line_end_parts_no_line(tmp_path: Path, end: str) -> None:
    written = [look_up(tmp_path, f"shop:7{end}8", f"/home/ann{end}.json"), look_up(tmp_path)]
    assert list(look_ups(tmp_path)) == written
    assert len(record_file(tmp_path).read_bytes().splitlines()) == 2
    assert damaged_lines(tmp_path) == 0


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_torn_line_spoils_no_other(tmp_path: Path, kept: int) -> None:
    first, _ = look_up(tmp_path, "shop:1"), look_up(tmp_path, "shop:2")
    file = record_file(tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1][:kept])  # as a power cut leaves it
    third = look_up(tmp_path, "shop:3")
    found = [one for one in look_ups(tmp_path) if one.customer_id != "shop:2"]
    assert found == [first, third]
    assert damaged_lines(tmp_path) == (1 if kept > 0 else 0)  # without its line end it is whole


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        "nothing",
        '{"at": "soon", "by": "a", "customer_id": "b", "action": "exported", "path": null,'
        ' "version": "v"}',
        '{"at": "2026-01-01", "by": "a", "customer_id": 7, "action": "exported", "path": null,'
        ' "version": "v"}',
        '{"at": "2026-01-01", "by": "a", "customer_id": "b", "action": "deleted", "path": null,'
        ' "version": "v"}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_look_up_is_counted_and_passed_over(tmp_path: Path, line: str) -> None:
    with record_file(_with_record(tmp_path)).open("a") as stream:
        stream.write(line + "\n")
    written = look_up(tmp_path)
    assert list(look_ups(tmp_path)) == [written]
    assert damaged_lines(tmp_path) == 1


def _with_record(warehouse: Path) -> Path:
    open_record(warehouse, None)
    return warehouse


def test_a_short_write_is_taken_back(tmp_path: Path) -> None:
    written = look_up(tmp_path)
    before = record_file(tmp_path).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # The kernel writes as much of a line as there is room for.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
        with pytest.raises(LookUpNotRecordedError, match="nothing is shown"):
            look_up(tmp_path, "shop:8")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert record_file(tmp_path).read_bytes() == before
    assert list(look_ups(tmp_path)) == [written]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_a_name_is_told_by_number() -> None:
    """As in a container that runs as any user; an erasure is recorded so, too."""
    program = (
        "import os, duckdb\n"
        "from flows.privacy.forget import Erasure, _record\n"
        "from flows.upgrade import upgrade\n"
        "connection = duckdb.connect()\n"
        "upgrade(connection)\n"
        "os.setuid(54_321)\n"
        "_record(connection, Erasure(1))\n"
        "connection.table('state.erasures').show(max_width=1_000)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "SUDO_USER"}
    shown = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "user 54321" in shown.stdout


def test_look_ups_of_many_processes_while_it_is_rewritten_are_all_there(tmp_path: Path) -> None:
    _with_record(tmp_path)
    program = (
        "import sys; from pathlib import Path; from flows.privacy.look_ups import record_look_up\n"
        "for n in range(40):\n"
        "    record_look_up(Path(sys.argv[1]), f'shop:{sys.argv[2]}-{n}', 'looked up', None, 'v')"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(number)])
        for number in range(3)
    ]
    while any(writer.poll() is None for writer in writers):
        forget_look_ups(tmp_path, {"shop:1-7"})
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    found = [one.customer_id for one in look_ups(tmp_path)]
    wanted = {f"shop:{number}-{n}" for number in range(3) for n in range(40)} - {"shop:1-7"}
    assert wanted <= set(found)
    assert len(found) == 120
    assert damaged_lines(tmp_path) == 0


def test_a_held_record_is_waited_for_and_then_nothing_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.2)
    with record_file(_with_record(tmp_path)).open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(LookUpNotRecordedError, match="another process has held it"):
            look_up(tmp_path)
    assert list(look_ups(tmp_path)) == []
    assert look_up(tmp_path)


@pytest.mark.parametrize("leads_somewhere", [True, False])
def test_a_link_in_its_place_is_refused(tmp_path: Path, leads_somewhere: bool) -> None:
    file = record_file(_with_record(tmp_path))
    other = file.replace(tmp_path / "other")
    file.symlink_to(other)
    if not leads_somewhere:
        other.unlink()
    with pytest.raises(LookUpNotRecordedError):
        look_up(tmp_path)
    assert other.exists() is leads_somewhere
    assert not leads_somewhere or other.read_bytes() == b""


# ---------- exports


def test_exports_go_and_the_record_keeps_who_looked(tmp_path: Path) -> None:
    mine, others = write_export(tmp_path / "7.json"), write_export(tmp_path / "8.json", "shop:8")
    look_up(tmp_path, "shop:7", str(mine))
    look_up(tmp_path, "shop:7", str(tmp_path / "removed before.json"))
    look_up(tmp_path, "shop:7", "-")
    look_up(tmp_path, "shop:8", str(others))
    found = forget_look_ups(tmp_path, {"shop:7"})
    assert (found.removed, found.left) == ((mine,), ())
    assert not mine.exists()
    assert others.exists()
    assert [(one.customer_id, one.path) for one in look_ups(tmp_path)] == [
        ("erased", None),
        ("erased", None),
        ("erased", None),
        ("shop:8", str(others)),
    ]


@pytest.mark.parametrize("kind", ["other", "another's", "empty", "link", "fifo", "folder"])
def test_a_forged_path_removes_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "victim"
    if kind == "other":
        path.write_text('{"customer_id": "shop:7"}')
    elif kind == "another's":
        write_export(path, "shop:70")
    elif kind == "empty":
        path.touch()
    elif kind == "link":
        path.symlink_to(write_export(tmp_path / "seven.json"))
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    look_up(tmp_path, "shop:7", str(path))
    found = forget_look_ups(tmp_path, {"shop:7"})
    assert os.path.lexists(path)
    assert found.removed == ()
    assert [one.partition(":")[0] for one in found.left] == [str(path)]
    assert [one.customer_id for one in look_ups(tmp_path)] == ["erased"]
    assert kind != "link" or (tmp_path / "seven.json").exists()


@pytest.mark.parametrize("path", ["seven.json", "/home/\0", "/nowhere/\ud800.json", "/dev/null/x"])
def test_a_forged_path_that_is_none_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    export = write_export(tmp_path / "seven.json")
    look_up(tmp_path, "shop:7", path)
    assert forget_look_ups(tmp_path, {"shop:7"}).removed == ()
    assert export.exists()
    assert [one.customer_id for one in look_ups(tmp_path)] == ["erased"]


def test_an_export_out_of_reach_stays_on_record_and_stops_nothing(open_folder: Path) -> None:
    closed, locked = open_folder / "closed", open_folder / "locked"
    for folder, mode in ((closed, 0), (locked, 0o555)):
        folder.mkdir()
        write_export(folder / "7.json").chmod(0o644)
        folder.chmod(mode)
    with as_nobody():
        for folder in (closed, locked):
            look_up(open_folder, "shop:7", str(folder / "7.json"))
        mine = write_export(open_folder / "mine.json")
        look_up(open_folder, "shop:7", str(mine))
        found = forget_look_ups(open_folder, {"shop:7"})
        again = forget_look_ups(open_folder, {"shop:7"})
    denied = [f"{folder / '7.json'}: Permission denied" for folder in (closed, locked)]
    assert (found.removed, found.left) == ((mine,), tuple(denied))
    assert again.left == found.left  # a second call finds them
    assert [one.customer_id for one in look_ups(open_folder)] == ["shop:7", "shop:7", "erased"]
    for folder in (closed, locked):
        folder.chmod(0o755)
    assert len(forget_look_ups(open_folder, {"shop:7"}).removed) == 2
    assert {one.customer_id for one in look_ups(open_folder)} == {"erased"}


# ---------- rights


def rights(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mode & 0o777, state.st_gid


def test_a_group_may_add_to_the_record_and_not_replace_it(tmp_path: Path) -> None:
    own = os.getgid()
    group = next((one for one in grp.getgrall() if one.gr_gid not in (own, 0)), None)
    if os.geteuid() != 0 or group is None:
        group = grp.getgrgid(own)
    restricted = tmp_path / "versions" / "v1" / "restricted"
    restricted.mkdir(parents=True)
    (restricted / "restricted.duckdb").touch(mode=0o600)
    file = record_file(tmp_path)
    set_rights(tmp_path, group.gr_name)
    assert rights(file) == (0o660, group.gr_gid)
    assert rights(file.parent) == (0o750, group.gr_gid)
    assert rights(restricted) == (0o750, group.gr_gid)
    assert rights(restricted / "restricted.duckdb") == (0o640, group.gr_gid)

    look_up(tmp_path)
    forget_look_ups(tmp_path, {"shop:7"}, group.gr_name)  # it is another file then
    assert rights(file) == (0o660, group.gr_gid)

    file.chmod(0o600)  # as a restore leaves it
    set_rights(tmp_path, group.gr_name)
    assert rights(file) == (0o660, group.gr_gid)

    set_rights(tmp_path, None)
    assert [rights(one)[0] for one in (file, file.parent, restricted)] == [0o600, 0o700, 0o700]
    with pytest.raises(UnknownGroupError, match="no group 'nobody_has_this'"):
        set_rights(tmp_path, "nobody_has_this")


def test_the_record_is_one_line_of_json_each(tmp_path: Path) -> None:
    look_up(tmp_path, "shop:7", "-")
    (line,) = record_file(tmp_path).read_text("ascii").splitlines()
    assert json.loads(line)["action"] == "exported"
    assert rights(record_file(tmp_path))[0] == 0o600
