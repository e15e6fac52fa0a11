"""A backup: what cannot be derived, in a folder that any later release can build a warehouse from.

    backup.json           what the folder holds: rows, keys and SHA-256 of each file, and releases
    raw/*.parquet         what the sources said
    state/*.parquet       what raw cannot tell: the runs, their findings, the erasures
    look_ups.jsonl        who looked up whom
    settings/             regulars.toml and the mappings of one's own

Parquet does not depend on the format of DuckDB's own files, so a backup also leads from one release
of DuckDB to another. It holds names and contacts: only its owner may read it.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

import duckdb
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from flows.building import BACKUP_ENDING, is_full_disk, is_unsettled, settle
from flows.database_file import connect, log_of
from flows.file_copy import copy_file
from flows.held_folder import held_folder
from flows.privacy.look_ups import record_file
from flows.project import project_folder
from flows.publish.versions import sync_folder
from flows.query import one_value
from flows.settings import RefreshSettings
from flows.sql_text import quote_name, quote_text
from flows.upgrade import refuse_newer, this_release, warehouse_format
from flows.work_file import RefreshInProgressError, sole_refresh, work_file, work_folder

BACKUP_FORMAT: Final = 1
CONTENTS: Final = "backup.json"
SETTINGS_FILE: Final = "settings/regulars.toml"
MAPPINGS_FOLDER: Final = "settings/sources"
LOOK_UPS: Final = "look_ups.jsonl"

# What only holds on the machine and in the folders where it was written.
_OF_THIS_MACHINE: Final = (("raw", "file_hashes"),)
_PATIENCE_SECONDS: Final = 60
_SETTLED_NANOSECONDS: Final = 100_000_000


class BackupError(Exception):
    """A backup cannot be made, or is not what it was when it was made; nothing was changed."""


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise ValueError("not a path inside the backup")
    return path


_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BackedUpTable(BaseModel):
    """One table: its rows, and what Parquet cannot say of its columns."""

    schema_name: Annotated[str, Field(pattern="^(raw|state)$")]
    name: _Name
    rows: int = Field(ge=0)
    sha256: _Sha256
    primary_key: list[str]
    not_null: list[str]

    @property
    def path(self) -> str:
        """Where it lies in the backup."""
        return f"{self.schema_name}/{self.name}.parquet"


class BackedUpFile(BaseModel):
    """One file that was copied as it is."""

    path: Annotated[str, AfterValidator(_inside)]
    sha256: _Sha256


class Backup(BaseModel):
    """What a backup holds: the content of backup.json.

    Attributes:
        backup_format: of the folder.
        warehouse_format: of the tables (flows/upgrade.py).
        regulars_version: the release that made it.
        duckdb_version: the engine that made it.
        made_at: when.
        version: the version that the tables were published as; None before the first.
        settings: all settings that decide figures, as in force when the backup was made.
        tables: every table of raw and `state`.
        files: every other file.
    """

    backup_format: int
    warehouse_format: int
    regulars_version: str
    duckdb_version: str
    made_at: datetime
    version: str | None
    settings: dict[str, Any]
    tables: list[BackedUpTable]
    files: list[BackedUpFile]


def deciding_settings(settings: RefreshSettings) -> dict[str, Any]:
    """The settings that decide figures, by name, as JSON has them."""
    # how often is mined decides no figure
    mining = settings.mining.model_dump(mode="json", exclude={"every_days"})
    chosen = settings.dbt_variables() | {"mining": mining}
    plain: dict[str, Any] = json.loads(json.dumps(chosen, default=str))
    return plain


def write_backup(
    settings: RefreshSettings, target: Path, settings_file: Path | None = None
) -> Backup:
    """Back up a warehouse as its last published refresh left it, also while another one runs.

    Args:
        settings: which warehouse and mappings, and what stands in the backup of its figures.
        target: the folder to make; written beside and renamed when it is whole and on disk.
        settings_file: regulars.toml, where there is one.

    Returns:
        What the backup holds.

    Raises:
        BackupError: there is nothing to back up, the target exists, or there is no room.
        NewerWarehouseError: a newer release wrote the warehouse.
    """
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BackupError(f"{target} exists already: name a folder that does not")
    if not work_file(settings.warehouse).is_file():
        raise BackupError(f"there is nothing to back up in {settings.warehouse} yet")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(_what_failed(error, target)) from error
    try:
        with (
            held_folder(target.parent, f".{target.name}.regulars-backup") as folder,
            _work_file_as_it_is(settings.warehouse) as connection,
        ):
            refuse_newer(connection)
            connection.execute("set memory_limit = '2GB'")  # a refresh may run beside it
            connection.execute(f"set temp_directory = {quote_text(str(folder / 'spilled'))}")
            backup = Backup(
                backup_format=BACKUP_FORMAT,
                warehouse_format=warehouse_format(connection) or 0,
                regulars_version=this_release(),
                duckdb_version=duckdb.__version__,
                made_at=datetime.now(UTC),
                version=_published_version(connection),
                settings=deciding_settings(settings),
                tables=[
                    _write_table(connection, folder, schema, table)
                    for schema, table in _tables(connection)
                ],
                files=[
                    _write_copy(folder, source, path)
                    for source, path in _other_files(settings, settings_file)
                ],
            )
            shutil.rmtree(folder / "spilled", ignore_errors=True)
            contents = folder / CONTENTS
            contents.write_text(backup.model_dump_json(indent=2) + "\n", encoding="utf-8")
            _seal(folder)
            folder.replace(target)
            sync_folder(target.parent)
    except FileExistsError:
        raise BackupError(f"another backup to {target} is under way") from None
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise BackupError(_what_failed(error, target)) from error
    return backup


def read_backup(folder: Path) -> Backup:
    """Read what a backup holds, and see that each of its files is as it was written.

    Raises:
        BackupError: the folder is no backup, of a newer release, incomplete or changed.
    """
    try:
        text = (folder / CONTENTS).read_text(encoding="utf-8")
        found = json.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(f"{folder} is no backup of Regulars: it holds no {CONTENTS}") from None
    except OSError as error:
        raise BackupError(f"{folder} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BackupError(f"{folder / CONTENTS} is damaged: {error}") from None
    number = found.get("backup_format") if isinstance(found, dict) else None
    if isinstance(number, int) and number > BACKUP_FORMAT:
        raise BackupError(
            f"{folder} was written by Regulars {found.get('regulars_version')}, a newer release: "
            f"its format is {number}, this release reads up to {BACKUP_FORMAT}"
        )
    try:
        backup = Backup.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BackupError(f"{folder / CONTENTS} is damaged: {where}: {first['msg']}") from None
    hashes = {table.path: table.sha256 for table in backup.tables}
    hashes |= {file.path: file.sha256 for file in backup.files}
    for name, sha256 in hashes.items():
        path = folder / name
        if not path.is_file():
            raise BackupError(f"{folder} is incomplete: {name} is missing")
        if _sha256(path) != sha256:
            raise BackupError(
                f"{path} is not as it was when the backup was made: its SHA-256 is another"
            )
    return backup


@contextmanager
def _work_file_as_it_is(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a copy of the work file, so that a starting refresh never finds it locked.

    The copy has lost its name before it is read: a killed process leaves nothing.
    """
    with held_folder(work_folder(warehouse), f".{os.getpid()}{BACKUP_ENDING}") as folder:
        copy = folder / "regulars.duckdb"
        _copy_at_rest(warehouse, copy)
        connection = connect(copy, read_only=True)
        shutil.rmtree(folder)
        with connection:
            yield connection


