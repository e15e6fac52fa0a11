"""From source columns to the contract's: an SQL expression each, and all that can be wrong with it.

Text that a type cannot hold gives null, never an error, and a `Fault` tells such a null from an
empty value. Everything is SQL over whole columns; nothing runs row by row in Python.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from flows.load.contract import MONEY, TIME
from flows.load.mapping import MAXIMUM_FACTORS, Column, FileFormat
from flows.sql_text import quote_name, quote_text

# Dates and times before or after are typing errors and placeholders (0001-01-01, 9999-12-31).
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199
_BLANKS: Final = " \t\r\n\f\v\u00a0\u3000\ufeff"
_OFFSET: Final = r"[0-9]:[0-9]{2}.*(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$"
# How the reader of Excel sheets writes a cell that is a date, whatever the sheet shows it as.
_EXCEL_FORMATS: Final = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%g")
_FLOATS: Final = ("FLOAT", "DOUBLE")
# 18 + 8 digits of the first two factors, 8 + 4 of the third: together the 38 that DECIMAL holds.
_PARTIAL_PRODUCT: Final = "DECIMAL(26,8)"
_THIRD_FACTOR: Final = "DECIMAL(12,4)"


@dataclass(frozen=True)
class JoinedFile:
    """What a message says where a joined file has no row for one of the file's.

    Attributes:
        found: SQL that is null on such rows.
        reason: without the key.
        detail: SQL of the text with the key.
    """

    found: str
    reason: str
    detail: str


@dataclass(frozen=True)
class SourceColumn:
    """A column of the files, found.

    Attributes:
        name: as the file spells it.
        sql: reads it from the joined files.
        kind: its DuckDB type.
        alias: its name in the cleaned rows.
        file_format: of its file.
        partner: of a joined file, where it comes from one.
    """

    name: str
    sql: str
    kind: str
    alias: str
    file_format: FileFormat
    partner: JoinedFile | None = None


@dataclass(frozen=True)
class Fault:
    """A reason to reject a row.

    Attributes:
        column: the source's column at fault.
        condition: SQL that is true on the rows at fault.
        reason: why, without any value of the row: it may leave the work file.
        detail: SQL of the text that says why with the value at fault, where there is one.
    """

    column: str
    condition: str
    reason: str
    detail: str = "null"


@dataclass(frozen=True)
class Cast:
    """One contract column over the cleaned rows: its value, and what can be wrong with it."""

    name: str
    value: str
    faults: tuple[Fault, ...]


def is_text(kind: str) -> bool:
    """Tell whether a DuckDB type is text."""
    return kind in ("VARCHAR", "JSON") or kind.startswith("ENUM")


def clean(column: SourceColumn) -> str:
    """Return SQL for a source column without what means nothing: outer blanks, NULL words, NaN."""
    if column.kind in _FLOATS:
        return f"case when not isnan({column.sql}) then {column.sql} end"
    if not is_text(column.kind):
        return column.sql
    trimmed = f"trim({column.sql}, {quote_text(_BLANKS)})"
    words = ", ".join(quote_text(word) for word in ("", *column.file_format.nulls))
    return f"case when {trimmed} not in ({words}) then {trimmed} end"


def as_text(column: SourceColumn) -> str:
    """Return SQL for a cleaned column as text; a float without a fraction as an integer."""
    if is_text(column.kind):
        return column.alias
    if column.kind in _FLOATS:
        return (
            f"case when {column.alias} = trunc({column.alias}) and abs({column.alias}) < 1e15 "
            f"then cast(cast({column.alias} as bigint) as varchar) "
            f"else cast({column.alias} as varchar) end"
        )
    return f"cast({column.alias} as varchar)"


def cast_column(
    name: str,
    kind: str,
    column: Column,
    sources: Sequence[SourceColumn],
    zone: str,
    words: tuple[str, ...] = (),
    is_required: bool = False,
    condition: SourceColumn | None = None,
) -> Cast:
    """Compose one contract column.

    Args:
        name: the contract's column.
        kind: its type in the contract.
        column: where the mapping takes it from.
        sources: the source columns it reads, in the mapping's order; none for a constant.
        zone: zone of its naive times.
        words: its closed vocabulary, if it has one.
        is_required: whether null is a fault.
        condition: the column that `when` speaks of.
    """
    label = ", ".join(source.name for source in sources) or name
    value, faults = _compose(name, kind, column, sources, zone, words)
    if column.when and condition:
        holds = f"{_read(condition, MONEY)} > {column.when.above}"
        value = f"case when {holds} then {value} end"
        faults = [replace(fault, condition=f"{holds} and {fault.condition}") for fault in faults]
    if is_required:
        faults += _missing(label, name, sources)
    return Cast(name, value, tuple(faults))


def _compose(
    name: str,
    kind: str,
    column: Column,
    sources: Sequence[SourceColumn],
    zone: str,
    words: tuple[str, ...],
) -> tuple[str, list[Fault]]:
    if column.constant is not None:
        constant = quote_text(column.constant)
        return _read_text(constant, kind, FileFormat(), (), column.time_zone or zone), []
    if column.sum:
        parts = [_read(source, kind) for source in sources]
        faults = [_unreadable(s, kind, part) for s, part in zip(sources, parts, strict=True)]
        total = " + ".join(f"coalesce({part}, 0)" for part in parts)
        any_filled = " or ".join(f"{source.alias} is not null" for source in sources)
        value = f"case when {any_filled} then try_cast({total} as {kind}) end"
        return value, [*faults, _too_large(name, sources, any_filled, kind, "sum")]
    if column.product:
        return _product(name, kind, sources)
    if column.concat:
        parts = [as_text(source) for source in sources]
        text = f" || {quote_text(column.separator)} || ".join(f"({part})" for part in parts)
        return text, []
    return _single(name, kind, column, sources[0], column.time_zone or zone, words)


def _too_large(
    name: str, sources: Sequence[SourceColumn], filled: str, kind: str, what: str
) -> Fault:
    label = ", ".join(source.name for source in sources)
    reason = f"the {what} does not fit {kind}"
    return Fault(label, f"({filled}) and {quote_name(name)} is null", reason)


def _product(name: str, kind: str, sources: Sequence[SourceColumn]) -> tuple[str, list[Fault]]:
    """Multiply two or three factors, each of 4 decimals, exactly; only the result is rounded."""
    kinds = [MONEY, MONEY, _THIRD_FACTOR][: len(sources)]
    factors = [_read(source, of) for source, of in zip(sources, kinds, strict=True)]
    faults = [
        _unreadable(source, of, factor)
        for source, of, factor in zip(sources, kinds, factors, strict=True)
    ]
    value = f"{factors[0]} * {factors[1]}"
    if len(factors) == MAXIMUM_FACTORS:
        value = f"try_cast({value} as {_PARTIAL_PRODUCT}) * {factors[2]}"
    value = f"try_cast({value} as {kind})"
    all_filled = " and ".join(f"{source.alias} is not null" for source in sources)
    return value, [*faults, _too_large(name, sources, all_filled, kind, "product")]


def _single(
    name: str, kind: str, column: Column, source: SourceColumn, zone: str, words: tuple[str, ...]
) -> tuple[str, list[Fault]]:
    """One source column: words translated, case folded, then read as the contract's type."""
    alias = source.alias
    # A typed date or time needs no format; only text does.
    formats = () if source.kind.startswith(("DATE", "TIMESTAMP")) else column.format
    if not (column.values or column.case or column.whole_number or formats or words):
        if kind == "VARCHAR":
            return as_text(source), []
        return _read(source, kind, zone), [_unreadable(source, kind, quote_name(name))]
    text = as_text(source)
    if column.whole_number:
        text = rf"regexp_replace({text}, '^([0-9]+)\.0+$', '\1')"
    if column.case:
        text = f"{column.case}({text})"
    is_known = "true"
    if column.values:
        branches = " ".join(
            f"when {quote_text(word)} then {'null' if meant is None else quote_text(meant)}"
            for word, meant in column.values.items()
        )
        otherwise = f"({text})" if column.otherwise is None else quote_text(column.otherwise)
        # A word that means "no value" is no fault.
        nothing = [quote_text(word) for word, meant in column.values.items() if meant is None]
        if nothing:
            is_known = f"({text}) not in ({', '.join(nothing)})"
        text = f"case ({text}) {branches} else {otherwise} end"
        text = f"case when {alias} is not null then {text} end"
    elif column.otherwise is not None:
        text = f"case when {alias} is not null then {quote_text(column.otherwise)} end"
    if words:
        value = f"lower({text})"
        listed = ", ".join(quote_text(word) for word in words)
        reason = f"not one of {', '.join(words)}"
        detail = shown(alias, f" is {reason}", "'")
        return value, [Fault(source.name, f"{quote_name(name)} not in ({listed})", reason, detail)]
    if kind == "VARCHAR":
        return text, []
    is_zoned = any("%z" in item or "%Z" in item for item in formats)
    read_by = formats
    if formats and source.file_format.type == "excel" and not is_zoned:
        read_by = (*formats, *_EXCEL_FORMATS)
    value = _read_text(text, kind, source.file_format, read_by, zone)
    wanted = _plain(kind) + (f" by {' or '.join(formats)}" if formats else "")
    condition = f"{alias} is not null and {is_known} and {quote_name(name)} is null"
    return value, [_unread(source.name, condition, alias, wanted)]


