"""What forgetting a person does to the raw tables, now and at every later load.

Rows that hold money stay, under the member `erased`; all other rows of a person go. Who was
forgotten is known by keyed hashes only, which every new delivery is held against.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from flows.load.contract import ENTITIES, Entity
from flows.load.mapping import EntityMapping, Mapping
from flows.privacy.traits import is_distinct

ERASED: Final = "erased"  # instead of a customer's id in raw; macros/members.sql knows it too
ID_COLUMNS: Final = ("customer_id", "referred_by")

# Entities whose rows hold money: they stay, less the columns named here.
_KEPT: Final[dict[str, tuple[str, ...]]] = {
    "order_lines": (),
    "coupon_redemptions": (),
    "costs": (),
    "interactions": ("cause",),
}
_ORDER_ID_COLUMNS: Final = ("order_id", "returned_order_id")
_OWN_IDS: Final = {"costs": "cost_id", "interactions": "interaction_id"}  # no other entity's
# Whatever a mapping makes of it: in upper case, or joined to something.
_STAND_IN: Final = re.compile(f"{ERASED}-[0-9a-f]{{12}}", re.IGNORECASE)
_HIDDEN: Final = re.compile(f"{ERASED}-[0-9a-f]{{16}}")
_BATCH: Final = 10_000
_Values = dict[str, Any]


@dataclass(frozen=True)
class Erased:
    """Rows of people who are forgotten.

    Attributes:
        deleted: rows that went.
        kept: rows that stayed, with their money, under the member `erased`.
    """

    deleted: int = 0
    kept: int = 0

    def __add__(self, other: "Erased") -> "Erased":
        return Erased(self.deleted + other.deleted, self.kept + other.kept)


def keeps_rows(entity: str) -> bool:
    """Whether rows of this entity stay when their customer is forgotten."""
    return entity in _KEPT or "customer_id" not in ENTITIES[entity].columns


def columns_of_persons(entity: str) -> tuple[str, ...]:
    """Columns of kept rows that tell of their customer, and do not stay."""
    names = ("customer_id", *_KEPT.get(entity, ()))
    return names if "customer_id" in ENTITIES[entity].columns else ()


def is_made_of_customers(entity: EntityMapping, name: str) -> bool:
    """Whether an entity's ids, as `order_id`, hold the customer's id, for lack of their own."""
    if isinstance(entity.columns, str):
        return False
    made, customer = (entity.columns.get(one) for one in (name, "customer_id"))
    return bool(made and customer and set(made.origins) & set(customer.origins))


def needs_stand_ins(name: str, entity: EntityMapping) -> bool:
    """Whether `erased` alone, in the place of customers' ids in its files, would change its keys.

    The customer is part of a redemption's key. An id that is put together would not be `erased`.
    """
    if isinstance(entity.columns, str):
        return name == "coupon_redemptions"
    customer = entity.columns.get("customer_id")
    return customer is not None and bool(
        name == "coupon_redemptions"
        or customer.concat
        or any(is_made_of_customers(entity, one) for one in ("order_id", *_OWN_IDS.values()))
    )


def erasure_key(connection: duckdb.DuckDBPyConnection) -> bytes:
    """Return the secret key of the hashes; the first call makes it."""
    row = connection.execute("select hash_key from state.erasure_key").fetchone()
    if row is not None:
        return bytes(row[0])
    key = secrets.token_bytes(32)
    connection.execute("insert into state.erasure_key values (?)", [key])
    return key


def customer_hash(key: bytes, source: str, customer_id: str) -> str:
    """Return the keyed hash of a source's own customer id, in hexadecimal."""
    return _hash(key, f"{source}:{customer_id}")


def stand_in(key: bytes, source: str, customer_id: str) -> str:
    """Return what stands in a file instead of a customer's id, where `erased` would not do.

    It keeps two people's rows apart, and is the same for ever, so that a file that is rewritten
    twice has the same content. Of an id that was read from a rewritten file it is what stood there.
    """
    if (found := _STAND_IN.search(customer_id)) is not None:
        return found[0].lower()
    return f"{ERASED}-{_hash(key, f'stand-in {source}:{customer_id}')[:12]}"


