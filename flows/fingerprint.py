"""What a build was made from, beside its input: a change of it asks for everything anew."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import duckdb

from flows.project import project_folder
from flows.upgrade import FORMAT

_ENGINES = ("duckdb", "dbt-core", "dbt-duckdb")


def build_fingerprint(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the dbt project, the settings, the engines and the mappings' words.

    The same raw data under the same fingerprint gives equal tables: a night with nothing new has
    nothing to build, and one with something new needs to build only what that affects.

    Args:
        connection: to the file that is built; raw is loaded.
        settings: all that decides figures, by name; JSON can hold the values, or text stands in.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(dict(settings), sort_keys=True, default=str).encode())
    digest.update(json.dumps([FORMAT, *(version(engine) for engine in _ENGINES)]).encode())
    project = project_folder()
    files = [project / "dbt_project.yml"]
    for folder in ("models", "macros", "seeds"):
        files += sorted(path for path in (project / folder).rglob("*") if path.is_file())
    for path in files:
        digest.update(path.relative_to(project).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for table in ("raw.sources", "raw.margin_rates"):
        rows = connection.execute(f"from {table} order by all").fetchall()
        digest.update(json.dumps(rows, default=str).encode())
    return digest.hexdigest()