def _copy_at_rest(warehouse: Path, target: Path) -> None:
    """Copy the work file with its write-ahead log as they were at one moment.

    A refresh writes into its work file only for moments, to record its begin or its failure. What
    was copied while the file stayed as it was is what DuckDB would find after a power cut: the
    state after the last transaction.

    For a moment, too, readers see a version whose work file has yet to take its place; a refresh
    that was killed then leaves it so, and the copy would lack a night.
    """
    source = work_file(warehouse)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    log, copied_log = log_of(source), log_of(target)
    while True:
        before = _stamps(source, log)
        # A file system's clock is coarse: what was written just now may be written again unseen.
        age = time.time_ns() - max(modified for _, _, modified in before)
        if is_unsettled(warehouse):
            # A living refresh, which holds the lock, settles its own.
            with suppress(RefreshInProgressError), sole_refresh(warehouse):
                settle(warehouse)
        elif not 0 <= age < _SETTLED_NANOSECONDS:
            try:
                copied_log.unlink(missing_ok=True)
                copy_file(source, target)
                if len(before) > 1:
                    copy_file(log, copied_log)
            except FileNotFoundError:  # the log, written into the file meanwhile
                continue
            if _stamps(source, log) == before and not is_unsettled(warehouse):
                return
        if time.monotonic() > deadline:
            raise BackupError(f"{source} was written to all the time: try again later")
        time.sleep(_SETTLED_NANOSECONDS / 1e9)


