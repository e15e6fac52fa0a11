"""A warehouse from a backup: raw and `state` come from it, all else is derived anew."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from flows.backup import (
    LOOK_UPS,
    MAPPINGS_FOLDER,
    SETTINGS_FILE,
    BackedUpTable,
    Backup,
    BackupError,
    deciding_settings,
)
from flows.building import settle
from flows.database_file import NewerWarehouseError, connect
from flows.privacy.look_ups import record_file
from flows.publish.versions import current_version, sync_folder, versions
from flows.settings import RefreshSettings
from flows.sql_text import quote_name, quote_text
from flows.upgrade import FORMAT, upgrade, warehouse_format
from flows.work_file import sole_refresh, work_file, work_folder


def refuse_unless_empty(warehouse: Path) -> None:
    """See that a folder holds no warehouse yet; what a failed restore left does not count.

    Raises:
        BackupError: it holds versions or loads.
        RefreshInProgressError: another process works on it.
    """
    if work_folder(warehouse).is_dir():
        with sole_refresh(warehouse):  # a killed restore may have left a version nobody reads
            settle(warehouse)
    is_used = current_version(warehouse) is not None or bool(versions(warehouse))
    if not is_used and work_file(warehouse).is_file():
        with connect(work_file(warehouse), read_only=True) as connection:
            is_used = _holds_loads(connection)
    if is_used:
        raise BackupError(
            f"{warehouse} holds a warehouse already: restore into a folder that is empty"
        )


def refuse_newer_backup(folder: Path, backup: Backup) -> None:
    """See that this release knows the tables of a backup.

    Raises:
        NewerWarehouseError: a newer release made it.
    """
    if backup.warehouse_format > FORMAT:
        raise NewerWarehouseError(
            f"{folder} was made by Regulars {backup.regulars_version} of a warehouse in format "
            f"{backup.warehouse_format}; this release knows formats up to {FORMAT}: restore it "
            "with the release that made it, or a newer one"
        )


def newest_run(folder: Path, backup: Backup) -> str | None:
    """The id of the newest run that a backup knows; the run that restores it must come after.

    The clock of the machine that made it may have been ahead of this one's.
    """
    for table in backup.tables:
        if (table.schema_name, table.name) == ("state", "runs"):
            path = quote_text(str(folder / table.path))
            source = f"read_parquet({path}, hive_partitioning = false)"
            with duckdb.connect() as connection:
                row = connection.execute(f"select max(run_id) from {source}").fetchone()
            return row[0] if row else None
    return None


@contextmanager
def settings_to_be(folder: Path, settings_file: Path) -> Iterator[Path | None]:
    """Show the settings that a restore will find in place, before anything is laid there.

    Args:
        folder: the backup.
        settings_file: where the settings file is or will be.

    Yields:
        The settings file where it is; else a copy of the backup's beside its place, for paths in it
        are relative to its folder, gone at the end; None where the backup holds none either.
    """
    source = folder / SETTINGS_FILE
    if settings_file.exists() or not source.is_file():
        yield settings_file if settings_file.exists() else None
        return
    beside = settings_file.with_name(f".{settings_file.name}.looked_at")
    _lay(source, beside)
    try:
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def put_back_settings(folder: Path, settings_file: Path) -> list[str]:
    """Lay the settings file of a backup where none is; see `_put_back`."""
    source = folder / SETTINGS_FILE
    return _put_back(source, settings_file) if source.is_file() else []


def put_back_mappings(folder: Path, mappings: Path) -> list[str]:
    """Lay the mappings of a backup where they are missing; see `_put_back`."""
    files = sorted((folder / MAPPINGS_FOLDER).glob("*"))
    return [said for file in files for said in _put_back(file, mappings / file.name)]


def _put_back(source: Path, target: Path) -> list[str]:
    """Say what was done with a file: put back where missing, left alone where it is another.

    Raises:
        BackupError: it cannot be written.
    """
    if not target.exists():
        _lay(source, target)
        return [f"{target} was put back."]
    if target.read_bytes() != source.read_bytes():
        return [f"{target} is another than the backup's, and stays as it is."]
    return []


def _lay(source: Path, target: Path, *, is_private: bool = False) -> None:
    """Copy a file so that it is there whole, on disk, or not at all.

    Args:
        source: the file.
        target: where it goes; its folder is made where it is missing.
        is_private: for its owner's eyes only, from its first byte, as its folder is.

    Raises:
        BackupError: it cannot be written.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        target.parent.mkdir(mode=0o700 if is_private else 0o777, parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)  # of a restore that was killed
        descriptor = os.open(
            unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o666
        )
        with source.open("rb") as read, os.fdopen(descriptor, "wb") as write:
            shutil.copyfileobj(read, write)
            write.flush()
            os.fsync(write.fileno())
        unfinished.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise BackupError(f"{target} could not be put back: {error.strerror}") from error


