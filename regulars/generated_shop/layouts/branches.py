"""The three branches: tills of different makes, and a list of customers for each salesperson."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regulars.generated_shop.chunks import EVENTS_A_CHUNK, Chunk
from regulars.generated_shop.columns import dates, money, numbers, taken, wall_clock
from regulars.generated_shop.customers import CHANNELS, FIRST_BRANCH, NOBODY, WEB
from regulars.generated_shop.files import Content, Style
from regulars.generated_shop.layouts.coupons import coupon_numbers, redeemed
from regulars.generated_shop.layouts.head_office import LEAVING_IS_TOLD, store_numbers
from regulars.generated_shop.layouts.listed_people import lead_states, referrers
from regulars.generated_shop.layouts.order_numbers import order_numbers
from regulars.generated_shop.nights import DeliveredLines, night_of
from regulars.generated_shop.service import KINDS as INTERACTION_KINDS


class Till(NamedTuple):
    """How a branch's till and its people write.

    Attributes:
        words: the branch's name for each column, by the contract's.
        kinds: its words for the kinds of lines.
        systems: its words for itself and for the web shop, where a return was bought.
        is_by_line: whether the till sends single lines.
        date_order: "year first", or "day first" with dots.
    """

    style: Style
    words: dict[str, str]
    kinds: tuple[str, ...]
    systems: tuple[str, str]
    is_by_line: bool
    date_order: str


TILLS: Final = (
    Till(
        Style(encoding="gb18030", has_malformed=True),
        {
            "order_id": "小票号",
            "line_number": "行号",
            "ordered_at": "交易时间",
            "customer_id": "会员编号",
            "product_id": "货号",
            "line_kind": "类别",
            "quantity": "数量",
            "unit_price": "单价",
            "discount_amount": "折扣金额",
            "store_id": "门店",
            "employee_id": "导购工号",
            "campaign_id": "活动",
            "returned_order_id": "原单号",
            "returned_order_source": "原单系统",
        },
        ("商品", "运费", "礼品卡", "积分", "包装"),
        ("本店", "网店"),
        True,
        "year first",
    ),
    Till(
        Style(ending="tsv", delimiter="\t", encoding="gb18030", has_malformed=True),
        {
            "order_id": "单据编号",
            "ordered_at": "销售日期",
            "store_id": "分店",
            "employee_id": "业务员",
            "customer_id": "客户代码",
            "line_kind": "项目",
            "product_id": "商品编码",
            "unit_price": "零售价",
            "quantity": "件数",
            "discount_amount": "让利",
            "net_revenue": "实收金额",
            "campaign_id": "促销活动",
            "returned_order_id": "退货原单",
            "returned_order_source": "原单来源",
        },
        ("书课", "配送", "储值卡", "抵扣", "礼盒"),
        ("门店", "线上"),
        False,
        "year first",
    ),
    Till(
        Style(ending="txt", delimiter="\t", encoding="utf-16-le", has_malformed=True),
        {
            "order_id": "Receipt",
            "line_number": "Line",
            "ordered_at": "Date",
            "store_id": "Shop",
            "customer_id": "Customer",
            "product_id": "Item",
            "line_kind": "Type",
            "quantity": "Qty",
            "unit_price": "Price",
            "discount_amount": "Discount",
            "employee_id": "Sold by",
            "campaign_id": "Promotion",
            "returned_order_id": "Return of",
            "returned_order_source": "Bought at",
        },
        ("goods", "delivery", "card", "points", "wrapping"),
        ("shop", "web"),
        True,
        "day first",
    ),
)


def contents(chunk: Chunk, delivered: DeliveredLines) -> Iterator[Content]:
    """Sales, customer lists by owner, follow-ups, gifts, campaigns' calls, redeemed coupons."""
    for branch, till in enumerate(TILLS):
        yield _sales(chunk, delivered, branch, till)
        yield from _lists(chunk, branch, till)
        yield _follow_ups(chunk, branch, till)
        yield _gifts(chunk, branch, till)
        yield _calls(chunk, branch, till)
        yield _redemptions(chunk, branch, till)


def _source(branch: int) -> str:
    return CHANNELS[FIRST_BRANCH + branch]


