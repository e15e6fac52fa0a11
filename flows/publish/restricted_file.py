"""The restricted file: people by name and contact, for the few who may look them up.

It lies beside the BI file of its version, in a folder of its own, so that one switch of `current`
changes both. Orders stand in the BI file alone: whoever may read this file may read that one too.
"""

import grp
import os
from pathlib import Path
from typing import Final

import duckdb

from flows.publish.bi_file import PublishError
from flows.publish.versions import sync_folder
from flows.sql_text import quote_name, quote_text

FOLDER_NAME: Final = "restricted"
FILE_NAME: Final = "restricted.duckdb"
SCHEMA: Final = "people"

# Table of the restricted file -> table or view of the work file, and what the table holds.
TABLES: Final[dict[str, tuple[str, str]]] = {
    "customers": ("core.dim_customers", "Customers with all that is known of them now."),
    "customer_deliveries": (
        "staging.stg_customers",
        "Customers as the sources described them, one row for each delivery that did.",
    ),
    "consents": ("staging.stg_consents", "Consents to be contacted, given or withdrawn."),
    "account_owners": ("staging.stg_account_owners", "Who looked after whom, and when."),
    "interactions": ("staging.stg_interactions", "Questions, complaints and visits."),
    "occasions": ("staging.stg_occasions", "Birthdays and other days to remember."),
    "loyalty_entries": ("staging.stg_loyalty_entries", "Points earned and used."),
    "web_events": ("staging.stg_web_events", "What was looked at and put into the cart."),
    "costs": ("staging.stg_costs", "Costs booked on a customer."),
    "employees": ("core.dim_employees", "Employees with their names."),
}


class UnknownGroupError(PublishError):
    """The settings name a group that this machine does not have."""


def write_restricted_file(work: Path, folder: Path, group: str | None = None) -> int:
    """Write `folder`/restricted/restricted.duckdb, safely on disk and closed to all others.

    Only rows that belong to a person are copied, in the order of the customers, so that a look-up
    reads little of the file.

    Args:
        work: the work file; no other connection of this process may have it open for writing.
        folder: the folder of the version that is being made.
        group: members of this group of the operating system may read the file too; None: nobody
            but its owner.

    Returns:
        The number of rows copied.

    Raises:
        UnknownGroupError: there is no such group.
        PublishError: the file is not whole at the end (a write-ahead log is left).
    """
    restricted = folder / FOLDER_NAME
    restricted.mkdir(mode=0o700)
    path = restricted / FILE_NAME
    rows = 0
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        # Views of the work file name its catalog, which is the file's.
        catalog = work.stem
        connection.execute(f"attach {quote_text(str(work))} as {quote_name(catalog)} (read_only)")
        connection.execute("begin")
        connection.execute(f"create schema {SCHEMA}")
        for table, (origin, meaning) in TABLES.items():
            rows += _copy_table(connection, catalog, table, origin, meaning)
        connection.execute("commit")
        connection.execute(f"detach {quote_name(catalog)}")
        connection.execute("checkpoint")
    if path.with_name(path.name + ".wal").exists():
        raise PublishError(f"{path} was closed with a write-ahead log left beside it")
    open_to_readers(restricted, group)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(restricted)
    sync_folder(folder)
    return rows


def open_to_readers(restricted: Path, group: str | None) -> None:
    """Let the members of a group read the restricted file in this folder, and nobody else.

    Raises:
        UnknownGroupError: there is no such group, or this user may not give anything to it.
    """
    let_in(restricted / FILE_NAME, 0o600 if group is None else 0o640, group)
    let_in(restricted, 0o700 if group is None else 0o750, group)


def let_in(path: Path, mode: int, group: str | None) -> None:
    """Set the mode of a file or folder, after it has been given to a group; links are refused.

    Raises:
        UnknownGroupError: there is no such group, or this user may not do that.
        OSError: the path is not there, or is a link.
    """
    group_id = None
    if group is not None:
        try:
            group_id = grp.getgrnam(group).gr_gid
        except KeyError:
            raise UnknownGroupError(f"restricted.group: there is no group '{group}' here") from None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if group_id is not None and os.fstat(descriptor).st_gid != group_id:
            os.fchmod(descriptor, mode & 0o700)  # nobody of the group before looks in meanwhile
            os.fchown(descriptor, -1, group_id)
        if os.fstat(descriptor).st_mode & 0o7777 != mode:
            os.fchmod(descriptor, mode)
    except PermissionError:
        raise UnknownGroupError(
            f"restricted.group: this user may not give {path} to '{group}': it must own it and be "
            "a member of the group"
            if group is not None
            else f"restricted.group: {path} belongs to another user, and cannot be closed to others"
        ) from None
    finally:
        os.close(descriptor)


def _copy_table(
    connection: duckdb.DuckDBPyConnection, catalog: str, table: str, origin: str, meaning: str
) -> int:
    schema, _, name = origin.partition(".")
    columns = connection.execute(
        """
        select column_name, comment
        from duckdb_columns()
        where database_name = ? and schema_name = ? and table_name = ?
        order by column_index
        """,
        [catalog, schema, name],
    ).fetchall()
    names = {column for column, _ in columns}
    # `anonymous` and `erased` are no people, and costs need not be a customer's.
    of_people = "where contains(customer_id, ':')" if "customer_id" in names else ""
    target = f"{SCHEMA}.{quote_name(table)}"
    copied = connection.execute(
        f"create table {target} as select * from {quote_name(catalog)}.{origin} "
        f"{of_people} order by all"
    ).fetchone()
    connection.execute(f"comment on table {target} is {quote_text(meaning)}")
    for column, comment in columns:
        if comment:
            connection.execute(
                f"comment on column {target}.{quote_name(column)} is {quote_text(comment.strip())}"
            )
    return int(copied[0]) if copied else 0
