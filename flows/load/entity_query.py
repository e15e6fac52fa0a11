"""The SQL that turns one file of one entity into raw rows.

    read     the file's columns that the mapping uses, cleaned, beside those of joined files
    cast     the contract's columns
    judged   each row with the number of its first fault, 0 for a row that the mapping skips, null
    if good

Good rows are inserted straight from `judged`; the rest is looked at only if some rows did not
arrive.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

import duckdb

from flows.load.casting import (
    Cast,
    Fault,
    JoinedFile,
    SourceColumn,
    as_text,
    cast_column,
    clean,
    is_text,
    shown,
)
from flows.load.contract import COMPUTED_COLUMNS, MONEY, SOURCE_NAME, TIME, Entity
from flows.load.currencies import currency_codes
from flows.load.header import Header, missing_column
from flows.load.landing import LandingError
from flows.load.mapping import BY_NAME, Column, EntityMapping, Mapping
from flows.load.reading import Reading
from flows.load.records import LINE
from flows.sql_text import quote_name, quote_text

_SKIPPED = 0
# A trillion: a typing error in every currency, and a hundred of them still fit DECIMAL(18,4).
AMOUNT_LIMIT = 10**12


@dataclass(frozen=True)
class EntityQuery:
    """The composed SQL of one file.

    Attributes:
        judged: query of all rows with `fault`.
        accepted: query of the rows to insert, in the raw table's columns but the load's own.
        faults: the reasons to reject, in the order of their numbers from 1.
        entity: the raw table.
        technical: the values of the load's own columns, by name.
        has_line_numbers: whether the file numbers an order's lines itself.
        has_versions: whether the file says when each row changed.
        header_amounts: for each header line its amount's column in `judged`, and its kind.
        notes: what a person should know.
    """

    judged: str
    accepted: str
    faults: tuple[Fault, ...]
    entity: str
    technical: dict[str, str]
    has_line_numbers: bool
    has_versions: bool
    header_amounts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def faulty(self) -> str:
        """Query of the rows to reject, in order: line, source column, reason, detail and order.

        The order is null where it is at fault itself, and for all but order lines.
        """
        columns, reasons, details = (
            " ".join(f"when {number} then {text}" for number, text in enumerate(texts, 1))
            for texts in (
                [quote_text(fault.column) for fault in self.faults],
                [quote_text(fault.reason) for fault in self.faults],
                [fault.detail for fault in self.faults],
            )
        )
        order = "order_id" if self.entity == "order_lines" else "null"
        return (
            f"select {LINE}, nullif(case fault {columns} end, ''), case fault {reasons} end, "
            f"case fault {details} end, {order} "
            f"from ({self.judged}) where fault > {_SKIPPED} order by {LINE}"
        )

    def insert(self, load_id: int) -> str:
        """Return the statement that inserts the good rows; its result is their number."""
        return (
            f"insert into raw.{self.entity} by name "
            f"select *, {self._own(load_id)} from ({self.accepted})"
        )

    def insert_header_lines(self, load_id: int) -> Iterator[str]:
        """Yield a statement for each header amount: one line an order, after its other lines."""
        rows = f"select * from ({self.judged}) where fault is null"
        for amount, kind in self.header_amounts:
            # The order's first line speaks for its header.
            first = f"arg_min({amount}, {LINE}) filter ({amount} is not null)"
            yield (
                f"insert into raw.order_lines by name "
                f"with amounts as (select order_id, {first} as net_revenue from ({rows}) "
                f"group by order_id), "
                f"orders as (select *, "
                f"row_number() over (partition by order_id order by line_number) as n, "
                f"max(line_number) over (partition by order_id) as last_number "
                f"from raw.order_lines where load_id = {load_id}) "
                f"select orders.* exclude "
                f"(n, last_number, product_id, product_source, unit_price, discount_amount, "
                f"unit_cost) "
                f"replace (last_number + 1 as line_number, {quote_text(kind)} as line_kind, "
                f"1 as quantity, amounts.net_revenue as net_revenue) "
                f"from orders join amounts using (order_id) "
                f"where n = 1 and amounts.net_revenue <> 0"
            )

    def count(self, connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
        """Count the rows at fault, skipped and accepted."""
        row = connection.execute(
            f"select count(*) filter (fault > {_SKIPPED}), count(*) filter (fault = {_SKIPPED}), "
            f"count(*) filter (fault is null) from ({self.judged})"
        ).fetchone()
        return (row[0], row[1], row[2]) if row else (0, 0, 0)

    def _own(self, load_id: int) -> str:
        return ", ".join(
            f"{value} as {name}"
            for name, value in {**self.technical, "load_id": str(load_id)}.items()
        )


def compose(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    contract: Entity,
    entity: EntityMapping,
    main: Reading,
    others: Sequence[Sequence[Reading]],
    loaded_at: datetime,
    latest: datetime,
    rejects_repeats: bool = False,
) -> EntityQuery:
    """Compose the queries of one file.

    Args:
        connection: to look at joined files with; nothing is written.
        mapping: the source.
        contract: the entity in the contract.
        entity: the entity in the mapping.
        main: the file.
        others: for each join, its files.
        loaded_at: rows changed later, or at a time unknown, count as of it.
        latest: orders dated later are at fault.
        rejects_repeats: whether a line whose number its order has had in this file is at fault. To
            look for them takes sorting all rows, so it is asked for only where there are any.

    Raises:
        LandingError: a column is missing, renamed or ambiguous.
    """
    columns = (
        _by_name(contract, main, mapping.delivers) if entity.columns == BY_NAME else _stated(entity)
    )
    partners = [
        _Partner(number, join_.on, readings)
        for number, (join_, readings) in enumerate(zip(entity.join, others, strict=True), 1)
    ]
    finder = _Finder(contract, main, partners, _wanted(columns, entity))
    casts = []
    kinds = {**contract.columns, "updated_at": TIME}
    required = {*contract.key, *contract.required} - {"line_number"}
    for name, kind in kinds.items():
        column = columns.get(name)
        if column is None:
            continue
        sources = finder.find_all(name, column)
        casts.append(
            cast_column(
                name,
                kind,
                column,
                sources,
                mapping.naive_zone,
                contract.values.get(name, ()),
                name in required or name == "line_number",
                finder.find(f"columns.{name}.when", column.when.column) if column.when else None,
            )
        )
    header_amounts = []
    for number, line in enumerate(entity.header_lines, 1):
        where = f"header_lines.{line.line_kind}"
        source = finder.find(where, (line.net_revenue,))
        column = Column.model_validate(line.net_revenue)
        amount = cast_column(f"header_amount_{number}", MONEY, column, (source,), "UTC")
        casts.append(amount)
        header_amounts.append((amount.name, line.line_kind))

    finder.find_join_keys()
    notes = [note for partner in partners for note in partner.notes(connection)]
    notes += _new_columns(entity, main, finder)
    rows = _cast_rows(_read_rows(main, partners, finder), casts, columns)
    faults = [fault for cast in casts for fault in cast.faults]
    if main.kind == "json":
        faults.insert(0, Fault("", "not is_record", "not a JSON object"))
    faults += _unstorable(main, finder)
    faults += _id_source_faults(contract, columns)
    faults += _currency_faults(columns)
    if contract.name == "order_lines":
        zone = quote_text(mapping.time_zone)
        rows = f"select *, timezone({zone}, ordered_at) as ordered_at_local from ({rows})"
        faults += _order_line_faults(finder, columns, latest)
    judged = _judge(rows, faults, main.kind, entity.skip_rows_without)
    if rejects_repeats:
        judged = _judge_repeats(judged, len(faults) + 1)
        reason = "a line number that its order has had in this file"
        faults.append(Fault(_label(columns, "line_number"), "", reason, "'line ' || line_number"))
    technical = {"source": quote_text(mapping.source), "source_file": quote_text(main.name)}
    values = {name: quote_name(name) for name in contract.columns if name in columns}
    for name in contract.id_sources.values():
        if name in values:  # one way to say that an id is the row's own source's
            values[name] = f"nullif({values[name]}, {quote_text(mapping.source)})"
    if "updated_at" in columns:
        # A row cannot be newer than its delivery: one dated 2199 would win over every later one.
        # least passes over null.
        values["updated_at"] = f"least(updated_at, {_moment(loaded_at)})"
    else:
        technical["updated_at"] = _moment(loaded_at)
    if contract.name == "order_lines":
        order = finder.partition_key(columns.get("order_id"))
        values |= _order_line_values(columns, mapping.currency, order)
    accepted = _accept(judged, values, contract if entity.one_row_per_key else None)
    return EntityQuery(
        judged,
        accepted,
        tuple(faults),
        contract.name,
        technical,
        "line_number" in columns,
        "updated_at" in columns,
        tuple(header_amounts),
        tuple(notes),
    )


def _moment(moment: datetime) -> str:
    return f"cast({quote_text(moment.isoformat())} as timestamptz)"


def _stated(entity: EntityMapping) -> dict[str, Column]:
    return {} if isinstance(entity.columns, str) else entity.columns


def _by_name(contract: Entity, main: Reading, delivers: str) -> dict[str, Column]:
    """Map every contract column that the file has under its own name."""
    names = [name for name in (*contract.columns, "updated_at") if name not in COMPUTED_COLUMNS]
    # where whole orders come, lines are numbered as they stand; a single line needs its number, or
    # a newer one could not find it
    is_numbered_here = contract.name == "order_lines" and delivers == "orders"
    needed = {*contract.key, *contract.required} - ({"line_number"} if is_numbered_here else set())
    found = {name for name in names if name in needed or main.find(name)}
    found -= {source for name, source in contract.id_sources.items() if name not in found}
    return {name: Column.model_validate(name) for name in names if name in found}


class _Partner:
    """The files of one join, as one table with unique keys."""

    def __init__(self, number: int, on: dict[str, str], readings: Sequence[Reading]) -> None:
        self.table = f"joined_{number}"
        self.on = on
        self.readings = readings
        self.names = {name for reading in readings for name in reading.types}
        self.prefix = PurePosixPath(readings[0].name).stem

    @property
    def name(self) -> str:
        return self.readings[0].name

    @property
    def is_named(self) -> bool:
        return all(reading.is_named for reading in self.readings)

    @property
    def found(self) -> str:
        return f"{self.table}_found"

    def find(self, name: str) -> str | None:
        spellings = {reading.find(name) for reading in self.readings}
        return spellings.pop() if len(spellings) == 1 else None

    def kind(self, name: str) -> str:
        kinds = {reading.types.get(name, "VARCHAR") for reading in self.readings}
        return kinds.pop() if len(kinds) == 1 else "VARCHAR"

    def key_column(self, name: str) -> SourceColumn:
        own = self.find(name) or name  # the finder has seen to it that it is there
        return SourceColumn(
            own, quote_name(own), self.kind(own), "key", self.readings[0].file_format
        )

    def keyed(self) -> str:
        """Query of all rows with their keys as text (key_1, key_2, ...) and their place."""
        keys = []
        for number, name in enumerate(self.on.values(), 1):
            column = self.key_column(name)
            cleaned = replace(column, alias=f"({clean(column)})")
            keys.append(f"{as_text(cleaned)} as key_{number}")
        files = " union all by name ".join(
            f"select {self._columns(reading)}, {LINE}, {place} as place "
            f"from ({reading.query}) as file"
            for place, reading in enumerate(self.readings)
        )
        return f"select *, {', '.join(keys)} from ({files})"

    def _columns(self, reading: Reading) -> str:
        return ", ".join(
            f"{reading.column(name, 'file')} as {quote_name(name)}" for name in reading.types
        )

    def keys(self) -> str:
        return ", ".join(f"key_{number}" for number in range(1, len(self.on) + 1))

    def query(self) -> str:
        """Query with one row a key: of several the last, in the order of files and lines."""
        return (
            f"select *, true as {self.found} from ({self.keyed()}) qualify row_number() over "
            f"(partition by {self.keys()} order by place desc, {LINE} desc) = 1"
        )

    def notes(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        row = connection.execute(
            f"select coalesce(sum(repeats - 1), 0) from "
            f"(select count(*) as repeats from ({self.keyed()}) group by {self.keys()})"
        ).fetchone()
        repeated = int(row[0]) if row else 0
        if not repeated:
            return []
        keys = ", ".join(self.on.values())
        return [
            f"join: {repeated:,} rows of {self.prefix} repeat a {keys}; the last of each was taken"
        ]


def _has(file: Reading | _Partner, candidates: Sequence[str]) -> bool:
    """Whether a file has one of several columns, by its name or by the file's name and its own."""
    own = f"{PurePosixPath(file.name).stem}."
    names = [*candidates, *(name.removeprefix(own) for name in candidates)]
    return any(file.find(name) for name in names)