def _sales(chunk: Chunk, delivered: DeliveredLines, branch: int, till: Till) -> Content:
    orders, lines, world = chunk.orders, chunk.lines, chunk.world
    here = orders.channel[delivered.order] == FIRST_BRANCH + branch
    order, line = delivered.order[here], delivered.line[here]
    returned = orders.returned[order]
    columns = {
        "order_id": order_numbers(chunk, order),
        "line_number": pa.array(delivered.line_number[here]),
        "ordered_at": _times(orders.day[order], chunk, till),
        "customer_id": taken(chunk.records["source_customer_id"], orders.record[order]),
        "product_id": taken(world.catalogue.sku, lines.product[line]),
        "line_kind": taken(np.array(till.kinds), lines.kind[line]),
        "quantity": pa.array(delivered.quantity[here]),
        "unit_price": money(lines.price_cents[line]),
        "discount_amount": money(lines.discount_cents[line]),
        "net_revenue": money(
            delivered.quantity[here] * lines.price_cents[line] - lines.discount_cents[line]
        ),
        "store_id": taken(store_numbers(), orders.store[order]),
        "employee_id": taken(world.staff.number, orders.employee[order]),
        "campaign_id": taken(world.campaigns.number, orders.campaign[order]),
        "returned_order_id": order_numbers(chunk, returned),
        "returned_order_source": taken(
            np.array(till.systems),
            np.where(returned == NOBODY, NOBODY, orders.channel[returned] == WEB),
        ),
    }
    table = pa.table({word: columns[name] for name, word in till.words.items()})
    return Content(_source(branch), "sales", till.style, table, delivered.night[here])


def _lists(chunk: Chunk, branch: int, till: Till) -> Iterator[Content]:
    """One file for each salesperson: who they look after, since when, and until when.

    A line comes again when a lead first bought, and on the first day without the salesperson.
    """
    registrations, world = chunk.registrations, chunk.world
    staff, calendar = world.staff, world.calendar
    listed = np.flatnonzero(registrations.source == FIRST_BRANCH + branch)
    here, changed, is_lead = lead_states(chunk, listed)
    ends = listed[staff.left_day[registrations.list_owner[listed]] < calendar.days]
    told = staff.left_day[registrations.list_owner[ends]] + LEAVING_IS_TOLD
    is_yet_to_buy = chunk.customers.is_prospect[registrations.person[ends]]
    is_yet_to_buy |= told < chunk.customers.won_day[registrations.person[ends]]
    here, changed = np.concatenate([here, ends]), np.concatenate([changed, told])
    is_lead = np.concatenate([is_lead, is_yet_to_buy])
    owner, person = registrations.list_owner[here], registrations.person[here]
    day, left = registrations.day[here], staff.left_day[owner].astype(np.float64)
    table = pa.table(
        {
            "客户编号": chunk.records["source_customer_id"].take(pa.array(here)),
            **{
                word: chunk.records[name].take(pa.array(here))
                for word, name in (
                    *(("姓名", "name"), ("性别", "sex"), ("生日", "birth_date")),
                    *(("电话", "phone"), ("邮箱", "email"), ("地址", "address")),
                    *(("城市", "city"), ("省份", "region")),
                )
            },
            "单位": numbers(
                "U",
                chunk.people["business_number"].fill_null(0).to_numpy()[person],
                null=(chunk.people["business_number"].is_null().to_numpy())[person],
            ),
            "意向": taken(np.array(["否", "是"]), is_lead.astype(np.int64)),
            "介绍人": taken(
                chunk.records["source_customer_id"], referrers(chunk, here, FIRST_BRANCH + branch)
            ),
            "登记日期": dates(day, calendar),
            "工号": taken(staff.number, owner),
            "归属止": dates(np.where(left <= changed, left, np.inf), calendar),
            "更新时间": wall_clock(changed, calendar),
        }
    )
    table = table.set_column(
        table.column_names.index("性别"),
        "性别",
        taken(np.array(["女", "男"]), _sex_places(table["性别"])),
    )
    night = night_of(changed, calendar)
    for place in np.unique(owner).tolist():
        of_owner = owner == place
        yield Content(
            _source(branch),
            f"customers_{staff.number[place]}",
            till.style,
            table.filter(pa.array(of_owner)),
            night[of_owner],
        )


def _sex_places(sex: pa.ChunkedArray) -> np.ndarray:
    found = pc.index_in(sex, pa.array(["female", "male"]))
    places: np.ndarray = pc.fill_null(found, -1).to_numpy()
    return places


