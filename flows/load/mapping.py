"""A source system as a mapping onto the input contract: YAML in, a checked `Mapping` out.

A mapping is declarative on purpose: it holds no SQL, so it can neither read outside its landing
folder nor load an extension. Its format is described in docs/mapping.md. Everything that can be
wrong with a mapping by itself is found here; what only the files can tell (a missing column) is
found by the loader.
"""

import hashlib
import json
import re
from collections.abc import Hashable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import available_timezones

import duckdb
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from flows.load.contract import (
    COMPUTED_COLUMNS,
    ENTITIES,
    MEMBER_ENTITIES,
    SOURCE_NAME,
    TIME,
    Entity,
)
from flows.load.currencies import check_currency

BY_NAME: Final = "by_name"
MAXIMUM_FACTORS: Final = 3
LISTED_ENTITIES: Final = (
    "order_lines",
    "customers",
    "products",
    "suppliers",
    "stores",
    "employees",
)
MAXIMUM_NODES: Final = 100_000  # of a mapping's YAML
MAXIMUM_BYTES: Final = 2**20  # of its file
_MISPLACED: Final = (
    "mapping values are not allowed",
    "expected <block end>",
    "could not find expected ':'",
)

SourceName = Annotated[str, Field(pattern=f"^{SOURCE_NAME}$")]


class MappingError(Exception):
    """A mapping cannot be used; the message names the file, the key and what was expected."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known word, or nothing."""
    by_folded = {name.casefold().strip(): name for name in known}
    close = get_close_matches(word.casefold().strip(), list(by_folded), n=1, cutoff=0.6)
    return f" Did you mean '{by_folded[close[0]]}'?" if close else ""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_text(value: object) -> object:
    """Take the YAML scalars that a person writes without quotes (1, 0.5, true) for their text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _as_text_keys(value: object) -> object:
    return (
        {_as_text(key): item for key, item in value.items()} if isinstance(value, dict) else value
    )


Text = Annotated[str, BeforeValidator(_as_text)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(min_length=1)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class _Strict(BaseModel):
    """Base of a mapping's parts: frozen, and an unknown key is an error that names the nearest."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, data: object) -> object:
        if isinstance(data, dict):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in data:
                if key not in known and key not in cls.model_fields:
                    raise ValueError(
                        f"unknown key '{key}'.{did_you_mean(str(key), known)} "
                        f"Known keys: {', '.join(known)}."
                    )
        return data


class FileFormat(_Strict):
    """How the files of an entity are written; every key is optional.

    Attributes:
        type: csv, parquet, json (one object a line) or excel; default by the file's ending.
        delimiter: one character, or `blanks` for runs of blanks.
        quote: one character, or null where the file knows no quoting.
        encoding: of text files. `gbk` is read as its superset GB18030; `utf-16` goes by the mark
            at the beginning of the file, without one its low bytes come first.
        header: whether the first record names the columns.
        sheet: of an Excel workbook; default the first.
        header_row: the row of an Excel sheet where its header stands; rows above are no records.
        column_names: names for a file without a header, or instead of its header.
        decimal: the decimal point of numbers in text.
        thousands: the grouping character of numbers in text, to be removed.
        nulls: words that mean "no value", such as NA.
    """

    type: Literal["csv", "parquet", "json", "excel"] | None = None
    delimiter: str | None = None
    quote: str | None = '"'
    encoding: Literal[
        "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "gbk", "latin-1"
    ] = "utf-8"
    header: bool = True
    sheet: Text | None = None
    header_row: Annotated[int, Field(ge=1)] = 1
    column_names: tuple[str, ...] | None = None
    decimal: Literal[".", ","] = "."
    thousands: str | None = None
    nulls: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _single_characters(self) -> "FileFormat":
        for key in ("delimiter", "quote", "thousands"):
            value = getattr(self, key)
            if value is None or (key == "delimiter" and value == "blanks"):
                continue
            if len(value) != 1 or value in "\r\n\0":
                raise ValueError(f"{key} must be one character, not {value!r}")
        if not self.header and self.header_row != 1:
            raise ValueError("header_row goes with a header only")
        if self.thousands == self.decimal:
            raise ValueError(f"thousands and decimal are both {self.decimal!r}")
        if self.delimiter is not None and self.delimiter == self.quote:
            raise ValueError(f"delimiter and quote are both {self.quote!r}")
        if self.column_names is not None:
            repeated = {n for n in self.column_names if self.column_names.count(n) > 1}
            if repeated:
                raise ValueError(f"column_names repeats {', '.join(sorted(repeated))}")
        return self


