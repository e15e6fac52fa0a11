"""The refresh on a generated shop: right to the cent, nothing lost, all broken records rejected."""

import shutil
from collections import defaultdict
from datetime import datetime
from decimal import Decimal

import duckdb
import pytest
import yaml

from flows.load.contract import COMPUTED_COLUMNS, ENTITIES
from flows.work_file import work_file
from tests.generated_shop.landing_files import files, json_records
from tests.published_rows import published_rows

# Whether a delivered row is the newest version of its key.
NEWEST = """
    row_number() over (
        partition by {key} order by updated_at desc, delivery_id desc, source_line desc
    ) = 1
"""


def test_every_order_is_right_to_the_cent(warehouse):
    differing = warehouse.execute(
        """
        with built as (
            select
                order_id,
                bool_and(is_cancelled) as is_cancelled,
                count(*) as lines,
                min(exchange_rate) as exchange_rate,
                sum(net_revenue) filter (where line_kind = 'merchandise') as merchandise_revenue
            from core.fct_order_lines
            group by order_id
        ),

        expected as (
            select *, source || ':' || order_id as key from 'orders.parquet'
        )

        select
            expected.key,
            built.*,
            expected.*,
            expected.merchandise_revenue * built.exchange_rate as merchandise_in_yuan
        from built
        full join expected on built.order_id = expected.key
        where
            built.order_id is null
            or expected.key is null
            or built.lines <> expected.lines
            or built.is_cancelled <> expected.is_cancelled
            -- each line is rounded to four decimals in yuan
            or abs(merchandise_in_yuan - built.merchandise_revenue) > 0.00005 * built.lines
        limit 5
        """
    ).fetchall()
    assert differing == []


def test_revenue_in_yuan_by_source_at_the_rate_of_the_sale(warehouse, refreshed):
    """A return takes the rate of its order: rates are those of head office's own list."""
    found = dict(
        warehouse.execute(
            "select source, sum(net_revenue) from core.fct_order_lines "
            "where not is_cancelled group by source"
        ).fetchall()
    )
    rates = f"{refreshed}/landing/head_office/rates_*.csv"
    true = dict(
        warehouse.execute(
            f"""
            with orders as (
                select
                    orders.source,
                    orders.net_revenue,
                    (coalesce(sales.ordered_at, orders.ordered_at) + interval 8 hours)::date as day
                from 'orders.parquet' as orders
                left join 'orders.parquet' as sales on orders.returned_order_id = sales.order_id
                where not orders.is_cancelled
            )

            select source, sum(net_revenue * if(source = 'marketplace', rates.yuan, 1))
            from orders
            join read_csv('{rates}') as rates on orders.day = rates.day
            group by source
            """
        ).fetchall()
    )
    assert found.keys() == true.keys()
    for source, revenue in found.items():
        # each line is rounded to four decimals
        assert float(revenue) == pytest.approx(float(true[source]), abs=0.5)
    assert float(found["marketplace"]) > 1_000


def test_costs_are_head_offices_where_the_till_knows_none(warehouse):
    found, true = (
        warehouse.execute(query).fetchone()[0]
        for query in (
            "select sum(cost_amount) from core.fct_order_lines "
            "where source like 'branch%' and line_kind = 'merchandise' and not is_cancelled",
            "select sum(merchandise_cost) from 'orders.parquet' "
            "where source like 'branch%' and not is_cancelled",
        )
    )
    assert float(found) == pytest.approx(float(true), abs=0.01)


def test_nothing_is_lost(warehouse):
    assert (
        warehouse.execute(
            "select source_file from raw.loads "
            "where records_read <> rows_loaded + rows_rejected + rows_skipped"
        ).fetchall()
        == []
    )


def test_everything_broken_is_in_rejected_rows_and_nothing_else_is(warehouse):
    rejected = warehouse.execute(
        "select distinct source_file, source_line from raw.rejected_rows"
    ).fetchall()
    true = warehouse.execute(
        "select regexp_replace(file, '^(landing|nights/[^/]+)/', ''), line from 'malformed.parquet'"
    ).fetchall()
    assert sorted(rejected) == sorted(true)
    assert true


