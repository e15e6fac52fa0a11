"""A first mapping for files nobody has described yet: looked at, guessed, and every guess marked.

What cannot be guessed stands as FILL_IN: the mapping then loads, and `regulars source check` says
what is still to be done.
"""

import csv
import json
import re
import tempfile
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Final

import duckdb

from flows.load.casting import number_marks
from flows.load.contract import COMPUTED_COLUMNS, ENTITIES, TIME
from flows.load.landing import UTF16_MARKS, LandingError, file_type
from flows.load.mapping import FileFormat
from flows.load.reading import Workspace, read_file

FILL_IN: Final = "FILL_IN"
_SAMPLE_BYTES: Final = 256 * 1024
_SAMPLE_ROWS: Final = 1000
_DELIMITERS: Final = (",", ";", "\t", "|")
_PLAIN: Final = re.compile(r"[^\W\d]\w*( \w+)*")

# Other names of contract columns, as they stand in exports; folded: lower case, letters and digits
# only.
_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "order_id": (
        "orderno", "ordernumber", "order", "invoice", "invoiceno", "invoiceid", "invoicenumber",
        "basketid",
        "transactionid", "receiptno", "订单号", "订单编号", "订单id", "单号", "交易号", "发票号",
        "小票号",
    ),
    "line_number": ("lineno", "line", "lineid", "itemno", "行号", "序号", "明细行号"),
    "ordered_at": (
        "orderdate", "ordertime", "orderedon", "invoicedate", "date", "datetime", "timestamp",
        "transactiontimestamp", "transactiondate", "purchasedate", "createdat", "下单时间",
        "订单时间",
        "订单日期", "下单日期", "交易时间", "交易日期", "购买日期", "日期", "创建时间", "成交时间",
        "付款时间", "支付时间",
    ),
    "order_status": ("status", "state", "订单状态", "状态"),
    "customer_id": (
        "customer", "customerno", "customernumber", "custid", "clientid", "userid", "buyerid",
        "memberid",
        "householdid", "客户编号", "客户号", "客户id", "会员号", "会员编号", "会员id", "用户id",
        "买家id", "顾客编号",
    ),
    "product_id": (
        "product", "productcode", "stockcode", "sku", "skuid", "itemid", "itemcode", "articleno",
        "商品编号",
        "商品编码", "商品id", "产品编号", "货号", "sku编码", "条码", "item", "article", "商品",
        "产品", "品名", "商品名称", "产品名称", "productname",
    ),
    "quantity": ("qty", "units", "amountordered", "pieces", "count", "数量", "购买数量", "件数"),
    "unit_price": ("price", "unitprice", "itemprice", "单价", "价格", "售价", "商品单价"),
    "discount_amount": ("discount", "discountvalue", "优惠金额", "折扣金额", "优惠", "折扣"),
    "net_revenue": (
        "amount", "total", "linetotal", "salesvalue", "sales", "revenue", "netamount", "金额",
        "实付金额",
        "销售额", "成交金额", "总金额", "小计", "支付金额",
    ),
    "unit_cost": ("cost", "costprice", "成本", "成本价", "单位成本", "进价"),
    "currency": ("currencycode", "币种", "货币"),
    "returned_order_id": ("originalorderid", "原订单号"),
    "store_id": (
        "store", "shop", "shopid", "branch", "branchid", "门店", "门店编号", "店铺", "店铺id",
    ),
    "channel": ("saleschannel", "渠道", "销售渠道", "来源"),
    "employee_id": (
        "employee", "salesperson", "salespersonid", "staffid", "员工编号", "工号", "业务员",
        "销售员", "导购",
    ),
    "campaign_id": ("campaign", "campaigncode", "活动id", "活动编号"),
    "name": (
        "customername", "productname", "companyname", "fullname", "description", "storename",
        "suppliername", "campaignname", "employeename", "姓名", "名称", "客户姓名", "客户名称",
        "商品名称",
        "产品名称", "品名", "门店名称", "供应商名称", "员工姓名", "活动名称",
    ),
    "given_name": ("firstname", "forename", "名"),
    "family_name": ("lastname", "surname", "姓", "姓氏"),
    "sex": ("gender", "性别"),
    "birth_date": ("birthday", "dateofbirth", "dob", "生日", "出生日期"),
    "email": ("emailaddress", "mail", "邮箱", "电子邮箱", "邮件"),
    "phone": (
        "telephone", "mobile", "phonenumber", "手机", "手机号", "手机号码", "电话", "联系电话",
    ),
    "address": ("street", "streetaddress", "地址", "收货地址", "联系地址"),
    "city": ("town", "城市", "市"),
    "region": ("state", "province", "省", "省份", "地区"),
    "country": ("nation", "国家", "国家地区"),
    "acquired_at": ("registeredat", "signupdate", "joinedat", "注册时间", "注册日期", "入会日期"),
    "brand": ("brandname", "品牌"),
    "department": ("部门", "大类"),
    "category": (
        "productcategory", "categoryname", "类别", "分类", "品类", "商品类别", "商品分类",
        "中类",
    ),
    "product_type": ("subcategory", "子类别", "小类", "产品类型"),
    "package_size": ("size", "quantityperunit", "规格", "包装规格"),
    "supplier_id": ("supplier", "vendorid", "manufacturerid", "供应商", "供应商编号"),
    "list_price": ("listprice", "msrp", "标价", "原价", "吊牌价"),
    "role": ("title", "jobtitle", "position", "职位", "岗位"),
    "manager_id": ("reportsto", "manager", "上级", "经理编号"),
    "hired_on": ("hiredate", "入职日期"),
    "starts_on": ("startdate", "start", "开始日期", "开始时间"),
    "ends_on": ("enddate", "end", "结束日期", "结束时间"),
}  # fmt: skip

