"""What a query answers."""

from typing import Any

import duckdb


def one_value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The first value of a query's first row; None where there is no row."""
    row = connection.execute(query).fetchone()
    return row[0] if row else None
