"""What changed between two published versions, table by table and row by row."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb

from flows.publish.versions import (
    FILE_NAME,
    current_version,
    version_before,
    version_folder,
    versions,
)
from flows.sql_text import quote_name, quote_text

Kind = Literal["added", "gone", "changed"]


class UnknownVersionError(Exception):
    """No such version is kept; the message lists those that are."""


@dataclass(frozen=True)
class RowDifference:
    """One row that differs.

    Attributes:
        kind: added, gone or changed.
        key: the row's key, column to value; the whole row where the table has no key.
        before: the columns that changed with their values in A, or the whole row where it is gone.
        after: the same in B; the whole row where it was added.
    """

    kind: Kind
    key: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True)
class TableDifference:
    """How one table differs between versions A and B.

    Attributes:
        schema: its schema.
        table: its name.
        state: "both", or the only version that has the table: "added" (B) or "gone" (A).
        rows_before: rows in A.
        rows_after: rows in B.
        added: rows whose key only B has.
        gone: rows whose key only A has.
        changed: rows of both with another value in a column that both have.
        changed_columns: column to the number of rows that changed in it, the most first.
        columns_added: columns that only B has.
        columns_gone: columns that only A has.
        columns_retyped: columns of another type; their values are not compared.
        key: the columns that rows are told apart by; empty: whole rows, so nothing is "changed".
        rows: samples of the rows that differ.
    """

    schema: str
    table: str
    state: Literal["both", "added", "gone"]
    rows_before: int
    rows_after: int
    added: int
    gone: int
    changed: int
    changed_columns: dict[str, int]
    columns_added: tuple[str, ...]
    columns_gone: tuple[str, ...]
    columns_retyped: tuple[str, ...]
    key: tuple[str, ...]
    rows: tuple[RowDifference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs at all, neither rows nor columns."""
        return self.state == "both" and not (
            self.added
            or self.gone
            or self.changed
            or self.columns_added
            or self.columns_gone
            or self.columns_retyped
        )


def resolved_version(warehouse: Path, name: str) -> str:
    """The version that a person means: its name, a unique beginning of it, or which it is.

    Args:
        warehouse: the warehouse folder.
        name: a name, or `current`, `previous` (the newest before the current one) or `newest`.

    Raises:
        UnknownVersionError: for any other name.
    """
    known = versions(warehouse)
    current = current_version(warehouse)
    if name == "current" and current is not None:
        return current
    if name == "newest" and known:
        return known[-1]
    if name == "previous":
        if (earlier := version_before(warehouse)) is not None:
            return earlier
        raise UnknownVersionError(f"no version before the current one is kept; {_kept(known)}")
    found = [one for one in known if one == name]
    if name and not found:
        found = [one for one in known if one.startswith(name)]
    if len(found) == 1:
        return found[0]
    problem = f"several versions begin with '{name}'" if found else f"no version '{name}'"
    raise UnknownVersionError(f"{problem}; {_kept(known)}")


def _kept(known: Sequence[str]) -> str:
    return f"kept are {', '.join(known)}" if known else "nothing is published yet"


def differences(
    warehouse: Path, before: str, after: str, *, table: str | None = None, rows: int = 0
) -> list[TableDifference]:
    """Compare the BI files of two versions.

    Args:
        warehouse: the warehouse folder.
        before: version A.
        after: version B.
        table: only this table, as `rfm` or `marts.rfm`; None: all.
        rows: how many rows of each kind to sample from each table.

    Returns:
        Every table of A and B by schema and name, equal ones too.

    Raises:
        ValueError: for a table that neither version has.
        duckdb.Error: where a file cannot be read.
    """
    paths = [version_folder(warehouse, one) / FILE_NAME for one in (before, after)]
    with _opened(*paths) as connection:
        tables = _tables(connection, table)
        if table is not None and not tables:
            raise ValueError(f"neither version has a table '{table}'")
        return [_difference(connection, schema, name, rows) for schema, name in tables]


