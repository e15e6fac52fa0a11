"""Reads the published warehouse file, as any analyst may: read-only, and nothing but that file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from flows.publish.versions import NothingPublishedError, published_file
from flows.settings import RefreshSettings
from regulars.settings import InvalidSettingsError, load_settings
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
    with (
        TemporaryDirectory(prefix="regulars-sql-") as spill_folder,
        duckdb.connect(path, read_only=True) as connection,
    ):
        schemas = connection.execute(
            """
            select string_agg(schema_name, ',' order by schema_name desc)
            from information_schema.schemata
            where schema_name in ('marts', 'core') and catalog_name = current_database()
            """
        ).fetchone()
        if schemas and schemas[0]:
            connection.execute(f"set search_path = '{schemas[0]},main'")
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        connection.execute("set memory_limit = '2GB'")
        connection.execute(f"set temp_directory = '{spill_folder}'")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