def _wanted(columns: dict[str, Column], entity: EntityMapping) -> list[Sequence[str]]:
    """The source columns that are looked for, each by all its candidates."""
    wanted: list[Sequence[str]] = []
    for column in columns.values():
        wanted += [column.from_] if column.from_ else [(origin,) for origin in column.origins]
        wanted += [column.when.column] if column.when else []
    return wanted + [(line.net_revenue,) for line in entity.header_lines]


class _Finder:
    """Finds the source columns that a mapping names, in a file and the files joined to it."""

    def __init__(
        self,
        contract: Entity,
        main: Reading,
        partners: Sequence[_Partner],
        wanted: Sequence[Sequence[str]],
    ) -> None:
        self.contract = contract
        self.main = main
        self.partners = partners
        self.wanted = wanted
        self.used: dict[tuple[str, str], SourceColumn] = {}

    def find_all(self, name: str, column: Column) -> list[SourceColumn]:
        """Find the columns that a contract column is made of."""
        if column.from_:
            return [self.find(f"columns.{name}", column.from_)]
        return [self.find(f"columns.{name}", (origin,)) for origin in column.origins]

    def find(self, where: str, candidates: Sequence[str]) -> SourceColumn:
        """Find the first of several candidates.

        Raises:
            LandingError: none is there, or one is in several files.
        """
        for candidate in candidates:
            found = self._find_one(where, candidate)
            if found is not None:
                return found
        wanted = " or ".join(f"'{candidate}'" for candidate in candidates)
        raise missing_column(
            f"{where}: expected the column {wanted}, which the file does not have",
            candidates,
            [self._header(file) for file in self._files],
            {name for _, name in self.used},
        )

    def find_join_keys(self) -> None:
        """See that the joined files have the columns that they are joined on.

        Raises:
            LandingError: one has not.
        """
        for partner in self.partners:
            for name in partner.on.values():
                if partner.find(name) is None:
                    what = f"join: {partner.prefix} has no column '{name}' to join on"
                    raise missing_column(what, (name,), [self._header(partner)], set())

    @property
    def _files(self) -> "list[Reading | _Partner]":
        return [self.main, *self.partners]

    def _header(self, file: "Reading | _Partner") -> Header:
        """The columns of a file, and how many it has of those that no other file has."""
        others = [other for other in self._files if other is not file]
        wanted = [
            candidates
            for candidates in self.wanted
            if _has(file, candidates) or not any(_has(other, candidates) for other in others)
        ]
        if isinstance(file, _Partner):
            wanted += [(key,) for key in file.on.values()]
            columns = tuple(sorted(file.names))
        else:
            wanted += [(key,) for partner in self.partners for key in partner.on]
            columns = (*file.types, *file.unread)
        found = sum(_has(file, candidates) for candidates in wanted)
        return Header(file.name, columns, len(wanted), found, file.is_named)

    def _find_one(self, where: str, name: str) -> SourceColumn | None:
        in_main = self.main.find(name)
        in_partners = [
            (partner, own)
            for partner in self.partners
            if (own := partner.find(name)) and own not in partner.on.values()
        ]
        if (in_main and in_partners) or len(in_partners) > 1:
            places = [self.main.name] * bool(in_main) + [p.readings[0].name for p, _ in in_partners]
            prefixed = " or ".join(f"'{PurePosixPath(place).stem}.{name}'" for place in places)
            raise LandingError(
                f"{where}: the column '{name}' is in {' and in '.join(places)}; write {prefixed}"
            )
        if in_main:
            return self._main_column(in_main)
        if in_partners:
            return self._partner_column(*in_partners[0])
        prefix, _, rest = name.partition(".")
        if rest and prefix == PurePosixPath(self.main.name).stem and (own := self.main.find(rest)):
            return self._main_column(own)
        for partner in self.partners:
            if rest and prefix == partner.prefix and (own := partner.find(rest)):
                return self._partner_column(partner, own)
        return None

    def partition_key(self, order_id: Column | None) -> str:
        """Return the cheapest column that tells orders apart: an integer id before its text."""
        if order_id is not None and order_id.from_ and not order_id.values:
            source = self.find("columns.order_id", order_id.from_)
            if source.kind in ("SMALLINT", "INTEGER", "BIGINT", "UBIGINT", "UINTEGER"):
                return source.alias
        return "order_id"

    def _main_column(self, own: str) -> SourceColumn:
        kind = self.main.types.get(own, "VARCHAR")
        return self._use("main", own, self.main.column(own, "main"), kind, self.main, None)

    def _partner_column(self, partner: _Partner, own: str) -> SourceColumn:
        file = partner.prefix.replace("'", "")
        keys = " and ".join(
            f"{theirs.replace(chr(39), '')} ' || coalesce({self.key_alias(ours)}, 'empty') || '"
            for ours, theirs in partner.on.items()
        )
        joined = JoinedFile(
            partner.found, f"no matching row in {file}", f"'no row in {file} with {keys}'"
        )
        sql = f"{partner.table}.{quote_name(own)}"
        return self._use(partner.table, own, sql, partner.kind(own), partner.readings[0], joined)

    def key_alias(self, name: str) -> str:
        """Return SQL, over the cleaned rows, of the text of a column that files are joined on."""
        own = self.main.find(name)
        if own is None:
            what = f"join: expected the column '{name}' to join on, which the file does not have"
            raise missing_column(what, (name,), [self._header(self.main)], set())
        return f"({as_text(self._main_column(own))})"

    def _use(
        self,
        table: str,
        own: str,
        sql: str,
        kind: str,
        reading: Reading,
        partner: JoinedFile | None,
    ) -> SourceColumn:
        key = (table, own)
        if key not in self.used:
            alias = f"s{len(self.used) + 1}"
            self.used[key] = SourceColumn(own, sql, kind, alias, reading.file_format, partner)
        return self.used[key]