@contextmanager
def _opened(before: Path, after: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Both files attached as `a` and `b`, read-only, and nothing else in reach."""
    with TemporaryDirectory(prefix="regulars-diff-") as folder, duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        connection.execute("set memory_limit = '2GB'")
        connection.execute(f"set temp_directory = {quote_text(folder)}")
        for name, path in (("a", before), ("b", after)):
            connection.execute(f"attach {quote_text(str(path))} as {name} (read_only)")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


def _tables(connection: duckdb.DuckDBPyConnection, table: str | None) -> list[tuple[str, str]]:
    rows = connection.execute(
        """
        select distinct schema_name, table_name
        from duckdb_tables()
        where database_name in ('a', 'b')
        and ($table is null or $table in (table_name, schema_name || '.' || table_name))
        order by all
        """,
        {"table": table},
    ).fetchall()
    return [(schema, name) for schema, name in rows]


def _difference(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, rows: int
) -> TableDifference:
    before, after = (_columns(connection, one, schema, table) for one in ("a", "b"))
    target = f"{quote_name(schema)}.{quote_name(table)}"
    rows_before, rows_after = (
        _count(connection, f"select count(*) from {one}.{target}") if columns else 0
        for one, columns in (("a", before), ("b", after))
    )
    retyped = tuple(one for one in before if one in after and before[one] != after[one])
    common = [one for one in before if one in after and one not in retyped]
    compared = _Comparison(connection, target, tuple(common), _key(connection, schema, table))
    state: Literal["both", "added", "gone"] = (
        "both" if before and after else "added" if after else "gone"
    )
    if state != "both" or not common:
        counts = _Counts(rows_after, rows_before, 0, {}, ())
        samples: tuple[RowDifference, ...] = ()
    else:
        counts = compared.counts(rows_before, rows_after)
        samples = tuple(compared.samples(counts, rows)) if rows else ()
    return TableDifference(
        schema=schema,
        table=table,
        state=state,
        rows_before=rows_before,
        rows_after=rows_after,
        added=counts.added,
        gone=counts.gone,
        changed=counts.changed,
        changed_columns=counts.changed_columns,
        columns_added=tuple(one for one in after if one not in before) if before else (),
        columns_gone=tuple(one for one in before if one not in after) if after else (),
        columns_retyped=retyped,
        key=counts.key,
        rows=samples,
    )


def _columns(
    connection: duckdb.DuckDBPyConnection, version: str, schema: str, table: str
) -> dict[str, str]:
    """Column to type, in order; empty where the version lacks the table."""
    rows = connection.execute(
        """
        select column_name, data_type
        from duckdb_columns()
        where database_name = ? and schema_name = ? and table_name = ?
        order by column_index
        """,
        [version, schema, table],
    ).fetchall()
    return dict(rows)


def _key(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> tuple[str, ...]:
    """The key that version B states for a table, else version A; empty where none does."""
    for version in ("b", "a"):
        if not _columns(connection, version, "reference", "table_keys"):
            continue
        row = connection.execute(
            f"""
            select key_columns from {version}.reference.table_keys
            where table_schema = ? and table_name = ?
            """,
            [schema, table],
        ).fetchone()
        if row and row[0]:
            return tuple(row[0])
    return ()


@dataclass(frozen=True)
class _Counts:
    added: int
    gone: int
    changed: int
    changed_columns: dict[str, int]
    key: tuple[str, ...]


@dataclass(frozen=True)
class _Comparison:
    """One table of both versions.

    Attributes:
        connection: with the versions attached as `a` and `b`.
        target: the table, quoted.
        common: the columns that both versions have with one type.
        stated_key: the key that the file states.
    """

    connection: duckdb.DuckDBPyConnection
    target: str
    common: tuple[str, ...]
    stated_key: tuple[str, ...]

    def counts(self, rows_before: int, rows_after: int) -> _Counts:
        """Count the rows that differ, by the key where there is one that holds."""
        if self.stated_key and set(self.stated_key) <= set(self.common):
            values = [name for name in self.common if name not in self.stated_key]
            per_column = "".join(
                f", count(*) filter ({_both()} and {_differs(name)})" for name in values
            )
            row = self.connection.execute(
                f"""
                select
                    count(*) filter (a.is_there is null),
                    count(*) filter (b.is_there is null),
                    count(*) filter ({_both()}),
                    count(*) filter ({_both()} and {self._changed(values)})
                    {per_column}
                {self._joined()}
                """
            ).fetchone()
            added, gone, matched, changed, *columns = row or (0, 0, 0, 0)
            # A key that repeats would pair rows with strangers: then only whole rows tell.
            if matched + gone == rows_before and matched + added == rows_after:
                by_column = {name: n for name, n in zip(values, columns, strict=True) if n}
                most_first = dict(sorted(by_column.items(), key=lambda one: (-one[1], one[0])))
                return _Counts(added, gone, changed, most_first, self.stated_key)
        added, gone = (
            _count(self.connection, f"select count(*) from ({self._only_in(one, other)})")
            for one, other in (("b", "a"), ("a", "b"))
        )
        return _Counts(added, gone, 0, {}, ())

    def samples(self, counts: _Counts, rows: int) -> Iterator[RowDifference]:
        """The first rows of each kind, in the order of the key."""
        kinds: tuple[tuple[Kind, int], ...] = (
            ("added", counts.added),
            ("gone", counts.gone),
            ("changed", counts.changed),
        )
        for kind, number in kinds:
            if number:
                yield from self._sample(kind, counts.key, rows)

    def _sample(self, kind: Kind, key: tuple[str, ...], rows: int) -> Iterator[RowDifference]:
        if not key:
            one, other = ("b", "a") if kind == "added" else ("a", "b")
            for row in self._rows(f"{self._only_in(one, other)} order by all limit {rows}"):
                whole = dict(zip(self.common, row, strict=True))
                yield RowDifference(
                    kind, whole, {} if kind == "added" else whole, whole if kind == "added" else {}
                )
            return
        values = [name for name in self.common if name not in key]
        condition = {
            "added": "a.is_there is null",
            "gone": "b.is_there is null",
            "changed": f"{_both()} and {self._changed(values)}",
        }[kind]
        sides = ", ".join(f"{side}.{quote_name(name)}" for side in "ab" for name in self.common)
        order = ", ".join(f"coalesce(a.{quote_name(k)}, b.{quote_name(k)})" for k in key)
        query = f"select {sides} {self._joined()} where {condition} order by {order} limit {rows}"
        width = len(self.common)
        for row in self._rows(query):
            before = dict(zip(self.common, row[:width], strict=True))
            after = dict(zip(self.common, row[width:], strict=True))
            there = before if kind == "gone" else after
            shown = [
                name
                for name in values
                if kind != "changed" or not _is_same(before[name], after[name])
            ]
            yield RowDifference(
                kind,
                {name: there[name] for name in key},
                {} if kind == "added" else {name: before[name] for name in shown},
                {} if kind == "gone" else {name: after[name] for name in shown},
            )

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def _joined(self) -> str:
        keys = " and ".join(
            f"a.{quote_name(name)} is not distinct from b.{quote_name(name)}"
            for name in self.stated_key
        )
        names = ", ".join(quote_name(name) for name in self.common)
        sides = [
            f"(select {names}, true as is_there from {side}.{self.target}) as {side}"
            for side in "ab"
        ]
        return f"from {sides[0]} full outer join {sides[1]} on {keys}"

    def _changed(self, values: Sequence[str]) -> str:
        return "(" + (" or ".join(_differs(name) for name in values) or "false") + ")"

    def _only_in(self, one: str, other: str) -> str:
        """Rows of one version beyond those of the other, as often as they come."""
        names = ", ".join(quote_name(name) for name in self.common)
        return (
            f"select {names} from {one}.{self.target} "
            f"except all select {names} from {other}.{self.target}"
        )


def _both() -> str:
    return "a.is_there and b.is_there"


def _differs(name: str) -> str:
    return f"a.{quote_name(name)} is distinct from b.{quote_name(name)}"


def _is_same(before: Any, after: Any) -> bool:
    """Equal as DuckDB sees it: nan equals nan, which Python denies."""
    return bool(before == after) or bool(before != before and after != after)


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