class Table(_Strict):
    """A table or view of a source's database.

    Attributes:
        name: of the table, as the database spells it; in PostgreSQL `schema.table` too.
        sqlite: the database file, relative to the landing folder.
        postgresql: the environment variable that holds the connection string, so that no mapping
            holds a password.
    """

    name: Text
    sqlite: str | None = None
    postgresql: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None

    @model_validator(mode="after")
    def _one_database(self) -> "Table":
        if (self.sqlite is None) == (self.postgresql is None):
            raise ValueError("a table needs either sqlite or postgresql: where its database is")
        if not self.name or "\0" in self.name:
            raise ValueError("a table needs a name")
        return self

    @property
    def label(self) -> str:
        """What stands for its path: the database and the name of the table, '/' between parts."""
        parts = self.name.split(".", 1) if self.postgresql else [self.name.replace("/", "_")]
        return "/".join([self.sqlite or self.postgresql or "", *parts])


def _check_origin(files: tuple[str, ...], table: Table | None) -> None:
    if bool(files) == (table is not None):
        raise ValueError("expected either files or a table")


class Join(_Strict):
    """Files whose columns stand beside those of the entity's own: a left join on equal text.

    Attributes:
        files: path, glob or list, relative to the landing folder; read as one.
        table: a table instead of files.
        on: the column(s) of the same name on both sides, or {own column: joined column}.
        format: as for the entity.
    """

    files: Patterns = ()
    table: Table | None = None
    on: dict[str, str]
    format: FileFormat = FileFormat()

    @model_validator(mode="before")
    @classmethod
    def _short_on(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("on"), str | list):
            names = [data["on"]] if isinstance(data["on"], str) else data["on"]
            return {**data, "on": {name: name for name in names}}
        return data

    @model_validator(mode="after")
    def _one_origin(self) -> "Join":
        _check_origin(self.files, self.table)
        return self


class Condition(_Strict):
    """The rows that count: those where a number of the file is above a bound.

    Attributes:
        column: the source's column; of several candidates the first that the file has.
        above: the bound, itself not included.
    """

    column: Names
    above: Annotated[Decimal, BeforeValidator(_as_text)]


class Column(_Strict):
    """Where one column of the contract comes from: exactly one of the first five.

    Attributes:
        from_: the source's column; of several candidates the first that the file has.
        constant: the same value on every row.
        sum: the sum of columns; an empty one counts as nothing, all empty give null.
        product: the product of two or three columns, exact, rounded half away from zero to 4
            decimals.
        concat: the texts of columns, joined by `separator`; with `numbered`, followed by the row's
            number among the rows of the same text (for files whose rows have no id of their own).
        format: strptime format(s) of dates and times in text; default ISO 8601.
        time_zone: of naive times, where it is not the mapping's `timestamps_in`.
        case: fold the text to upper or lower case.
        whole_number: take '12346.0', as pandas writes ids that know nulls, for '12346'.
        values: the source's words and what they mean; null means no value.
        otherwise: what any other word means; default itself.
        when: on other rows the column has no value.
    """

    from_: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = Field((), alias="from")
    constant: Text | None = None
    sum: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    concat: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    separator: str = "-"
    numbered: bool = False
    format: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    time_zone: str | None = None
    case: Literal["upper", "lower"] | None = None
    whole_number: bool = False
    values: Annotated[dict[str, Text | None], BeforeValidator(_as_text_keys)] = {}
    otherwise: Text | None = None
    when: Condition | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"from": data} if isinstance(data, str | list) else data

    @model_validator(mode="after")
    def _one_origin(self) -> "Column":
        origins = [
            name
            for name, value in (
                ("from", self.from_),
                ("constant", self.constant),
                ("sum", self.sum),
                ("product", self.product),
                ("concat", self.concat),
            )
            if value
        ]
        if len(origins) != 1:
            raise ValueError(
                "expected exactly one of from, constant, sum, product, concat; "
                f"found {' and '.join(origins) or 'none'}"
            )
        if self.product and not 2 <= len(self.product) <= MAXIMUM_FACTORS:
            raise ValueError(f"product takes two or three columns, not {len(self.product)}")
        if self.numbered and not self.concat:
            raise ValueError("numbered goes with concat only")
        zoned = {"%z" in item or "%Z" in item for item in self.format}
        if len(zoned) > 1:
            raise ValueError("either every format states the zone (%z) or none does")
        for pattern in self.format:
            try:
                duckdb.execute("select try_strptime('', $1)", [pattern])
            except duckdb.Error as error:
                reason = str(error).splitlines()[0].rpartition(": ")[2]
                raise ValueError(
                    f"format '{pattern}' is none that DuckDB's strptime knows ({reason}); "
                    "expected one like %d.%m.%Y or %Y-%m-%d %H:%M:%S"
                ) from None
        return self

    @property
    def origins(self) -> tuple[str, ...]:
        """The source columns read, candidates included."""
        return self.from_ or self.sum or self.product or self.concat


