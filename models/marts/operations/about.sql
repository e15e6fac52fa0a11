{%- set reporting_currency = var('reporting_currency') -%}
with

sources as (

    select * from {{ ref('stg_sources') }}

),

runs as (

    select * from {{ source('state', 'runs') }}

),

-- the run under way: there is only one, and ids sort by time
this_run as (

    select max(run_id) as run_id
    from runs

),

loads as (

    select * from {{ ref('stg_loads') }}

),

rejected_rows as (

    select * from {{ ref('stg_rejected_rows') }}

),

lines_without_rate as (

    select * from {{ ref('int_order_lines_without_rate') }}

),

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

orders as (

    select * from {{ ref('int_counted_orders') }}

),

observation_starts as (

    select * from {{ ref('int_observation_starts') }}

),

active_days as (

    select * from {{ ref('int_active_days') }}

),

order_totals as (

    select
        source,
        max(ordered_at) as newest_order_at,
        sum(line_count) as order_lines,
        count(*) as orders,
        count(*) filter (where is_purchase) as purchases,
        count(distinct customer_id) filter (where is_purchase and {{ is_person() }})
            as customers

    from orders
    group by source

),

delivery_totals as (

    select
        source,
        timezone(
            'UTC',
            coalesce(
                max(delivered_at) filter (where entity = 'order_lines'),
                max(delivered_at)
            )
        ) as newest_delivery_at

    from loads
    group by source

),

all_rejected_rows as (

    select source from rejected_rows
    union all
    select source from lines_without_rate

),

rejected_totals as (

    select
        source,
        count(*) as rejected_rows

    from all_rejected_rows
    group by source

),

final as (

    select
        ---------- ids
        sources.source,
        sources.title,

        ---------- this build
        this_run.run_id as version,
        this_run.run_id,
        as_of_date.as_of_date,
        timezone('UTC', current_timestamp) as built_at,

        ---------- what it holds of the source
        delivery_totals.newest_delivery_at,
        order_totals.newest_order_at,
        coalesce(order_totals.order_lines, 0)::bigint as order_lines,
        coalesce(order_totals.orders, 0)::bigint as orders,
        coalesce(order_totals.purchases, 0)::bigint as purchases,
        coalesce(order_totals.customers, 0)::bigint as customers,
        coalesce(rejected_totals.rejected_rows, 0)::bigint as rejected_rows,

        ---------- settings
        sources.time_zone,
        sources.currency,
        {% if reporting_currency is none -%}
            sources.currency
        {%- else -%}
            '{{ reporting_currency }}'
        {%- endif %} as reporting_currency,
        observation_starts.observed_after_days::integer as observed_after_days,
        active_days.active_days::integer as active_days,
        {{ 'null' if var('rfm_window_days') is none else var('rfm_window_days') }}::integer
            as rfm_window_days,
        {{ var('clv_discount_rate') }}::double as clv_discount_rate,
        {{ var('clv_maximum_years') }}::integer as clv_maximum_years,
        {{ var('clv_shrinkage_customers') }}::integer as clv_shrinkage_customers,
        {{ var('fiscal_year_start_month') }}::integer as fiscal_year_start_month,
        string_split(
            '{{ var("mining_item_levels") | join(" ") }}', ' '
        ) as mining_item_levels

    from sources
    cross join this_run
    cross join as_of_date
    cross join active_days
    left join delivery_totals on sources.source = delivery_totals.source
    left join order_totals on sources.source = order_totals.source
    left join rejected_totals on sources.source = rejected_totals.source
    left join observation_starts on sources.source = observation_starts.source

)

select * from final