def test_returns_in_a_branch_find_the_web_shops_order(warehouse):
    found, true = (
        warehouse.execute(query).fetchone()[0]
        for query in (
            "select count(distinct order_id) from core.fct_order_lines "
            "where source like 'branch%' and returned_order_id like 'web_shop:%'",
            "select count(*) from 'orders.parquet' "
            "where source like 'branch%' and returned_order_id like 'W%'",
        )
    )
    assert found == true > 0


def test_one_product_for_all_channels(warehouse):
    assert warehouse.execute(
        "select distinct source from core.dim_products where product_id <> 'unknown'"
    ).fetchall() == [("head_office",)]


def test_complaints_point_at_orders_that_exist(warehouse):
    complaints, known = warehouse.execute(
        """
        select count(*), count(orders.order_id)
        from staging.stg_interactions as interactions
        left join (select distinct order_id from core.fct_order_lines) as orders
            on interactions.order_id = orders.order_id
        where interactions.kind = 'complaint'
        """
    ).fetchone()
    assert complaints == known > 10


def test_what_campaigns_add_is_measured_by_those_held_out(warehouse):
    contacts, purchases = (
        warehouse.execute(query).df()
        for query in (
            """
            select contacts.campaign_id, contacts.customer_id, is_holdout, starts_on, ends_on
            from core.fct_campaign_contacts as contacts
            inner join core.dim_campaigns using (campaign_id)
            where ends_on < (select max(order_date) from core.fct_orders where is_purchase)
            """,
            """
            select customer_id, order_date from core.fct_orders
            where is_purchase and not is_cancelled and customer_id <> 'anonymous'
            """,
        )
    )
    pairs = contacts.merge(purchases, on="customer_id")
    within = pairs[(pairs.order_date >= pairs.starts_on) & (pairs.order_date <= pairs.ends_on)]
    bought = set(zip(within.campaign_id, within.customer_id, strict=True))
    contacts["bought"] = [
        pair in bought for pair in zip(contacts.campaign_id, contacts.customer_id, strict=True)
    ]
    shares = contacts.groupby(["campaign_id", "is_holdout"]).bought.agg(["mean", "size"]).unstack()
    reached = shares["size"][False]
    difference = ((shares["mean"][False] - shares["mean"][True]) * reached).sum() / reached.sum()

    rate, basis, low, high = warehouse.execute(
        """
        select take_rate, take_rate_basis, take_rate_low, take_rate_high
        from intermediate.int_take_rate
        """
    ).fetchone()
    assert len(shares) > 5
    assert basis == "measured_any_purchase"
    assert rate == pytest.approx(max(0, difference), abs=1e-12)
    assert (low + high) / 2 == pytest.approx(difference, abs=1e-12)
    # one more who buys and one more who does not, so that 0 of 3 is not certain
    with_two_more = (shares["mean"] * shares["size"] + 1) / (shares["size"] + 2)
    variances = (with_two_more * (1 - with_two_more) / shares["size"]).sum(axis=1)
    error = ((variances * reached**2).sum() ** 0.5) / reached.sum()
    assert (high - low) / 2 == pytest.approx(1.959963984540054 * error, abs=1e-12)
    # purchases added per person reached, in truth
    (true,) = warehouse.execute(
        """
        select sum(purchases_added_per_active_person * was_active::int) / count(*)
        from 'campaign_contacts.parquet' inner join 'campaigns.parquet' using (campaign_id)
        where not is_holdout
        """
    ).fetchone()
    assert low < true < high


def test_lists_and_offers_are_valued_at_the_measured_take_rate(warehouse):
    bases, offers, lists = warehouse.execute(
        """
        select
            (
                select list_distinct(list(take_rate_basis))
                from (from marts.cross_sell_offers select take_rate_basis
                union all from marts.recommendations select take_rate_basis)
            ),
            (
                select max(abs(
                    take_rate.take_rate * (margin_per_take - discount_per_take)
                    - discount_per_take * would_have_bought_share
                    - expected_margin_per_target
                ))
                from marts.cross_sell_offers, intermediate.int_take_rate as take_rate
            ),
            (
                select max(abs(
                    take_rate * (margin_per_unit - 0.1 * net_revenue_per_unit)
                    - 0.1 * net_revenue_per_unit * purchase_probability
                    - expected_margin
                ))
                from marts.recommendations
                inner join intermediate.int_product_values using (product_id)
                cross join intermediate.int_take_rate
            )
        """
    ).fetchone()
    assert bases == ["measured_any_purchase"]
    assert offers == pytest.approx(0, abs=0.0002)
    assert lists == pytest.approx(0, abs=0.0002)