def _read(source: SourceColumn, kind: str, zone: str = "UTC") -> str:
    """Return SQL that reads a cleaned column as a contract type, null where it cannot."""
    if is_text(source.kind):
        return _read_text(source.alias, kind, source.file_format, (), zone)
    if kind == TIME:
        return _moment(source, zone)
    if kind == "DATE":
        if not source.kind.startswith(("DATE", "TIMESTAMP")):
            return _read_text(as_text(source), kind, source.file_format, (), zone)
        if source.kind == "TIMESTAMP WITH TIME ZONE":
            moment = _in_range(source.alias, "timestamptz")
            return f"cast(timezone({quote_text(zone)}, {moment}) as date)"
        return _in_range(f"try_cast({source.alias} as date)", "date")
    if kind == "INTEGER" and not source.kind.endswith("INT"):
        return _whole(source.alias)
    return f"try_cast({source.alias} as {kind})"


def _moment(source: SourceColumn, zone: str) -> str:
    alias = source.alias
    if source.kind == "TIMESTAMP WITH TIME ZONE":
        return _in_range(alias, "timestamptz")
    if source.kind.startswith(("DATE", "TIMESTAMP")):
        naive = alias if source.kind == "TIMESTAMP" else f"try_cast({alias} as timestamp)"
        return _in_zone(naive, zone)
    return _read_text(as_text(source), TIME, source.file_format, (), zone)