def _follow_ups(chunk: Chunk, branch: int, till: Till) -> Content:
    interactions, world = chunk.interactions, chunk.world
    here = np.flatnonzero(interactions.source == FIRST_BRANCH + branch)
    words = dict(zip(("care", "sales", "visit"), ("关怀", "推荐", "拜访"), strict=True))
    kinds = np.array([words.get(kind, "") for kind in INTERACTION_KINDS])
    day = interactions.opened[here]
    table = pa.table(
        {
            "回访编号": numbers(
                f"{_source(branch)[-2:].upper()}F", chunk.number * EVENTS_A_CHUNK + here
            ),
            "客户编号": taken(chunk.records["source_customer_id"], interactions.record[here]),
            "工号": taken(world.staff.number, interactions.employee[here]),
            "类型": taken(kinds, interactions.kind[here]),
            "时间": wall_clock(day, world.calendar),
        }
    )
    return Content(_source(branch), "followups", till.style, table, night_of(day, world.calendar))


def _gifts(chunk: Chunk, branch: int, till: Till) -> Content:
    """What care for single customers cost."""
    gifts, world = chunk.gifts, chunk.world
    here = np.flatnonzero(chunk.registrations.source[gifts.record] == FIRST_BRANCH + branch)
    record, day = gifts.record[here], gifts.day[here]
    table = pa.table(
        {
            "礼品单号": numbers(
                f"{_source(branch)[-2:].upper()}G", chunk.number * EVENTS_A_CHUNK + here
            ),
            "客户编号": taken(chunk.records["source_customer_id"], record),
            "日期": dates(day, world.calendar),
            "工号": taken(world.staff.number, gifts.employee[here]),
            "金额": money(gifts.cents[here]),
        }
    )
    return Content(_source(branch), "gifts", till.style, table, night_of(day, world.calendar))


def _calls(chunk: Chunk, branch: int, till: Till) -> Content:
    contacts, world = chunk.contacts, chunk.world
    source = chunk.registrations.source[contacts.record]
    here = np.flatnonzero(source == FIRST_BRANCH + branch)
    is_made = ~contacts.is_holdout[here]
    cents = np.where(is_made, world.campaigns.contact_cents[contacts.campaign[here]], 0)
    table = pa.table(
        {
            "活动": taken(world.campaigns.number, contacts.campaign[here]),
            "客户编号": taken(chunk.records["source_customer_id"], contacts.record[here]),
            "时间": wall_clock(contacts.day[here], world.calendar),
            "对照组": taken(np.array(["是", "否"]), is_made.astype(np.int64)),
            "费用": money(cents),
        }
    )
    return Content(
        _source(branch),
        "calls",
        replace(till.style, has_malformed=False),
        table,
        night_of(contacts.day[here], world.calendar),
    )


def _redemptions(chunk: Chunk, branch: int, till: Till) -> Content:
    """A coupon for each receipt in which one took something off."""
    orders, world = chunk.orders, chunk.world
    here, cents = redeemed(chunk, FIRST_BRANCH + branch)
    table = pa.table(
        {
            "券号": coupon_numbers(chunk, here),
            "客户编号": taken(chunk.records["source_customer_id"], orders.record[here]),
            "时间": wall_clock(orders.day[here], world.calendar),
            "活动": taken(world.campaigns.number, orders.campaign[here]),
            "小票号": order_numbers(chunk, here),
            "金额": money(cents),
        }
    )
    night = night_of(orders.day[here], world.calendar)
    return Content(
        _source(branch), "coupons", replace(till.style, has_malformed=False), table, night
    )


def _times(day: np.ndarray, chunk: Chunk, till: Till) -> pa.Array:
    """Minutes are enough for a till: 2024/06/18 12:30 or 18.06.2024 12:30."""
    text = wall_clock(day, chunk.world.calendar).cast(pa.string())
    year, month, of_month, time = (
        pc.utf8_slice_codeunits(text, *ends) for ends in ((0, 4), (5, 7), (8, 10), (11, 16))
    )
    parts = (year, month, of_month) if till.date_order == "year first" else (of_month, month, year)
    separator = "/" if till.date_order == "year first" else "."
    return pc.binary_join_element_wise(pc.binary_join_element_wise(*parts, separator), time, " ")