def test_each_ticket_is_there_as_it_stands_in_the_end(warehouse, shop):
    """It comes again when it is answered and resolved; the last delivery says what is true."""
    last = {
        row["ticket"]: row
        for path in files(shop, "call_centre", "tickets_*.jsonl")
        for row in json_records(path)
    }
    found = warehouse.execute(
        f"""
        select
            interaction_id, kind, employee_id, order_id, opened_at, answered_at, resolved_at,
            steps, rating, compensation_amount, is_loop_closed
        from staging.stg_interactions
        where source = 'call_centre'
        qualify {NEWEST.format(key="interaction_id")}
        """
    ).fetchall()
    assert len(last) == len(found) > 60

    def moment(text):
        return text and datetime.fromisoformat(text.replace("Z", "+00:00"))

    systems = {"WEB": "web_shop", "MKT": "marketplace"}
    for ticket, kind, agent, order, opened, answered, resolved, steps, *outcome in found:
        row = last[ticket.removeprefix("call_centre:")]
        about = row["about"]
        assert kind == row["topic"]
        assert agent == f"head_office:{row['agent']}"
        assert order == (f"{systems[about['system']]}:{about['no']}" if about["no"] else None)
        assert (opened, answered, resolved) == tuple(
            moment(row[name]) for name in ("opened", "answered", "resolved")
        )
        paid = row["paid_back"] and Decimal(row["paid_back"])
        assert [steps, *outcome] == [row["steps"], row["stars"], paid, row["closed_loop"]]


def test_every_column_of_the_contract_has_values(warehouse, refreshed):
    """But bands of age, and the sources of ids that head office itself hands out."""
    mapped = defaultdict(set)
    for path in (refreshed / "sources").glob("*.yml"):
        for entity, part in yaml.safe_load(path.read_text("utf-8"))["entities"].items():
            mapped[entity] |= part["columns"].keys()
    for name, entity in ENTITIES.items():
        counts = ", ".join(f'count("{column}")' for column in entity.columns)
        filled = warehouse.execute(f"select {counts} from raw.{name}").fetchone()
        empty = {column for column, rows in zip(entity.columns, filled, strict=True) if not rows}
        assert not empty & mapped[name], name
        empty -= {"age_band", *COMPUTED_COLUMNS}
        assert all(column.endswith("_source") for column in empty), name


@pytest.mark.slow
def test_nights_one_by_one_equal_all_at_once(shop, refreshed, refresh, tmp_path):
    """The nightly refresh driven by the generated nights, against one build of everything."""
    folder = tmp_path / "shop"
    shutil.copytree(shop, folder)
    refresh(folder / "landing", folder / "warehouse")
    for night in sorted((folder / "nights").iterdir()):
        shutil.copytree(night, folder / "landing", dirs_exist_ok=True)
        refresh(folder / "landing", folder / "warehouse")
    found, expected = (published_rows(one / "warehouse") for one in (folder, refreshed))
    assert found.keys() == expected.keys()
    assert [table for table in expected if found[table] != expected[table]] == []
    # what no mart reads yet, too: tickets, owners, points, visits, consents, occasions, costs
    found, expected = (staged_rows(one / "warehouse") for one in (folder, refreshed))
    assert found.keys() == expected.keys()
    assert [table for table in expected if found[table] != expected[table]] == []


def staged_rows(warehouse):
    """The newest row of each key of each entity; when and by which load it came left out."""
    found = {}
    with duckdb.connect(work_file(warehouse), read_only=True) as connection:
        for name, entity in ENTITIES.items():
            key = ", ".join(f'"{column}"' for column in ("source", *entity.whole_key))
            columns = ", ".join(f'"{column}"' for column in ("source", *entity.columns))
            rows = connection.execute(
                f"""
                with delivered_rows as (
                    select raw_rows.*, loads.delivery_id
                    from raw.{name} as raw_rows
                    inner join staging.stg_loads as loads using (load_id)
                )

                select {columns} from delivered_rows qualify {NEWEST.format(key=key)}
                """
            ).fetchall()
            assert rows, name
            found[name] = sorted(map(repr, rows))
    return found