_DATE_FORMATS: Final = (
    "%Y%m%d", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y年%m月%d日",
    "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日 %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S", "%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d-%m-%Y", "%d-%b-%Y",
    "%m/%d/%y", "%m/%d/%y %H:%M", "%Y%m%d%H%M%S",
)  # fmt: skip

# An entity is recognised by these columns, the first that fits.
_SIGNS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("coupon_redemptions", ("coupon_id", "customer_id", "redeemed_at")),
    ("campaign_contacts", ("campaign_id", "customer_id", "contacted_at")),
    ("order_lines", ("order_id", "product_id")),
    ("order_lines", ("order_id", "ordered_at")),
    ("customers", ("customer_id",)),
    ("products", ("product_id",)),
    ("employees", ("employee_id",)),
    ("stores", ("store_id",)),
    ("campaigns", ("campaign_id",)),
    ("suppliers", ("supplier_id",)),
)


# What an order line may tell of its customer and its product beside their ids, and whose name is
# whose: a "name" alone says nothing.
_NAMES: Final = {
    "customers": ("customername", "fullname", "姓名", "客户姓名", "客户名称"),
    "products": ("productname", "description", "商品名称", "产品名称", "品名", "商品"),
}


@dataclass(frozen=True)
class _Sketch:
    """What a look at one file shows: its format, and a sample of each column as text."""

    path: Path
    file_format: FileFormat
    columns: dict[str, list[str]]
    is_text: bool


def suggest_mapping(name: str, files: Sequence[Path]) -> str:
    """Write a first mapping for files, with a comment wherever something was guessed.

    Args:
        name: the source, made fit for a source's name if need be.
        files: some or all of its files, of any format that the loader reads.

    Returns:
        YAML that `load_mapping` accepts.

    Raises:
        ValueError: there is no file, or one cannot be read; the message says which and why.
    """
    if not files:
        raise ValueError("no files to look at")
    source = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "source"
    if not source[0].isalpha():
        source = f"source_{source}"
    sketches = [_look_at(path) for path in files]
    entities: dict[str, tuple[_Sketch, dict[str, str]]] = {}
    unused: list[_Sketch] = []
    for sketch in sketches:
        entity = _recognise(sketch)
        if entity is None or entity in entities:
            unused.append(sketch)
        else:
            entities[entity] = (sketch, _match(entity, sketch))
    if "order_lines" not in entities and unused:
        first = max(unused, key=lambda sketch: len(_match("order_lines", sketch)))
        unused = [sketch for sketch in unused if sketch is not first]
        entities = {"order_lines": (first, _match("order_lines", first)), **entities}
    lines_file = None
    if "order_lines" in entities:
        lines_file, lines_columns = entities["order_lines"]
        for entity in _NAMES:
            told = _told_by_lines(entity, lines_file, lines_columns)
            if told and entity not in entities:
                entities[entity] = (lines_file, told)
    lines = [
        f"# First mapping of {source}, written from a look at its files.",
        "# Check what is marked GUESS and fill in FILL_IN; then run `regulars source check`.",
        "# The format is described in docs/mapping.md.",
        f"source: {source}",
        f"title: {_scalar(name)}",
        "time_zone: UTC # GUESS: the shop's own, e.g. Asia/Shanghai; its dates are the orders'",
        "# timestamps_in: UTC # where naive times in the files are of another zone",
        "# currency: CNY",
        "delivers: orders # GUESS: a newer delivery of an order replaces all of it; or lines",
        "# margin_rates: {default: 0.25} # where no unit cost is known",
        "# reject_limit: 0.01 # a refresh stops where more of an entity's new rows are rejected",
        "",
        "entities:",
    ]
    used = [sketch for sketch, _ in entities.values()]
    patterns = {sketch.path: _pattern(sketch, used, sketches) for sketch in sketches}
    order = sorted(
        entities, key=lambda entity: (entity != "order_lines", list(ENTITIES).index(entity))
    )
    for entity in order:
        sketch, matched = entities[entity]
        lines += _write_entity(entity, sketch, matched, unused, patterns, f"landing/{source}")
        if entity != "order_lines" and sketch is lines_file:
            key = ENTITIES[entity].key[0]
            lines[-1:] = [f"    skip_rows_without: [{key}]", "    one_row_per_key: true", ""]
    taken = [pattern for one in used if (pattern := patterns[one.path])]
    unused = [
        sketch
        for sketch in unused
        if not any(fnmatchcase(sketch.path.name, pattern) for pattern in taken)
    ]
    lines += [f"# not used: {sketch.path.name} ({', '.join(sketch.columns)})" for sketch in unused]
    return "\n".join(lines).rstrip() + "\n"


