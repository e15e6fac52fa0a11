-- The floor: the tables of a refresh, straight from the made files, as one would write them by hand
-- for exactly this source. One load, one currency, no corrections, whole history: nothing is general.
-- `{landing}` and `{published}` are filled in; each stage is timed as a whole.

-- stage: load
create schema raw;

create table raw.order_lines as
select
    order_id,
    line_number,
    ordered_at,
    -- Shanghai keeps +08:00 all year; timezone() takes ten times as long
    make_timestamp(epoch_us(ordered_at)) + interval 8 hours as ordered_at_local,
    null::varchar as order_status,
    customer_id,
    product_id,
    line_kind,
    quantity::decimal(18, 4) as quantity,
    unit_price,
    discount_amount,
    null::decimal(18, 4) as net_revenue,
    null::decimal(18, 4) as unit_cost,
    currency,
    returned_order_id,
    store_id,
    channel,
    null::varchar as employee_id,
    null::varchar as campaign_id,
    'made' as source,
    timestamptz '2026-01-01 00:00:00+00' as updated_at,
    'order_lines.parquet' as source_file,
    file_row_number + 1 as source_line,
    1::bigint as load_id
from read_parquet('{landing}/order_lines.parquet', file_row_number = true);

create table raw.products as
select *, 'made' as source from '{landing}/products.parquet';

-- stage: core
create schema core;

create table core.fct_order_lines as
with costed as (
    select
        order_lines.* exclude (net_revenue, unit_cost),
        (quantity * unit_price)::decimal(18, 4) - discount_amount as net_revenue,
        case
            when line_kind = 'merchandise'
                then (quantity * products.unit_cost)::decimal(18, 4)
        end as cost_amount,
    from raw.order_lines
    left join raw.products using (product_id)
)

select
    'made:' || order_id as order_id,
    line_number,
    source,
    coalesce('made:' || customer_id, 'anonymous') as customer_id,
    coalesce('made:' || product_id, 'unknown') as product_id,
    coalesce('made:' || store_id, 'unknown') as store_id,
    coalesce(channel, 'unknown') as channel,
    'unknown' as employee_id,
    'unknown' as campaign_id,
    'made:' || returned_order_id as returned_order_id,
    line_kind,
    ordered_at_local::date as order_date,
    make_timestamp(epoch_us(ordered_at)) as ordered_at,
    ordered_at_local,
    line_kind = 'merchandise' and (returned_order_id is not null or net_revenue < 0) as is_return,
    false as is_cancelled,
    quantity,
    unit_price,
    discount_amount,
    net_revenue,
    cost_amount,
    net_revenue - cost_amount as margin,
    case
        when line_kind = 'merchandise' then if(cost_amount is null, 'none', 'cost')
    end as margin_basis,
    currency,
    1::decimal(18, 8) as exchange_rate,
    load_id,
    source_line,
from costed;

create table core.fct_orders as
select
    order_id,
    min(source) as source,
    min(customer_id) as customer_id,
    min(store_id) as store_id,
    min(channel) as channel,
    min(employee_id) as employee_id,
    min(campaign_id) as campaign_id,
    min(order_date) as order_date,
    min(ordered_at) as ordered_at,
    min(ordered_at_local) as ordered_at_local,
    'completed' as order_status,
    false as is_cancelled,
    coalesce(sum(net_revenue) filter (
        where line_kind = 'merchandise' and returned_order_id is null
    ) > 0, false) as is_purchase,
    count(*) as line_count,
    count(distinct product_id) filter (where line_kind = 'merchandise') as product_count,
    coalesce(sum(quantity) filter (
        where line_kind = 'merchandise' and (quantity > 0 or is_return)
    ), 0)::decimal(18, 4) as units,
    coalesce(sum(discount_amount) filter (
        where line_kind = 'merchandise' and not is_return
    ), 0)::decimal(18, 4) as discount_amount,
    coalesce(sum(net_revenue) filter (where line_kind = 'merchandise'), 0)::decimal(18, 4)
        as merchandise_revenue,
    coalesce(sum(net_revenue) filter (where line_kind = 'shipping'), 0)::decimal(18, 4)
        as shipping_revenue,
    0::decimal(18, 4) as tax_revenue,
    0::decimal(18, 4) as gift_card_revenue,
    0::decimal(18, 4) as points_revenue,
    0::decimal(18, 4) as other_revenue,
    sum(net_revenue)::decimal(18, 4) as net_revenue,
    coalesce(sum(net_revenue) filter (where is_return), 0)::decimal(18, 4) as returned_revenue,
    case
        when not coalesce(bool_or(margin_basis = 'none'), false)
            then sum(margin) filter (where line_kind = 'merchandise')::decimal(18, 4)
    end as margin,
    case when bool_or(margin_basis = 'none') then 'none' else min(margin_basis) end
        as margin_basis,