def _in_zone(naive: str, zone: str) -> str:
    """Place a naive time in its zone.

    An hour that the clocks skip moves forward by the skipped hour; of an hour that comes twice the
    second is taken (ICU's rule).
    """
    return f"timezone({quote_text(zone)}, {_in_range(naive)})"


def _in_range(moment: str, kind: str = "timestamp") -> str:
    """Null out what lies outside the years kept, before any zone arithmetic that could overflow."""
    offset = " 00:00:00+00" if kind == "timestamptz" else ""
    first = f"{kind} '{FIRST_YEAR}-01-01{offset}'"
    after = f"{kind} '{LAST_YEAR + 1}-01-01{offset}'"
    return f"case when {moment} >= {first} and {moment} < {after} then {moment} end"


def _whole(number: str) -> str:
    """Read an integer; DuckDB alone would round 12.7 to 13."""
    exact = f"try_cast({number} as DECIMAL(18,4))"
    return f"case when {exact} % 1 = 0 then try_cast({exact} as INTEGER) end"


def _read_text(
    text: str, kind: str, file_format: FileFormat, formats: tuple[str, ...], zone: str
) -> str:
    """Return SQL that reads text as a contract type, null where it cannot."""
    if kind in (TIME, "DATE"):
        return _read_time(text, kind, formats, zone)
    if kind == "INTEGER" or kind.startswith("DECIMAL"):
        number = _plain_number(text, file_format)
        # DuckDB takes 1_000 for a thousand; no source means that.
        number = f"case when not contains({number}, '_') then {number} end"
        return _whole(number) if kind == "INTEGER" else f"try_cast({number} as {kind})"
    return text if kind == "VARCHAR" else f"try_cast({text} as {kind})"