def _look_at(path: Path) -> _Sketch:
    """Find out a file's format and read a sample of it."""
    try:
        kind, _ = file_type(path, FileFormat())
        file_format = _guess_text_format(path) if kind == "csv" else FileFormat()
        with tempfile.TemporaryDirectory(prefix="regulars-look-") as folder, duckdb.connect() as db:
            is_text = kind in ("csv", "json")
            sample = _head(path, Path(folder)) if is_text else path
            reading = read_file(db, sample, path.name, file_format, Workspace(Path(folder)))
            names = list(reading.types)
            if not names:
                raise LandingError("no columns found")
            listed = ", ".join(f"cast({reading.column(name, 'file')} as varchar)" for name in names)
            rows = db.execute(
                f"select {listed} from ({reading.query}) as file limit {_SAMPLE_ROWS}"
            ).fetchall()
    except (OSError, LandingError, duckdb.Error) as error:
        raise ValueError(f"{path}: {error}") from error
    values = {
        name: [text.strip() for row in rows if (text := row[position]) and text.strip()]
        for position, name in enumerate(names)
    }
    return _Sketch(path, file_format, values, is_text)


def _head(path: Path, folder: Path) -> Path:
    """Copy the beginning of a text file, whole lines only."""
    with path.open("rb") as stream:
        start = stream.read(_SAMPLE_BYTES)
        if stream.read(1):
            start = _whole_lines(start)
    copy = folder / f"sample{path.suffix}"
    copy.write_bytes(start)
    return copy