def _new_columns(entity: EntityMapping, main: Reading, finder: _Finder) -> list[str]:
    """Note the columns of the file that the mapping neither uses nor ignores.

    All that it wants have been found, so these are names of a header and no record's values.
    """
    known = {name for table, name in finder.used if table == "main"}
    known |= {name.split(".")[0] for name in known}
    ignored = {name.casefold().strip() for name in entity.ignore}
    new = [
        name
        for name in (*main.types, *main.unread)
        if name not in known and name.casefold().strip() not in ignored
    ]
    if not new or main.good == 0:
        return []
    return [f"{main.name} has columns that the mapping does not use: {', '.join(new)}"]


def _read_rows(main: Reading, partners: Sequence[_Partner], finder: _Finder) -> str:
    """Compose the query of the file's rows, cleaned, beside those joined to them."""
    joins = ""
    for partner in partners:
        matches = []
        for number, ours in enumerate(partner.on, 1):
            finder.key_alias(ours)
            own = finder.main.find(ours) or ours
            column = finder.used["main", own]
            raw = replace(column, alias=f"({clean(column)})")
            matches.append(f"({as_text(raw)}) = {partner.table}.key_{number}")
        joins += f" left join ({partner.query()}) as {partner.table} on {' and '.join(matches)}"
    read = [f"main.{LINE}"]
    read += [f"{clean(column)} as {column.alias}" for column in finder.used.values()]
    read += [f"{partner.table}.{partner.found}" for partner in partners]
    if main.kind == "json":
        read.append("main.json is not null as is_record")
    return f"select {', '.join(read)} from ({main.query}) as main{joins}"


