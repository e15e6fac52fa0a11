"""`regulars versions`: the published versions that are kept."""

from pathlib import Path

from regulars import options
from regulars.terminal import count, plain_table, program, screen, shown, unfolded


def versions(config: options.Config = None, warehouse: options.Warehouse = None) -> None:
    """List the published versions that are kept, the newest first.

    How many stay: keep_versions and keep_days under [publish] in the settings.

    [bold]Examples[/bold]

      regulars versions
      regulars diff previous current      what changed
      regulars rollback                   let readers see the one before
    """
    import duckdb

    from flows.publish.versions import FILE_NAME, current_version, published_at, version_folder
    from flows.publish.versions import versions as kept_versions
    from regulars.commands.status import megabytes
    from regulars.reading import load_or_fail

    settings = load_or_fail(config, {"warehouse": warehouse})
    console = screen()
    kept = kept_versions(settings.warehouse)
    if not kept:
        console.print(f"Nothing is published in {shown(settings.warehouse)} yet.", markup=False)
        return
    current = current_version(settings.warehouse)
    numbers = ["tables", "rows", "size"]
    table = plain_table("Version", "published (UTC)", "as of", *numbers, "", numbers=numbers)
    for version in reversed(kept):
        path = version_folder(settings.warehouse, version) / FILE_NAME
        written = f"{published_at(settings.warehouse, version):%Y-%m-%d %H:%M}"
        try:
            as_of, tables, rows = _content(path)
        except duckdb.Error:
            table.add_row(version, written, "cannot be read", "", "", megabytes(path), "")
            continue
        note = ""
        if version == current:
            note = "current" if version == kept[-1] else "current, rolled back"
        table.add_row(version, written, as_of, count(tables), count(rows), megabytes(path), note)
    console.print(unfolded(table, "Version"))
    if current != kept[-1]:
        console.print(
            f"\nReaders see {current}; newer ones are kept. "
            f"`{program()} rollback newest` goes back to the newest.",
            markup=False,
        )


def _content(path: Path) -> tuple[str, int, int]:
    """As-of date, number of tables and of rows of a published file.

    Counted as `refresh` does when it publishes: without the table that says by which columns the
    rows of the others are told apart.
    """
    import duckdb

    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set enable_external_access = false")
        row = connection.execute(
            """
            select count(*), coalesce(sum(estimated_size), 0)::bigint
            from duckdb_tables()
            where database_name = current_database()
            and (schema_name, table_name) <> ('reference', 'table_keys')
            """
        ).fetchone()
        as_of = connection.execute(
            "select strftime(min(as_of_date), '%Y-%m-%d') from marts.about"
        ).fetchone()
    tables, rows = row or (0, 0)
    return (as_of[0] if as_of and as_of[0] else "–"), tables, rows