def _plain_number(text: str, file_format: FileFormat) -> str:
    """Write a number with a decimal point and ungrouped, null where its marks are misplaced."""
    number, mark, decimal = text, file_format.thousands, file_format.decimal
    if mark:
        grouped = rf"[+-]?[0-9]{{1,3}}(\Q{mark}\E[0-9]{{3}})+(\Q{decimal}\E[0-9]*)?"
        is_sound = (
            f"not contains({number}, {quote_text(mark)}) "
            f"or regexp_full_match({number}, {quote_text(grouped)})"
        )
        number = f"case when {is_sound} then replace({number}, {quote_text(mark)}, '') end"
    if decimal == ",":
        number = f"case when not contains({number}, '.') then replace({number}, ',', '.') end"
    return number


def number_marks(sample: Sequence[str]) -> tuple[str | None, str | None]:
    """Return decimal comma and grouping character where numbers show them beyond doubt.

    "1,234" alone may be either; "1.234,5" and "0,75" are decimal commas, "1,234.5" groups.
    """
    has_comma = any(re.fullmatch(r"-?(\d+|\d{1,3}(\.\d{3})+),(\d{1,2}|\d{4,})", n) for n in sample)
    has_point = any(re.fullmatch(r"-?(\d+|\d{1,3}(,\d{3})+)\.(\d{1,2}|\d{4,})", n) for n in sample)
    if has_comma == has_point:
        return None, None
    mark = "." if has_comma else ","
    is_grouped = any(mark in number for number in sample)
    return "," if has_comma else None, mark if is_grouped else None


def _read_time(text: str, kind: str, formats: tuple[str, ...], zone: str) -> str:
    if formats:
        listed = ", ".join(quote_text(item) for item in formats)
        parsed = f"try_strptime({text}, [{listed}])"
        if "%z" in formats[0] or "%Z" in formats[0]:
            moment = _in_range(parsed, "timestamptz")
            return (
                moment if kind == TIME else f"cast(timezone({quote_text(zone)}, {moment}) as date)"
            )
        return (
            _in_zone(parsed, zone) if kind == TIME else _in_range(f"cast({parsed} as date)", "date")
        )
    if kind == "DATE":
        return _in_range(f"try_cast({text} as date)", "date")
    with_offset = _in_range(f"try_cast({text} as timestamptz)", "timestamptz")
    naive = _in_zone(f"try_cast({text} as timestamp)", zone)
    has_offset = f"regexp_matches({text}, {quote_text(_OFFSET)})"
    return f"case when {has_offset} then {with_offset} else {naive} end"


def _unreadable(source: SourceColumn, kind: str, value: str) -> Fault:
    condition = f"{source.alias} is not null and ({value}) is null"
    return _unread(source.name, condition, as_text(source), _plain(kind))


def _unread(label: str, condition: str, text: str, wanted: str) -> Fault:
    article = "" if wanted.startswith("a ") else "an " if wanted == "INTEGER" else "a "
    detail = shown(text, f" as {wanted}", "cannot read '")
    return Fault(label, condition, f"not {article}{wanted}", detail)


def _plain(kind: str) -> str:
    if kind in (TIME, "DATE"):
        return f"a {'time' if kind == TIME else 'date'} of the years {FIRST_YEAR} to {LAST_YEAR}"
    return kind


def shown(value: str, after: str, before: str) -> str:
    """Return SQL for a text that quotes the value at fault, cut where it is long."""
    closing = quote_text("'" + after)
    return f"{quote_text(before)} || left(cast({value} as varchar), 100) || {closing}"


def _missing(label: str, name: str, sources: Sequence[SourceColumn]) -> Iterator[Fault]:
    is_missing = f"{quote_name(name)} is null"
    for partner in dict.fromkeys(source.partner for source in sources if source.partner):
        condition = f"{is_missing} and {partner.found} is null"
        yield Fault(label, condition, partner.reason, partner.detail)
    yield Fault(label, is_missing, "no value")