def _cast_rows(rows: str, casts: Sequence[Cast], columns: dict[str, Column]) -> str:
    """Compose the query of the rows with the contract's columns beside the source's."""
    values = []
    for cast in casts:
        value = cast.value
        stated = columns.get(cast.name)
        if stated is not None and stated.numbered:
            ordinal = f"row_number() over (partition by {value} order by {LINE})"
            value = f"{value} || {quote_text(stated.separator)} || {ordinal}"
        values.append(f"{value} as {quote_name(cast.name)}")
    return f"select *, {', '.join(values)} from ({rows})"


def _unstorable(main: Reading, finder: _Finder) -> Iterator[Fault]:
    """Faults of texts with a NUL, which the clients of a database cut short or refuse.

    Text files are held to this before they are read; so are sheets and tables.
    """
    checked = main.is_checked_text
    for (table, _), source in finder.used.items():
        if is_text(source.kind) and not (checked and table == "main"):
            yield Fault(
                source.name, f"contains({source.alias}, chr(0))", "holds a NUL byte", "null"
            )


def _id_source_faults(contract: Entity, columns: dict[str, Column]) -> Iterator[Fault]:
    """Faults of what should name the source of an id and cannot: keys would be ambiguous.

    What the mapping states itself, it was held to before.
    """
    for name, source in contract.id_sources.items():
        if source in columns and columns[source].constant is None:
            pattern, value = quote_text(SOURCE_NAME), quote_name(source)
            reason = "not the name of a source, such as web_shop"
            is_named = f"{quote_name(name)} is not null"
            yield Fault(
                _label(columns, source),
                f"{is_named} and not regexp_full_match({value}, {pattern})",
                reason,
                shown(value, f" is {reason}", "'"),
            )