class EntityMapping(_Strict):
    """One entity of the contract: its files and where each column comes from.

    Attributes:
        files: path, glob, folder or list of them, relative to the source's landing folder.
        table: a table of a database instead of files; each state of it is a delivery.
        columns: contract column -> source; or `by_name`: every contract column under its own name.
        format: how the files are written.
        join: files joined to each of them.
        optional: whether missing files are a note rather than an error.
        ignore: source columns known and not used (else each load notes them as new).
        skip_rows_without: contract columns; a row where one is empty is no row of this entity.
        one_row_per_key: keep one row of each key of a file: of each column its last value.
        header_lines: amounts of the order's header that become lines of their own.
        full_list: whether each file is the whole list, so that what it no longer holds is gone.
    """

    files: Patterns = ()
    table: Table | None = None
    columns: Literal["by_name"] | dict[str, Column]
    format: FileFormat = FileFormat()
    join: Annotated[
        tuple[Join, ...],
        BeforeValidator(lambda value: [value] if isinstance(value, dict) else value),
    ] = ()
    optional: bool = False
    ignore: tuple[str, ...] = ()
    skip_rows_without: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    one_row_per_key: bool = False
    header_lines: tuple["HeaderLine", ...] = ()
    full_list: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> "EntityMapping":
        _check_origin(self.files, self.table)
        return self

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that it is read from, those of its joins included."""
        origins = (self.table, *(join.table for join in self.join))
        return tuple(table for table in origins if table is not None)

    @property
    def source_columns(self) -> frozenset[str] | None:
        """The source's columns that it names; None where it takes all by the contract's names."""
        if isinstance(self.columns, str):
            return None
        named = {name for column in self.columns.values() for name in column.origins}
        named |= {n for c in self.columns.values() if c.when for n in c.when.column}
        named |= {line.net_revenue for line in self.header_lines}
        named |= {name for join in self.join for pair in join.on.items() for name in pair}
        return frozenset(named)


class HeaderLine(_Strict):
    """An amount of the order's header that becomes a line, once an order, after its other lines."""

    net_revenue: str
    line_kind: Literal["shipping", "tax", "gift_card", "points", "other"]