from core.fct_order_lines
group by order_id;

create table core.dim_customers as
select distinct 'made:' || customer_id as customer_id, 'made' as source,
from raw.order_lines
where customer_id is not null
union all
select 'anonymous', null;

create table core.dim_products as
select 'made:' || product_id as product_id, * exclude (product_id), 'merchandise' as line_kind,
from raw.products
union all by name
select 'unknown' as product_id, 'merchandise' as line_kind;

create table core.dim_stores as
select distinct store_id, 'made' as source, from core.fct_order_lines
union
select 'unknown', null;

create table core.dim_channels as
select channel, from core.fct_order_lines
union
select 'unknown';

create table core.dim_dates as
with days as (
    select unnest(generate_series(
        date_trunc('year', min(order_date)),
        date_trunc('year', max(order_date)) + interval 1 year - interval 1 day,
        interval 1 day
    ))::date as date_day,
    from core.fct_orders
)

select
    date_day,
    year(date_day) as year,
    quarter(date_day) as quarter,
    month(date_day) as month,
    isoyear(date_day) as iso_year,
    weekofyear(date_day) as iso_week,
    isodow(date_day) as day_of_week,
from days;

create schema intermediate;

create table intermediate.int_basket_items as
select distinct order_id, 'product_type:' || product_type as item,
from core.fct_order_lines
inner join core.dim_products using (product_id)
where
    fct_order_lines.line_kind = 'merchandise'
    and not is_return
    and quantity > 0
    and order_id in (select order_id from core.fct_orders where is_purchase);

-- stage: mine
create schema mining;

create temporary table thresholds as
select count(*) as basket_count, ceil(count(*) * 5 / 1000.0)::bigint as minimum_count,
from core.fct_orders
where is_purchase;

create temporary table items as
select item, count(*) as item_count, row_number() over (order by item) as number,
from intermediate.int_basket_items
group by item
having count(*) >= (select minimum_count from thresholds);

create temporary table contents as
select order_id, number
from intermediate.int_basket_items
inner join items using (item);

create temporary table pairs as
select a.number as first_number, b.number as second_number, count(*) as pair_count,
from contents as a
inner join contents as b on a.order_id = b.order_id and a.number < b.number
group by a.number, b.number
having count(*) >= (select minimum_count from thresholds);

create temporary table basket_pairs as
select a.order_id, a.number as first_number, b.number as second_number,
from contents as a
inner join contents as b on a.order_id = b.order_id and a.number < b.number
semi join pairs on a.number = pairs.first_number and b.number = pairs.second_number;

create temporary table triples as
select ab.first_number, ab.second_number, bc.second_number as third_number, count(*) as triple_count,
from basket_pairs as ab
inner join basket_pairs as bc
    on ab.order_id = bc.order_id and ab.second_number = bc.first_number
inner join basket_pairs as ac
    on
        ab.order_id = ac.order_id
        and ab.first_number = ac.first_number
        and bc.second_number = ac.second_number
