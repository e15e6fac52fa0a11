"""Which customers of which sources a person stands for, and whether anything is held of them.

For `regulars forget`: it looks before it starts Prefect, so nothing here may import that.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from flows.building import is_unsettled
from flows.database_file import NewerWarehouseError, connect
from flows.load.contract import ENTITIES
from flows.privacy.erasures import ERASED, names_in_rejected_rows
from flows.privacy.interrupted import is_forgotten
from flows.work_file import sole_refresh, work_file


class ForgetError(Exception):
    """People cannot be forgotten; the message says why and what to do."""


class UnknownCustomerError(ForgetError):
    """Nothing is held of one of these customers; nothing was changed."""


def refuse_unknown(warehouse: Path, customers: Sequence[str]) -> None:
    """See that something is, or was, held of each person; where nobody can tell yet, all pass.

    That is where a killed refresh left work, or an older or a newer release wrote the work file:
    `forget` sees to these first, and then looks itself.

    Args:
        warehouse: the warehouse folder.
        customers: golden ids, `<source>:<id>`.

    Raises:
        UnknownCustomerError: nothing is held of one of them, nor was ever.
        RefreshInProgressError: another process works on the warehouse.
    """
    with sole_refresh(warehouse):
        if is_unsettled(warehouse) or not work_file(warehouse).is_file():
            return
        try:
            with connect(work_file(warehouse), read_only=True) as connection:
                source_ids(connection, customers)
        except (duckdb.Error, NewerWarehouseError):
            return


def source_ids(
    connection: duckdb.DuckDBPyConnection, customers: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the ids that golden ids stand for, by source: those held, and those forgotten before.

    Raises:
        UnknownCustomerError: nothing is held of one of them, nor was ever.
    """
    held: dict[str, list[str]] = {}
    forgotten: dict[str, list[str]] = {}
    for customer in dict.fromkeys(customers):
        source, separator, own = customer.partition(":")
        found = {(source, own)} if separator and own and own != ERASED else set()
        if _has_identities(connection):
            found |= set(
                connection.execute(
                    "select source, source_customer_id from intermediate.int_customer_identities "
                    "where customer_id = ?",
                    [customer],
                ).fetchall()
            )
        is_known = False
        for source, own in sorted(found):
            for where, ids in ((_is_held, held), (is_forgotten, forgotten)):
                if where(connection, source, own):
                    is_known = True
                    ids.setdefault(source, []).append(own)
                    break
        if not is_known:
            raise UnknownCustomerError(
                f"nothing is held of '{customer}': expected a customer_id such as shop:17, as the "
                "tables have it"
            )
    return held, forgotten


def _has_identities(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(
        "select 1 from information_schema.tables "
        "where table_schema = 'intermediate' and table_name = 'int_customer_identities'"
    ).fetchone()
    return found is not None


def _is_held(connection: duckdb.DuckDBPyConnection, source: str, customer_id: str) -> bool:
    for entity in ENTITIES.values():
        if "customer_id" in entity.columns:
            held = connection.execute(
                f"select 1 from raw.{entity.name} where source = ? and customer_id = ? limit 1",
                [source, customer_id],
            ).fetchone()
            if held is not None:
                return True
    return bool(names_in_rejected_rows(connection, source, [customer_id], []))