def _whole_lines(start: bytes) -> bytes:
    """Cut the beginning of a file behind its last line end."""
    if not start.startswith(UTF16_MARKS):
        return start[: start.rfind(b"\n") + 1] or start
    text = start[: len(start) // 2 * 2].decode("utf-16", "ignore")
    return (text[: text.rfind("\n") + 1] or text).encode("utf-16")


def _guess_text_format(path: Path) -> FileFormat:
    with path.open("rb") as stream:
        start = stream.read(_SAMPLE_BYTES)
    whole_lines = _whole_lines(start)
    encoding, text = "latin-1", whole_lines.decode("latin-1")
    utf16 = ("utf-16",) if start.startswith(UTF16_MARKS) else ()
    for candidate in (*utf16, "utf-8-sig", "gb18030"):
        try:
            encoding, text = candidate, whole_lines.decode(candidate)
            break
        except UnicodeDecodeError:
            continue
    lines = [line for line in text.splitlines() if line.strip()][:50]
    delimiter = max(_DELIMITERS, key=lambda mark: _columns_agreed(lines, mark))
    fields: list[str]
    if _columns_agreed(lines, delimiter) <= 1 and len({len(line.split()) for line in lines}) == 1:
        delimiter = "blanks" if len(lines[0].split()) > 1 else ","
        fields = lines[0].split()
    else:
        fields = next(csv.reader(lines[:1], delimiter=delimiter), [])
    has_header = bool(fields) and not any(
        _is_number(field) or not field.strip() for field in fields
    )
    return FileFormat.model_validate(
        {
            "delimiter": delimiter,
            "encoding": "utf-8" if encoding == "utf-8-sig" else encoding,
            "header": has_header,
        }
    )


def _columns_agreed(lines: Sequence[str], delimiter: str) -> int:
    """Return the number of columns where all lines have as many, else 0 (1 for a lone column)."""
    widths = {len(row) for row in csv.reader(lines, delimiter=delimiter) if row}
    return widths.pop() if len(widths) == 1 else 0


def _is_number(text: str) -> bool:
    try:
        return Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


def _fold(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _match(entity: str, sketch: _Sketch) -> dict[str, str]:
    """Match an entity's columns to a file's by name: own name first, then synonyms in order."""
    folded = {_fold(name): name for name in reversed(list(sketch.columns))}
    matched: dict[str, str] = {}
    for column in ENTITIES[entity].columns:
        if column in COMPUTED_COLUMNS:
            continue
        for known in (_fold(column), *_SYNONYMS.get(column, ())):
            if known in folded and folded[known] not in matched.values():
                matched[column] = folded[known]
                break
    for name, source in ENTITIES[entity].id_sources.items():
        if name not in matched:  # nothing to say the source of
            matched.pop(source, None)
    return matched


def _told_by_lines(
    entity: str, sketch: _Sketch, taken: Dictionary[str, str]
) -> dict[str, str] | None:
    """Match what a file of order lines tells of an entity; None where it is no more than an id."""
    key = ENTITIES[entity].key[0]
    if key not in taken:
        return None
    free = [name for name in sketch.columns if name not in taken.values()]
    names = [name for name in free if _fold(name) in _NAMES[entity]]
    told = {column: name for column, name in _match(entity, sketch).items() if name in free}
    told.pop("name", None)
    if names:
        told["name"] = names[0]
    return {key: taken[key], **told} if told else None


def _recognise(sketch: _Sketch) -> str | None:
    stem = _fold(sketch.path.stem)
    for entity in ENTITIES:
        if _fold(entity) == stem:
            return entity
    for entity, signs in _SIGNS:
        if set(signs) <= _match(entity, sketch).keys():
            return entity
    return None


def _write_entity(
    entity: str,
    sketch: _Sketch,
    matched: Dictionary[str, str],
    unused: list[_Sketch],
    patterns: Dictionary[Path, str | None],
    folder: str,
) -> list[str]:
    """Write one entity.

    Args:
        entity: its name.
        sketch: its file.
        matched: contract column to the file's.
        unused: files that no entity has; one joined to it is taken out.
        patterns: of each file the pattern that takes later ones too; None where there is none.
        folder: where the source's files will lie, as to be shown.
    """
    contract = ENTITIES[entity]
    pattern = patterns[sketch.path]
    lines = [
        f"  {entity}:",
        f"    files: {_text(pattern)} # GUESS: which files of {folder} are these; later ones too"
        if pattern
        else f"    files: {_scalar(escape(sketch.path.name))} # GUESS: this file alone; name later "
        "ones here, or give a pattern such as orders_*.csv",
    ]
    needed = [name for name in (*contract.key, *contract.required) if name != "line_number"]
    matched = dict(matched)
    samples = dict(sketch.columns)
    joined = _find_header_file(matched, unused) if entity == "order_lines" else None
    if joined is not None:
        header, ours, theirs = joined
        unused.remove(header)
        on = _scalar(ours) if ours == theirs else f"{{{_scalar(ours)}: {_scalar(theirs)}}}"
        joined_files = patterns[header.path] or escape(header.path.name)
        file_format = _write_format(header, entity)
        extra = f", format: {file_format}" if file_format else ""
        lines.append(f"    join: {{files: {_text(joined_files)}, on: {on}{extra}}} # GUESS")
        for column, name in _match(entity, header).items():
            if name != theirs and name not in samples:
                matched.setdefault(column, name)
                samples.setdefault(name, header.columns[name])
    file_format = _write_format(sketch, entity)
    if file_format:
        lines.append(f"    format: {file_format} # GUESS")
    lines.append("    columns:")
    for column, kind in contract.columns.items():
        if column in matched:
            name = matched[column]
            is_same = _fold(column) == _fold(name)
            value, comment = _write_column(column, kind, name, samples[name], contract.values)
            note = "" if is_same and not comment else f" # GUESS{comment}"
            lines.append(f"      {column}: {value}{note}")
        elif column in needed:
            lines.append(f"      {column}: {FILL_IN} # no column looks like it")
    ignored = [name for name in sketch.columns if name not in matched.values()]
    if ignored:
        lines.append(f"    ignore: [{', '.join(map(_scalar, ignored))}] # GUESS: not needed")
    return [*lines, ""]


def _pattern(sketch: _Sketch, used: Sequence[_Sketch], sketches: Sequence[_Sketch]) -> str | None:
    """Propose a pattern that takes a file and those to come of its series.

    None where it would take a file of other columns, or one that is something else; or where a
    name of digits leaves nothing to know the series by.
    """
    path = sketch.path
    begin = re.split(r"\d+(?:[-_.]?\d+)*", path.stem)
    pattern = "*".join(map(escape, begin)) if len(begin) > 1 else f"{escape(path.stem)}*"
    pattern += escape(path.suffix)
    if not any(begin):
        return None
    others = [
        other for other in sketches if other is not sketch and fnmatchcase(other.path.name, pattern)
    ]
    is_alone = all(
        list(other.columns) == list(sketch.columns) and other not in used for other in others
    )
    return pattern if is_alone else None


def _find_header_file(
    matched: Dictionary[str, str], unused: Sequence[_Sketch]
) -> tuple[_Sketch, str, str] | None:
    """Find the file of order headers where the lines have no date of their own."""
    if "ordered_at" in matched or "order_id" not in matched:
        return None
    for sketch in unused:
        header = _match("order_lines", sketch)
        if {"order_id", "ordered_at"} <= header.keys():
            return sketch, matched["order_id"], header["order_id"]
    return None


def _write_format(sketch: _Sketch, entity: str) -> str:
    if not sketch.is_text:
        return ""
    chosen = sketch.file_format
    kind = file_type(sketch.path, FileFormat())
    parts = []
    if chosen.delimiter not in (None, kind[1]):
        parts.append(f"delimiter: {json.dumps(chosen.delimiter)}")
    if chosen.encoding != "utf-8":
        parts.append(f"encoding: {chosen.encoding}")
    if not chosen.header:
        names = ", ".join(map(_scalar, sketch.columns))
        parts.append(f"header: false, column_names: [{names}]")
    numbers = [
        text
        for column, name in _match(entity, sketch).items()
        if ENTITIES[entity].columns[column].startswith(("DECIMAL", "INTEGER"))
        for text in sketch.columns[name]
    ]
    decimal, thousands = number_marks(numbers)
    parts += [f"decimal: {_text(decimal)}"] if decimal else []
    parts += [f"thousands: {_text(thousands)}"] if thousands else []
    return f"{{{', '.join(parts)}}}" if parts else ""


def _write_column(
    column: str,
    kind: str,
    name: str,
    sample: Sequence[str],
    vocabularies: Dictionary[str, tuple[str, ...]],
) -> tuple[str, str]:
    """Write one column, and what to say of the guess."""
    if kind in (TIME, "DATE"):
        formats = _date_formats(sample)
        if formats:
            comment = f": or {formats[1]}" if len(formats) > 1 else ""
            return (
                f"{{from: {_scalar(name)}, format: {json.dumps(formats[0], ensure_ascii=False)}}}",
                comment,
            )
    if column.endswith("_id") and sample and all(re.fullmatch(r"\d+\.0", text) for text in sample):
        return f"{{from: {_scalar(name)}, whole_number: true}}", ""
    words = vocabularies.get(column)
    if words:
        found = sorted({text for text in sample if text.lower() not in words})
        if found:
            known = (
                {"m": "male", "f": "female", "男": "male", "女": "female"}
                if column == "sex"
                else {}
            )
            default = "other" if "other" in words else words[0]
            meant = ", ".join(f"{_text(w)}: {known.get(w.lower(), default)}" for w in found[:20])
            return f"{{from: {_scalar(name)}, values: {{{meant}}}}}", ": what do these words mean?"
    return _scalar(name), ""


def _date_formats(sample: Sequence[str]) -> list[str]:
    """Return the formats that read every value; none where ISO 8601 does or nothing is known."""
    if not sample or all(_is_iso(text) for text in sample):
        return []
    return [item for item in _DATE_FORMATS if all(_parses(text, item) for text in sample)]


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "-" in text


def _parses(text: str, pattern: str) -> bool:
    try:
        datetime.strptime(text, pattern)
    except ValueError:
        return False
    return True


def _scalar(name: str) -> str:
    """Write a name as a YAML scalar, quoted where it could be read as anything else."""
    is_word = name.casefold() in ("true", "false", "null", "yes", "no", "on", "off")
    return name if _PLAIN.fullmatch(name) and not is_word else _text(name)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
