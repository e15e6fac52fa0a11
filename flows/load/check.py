"""A dry run of a source: what would load, what would be rejected and why. Nothing is kept."""

import secrets
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from flows.held_folder import held_folder
from flows.load.header import HeaderInDoubtError
from flows.load.loader import (
    Delivery,
    LoadError,
    TooManyRejectedRows,
    hold_to_reject_limit,
    is_over_reject_limit,
    run_load,
)
from flows.load.mapping import Mapping
from flows.load.raw_tables import create_raw_tables

CHECK_ENDING: Final = ".regulars-check"  # of the folders in which sources are checked
_REASONS_SHOWN: Final = 10
_LINES_SHOWN: Final = 3


@dataclass(frozen=True)
class Rejection:
    """Records of one file rejected alike.

    Attributes:
        source_file: relative to the landing folder.
        column_name: the source's column; None where the whole record is at fault.
        reason: why.
        detail: why, with the first value at fault, where there is one; not to be published.
        rows: how many.
        source_lines: the first physical lines.
    """

    source_file: str
    column_name: str | None
    reason: str
    detail: str | None
    rows: int
    source_lines: tuple[int, ...]


@dataclass(frozen=True)
class CheckReport:
    """What a load of a source would do.

    Attributes:
        source: the source.
        deliveries: as they would load, by entity and file.
        rejections: the commonest of each entity, most rows first.
        problems: what would stop the load; empty if it would go through.
        refused_alone: of each file that would be refused if it came alone, and is not among the
            problems, why.
    """

    source: str
    deliveries: tuple[Delivery, ...]
    rejections: tuple[Rejection, ...]
    problems: tuple[str, ...]
    refused_alone: tuple[str, ...] = ()

    @property
    def would_load(self) -> bool:
        """Whether a load would go through."""
        return not self.problems


def check_source(mapping: Mapping, landing: Path) -> CheckReport:
    """Load a source into a database that is thrown away, entity by entity, and report.

    A problem with one entity does not hide those of the others. What earlier loads hold is not
    looked at: every file counts as new. A refresh knows some of them already and judges the others
    without them, so each file is judged by itself too.

    Args:
        mapping: the source.
        landing: the folder that holds one folder for each source.
    """
    deliveries: list[Delivery] = []
    rejections: list[Rejection] = []
    problems: list[str] = []
    refused_alone: list[str] = []

    def judge(
        connection: duckdb.DuckDBPyConnection, _: Mapping, name: str, loaded: list[Delivery]
    ) -> None:
        deliveries.extend(loaded)
        rejections.extend(_rejections(connection, loaded))
        try:
            hold_to_reject_limit(connection, mapping, name, loaded)
        except TooManyRejectedRows as error:
            problems.append(str(error))
            return
        # What is refused together is told of already.
        refused_alone.extend(
            f"{one.source_file} would be refused if it came alone: {one.rows_rejected:,} of "
            f"{one.records_read:,} records rejected, more than the limit of "
            f"{mapping.reject_limit:.2%}"
            for one in loaded
            if one.is_new and is_over_reject_limit(mapping, [one])
        )

    # A file rather than memory, so that a large source does not fill it. It holds names: what a
    # killed check leaves goes with the next one, or with `regulars forget`.
    with (
        held_folder(
            Path(tempfile.gettempdir()), f".{secrets.token_hex(8)}{CHECK_ENDING}"
        ) as folder,
        duckdb.connect(folder / "check.duckdb") as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        create_raw_tables(connection)
        for name in mapping.entities:
            try:
                run_load(connection, mapping.only(name), landing, "check", datetime.now(UTC), judge)
            except LoadError as error:
                problems.append(_in_full(error))
    # Numbers of loads that never happened mean nothing.
    return CheckReport(
        mapping.source,
        tuple(replace(delivery, load_id=0) for delivery in deliveries),
        tuple(rejections),
        tuple(problems),
        tuple(refused_alone),
    )


def _in_full(error: LoadError) -> str:
    """What went wrong, with what only the user's own screen may show."""
    if isinstance(error.__cause__, HeaderInDoubtError):
        return f"{error} (in the place of the header: {error.__cause__.in_its_place})"
    return str(error)


def _rejections(
    connection: duckdb.DuckDBPyConnection, deliveries: list[Delivery]
) -> list[Rejection]:
    """Return the commonest rejections of an entity's deliveries."""
    rows = connection.execute(
        "select source_file, column_name, reason, arg_min(detail, source_line), "
        f"count(*) as rows, min(source_line, {_LINES_SHOWN}) from raw.rejected_rows "
        "where load_id in (select unnest($load_ids)) group by source_file, column_name, reason "
        f"order by rows desc, source_file, column_name, reason limit {_REASONS_SHOWN}",
        {"load_ids": [delivery.load_id for delivery in deliveries]},
    ).fetchall()
    return [
        Rejection(file, column, reason, detail, count, tuple(lines))
        for file, column, reason, detail, count, lines in rows
    ]