def _currency_faults(columns: dict[str, Column]) -> Iterator[Fault]:
    """Faults of what is no currency: messages name currencies, so nothing else may pass for one."""
    if "currency" in columns:
        codes = ", ".join(quote_text(code) for code in sorted(currency_codes()))
        reason = "no currency code of ISO 4217, such as CNY or EUR"
        yield Fault(
            _label(columns, "currency"),
            f"currency not in ({codes})",
            reason,
            shown("currency", f" is {reason}", "'"),
        )


def _label(columns: dict[str, Column], name: str) -> str:
    return ", ".join(columns[name].origins) or name


def _order_line_faults(
    finder: _Finder, columns: dict[str, Column], latest: datetime
) -> Iterator[Fault]:
    """Faults of values that a line could hold but no order has."""
    yield Fault(
        _label(columns, "ordered_at"),
        f"ordered_at > {_moment(latest)}",
        "dated after the moment of the load",
        "'ordered at ' || ordered_at_local || ', after the moment of the load'",
    )
    # Sums of such amounts would overflow DECIMAL(18,4).
    for factors in (
        *(("quantity",), ("unit_price",), ("discount_amount",), ("net_revenue",), ("unit_cost",)),
        *(("quantity", "unit_price"), ("quantity", "unit_cost")),
    ):
        if all(name in columns for name in factors):
            label = ", ".join(
                source.name for name in factors for source in finder.find_all(name, columns[name])
            )
            amount = " * ".join(f"{name}::double" for name in factors)
            reason = f"{' × '.join(factors)} is {AMOUNT_LIMIT:,} or more"
            yield Fault(label, f"abs({amount}) >= {AMOUNT_LIMIT}", reason)


