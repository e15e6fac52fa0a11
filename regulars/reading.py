"""Reads the published warehouse file, as any analyst may: read-only, and nothing but that file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from flows.audit import audit_file
from flows.database_file import NewerWarehouseError, connect
from flows.publish.versions import NothingPublishedError, published_file
from flows.settings import RefreshSettings
from regulars.settings import load_settings
from regulars.settings_file import InvalidSettingsError
from regulars.terminal import fail


def load_or_fail(config: Path | None, given: Mapping[str, Any]) -> RefreshSettings:
    """The settings, or the end of the command with a line for each wrong one."""
    try:
        return load_settings(config, given)
    except InvalidSettingsError as error:
        fail(str(error))


@contextmanager
def open_published(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the published file; ends the command where nothing is published.

    Read-only, other files and networks out of reach, settings locked, times in UTC. Tables of marts
    and core are found without their schema. Large sorts spill into a folder that goes at the end.
    """
    try:
        path = published_file(warehouse)
    except NothingPublishedError as error:
        fail(str(error))
    with _open_locked(path, ("marts", "core")) as connection:
        yield connection


@contextmanager
def open_audit(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the audit file, as `open_published`; ends the command where there is none."""
    path = audit_file(warehouse)
    try:
        is_there = path.is_file()
    except PermissionError:
        fail(f"{path} is for the refresh's own user only")
    if not is_there:
        try:
            published_file(warehouse)
        except NothingPublishedError as error:
            fail(str(error))
        fail(
            f"no audit file in {path.parent}: the last refresh found nothing wrong, "
            "or another warehouse is meant (--warehouse)"
        )
    with _open_locked(path, ("audit",)) as connection:
        yield connection


@contextmanager
def _open_locked(path: Path, schemas: Sequence[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        opened = connect(path, read_only=True)
    except NewerWarehouseError as error:
        fail(str(error))
    with TemporaryDirectory(prefix="regulars-sql-") as spill_folder, opened as connection:
        found = connection.execute(
            """
            select schema_name
            from information_schema.schemata
            where list_contains($schemas, schema_name) and catalog_name = current_database()
            order by list_position($schemas, schema_name)
            """,
            {"schemas": list(schemas)},
        ).fetchall()
        if found:
            names = ",".join(name for (name,) in found)
            connection.execute(f"set search_path = '{names},main'")
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        connection.execute("set memory_limit = '2GB'")
        connection.execute(f"set temp_directory = '{spill_folder}'")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