def _stamps(*paths: Path) -> list[tuple[int, int, int]]:
    """Which files these are, how large, and when written; of those that exist."""
    found = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    rows = connection.execute(
        """
        select schema_name, table_name
        from duckdb_tables()
        where database_name = current_database() and schema_name in ('raw', 'state')
        order by all
        """
    ).fetchall()
    return [(schema, table) for schema, table in rows if (schema, table) not in _OF_THIS_MACHINE]


def _write_table(
    connection: duckdb.DuckDBPyConnection, folder: Path, schema: str, table: str
) -> BackedUpTable:
    """Write one table as Parquet, and see that it can be read again as it is."""
    path = folder / schema / f"{table}.parquet"
    path.parent.mkdir(exist_ok=True)
    source = f"{quote_name(schema)}.{quote_name(table)}"
    written = f"read_parquet({quote_text(str(path))}, hive_partitioning = false)"
    connection.execute(
        f"copy {source} to {quote_text(str(path))} (format parquet, compression zstd)"
    )
    described = [
        connection.execute(
            f"select column_name, column_type from (describe select * from {one})"
        ).fetchall()
        for one in (source, written)
    ]
    rows = [one_value(connection, f"select count(*) from {one}") for one in (source, written)]
    if described[0] != described[1] or rows[0] != rows[1]:
        raise BackupError(f"{schema}.{table} cannot be read again from Parquet as it is")
    constraints = connection.execute(
        """
        select constraint_type, constraint_column_names
        from duckdb_constraints()
        where
            database_name = current_database()
            and schema_name = ? and table_name = ?
            and constraint_type in ('PRIMARY KEY', 'NOT NULL')
        """,
        [schema, table],
    ).fetchall()
    keys = [columns for kind, columns in constraints if kind == "PRIMARY KEY"]
    return BackedUpTable(
        schema_name=schema,
        name=table,
        rows=rows[0],
        sha256=_sha256(path),
        primary_key=keys[0] if keys else [],
        not_null=sorted({columns[0] for kind, columns in constraints if kind == "NOT NULL"}),
    )


def _other_files(
    settings: RefreshSettings, settings_file: Path | None
) -> Iterable[tuple[Path, str]]:
    """What else is copied: each file, and where it goes in the backup."""
    if settings_file is not None:
        yield settings_file, SETTINGS_FILE
    for pattern in ("*.yml", "*.yaml"):
        for file in sorted(settings.mappings.glob(pattern)):
            if not _is_ready_mapping(file):
                yield file, f"{MAPPINGS_FOLDER}/{file.name}"
    if record_file(settings.warehouse).is_file():
        yield record_file(settings.warehouse), LOOK_UPS


def _is_ready_mapping(file: Path) -> bool:
    """Whether every installation has this mapping as it is."""
    ready = project_folder() / "sources" / file.name
    return ready.is_file() and ready.read_bytes() == file.read_bytes()


def _write_copy(folder: Path, source: Path, path: str) -> BackedUpFile:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return BackedUpFile(path=path, sha256=_sha256(target))


def _seal(folder: Path) -> None:
    """Have all of a folder on disk, for its owner's eyes only."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o700 if path.is_dir() else 0o600)
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _published_version(connection: duckdb.DuckDBPyConnection) -> str | None:
    version: str | None = one_value(
        connection, "select max(version) from state.runs where status = 'published'"
    )
    return version


def _what_failed(error: Exception, target: Path) -> str:
    if is_full_disk(error):
        return f"there is no room for the backup {target}, or for the copy that it is made from"
    text = str(error).partition("\n")[0]
    return f"the backup {target} could not be written: {text}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