def _judge(rows: str, faults: Sequence[Fault], kind: str, filled: Sequence[str]) -> str:
    """Compose the query of all rows, each with the number of its first fault.

    Args:
        rows: query of the cast rows.
        faults: in the order of their numbers from 1.
        kind: the file's type.
        filled: columns; a row where one is empty is skipped.
    """
    branches = [f"when {quote_name(name)} is null then {_SKIPPED}" for name in filled]
    branches += [f"when {fault.condition} then {n}" for n, fault in enumerate(faults, 1)]
    # The record as a whole is judged before any part of it.
    if kind == "json" and filled:
        branches.insert(0, "when not is_record then 1")
    return f"select *, case {' '.join(branches)} end as fault from ({rows})"


def _judge_repeats(judged: str, number: int) -> str:
    """Give a fault to each good line whose number a good line above it has in the same order."""
    place = f"row_number() over (partition by order_id, line_number, fault is null order by {LINE})"
    return (
        f"select * replace (case when fault is null and {place} > 1 then {number} "
        f"else fault end as fault) from ({judged})"
    )


def _order_line_values(
    columns: dict[str, Column], currency: str | None, order: str
) -> dict[str, str]:
    """Return SQL of what the loader adds to an order line; `order` tells orders apart."""
    values = {"ordered_at_local": "ordered_at_local"}
    if "line_number" not in columns:
        values["line_number"] = (
            f"cast(row_number() over (partition by {order} order by {LINE}) as integer)"
        )
    if currency:
        stated = quote_text(currency)
        values["currency"] = f"coalesce(currency, {stated})" if "currency" in columns else stated
    return values


def _accept(judged: str, values: dict[str, str], keyed: Entity | None) -> str:
    """Compose the query of the good rows in the raw table's columns.

    Args:
        judged: query of all rows.
        values: SQL of each column.
        keyed: keep one row of each of its keys, of each column its last value, an id with the
            source that hands it out; None: keep all rows.
    """
    good = f"from ({judged}) where fault is null"
    if keyed is None:
        listed = ", ".join(f"{value} as {quote_name(name)}" for name, value in values.items())
        return f"select {listed}, {LINE} as source_line {good}"
    keys = {name: values[name] for name in keyed.whole_key if name in values}
    ids = {source: values.get(name) for name, source in keyed.id_sources.items()}
    rest = [
        # arg_max passes over null, which is a source too: the row's own
        f"arg_max_null({value}, {LINE}) filter ({ids.get(name) or value} is not null) "
        f"as {quote_name(name)}"
        for name, value in values.items()
        if name not in keys
    ]
    named = [f"{value} as {quote_name(name)}" for name, value in keys.items()]
    kept = ", ".join([*named, *rest, f"max({LINE}) as source_line"])
    return f"select {kept} {good} group by {', '.join(keys.values())}"
