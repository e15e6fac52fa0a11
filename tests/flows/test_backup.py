"""A backup is whole, private and of one moment; a warehouse restored from it gives equal marts."""

import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.backup import BackupError, read_backup, write_backup
from flows.building import begin_building, building_file
from flows.database_file import NewerWarehouseError
from flows.publish.versions import (
    current_version,
    published_file,
    switch_to,
    unfinished_folder,
    version_folder,
    versions,
)
from flows.restore import (
    different_settings,
    put_back_mappings,
    put_back_tables,
    refuse_newer_backup,
    refuse_unless_empty,
)
from flows.runs import begin_run, end_run
from flows.settings import MiningSettings, RefreshSettings
from flows.work_file import open_database, sole_refresh, work_file, work_folder
from tests import tea_shop
from tests.conftest import Refresh
from tests.published_rows import published_rows

MAPPING = (
    tea_shop.MAPPING.replace("entities:", "reject_limit: 1\nentities:")
    + """\
  customers:
    files: customers.csv
    columns:
      customer_id: customer
      name: name
      phone: phone
"""
)
ORDERS = """order,customer,product,ordered at,quantity,price
1,Ann,tea,2026-01-05 10:00,2,3.50
1,Ann,cup,2026-01-05 10:00,1,9.00
2,Bob,tea,2026-02-10 18:30,1,3.50
3,,cup,2026-02-11 12:00,1,9.00
4,Ann,cup,2026-03-01 09:00,-1,9.00
5,李娜,tea,2026-03-02 09:00,one,3.50
"""
CUSTOMERS = "customer,name,phone\nAnn,Ann Ames,+86 555\nBob,Bob 'Best',\n"
SETTINGS = "[rfm]\nwindow_days = 400\n"
RUN_OF_A_CLOCK_AHEAD = "20991231T235959999Z"


def restore(backup: Path, folder: Path, prefect_api: str) -> subprocess.CompletedProcess[str]:
    """Run `regulars restore` in an empty folder, as on a new machine."""
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [Path(sys.executable).with_name("regulars"), "restore", backup, "--warehouse", "new"],
        cwd=folder,
        env=os.environ | {"PREFECT_API_URL": prefect_api, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, refresh: Refresh) -> Path:
    """A shop with settings and a mapping of its own, refreshed twice: the second corrects."""
    folder = tmp_path_factory.mktemp("shop")
    landing = folder / "landing" / "shop"
    landing.mkdir(parents=True)
    (folder / "sources").mkdir()
    (folder / "sources/shop.yml").write_text(MAPPING)
    (folder / "regulars.toml").write_text(SETTINGS)
    (landing / "orders1.csv").write_text(ORDERS)
    (landing / "customers.csv").write_text(CUSTOMERS)
    refresh(folder / "landing", folder / "warehouse")
    header = ORDERS.partition("\n")[0]
    (landing / "orders2.csv").write_text(f"{header}\n2,Bob,tea,2026-02-10 18:30,3,3.50\n")
    refresh(folder / "landing", folder / "warehouse")
    with open_database(work_file(folder / "warehouse")) as connection:
        connection.execute(
            "insert into state.runs (run_id, started_at, finished_at, status) "
            "values (?, now(), now(), 'nothing new')",
            [RUN_OF_A_CLOCK_AHEAD],
        )
        connection.execute("insert into state.told_silences values ('shop', now(), 'run')")
    return folder