group by all
having count(*) >= (select minimum_count from thresholds);

create table mining.rules as
with itemsets as (
    select [number] as numbers, item_count as joint_count, from items
    union all
    select [first_number, second_number], pair_count, from pairs
    union all
    select [first_number, second_number, third_number], triple_count, from triples
),

splits as (
    select numbers, unnest(numbers) as consequent, joint_count,
    from itemsets
    where len(numbers) > 1
),

rules as (
    select
        list_filter(splits.numbers, lambda number: number <> consequent) as antecedents,
        consequent,
        basket_count,
        lefts.joint_count as antecedent_count,
        items.item_count as consequent_count,
        splits.joint_count,
    from splits
    inner join itemsets as lefts
        on lefts.numbers = list_filter(splits.numbers, lambda number: number <> consequent)
    inner join items on consequent = items.number
    cross join thresholds
    where
        10 * splits.joint_count >= 4 * antecedent_count
        and splits.joint_count * basket_count >= 3 * antecedent_count * consequent_count
),

not_redundant as (
    select * from rules as longer
    where not exists (
        select 1
        from rules as shorter
        where
            len(longer.antecedents) = 2
            and len(shorter.antecedents) = 1
            and shorter.consequent = longer.consequent
            and list_has_all(longer.antecedents, shorter.antecedents)
            and shorter.joint_count * longer.antecedent_count
            >= longer.joint_count * shorter.antecedent_count
    )
),

not_mirrored as (
    select * from not_redundant
    qualify row_number() over (
        partition by list_sort(list_append(antecedents, consequent)),
            case when len(antecedents) = 2 then consequent end
        order by antecedent_count, antecedents
    ) = 1
)

select
    (
        select list(item order by number)
        from items
        where list_contains(antecedents, number)
    ) as antecedents,
    [items.item] as consequents,
    not_mirrored.* exclude (antecedents, consequent),
    joint_count / antecedent_count as confidence,
    joint_count * basket_count / (antecedent_count * consequent_count) as lift,
    row_number() over (
        order by
            round(
                (basket_count * joint_count - antecedent_count * consequent_count)
                / (
                    sqrt(antecedent_count * (basket_count - antecedent_count))
                    * sqrt(consequent_count * (basket_count - consequent_count))
                ),
                12
            ) desc,
            len(antecedents),
            antecedents,
            consequent
    ) as rank,
from not_mirrored
inner join items on consequent = items.number;

-- stage: marts
create schema marts;

create temporary table purchase_days as
select
    customer_id,
    order_date,
    count(*) as purchases,
    order_date - lag(order_date) over (partition by customer_id order by order_date) as gap_days,
from core.fct_orders
where is_purchase and customer_id <> 'anonymous'
group by customer_id, order_date;

create temporary table settings as
select
    max(order_date) + 1 as as_of_date,
    max(order_date) as last_date,
    min(order_date) as first_date,
    greatest(90, quantile_disc(gap_days, 0.5)) as observed_after_days,
    greatest(30, quantile_disc(gap_days, 0.8)) as active_days,
from purchase_days;

create temporary table customer_totals as
select
    *,
    date_trunc('month', first_purchase_date)::date as first_purchase_month,
    first_purchase_date - first_date >= observed_after_days as is_first_purchase_observed,
from (
    select
        customer_id,
        min(order_date) as first_purchase_date,
        max(order_date) as last_purchase_date,
        sum(purchases)::bigint as purchases,
        count(*) as purchase_days,
        quantile_disc(gap_days, 0.5) as median_gap_days,
    from purchase_days
    group by customer_id
)
inner join (
    select
        customer_id,
        sum(units)::decimal(18, 4) as units,
        sum(discount_amount)::decimal(18, 4) as discount_amount,
        sum(merchandise_revenue)::decimal(18, 4) as net_revenue,
        sum(returned_revenue)::decimal(18, 4) as returned_revenue,
        case
            when not coalesce(bool_or(margin_basis = 'none'), false)
                then sum(margin)::decimal(18, 4)
        end as margin,
        case when bool_or(margin_basis = 'none') then 'none' else min(margin_basis) end
            as margin_basis,
    from core.fct_orders
    group by customer_id
) using (customer_id)
cross join settings;