def different_settings(backup: Backup, settings: RefreshSettings) -> list[str]:
    """Name the settings that decide figures and are others than when the backup was made."""
    here = deciding_settings(settings)
    return [
        f"{name} is {json.dumps(here.get(name))}, in the backup {json.dumps(value)}"
        for name, value in backup.settings.items()
        if here.get(name) != value
    ]


def put_back_tables(
    connection: duckdb.DuckDBPyConnection, folder: Path, backup: Backup, warehouse: Path
) -> None:
    """Fill the raw and `state` of a new warehouse from a backup, in the form of this release.

    To be given to the flow `rebuild`, which derives all else and publishes: until then the
    warehouse stays empty, so a restore that failed or was killed can be run again.

    Args:
        connection: to the file that is built; the run that restores is recorded in it.
        folder: the backup.
        backup: what it holds, as read from it.
        warehouse: the new warehouse.

    Raises:
        BackupError: the warehouse is not empty, or a table has other rows than it had.
    """
    if _holds_loads(connection):  # loaded since the command looked
        raise BackupError("the warehouse holds loads already: restore into a folder that is empty")
    _put_back_look_ups(folder, warehouse)
    runs = connection.execute("select * from state.runs").to_arrow_table()
    for table in backup.tables:
        _put_back_table(connection, folder, table)
    upgrade(connection)
    # A run under way when the backup was made ended there, as far as this warehouse can know.
    connection.execute(
        """
        update state.runs
        set status = 'failed', finished_at = started_at, error = 'was running at the backup'
        where status = 'running'
        """
    )
    connection.register("regulars_runs", runs)
    connection.execute("insert or ignore into state.runs by name select * from regulars_runs")
    connection.unregister("regulars_runs")


def _holds_loads(connection: duckdb.DuckDBPyConnection) -> bool:
    if warehouse_format(connection) is None:
        return False
    return connection.execute("select 1 from raw.loads limit 1").fetchone() is not None


def _put_back_look_ups(folder: Path, warehouse: Path) -> None:
    """Put back the record of look-ups.

    Raises:
        BackupError: another record is there, which nothing may overwrite, or it cannot be written.
    """
    source, target = folder / LOOK_UPS, record_file(warehouse)
    if not source.is_file():
        return
    if target.is_file():
        if target.read_bytes() != source.read_bytes():
            raise BackupError(f"{target} is another than the backup's: it is left as it is")
        return
    _lay(source, target, is_private=True)


def _put_back_table(
    connection: duckdb.DuckDBPyConnection, folder: Path, table: BackedUpTable
) -> None:
    """Make a table as it was backed up, its key and constraints too; its defaults are the code's.

    No SQL is taken from the backup, only names, which are quoted.
    """
    target = f"{quote_name(table.schema_name)}.{quote_name(table.name)}"
    path = quote_text(str(folder / table.path))
    source = f"read_parquet({path}, hive_partitioning = false)"
    columns = connection.execute(
        f"select column_name, column_type from (describe select * from {source})"
    ).fetchall()
    defined = [
        f"{quote_name(name)} {kind}" + (" not null" if name in table.not_null else "")
        for name, kind in columns
    ]
    if table.primary_key:
        defined.append(f"primary key ({', '.join(map(quote_name, table.primary_key))})")
    connection.execute(f"drop table if exists {target}")
    connection.execute(f"create table {target} ({', '.join(defined)})")
    connection.execute(f"insert into {target} select * from {source}")
    for (rows,) in connection.execute(f"select count(*) from {target}").fetchall():
        if rows != table.rows:
            raise BackupError(f"{table.path} holds {rows:,} rows, not {table.rows:,}")
