"""What a build was made from, beside its input: a change of it asks for everything anew."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import duckdb

from flows.project import PACKAGES, project_folder
from flows.upgrade import FORMAT, this_release

_ENGINES = ("duckdb", "dbt-core", "dbt-duckdb")
_CODE = ("mining/**/*.py", "flows/mine/*.py", "flows/publish/*.py")  # that makes published figures


def build_fingerprint(connection: duckdb.DuckDBPyConnection, settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of release, dbt project, code, settings, engines and mappings' words.

    The same raw data under the same fingerprint gives equal tables: a night with nothing new has
    nothing to build, and one with something new needs to build only what that affects.

    Args:
        connection: to the file that is built; raw is loaded.
        settings: all that decides figures, by name; JSON can hold the values, or text stands in.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(dict(settings), sort_keys=True, default=str).encode())
    engines = [version(engine) for engine in _ENGINES]
    digest.update(json.dumps([this_release(), FORMAT, *engines]).encode())
    project = project_folder()
    patterns = ("dbt_project.yml", *(f"{name}/**/*" for name in ("models", "macros", "seeds")))
    for folder, pattern in (
        *((project, pattern) for pattern in patterns),
        *((PACKAGES, pattern) for pattern in _CODE),
    ):
        for path in sorted(path for path in folder.glob(pattern) if path.is_file()):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    for table in ("raw.sources", "raw.margin_rates"):
        rows = connection.execute(f"from {table} order by all").fetchall()
        digest.update(json.dumps(rows, default=str).encode())
    return digest.hexdigest()