create table marts.sales_daily as
select
    order_date,
    source,
    store_id,
    channel,
    count(*)::integer as orders,
    count(*) filter (where is_purchase)::integer as purchases,
    (count(distinct customer_id) filter (where is_purchase and customer_id <> 'anonymous'))::integer
        as customers,
    sum(units)::decimal(18, 4) as units,
    (sum(merchandise_revenue) + sum(discount_amount) - sum(returned_revenue))::decimal(18, 4)
        as gross_revenue,
    sum(discount_amount)::decimal(18, 4) as discount_amount,
    sum(returned_revenue)::decimal(18, 4) as returned_revenue,
    sum(merchandise_revenue)::decimal(18, 4) as net_revenue,
    sum(shipping_revenue)::decimal(18, 4) as shipping_revenue,
    case
        when not coalesce(bool_or(margin_basis = 'none'), false) then sum(margin)::decimal(18, 4)
    end as margin,
    case when bool_or(margin_basis = 'none') then 'none' else min(margin_basis) end
        as margin_basis,
from core.fct_orders
group by all;

create table marts.products as
with totals as (
    select
        product_id,
        count(distinct order_id) filter (where not is_return and quantity > 0) as orders,
        min(order_date) filter (where not is_return and quantity > 0) as first_sold_date,
        max(order_date) filter (where not is_return and quantity > 0) as last_sold_date,
        coalesce(sum(quantity) filter (where not is_return and quantity > 0), 0)::decimal(18, 4)
            as units_sold,
        coalesce(sum(-quantity) filter (where is_return), 0)::decimal(18, 4) as units_returned,
        coalesce(sum(-quantity) filter (where not is_return and quantity < 0), 0)::decimal(18, 4)
            as units_written_off,
        sum(net_revenue)::decimal(18, 4) as net_revenue,
        coalesce(sum(net_revenue) filter (where is_return), 0)::decimal(18, 4)
            as returned_revenue,
        sum(margin)::decimal(18, 4) as margin,
        min(margin_basis) as margin_basis,
    from core.fct_order_lines
    where line_kind = 'merchandise'
    group by product_id
),

product_buyers as (
    select product_id, min(order_date) < max(order_date) as is_repeat_buyer,
    from core.fct_order_lines
    where
        line_kind = 'merchandise'
        and not is_return
        and quantity > 0
        and customer_id <> 'anonymous'
    group by product_id, customer_id
),

buyers as (
    select
        product_id,
        count(*) as buyers,
        count(*) filter (where is_repeat_buyer) as repeat_buyers,
    from product_buyers
    group by product_id
)

select
    dim_products.* exclude (unit_cost),
    totals.* exclude (product_id),
    buyers,
    repeat_buyers,
    repeat_buyers / buyers as repeat_buyer_share,
    (net_revenue - returned_revenue) / nullif(units_sold, 0) as average_price,
    net_revenue / sum(net_revenue) over () as revenue_share,
    if(net_revenue is null, null, rank() over (order by net_revenue desc)) as revenue_rank,
from core.dim_products
left join totals using (product_id)
left join buyers using (product_id);

create table marts.rfm as
with ranked as (
    select
        customer_id,
        (as_of_date - last_purchase_date)::integer as recency_days,
        purchases::integer as frequency,
        net_revenue as monetary,
        rank() over (order by last_purchase_date) - 1 as recency_worse,
        count(*) over (partition by last_purchase_date) as recency_tied,
        rank() over (order by purchases) - 1 as frequency_worse,
        count(*) over (partition by purchases) as frequency_tied,
        rank() over (order by net_revenue) - 1 as monetary_worse,
        count(*) over (partition by net_revenue) as monetary_tied,
        count(*) over () as customers,
    from customer_totals
)