def hidden_id(
    key: bytes, source: str, entity: EntityMapping, name: str, made: str, customer_id: str
) -> str:
    """Return what stands for an id that holds its customer's id, the same one for ever.

    It is the same for the row as the source tells it and as a rewritten file does: what is hashed
    has the stand-in in the customer's place. Which place that is the mapping tells; where the
    customer is neither first nor last, it is the first that reads like the id.

    Args:
        key: see `erasure_key`.
        source: the source.
        entity: whose ids are made of customers.
        name: which of its ids, as `order_id`.
        made: the id, as the mapping makes it.
        customer_id: of its customer, or what was read instead from a rewritten file.
    """
    if isinstance(entity.columns, str):
        raise TypeError("a mapping by name makes no ids of others")
    column, customer = entity.columns[name], entity.columns["customer_id"]
    places = [place for place, one in enumerate(column.concat) if one in customer.origins]
    before = after = ""
    separator = re.escape(column.separator)
    if places and places[0] > 0:
        before = f"(?:.*?{separator}){{{places[0]}}}"
    if places and (column.numbered or places[-1] < len(column.concat) - 1):
        after = f"{separator}.*"
    # As the file has it, before the mapping's `case` and `whole_number`.
    own = rf"{re.escape(customer_id)}(?:\.0+)?"
    found = re.fullmatch(f"({before}){own}({after})", made, re.IGNORECASE | re.DOTALL)
    if found is not None:
        made = f"{found[1]}{stand_in(key, source, customer_id)}{found[2]}"
    what = name.removesuffix("_id")
    return f"{ERASED}-{_hash(key, f'{what} {source}:{made}')[:16]}"


def withhold_erased(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, entity: str, load_id: int
) -> int:
    """Take people who were forgotten out of a delivery that is in raw, rejected rows included.

    To be called in the transaction of the load, once all its rows are in raw.

    Returns:
        The rows that went: of the delivery's records so many fewer are loaded, and so many more
        skipped.
    """
    hashes = {
        row[0]
        for row in connection.execute("select customer_hash from state.erased_customers").fetchall()
    }
    if not hashes:
        return 0
    key = erasure_key(connection)

    def is_erased(text: str) -> bool:
        in_a_file = _STAND_IN.search(text)
        own = in_a_file[0].lower() if in_a_file else text
        return customer_hash(key, mapping.source, own) in hashes

    def names_erased(text: str) -> bool:
        return any(map(is_erased, ids_in(text)))

    _empty(connection, _naming(connection, mapping.source, names_erased, load_id))
    if "customer_id" not in ENTITIES[entity].columns:
        return 0
    names = [name for name in ID_COLUMNS if name in ENTITIES[entity].columns]
    found = {
        one
        for name in names
        for (one,) in connection.execute(
            f"select distinct {name} from raw.{entity} where load_id = ? and {name} is not null",
            [load_id],
        ).fetchall()
        if one == ERASED or is_erased(one)
    }
    if not found:
        return 0
    return erase_rows(connection, mapping, entity, found, load_id).deleted


def erase_rows(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    entity: str,
    customer_ids: Iterable[str],
    load_id: int | None = None,
) -> Erased:
    """Take people out of one raw table.

    Args:
        connection: to the file that is built.
        mapping: their source.
        entity: an entity with customers.
        customer_ids: the source's own ids.
        load_id: of one delivery only; None: of all, whose counts in raw.loads are put right.
    """
    contract = ENTITIES[entity]
    scope = "source = $source and ($load_id is null or load_id = $load_id)"
    values: _Values = {
        "source": mapping.source,
        "load_id": load_id,
        "ids": sorted(set(customer_ids)),
    }
    of_them = f"{scope} and customer_id in (select unnest($ids))"
    if "referred_by" in contract.columns:
        connection.execute(
            f"update raw.{entity} set referred_by = null "
            f"where {scope} and referred_by in (select unnest($ids))",
            values,
        )
    if entity not in _KEPT:
        return Erased(deleted=_delete(connection, entity, of_them, values))
    stated = mapping.entities.get(entity)
    own_id = _OWN_IDS.get(entity)
    if stated is not None and own_id is not None and is_made_of_customers(stated, own_id):
        _hide_own_ids(connection, mapping.source, entity, stated, own_id, of_them, values)
    deleted = 0
    if entity == "interactions":  # only a compensation is money
        # All deliveries of one that holds money in any: the last one says what it came to.
        paid = (
            f"select interaction_id from raw.{entity} "
            "where source = $source and coalesce(compensation_amount, 0) <> 0"
        )
        gone = f"{of_them} and interaction_id not in ({paid})"
        deleted = _delete(connection, entity, gone, values)
    if stated is not None and is_made_of_customers(stated, "order_id"):
        _hide_order_ids(connection, mapping.source, entity, stated, of_them, values)
    if entity == "coupon_redemptions":
        _part_redemptions(connection, of_them, values)
    emptied = "".join(f", {name} = null" for name in _KEPT[entity])
    kept = _count(
        connection,
        f"update raw.{entity} set customer_id = '{ERASED}'{emptied} "
        f"where {of_them} and customer_id <> '{ERASED}'",
        values,
    )
    return Erased(deleted, kept)


