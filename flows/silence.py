"""Sources from which nothing comes any more: no gate judges them, for they deliver nothing."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb


class Silence(NamedTuple):
    """A source that has brought nothing new for some days.

    Attributes:
        source: the source.
        newest_at: when its newest delivery came.
        days: how many days ago.
    """

    source: str
    newest_at: datetime
    days: int

    def __str__(self) -> str:
        return f"{self.source}: nothing new has come for {self.days} days"


def newly_silent(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[str], silent_days: int, now: datetime
) -> list[Silence]:
    """Find sources that have brought nothing new for some days, of which nobody was told yet.

    Told once: some sources deliver by the week, and `regulars status` goes on naming them.

    Args:
        connection: to the file that is built; raw is loaded.
        sources: those that this run was to load.
        silent_days: for how many days (`days_without`) nothing may have come.
        now: the moment of the run, with its zone.

    Returns:
        Them, by name; `remember_told` when people were told.
    """
    rows = connection.execute(
        """
        with deliveries as (
            -- of orders, where it ever delivered any: a list of products may come every night
            -- beside an export of orders that broke
            select
                source,
                coalesce(
                    max(coalesce(first_loaded_at, loaded_at)) filter (where entity = 'order_lines'),
                    max(coalesce(first_loaded_at, loaded_at))
                ) as newest_at
            from raw.loads
            where list_contains($sources, source)
            group by source
        )

        select deliveries.source, deliveries.newest_at
        from deliveries
        anti join state.told_silences as told
            on deliveries.source = told.source and deliveries.newest_at = told.newest_at
        order by deliveries.source
        """,
        {"sources": list(sources)},
    ).fetchall()
    found = [Silence(source, newest, days_without(newest, now)) for source, newest in rows]
    return [one for one in found if one.days >= silent_days]


def days_without(newest_at: datetime, now: datetime) -> int:
    """Count the days (UTC) since a delivery.

    By the calendar: the night that begins a minute earlier than the one that loaded it did is a day
    later all the same.
    """
    return (now.astimezone(UTC).date() - newest_at.astimezone(UTC).date()).days


def remember_told(
    connection: duckdb.DuckDBPyConnection, run_id: str, silences: Sequence[Silence]
) -> None:
    """Keep of which silences people were told, and by which run."""
    connection.executemany(
        "insert or replace into state.told_silences values (?, ?, ?)",
        [[one.source, one.newest_at, run_id] for one in silences],
    )


def not_looked_at(
    connection: duckdb.DuckDBPyConnection, landing: Path, mapped: Collection[str]
) -> list[str]:
    """Name sources that were loaded before and have no mapping or no folder any more.

    Told by each run: a drive that is not mounted, or a mapping that was renamed, looks the same as
    a source that was given up.

    Args:
        connection: to the file that is built.
        landing: the folder that holds one folder for each source.
        mapped: the sources that have a mapping.

    Returns:
        A sentence for each, without personal data.
    """
    rows = connection.execute("select distinct source from raw.loads order by source").fetchall()
    return [
        f"{source}: its {'folder in the landing folder' if source in mapped else 'mapping'} is "
        "gone, so nothing of it was looked at; if that is meant, name the other sources in the "
        "setting `sources`"
        for (source,) in rows
        if source not in mapped or not (landing / source).is_dir()
    ]