select
    customer_id,
    recency_days,
    frequency,
    monetary,
    (1 + (5 * (2 * recency_worse + recency_tied)) // (2 * customers))::integer as r_score,
    (1 + (5 * (2 * frequency_worse + frequency_tied)) // (2 * customers))::integer as f_score,
    (1 + (5 * (2 * monetary_worse + monetary_tied)) // (2 * customers))::integer as m_score,
    r_score + f_score + m_score as rfm_total,
    case
        when r_score >= 4 then if(f_score + m_score >= 7, 'best', 'good')
        else if(f_score + m_score >= 7, 'slipping', 'other')
    end as segment,
from ranked;

create table marts.clv as
with years as (
    select distinct
        customer_id,
        date_sub('month', order_date, last_date) // 12 as year,
        date_sub('month', first_date, as_of_date) // 12 - 1 as oldest_year,
    from purchase_days
    cross join settings
),

months as (
    select distinct
        customer_id,
        date_diff('month', order_date, as_of_date) as month,
        date_diff('month', first_date - 1, as_of_date) - 1 as oldest_month,
    from purchase_days
    cross join settings
),

-- two made years less some hours: the monthly way wherever the second is not over
periods as (
    select customer_id, year as period, oldest_year as oldest, 0 as newest, from years
    where oldest_year >= 1
    union all
    select customer_id, month, oldest_month, 1, from months
    where (select max(oldest_year) from years) < 1
),

followed as (
    select
        *,
        coalesce(lead(period) over (partition by customer_id order by period desc) = period - 1, false)
            as is_retained,
    from periods
    where period between newest and oldest
),

rates as (
    select
        if(is_first_purchase_observed, first_purchase_month, null) as cohort_month,
        grouping(cohort_month) = 1 as is_whole,
        count(distinct customer_id) as customers,
        power(avg(is_retained::integer), if(min(newest) = 1, 12, 1)) as retention_rate,
    from followed
    inner join customer_totals using (customer_id)
    where period > newest
    group by grouping sets ((cohort_month), ())
),

realised as (
    select
        customer_totals.*,
        (last_date - first_purchase_date) / 365.25::double as tenure_years,
        0::decimal(18, 4) as cost_to_serve,
        the_whole.retention_rate as overall_retention_rate,
        case
            when cohorts.customers is null then the_whole.retention_rate
            else
                (cohorts.customers * cohorts.retention_rate + 100 * the_whole.retention_rate)
                / (cohorts.customers + 100)
        end as retention_rate,
    from customer_totals
    inner join rates as the_whole on the_whole.is_whole
    left join rates as cohorts
        on
            is_first_purchase_observed
            and first_purchase_month = cohorts.cohort_month
)

select
    * exclude (margin),
    margin as realised_margin,
    least(10, 1 / (1 - retention_rate)) as years_of_loyalty,
    list_sum([power(1.1, -year) for year in range(1, floor(years_of_loyalty)::bigint + 1)])
    + (years_of_loyalty - floor(years_of_loyalty)) * power(1.1, -years_of_loyalty)
        as discounted_years,
    (margin / greatest(1, tenure_years) * discounted_years)::decimal(18, 4) as textbook_clv,
from realised;

create table marts.cohort_retention as
with cohorts as (
    select first_purchase_month as cohort_month, count(*) as customers,
    from customer_totals
    where is_first_purchase_observed
    group by all
),

cells as (
    select
        cohort_month,
        customers,
        unnest(range(date_diff('month', cohort_month, last_date) + 1)) as months_since,
        cohort_month + to_months((months_since + 1)::integer) <= as_of_date as is_over,
    from cohorts
    cross join settings
),

activity as (
    select
        first_purchase_month as cohort_month,
        date_diff('month', first_purchase_month, order_date) as months_since,
        count(distinct customer_id) as active_customers,
    from purchase_days
    inner join customer_totals using (customer_id)
    where is_first_purchase_observed
    group by all
),

returned_orders as (
    select order_id as returned_order_id, order_date as returned_order_date,
    from core.fct_orders
    where order_id in (
        select returned_order_id from core.fct_order_lines where returned_order_id is not null
    )
),

money as (
    select
        first_purchase_month as cohort_month,
        greatest(0, date_diff(
            'month', first_purchase_month, coalesce(returned_order_date, order_date)
        )) as months_since,
        sum(fct_order_lines.net_revenue)::decimal(18, 4) as net_revenue,
        if(bool_or(fct_order_lines.margin_basis = 'none'), null, sum(fct_order_lines.margin))
            as margin,
    from core.fct_order_lines
    inner join customer_totals using (customer_id)
    left join returned_orders using (returned_order_id)
    where is_first_purchase_observed and line_kind = 'merchandise'
    group by all
)

select
    cohort_month,
    months_since,
    customers,
    if(is_over, coalesce(active_customers, 0), null) as active_customers,
    if(is_over, coalesce(active_customers, 0) / customers, null) as retention,
    if(is_over, coalesce(net_revenue, 0), null) as net_revenue,
    if(is_over, margin, null) as margin,
from cells
left join activity using (cohort_month, months_since)
left join money using (cohort_month, months_since);

create table marts.customers as
with visits as (
    select
        customer_id, store_id, channel, count(*) as purchases, max(order_date) as last_date,
    from core.fct_orders
    where is_purchase and customer_id <> 'anonymous'
    group by all
),

preferred_stores as (
    select
        customer_id,
        arg_min(store_id, (-purchases, current_date - last_date, store_id)) as preferred_store_id,
    from (
        select
            customer_id, store_id, sum(purchases) as purchases, max(last_date) as last_date,
        from visits
        group by all
    )
    group by all
),

preferred_channels as (
    select
        customer_id,
        arg_min(channel, (-purchases, current_date - last_date, channel)) as preferred_channel,
    from (
        select
            customer_id, channel, sum(purchases) as purchases, max(last_date) as last_date,
        from visits
        group by all
    )
    group by all
)

select
    dim_customers.*,
    customer_totals.* exclude (
        customer_id, as_of_date, last_date, first_date, observed_after_days, active_days
    ),
    as_of_date - first_purchase_date <= active_days as is_new,
    case
        when recency_days <= active_days then 'active'
        when recency_days <= 2 * active_days then 'slipping'
        else 'lapsed'
    end as status,
    (customer_totals.net_revenue / customer_totals.purchases)::decimal(18, 4)
        as average_order_value,
    preferred_store_id,
    preferred_channel,
    rfm.* exclude (customer_id, monetary, frequency),
    textbook_clv,
from core.dim_customers
left join customer_totals using (customer_id)
left join marts.rfm using (customer_id)
left join (select customer_id, textbook_clv from marts.clv) using (customer_id)
left join preferred_stores using (customer_id)
left join preferred_channels using (customer_id)
where customer_id <> 'anonymous';

-- stage: publish
attach '{published}' as published;

create schema published.core;

create schema published.marts;

create table published.core.fct_order_lines as from core.fct_order_lines;

create table published.core.fct_orders as from core.fct_orders;

create table published.core.dim_customers as from core.dim_customers;

create table published.core.dim_products as from core.dim_products;

create table published.marts.sales_daily as from marts.sales_daily;

create table published.marts.products as from marts.products;

create table published.marts.rfm as from marts.rfm;

create table published.marts.clv as from marts.clv;

create table published.marts.cohort_retention as from marts.cohort_retention;

create table published.marts.customers as from marts.customers;

checkpoint published;

detach published;
