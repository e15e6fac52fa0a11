"""Sources from which nothing comes any more: no gate judges them, for they deliver nothing."""

from collections.abc import Collection, Sequence
from pathlib import Path

import duckdb


def newly_silent(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[str], silent_days: int, run_id: str
) -> list[str]:
    """Name sources that have brought nothing new for some days, on the first run of such a day.

    Told once: some sources deliver by the week, and `regulars status` goes on naming them. A run
    that failed told nobody.

    Args:
        connection: to the file that is built; raw is loaded.
        sources: those that this run was to load.
        silent_days: for how many days (UTC) nothing may have come.
        run_id: the run under way, which is recorded.

    Returns:
        A sentence for each, without personal data.
    """
    rows = connection.execute(
        """
        with this_run as (
            select started_at from state.runs
            where run_id = $run_id
        ),

        last_run as (
            select max(started_at) as started_at
            from state.runs
            where run_id < $run_id and status in ('published', 'nothing new')
        ),

        deliveries as (
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

        select
            deliveries.source,
            datediff('day', deliveries.newest_at, this_run.started_at) as days
        from deliveries
        cross join this_run
        cross join last_run
        where
            days >= $silent_days
            and datediff('day', deliveries.newest_at, last_run.started_at) < $silent_days
        order by deliveries.source
        """,
        {"run_id": run_id, "sources": list(sources), "silent_days": silent_days},
    ).fetchall()
    return [f"{source}: nothing new has come for {days} days" for source, days in rows]


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