class Mapping(_Strict):
    """A source system: who it is, how it delivers, and its files mapped onto the input contract.

    Attributes:
        source: its name, which is its folder under landing and the prefix of its ids.
        time_zone: the shop's own; an order's date is the date there.
        timestamps_in: zone of naive times in the files; default `time_zone`.
        currency: of lines that do not state their own.
        delivers: `orders`: a newer delivery of an order replaces all of it; `lines`: line by line.
        has_complete_history: whether the first purchases of all customers are in it.
        are_zero_orders_purchases: whether an order that comes to nothing is a purchase.
        reject_limit: share of an entity's records that may be rejected before the refresh stops.
        margin_rates: margin as a share of net revenue, by category; `default` for all others.
    """

    source: SourceName
    title: str
    time_zone: str
    timestamps_in: str | None = None
    currency: Annotated[str, AfterValidator(check_currency)] | None = None
    delivers: Literal["orders", "lines"] = "orders"
    has_complete_history: bool = False
    are_zero_orders_purchases: bool = False
    reject_limit: Annotated[Decimal, Field(ge=0, le=1), BeforeValidator(_as_text)] = Decimal("0.01")
    margin_rates: dict[
        str, Annotated[Decimal, Field(ge=-1, le=1, decimal_places=6), BeforeValidator(_as_text)]
    ] = {}
    entities: dict[str, EntityMapping]

    _file: Path | None = PrivateAttr(default=None)
    _whole: "Mapping | None" = PrivateAttr(default=None)

    def only(self, entity: str) -> "Mapping":
        """Return the mapping with one of its entities; it still knows the whole that it is of."""
        alone = self.model_copy(update={"entities": {entity: self.entities[entity]}})
        alone._file = self._file
        alone._whole = self.whole
        return alone

    @property
    def whole(self) -> "Mapping":
        """The mapping as its file states it, with all entities."""
        return self._whole or self

    @property
    def file(self) -> Path | None:
        """The YAML file that it was read from."""
        return self._file

    @property
    def naive_zone(self) -> str:
        """Zone of the naive times in the files."""
        return self.timestamps_in or self.time_zone

    @model_validator(mode="after")
    def _agrees_with_contract(self) -> "Mapping":
        problems = [*_zone_problems("time_zone", self.time_zone)]
        problems += _zone_problems("timestamps_in", self.timestamps_in)
        if not self.entities:
            problems.append("entities: expected at least one entity of the input contract")
        for name, entity in self.entities.items():
            where = f"entities.{name}"
            if name not in ENTITIES:
                problems.append(
                    f"{where}: the input contract has no entity '{name}'."
                    f"{did_you_mean(name, list(ENTITIES))}"
                )
                continue
            problems += _entity_problems(where, ENTITIES[name], entity)
        lines = self.entities.get("order_lines")
        stated = lines.columns if lines else BY_NAME
        if self.delivers == "lines" and stated != BY_NAME and "line_number" not in stated:
            problems.append(
                "entities.order_lines.columns: `delivers: lines` needs line_number mapped, "
                "or a newer line could not find the one that it replaces"
            )
        if self.delivers == "lines" and lines and lines.header_lines:
            problems.append(
                "entities.order_lines.header_lines: not with `delivers: lines`: a correction of "
                "one line would give its header's amount the number of another line"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def fingerprint(self, entity: str) -> str:
        """Return the SHA-256 of all in the mapping that decides an entity's rows.

        A delivery is known by its content and by this: a mended mapping loads the same files anew.
        Keys at their defaults stay out, so that a key added to the format later changes nothing.
        """
        part = {
            "source": self.source,
            "zones": [self.time_zone, self.naive_zone],
            "currency": self.currency,
            entity: self.entities[entity].model_dump(mode="json", exclude_defaults=True),
        }
        if entity == "order_lines" and self.delivers != "orders":
            part["delivers"] = self.delivers
        return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()

    def key_of(self, entity: str) -> tuple[str, ...]:
        """Return the columns by which a later delivery of an entity corrects an earlier one."""
        if entity == "order_lines" and self.delivers == "orders":
            return ("order_id",)
        return ENTITIES[entity].whole_key

    def key_fingerprint(self, entity: str) -> str:
        """Return the SHA-256 of where an entity's key comes from."""
        columns = self.entities[entity].columns
        # The sources of ids only where they are stated: without them the hash is what it was
        # before the contract had them.
        unstated = set(ENTITIES[entity].id_sources.values())
        unstated -= set() if isinstance(columns, str) else columns.keys()
        stated = {
            name: (Column.model_validate(name) if isinstance(columns, str) else columns.get(name))
            for name in self.key_of(entity)
            if name not in unstated
        }
        part = {
            name: column and column.model_dump(mode="json", exclude_defaults=True)
            for name, column in stated.items()
        }
        return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()


def reading_sha256(mapping: Mapping, entity: str, joined: str | None) -> str:
    """Return the SHA-256 of how an entity's files are read: a load by another replaces it.

    Orders and events are what their files said once, with what is joined to them as it is now. Of
    members what is joined has a history too: what it was before stays beside what it is now.

    Args:
        mapping: of the source.
        entity: one of the mapping's.
        joined: the hash of the files joined to the entity's; None: none are.
    """
    fingerprint = mapping.fingerprint(entity)
    if joined is None or entity in MEMBER_ENTITIES:
        return fingerprint
    return hashlib.sha256((fingerprint + joined).encode()).hexdigest()


def _zone_problems(where: str, zone: str | None) -> list[str]:
    if zone is None or zone in available_timezones():
        return []
    close = did_you_mean(zone, sorted(available_timezones()))
    return [f"{where}: '{zone}' is not a time zone such as Europe/London.{close}"]


def _entity_problems(where: str, contract: Entity, entity: EntityMapping) -> list[str]:
    """Hold one entity's part of a mapping to the contract."""
    problems = []
    allowed = [name for name in contract.columns if name not in COMPUTED_COLUMNS] + ["updated_at"]
    for name in entity.skip_rows_without:
        if name not in allowed:
            problems.append(
                f"{where}.skip_rows_without: {contract.name} has no column '{name}'."
                f"{did_you_mean(name, allowed)}"
            )
    if entity.header_lines and contract.name != "order_lines":
        problems.append(f"{where}.header_lines: only order_lines has them")
    if entity.full_list and contract.name not in LISTED_ENTITIES:
        problems.append(f"{where}.full_list: only for {', '.join(LISTED_ENTITIES)}")
    patterns = [*entity.files, *(item for join in entity.join for item in join.files)]
    patterns += [table.sqlite for table in entity.tables if table.sqlite is not None]
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            problems.append(
                f"{where}: '{pattern}' must be a path inside the source's landing folder"
            )
    if isinstance(entity.columns, str):
        return problems
    for name, column in entity.columns.items():
        here = f"{where}.columns.{name}"
        if name not in allowed:
            problems.append(
                f"{here}: the input contract's {contract.name} has no column '{name}'."
                f"{did_you_mean(name, allowed)}"
            )
            continue
        kind = {**contract.columns, "updated_at": TIME}[name]
        problems += [f"{here}: {text}" for text in _column_problems(contract, name, kind, column)]
    needed = [name for name in (*contract.key, *contract.required) if name != "line_number"]
    problems += [
        f"{where}.columns: {contract.name} needs '{name}' mapped"
        for name in needed
        if name not in entity.columns
    ]
    problems += [
        f"{where}.columns.{source}: says which source hands out {name}, which is not mapped"
        for name, source in contract.id_sources.items()
        if source in entity.columns and name not in entity.columns
    ]
    return problems


def _column_problems(contract: Entity, name: str, kind: str, column: Column) -> list[str]:
    """Hold one column's part to its type and vocabulary."""
    problems = list(_zone_problems("time_zone", column.time_zone))
    is_time = kind in (TIME, "DATE")
    if column.format and not is_time:
        problems.append(f"format is for dates and times; {name} is {kind}")
    if column.time_zone and kind != TIME:
        problems.append(f"time_zone is for times; {name} is {kind}")
    if (column.sum or column.product) and not kind.startswith("DECIMAL"):
        problems.append(f"sum and product are for amounts; {name} is {kind}")
    if column.concat and kind != "VARCHAR":
        problems.append(f"concat is for text; {name} is {kind}")
    if column.constant is not None and not _is_readable(column.constant, kind):
        problems.append(f"constant '{column.constant}' cannot be read as {kind}")
    stated = [column.constant, column.otherwise, *column.values.values()]
    words = contract.values.get(name)
    if words:
        problems += [
            f"'{word}' is not one of {', '.join(words)}.{did_you_mean(word, words)}"
            for word in stated
            if word is not None and word not in words
        ]
    if name in contract.id_sources.values():
        problems += [
            f"'{word}' is not the name of a source, such as web_shop"
            for word in stated
            if word is not None and not re.fullmatch(SOURCE_NAME, word)
        ]
    return problems


def _is_readable(text: str, kind: str) -> bool:
    try:
        if kind.startswith("DECIMAL"):
            return Decimal(text).is_finite()
        if kind == "INTEGER":
            return str(int(text)) == text
        if kind == "DATE":
            return bool(date.fromisoformat(text))
        if kind == TIME:
            return bool(datetime.fromisoformat(text))
    except (ValueError, InvalidOperation):
        return False
    return text in ("true", "false") if kind == "BOOLEAN" else True


def _plain_data(node: yaml.Node, budget: Iterator[int]) -> object:
    """Turn YAML's nodes into dicts, lists and scalars, with the scalars of YAML 1.2.

    `on`, `no` and dates are text here (to PyYAML `on:` is the key True), a key that stands twice
    is an error instead of the last one winning, and no tag makes an object. `budget` ends a
    mapping that references would blow up.
    """
    if next(budget, None) is None:
        raise yaml.constructor.ConstructorError(None, None, "too large", node.start_mark)
    if isinstance(node, yaml.MappingNode):
        data: dict[object, object] = {}
        for key_node, value_node in node.value:
            key = _plain_data(key_node, budget)
            if not isinstance(key, Hashable) or key in data:
                problem = f"the key {key!r} stands twice or is no scalar"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            data[key] = _plain_data(value_node, budget)
        return data
    if isinstance(node, yaml.SequenceNode):
        return [_plain_data(item, budget) for item in node.value]
    text = str(node.value)
    if not _is_plain_text(text):
        problem = "a text holds a NUL or half of a character"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    if isinstance(node, yaml.ScalarNode) and node.style is not None:  # quoted, or a block
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text) else text