def erase_rejected_rows(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    customer_ids: Sequence[str],
    traits: Sequence[str],
) -> list[tuple[int, str, int]]:
    """Empty the rejected rows that name a person, whose reason stays.

    Arguments and result as of `names_in_rejected_rows`.
    """
    theirs = names_in_rejected_rows(connection, source, customer_ids, traits)
    _empty(connection, theirs)
    return theirs


def names_in_rejected_rows(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    customer_ids: Sequence[str],
    traits: Sequence[str],
) -> list[tuple[int, str, int]]:
    """Find the rejected rows that name a person.

    Args:
        connection: to a work file.
        source: the source.
        customer_ids: the source's own ids; found where they stand as a field of their own.
        traits: names, addresses, phone numbers of these people; found anywhere in the text, short
            ones (`is_distinct` tells) as a field of their own.

    Returns:
        Load, file and line of each.
    """
    fields = {*customer_ids, *(trait for trait in traits if not is_distinct(trait))}
    texts = [trait for trait in traits if is_distinct(trait)]

    def names_them(text: str) -> bool:
        return not fields.isdisjoint(ids_in(text)) or any(one in text for one in texts)

    return _naming(connection, source, names_them, None)


def ids_in(text: str) -> Iterator[str]:
    """Yield what may be an id in a record's text: its fields, as a mapping might read them."""
    fields = {
        field.strip(" '\u00a0\u3000")
        for pattern in (r'[,;\t|"\x1f{}\[\]:\r\n]+', r"\s+")
        for field in re.split(pattern, text)
    }
    fields |= {re.sub(r"^([0-9]+)\.0+$", r"\1", field) for field in fields}  # `whole_number`
    fields |= {field.upper() for field in fields} | {field.lower() for field in fields}
    yield from fields - {""}


def _naming(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    names_them: Callable[[str], bool],
    load_id: int | None,
) -> list[tuple[int, str, int]]:
    """Find rejected rows by what their text names: load, file and line of each."""
    found = connection.execute(
        "select load_id, source_file, source_line, concat_ws(' ', raw_text, detail) "
        "from raw.rejected_rows where source = $source and ($load_id is null or load_id = $load_id)"
        " and coalesce(raw_text, detail) is not null",
        {"source": source, "load_id": load_id},
    )
    theirs = []
    while rows := found.fetchmany(_BATCH):
        theirs += [(load, file, line) for load, file, line, text in rows if names_them(text)]
    return theirs


def _empty(connection: duckdb.DuckDBPyConnection, rows: Sequence[tuple[int, str, int]]) -> None:
    if rows:
        connection.executemany(
            "update raw.rejected_rows set raw_text = null, detail = null "
            "where load_id = ? and source_file = ? and source_line = ?",
            rows,
        )


def _delete(
    connection: duckdb.DuckDBPyConnection, entity: str, condition: str, values: _Values
) -> int:
    """Delete rows; of whole loads, so that the counts in raw.loads stay true."""
    if values["load_id"] is None:
        connection.execute(
            f"update raw.loads set rows_loaded = rows_loaded - gone.rows, "
            f"rows_skipped = rows_skipped + gone.rows "
            f"from (select load_id, count(*) as rows from raw.{entity} where {condition} "
            f"group by load_id) as gone where loads.load_id = gone.load_id",
            values,
        )
    return _count(connection, f"delete from raw.{entity} where {condition}", values)


def _hide_own_ids(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    entity: str,
    stated: EntityMapping,
    name: str,
    of_them: str,
    values: _Values,
) -> None:
    """Replace ids that hold a customer's id and that only this entity knows."""
    key = erasure_key(connection)
    shown = connection.execute(
        f"select distinct {name}, customer_id from raw.{entity} where {of_them}", values
    ).fetchall()
    connection.execute(
        f"update raw.{entity} set {name} = ids.hidden from (select unnest($shown) as shown, "
        "unnest($members) as member, unnest($hidden) as hidden) as ids "
        f"where {of_them} and {name} = ids.shown and customer_id = ids.member",
        {
            **values,
            "shown": [made for made, _ in shown],
            "members": [customer_id for _, customer_id in shown],
            "hidden": [hidden_id(key, source, stated, name, *one) for one in shown],
        },
    )


