"""Customer ids that are contacts: they are in every table, also where contacts have no place."""

from typing import Final

import duckdb

# Where ids are told: a note for each further entity would say the same again.
_ENTITIES: Final = ("order_lines", "customers")
_SHARE_TOLD: Final = 0.1  # of ids that are any eleven digits, 7 % look like a Chinese mobile number
_EMAIL: Final = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_PHONES: Final = (
    r"\+[1-9][0-9 ()./-]{5,18}[0-9]",  # with the code of its country
    r"00[1-9][0-9]{0,2}[ /-][0-9 ()./-]{4,15}[0-9]",
    r"(?:86)?1[3-9][0-9]{9}",  # a mobile number of China, bare
    r"1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}",
    r"\(?0[1-9][0-9]{0,3}\)?[ /-][0-9][0-9 /-]{4,10}[0-9]",  # with an area code
    r"(?:1[ .-])?\(?[2-9][0-9]{2}\)?[ .-]{1,2}[0-9]{3}[ .-][0-9]{4}",  # of North America
)


def contacts_as_ids(connection: duckdb.DuckDBPyConnection, entity: str, load_id: int) -> str | None:
    """Say how many customer ids of a load look like phone numbers or e-mail addresses.

    Only forms that ids rarely have count: digits alone are a number of China or none.

    Returns:
        A sentence without any id; None where fewer than one in ten distinct ids do.
    """
    if entity not in _ENTITIES:
        return None
    row = connection.execute(
        "select count(*), count(*) filter (regexp_full_match(customer_id, $contact)) "
        f"from (select distinct customer_id from raw.{entity} "
        "where load_id = $load_id and customer_id is not null)",
        {"contact": "|".join(f"(?:{one})" for one in (_EMAIL, *_PHONES)), "load_id": load_id},
    ).fetchone()
    ids, contacts = row or (0, 0)
    if contacts == 0 or contacts < _SHARE_TOLD * ids:
        return None
    return (
        f"{contacts:,} of {ids:,} customer ids look like phone numbers or e-mail addresses "
        f"({contacts / ids:.0%}): they would stand in the BI file, which is for everybody; "
        "map a number of the shop's own as customer_id"
    )