def _is_plain_text(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def load_mapping(path: Path) -> Mapping:
    """Read and check one mapping.

    Args:
        path: the YAML file.

    Returns:
        The mapping, frozen.

    Raises:
        MappingError: the file is missing, is not YAML, or breaks the format or the contract; the
            message lists every problem with the key where it stands.
    """
    text = ""
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise MappingError(f"Mapping {path}: is larger than {MAXIMUM_BYTES:,} bytes.")
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = None if node is None else _plain_data(node, iter(range(MAXIMUM_NODES)))
    except OSError as error:
        raise MappingError(f"Mapping {path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise MappingError(f"Mapping {path}: is not UTF-8 text ({error}).") from error
    except yaml.YAMLError as error:
        raise MappingError(f"Mapping {path}{_what_is_no_yaml(error, text)}") from error
    except RecursionError as error:
        raise MappingError(f"Mapping {path}: is nested too deep, or refers to itself.") from error
    if not isinstance(data, dict):
        raise MappingError(
            f"Mapping {path}: expected keys such as source, title and entities, found "
            f"{'nothing' if data is None else type(data).__name__}."
        )
    try:
        mapping = Mapping.model_validate(data)
    except ValidationError as error:
        raise MappingError(f"Mapping {path}:\n{_explain(error)}") from error
    mapping._file = path
    return mapping


def _what_is_no_yaml(error: yaml.YAMLError, text: str) -> str:
    """Say where in a mapping's text it stops to be YAML, and why, with the line itself."""
    if isinstance(error, yaml.reader.ReaderError):  # a character that YAML forbids
        return f", line {text.count(chr(10), 0, error.position) + 1}: is not YAML: {error.reason}."
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return f": is not YAML: {error}"
    problem = str(error.problem)
    if error.context:
        begun = error.context_mark.line + 1 if error.context_mark else mark.line + 1
        where = f", begun in line {begun}" if begun != mark.line + 1 else ""
        problem += f" ({error.context}{where})"
    # PyYAML speaks of its own blocks; what people did is nearly always one of two things.
    if problem.startswith(_MISPLACED):
        problem += (
            "; is this line, or the one before, indented too far or too little, or does a text "
            "with `: ` lack its quotes?"
        )
    return (
        f", line {mark.line + 1}, column {mark.column + 1}: is not YAML: {problem}\n"
        f"{mark.get_snippet(indent=2) or ''}"
    ).rstrip()


def _explain(error: ValidationError) -> str:
    """Write pydantic's findings one to a line, each after the key where it stands."""
    lines = []
    for finding in error.errors():
        steps = [str(step) for step in finding["loc"]]
        # pydantic names the branch of a union beside the key; a person wants the key alone.
        steps = [step for step in steps if not step.startswith(("literal[", "dict[", "function-"))]
        message = finding["msg"].removeprefix("Value error, ")
        if finding["type"] == "literal_error" and "by_name" in message:
            continue
        prefix = f"{'.'.join(steps)}: " if steps else ""
        lines += [f"  {prefix}{line}" for line in message.splitlines()]
    return "\n".join(dict.fromkeys(lines)) or f"  {error}"


def find_mappings(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the mappings found, name to file; a later folder overrides an earlier one.

    The name is the file's (`online_retail.yml`), which `load_mapping` does not open here: a broken
    mapping must not hide the others. Folders that do not exist are passed over.
    """
    return {
        file.stem: file
        for folder in folders
        for file in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])
    }