def _hide_order_ids(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    entity: str,
    stated: EntityMapping,
    of_them: str,
    values: _Values,
) -> None:
    """Replace order ids that hold a customer's id, the same one by the same text for ever.

    So a newer delivery of the order still replaces the older. Where a delivery makes rows of other
    loads change (an earlier one named an order that comes now), the last build is no longer one of
    what raw holds, and everything is built anew.
    """
    key = erasure_key(connection)
    contract = ENTITIES[entity]
    names = [name for name in _ORDER_ID_COLUMNS if name in contract.columns]
    listed = " union ".join(
        f"select {name}, customer_id from raw.{entity} "
        f"where {of_them} and {_owner(contract, name)} = $source and {name} is not null"
        for name in names
    )
    hidden = [
        (order_id, hidden_id(key, source, stated, "order_id", order_id, customer_id))
        for order_id, customer_id in connection.execute(listed, values).fetchall()
        if _HIDDEN.fullmatch(order_id) is None
    ]
    if not hidden:
        return
    connection.execute("create or replace temp table hidden_orders (shown varchar, hidden varchar)")
    connection.executemany("insert into hidden_orders values (?, ?)", hidden)
    for other in ENTITIES.values():
        for name in _ORDER_ID_COLUMNS:
            if name in other.columns:
                if _is_in_other_loads(connection, source, other, name, values["load_id"]):
                    withdraw_build(connection)
                connection.execute(
                    f"update raw.{other.name} set {name} = hidden_orders.hidden from hidden_orders "
                    f"where {_owner(other, name)} = ? and {name} = hidden_orders.shown",
                    [source],
                )
    connection.execute("drop table hidden_orders")


def _owner(entity: Entity, order_id: str) -> str:
    """Return SQL of the source whose order a column names."""
    order_source = entity.id_sources.get(order_id)
    return f"coalesce({order_source}, source)" if order_source else "source"


def _is_in_other_loads(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    entity: Entity,
    column: str,
    load_id: int | None,
) -> bool:
    """Whether a column holds one of the hidden orders in rows of other loads than this one."""
    found = connection.execute(
        f"select 1 from raw.{entity.name} where {_owner(entity, column)} = ? "
        f"and load_id is distinct from ? and {column} in (select shown from hidden_orders) limit 1",
        [source, load_id],
    ).fetchone()
    return found is not None


def withdraw_build(connection: duckdb.DuckDBPyConnection) -> None:
    """Have everything built anew: no build is one of what raw holds now.

    A night that finds the last build under another fingerprint than its own builds everything.
    """
    connection.execute("update state.runs set fingerprint = null where fingerprint is not null")


def _part_redemptions(connection: duckdb.DuckDBPyConnection, of_them: str, values: _Values) -> None:
    """Give each redemption a fraction of its second of its own, the same one for ever.

    The customer is part of its key: two people's redemptions of one coupon at one moment would
    become one, and its money be lost. What a rewritten file says of them comes to the same.
    """
    moments = connection.execute(
        f"select distinct coupon_source, coupon_id, customer_id, redeemed_at "
        f"from raw.coupon_redemptions where {of_them} and customer_id <> '{ERASED}'",
        values,
    ).fetchall()
    if not moments:
        return
    key = erasure_key(connection)
    parts = []
    for coupon_source, coupon, customer, at in moments:
        text = f"{coupon} {stand_in(key, values['source'], customer)} {at.isoformat()}"
        if coupon_source is not None:  # people of two sources may redeem it, and be of one id
            text = f"{values['source']} {coupon_source}:{text}"
        parts.append((coupon_source, coupon, customer, at, int(_hash(key, text), 16) % 10**6))
    connection.execute(
        "create or replace temp table moments "
        "(handed_out_by varchar, coupon varchar, member varchar, moment timestamptz, part bigint)"
    )
    connection.executemany("insert into moments values (?, ?, ?, ?, ?)", parts)
    connection.execute(
        f"update raw.coupon_redemptions "
        f"set redeemed_at = date_trunc('second', moment) + to_microseconds(part) from moments "
        f"where {of_them} and coupon_source is not distinct from handed_out_by "
        f"and coupon_id = coupon and customer_id = member and redeemed_at = moment",
        values,
    )
    connection.execute("drop table moments")


def _hash(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def _count(connection: duckdb.DuckDBPyConnection, sql: str, values: _Values) -> int:
    row = connection.execute(sql, values).fetchone()
    return int(row[0]) if row else 0