@pytest.fixture(scope="module")
def backup(shop: Path) -> Path:
    """The shop's backup, made as people make it."""
    made = subprocess.run(
        [Path(sys.executable).with_name("regulars"), "backup", "backups/today"],
        cwd=shop,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    assert "It holds names and contacts" in made.stdout
    return shop / "backups" / "today"


def table_rows(database: Path) -> dict[str, list[str]]:
    """All rows of raw and state, as sorted text."""
    with duckdb.connect(database, read_only=True) as connection:
        return {
            f"{schema}.{table}": sorted(
                map(repr, connection.execute(f"from {schema}.{table}").fetchall())
            )
            for schema, table in connection.execute(
                "select schema_name, table_name from duckdb_tables() "
                "where schema_name in ('raw', 'state')"
            ).fetchall()
        }


def test_a_restore_on_an_empty_machine_gives_equal_marts(
    shop: Path, backup: Path, tmp_path: Path, prefect_api: str, refresh: Refresh
) -> None:
    machine = tmp_path / "machine"
    finished = restore(backup, machine, prefect_api)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    words = " ".join(finished.stdout.split())
    assert "regulars.toml was put back." in words
    assert "sources/shop.yml was put back." in words
    assert "as of 2026-02-12" in words
    assert "Figures may differ" not in words

    assert work_folder(machine / "new").stat().st_mode & 0o777 == 0o700
    before, after = published_rows(shop / "warehouse"), published_rows(machine / "new")
    assert before["marts.rfm"] != []
    assert before["core.fct_order_lines"] != []
    assert after == before
    raw_before = table_rows(work_file(shop / "warehouse"))
    raw_after = table_rows(work_file(machine / "new"))
    # What was hashed holds only where the files lay.
    raw_before.pop("raw.file_hashes")
    assert raw_after.pop("raw.file_hashes") == []
    assert {name: rows for name, rows in raw_after.items() if name.startswith("raw.")} == {
        name: rows for name, rows in raw_before.items() if name.startswith("raw.")
    }
    assert len(raw_before["raw.rejected_rows"]) == 1
    assert set(raw_before["state.runs"]) < set(raw_after["state.runs"])
    assert raw_before["state.told_silences"] == raw_after["state.told_silences"] != []
    # What the marts call their version is the version, though the backup's clock was ahead.
    version = current_version(machine / "new")
    assert version is not None
    assert version > RUN_OF_A_CLOCK_AHEAD
    with duckdb.connect(published_file(machine / "new"), read_only=True) as connection:
        assert connection.execute("select distinct version from marts.about").fetchall() == [
            (version,)
        ]

    # The next night on the new machine knows the files of the old, and loads what is new.
    (machine / "landing").symlink_to(shop / "landing")
    again = refresh(machine / "landing", machine / "new")
    assert "Nothing new" in again.stdout
    hashed = table_rows(work_file(machine / "new"))["raw.file_hashes"]
    assert len(hashed) == 3  # so the next night need not read them again
    assert versions(machine / "new") == [current_version(machine / "new")]


def test_only_its_owner_may_read_a_backup(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o700
    modes = {path.stat().st_mode & 0o777 for path in backup.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert [path.name for path in backup.parent.iterdir()] == ["today"]


def test_settings_that_differ_are_told(backup: Path) -> None:
    contents = read_backup(backup)
    other = RefreshSettings(mining=MiningSettings(maximum_rules=7))
    assert different_settings(contents, other) == [
        "rfm_window_days is null, in the backup 400",
        next(line for line in different_settings(contents, other) if line.startswith("mining")),
    ]


def small_warehouse(folder: Path) -> RefreshSettings:
    """A work file with two tables that are always changed together, and nothing published."""
    settings = RefreshSettings(warehouse=folder / "warehouse", mappings=folder / "sources")
    work_folder(settings.warehouse).mkdir(parents=True, exist_ok=True)
    begin_run(settings.warehouse)
    with open_database(work_file(settings.warehouse)) as connection:
        for name in ("one", "two"):
            connection.execute(f"create table state.{name} (number integer primary key)")
            connection.execute(f"insert into state.{name} values (0)")
    return settings


WRITER = """
import sys
from pathlib import Path
from flows.work_file import open_database
for number in range(1, 1_000_000):
    with open_database(Path(sys.argv[1])) as connection:
        connection.execute("begin")
        connection.execute("insert into state.one values (?)", [number])
        connection.execute("insert into state.two values (?)", [number])
        connection.execute("commit")
    if number == 1:
        print("writing", flush=True)
    if number % 10 == 0:
        import time; time.sleep(0.3)
"""


def test_a_backup_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    found = []
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, work_file(settings.warehouse)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "writing\n"
        for number in range(8):
            backup = write_backup(settings, tmp_path / f"backup{number}")
            rows = {table.name: table.rows for table in backup.tables}
            found.append((rows["one"], rows["two"]))
        is_undisturbed = writer.poll() is None
        writer.kill()
        _, error = writer.communicate()
    assert is_undisturbed, error
    assert all(one == two for one, two in found), found
    assert len(set(found)) > 1, "nothing was written between the backups"


def test_a_backup_neither_waits_for_a_refresh_nor_hinders_one(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    with sole_refresh(settings.warehouse):
        write_backup(settings, tmp_path / "backup")
    assert (tmp_path / "backup" / "backup.json").is_file()


def switch_without_settling(warehouse: Path) -> str:
    """Publish a version with one row more, and be killed before the work file is kept."""
    version = begin_run(warehouse).run_id
    with open_database(begin_building(warehouse, version)) as connection:
        connection.execute("insert into state.one values (1)")
        end_run(connection, version, "published")
    folder = unfinished_folder(warehouse, version)
    (folder / "regulars.duckdb").touch()
    folder.rename(version_folder(warehouse, version))
    switch_to(warehouse, version)
    return version


def test_a_backup_after_a_kill_at_the_switch_holds_what_was_published(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    version = switch_without_settling(settings.warehouse)
    backup = write_backup(settings, tmp_path / "backup")
    assert backup.version == version
    assert {table.name: table.rows for table in backup.tables}["one"] == 2
    assert not building_file(settings.warehouse).exists()


SETTLER = """
import sys, time
from pathlib import Path
from flows.building import settle
from flows.work_file import sole_refresh
with sole_refresh(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1)
    settle(Path(sys.argv[1]))
    time.sleep(600)
"""


def test_a_backup_at_the_switch_waits_until_the_work_file_is_kept(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    version = switch_without_settling(settings.warehouse)
    with subprocess.Popen(
        [sys.executable, "-c", SETTLER, settings.warehouse], stdout=subprocess.PIPE, text=True
    ) as refresh:
        assert refresh.stdout
        assert refresh.stdout.readline() == "held\n"
        backup = write_backup(settings, tmp_path / "backup")
        refresh.kill()
    assert backup.version == version


def test_what_the_log_still_holds_is_backed_up(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    killed = """
import os, signal, sys
from pathlib import Path
from flows.work_file import open_database
with open_database(Path(sys.argv[1])) as connection:
    connection.execute("insert into state.one values (1)")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    path = work_file(settings.warehouse)
    assert subprocess.run([sys.executable, "-c", killed, path]).returncode == -signal.SIGKILL
    assert path.with_name(path.name + ".wal").is_file()
    backup = write_backup(settings, tmp_path / "backup")
    assert {table.name: table.rows for table in backup.tables}["one"] == 2


# Backs up and is killed, each time a little later; says how many were not finished.
KILL_BACKUPS = """
import os, signal, sys, time
from pathlib import Path
from flows.backup import write_backup
from flows.settings import RefreshSettings
settings, target = RefreshSettings(warehouse=Path(sys.argv[1])), Path(sys.argv[2])
unfinished = 0
for number in range(8):
    backup = os.fork()  # of a process that has everything imported
    if backup == 0:
        write_backup(settings, target)
        os._exit(0)
    time.sleep(0.04 * number)
    os.kill(backup, signal.SIGKILL)
    os.waitpid(backup, 0)
    if target.exists():
        break
    unfinished += 1
print(unfinished)
"""


def test_backups_killed_at_any_moment_leave_nothing(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    with open_database(work_file(settings.warehouse)) as connection:
        connection.execute("create table state.large as select range as n from range(3_000_000)")
    target = tmp_path / "backups" / "killed"
    killed = subprocess.run(
        [sys.executable, "-c", KILL_BACKUPS, settings.warehouse, target],
        capture_output=True,
        text=True,
        check=True,
    )
    unfinished = int(killed.stdout)
    if target.exists():  # the last was quicker than its end, so it must be whole
        read_backup(target)
    assert unfinished > 0
    write_backup(settings, tmp_path / "backups" / "whole")
    left = {path.name for path in (tmp_path / "backups").iterdir()}
    assert left <= {"whole", "killed"}
    assert not list(work_folder(settings.warehouse).glob(".*.backup"))


def test_a_backup_without_room_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(BackupError, match=r"could not be written|no room"):
            write_backup(settings, tmp_path / "backups" / "today")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "backups").iterdir()) == []
    assert not list(work_folder(settings.warehouse).glob(".*.backup"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_and_a_used_up_quota_are_told_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    settings = small_warehouse(tmp_path)

    def full(*_: object) -> None:  # no quota can be set on the disk of a test
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("flows.backup.copy_file", full)
    with pytest.raises(BackupError, match="there is no room for the backup"):
        write_backup(settings, tmp_path / "backups" / "today")
    assert list((tmp_path / "backups").iterdir()) == []


def test_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="nothing to back up"):
        write_backup(RefreshSettings(warehouse=tmp_path / "none"), tmp_path / "backup")


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "file").touch()
    with pytest.raises(BackupError, match="exists already"):
        write_backup(settings, tmp_path / "backup")
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["file"]


# ---------- a backup that is not as it was


@pytest.fixture
def small_backup(tmp_path: Path) -> Path:
    write_backup(small_warehouse(tmp_path), tmp_path / "backup")
    return tmp_path / "backup"


def edit(backup: Path, change: Callable[[dict[str, Any]], object]) -> None:
    contents = json.loads((backup / "backup.json").read_text())
    change(contents)
    (backup / "backup.json").write_text(json.dumps(contents))


def table_of(contents: dict[str, Any], name: str) -> dict[str, Any]:
    return next(table for table in contents["tables"] if table["name"] == name)


def test_a_flipped_bit_is_found(small_backup: Path) -> None:
    path = small_backup / "state" / "one.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupError, match=r"one\.parquet is not as it was"):
        read_backup(small_backup)


def test_a_missing_file_is_found(small_backup: Path) -> None:
    (small_backup / "raw" / "loads.parquet").unlink()
    with pytest.raises(BackupError, match=r"raw/loads\.parquet is missing"):
        read_backup(small_backup)


def test_another_number_of_rows_is_found(small_backup: Path, tmp_path: Path) -> None:
    edit(small_backup, lambda contents: table_of(contents, "one").update(rows=7))
    contents = read_backup(small_backup)
    warehouse = tmp_path / "new"
    work_folder(warehouse).mkdir(parents=True)
    begin_run(warehouse)
    with (
        open_database(work_file(warehouse)) as connection,
        pytest.raises(BackupError, match=r"state/one\.parquet holds 1 rows, not 7"),
    ):
        put_back_tables(connection, small_backup, contents, warehouse)


@pytest.mark.parametrize(
    "change",
    [
        lambda contents: table_of(contents, "one").update(name="../../../etc/passwd"),
        lambda contents: table_of(contents, "one").update(name='one"; drop table raw.loads; --'),
        lambda contents: table_of(contents, "one").update(schema_name="main"),
        lambda contents: contents["files"].append({"path": "../x", "sha256": "0" * 64}),
        lambda contents: contents["files"].append({"path": "/etc/passwd", "sha256": "0" * 64}),
        lambda contents: contents.pop("tables"),
        lambda contents: contents.update(backup_format="one"),
    ],
)
def test_contents_that_no_backup_has_are_refused(
    small_backup: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    edit(small_backup, change)
    with pytest.raises(BackupError, match="is damaged"):
        read_backup(small_backup)


def test_names_of_columns_are_only_names(small_backup: Path, tmp_path: Path) -> None:
    hostile = 'number"); drop table raw.loads; --'
    edit(small_backup, lambda contents: table_of(contents, "one").update(primary_key=[hostile]))
    contents = read_backup(small_backup)
    warehouse = tmp_path / "new"
    work_folder(warehouse).mkdir(parents=True)
    begin_run(warehouse)
    with open_database(work_file(warehouse)) as connection:
        with pytest.raises(duckdb.Error):
            put_back_tables(connection, small_backup, contents, warehouse)
        assert connection.execute("select count(*) from raw.loads").fetchone() == (0,)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_what_is_no_backup_is_said_so(small_backup: Path, text: str) -> None:
    (small_backup / "backup.json").write_text(text)
    with pytest.raises(BackupError, match=r"backup.json is damaged"):
        read_backup(small_backup)


def test_a_folder_without_contents_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="is no backup of Regulars"):
        read_backup(tmp_path)


def test_a_newer_releases_backup_is_refused(small_backup: Path) -> None:
    edit(small_backup, lambda contents: contents.update(backup_format=99, regulars_version="9.9"))
    with pytest.raises(BackupError, match=r"Regulars 9\.9, a newer release: its format is 99"):
        read_backup(small_backup)


def test_a_newer_releases_tables_are_refused(small_backup: Path) -> None:
    edit(small_backup, lambda contents: contents.update(warehouse_format=99))
    with pytest.raises(NewerWarehouseError, match="in format 99; this release knows formats up to"):
        refuse_newer_backup(small_backup, read_backup(small_backup))


# ---------- restoring


def test_tables_come_back_as_they_were(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    with open_database(work_file(settings.warehouse)) as connection:
        connection.execute(
            """
            create table state.kinds as
            select
                1.5::decimal(38, 4) as amount, 'a''"\\\n' || chr(0) || '𠮷' as text,
                '2026-03-29 02:30:00+02'::timestamptz as moment, date '1900-01-01' as day,
                timestamp '2199-12-31 23:59:59.999999' as wall_clock, 9223372036854775807 as large,
                true as flag, ['x', null] as list, {'a': 1} as struct, '\\x00\\xFF'::blob as bytes,
                0.1::double as share, null::varchar as nothing
            """
        )
        connection.execute("insert into state.kinds (text) values (repeat('x', 10_000_000))")
        connection.execute(
            "insert into raw.sources values ('shop', 'A', 'UTC', null, 'orders', true, false)"
        )
    write_backup(settings, tmp_path / "backup")
    warehouse = tmp_path / "new"
    work_folder(warehouse).mkdir(parents=True)
    run_id = begin_run(warehouse).run_id
    with open_database(work_file(warehouse)) as connection:
        put_back_tables(
            connection, tmp_path / "backup", read_backup(tmp_path / "backup"), warehouse
        )
        # Keys and constraints hold again.
        connection.execute(
            "insert or replace into raw.sources "
            "values ('shop', 'B', 'UTC', null, 'orders', true, false)"
        )
        for wrong in (
            "insert into state.one values (0)",
            "insert into raw.sources (source) values ('other')",
        ):
            with pytest.raises(duckdb.ConstraintException):
                connection.execute(wrong)
        assert connection.execute(
            "select run_id, status, error from state.runs order by run_id"
        ).fetchall()[-1] == (run_id, "running", None)
        assert connection.execute(
            "select count(*) from state.runs where status = 'failed' and error like 'was running%'"
        ).fetchone() == (1,)
    before, after = table_rows(work_file(settings.warehouse)), table_rows(work_file(warehouse))
    assert after["state.kinds"] == before["state.kinds"]
    assert len(before["state.kinds"]) == 2


def test_the_record_of_look_ups_comes_back_and_is_never_overwritten(tmp_path: Path) -> None:
    settings = small_warehouse(tmp_path)
    record = settings.warehouse / "look_ups" / "record.jsonl"
    record.parent.mkdir()
    record.write_text('{"by": "me"}\n')
    backup = tmp_path / "backup"
    write_backup(settings, backup)
    new = tmp_path / "new"
    work_folder(new).mkdir(parents=True)
    begin_run(new)
    with open_database(work_file(new)) as connection:
        put_back_tables(connection, backup, read_backup(backup), new)
        put_back = new / "look_ups" / "record.jsonl"
        assert put_back.read_text() == '{"by": "me"}\n'
        assert put_back.stat().st_mode & 0o777 == 0o600
        assert put_back.parent.stat().st_mode & 0o777 == 0o700
        put_back.write_text('{"by": "another"}\n')
        with pytest.raises(BackupError, match="another than the backup's"):
            put_back_tables(connection, backup, read_backup(backup), new)
    assert put_back.read_text() == '{"by": "another"}\n'


def test_a_restore_without_room_leaves_no_half_file(tmp_path: Path) -> None:
    backup, sources = tmp_path / "backup", tmp_path / "sources"
    (backup / "settings/sources").mkdir(parents=True)
    (backup / "settings/sources/shop.yml").write_text("# a mapping\n" * 20_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(BackupError, match=r"shop\.yml could not be put back: File too large"):
            put_back_mappings(backup, sources)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(sources.iterdir()) == []
    (sources / ".shop.yml.unfinished").write_text("half, of a restore that was killed")
    put_back_mappings(backup, sources)
    assert [path.name for path in sources.iterdir()] == ["shop.yml"]
    assert (sources / "shop.yml").stat().st_size == 240_000


def test_a_killed_restore_can_be_run_again(tmp_path: Path) -> None:
    """Killed when the version's folder had its name and readers had not been switched to it."""
    work_folder(tmp_path).mkdir()
    version = begin_run(tmp_path).run_id
    with open_database(begin_building(tmp_path, version)) as connection:
        end_run(connection, version, "published")
    version_folder(tmp_path, version).mkdir(parents=True)
    refuse_unless_empty(tmp_path)
    assert versions(tmp_path) == []


def test_a_warehouse_that_holds_something_is_refused(
    shop: Path, backup: Path, tmp_path: Path, prefect_api: str
) -> None:
    before = current_version(shop / "warehouse")
    (tmp_path / "new").symlink_to(shop / "warehouse")
    finished = restore(backup, tmp_path, prefect_api)
    assert finished.returncode == 1
    assert "holds a warehouse already" in " ".join(finished.stderr.split())
    assert "Traceback" not in finished.stderr
    assert current_version(shop / "warehouse") == before
    # nothing was laid down beside it
    assert {path.name for path in tmp_path.iterdir()} == {"new"}


def test_a_failed_restore_leaves_the_warehouse_empty(
    backup: Path, tmp_path: Path, prefect_api: str
) -> None:
    # Orders of two currencies need a word in the settings, which this machine's settings lack.
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-r", backup, broken], check=True)
    path = broken / "raw" / "order_lines.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * replace (if(order_id = '1', 'EUR', 'CNY') as currency) "
            f"from '{path}') to '{tmp_path / 'two_currencies.parquet'}'"
        )
    (tmp_path / "two_currencies.parquet").replace(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(broken, lambda contents: table_of(contents, "order_lines").update(sha256=sha256))
    machine = tmp_path / "machine"
    failed = restore(broken, machine, prefect_api)
    assert failed.returncode == 1
    assert "set reporting_currency" in " ".join(failed.stderr.split())
    assert current_version(machine / "new") is None
    refuse_unless_empty(machine / "new")  # so it can be tried again
